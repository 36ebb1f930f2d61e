# The contract of every program about the messages that peers send: none of them stops
# it, hangs it or fills its memory, and the next well-formed one is served.

load helpers
load contract
export LSAN_OPTIONS=suppressions=$BATS_TEST_DIRNAME/lsan.supp:print_suppressions=0

# alone NAME - print options for the program: no worker of its own, and a short run
alone() {
  case $1 in
  lbbroker | peering[23]) echo '-c 0 -w 0' ;;
  rt*) echo '-t 600000' ;;
  asyncsrv) echo '-w 200' ;; # its work takes time
  clonecli[12]) echo '-n 1500' ;;
  clonecli*) echo '-m 200 -n 300' ;;
  *) "$1" -h | sed -nE '/until stopped/d; s/^  (-n) COUNT .*/\1 300/p' ;;
  esac
}

# hasty COMMAND - print options: short timeouts, many tries, no simulated work
hasty() {
  if [[ $1 == zpeer ]]; then echo; return; fi
  "$1" -h | sed -nE 's/^  (-t) MS +silence of a server.*/\1 2000/p;t
    /^  -t MS .*at least [0-9]{3}/{s/^  (-t) MS .*at least ([0-9]{3,}).*/\1 \2/p;d}
    s/^  (-t) MS +work.*/\1 0/p; s/^  (-f) PERCENT.*/\1 0/p
    s/^  (-t) MS .*(answer|give up|of a request|of the next).*/\1 2000/p
    s/^  (-t) MS .*(a reply|wait|silence|of one|of each|of a client).*/\1 100/p
    s/^  (-t) MS +timeout, and pause.*/\1 20/p
    s/^  (-r) N .*/\1 1000/p; s/^  (-i) MS .*/\1 200/p; s/^  (-m) N .*\(1\)$/\1 1000/p' \
    | tr '\n' ' '
  echo
}

# with_relays NAME ARRAY [direct] - put relays between the program and a peer, a
# command; with "direct" only those that there are already, before the program
with_relays() {
  # shellcheck disable=SC2178
  local -n words=$2
  local i place suffix suffixes=('')
  local count=34
  if [[ $1 == clone*6 ]]; then suffixes+=(+1 +2); fi
  if [[ $1 == ticlient ]]; then count=1; fi # its timeout is no option
  for i in "${!words[@]}"; do
    place=ipc://${words[i]#ipc://}
    if [[ $i == 0 || ! ($place == ipc://SELF-* || " ${places[*]} " == *" $place "*) ]]; then
      continue
    fi
    words[i]=$place
    if [[ ${3-} ]] && { ((relays == 0)) || ! connects "$1" "$place"; }; then
      continue
    elif ! connects "$1" "$place"; then
      words[i]=$place-near$relays
      for suffix in "${suffixes[@]}"; do
        start "relay$((relays++))" zrelay -r "${words[i]}$suffix" "$place$suffix"
      done
    else
      words[i]=$place-far
      if [[ ${far[$place]-} ]]; then continue; fi
      far[$place]=relay$relays
      for suffix in "${suffixes[@]}"; do
        start "relay$((relays++))" zrelay -n "$count" "$place$suffix" "$place-far$suffix"
      done
    fi
  done
}

# is_client ARRAY - return whether a command binds nothing
is_client() {
  local -n line=$1
  [[ ${line[0]-} && " ${line[*]} " != *' -b '* ]] \
    && ! "${line[0]}" -h | grep -qE '^  [A-Z]+ +bind( [^o]|$)'
}

# start_behind NAME COUNT [direct] - start the first peers of the program
start_behind() {
  local command options n=0
  while ((n < $2)) && read -r -a command; do
    with_relays "$1" command "${3-}"
    read -r -a options < <(hasty "${command[0]}")
    start "peer$((n++))" "${command[0]}" "${options[@]}" "${command[@]:1}"
  done < <(peers_of "$1")
}

# all_sent NAME - return whether each relay has sent all that it spoils, or the
# program has ended
all_sent() {
  local i
  if ended "$1"; then return; fi
  for ((i = 0; i < relays; i++)); do
    grep -q 'all sent' "relay$i.log" || return
  done
}

# Every number of frames from each peer of the program, as a reply too; oversized
# frames to each socket that connects; then a well-formed message is served.
survives_frames() {
  local options relay relays=0
  # A REQ socket that receives no empty frame loses its connection and waits for a
  # reply that never comes: spworker.c says so.
  if [[ $1 == spworker ]]; then return; fi
  local -A far=()
  read -r -a options < <(echo "$(hasty "$1")" "$(alone "$1")")
  arguments "$1"
  start_behind "$1" 9
  for relay in "${far[@]}"; do wait_for "$relay" bound; done
  start_alone "$1" "${options[@]}"
  WAIT_S=$(rounds 4 30) wait_until all_sent "$1" >/dev/null || :
  send_everywhere "$1" -f
  is_served "$1"
}

# The programs that play both sides have a client that connects, with -C.
client_survives_frames() {
  local relays=1 options file=()
  if ! "$1" -h | grep -q '^  -C  .*only the \(client\|subscriber\)'; then return; fi
  if "$1" -h | grep -q '^  FILE '; then file=(testdata); fi
  read -r -a options < <(hasty "$1")
  start server "$1" -S "${file[@]}" ipc://far
  start relay0 zrelay ipc://near ipc://far
  start "$1" "$1" -C "${options[@]}" ipc://near
  WAIT_S=$(rounds 4 30) wait_until all_sent "$1" >/dev/null || :
  no_control_characters "$1"
  stop_or_end "$1"
}

# A broker whose peer sends spoiled states, requests and replies.
peering_survives_frames() {
  if [[ $1 != peering? ]]; then return; fi
  local relays=0 options good_lines
  read -r -a options < <("$1" -h | sed -nE 's/^  (-c) N .*/\1 2/p; s/^  (-w) N .*/\1 1/p
    /^  -t MS .*at least/{s/^  (-t) MS .*at least ([0-9]+).*/\1 \2/p;d}
    s/^  (-t) MS .*/\1 300/p; s/^  (-i) MS .*/\1 100/p' | tr '\n' ' '; echo)
  start far "$1" "${options[@]}" FAR SELF
  wait_for far '^I: ' 1
  if [[ -e FAR-state.ipc ]]; then
    start "relay$((relays++))" zrelay ipc://PEER-state.ipc ipc://FAR-state.ipc
  fi
  if [[ -e FAR-cloud.ipc ]]; then
    start "relay$((relays++))" zrelay -i PEER ipc://PEER-cloud.ipc ipc://FAR-cloud.ipc
  fi
  start "$1" "$1" "${options[@]}" SELF PEER
  WAIT_S=$(rounds 4 30) wait_until all_sent "$1" >/dev/null || :
  no_control_characters "$1"
  good_lines "$1"
  wait_until has_news "$1" "$good_lines"
  stop "$1"
}

# Random messages to each socket that is bound; then the memory has not grown, and a
# well-formed message is served.
survives_malformed() {
  local before after limit options client=() count relays=0
  read -r -a options < <(echo "$(alone "$1")")
  start_alone "$1" "${options[@]}"
  wait_until_bound "$1"
  if ! grep -q ' bound to ' "$1.log"; then stop_or_end "$1"; return; fi
  before=$(memory "$1" 2>/dev/null) || before=0
  send_everywhere "$1" -n "$(rounds 500 5000)" -s "$RANDOM"
  if ! after=$(memory "$1" 2>/dev/null); then gave_up "$1"; return; fi
  # A sanitizer keeps what has been freed.
  if [[ ${SLACK_MS-} ]]; then limit=$((256 * 1024)); else limit=$((64 * 1024)); fi
  ((after - before < limit)) || fail "memory grew from $before to $after kB"
  count=$(peers_of "$1" | wc -l)
  read -r -a client < <(peers_of "$1" | tail -n 1) || :
  if is_client client; then count=$((count - 1)); fi
  start_behind "$1" "$count" direct
  is_served "$1"
}

# A peer whose routing id is longer than the 255 bytes that libzmq sets, but takes: the
# handshake of ZMTP 3.0 by hand, and then a message, as from a client or a worker.
survives_long_ids() {
  local i socket size words raw=() sockets=0
  arguments "$1"
  for i in "${!places[@]}"; do
    if ! binds "$1" "${places[i]}"; then continue; fi
    if "$1" -h | grep -q 'it binds P, P+1'; then return; fi
    places[i]='tcp://127.0.0.1:*'
    sockets=$((sockets + 1))
  done
  if ((sockets == 0)); then return; fi
  start "$1" "$1" "${args[@]}" "${places[@]}"
  wait_for "$1" '^I: .* bound to tcp:' "$sockets"
  for socket in $(sed -nE 's/^I: .* bound to tcp.*:([0-9]+)$/\1/p' "$1.log"); do
    for size in 60000 300; do
      for words in READY '\1' 'MDPW01 \1 echo' 'MDPC01 echo hello'; do
        send_raw "$socket" "$size" "$words"
      done
    done
  done
  nap 0.3                       # there is no output to wait for
  for socket in "${raw[@]}"; do exec {socket}>&-; done
  stop_or_end "$1"
}

# send_raw PORT SIZE WORDS - connect as a REQ with an id of SIZE bytes; send [][WORD]...
send_raw() {
  local socket word more=1
  exec {socket}<>"/dev/tcp/127.0.0.1/$1" || return 0
  (
    trap - EXIT                 # the program may close the connection: SIGPIPE
    printf '\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL'
    printf '\0%.0s' {1..48}
    printf '\6\0\0\0\0'      # a command, its size in 8 bytes
    printf "\\x$(printf %08x $((6 + 12 + 7 + 9 + 4 + $2)) | sed 's/../&\\x/g; s/\\x$//')"
    printf '\5READY\xbSocket-Type\0\0\0\3REQ\x8Identity'
    printf "\\x$(printf %08x "$2" | sed 's/../&\\x/g; s/\\x$//')"
    head -c "$2" /dev/zero | tr '\0' i
    printf '\1\0'
    for word in $3; do
      if [[ $word == "${3##* }" ]]; then more=0; fi
      printf -v word %b "$word"
      printf "\\x0$more\\x$(printf %02x "${#word}")%s" "$word"
    done
  ) 1>&"$socket" 2>/dev/null || :
  raw+=("$socket")              # open, or what is unread is lost
}

# A publisher stores what its subscribers send: subscriptions of 1 MB neither fill
# its memory nor, when they are removed, its stack.
survives_subscriptions() {
  local before after socket n=0
  start_alone "$1"
  wait_until_bound "$1"
  if ! grep -q ' bound to ' "$1.log"; then stop_or_end "$1"; return; fi
  before=$(memory "$1")
  for socket in $(sed -nE 's/^I: .* bound to //p' "$1.log" | grep -v '^udp:'); do
    start "stranger$((n++))" bash -c 'ulimit -s 1000000 && exec "$@"' large-stack \
      zpeer -n 0 -w 300 XSUB "$socket" '%01%{1000000}'
  done
  while ((n > 0)); do ends "stranger$((--n))"; done
  after=$(memory "$1") || fail "$1 has ended"
  ((after - before < 20000)) || [[ ${SLACK_MS-} ]] \
    || fail "memory grew from $before to $after kB"
  stop_or_end "$1"
}

send_everywhere() { # NAME ZHOSTILE_OPTION...
  local socket
  for socket in $(sed -nE 's/^I: .* bound to //p' "$1.log"); do
    if ended "$1"; then return; fi
    "${via[@]}" timeout 60 zhostile "${@:2}" "$socket" || :
  done
}

# good_lines NAME - set good_lines to how many lines of its output are no warnings
good_lines() {
  good_lines=$(grep -acvE '^(W: |I: (asking|connecting|trying))' "$1.log" || :)
}

# has_news NAME COUNT - return whether it has printed more good lines, has ended, or
# a new client has been served
has_news() {
  local good_lines
  good_lines "$1"
  ended "$1" || ((good_lines > $2)) || { [[ -e last.log ]] && grep -qvE '^([IWE]|usage): ' last.log; }
}

# Expect that the program serves a new client; or that it prints something new; or,
# if it has ended, that it has said why.
is_served() {
  local client=() options=() good_lines
  no_control_characters "$1"
  # On a busy machine the other half of a Binary Star may have become active.
  if [[ ${pid_of[peer0]-} ]] && "$1" -h | grep -q '^  -b '; then kill9 peer0; fi
  good_lines "$1"
  read -r -a client < <(peers_of "$1" | tail -n 1) || :
  if [[ ${client[0]-} ]] && ! ended "$1"; then
    if is_client client; then
      with_relays "$1" client direct
      read -r -a options < <(hasty "${client[0]}")
      if "${client[0]}" -h | grep -q '^  -n COUNT'; then options+=(-n 1); fi
      start last "${client[0]}" "${options[@]}" "${client[@]:1}"
    fi
    if [[ " ${options[*]} " == *' -n 1 '* ]]; then
      ends last
    else
      wait_until has_news "$1" "$good_lines"
    fi
  elif ! needs_network "$1"; then
    wait_until has_news "$1" "$good_lines" # it plays all parts
  fi
  no_control_characters "$1"
  if ended "$1"; then
    grep -q '^[^I]' "$1.log" || fail "$1 has ended without a word"
  fi
  stop_or_end "$1"
}

# no_control_characters NAME - expect none in its output
no_control_characters() {
  if LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]' "$1.log" >raw; then
    head -n 3 raw | head -c 300 | cat -v
    fail "$1 prints control characters"
  fi
}

@test "contract: any number of frames, or frames of any size, leave it able to serve" {
  each_program survives_frames
}

@test "contract: any number of frames leaves a client able to continue" {
  each_program client_survives_frames
}

@test "contract: any number of frames from another broker leaves a broker able to serve" {
  each_program peering_survives_frames
}

@test "contract: a routing id of any length leaves it able to continue" {
  each_program survives_long_ids
}

@test "contract: subscriptions of 1 MB neither fill it nor stop it" {
  each_program survives_subscriptions
}

@test "contract: malformed messages neither stop, fill nor confuse it" {
  each_program survives_malformed
}
