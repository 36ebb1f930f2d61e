# later.bash - cases of make bench for chapters 5, 6 and 8.
# shellcheck disable=SC2154      # bench and helpers.bash set some variables

# listening NAME - the endpoints that it is bound to, in the order of its lines
listening() {
  wait_for "$1" '^I: .* bound to ' "${2:-1}"
  sed -nE 's/^I: .* bound to //p' "$1.log"
}

all=$'\001'                    # a subscription to everything

case_lvcache() {
  needs lvcache || return
  serve ours lvcache ipc://in ipc://out
  serve proxy bare proxy XSUB ipc://in0 XPUB ipc://out0
  listening ours 2 >/dev/null
  listening proxy 2 >/dev/null
  flow() { "${ends[@]}" timeout 40 "$bin/flow" "$@"; }
  compare lvcache updates/s 0.6 \
    "flow -o 100000 ipc://in PUB 'topic#|value' ipc://out SUB $all" \
    "flow -o 100000 ipc://in0 PUB 'topic#|value' ipc://out0 SUB $all" \
    '100,000 topics'
  kill9 ours
  serve ours lvcache ipc://in ipc://out
  serve bare bare reply ROUTER ipc://stream 'topic12345|value12345'
  listening ours 2 >/dev/null
  flow -n 100000 -- ipc://in PUB 'topic#|value' - - -
  compare lvcache-replay topics/s 0.5 \
    "flow -n 99000 -- - - - ipc://out SUB $all" \
    'flow -n 99000 -- - - - ipc://stream DEALER 100000' '100,000 topics'
  clear_up
}

# clone MODEL MESSAGE - one update from the collector to a subscriber
clone() {
  needs "clonesrv$1" || return
  serve ours "clonesrv$1" ipc://snapshot ipc://publisher ipc://collector
  serve relay bare relay PULL ipc://in PUB ipc://out
  listening ours 3 >/dev/null
  listening relay 2 >/dev/null
  flow() { "${ends[@]}" timeout 40 "$bin/flow" "$@"; }
  compare "clonesrv$1" updates/s 0.5 \
    "flow -o 10000 ipc://collector PUSH '$2' ipc://publisher SUB $all" \
    "flow -o 10000 ipc://in PUSH '$2' ipc://out SUB $all" \
    '10,000 keys, as the clients have'
  clear_up
}

case_clonesrv3() { clone 3 '#|@|value'; }
case_clonesrv5() { clone 5 '/key/#|@|||value'; }

case_clone_snapshot() {
  needs clonesrv3 || return
  local keys before after
  flow() { "${ends[@]}" timeout 90 "$bin/flow" "$@"; }
  for keys in 1000 1000000; do
    serve ours clonesrv3 ipc://snapshot ipc://publisher ipc://collector
    serve bare bare reply ROUTER ipc://stream '123456|12345678|value12345'
    listening ours 3 >/dev/null
    listening bare >/dev/null
    before=$(memory ours)
    flow -n $keys -- ipc://collector PUSH '#|@|value' - - -
    rounds=3 compare "clone-snapshot-$keys" keys/s 0.5 \
      "flow -n $keys -- - - - ipc://snapshot DEALER 'ICANHAZ?'" \
      "flow -n $keys -- - - - ipc://stream DEALER $keys"
    after=$(memory ours)
    ((after = (after - before) * 1024 / keys))
    result "clone-memory-$keys" 'bytes/key' "$after" 215 - 215 \
      "$( ((after <= 215)) && echo yes || echo no)" - 'key + value + 200'
    clear_up
  done
}

# One gigabyte, from a server to a client, each a process.
fileio() {
  needs "fileio$1" || return
  local from copied
  head -c 1G /dev/zero >testdata
  from=$(now)
  cp testdata copy
  copied=$((1073741824 / ($(now) - from)))
  rm copy
  transfer() { "fileio$1" -C ipc://file | sed -nE 's/.* ([0-9]+) MB.s.*/\1/p'; }
  bare_transfer() {
    start push bare push ipc://chunks testdata 250000
    listening push >/dev/null
    timeout 30 bare pull ipc://chunks
    ends push >/dev/null
  }
  start server "fileio$1" -S testdata ipc://file
  listening server >/dev/null
  compare "fileio$1" MB/s "$2" "transfer $1" bare_transfer \
    "1 GB, chunks of 250,000 bytes; cp: $copied MB/s"
  rm -f testdata
  clear_up
}

case_fileio1() { fileio 1 0.9; }
case_fileio2() { fileio 2 -; }
case_fileio3() { fileio 3 0.9; }

# 200 peers, each with one beacon per second, in a network of their own.
case_interface() {
  needs udpping3 || return
  local used
  hosts a || return
  on a start node udpping3 127.255.255.255
  listening node >/dev/null
  on a start peers perl -MIO::Socket::INET -e '
    $s = IO::Socket::INET->new(Proto => "udp", Broadcast => 1,
                               PeerAddr => "127.255.255.255:9999") or die;
    for (;;) {
      for (1 .. 200) { $s->send(pack "N4", $_, 1, 2, 3); select undef, undef, undef, .005 }
    }'
  wait_for node 'JOINED' 200 || return
  cpu_ticks() { awk '{ print $14 + $15 }' "/proc/${pid_of[node]}/stat"; }
  used=$(cpu_ticks)
  sleep 5
  used=$((($(cpu_ticks) - used) * 1000 / $(getconf CLK_TCK) / 5))
  result interface 'ms CPU/s' "$used" - - 10 \
    "$( ((used < 10)) && echo yes || echo no)" - '200 peers; below 1 % of a core'
  clear_up
}
