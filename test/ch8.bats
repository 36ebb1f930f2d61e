# eagain: peers that are frozen or have not started. See ch8-*.bats for the others.

load helpers

@test "eagain: without a peer four messages are queued, and the fifth is refused" {
  start node eagain ipc://nobody
  within 1000 ended node
  ends node
  diff - node.log <<'END'
message 0 to 1 peers
message 1 to 1 peers
message 2 to 1 peers
message 3 to 1 peers
message 4 to 1 peers
W: peer dropped: ipc://nobody: Resource temporarily unavailable
END
  run -0 timeout "$WAIT_S" eagain -m 0 -o 1 ipc://nobody
  [[ $output == *'message 1'*dropped* ]]
  run -0 timeout "$WAIT_S" eagain -m 0 -o 20 ipc://nobody
  [[ $output == *'message 9 to 1 peers' ]]
  run -2 eagain -o 0
  run -2 eagain -z 1000001
  run -2 eagain {1..65}
}

@test "eagain: a peer that receives gets all ten messages, and its replies are dropped" {
  start peer zpeer -b -e -n 0 -t 60000 DEALER ipc://peer
  wait_for peer bound
  start node eagain -m 6 ipc://peer
  ends node
  wait_for peer '^\[message [0-9]\]$' 10
  [[ $(lines_of node '^message . to 1 peers') == 10 && $(lines_of node 'peer dropped') == 0 ]]
  wait_for node '^W: reply dropped: 1 frames from ipc://peer$' 5
}

@test "eagain: more than a hundred replies that wait are dropped, a hundred at a time" {
  start peer zpeer -b -r 400 -n 20 -t 60000 DEALER ipc://peer '%{100}'
  wait_for peer bound
  start node eagain -n 20 -m 20 -o 100 ipc://peer
  ends node
  [[ $(lines_of node '^W: reply dropped: 1 frames') -gt 100 ]]
}

@test "eagain: the last messages are sent before it ends" {
  start peer zpeer -b -n 50 -t 20000 DEALER ipc://peer
  wait_for peer bound
  run -0 timeout "$WAIT_S" eagain -n 50 -m 0 -o 50 -z 100000 ipc://peer
  ends peer
}

# bats test_tags=demo:blocked-peer
@test "eagain: a frozen peer is dropped, and the others are not delayed" {
  local n frozen
  # Print the number of each message and the size of its second frame.
  for n in 1 2 3; do
    start peer$n bash -c "zpeer -b -n 75 -t 3000 DEALER ipc://peer$n \
      | awk -F '[][ ]' '/^.message/ { print \"took\", \$3, length(\$5) / 3; fflush() }'"
    wait_until test -S peer$n
  done
  note 'three peers; the second one will freeze'
  start node eagain -n 75 -m 25 -o 10 -z 30000 ipc://peer1 ipc://peer2 ipc://peer3
  wait_for node 'message 5'
  frozen=$(pgrep -P "${pid_of[peer2]}" zpeer)
  kill -STOP "$frozen"
  wait_for node '^W: peer dropped: ipc://peer2'
  within 10000 ended node
  ends node
  [[ $(lines_of node 'peer dropped') == 1 && $(lines_of node 'message .* to') == 75 ]]
  ends peer1
  ends peer3
  [[ $(lines_of peer1 '^took [0-9]+ 30000$') == 75 ]]
  [[ $(lines_of peer3 '^took [0-9]+ 30000$') == 75 ]]
  note 'it resumes: it has received the first messages, without a gap'
  kill -CONT "$frozen"
  ends peer2
  n=$(lines_of peer2 '^took')
  ((n > 0 && n < 75))
  diff peer2.log <(head -n "$n" peer1.log)
}

@test "eagain: a peer whose name cannot be resolved does not delay the others" {
  if ! unshare -nm true 2>/dev/null; then skip 'no right to make namespaces'; fi
  write_silent_name_server
  cat >resolve.sh <<'END'
. ./silent_name_server.sh
zpeer -b -n 60 -t 20000 DEALER tcp://127.0.0.1:9876 & peer=$!
"$@"
status=$?
wait $peer || status=$?
kill $name_server
exit $status
END
  start node unshare -nm bash resolve.sh eagain -n 60 -m 100 -o 40 \
    tcp://nohost.example:9876 tcp://127.0.0.1:9876
  wait_for node '^W: peer dropped: tcp://nohost'
  ends node
  [[ $(lines_of node '^\[message [0-9]+\]$') == 60 && $(lines_of node 'peer dropped') == 1 ]]
}

@test "eagain: it ends when all peers are dropped, and on Ctrl-C" {
  run -0 timeout "$WAIT_S" eagain -n 0 -m 0 ipc://one ipc://two
  [[ $(grep -c dropped <<<"$output") == 2 ]]
  start peer zpeer -b -n 100000 -t 20000 DEALER ipc://peer
  wait_for peer bound
  start node eagain -n 0 -m 6 ipc://peer
  wait_for node 'message 5'
  stop node
}
