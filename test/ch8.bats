# Chapter 8: eagain; the rest is in ch8-*.bats. Peers that hang, or are not there.

load helpers

@test "eagain: without a peer four messages wait, the fifth does not" {
  local from=${EPOCHREALTIME/[.,]/}
  run -0 timeout "$WAIT_S" eagain ipc://nobody
  diff - <(echo "$output") <<'END'
Sending message 0
Sending message 1
Sending message 2
Sending message 3
Sending message 4
ipc://nobody: EAGAIN, Resource temporarily unavailable: dropped
END
  ((${EPOCHREALTIME/[.,]/} - from < 1000000))
  run -0 timeout "$WAIT_S" eagain -m 0 -o 1 ipc://nobody
  [[ $output == *'message 1'*EAGAIN* ]]
  run -0 timeout "$WAIT_S" eagain -m 0 -o 20 ipc://nobody
  [[ $output == *'message 9' ]]
  run -2 eagain -o 0
}

@test "eagain: with a peer all ten arrive" {
  start peer zpeer -b -n 10 -t 20000 DEALER ipc://peer
  wait_for peer bound
  run -0 timeout "$WAIT_S" eagain -m 6 ipc://peer
  [[ $(grep -c Sending <<<"$output") == 10 && $output != *EAGAIN* ]]
  ends peer
  [[ $(lines_of peer '^\[message [0-9]\]$') == 10 ]]
}

# bats test_tags=demo:blocked-peer
@test "eagain: a peer that hangs is dropped, and the others are not delayed" {
  local from n hung
  # Of each message its number, and how many bytes (as %00) come behind it.
  for n in 1 2 3; do
    start peer$n bash -c "zpeer -b -n 75 -t 5000 DEALER ipc://peer$n \
      | awk -F '[][ ]' '/^.message/ { print \"took\", \$3, length(\$5) / 3; fflush() }'"
    wait_until test -S peer$n
  done
  note 'three peers; the second will hang'
  start node eagain -n 75 -m 25 -o 10 -z 30000 ipc://peer1 ipc://peer2 ipc://peer3
  wait_for node 'message 5'
  hung=$(pgrep -P "${pid_of[peer2]}" zpeer)
  kill -STOP "$hung"
  from=${EPOCHREALTIME/[.,]/}
  wait_for node '^ipc://peer2: EAGAIN'
  ends node
  [[ $(lines_of node EAGAIN) == 1 && $(lines_of node Sending) == 75 ]]
  ends peer1
  ends peer3
  ((${EPOCHREALTIME/[.,]/} - from < 10000000))
  [[ $(lines_of peer1 '^took [0-9]+ 30000$') == 75 ]]
  [[ $(lines_of peer3 '^took [0-9]+ 30000$') == 75 ]]
  note 'it goes on: what it has is whole, and without a gap'
  kill -CONT "$hung"
  ends peer2
  n=$(lines_of peer2 '^took')
  ((n > 0 && n < 75))
  diff peer2.log <(head -n "$n" peer1.log)
}

@test "eagain: nobody left to send to is an end, and so is Ctrl-C" {
  run -0 timeout "$WAIT_S" eagain -n 0 -m 0 ipc://one ipc://two
  [[ $(grep -c EAGAIN <<<"$output") == 2 ]]
  start peer zpeer -b -n 100000 -t 20000 DEALER ipc://peer
  wait_for peer bound
  start node eagain -n 0 -m 6 ipc://peer
  wait_for node 'message 5'
  stop node
}
