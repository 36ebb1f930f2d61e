load helpers

cache() {
  rm -f cache.log
  start cache lvcache ipc://front ipc://back
  wait_for cache 'backend bound'
}

# A publisher of all topics, and then one a second.
pathological() {
  start publisher pathopub ipc://front
  wait_for publisher '1000 topics published'
  cached 1000 ''
}

# cached COUNT PREFIX... - so many topics come at once; the last is in "values"
cached() {
  wait_until comes "$@"
}

comes() {
  timeout 10 zpeer -t 200 -n 999999999 SUB ipc://back "${@:2}" >values || :
  [[ $(sort -u -t ']' -k 1,1 values | wc -l) == "$1" ]]
}

# takes_less_than KB [FIELD] - the memory of the cache, now or (VmHWM) at its peak;
# with a sanitizer it is more
takes_less_than() {
  local kb
  if [[ $bin == *san ]]; then return; fi
  kb=$(sed -nE "s/^${2:-VmRSS}:[^0-9]*([0-9]+).*/\1/p" "/proc/${pid_of[cache]}/status")
  ((kb < $1)) || fail "$kb kB, not less than $1"
}

# say FRAME... - publish messages, when the cache has subscribed
say() {
  zpeer -n 0 -t 10000 XPUB ipc://front '%;' "$@" >/dev/null
}

# bats test_tags=demo:lvcache
@test "lvcache: who comes late hears the last value at once" {
  local n
  note 'a cache, and a publisher that says a thousand things once'
  cache
  start publisher pathopub ipc://front
  wait_for publisher '1000 topics published'
  note 'four subscribers that come late, two of them for the same topic'
  start late1 pathosub ipc://back 123
  start late2 pathosub ipc://back 123
  start late3 pathosub ipc://back 000
  start late4 pathosub ipc://back
  for n in 1 2 3 4; do wait_for late$n '^[0-9]{3}: (Save Roger|Off with his head!)$'; done
  note 'the publisher dies; the cache still knows'
  kill9 publisher
  start later pathosub ipc://back 999
  wait_for later '^999: '
  note 'and goes on with the next publisher'
  start publisher pathopub -m 500 ipc://front
  wait_for late1 '^123: Off with his head!$'
  for name in late1 late2 late3 late4 later publisher cache; do stop $name; done
}

@test "lvcache: subscribers of one topic, each of them, one after the other" {
  local n
  cache
  say A first
  for n in 1 2 3 4 5; do
    start sub$n zpeer -n 99 -t 60000 SUB ipc://back A
    wait_for sub$n '^\[A\]\[first\]$'
  done
  # Even the same one, when it was cut off.
  kill9 sub1
  start sub1 zpeer -n 99 -t 60000 SUB ipc://back A
  wait_for sub1 '^\[A\]\[first\]$' 2
  stop cache
}

@test "lvcache: a prefix gets all below it, and no other" {
  cache
  say A1 a1 %, A2 a2 %, A %, A a %, B b %, '' empty %, A10 a10 %, AA aa %, '%FF' last
  cached 8 ''
  cached 5 A
  cached 2 A1
  diff values - <<<$'[A1][a1]\n[A10][a10]'
  cached 1 B
  cached 1 B AB
  cached 1 B A11
  stop cache
}

@test "lvcache: an update replaces the value" {
  cache
  say A one %, A two %, B other %, A three
  cached 1 A
  diff values - <<<'[A][three]'
  start sub zpeer -n 99 -t 60000 SUB ipc://back A
  wait_for sub three
  say A four
  wait_for sub four
  diff - sub.log <<<$'[A][three]\n[A][four]'
  stop cache
}

@test "lvcache: a topic that nobody published is silence, then news" {
  cache
  start sub zpeer -n 99 -t 60000 SUB ipc://back never
  wait_for cache 'subscription to never: 0 topics'
  [[ ! -s sub.log ]]
  say never now
  wait_for sub '^\[never\]\[now\]$'
  stop cache
}

@test "lvcache: messages of one frame, three, twenty-one shift nothing" {
  cache
  say A one %, oops %, A two %, B x y %, '' %, B b %, \
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 %, C c
  cached 3 ''
  diff <(sort values) - <<<$'[A][two]\n[B][b]\n[C][c]'
  wait_for cache 'W: dropped a malformed message of .* from a publisher' 4
  stop cache
}

@test "lvcache: topics and values are bytes, of any length" {
  cache
  say 'bin%00ary' 'a%00b%FF' %, 'bin%00' x %, bin y %, empty '' %, big '%{1000000}' %, 'bin%00arz' z
  cached 4 bin
  diff values - <<<$'[bin][y]\n[bin%00][x]\n[bin%00ary][a%00b%FF]\n[bin%00arz][z]'
  cached 1 empty
  diff values - <<<'[empty][]'
  cached 1 big
  [[ $(wc -c <values) == 1000008 ]]
  say '%{100000}' long
  cached 1 xxx
  stop cache
}

@test "lvcache: subscribers that send nonsense, and leave, harm nobody" {
  cache
  say A a
  zpeer -n 0 -w 100 XSUB ipc://back '%00A'
  zpeer -n 0 -w 100 XSUB ipc://back '%02A'
  wait_for cache 'W: dropped a malformed message of 1 frames from a subscriber'
  zpeer -n 0 -w 100 XSUB ipc://back nonsense '%01A'
  # libzmq would need a hundred times as much memory to know so long a prefix.
  (ulimit -s 1000000 && zpeer -n 0 -w 100 XSUB ipc://back '%01%{1000000}')
  zpeer -n 0 -w 100 XSUB ipc://back '%01%{8000}'
  zpeer -n 0 -w 100 XSUB ipc://back ''
  zpeer -n 1 -t 9000 SUB ipc://back A B C D | grep -x '\[A\]\[a\]'
  cached 1 A
  takes_less_than 30000 VmHWM
  stop cache
}

@test "lvcache: the publisher is killed, comes back; so does the cache" {
  cache
  pathological
  kill9 publisher
  cached 1000 ''
  run -0 pathopub -n 500 -m 1000 ipc://front
  cached 1000 ''
  grep 'Off with' values
  note 'a new cache knows nothing, but the publisher finds it'
  kill9 cache
  cache
  start publisher pathopub -m 1000 ipc://front
  start sub pathosub ipc://back 5
  wait_for sub '^5..: Off with his head!$' 5
  kill9 cache
  cache
  wait_for sub '^5..: Off with his head!$' $(($(lines_of sub Off) + 5))
  stop publisher
  stop sub
  stop cache
}

@test "lvcache: many topics come complete, to several at once" {
  local topics n
  topics=$(rounds 20000 100000)
  cache
  start filler lvfill -n "$topics" ipc://front
  wait_for filler published
  cached "$topics" ''
  for n in 1 2 3 4 5; do
    start sub$n bash -c "zpeer -t 10000 -n $topics SUB ipc://back '' | sort -u | wc -l"
  done
  for n in 1 2 3 4 5; do
    ends sub$n
    # Who shares a repetition may have some twice before it has all.
    (($(<sub$n.log) > topics / 2))
  done
  cached "$topics" ''
  cached 100 000012
  cached 1 00001234
  stop filler
  stop cache
}

@test "lvcache: with updates and newcomers at once, nothing older comes after newer" {
  local n rounds
  rounds=$(rounds 100 300)
  cache
  start filler lvfill -n 1000 -r "$rounds" ipc://front
  for n in 1 2 3 4 5 6 7 8; do
    start sub$n zpeer -t 1500 -n 999999999 SUB ipc://back 0000
    moment 100
  done
  wait_for filler published
  for n in 1 2 3 4 5 6 7 8; do
    ends sub$n 1                # it has got all there is
    tr '][.' '   ' <sub$n.log | awk -v last=$((rounds - 1)) '
      $2 + 0 < seen[$1] { print "older: " $0; bad = 1 }
      { seen[$1] = $2 + 0 }
      END { for (t in seen) n += seen[t] == last; exit bad || n != 1000 }'
  done
  stop filler
  stop cache
}

@test "lvcache: its memory has an end, and forgets what is silent" {
  cache
  # More topics than it keeps; but x, the oldest, had an update.
  say x first %, x second
  start filler lvfill -n 260000 ipc://front
  wait_for filler published
  cached 1 00259999
  cached 1 x
  cached 1 x 00000000
  takes_less_than 120000
  kill9 filler
  # More bytes than it keeps.
  start filler lvfill -n 400 -z 1000000 ipc://front
  wait_for filler published
  cached 1 00000399
  takes_less_than 400000
  cached 1 00000399 00000000
  stop filler
  stop cache
}

@test "lvcache: a small value does not keep the buffer that it came in" {
  cache
  start filler lvfill -n 5000 -z 100 -w 100 ipc://front
  wait_for filler published
  cached 5001 ''
  takes_less_than 32000
  stop filler
  stop cache
}

@test "lvcache: a frozen subscriber costs a bounded queue, and nobody time" {
  cache
  start frozen zpeer -t 60000 -n 999999999 SUB ipc://back ''
  wait_for cache 'subscription'
  freeze frozen
  start filler lvfill -n 1000 -r "$(rounds 1000 3000)" ipc://front
  wait_for filler published
  wait_until eval "comes 1 00000999 && grep -q '\[$(($(rounds 1000 3000) - 1))\.' values"
  takes_less_than 160000
  kill9 frozen
  cached 1000 ''
  stop filler
  stop cache
}

@test "lvcache: without it, who comes late waits" {
  hosts a
  on a start early pathosub tcp://localhost:5556 123
  wait_for early 'I: subscribed'
  on a start publisher pathopub -n 1
  wait_for early '^123: Save Roger$'
  ends publisher
  rm publisher.log
  on a start publisher pathopub -m 2000
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

@test "pathosub: messages that are not topic and value are dropped" {
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://back A
  start sub pathosub ipc://back A
  wait_for sub 'W: dropped a malformed message of 1 frames'
  kill9 publisher
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://back A x y
  wait_for sub 'W: dropped a malformed message of 3 frames'
  kill9 publisher
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://back AB 'b%00c'
  wait_for sub '^AB: b'
  stop sub
}
