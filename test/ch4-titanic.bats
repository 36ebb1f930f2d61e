load helpers

start_titanic() { # [OPTION...]
  start titanic titanic -w 20 -i 300 "$@" ipc://broker
}

# shellcheck disable=SC2120
start_all() {
  start broker mdbroker -i 300 ipc://broker
  start_titanic -t 5000 "$@"
  start worker mdworker -i 300 ipc://broker echo
}

# ask SERVICE FRAME... - one Majordomo request, on the wire
ask() {
  zpeer -t "$((${ASK_MS:-5000} + ${SLACK_MS:-0}))" DEALER ipc://broker '' MDPC01 "$@"
}

# store FRAME... - the UUID of a request that is stored now
store() {
  local reply
  reply=$(ask titanic.request "$@")
  [[ $reply =~ ^'[][MDPC01][titanic.request][200]['([0-9A-F]{32})']'$ ]] || return
  echo "${BASH_REMATCH[1]}"
}

# records - the records of the log, each as KIND UUID
records() {
  perl -e 'local $/; $_ = <STDIN>;
    for (my $at = 0; $at < length; $at += 64 + int(($size + 62) / 63) * 64) {
      (undef, my $kind, my $uuid, $size) = unpack "L L a32 Q", substr $_, $at, 64;
      print((undef, "REQUEST", "REPLY", "CLOSE")[$kind], " $uuid\n");
    }' <.titanic/titanic.log
}

# in_store - the requests in the log that are not closed, as UUID.req, or UUID.rep
# if there is a reply
in_store() {
  records | awk '$1 == "REQUEST" { state[$2] = "req" }
    $1 == "REPLY" { state[$2] = "rep" }
    $1 == "CLOSE" { delete state[$2] }
    END { for (uuid in state) print uuid "." state[uuid] }'
}

# reply_is UUID TEXT - is this what titanic.reply says?
reply_is() {
  [[ $(ask titanic.reply "$1") == "[][MDPC01][titanic.reply]$2" ]]
}

# bats test_tags=demo:titanic
@test "titanic: a request waits for its service while every process restarts" {
  note 'a broker, Titanic, and a client with a request for a service that is absent'
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  start client ticlient -i 300 ipc://broker
  wait_for client 'stored as'
  wait_for client 'no reply yet' 2
  kill9 titanic
  kill9 broker
  note 'all is gone; now it comes back, and the service too'
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  start worker mdworker -i 300 ipc://broker echo
  wait_for client '^Reply: Hello world$'
  ends client
  [[ ! $(in_store) ]]
  stop titanic INT
  stop worker
  stop broker
}

@test "titanic: a client retries after status 500, and accepts 200 with a text" {
  start fake zpeer -b -r 0 -n 0 -t 20000 REP ipc://fake \
    '%;' MDPC01 titanic.request 500 '%;' MDPC01 titanic.request '200 OK' ID \
    '%;' MDPC01 titanic.reply 300 '%;' MDPC01 titanic.reply '200 OK' hello \
    '%;' MDPC01 titanic.close 200
  wait_for fake 'bound'
  run -0 ticlient -i 100 ipc://fake
  [[ $output == *'stored as ID'*'no reply yet'*'Reply: hello' ]]
  ends fake
  [[ $(lines_of fake '\[titanic.request\]\[echo\]\[Hello world\]') == 2 ]]
  wait_for fake '^\[MDPC01\]\[titanic.close\]\[ID\]$'
}

@test "titanic: a client tries -r times to store a request, and then fails" {
  start fake zpeer -b -r 0 -n 0 -t 20000 REP ipc://fake \
    '%;' MDPC01 titanic.request 500 '%;' MDPC01 titanic.request 500
  wait_for fake 'bound'
  run -1 ticlient -i 100 -r 2 ipc://fake
  [[ $output == 'W: titanic.request has failed, try 1
W: titanic.request has failed, try 2
E: titanic answers 500' ]]
}

@test "titanic: titanic.reply is 300 before the reply, 200 after it, 400 after titanic.close" {
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  uuid=$(store echo 'two%00' '' 'frames')
  reply_is "$uuid" '[300]'
  [[ $(in_store) == "$uuid.req" ]]
  start worker mdworker -i 300 ipc://broker echo
  wait_until reply_is "$uuid" '[200][two%00][][frames]'
  reply_is "$uuid" '[200][two%00][][frames]'
  [[ $(in_store) == "$uuid.rep" ]]
  run -0 ask titanic.close "$uuid"
  [[ $output == '[][MDPC01][titanic.close][200]' ]]
  reply_is "$uuid" '[400]'
  run -0 ask titanic.close "$uuid"
  [[ $output == '[][MDPC01][titanic.close][200]' ]]
  [[ ! $(in_store) ]]
}

@test "titanic: a malformed request is status 400, and nothing is stored" {
  start_all
  for body in "echo" "'' x" "a%00b x"; do
    run -0 eval "ask titanic.request $body"
    [[ $output == '[][MDPC01][titanic.request][400]' ]] || fail "$body: $output"
  done
  run -0 ask titanic.reply x y
  [[ $output == *'[400]' ]]
  [[ ! $(in_store) ]]
}

@test "titanic: a malformed UUID is status 400, and no file is touched" {
  mkdir -p outside
  echo treasure >outside/victim.req
  echo treasure >outside/victim.rep
  cp -a outside before
  start_all
  uuid=$(store absent x)
  ls -laR outside >listing
  local id deep
  deep=$(printf '../%.0s' {1..70})
  for id in ../outside/victim ../x "$PWD/outside/victim" / . .. '' "%2e%2e/outside/victim" \
    "${uuid,,}" "${uuid:0:31}" "${uuid}0" "$uuid%00" "%00$uuid" "${uuid:0:16}%00${uuid:17}" \
    "${uuid:0:28}/../" "$uuid.req" "$(printf 'A%.0s' {1..255})" "${deep}etc/passwd" \
    "${uuid:0:31}G" '%{31}/' "../outside/victim$(printf ' %.0s' {1..15})"; do
    run -0 ask titanic.reply "$id"
    [[ $output == '[][MDPC01][titanic.reply][400]' ]] || fail "reply $id: $output"
    run -0 ask titanic.close "$id"
    [[ $output == '[][MDPC01][titanic.close][400]' ]] || fail "close $id: $output"
  done
  diff -r outside before
  diff listing <(ls -laR outside)
  reply_is "$uuid" '[300]'
}

@test "titanic: a full disk is status 500, and requests are stored when there is room again" {
  unshare -m true 2>/dev/null || skip 'no right to mount'
  mkdir disk
  start broker mdbroker -i 300 ipc://broker
  start titanic unshare -m bash -c \
    'mount -t tmpfs -o size=400k tmpfs disk && exec titanic -w 5 -i 300 -d disk ipc://broker'
  start worker mdworker -i 300 ipc://broker echo
  uuid=$(store absent small)
  run -0 ask titanic.request absent '%{900000}'
  [[ $output == '[][MDPC01][titanic.request][500]' ]]
  run -0 ask titanic.request absent '%{300000}'
  [[ $output == *'[200]['* ]]
  run -0 ask titanic.request absent '%{300000}'
  [[ $output == '[][MDPC01][titanic.request][500]' ]]
  wait_for titanic 'W: cannot store' 2
  other=$(store echo hello)
  wait_until reply_is "$other" '[200][hello]'
  reply_is "$uuid" '[300]'
}

@test "titanic: a second titanic in the same directory is refused" {
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  wait_for titanic 'stores in'
  run -1 timeout "$WAIT_S" titanic ipc://broker
  [[ $output == *.titanic:* ]]
}

@test "titanic: a reply of many MB that is fetched while it is written is complete" {
  local size=$(($(rounds 16 50) << 20)) ASK_MS=30000
  start broker mdbroker -i 1000 -z "$size" ipc://broker
  start titanic titanic -w 20 -i 1000 ipc://broker
  start worker mdworker -i 1000 ipc://broker echo
  uuid=$(store echo "%{$size}")
  pending_or_whole() {
    local bytes
    bytes=$(ask titanic.reply "$uuid" | wc -c)
    if ((bytes == 31 || bytes == 32)); then return 1; fi # [300]: not yet
    ((bytes > size)) || { fail "neither pending nor whole: $bytes"; exit 1; }
  }
  wait_until pending_or_whole
}

@test "titanic: a request that is closed while its service works gets no reply" {
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  start worker mdworker -i 300 -t 1500 ipc://broker echo
  uuid=$(store echo slow)
  wait_for worker 'working'
  run -0 ask titanic.close "$uuid"
  # When a later request of the same service is done, so was that one.
  other=$(store echo later)
  wait_until reply_is "$other" '[200][later]'
  reply_is "$uuid" '[400]'
  [[ $(in_store) == "$other.rep" ]]
}

# park COUNT SERVICE... - clients store COUNT requests, all at once (the broker
# takes 10000 at a time)
park() {
  local n clients=$(($# - 1)) each=$(($1 / ($# - 1)))
  shift
  for n in $(seq "$clients"); do
    start "client$n" zpeer -r "$each" -n "$each" -t 20000 \
      DEALER ipc://broker '' MDPC01 titanic.request "${!n}" x
  done
  for n in $(seq "$clients"); do WAIT_S=120 ends "client$n"; done
}

@test "titanic: a request that was with a lost broker is sent again at once" {
  start broker mdbroker -i 300 -v ipc://broker
  start_titanic                 # not because of -t: that is a minute
  start worker mdworker -i 300 ipc://broker echo
  wait_for broker 'echo: worker registered'
  freeze worker
  uuid=$(store echo hello)
  wait_for broker 'sent .*\[02\] \[[0-9A-F]*\] \[\] \[hello\]$'
  kill9 broker
  kill9 worker
  start broker mdbroker -i 300 ipc://broker
  start worker mdworker -i 300 ipc://broker echo
  wait_until reply_is "$uuid" '[200][hello]'
}

@test "titanic: a request without a reply is sent again after -t" {
  start broker mdbroker -i 300 -v ipc://broker
  start_titanic -t 1000
  start mute zpeer -t 60000 -n 1000 DEALER ipc://broker '' MDPW01 %01 echo
  wait_for broker 'echo: worker registered'
  uuid=$(store echo hello)
  wait_for broker 'sent .*\[02\] \[[0-9A-F]*\] \[\] \[hello\]$'
  start worker mdworker -i 300 ipc://broker echo
  wait_until reply_is "$uuid" '[200][hello]'
}

@test "titanic: a broker that did not answer is asked again" {
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  ghost=$(store ghost x)
  start worker mdworker -i 300 ipc://broker echo
  freeze broker
  elapse 2.5                    # more than a question about a service waits
  thaw broker
  WAIT_S=60 wait_until eval 'uuid=$(store echo hello)'
  wait_until reply_is "$uuid" '[200][hello]'
  reply_is "$ghost" '[300]'
  start late mdworker -i 300 ipc://broker ghost
  wait_until reply_is "$ghost" '[200][x]'
}

@test "titanic: a slow service gets a request once and delays no other service" {
  local ms
  ms=$(rounds 2000 20000)
  start broker mdbroker -i 300 -v ipc://broker
  start_titanic
  start snail mdworker -i 300 -t "$ms" ipc://broker slow
  start worker mdworker -i 300 ipc://broker echo
  slow=$(store slow work)
  park 450 slow                 # more than Titanic has on their way in all
  for n in 1 2 3; do
    quick=$(store echo "quick $n")
    wait_until reply_is "$quick" "[200][quick $n]"
  done
  WAIT_S=60 wait_until reply_is "$slow" '[200][work]'
  [[ $(lines_of broker 'sent .*\[02\] \[[0-9A-F]*\] \[\] \[work\]$') -eq 1 ]]
}

@test "titanic: thousands of requests for absent services do not delay a present one" {
  local count
  count=$(rounds 1000 10000)
  start_all
  wait_for broker 'titanic.request: worker registered' 20
  # shellcheck disable=SC2046
  park "$count" $(seq -f 'absent%g' 20)
  [[ $(in_store | wc -l) -eq $count ]]
  uuid=$(store echo live)
  within 1000 reply_is "$uuid" '[200][live]'
}

@test "titanic: it starts within seconds with 100,000 stored requests" {
  local count from kb
  count=$(rounds 1000 100000)
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  wait_for broker 'titanic.request: worker registered' 20
  while [[ $(in_store | wc -l) -lt $count ]]; do
    # shellcheck disable=SC2046
    park "$(rounds 1000 5000)" $(seq -f 'absent%g' 20)
  done
  kill9 titanic
  [[ $(in_store | wc -l) -eq $count ]]
  from=${EPOCHREALTIME/./}
  start_titanic
  wait_for titanic 'stores in' 2
  echo "$count requests: started in $(((${EPOCHREALTIME/./} - from) / 1000)) ms," \
    "$(memory titanic) kB"
  start worker mdworker -i 300 ipc://broker absent7
  uuid=$(store absent7 last)
  WAIT_S=60 wait_until reply_is "$uuid" '[200][last]'
  # It was the last of that service, so the others are done, or about to be.
  wait_until eval "[[ \$(in_store | grep -c rep) -eq $((count / 20 + 1)) ]]"
  kb=$(memory titanic)
  echo "then $kb kB"
  # The sanitizers need much for themselves.
  [[ $BIN == bin-* ]] || ((kb < 30000 + count)) || fail "$kb kB"
  stop titanic
}

# keep_storing CLIENT - store numbered requests without end, and write the UUID and
# body of each that was accepted
keep_storing() {
  local n uuid
  for ((n = 1; ; n++)); do
    if uuid=$(ASK_MS=2000 store echo "client $1 request $n"); then
      echo "$uuid client $1 request $n"
    fi
  done
}

# no_loss WHAT - kill it at random moments; in the end every request that was
# ever accepted has its reply, exactly the right one
no_loss() {
  local n what uuid body rounds
  rounds=$(rounds "${few:-3}" 50)
  export -f keep_storing store ask
  start_all
  for n in $(seq "$(rounds 5 20)"); do
    start "client$n" bash -c "keep_storing $n"
  done
  for n in $(seq "$rounds"); do
    wait_until eval "[[ \$(cat client*.log | wc -l) -ge $((n * 5)) ]]"
    for what; do
      moment 300
      kill9 "$what"
      case $what in
      titanic) start_titanic -t 5000 ;;
      broker) start broker mdbroker -i 300 ipc://broker ;;
      worker) start worker mdworker -i 300 ipc://broker echo ;;
      esac
    done
  done
  for n in $(seq "$(rounds 5 20)"); do kill9 "client$n"; done
  cat client*.log | grep -E '^[0-9A-F]{32} client [0-9]+ request [0-9]+$' >accepted
  [[ $(wc -l <accepted) -ge $((rounds * 5)) ]]
  while read -r uuid body; do
    WAIT_S=30 wait_until reply_is "$uuid" "[200][$body]" || return
  done <accepted
}

@test "titanic: killed at random moments it loses no acknowledged request" {
  no_loss titanic
}

@test "titanic: no request is lost when the broker is killed" {
  few=1 no_loss broker
}

@test "titanic: no request is lost when the worker is killed" {
  few=1 no_loss worker
}

@test "titanic: no request is lost when broker, worker and titanic are killed alternately" {
  no_loss broker worker titanic
}

# start_faulty CALLS FAULT [ERRNO] - titanic on a disk on which these calls fail:
# see preload/faults.c
start_faulty() {
  needs_linux LD_PRELOAD
  if [[ ! -e faults.so ]]; then
    "${CC:-cc}" -shared -fPIC "$root/test/preload/faults.c" -o faults.so -ldl || return
  fi
  # The address sanitizer wants to be the first library, and works as second too.
  start titanic env "ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0" \
    "LD_PRELOAD=$PWD/faults.so" "FAULT_CALLS=$1" "FAULT=$2" ${3:+"FAULT_ERRNO=$3"} \
    titanic -w 20 -i 300 -t 5000 ipc://broker
}

all_accepted_are_answered() {
  local uuid body
  cat client*.log | grep -aE '^[0-9A-F]{32} client [0-9]+ request [0-9]+$' >accepted || :
  while read -r uuid body; do
    WAIT_S=30 wait_until reply_is "$uuid" "[200][$body]" || return
  done <accepted
}

start_clients() {
  local n
  export -f keep_storing store ask
  for n in $(seq "$1"); do start "client$n" bash -c "keep_storing $n"; done
}

# stored N - return whether N requests of the clients have been accepted
stored() {
  (($(cat client*.log | wc -l) >= $1))
}

@test "titanic: a failed write is status 500 and leaves the log unchanged" {
  local errno
  start broker mdbroker -i 300 ipc://broker
  for errno in 5 28; do         # EIO, ENOSPC
    start_faulty pwrite 1 $errno
    run -0 ask titanic.request absent x
    [[ $output == '[][MDPC01][titanic.request][500]' && ! -s .titanic/titanic.log ]]
    uuid=$(store absent y)
    kill9 titanic
    start_faulty pwrite 1 $errno
    run -0 ask titanic.close "$uuid"
    [[ $output == '[][MDPC01][titanic.close][500]' && $(in_store) == "$uuid.req" ]]
    run -0 ask titanic.close "$uuid"
    [[ $output == '[][MDPC01][titanic.close][200]' && ! $(in_store) ]]
    kill9 titanic
    rm -r .titanic
  done
  wait_for titanic 'W: cannot store' 4
}

@test "titanic: a request whose reply cannot be written is sent again" {
  start broker mdbroker -i 300 ipc://broker
  start_faulty pwrite 2 28      # the first is the request
  start worker mdworker -i 300 ipc://broker echo
  uuid=$(store echo hello)
  wait_for titanic 'W: cannot store'
  wait_until reply_is "$uuid" '[200][hello]'
}

@test "titanic: a failed sync ends it, and a restart has all acknowledged requests" {
  start broker mdbroker -i 300 ipc://broker
  start worker mdworker -i 300 ipc://broker echo
  start_clients 3
  for n in $(seq "$(rounds 3 20)"); do
    start_faulty fdatasync 20 5
    ends titanic 1
    wait_for titanic 'E: titanic.log: sync: Input/output error' "$n"
  done
  for n in 1 2 3; do kill9 "client$n"; done
  start_titanic -t 5000
  [[ $(cat client*.log | wc -l) -ge 10 ]]
  all_accepted_are_answered
}

@test "titanic: records that a killed titanic has not synced are synced before any answer" {
  start broker mdbroker -i 300 ipc://broker
  start_faulty fdatasync 2      # the first is at the start
  start client zpeer -t 9000 DEALER ipc://broker '' MDPC01 titanic.request absent x
  ends titanic 137
  [[ $(in_store) ]]
  start_faulty fdatasync 1 5
  ends titanic 1
  wait_for titanic 'E: titanic.log: sync: Input/output error'
}

@test "titanic: a read error at the start ends it, and nothing is lost" {
  local call
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  uuid=$(store absent x)
  kill9 titanic
  head -c 30 /dev/zero >>.titanic/titanic.log
  cp -a .titanic before
  for call in openat:1 openat:2 fstat:1 fsync:1 fsync:2 pread:1 ftruncate:1; do
    start_faulty ${call%:*} ${call#*:} 5
    ends titanic 1
    tail -n 1 titanic.log | grep -q '^E: .*Input/output error$' || fail "$call"
    diff -r before .titanic
  done
  # Without descriptors it does not take a good log for a damaged one.
  start_faulty openat 2 24
  ends titanic 1
  diff -r before .titanic
  start_titanic
  reply_is "$uuid" '[300]'
}

@test "titanic: a log that cannot be rewritten stays in use" {
  local call
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  uuid=$(store absent x)
  dead=$(store absent y)
  ask titanic.close "$dead"
  kill9 titanic
  cp -a .titanic before
  for call in openat:3 pread:7 pwrite:1 fdatasync:1 renameat:1; do
    start_faulty ${call%:*} ${call#*:} 28
    wait_for titanic 'stores in'
    reply_is "$uuid" '[300]'
    kill9 titanic
    diff -r before .titanic || fail "$call"
  done
  wait_for titanic 'W: cannot rewrite titanic.log: No space left on device' 4
  start_faulty fsync 3 5        # the new name may be on the disk or not
  ends titanic 1
  start_titanic
  reply_is "$uuid" '[300]'
  [[ $(records) == "REQUEST $uuid" ]]
  kill9 titanic
  note 'but a damaged log must be rewritten'
  head -c 64 /dev/urandom >>.titanic/titanic.log
  start_faulty renameat 1 28
  ends titanic 1
  wait_for titanic 'E: titanic.log: damaged, and cannot be rewritten'
  start_titanic
  wait_for titanic 'kept as damaged-2'
  reply_is "$uuid" '[300]'
}

@test "titanic: a disk that fails sometimes costs a status 500 and no request" {
  local errno pass=0
  start broker mdbroker -i 300 ipc://broker
  start worker mdworker -i 300 ipc://broker echo
  start_clients 3
  for errno in 5 28; do
    start_faulty pwrite 7+ $errno
    ((++pass))
    wait_until stored $(($(cat client*.log | wc -l) + $(rounds 30 500)))
    wait_for titanic 'fault in pwrite' $((pass * $(rounds 3 20)))
    if ((errno == 5)); then kill9 titanic; fi
  done
  for n in 1 2 3; do kill9 "client$n"; done
  stop titanic
  start_titanic -t 5000
  all_accepted_are_answered
}

@test "titanic: killed at each call on the disk, it loses no acknowledged request" {
  local call
  start broker mdbroker -i 300 ipc://broker
  start worker mdworker -i 300 ipc://broker echo
  start_clients 3
  for call in $(seq "$(rounds 16 100)"); do
    start_faulty openat,fsync,fstat,ftruncate,unlinkat,renameat,pwrite,fdatasync "$call"
    ends titanic 137
    grep -q "fault in .*, call $call\$" titanic.log
  done
  for n in 1 2 3; do kill9 "client$n"; done
  start_titanic -t 5000
  all_accepted_are_answered
}

# ---- The log ------------------------------------------------------------------------

@test "titanic: one flipped bit costs at most its record, is reported and set aside" {
  # Each bit takes a process, whose end takes long under a sanitizer.
  tsptest -n "$(rounds "${SLACK_MS:+20}7" 1)" flip
}

@test "titanic: an unfinished last record of any length is removed" {
  tsptest cut
}

@test "titanic: a damaged log is kept as a file, and the intact records are served" {
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  for n in 1 2 3 4; do store echo "body $n" >"id$n"; done
  kill9 titanic
  cp .titanic/titanic.log damaged
  printf 'x' | dd of=damaged bs=1 seek=200 conv=notrunc status=none  # the header of the second
  printf 'x' | dd of=damaged bs=1 seek=340 conv=notrunc status=none  # the body of the third
  cp damaged .titanic/titanic.log
  start_titanic
  wait_for titanic 'W: titanic.log: 256 bytes are damaged, it is kept as damaged-1'
  cmp damaged .titanic/damaged-1
  start worker mdworker -i 300 ipc://broker echo
  wait_until reply_is "$(<id1)" '[200][body 1]'
  wait_until reply_is "$(<id4)" '[200][body 4]'
  reply_is "$(<id2)" '[400]'
  reply_is "$(<id3)" '[400]'
  # A reply that the disk spoils later is a 500, and not the end.
  printf 'x' | dd of=.titanic/titanic.log bs=1 seek=$((128 * 2 + 75)) conv=notrunc status=none
  reply_is "$(<id1)" '[500]'
  reply_is "$(<id4)" '[200][body 4]'
  uuid=$(store echo more)
  wait_until reply_is "$uuid" '[200][more]'
  kill9 titanic
  start_titanic
  wait_for titanic 'kept as damaged-2'
}

# empty_request - print an intact record: a REQUEST without frames
empty_request() {
  perl -e 'use integer;
    sub sum { my $s = 0xcbf29ce484222325;
      $s = ($s ^ ord $_) * 1099511628211 for split //, shift; $s }
    my $head = pack "L L a32 Q Q", 0x54535032, 1, "A" x 32, 0, sum("");
    print $head . pack "Q", sum($head)'
}

# hex - print the bytes of stdin as zpeer takes them: %41%42
hex() {
  od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'
}

# forge - print a body that holds such a record at each multiple of 64, if it follows
# the size and the bytes of "absent", and its own size
forge() {
  printf 'x%.0s' {1..42}
  for _ in 1 2 3; do empty_request; done | hex
}

@test "titanic: a request without frames is set aside as damage" {
  mkdir .titanic
  empty_request >.titanic/titanic.log
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  wait_for titanic 'W: titanic.log: 64 bytes are damaged, it is kept as damaged-1'
  uuid=$(store absent x)
  reply_is "$uuid" '[300]'
}

@test "titanic: bytes of a body are never taken for a record" {
  local closed uuid
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  closed=$(store absent 'closed later')
  head -c 128 .titanic/titanic.log | hex >copy
  ask titanic.close "$closed"
  note 'a request that holds a forged record, and is cut short'
  uuid=$(store absent "$(forge)")
  kill9 titanic
  truncate -s -64 .titanic/titanic.log
  start_titanic
  wait_for titanic 'removed an unfinished record'
  reply_is "$(printf 'A%.0s' {1..32})" '[400]'
  reply_is "$uuid" '[400]'
  note 'a request that holds a copy of the log, and whose header is damaged'
  uuid=$(store absent "$(printf 'x%.0s' {1..42})$(<copy)")
  kill9 titanic
  printf 'x' | dd of=.titanic/titanic.log bs=1 seek=10 conv=notrunc status=none
  start_titanic
  wait_for titanic 'W: titanic.log: [0-9]* bytes are damaged, it is kept as damaged-1'
  reply_is "$closed" '[400]'
  [[ ! $(records) ]]
}

@test "titanic: the log shrinks when requests are closed, and at the start" {
  local ids=()
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  keep=$(store absent first)
  for n in {1..12}; do ids+=("$(store absent '%{200000}')"); done
  last=$(store absent last)
  (($(stat -c %s .titanic/titanic.log) > 2400000))
  for n in {0..7}; do run -0 ask titanic.close "${ids[n]}"; done
  (($(stat -c %s .titanic/titanic.log) < 1300000))
  [[ ! -e .titanic/titanic.new ]]
  for n in {8..11}; do run -0 ask titanic.close "${ids[n]}"; done
  kill9 titanic
  start_titanic
  reply_is "$last" '[300]'
  [[ $(records) == "REQUEST $keep
REQUEST $last" ]]
  start worker mdworker -i 300 ipc://broker absent
  wait_until reply_is "$keep" '[200][first]'
  wait_until reply_is "$last" '[200][last]'
}

@test "titanic: foreign files in the directory are never opened" {
  mkdir -p .titanic/titanic.d elsewhere
  mkfifo ".titanic/fifo" ".titanic/$(printf 'A%.0s' {1..32}).req"
  truncate -s 1T .titanic/huge ".titanic/$(printf 'B%.0s' {1..32}).rep"
  ln -s ../elsewhere/secret .titanic/damaged-1
  ln -s ../elsewhere/secret .titanic/titanic.new
  echo secret >elsewhere/secret
  touch -a -d 2001-01-01 .titanic/huge elsewhere/secret
  start broker mdbroker -i 300 ipc://broker
  start_titanic
  uuid=$(store absent x)
  kill9 titanic
  head -c 64 /dev/urandom >>.titanic/titanic.log # to be set aside, and rewritten
  start_titanic
  wait_for titanic 'kept as damaged-2'
  reply_is "$uuid" '[300]'
  [[ $(stat -c %x .titanic/huge elsewhere/secret | grep -c ^2001) == 2 ]]
  [[ $(<elsewhere/secret) == secret && -L .titanic/damaged-1 ]]
}

@test "titanic: a log that is not a regular file is refused" {
  mkdir .titanic
  mkfifo .titanic/titanic.log
  run -1 timeout "$WAIT_S" titanic ipc://broker
  [[ $output == 'E: titanic.log: not a regular file' ]]
  rm .titanic/titanic.log
  echo precious >precious
  ln -s ../precious .titanic/titanic.log
  run -1 timeout "$WAIT_S" titanic ipc://broker
  [[ $output == 'E: titanic.log: '* && $(<precious) == precious ]]
}

# ---- Limits -------------------------------------------------------------------------

@test "titanic: 1,024 descriptors are enough, and 1,000 absent services delay no other" {
  needs_linux /proc
  local n frames=()
  start broker mdbroker -i 300 ipc://broker
  start titanic bash -c 'ulimit -n 1024; exec titanic -i 300 ipc://broker'
  start worker mdworker -i 300 ipc://broker echo
  for n in {1..1000}; do
    frames+=('' MDPC01 titanic.request "absent$n" x "%,")
  done
  start client zpeer -n 1000 -t 20000 DEALER ipc://broker "${frames[@]:0:5999}"
  WAIT_S=60 ends client
  [[ $(lines_of client '\[200\]') -eq 1000 && $(in_store | wc -l) -eq 1000 ]]
  n=$(ls "/proc/${pid_of[titanic]}/fd" | wc -l)
  ((n < 720)) || fail "$n descriptors"
  uuid=$(store echo hello)
  within 4000 reply_is "$uuid" '[200][hello]' # a turn of all absent services takes 5 s
  start late mdworker -i 300 -t 1 ipc://broker absent77
  wait_for late 'working'
}
