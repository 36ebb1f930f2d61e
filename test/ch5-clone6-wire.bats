# Clone, model 6: its messages, and the class clone.

load helpers
load clone6

# half_an_active - a server that is active, sends HUGZ and only a part of a table
half_an_active() {
  start says zpeer -b -r 10000 -w 50 -n 0 PUB ipc://as 3
  start hugz zpeer -b -r 10000 -w 50 -n 0 PUB ipc://a+1 HUGZ $none '' '' e
  start half zpeer -b -t 60000 -n 9 DEALER ipc://a '%;' k $none '' '' v
}

@test "clone 6: the active server dies, or is silent, in the middle of a snapshot" {
  half_an_active
  backup
  wait_for half 'ICANHAZ' 2     # after a silence it asks again
  lines_of backup 'snapshot of' | grep -x 0
  kill9 says
  kill9 hugz
  kill9 half
  app one "${servers[@]}"
  set_key one /k v
  wait_for backup 'passive -> active: a vote'
  table ipc://b | grep -F '[/k]'
  stop backup
}

@test "clone 6: half a snapshot drops no held update" {
  start says zpeer -b -r 10000 -w 50 -n 0 PUB ipc://as 3
  start hugz zpeer -b -r 10000 -w 50 -n 0 PUB ipc://a+1 HUGZ $none '' '' e
  start half zpeer -b -t 60000 -n 9 DEALER ipc://a '%;' KTHXBAI "${none%00}07" '' '' '' \
    '%;' /k $none "$(uuid a)" '' v
  backup
  wait_for backup 'snapshot of 0 keys'
  raw ipc://b+2 /k $none "$(uuid a)" '' v
  note 'the active seems to have another table, and dies while it tells it'
  kill9 hugz
  start hugz zpeer -b -r 10000 -w 50 -n 0 PUB ipc://a+1 HUGZ $none '' '' f
  wait_for half 'ICANHAZ' 2
  elapse 0.3
  kill9 says
  kill9 hugz
  kill9 half
  start one clonecli6 -C -t 1000 "${servers[@]}"
  wait_for backup 'passive -> active: a vote'
  note 'and its number is beyond all that the active may have given: 1000000001'
  wait_until eval 'table ipc://b | grep -F "[/k][%00%00%00%00;%9A%CA%01]"'
  stop one
  stop backup
}

@test "clone 6: a key with a ttl of 2 expires after 2 to 3.5 seconds, everywhere" {
  local from
  pair
  app one "${servers[@]}"
  app two "${servers[@]}"
  set_key one /stays x
  set_key one /goes x 2
  from=${EPOCHREALTIME/./}
  tell two wait /goes
  wait_for two '^wait /goes: x'
  tell one gone /goes
  tell two gone /goes
  within 3500 has_line one '^gone'
  within 3500 has_line two '^gone'
  ((${EPOCHREALTIME/./} - from > 1800000)) || fail 'it expired too early'
  expect two /stays x
  note 'the rest of a ttl survives a failover'
  set_key one /later x 5
  from=${EPOCHREALTIME/./}
  kill9 primary
  wait_for backup 'passive -> active: a vote'
  wait_until table_has ipc://b /later
  tell two gone /later
  within 7000 has_line two '^gone /later'
  ((${EPOCHREALTIME/./} - from > 4500000)) || fail 'it expired too early'
  expect one /stays x
  stop backup
}

@test "clone 6: the passive server expires nothing; a malformed ttl is none" {
  local ttl frames=()
  pair
  for ttl in -5 abc 99999999999999999999 1e3 '' 0 ' 1' 1.5; do
    frames+=("/none$ttl" "$none" '' "ttl=$ttl%0A" v '%,')
  done
  start tap zpeer -n 999999 -t 60000 SUB ipc://a+1 /k HUGZ
  wait_for tap HUGZ
  raw ipc://a+2 "${frames[@]}" /k $none '' 'ttl=1%0A' v
  wait_for tap '^./k'           # the passive server has it too
  wait_for tap HUGZ $(($(lines_of tap HUGZ) + 1))
  freeze primary                # no client asks: no failover
  elapse 1.5
  stop backup
  wait_for backup '^9 keys'
  thaw primary
  note 'the server that is active again expires the key'
  wait_until eval 'table ipc://a >table; grep -q KTHXBAI table && ! grep -F "[/k]" table'
  [[ $(grep -c '/none' table) == 8 ]]
  stop primary
}

@test "clone 6: updates of any form do no harm" {
  local i frames place
  pair
  start tap zpeer -n 1000000 -t 60000 SUB ipc://a+1 ''
  start quiet zpeer -n 1000000 -t 60000 SUB ipc://b+1 ''
  wait_for tap HUGZ
  for place in ipc://a+2 ipc://b+2; do
    raw $place /no-uuid $none '' '' v '%,' /no-uuid $none '' '' v
    frames=()
    for i in 1 2 3 4 6 7 8 21; do
      for ((; i > 0; i--)); do frames+=(/count); done
      frames+=('%,')
    done
    raw $place "${frames[@]}"
    raw $place KTHXBAI $none "$(uuid a)" '' v '%,' HUGZ $none "$(uuid b)" '' v \
      '%,' /wrong $none 123 '' v '%,' /wrong x '' '' v '%,' '' $none '' '' v \
      '%,' '%{256}' $none '' '' v
  done
  raw ipc://a+2 '%{255}' $none '' '' v '%,' HUGZoo $none '' '' v \
    '%,' /nul $none "$(uuid c)" 'color=red%0Attl=100%0Asize=9%0A' 'a%00b' \
    '%,' /mega $none '' '' '%{1000000}'
  wait_until table_has ipc://a /mega
  note 'twice the same, and it is known'
  raw ipc://a+2 /nul $none "$(uuid c)" '' other
  wait_for tap "^\[/nul\].*\[$(uuid c)\].*\[a%00b\]$" 2 # confirmed, unchanged
  note 'the server keeps the uuid of a delete, but not its properties'
  raw ipc://a+2 /gone $none "$(uuid d)" 'color=red%0A' ''
  raw ipc://a+2 /gone $none "$(uuid d)" 'color=red%0A' ''
  wait_for tap "^\[/gone\].*\[$(uuid d)\]\[\]\[\]$"
  table ipc://a >table
  grep -F '[/nul]' table | grep -F "[$(uuid c)]" | grep -F 'color=red%0A' |
    grep -F 'size=9%0A' | grep -E 'ttl=(9[0-9]|100)%0A' | grep -F '[a%00b]'
  grep -qE "^\[x{255}\]" table
  run ! grep -E '^\[/wrong|^\[/count|^\[x{256}\]' table
  [[ $(tail -n 1 table) =~ ^\[KTHXBAI\].*\[\]$ ]]
  table ipc://a /nul | tail -n 1 | grep -E '^\[KTHXBAI\].*\[/nul\]$'
  grep -a '^\[HUGZ\]' tap.log >hugz
  run ! grep -vE '^\[HUGZ\]\[(%00){8}\]\[\]\[[^]]*\]\[[0-9a-f]{16}\]$' hugz
  run ! grep -aF HUGZ quiet.log
  numbers_rise tap
  stop backup
  stop primary
  same_digests backup primary
}

@test "clone 6: either server drops a malformed request" {
  local frames
  pair
  raw ipc://a+2 /k $none '' '' v
  for frames in '' 'ICANHAZ' 'ICANHAZ? %{256}' 'ICANHAZ? x x' 'ICANHAZ? x x x' \
    'x x x x x' 'x x x x x x' 'x x x x x x x' 'x x x x x x x x'; do
    if [[ ! $frames ]]; then frames='%{0}'; fi
    # shellcheck disable=SC2086
    zpeer -n 0 DEALER ipc://a $frames
    # shellcheck disable=SC2086
    zpeer -n 0 DEALER ipc://b $frames
  done
  wait_for primary 'W: dropped' 9
  table_has ipc://a /k
  settled
  zpeer -t 9000 -n 2 DEALER ipc://a 'ICANHAZ?' | grep -F '[/k]' # and no subtree: all
  stop backup
  stop primary
}

@test "clone 6: an update that only the passive server has received is passed on" {
  pair
  app one "${servers[@]}"
  start tap zpeer -n 1000000 -t 60000 SUB ipc://a+1 / HUGZ
  start tap2 zpeer -n 1000000 -t 60000 SUB ipc://b+1 /
  wait_for tap HUGZ
  raw ipc://b+2 /k $none "$(uuid a)" '' v
  tell one wait /k
  wait_for one '^wait /k: v'
  note 'an update that a newer one has replaced changes nothing'
  set_key one /k newer
  raw ipc://b+2 /k $none "$(uuid a)" '' v
  raw ipc://a+2 /k $none "$(uuid a)" '' v
  elapse 2
  expect one /k newer
  note 'numbers rise over a failover'
  kill9 primary
  set_key one /k newest
  wait_for tap2 '^\[/k\].*\[newest\]'
  cat tap2.log >>tap.log
  numbers_rise tap
  tell one end
  ends one
  stop backup
}

@test "clone class: it refuses bad arguments, and works without a server" {
  needs_linux /proc
  local long ticks size=1000000
  if [[ $bin == *tsan ]]; then size=100000; fi # each of its copies takes 10 us a byte
  long=$(printf '%256s' '' | tr ' ' k)
  app one
  tell one subtree /s/
  tell one connect tcp://127.0.0.1:
  tell one connect ipc://
  tell one connect nonsense
  wait_for one '^connect: Invalid' 3
  tell one connect ipc://a
  tell one connect ipc://b
  wait_for one '^connect: done' 2
  tell one connect ipc://c
  wait_for one '^connect: Invalid' 4
  tell one subtree /t/
  wait_for one '^subtree: Invalid'
  tell one set "/s/$long" v
  tell one set HUGZ v
  tell one set KTHXBAI v
  tell one set /elsewhere v
  tell one set /s/k v -1
  tell one set /s/k v 1000000000
  wait_for one '^set .*: Invalid' 6
  tell one set /s/k v
  expect one /s/k v
  expect one /s/unknown '(nothing)'
  expect one "$long" 'Invalid argument'
  tell one sync 300
  wait_for one '^sync: Resource|^sync: Connection timed out'
  ticks=$(cut_field 14 one)
  elapse 1
  ticks=$(($(cut_field 14 one) - ticks))
  ((ticks < 10)) || fail "it took $ticks ticks to do nothing"
  app two ipc://a
  tell two set END v             # a key, not the command of the class
  expect two END v
  tell two many 10001 1
  wait_for two '^many: 9999, No buffer'
  tell two many 10001 1         # a key that is unconfirmed may change
  wait_for two '^many: 9999, No buffer' 2
  tell two end
  ends two
  if [[ $bin != *tsan ]]; then
    note 'values of 1 MB reach the limit in bytes'
    app three ipc://a
    tell three many 1000 1000000
    wait_for three '^many: 269, No buffer'
    tell three many 1000 1000000 # also of a key that is unconfirmed
    wait_for three '^many: 0, No buffer'
    tell three end
    ends three
  fi
  run -2 clonecli6 -t 499
  note 'and then there is one'
  primary
  tell one sync 15000
  wait_for one '^sync: done'
  tell one blob /s/blob $size
  wait_for one '^same /s/blob: yes'
  tell one end
  ends one
  stop primary
}

cut_field() { # N NAME - the sum of two fields of its line in /proc/PID/stat
  awk -v n="$1" '{ print $n + $(n + 1) }' "/proc/${pid_of[$2]}/stat"
}

@test "clone 6: a key outside the subtree that begins with HUGZ is ignored" {
  # shellcheck disable=SC2034
  interval=2000                 # after that it would be corrected
  primary
  app one
  tell one subtree /s/
  tell one connect ipc://a
  set_key one /s/k v
  start tap zpeer -t 60000 SUB ipc://a+1 HUGZo
  start peer zpeer -n 0 -r 20 -w 250 PUB ipc://a+2 HUGZoo $none '' '' v
  wait_for tap HUGZoo
  expect one HUGZoo '(nothing)'
  tell one end
  ends one
  wait_for one '^1 keys'
  stop primary
}

@test "clone 6: the number of a client's update has no meaning" {
  local n keys=()
  pair
  for n in 00 01 02 03 04 05; do
    raw ipc://a+2 "/n$n" "%00%00%00%00%00%00%00%$n" "$(uuid "${n:1}")" '' v
    keys+=("/n$n")
  done
  raw ipc://a+2 /minus %FF%FF%FF%FF%FF%FF%FF%FF "$(uuid m)" '' v
  for n in "${keys[@]}" /minus; do wait_until table_has ipc://a "$n"; done
  stop backup
  stop primary
}

@test "clone 6: an endpoint of a peer that is too long is refused" {
  run -2 clonesrv6 -p ipc://a ipc://as "tcp://$(printf '%400s' '' | tr ' ' a):5566" ipc://bs
}

@test "clone class: its header compiles where glibc declares a clone()" {
  echo '#include "clone.h"
    int main(void) { return (void *) clone == (void *) clone_new; }' >with.c
  cc -D_GNU_SOURCE -include sched.h -I"$root/common" -I"$root/ch5-pubsub" -c with.c
}
