# What every program keeps, whatever its pattern. There is no list of them: the
# programs are those in bin/, and their usage text tells how to run them.

load helpers

programs() {
  local source name
  for source in "$root"/ch?-*/*.c; do
    name=$(basename "$source" .c)
    if [[ -x $bin/$name && (! ${P-} || $P == "$name") ]]; then echo "$name"; fi
  done
}

source_of() {
  echo "$root"/ch?-*/"$1.c"
}

# each_program CHECK [N] - CHECK NAME for all, N (eight) at a time, each in a
# folder of its own; what a failed one printed is shown
each_program() {
  local name failed=() jobs=()
  for name in $(programs); do
    mkdir -p "$name"
    (
      set -eE
      cd "$name"
      unset watcher
      pid_of=()
      trap 'teardown >logs 2>&1' EXIT
      seq 100000 >testdata        # for those that send a file
      # Who speaks to a whole network gets one of its own.
      if "$name" -h | grep -qE '^  (BROADCAST|INTERFACE) '; then
        hosts alone
        on alone ip route add default dev eth0
        # shellcheck disable=SC2034 # it is for start
        via=("${in_switch[@]/${host_pid[switch]}/${host_pid[alone]}}")
      fi
      "$1" "$name"
      : >passed
    ) >"$name/check.out" 2>&1 3>&- &
    jobs+=($!)
    if ((${#jobs[@]} >= ${2:-8})); then
      wait "${jobs[0]}" || :
      jobs=("${jobs[@]:1}")
    fi
  done
  wait "${jobs[@]}" || :
  for name in $(programs); do
    if [[ ! -e $name/passed ]]; then
      failed+=("$name")
      echo "=== $1 $name"
      tail -n 30 "$name/check.out" "$name/logs"
    fi
  done
  ((${#failed[@]} == 0)) || fail "$1: ${failed[*]}"
}

# arguments NAME - set args so that the program keeps running, by itself: each
# endpoint a file of its own name, the switches that it needs, and a 0 for what
# says "0: until stopped", for work that takes time, and for simulated faults
arguments() {
  local line word first
  args=() places=()
  while IFS= read -r line; do
    read -r word _ <<<"$line"
    if [[ $line =~ ^'usage: ' ]]; then
      first=$(sed 's/\[[^]]*\]//g; s/\[[^]]*\]//g' <<<"$line")
      if [[ $first =~ \ (-[a-zA-Z]) ]]; then args+=("${BASH_REMATCH[1]}"); fi
    elif [[ $line =~ '0: until stopped' || $line =~ ^'  -t MS '+work ]]; then
      args+=("$word" 0)
    elif [[ $line == '  -f PERCENT'* ]]; then
      args+=(-f 0)              # no accidents of its own
    elif [[ $line =~ ^'  '[A-Z.0-9]+' '+(bind|connect) ]]; then
      places+=("ipc://$word")
    elif [[ $line =~ ^'  '[A-Z] ]]; then
      places+=("$(given "$word" "$line")")
    fi
  done < <("$1" -h)
}

# A positional argument that is no endpoint: its default, or its name.
given() {
  if [[ $2 =~ \(([^\)]*)\) ]]; then echo "${BASH_REMATCH[1]}"; else echo "${1%...}"; fi
}

start_alone() { # NAME
  arguments "$1"
  start "$1" "$1" "${args[@]}" "${places[@]}"
}

# ended NAME - has it ended by itself, as some do when nobody answers?
ended() {
  ! kill -0 "${pid_of[$1]}" 2>/dev/null
}

# ---- the checks -------------------------------------------------------------------

help_is_right() {
  "$1" -h >out 2>err
  [[ ! -s err ]]
  [[ $(head -n 1 out) =~ ^"usage: $1"($|\ ) ]]
  [[ $(sed -n 2p out) =~ ^[A-Z].*\.$ ]]
  [[ $(tail -n 1 out) == 'Peers: '* ]]
  # Every option of the first line is explained, and the other way round.
  diff <(head -n 1 out | grep -oE -- ' ?[[|]?-[a-zA-Z]\b' | grep -oE -- '-.' | sort -u) \
    <(grep -oE '^  -[a-zA-Z]' out | tr -d ' ' | sort -u)
  # It opens no socket: with no descriptor to spare it still works.
  (ulimit -n 4 && "$1" -h >/dev/null)
}

misuse_is_refused() {
  local option surplus=(x x x x x x x x) given status
  for option in -Z -? $(sed -nE 's/^  (-[a-z]) (MS|N|COUNT|BYTES|PERCENT|SEED) .*/\1:x \1:-1 \1:99999999999/p' \
    <("$1" -h)); do
    status=0
    IFS=: read -r -a given <<<"$option"
    timeout 5 "$1" "${given[@]}" >out 2>err || status=$?
    ((status == 2)) || fail "$option: status $status"
    [[ ! -s out && $(wc -l <err) -eq 1 && $(<err) == "usage: $1"* ]] || fail "$option"
  done
  if [[ $("$1" -h | head -n 1) != *...* ]]; then
    status=0
    timeout 5 "$1" "${surplus[@]}" >out 2>err || status=$?
    ((status == 2)) || fail "surplus arguments: status $status"
    [[ ! -s out && $(wc -l <err) -eq 1 && $(<err) == "usage: $1"* ]]
  fi
}

bind_conflict_is_told() {
  local i status taken
  start occupant zpeer -b -n 1 -t 600000 PULL tcp://127.0.0.1:*
  taken=$(bound occupant)
  arguments "$1"
  for i in "${!places[@]}"; do
    if ! "$1" -h | grep -qE "^  ${places[i]#ipc://} +bind"; then continue; fi
    status=0
    timeout 5 "$1" "${args[@]}" "${places[@]:0:i}" "$taken" "${places[@]:i+1}" \
      >out 2>err || status=$?
    ((status == 1)) || fail "${places[i]}: status $status"
    grep -qF "$taken: Address already in use" err
  done
}

# At rest with one signal, and under load with the other: its peers are there,
# and others who send what makes no sense. In the full number, all with both.
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
  if ended "$1"; then gave_up "$1"; else stop "$1" "$2" 2>err || just_ended "$1"; fi
}

# It ended by itself: done, or among strangers who took its replies.
gave_up() {
  local status=0
  wait "${pid_of[$1]}" || status=$?
  unset "pid_of[$1]"
  ((status <= 1)) || fail "$1 exited with $status"
}

just_ended() {
  grep -q 'No such process' err && gave_up "$1"
}

start_hostile() { # NAME COUNT
  local place n=0
  for place in "${places[@]}"; do
    if [[ $place == ipc://* ]] && "$1" -h | grep -qE "^  ${place#ipc://} +bind"; then
      start "hostile$((n++))" zhostile -n "$2" -s "$RANDOM" "$place"
    fi
  done
}

# The commands of the Peers line, with the same endpoints; the last is a client.
peer_commands() {
  "$1" -h | sed -n 's/^Peers: //p' | grep -v '^none' | sed 's/, */\n/g' || :
}

# quick COMMAND - the options that spare it simulated work and faults
quick() {
  "$1" -h | sed -nE 's/^  (-t) MS +work.*/\1 0/p; s/^  (-f) PERCENT.*/\1 0/p' | tr '\n' ' '
  echo
}

start_peers() {
  local command options n=0
  while read -r -a command; do
    with_places "$1" command
    read -r -a options < <(quick "${command[0]}")
    start "peer$((n++))" "${command[0]}" "${options[@]}" "${command[@]:1}"
  done < <(peer_commands "$1")
}

with_places() { # NAME ARRAY
  local -n words=$2
  local i
  for i in "${!words[@]}"; do
    if ((i > 0)) && [[ " ${places[*]} " == *" ipc://${words[i]} "* ]]; then
      words[i]="ipc://${words[i]}"
    fi
  done
}

drop_all() {
  local name
  for name in "${!pid_of[@]}"; do
    if [[ $name != namespace-* ]]; then kill9 "$name" 2>/dev/null || :; fi
  done
  rm -f ./*.log
}

survives_nonsense() {
  local before after options command=() commands=() n=0 socket line
  start_alone "$1"
  sleep_until_bound "$1"
  if ! before=$(memory "$1" 2>/dev/null); then ends "$1"; return; fi
  for socket in $(sed -nE 's/^I: .* bound to //p' "$1.log"); do
    if ended "$1"; then ends "$1"; return; fi
    timeout 60 zhostile -n "$(rounds 500 5000)" -s "$RANDOM" "$socket" || :
  done
  if ! after=$(memory "$1" 2>/dev/null); then ends "$1"; return; fi
  ((after - before < 64 * 1024)) || fail "memory grew from $before to $after kB"
  # And a well-formed request is served.
  mapfile -t commands < <(peer_commands "$1")
  for line in "${commands[@]}"; do
    read -r -a command <<<"$line"
    with_places "$1" command
    read -r -a options < <(quick "${command[0]}")
    command=("${command[0]}" "${options[@]}" "${command[@]:1}")
    if ((++n < ${#commands[@]})); then
      start "peer$n" "${command[@]}"
    elif "${command[0]}" -h | grep -q '^  -n COUNT' \
      && ! "${command[0]}" -h | grep -q '^  [A-Z]* *bind'; then
      start last "${command[0]}" -n 1 "${command[@]:1}"
      ends last
    else
      n=$(wc -l <"$1.log")
      start last "${command[@]}"
      wait_until eval "ended $1 || ((\$(wc -l <'$1.log') > $n)) || grep -qv '^I: ' last.log"
    fi
  done
  stop_at_some_moment "$1" TERM
}

# Until it has bound all that its usage text says that it binds.
sleep_until_bound() {
  local sockets
  sockets=$("$1" -h | grep -cE '^  [A-Z]+ +bind' || :)
  if ((sockets > 0)); then wait_for "$1" '^I: .* bound to ' "$sockets"; fi
}

builds_as_it_says() {
  local line
  line=$(sed -n '/^ \* Build:/,/^ \*\( Try it.*\)\?$/p' "$(source_of "$1")" \
    | sed '/^ \*$/d; /Try it/d; s/^ \* \(Build:\)\?//; s/\\$//' | tr '\n' ' ')
  [[ $line == *' cc -Icommon '* ]]
  (cd "$root" && eval "${line/ -o / -O0 -Wall -Werror -o $OLDPWD/}")
  "./$1" -h >/dev/null
}

# The block at the top of the program, as a reader would try it: the lines that
# begin with $ go to a shell, the others have to appear in what it prints, in
# this order, "..." standing for anything.
does_what_it_says() {
  local file line from=1 at group deadline=$((SECONDS + 40)) way=(unshare -n)
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
    exec "${way[@]}" bash -c 'ip link set lo up; . ./commands; wait'
  ) >output 2>&1 </dev/null &
  group=$!
  set +m
  while IFS= read -r line; do
    line=$(sed 's/[][\.*^$()+?{}|]/\\&/g; s/\\\.\\\.\\\./.*/g' <<<"$line")
    until at=$(tail -n "+$from" output | grep -anxEm1 -- "$line *"); do
      if ((SECONDS > deadline)); then
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

# Of the copies a quarter is made, another each time; in the full number all.
copies_and_builds() {
  if ((RANDOM % $(rounds 4 1))); then return; fi
  (cd "$root" && make -s copy P="$1" DEST="$OLDPWD/copy")
  make -s -C copy CFLAGS=-O0
  "copy/$1" -h >/dev/null
}

# ---- the tests --------------------------------------------------------------------

@test "contract: -h tells all, and opens no socket" {
  each_program help_is_right
}

@test "contract: what is not understood is refused with one line and status 2" {
  each_program misuse_is_refused
}

@test "contract: an endpoint that is taken is named, with the reason" {
  each_program bind_conflict_is_told
}

@test "contract: a signal ends it within a second, at any moment" {
  each_program stops_at_any_moment 4 # a second is short where many work
}

@test "contract: nonsense neither stops, fills nor confuses it" {
  each_program survives_nonsense
}

@test "contract: it builds with the line in its header" {
  each_program builds_as_it_says
}

@test "contract: its Try it block does what it says" {
  each_program does_what_it_says
}

@test "contract: a copy of it builds by itself" {
  each_program copies_and_builds
}

@test "contract: output comes line by line, into a pipe too" {
  start publisher bash -c 'exec psenvpub ipc://pub > >(exec cat)'
  wait_for publisher '^I: publisher bound'
}
