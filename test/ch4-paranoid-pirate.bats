load helpers
load pirates

# A worker expires after three seconds, or after $tenths tenths of a second.
pp_queue() {
  start queue ppqueue -i 100 -l "${tenths:-30}" ipc://front ipc://back
  is_foreign ppqueue || wait_for queue 'backend bound' "$(($(lines_of queue bound) / 2))"
}

pp_worker() { # NAME [OPTION...]: without faults; it has registered when this returns
  local name=$1 before
  before=$(lines_of queue 'worker registered')
  shift
  start "$name" ppworker -i 100 -l "${tenths:-30}" -t 10 -f 0 "$@" ipc://back
  wait_for queue 'worker registered' "$((before + 1))"
}

# bats test_tags=demo:paranoid-pirate
@test "paranoid pirate: workers and the queue die, the client is served" {
  hosts a b
  note 'a client, a queue, and three workers: the last on another host'
  on a start queue ppqueue -i "$(ms 200 100)" -l "$(ms 3 6)" tcp://10.77.0.1:5555 tcp://10.77.0.1:5556
  wait_for queue 'backend'
  for worker in w1 w2; do
    on a start "$worker" ppworker -i "$(ms 200 100)" -l "$(ms 3 6)" -t "$(ms 500 150)" -f 0 tcp://10.77.0.1:5556
    wait_for queue "${worker#w} in all"
  done
  on b start w3 ppworker -i "$(ms 200 100)" -l "$(ms 3 6)" -t "$(ms 500 150)" -f 0 tcp://10.77.0.1:5556
  wait_for queue '3 in all'
  on a start client lpclient -t "$(ms 5000 2500)" tcp://10.77.0.1:5555
  served 1 w1 w2 w3
  note 'kill -9 w1 while it is busy: its connection ends, another worker gets the request'
  when_working kill9 w1
  wait_for queue 'removed a busy worker: Host unreachable'
  more client 'I: reply'
  note 'freeze w2 while it is busy: it sends no heartbeats, another worker gets the request'
  when_working freeze w2
  wait_for queue 'removed a busy worker: silent'
  more client 'I: reply'
  [[ $(lines_of client 'no reply') == 0 ]]
  note 'cut the last one off the network while it is busy: the request waits'
  when_working cut_off w3
  wait_for queue '0 left'
  heal b
  note 'The worker has noticed the silence of the queue too, and registers again.'
  wait_for w3 'I: registering' 2
  more client 'I: reply'
  thaw w2
  wait_for w2 'I: registering' 2
  wait_for queue '2 in all'
  kill9 queue # with the request of the client
  note 'A new queue knows no worker. The workers notice its silence, and register.'
  on a start queue ppqueue -i "$(ms 200 100)" -l "$(ms 3 6)" tcp://10.77.0.1:5555 tcp://10.77.0.1:5556
  wait_for queue '2 in all' 2
  more client 'I: reply' 3
  in_order client
  stop client INT
  stop w2
  stop w3 INT
  stop queue
}

@test "paranoid pirate: a request waits for a worker" {
  pp_queue
  start client zpeer -t 10000 REQ ipc://front one
  start other zpeer -t 10000 REQ ipc://front two
  pp_worker worker
  ends client
  ends other
  stop worker
  stop queue
}

# bats test_tags=wire
@test "paranoid pirate: READY registers a worker, a heartbeat does not" {
  pp_queue
  start beating zpeer -r 20 -w 20 -n 0 -t 300 DEALER ipc://back '%02'
  start client zpeer -t 9000 -i me REQ ipc://front a b
  ends beating
  [[ $(lines_of beating '^\[') == 0 && $(lines_of queue registered) == 0 ]]
  start worker zpeer -n 99 -t 5000 DEALER ipc://back '%01' # a heartbeat may come first
  wait_for worker '^\[me\]\[\]\[a\]\[b\]$'
  [[ $(lines_of queue 'dropped') == 0 ]]
}

@test "paranoid pirate: the queue sends a heartbeat per interval until a worker expires" {
  local tenths=8
  pp_queue
  start silent zpeer -n 99 -t 1000 DEALER ipc://back '%01'
  wait_for queue 'removed an idle worker: silent'
  ends silent 1
  [[ $(lines_of silent '^\[%02\]$') =~ ^[4-9]$ ]]
  [[ $(lines_of silent '') == "$(lines_of silent '^\[%02\]$')" ]]
  start client zpeer -t 9000 REQ ipc://front hello
  start busy zpeer -n 99 -t 1000 DEALER ipc://back '%01' # silent too
  wait_for queue 'removed a busy worker: silent'
  ends busy 1
  sed '0,/hello/d' busy.log | grep -qx '\[%02\]'
  start worker ppworker -i 30 -l 100 ipc://heard
  start peer zpeer -b -n 999 -t 9000 ROUTER ipc://heard
  wait_for peer '\[%02\]$' 8
  stop worker
  [[ $(sed -n 2p peer.log) == *'[%01]' ]]
  [[ $(sed 1,2d peer.log | grep -cv '\[%02\]$') == 0 ]]
}

@test "paranoid pirate: a busy worker that sends heartbeats receives no second request" {
  local tenths=10
  pp_queue
  pp_worker busy -t 60000
  start first zpeer -n 1 -t 60000 REQ ipc://front first
  wait_for busy 'working'
  pp_worker other
  run -0 lpclient -n 110 ipc://front # for longer than the expiry
  served 110 other
  wait_for busy 'working' 1
  [[ $(lines_of busy 'working') == 1 && $(lines_of queue 'removed') == 0 ]]
  stop busy INT
  served 111 other
  ends first
  stop queue TERM
}

@test "paranoid pirate: the worker that has been idle longest is next, despite heartbeats" {
  pp_queue
  pp_worker a
  pp_worker b
  pp_worker c
  for n in 1 2 3; do
    for worker in a b c; do
      run -0 lpclient -n 1 ipc://front
      [[ $(lines_of "$worker" 'I: done') == "$n" ]]
    done
    start "beats$n" zpeer -n 9 -t 300 DEALER ipc://back '%02' # and time passes
    ends "beats$n" 1
  done
}

# ---- Faults -----------------------------------------------------------------------

# replaced FAULT - after it another worker receives the request
replaced() {
  pp_queue
  pp_worker victim -t 60000
  start client zpeer -n 2 -t 60000 REQ ipc://front mine
  wait_for victim 'working'
  pp_worker second
  "$@"
  within 2000 has_line second 'working' # the victim expires after one second
  wait_for client '^\[mine\]$'
}

# The client has received one reply, and a later request has been served.
one_reply() {
  run -0 lpclient -n 1 -t 9000 ipc://front
  [[ $(lines_of client mine) == 1 ]]
}

@test "paranoid pirate: a killed worker's request goes to another worker" {
  local tenths=10
  replaced kill9 victim
  wait_for queue 'removed a busy worker: Host unreachable'
  one_reply
}

@test "paranoid pirate: a frozen worker's request goes to another worker" {
  local tenths=10
  replaced freeze victim
  wait_for queue 'removed a busy worker: silent'
  thaw victim
  kill9 victim
  one_reply
  pp_worker third -t 300
  freeze third
  wait_for queue 'removed an idle worker: silent'
  run -0 lpclient -n 5 -r 1 ipc://front # it costs no timeout
  thaw third
  wait_for third 'I: registering' 2
  kill9 second
  run -0 lpclient -n 1 -t 9000 -r 1 ipc://front
  served 1 third
}

@test "paranoid pirate: a queue that was frozen keeps its workers and their requests" {
  local tenths=5
  pp_queue
  pp_worker worker -l 1000 -t 1000
  start client zpeer -t 20000 REQ ipc://front hello
  wait_for worker 'I: working'
  freeze queue
  wait_for worker 'I: done'     # the queue is frozen for longer than the expiry
  thaw queue
  ends client
  [[ $(lines_of queue 'removed') == 0 && $(lines_of worker 'I: working') == 1 ]]
}

@test "paranoid pirate: the late reply of a removed worker is dropped" {
  local tenths=10
  pp_queue
  pp_worker slow -t 1500
  start client zpeer -n 2 -t 60000 REQ ipc://front mine
  wait_for slow 'working'
  freeze slow
  wait_for queue 'removed a busy worker'
  thaw slow
  wait_for slow 'I: done'
  wait_for queue 'W: reply dropped: this worker has no such request'
  pp_worker other
  wait_for client '^\[mine\]$'
  served 1 other
  one_reply
}

@test "paranoid pirate: a request that has cost three workers is dropped" {
  pp_queue
  start client zpeer -t 60000 REQ ipc://front poison
  for n in 1 2 3; do
    start "victim$n" zpeer -n 999 -t 9000 DEALER ipc://back '%01'
    wait_for "victim$n" poison
    kill9 "victim$n"
    wait_for queue 'removed a busy worker' "$n"
  done
  pp_worker healthy
  wait_for queue 'W: request dropped, it has cost 3 workers'
  run -0 lpclient -n 2 ipc://front
  served 2 healthy
  kill9 client
}

@test "paranoid pirate: workers that died idle do not count as tries" {
  start queue ppqueue -i 20000 ipc://front ipc://back # no heartbeat detects them
  wait_for queue 'backend bound'
  for n in {1..6}; do pp_worker "w$n" -i 20000; done
  pp_worker healthy -i 20000
  for n in {1..6}; do kill9 "w$n"; done
  run -0 lpclient -n 3 -r 1 ipc://front
  served 3 healthy
  [[ $(lines_of queue 'removed an idle worker: Host unreachable') == 6 ]]
}

@test "paranoid pirate: a busy worker that sends READY receives its request again" {
  pp_queue
  start client zpeer -t 9000 REQ ipc://front hello
  start anew zpeer -r 2 -w 150 -n 99 -t 9000 DEALER ipc://back '%01'
  wait_for queue 'it restarted'
  wait_for anew 'hello' 2
  kill9 client
}

@test "paranoid pirate: workers register with a new queue, and their old replies are dropped" {
  local tenths=10
  pp_queue
  pp_worker worker -t 1500
  start client zpeer -i me -t 9000 REQ ipc://front old
  wait_for worker 'working'
  kill9 client
  kill9 queue
  pp_queue
  start client zpeer -i me -t 9000 REQ ipc://front new
  wait_for queue 'W: reply dropped: this worker has no such request'
  ends client
  [[ $(lines_of client new) == 1 && $(lines_of client old) == 0 ]]
  wait_for worker 'new connection in about 1000 ms'
  wait_for worker 'I: registering' 2
}

@test "paranoid pirate: a worker's pause doubles up to 32 s, and Ctrl-C ends it" {
  local pause=1000 n
  start worker ppworker -i 20 ipc://nobody
  for ((n = 0; n < $(rounds 2 7); n++)); do
    WAIT_S=60 wait_for worker "new connection in about $pause ms" "$((n == 6 ? 2 : 1))"
    pause=$((pause < 32000 ? 2 * pause : pause))
  done
  stop worker INT
}

@test "paranoid pirate: a message from the queue resets the pause" {
  start worker ppworker -i 50 ipc://back
  wait_for worker 'new connection in about 2000 ms'
  start queue ppqueue -i 50 ipc://front ipc://back
  wait_for queue 'worker registered'
  run -0 lpclient -n 1 -t 5000 ipc://front
  kill9 queue
  wait_for worker 'new connection in about 1000 ms' 2
  stop worker TERM
}

@test "paranoid pirate: a worker does not block if its queue dies during a long task" {
  start queue ppqueue -i 20 -l 100 ipc://front ipc://back
  wait_for queue 'backend bound'
  start worker ppworker -i 1 -l 300 -t 1500 -f 0 ipc://back
  wait_for queue 'worker registered'
  start client zpeer -t 9000 REQ ipc://front hello
  wait_for worker 'I: working'
  kill9 queue
  # It sends a thousand heartbeats, which fill the pipe; fewer on a busy machine.
  wait_for worker 'I: done'
  more worker 'W: queue is silent'
  stop worker
}

@test "paranoid pirate: a reply to a disconnected client is dropped with a warning" {
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
  until ended client; do
    for worker in a b; do
      if [[ ! ${pid_of[$worker]-} ]]; then
        start "$worker" ppworker -i 100 -l 3 -t 20 -s "$((++n))" ipc://back
      elif ended "$worker"; then
        ends "$worker" 1
      fi
    done
    nap 0.05
  done
  ends client
  in_order client
  ((n > 2))
}

@test "paranoid pirate: by default a worker expires after 3 s, and pauses 1 s" {
  local from
  start worker ppworker -f 0 ipc://nobody
  start queue ppqueue ipc://front ipc://back
  start busy ppworker -t 60000 -f 0 ipc://back
  wait_for queue 'worker registered'
  start request zpeer -t 9000 REQ ipc://front hello
  wait_for busy 'I: working'
  start spare ppworker -f 0 ipc://back
  wait_for queue '2 in all'
  freeze busy
  from=${EPOCHREALTIME/[.,]/}
  within 4200 has_line spare 'I: working'
  ((${EPOCHREALTIME/[.,]/} - from >= 1900000)) || fail 'it was replaced too early'
  wait_for worker 'new connection in about 1000 ms'
  wait_for worker 'new connection in about 2000 ms'
}

@test "paranoid pirate: a request of an expired worker goes to an idle one at once" {
  start queue ppqueue -i 2000 -l 1 ipc://front ipc://back
  wait_for queue 'backend bound'
  start silent zpeer -n 9 -t 20000 DEALER ipc://back '%01'
  start client zpeer -t 20000 REQ ipc://front mine
  wait_for silent 'mine'
  elapse 1                      # the heartbeats of queue and worker take turns
  start idle ppworker -i 2000 -l 9 -t 0 -f 0 ipc://back
  wait_for queue 'removed a busy worker: silent'
  within 500 ended client
  ends client
}

@test "paranoid pirate: a named client that is killed and restarted is served" {
  pp_queue
  pp_worker busy -t 60000
  start other zpeer -t 9000 REQ ipc://front other
  wait_for busy 'I: working'
  start first zpeer -i Lucy -t 9000 REQ ipc://front one
  elapse 0.3                    # its request has arrived, and is not read
  kill9 first
  start second zpeer -i Lucy -t 9000 REQ ipc://front two
  elapse 0.3
  pp_worker worker
  ends second
  [[ $(<second.log) == '[two]' ]]
}

@test "paranoid pirate: Ctrl-C ends queue and worker in any state" {
  stops_in_any_state ppqueue ppworker
}

# ---- Malformed input --------------------------------------------------------------

@test "paranoid pirate: ids and bodies are bytes, an envelope may have two addresses" {
  pp_queue
  pp_worker worker -t 0
  any_bytes ipc://front
  run -0 zpeer -t 5000 -i $'\001' REQ ipc://front hello
  [[ $output == '[hello]' ]]
  run -0 zpeer -t 5000 -i $'\002' DEALER ipc://front proxied from '' a b
  [[ $output == '[proxied][from][][a][b]' ]]
}

@test "paranoid pirate: a reply to another client is dropped" {
  start queue ppqueue -i 20000 ipc://front ipc://back
  wait_for queue 'backend bound'
  start client zpeer -t 9000 -i me REQ ipc://front hello
  start worker zpeer -n 99 -t 9000 DEALER ipc://back '%01' '%;' \
    other '' wrong '%,' me '' right
  wait_for client '^\[right\]$'
  [[ $(lines_of queue 'W: reply dropped: this worker has no such request') == 1 ]]
}

@test "paranoid pirate: queue and worker survive malformed messages" {
  pp_queue
  malformed ipc://front ipc://back
  pp_worker worker -t 0
  run -0 lpclient -n 10 ipc://front
  stop queue
  stop worker
  start fake zpeer -b -r 1 -n 3 -t 3000 DEALER ipc://fake '%03'
  start worker ppworker -i 100 ipc://fake
  wait_for worker 'W: dropped a malformed message of 1 frames from the queue'
  stop worker
}

@test "paranoid pirate: a worker that sends READY twice is registered once" {
  pp_queue
  # When the queue drops the malformed message, it has read those before it.
  start twice zpeer -n 99 -t 9000 DEALER ipc://back '%01' '%,' '%01' '%,' '%01' '%,' x
  wait_for queue 'W: dropped'
  [[ $(lines_of queue 'worker registered') == 1 ]]
}

@test "paranoid pirate: routing ids may be longer than 255 bytes" {
  local id
  printf -v id "%$(long_id)d" 0
  start queue ppqueue -i 20000 'tcp://127.0.0.1:*' 'tcp://127.0.0.1:*'
  raw_peer "$(bound queue frontend)" REQ "$id" '' 'hello~'
  start worker zpeer -e -n 1 -t 9000 DEALER "$(bound queue backend)" '%01'
  IFS= read -r -d '~' -t 9 -u "$raw" || fail 'no request or reply'
  raw_peer "$(bound queue backend)" DEALER "$id" $'\001'
  start client zpeer -n 1 -t 9000 REQ "$(bound queue frontend)" 'request~'
  IFS= read -r -d '~' -t 9 -u "$raw" || fail 'no request'
  kill9 client
  stop queue
}

# The single worker replies with n frames; then it serves the next request.
@test "paranoid pirate: after a reply of any number of frames the worker serves" {
  local n x
  for n in {1..23}; do
    frames "$n"
    start queue ppqueue -i 20000 "ipc://front$n" "ipc://back$n"
    wait_for queue 'backend bound'
    start "worker$n" zpeer -n 9 -t 9000 DEALER "ipc://back$n" '%01' '%;' \
      "${x[@]}" '%;' me '' right
    start client zpeer -n 1 -t 9000 REQ "ipc://front$n" first
    wait_for "worker$n" 'first'
    run -0 zpeer -t 5000 -i me REQ "ipc://front$n" second
    [[ $output == '[right]' ]]
    kill9 client
    kill9 "worker$n"
    kill9 queue
    rm queue.log
  done
}

@test "paranoid pirate: after requests of any number of frames the next is served" {
  local n x
  pp_queue
  pp_worker worker -t 0
  for n in {1..23}; do
    frames "$n"
    zpeer -n 0 DEALER ipc://front "${x[@]}"
    zpeer -n 0 DEALER ipc://front '' "${x[@]}"
    run -0 lpclient -n 1 -t 5000 -r 1 ipc://front
  done
}

# ---- Limits -----------------------------------------------------------------------

@test "paranoid pirate: without a worker, retries do not fill the queue's memory" {
  local before n
  pp_queue
  before=$(memory queue)
  for n in 1 2 3; do
    start "client$n" lpclient -n 1 -t 1 -r 1500 ipc://front
  done
  for n in 1 2 3; do ends "client$n" 1; done
  # A sanitizer, under which SLACK_MS is set, keeps freed memory.
  [[ ${SLACK_MS-} ]] || (($(memory queue) - before < 20000))
  wait_for queue 'W: dropped the oldest of 1000 waiting requests'
  # The old ones delay no client that waits for its reply: one was there before
  # the worker, the other comes after it.
  start early lpclient -n 5 -t 5000 -r 1 ipc://front
  elapse 0.3
  pp_worker worker
  run -0 lpclient -n 5 -t 5000 -r 1 ipc://front
  ends early
  (($(lines_of worker 'I: done') < 100))
  stop worker
  stop queue
}

@test "paranoid pirate: new requests do not displace that of a removed worker" {
  pp_queue
  start client zpeer -t 20000 REQ ipc://front mine
  start victim zpeer -n 9 -t 9000 DEALER ipc://back '%01'
  wait_for victim mine
  kill9 victim
  wait_for queue 'removed a busy worker'
  start burst zpeer -r 1200 -n 1 -t 60000 DEALER ipc://front '' x
  wait_for queue 'W: dropped the oldest of 1000 waiting requests' 200
  pp_worker worker -t 0
  ends client
}

@test "paranoid pirate: while all workers are busy, requests wait in the sockets" {
  pp_queue
  pp_worker busy -t 60000
  start first zpeer -t 20000 REQ ipc://front first
  wait_for busy 'I: working'
  start burst zpeer -r 1500 -n 1500 -t 20000 DEALER ipc://front '' x
  elapse 0.5
  pp_worker worker -t 0
  ends burst
  [[ $(lines_of queue '^W') == 0 ]]
}

@test "paranoid pirate: beyond a thousand workers the queue refuses further ones" {
  local backend n
  ulimit -Sn 2000
  start queue ppqueue -i 60000 'tcp://127.0.0.1:*' 'tcp://127.0.0.1:*'
  backend=$(bound queue backend)
  for n in {1..1001}; do raw_peer "$backend" DEALER '' $'\001'; done
  wait_for queue 'W: refused a worker: there are 1000'
  wait_for queue 'I: worker registered, 1000 in all'
}

@test "paranoid pirate: values that mean nothing are refused, large ones are not" {
  local program
  for program in ppqueue ppworker; do
    run -2 "$program" -i 0
    run -2 "$program" -l 0
    run -2 "$program" -i -1
  done
  run -2 ppworker -f 101
  start queue ppqueue -i 999999999 -l 999999999 ipc://front ipc://back
  start worker ppworker -i 999999999 -l 999999999 -t 0 -f 0 ipc://back
  run -0 lpclient -n 2 -t 5000 ipc://front
  stop worker
  stop queue
}
