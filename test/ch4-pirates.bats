load helpers
load pirates

### Lazy Pirate

# bats test_tags=demo:lazy-pirate
@test "lazy pirate: replies are 1, 2, 3, ... through kill -9, freeze and cut" {
  hosts a b
  note 'a client that asks again when no reply comes, and one server'
  on b start server lpserver -t "$(ms 300 30)" -f 0 tcp://10.77.0.2:5555
  on a start client lpclient -t "$(ms 700 150)" -r 50 tcp://10.77.0.2:5555
  wait_for client 'OK \(2\)'
  note 'What kill -9 does, the next server makes good: the client is still there.'
  kill9 server
  wait_for client 'retrying'
  on b start server lpserver -t "$(ms 300 30)" -f 0 tcp://10.77.0.2:5555
  wait_for client 'OK \(4\)'
  note 'A frozen server answers late. No late reply is taken for a current one.'
  freeze server
  more client 'retrying'
  thaw server
  more client 'OK' 2
  cut b
  more client 'retrying'
  heal b
  more client 'OK' 2
  in_order client
  note 'But while there is no server, there is no service: Simple Pirate has many.'
  stop client INT
  stop server
}

@test "lazy pirate: replies are 1, 2, 3, ... through simulated faults" {
  local crashes=0
  start client lpclient -n "$(rounds 30 1000)" -t 60 -r 50 ipc://server
  while runs client; do
    start server lpserver -t 15 -s "$((++crashes))" ipc://server
    while runs server && runs client; do nap 0.02; done
    if runs server; then stop server; else ends server 1; fi
  done
  ends client
  in_order client
  ((crashes > 2 && $(lines_of server overload) > 2))
  [[ $(replies client | tail -n 1) == "$(rounds 30 1000)" ]]
}

@test "lazy pirate: the same seed, the same faults" {
  for run in one two; do
    start "$run" lpserver -t 1 -s 7 "ipc://$run"
    wait_for "$run" 'bound'
    lpclient -n 20 -t 200 -r 1 "ipc://$run" >/dev/null 2>&1 || :
    ends "$run" 1
  done
  diff <(sed 's/two$/one/' two.log) one.log
}

@test "lazy pirate: an overload costs one retry" {
  for ((seed = 9; seed <= 60; seed++)); do # till only the fourth is slow
    start server lpserver -t 40 -s "$seed" "ipc://$seed"
    wait_for server 'bound'
    run lpclient -n 4 -t 90 -r 2 "ipc://$seed"
    if runs server; then
      stop server
      if ((status == 0 && $(lines_of server 'overload') == 1)); then break; fi
    fi
    rm server.log
  done
  ((status == 0))
  [[ $(grep -c retrying <<<"$output") == 1 ]]
  [[ $(lines_of server 'normal request \(4\)') == 2 ]]
}

@test "lazy pirate: a reply that is none is not accepted" {
  local n=0 reply
  for reply in 99 '' ' 1' 01 11; do
    start "liar$((++n))" liar "ipc://liar$n" "$reply"
    wait_for "liar$n" 'bound'
    start "client$n" lpclient -n 1 -t 400 -r 2 "ipc://liar$n"
  done
  start liar6 liar ipc://liar6 1 1
  wait_for liar6 'bound'
  start client6 lpclient -n 1 -t 400 -r 2 ipc://liar6
  start liar7 liar ipc://liar7 1 '' 3 4 5 6 7 8 9 a b c d e f g h i j k l m n o
  wait_for liar7 'bound'
  start client7 lpclient -n 1 -t 400 -r 2 ipc://liar7
  for n in {1..7}; do
    ends "client$n" 1
    [[ ! $(replies "client$n") ]]
    wait_for "client$n" '^W: dropped a malformed message'
    stop "liar$n"
  done
}

@test "lazy pirate: many clients, started before the server" {
  local clients=(c1 c2 c3 c4 c5)
  for client in "${clients[@]}"; do
    start "$client" lpclient -n 5 -t 400 -r 20 ipc://server
  done
  wait_for c5 'retrying'
  start server lpserver -t 5 -f 0 ipc://server
  for client in "${clients[@]}"; do
    ends "$client"
    in_order "$client"
  done
  stop server
}

@test "lazy pirate: the server returns all bytes, and outlives nonsense" {
  start server lpserver -t 0 -f 0 ipc://server
  bound server
  bytes ipc://server
  garbage ipc://server
  # After nonsense of one who is gone, libzmq's REP may lose the next reply.
  run -0 lpclient -n 3 -t 500 -r 9 ipc://server
  stop server
}

### Simple Pirate

# bats test_tags=demo:simple-pirate
@test "simple pirate: a client does not notice which workers die" {
  hosts a b
  note 'a client, a queue, and three workers: the last on another host'
  on a start queue spqueue tcp://10.77.0.1:5555 tcp://10.77.0.1:5556
  wait_for queue 'backend'
  for worker in w1 w2; do
    on a start "$worker" spworker -t "$(ms 300 100)" -f 0 tcp://10.77.0.1:5556
  done
  on b start w3 spworker -t "$(ms 300 100)" -f 0 tcp://10.77.0.1:5556
  on a start client lpclient -t "$(ms 1000 300)" -r 50 tcp://10.77.0.1:5555
  served 1 w1 w2 w3
  note 'kill -9 w1 while it is idle: the next in line gets its request'
  when idle kill9 w1
  wait_for queue 'a worker is lost'
  more client 'OK'
  [[ $(lines_of client retrying) == 0 ]]
  note 'kill -9 w2 while it works: that request is lost, the client asks again'
  when working kill9 w2
  wait_for client 'retrying'
  on a start w2 spworker -t "$(ms 300 100)" -f 0 tcp://10.77.0.1:5556
  more client 'OK' 2
  note 'freeze w2 while it works: the same'
  when working freeze w2
  more client 'retrying'
  more client 'OK' 2
  note 'cut the last one off the network while it works: the same'
  when working cut_off w3
  more client 'retrying'
  heal b
  more client 'OK'
  thaw w2
  idle w2
  in_order client
  note 'What it does not survive is the queue: for that see Paranoid Pirate.'
  stop client
  stop w2 INT
  stop w3
  stop queue INT
}

sp_queue() {
  start queue spqueue ipc://front ipc://back
  wait_for queue 'backend bound'
}

@test "simple pirate: twenty workers started at once all get work" {
  local workers=()
  sp_queue
  for n in {1..20}; do
    workers+=("w$n")
    start "w$n" spworker -t 1 -f 0 ipc://back
  done
  start client lpclient ipc://front
  served 2 "${workers[@]}"
  in_order client
  stop client
}

@test "simple pirate: a worker that died idle costs no client a timeout" {
  sp_queue
  for ((round = 0; round < $(rounds 1 100); round++)); do
    start "dead$round" spworker -f 0 ipc://back
    start client zpeer -t 5000 REQ ipc://front once # so that it is in line
    wait_for "dead$round" 'normal reply'
    ends client
    kill9 "dead$round"
    start "w$round" spworker -t 0 -f 0 ipc://back
    run -0 lpclient -n 1 -t 5000 -r 1 ipc://front
    wait_for queue 'a worker is lost' "$((round + 1))"
    kill9 "w$round"
  done
  stop queue
}

@test "simple pirate: a request waits for a worker" {
  sp_queue
  start client zpeer -t 10000 REQ ipc://front patience
  start other zpeer -t 10000 REQ ipc://front 'patience too'
  start worker spworker -t 50 -f 0 ipc://back
  ends client
  ends other
  stop worker
  stop queue
}

@test "simple pirate: a worker that dies at work: another gets the retry" {
  sp_queue
  start first spworker -t 60000 -f 0 ipc://back
  wait_for first 'ready'
  start client lpclient -n 3 -t 300 -r 9 ipc://front
  wait_for client 'retrying' # so the first has it, or had the first try
  start second spworker -t 10 -f 0 ipc://back
  kill9 first
  ends client
  in_order client
  stop second
}

@test "simple pirate: ids and bodies are bytes, a client may be called 01" {
  sp_queue
  start worker spworker -t 0 -f 0 ipc://back
  bytes ipc://front
  run -0 zpeer -t 5000 -i $'\001client' REQ ipc://front hello
  [[ $output == '[hello]' ]]
  run -0 zpeer -t 5000 -i $'\001' REQ ipc://front hello
  [[ $output == '[hello]' ]]
  stop worker
  stop queue
}

@test "simple pirate: a worker that says READY twice is in line once" {
  sp_queue
  start twice zpeer -r 3 -n 0 DEALER ipc://back '' '%01'
  start fake zpeer -r 2 -n 2 -t 700 DEALER ipc://back '' '%01'
  start client1 zpeer -t 9000 REQ ipc://front one
  start client2 zpeer -t 9000 REQ ipc://front two
  start client3 zpeer -t 9000 REQ ipc://front three
  wait_for fake 'one|two|three'
  ends fake 1
  start worker spworker -t 0 -f 0 ipc://back
  served 1 worker
}

@test "simple pirate: the wire is the guide's" {
  sp_queue
  start almost zpeer -n 1 -t 300 DEALER ipc://back '' '%01x'
  start client zpeer -t 3000 -i me REQ ipc://front a b
  ends almost 1
  start worker zpeer -n 1 -t 5000 DEALER ipc://back '' '%01'
  wait_for worker '^\[\]\[me\]\[\]\[a\]\[b\]$'
}

@test "simple pirate: queue and worker outlive nonsense" {
  sp_queue
  garbage ipc://front ipc://back
  start worker spworker -t 0 -f 0 ipc://back
  for _ in {1..30}; do # nonsense said READY too
    run zpeer -t 300 REQ ipc://front 'still there?'
    if ((status == 0)); then break; fi
  done
  [[ $output == '[still there?]' ]]
  stop queue
  stop worker
  start fake zpeer -b -e -n 3 -t 3000 REP ipc://fake
  start lonely spworker -t 0 -f 0 ipc://fake
  wait_for lonely 'W: dropped' 2
  wait_for fake '^\[%01\]$' 3
  stop lonely
}

### Paranoid Pirate too

@test "pirates: usage, and what is not understood" {
  for program in lpclient lpserver spqueue spworker ppqueue ppworker; do
    run -0 "$program" -h
    [[ $output == "usage: $program "* && ${lines[-1]} == Peers:* ]]
    run -2 "$program" -Z
    run -2 "$program" 1 2 3
  done
  run -2 ppqueue -i 0
  run -2 ppworker -l 0
  run -2 lpclient -t x
  start queue ppqueue ipc://front ipc://back
  bound queue backend
  run -1 ppqueue tcp://nowhere:1 ipc://other
  [[ $output == *'tcp://nowhere:1'* ]]
}

@test "pirates: Ctrl-C in any state" {
  for _ in $(seq "$(rounds 3 50)"); do
    rm -f ./*.log
    start queue1 spqueue ipc://f1 ipc://b1
    start queue2 ppqueue ipc://f2 ipc://b2
    start worker1 spworker -t 60000 ipc://b1
    start worker2 ppworker -t 60000 ipc://b2
    start server lpserver -t 60000 ipc://s
    start client1 lpclient ipc://f1
    start client2 lpclient ipc://f2
    start client3 lpclient ipc://s
    moment 200
    for name in client1 worker2 queue1 server worker1 queue2 client3 client2; do
      wait_for "$name" '^I' # the signal mask is set by then
      if ((RANDOM % 2)); then stop "$name" INT; else stop "$name"; fi
    done
  done
}

@test "pirates: as long as the guide says: 3 x 2500 ms, 3 s of silence, 1 s" {
  local from=${EPOCHREALTIME/[.,]/} first second
  start client lpclient ipc://nobody
  start worker ppworker -f 0 ipc://nobody
  start queue ppqueue ipc://front ipc://back
  start busy ppworker -t 60000 -f 0 ipc://back
  wait_for queue 'worker ready'
  start request zpeer -t 9000 REQ ipc://front hello
  wait_for busy 'working'
  start spare ppworker -f 0 ipc://back
  wait_for queue '2 in all'
  freeze busy
  first=${EPOCHREALTIME/[.,]/}
  wait_for spare 'working'
  second=${EPOCHREALTIME/[.,]/}
  ((second - first >= 1900000 && second - first < 4200000))
  wait_for worker 'reconnecting in 1000 ms'
  ends client 1
  first=${EPOCHREALTIME/[.,]/}
  ((first - from >= 7450000 && first - from < 8500000))
  [[ $(lines_of client 'connecting') == 3 && $(lines_of client 'retrying') == 2 ]]
  [[ $(tail -n 1 client.log) == *'abandoning' ]]
  wait_for worker 'reconnecting in 2000 ms'
}
