# contract.bash - what test/contract.bats and test/contract-wire.bats share. There
# is no list of programs: the programs are those in bin/, and the usage text of
# each tells how to run it. P=NAME restricts a test to one program.

# What fails today: known_failures[CHECK]="NAME ...". A check that passes although
# it is listed fails the test, so that its name leaves this list; NAME? is for a
# fault that does not show in every run.
declare -gA known_failures=(
)

programs() {
  local source name
  for source in "$root"/ch?-*/*.c; do
    name=$(basename "$source" .c)
    if [[ -x $bin/$name && (! ${P-} || $P == "$name") ]]; then echo "$name"; fi
  done
}

# Return whether NAME sends to a whole network, and thus needs one of its own.
needs_network() {
  "$1" -h | grep -qE '^  (BROADCAST|INTERFACE) '
}

# each_program CHECK [N] - run CHECK NAME for all programs, N (eight) at a time,
# each in a folder of its own; print the output of those that failed
each_program() {
  local name failed=() jobs=() skipped=() limit
  local known=" ${known_failures[$1]-} "
  known=${known//$'\n'/ }
  for name in $(programs); do
    mkdir -p "$name"
    if needs_network "$name" && ! may_make_networks; then
      skipped+=("$name")
      : >"$name/passed"
      continue
    fi
    if [[ $known =~ \ $name\??\  ]]; then limit=5; else limit=$WAIT_S; fi
    WAIT_S=$limit check_program "$1" "$name" >"$name/check.out" 2>&1 3>&- &
    jobs+=($!)
    if ((${#jobs[@]} >= ${2:-8})); then
      wait "${jobs[0]}" || :
      jobs=("${jobs[@]:1}")
    fi
  done
  if ((${#jobs[@]} > 0)); then wait "${jobs[@]}" || :; fi
  for name in $(programs); do
    if [[ $known == *" $name? "* ]]; then
      continue
    elif [[ $known == *" $name "* ]]; then
      if [[ ! -e $name/passed ]]; then continue; fi
      echo "=== $1 $name passes: remove it from known_failures"
    elif [[ -e $name/passed ]]; then
      continue
    else
      echo "=== $1 $name"
      tail -n 30 "$name/check.out" "$name/logs"
    fi
    failed+=("$name")
  done
  if ((${#skipped[@]} > 0)); then
    echo "# $1: no right to make network namespaces for ${skipped[*]}" >&3
  fi
  ((${#failed[@]} == 0)) || fail "$1: ${failed[*]}"
}

check_program() { # CHECK NAME
  set -eE
  cd "$2"
  unset watcher
  pid_of=()
  trap 'teardown >logs 2>&1' EXIT
  seq 100000 >testdata          # the FILE that some programs send
  if needs_network "$2"; then
    hosts alone
    on alone ip route add default dev eth0
    # shellcheck disable=SC2034 # start uses it
    via=("${in_switch[@]/${host_pid[switch]}/${host_pid[alone]}}")
  fi
  "$1" "$2"
  : >passed
}

# arguments NAME - set args and places so that the program runs alone until it is
# stopped: an ipc endpoint for each positional argument, the switches that it
# requires, 0 for "0: until stopped", for work that takes time, and for faults
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
      args+=(-f 0)
    elif [[ $line =~ ^'  '[A-Z.0-9]+' '+(bind|connect) ]]; then
      places+=("ipc://$word")
    elif [[ $line =~ ^'  '[A-Z] ]]; then
      places+=("$(given "$word" "$line")")
    fi
  done < <("$1" -h)
}

# Print a positional argument that is no endpoint: its default, or its name.
given() {
  if [[ $2 =~ 'one of '([0-9]+) ]]; then echo "${BASH_REMATCH[1]}"; return; fi
  if [[ $2 =~ \(([^\)]*)\) ]]; then echo "${BASH_REMATCH[1]}"; else echo "${1%...}"; fi
}

start_alone() { # NAME [OPTION...]
  arguments "$1"
  local command=("$1" "${args[@]}" "${@:2}" "${places[@]}")
  if "$1" -h | grep -q 'end of its input'; then
    if [[ ! -p input ]]; then mkfifo input; fi
    command=(bash -c 'exec "$@" <>input' without-end "${command[@]}")
  fi
  start "$1" "${command[@]}"
}

# binds NAME PLACE - whether the usage text says so of this positional argument
binds() {
  [[ $2 == ipc://* ]] && "$1" -h | grep -qE "^  ${2#ipc://} +bind"
}

# connects NAME PLACE - the same
connects() {
  [[ $2 == ipc://* ]] && "$1" -h | grep -qE "^  ${2#ipc://} +connect"
}

# number_options NAME - its options that take a number
number_options() {
  "$1" -h | sed -nE 's/^  (-[a-z]) (MS|N|COUNT|BYTES|PERCENT|SEED) .*/\1/p'
}

# Wait until it has bound all that its usage text says that it binds.
wait_until_bound() {
  local sockets
  sockets=$("$1" -h | grep -cE '^  [A-Z]+ +bind' || :)
  if ((sockets > 0)); then wait_for "$1" '^I: .* bound to ' "$sockets"; fi
}

# Stop a program that may end by itself at the same time.
stop_or_end() { # NAME [SIGNAL]
  wait_until eval "awaits_signals '$1' 2>/dev/null || ended '$1'"
  if signal "${2:-TERM}" "$1"; then
    within "${STOP_MS:-1200}" ended "$1" && ends "$1"
  else
    gave_up "$1"
  fi
}

# Expect that it ended by itself: done, or without an answer.
gave_up() {
  local status=0
  wait "${pid_of[$1]}" || status=$?
  unset "pid_of[$1]"
  ((status <= 1)) || fail "$1 exited with $status"
}

# Print the commands of the Peers line, one a line; the last is a client.
peer_commands() {
  "$1" -h | sed -n 's/^Peers: //p' | grep -v '^none' | sed 's/, */\n/g' || :
}

# peers_of NAME - print the commands of its Peers line, or better ones: complete,
# and with a worker and a client where the program brings its own
peers_of() {
  local worker='zpeer -e -n 0 -t 600000' n message=two
  case $1 in
  lbbroker) printf '%s\n' "$worker REQ BACKEND READY" 'lpclient FRONTEND' ;;
  peering[23])
    printf '%s\n' "$worker REQ ipc://SELF-localbe.ipc %01" 'lpclient ipc://SELF-localfe.ipc'
    ;;
  rtreq)
    printf '%s\n' "$worker REQ ENDPOINT Hi%20Boss" 'zpeer -t 20000 REQ ENDPOINT Hi%20Boss'
    ;;
  rtdealer)
    printf '%s\n' "$worker DEALER ENDPOINT %{0} Hi%20Boss" \
      'zpeer -t 20000 DEALER ENDPOINT %{0} Hi%20Boss'
    ;;
  bstarsrv*) printf '%s\n' "$1 -b ipc://spare PEERSTATE STATE" 'bstarcli CLIENTS CLIENTS' ;;
  bstarcli)
    printf '%s\n' 'bstarsrv -p PRIMARY ipc://s1 ipc://s2' 'bstarsrv -b BACKUP ipc://s2 ipc://s1'
    ;;
  clonesrv6)
    printf '%s\n' 'clonesrv6 -b PEER PEERSTATE SNAPSHOT STATE' 'clonecli6 SNAPSHOT PEER'
    ;;
  clonecli6) echo 'clonesrv6 -p SERVER ipc://s1 ipc://s2 ipc://s3' ;;
  eagain) echo 'zpeer -b -e -n 0 -t 600000 DEALER ENDPOINT...' ;;
  dechat) # up to 20 frames, again and again; and good messages
    for n in {2..20}; do message+=" two %1B[7m"; done
    echo "zpeer -b -n 0 -r 1000 -w 20 PUB tcp://127.0.0.2:9000 $message"
    echo 'zpeer -b -n 0 -r 1000 -w 20 PUB tcp://127.0.0.3:9000 ann:%20%1B[7mhello'
    ;;
  espresso) echo 'zpeer -n 1 -t 60000 SUB OUTPUT A' ;;
  udpping?) ;;
  *) peer_commands "$1" ;;
  esac
}

# quick COMMAND - print options without simulated work and faults
quick() {
  "$1" -h | sed -nE 's/^  (-t) MS +work.*/\1 0/p; s/^  (-f) PERCENT.*/\1 0/p' | tr '\n' ' '
  echo
}

start_peers() { # NAME
  local command options n=0
  while read -r -a command; do
    with_places command
    read -r -a options < <(quick "${command[0]}")
    start "peer$((n++))" "${command[0]}" "${options[@]}" "${command[@]:1}"
  done < <(peers_of "$1")
}

# with_places ARRAY - turn names of endpoints in a command into those that the
# program under test has
with_places() {
  local -n words=$1
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
