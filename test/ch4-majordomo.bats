load helpers
load majordomo

# bats test_tags=demo:majordomo
@test "majordomo: killed, frozen and cut-off workers cost no client its reply" {
  local i=250 work=150
  if [[ ${SHOW-} ]]; then i=500 work=500; fi
  hosts here there
  at=tcp://10.77.0.1:5555
  note 'a broker, and three workers, one of them on another machine'
  on here start broker mdbroker -i $i $at
  wait_for broker 'bound'
  on here start alice mdworker -i $i -t $work $at
  wait_for broker 'echo: worker registered' 1
  on here start bob mdworker -i $i -t $work $at
  wait_for broker 'echo: worker registered' 2
  on there start carol mdworker -i $i -t $work $at
  wait_for broker 'echo: worker registered' 3
  note 'a client sends 30 requests, each only once'
  on here start client mdclient -n 30 -r 1 -t 20000 $at
  wait_for alice 'working'
  kill9 alice
  wait_for carol 'working' 2
  cut there
  wait_for bob 'working' 4
  on here start dave mdworker -i $i -t $work $at
  wait_for dave 'working'
  freeze dave
  ends client
  wait_for client '^30 requests/replies processed$'
  note 'every request has its reply; then the last worker stops'
  stop bob
  on here start lookup mmiecho $at
  wait_for lookup '^Lookup echo service: 404$'
  stop broker
}

@test "majordomo: requests reach only workers of their service" {
  broker
  raw a '' MDPW01 %01 a
  raw b '' MDPW01 %01 b
  wait_for broker 'worker registered' 2
  tell '' MDPC01 a for-a '%,' '' MDPC01 b for-b '%,' '' MDPC01 b later
  wait_for a 'for-a'
  wait_for b 'for-b'
  raw a2 '' MDPW01 %01 a
  wait_for broker 'worker registered' 3
  is 200 a
  [[ $(lines_of a2 '%02') == 0 ]]
  raw b2 '' MDPW01 %01 b
  wait_for b2 'later'
}

@test "majordomo: the worker that has been idle longest gets the next request" {
  broker
  local n
  for n in 1 2 3; do worker worker$n -v; done
  mdclient -n 7 $at
  [[ $(lines_of worker1 'from.*Hello') == 3 && $(lines_of worker2 'from.*Hello') == 2 &&
    $(lines_of worker3 'from.*Hello') == 2 ]]
}

@test "majordomo: a request waits for the first worker of its service" {
  broker
  start client mdclient -n 1 -r 1 -t 20000 $at
  becomes 404 3000
  worker echo
  ends client
}

@test "majordomo: a request that no worker takes expires, also while workers are busy" {
  broker -i 120000 -e 200       # whatever the interval of heartbeats is
  tell '' MDPC01 late early
  wait_for broker 'late: request expired'
  raw late '' MDPW01 %01 late
  wait_for broker 'late: worker registered'
  raw busy '' MDPW01 %01 echo
  wait_for broker 'echo: worker registered'
  tell '' MDPC01 echo first
  wait_for busy 'first'
  tell '' MDPC01 echo second
  wait_for broker 'echo: request expired'
  [[ $(lines_of late '%02') == 0 ]]
  [[ $(lines_of broker 'expired') == 2 ]]       # not the request that a worker has
}

@test "majordomo: a request that loses its worker after its expiry goes to no other" {
  broker -e 300
  raw lost '' MDPW01 %01 echo
  wait_for broker 'worker registered'
  raw idle '' MDPW01 %01 echo
  wait_for broker 'worker registered' 2
  tell '' MDPC01 echo work
  wait_for lost 'work'
  elapse 0.4                    # the expiry passes while the worker has the request
  kill9 lost
  wait_for broker 'echo: request expired'
  is 200
  [[ $(lines_of idle 'work') == 0 ]]
}

@test "majordomo: requests are dispatched in the order of their arrival" {
  broker
  tell '' MDPC01 echo 1 '%,' '' MDPC01 echo 2 '%,' '' MDPC01 echo 3
  raw lost '' MDPW01 %01 echo '%;' '' MDPW01 %05
  wait_for lost '\[1\]$'
  wait_for broker 'has disconnected'                  # request 1 is the first again
  start worker mdworker -v $at
  wait_for worker 'to broker.*\[3\]$'
  [[ $(sed -n 's/.*from broker.*\[\([123]\)\]$/\1/p' worker.log | xargs) == '1 2 3' ]]
}

# bats test_tags=demo:service-discovery
@test "service discovery: 404, then 200, and 404 again when the worker is dead" {
  note 'a broker without workers'
  broker
  start before mmiecho $at
  ends before
  wait_for before '^Lookup echo service: 404$'
  note 'a worker'
  worker worker
  start with mmiecho $at
  ends with
  wait_for with '^Lookup echo service: 200$'
  kill9 worker
  wait_for broker 'worker removed: unreachable'
  start after mmiecho $at
  ends after
  wait_for after '^Lookup echo service: 404$'
  run -1 mmiecho -t 100 ipc://nobody
  [[ $output == *'E: no reply from the broker at ipc://nobody'* ]]
}

# bats test_tags=demo:majordomo-async
@test "asynchronous: a window of requests gets all its replies" {
  note 'one worker; a client that waits for each reply, and one that does not'
  broker
  worker alice
  start waits mdclient -n 1000 $at
  ends waits
  start window mdclient2 -n 1000 $at
  ends window
  wait_for waits '^1000 requests/replies processed$'
  wait_for window '^1000 replies received$'
  note 'more workers, larger requests, and a client that is slow to read'
  for n in bob carol dave; do worker $n; done
  local count=20000
  if [[ ${SHOW-} ]]; then count=60000; fi
  start slow mdclient2 -n $count -z 4096 $at
  for ((n = 0; n < 2; n++)); do
    moment 50
    freeze slow
    moment 400
    thaw slow
  done
  ends slow
  wait_for slow "^$count replies received$"
  [[ $(lines_of broker dropped) == 0 ]]
  takes_less_than 60000
}

@test "tripping: requests of any size and any number of round trips" {
  local size
  for size in 0 1 5 65536; do
    run -0 tripping -n "$(rounds 1000 100000)" -z $size ipc://front ipc://back
    [[ $output == *'Synchronous: '*' calls/second'*'Asynchronous: '*' calls/second' ]]
  done
  for size in 0 1 11; do
    run -0 tripping -n $size ipc://front ipc://back
  done
  run -0 tripping -n 12000 -z 4096 'tcp://127.0.0.1:*' 'tcp://127.0.0.1:*'
  # A window larger than all queues together: a blocking send would never return.
  run -0 tripping -n 12000 -z 4096 -o 100000 ipc://front ipc://back
}

# ---- Faults ---------------------------------------------------------------------

@test "majordomo: a busy worker that is killed is replaced long before the next heartbeat" {
  broker -i 60000
  raw killed '' MDPW01 %01 echo
  wait_for broker 'worker registered'
  start client zpeer -i ID -t 20000 REQ $at MDPC01 echo hello
  wait_for killed '\[hello\]'
  raw other '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID '' 'served'
  wait_for broker 'worker registered' 2
  kill9 killed
  wait_for client '\[MDPC01\]\[echo\]\[served\]'
  ends client
  kill9 other
  stop broker
}

# at_work MS - start two workers and a client; the first works on its request for MS
at_work() {
  worker first -i 300 -t "$1"
  start client zpeer -t 20000 REQ "$at" MDPC01 echo work
  wait_for first 'working'
  worker second -i 300
}

@test "majordomo: the request of a killed worker goes to another" {
  broker -i 1000
  worker first -t 30000
  start client zpeer -t 20000 REQ $at MDPC01 echo work
  wait_for first 'working'
  worker second
  kill9 first
  within 4000 ended client
  ends client
  [[ $(lines_of client 'work') == 1 ]]
}

@test "majordomo: a frozen busy worker is replaced within four intervals" {
  broker -i 300
  at_work 60000
  freeze first
  within 1200 ended client
  ends client
  wait_for client '\[work\]'
  thaw first
  wait_for broker 'worker registered' 2
  [[ $(lines_of second 'working|again') == 0 ]]
}

@test "majordomo: a busy worker that is cut off is replaced within four intervals" {
  hosts here there
  at='tcp://10.77.0.1:5555'
  on here start broker mdbroker -i 300 tcp://10.77.0.1:5555
  wait_for broker 'bound'
  on there start first mdworker -i 300 -t 60000 $at
  wait_for broker 'worker registered'
  on here start client zpeer -t 20000 REQ $at MDPC01 echo work
  wait_for first 'working'
  on here start second mdworker -i 300 $at
  wait_for broker 'worker registered' 2
  cut there
  within 1300 ended client
  ends client
  heal there
}

@test "majordomo: a worker may work for ten times the expiry of an idle one" {
  broker -i 150
  worker worker -i 150 -t "$(rounds 1700 20000)"
  local second
  start client zpeer -t 60000 REQ $at MDPC01 echo work
  wait_for worker 'working'
  second=$(lines_of broker 'removed')
  WAIT_S=60 ends client
  [[ $(lines_of worker 'working') == 1 && $second == 0 ]]
  [[ $(lines_of broker 'removed|registered') == 1 ]]
  is 200
}

@test "majordomo: dead workers are found behind a live one" {
  broker -i 200
  worker other -i 200
  start first mdworker -i 200 $at first
  start second mdworker -i 200 $at second
  wait_for broker 'worker registered' 3
  freeze second                         # idle; its connection stays open
  becomes 404 1500 second
  is 200 first
  kill9 first
  becomes 404 1500 first
  is 200
}

@test "majordomo: killed idle workers cost no request" {
  broker
  local n
  for n in 1 2 3; do worker worker$n; done
  for n in 1 2; do kill9 worker$n; done
  run -0 mdclient -n 5 -r 1 -t 2000 $at
  [[ $output == *'5 requests/replies processed' ]]
}

@test "majordomo: clients and workers continue after the broker was killed and restarted" {
  local n
  broker -i 300
  for n in 1 2 3; do worker worker$n -i 300; done
  start client mdclient -n 99999999 -t 500 -r 100 $at
  for ((n = 0; n < $(rounds 2 20); n++)); do
    kill9 broker
    : >broker.log
    broker -i 300
    wait_for broker 'worker registered' 3
    moment 300
  done
  is 200
  stop client
  for n in 1 2 3; do stop worker$n; done
  stop broker
}

@test "majordomo: a reply to a broker that was restarted meanwhile is rejected, and the worker registers" {
  broker -i 500
  worker worker -i 500 -t 500
  start client mdclient -n 1 -r 1 -t 20000 $at
  wait_for worker 'working'
  kill9 broker
  : >broker.log
  broker -i 500
  wait_for worker 'disconnected by the broker, registering again'   # the answer to its REPLY
  wait_for broker 'worker registered'
  run -0 ask hello
  [[ $(lines_of broker 'Host unreachable') == 0 ]]
}

@test "majordomo: a request is dropped after three of its workers have died" {
  broker
  start client zpeer -t 20000 REQ $at MDPC01 echo poison
  for n in 1 2 3; do
    raw worker$n '' MDPW01 %01 echo
    wait_for worker$n 'poison'
    kill9 worker$n
  done
  wait_for broker 'request dropped, it has cost too many workers'
  still_serves
}

@test "majordomo: a request survives a rolling restart of its workers" {
  broker
  start client mdclient -n 1 -r 1 -t 20000 $at
  for n in 1 2 3 4; do
    start worker$n mdworker -t 60000 $at
    wait_for worker$n 'working'
    stop worker$n               # sends DISCONNECT
  done
  worker last
  ends client
  [[ $(lines_of broker 'too many workers') == 0 ]]
}

@test "majordomo: strangers that flood the broker and reset their connections do not stop it" {
  broker -i 200
  for n in $(seq "$(rounds 20 300)"); do
    start flood$n zpeer -r 3000 -t 60000 -n 0 DEALER $at '' MDPC01 mmi.service echo
  done
  moment 500
  for n in $(seq "$(rounds 20 300)"); do kill9 flood$n 2>/dev/null || :; done
  still_serves
  stop broker
}

@test "majordomo: all programs stop in any state" {
  start mute zpeer -b -t 60000 -n 1000 ROUTER ipc://mute
  start client mdclient -t 60000 ipc://mute
  start client2 mdclient2 -o 1 -t 60000 ipc://mute
  start lookup mmiecho -t 60000 ipc://mute
  start worker mdworker -i 100 ipc://mute
  wait_for mute 'Hello' 2
  wait_for mute 'mmi.service'
  wait_for worker 'silent'
  stop client INT
  stop client2
  stop lookup
  stop worker
  broker
  worker worker -t 60000
  start client mdclient $at
  wait_for worker 'working'
  stop client
  stop worker INT
  stop broker INT
}

# ---- Malformed input --------------------------------------------------------------

@test "majordomo: a worker whose reply has too many frames registers again" {
  local long=(1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6)
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID '' "${long[@]}" '%;' '' MDPW01 %01 echo
  wait_for broker 'worker registered'
  start client zpeer -i ID -t 20000 REQ $at MDPC01 echo work
  wait_for worker '^\[\]\[MDPW01\]\[%05\]$'
  wait_for worker 'work' 2      # the request was requeued
}

@test "majordomo: -v prints a frame with control characters in hex, also with those above 127" {
  broker -v
  tell '' MDPC01 mmi.service 'a%85' '%,' '' MDPC01 mmi.service 'a%1F' '%,' \
    '' MDPC01 mmi.service 'a%C3%85'
  wait_for broker 'received.*\[MDPC01\] \[mmi.service\] \[6185\]$'
  wait_for broker 'received.*\[611F\]$'
  wait_for broker $'received.*\\[a\xc3\x85\\]$'    # UTF-8
}

@test "tripping: foreign messages do not stop it" {
  start tripping tripping -n 100000000 ipc://front ipc://back
  wait_for tripping 'backend bound'
  zpeer -n 0 DEALER ipc://front x '' y
  zpeer -n 0 DEALER ipc://back 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  stop tripping
}

# ---- Limits -----------------------------------------------------------------------

@test "majordomo: a client that floods does not delay others without end" {
  broker
  worker echo
  start flood mdclient2 -n 99999999 $at
  wait_for flood 'replies so far'
  run -0 mdclient -n 3 -r 1 -t 10000 $at
  [[ $(lines_of flood received) == 0 ]]
  stop flood
}

@test "majordomo: requests without a worker are bounded and expire" {
  local first n count
  count=$(rounds 20000 100000)
  broker -e 300
  for n in 1 2; do
    zpeer -t 10000 -r "$count" DEALER $at '' MDPC01 absent '%{100}' '%,' \
      '' MDPC01 last$n x '%,' '' MDPC01 mmi.service x
    wait_for broker "last$n: request expired"
    if ((n == 1)); then first=$(memory broker); fi
  done
  takes_less_than $((first + 8000))
  still_serves
}

@test "majordomo: a frame larger than -z closes its sender's connection only" {
  broker -z 2000
  worker echo
  run -1 zpeer -t 500 DEALER $at '' MDPC01 echo '%{2001}'
  answer '' MDPC01 echo '%{2000}' | grep -qF '[][MDPC01][echo][xxx'
  [[ $(lines_of broker 'removed') == 0 ]]
  stop broker
  broker
  wait_for broker 'echo: worker registered'
  run -1 zpeer -t 500 DEALER $at '' MDPC01 echo "%{$(((1 << 20) + 1))}"
  answer '' MDPC01 echo "%{$((1 << 20))}" '%{9}' | grep -q '\[x\{9\}\]$'
}

@test "majordomo: services without workers use no memory after their requests expired" {
  local first round frames
  broker -e 200
  for ((round = 1; round <= $(rounds 5 25); round++)); do
    many 4000 '' MDPC01 '&' x
    zpeer -t 10000 DEALER $at "${frames[@]}" '' MDPC01 mmi.service x
    wait_for broker 'request expired' $((4000 * round))
    if ((round == 3)); then first=$(memory broker); fi
  done
  takes_less_than $((first + 1200))
  still_serves
}

@test "majordomo: lookups use no memory" {
  broker
  local n first
  for n in 1 2 3 4 5; do
    many 1000 '' MDPC01 mmi.service '&'
    zpeer -n 1000 -t 5000 DEALER $at "${frames[@]}" >answers
    if ((n == 1)); then first=$(memory broker); fi
  done
  takes_less_than $((first + 2000))
}

@test "asynchronous: one worker and ten, 4 KB and a slow reader: all replies arrive" {
  local n count
  count=$(rounds 6000 100000)
  broker
  worker worker0
  for workers in 1 10; do
    for ((n = 1; n < workers; n++)); do worker worker$n; done
    start client mdclient2 -n "$count" -z 4096 $at
    for ((n = 0; n < $(rounds 2 20); n++)); do
      moment 600
      signal STOP client || break
      ask 'the last in the queue'                 # its reply follows those of all earlier requests
      signal CONT client || break             # it has just ended
    done
    WAIT_S=600 ends client
    [[ $(lines_of client "^$count replies received") == 1 ]]
    : >client.log
  done
  [[ $(lines_of broker dropped) == 0 ]]
  takes_less_than 60000
}

@test "asynchronous: a client that reads nothing loses its replies; the broker's memory is bounded" {
  broker
  worker echo
  start deaf zpeer -t 60000 -n 0 -r 5000 DEALER $at '' MDPC01 echo '%{4096}'
  mdclient -n 50 $at
  takes_less_than 150000
  still_serves
}

@test "asynchronous: receiving ends with its timeout" {
  broker
  run -1 mdclient2 -n 5 -t 200 $at
  [[ $output == *'0 replies received' ]]
}

@test "majordomo: intervals, tries and sizes that cannot work are usage errors" {
  run -2 mdbroker -i 0
  run -2 mdbroker -l 0
  run -2 mdbroker -z 100
  run -2 mdworker -i 0
  run -2 mdworker -l 0
  run -2 mdclient -t 0
  run -2 mdclient2 -o 0
  run -2 mmiecho -r 0
}
