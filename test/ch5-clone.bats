# Clone, models 1 to 4: a table that many clients share. They are the programs
# clonesrv1, clonesrv2, clonesrv3 and clonesrv4, clonecli1, clonecli2, clonecli3
# and clonecli4. Scenes over several models have model 5 too.

load helpers
load clone

@test "clone: the classes keep what their headers promise" {
  run kvtest
  [[ $status -eq 0 ]] || fail "$output"
}

# ---- model 1 -------------------------------------------------------------------

@test "clone 1: a client that is there before the first update has the table" {
  local name
  for name in a b c; do
    start $name clonecli1 -n 5000 ipc://u
    wait_for $name 'I: subscribed'
  done
  start server clonesrv1 -m 10000 -n 5000 ipc://u
  for name in a b c server; do ends $name; done
  same server a b c
  [[ $(report a) == *'sequence 5000,'* ]]
}

@test "clone 1: the numbers on the wire are 1, 2, 3, and the keys below 10000" {
  start sub zpeer -n 300 -t 5000 SUB ipc://u ''
  start server clonesrv1 -n 1000 ipc://u
  ends sub
  diff <(grep -oE '\[%00%00%00%00%00%00..*\]\[' sub.log | wc -l) <(echo 300)
  run ! grep -vE '^\[[0-9]{1,4}\]\[%00%00%00%00%00%00.*\]\[[0-9]{1,6}\]$' sub.log
  head -n 1 sub.log | grep -F '[%00%00%00%00%00%00%00%01]'
  sed -n 2p sub.log | grep -F '[%00%00%00%00%00%00%00%02]'
  sed -n 256p sub.log | grep -F '[%00%00%00%00%00%00%01%00]'
}

@test "clone 1: a late client has only what was published later" {
  start server clonesrv1 -m 2000 ipc://u
  start early clonecli1 ipc://u
  wait_for early 'first update'
  start late clonecli1 -n 4000 ipc://u
  ends late
  [[ $(grep -oE 'update is [0-9]+' late.log) != 'update is 1' ]]
  stop early
  stop server
}

@test "clone: a server stops in the middle of a flood" {
  local n
  for ((n = $(rounds 8 50); n > 0; n--)); do
    start one clonesrv1 -m 0 ipc://u1
    start two clonesrv2 -m 0 ipc://s2 ipc://u2
    wait_for one 'publisher bound'
    wait_for two 'publisher bound'
    moment 300
    stop one
    stop two
    rm one.log two.log
  done
}

@test "clone 1: a client that reads too slowly misses updates, and is not told" {
  start slow clonecli1 -n 60000 ipc://u
  wait_for slow 'I: subscribed'
  start server clonesrv1 -m 0 ipc://u
  wait_for slow 'first update is 1'
  freeze slow
  elapse 1                       # a flood of more than all queues hold
  thaw slow
  ends slow
  stop server
  [[ $(lines_of slow '^[WE]:') == 0 ]]
  local received sequence
  received=$(sed -nE 's/^I: ([0-9]+) updates received/\1/p' slow.log)
  sequence=$(report slow | sed -E 's/.*sequence ([0-9]+),.*/\1/')
  ((received < sequence)) || fail "$received received, up to $sequence"
}

# ---- joining, models 2 to 4 (model 5 is in ch5-clone5.bats) -----------------------

@test "clone 2: a late subscription makes no gap" {
  late_subscription 2
}

@test "clone 3: a late subscription makes no gap" {
  late_subscription 3
}

@test "clone 4: a late subscription makes no gap" {
  late_subscription 4
}

@test "clone 2: a client that joins at any time has the server's table" {
  crowd_joins 2
}

@test "clone 3: a client that joins at any time has the server's table" {
  crowd_joins 3
}

@test "clone 4: a client that joins at any time has the server's table" {
  crowd_joins 4
}

@test "clone 2: a client joins a server that sends no HUGZ" {
  joins_without_hugz 2
}

@test "clone 2: a client that ends during a snapshot still has its old table" {
  local one=%00%00%00%00%00%00%00%01
  up 2 -m 1000
  listen 2 client -t 600000
  wait_for client 'snapshot'
  zpeer -n 1000 -t 9000 SUB ipc://u '' >/dev/null
  kill9 server
  start news zpeer -b -n 0 -r 1000 -w 100 PUB ipc://u HUGZ "$one" other
  start part zpeer -b -t 60000 -n 9 DEALER ipc://s '%;' /client/k "$one" new
  wait_for client 'joining again'
  wait_for part 'ICANHAZ'
  stop client
  run ! grep '^[01] keys' client.log
  [[ $(report client) == *keys* ]]
}

@test "clone 2: a server that is killed before the request does not block the client" {
  start table zpeer -b -t 60000 -n 9 DEALER ipc://s
  start silent zpeer -b -t 60000 -n 9 XPUB ipc://u
  listen 2 client -t 600000
  wait_for silent '%01'         # the client has connected, and waits for HUGZ
  elapse 0.5
  kill9 table
  kill9 silent
  rm u
  start publisher zpeer -b -w 50 -r 99 -n 0 PUB ipc://u HUGZ $no e
  wait_for client 'W: the server is silent: joining again'
  stop client
}

@test "clone 3: a client joins a server that sends no HUGZ" {
  joins_without_hugz 3
}

@test "clone 4: a client joins a server that sends no HUGZ" {
  joins_without_hugz 4
}

@test "clone: a client that starts long before the server joins it once" {
  local model
  for model in 2 3 5; do
    listen $model early
    zpeer -t "$(rounds 1000 60000)" PULL ipc://nobody || : # so long
    up $model
    wait_for early snapshot
    zpeer -n 2 -t 9000 SUB ipc://u HUGZ >/dev/null
    stop early
    joined_once early
    kill9 server
    rm -f s u c ./*.log
  done
}

@test "clone: a server that dies in the middle of a snapshot leaves no client waiting" {
  local model
  for model in 2 3; do
    # It sends HUGZ, receives the request, and does not complete the snapshot.
    start publisher zpeer -b -n 0 -t 60000 -r 1000 -w 200 PUB ipc://u HUGZ $no epoch
    start dying zpeer -b -t 60000 -n 1 ROUTER ipc://s
    listen $model client -t 2000
    wait_for dying 'ICANHAZ'
    ends dying
    kill9 publisher
    rm -f s u
    up $model
    wait_for client 'W: the server is silent: joining again'
    wait_for client snapshot
    stop client
    stop server
    rm -f ./*.log
  done
}

@test "clone: an update that the snapshot has is not applied again" {
  local model five six between subscribed
  five=%00%00%00%00%00%00%00%05
  six=%00%00%00%00%00%00%00%06
  for model in 2 3 4 5; do
    if ((model == 5)); then between=('' ''); else between=(); fi
    if ((model == 2)); then subscribed=('%;'); else subscribed=('%;' '%;'); fi
    start news zpeer -b -t 60000 -n 9 XPUB ipc://u "${subscribed[@]}" \
      HUGZ $no "${between[@]}" epoch '%,' /client/k $five "${between[@]}" old '%,' \
      /client/l $six "${between[@]}" newest
    start table zpeer -b -t 60000 -n 9 DEALER ipc://s '%;' \
      /client/k $five "${between[@]}" new '%,' KTHXBAI $five "${between[@]}" ''
    listen $model client -n 6
    ends client
    [[ $(report client) == '2 keys, sequence 6, digest d735d500f1051a39' ]] || fail "$(report client)"
    kill9 news
    kill9 table
    rm -f ./*.log s u
  done
}

@test "clone: a client ends after the update of -n, at full speed too" {
  local model options
  for model in 3 4 5; do
    options=()
    if ((model == 5)); then options=(-e 0); fi
    up $model
    start writer clonecli$model -m 0 -n 3000 "${options[@]}" ipc://s ipc://u ipc://c
    ends writer
    stop server
    # That of model 5 ends with the HUGZ that comes next.
    [[ $(report writer) == *'sequence 3000,'* || $model == 5 ]] || fail "$(report writer)"
    (($(report writer | sed 's/.*sequence //; s/,.*//') >= 3000))
    rm -f ./*.log
  done
}

# ---- faults, models 2 to 4 -------------------------------------------------------

@test "clone 2: a client notices a restarted server, though it has more updates" {
  restart_overtakes 2
}

@test "clone 3: a client notices a restarted server, though it has more updates" {
  restart_overtakes 3
}

@test "clone 4: a client notices a restarted server, though it has more updates" {
  restart_overtakes 4
}

@test "clone: a client of a silent server says so, and joins it again" {
  local model
  for model in 2 3; do
    up $model
    listen $model client -t 2000
    wait_for client snapshot
    freeze server
    wait_for client 'W: the server is silent: joining again'
    thaw server
    wait_for client 'snapshot' 2
    stop client
    stop server
    joined client
    rm -f ./*.log
  done
}

# ---- snapshots -----------------------------------------------------------------

@test "clone: a server whose table has no end does not fill its client" {
  local size='%{1000000}' program
  note 'clients of a table of at most 2 MiB'
  cp "$root"/ch5-pubsub/*.[ch] .
  sed -i 's/TABLE_MAX_BYTES = 1 << 30/TABLE_MAX_BYTES = 1 << 20/' table.h
  for program in clonecli2 clonecli3; do
    cc -D_DEFAULT_SOURCE -I"$root/common" $program.c replica.c kvmsg.c table.c \
      -o $program -lzmq -lpthread
    start news zpeer -b -n 0 -t 60000 -r 1000 -w 100 PUB ipc://u HUGZ $no epoch
    start table zpeer -b -t 60000 -n 9 DEALER ipc://s '%;' /1 $no "$size" \
      '%,' /2 $no "$size" '%,' /3 $no "$size"
    start client "./$program" ipc://s ipc://u
    wait_for client 'E: the table is too large'
    ends client 1
    kill9 news
    kill9 table
    rm s u
  done
}

# The server sends 500 items to a client, and then to the next.
@test "clone: a snapshot ends after 500 items, 1000, or one more" {
  local n count messages
  up 3
  for count in 500 501 1000; do
    messages=()
    for ((n = 1; n <= count; n++)); do messages+=("k$n" "$no" v '%,'); done
    zpeer -n 0 PUSH ipc://c "${messages[@]}"
    wait_until has_item "k$count"
    [[ $(items | tail -n 1) == '[KTHXBAI]'* ]]
  done
  stop server
}

@test "clone: a large snapshot is complete, for ten at once" {
  local keys n
  keys=$(rounds 100000 1000000)
  export WAIT_S=120
  up 4
  start fill kvfill 3 ipc://c "$keys" /client/
  wait_until has_item "^\[/client/$((keys - 1))\]" "/client/$((keys - 1))"
  for n in {1..10}; do listen 4 "c$n"; done
  for n in {1..10}; do wait_for "c$n" "snapshot of $keys keys, up to update $keys"; done
  export STOP_MS=5000                  # to free a million keys, ten times, takes a while
  for n in {1..10}; do stop "c$n"; done
  stop server
  for n in {1..10}; do same server "c$n"; done
  joined_once c{1..10}
}

@test "clone: a thousand requests of one client leave room for another client" {
  local requests=()
  up 4
  put /client/k v
  wait_until has_item '^\[/client/k\]' /client/
  for ((n = 0; n < 1500; n++)); do requests+=('ICANHAZ?' '' '%,'); done
  start greedy zpeer -t 60000 -n 99999999 DEALER ipc://s "${requests[@]}" 'ICANHAZ?' ''
  wait_for greedy KTHXBAI
  freeze greedy
  has_item '^\[/client/k\]' /client/
  run ! grep '^W:' server.log
  stop server
}

@test "clone: a subscription of a megabyte is refused" {
  local model n before
  for model in 1 2 3 5; do
    if ((model == 1)); then
      start server clonesrv1 ipc://u
      wait_for server 'bound'
    else
      up $model
    fi
    before=$(memory server)
    for n in {1..20}; do
      start stranger$n zpeer -t 60000 -n 1 SUB ipc://u '%{1000000}'
    done
    zpeer -n 1 -t 9000 SUB ipc://u '' >/dev/null
    (($(memory server) - before < 60000)) || [[ ${SLACK_MS-} ]]
    for n in {1..20}; do kill9 stranger$n; done
    stop server
    rm -f ./*.log u s c
  done
}

@test "clone: a malformed request is dropped, and the next one is answered" {
  local model frames item
  for model in 2 3 4 5; do
    up $model
    item='^\[/client/k\]'
    case $model in
    2) item='^\[[0-9]+\]' ;;
    5) put5 /client/k '' '' v ;;
    *) put /client/k v ;;
    esac
    wait_until has_item "$item"
    zpeer -n 0 DEALER ipc://s ''
    zpeer -n 0 DEALER ipc://s 'ICANHAZ'
    zpeer -n 0 DEALER ipc://s 'ICANHAZ?' '%{256}'
    for frames in 3 4 5 6 7 8; do
      # shellcheck disable=SC2046
      zpeer -n 0 DEALER ipc://s 'ICANHAZ?' $(printf 'x %.0s' $(seq 2 $frames))
    done
    if ((model < 4)); then zpeer -n 0 DEALER ipc://s 'ICANHAZ?' /client/; fi
    wait_for server 'W: dropped' $((model < 4 ? 10 : 9))
    has_item "$item"
    stop server
    rm -f ./*.log
  done
}

@test "clone: a malformed update changes nothing" {
  local model frames branch
  for model in 3 4 5; do
    up $model
    listen $model client
    wait_for client snapshot
    zpeer -n 0 PUSH ipc://c ''
    for frames in 1 2 4 6 7 8; do
      # shellcheck disable=SC2046
      zpeer -n 0 PUSH ipc://c $(printf 'x %.0s' $(seq $frames))
    done
    zpeer -n 0 PUSH ipc://c /client/short %01 v
    zpeer -n 0 PUSH ipc://c /client/short %01 '' '' v
    zpeer -n 0 PUSH ipc://c KTHXBAI $no v
    zpeer -n 0 PUSH ipc://c HUGZ $no v
    zpeer -n 0 PUSH ipc://c KTHXBAI $no '' '' v
    zpeer -n 0 PUSH ipc://c HUGZ $no '' '' v
    zpeer -n 0 PUSH ipc://c '' $no '' '' v
    zpeer -n 0 PUSH ipc://c '' $no v
    zpeer -n 0 PUSH ipc://c '%{256}' $no '' '' v
    zpeer -n 0 PUSH ipc://c '%{256}' $no v
    zpeer -n 0 PUSH ipc://c /client/k $no shortuuid '' v
    zpeer -n 0 PUSH ipc://c /client/k $no '' '%{65537}' v
    wait_for server 'W: dropped' 19
    # Keys and values may have any bytes.
    if ((model == 5)); then
      put5 '/client/%{247}' '' '' 'a%00b'
      put5 /client/big '' '' '%{1000000}'
    else
      put '/client/%{247}' 'a%00b'
      put /client/big '%{1000000}'
    fi
    if ((model == 3)); then branch=(); else branch=(/client/); fi
    wait_until has_item '\[/client/x{247}\].*\[a%00b\]' "${branch[@]}"
    wait_until has_item '\[/client/big\]' "${branch[@]}"
    stop client
    stop server
    [[ $(report server) == '2 keys, sequence 2,'* ]] || fail "$(report server)"
    same server client
    rm -f ./*.log
  done
}

# ---- model 3 -------------------------------------------------------------------

@test "clone 3: two clients that set the same key end with the same value" {
  up 3
  listen 3 a
  listen 3 b
  wait_for a snapshot
  wait_for b snapshot
  zpeer -n 0 -r 100 PUSH ipc://c same $no one &
  zpeer -n 0 -r 100 PUSH ipc://c same $no other
  wait $!
  put last v
  wait_until has_item '^\[last\]'
  stop_when_equal a b
  [[ $(report a) == '2 keys, sequence '[1-9]* ]]
}

@test "clone 3: a client that missed updates says so, joins again, and has the table" {
  export WAIT_S=40
  up 3
  listen 3 slow -t 600000        # it is frozen for longer than the default
  wait_for slow snapshot
  freeze slow
  start fill kvfill -z 1000 3 ipc://c 60000
  wait_until has_item '^\[59999\]'
  thaw slow
  start more kvfill -m 100 3 ipc://c 300 # the next update shows the gap
  wait_for slow 'W: an update was missed: joining again'
  wait_for slow 'snapshot of 60000 keys'
  wait_for more 'keys sent'
  stop_when_equal slow
  joined slow
}

# ---- model 4 -------------------------------------------------------------------

@test "clone 4: a client has its subtree, and nothing else" {
  up 4
  put /client/old 1
  put /clients 2
  put /other/old 3
  wait_until has_item '/other/old' ''
  listen 4 one -d /client/
  listen 4 other -d /other/
  listen 4 bytes -d /cli
  listen 4 all -d ''
  for name in one other bytes all; do wait_for $name snapshot; done
  put /other/new 4
  put /client/old ''
  put HUGZoo 5                  # the subscription to HUGZ brings it too
  put /client/new 5
  wait_until has_item '/client/new' ''
  items /client/ >wire
  diff wire - <<'END'
[/client/new][%00%00%00%00%00%00%00%07][5]
[KTHXBAI][%00%00%00%00%00%00%00%07][/client/]
END
  items /nothing/ | grep -F '[KTHXBAI][%00%00%00%00%00%00%00%07][/nothing/]'
  for name in one other bytes all server; do stop $name; done
  [[ $(report one) == '1 keys, sequence 7,'* ]]
  [[ $(report other) == '2 keys, sequence 4,'* ]]
  [[ $(report bytes) == '2 keys, sequence 7,'* ]]
  same server all
}

@test "clone: a subtree that leaves no room for a key is refused" {
  local model long
  long=$(printf '%252s' '' | tr ' ' d)
  for model in 4 5 6; do
    run -2 clonecli$model -d "$long"
    run -2 clonecli$model -d "$long$long"
  done
}

# bats test_tags=demo:clone-join
@test "clone 3: a client joins while two others set keys" {
  note 'a server, and two clients that set random keys'
  up 3
  start writer1 clonecli3 -m 500 ipc://s ipc://u ipc://c
  start writer2 clonecli3 -m 500 ipc://s ipc://u ipc://c
  wait_for writer1 snapshot
  wait_for writer2 snapshot
  zpeer -n 1000 -t 9000 SUB ipc://u '' >/dev/null
  note 'a late client fetches a snapshot, and follows'
  listen 3 late
  wait_for late 'snapshot of [1-9]'
  zpeer -n 1000 -t 9000 SUB ipc://u '' >/dev/null
  note 'the writers stop; the late client has the table of the server'
  stop writer1
  stop writer2
  put last v
  wait_until has_item '^\[last\]'
  stop_when_equal late
  joined_once late
}
