load helpers

start_cache() { # [OPTION...]
  rm -f cache.log
  start cache lvcache "$@" ipc://front ipc://back
  wait_for cache 'backend bound'
}

# Start pathopub, and wait until the cache has its thousand topics.
start_pathopub() {
  start publisher pathopub ipc://front
  wait_for publisher '1000 topics published'
  replays 1000 ''
}

# replays COUNT PREFIX... - wait until a new subscriber to these prefixes receives COUNT
# topics; the last messages that one has received are in "values"
replays() {
  wait_until replays_now "$@"
}

replays_now() {
  timeout 10 zpeer -t 200 -n 999999999 SUB ipc://back "${@:2}" >values || :
  [[ $(sort -u -t ']' -k 1,1 values | wc -l) == "$1" ]]
}

# takes_less_than KB - the memory of the cache; with a sanitizer it is more
takes_less_than() {
  if [[ $bin == *san ]]; then return; fi
  (($(memory cache) < $1)) || fail "$(memory cache) kB, not less than $1"
}

# publish FRAME... - publish messages, once the cache has subscribed, and return when
# it has them: it reports the last one, which is malformed
publish() {
  local last='W: dropped a malformed message of 4 frames from a publisher' known
  known=$(lines_of cache "$last")
  zpeer -n 0 -t 10000 XPUB ipc://front '%;' "$@" %, the last of all >/dev/null
  wait_for cache "$last" $((known + 1))
}

# start_lvfill OPTION... - publish very many topics, and wait until all are sent
start_lvfill() {
  rm -f filler.log
  start filler lvfill "$@" ipc://front
  wait_for filler '^I: published'
}

# bats test_tags=demo:lvcache
@test "lvcache: a late subscriber receives the last value at once" {
  local n
  note 'a cache, and a publisher that publishes a thousand topics once'
  start_cache
  start publisher pathopub ipc://front
  wait_for publisher '1000 topics published'
  note 'four late subscribers, two of them to the same topic'
  start late1 pathosub ipc://back 123
  start late2 pathosub ipc://back 123
  start late3 pathosub ipc://back 000
  start late4 pathosub ipc://back
  for n in 1 2 3 4; do wait_for late$n '^[0-9]{3}: (Save Roger|Off with his head!)$'; done
  note 'the publisher is killed; the cache still has the values'
  kill9 publisher
  start later pathosub ipc://back 999
  wait_for later '^999: '
  note 'and passes on the messages of the next publisher'
  start publisher pathopub -m 5000 ipc://front
  wait_for late1 '^123: Off with his head!$'
  for name in late1 late2 late3 late4 later publisher cache; do stop $name; done
}

@test "lvcache: each subscriber to a topic receives its value, one after the other" {
  local n
  start_cache
  publish A first
  for n in 1 2 3 4 5; do
    start sub$n zpeer -n 99 -t 60000 SUB ipc://back A
    wait_for sub$n '^\[A\]\[first\]$'
  done
  kill9 sub1
  start sub1 zpeer -n 99 -t 60000 SUB ipc://back A
  wait_for sub1 '^\[A\]\[first\]$' 2
  stop cache
}

@test "lvcache: a subscriber to a prefix receives all its topics, and no others" {
  start_cache
  publish A1 a1 %, A2 a2 %, A %, A a %, B b %, '' empty %, A10 a10 %, AA aa %, '%FF' last
  replays 8 ''
  replays 5 A
  replays 2 A1
  diff values - <<<$'[A1][a1]\n[A10][a10]'
  replays 1 B
  replays 1 B AB
  replays 1 B A11
  note 'prefixes that begin with another, all at once'
  replays 6 A10 A A1 B AA A
  stop cache
}

@test "lvcache: an update replaces the value" {
  start_cache
  publish A one %, A two %, B other %, A three
  replays 1 A
  diff values - <<<'[A][three]'
  start sub zpeer -n 99 -t 60000 SUB ipc://back A
  wait_for sub three
  publish A four
  wait_for sub four
  diff - sub.log <<<$'[A][three]\n[A][four]'
  stop cache
}

@test "lvcache: a subscriber to an unknown topic receives its first value" {
  start_cache
  start sub zpeer -n 99 -t 60000 SUB ipc://back never
  wait_for cache "subscription to 'never'"
  [[ ! -s sub.log ]]
  publish never now
  wait_for sub '^\[never\]\[now\]$'
  stop cache
}

@test "lvcache: with -C it connects to a publisher that binds, also when it restarts" {
  start_cache -C
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://front A one
  start sub zpeer -n 99 -t 60000 SUB ipc://back A
  wait_for sub '^\[A\]\[one\]$'
  kill9 publisher
  replays 1 A
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://front A two
  wait_for sub '^\[A\]\[two\]$'
  stop cache
}

@test "lvcache: without a cache a late subscriber waits for an update" {
  hosts a
  on a start early pathosub tcp://localhost:5556 123
  wait_for early 'I: subscribed'
  on a start publisher pathopub -n 1
  wait_for early '^123: Save Roger$'
  ends publisher
  rm publisher.log
  on a start publisher pathopub -m 5000
  wait_for publisher '1000 topics published'
  on a start late pathosub tcp://localhost:5556 123
  wait_for late '^123: Off with his head!$'
  run -1 on a pathopub
  [[ $output == *'tcp://127.0.0.1:5556: Address already in use'* ]]
  run ! grep Save late.log
  stop publisher
  stop late
  stop early
}

# ---- Faults ---------------------------------------------------------------------

@test "lvcache: publisher and cache are killed and restarted" {
  start_cache
  start_pathopub
  kill9 publisher
  replays 1000 ''
  run -0 pathopub -n 500 -m 1000 ipc://front
  replays 1000 ''
  grep 'Off with' values
  note 'a new cache is empty, but the publisher reconnects to it'
  kill9 cache
  start_cache
  start publisher pathopub -m 1000 ipc://front
  start sub pathosub ipc://back 5
  wait_for sub '^5..: Off with his head!$' 5
  kill9 cache
  start_cache
  wait_for sub '^5..: Off with his head!$' $(($(lines_of sub Off) + 5))
  stop publisher
  stop sub
  stop cache
}

@test "lvcache: a frozen subscriber holds a bounded queue, and delays no other" {
  local last
  last=$(($(rounds 1000 3000) - 1))
  start_cache
  start frozen zpeer -t 60000 -n 999999999 SUB ipc://back ''
  wait_for cache 'subscription'
  freeze frozen
  start_lvfill -n 1000 -r $((last + 1))
  wait_until eval "replays_now 1 00000999 && grep -q '\[$last\.' values"
  takes_less_than 160000
  kill9 frozen
  replays 1000 ''
  stop filler
  stop cache
}

# ---- Malformed input --------------------------------------------------------------

@test "lvcache: a message of one, three or 21 frames does not affect the next" {
  start_cache
  publish A one %, oops %, A two %, B x y %, '' %, B b %, {1..21} %, C c
  wait_for cache 'W: dropped a malformed message of .* from a publisher' 5
  replays 3 ''
  diff <(sort values) - <<<$'[A][two]\n[B][b]\n[C][c]'
  stop cache
}

@test "lvcache: topics and values are bytes, of any length" {
  start_cache
  publish 'bin%00ary' 'a%00b%FF' %, 'bin%00' x %, bin y %, empty '' %, \
    big '%{1000000}' %, 'bin%00arz' z
  replays 4 bin
  diff values - <<<$'[bin][y]\n[bin%00][x]\n[bin%00ary][a%00b%FF]\n[bin%00arz][z]'
  replays 1 empty
  diff values - <<<'[empty][]'
  replays 1 big
  [[ $(wc -c <values) == 1000008 ]]
  publish '%{100000}' long
  replays 1 xxx
  stop cache
}

@test "lvcache: malformed subscriptions, and subscribers that leave, affect no other" {
  start_cache
  publish A a
  zpeer -n 0 -w 100 XSUB ipc://back '%00A'
  zpeer -n 0 -w 100 XSUB ipc://back '%02A'
  wait_for cache 'W: dropped a malformed message of 1 frames from a subscriber'
  zpeer -n 0 -w 100 XSUB ipc://back nonsense '%01A'
  zpeer -n 0 -w 100 XSUB ipc://back '%01%{1000}' # zg_socket() allows 1024 bytes
  wait_for cache "subscription to 'x+'"
  zpeer -n 0 -w 100 XSUB ipc://back ''
  zpeer -n 1 -t 9000 SUB ipc://back A B C D | grep -x '\[A\]\[a\]'
  replays 1 A
  stop cache
}

@test "pathosub: messages that are not topic and value are dropped" {
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://back A
  start sub pathosub ipc://back A
  wait_for sub 'W: dropped a malformed message of 1 frames'
  kill9 publisher
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://back A x y
  wait_for sub 'W: dropped a malformed message of 3 frames'
  kill9 publisher
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://back AB b
  wait_for sub '^AB: b$'
  stop sub
}

# ---- Limits -----------------------------------------------------------------------

# has_topics NAME COUNT - return whether a subscriber has received COUNT topics
has_topics() {
  (($(sort -u "$1.log" | wc -l) == $2))
}

@test "lvcache: several subscribers at once receive all of very many topics" {
  local topics n
  topics=$(rounds 20000 100000)
  start_cache
  start_lvfill -n "$topics"
  replays "$topics" ''
  for n in 1 2 3 4 5; do
    start sub$n zpeer -t 60000 -n 999999999 SUB ipc://back ''
  done
  for n in 1 2 3 4 5; do wait_until has_topics sub$n "$topics"; done
  replays 100 000012
  replays 1 00001234
  stop filler
  stop cache
}

@test "lvcache: no older value follows a newer one, during updates and replays" {
  local n rounds
  rounds=$(rounds 100 300)
  start_cache
  start filler lvfill -n 1000 -r "$rounds" ipc://front
  for n in 1 2 3 4 5 6 7 8; do
    start sub$n zpeer -t 1500 -n 999999999 SUB ipc://back 0000
    moment 100
  done
  wait_for filler '^I: published'
  for n in 1 2 3 4 5 6 7 8; do
    ends sub$n 1                # it has received all
    tr '][.' '   ' <sub$n.log | awk -v last=$((rounds - 1)) '
      $2 + 0 < seen[$1] { print "older: " $0; bad = 1 }
      { seen[$1] = $2 + 0 }
      END { for (t in seen) n += seen[t] == last; exit bad || n != 1000 }'
  done
  stop filler
  stop cache
}

@test "lvcache: a full cache removes the topic with the oldest update, for a new one only" {
  start_cache
  note 'all topics that it can store; then updates of the two oldest'
  start_lvfill -n 250000
  replays 1 00249999
  publish 00000001 again
  replays 100 000000
  publish 00000000 again
  run ! grep '^W: cache full' cache.log
  note 'a new topic replaces 00000002, which is now the oldest'
  publish x new
  replays 1 x
  wait_for cache '^W: cache full'
  replays 2 00000000 00000001 00000002
  takes_less_than 60000
  stop filler
  stop cache
}

@test "lvcache: the bytes that it stores are bounded too" {
  start_cache
  start_lvfill -n 400 -z 1000000
  replays 1 00000399
  note 'of 400 values of 1 MB, the last 256 MiB: from 00000132 on'
  replays 1 00000140 00000120
  [[ $(lines_of cache '^W: cache full') == 1 ]]
  stop filler
  stop cache
}

@test "lvcache: a small value does not keep the buffer in which it was received" {
  start_cache
  start_lvfill -n 5000 -z 100 -w 100
  replays 5001 ''
  takes_less_than 32000
  stop filler
  stop cache
}
