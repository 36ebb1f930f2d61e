load helpers

# Start a broker that runs no workers and no clients.
start_broker() {
  start broker lbbroker -c 0 -w 0 ipc://front ipc://back
  is_foreign lbbroker || wait_for broker 'backend bound'
}

# cpu_ticks NAME - print its CPU time in hundredths of a second
cpu_ticks() {
  awk '{ print $14 + $15 }' "/proc/${pid_of[$1]}/stat"
}

# Start a worker that sends READY, prints each request and returns it as the reply.
start_worker() { # NAME [OPTION...]
  local name=$1
  shift
  start "$name" zpeer -e -n 0 -t 600000 "$@" REQ ipc://back READY
}

# bats test_tags=demo:lbbroker
@test "load balancing: sixty clients and twenty workers: every worker serves its share" {
  local clients workers work=100 n
  clients=$(rounds 60 200) workers=$(rounds 20 50)
  if [[ ${SHOW-} ]]; then clients=12 workers=4 work=1000; fi
  start_broker
  note "$workers workers; each needs $work ms per request"
  for ((n = 1; n <= workers; n++)); do start_worker "worker$n" -w $work; done
  note "$clients clients with one request each"
  for ((n = 1; n <= clients; n++)); do
    start "client$n" zpeer -t 20000 REQ ipc://front "request $n"
  done
  for ((n = 1; n <= clients; n++)); do
    wait_for "client$n" "^\[request $n\]$"
    ends "client$n"
  done
  for ((n = 1; n <= workers; n++)); do
    [[ $(lines_of "worker$n" request) -ge 1 ]]
  done
  stop broker INT
}

@test "load balancing: the program serves its own clients and ends" {
  run -0 lbbroker
  [[ $(grep -c '^Client: OK$' <<<"$output") -eq 10 ]]
  [[ $(grep -c '^Worker: HELLO$' <<<"$output") -eq 10 ]]
  run -0 lbbroker -c 50 -w 1
  [[ $(grep -c '^Client: OK$' <<<"$output") -eq 50 ]]
  run -0 lbbroker -c 3 -w 40 tcp://127.0.0.1:* tcp://127.0.0.1:*
  [[ $(grep -c '^Client: OK$' <<<"$output") -eq 3 ]]
}

# bats test_tags=wire
@test "load balancing: the worker that has been idle longest gets the next request" {
  start_broker
  for n in 1 2 3; do
    start_worker "worker$n"
    until grep -q hello "worker$n.log"; do zpeer -t 5000 REQ ipc://front hello; done
  done
  for turn in {1..9}; do run -0 zpeer -t 5000 REQ ipc://front "turn $turn"; done
  for n in 1 2 3; do
    run -0 sed -n 's/.*turn \(.\)]$/\1/p' "worker$n.log"
    [[ ${#lines[@]} -eq 3 ]]
    ((lines[1] == lines[0] + 3 && lines[2] == lines[1] + 3))
  done
}

# bats test_tags=wire
@test "load balancing: requests wait for the first worker, and none is lost" {
  start_broker
  for n in {1..20}; do
    start "client$n" zpeer -t 20000 REQ ipc://front "request $n"
  done
  start_worker worker
  for n in {1..20}; do
    wait_for "client$n" "^\[request $n\]$"
    ends "client$n"
  done
  stop worker
  stop broker INT
}

@test "load balancing: a broker with waiting requests uses no CPU time" {
  needs_linux /proc
  local spent
  start_broker
  start client zpeer -t 20000 REQ ipc://front hello
  spent=$(cpu_ticks broker)
  elapse 1
  (($(cpu_ticks broker) - spent < 10))
  start_worker worker
  wait_for client '^\[hello\]$'
  ends client
}

# bats test_tags=wire
@test "load balancing: ids and bodies of any bytes pass unchanged" {
  start_broker
  start_worker worker
  wait_for worker '' 0
  run -0 zpeer -i READY -t 5000 REQ ipc://front 'READY'
  [[ $output == '[READY]' ]]
  run -0 zpeer -i $'\001x' -t 5000 REQ ipc://front $'%01'
  [[ $output == '[%01]' ]]
  run -0 zpeer -t 5000 REQ ipc://front '' 'two%00frames' '' 'and more'
  [[ $output == '[][two%00frames][][and more]' ]]
  run -0 zpeer -t 5000 REQ ipc://front '%{1000000}'
  [[ ${#output} -eq 1000002 ]]
  run -0 zpeer -t 5000 REQ ipc://front ''
  [[ $output == '[]' ]]
}

# ---- Faults ---------------------------------------------------------------------

# bats test_tags=wire
@test "load balancing: idle workers that were killed cost no request" {
  start_broker
  for n in {1..5}; do start_worker "dead$n" -i "dead$n"; done
  for n in {1..5}; do run -0 zpeer -t 5000 REQ ipc://front hello; done
  start_worker alive
  for n in {1..6}; do run -0 zpeer -t 5000 REQ ipc://front hello; done
  for n in {1..5}; do kill9 "dead$n"; done
  for n in {1..10}; do
    run -0 zpeer -t 5000 REQ ipc://front hello
  done
  stop alive
}

# bats test_tags=wire
@test "load balancing: a restarted client with a fixed id replaces its old connection" {
  start_broker
  start_worker worker
  start old zpeer -i Lucy -n 9 -t 60000 DEALER ipc://front '' first
  wait_for old '^\[\]\[first\]$'
  freeze old                    # its connection stays open
  run -0 zpeer -i Lucy -t 5000 REQ ipc://front second
  [[ $output == '[second]' ]]
}

# bats test_tags=wire
@test "load balancing: a worker's reply of too many frames leaves the worker in use" {
  local long=(a b c d e f g h i j k l m n o p q r s t u v w)
  start_broker
  start worker zpeer -n 99 -t 60000 DEALER ipc://back '' READY '%;' "${long[@]}" \
    '%;' x '%;' '' 'id' '' '%;' '' READY
  for n in 1 2 3; do
    start "client$n" zpeer -t 60000 REQ ipc://front "request $n"
    wait_for worker "request $n"
  done
  stop broker
}

# ---- Malformed input --------------------------------------------------------------

@test "load balancing: malformed messages are dropped, and the next request is served" {
  start_broker
  zpeer -n 0 DEALER ipc://front x
  zpeer -n 0 DEALER ipc://front x y z
  zpeer -n 0 DEALER ipc://front 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
  for frames in x "'' x" "x READY" "'' '' ''" "'' READY x" "'' c x OK" "'' c ''"; do
    eval "zpeer -n 0 DEALER ipc://back $frames"
  done
  zpeer -n 0 DEALER ipc://back '' 'READ%00'
  start_worker worker
  wait_for broker 'dropped .* from a worker' 8
  run -0 zpeer -t 5000 REQ ipc://front 'still there?'
  wait_for broker 'dropped .* from a client' 3
  stop broker TERM
}

# bats test_tags=wire
@test "load balancing: a worker that sends READY twice is queued once" {
  start_broker
  # It never replies. When the broker drops the third message, it has both READY.
  start twice zpeer -n 9 -t 60000 DEALER ipc://back '' READY '%,' '' READY '%,' x
  wait_for broker 'dropped .* from a worker'
  start first zpeer -t 20000 REQ ipc://front one
  wait_for twice 'one'
  start second zpeer -t 20000 REQ ipc://front two
  start_worker other
  wait_for second '^\[two\]$'
  [[ $(lines_of twice '^\[') -eq 1 ]]
  stop broker
}

# bats test_tags=wire
@test "load balancing: a request that came through a proxy passes unchanged" {
  start_broker
  start_worker worker
  run -0 zpeer -t 9000 DEALER ipc://front proxy client '' body
  [[ $output == '[proxy][client][][body]' ]]
  run -0 grep -qE '\]\[proxy\]\[client\]\[\]\[body\]$' worker.log
}

@test "load balancing: control characters of a peer are not printed" {
  start broker lbbroker -c 0 -w 1 ipc://front ipc://back
  run -0 zpeer -t 9000 REQ ipc://front '%1B[31mred'
  wait_for broker '^Worker: \?\[31mred$'
}

# ---- Limits -----------------------------------------------------------------------

@test "load balancing: requests of up to 18 frames in all are served, longer ones dropped" {
  local body=(b c d e f g h i j k l m n o p q)
  start_broker
  start_worker worker
  run -0 zpeer -t 9000 REQ ipc://front "${body[@]}"
  [[ $output == "[b]"*"[q]" ]]
  zpeer -n 0 REQ ipc://front "${body[@]}" one-more
  wait_for broker '^W: dropped a malformed message of 19 frames from a client'
  run -0 zpeer -t 9000 REQ ipc://front next
}

# register_strangers SOCKET READY - connect a thousand workers, one after the other,
# that register and die
register_strangers() {
  perl -MIO::Socket::UNIX -e '
    my $greeting = pack("C a8 C C C a20 x32", 0xff, "", 0x7f, 3, 0, "NULL");
    my $body = pack("C/a*", "READY") . pack("C/a* N/a*", "Socket-Type", "DEALER");
    my $ready = pack("C C/a*", 4, $body);
    my $message = pack("C C/a* C C/a*", 1, "", 0, $ARGV[1]);
    for (1 .. 1000) {
      my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
      my $answer = "";
      syswrite($s, $greeting . $ready);
      sysread($s, $answer, 999, length $answer) or die until $answer =~ /Socket-Type.+ROUTER/s;
      syswrite($s, $message);
      shutdown($s, 1);
      1 while sysread($s, $answer, 999);
    }' "$@"
}

@test "load balancing: a thousand strangers that register displace no idle worker" {
  local commands=("lbbroker -c 0 -w 0 ipc://front ipc://back"
    "peering2 -c 0 -w 0 me" "peering3 -c 0 -w 0 me")
  local fronts=(front me-localfe.ipc me-localfe.ipc)
  local backs=(back me-localbe.ipc me-localbe.ipc) readys=(READY %01 %01) n
  for n in 0 1 2; do
    eval "start broker ${commands[n]}"
    start worker zpeer -e -n 0 -t 600000 REQ "ipc://${backs[n]}" "${readys[n]}"
    run -0 zpeer -t 9000 REQ "ipc://${fronts[n]}" first
    register_strangers "${backs[n]}" "${readys[n]/\%01/$'\001'}"
    wait_for broker '^W: worker ignored, 1000 are idle already'
    for turn in 1 2 3; do run -0 zpeer -t 9000 REQ "ipc://${fronts[n]}" "$turn"; done
    stop broker
    kill9 worker
    rm ./*.log
  done
}
