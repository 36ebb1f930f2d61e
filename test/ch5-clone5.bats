# Clone, model 5 (clonesrv5, clonecli5): keys that expire, and replicas of subtrees
# that detect a missed update.

load helpers
load clone

# SLACK_MS is set under the sanitizers, which keep memory, and take time.

@test "clone 5: a late subscription makes no gap" {
  late_subscription 5
}

@test "clone 5: a client that joins at any time has the server's table" {
  crowd_joins 5
}

@test "clone 5: a client joins a server that sends no HUGZ" {
  joins_without_hugz 5
}

@test "clone 5: a client notices a restarted server, though it has more updates" {
  restart_overtakes 5
}

@test "clone 5: a client that stops reading a snapshot delays no other, and costs little" {
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
  # 1000 messages in its socket, and the buffers of the kernel
  [[ ${SLACK_MS-} ]] || ((after - before < 16000)) || fail "memory grew from $before to $after kB"
  elapse "$(rounds 0 35)"
  thaw slow
  wait_for slow '^\[KTHXBAI\]'  # it has the rest of its snapshot
  export STOP_MS=5000
  kill9 slow
  stop other
  stop server
}

@test "clone 5: a key with a ttl expires in time, unless it is set again" {
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
  within 3500 has_line sub '\[/dies\]\[[^]]*\]\[\]\[\]\[\]'
  ((${EPOCHREALTIME/./} - ${from/./} > 1900000)) || fail 'it expired too early'
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

# misses_updates DIR - a client of a subtree misses updates, and has the table in time
misses_updates() {
  export WAIT_S=40
  up 5
  listen 5 slow -d "$1" -t 600000 # it is frozen for longer than the default
  wait_for slow snapshot
  freeze slow
  start fill kvfill -z 1000 5 ipc://c 60000 "$1"
  wait_for fill 'keys sent'
  put5 /last '' '' v
  wait_until has_item '^\[/last\]' /last
  thaw slow
  within 5000 has_line slow 'snapshot of 60000 keys'
  has_line slow 'W: an update was missed: joining again'
  export STOP_MS=5000
  stop slow
  stop server
  [[ $(report slow) == '60000 keys, '* ]] || fail "$(report slow)"
  joined slow
}

@test "clone 5: a client that missed updates joins again, and has the table in time" {
  misses_updates /client/
}

@test "clone 5: a subtree may have any bytes, and its updates are counted" {
  misses_updates $'/a=b\nc/'
}

@test "clone 5: HUGZ has the epoch and the counts of all subtrees" {
  up 5
  put5 /client/k '' '' v
  items /client/ >/dev/null
  items 'a%00=' >/dev/null
  put5 /client/l '' '' v
  put5 'a%00=b' '' '' v
  wait_until has_item 'a%00=b' a
  start sub zpeer -n 1 -t 5000 SUB ipc://u HUGZ
  ends sub
  grep -E "^\[HUGZ\]\[$no\]\[\]\[number=3%0Acount.2f636c69656e742f=[12]%0Acount.61003d=1%0Acount.61=[01]%0A\]\[[0-9a-f]{16}\]$" sub.log
  wait_until has_item 'KTHXBAI.*\[count=[12]%0A\]\[/client/\]$' /client/
  stop server
}

@test "clone 5: a client whose subtree the server does not count is told" {
  local n
  up 5
  listen 5 early -d /early/
  wait_for early snapshot
  for ((n = 0; n < 300; n++)); do
    start stranger zpeer -t 9000 -n 1 DEALER ipc://s 'ICANHAZ?' "/$n/"
    ends stranger
  done
  listen 5 late -d /late/
  wait_for late 'W: the server does not count the updates of this subtree'
  put5 /early/k '' '' v
  start sub zpeer -n 1 -t 5000 SUB ipc://u HUGZ
  ends sub
  grep -F 'count.2f6561726c792f=1%0A' sub.log   # that of the early client goes on
  stop early
  stop late
  stop server
  joined_once early
}

@test "clone 5: properties that a server would not rewrite are refused" {
  up 5
  put5 /client/poison '' "ttl=600%0A%{1048568}" v
  wait_for server 'W: dropped'
  put5 /client/k '' "ttl=600%0A%{65528}" v
  wait_until has_item '/client/k' /client/
  listen 5 client
  wait_for client 'snapshot of 1 keys'
  stop client
  stop server
  same server client
}

@test "clone 5: a ttl below a second is a usage error" {
  run -2 clonecli5 -e 500
  run -2 clonecli6 -e 999
  run -2 clonecli5 -t 1999
}

@test "clone 5: a value of 1 MB arrives over a slow line" {
  if [[ ! ${HAMMER-} ]]; then skip 'takes 25 s: make hammer'; fi
  export WAIT_S=60
  hosts a b
  on a tc qdisc add dev eth0 root tbf rate 1mbit burst 16kb latency 500ms
  on a start server clonesrv5 tcp://10.77.0.1:5556 tcp://10.77.0.1:5557 tcp://10.77.0.1:5558
  wait_for server 'collector bound'
  on a start fill kvfill -z 1000000 5 tcp://10.77.0.1:5558 1 /client/
  on b start client clonecli5 -C -n 2 tcp://10.77.0.1:5556 tcp://10.77.0.1:5557 tcp://10.77.0.1:5558
  wait_for client 'snapshot of 1 keys'
  on a start more kvfill -z 1000000 5 tcp://10.77.0.1:5558 1 /client/
  ends client
  joined_once client
}

@test "clone 5: HUGZ continues during a flood, and deletes leave no trace" {
  local before after
  up 5
  start sub zpeer -n 3 -t 8000 SUB ipc://u HUGZ
  start flood kvfill -w 10000 5 ipc://c 999999999 /client/
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
