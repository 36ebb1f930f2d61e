load helpers

# ---- identity -----------------------------------------------------------------

# bats test_tags=demo:identity
@test "identity: a made-up id, a chosen one, an answer, and nobody" {
  note 'what a ROUTER puts in front of each message'
  start identity identity
  ends identity
  run -0 cat identity.log
  [[ ${lines[0]} =~ ^-{40}$ && ${lines[1]} =~ ^'[005] 00'[0-9A-F]{8}$ ]]
  [[ ${lines[2]} == '[000] ' && ${lines[4]} =~ ^-{40}$ ]]
  [[ ${lines[5]} == '[005] PEER2' && ${lines[6]} == '[000] ' ]]
  [[ ${lines[8]} == 'PEER2 received: I see you' ]]
  [[ ${lines[9]} == 'PEER3: Host unreachable' ]]
}

@test "identity: made-up ids differ from run to run" {
  for _ in 1 2 3 4 5; do identity | sed -n 2p; done | sort -u >ids
  [[ $(wc -l <ids) -eq 5 ]]
}

# ---- rtreq, rtdealer ------------------------------------------------------------

# The tasks handed out are those that were completed, by ten workers.
sum_is_right() { # NAME
  local handed completed
  [[ $(lines_of "$1" '^Completed: [1-9]') -eq 10 ]] || return
  handed=$(sed -n 's/^Handed out: \(.*\) tasks/\1/p' "$1.log")
  completed=$(awk '/^Completed/ { n += $2 } END { print n }' "$1.log")
  ((handed == completed)) || fail "$handed handed out, $completed completed"
}

# bats test_tags=demo:office
@test "office: ten workers complete what was handed out, and are all fired" {
  note 'workers that ask for work when they are free: REQ, then DEALER'
  for _ in $(seq "$(rounds 2 100)"); do
    rm -f ./*.log
    start rtreq rtreq -t 1500 tcp://127.0.0.1:*
    start rtdealer rtdealer -t 1500 tcp://127.0.0.1:*
    ends rtreq
    ends rtdealer
    sum_is_right rtreq
    sum_is_right rtdealer
  done
}

@test "office: work is shared fairly" {
  run -0 rtreq -t 5000 ipc://office
  run -0 awk '/^Completed/ && ($2 < 10 || $2 > 35) { exit 1 }' <<<"$output"
}

@test "office: workers of both kinds may come from outside" {
  for program in rtreq rtdealer; do
    start "$program" "$program" -t 2000 -w 0 "ipc://$program"
    wait_for "$program" 'bound'
    run -0 zpeer REQ "ipc://$program" 'Hi Boss'
    [[ $output == '[Work harder]' ]]
    run -0 zpeer -i $'\001any' DEALER "ipc://$program" '' 'Hi Boss'
    [[ $output == '[][Work harder]' ]]
    start late zpeer -r 40 -w 100 -n 40 -t 9000 DEALER "ipc://$program" '' 'Hi Boss'
    wait_for late '^\[\]\[Fired!\]$'
    ends late
    stop "$program" INT
  done
}

@test "office: messages that make no sense are dropped, one by one" {
  for program in rtreq rtdealer; do
    start "$program" "$program" -t 60000 "ipc://$program"
    wait_for "$program" 'bound'
    zpeer -n 0 DEALER "ipc://$program" x
    zpeer -n 0 DEALER "ipc://$program" x 'Hi Boss'
    zpeer -n 0 DEALER "ipc://$program" '' 'Hi Boss' x
    zpeer -n 0 DEALER "ipc://$program" 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    wait_for "$program" '^W: dropped a malformed message of 2 frames from a worker'
    wait_for "$program" '^W: dropped a malformed message of 3 frames from a worker'
    wait_for "$program" '^W: dropped a malformed message of 4 frames from a worker'
    wait_for "$program" '^W: dropped a malformed message of 1 frames from a worker'
    run -0 zpeer REQ "ipc://$program" 'Hi Boss'
    stop "$program" TERM
  done
}

# ---- lbbroker -------------------------------------------------------------------

# A broker without workers and clients of its own.
start_broker() {
  start broker lbbroker -c 0 -w 0 ipc://front ipc://back
  wait_for broker 'backend bound'
}

# cpu_ticks NAME - the hundredths of a second that it has worked
cpu_ticks() {
  awk '{ print $14 + $15 }' "/proc/${pid_of[$1]}/stat"
}

# A worker that says READY, shows each request, and sends it back as the reply.
start_worker() { # NAME [OPTION...]
  local name=$1
  shift
  start "$name" zpeer -e -n 0 -t 600000 "$@" REQ ipc://back READY
}

@test "load balancing: its own clients are all served, and it ends" {
  run -0 lbbroker
  [[ $(grep -c '^Client: OK$' <<<"$output") -eq 10 ]]
  [[ $(grep -c '^Worker: HELLO$' <<<"$output") -eq 10 ]]
  run -0 lbbroker -c 50 -w 1
  [[ $(grep -c '^Client: OK$' <<<"$output") -eq 50 ]]
  run -0 lbbroker -c 3 -w 40 tcp://127.0.0.1:* tcp://127.0.0.1:*
  [[ $(grep -c '^Client: OK$' <<<"$output") -eq 3 ]]
}

@test "load balancing: requests wait for the first worker, and none is lost" {
  start_broker
  for n in {1..20}; do
    start "client$n" zpeer -t 20000 REQ ipc://front "request $n"
  done
  start_worker worker
  for n in {1..20}; do
    wait_for "client$n" "^\[request $n\]$"
    ends "client$n"
  done
  stop worker
  stop broker INT
}

@test "load balancing: a broker whose requests wait does not spin" {
  local spent
  start_broker
  start client zpeer -t 20000 REQ ipc://front hello
  spent=$(cpu_ticks broker)
  elapse 1
  (($(cpu_ticks broker) - spent < 10))
  start_worker worker
  wait_for client '^\[hello\]$'
  ends client
}

@test "load balancing: the worker that is free for the longest time is next" {
  start_broker
  for n in 1 2 3; do
    start_worker "worker$n"
    until grep -q hello "worker$n.log"; do zpeer -t 5000 REQ ipc://front hello; done
  done
  for turn in {1..9}; do run -0 zpeer -t 5000 REQ ipc://front "turn $turn"; done
  for n in 1 2 3; do
    run -0 sed -n 's/.*turn \(.\)]$/\1/p' "worker$n.log"
    [[ ${#lines[@]} -eq 3 ]]
    ((lines[1] == lines[0] + 3 && lines[2] == lines[1] + 3))
  done
}

@test "load balancing: bytes pass unchanged, ids and bodies of any kind" {
  start_broker
  start_worker worker
  wait_for worker '' 0
  run -0 zpeer -i READY -t 5000 REQ ipc://front 'READY'
  [[ $output == '[READY]' ]]
  run -0 zpeer -i $'\001x' -t 5000 REQ ipc://front $'%01'
  [[ $output == '[%01]' ]]
  run -0 zpeer -t 5000 REQ ipc://front '' 'two%00frames' '' 'and more'
  [[ $output == '[][two%00frames][][and more]' ]]
  run -0 zpeer -t 5000 REQ ipc://front '%{1000000}'
  [[ ${#output} -eq 1000002 ]]
  run -0 zpeer -t 5000 REQ ipc://front ''
  [[ $output == '[]' ]]
}

@test "load balancing: a worker that says READY twice gets one request" {
  start_broker
  start twice zpeer -r 2 -n 9 -t 60000 DEALER ipc://back '' READY   # never replies
  start first zpeer -t 20000 REQ ipc://front one
  wait_for twice 'one'
  start second zpeer -t 20000 REQ ipc://front two
  start_worker other
  wait_for second '^\[two\]$'
  [[ $(lines_of twice '^\[') -eq 1 ]]
  stop broker
}

@test "load balancing: a worker that vanished idle costs nobody anything" {
  start_broker
  for n in {1..5}; do start_worker "dead$n" -i "dead$n"; done
  for n in {1..5}; do run -0 zpeer -t 5000 REQ ipc://front hello; done
  start_worker alive
  for n in {1..6}; do run -0 zpeer -t 5000 REQ ipc://front hello; done
  for n in {1..5}; do kill9 "dead$n"; done
  for n in {1..10}; do
    run -0 zpeer -t 5000 REQ ipc://front hello
  done
  stop alive
}

@test "load balancing: malformed messages are dropped, and shift nothing" {
  start_broker
  zpeer -n 0 DEALER ipc://front x
  zpeer -n 0 DEALER ipc://front x y z
  zpeer -n 0 DEALER ipc://front 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
  for frames in x "'' x" "x READY" "'' '' ''" "'' READY x" "'' c x OK" "'' c ''"; do
    eval "zpeer -n 0 DEALER ipc://back $frames"
  done
  zpeer -n 0 DEALER ipc://back '' 'READ%00'
  start_worker worker
  wait_for broker 'dropped .* from a worker' 8
  run -0 zpeer -t 5000 REQ ipc://front 'still there?'
  wait_for broker 'dropped .* from a client' 3
  stop broker TERM
}

# bats test_tags=demo:lbbroker
@test "load balancing: many clients, few workers: each worker serves its share" {
  local clients workers work=100 n
  clients=$(rounds 60 200) workers=$(rounds 20 50)
  if [[ ${SHOW-} ]]; then clients=12 workers=4 work=1000; fi
  start_broker
  note "$workers workers; each needs $work ms per request"
  for ((n = 1; n <= workers; n++)); do start_worker "worker$n" -w $work; done
  note "$clients clients with one request each"
  for ((n = 1; n <= clients; n++)); do
    start "client$n" zpeer -t 20000 REQ ipc://front "request $n"
  done
  for ((n = 1; n <= clients; n++)); do
    wait_for "client$n" "^\[request $n\]$"
    ends "client$n"
  done
  for ((n = 1; n <= workers; n++)); do
    [[ $(lines_of "worker$n" request) -ge 1 ]]
  done
  stop broker INT
}

# ---- asyncsrv -------------------------------------------------------------------

# bats test_tags=demo:asynchronous-server
@test "asynchronous server: each client hears of its own requests, 0 to 4 times" {
  note 'three clients that ask once a second, whatever comes back'
  start asyncsrv asyncsrv -t 0 tcp://127.0.0.1:*
  three_clients() { [[ $(sed -n 's/ request.*//p' asyncsrv.log | sort -u | wc -l) -eq 3 ]]; }
  wait_until three_clients
  wait_for asyncsrv '^[0-9A-F]{4}-[0-9A-F]{4} request #[1-9][0-9]*$' 40
  stop asyncsrv
  run ! grep -vE '^I: |^[0-9A-F]{4}-[0-9A-F]{4} request #[1-9][0-9]*$' asyncsrv.log
  run -0 awk '/request/ && ++replies[$0] > 4 { exit 1 }' asyncsrv.log
}

@test "asynchronous server: it ends by itself when its time is over" {
  run -0 asyncsrv -t 300 tcp://127.0.0.1:*
}

@test "asynchronous server: all frames of a request come back, none mixed up" {
  start server asyncsrv -t 0 -c 0 -s 1 ipc://server
  wait_for server 'bound'
  start plain zpeer -r 20 -n 100 -t 9000 DEALER ipc://server 'one frame'
  start framed zpeer -r 20 -n 100 -t 9000 DEALER ipc://server '' 'pay%00load' ''
  wait_for plain '^\[one frame\]$' 8
  wait_for framed '^\[\]\[pay%00load\]\[\]$' 8
  run ! grep -v '^\[one frame\]$' plain.log
  run ! grep -v '^\[\]\[pay%00load\]\[\]$' framed.log
  kill9 plain
  zpeer -n 0 DEALER ipc://server 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
  run -0 zpeer -r 8 -t 9000 DEALER ipc://server after
  stop server INT
}

# ---- peering --------------------------------------------------------------------

# bats test_tags=demo:peering1
@test "state flow: three brokers hear of each other, whoever comes or goes" {
  note 'three clusters that publish how many workers are free'
  start DC1 peering1 -i 200 DC1 DC2 DC3
  start DC2 peering1 -i 200 DC2 DC1 DC3
  start DC3 peering1 -i 200 DC3 DC1 DC2
  for dc in DC1 DC2 DC3; do
    for other in DC1 DC2 DC3; do
      if [[ $dc != "$other" ]]; then
        wait_for "$dc" "^$other - [0-9] workers free$" 3
      fi
    done
  done
  kill9 DC3
  local heard
  heard=$(lines_of DC1 '^DC3')
  wait_for DC1 '^DC2' $(($(lines_of DC1 '^DC2') + 3))
  [[ $(lines_of DC1 '^DC3') -le $((heard + 1)) ]]
  note 'DC3 comes back'
  start DC3 peering1 -i 200 DC3 DC1 DC2
  wait_for DC1 '^DC3' $((heard + 3))
  stop DC1 INT
  stop DC2
  stop DC3
}

@test "state flow: a broker that hears much still speaks, and as often" {
  start chatter zpeer -b -r 1000 -w 10 -n 0 PUB ipc://loud-state.ipc loud 5
  start DC1 peering1 -i 300 DC1 loud
  wait_for DC1 '^loud' 30
  # It hears a message every 10 ms: how many in three of its own intervals?
  run -0 zpeer -n 4 -t 5000 SUB ipc://DC1-state.ipc ''
  run ! grep -vE '^\[DC1\]\[[0-9]\]$' <<<"$output"
}

@test "state flow: what is no state is dropped" {
  for frames in x "DC2 x" "DC2 ''" "DC2 -1" "DC2 12345678901" "DC2 1 2" "'' '' ''"; do
    eval "start peer zpeer -b -r 1000 -w 20 -n 0 -- PUB ipc://DC2-state.ipc $frames"
    start DC1 peering1 DC1 DC2
    wait_for DC1 '^W: dropped .* from a peer'
    kill9 peer
    stop DC1
    [[ $(lines_of DC1 'workers free') -eq 0 ]]
    rm DC1.log peer.log
  done
}

@test "cloud flow: two brokers serve both their clients, and share" {
  start me peering2 -s 1 me you
  start you peering2 -s 2 you me
  wait_for me 'Client: OK' 40
  wait_for you 'Client: OK' 40
  [[ $(lines_of me 'lost') -eq 0 && $(lines_of you 'lost') -eq 0 ]]
  stop me INT
  stop you INT
}

# The peer is ours to look at: one in five requests goes to it, framed so.
@test "cloud flow: one request in five goes to the peer, and back to its client" {
  start you zpeer -b -e -n 0 -t 60000 -i you ROUTER ipc://you-cloud.ipc
  start me peering2 -s 5 -c 50 me you
  wait_for you '^\[me\]\[%00....|^\[me\]\[%00' 10
  wait_for me 'Client: (HELLO|OK)' 150
  [[ $(lines_of you '\[\]\[HELLO\]$') -eq $(lines_of you '^\[') ]]
  local cloud home
  cloud=$(lines_of me 'Client: HELLO') home=$(lines_of me 'Client: OK')
  ((cloud * 100 > (cloud + home) * 8 && cloud * 100 < (cloud + home) * 35)) \
    || fail "$cloud of $((cloud + home)) went to the peer"
}

# bats test_tags=demo:peering2
@test "cloud flow: a peer that is absent, killed or frozen stops no client" {
  note 'a broker whose peer has not come: all is done at home'
  start me peering2 -t 2000 me you
  wait_for me 'Client: OK' 30
  [[ $(lines_of me 'lost') -eq 0 ]]
  note 'the peer comes'
  start you peering2 -c 0 -t 2000 you me
  wait_for you 'Worker: HELLO' 5
  kill9 you
  wait_for me 'Client: OK' $(($(lines_of me 'Client: OK') + 40))
  note 'it comes back, and hangs'
  start you peering2 -c 0 -t 2000 you me
  wait_for you 'Worker: HELLO' $(($(lines_of you 'Worker: HELLO') + 5))
  freeze you
  wait_for me 'Client: OK' $(($(lines_of me 'Client: OK') + 100))
  thaw you
  wait_for you 'Worker: HELLO' $(($(lines_of you 'Worker: HELLO') + 3))
  stop me
  stop you
}

@test "cloud flow: clients named like a peer, workers that vanish, malformed messages" {
  start me peering2 -c 0 -w 0 me you
  wait_for me 'cloud bound'
  for n in 1 2 3; do
    start "dead$n" zpeer -e -n 0 -t 60000 REQ ipc://me-localbe.ipc '%01'
  done
  start client zpeer -t 20000 REQ ipc://me-localfe.ipc hello
  wait_for client hello
  for n in 1 2 3; do kill9 "dead$n"; done
  for frames in x "x y" "'' ''" "'' x" "'' a b c"; do
    eval "zpeer -n 0 DEALER ipc://me-localbe.ipc $frames"
    eval "zpeer -n 0 DEALER ipc://me-localfe.ipc $frames"
    eval "zpeer -n 0 DEALER ipc://me-cloud.ipc $frames"
  done
  start worker zpeer -e -n 0 -t 60000 REQ ipc://me-localbe.ipc '%01'
  run -0 zpeer -i you -t 9000 REQ ipc://me-localfe.ipc 'from a client'
  [[ $output == '[from a client]' ]]
  run -0 zpeer -i you -t 9000 DEALER ipc://me-cloud.ipc client '' 'from a peer'
  [[ $output == '[client][][from a peer]' ]]
  stop me TERM
}

@test "cloud flow: a peer that comes anew takes the place of its old connection" {
  start me peering2 -c 0 -w 1 me you
  wait_for me 'cloud bound'
  start old zpeer -i you -n 9 -t 60000 DEALER ipc://me-cloud.ipc client '' hello
  wait_for old '^\[client\]\[\]\[OK\]$'
  freeze old                    # so its connection stays open
  run -0 zpeer -i you -t 2500 DEALER ipc://me-cloud.ipc client '' hello
  [[ $output == '[client][][OK]' ]]
  stop me
}

@test "federation: a single cluster finishes its tasks" {
  start DC1 peering3 DC1
  wait_for DC1 '^DC1: [0-9A-F]{4}$' 10
  [[ $(lines_of DC1 '^DC1: E:') -eq 0 ]]
  stop DC1 INT
}

# DC1 has clients only: each task that it finishes was done elsewhere.
# bats test_tags=demo:peering3
@test "federation: work goes to the living, and to those that return" {
  note 'DC1 has clients, DC2 and DC3 have workers'
  start DC1 peering3 -w 0 -c 20 -t 3000 -i 200 DC1 DC2 DC3
  start DC2 peering3 -c 0 -i 200 DC2 DC1 DC3
  start DC3 peering3 -c 0 -i 200 DC3 DC1 DC2
  done_tasks() { lines_of DC1 '^DC1: [0-9A-F]{4}$'; }
  wait_for DC1 '^DC1: [0-9A-F]{4}$' 20
  [[ $(lines_of DC1 'lost task') -eq 0 ]]
  kill9 DC2
  wait_for DC1 '^DC1: [0-9A-F]{4}$' $(($(done_tasks) + 20))
  freeze DC3
  note 'nobody is left: what DC3 had is reported as lost, no client waits for ever'
  wait_for DC1 'lost task'
  thaw DC3
  wait_for DC1 '^DC1: [0-9A-F]{4}$' $(($(done_tasks) + 20))
  note 'DC2 comes back'
  start DC2 peering3 -c 0 -i 200 DC2 DC1 DC3
  freeze DC3
  wait_for DC1 '^DC1: [0-9A-F]{4}$' $(($(done_tasks) + 30))
  thaw DC3
  stop DC1 INT
  stop DC2
  stop DC3
}

# DC2 is ours: it says once that it has so many workers, and never answers.
dc2_says() { # WORKERS
  start DC2 zpeer -b -n 9999 -t 60000 -i DC2 ROUTER ipc://DC2-cloud.ipc
  start state zpeer -b -r 1 -w 1500 -n 0 PUB ipc://DC2-state.ipc DC2 "$1"
}

@test "federation: a peer gets as many tasks as it has workers, and no more" {
  start DC1 peering3 -w 0 -c 30 -t 1000 -i 60000 DC1 DC2
  dc2_says 3
  wait_for DC1 'lost task' 20
  [[ $(lines_of DC2 '^\[DC1\]') -eq 3 ]]
}

@test "federation: a peer that says much and is not there is passed over" {
  start state zpeer -b -r 200 -w 300 -n 0 PUB ipc://DC2-state.ipc DC2 9999
  start DC3 peering3 -c 0 -i 200 DC3 DC1
  start DC1 peering3 -w 0 -c 20 -t 5000 DC1 DC2 DC3
  wait_for DC1 '^DC1: [0-9A-F]{4}$' 20
  [[ $(lines_of DC1 'lost task') -eq 0 ]]
  stop DC1
  stop DC3
}

@test "federation: what a peer said is soon worth nothing" {
  start DC1 peering3 -w 0 -c 30 -t 1000 -i 200 DC1 DC2
  dc2_says 9999
  wait_for DC2 '^\[DC1\]'
  wait_for DC1 'lost task' 40       # a second and more after the last word
  local got
  got=$(lines_of DC2 '^\[DC1\]')
  wait_for DC1 'lost task' 80
  [[ $(lines_of DC2 '^\[DC1\]') -eq $got ]]
}

@test "federation: it tells its state when that changes" {
  start DC1 peering3 -c 0 -w 5 -i 60000 DC1 DC2
  start listener zpeer -n 1 -t 20000 SUB ipc://DC1-state.ipc ''
  until grep -q . listener.log; do
    zpeer -i DC2 -t 3000 DEALER ipc://DC1-cloud.ipc c1 '' 00FF
  done
  wait_for listener '^\[DC1\]\[[1-5]\]$' # or it is still counting its own
}

@test "federation: it tells its state on change and every second, names included" {
  start DC1 peering3 -c 0 -w 5 -i 200 DC1 DC2
  run -0 zpeer -n 5 -t 5000 SUB ipc://DC1-state.ipc ''
  [[ ${lines[4]} == '[DC1][5]' ]]
}

@test "federation: a peer is served while the own clients keep all busy" {
  start DC1 peering3 -c 60 -w 1 DC1
  wait_for DC1 '^DC1: ' 5
  run -0 zpeer -i DC2 -t 15000 DEALER ipc://DC1-cloud.ipc c1 '' '00FF'
  [[ $output == '[c1][][00FF]' ]]
}
