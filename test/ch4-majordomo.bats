load helpers

# The clauses are those of RFC 7 (Majordomo) and RFC 8 (MMI), by number as in
# the table of the specification. Commands on the wire: %01 READY, %02 REQUEST,
# %03 REPLY, %04 HEARTBEAT, %05 DISCONNECT. Worker and client are played raw
# where it matters what they say.

at=ipc://broker

broker() {
  start broker mdbroker "$@" $at
  wait_for broker 'bound'
}

# worker NAME [OPTION...] - an echo service, signed on
worker() {
  local name=$1 known
  shift
  known=$(lines_of broker 'echo: a new worker')
  start "$name" mdworker "$@" $at
  wait_for broker 'echo: a new worker' $((known + 1))
}

# raw NAME FRAME... - one peer that speaks to the broker frame by frame
raw() {
  local name=$1
  shift
  start "$name" zpeer -t 30000 -n 1000 DEALER $at "$@"
}

# answer FRAME... - what the broker has to say to that, first
answer() {
  zpeer -t 5000 DEALER $at "$@"
}

# tell FRAME... - say it; when this is over, the broker has heard it
tell() {
  answer "$@" '%,' '' MDPC01 mmi.service x >/dev/null
}

# ask FRAME... - the service echo
ask() {
  zpeer -t 10000 REQ $at MDPC01 echo "$@"
}

# is STATUS [SERVICE] - what mmi.service says of it
is() {
  local said
  said=$(zpeer -t 5000 REQ $at MDPC01 mmi.service "${2-echo}")
  [[ $said == "[MDPC01][mmi.service][$1]" ]] || fail "not $1: $said"
}

# becomes STATUS MS [SERVICE] - and not later than after so long
becomes() {
  local until=$((${EPOCHREALTIME/./} + $2 * 1000))
  until is "$1" "${@:3}" >/dev/null; do
    ((${EPOCHREALTIME/./} < until)) || fail "not $1 after $2 ms" || return
  done
}

# takes_less_than KB - that much memory has the broker (a sanitizer keeps more)
takes_less_than() {
  if [[ $bin == *san ]]; then return; fi
  (($(memory broker) < $1)) || fail "$(memory broker) kB, not less than $1"
}

# many N FRAME... - set frames to so many messages, & in them a new name each
many() {
  local n=$1 text
  shift
  text=$(printf '%s\\n' "$@")
  mapfile -t frames < <(seq -f "$RANDOM-%.0f" "$n" | sed "s/.*/$text%,/")
}

still_serves() {
  kill -0 "${pid_of[broker]}" || return
  if [[ ! ${pid_of[echo]-} ]]; then worker echo; fi
  run -0 ask hello
  [[ $output == '[MDPC01][echo][hello]' ]]
}

# ---------------------------------------------------------------- RFC 7, 8

@test "clause 1: one ROUTER, at one endpoint, is for clients and workers" {
  start broker mdbroker 'tcp://127.0.0.1:*'
  start worker mdworker "$(bound broker)"
  run -0 mdclient -n 20 "$(bound broker)"
  [[ $output == '20 requests/replies processed' ]]
  stop worker
  stop broker
}

@test "clause: a worker killed at work is replaced at once, whatever the heartbeats" {
  broker -i 60000
  raw killed '' MDPW01 %01 echo
  wait_for broker 'a new worker'
  start client zpeer -i ID -t 20000 REQ $at MDPC01 echo hello
  wait_for killed '\[hello\]'
  raw other '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID '' 'served'
  wait_for broker 'a new worker' 2
  kill9 killed
  wait_for client '\[MDPC01\]\[echo\]\[served\]'
  ends client
  kill9 other
  stop broker
}

@test "clause 2: REQUEST and REPLY have a service and a body, which is bytes" {
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID '' one '' '%00two'
  wait_for broker 'new worker'
  run -0 zpeer -i ID -t 5000 REQ $at MDPC01 echo 'a%00b' '' %FF
  [[ $output == '[MDPC01][echo][one][][%00two]' ]]
  wait_for worker '^\[\]\[MDPW01\]\[%02\]\[ID\]\[\]\[a%00b\]\[\]\[%FF\]$'
  kill9 worker
  worker echo
  run -0 ask ''
  [[ $output == '[MDPC01][echo][]' ]]
  run -0 ask '%{1048576}'
  [[ ${#output} == $((1048576 + 16)) ]]
}

@test "clause 2: what is no REQUEST is dropped, and nothing else happens" {
  broker
  worker echo
  local n=0 frames
  for frames in '' "''" "'' MDPC01" "'' MDPC01 echo" "'' MDPC01 '' x" \
    "'' MDPC01 e%07 x" "'' MDPC02 echo x" "'' MDPC01%00 echo x" \
    "MDPC01 echo x" "x '' MDPC01 echo x" "'' '' MDPC01 echo x" \
    "'' MDPC01 mmi.service" "'' MDPC01 %{256} x" \
    "'' MDPC01 echo 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15" \
    "'' MDPC01 echo 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"; do
    eval "tell ${frames:-''}"
    wait_for broker 'dropped a malformed message' $((++n))
  done
  [[ $(lines_of broker 'new worker') == 1 ]]
  still_serves
  run -0 ask 1 2 3 4 5 6 7 8 9 10 11 12 13 14   # as much as fits
  stop echo
  stop broker
}

@test "clause 3: a client on a DEALER makes the empty frame itself" {
  broker
  worker echo
  run -0 answer '' MDPC01 echo hello
  [[ $output == '[][MDPC01][echo][hello]' ]]
  start fake zpeer -b -t 20000 DEALER ipc://fake
  wait_for fake 'bound'
  run -1 mdclient2 -n 1 -t 1000 ipc://fake
  wait_for fake '^\[\]\[MDPC01\]\[echo\]\[Hello world\]$'
}

@test "clause 4: a client asks three times, on a new socket each time, and gives up" {
  start fake zpeer -b -t 20000 -n 3 ROUTER ipc://fake
  wait_for fake 'bound'
  run -1 mdclient -t 300 ipc://fake
  [[ $output == *'0 requests/replies processed' ]]
  ends fake
  [[ $(lines_of fake '\[MDPC01\]\[echo\]\[Hello world\]$') == 3 ]]
  [[ $(sed -n 's/^\(\[.*\]\)\[\]\[MDPC01\].*Hello.*/\1/p' fake.log | sort -u | wc -l) == 3 ]]
}

@test "clause 4: a client finds the broker that comes late" {
  start client mdclient -n 1 -t 300 -r 60 $at
  wait_for client 'no reply' 2
  broker
  worker echo
  ends client
  wait_for client '^1 requests/replies processed'
}

@test "clause 4: what the broker should not say does not stop a client" {
  local reply frames n=0
  for reply in 'x' 'MDPC01' 'MDPC01 echo' 'MDPC01 other x' 'MDPW01 echo x'; do
    read -r -a frames <<<"$reply"
    start fake$((++n)) zpeer -b -r 0 -n 0 -t 20000 REP ipc://fake$n '%;' "${frames[@]}"
    wait_for fake$n 'bound'
    run -1 mdclient -n 1 -r 1 -t 1500 ipc://fake$n
    [[ $output == *'dropped a malformed message'*'0 requests/replies processed' ]]
    if [[ $reply != 'MDPC01 other x' ]]; then
      start fake2$n zpeer -b -r 0 -n 0 -t 20000 REP ipc://fake2$n '%;' "${frames[@]}"
      wait_for fake2$n 'bound'
      run -1 mdclient2 -n 1 -t 150 ipc://fake2$n
      [[ $output == *'dropped a malformed message'*'0 replies received' ]]
    fi
  done
}

@test "clause 5: a request for a service that is not there yet waits for it" {
  broker
  start client mdclient -n 1 -r 1 -t 20000 $at
  becomes 404 3000
  worker echo
  ends client
}

@test "clause 6: a request that no worker takes expires, behind busy ones too" {
  broker -e 200
  tell '' MDPC01 late early
  wait_for broker 'late: a request expired'
  raw late '' MDPW01 %01 late
  wait_for broker 'late: a new worker'
  raw busy '' MDPW01 %01 echo
  wait_for broker 'echo: a new worker'
  tell '' MDPC01 echo first
  wait_for busy 'first'
  tell '' MDPC01 echo second
  wait_for broker 'echo: a request expired'
  [[ $(lines_of late '%02') == 0 ]]
  [[ $(lines_of broker 'expired') == 2 ]]       # not the one that is at work
}

@test "clause 7: a client that floods does not keep others from being served" {
  broker
  worker echo
  start flood mdclient2 -n 99999999 $at
  wait_for flood 'replies so far'
  run -0 mdclient -n 3 -r 1 -t 10000 $at
  [[ $(lines_of flood received) == 0 ]]
  stop flood
}

@test "clause 7: requests are served in the order in which they came" {
  broker
  tell '' MDPC01 echo 1 '%,' '' MDPC01 echo 2 '%,' '' MDPC01 echo 3
  raw lost '' MDPW01 %01 echo '%;' '' MDPW01 %05
  wait_for lost '\[1\]$'
  wait_for broker 'signed off'                  # and 1 is first, once more
  start worker mdworker -v $at
  wait_for worker 'to broker.*\[3\]$'
  [[ $(sed -n 's/.*from broker.*\[\([123]\)\]$/\1/p' worker.log | xargs) == '1 2 3' ]]
}

@test "clauses 8 and 9: a worker signs on once, with READY and its service" {
  start fake zpeer -b -t 20000 -n 5 DEALER ipc://fake
  wait_for fake 'bound'
  start worker mdworker -i 100 -l 50 ipc://fake service
  ends fake
  run -0 grep -v 'bound' fake.log
  [[ ${lines[0]} == '[][MDPW01][%01][service]' ]]
  [[ $(lines_of fake '^\[\]\[MDPW01\]\[%04\]$') == 4 ]]
}

@test "clause 9: a second READY earns a DISCONNECT" {
  broker
  run -0 answer '' MDPW01 %01 echo '%,' '' MDPW01 %01 echo
  [[ $output == '[][MDPW01][%05]' ]]
  is 404
}

@test "clause 10: a worker that says DISCONNECT gets nothing more" {
  broker -i 100
  run -1 zpeer -t 500 DEALER $at '' MDPW01 %01 echo '%,' '' MDPW01 %05
  [[ ! $output ]]
  is 404
}

@test "clause 10: a worker that is stopped says DISCONNECT, at work as well" {
  start idle zpeer -b -t 20000 -n 2 DEALER ipc://idle
  start busy zpeer -b -t 20000 -n 2 DEALER ipc://busy '' MDPW01 %02 me '' work
  start worker1 mdworker ipc://idle
  start worker2 mdworker -t 60000 ipc://busy
  wait_for idle '%01'
  wait_for worker2 'working'
  stop worker1 INT
  stop worker2
  ends idle
  ends busy
  wait_for idle '^\[\]\[MDPW01\]\[%05\]$'
  wait_for busy '^\[\]\[MDPW01\]\[%05\]$'
}

@test "clause 11: a broker that is stopped sends its workers away" {
  broker
  raw worker '' MDPW01 %01 echo
  raw busy '' MDPW01 %01 other
  wait_for broker 'new worker' 2
  tell '' MDPC01 other work
  wait_for busy 'work'
  stop broker
  wait_for worker '^\[\]\[MDPW01\]\[%05\]$'
  wait_for busy '^\[\]\[MDPW01\]\[%05\]$'
}

@test "clause 12: what is valid but not expected earns a DISCONNECT, no more" {
  broker -i 100
  local frames
  for frames in "'' MDPW01 %04" "'' MDPW01 %03 you '' x" "'' MDPW01 %02 you '' x" \
    "'' MDPW01 %01 echo %, '' MDPW01 %03 you '' x" \
    "'' MDPW01 %01 echo %, '' MDPW01 %02 you '' x" \
    "'' MDPW01 %01 echo %, '' MDPW01 %01 other"; do
    eval "run -1 zpeer -t 200 -n 2 DEALER $at $frames"
    [[ $output == '[][MDPW01][%05]' ]]
    is 404
  done
  still_serves
}

@test "clause 12: a reply to somebody else earns a DISCONNECT, and the request goes on" {
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 other '' wrong
  wait_for broker 'new worker'
  start client zpeer -t 20000 -i me REQ $at MDPC01 echo right
  wait_for worker '%05'
  worker echo
  ends client
  wait_for client '^\[MDPC01\]\[echo\]\[right\]$'
}

@test "clause 13: what is invalid is dropped, and who said it is no worker" {
  broker
  local frames n=0
  for frames in "x" "'' MDPW01" "'' MDPW01 ''" "'' MDPW01 %00" "'' MDPW01 %06" \
    "'' MDPW01 %01%01" "'' MDPW01 %01" "'' MDPW01 %01 ''" "'' MDPW01 %01 a b" \
    "'' MDPW01 %03" "'' MDPW01 %03 a" "'' MDPW01 %03 a ''" "'' MDPW01 %03 a b c" \
    "'' MDPW01 %04 x" "'' MDPW01 %05 x" "'' MDPW02 %04" "MDPW01 %04"; do
    eval "run -0 answer $frames %, '' MDPC01 mmi.service x"
    [[ $output == '[][MDPC01][mmi.service][404]' ]]     # to a stranger: nothing
    wait_for broker 'dropped a malformed message' $((++n))
    eval "run -0 answer '' MDPW01 %01 echo %, $frames"
    [[ $output == '[][MDPW01][%05]' ]]
    wait_for broker 'dropped a malformed message' $((++n))
  done
  is 404
  still_serves
}

@test "clause 14: a worker that is sent away signs on again, on a new socket" {
  start fake zpeer -b -r 0 -n 1 -t 20000 ROUTER ipc://fake
  start worker mdworker -i 20000 ipc://fake
  ends fake
  kill9 worker
  broker
  start again mdworker -i 100 $at
  wait_for broker 'new worker'
  stop broker
  wait_for again 'goodbye, signing on again'
  broker
  wait_for broker 'new worker' 2
  still_serves
}

@test "clause 14: a worker that is refused for ever does not run wild" {
  local began=${EPOCHREALTIME/./}
  start fake zpeer -b -r 100 -w 20 -n 0 DEALER ipc://fake '' MDPW01 %05
  start worker mdworker -i 400 ipc://fake
  wait_for worker 'goodbye, signing on again' 4
  (((${EPOCHREALTIME/./} - began) / 1000 >= 1200))
  stop worker                                   # in its pause
}

@test "clause 15: there is one client address, and an empty frame" {
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID x ''
  wait_for broker 'new worker'
  zpeer -t 5000 -i ID DEALER $at '' MDPC01 echo body '%,' '' MDPC01 mmi.service x
  wait_for worker '^\[\]\[MDPW01\]\[%02\]\[ID\]\[\]\[body\]$'
  wait_for worker '^\[\]\[MDPW01\]\[%05\]$'
  kill9 broker
  start fake zpeer -b -n 2 -t 20000 DEALER ipc://fake '' MDPW01 %02 '%,' \
    '' MDPW01 %02 c '%,' '' MDPW01 %02 c d e '%,' '' MDPW01 %02 c '' '%,' x '%,' \
    '' MDPC01 echo x '%,' '' MDPW01 %07 '%,' '' MDPW01 '%,' '' MDPW01 %02 c '' yes
  wait_for fake 'bound'
  start echo mdworker ipc://fake
  ends fake
  [[ $(lines_of fake '%03') == 1 ]]
  [[ $(lines_of fake '^\[\]\[MDPW01\]\[%03\]\[c\]\[\]\[yes\]$') == 1 ]]
  wait_for echo 'dropped a malformed message' 8
}

@test "clause 16: a HEARTBEAT before READY earns a DISCONNECT" {
  broker
  run -0 answer '' MDPW01 %04 '%;' '' MDPW01 %01 echo '%,' '' MDPW01 %04 \
    '%,' '' MDPW01 %03 nobody '' x
  [[ $output == '[][MDPW01][%05]'$'\n''[][MDPW01][%05]' ]]
}

@test "clause 17: a worker takes any command for a sign of life" {
  start fake zpeer -b -n 0 -r 12 -w 100 DEALER ipc://fake '' MDPW01 %02 me '' x
  wait_for fake 'bound'
  start worker mdworker -i 200 ipc://fake
  ends fake
  [[ $(lines_of worker 'silent') == 0 ]]
}

@test "clauses 17 and 18: who has something to say sends no HEARTBEATs" {
  broker -v -i 700
  worker echo -v -i 700
  mdclient2 -n 4000 $at
  run -0 eval "sed -n '/Hello/,\$p' echo.log | tac | sed -n '/Hello/,\$p'"
  run ! grep -c '\[MDPW01\] \[04\]' <<<"$output"
  [[ $(lines_of broker 'silent|gone') == 0 ]]
}

@test "clause 19: the broker heartbeats to waiting and to busy workers" {
  broker -i 250
  raw busy '' MDPW01 %01 echo
  wait_for broker 'new worker'
  tell '' MDPC01 echo work
  wait_for busy 'work'
  wait_for busy '%04' 5                         # and it never said a word
  raw waiting '' MDPW01 %01 echo
  wait_for waiting '%04' 2
}

@test "clause 20: a worker that waits and says nothing is gone after 3 to 4 intervals" {
  broker -i 400
  worker echo -i 400
  local began=${EPOCHREALTIME/./}
  raw silent '' MDPW01 %01 silent
  wait_for broker 'silent: a new worker'
  becomes 200 2000 silent
  wait_for broker 'silent: a worker is silent'
  local took=$(((${EPOCHREALTIME/./} - began) / 1000))
  ((took >= 1200 && took < 2000)) || fail "after $took ms"
  is 404 silent
  is 200
}

@test "clause 21: a worker signs on again when its broker is silent" {
  broker -i 200
  start worker mdworker -i 200 $at
  wait_for broker 'new worker'
  freeze broker
  wait_for worker 'silent, signing on again'
  thaw broker
  wait_for broker 'new worker' 2
  still_serves
}

@test "clause 22: a worker that is gone is sent nothing" {
  broker -i 100
  raw silent '' MDPW01 %01 echo
  wait_for broker 'a worker is silent'
  local heartbeats
  heartbeats=$(lines_of silent '%04')
  start client mdclient -n 1 -r 1 -t 20000 $at
  worker echo -i 100
  ends client
  [[ $(lines_of silent '%02') == 0 && $(lines_of silent '%04') == "$heartbeats" ]]
}

@test "clause 23: what a lost worker was doing is done by the next, at most by three" {
  broker
  start client zpeer -t 20000 REQ $at MDPC01 echo work
  for n in 1 2; do
    raw worker$n '' MDPW01 %01 echo '%;' '' MDPW01 %05
    wait_for worker$n 'work'
  done
  is 404
  worker echo
  ends client
  wait_for client 'work'
  stop echo
  start client zpeer -t 20000 REQ $at MDPC01 echo poison
  for n in 3 4 5; do
    raw worker$n '' MDPW01 %01 echo '%;' '' MDPW01 %05
    wait_for worker$n 'poison'
  done
  wait_for broker 'dropped a request that cost'
  still_serves
}

@test "clause 24: a client has one request on its way, and old tries expire" {
  start fake zpeer -b -t 1500 -n 1000 ROUTER ipc://fake
  run -1 mdclient -n 10 -r 1 -t 1000 ipc://fake
  ends fake 1
  [[ $(lines_of fake 'Hello') == 1 ]]
  broker -e 300
  run -1 mdclient -n 1 -t 300 $at
  wait_for broker 'a request expired' 3
  start late mdworker -v $at
  wait_for broker 'new worker'
  is 200
  [[ $(lines_of late '\[02\]') == 0 ]]
}

@test "clause 25: a worker has one request at a time" {
  broker
  raw worker '' MDPW01 %01 echo
  wait_for broker 'new worker'
  zpeer -t 5000 -r 5 DEALER $at '' MDPC01 echo work '%,' '' MDPC01 mmi.service x
  wait_for worker '%02'
  is 200
  worker echo
  wait_for broker 'not sent: Host unreachable' 4       # they left
  [[ $(lines_of worker '%02') == 1 ]]
}

@test "clauses 26 and 29: mmi services are the broker's; those it has not are 501" {
  broker
  worker echo
  run -0 answer '' MDPC01 mmi.other echo
  [[ $output == '[][MDPC01][mmi.other][501]' ]]
  run -0 answer '' MDPC01 mmi. echo
  [[ $output == '[][MDPC01][mmi.][501]' ]]
  run -0 answer '' MDPC01 mmi.service echo and more
  [[ $output == '[][MDPC01][mmi.service][200]' ]]
}

@test "clause 27: a worker for an mmi service is sent away; its id may be anything" {
  broker
  run -0 answer '' MDPW01 %01 mmi.service
  [[ $output == '[][MDPW01][%05]' ]]
  run -0 answer '' MDPW01 %01 mmi.
  [[ $output == '[][MDPW01][%05]' ]]
  start worker zpeer -i mmi.service -t 20000 DEALER $at '' MDPW01 %01 mmi
  wait_for broker 'mmi: a new worker'
  is 200 mmi
}

@test "clause 28: mmi.service is 200 with a worker, busy or not, else 404" {
  broker
  is 404
  worker echo -t 30000
  is 200
  tell '' MDPC01 echo work
  wait_for echo 'working'
  is 200
  stop echo
  is 404
}

# -------------------------------------------------------------- what happens

# bats test_tags=demo:majordomo
@test "majordomo: killed, frozen or cut off, a worker costs no client its reply" {
  local i=250 work=150
  if [[ ${SHOW-} ]]; then i=500 work=500; fi
  hosts here there
  at=tcp://10.77.0.1:5555
  note 'a broker, and three workers, one of them on another machine'
  on here start broker mdbroker -i $i $at
  wait_for broker 'bound'
  on here start alice mdworker -i $i -t $work $at
  on here start bob mdworker -i $i -t $work $at
  on there start carol mdworker -i $i -t $work $at
  wait_for broker 'echo: a new worker' 3
  note 'a client who asks 30 times, but never twice for the same'
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
  note 'every request has its reply; and the one who is left goes, too'
  stop bob
  on here start lookup mmiecho $at
  wait_for lookup '^Lookup echo service: 404$'
  stop broker
}

# at_work MS - a request, and two workers; the first has it, for so long
at_work() {
  worker first -i 300 -t "$1"
  start client zpeer -t 20000 REQ "$at" MDPC01 echo work
  wait_for first 'working'
  worker second -i 300
}

@test "a worker killed at work is replaced at once" {
  broker -i 1000
  worker first -t 30000
  start client zpeer -t 20000 REQ $at MDPC01 echo work
  wait_for first 'working'
  worker second
  local began=${EPOCHREALTIME/./}
  kill9 first
  ends client
  (((${EPOCHREALTIME/./} - began) / 1000 < 4000))
  [[ $(lines_of client 'work') == 1 ]]
}

@test "a worker frozen at work is replaced within four intervals" {
  broker -i 300
  at_work 60000
  local began=${EPOCHREALTIME/./}
  freeze first
  ends client
  (((${EPOCHREALTIME/./} - began) / 1000 < 1200)) || fail 'too late'
  wait_for client '\[work\]'
  thaw first
  wait_for broker 'a new worker' 2
  [[ $(lines_of second 'working|again') == 0 ]]
}

@test "a worker cut off at work is replaced within four intervals" {
  hosts here there
  at='tcp://10.77.0.1:5555'
  on here start broker mdbroker -i 300 tcp://10.77.0.1:5555
  wait_for broker 'bound'
  on there start first mdworker -i 300 -t 60000 $at
  wait_for broker 'new worker'
  on here start client zpeer -t 20000 REQ $at MDPC01 echo work
  wait_for first 'working'
  on here start second mdworker -i 300 $at
  wait_for broker 'new worker' 2
  local began=${EPOCHREALTIME/./}
  cut there
  ends client
  (((${EPOCHREALTIME/./} - began) / 1000 < 1300)) || fail 'too late'
  heal there
}

@test "a worker may work for ten times its expiry, and has one request then" {
  broker -i 150
  worker worker -i 150 -t "$(rounds 1700 20000)"
  local second
  start client zpeer -t 60000 REQ $at MDPC01 echo work
  wait_for worker 'working'
  second=$(lines_of broker 'gone|silent|signed off')
  WAIT_S=60 ends client
  [[ $(lines_of worker 'working') == 1 && $second == 0 ]]
  [[ $(lines_of broker 'gone|silent|signed off|new worker') == 1 ]]
  is 200
}

@test "a dead worker does not hide behind a live one" {
  broker -i 200
  worker other -i 200
  start first mdworker -i 200 $at first
  start second mdworker -i 200 $at second
  wait_for broker 'new worker' 3
  freeze second                         # idle, and its connection stays open
  becomes 404 1500 second
  is 200 first
  kill9 first
  becomes 404 150 first
  is 200
}

@test "a dead worker is noticed before it is given a request" {
  broker
  local n
  for n in 1 2 3; do worker worker$n; done
  for n in 1 2; do kill9 worker$n; done
  run -0 mdclient -n 5 -r 1 -t 2000 $at
  [[ $output == *'5 requests/replies processed' ]]
}

@test "two services are routed apart, and share nothing" {
  broker
  raw a '' MDPW01 %01 a
  raw b '' MDPW01 %01 b
  wait_for broker 'new worker' 2
  tell '' MDPC01 a for-a '%,' '' MDPC01 b for-b '%,' '' MDPC01 b later
  wait_for a 'for-a'
  wait_for b 'for-b'
  raw a2 '' MDPW01 %01 a
  wait_for broker 'new worker' 3
  is 200 a
  [[ $(lines_of a2 '%02') == 0 ]]
  raw b2 '' MDPW01 %01 b
  wait_for b2 'later'
}

@test "work goes to the worker who has waited for longest" {
  broker
  local n
  for n in 1 2 3; do worker worker$n -v; done
  mdclient -n 7 $at
  [[ $(lines_of worker1 'from.*Hello') == 3 && $(lines_of worker2 'from.*Hello') == 2 &&
    $(lines_of worker3 'from.*Hello') == 2 ]]
}

@test "a broker that is killed and comes back has its clients and workers again" {
  local n
  broker -i 300
  for n in 1 2 3; do worker worker$n -i 300; done
  start client mdclient -n 99999999 -t 500 -r 100 $at
  for ((n = 0; n < $(rounds 2 20); n++)); do
    kill9 broker
    : >broker.log
    broker -i 300
    wait_for broker 'a new worker' 3
    moment 300
  done
  is 200
  stop client
  for n in 1 2 3; do stop worker$n; done
  stop broker
}

@test "a worker whose broker was replaced while it worked does not confuse anybody" {
  broker -i 500
  worker worker -i 500 -t 500
  start client mdclient -n 1 -r 1 -t 20000 $at
  wait_for worker 'working'
  kill9 broker
  : >broker.log
  broker -i 500
  wait_for worker 'goodbye, signing on again'   # to its REPLY
  wait_for broker 'a new worker'
  run -0 ask hello
  [[ $(lines_of broker 'Host unreachable') == 0 ]]
}

# bats test_tags=demo:majordomo-async
@test "asynchronous: a window of requests, and none of the replies is lost" {
  note 'one worker; a client that waits for each reply, one that does not'
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
  [[ $(lines_of broker 'dropped|not sent') == 0 ]]
  takes_less_than 60000
}

@test "asynchronous: 4 KB, one worker and ten, and a slow reader: all come back" {
  local n count
  count=$(rounds 6000 100000)
  broker
  worker worker0
  for workers in 1 10; do
    for ((n = 1; n < workers; n++)); do worker worker$n; done
    start client mdclient2 -n "$count" -z 4096 $at
    for ((n = 0; n < $(rounds 2 20); n++)); do
      moment 600
      kill -STOP "${pid_of[client]}" || break
      ask 'who is last in line'                 # all before it are served
      kill -CONT "${pid_of[client]}" || break   # it was about to end
    done
    WAIT_S=600 ends client
    [[ $(lines_of client "^$count replies received") == 1 ]]
    : >client.log
  done
  [[ $(lines_of broker 'dropped|not sent') == 0 ]]
  takes_less_than 60000
}

@test "asynchronous: a client that reads nothing loses its replies, not our memory" {
  broker
  worker echo
  start deaf zpeer -t 60000 -n 0 -r 5000 DEALER $at '' MDPC01 echo '%{4096}'
  mdclient -n 50 $at
  takes_less_than 150000
  still_serves
}

@test "asynchronous: receiving gives up in time" {
  broker
  run -1 mdclient2 -n 5 -t 200 $at
  [[ $output == *'0 replies received' ]]
}

@test "requests that nobody serves are bounded, expire, and leave no memory behind" {
  local first n count
  count=$(rounds 20000 100000)
  broker -e 300
  for n in 1 2; do
    zpeer -t 10000 -r "$count" DEALER $at '' MDPC01 absent '%{100}' '%,' \
      '' MDPC01 last$n x '%,' '' MDPC01 mmi.service x
    wait_for broker "last$n: a request expired"
    if ((n == 1)); then first=$(memory broker); fi
  done
  takes_less_than $((first + 8000))
  still_serves
}

@test "a frame larger than the broker allows costs its sender the connection, and no more" {
  broker -z 2000
  worker echo
  run -1 zpeer -t 500 DEALER $at '' MDPC01 echo '%{2001}'
  answer '' MDPC01 echo '%{2000}' | grep -qF '[][MDPC01][echo][xxx'
  [[ $(lines_of broker 'gone') == 0 ]]
  stop broker
  broker
  wait_for broker 'echo: a new worker'
  run -1 zpeer -t 500 DEALER $at '' MDPC01 echo "%{$(((1 << 20) + 1))}"
  answer '' MDPC01 echo "%{$((1 << 20))}" '%{9}' | grep -q '\[x\{9\}\]$'
}

@test "services that nobody offers are forgotten" {
  local first round frames
  broker -e 200
  for ((round = 1; round <= $(rounds 5 25); round++)); do
    many 4000 '' MDPC01 '&' x
    zpeer -t 10000 DEALER $at "${frames[@]}" '' MDPC01 mmi.service x
    wait_for broker 'a request expired' $((4000 * round))
    if ((round == 1)); then first=$(memory broker); fi
  done
  takes_less_than $((first + 1200))
  still_serves
}

@test "lookups leave nothing behind" {
  broker
  local n first
  for n in 1 2 3 4 5; do
    many 1000 '' MDPC01 mmi.service '&'
    zpeer -n 1000 -t 5000 DEALER $at "${frames[@]}" >answers
    if ((n == 1)); then first=$(memory broker); fi
  done
  takes_less_than $((first + 2000))
}

# bats test_tags=demo:service-discovery
@test "service discovery: 404, then 200, then 404 as soon as the worker is gone" {
  note 'a broker, and nobody who offers a service'
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
  start after mmiecho $at
  ends after
  wait_for after '^Lookup echo service: 404$'
  run -1 mmiecho -t 100 ipc://nobody
  [[ $output == *'E: no broker at ipc://nobody'* ]]
}

@test "majordomo: all stop in any state, and at once" {
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

@test "tripping: finishes with bodies of any size, and any number of calls" {
  local size
  for size in 0 1 5 65536; do
    run -0 tripping -n "$(rounds 1000 100000)" -z $size ipc://front ipc://back
    [[ $output == *'Synchronous: '*' calls/second'*'Asynchronous: '*' calls/second' ]]
  done
  for size in 0 1 11; do
    run -0 tripping -n $size ipc://front ipc://back
  done
  run -0 tripping -n 12000 -z 4096 'tcp://127.0.0.1:*' 'tcp://127.0.0.1:*'
  # More than there is room for: to wait for room would be to wait for ever.
  run -0 tripping -n 12000 -z 4096 -o 100000 ipc://front ipc://back
}

@test "tripping: survives who does not belong there, and stops when it is told to" {
  start tripping tripping -n 100000000 ipc://front ipc://back
  wait_for tripping 'backend bound'
  zpeer -n 0 DEALER ipc://front x '' y
  zpeer -n 0 DEALER ipc://back 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  stop tripping
}
