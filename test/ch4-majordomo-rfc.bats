load helpers
load majordomo

# The clauses of RFC 7 (Majordomo) and RFC 8 (MMI). Where the frames matter, zpeer
# plays the worker or the client. Tests that are tagged "wire" need no line of output
# of the programs: make test WITH=DIR plays them.

# bats test_tags=wire
@test "clause 1: one ROUTER at one endpoint serves clients and workers" {
  broker
  start worker mdworker $at
  run -0 mdclient -n 20 $at
  is_foreign mdclient || [[ $output == '20 requests/replies processed' ]]
  stop worker
  stop broker
}

# bats test_tags=wire
@test "clause 2: REQUEST and REPLY have a service and a body of any bytes" {
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID '' one '' '%00two'
  registered
  run -0 zpeer -i ID -t 5000 REQ $at MDPC01 echo 'a%00b' '' %FF
  says '[MDPC01][echo][one][][%00two]'
  wait_for worker '^\[\]\[MDPW01\]\[%02\]\[ID\]\[\]\[a%00b\]\[\]\[%FF\]$'
  kill9 worker
  worker echo
  run -0 ask ''
  says '[MDPC01][echo][]'
  run -0 ask '%{1048576}'
  [[ ${#output} == $((1048576 + 16)) ]]
}

# bats test_tags=wire
@test "clause 2: a malformed REQUEST is dropped without effect" {
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
    dropped $((++n))
  done
  is_foreign mdbroker || [[ $(lines_of broker 'worker registered') == 1 ]]
  still_serves
  run -0 ask 1 2 3 4 5 6 7 8 9 10 11 12 13 14   # the most frames
  stop echo
  stop broker
}

# bats test_tags=wire
@test "clause 3: a client with a DEALER sends the empty frame itself" {
  broker
  worker echo
  run -0 answer '' MDPC01 echo hello
  says '[][MDPC01][echo][hello]'
  start fake zpeer -b -t 20000 DEALER ipc://fake
  wait_for fake 'bound'
  run -1 mdclient2 -n 1 -t 1000 ipc://fake
  wait_for fake '^\[\]\[MDPC01\]\[echo\]\[Hello world\]$'
}

# bats test_tags=wire
@test "clause 4: a client sends a request three times, each on a new socket, and gives up" {
  start fake zpeer -b -t 20000 -n 3 ROUTER ipc://fake
  wait_for fake 'bound'
  run -1 mdclient -t 300 ipc://fake
  is_foreign mdclient || [[ $output == *'0 requests/replies processed' ]]
  ends fake
  [[ $(lines_of fake '\[MDPC01\]\[echo\]\[Hello world\]$') == 3 ]]
  [[ $(sed -n 's/^\(\[.*\]\)\[\]\[MDPC01\].*Hello.*/\1/p' fake.log | sort -u | wc -l) == 3 ]]
}

@test "clause 4: a client finds a broker that starts later" {
  start client mdclient -n 1 -t 300 -r 60 $at
  wait_for client 'no reply' 2
  broker
  worker echo
  ends client
  wait_for client '^1 requests/replies processed'
}

@test "clause 4: unexpected replies do not stop a client" {
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
      run -1 mdclient2 -n 1 -t 600 ipc://fake2$n
      [[ $output == *'dropped a malformed message'*'0 replies received' ]]
    fi
  done
}

# bats test_tags=wire
@test "clauses 8 and 9: a worker registers once, with READY and its service" {
  start fake zpeer -b -t 20000 -n 5 DEALER ipc://fake
  wait_for fake 'bound'
  start worker mdworker -i 100 -l 50 ipc://fake service
  ends fake
  run -0 grep -v 'bound' fake.log
  [[ ${lines[0]} == '[][MDPW01][%01][service]' ]]
  [[ $(lines_of fake '^\[\]\[MDPW01\]\[%04\]$') == 4 ]]
}

# bats test_tags=wire
@test "clause 9: a second READY gets a DISCONNECT" {
  broker -i 60000               # sends no heartbeat in between
  run -0 answer '' MDPW01 %01 echo '%,' '' MDPW01 %01 echo
  says '[][MDPW01][%05]'
  is 404
}

# bats test_tags=wire
@test "clause 10: a worker that sends DISCONNECT gets nothing more" {
  broker -i 100
  run -1 zpeer -t 500 DEALER $at '' MDPW01 %01 echo '%,' '' MDPW01 %05
  [[ ! $output ]]
  is 404
}

# bats test_tags=wire
@test "clause 10: a worker that is stopped sends DISCONNECT, idle or busy" {
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

# bats test_tags=wire
@test "clause 11: a broker that is stopped sends DISCONNECT to its workers" {
  broker
  raw worker '' MDPW01 %01 echo
  raw busy '' MDPW01 %01 other
  registered 2
  tell '' MDPC01 other work
  wait_for busy 'work'
  stop broker
  wait_for worker '^\[\]\[MDPW01\]\[%05\]$'
  wait_for busy '^\[\]\[MDPW01\]\[%05\]$'
}

# bats test_tags=wire
@test "clause 12: a valid but unexpected command gets exactly one DISCONNECT" {
  broker -i 100
  local frames
  for frames in "'' MDPW01 %04" "'' MDPW01 %03 you '' x" "'' MDPW01 %02 you '' x" \
    "'' MDPW01 %01 echo %, '' MDPW01 %03 you '' x" \
    "'' MDPW01 %01 echo %, '' MDPW01 %02 you '' x" \
    "'' MDPW01 %01 echo %, '' MDPW01 %01 other"; do
    eval "run -1 zpeer -t 600 -n 9 DEALER $at $frames"
    output=${output#'[][MDPW01][%04]'$'\n'} # a heartbeat may come first
    says '[][MDPW01][%05]'
    is 404
  done
  still_serves
}

# bats test_tags=wire
@test "clause 12: a reply to another client gets a DISCONNECT, and the request is dispatched again" {
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 other '' wrong
  registered
  start client zpeer -t 20000 -i me REQ $at MDPC01 echo right
  wait_for worker '%05'
  worker echo
  ends client
  wait_for client '^\[MDPC01\]\[echo\]\[right\]$'
}

# bats test_tags=wire
@test "clause 13: an invalid message is dropped, and its sender is no worker any longer" {
  broker -i 60000               # sends no heartbeat in between
  local frames n=0
  for frames in "x" "'' MDPW01" "'' MDPW01 ''" "'' MDPW01 %00" "'' MDPW01 %06" \
    "'' MDPW01 %01%01" "'' MDPW01 %01" "'' MDPW01 %01 ''" "'' MDPW01 %01 a b" \
    "'' MDPW01 %03" "'' MDPW01 %03 a" "'' MDPW01 %03 a ''" "'' MDPW01 %03 a b c" \
    "'' MDPW01 %04 x" "'' MDPW01 %05 x" "'' MDPW02 %04" "MDPW01 %04"; do
    eval "run -0 answer $frames %, '' MDPC01 mmi.service x"
    [[ $output == '[][MDPC01][mmi.service][404]' ]]     # no answer to an unknown peer
    dropped $((++n))
    eval "run -0 answer '' MDPW01 %01 echo %, $frames"
    says '[][MDPW01][%05]'
    dropped $((++n))
  done
  is 404
  still_serves
}

@test "clause 14: a worker that got DISCONNECT registers again on a new socket" {
  start fake zpeer -b -r 0 -n 1 -t 20000 ROUTER ipc://fake
  start worker mdworker -i 20000 ipc://fake
  ends fake
  kill9 worker
  broker
  start again mdworker -i 100 $at
  wait_for broker 'worker registered'
  stop broker
  wait_for again 'disconnected by the broker, registering again'
  broker
  wait_for broker 'worker registered' 2
  still_serves
}

@test "clause 14: a worker that always gets DISCONNECT registers at its interval" {
  local began=${EPOCHREALTIME/./}
  start fake zpeer -b -r 100 -w 20 -n 0 DEALER ipc://fake '' MDPW01 %05
  start worker mdworker -i 400 ipc://fake
  wait_for worker 'disconnected by the broker, registering again' 4
  (((${EPOCHREALTIME/./} - began) / 1000 >= 1200))
  stop worker                                   # while it waits
}

# bats test_tags=wire
@test "clause 15: REQUEST and REPLY have one client address and an empty frame" {
  broker
  raw worker '' MDPW01 %01 echo '%;' '' MDPW01 %03 ID x ''
  registered
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
  is_foreign mdworker || wait_for echo 'dropped a malformed message' 8
}

@test "clause 15: a worker drops a request of more frames than its reply may have" {
  start fake zpeer -b -n 2 -t 20000 DEALER ipc://fake \
    '' MDPW01 %02 c '' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 '%,' '' MDPW01 %02 c '' yes
  wait_for fake 'bound'
  start echo mdworker ipc://fake
  ends fake
  wait_for fake '^\[\]\[MDPW01\]\[%03\]\[c\]\[\]\[yes\]$'
  stop echo
}

# bats test_tags=wire
@test "clause 16: a HEARTBEAT before READY gets a DISCONNECT" {
  broker -i 60000               # sends no heartbeat in between
  run -0 answer '' MDPW01 %04 '%;' '' MDPW01 %01 echo '%,' '' MDPW01 %04 \
    '%,' '' MDPW01 %03 nobody '' x
  says '[][MDPW01][%05]'$'\n''[][MDPW01][%05]'
}

# bats test_tags=wire
@test "clause 17: any command from the broker shows a worker that it is alive" {
  start fake zpeer -b -n 0 -r 12 -w 100 DEALER ipc://fake '' MDPW01 %02 me '' x
  wait_for fake 'bound'
  start worker mdworker -i 200 ipc://fake
  ends fake
  [[ $(lines_of worker 'silent') == 0 ]]
}

@test "clauses 17 and 18: a peer that sends other commands sends no HEARTBEAT" {
  broker -v -i 700
  worker echo -v -i 700
  mdclient2 -n 4000 $at
  run -0 eval "sed -n '/Hello/,\$p' echo.log | tac | sed -n '/Hello/,\$p'"
  run ! grep -c '\[MDPW01\] \[04\]' <<<"$output"
  [[ $(lines_of broker 'removed') == 0 ]]
}

@test "clause 19: the broker sends HEARTBEAT to idle and to busy workers" {
  broker -i 250
  raw busy '' MDPW01 %01 echo
  wait_for broker 'worker registered'
  tell '' MDPC01 echo work
  wait_for busy 'work'
  wait_for busy '%04' 5                         # although it never sends any
  raw waiting '' MDPW01 %01 echo
  wait_for waiting '%04' 2
}

# bats test_tags=wire
@test "clause 20: an idle worker that is silent is removed after 3 to 4 intervals" {
  broker -i 400
  worker echo -i 400
  local began=${EPOCHREALTIME/./}
  raw silent '' MDPW01 %01 silent
  registered 1 silent
  becomes 200 2000 silent
  becomes 404 5000 silent
  (((${EPOCHREALTIME/./} - began) / 1000 >= 1200)) || fail 'it was removed too early'
  is 404 silent
  is 200
}

@test "clause 21: a worker registers again when its broker is silent" {
  broker -i 200
  start worker mdworker -i 200 $at
  wait_for broker 'worker registered'
  freeze broker
  wait_for worker 'silent, registering again'
  thaw broker
  wait_for broker 'worker registered' 2
  still_serves
}

# bats test_tags=wire
@test "clause 22: a removed worker is sent nothing" {
  broker -i 200
  raw silent '' MDPW01 %01 echo
  registered
  becomes 404 5000
  local heartbeats
  heartbeats=$(lines_of silent '%04')
  start client mdclient -n 1 -r 1 -t 20000 $at
  worker echo -i 200
  ends client
  [[ $(lines_of silent '%02') == 0 && $(lines_of silent '%04') == "$heartbeats" ]]
}

@test "clause 24: a client has one request under way, and its abandoned ones expire" {
  start fake zpeer -b -t 1500 -n 1000 ROUTER ipc://fake
  run -1 mdclient -n 10 -r 1 -t 1000 ipc://fake
  ends fake 1
  [[ $(lines_of fake 'Hello') == 1 ]]
  broker -e 300
  run -1 mdclient -n 1 -t 300 $at
  wait_for broker 'request expired' 3
  start late mdworker -v $at
  wait_for broker 'worker registered'
  is 200
  [[ $(lines_of late '\[02\]') == 0 ]]
}

@test "clause 25: a worker has one request at a time" {
  broker
  raw worker '' MDPW01 %01 echo
  wait_for broker 'worker registered'
  zpeer -t 5000 -r 5 DEALER $at '' MDPC01 echo work '%,' '' MDPC01 mmi.service x
  wait_for worker '%02'
  is 200
  worker echo
  wait_for broker 'message dropped: Host unreachable' 4       # their clients have disconnected
  [[ $(lines_of worker '%02') == 1 ]]
}

# bats test_tags=wire
@test "clauses 26 and 29: the broker serves mmi services; unknown ones return 501" {
  broker
  worker echo
  run -0 answer '' MDPC01 mmi.other echo
  says '[][MDPC01][mmi.other][501]'
  run -0 answer '' MDPC01 mmi. echo
  says '[][MDPC01][mmi.][501]'
  run -0 answer '' MDPC01 mmi.service echo and more
  says '[][MDPC01][mmi.service][200]'
}

# bats test_tags=wire
@test "clause 27: a worker for an mmi service gets a DISCONNECT; a worker's id may be anything" {
  broker
  run -0 answer '' MDPW01 %01 mmi.service
  says '[][MDPW01][%05]'
  run -0 answer '' MDPW01 %01 mmi.
  says '[][MDPW01][%05]'
  start worker zpeer -i mmi.service -n 1000 -t 20000 DEALER $at '' MDPW01 %01 mmi
  registered 1 mmi
  is 200 mmi
}

# bats test_tags=wire
@test "clause 28: mmi.service returns 200 with a worker, idle or busy, and 404 without" {
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

# bats test_tags=wire
@test "clause 23: a lost worker's request goes to the next worker" {
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
}
