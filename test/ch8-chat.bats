# The chat of chapter 8, on hosts of its own.

load helpers

# chat HOST NAME - who types what says sends
chat() {
  local before=0
  if [[ -e $2.log ]]; then before=$(lines_of "$2" 'bound to'); else mkfifo "$2.in"; fi
  on "$1" start "$2" bash -c "exec dechat 10.77.0.99 eth0 $2 <>$2.in"
  wait_for "$2" "I: $2 bound to tcp://10\.77\.0\.[0-9]+:9000" $((before + 1))
}

says() { # NAME LINE
  printf '%s\n' "$2" >"$1.in"
}

# reach NAME LISTENER... - what NAME says arrives there, soon if not at once
said=0
reach() {
  local deadline=$((SECONDS + WAIT_S)) name=$1 all listener
  shift
  said=$((said + 1))
  until [[ ${all-} ]]; do
    if ((SECONDS > deadline)); then fail "$name is not heard by all of: $*"; return 1; fi
    says "$name" "this is $said"
    nap 0.1
    all=yes
    for listener; do
      if ! grep -qx "$name: this is $said" "$listener.log"; then all=; fi
    done
  done
}

# bats test_tags=demo:p2p-chat
@test "dechat: no server, any order, and who is killed and started again is back" {
  local before
  hosts a b c
  note 'joe is alone, and hears himself'
  chat a joe
  reach joe joe
  note 'ann and bob come'
  chat b ann
  chat c bob
  reach joe joe ann bob
  reach ann joe ann bob
  reach bob joe ann bob
  for name in ann joe; do
    kill9 $name
    says bob "$name is not here"
    wait_for bob "^bob: $name is not here\$"
    note 'it is started again, and nobody else is touched'
    if [[ $name == ann ]]; then chat b ann; else chat a joe; fi
    reach bob $name
    reach $name joe ann bob
    [[ $(lines_of $name "$name is not here") == 0 ]]
  done
  for name in joe ann bob; do stop $name; done
}

@test "dechat: a cable that is pulled and plugged in again, a peer that was frozen" {
  hosts a b
  chat a joe
  chat b ann
  reach joe ann
  cut b
  says joe 'into the void'
  elapse 3                      # so that the dead connection is noticed
  heal b
  reach joe ann
  reach ann joe
  freeze ann
  elapse 3
  thaw ann
  reach joe ann
  stop joe INT
  stop ann INT
}

@test "dechat: a host that loses its power says no goodbye, and is found again" {
  hosts a b
  chat a joe
  chat b ann
  reach ann joe
  cut b
  kill9 ann
  kill9 namespace-b
  # The same host, when it has started again.
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

@test "dechat: the end of its input is its end" {
  local from
  hosts a b
  chat b ann
  printf 'one\ntwo' >lines
  on a start joe bash -c 'exec dechat 10.77.0.1 10.77.0.1 joe </dev/null'
  ends joe
  # What it said last is heard, if there was time to be found.
  mkfifo typed
  on a start joe bash -c 'exec dechat 10.77.0.1 eth0 joe <typed'
  exec 7>typed
  wait_until eval 'echo seen >&7; grep -q seen ann.log'
  printf 'one\ntwo' >&7
  exec 7>&-
  wait_for ann '^joe: one$'
  wait_for ann '^joe: two$'
  ends joe
  # And it does not spin before.
  from=$(awk '{ print $14 + $15 }' "/proc/${pid_of[ann]}/stat")
  elapse 1
  (($(awk '{ print $14 + $15 }' "/proc/${pid_of[ann]}/stat") - from < 20))
  stop ann
}

@test "dechat: lines are bytes: long, empty, of any alphabet, but no commands" {
  hosts a b
  chat a joe
  chat b ann
  reach ann joe
  says ann ''
  wait_for joe '^ann: $'
  says ann 'größer, 日本語, 🙂'
  wait_for joe '^ann: größer, 日本語, 🙂$'
  says ann "$(head -c 60000 /dev/zero | tr '\0' x)"
  wait_for joe '^ann: x{1000}'
  [[ $(grep -c x joe.log) == 1 && $(grep x joe.log | tail -n 1 | wc -c) == 60006 ]]
  printf 'bell \a esc \e[2J del \177 cr \r nul \0 c1 \302\233 raw \233 \233\n' >ann.in
  wait_for joe '^ann: bell \? esc \?\[2J del \? cr \? nul \? c1'
  run ! grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2\x9b|[ -~]\x9b' joe.log
  # A longer one comes in pieces, and the chat goes on.
  head -c 200000 /dev/zero | tr '\0' y >ann.in
  says ann ''
  wait_for joe '^ann: y+$' 4
  reach ann joe
  # What is no chat at all.
  stop ann
  on b start liar zpeer -b -n 0 -r 1000 -w 10 PUB tcp://10.77.0.2:9000 two frames
  wait_for joe 'W: dropped a malformed message of 2 frames from a peer'
  kill9 liar
  on b start liar zpeer -b -n 0 -r 1000 -w 10 PUB tcp://10.77.0.2:9000 $'x\nann: I owe you'
  wait_for joe '^x\?ann: I owe you$'
  stop joe
}

@test "dechat: a name, an interface, an address that is none" {
  run -1 timeout "$WAIT_S" dechat 10.77.0.1 nothere joe </dev/null
  [[ $output == 'E: tcp://nothere:9000: '* ]]
  run -2 dechat nowhere eth0 joe </dev/null
  [[ $output == 'usage: dechat '* ]]
  run -2 dechat 10.77.0.1 eth0 joe again </dev/null
}

@test "dechat: on one host, by its loopback addresses" {
  hosts a
  for n in 2 3; do
    mkfifo n$n.in
    on a start n$n bash -c "exec dechat 127.0.0.1 127.0.0.$n n$n <>n$n.in"
    wait_for n$n "bound to tcp://127.0.0.$n:9000"
  done
  reach n2 n2 n3
  reach n3 n2 n3
  # 254 connections, but few descriptors: most addresses are nobody's.
  (($(ls "/proc/${pid_of[n2]}/fd" | wc -l) < 60))
  stop n2
  stop n3
}
