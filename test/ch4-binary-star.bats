load helpers

# The pair of a scene: a short interval, and ipc endpoints.
interval=200
servers=(ipc://p ipc://b)

every() { # MS
  interval=$1
}

primary() { # [PROGRAM [OPTION...]]
  start primary "${1:-bstarsrv}" -p -i "$interval" "${@:2}" ipc://p ipc://ps ipc://bs
}

backup() { # [PROGRAM [OPTION...]]
  start backup "${1:-bstarsrv}" -b -i "$interval" "${@:2}" ipc://b ipc://bs ipc://ps
}

# Start a pair and wait until the primary is active and the backup passive.
pair() { # [PROGRAM-OF-PRIMARY [PROGRAM-OF-BACKUP]]
  primary "${1:-bstarsrv}"
  backup "${2:-bstarsrv}"
  wait_for primary 'primary -> active: the peer is backup'
  wait_for backup 'backup -> passive: the peer is active'
}

client() { # [OPTION...]
  start client bstarcli -t "$interval" "$@" "${servers[@]}"
}

# watch - send requests to both halves; end_watch [MS] - expect that no request had
# two replies, and that no gap between replies was that long
watch() {
  start watch bstarwatch "${servers[@]}"
  wait_for watch 'serves'
}

end_watch() {
  stop watch INT
  grep -E 'both 0,' watch.log
  gap=$(sed -nE 's/.*longest gap ([0-9]+) ms/\1/p' watch.log)
  ((gap < ${1:-4500})) || fail "nobody served for $gap ms"
}

# peer_says ENDPOINT STATE - publish this state as a peer, until it is killed
peer_says() {
  start peer zpeer -b -n 0 -w 20 -r 9999 PUB "$1" "$2"
}

# sleep_intervals N - let N intervals pass: the length of a fault
sleep_intervals() {
  sleep "$(printf '%d.%03d' $(($1 * interval / 1000)) $(($1 * interval % 1000)))"
}

# asks ENDPOINT [MS] - true if a request has a reply in time
asks() { # ENDPOINT [MS]
  [[ $(zpeer -t "${2:-$((interval * 3 / 2))}" REQ "$1" hello) == '[hello]' ]]
}

# bats test_tags=demo:binary-star
@test "binary star: a client is served although either half dies" {
  if [[ ${SHOW-} ]]; then every 500; fi
  note 'a pair, and a client that sends its requests to either half'
  pair
  client
  wait_for client 'ipc://p replied OK \(3\)'
  kill9 primary
  wait_for backup 'passive -> active: a vote'
  wait_for client 'ipc://b replied OK' 2
  note 'the primary returns and is passive'
  primary
  wait_for primary 'primary -> passive: the peer is active'
  kill9 backup
  wait_for primary 'passive -> active: a vote'
  wait_for client 'ipc://p replied OK' 5
  stop client INT
  stop primary
  # Each number has one reply, in order.
  grep -oE 'OK \([0-9]+\)' client.log | grep -oE '[0-9]+' >got
  seq "$(wc -l <got)" | diff - got
}

@test "binary star: primary, backup and client start in any order" {
  local order name
  every 100
  for order in 'primary backup client' 'primary client backup' \
    'backup primary client' 'backup client primary' \
    'client primary backup' 'client backup primary'; do
    rm -f ./*.log
    for name in $order; do
      if [[ $name == client ]]; then client -n 2; else $name; fi
    done
    wait_for primary ' -> active'
    wait_for backup ' -> passive: the peer is active'
    ends client
    stop backup
    stop primary
  done
}

@test "binary star: bstarsrv and bstarsrv2 make a pair" {
  local one other
  every 500
  for one in bstarsrv bstarsrv2; do
    for other in bstarsrv bstarsrv2; do
      if [[ $one == "$other" ]]; then continue; fi
      rm -f ./*.log
      pair $one $other
      wait_until asks ipc://p
      kill9 primary
      client -n 2
      ends client
      wait_for backup 'passive -> active: a vote'
      primary $one
      wait_for primary 'primary -> passive: the peer is active'
      run ! asks ipc://p
      wait_until asks ipc://b
      stop backup
      stop primary
    done
  done
}

@test "binary star: without a request of a client the passive half stays passive" {
  every 100
  pair
  kill9 primary
  zpeer -t 2000 -n 12 SUB ipc://bs '' >states
  grep -vx '\[4\]' states && fail 'it moved'
  asks ipc://b 5000
  zpeer -n 1 -t 9000 SUB ipc://bs '' | grep -x '\[3\]'
  stop backup
}

@test "binary star: with the default interval the backup replies within 4.5 seconds" {
  every 1000                 # the guide's
  pair
  start watch bstarwatch "${servers[@]}"
  wait_for watch 'first serves'
  kill9 primary
  wait_for watch 'second serves'
  end_watch 4500
  ((gap >= 1000)) || fail "took over from a peer silent for $gap ms only"
  stop backup
}

@test "binary star: a primary without its backup serves after two seconds" {
  start one bstarsrv -p ipc://p ipc://ps ipc://bs
  start two bstarsrv2 -p ipc://p2 ipc://ps2 ipc://bs2
  wait_for one 'clients bound'
  wait_for two 'clients bound'
  start client1 zpeer -t 1500 REQ ipc://p hello
  start client2 zpeer -t 1500 REQ ipc://p2 hello
  ends client1 1
  ends client2 1
  wait_until asks ipc://p 200
  wait_until asks ipc://p2 200
  stop one
  stop two
}

@test "binary star: a backup that never saw its primary never serves" {
  every 100
  backup
  start backup2 bstarsrv2 -b -i "$interval" ipc://b2 ipc://bs2 ipc://ps
  wait_for backup 'clients bound'
  wait_for backup2 'clients bound'
  peer_says ipc://ps 2          # another backup is no primary
  wait_for backup 'the peer has our own role'
  wait_for backup2 'the peer has our own role'
  kill9 peer
  start client zpeer -t 100 -w 20 -r 40 -n 1 DEALER ipc://b '' hello
  start client2 zpeer -t 100 -w 20 -r 40 -n 1 DEALER ipc://b2 '' hello
  ends client 1
  ends client2 1
  stop backup
  stop backup2
}

@test "binary star: a primary that returns stays passive" {
  pair
  watch
  kill9 primary
  wait_for watch 'second serves'
  for ((i = 0; i < 3; i++)); do
    primary
    wait_for primary 'primary -> passive' $((i + 1))
    kill9 primary
  done
  grep -c 'serves' watch.log | grep -x 2
  end_watch
  stop backup
}

@test "binary star: the passive half does not reply while the active half publishes" {
  pair
  start watch bstarwatch -n 150 "${servers[@]}"
  ends watch
  grep -E 'second answered 0, both 0' watch.log
  stop primary
  stop backup
}

# Each line: role, state of the peer before (or -), state of the peer then, and the
# state that follows. All run at the same time.
@test "binary star: each state and each state of the peer lead to the next state" {
  local role before event after n=0
  cat >table <<'END'
p - 1 1
p - 4 1
p - 2 3
p - 3 4
b - 1 2
b - 2 2
b - 4 2
b - 3 4
p 2 1 3
p 2 2 3
p 2 3 3
p 2 4 3
p 3 1 3
p 3 2 3
p 3 3 4
p 3 4 1
b 3 1 3
b 3 2 3
b 3 3 4
b 3 4 2
END
  while read -r role before event after; do
    n=$((n + 1))
    start "server$n" bstarsrv "-$role" -i 500 ipc://c$n ipc://s$n ipc://x$n
    start "listener$n" zpeer -t 20000 -n 1000 SUB ipc://s$n ''
    if [[ $before != - ]]; then
      start "before$n" zpeer -b -n 0 -r 200 -w 20 PUB ipc://x$n "$before"
    fi
  done <table
  n=0
  while read -r role before event after; do
    n=$((n + 1))
    if [[ $before != - ]]; then
      wait_for "server$n" ' -> '
      kill9 "before$n"
    fi
    start "event$n" zpeer -b -n 0 -r 12 -w 50 PUB ipc://x$n "$event"
  done <table
  n=0
  while read -r role before event after; do
    n=$((n + 1))
    ends "event$n"
    wait_for "listener$n" "^\\[$after\\]"
    # Its last message has that state too.
    tail -n 1 "listener$n.log" | grep -x "\\[$after\\]" \
      || fail "$role $before $event: $(tail -n 1 "listener$n.log")"
    stop "server$n"
  done <table
}

@test "binary star reactor: calls and ends handlers, readers and timers" {
  start app bstarapp -p -i "$interval" ipc://p ipc://ps ipc://bs ipc://news
  wait_for app 'tick 3'
  wait_for app 'tock'
  # libzmq's clock of timers is up to a millisecond or two behind.
  wait_for app 'late after (29[5-9]|[3-9][0-9][0-9]|[0-9]{4}) ms'
  zpeer -n 0 PUSH ipc://news one 2 3
  wait_for app 'news of 3 frames: one'
  wait_until asks ipc://p 150
  wait_for app 'handler: active 1'
  # A handler that blocks costs the lease, as a pause does.
  zpeer REQ ipc://p block | grep -x '\[block\]'
  wait_for app 'handler: has blocked, active 0'
  wait_for app 'active -> primary: its lease has expired'
  wait_until asks ipc://p 150
  wait_for app 'handler: active 1' 2
  zpeer -n 0 PUSH ipc://news close
  wait_for app 'news of 1 frames: close'
  [[ $(lines_of app 'tick') == 3 && $(lines_of app 'tock') == 1 ]]
  stop app

  start app bstarapp -b -i "$interval" ipc://p ipc://ps ipc://bs ipc://news
  peer_says ipc://bs 3
  wait_for app 'handler: passive 0'
  zpeer -n 0 PUSH ipc://news fail
  wait_for app 'has returned -1'
  ends app 1
}

@test "binary star reactor: without a peer it hears none, also right after the start" {
  start app bstarapp -p -i 999999999 ipc://p ipc://ps ipc://bs ipc://news
  wait_for app 'hears its peer: 0'
}

@test "binary star reactor: after a handler that returns -1 no message is read" {
  start app bstarapp -p -i "$interval" ipc://p ipc://ps ipc://bs ipc://news
  wait_for app 'news bound'
  freeze app
  start news zpeer -n 0 -t 5000 PUSH ipc://news leave '%,' later
  elapse 0.2
  thaw app
  ends app 1
  [[ $(lines_of app 'unread: later') == 1 ]]
}

@test "binary star reactor: a handler that returns -1 ends it" {
  start app bstarapp -p -i "$interval" ipc://p ipc://ps ipc://bs ipc://news
  wait_for app 'news bound'
  start peer zpeer -b -n 0 -r 100 -w 20 PUB ipc://bs 2
  wait_for app 'handler: active 1'
  zpeer REQ ipc://p stop | grep -x '\[stop\]'
  ends app 1
  grep 'has returned -1' app.log
}

# ---- Faults --------------------------------------------------------------------

@test "binary star: of two active halves the backup becomes passive" {
  backup
  peer_says ipc://ps 3
  wait_for backup 'backup -> passive'
  kill9 peer
  wait_until asks ipc://b 150
  wait_for backup 'passive -> active: a vote'
  start other zpeer -b -n 0 -r 500 -w 20 PUB ipc://ps 3
  wait_for backup 'active -> passive: the peer is active'
  run ! asks ipc://b
  stop backup
}

@test "binary star: an active half that was frozen reads the state of its peer before it serves" {
  local program before
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    pair $program $program
    watch
    freeze primary
    wait_for watch 'second serves'
    thaw primary
    wait_for primary 'active -> primary: its lease has expired'
    wait_for primary 'primary -> passive: the peer is active'
    before=$(lines_of watch 'first serves')
    freeze backup
    wait_for watch 'first serves' $((before + 1))
    thaw backup
    wait_for backup 'active -> backup: its lease has expired'
    wait_for backup 'backup -> passive: the peer is active' 2
    end_watch
    stop primary
    stop backup
  done
}

@test "binary star: a half that was frozen ignores the states that waited in its socket" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    primary $program
    start peer zpeer -b -n 0 -r 1000 -w 10 PUB ipc://bs 2
    wait_for primary 'primary -> active: the peer is backup'
    freeze primary
    sleep_intervals 4
    kill9 peer                  # which could be active by now
    thaw primary
    wait_for primary 'active -> primary: its lease has expired'
    wait_until asks ipc://p 150
    wait_for primary 'primary -> active: a vote'
    [[ $(lines_of primary 'the peer is backup') == 1 ]]
    stop primary
  done
}

@test "binary star: a half without a peer serves again after it was frozen" {
  pair
  kill9 primary
  watch
  freeze backup
  sleep_intervals 4
  thaw backup
  wait_for backup 'active -> backup: its lease has expired'
  wait_for backup 'backup -> active: a vote'
  end_watch
  stop backup
}

@test "binary star: both halves freeze and continue, and one serves" {
  pair
  watch
  freeze primary
  freeze backup
  sleep_intervals 4
  thaw backup
  thaw primary
  wait_for watch 'serves' 2
  end_watch
  stop primary
  stop backup
}

@test "binary star: kills and freezes at random times: never two serve, and soon one" {
  local node steps freezes=(1 3 5) # in intervals
  if [[ ${HAMMER-} ]]; then freezes=(1 3 30); fi
  # The lease ends a tenth of an interval before the peer's expiry: that must be
  # longer than a busy machine delays a message.
  every 1000
  pair
  watch
  for ((i = $(rounds 3 50); i > 0; i--)); do
    node=primary
    if ((RANDOM % 2)); then node=backup; fi
    if ((RANDOM % 3 == 0)); then
      steps=$(lines_of $node ' -> ')
      kill9 $node
      moment 999
      $node
      # A backup that never saw its primary never serves: wait until it has.
      wait_for $node ' -> ' $((steps + 1))
    else
      freeze $node
      sleep_intervals ${freezes[RANDOM % 3]}
      moment 300
      thaw $node
    fi
    moment 999
  done
  end_watch
  stop primary
  stop backup
}

@test "binary star: after a cut with two active halves one remains, and no request is skipped" {
  hosts a b c
  servers=(tcp://10.77.0.1:5001 tcp://10.77.0.2:5002)
  on a start primary bstarsrv -p -i 300 tcp://10.77.0.1:5001 \
    tcp://10.77.0.1:5003 tcp://10.77.0.2:5004
  on b start backup bstarsrv2 -b -i 300 tcp://10.77.0.2:5002 \
    tcp://10.77.0.2:5004 tcp://10.77.0.1:5003
  wait_for backup 'backup -> passive: the peer is active'
  on c start client bstarcli -t 300 "${servers[@]}"
  wait_for client '5001 replied OK'
  for ((i = 1; i <= $(rounds 1 10); i++)); do
    cut a
    wait_for backup 'passive -> active: a vote' "$i"
    wait_for client '5002 replied OK' "$i"
    heal a
    wait_for backup 'active -> passive: the peer is active' "$i"
    wait_for client '5001 replied OK' $((i + 1))
  done
  [[ $(lines_of primary ' -> ') == 1 ]]
  stop client
  grep -oE 'OK \([0-9]+\)' client.log | grep -oE '[0-9]+' >got
  seq "$(wc -l <got)" | diff - got
  stop primary
  stop backup
}

# knows HOST OTHER ADDRESS - it needs no ARP, whose errors would make TCP retry sooner
knows() {
  on "$1" ip neigh replace "$3" nud permanent dev eth0 \
    lladdr "$(on "$2" ip -o link show eth0 | sed -E 's/.*ether ([0-9a-f:]+).*/\1/')"
}

@test "binary star: after a cut of seven seconds the states arrive again within three" {
  hosts a b
  knows a b 10.77.0.2
  knows b a 10.77.0.1
  on a start primary bstarsrv -p -i 300 tcp://10.77.0.1:5001 \
    tcp://10.77.0.1:5003 tcp://10.77.0.2:5004
  on b start backup bstarsrv2 -b -i 300 tcp://10.77.0.2:5002 \
    tcp://10.77.0.2:5004 tcp://10.77.0.1:5003
  wait_for backup 'backup -> passive: the peer is active'
  cut a
  wait_until on b zpeer -t 450 REQ tcp://10.77.0.2:5002 hello
  wait_for backup 'passive -> active: a vote'
  elapse 7                      # TCP itself would try again 12 s after the cut
  heal a
  within 3000 eval "(( \$(lines_of backup '-> passive: the peer is active') == 2 ))"
  stop primary
  stop backup
}

@test "binary star: a peer whose name cannot be resolved does not delay clients" {
  if ! unshare -nm true 2>/dev/null; then skip 'no right to make namespaces'; fi
  write_silent_name_server
  cat >resolve.sh <<'END'
. ./silent_name_server.sh
"$1" -p -i 100 ipc://p ipc://ps tcp://nohost.example:5004 & server=$!
for ((n = 0; n < 20; n++)); do zpeer -t 1000 REQ ipc://p hello; done
kill $server
wait $server
echo "status $?"
kill $name_server
END
  local program
  for program in bstarsrv bstarsrv2; do
    unshare -nm bash resolve.sh $program >"$program.out"
    (($(grep -cxF '[hello]' "$program.out") >= 15))
    grep -x 'status 0' "$program.out"
  done
}

@test "binary star: halves with different intervals print a warning" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    every 500
    backup $program
    every 100
    primary $program
    wait_for primary 'W: the states of the peer arrive too far apart'
    stop primary
    stop backup
    rm -f ./*.log
    every 200
    pair $program $program
    sleep_intervals 8
    [[ $(lines_of primary 'too far apart') == 0 ]]
    [[ $(lines_of backup 'too far apart') == 0 ]]
    stop primary
    stop backup
  done
}

# ---- Malformed input -----------------------------------------------------------

@test "binary star: a malformed state changes nothing" {
  local state messages=()
  every 1000
  backup bstarsrv
  start primary bstarsrv2 -p -i "$interval" ipc://p ipc://ps2 ipc://bs2
  wait_until asks ipc://p 150
  for state in 5 0 '' 33 3x '3 x' '%00' '3%00' A ' 3' '3%{100000}'; do
    messages+=("$state" '%,')
  done
  messages+=(3 4 '%,' 3 b c d e f g h i j k l m n o p q r s t u v w x)
  for state in ps bs2; do       # as soon as it has subscribed
    start "to-$state" zpeer -b -n 0 -t 9000 XPUB ipc://$state '%;' "${messages[@]}"
  done
  wait_for backup 'W: dropped' 13
  wait_for primary 'W: dropped' 13
  [[ $(lines_of backup ' -> ') == 0 && $(lines_of primary ' -> ') == 1 ]]
  asks ipc://p
  stop primary
  stop backup
}

@test "binary star: a malformed message of a client is a vote, as any other" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    primary $program
    start client zpeer -r 999 -w 20 -n 0 DEALER ipc://p a
    wait_for primary 'primary -> active: a vote'
    kill9 client
    stop primary
  done
}

@test "binary star: a malformed request is dropped, and others are served" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    every 1000
    pair $program $program
    zpeer -n 0 DEALER ipc://p ''
    zpeer -n 0 DEALER ipc://p a
    zpeer -n 0 DEALER ipc://p a b
    zpeer -n 0 DEALER ipc://p a b c d e f g h i j k l m n o p q r s t u v w x
    zpeer -n 0 DEALER ipc://p ''
    wait_for primary 'W: dropped' 5
    zpeer -n 0 -t 100 DEALER ipc://p '' '%{2000000}'
    asks ipc://p
    stop backup
    stop primary
  done
}

# subscribe_often ENDPOINT - as a SUB of another library would: 3,000 subscriptions,
# and then the connection is closed
subscribe_often() {
  perl -MIO::Socket::UNIX -e '
    my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
    $s->syswrite("\xff" . "\0" x 8 . "\x7f\x03\0" . pack("a20", "NULL") . "\0" x 32
      . "\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB");
    select undef, undef, undef, 0.3;
    $s->syswrite("\0\x02\x01A" x 3000);
    select undef, undef, undef, 0.3' "${1#ipc://}"
}

@test "binary star: 3,000 subscriptions to the states stop neither half" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    start server $program -p -i 1000 ipc://p ipc://ps ipc://bs
    wait_for server 'clients bound'
    subscribe_often ipc://ps
    sleep_intervals 15
    wait_until asks ipc://p 500
    stop server
  done
}

@test "binary star: requests of any bytes and frames are echoed unchanged" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    every 1000
    pair $program $program
    zpeer REQ ipc://p '' | grep -x '\[\]'
    zpeer DEALER ipc://p proxy more '' body | grep -x '\[proxy\]\[more\]\[\]\[body\]'
    zpeer REQ ipc://p 'a%00b' '' c | grep -x '\[a%00b\]\[\]\[c\]'
    zpeer -i 'a b' DEALER ipc://p '' 1 2 3 4 5 | grep -x '\[\]\[1\]\[2\]\[3\]\[4\]\[5\]'
    [[ $(zpeer REQ ipc://p '%{1000000}' | wc -c) == 1000003 ]]
    stop backup
    stop primary
  done
}

# ---- Limits --------------------------------------------------------------------

@test "binary star: a client that does not read costs others nothing" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    every 1000
    pair $program $program
    start reader zpeer -n 0 -r 99999999 DEALER ipc://p '' '%{2000}'
    wait_for primary 'W: reply dropped: Resource temporarily unavailable'
    asks ipc://p
    kill9 reader
    stop backup
    stop primary
  done
}

@test "binary star: a client with a fixed id is served although its frozen predecessor is connected" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    every 1000
    pair $program $program
    start old zpeer -i me -n 2 -t 20000 DEALER ipc://p '' first
    wait_for old first
    freeze old
    zpeer -i me DEALER ipc://p '' second | grep -x '\[\]\[second\]'
    kill9 old
    stop backup
    stop primary
  done
}

@test "binary star: a signal ends servers and clients in any state" {
  local signal
  for signal in INT TERM; do
    rm -f ./*.log
    start client bstarcli -t 2000 ipc://p ipc://b
    start client3 bstarcli -t 100 ipc://p ipc://b
    wait_for client 'asking'
    wait_for client3 'no reply' # and now it waits for the failover
    primary bstarsrv2
    wait_for primary 'clients bound'
    stop primary $signal
    pair
    start client2 bstarcli -t 100000 ipc://b ipc://p
    wait_for client2 'asking'
    stop client $signal
    stop client3 $signal
    stop client2 $signal
    stop primary $signal
    stop backup $signal
  done
}

@test "binary star: a wrong option or endpoint is reported at the start" {
  local program
  for program in bstarsrv bstarsrv2; do
    run -2 $program
    run -2 $program -p -b
    run -2 $program -p -i 0
    run -2 $program -p -i 9
    run -2 $program -p 1 2 3 4
    run -1 $program -p nowhere
    [[ $output == *nowhere* ]]
    start "$program" $program -p tcp://127.0.0.1:* ipc://ps ipc://bs
    taken=$(bound "$program" clients)
    run -1 timeout "$WAIT_S" $program -p "$taken" ipc://ps2 ipc://bs2
    [[ $output == *"$taken: Address already in use"* ]]
    stop "$program"
  done
  run -2 bstarcli -n x
  run -2 bstarcli -t 0
}

# ---- All states ----------------------------------------------------------------

# The table in the README: | `bstarcheck OPTIONS` | states | quarters | quarters |
# The rows after the first five take up to minutes each.
@test "binary star: in all states that a pair can reach the invariants hold" {
  local command states both serves n=0
  while IFS='|' read -r _ command states both serves _; do
    if ((++n > $(rounds 5 99))); then break; fi
    read -r -a command <<<"${command//\`/}"
    "${command[@]}" | tee check.out
    grep "I: ${states//[ ,]/} states" check.out
    grep "at most ${both// /} quarters" check.out
    grep "serves ${serves// /} quarters after the last fault" check.out
  done < <(grep -F '| `bstarcheck ' "$root/ch4-reliability/README.md")
  ((n >= 5))
}

# finds_bug SCRIPT OPTION... - a machine that the sed script breaks violates an
# invariant, and the counterexample says how
finds_bug() {
  rm -rf broken
  mkdir broken
  sed -E "$1" "$root/ch4-reliability/bstarfsm.h" >broken/bstarfsm.h
  run ! cmp -s "$root/ch4-reliability/bstarfsm.h" broken/bstarfsm.h
  "${CC:-cc}" -O2 -std=gnu11 -Ibroken -I"$root/common" "$root/test/bstarcheck.c" \
    -o broken/check -lzmq -lpthread
  run -1 broken/check "${@:2}"
  printf '%s\n' "$output"
  [[ $output == *'E: '* && $output == *'primary: starts'* ]]
}

@test "binary star: the exploration finds a machine without a lease" {
  finds_bug 's/2 \* half.interval - half.interval \/ 10/4 * half.interval/' -k -l -t 0 -m 0
}

@test "binary star: the exploration finds a machine without a settling time" {
  finds_bug 's/settled_at = now \+ half.interval/settled_at = now/' -k -l -t 0 -m 0
}

@test "binary star: the exploration finds a vote while the peer is not silent" {
  finds_bug 's/has_seen_primary && now >= half->peer_expiry/has_seen_primary/' -k -l -t 0 -m 0
}

@test "binary star: the exploration finds two active halves of which neither yields" {
  finds_bug 's/\[PEER_ACTIVE\] = BACKUP_YIELDS, //'
}

@test "binary star: the exploration finds two passive halves that stay passive" {
  finds_bug '/\[PEER_PASSIVE\] = RESTART/d'
}
