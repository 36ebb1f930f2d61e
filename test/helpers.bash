# helpers.bash - scenes: start programs, wait for their output, let them fail as
# machines fail, and end all of them. Every .bats file loads it. With SHOW set (by
# test/demo) a scene is played for a person to watch; with TRACE_DIR set (by test/trace)
# its messages are recorded. With WITH set, programs in that folder replace ours.

bats_require_minimum_version 1.5.0
if ((BASH_VERSINFO[0] < 5)); then
  echo "the tests need bash 5 or later, and this is $BASH_VERSION" >&2
  exit 1
fi
export LC_ALL=C                 # EPOCHREALTIME with a decimal point

: "${WAIT_S:=20}"               # the longest wait; one that succeeds takes less
if [[ ${HAMMER-} ]]; then
  export BATS_TEST_TIMEOUT=1800
else
  export BATS_TEST_TIMEOUT=${TIMEOUT:-150}  # seconds for one test
fi
unset MAKEFLAGS MFLAGS MAKELEVEL # from the make that runs the tests
root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
bin=$(cd "$root" && cd "${BIN:-bin}" && pwd)
if [[ ${WITH-} ]]; then
  WITH=$(cd "$WITH" && pwd) || exit
  export WITH
fi
PATH="${WITH:+$WITH:}$bin:$PATH"
if [[ ${TRACE_DIR-} ]]; then export TRACE_DIR LD_PRELOAD="$bin/trace.so"; fi

# is_foreign PROGRAM - return whether a program in WITH replaces ours. A test that is
# tagged "wire" then expects no line of its output.
is_foreign() {
  [[ ${WITH-} && -x $WITH/$1 ]]
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  declare -gA pid_of=() parent_of=() program_of=() host_pid=()
  via=()
  # bats traces each command, to name the one that fails. Trace only those of the
  # test itself: in the loops of this file the trace takes longer than the commands.
  if declare -F bats_debug_trap >/dev/null; then
    # shellcheck disable=SC2154
    trap '[[ $FUNCNAME != "$BATS_TEST_NAME" ]] || bats_debug_trap "$BASH_SOURCE"' DEBUG
  fi
  if [[ ${BATS_TEST_NAME-} ]]; then
    watch_over >/dev/null 2>&1 </dev/null &
    watcher=$!
  fi
}

# nap SECONDS - sleep without a process: wait to read from `clock`, a pipe to which nobody
# writes
nap() {
  read -rt "$1" -u "$clock" || :
}
exec {clock}<> <(:)

# End the programs of a test that takes too long. bats ends only its own children,
# and then waits for programs that its children have started.
watch_over() {
  local process
  trap '' TERM                  # bats ends its children with it
  close_descriptors
  exec {clock}<> <(:)
  nap $((BATS_TEST_TIMEOUT + 1))
  for process in /proc/[0-9]*; do
    if [[ $(readlink "$process/exe") == @("$bin"|"${WITH:-$bin}")/* \
      && $(readlink "$process/cwd") == "$PWD"* ]]; then
      kill -KILL "${process#/proc/}"
    fi
  done
}

# rounds FEW MANY - print FEW in make test, MANY in make hammer
rounds() {
  if [[ ${HAMMER-} ]]; then echo "$2"; else echo "$1"; fi
}

# event KIND NAME - write what happens to a program or a host, for test/trace
event() {
  if [[ ${TRACE_DIR-} ]]; then
    printf '%s\t%s\t%s\n' "$EPOCHREALTIME" "$1" "$2" >>"$TRACE_DIR/scene"
  fi
}

# note TEXT - print what the scene does next
note() {
  event note "$*"
  if [[ ${SHOW-} ]]; then
    printf 'note\t%s\n' "$*" >"$SHOW"
    sleep 1.5                   # so that a person can follow
  else
    printf -- '--- %s\n' "$*"
  fi
}

# moment MAX_MS - let a random time pass, since a fault may come at any time
moment() {
  sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

# elapse SECONDS - let a fault last for this time, or expect that nothing happens
# in it. To wait for a program, use wait_for.
elapse() {
  sleep "$1"
}

# Close all descriptors but 0 to 2: bats waits for each process that has one of its.
close_descriptors() {
  for fd in /dev/fd/*; do
    fd=${fd##*/}
    if ((fd > 2)); then eval "exec $fd>&-"; fi
  done
}

# show_lines NAME - copy the output of a program to NAME.log and to the demo
show_lines() {
  exec 9>"$SHOW"
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$1.log"
    printf '%s\t%s\n' "$1" "$line" >&9
  done
}

# start NAME COMMAND... - run a command in the background, with output to NAME.log
start() {
  local name=$1
  local -x TRACE_NAME=$1
  shift
  : >>"$name.log"
  if [[ ${SHOW-} ]]; then
    (
      exec > >(show_lines "$name") 2>&1 </dev/null
      close_descriptors
      exec "${via[@]}" "$@"
    ) &
  else
    (
      close_descriptors
      exec "${via[@]}" "$@"
    ) >>"$name.log" 2>&1 </dev/null &
  fi
  pid_of[$name]=$!
  parent_of[$name]=$BASHPID
  program_of[$name]=$1
  event start "$name"
}

# ended NAME - return whether it has ended. The system gives the process id of an ended
# program to another one, within seconds if many start: so look for our own child.
ended() {
  local pid=${pid_of[$1]-} state='' parent=''
  if [[ ! $pid ]]; then return; fi
  if [[ ! -e /proc/self/stat ]]; then     # not Linux
    ! kill -0 "$pid" 2>/dev/null
    return
  fi
  read -r _ _ state parent _ 2>/dev/null <"/proc/$pid/stat" || :
  [[ $state == Z || $parent != "${parent_of[$1]}" ]]
}

# signal SIGNAL NAME - send it, or return 1 if the program has ended
signal() {
  ! ended "$2" && kill "-$1" "${pid_of[$2]}"
}

# wait_for NAME REGEX [COUNT] - wait until COUNT (1) lines of its output match. Each
# search takes a process, so search only after the file has changed; and every 0.2 s,
# because the time of a change is only as exact as the kernel's tick.
wait_for() {
  local deadline=$((SECONDS + WAIT_S)) naps ended=
  until : >"$1.looked"; [[ $(grep -acE -- "$2" "$1.log") -ge ${3:-1} ]]; do
    if [[ $ended ]]; then fail "$1 ended without '$2'"; return 1; fi
    if ((SECONDS > deadline)); then fail "no '$2' from $1"; return 1; fi
    for ((naps = 0; naps < 4; naps++)); do
      if ended "$1"; then
        ended=yes               # search once more
        break
      fi
      nap 0.05
      if [[ $1.log -nt $1.looked ]]; then break; fi
    done
  done
}

# wait_until COMMAND... - repeat the command until it succeeds
wait_until() {
  local deadline=$((SECONDS + WAIT_S))
  until "$@"; do
    if ((SECONDS > deadline)); then fail "never: $*"; return 1; fi
    nap 0.05
  done
}

# within MS COMMAND... - repeat the command until it succeeds; fail if that takes longer
# than MS. The time is counted in naps: on a busy machine a nap takes longer, as all else
# does. Sanitized programs, for which SLACK_MS is set, have more time.
within() {
  local naps=$((($1 + ${SLACK_MS:-0}) / 20)) limit=$1
  shift
  until "$@"; do
    if ((--naps < 0)); then fail "not within $limit ms: $*"; return 1; fi
    nap 0.02
  done
}

# has_line NAME REGEX - return whether a line of its output matches
has_line() {
  grep -aqE -- "$2" "$1.log"
}

# lines_of NAME REGEX - print how many lines of its output match
lines_of() {
  grep -acE -- "$2" "$1.log" || :
}

# bound NAME [WHAT] - print the endpoint that it has bound
bound() {
  wait_for "$1" "^I: ${2:-.*} bound to " || return
  sed -nE "s/^I: ${2:-.*} bound to //p" "$1.log" | tail -n 1
}


# ends NAME [STATUS] - wait until it ends by itself, and expect exit status STATUS (0)
ends() {
  local status=0
  wait_until ended "$1" || return
  wait "${pid_of[$1]}" || status=$?
  if [[ ${SHOW-} ]]; then sleep 0.3; fi   # show_lines may still have lines
  unset "pid_of[$1]"
  ((status == ${2:-0})) || fail "$1 exited with $status"
}

# awaits_signals NAME - return whether the program has blocked the signals that it
# handles. Until exec, the process is a shell with a signal mask of its own.
awaits_signals() {
  local status=
  if [[ ! -e /proc/self/status ]]; then   # not Linux: give it the time to start
    nap 0.2
    return
  fi
  if is_foreign "${program_of[$1]}"; then # it may handle signals in another way
    ! cmp -s "/proc/${pid_of[$1]}/cmdline" "/proc/$$/cmdline"
    return
  fi
  read -rd '' status 2>/dev/null <"/proc/${pid_of[$1]}/status" || :
  [[ $status =~ ^Name:.([^$'\n']*) && -x $bin/${BASH_REMATCH[1]} \
    && $status =~ SigBlk:.[0-9a-f]*4002$'\n' ]]
}

# stop NAME [SIGNAL] - send SIGTERM, and expect exit status 0 within STOP_MS (1200). Before
# the program has blocked the signal, the signal would end it with another status.
stop() {
  wait_until eval "awaits_signals '$1' 2>/dev/null || ended '$1'"
  signal "${2:-TERM}" "$1" || fail "$1 has ended" || return
  within "${STOP_MS:-1200}" ended "$1" || return
  ends "$1"
}

# shown TEXT - in a demo, print what the scene has just done
shown() {
  if [[ ${SHOW-} ]]; then TRACE_DIR='' note "$*"; fi
}

# kill9 NAME - end it with SIGKILL: it sends and prints nothing more
kill9() {
  local pid=${pid_of[$1]} status=0
  signal KILL "$1" || status=1
  unset "pid_of[$1]"
  if ((status == 1)); then return 1; fi
  event kill "$1"
  wait "$pid" 2>/dev/null || :
  shown "kill -9 $1"
}

is_stopped() {
  [[ $(ps -o state= -p "$1") == T* ]]
}

# freeze NAME - stop its threads, with its connections open; thaw NAME - let them run
freeze() {
  signal STOP "$1"
  event freeze "$1"
  wait_until is_stopped "${pid_of[$1]}" || return
  shown "freeze $1"
}

thaw() {
  event thaw "$1"
  signal CONT "$1"
  shown "thaw $1"
}

# memory NAME - print its resident memory in kB
memory() {
  ps -o rss= -p "${pid_of[$1]}" | tr -d ' '
}

# needs_linux WHAT - skip the test on other systems
needs_linux() {
  if [[ $(uname) != Linux ]]; then skip "needs Linux: $1"; fi
}

# hosts NAME... - make a host for each name, a network namespace, all connected by a
# switch. The first has address 10.77.0.1, the second 10.77.0.2, and so on.
hosts() {
  local namespace=(unshare -n) user=() name n=0 pid
  needs_linux 'network namespaces'
  if ((EUID != 0)); then namespace=(unshare -rn); fi
  hold_namespace switch "${namespace[@]}" || return
  if ((EUID != 0)); then
    user=(nsenter -t "${host_pid[switch]}" -U --preserve-credentials)
  fi
  in_switch=("${user[@]}" nsenter -t "${host_pid[switch]}" -n)
  "${in_switch[@]}" ip link add switch type bridge
  "${in_switch[@]}" ip link set switch up
  for name; do
    hold_namespace "$name" "${user[@]}" unshare -n || return
    pid=${host_pid[$name]}
    "${in_switch[@]}" ip link add "to-$name" type veth peer name eth0 netns "$pid"
    "${in_switch[@]}" ip link set "to-$name" master switch up
    on "$name" ip addr add "10.77.0.$((++n))/24" broadcast 10.77.0.255 dev eth0
    on "$name" ip link set lo up
    on "$name" ip link set eth0 up
  done
}

# may_make_networks - return whether this user may make network namespaces
may_make_networks() {
  local namespace=(unshare -n)
  if ((EUID != 0)); then namespace=(unshare -rn); fi
  "${namespace[@]}" true 2>/dev/null
}

# Start a process that keeps a network namespace. If this user may not make one, skip
# the test.
hold_namespace() {
  local name=$1 deadline=$((SECONDS + 5)) via=() pid
  shift
  start "namespace-$name" "$@" sleep infinity
  pid=${pid_of[namespace-$name]}
  until [[ $(readlink "/proc/$pid/ns/net") != "$(readlink /proc/self/ns/net)" \
    && $(cat "/proc/$pid/comm") == sleep ]]; do
    if ((SECONDS > deadline)) || ended "namespace-$name"; then
      if [[ ! ${CI-} ]]; then skip 'no right to make network namespaces'; fi
      fail 'cannot make a network namespace'
      return 1
    fi
    nap 0.02
  done
  host_pid[$name]=$pid
}

# on HOST COMMAND... - run a command on a host: on b start worker ppworker ENDPOINT
on() {
  local via=(nsenter -t "${host_pid[$1]}" -n)
  if ((EUID != 0)); then via+=(-U --preserve-credentials); fi
  if [[ $2 == start ]]; then event "on $1" "$3"; fi
  shift
  if [[ $1 == start ]]; then "$@"; else "${via[@]}" "$@"; fi
}

# cut HOST - disconnect it from the switch; heal HOST - connect it again
cut() {
  "${in_switch[@]}" ip link set "to-$1" down
  event cut "$1"
  shown "cut $1 off the network"
}

heal() {
  event heal "$1"
  "${in_switch[@]}" ip link set "to-$1" up
  shown "heal the network of $1"
}

# write_silent_name_server - write silent_name_server.sh, which a script of a scene
# reads (.) in a network and mount namespace of its own: names go to a name server
# that never answers, until the script ends $name_server
write_silent_name_server() {
  cat >silent_name_server.sh <<'END'
ip link set lo up
echo 'nameserver 127.0.0.1' >resolv.conf
echo 'hosts: files dns' >nsswitch.conf
mount --bind resolv.conf /etc/resolv.conf
mount --bind nsswitch.conf /etc/nsswitch.conf
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:53",
  Proto => "udp") or die; mkdir "bound"; sleep' & name_server=$!
until [[ -d bound ]]; do read -rt 0.02 <> <(:) || :; done
rmdir bound
END
  # bash with_silent_name_server.sh COMMAND... - run a command with this name server
  cat >with_silent_name_server.sh <<'END'
. ./silent_name_server.sh
"$@"
status=$?
kill $name_server
exit $status
END
}

fail() {
  printf 'FAILED: %s\n' "$*"
  return 1
}

# End all that the test has started, and print the logs, which bats shows if it has
# failed.
teardown() {
  local name
  kill -KILL "$watcher" 2>/dev/null && wait "$watcher" 2>/dev/null || :
  for name in "${!pid_of[@]}"; do
    signal KILL "$name" || :
    wait "${pid_of[$name]}" 2>/dev/null || :
  done
  tail -n 40 -- *.log 2>/dev/null || :
}
