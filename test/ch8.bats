# eagain: peers that are frozen or have not started. See ch8-*.bats for the others.

load helpers

@test "eagain: without a peer four messages are queued, and the fifth is refused" {
  local from=${EPOCHREALTIME/[.,]/}
  run -0 timeout "$WAIT_S" eagain ipc://nobody
  diff - <(echo "$output") <<'END'
message 0 to 1 peers
message 1 to 1 peers
message 2 to 1 peers
message 3 to 1 peers
message 4 to 1 peers
W: peer dropped: ipc://nobody: Resource temporarily unavailable
END
  ((${EPOCHREALTIME/[.,]/} - from < 1000000))
  run -0 timeout "$WAIT_S" eagain -m 0 -o 1 ipc://nobody
  [[ $output == *'message 1'*dropped* ]]
  run -0 timeout "$WAIT_S" eagain -m 0 -o 20 ipc://nobody
  [[ $output == *'message 9 to 1 peers' ]]
  run -2 eagain -o 0
}

@test "eagain: a peer that receives gets all ten messages" {
  start peer zpeer -b -n 10 -t 20000 DEALER ipc://peer
  wait_for peer bound
  run -0 timeout "$WAIT_S" eagain -m 6 ipc://peer
  [[ $(grep -c 'message' <<<"$output") == 10 && $output != *dropped* ]]
  ends peer
  [[ $(lines_of peer '^\[message [0-9]\]$') == 10 ]]
}

# bats test_tags=demo:blocked-peer
@test "eagain: a frozen peer is dropped, and the others are not delayed" {
  local from n hung
  # Print the number of each message and the size of its second frame.
  for n in 1 2 3; do
    start peer$n bash -c "zpeer -b -n 75 -t 5000 DEALER ipc://peer$n \
      | awk -F '[][ ]' '/^.message/ { print \"took\", \$3, length(\$5) / 3; fflush() }'"
    wait_until test -S peer$n
  done
  note 'three peers; the second one will freeze'
  start node eagain -n 75 -m 25 -o 10 -z 30000 ipc://peer1 ipc://peer2 ipc://peer3
  wait_for node 'message 5'
  hung=$(pgrep -P "${pid_of[peer2]}" zpeer)
  kill -STOP "$hung"
  from=${EPOCHREALTIME/[.,]/}
  wait_for node '^W: peer dropped: ipc://peer2'
  ends node
  [[ $(lines_of node dropped) == 1 && $(lines_of node 'message .* to') == 75 ]]
  ends peer1
  ends peer3
  ((${EPOCHREALTIME/[.,]/} - from < 10000000))
  [[ $(lines_of peer1 '^took [0-9]+ 30000$') == 75 ]]
  [[ $(lines_of peer3 '^took [0-9]+ 30000$') == 75 ]]
  note 'it resumes: it has received a part without gaps'
  kill -CONT "$hung"
  ends peer2
  n=$(lines_of peer2 '^took')
  ((n > 0 && n < 75))
  diff peer2.log <(head -n "$n" peer1.log)
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
