load helpers

# ---- espresso ---------------------------------------------------------------

# bats test_tags=demo:espresso
@test "espresso: two subscriptions, five messages, two ends, and silence" {
  local rate=100
  if [[ ${SHOW-} ]]; then rate=10; fi
  note 'a publisher of ten kinds of messages, a subscriber to two, and a tap'
  start espresso espresso -m $rate ipc://publisher ipc://output
  wait_for espresso "^unsubscribe 'B'$"
  note 'the publisher goes on, but nothing passes any more'
  moment 800
  diff - <(sed -E "s/data '[AB]-[0-9]{5}', 7 bytes/data/" espresso.log) <<'END'
I: publisher bound to ipc://publisher
I: output bound to ipc://output
subscribe 'A'
subscribe 'B'
data
data
data
data
data
unsubscribe 'A'
unsubscribe 'B'
END
  note 'until somebody wants it again'
  start late zpeer -n 3 -t 10000 SUB ipc://output C
  ends late
  wait_for espresso "^unsubscribe 'C'$"
  stop espresso INT
}

# all_is_quiet - our own subscriber is gone
all_is_quiet() {
  wait_for espresso "^unsubscribe 'B'$"
}

@test "espresso: what a subscriber gets is what the listener saw" {
  start espresso espresso -m 500 ipc://publisher ipc://output
  all_is_quiet
  start subscriber zpeer -n 20 -t 9000 SUB ipc://output C
  ends subscriber
  wait_for espresso "^unsubscribe 'C'$"
  tr -d '][' <subscriber.log | sed -E "s/.*/data '&', 7 bytes/" >got
  grep "'C-" espresso.log | head -n 20 | diff - got
  stop espresso
}

@test "espresso: a subscriber that is killed leaves, and each is seen" {
  start espresso espresso -m 1000 ipc://publisher ipc://output
  all_is_quiet
  start one zpeer -n 999999999 SUB ipc://output C D ''
  wait_for espresso "^subscribe ''$"
  wait_for one . 10
  start two zpeer -n 999999999 SUB ipc://output C
  wait_for espresso "^subscribe 'C'$" 2
  kill9 one
  wait_for espresso "^unsubscribe 'C'$"
  wait_for espresso "^unsubscribe 'D'$"
  wait_for espresso "^unsubscribe ''$"
  kill9 two
  wait_for espresso "^unsubscribe 'C'$" 2
  stop espresso
}

# So long that to forget it takes more stack than a thread has.
long_subscription() {
  (ulimit -s 1000000 && zpeer -n 0 -w 200 XSUB "$1" '%01%{1000000}')
}

@test "espresso: bytes that are no text are shown as numbers" {
  start espresso espresso -m 500 ipc://publisher ipc://output
  all_is_quiet
  zpeer -n 0 -w 200 XSUB ipc://output '%01bin%00%FFary'
  wait_for espresso "^subscribe 'bin\\\\x00\\\\xFFary'$"
  zpeer -n 0 -w 200 XSUB ipc://output '%01%{500}'
  wait_for espresso "^subscribe 'x{70}\.\.\.'$"
  zpeer -n 0 -w 200 XSUB ipc://output hello '' 'wor%0Ald'
  wait_for espresso "^data 'hello' '' 'wor\\\\x0Ald', 11 bytes$"
  zpeer -n 0 -w 200 XSUB ipc://output 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  wait_for espresso 'W: dropped'
  long_subscription ipc://output
  long_subscription ipc://publisher
  zpeer -t 9000 SUB ipc://output E
  stop espresso
}

@test "espresso: a listener that cannot print slows nobody, and stops" {
  local n
  n=$(rounds 20000 500000)
  mkfifo stuck
  exec 7<>stuck                 # open, and never read
  start espresso bash -c 'exec espresso -m 0 ipc://publisher ipc://output >stuck'
  zpeer -n "$n" -t 10000 SUB ipc://output C >subscriber.log
  zpeer -n "$n" -t 10000 SUB ipc://output '' >subscriber.log
  zpeer -n 10 -t 9000 SUB ipc://output B
  stop espresso
  exec 7>&-
}

@test "espresso: it ends after -n messages, whoever listens" {
  run -0 espresso -n 3 -m 0 ipc://publisher ipc://output
  start espresso espresso -n 50 -m 100 ipc://publisher ipc://output
  start subscriber zpeer SUB -n 9999 -t 5000 ipc://output ''
  ends espresso
}

# ---- suicidal snail ---------------------------------------------------------

# bats test_tags=demo:suisnail
@test "suisnail: it falls behind, says so and dies" {
  note 'a publisher of 1000 messages per second, a subscriber that does 650'
  start snail suisnail ipc://news
  ends snail 1
  wait_for snail '^E: 1[0-9]{3} ms old is too old, after [1-9][0-9]* messages'
}

@test "suisnail: with less work it lives on" {
  start publisher suisnail -S ipc://news
  start snail suisnail -C -t 0 ipc://news
  wait_for snail 'I: the news is [0-9]+ ms old'
  note 'beside one that does not'
  start slow suisnail -C -t 5 ipc://news
  ends slow 1
  stop snail
  stop publisher INT
}

@test "suisnail: how old is too old is an option" {
  start snail suisnail -e 100 -t 10 ipc://news
  ends snail 1
  wait_for snail '^E: [1-9][0-9]{2} ms old'
}

@test "suisnail: one that was frozen dies when it goes on" {
  start publisher suisnail -S ipc://news
  start snail suisnail -C -t 0 ipc://news
  wait_for snail 'I: the news'
  freeze snail
  elapse 1.3                     # longer than news may be old
  thaw snail
  ends snail 1
  wait_for snail '^E: 1[0-9]{3} ms old is too old'
  stop publisher
}

# news FRAME... - from an outside publisher, again and again
news() {
  if [[ ${pid_of[peer]-} ]]; then kill9 peer; fi
  start peer zpeer -b -r 500 -w 20 -n 0 PUB ipc://news "$@"
}

@test "suisnail: stamps that are none are dropped, those of others count" {
  local n=0 stamp
  start snail suisnail -C -t 0 ipc://news
  for stamp in x '' 12x +5 '%001' ' 5' 99999999999999999999 1e9 '%{1000000}'; do
    news "$stamp"
    wait_for snail 'W: dropped a malformed message of 1 frames' $((n = $(lines_of snail W:) + 2))
  done
  news 5 5
  wait_for snail 'W: dropped a malformed message of 2 frames'
  news 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  wait_for snail 'W: dropped a malformed message of 0 frames'
  news "$(($(date +%s%3N) + 3600000))" # the publisher's clock is ahead
  wait_for snail 'the news is -'
  news "$(($(date +%s%3N) - 1500))"
  ends snail 1
  wait_for snail '^E: [1-9][0-9]{3} ms old'
}

@test "suisnail: a publisher that stops, dies or never comes kills nobody" {
  start snail suisnail -C -t 0 ipc://news
  run -0 suisnail -S -n 500 ipc://news
  start publisher suisnail -S ipc://news
  wait_for snail 'the news is'
  kill9 publisher
  moment 1000
  start publisher suisnail -S ipc://news
  wait_for snail 'the news is' $(($(lines_of snail 'the news') + 1))
  stop snail
  start lonely suisnail -C ipc://nowhere
  wait_for lonely 'I: subscribed'
  moment 300
  stop lonely
  run -2 suisnail -S -C
}
