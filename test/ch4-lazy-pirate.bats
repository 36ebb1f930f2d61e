load helpers
load pirates

# bats test_tags=demo:lazy-pirate
@test "lazy pirate: replies are 1, 2, 3, ... through kill -9, freeze and cut" {
  hosts a b
  note 'a client that sends again when no reply arrives, and one server'
  on b start server lpserver -t "$(ms 300 30)" -f 0 tcp://10.77.0.2:5555
  on a start client lpclient -t "$(ms 700 150)" -r 50 tcp://10.77.0.2:5555
  wait_for client 'I: reply 2$'
  note 'kill -9 the server: the client sends again until a new server replies'
  kill9 server
  wait_for client 'no reply'
  on b start server lpserver -t "$(ms 300 30)" -f 0 tcp://10.77.0.2:5555
  wait_for client 'I: reply 4$'
  note 'freeze the server: its late replies go to sockets that are closed'
  freeze server
  more client 'no reply'
  thaw server
  more client 'I: reply' 2
  note 'cut the network: the same'
  cut b
  more client 'no reply'
  heal b
  more client 'I: reply' 2
  in_order client
  note 'While there is no server there is no service: Simple Pirate has several.'
  stop client INT
  stop server
}

@test "lazy pirate: many clients start before the server, and are all served" {
  local clients=(c1 c2 c3 c4 c5)
  for client in "${clients[@]}"; do
    start "$client" lpclient -n 5 -t 400 -r 20 ipc://server
  done
  wait_for c5 'no reply'
  start server lpserver -t 5 -f 0 ipc://server
  for client in "${clients[@]}"; do
    ends "$client"
    in_order "$client"
  done
  stop server
}

@test "lazy pirate: a client gives up after three tries of 2500 ms" {
  local from=${EPOCHREALTIME/[.,]/} elapsed
  start client lpclient ipc://nobody
  ends client 1
  elapsed=$((${EPOCHREALTIME/[.,]/} - from))
  ((elapsed >= 7450000 && elapsed < 10000000))
  [[ $(lines_of client 'W: no reply to request 1 in 2500 ms') == 3 ]]
  [[ $(tail -n 1 client.log) == 'E: the server does not reply' ]]
}

@test "lazy pirate: a client without a server ends after its last try" {
  start client lpclient -t 50 -r 2 ipc://nobody
  ends client 1
  [[ $(lines_of client 'W: no reply to request 1 in 50 ms') == 2 ]]
}

# ---- Faults -----------------------------------------------------------------------

@test "lazy pirate: replies are 1, 2, 3, ... through simulated faults" {
  local crashes=0
  start client lpclient -n "$(rounds 30 1000)" -t 60 -r 50 ipc://server
  until ended client; do
    start server lpserver -t 15 -s "$((++crashes))" ipc://server
    until ended server || ended client; do nap 0.02; done
    if ended server; then ends server 1; else stop server; fi
  done
  ends client
  in_order client
  ((crashes > 2 && $(lines_of server overload) > 2))
  [[ $(replies client | tail -n 1) == "$(rounds 30 1000)" ]]
}

@test "lazy pirate: the same seed causes the same faults" {
  for run in one two; do
    start "$run" lpserver -t 1 -s 7 "ipc://$run"
    wait_for "$run" 'bound'
    lpclient -n 20 -t 200 -r 1 "ipc://$run" >/dev/null 2>&1 || :
    ends "$run" 1
  done
  diff <(sed 's/two$/one/' two.log) one.log
}

@test "lazy pirate: an overloaded server costs one retry" {
  for ((seed = 9; seed <= 60; seed++)); do # until only request 4 is slow
    start server lpserver -t 200 -s "$seed" "ipc://$seed"
    wait_for server 'bound'
    run lpclient -n 4 -t 500 -r 2 "ipc://$seed"
    if ! ended server; then
      stop server
      if ((status == 0 && $(lines_of server 'overload') == 1)); then break; fi
    fi
    rm server.log
  done
  ((status == 0))
  [[ $(grep -c 'no reply' <<<"$output") == 1 ]]
  [[ $(lines_of server 'request 4') == 2 ]]
}

@test "lazy pirate: Ctrl-C ends client and server in any state" {
  for _ in $(seq "$(rounds 3 50)"); do
    rm -f ./*.log
    start server lpserver -t 60000 ipc://server
    start client1 lpclient ipc://server
    start client2 lpclient ipc://nobody
    moment 200
    for name in client1 server client2; do
      wait_for "$name" '^I' # it awaits signals by then
      if ((RANDOM % 2)); then stop "$name" INT; else stop "$name"; fi
    done
  done
}

# ---- Malformed input --------------------------------------------------------------

@test "lazy pirate: a client accepts no reply but that to its request" {
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

# bats test_tags=wire
@test "lazy pirate: the server returns any bytes, and survives malformed messages" {
  start server lpserver -t 0 -f 0 ipc://server
  is_foreign lpserver || bound server
  any_bytes ipc://server
  malformed ipc://server
  # After a malformed message of a client that has disconnected, libzmq's REP
  # may lose the next reply.
  run -0 lpclient -n 3 -t 500 -r 9 ipc://server
  stop server
}

@test "lazy pirate: the server prints control characters of a client as ?" {
  start server lpserver -t 0 -f 0 ipc://server
  run -0 zpeer -t 5000 REQ ipc://server '%1B[31m%0Ared%FF%9B'
  [[ $output == '[%1B[31m%0Ared%FF%9B]' ]]
  wait_for server $'^I: request \\?\\[31m\\?red\xff\\?$'
}

# ---- Limits -----------------------------------------------------------------------

@test "lazy pirate: values that mean nothing are refused" {
  for options in '-t 0' '-r 0' '-t x' '-n -1'; do
    # shellcheck disable=SC2086 # two words
    run -2 lpclient $options
  done
  run -2 lpserver -f 101
  start server lpserver -t 0 -f 100 -s 1 ipc://server
  run -0 lpclient -n 3 -t 999999999 -r 999999999 ipc://server
}
