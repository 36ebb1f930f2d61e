load helpers

# bats test_tags=demo:envelopes
@test "envelopes: a subscriber gets its kind, whole, and no other" {
  note 'a publisher of two kinds, and two subscribers that want kind B'
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

@test "envelopes: a subscriber that was first hears the publisher that comes" {
  start subscriber psenvsub ipc://pub
  start publisher psenvpub ipc://pub
  wait_for subscriber '^\[B\]'
  note 'and another one in its place'
  kill9 publisher
  local heard
  heard=$(lines_of subscriber '^\[B\]')
  start publisher psenvpub ipc://pub
  wait_for subscriber '^\[B\]' $((heard + 1))
  stop subscriber
}

@test "envelopes: on the wire, a key and data, both kinds" {
  start publisher psenvpub ipc://pub
  run -0 zpeer -t 5000 -n 4 SUB ipc://pub ''
  [[ $output == *'[A][This is for others]'* ]]
  [[ $output == *'[B][This is what we asked for]'* ]]
}

# A publisher that says these frames again and again.
from_peer() { # FRAME...
  start peer zpeer -b -r 500 -w 20 -n 0 PUB ipc://pub "$@"
}

@test "envelopes: a longer key with the prefix comes, and is told apart" {
  from_peer BANANA data
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[BANANA\] data \(only the prefix fits\)$'
}

@test "envelopes: a key that only data begins with does not come" {
  start other zpeer -b -r 300 -w 20 -n 0 PUB ipc://other A B
  start empty zpeer -b -r 300 -w 20 -n 0 PUB ipc://empty '' B
  from_peer B marker
  start strict psenvsub ipc://other B
  start blank psenvsub ipc://empty B
  start subscriber psenvsub ipc://pub B
  wait_for subscriber 'marker' 20
  [[ ! -s strict.log && ! -s blank.log ]]
}

@test "envelopes: one frame, three frames and none too many shift nothing" {
  from_peer B
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[B\]?' 2
  kill9 peer
  from_peer B one two three
  wait_for subscriber '^\[B\] one two three$' 2
  kill9 peer
  from_peer B 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  wait_for subscriber '^W: dropped a malformed message of 0 frames from the publisher'
  kill9 peer
  from_peer B again
  wait_for subscriber '^\[B\] again$' 2
}

@test "envelopes: data of any length and with any bytes comes out whole" {
  from_peer B '%{1000000}'
  start subscriber psenvsub ipc://pub B
  wait_for subscriber '^\[B\] x{10000}'
  run -0 awk 'length == 1000004 { found = 1 } END { exit !found }' subscriber.log
  kill9 peer
  from_peer B 'bin%00ary'
  wait_for subscriber '^\[B\] bin'
  run -0 grep -aqP '^\[B\] bin\x00ary$' subscriber.log
  kill9 peer
  from_peer B ''
  wait_for subscriber '^\[B\] $'
}

@test "envelopes: a subscriber whose publisher is away ends at once" {
  start subscriber psenvsub ipc://nobody
  STOP_MS=${STOP_MS:-400} stop subscriber
}
