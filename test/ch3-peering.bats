load helpers

# ---- peering1 -------------------------------------------------------------------

# bats test_tags=demo:peering1
@test "state flow: three brokers receive each other's state, also after a restart" {
  note 'three clusters publish how many workers are idle'
  start DC1 peering1 -i 200 DC1 DC2 DC3
  start DC2 peering1 -i 200 DC2 DC1 DC3
  start DC3 peering1 -i 200 DC3 DC1 DC2
  for dc in DC1 DC2 DC3; do
    for other in DC1 DC2 DC3; do
      if [[ $dc != "$other" ]]; then
        wait_for "$dc" "^$other - [0-9] workers idle$" 3
      fi
    done
  done
  kill9 DC3
  local received
  received=$(lines_of DC1 '^DC3')
  wait_for DC1 '^DC2' $(($(lines_of DC1 '^DC2') + 3))
  [[ $(lines_of DC1 '^DC3') -le $((received + 1)) ]]
  note 'DC3 restarts'
  start DC3 peering1 -i 200 DC3 DC1 DC2
  wait_for DC1 '^DC3' $((received + 3))
  stop DC1 INT
  stop DC2
  stop DC3
}

@test "state flow: a broker that receives a state every 10 ms still publishes its own" {
  start chatter zpeer -b -r 1000 -w 10 -n 0 PUB ipc://loud-state.ipc loud 5
  start DC1 peering1 -i 300 DC1 loud
  wait_for DC1 '^loud' 30
  # Four states of its own arrive within their timeout.
  run -0 zpeer -n 4 -t 5000 SUB ipc://DC1-state.ipc ''
  run ! grep -vE '^\[DC1\]\[[0-9]\]$' <<<"$output"
}

@test "state flow: a malformed state is dropped" {
  for frames in x "DC2 x" "DC2 ''" "DC2 -1" "DC2 12345678901" "DC2 1 2" "'' '' ''"; do
    eval "start peer zpeer -b -r 1000 -w 20 -n 0 -- PUB ipc://DC2-state.ipc $frames"
    start DC1 peering1 DC1 DC2
    wait_for DC1 '^W: dropped .* from a peer'
    kill9 peer
    stop DC1
    [[ $(lines_of DC1 'workers idle') -eq 0 ]]
    rm DC1.log peer.log
  done
}

# ---- peering2 -------------------------------------------------------------------

# bats test_tags=demo:peering2
@test "cloud flow: clients are served while the peer is absent, killed or frozen" {
  note 'a broker without its peer: its own workers serve all requests'
  start me peering2 -t 500 me you
  wait_for me 'Client: OK' 30
  [[ $(lines_of me 'no reply') -eq 0 ]]
  note 'the peer starts'
  start you peering2 -c 0 -t 500 you me
  wait_for you 'Worker: HELLO' 5
  kill9 you
  wait_for me 'Client: OK' $(($(lines_of me 'Client: OK') + 30))
  note 'the peer restarts, and is frozen'
  start you peering2 -c 0 -t 500 you me
  wait_for you 'Worker: HELLO' $(($(lines_of you 'Worker: HELLO') + 5))
  freeze you
  wait_for me 'Client: OK' $(($(lines_of me 'Client: OK') + 50))
  thaw you
  wait_for you 'Worker: HELLO' $(($(lines_of you 'Worker: HELLO') + 3))
  stop me
  stop you
}

@test "cloud flow: two brokers serve the clients of both" {
  start me peering2 -s 1 me you
  start you peering2 -s 2 you me
  wait_for me 'Client: OK' 40
  wait_for you 'Client: OK' 40
  [[ $(lines_of me 'no reply') -eq 0 && $(lines_of you 'no reply') -eq 0 ]]
  stop me INT
  stop you INT
}

# zpeer plays the peer and shows the frames of its requests.
@test "cloud flow: one request in five goes to the peer, and its reply to the client" {
  start you zpeer -b -e -n 0 -t 60000 -i you ROUTER ipc://you-cloud.ipc
  start me peering2 -s 5 -c 50 me you
  wait_for you '^\[me\]\[%00....|^\[me\]\[%00' 10
  wait_for me 'Client: (HELLO|OK)' 150
  run ! grep -av -e '\[\]\[HELLO\]$' -e '^I: ' you.log
  local cloud home
  cloud=$(lines_of me 'Client: HELLO') home=$(lines_of me 'Client: OK')
  ((cloud * 100 > (cloud + home) * 8 && cloud * 100 < (cloud + home) * 35)) \
    || fail "$cloud of $((cloud + home)) went to the peer"
}

@test "cloud flow: a peer that adds an empty frame to the envelope is served alike" {
  start me peering2 -c 0 -w 1 me you
  wait_for me 'cloud bound'
  run -0 zpeer -i you -t 9000 DEALER ipc://me-cloud.ipc client '' HELLO
  [[ $output == '[client][][OK]' ]]
  run -0 zpeer -i you -t 9000 DEALER ipc://me-cloud.ipc '' client '' HELLO
  [[ $output == '[][client][][OK]' ]]
  stop me
}

@test "cloud flow: a request that came through a proxy passes unchanged" {
  start me peering2 -c 0 -w 1 me you
  wait_for me 'localfe bound'
  run -0 zpeer -t 9000 DEALER ipc://me-localfe.ipc proxy client '' HELLO
  [[ $output == '[proxy][client][][OK]' ]]
  run -0 zpeer -i you -t 9000 DEALER ipc://me-cloud.ipc proxy client '' HELLO
  [[ $output == '[proxy][client][][OK]' ]]
  stop me
}

@test "cloud flow: a restarted peer replaces its old, frozen connection" {
  start me peering2 -c 0 -w 1 me you
  wait_for me 'cloud bound'
  start old zpeer -i you -n 9 -t 60000 DEALER ipc://me-cloud.ipc client '' hello
  wait_for old '^\[client\]\[\]\[OK\]$'
  freeze old                    # its connection stays open
  run -0 zpeer -i you -t 2500 DEALER ipc://me-cloud.ipc client '' hello
  [[ $output == '[client][][OK]' ]]
  stop me
}

@test "cloud flow: dead workers and malformed messages affect no later request" {
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

@test "cloud flow: clients and peers of the same name each get their own replies" {
  start me peering2 -c 0 -w 1 me you
  wait_for me 'cloud bound'
  run -0 zpeer -i you -t 9000 REQ ipc://me-localfe.ipc a '' b
  [[ $output == '[a][][OK]' ]]
  run -0 zpeer -i you -t 9000 DEALER ipc://me-cloud.ipc you '' x
  [[ $output == '[you][][OK]' ]]
  stop me
}

@test "cloud flow: a worker's reply of too many frames leaves the worker in use" {
  local long=(a b c d e f g h i j k l m n o p q r s t u v w)
  for program in peering2 peering3; do
    start me "$program" -c 0 -w 0 me
    start worker zpeer -n 99 -t 60000 DEALER ipc://me-localbe.ipc '' '%01' '%;' "${long[@]}" \
      '%;' x '%;' '' id '' '%;' '' '%01'
    for n in 1 2 3; do
      start "client$n" zpeer -t 60000 REQ ipc://me-localfe.ipc "request $n"
      wait_for worker "request $n"
    done
    stop me
    kill9 worker
    rm ./*.log
  done
}

@test "cloud flow: a worker with a fixed id that restarts while it is busy is used again" {
  for program in peering2 peering3; do
    start me "$program" -c 0 -w 0 me
    start worker zpeer -i worker -n 9 -t 60000 DEALER ipc://me-localbe.ipc '' '%01'
    start lost zpeer -t 60000 REQ ipc://me-localfe.ipc first
    wait_for worker 'first'
    kill9 worker
    start worker zpeer -e -i worker -n 0 -t 60000 REQ ipc://me-localbe.ipc '%01'
    run -0 zpeer -t 9000 REQ ipc://me-localfe.ipc second
    stop me
    run ! grep '^W:' me.log
    kill9 worker
    kill9 lost
    rm ./*.log
  done
}

@test "cloud flow: the name of a broker may occur only once" {
  for program in peering2 peering3; do
    run -2 "$program" me you me
    run -2 "$program" me you you
  done
}

@test "cloud flow: a peer that sends many requests and dies does not stop the broker" {
  for program in peering2 peering3; do
    start me "$program" -c 0 -w 0 me you
    wait_for me 'cloud bound'
    start you zpeer -i you -r 3000 -n 9 -t 60000 DEALER ipc://me-cloud.ipc client '' HELLO
    moment 500
    kill9 you
    start worker zpeer -e -n 0 -t 60000 REQ ipc://me-localbe.ipc '%01'
    run -0 zpeer -i later -t 20000 DEALER ipc://me-cloud.ipc client '' HELLO
    [[ $output == '[client][][HELLO]' ]]
    stop me
    kill9 worker
    rm ./*.log
  done
}

@test "cloud flow: four hundred workers are all used" {
  start me peering2 -c 0 -w 400 me
  for n in {1..30}; do
    start "client$n" zpeer -t 20000 REQ ipc://me-localfe.ipc "request $n"
  done
  for n in {1..30}; do ends "client$n"; done
  run ! grep '^W:' me.log
  stop me
}

# ---- peering3 -------------------------------------------------------------------

# DC1 has no workers: other clusters do each of its tasks.
# bats test_tags=demo:peering3
@test "federation: tasks go to peers that publish, and to peers that return" {
  note 'DC1 has clients, DC2 and DC3 have workers'
  start DC1 peering3 -w 0 -c 20 -t 3000 -i 200 DC1 DC2 DC3
  start DC2 peering3 -c 0 -i 200 DC2 DC1 DC3
  start DC3 peering3 -c 0 -i 200 DC3 DC1 DC2
  done_tasks() { lines_of DC1 '^DC1: [0-9A-F]{4}$'; }
  wait_for DC1 '^DC1: [0-9A-F]{4}$' 20
  [[ $(lines_of DC1 'no reply') -eq 0 ]]
  kill9 DC2
  wait_for DC1 '^DC1: [0-9A-F]{4}$' $(($(done_tasks) + 20))
  freeze DC3
  note 'no peer is left: clients report that no reply to the tasks of DC3 came'
  wait_for DC1 'no reply'
  thaw DC3
  wait_for DC1 '^DC1: [0-9A-F]{4}$' $(($(done_tasks) + 20))
  note 'DC2 restarts'
  start DC2 peering3 -c 0 -i 200 DC2 DC1 DC3
  freeze DC3
  wait_for DC1 '^DC1: [0-9A-F]{4}$' $(($(done_tasks) + 30))
  thaw DC3
  stop DC1 INT
  stop DC2
  stop DC3
}

@test "federation: a single cluster finishes its tasks" {
  start DC1 peering3 DC1
  wait_for DC1 '^DC1: [0-9A-F]{4}$' 10
  [[ $(lines_of DC1 ' reply to ') -eq 0 ]]
  stop DC1 INT
}

# zpeer plays DC2: it publishes one state and answers no request.
publish_dc2() { # WORKERS
  start DC2 zpeer -b -n 9999 -t 60000 -i DC2 ROUTER ipc://DC2-cloud.ipc
  start state zpeer -b -r 1 -w 1500 -n 0 PUB ipc://DC2-state.ipc DC2 "$1"
}

@test "federation: a peer gets as many tasks as it has workers, and no more" {
  start DC1 peering3 -w 0 -c 30 -t 1000 -i 60000 DC1 DC2
  publish_dc2 3
  wait_for DC1 'no reply' 20
  [[ $(lines_of DC2 '^\[DC1\]') -eq 3 ]]
}

@test "federation: a peer that publishes capacity but is not connected gets no task" {
  start state zpeer -b -r 200 -w 300 -n 0 PUB ipc://DC2-state.ipc DC2 9999
  start DC3 peering3 -c 0 -i 200 DC3 DC1
  start DC1 peering3 -w 0 -c 20 -t 5000 DC1 DC2 DC3
  wait_for DC1 '^DC1: [0-9A-F]{4}$' 20
  [[ $(lines_of DC1 'no reply') -eq 0 ]]
  stop DC1
  stop DC3
}

@test "federation: a peer's state expires" {
  start DC1 peering3 -w 0 -c 30 -t 1000 -i 200 DC1 DC2
  publish_dc2 9999
  wait_for DC2 '^\[DC1\]'
  wait_for DC1 'no reply' 40       # more than a second after its last state
  local got
  got=$(lines_of DC2 '^\[DC1\]')
  wait_for DC1 'no reply' 80
  [[ $(lines_of DC2 '^\[DC1\]') -eq $got ]]
}

@test "federation: a broker publishes its state when that changes" {
  start DC1 peering3 -c 0 -w 5 -i 60000 DC1 DC2
  start listener zpeer -n 999 -t 20000 SUB ipc://DC1-state.ipc ''
  request_until_published() {
    zpeer -i DC2 -t 3000 DEALER ipc://DC1-cloud.ipc c1 '' 00FF
    has_line listener '^\[DC1\]\[4\]$' # one of the five workers is busy
  }
  wait_until request_until_published
}

@test "federation: a state message has the broker's name and its number of idle workers" {
  start DC1 peering3 -c 0 -w 5 -i 200 DC1 DC2
  run -0 zpeer -n 5 -t 5000 SUB ipc://DC1-state.ipc ''
  [[ ${lines[4]} == '[DC1][5]' ]]
}

@test "federation: a peer is served while local clients keep all workers busy" {
  start DC1 peering3 -c 60 -w 1 DC1
  wait_for DC1 '^DC1: ' 5
  run -0 zpeer -i DC2 -t 15000 DEALER ipc://DC1-cloud.ipc c1 '' '00FF'
  [[ $output == '[c1][][00FF]' ]]
}

@test "federation: a state is also published once per interval" {
  start DC1 peering3 -c 0 -w 0 -i 100 DC1 DC2
  run -0 zpeer -n 5 -t 5000 SUB ipc://DC1-state.ipc ''
  run ! grep -v '^\[DC1\]\[0\]$' <<<"$output"
}

# cpu_ticks NAME - print its CPU time in hundredths of a second
cpu_ticks() {
  awk '{ print $14 + $15 }' "/proc/${pid_of[$1]}/stat"
}

@test "federation: requests that cannot be routed cost no CPU time and do not block others" {
  needs_linux /proc
  local spent
  start DC1 peering3 -c 0 -w 0 -i 200 DC1 DC2
  start worker zpeer -n 0 -t 600000 -e REQ ipc://DC1-localbe.ipc '%01'
  wait_for DC1 'monitor bound'
  run -0 zpeer -t 9000 REQ ipc://DC1-localfe.ipc first
  kill9 worker                  # the broker still lists it as idle
  start held zpeer -i DC2 -t 60000 DEALER ipc://DC1-cloud.ipc client '' 00FF
  start DC2 zpeer -b -e -n 0 -t 60000 -i DC2 ROUTER ipc://DC2-cloud.ipc
  start state zpeer -b -r 200 -w 100 -n 0 PUB ipc://DC2-state.ipc DC2 5
  run -0 zpeer -t 9000 REQ ipc://DC1-localfe.ipc second # DC2 serves it
  kill9 state
  elapse 1                      # its state expires
  start waiting zpeer -t 60000 REQ ipc://DC1-localfe.ipc third
  spent=$(cpu_ticks DC1)
  elapse 1
  (($(cpu_ticks DC1) - spent < 20))
  start worker zpeer -n 0 -t 600000 -e REQ ipc://DC1-localbe.ipc '%01'
  ends held
  ends waiting
  stop DC1
}

@test "federation: an interval or a timeout of 0 is a usage error" {
  run -2 peering1 -i 0 DC1
  run -2 peering3 -i 0 DC1
  run -2 peering3 -t 0 DC1
  run -2 peering2 -t 0 DC1
}
