# pirates.bash - what the scenes of Lazy, Simple and Paranoid Pirate share.
# shellcheck disable=SC2154      # bats and helpers.bash set some variables

# replies NAME - the numbers of the replies that this lpclient accepted
replies() {
  sed -nE 's/^I: server replied OK \(([0-9]+)\)$/\1/p' "$1.log"
}

# in_order NAME - 1, 2, 3, ... and not one of them missing, twice or early
in_order() {
  local got
  got=$(replies "$1")
  diff <(echo "$got") <(seq "$(wc -l <<<"$got")") || fail "$1: out of order"
}

# more NAME LINE [COUNT] - wait for that line of it, so often from now on
more() {
  wait_for "$1" "$2" "$(($(lines_of "$1" "$2") + ${3:-1}))"
}

# idle WORKER - wait until it has just replied; working WORKER - until it works
idle() { more "$1" 'normal reply'; }
working() { more "$1" 'working'; }

# when STATE FAULT WORKER - while it is working, or idle, and no later
when() {
  local SHOW='' last            # no pause for those who watch
  if [[ $1 == idle ]]; then last='I: normal reply'; else last='I: working'; fi
  "$1" "$3"
  freeze "$3"
  while [[ $(tail -n 1 "$3.log") != "$last" ]]; do
    thaw "$3"
    "$1" "$3"
    freeze "$3"
  done
  "$2" "$3"
}

cut_off() { # WORKER, which is w3 on host b
  cut b
  thaw "$1"
}

# served COUNT WORKER... - wait until each of these has served so many
served() {
  local count=$1 worker
  shift
  for worker; do wait_for "$worker" '^I: normal reply$' "$count"; done
}

# ms SHOWN TESTED - slow enough to be watched, or as fast as a test can go
ms() {
  if [[ ${SHOW-} ]]; then echo "$1"; else echo "$2"; fi
}

# runs NAME - has it not ended yet?
runs() {
  kill -0 "${pid_of[$1]}" 2>/dev/null
}

# bytes FRONT - bodies of any content, size and number of frames come back
bytes() {
  run -0 zpeer -t 5000 REQ "$1" ''
  [[ $output == '[]' ]]
  run -0 zpeer -t 5000 REQ "$1" 'a%00%01%FFb' '' '%01' '%02'
  [[ $output == '[a%00%01%FFb][][%01][%02]' ]]
  zpeer -t 10000 REQ "$1" '%{1000000}' >big
  [[ $(wc -c <big) == 1000003 ]]
}

# garbage ENDPOINT... - all that makes no sense, to each of them
garbage() {
  local long=(c d e f g h i j k l m n o p q r s t u v) side one
  for side; do
    say() { zpeer -n 0 DEALER "$side" "$@" 3>&- & }
    for one in '' x '%00' '%01' '%02' '%03' '%01%01' '%{300}' '%{2000000}'; do
      say "$one"
      say '' "$one"
      say "$one" ''
      say client '' "$one"
      say '' client '' "$one"
      wait "$!"
    done
    say '' '' ''
    say '' '' '' ''
    say '' '' '' '' ''
    say a b c d
    say client '' "${long[@]}"
    say '' c '' "${long[@]}"
    say "${long[@]}"
    wait "$!"
  done
}
