load helpers

# ---- espresso -------------------------------------------------------------------

# Messages that the publisher sent before the end of a subscription reached it are
# still printed. They cannot follow the next subscriber's first message.
# bats test_tags=demo:espresso
@test "espresso: it prints two subscriptions, five messages, two ends and no more" {
  local rate=100
  if [[ ${SHOW-} ]]; then rate=10; fi
  note 'a publisher with ten letters, a subscriber to two of them, and a tap'
  start espresso espresso -m $rate ipc://publisher ipc://output
  wait_for espresso "^unsubscribe 'B'$"
  note 'the publisher continues, but its socket drops all messages'
  elapse 0.8
  note 'until another subscriber connects'
  start late zpeer -n 3 -t 10000 SUB ipc://output C
  ends late
  wait_for espresso "^unsubscribe 'C'$"
  diff - <(grep -v '^data ' espresso.log) <<'END'
I: publisher bound to ipc://publisher
I: output bound to ipc://output
subscribe 'A'
subscribe 'B'
unsubscribe 'A'
unsubscribe 'B'
subscribe 'C'
unsubscribe 'C'
END
  run ! grep -vE "^data '[ABC]-[0-9]{5}', 7 bytes$|^I: |subscribe " espresso.log
  sed "/^unsubscribe 'A'$/,\$d" espresso.log >before
  (($(grep -c '^data ' before) >= 5))
  sed "1,/^unsubscribe 'B'$/d; /^subscribe 'C'$/,\$d" espresso.log >between
  (($(wc -l <between) <= 3))    # of 16 in this time
  sed -n "/'C-/,\$p" espresso.log >after
  run ! grep "'[AB]-" after
  stop espresso INT
}

# Start espresso, and wait until its own subscriber has left.
start_espresso() { # RATE
  start espresso espresso -m "$1" ipc://publisher ipc://output
  wait_for espresso "^unsubscribe 'B'$"
}

@test "espresso: a subscriber receives the messages that the listener prints" {
  start_espresso 500
  start subscriber zpeer -n 20 -t 9000 SUB ipc://output C
  ends subscriber
  wait_for espresso "^unsubscribe 'C'$"
  tr -d '][' <subscriber.log | sed -E "s/.*/data '&', 7 bytes/" >got
  grep "'C-" espresso.log | head -n 20 | diff - got
  stop espresso
}

@test "espresso: the subscriptions of a killed subscriber end, the last of each prefix" {
  start_espresso 1000
  start one zpeer -n 999999999 SUB ipc://output C D ''
  wait_for espresso "^subscribe ''$"
  start two zpeer -n 999999999 SUB ipc://output C E
  wait_for espresso "^subscribe 'E'$"
  kill9 one
  wait_for espresso "^unsubscribe 'D'$"
  wait_for espresso "^unsubscribe ''$"
  run ! grep "^unsubscribe 'C'$" espresso.log
  kill9 two
  wait_for espresso "^unsubscribe 'C'$"
  (($(lines_of espresso "^subscribe 'C'$") == 1))
  stop espresso
}

# ---- espresso: faults -----------------------------------------------------------

@test "espresso: a subscription that was sent twice ends with its subscriber" {
  start_espresso 1000
  zpeer -n 5 -t 9000 XSUB ipc://output %01C %, %01C %, %01C
  wait_for espresso "^unsubscribe 'C'$"
  zpeer -n 30 -t 9000 SUB ipc://output D
  wait_for espresso "^unsubscribe 'D'$"
  # The publisher received the end of C before the subscription to D.
  run -0 sed -n "/'D-/,\$p" espresso.log
  run ! grep "'C-" <<<"$output"
  stop espresso
}

@test "espresso: no subscription of a burst of thousands is lost" {
  local letter
  start_espresso 500
  note 'subscribers send 900 subscriptions each while espresso is frozen'
  freeze espresso
  for letter in A B C D E F G H I J; do
    start "sub$letter" zpeer -n 3 -t 60000 SUB ipc://output \
      $(seq -f "$letter%.0f" 899) "$letter"
  done
  for letter in A B C D E F G H I J; do wait_until awaits_signals "sub$letter"; done
  thaw espresso
  for letter in A B C D E F G H I J; do ends "sub$letter"; done
  stop espresso
}

# A full pipe on stdout, and lines that are longer than a pipe takes at once.
@test "espresso: a listener that cannot print delays no subscriber" {
  local n long
  n=$(rounds 20000 500000)
  printf -v long ' E%%{300}%.0s' {1..20}
  mkfifo stuck
  exec 7<>stuck                 # open, and never read
  start espresso bash -c 'exec espresso -m 0 ipc://publisher ipc://output >stuck'
  zpeer -n "$n" -t 10000 SUB ipc://output C >subscriber.log
  # shellcheck disable=SC2086   # the frames of one message
  zpeer -r 30 -n 0 XSUB ipc://output $long
  zpeer -n "$n" -t 10000 SUB ipc://output '' >subscriber.log
  if [[ $bin == *tsan ]]; then
    kill9 espresso              # its _exit() would write to stdout
  else
    STOP_MS=1500 stop espresso
  fi
  exec 7>&-
}

# ---- suisnail -------------------------------------------------------------------

# bats test_tags=demo:suisnail
@test "suisnail: the subscriber falls behind, says so and exits with status 1" {
  note 'a publisher of 1000 messages per second, a subscriber that manages 650'
  start snail suisnail ipc://data
  ends snail 1
  wait_for snail '^E: a message is 1[0-9]{3} ms old, after [1-9][0-9]* others: the sub'
}

@test "suisnail: a subscriber that keeps up continues, beside one that does not" {
  start publisher suisnail -S ipc://data
  start snail suisnail -C -t 0 ipc://data
  wait_for snail '^I: received a message, [0-9]+ ms old$'
  start slow suisnail -C -t 5 ipc://data
  ends slow 1
  stop snail
  stop publisher INT
}

@test "suisnail: -e sets the age that is too old" {
  start snail suisnail -e 100 -t 10 ipc://data
  ends snail 1
  wait_for snail '^E: a message is [1-9][0-9]{2} ms old'
}

# ---- suisnail: faults -----------------------------------------------------------

@test "suisnail: a subscriber that was frozen too long exits when it is thawed" {
  start publisher suisnail -S ipc://data
  start snail suisnail -C -t 0 ipc://data
  wait_for snail '^I: received'
  freeze snail
  elapse 1.3                     # longer than a message may be old
  thaw snail
  ends snail 1
  wait_for snail '^E: a message is 1[0-9]{3} ms old'
  stop publisher
}

# publish FRAME... - an outside publisher sends this message again and again
publish() {
  if [[ ${pid_of[peer]-} ]]; then kill9 peer; fi
  start peer zpeer -b -r 500 -w 20 -n 0 PUB ipc://data "$@"
}

@test "suisnail: messages without a time are dropped, and the next ones are read" {
  local time
  start snail suisnail -C -t 0 ipc://data
  for time in x '' 12x +5 '%001' ' 5' 99999999999999999999 1e9 '%{1000000}'; do
    publish "$time"
    wait_for snail '^W: dropped a malformed message of 1 frames' $(($(lines_of snail W:) + 2))
  done
  publish 5 5
  wait_for snail '^W: dropped a malformed message of 2 frames'
  publish 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
  wait_for snail '^W: dropped a malformed message of 0 frames'
  note "the publisher's clock is an hour ahead"
  publish "$(($(date +%s%3N) + 3600000))"
  wait_for snail '^I: received a message, -[0-9]+ ms old$'
  publish "$(($(date +%s%3N) - 1500))"
  ends snail 1
  wait_for snail '^E: a message is [1-9][0-9]{3} ms old'
}

@test "suisnail: a publisher that stops, is killed or never starts ends no subscriber" {
  start snail suisnail -C -t 0 ipc://data
  start publisher suisnail -S ipc://data
  wait_for snail '^I: received'
  stop publisher
  start publisher suisnail -S ipc://data
  wait_for snail '^I: received' $(($(lines_of snail '^I: received') + 1))
  kill9 publisher
  moment 1000
  start publisher suisnail -S ipc://data
  wait_for snail '^I: received' $(($(lines_of snail '^I: received') + 1))
  stop snail
  start lonely suisnail -C ipc://nowhere
  wait_for lonely '^I: subscribed'
  moment 300
  stop lonely
  run -2 suisnail -S -C
}

# The timers of TCP take too long for make test.
@test "suisnail: after a power failure of its host a publisher is heard within 15 s" {
  local received
  if [[ ! ${HAMMER-} ]]; then skip 'it takes 20 seconds: make hammer'; fi
  hosts a b
  on b bash -c 'echo 1 >/proc/sys/net/ipv4/tcp_orphan_retries'
  on b start publisher suisnail -S tcp://10.77.0.2:5556
  on a start snail suisnail -C -t 0 tcp://10.77.0.2:5556
  wait_for snail '^I: received'
  cut b
  kill9 publisher
  elapse 3                       # until the host has forgotten its connections
  received=$(lines_of snail '^I: received')
  on b start publisher suisnail -S tcp://10.77.0.2:5556
  heal b
  WAIT_S=15 wait_for snail '^I: received' $((received + 1))
  stop snail
  stop publisher
}

# ---- All publishers: strangers --------------------------------------------------

# start_strangers NAME ENDPOINT - two of them send a subscription of 1 MB each, and
# need much stack to free it
start_strangers() {
  local n
  for n in 1 2; do
    start "$1-stranger$n" bash -c 'ulimit -s 1000000 && exec "$@"' large-stack \
      zpeer -n 0 -w 100 XSUB "$2" '%01%{1000000}'
  done
}

# has_grown NAME KB - return whether its memory has grown by 20 MB since it had KB
has_grown() {
  (($(memory "$1") - $2 > 20000))
}

@test "espresso, suisnail, lvcache: subscriptions of 1 MB do not fill the memory" {
  local program place
  local -A before=()
  if [[ $bin == *san ]]; then skip 'a sanitizer keeps what was freed'; fi
  start espresso espresso -m 1000 ipc://espresso1 ipc://espresso2
  start suisnail suisnail -S ipc://suisnail1
  start lvcache lvcache ipc://front ipc://lvcache1
  for place in espresso1 espresso2 suisnail1 lvcache1; do
    wait_for "${place%?}" "bound to ipc://$place"
    before[$place]=$(memory "${place%?}")
    start_strangers "$place" "ipc://$place"
  done
  for place in espresso1 espresso2 suisnail1 lvcache1; do
    ends "$place-stranger1"
    ends "$place-stranger2"
    start "$place-subscriber" zpeer -t 9000 SUB "ipc://$place" E 1
  done
  wait_for lvcache "subscription to 'E'"
  zpeer -n 0 -t 9000 XPUB ipc://front '%;' E e
  for place in espresso1 espresso2 suisnail1 lvcache1; do
    ends "$place-subscriber"
    program=${place%?}
    run ! has_grown "$program" "${before[$place]}"
  done
  for program in espresso suisnail lvcache; do stop $program; done
}

@test "pathopub: subscriptions of 1 MB do not fill the memory" {
  local before
  if [[ $bin == *san ]]; then skip 'a sanitizer keeps what was freed'; fi
  hosts a
  on a start publisher pathopub -m 1000
  wait_for publisher '^I: publisher bound'
  before=$(memory publisher)
  on a start strangers bash -c 'ulimit -s 1000000
    zpeer -n 0 -w 100 XSUB "$1" %01%{1000000} & zpeer -n 0 -w 100 XSUB "$1" %01%{1000000}
    wait' strangers tcp://127.0.0.1:5556
  ends strangers
  on a zpeer -t 9000 SUB tcp://127.0.0.1:5556 1
  run ! has_grown publisher "$before"
  stop publisher
}

@test "espresso, pathosub, lvcache: control characters of peers are printed as ?" {
  start espresso espresso -m 500 ipc://publisher ipc://output
  wait_for espresso "^unsubscribe 'B'$"
  zpeer -n 0 -w 200 XSUB ipc://output '%01bin%00%1Bary'
  wait_for espresso "^subscribe 'bin\?\?ary'$"
  zpeer -n 0 -w 200 XSUB ipc://output '%01%{500}'
  wait_for espresso "^subscribe 'x{69}'$"
  zpeer -n 0 -w 200 XSUB ipc://output hello '' 'wor%0Ald'
  wait_for espresso "^data 'hello' '' 'wor\?ld', 11 bytes$"
  zpeer -n 0 -w 200 XSUB ipc://output {1..21}
  wait_for espresso '^W: dropped a malformed message of 0 frames from the tap'
  start publisher zpeer -b -n 0 -r 500 -w 20 PUB ipc://data 'A%1B[2J' 'b%00c'
  start pathosub pathosub ipc://data A
  wait_for pathosub '^A\?\[2J: b\?c$'
  start lvcache lvcache ipc://front ipc://back
  start subscriber zpeer -t 60000 SUB ipc://back $'\e[2J'
  wait_for lvcache "^I: subscription to '\?\[2J'$"
  for name in espresso pathosub lvcache; do stop $name; done
}

@test "espresso, lvcache: a libzmq that a subscriber can crash is named" {
  needs_linux LD_PRELOAD
  local name program
  echo 'void zmq_version(int *a, int *b, int *c) { *a = 4; *b = 3; *c = 2; }' \
    | "${CC:-cc}" -shared -fPIC -x c - -o old.so
  for program in espresso lvcache; do
    # The address sanitizer wants to be the first library, and works as second too.
    start $program env "ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0" \
      "LD_PRELOAD=$PWD/old.so" $program ipc://in$program ipc://out$program
    wait_for $program '^W: libzmq 4\.3\.2: '
    start new $program ipc://in ipc://out
    wait_for new ' bound to ipc://out$'
    run ! grep '^W:' new.log
    stop new
    rm new.log
    stop $program
  done
}
