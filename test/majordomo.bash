# majordomo.bash - shared by the scenes of Majordomo. Commands on the wire: %01 READY,
# %02 REQUEST, %03 REPLY, %04 HEARTBEAT, %05 DISCONNECT.
# shellcheck disable=SC2154,SC2034 # bats and helpers.bash set some variables, callers read others

at=ipc://broker

# broker [OPTION...] - start the broker
broker() {
  if is_foreign mdbroker; then rm -f "${at#ipc://}"; fi
  start broker mdbroker "$@" $at
  if is_foreign mdbroker; then
    wait_until test -S "${at#ipc://}"
  else
    wait_for broker 'bound'
  fi
}

# worker NAME [OPTION...] - start a worker for echo and wait until it is registered
worker() {
  local name=$1 known
  shift
  known=$(lines_of broker 'echo: worker registered')
  start "$name" mdworker "$@" $at
  registered $((known + 1)) echo
}

# registered [COUNT [SERVICE]] - wait until so many workers (1) of the service (echo)
# have registered in all. A foreign broker only tells that there is one.
registered() {
  if is_foreign mdbroker; then
    becomes 200 10000 "${2-echo}"
  else
    wait_for broker "^I: ${2-.*}: worker registered" "${1-1}"
  fi
}

# dropped COUNT - wait until the broker has dropped so many malformed messages
dropped() {
  if is_foreign mdbroker; then return; fi
  wait_for broker 'dropped a malformed message' "$1"
}

# raw NAME FRAME... - start a DEALER that sends these frames and prints all it receives
raw() {
  local name=$1
  shift
  start "$name" zpeer -t 30000 -n 1000 DEALER $at "$@"
}

# answer FRAME... - send the frames to the broker and print the first message it sends
answer() {
  zpeer -t 5000 DEALER $at "$@"
}

# tell FRAME... - send the frames and return when the broker has read them
tell() {
  answer "$@" '%,' '' MDPC01 mmi.service x >/dev/null
}

# ask FRAME... - send a request to echo and print the reply
ask() {
  zpeer -t 10000 REQ $at MDPC01 echo "$@"
}

# says MESSAGES - expect that the last command has printed them
says() {
  [[ $output == "$1" ]] || fail "expected $1, received ${output:-nothing}"
}

# is STATUS [SERVICE] - the status that mmi.service returns for it
is() {
  local said
  said=$(zpeer -t 5000 REQ $at MDPC01 mmi.service "${2-echo}")
  [[ $said == "[MDPC01][mmi.service][$1]" ]] \
    || fail "RFC 8: mmi.service must answer [MDPC01][mmi.service][$1], but answers $said"
}

# becomes STATUS MS [SERVICE] - wait for that status, at most MS milliseconds
becomes() {
  within "$2" is "$1" "${@:3}" >"becomes.out" || fail "$(tail -n 1 becomes.out)"
}

# takes_less_than KB - the resident memory of the broker (a sanitizer needs more)
takes_less_than() {
  if [[ $bin == *san ]]; then return; fi
  (($(memory broker) < $1)) || fail "$(memory broker) kB, not less than $1"
}

# many N FRAME... - set frames to N messages; & stands for a new name in each
many() {
  local n=$1 text
  shift
  text=$(printf '%s\\n' "$@")
  mapfile -t frames < <(seq -f "$RANDOM-%.0f" "$n" | sed "s/.*/$text%,/")
}

# still_serves - the broker runs and a request gets its reply
still_serves() {
  if ended broker; then fail 'the broker has ended'; return 1; fi
  if [[ ! ${pid_of[echo]-} ]]; then worker echo; fi
  run -0 ask hello
  says '[MDPC01][echo][hello]'
}
