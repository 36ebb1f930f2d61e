load helpers

# bats test_tags=demo:envelopes
@test "envelopes: a subscriber receives whole messages with its key, and no others" {
  note 'a publisher with two keys, and two subscribers to key B'
  start publisher psenvpub ipc://pub
  wait_for publisher 'bound'
  start first psenvsub ipc://pub
  start second psenvsub ipc://pub B
  wait_for first '^\[B\] This is what we asked for$' 2
  wait_for second '^\[B\] This is what we asked for$' 2
  run ! grep -v '^\[B\] This is what we asked for$' first.log second.log
  stop publisher INT
  stop first TERM
  stop second INT
}

@test "envelopes: the publisher ends after -n pairs, and needs no subscriber" {
  run -0 psenvpub -n 1 ipc://pub
}

# bats test_tags=wire
@test "envelopes: each message is a key frame and a data frame" {
  start publisher psenvpub ipc://pub
  run -0 zpeer -t 5000 -n 4 SUB ipc://pub ''
  [[ $output == *'[A][This is for others]'* ]]
  [[ $output == *'[B][This is what we asked for]'* ]]
}

# Publish these frames 500 times.
publish() { # FRAME...
  start peer zpeer -b -r 500 -w 20 -n 0 PUB ipc://pub "$@"
}

@test "envelopes: a subscription is a prefix, and a longer key is marked" {
  publish BANANA data
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[BANANA\] data \(only the prefix matches\)$'
}

@test "envelopes: data that looks like the key does not match a subscription" {
  start other zpeer -b -r 300 -w 20 -n 0 PUB ipc://other A B
  start empty zpeer -b -r 300 -w 20 -n 0 PUB ipc://empty '' B
  publish B marker
  start strict psenvsub ipc://other B
  start blank psenvsub ipc://empty B
  start subscriber psenvsub ipc://pub B
  wait_for subscriber 'marker' 20
  [[ ! -s strict.log && ! -s blank.log ]]
}

# ---- Faults ---------------------------------------------------------------------

@test "envelopes: a subscriber receives from a publisher that starts or restarts later" {
  start subscriber psenvsub ipc://pub
  start publisher psenvpub ipc://pub
  wait_for subscriber '^\[B\]'
  note 'the publisher is killed and restarted'
  kill9 publisher
  local received
  received=$(lines_of subscriber '^\[B\]')
  start publisher psenvpub ipc://pub
  wait_for subscriber '^\[B\]' $((received + 1))
  stop subscriber
}

@test "envelopes: a subscriber without a publisher stops at once" {
  start subscriber psenvsub ipc://nobody
  STOP_MS=400 stop subscriber
}

# ---- Malformed input --------------------------------------------------------------

@test "envelopes: a message of one, four or too many frames does not affect the next" {
  publish B
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[B\]$' 2
  kill9 peer
  publish B one two three
  wait_for subscriber '^\[B\] one two three$' 2
  kill9 peer
  publish B 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  wait_for subscriber '^W: dropped a malformed message of 0 frames from the publisher'
  kill9 peer
  publish B again
  wait_for subscriber '^\[B\] again$' 2
}

@test "envelopes: control characters are printed as question marks" {
  publish B '%1B[31m%07%9B%7F'
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[B\] \?\[31m\?\?\?$'
}

# ---- Limits -----------------------------------------------------------------------

@test "envelopes: a subscriber receives data of any length" {
  publish B '%{1000000}'
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[B\] x{10000}'
  run -0 awk 'length == 1000004 { found = 1 } END { exit !found }' subscriber.log
  kill9 peer
  publish B ''
  wait_for subscriber '^\[B\] $'
}

@test "envelopes: a subscriber receives further messages after one of 3 MB" {
  publish B '%{3000000}'
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[B\] x{10000}'
  kill9 peer
  publish B small
  wait_for subscriber '^\[B\] small$' 2
}
