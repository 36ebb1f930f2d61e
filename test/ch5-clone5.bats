# Clone, model five (clonesrv5, clonecli5): keys that expire, and copies that
# know when they are wrong.

load helpers
load clone

# SLACK_MS is set under the sanitizers, which keep memory, and take time.

@test "clone 5: a subscription that takes long makes no gap" {
  late_subscription 5 -e 0
}

@test "clone 5: whoever joins, and when, has the server's table" {
  crowd_joins 5 -e 0
}

@test "clone: one that stops reading in the middle delays nobody, and costs little" {
  local before after
  export WAIT_S=60
  up 5
  start fill kvfill -z 500 5 ipc://c 100000 /client/
  wait_until has_item '^\[/client/99999\]' /client/99999
  before=$(memory server)
  start slow zpeer -t 60000 -n 1000000 DEALER ipc://s 'ICANHAZ?' ''
  wait_for slow '^\[/client/1'
  freeze slow
  : >slow.log
  listen 5 other
  wait_for other 'snapshot of 100000 keys'
  put5 /client/new '' '' v
  wait_until has_item '^\[/client/new\]' /client/new
  after=$(memory server)
  # 1000 messages that its socket holds, and what the kernel takes besides
  [[ ${SLACK_MS-} ]] || ((after - before < 16000)) || fail "memory grew from $before to $after kB"
  export STOP_MS=$((${STOP_MS:-1000} + 4000))
  stop other
  stop server
}

@test "clone 5: a key with a ttl dies in time, unless it is set again" {
  up 5
  listen 5 client -d ''
  wait_for client snapshot
  start sub zpeer -n 100 -t 9000 SUB ipc://u /
  start hugz zpeer -n 1 -t 5000 SUB ipc://u HUGZ
  ends hugz                     # by now the other has subscribed, too
  put5 /forever '' '' v
  put5 /zero '' 'ttl=0%0A' v
  put5 /bad '' 'ttl=abc%0A' v
  put5 /minus '' 'ttl=-5%0A' v
  put5 /huge '' 'ttl=3000000%0A' v
  put5 /enormous '' 'ttl=99999999999999999999%0A' v
  put5 /dies '' 'ttl=2%0A' v
  put5 /lives '' 'ttl=2%0A' v
  put5 /freed '' 'ttl=2%0A' v
  local from=$EPOCHREALTIME
  start hugz zpeer -n 1 -t 5000 SUB ipc://u HUGZ
  ends hugz
  put5 /lives '' 'ttl=60%0A' v
  put5 /freed '' '' v
  wait_for sub '\[/dies\]\[[^]]*\]\[\]\[\]\[\]'
  local took=$(((${EPOCHREALTIME/./} - ${from/./}) / 1000))
  ((took > 1900 && took < 3500 + ${SLACK_MS:-0})) || fail "it died after $took ms"
  items / >wire
  run ! grep -F '[/dies]' wire
  [[ $(grep -c '^\[/' wire) == 8 ]] || fail "$(cat wire)"
  grep -E '^\[/lives\].*\[ttl=(5[0-9]|60)%0A\]' wire
  grep -F '[/huge]' wire | grep -E 'ttl=29999[0-9][0-9]%0A|ttl=3000000'
  stop client
  stop server
  same server client
}

@test "clone 5: what is set is deleted by an empty value, everywhere" {
  up 5
  listen 5 client -n 4
  wait_for client snapshot
  put5 HUGZoo '' '' v           # it comes with the subscription to HUGZ
  put5 /client/a '' '' v
  put5 /client/b '' '' v
  put5 /client/a '' '' ''
  ends client
  stop server
  [[ $(report client) == '1 keys, sequence 4,'* ]]
  [[ $(report server) == '2 keys, sequence 4,'* ]]
}

@test "clone 5: uuid and properties that nobody knows go through" {
  up 5
  start sub zpeer -n 1 -t 5000 SUB ipc://u /client/
  listen 5 client -n 1
  wait_for client snapshot
  wait_until has_item KTHXBAI
  put5 /client/k 0123456789abcdef 'color=red%0Attl=60%0A' v
  ends sub
  grep -F '[/client/k][%00%00%00%00%00%00%00%01][0123456789abcdef][color=red%0Attl=60%0A][v]' sub.log
  items /client/ | grep -E '\[0123456789abcdef\]\[color=red%0Attl=(59|60)%0A\]\[v\]'
  ends client
  stop server
}

@test "clone 5: one that missed updates asks again, and has the table in time" {
  export WAIT_S=40
  up 5
  listen 5 slow -d ''
  wait_for slow snapshot
  freeze slow
  start fill kvfill -z 1000 5 ipc://c 60000 /client/
  wait_until has_item '^\[/client/59999\]' /client/59999
  thaw slow
  local from=$SECONDS
  wait_for slow 'W: this is not what the server has'
  wait_for slow 'snapshot of 60000 keys'
  ((SECONDS - from <= 5 + ${SLACK_MS:-0} / 1000)) || fail "after $((SECONDS - from)) s"
  export STOP_MS=$((${STOP_MS:-1000} + 4000))
  stop slow
  stop server
  same server slow
}

@test "clone 5: a server that begins anew is noticed, though it counts from one" {
  up 5
  listen 5 client
  wait_for client snapshot
  for n in 1 2 3; do put5 "/client/$n" '' '' v; done
  wait_until has_item '/client/3' /client/
  kill9 server
  rm server.log
  up 5
  put5 /client/new '' '' v
  wait_for client 'W: this is not what the server has'
  wait_for client 'snapshot of 1 keys, up to update 1'
  stop client
  stop server
  same server client
}

@test "clone 5: HUGZ is what RFC 12 says, and tells what a copy ought to be" {
  up 5
  put5 /client/k '' '' v
  items /client/ >/dev/null
  start sub zpeer -n 2 -t 5000 SUB ipc://u HUGZ
  ends sub
  grep -E "^\[HUGZ\]\[$no\]\[\]\[epoch=[0-9a-f]{16}%0Alast=1%0Asum/client/=[0-9a-f]{16}%0A\]\[\]$" sub.log
  stop server
}

@test "clone 5: its timer runs under a flood, and deletes leave no trace" {
  local before after
  up 5
  start sub zpeer -n 3 -t 8000 SUB ipc://u HUGZ
  start flood clonecli5 -m 0 -e 0 ipc://s ipc://u ipc://c
  ends sub
  stop flood
  zpeer -n 0 -r 1000 PUSH ipc://c k $no '' '' v %, k $no '' '' ''
  before=$(memory server)
  zpeer -n 0 -r "$(rounds 20000 100000)" PUSH ipc://c k $no '' '' v %, k $no '' '' ''
  put5 /last '' '' v
  wait_until has_item '^\[/last\]' /last
  after=$(memory server)
  [[ ${SLACK_MS-} ]] || ((after - before < 4000)) || fail "memory grew from $before to $after kB"
  stop server
}
