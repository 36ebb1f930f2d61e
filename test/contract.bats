# The contract of every program: arguments, start, stop, and its header comment.
# contract-wire.bats has the messages that peers may send to it.

load helpers
load contract
export LSAN_OPTIONS=suppressions=$BATS_TEST_DIRNAME/lsan.supp:print_suppressions=0

# ---- arguments --------------------------------------------------------------------

help_is_right() {
  "$1" -h >out 2>err
  [[ ! -s err ]]
  [[ $(head -n 1 out) =~ ^"usage: $1"($|\ ) ]]
  [[ $(sed -n 2p out) =~ ^[A-Z].*\.$ ]]
  [[ $(tail -n 1 out) == 'Peers: '* ]]
  # Every option of the first line is explained, and the reverse.
  diff <(head -n 1 out | grep -oE -- ' ?[[|]?-[a-zA-Z]\b' | grep -oE -- '-.' | sort -u) \
    <(grep -oE '^  -[a-zA-Z]' out | tr -d ' ' | sort -u)
  # It opens no socket: it works without a free descriptor.
  (ulimit -n 4 && "$1" -h >/dev/null)
}

misuse_is_refused() {
  local option first
  first=$("$1" -h | head -n 1)
  refused "$1" -Z
  refused "$1" '-?'
  for option in $(number_options "$1"); do
    refused "$1" "$option" x
    refused "$1" "$option" -1
    refused "$1" "$option" 99999999999
  done
  if [[ $first != *...* ]]; then refused "$1" x x x x x x x x; fi
  arguments "$1"
  if ((${#places[@]} > 0)); then
    refused "$1" "${args[@]}" "${places[@]}" -h
    refused "$1" "${args[@]}" "${places[0]}" -h
  fi
}

# refused COMMAND... - expect one usage line on stderr and exit status 2
refused() {
  local status=0
  timeout "$WAIT_S" "$@" >out 2>err || status=$?
  ((status == 2)) || fail "$*: exit status $status"
  [[ ! -s out && $(wc -l <err) -eq 1 && $(<err) == "usage: $1"* ]] || fail "$*: $(<err)"
}

# with_place N ENDPOINT COMMAND - run it with another endpoint in place N
with_place() {
  local status=0
  timeout "$WAIT_S" "$3" "${args[@]}" "${places[@]:0:$1}" "$2" "${places[@]:$1+1}" \
    >out 2>err </dev/null || status=$?
  ((status == 1)) || fail "$3: ${places[$1]} is $2: exit status $status"
  grep -qE "^E: .*$(sed 's/[].*[]/\\&/g' <<<"$2").*: .+" err || fail "$3: $2: $(<err)"
}

bad_endpoint_is_told() {
  local i endpoint
  arguments "$1"
  for i in "${!places[@]}"; do
    if binds "$1" "${places[i]}" || connects "$1" "${places[i]}"; then
      for endpoint in nonsense tcp:// tcp://127.0.0.1; do
        with_place "$i" "$endpoint" "$1"
      done
    elif [[ ${places[i]} == SELF ]]; then
      # The name of a cluster becomes ipc endpoints.
      with_place "$i" no/such/place "$1"
    fi
  done
}

taken_endpoint_is_told() {
  local i taken
  start occupant zpeer -b -n 1 -t 600000 PULL 'tcp://127.0.0.1:*'
  taken=$(bound occupant)
  arguments "$1"
  for i in "${!places[@]}"; do
    if ! binds "$1" "${places[i]}"; then continue; fi
    with_place "$i" "$taken" "$1"
    grep -qF "$taken: Address already in use" err
  done
}

# The endpoint of clonesrv6 is the first of three ports, and cannot be a wildcard.
ipv6_works() {
  local i sockets=0
  arguments "$1"
  for i in "${!places[@]}"; do
    if binds "$1" "${places[i]}"; then
      if "$1" -h | grep -q 'it binds P, P+1'; then return; fi
      places[i]='tcp://[::1]:*'
      sockets=$((sockets + 1))
    fi
  done
  if ((sockets == 0)); then return; fi
  start "$1" "$1" "${args[@]}" "${places[@]}"
  wait_for "$1" '^I: .* bound to tcp://\[::1\]:[0-9]+$' "$sockets"
  stop_or_end "$1"
}

# Each numeric option at 0, 1 and the largest number: refused with a usage line, or
# the program works, does not spin, and stops within a second. All of them run at
# the same time, each in a folder of its own.
numbers_work() {
  local option value case cases=()
  # A fault is not to take all memory; a sanitizer needs more.
  local limit='ulimit -v 4000000;'
  if [[ ${SLACK_MS-} ]]; then limit=; fi
  arguments "$1"
  seq 1000 >testdata            # in chunks of one byte it takes no long time
  for option in $(number_options "$1"); do
    for value in 0 1 999999999; do
      case="${option#-}=$value"
      cases+=("$case")
      mkdir "$case"
      cp testdata "$case"
      start "$case" bash -c "$limit cd $case && exec \"\$@\"" in-folder \
        "$1" "${args[@]}" "$option" "$value" "${places[@]}"
    done
  done
  for case in "${cases[@]}"; do
    wait_until eval "awaits_signals $case || ended $case"
  done
  if ((${#cases[@]} > 0)); then spins_not "$1" "${cases[@]}"; fi
  for case in "${cases[@]}"; do signal TERM "$case" || :; done
  for case in "${cases[@]}"; do has_worked "$1" "$case"; done
}

# busy_ms NAME - set busy_ms to the time that its busiest thread has run, or has waited
# for a core to run on
busy_ms() {
  local file run=0 waited=0
  busy_ms=0
  if ended "$1"; then return; fi
  for file in /proc/"${pid_of[$1]}"/task/*/schedstat; do
    read -r run waited _ 2>/dev/null <"$file" || continue
    if (((run + waited) / 1000000 > busy_ms)); then busy_ms=$(((run + waited) / 1000000)); fi
  done
}

# Expect that no case is busy all the time, unless it is asked to be. A program that
# has just started may wait for a core as long, but not five times in a row.
spins_not() { # NAME CASE...
  if [[ ! -e /proc/self/schedstat ]]; then return; fi   # it tells what is busy
  local busy=("${@:2}")
  for _ in {1..5}; do
    find_busy "$1" "${busy[@]}"
    if ((${#busy[@]} == 0)); then return; fi
  done
  fail "$1 spins: ${busy[*]/#/-}"
}

# Set busy to those of the cases that are busy for more than 0.8 of 0.6 s.
find_busy() { # NAME CASE...
  local case busy_ms began=${EPOCHREALTIME/./} ms
  local -A before=()
  busy=()
  for case in "${@:2}"; do
    busy_ms "$case"
    before[$case]=$busy_ms
  done
  nap 0.6
  for case in "${@:2}"; do
    busy_ms "$case"
    ms=$(((${EPOCHREALTIME/./} - began) / 1000))
    if (((busy_ms - before[$case]) * 10 > ms * 8)) && ! may_be_busy "$1" "$case"; then
      busy+=("$case")
    fi
  done
}

may_be_busy() { # NAME CASE
  "$1" -h | grep -q '^Counts round trips' \
    || { [[ $2 != *=1 ]] && "$1" -h | grep -qE -- "^  -${2%=*} .*as fast as"; }
}

has_worked() { # NAME CASE
  local status=0 log="./$2.log"
  within 1200 ended "$2"
  wait "${pid_of[$2]}" || status=$?
  unset "pid_of[$2]"
  case $status in
  0) ;;
  1) [[ -s $log ]] && ! grep -qE 'E: (malloc|pthread|zmq_)' "$log" ;;
  2) grep -q "^usage: $1" "$log" ;;
  *) false ;;
  esac || fail "$1 -$2: exit status $status: $(tail -n 3 "$log")"
}

# ---- start and stop ---------------------------------------------------------------

# At rest with one signal, under load with the other: the peers are there, and so
# are strangers that send malformed messages. In the full number, all with both.
stops_at_any_moment() {
  local signal n
  for n in $(seq "$(rounds 1 20)"); do
    for signal in $(rounds INT 'INT TERM'); do
      start_alone "$1"
      stop_at_some_moment "$1" "$signal"
    done
    for signal in $(rounds TERM 'INT TERM'); do
      start_alone "$1"
      start_peers "$1"
      start_hostile "$1" 100000
      stop_at_some_moment "$1" "$signal"
      drop_all
    done
  done
}

stop_at_some_moment() {
  wait_until eval "ended $1 || awaits_signals $1"
  moment 250
  stop_or_end "$1" "$2"
}

start_hostile() { # NAME COUNT
  local place n=0
  for place in "${places[@]}"; do
    if binds "$1" "$place"; then
      start "hostile$((n++))" zhostile -n "$2" -s "$RANDOM" "$place"
    fi
  done
}

# SIGTERM while it starts: main may not have blocked the signal yet.
stops_while_it_starts() {
  local status
  arguments "$1"
  for _ in $(seq "$(rounds 8 200)"); do
    start "$1" "$1" "${args[@]}" "${places[@]}"
    moment 30
    signal TERM "$1" || :       # it may have ended by itself
    within 1200 ended "$1"
    status=0
    wait "${pid_of[$1]}" || status=$?
    ((status <= 1 || status == 128 + 15)) || fail "$1 exited with $status"
  done
}

# Nobody reads its stdout, a pipe that is full.
stops_with_a_full_pipe() {
  local full
  mkfifo full
  exec {full}<>full
  dd if=/dev/zero of=full bs=4096 count=64 oflag=nonblock 2>/dev/null || :
  arguments "$1"
  start "$1" bash -c 'exec "$@" >full' into-full "$1" "${args[@]}" "${places[@]}"
  start_peers "$1"
  wait_until eval "ended $1 || awaits_signals $1"
  moment 250
  STOP_MS=1500 stop_or_end "$1"
  exec {full}>&-
}

# With descriptors 0 and 1 closed, libzmq must not get them.
works_without_stdout() {
  arguments "$1"
  start "$1" bash -c 'exec "$@" <&- >&-' without "$1" "${args[@]}" "${places[@]}"
  start_peers "$1"
  wait_until eval "ended $1 || awaits_signals $1"
  if ! ended "$1"; then
    ls -l "/proc/${pid_of[$1]}/fd" >fds || : # it may end now
    if grep -E ' [01] -> ' fds | grep -v ' -> /dev/null$'; then
      fail "$1 uses descriptor 0 or 1 for something else"
    fi
  fi
  stop_at_some_moment "$1" TERM
}

# ---- the header comment, and a copy -----------------------------------------------

source_of() {
  echo "$root"/ch?-*/"$1.c"
}

builds_as_it_says() {
  local line
  line=$(sed -n '/^ \* Build:/,/^ \*\( Try it.*\)\?$/p' "$(source_of "$1")" \
    | sed '/^ \*$/d; /Try it/d; s/^ \* \(Build:\)\?//; s/\\$//' | tr '\n' ' ')
  [[ $line == *' cc -Icommon '* ]]
  (cd "$root" && eval "${line/ -o / -O0 -Wall -Werror -o $OLDPWD/}")
  "./$1" -h >/dev/null
}

# Run the block at the top of the program as a reader would: lines that begin with
# $ go to a shell; the others must appear in its output in this order, where "..."
# stands for any text.
does_what_it_says() {
  local file line from=1 at group naps=800 way=(unshare -n)
  file=$(source_of "$1")
  grep -q '^ \* Try it' "$file"
  sed -n '/^ \* Try it:$/,/^ \*$/s/^ \*     //p' "$file" >block
  [[ -s block ]] || return 0    # it refers to another program
  ln -s "$bin" bin
  grep '^\$ ' block | sed 's/^\$ //' >commands
  grep -v '^\$ ' block >expected || :
  if ((EUID != 0)); then way=(unshare -rn); fi
  set -m
  (
    close_descriptors
    # A busy machine takes longer to start the programs than a reader's.
    exec "${way[@]}" bash -c 'sleep() { command sleep $(($1 + 1)); }
                              ip link set lo up; . ./commands; wait'
  ) >output 2>&1 </dev/null &
  group=$!
  set +m
  while IFS= read -r line; do
    line=$(sed 's/[][\.*^$()+?{}|]/\\&/g; s/\\\.\\\.\\\./.*/g' <<<"$line")
    until at=$(tail -n "+$from" output | grep -anxEm1 -- "$line *"); do
      if ((--naps < 0)); then
        kill -KILL -- "-$group"
        cat output
        fail "no '$line'"
        return 1
      fi
      nap 0.05
    done
    from=$((from + ${at%%:*}))
  done <expected
  kill -TERM -- "-$group" 2>/dev/null || :
  wait "$group" 2>/dev/null || :
}

# A quarter of the programs is copied, at random; in the full number, all.
copies_and_builds() {
  if ((RANDOM % $(rounds 4 1))); then return; fi
  (cd "$root" && make -s copy P="$1" DEST="$OLDPWD/copy")
  make -s -C copy CFLAGS=-O0
  "copy/$1" -h >/dev/null
}

# ---- the tests --------------------------------------------------------------------

@test "contract: -h prints the usage, and opens no socket" {
  each_program help_is_right
}

@test "contract: a mistake in the arguments is refused with a usage line and status 2" {
  each_program misuse_is_refused
}

@test "contract: a malformed endpoint is named, with the reason" {
  each_program bad_endpoint_is_told
}

@test "contract: an endpoint that is taken is named, with the reason" {
  each_program taken_endpoint_is_told
}

@test "contract: each endpoint can be an IPv6 address" {
  if [[ ! $(</proc/net/if_inet6) == *' lo'* ]]; then skip 'no IPv6 on this machine'; fi
  each_program ipv6_works
}

@test "contract: each numeric option at 0, 1 and 999999999 works or is refused" {
  each_program numbers_work 4
}

@test "contract: a signal ends it within a second, at any moment" {
  each_program stops_at_any_moment 4 # a second is short where many work
}

@test "contract: a signal ends it within a second, while it starts" {
  each_program stops_while_it_starts 8
}

@test "contract: a signal ends it while stdout is a pipe that nobody reads" {
  each_program stops_with_a_full_pipe 12
}

@test "contract: it works with descriptors 0 and 1 closed" {
  each_program works_without_stdout
}

@test "contract: it builds with the line in its header" {
  each_program builds_as_it_says
}

@test "contract: its Try it block does what it says" {
  may_make_networks || skip 'no right to make network namespaces'
  each_program does_what_it_says 24
}

@test "contract: a copy of it builds alone" {
  each_program copies_and_builds
}

@test "contract: output comes line by line, into a pipe too" {
  start publisher bash -c 'exec psenvpub ipc://pub > >(exec cat)'
  wait_for publisher '^I: publisher bound'
}
