# The chat of chapter 8, with a host for each node.

load helpers

# chat HOST NAME - start NAME's node on the host; it prints to NAME.log
chat() {
  local before=0
  if [[ -e $2.log ]]; then before=$(lines_of "$2" 'bound to'); else mkfifo "$2.in"; fi
  on "$1" start "$2" bash -c "exec dechat 10.77.0.99 eth0 $2 <>$2.in"
  wait_for "$2" "I: $2 bound to tcp://10\.77\.0\.[0-9]+:9000" $((before + 1))
}

# type_line NAME LINE - type a line at NAME's node
type_line() {
  printf '%s\n' "$2" >"$1.in"
}

# reach NAME LISTENER... - type at NAME's node until each listener has printed a line:
# lines that a peer sends before it is connected are lost
typed=0
reach() {
  local deadline=$((SECONDS + WAIT_S)) name=$1 all listener
  shift
  typed=$((typed + 1))
  until [[ ${all-} ]]; do
    if ((SECONDS > deadline)); then fail "$name does not reach all of: $*"; return 1; fi
    type_line "$name" "this is $typed"
    nap 0.1
    all=yes
    for listener; do
      if ! grep -aqx "$name: this is $typed" "$listener.log"; then all=; fi
    done
  done
}

# bats test_tags=demo:p2p-chat
@test "dechat: nodes find each other in any order, and again after a kill and a restart" {
  hosts a b c
  note 'joe is alone: his node receives its own lines'
  chat a joe
  reach joe joe
  note 'ann and bob join'
  chat b ann
  chat c bob
  reach joe joe ann bob
  reach ann joe ann bob
  reach bob joe ann bob
  for name in ann joe; do
    kill9 $name
    type_line bob "$name is not here"
    wait_for bob "^bob: $name is not here\$"
    note "$name is restarted; the others continue"
    if [[ $name == ann ]]; then chat b ann; else chat a joe; fi
    reach bob $name
    reach $name joe ann bob
    [[ $(lines_of $name "$name is not here") == 0 ]]
  done
  for name in joe ann bob; do stop $name; done
}

@test "dechat: a peer behind a cut cable, or frozen, receives the lines afterwards" {
  hosts a b
  chat a joe
  chat b ann
  reach joe ann
  cut b
  type_line joe 'the cable is cut'
  elapse 1
  heal b
  wait_for ann '^joe: the cable is cut$'
  freeze ann
  type_line joe 'ann is frozen'
  wait_for joe '^joe: ann is frozen$'
  thaw ann
  wait_for ann '^joe: ann is frozen$'
  reach ann joe
  stop joe INT
  stop ann INT
}

@test "dechat: a host that loses its power and starts again is found again" {
  hosts a b
  chat a joe
  chat b ann
  reach ann joe
  cut b
  kill9 ann
  kill9 namespace-b
  # The same host, after it has started again.
  hold_namespace b "${in_switch[@]}" unshare -n
  wait_until eval '"${in_switch[@]}" ip link add to-b2 type veth peer name eth0 \
    netns "${host_pid[b]}"'
  "${in_switch[@]}" ip link set to-b2 master switch up
  on b ip addr add 10.77.0.2/24 dev eth0
  on b ip link set eth0 up
  on b ip link set lo up
  chat b ann
  reach joe ann
  reach ann joe
}

@test "dechat: a paste reaches every peer that reads; a paused one loses lines and continues" {
  local name
  hosts a b c
  chat a ann
  chat b bob
  mkfifo terminal silence
  exec 7<>terminal
  on c start joe bash -c 'exec dechat 10.77.0.99 eth0 joe <>silence >terminal'
  start screen bash -c 'exec grep --line-buffered -v "^[0-9]*$" <terminal'
  reach ann ann bob screen
  # More than the queues of libzmq and of the kernel hold, before joe is read again.
  freeze screen
  seq -f '%.0f a line of a long text' 100000 >text
  start paste bash -c 'cat text >ann.in'
  wait_for ann '^W: a peer does not receive: it loses lines$'
  for name in ann bob; do
    wait_for $name '^ann: 100000 a line'
    cmp <(grep -a "a line" $name.log) <(sed 's/^/ann: /' text)
  done
  # A connection closes while joe does not read from it.
  kill9 ann
  elapse 2
  thaw screen
  reach bob bob screen
  chat a ann
  reach ann bob screen
  exec 7>&-
  stop joe
}

@test "dechat: it ends at the end of its input, after its last lines are sent" {
  needs_linux /proc
  local from
  hosts a b
  chat b ann
  on a start joe bash -c 'exec dechat 10.77.0.1 10.77.0.1 joe </dev/null'
  ends joe
  on a start joe bash -c 'exec dechat 10.77.0.1 10.77.0.1 joe <&-'
  ends joe
  mkfifo typed
  on a start joe bash -c 'exec dechat 10.77.0.1 eth0 joe <typed'
  exec 7>typed
  wait_until eval 'echo seen >&7; grep -q seen ann.log'
  # The last line has no newline.
  { seq 5000; printf 'the end'; } >&7
  exec 7>&-
  wait_for ann '^joe: the end$'
  [[ $(lines_of ann '^joe: [0-9]+$') == 5000 ]]
  ends joe
  # Before the end it does not spin.
  from=$(awk '{ print $14 + $15 }' "/proc/${pid_of[ann]}/stat")
  elapse 1
  (($(awk '{ print $14 + $15 }' "/proc/${pid_of[ann]}/stat") - from < 20))
  stop ann
}

@test "dechat: lines are of any length and alphabet, and without control characters" {
  hosts a b
  chat a joe
  chat b ann
  reach ann joe
  type_line ann ''
  wait_for joe '^ann: $'
  type_line ann 'größer, 日本語, 🙂'
  wait_for joe '^ann: größer, 日本語, 🙂$'
  type_line ann "$(head -c 60000 /dev/zero | tr '\0' x)"
  wait_for joe '^ann: x{1000}'
  [[ $(grep -c x joe.log) == 1 && $(grep x joe.log | tail -n 1 | wc -c) == 60006 ]]
  printf 'bell \a esc \e[2J del \177 cr \r nul \0 c1 \302\233 \233 \377\233 \233\233\n' >ann.in
  wait_for joe '^ann: bell \? esc \?\[2J del \? cr \? nul \? c1'
  run ! grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2\x9b|[ -~\xff]\x9b' joe.log
  # A line of over 64 kB is split between two characters: here after 65534 bytes.
  { head -c 65534 /dev/zero | tr '\0' y; echo '日!'; } >ann.in
  wait_for joe '^ann: 日!$'
  head -c 200000 /dev/zero | tr '\0' z >ann.in
  type_line ann ''
  wait_for joe '^ann: z+$' 4
  [[ $(sed -n 's/^ann: \(z*\)$/\1/p' joe.log | tr -d '\n' | wc -c) == 200000 ]]
  reach ann joe
  # Messages that no dechat sends.
  stop ann
  on b start liar zpeer -b -n 0 -r 1000 -w 10 PUB tcp://10.77.0.2:9000 two frames
  wait_for joe 'W: dropped a malformed message of 2 frames from a peer'
  kill9 liar
  on b start liar zpeer -b -n 0 -r 1000 -w 10 PUB tcp://10.77.0.2:9000 '%{70000}'
  wait_for joe 'W: dropped a malformed message of 1 frames from a peer'
  kill9 liar
  on b start liar zpeer -b -n 0 -r 1000 -w 10 PUB tcp://10.77.0.2:9000 $'x\nann: I owe you'
  wait_for joe '^x\?ann: I owe you$'
  stop joe
}

@test "dechat: an unknown interface, an invalid address or name is an error" {
  run -1 timeout "$WAIT_S" dechat 10.77.0.1 nothere joe </dev/null
  [[ $output == 'E: tcp://nothere:9000: '* ]]
  run -2 dechat nowhere eth0 joe </dev/null
  [[ $output == 'usage: dechat '* ]]
  run -2 dechat 10.77.0.1 eth0 joe again </dev/null
  run -2 dechat 10.77.0.1 eth0 "$(printf '%0201d' 0)" </dev/null
}

@test "dechat: nodes on one host have an address each" {
  hosts a
  for n in 2 3; do
    mkfifo n$n.in
    on a start n$n bash -c "exec dechat 127.0.0.1 127.0.0.$n n$n <>n$n.in"
    wait_for n$n "bound to tcp://127.0.0.$n:9000"
  done
  reach n2 n2 n3
  reach n3 n2 n3
  # Of the 254 connections, those to unused addresses hold no descriptor.
  (($(ls "/proc/${pid_of[n2]}/fd" | wc -l) < 60))
  stop n2
  stop n3
}
