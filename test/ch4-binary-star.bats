load helpers

# The pair of a scene: fast, and by local names. A silence is two intervals.
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

# A pair that knows itself: the primary is active.
pair() { # [PROGRAM-OF-PRIMARY [PROGRAM-OF-BACKUP]]
  primary "${1:-bstarsrv}"
  backup "${2:-bstarsrv}"
  wait_for primary 'primary -> active: the peer is backup'
  wait_for backup 'backup -> passive: the peer is active'
}

client() { # [OPTION...]
  start client bstarcli -t "$interval" "$@" "${servers[@]}"
}

# watch - ask both servers all the time; end_watch [MS] - never both have
# answered, and never was there none for so long
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

# peer_says ENDPOINT STATE - play the peer, and say that until it is killed
peer_says() {
  start peer zpeer -b -n 0 -w 20 -r 9999 PUB "$1" "$2"
}

# sleep_intervals N - a pause is as long as it is: here time is the fault
sleep_intervals() {
  sleep "$(printf '%d.%03d' $(($1 * interval / 1000)) $(($1 * interval % 1000)))"
}

# Is a request answered, within MS?
asks() { # ENDPOINT [MS]
  [[ $(zpeer -t "${2:-$((interval * 3 / 2))}" REQ "$1" hello) == '[hello]' ]]
}

# bats test_tags=demo:binary-star
@test "binary star: a client is served on, whichever of the two dies" {
  if [[ ${SHOW-} ]]; then every 500; fi
  note 'a pair, and a client that asks whichever of the two answers'
  pair
  client
  wait_for client 'ipc://p replied OK \(3\)'
  kill9 primary
  wait_for backup 'passive -> active: a vote'
  wait_for client 'ipc://b replied OK' 2
  note 'the primary returns: it is the spare now'
  primary
  wait_for primary 'primary -> passive: the peer is active'
  kill9 backup
  wait_for primary 'passive -> active: a vote'
  wait_for client 'ipc://p replied OK' 5
  stop client INT
  stop primary
  # Every number is there once, and in order.
  grep -oE 'OK \([0-9]+\)' client.log | grep -oE '[0-9]+' >got
  seq "$(wc -l <got)" | diff - got
}

@test "binary star: the three start in any order" {
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

@test "binary star: bstarsrv and bstarsrv2 make a pair, either way" {
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

@test "binary star: no failover without a client that asks for it" {
  every 100
  pair
  kill9 primary
  zpeer -t 2000 -n 12 SUB ipc://bs '' >states
  grep -vx '\[4\]' states && fail 'it moved'
  asks ipc://b
  zpeer -n 1 -t 9000 SUB ipc://bs '' | grep -x '\[3\]'
  stop backup
}

@test "binary star: a client finds a dead primary's work done within seconds" {
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

@test "binary star: a primary without its backup waits two seconds before it serves" {
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

@test "binary star: a primary that returns leaves the clients to the backup" {
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

@test "binary star: the passive one is silent as long as the other lives" {
  pair
  start watch bstarwatch -n 150 "${servers[@]}"
  ends watch
  grep -E 'second answered 0, both 0' watch.log
  stop primary
  stop backup
}

# Each line: role, state to go through first, what the peer says then, and what
# becomes of it. All at once, to save time.
@test "binary star: the state machine, line by line" {
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
    # It is still that in its last word.
    tail -n 1 "listener$n.log" | grep -x "\\[$after\\]" \
      || fail "$role $before $event: $(tail -n 1 "listener$n.log")"
    stop "server$n"
  done <table
}

@test "binary star: two actives that meet: the backup steps down" {
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

@test "binary star: nonsense on the state socket changes nothing" {
  local state messages=()
  every 1000
  backup bstarsrv
  start primary bstarsrv2 -p -i "$interval" ipc://p ipc://ps2 ipc://bs2
  wait_until asks ipc://p 150
  for state in 5 0 '' 33 3x '%00' '3%00' A ' 3' '3%{100000}'; do
    messages+=("$state" '%,')
  done
  messages+=(3 4 '%,' 3 b c d e f g h i j k l m n o p q r s t u v w x)
  for state in ps bs2; do       # as soon as it has subscribed
    start "to-$state" zpeer -b -n 0 -t 9000 XPUB ipc://$state '%;' "${messages[@]}"
  done
  wait_for backup 'W: dropped' 12
  wait_for primary 'W: dropped' 12
  [[ $(lines_of backup ' -> ') == 0 && $(lines_of primary ' -> ') == 1 ]]
  asks ipc://p
  stop primary
  stop backup
}

@test "binary star: a state may have more after a blank" {
  primary
  start peer zpeer -b -n 0 -r 100 -w 20 PUB ipc://bs '3 and so on'
  wait_for primary 'primary -> passive: the peer is active'
  stop primary
}

@test "binary star: nonsense from clients costs nobody anything" {
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

@test "binary star: requests are bytes, and come back as they went" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    every 1000
    pair $program $program
    zpeer REQ ipc://p '' | grep -x '\[\]'
    zpeer REQ ipc://p 'a%00b' '' c | grep -x '\[a%00b\]\[\]\[c\]'
    zpeer -i 'a b' DEALER ipc://p '' 1 2 3 4 5 | grep -x '\[\]\[1\]\[2\]\[3\]\[4\]\[5\]'
    [[ $(zpeer REQ ipc://p '%{1000000}' | wc -c) == 1000003 ]]
    stop backup
    stop primary
  done
}

@test "binary star: a frozen active listens before it serves again" {
  local program
  for program in bstarsrv bstarsrv2; do
    rm -f ./*.log
    pair $program $program
    watch
    freeze primary
    wait_for watch 'second serves'
    thaw primary
    wait_for primary 'active -> primary: it has overslept'
    wait_for primary 'primary -> passive: the peer is active'
    freeze backup
    wait_for watch 'first serves' 2
    thaw backup
    wait_for backup 'active -> backup: it has overslept'
    wait_for backup 'backup -> passive: the peer is active' 2
    end_watch
    stop primary
    stop backup
  done
}

@test "binary star: what the peer said to a frozen one is no news when it wakes" {
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
    wait_for primary 'active -> primary: it has overslept'
    wait_until asks ipc://p 150
    wait_for primary 'primary -> active: a vote'
    [[ $(lines_of primary 'the peer is backup') == 1 ]]
    stop primary
  done
}

@test "binary star: one that is alone and was frozen serves again" {
  pair
  kill9 primary
  watch
  freeze backup
  sleep_intervals 4
  thaw backup
  wait_for backup 'active -> backup: it has overslept'
  wait_for backup 'backup -> active: a vote'
  end_watch
  stop backup
}

@test "binary star: both frozen, both go on, one serves" {
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

@test "binary star: kills and freezes at random moments, never two, never none" {
  local node steps freezes=(1 3 5) # in intervals
  if [[ ${HAMMER-} ]]; then freezes=(1 3 30); fi
  every "$(rounds 300 1000)"    # the guide's, when it counts
  pair
  watch
  for ((i = $(rounds 4 50); i > 0; i--)); do
    node=primary
    if ((RANDOM % 2)); then node=backup; fi
    if ((RANDOM % 3 == 0)); then
      steps=$(lines_of $node ' -> ')
      kill9 $node
      moment 999
      $node
      # A backup that never saw its primary never serves: let it see it.
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

@test "binary star: after a cut with two actives one is left, clients miss nothing" {
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

@test "binary star reactor: handlers, readers, timers, and their ends" {
  start app bstarapp -p -i "$interval" ipc://p ipc://ps ipc://bs ipc://news
  wait_for app 'tick 3'
  wait_for app 'tock'
  # libzmq's clock of timers is up to a millisecond or two behind.
  wait_for app 'late after (29[5-9]|[3-9][0-9][0-9]|[0-9]{4}) ms'
  zpeer -n 0 PUSH ipc://news one 2 3
  wait_for app 'news of 3 frames: one'
  wait_until asks ipc://p 150
  wait_for app 'handler: active 1'
  # A handler that blocks for long is as bad as a pause, and noticed as such.
  zpeer REQ ipc://p block | grep -x '\[block\]'
  wait_for app 'active -> primary: it has overslept'
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

@test "binary star reactor: a handler that says so ends it" {
  start app bstarapp -p -i "$interval" ipc://p ipc://ps ipc://bs ipc://news
  wait_for app 'news bound'
  start peer zpeer -b -n 0 -r 100 -w 20 PUB ipc://bs 2
  wait_for app 'handler: active 1'
  zpeer REQ ipc://p stop | grep -x '\[stop\]'
  ends app 1
  grep 'has returned -1' app.log
}

@test "binary star: all of them stop when told, whatever they do" {
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

@test "binary star: what is wrong at the start is said" {
  local program
  for program in bstarsrv bstarsrv2; do
    run -2 $program
    run -2 $program -p -b
    run -2 $program -p -i 0
    run -2 $program -p 1 2 3 4
    run -1 $program -p nowhere
    [[ $output == *nowhere* ]]
    start "$program" $program -p tcp://127.0.0.1:* ipc://ps ipc://bs
    taken=$(bound "$program" clients)
    run -1 timeout 5 $program -p "$taken" ipc://ps2 ipc://bs2
    [[ $output == *"$taken: Address already in use"* ]]
    stop "$program"
  done
  run -2 bstarcli -n x
}
