# pirates.bash - helpers of the scenes of Lazy, Simple and Paranoid Pirate.
# shellcheck disable=SC2154      # bats and helpers.bash set some variables

# replies NAME - print the numbers of the replies that this lpclient accepted
replies() {
  sed -nE 's/^I: reply ([0-9]+)$/\1/p' "$1.log"
}

# in_order NAME - the replies are 1, 2, 3, ... without a gap or a duplicate
in_order() {
  local numbers
  numbers=$(replies "$1")
  diff <(echo "$numbers") <(seq "$(wc -l <<<"$numbers")") || fail "$1: out of order"
}

# more NAME REGEX [COUNT] - wait for COUNT further lines that match (1)
more() {
  wait_for "$1" "$2" "$(($(lines_of "$1" "$2") + ${3:-1}))"
}

# idle WORKER - wait until it completes a request; working WORKER - until it
# begins one
idle() { more "$1" 'I: done'; }
working() { more "$1" 'I: working'; }

# when_working FAULT WORKER - cause the fault while the worker has a request. Starting a
# process between the freeze and the fault would take too long on a busy machine: the
# queue would remove the worker because of its silence.
when_working() {
  local SHOW='' said            # no pause for an audience
  working "$2"
  freeze "$2"
  mapfile -t said <"$2.log"
  while [[ ${said[-1]} != 'I: working' ]]; do
    thaw "$2"
    working "$2"
    freeze "$2"
    mapfile -t said <"$2.log"
  done
  "$1" "$2"
}

# kill_idle WORKER OTHER - kill a worker that has nothing to do: the only request of
# the scene is with the other worker, which is held for that long
kill_idle() {
  TRACE_DIR='' when_working freeze "$2"
  kill9 "$1"
  SHOW='' TRACE_DIR='' thaw "$2"
}

cut_off() { # WORKER, which is w3 on host b
  cut b
  thaw "$1"
}

# served COUNT WORKER... - wait until each has completed COUNT requests
served() {
  local count=$1 worker
  shift
  for worker; do wait_for "$worker" '^I: done$' "$count"; done
}

# ms SHOWN TESTED - slow enough to watch in a demo, fast in a test
ms() {
  if [[ ${SHOW-} ]]; then echo "$1"; else echo "$2"; fi
}

# long_id - print the size of a long routing id. TSan takes ten microseconds for each byte
# that is copied from a message of libzmq.
long_id() {
  if [[ $bin == *tsan ]]; then echo 300; else echo 40000; fi
}

# any_bytes FRONT - bodies of any content, size and number of frames return
any_bytes() {
  run -0 zpeer -t 5000 REQ "$1" ''
  [[ $output == '[]' ]]
  run -0 zpeer -t 5000 REQ "$1" '%01'
  [[ $output == '[%01]' ]]
  run -0 zpeer -t 5000 REQ "$1" 'a%00%01%FFb' '' '%01' '%02'
  [[ $output == '[a%00%01%FFb][][%01][%02]' ]]
  zpeer -t 10000 REQ "$1" '%{1000000}' >big
  [[ $(wc -c <big) == 1000003 ]]
}

# malformed ENDPOINT... - send all kinds of malformed messages to each
malformed() {
  local long=(c d e f g h i j k l m n o p q r s t u v) side one
  for side; do
    send() { zpeer -n 0 DEALER "$side" "$@" 3>&- & }
    for one in '' x '%00' '%01' '%02' '%03' '%01%01' '%{300}' '%{2000000}'; do
      send "$one"
      send '' "$one"
      send "$one" ''
      send client '' "$one"
      send '' client '' "$one"
      wait "$!"
    done
    send '' '' ''
    send '' '' '' ''
    send '' '' '' '' ''
    send a b c d
    send client '' "${long[@]}"
    send '' c '' "${long[@]}"
    send "${long[@]}"
    wait "$!"
  done
}

# frames COUNT - set x to that many frames
frames() {
  x=()
  while ((${#x[@]} < $1)); do x+=(x); done
}

# raw_peer ENDPOINT TYPE ID FRAME... - connect without libzmq, which limits the
# length of an id, and send one message. Leaves the connection open in $raw.
raw_peer() {
  local port=${1##*:} type=$2 id=$3 body LC_ALL=C
  shift 3
  exec {raw}<>"/dev/tcp/127.0.0.1/$port"
  {
    printf '\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL'
    printf '%.0s\0' {1..48}
    body=$((6 + 16 + ${#type} + 13 + ${#id}))
    printf '\6\0\0\0\0\0\0'
    byte $((body / 256)) $((body % 256))
    printf '\5READY\13Socket-Type\0\0\0'
    byte ${#type}
    printf '%s\10Identity\0\0' "$type"
    byte $((${#id} / 256)) $((${#id} % 256))
    printf %s "$id"
  } >handshake
  cat handshake >&"$raw"
  read -r -d Y -t 9 -u "$raw" || fail 'no READY' || return
  while (($# > 0)); do
    byte "$(($# > 1))" ${#1}
    printf %s "$1"
    shift
  done >message
  cat message >&"$raw"
}

# byte NUMBER... - print bytes
byte() {
  local number octal
  for number; do
    printf -v octal %o "$number"
    # shellcheck disable=SC2059     # the format is the byte
    printf "\\$octal"
  done
}

# stops_in_any_state QUEUE WORKER - a signal ends both, and a client, at any moment
stops_in_any_state() {
  local name
  for _ in $(seq "$(rounds 3 50)"); do
    rm -f ./*.log
    start queue "$1" ipc://front ipc://back
    start worker "$2" -t 60000 ipc://back
    start client lpclient ipc://front
    moment 200
    for name in worker queue client; do
      wait_for "$name" '^I'     # it awaits signals by then
      if ((RANDOM % 2)); then stop "$name" INT; else stop "$name"; fi
    done
    [[ $(lines_of queue 'Context was terminated') == 0 ]]
  done
}
