load helpers
load pirates

sp_queue() {
  start queue spqueue "${1:-ipc://front}" "${2:-ipc://back}"
  is_foreign spqueue || wait_for queue 'backend bound'
}

# bats test_tags=demo:simple-pirate
@test "simple pirate: a client is served while workers die" {
  local before
  hosts a b
  note 'a client, a queue, and three workers: the last on another host'
  on a start queue spqueue tcp://10.77.0.1:5555 tcp://10.77.0.1:5556
  wait_for queue 'backend'
  for worker in w1 w2; do
    on a start "$worker" spworker -t "$(ms 300 100)" -f 0 tcp://10.77.0.1:5556
  done
  on b start w3 spworker -t "$(ms 300 100)" -f 0 tcp://10.77.0.1:5556
  on a start client lpclient -t 1000 -r 50 tcp://10.77.0.1:5555
  served 1 w1 w2 w3
  note 'kill -9 w1 while it is idle: the next worker receives the request'
  kill_idle w1 w2
  wait_for queue 'removed an idle worker'
  more client 'I: reply'
  [[ $(lines_of client 'no reply') == 0 ]]
  note 'kill -9 w2 while it is busy: the request is lost, the client sends again'
  when_working kill9 w2
  wait_for client 'no reply'
  on a start w2 spworker -t "$(ms 300 100)" -f 0 tcp://10.77.0.1:5556
  more client 'I: reply' 2
  note 'freeze w2 while it is busy: the same'
  before=$(lines_of client 'no reply')
  when_working freeze w2
  wait_for client 'no reply' $((before + 1))
  more client 'I: reply' 2
  note 'cut the last one off the network while it is busy: the same'
  before=$(lines_of client 'no reply')
  when_working cut_off w3
  wait_for client 'no reply' $((before + 1))
  heal b
  more client 'I: reply'
  thaw w2
  idle w2
  in_order client
  note 'If the queue dies its idle workers are lost: Paranoid Pirate detects that.'
  stop client
  stop w2 INT
  stop w3
  stop queue INT
}

@test "simple pirate: twenty workers started at once all receive requests" {
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

@test "simple pirate: a request waits for a worker" {
  sp_queue
  start client zpeer -t 10000 REQ ipc://front one
  start other zpeer -t 10000 REQ ipc://front two
  start worker spworker -t 50 -f 0 ipc://back
  ends client
  ends other
  stop worker
  stop queue
}

# bats test_tags=wire
@test "simple pirate: the wire is that of the Guide's listings" {
  sp_queue
  # Workers in other languages say READY in letters.
  start letters zpeer -n 1 -t 5000 REQ ipc://back READY
  start other zpeer -t 5000 -i you REQ ipc://front x
  wait_for letters '^\[you\]\[\]\[x\]$'
  start worker zpeer -n 2 -t 5000 DEALER ipc://back '' '%01' '%;' '' me '' right
  run -0 zpeer -t 5000 -i me REQ ipc://front a b
  [[ $output == '[right]' ]]
  wait_for worker '^\[\]\[me\]\[\]\[a\]\[b\]$'
  [[ $(lines_of queue '^W: dropped') == 0 ]]
}

# ---- Faults -----------------------------------------------------------------------

@test "simple pirate: a worker that died idle costs no client a timeout" {
  sp_queue
  for ((round = 0; round < $(rounds 1 100); round++)); do
    start "dead$round" spworker -f 0 ipc://back
    start client zpeer -t 5000 REQ ipc://front once # so that it has registered
    wait_for "dead$round" 'I: done'
    ends client
    kill9 "dead$round"
    start "w$round" spworker -t 0 -f 0 ipc://back
    run -0 lpclient -n 1 -t 5000 -r 1 ipc://front
    wait_for queue 'removed an idle worker' "$((round + 1))"
    kill9 "w$round"
  done
  stop queue
}

@test "simple pirate: after a busy worker died another one receives the retry" {
  sp_queue
  start first spworker -t 60000 -f 0 ipc://back
  start client lpclient -n 3 -t 300 -r 9 ipc://front
  wait_for first 'I: working'
  wait_for client 'no reply'
  start second spworker -t 10 -f 0 ipc://back
  kill9 first
  ends client
  in_order client
  stop second
}

@test "simple pirate: a restarted queue loses idle workers, busy ones register" {
  sp_queue
  start old spworker -t 0 -f 0 ipc://back
  run -0 lpclient -n 1 -t 5000 ipc://front
  kill9 queue
  sp_queue
  start client lpclient -n 1 -t 200 -r 3 ipc://front
  ends client 1
  start busy spworker -t 1000 -f 0 ipc://back
  start client lpclient -n 2 -t 9000 ipc://front
  wait_for busy 'I: working'
  kill9 queue
  sp_queue
  wait_for queue 'W: reply dropped: Host unreachable'
  kill9 client
  run -0 lpclient -n 1 -t 9000 ipc://front
  [[ $(lines_of old 'I: done') == 1 ]]
}

# bats test_tags=wire
@test "simple pirate: a named client that is killed and restarted is served" {
  sp_queue
  start busy zpeer -n 2 -t 9000 DEALER ipc://back '' '%01'
  start other zpeer -t 9000 REQ ipc://front other
  wait_for busy 'other'
  start first zpeer -i Lucy -t 9000 REQ ipc://front one
  elapse 0.3                    # its request has arrived, and is not read
  kill9 first
  start second zpeer -i Lucy -t 9000 REQ ipc://front two
  elapse 0.3
  start worker spworker -t 0 -f 0 ipc://back
  ends second
  [[ $(<second.log) == '[two]' ]]
}

@test "simple pirate: a worker at the frontend's endpoint sends READY five times a second at most" {
  local from
  sp_queue
  start worker spworker -t 0 -f 0 ipc://back
  start misplaced spworker -t 0 -f 0 ipc://front
  wait_for misplaced 'W: dropped a malformed message of 1 frames from the queue'
  from=${EPOCHREALTIME/[.,]/}
  wait_for misplaced 'W: dropped' 6
  ((${EPOCHREALTIME/[.,]/} - from >= 800000))
  run -0 lpclient -n 5 -t 5000 ipc://front
}

@test "simple pirate: Ctrl-C ends queue and worker in any state" {
  stops_in_any_state spqueue spworker
}

# ---- Malformed input --------------------------------------------------------------

# bats test_tags=wire
@test "simple pirate: ids and bodies are bytes, and an id of 01 is no command" {
  sp_queue
  start worker spworker -t 0 -f 0 ipc://back
  any_bytes ipc://front
  run -0 zpeer -t 5000 -i $'\001client' REQ ipc://front hello
  [[ $output == '[hello]' ]]
  run -0 zpeer -t 5000 -i $'\001' REQ ipc://front hello
  [[ $output == '[hello]' ]]
  stop worker
  stop queue
}

# bats test_tags=wire
@test "simple pirate: a request with more than one address passes unchanged" {
  sp_queue
  start worker spworker -t 0 -f 0 ipc://back
  run -0 zpeer -t 5000 DEALER ipc://front proxied from '' a '' b
  [[ $output == '[proxied][from][][a][][b]' ]]
}

@test "simple pirate: routing ids may be longer than 255 bytes" {
  local id
  printf -v id "%$(long_id)d" 0
  sp_queue 'tcp://127.0.0.1:*' 'tcp://127.0.0.1:*'
  raw_peer "$(bound queue frontend)" REQ "$id" '' 'hello~'
  start worker zpeer -e -n 1 -t 9000 REQ "$(bound queue backend)" READY
  IFS= read -r -d '~' -t 9 -u "$raw" || fail 'no reply'
  raw_peer "$(bound queue backend)" REQ "$id" '' READY
  start client zpeer -n 1 -t 9000 REQ "$(bound queue frontend)" 'request~'
  IFS= read -r -d '~' -t 9 -u "$raw" || fail 'no request'
  kill9 client
  stop queue
}

@test "simple pirate: a worker that registers twice receives one request" {
  sp_queue
  # When the queue drops the malformed message, it has read those before it.
  start twice zpeer -n 9 -t 60000 DEALER ipc://back '' '%01' '%,' '' '%01' '%,' x
  start fake zpeer -n 9 -t 60000 DEALER ipc://back '' '%01' '%,' '' '%01' '%,' x
  wait_for queue 'W: dropped' 2
  start client1 zpeer -t 9000 REQ ipc://front one
  start client2 zpeer -t 9000 REQ ipc://front two
  start client3 zpeer -t 9000 REQ ipc://front three
  wait_for twice 'one|two|three'
  wait_for fake 'one|two|three'
  start worker spworker -t 0 -f 0 ipc://back
  served 1 worker
  [[ $(lines_of twice '^\[') == 1 && $(lines_of fake '^\[') == 1 ]]
}

@test "simple pirate: a worker's first message registers it, a reply is passed on" {
  sp_queue
  start client zpeer -n 2 -t 9000 -i me DEALER ipc://front '' hello
  start other zpeer -n 1 -t 9000 DEALER ipc://back any thing
  wait_for other '\[\]\[me\]\[\]\[hello\]'
  start late zpeer -n 0 DEALER ipc://back '' me '' late
  wait_for client '^\[\]\[late\]$'
  [[ $(lines_of queue 'W: dropped a malformed message of 3 frames from a worker') == 1 ]]
}

# The single worker replies with n frames; then it serves the next request.
@test "simple pirate: after a reply of any number of frames the worker serves" {
  local n x
  for n in {1..23}; do
    frames "$n"
    sp_queue "ipc://front$n" "ipc://back$n"
    start "worker$n" zpeer -n 9 -t 9000 DEALER "ipc://back$n" '' '%01' '%;' \
      "${x[@]}" '%;' '' me '' right
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

@test "simple pirate: after requests of any number of frames the next is served" {
  local n x
  sp_queue
  start worker spworker -t 0 -f 0 ipc://back
  for n in {1..23}; do
    frames "$n"
    zpeer -n 0 DEALER ipc://front "${x[@]}"
    zpeer -n 0 DEALER ipc://front '' "${x[@]}"
    run -0 lpclient -n 1 -t 5000 -r 1 ipc://front
  done
}

@test "simple pirate: queue and worker survive malformed messages" {
  sp_queue
  malformed ipc://front ipc://back
  start worker spworker -t 0 -f 0 ipc://back
  for _ in {1..30}; do # malformed messages have registered workers, too
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

# ---- Limits -----------------------------------------------------------------------

@test "simple pirate: without a worker, retries do not fill the queue's memory" {
  local before n
  sp_queue
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
  start worker spworker -t 10 -f 0 ipc://back
  run -0 lpclient -n 5 -t 5000 -r 1 ipc://front
  ends early
  (($(lines_of worker 'I: done') < 100))
  stop worker
  stop queue
}

@test "simple pirate: while all workers are busy, requests wait in the sockets" {
  sp_queue
  start busy zpeer -n 2 -t 20000 DEALER ipc://back '' '%01'
  start first zpeer -t 20000 REQ ipc://front first
  wait_for busy 'first'
  start burst zpeer -r 1500 -n 1500 -t 20000 DEALER ipc://front '' x
  elapse 0.5
  start worker spworker -t 0 -f 0 ipc://back
  ends burst
  [[ $(lines_of queue '^W') == 0 ]]
}

@test "simple pirate: beyond a thousand idle workers the queue refuses further ones" {
  local backend n
  ulimit -Sn 2000
  sp_queue 'tcp://127.0.0.1:*' 'tcp://127.0.0.1:*'
  backend=$(bound queue backend)
  start worker spworker -t 0 -f 0 "$backend"
  run -0 lpclient -n 1 -t 5000 "$(bound queue frontend)" # the worker is idle again
  for n in {1..1000}; do raw_peer "$backend" REQ '' '' READY; done
  wait_for queue 'W: refused a worker: 1000 are idle'
  run -0 lpclient -n 1 -t 5000 -r 1 "$(bound queue frontend)"
  served 2 worker
}

@test "simple pirate: values that mean nothing are refused" {
  run -2 spworker -f 101
  run -2 spworker -t -1
  run -2 spworker -t 9999999999
}
