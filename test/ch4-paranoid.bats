load helpers
load pirates

# Three seconds of silence are death, or as many tenths as a test has set.
pp_queue() {
  start queue ppqueue -i 100 -l "${tenths:-30}" ipc://front ipc://back
  wait_for queue 'backend bound' "$(($(lines_of queue bound) / 2))"
}

pp_worker() { # NAME [OPTION...]: a healthy one, in line when this returns
  local name=$1 before
  before=$(lines_of queue 'worker ready')
  shift
  start "$name" ppworker -i 100 -l "${tenths:-30}" -t 10 -f 0 "$@" ipc://back
  wait_for queue 'worker ready' "$((before + 1))"
}

# bats test_tags=demo:paranoid-pirate
@test "paranoid pirate: workers and the queue die, and the client gets on" {
  hosts a b
  note 'a client, a queue, and three workers: the last on another host'
  on a start queue ppqueue -i "$(ms 200 100)" -l "$(ms 3 6)" tcp://10.77.0.1:5555 tcp://10.77.0.1:5556
  wait_for queue 'backend'
  for worker in w1 w2; do
    on a start "$worker" ppworker -i "$(ms 200 100)" -l "$(ms 3 6)" -t "$(ms 500 150)" -f 0 tcp://10.77.0.1:5556
  done
  on b start w3 ppworker -i "$(ms 200 100)" -l "$(ms 3 6)" -t "$(ms 500 150)" -f 0 tcp://10.77.0.1:5556
  wait_for queue '3 in all'
  on a start client lpclient -t "$(ms 5000 2500)" tcp://10.77.0.1:5555
  served 1 w1 w2 w3
  note 'kill -9 w1 while it works: its connection ends, another gets its request'
  when working kill9 w1
  wait_for queue 'lost a busy worker: Host unreachable'
  more client 'OK'
  note 'freeze w2 while it works: three heartbeats do not come, another gets it'
  when working freeze w2
  wait_for queue 'lost a busy worker: silent'
  more client 'OK'
  [[ $(lines_of client retrying) == 0 ]]
  note 'cut the last one off the network while it works: the request waits'
  when working cut_off w3
  wait_for queue '0 left'
  heal b
  note 'It has given up the queue as well, and comes back by itself.'
  wait_for w3 'worker ready' 2
  more client 'OK'
  thaw w2
  wait_for w2 'worker ready' 2
  wait_for queue '2 in all'
  kill9 queue # with the request of the client
  note 'A new queue knows nobody. The workers notice, pause, and say READY.'
  on a start queue ppqueue -i "$(ms 200 100)" -l "$(ms 3 6)" tcp://10.77.0.1:5555 tcp://10.77.0.1:5556
  wait_for queue '2 in all' 2
  more client 'OK' 3
  in_order client
  stop client INT
  stop w2
  stop w3 INT
  stop queue
}

@test "paranoid pirate: READY enrols a worker, a heartbeat does not" {
  pp_queue
  start beating zpeer -r 20 -w 20 -n 0 -t 300 DEALER ipc://back '%02'
  start client zpeer -t 9000 -i me REQ ipc://front a b
  ends beating
  [[ $(lines_of beating '^\[') == 0 ]]
  start worker zpeer -n 1 -t 5000 DEALER ipc://back '%01'
  wait_for worker '^\[me\]\[\]\[a\]\[b\]$'
  [[ $(lines_of queue 'dropped') == 0 ]]
}

@test "paranoid pirate: one heartbeat an interval, until a worker is silent" {
  local tenths=8
  pp_queue
  start silent zpeer -n 99 -t 500 DEALER ipc://back '%01'
  wait_for queue 'lost a waiting worker: silent'
  ends silent 1
  [[ $(lines_of silent '^\[%02\]$') =~ ^[4-9]$ ]]
  [[ $(lines_of silent '') == "$(lines_of silent '^\[%02\]$')" ]]
  start client zpeer -t 9000 REQ ipc://front hello
  start busy zpeer -n 99 -t 500 DEALER ipc://back '%01' # and silent too
  wait_for queue 'lost a busy worker: silent'
  ends busy 1
  sed '0,/hello/d' busy.log | grep -qx '\[%02\]'
  start worker ppworker -i 30 -l 100 ipc://heard
  start peer zpeer -b -n 999 -t 9000 ROUTER ipc://heard
  wait_for peer '\[%02\]$' 8
  stop worker
  [[ $(sed -n 2p peer.log) == *'[%01]' ]]
  [[ $(sed 1,2d peer.log | grep -cv '\[%02\]$') == 0 ]]
}

@test "paranoid pirate: a busy worker that heartbeats gets no second job" {
  local tenths=10
  pp_queue
  pp_worker busy -t 60000
  start first zpeer -n 1 -t 60000 REQ ipc://front first
  wait_for busy 'working'
  pp_worker other
  run -0 lpclient -n 110 ipc://front # for longer than it takes to be dead
  served 110 other
  wait_for busy 'working' 1
  [[ $(lines_of busy 'working') == 1 && $(lines_of queue 'lost') == 0 ]]
  stop busy INT
  served 111 other
  ends first
  stop queue TERM
}

# replaced FAULT - a busy worker is lost by it, and the client sees one reply
replaced() {
  local from
  pp_queue
  pp_worker victim -t 60000
  start client zpeer -n 2 -t 60000 REQ ipc://front mine
  wait_for victim 'working'
  pp_worker second
  from=$(date +%s%N)
  "$@"
  wait_for second 'working'
  # It expires after one second, and there is one second more.
  (($(date +%s%N) - from < 2000 * 1000000))
  wait_for client '^\[mine\]$'
}

# No second reply has come, when a later request has had its own.
one_reply() {
  run -0 lpclient -n 1 -t 9000 ipc://front
  [[ $(lines_of client mine) == 1 ]]
}

@test "paranoid pirate: a worker killed at work is replaced" {
  local tenths=10
  replaced kill9 victim
  wait_for queue 'lost a busy worker: Host unreachable'
  one_reply
}

@test "paranoid pirate: a worker frozen at work is replaced, and comes back" {
  local tenths=10
  replaced freeze victim
  wait_for queue 'lost a busy worker: silent'
  thaw victim
  kill9 victim
  one_reply
  pp_worker third -t 300
  freeze third
  wait_for queue 'lost a waiting worker: silent'
  run -0 lpclient -n 5 -r 1 ipc://front # it costs nobody anything
  thaw third
  wait_for third 'worker ready' 2
  kill9 second
  run -0 lpclient -n 1 -t 9000 -r 1 ipc://front
  served 1 third
}

@test "paranoid pirate: the late reply of one taken for dead is dropped" {
  local tenths=10
  pp_queue
  pp_worker slow -t 1500
  start client zpeer -n 2 -t 60000 REQ ipc://front mine
  wait_for slow 'working'
  freeze slow
  wait_for queue 'lost a busy worker'
  thaw slow
  wait_for slow 'normal reply'
  wait_for queue 'W: dropped a malformed message of 4 frames from a worker'
  pp_worker other
  wait_for client '^\[mine\]$'
  served 1 other
  one_reply
}

@test "paranoid pirate: a reply to somebody else is none" {
  start queue ppqueue -i 20000 ipc://front ipc://back
  wait_for queue 'backend bound'
  start client zpeer -t 9000 -i me REQ ipc://front hello
  start worker zpeer -n 99 -t 9000 DEALER ipc://back '%01' '%;' \
    other '' wrong '%,' me '' right
  wait_for client '^\[right\]$'
  [[ $(lines_of queue 'W: dropped a malformed message of 4 frames from a worker') == 1 ]]
}

@test "paranoid pirate: what three workers did not survive is dropped" {
  pp_queue
  start client zpeer -t 60000 REQ ipc://front poison
  for n in 1 2 3; do
    start "victim$n" zpeer -n 999 -t 9000 DEALER ipc://back '%01'
    wait_for "victim$n" poison
    kill9 "victim$n"
    wait_for queue 'lost a busy worker' "$n"
  done
  pp_worker healthy
  wait_for queue 'W: dropped a malformed message of 3 frames from a client'
  run -0 lpclient -n 2 ipc://front
  served 2 healthy
  kill9 client
}

@test "paranoid pirate: workers that died idle count as no attempt" {
  start queue ppqueue -i 20000 ipc://front ipc://back # no heartbeat finds them
  wait_for queue 'backend bound'
  for n in {1..6}; do pp_worker "w$n" -i 20000; done
  pp_worker healthy -i 20000
  for n in {1..6}; do kill9 "w$n"; done
  run -0 lpclient -n 3 -r 1 ipc://front
  served 3 healthy
  [[ $(lines_of queue 'lost a busy worker: Host unreachable') == 6 ]]
}

@test "paranoid pirate: a busy worker that says READY has lost its request" {
  pp_queue
  start client zpeer -t 9000 REQ ipc://front hello
  start anew zpeer -r 2 -w 150 -n 99 -t 500 DEALER ipc://back '%01'
  wait_for queue 'it began anew'
  wait_for anew 'hello' 2
  kill9 client
}

@test "paranoid pirate: the worker longest free is next, whoever beats" {
  pp_queue
  pp_worker a
  pp_worker b
  pp_worker c
  for n in 1 2 3; do
    for worker in a b c; do
      run -0 lpclient -n 1 ipc://front
      [[ $(lines_of "$worker" 'normal reply') == "$n" ]]
    done
    start "beats$n" zpeer -n 9 -t 300 DEALER ipc://back '%02' # and time passes
    ends "beats$n" 1
  done
}

@test "paranoid pirate: a new queue gets its workers back, not their old replies" {
  local tenths=10
  pp_queue
  pp_worker worker -t 1500
  start client zpeer -i me -t 9000 REQ ipc://front old
  wait_for worker 'working'
  kill9 client
  kill9 queue
  pp_queue
  start client zpeer -i me -t 9000 REQ ipc://front new
  wait_for queue 'W: dropped a malformed message of 4 frames from a worker'
  ends client
  [[ $(lines_of client new) == 1 && $(lines_of client old) == 0 ]]
  wait_for worker 'reconnecting in 1000 ms'
  wait_for worker 'worker ready' 2
}

@test "paranoid pirate: the pause doubles up to 32 s, and Ctrl-C ends it" {
  local pause=1000 n
  start worker ppworker -i 20 ipc://nobody
  for ((n = 0; n < $(rounds 2 7); n++)); do
    WAIT_S=60 wait_for worker "reconnecting in $pause ms" "$((n == 6 ? 2 : 1))"
    pause=$((pause < 32000 ? 2 * pause : pause))
  done
  stop worker INT
}

@test "paranoid pirate: a word from the queue, and the pause is short again" {
  start worker ppworker -i 50 ipc://back
  wait_for worker 'reconnecting in 2000 ms'
  start queue ppqueue -i 50 ipc://front ipc://back
  wait_for queue 'worker ready'
  run -0 lpclient -n 1 -t 5000 ipc://front
  kill9 queue
  wait_for worker 'reconnecting in 1000 ms' 2
  stop worker TERM
}

@test "paranoid pirate: a request waits for a worker" {
  pp_queue
  start client zpeer -t 10000 REQ ipc://front patience
  start other zpeer -t 10000 REQ ipc://front 'patience too'
  pp_worker worker
  ends client
  ends other
  stop worker
  stop queue
}

@test "paranoid pirate: a reply to a client that is gone is dropped, and said" {
  pp_queue
  pp_worker worker -t 1500
  start client zpeer -t 9000 REQ ipc://front hello
  wait_for worker 'working'
  kill9 client
  wait_for queue 'W: reply dropped: Host unreachable'
  run -0 lpclient -n 1 ipc://front
}

@test "paranoid pirate: workers that simulate faults cost no reply" {
  local tenths=3
  local n=0
  pp_queue
  start client lpclient -n "$(rounds 20 500)" -t 4000 ipc://front
  while runs client; do
    for worker in a b; do
      if [[ ! ${pid_of[$worker]-} ]]; then
        start "$worker" ppworker -i 100 -l 3 -t 20 -s "$((++n))" ipc://back
      elif ! runs "$worker"; then
        ends "$worker" 1
      fi
    done
    nap 0.05
  done
  ends client
  in_order client
  ((n > 2))
}

@test "paranoid pirate: ids and bodies are bytes" {
  pp_queue
  pp_worker worker -t 0
  bytes ipc://front
  run -0 zpeer -t 5000 -i $'\001' REQ ipc://front hello
  [[ $output == '[hello]' ]]
  run -0 zpeer -t 5000 -i $'\002' DEALER ipc://front proxied from '' a b
  [[ $output == '[proxied][from][][a][b]' ]]
}

@test "paranoid pirate: queue and worker outlive nonsense" {
  pp_queue
  garbage ipc://front ipc://back
  pp_worker worker -t 0
  run -0 lpclient -n 10 ipc://front
  stop queue
  stop worker
  start fake zpeer -b -r 1 -n 3 -t 3000 DEALER ipc://fake '%03'
  start worker ppworker -i 100 ipc://fake
  wait_for worker 'W: dropped a malformed message of 1 frames from the queue'
  stop worker
}
