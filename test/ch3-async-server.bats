load helpers

# bats test_tags=demo:asynchronous-server
@test "asynchronous server: each request gets 0 to 4 replies, which reach its client" {
  note 'three clients send a request every second and wait for nothing'
  start asyncsrv asyncsrv -t 0 tcp://127.0.0.1:*
  three_clients() { [[ $(sed -n 's/ request.*//p' asyncsrv.log | sort -u | wc -l) -eq 3 ]]; }
  wait_until three_clients
  wait_for asyncsrv '^[0-9A-F]{4}-[0-9A-F]{4} request #[1-9][0-9]*$' 40
  stop asyncsrv
  run ! grep -vE '^I: |^[0-9A-F]{4}-[0-9A-F]{4} request #[1-9][0-9]*$' asyncsrv.log
  run -0 awk '/request/ && ++replies[$0] > 4 { exit 1 }' asyncsrv.log
}

@test "asynchronous server: it ends after its run time" {
  run -0 asyncsrv -t 300 tcp://127.0.0.1:*
}

@test "asynchronous server: a reply has all frames of its request" {
  start server asyncsrv -t 0 -c 0 -s 1 ipc://server
  wait_for server 'bound'
  start plain zpeer -r 20 -n 100 -t 9000 DEALER ipc://server 'one frame'
  start framed zpeer -r 20 -n 100 -t 9000 DEALER ipc://server '' 'pay%00load' ''
  wait_for plain '^\[one frame\]$' 8
  wait_for framed '^\[\]\[pay%00load\]\[\]$' 8
  run ! grep -v '^\[one frame\]$' plain.log
  run ! grep -v '^\[\]\[pay%00load\]\[\]$' framed.log
  kill9 plain
  stop server INT
}

# ---- Malformed input --------------------------------------------------------------

@test "asynchronous server: a request of too many frames is dropped" {
  start server asyncsrv -t 0 -c 0 ipc://server
  wait_for server 'bound'
  zpeer -n 0 DEALER ipc://server 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
  wait_for server '^W: dropped a malformed message of 0 frames from a client'
  run -0 zpeer -r 8 -t 9000 DEALER ipc://server after
  stop server
}
