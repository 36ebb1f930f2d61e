load helpers

all=(ipc://s1 ipc://s2 ipc://s3)

# up PROGRAM N... - start servers N... of s1 to s3
up() { # PROGRAM N...
  local program=$1 n
  shift
  for n; do
    rm -f "s$n.log"
    start "s$n" "$program" "${verbose[@]}" "ipc://s$n"
  done
  for n; do
    if is_foreign "$program"; then
      wait_until test -S "s$n"
    else
      wait_for "s$n" 'bound to'
    fi
  done
}
verbose=()

# requests NAME - print the numbers of the requests that this server received
requests() {
  sed -nE 's/^I: request ([0-9]+)$/\1/p' "$1.log"
}

# asks MODEL COUNT MS - a client of all three servers has COUNT replies within MS
asks() {
  start client "flclient$1" -n "$2" "${all[@]}"
  within "$3" ended client
  ends client
  wait_for client '^Average round trip: [0-9]+ us$'
}

# ---- model one --------------------------------------------------------------

@test "freelance 1: a dead server is passed over and the next one replies" {
  up flserver1 2
  run -0 flclient1 ipc://s1 ipc://s2 ipc://s3
  diff - <(echo "$output") <<'END'
I: asking ipc://s1
W: no reply from ipc://s1
I: asking ipc://s2
Reply from ipc://s2
END
  run -0 flclient1 ipc://s2 ipc://s1
  [[ $output != *W:* ]]
  stop s2
}

@test "freelance 1: one server is tried three times, several servers once each" {
  run -1 flclient1 -t 100 ipc://s1
  [[ $(grep -c 'W: no reply from ipc://s1' <<<"$output") == 3 ]]
  [[ $output != *'Reply'* ]]
  run -1 flclient1 -t 100 -r 5 ipc://s1
  [[ $(grep -c 'W: no reply from ipc://s1' <<<"$output") == 5 ]]
  run -1 flclient1 -t 100 "${all[@]}"
  [[ $(grep -c 'W: no reply' <<<"$output") == 3 ]]
}

@test "freelance 1: any request is returned, and an unexpected reply is dropped" {
  up flserver1 1
  zpeer REQ ipc://s1 '' | grep -x '\[\]'
  zpeer REQ ipc://s1 'a%00b' '' c | grep -x '\[a%00b\]\[\]\[c\]'
  [[ $(zpeer REQ ipc://s1 '%{1000000}' | wc -c) == 1000003 ]]
  zpeer REQ ipc://s1 a b c d e f g h i j k l m n o p q r s t u v w
  wait_for s1 'W: dropped'
  flclient1 ipc://s1 | grep 'Reply from'
  stop s1
  # flserver2 expects other frames; client and server survive.
  up flserver2 2
  run -1 flclient1 -t 300 -r 1 ipc://s2
  [[ $output == *'W: dropped'* ]]
  stop s2
}

# ---- model two --------------------------------------------------------------

@test "freelance 2: any of three servers is enough" {
  local n
  for n in 1 2 3; do
    up flserver2 $n
    asks 2 1 2000
    asks 2 1000 20000
    stop "s$n"
  done
}

@test "freelance 2: each server gets each request, once" {
  local n first=0
  verbose=(-v)
  up flserver2 1 2 3
  start client flclient2 -n 9999999 "${all[@]}"
  for n in 1 2 3; do
    wait_for "s$n" request
    n=$(requests "s$n" | head -n 1)
    if ((first < n)); then first=$n; fi
  done
  # From this number on all three were connected.
  for n in 1 2 3; do
    wait_for "s$n" "request $((first + 300))$"
    diff <(requests "s$n" | grep -A299 -x $((first + 1))) \
      <(seq $((first + 1)) $((first + 300)))
  done
  stop client
  for n in 1 2 3; do stop "s$n"; done
}

@test "freelance 2: the only live server of three gets each request once" {
  verbose=(-v)
  up flserver2 2
  run -0 flclient2 -n 20 "${all[@]}"
  diff <(requests s2) <(seq 20)
  stop s2
}

# bats test_tags=wire
@test "freelance 2: request and reply have the frames of the Guide" {
  up flserver2 1
  zpeer DEALER ipc://s1 '' 7 'random name' | grep -x '\[\]\[7\]\[OK\]'
  zpeer DEALER ipc://s1 '' 'a%00b' '' | grep -x '\[\]\[a%00b\]\[OK\]'
  zpeer REQ ipc://s1 one
  zpeer REQ ipc://s1 a b c d e f g h i j k l m n o p q r s t u v w
  is_foreign flserver2 || wait_for s1 'W: dropped' 2
  stop s1
  start s1 zpeer -b -t 10000 ROUTER ipc://s1
  wait_for s1 'peer bound'
  run -1 flclient2 -n 1 -t 200 ipc://s1
  wait_for s1 '^\[.*\]\[\]\[1\]\[random name\]$'
}

@test "freelance 2: without a server the client gives up after its timeout" {
  start client flclient2 "${all[@]}"
  within 6000 ended client
  ends client 1
  [[ $(lines_of client Average) == 0 && $(lines_of client E:) == 1 ]]
}

@test "freelance 2: a server that starts later receives no old request" {
  local last
  verbose=(-v)
  up flserver2 1
  start client flclient2 -n 9999999 "${all[@]}"
  wait_for s1 'request 1000$'
  last=$(requests s1 | tail -n 1)
  up flserver2 2
  wait_for s2 'request'
  (($(requests s2 | head -n 1) > last))
  stop client
  stop s1
  stop s2
}

@test "freelance 2: kills and freezes at random moments fail no request" {
  faults flserver2 flclient2
}

@test "freelance 2: a late reply is not taken for a current one" {
  start s1 zpeer -b -n 1 -t 5000 -r 20 -w 20 DEALER ipc://s1 '' 0 OK
  wait_for s1 bound
  run -1 flclient2 -n 1 -t 300 ipc://s1
  start s2 zpeer -b -n 5 -t 5000 -r 20 -w 20 DEALER ipc://s2 1 OK
  wait_for s2 bound
  run -1 flclient2 -n 1 -t 300 ipc://s2
  [[ $output == *'W: dropped'* ]]
}

# faults SERVER CLIENT - while a client works, kill or freeze one of three servers,
# again and again
faults() {
  local n i
  up "$1" 1 2 3
  start client "$2" -n 9999999 "${all[@]}"
  wait_until awaits_signals client
  for ((i = $(rounds 4 100); i > 0; i--)); do
    moment 300
    n=$((RANDOM % 3 + 1))
    if ((RANDOM % 2)); then
      kill9 s$n
      moment 900
      up "$1" $n
    else
      freeze s$n
      moment 900
      thaw s$n
    fi
  done
  stop client INT               # the client has not given up
  ! grep . client.log
  for n in 1 2 3; do stop s$n; done
}

# ---- model three ------------------------------------------------------------

# bats test_tags=demo:freelance
@test "freelance 3: requests move from a dead server to a live one, and return" {
  local n pause=20
  if [[ ${SHOW-} ]]; then pause=400; fi
  note 'three servers, and a client that asks a live one'
  verbose=(-v)
  up flserver3 1 2 3
  start client flecho -C -t 1000 -n 9999 -i $pause "${all[@]}"
  wait_for client 'OK reply' 3
  for n in 1 2 3; do
    kill9 "s$n"
    wait_for client 'OK reply' $(($(lines_of client 'OK reply') + 2))
    up flserver3 $n
    wait_for client 'OK reply' $(($(lines_of client 'OK reply') + 2))
  done
  note 'all but one die'
  kill9 s1
  kill9 s3
  wait_for client 'OK reply' $(($(lines_of client 'OK reply') + 2))
  run ! grep failed client.log
  note 'the last one dies, and a request fails'
  kill9 s2
  wait_for client 'failed'
  up flserver3 3
  wait_for client 'OK reply' $(($(lines_of client 'OK reply') + 2))
  stop client
  stop s3
}

@test "freelance 3: any of three servers is enough, at once" {
  local n
  for n in 1 2 3; do
    up flserver3 $n
    asks 3 1 2000
    asks 3 1000 20000
    stop "s$n"
  done
}

@test "freelance 3: without a server the client gives up after its timeout" {
  start client flclient3 "${all[@]}"
  within 6000 ended client
  ends client 1
  [[ $(lines_of client Average) == 0 && $(lines_of client E:) == 1 ]]
}

# bats test_tags=wire
@test "freelance 3: a server replies as RFC 10 says" {
  up flserver3 1
  zpeer DEALER ipc://s1 PING | grep -x '\[PONG\]'
  zpeer -i 'me' DEALER ipc://s1 'a%00b' body | grep -x '\[a%00b\]\[OK\]'
  zpeer DEALER ipc://s1 '' body more '' | grep -x '\[\]\[OK\]'
  zpeer DEALER ipc://s1 PING x | grep -x '\[PING\]\[OK\]'
  zpeer -n 0 DEALER ipc://s1 PONG
  zpeer -n 0 DEALER ipc://s1 ''
  zpeer -n 0 DEALER ipc://s1 a b c d e f g h i j k l m n o p q r s t u v w
  is_foreign flserver3 || wait_for s1 'W: dropped' 3
  stop s1
}

@test "freelance 3: a server may have any routing id" {
  start one flserver3 tcp://127.0.0.1:* tcp://somewhere:5555
  endpoint=$(bound one)
  flclient3 -n 1 "$endpoint"
  flclient3 -n 1 "${endpoint/127.0.0.1/localhost}"
  stop one
}

@test "freelance 3: a server gets requests only after it has answered a PING" {
  start s1 zpeer -b -t 10000 -n 20 -e ROUTER ipc://s1 # returns PING instead of PONG
  start s2 flecho -S ipc://s2
  wait_for s1 bound
  wait_for s2 bound
  run -0 flclient3 -n 20 -t 1000 -i 50 ipc://s1 ipc://s2
  run -1 flclient3 -n 1 -t 300 -i 50 ipc://s1
  wait_for s1 '\[PING\]$' 4
  run ! grep 'random name' s1.log
}

@test "freelance 3: a slow server gets a request once" {
  start s1 flecho -S -t 2200 ipc://s1
  wait_for s1 bound
  start client flecho -C ipc://s1
  wait_for client 'request 1: right reply after 2[2-9]'
  ends client
  [[ $(lines_of s1 request) == 1 ]]
  stop s1
}

@test "freelance 3: late and duplicate replies are not taken for another request" {
  start s1 flecho -S -r 3 ipc://s1
  start s2 flecho -S -t 600 ipc://s2
  wait_for s1 bound
  wait_for s2 bound
  start client flecho -C -n 300 ipc://s1
  start client2 flecho -C -n 5 -i 30 -t 500 ipc://s2
  start client3 flecho -C -n 20 -i 30 ipc://s2 ipc://s1
  ends client
  [[ $(lines_of client right) == 300 ]]
  ends client2
  ends client3
  [[ $(lines_of client2 WRONG) == 0 && $(lines_of client3 right) == 20 ]]
  stop s1
  stop s2
}

@test "freelance 3: an application that pauses gets the right replies" {
  start s1 flecho -S ipc://s1
  wait_for s1 bound
  # Each pause is several PING intervals long.
  start client flecho -C -n 3 -i "$(rounds 1000 10000)" ipc://s1
  WAIT_S=60 ends client
  [[ $(lines_of client right) == 3 ]]
  stop s1
}

@test "freelance 3: bodies of any bytes and any size" {
  local size
  start s1 flecho -S ipc://s1
  wait_for s1 bound
  for size in 0 1 255 256 1000000; do
    flecho -C -n 3 -z $size ipc://s1 >replies
    [[ $(grep -c right replies) == 3 ]]
  done
  run -0 flecho -C -z 1500000 -t 500 ipc://s1 # larger than the server accepts
  [[ $output == *failed* ]]
  [[ $(flecho -C ipc://s1) == *right* ]]
  stop s1
}

@test "freelance 3: an abandoned request is not executed later" {
  verbose=(-v)
  up flserver3 1
  start client flecho -C -n 9999 -i 10 ipc://s1 ipc://s2
  wait_for client 'OK reply' 5
  up flserver3 2
  freeze client
  elapse 0.2                    # s1 replies to a request that it may have
  kill9 s1
  thaw client                   # its next request to s1 cannot be sent
  wait_for s2 request 5
  up flserver3 1
  wait_for client 'OK reply' $(($(lines_of client 'OK reply') + 100))
  run ! grep request s1.log
  kill9 s2                      # s1 is in use again
  wait_for s1 request 5
  run ! grep -E 'failed|WRONG' client.log
  stop client
  stop s1
}

@test "freelance 3: kills and freezes at random moments fail no request" {
  faults flserver3 flclient3
}

@test "freelance 3: two of three servers die at once, and the third replies within a second" {
  local n round
  for ((round = $(rounds 2 20); round > 0; round--)); do
    rm -f ./*.log
    for n in 1 2 3; do start s$n flecho -S ipc://s$n; wait_for s$n bound; done
    start client flecho -C -n 9999 -i 5 "${all[@]}"
    wait_for client 'request 20: right'
    kill9 s1
    if ((round % 2)); then kill9 s2; else freeze s2; fi
    from=$(lines_of client right)
    wait_for client right $((from + 50))
    (($(sed -nE 's/.* after ([0-9]+) ms/\1/p' client.log | sort -n | tail -n 1) < 1000))
    run ! grep -E 'WRONG|failed' client.log
    stop client
    stop s3
    kill9 s2 2>/dev/null || :
  done
}

@test "freelance 3: servers that are cut off are left, and used again afterwards" {
  hosts a b c
  on a start s1 flecho -S tcp://10.77.0.1:5555
  on b start s2 flecho -S tcp://10.77.0.2:5555
  wait_for s1 bound
  wait_for s2 bound
  on c start client flecho -C -t 1200 -n 9999 -i 20 tcp://10.77.0.1:5555 tcp://10.77.0.2:5555
  wait_for client 'request 20: right'
  cut a
  wait_for client right $(($(lines_of client right) + 50))
  cut b
  wait_for client failed
  heal a
  wait_for client right $(($(lines_of client right) + 50))
  run ! grep WRONG client.log
  stop client
}

@test "freelance: a server whose name cannot be resolved does not delay the others" {
  if ! unshare -nm true 2>/dev/null; then skip 'no right to make namespaces'; fi
  write_silent_name_server
  local program
  for program in 1 2 3; do
    start "s$program" "flserver$program" "ipc://s$program"
    wait_for "s$program" bound
    start "client$program" unshare -nm bash with_silent_name_server.sh \
      "flclient$program" -t 3000 tcp://nohost.example:5555 "ipc://s$program"
    wait_for "client$program" 'Reply from|Average'
    kill9 "s$program"
  done
}

@test "freelance: all programs stop in any state" {
  local signal
  for signal in INT TERM; do
    rm -f ./*.log
    start client1 flclient1 -t 100000 ipc://none
    start client2 flclient2 -t 100000 ipc://none
    start client3 flclient3 -t 100000 ipc://none
    start server1 flserver1 ipc://s1
    start server2 flserver2 ipc://s2
    start server3 flserver3 ipc://s3
    wait_for server1 bound
    wait_for server2 bound
    wait_for server3 bound
    start busy2 flclient2 -n 9999999 ipc://s2
    start busy3 flclient3 -n 9999999 ipc://s3
    wait_for client1 asking
    moment 300
    for name in client1 client2 client3 busy2 busy3 server1 server2 server3; do
      stop $name $signal
    done
  done
}

@test "freelance: missing and malformed arguments are errors" {
  local program
  for program in flserver1 flclient1 flserver2 flclient2; do
    run -2 $program
    [[ $output == "usage: $program "* ]]
  done
  run -1 flserver1 nowhere
  [[ $output == *nowhere* ]]
  run -1 flclient3 nowhere
  [[ $output == *nowhere* ]]
  run -1 flserver3 ipc://s3 nowhere
  [[ $output == *nowhere* ]]
  run -2 flclient1 -t 0 ipc://s1
  run -2 flclient1 -r 0 ipc://s1
  run -2 flclient2 -t 0 ipc://s1
  run -2 flclient3 -i 0 ipc://s1
  run -2 flclient3 -t 0 ipc://s1
}
