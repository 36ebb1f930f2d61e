# make trace-NAME, and the sequence diagrams of the READMEs: each arrow is a message of
# the scene that a comment above the diagram names. trace/check.pl says how an arrow
# and a message are compared.

load helpers
load files

# record SCENE... - play each scene, and write its messages to the file SCENE; six at
# a time, since a scene mostly waits
record() {
  local scene jobs=()
  for scene; do
    BIN=$bin FORMAT=tsv "$root/test/trace/trace" "$scene" >"$scene" 2>"$scene.errors" 3>&- &
    jobs+=($!)
    if ((${#jobs[@]} == 6)); then
      wait "${jobs[0]}" || :
      jobs=("${jobs[@]:1}")
    fi
  done
  wait "${jobs[@]}" || :
  cat ./*.errors
}

# diagrams_are_true CHAPTER... - check the diagrams of these READMEs
diagrams_are_true() {
  local chapter readmes=() scenes=()
  for chapter; do readmes+=("$root/$chapter/README.md"); done
  mapfile -t scenes < <(for readme in "${readmes[@]}"; do
    perl "$root/test/trace/check.pl" "$readme"
  done | sort -u)
  record "${scenes[@]}"
  for readme in "${readmes[@]}"; do
    perl "$root/test/trace/check.pl" "$readme" . || fail "$readme"
  done
}

# trace SCENE - its text; the scene is played once for all tests of this file
trace() {
  perl "$root/test/trace/${2:-print}.pl" "$BATS_FILE_TMPDIR/$1"
}

setup_file() {
  case $(uname) in Linux | FreeBSD) ;; *) skip 'cannot preload' ;; esac
  cd "$BATS_FILE_TMPDIR" || return
  record service-discovery
}

# ---- the output ---------------------------------------------------------------------

@test "trace: each message has both ends, their sockets and its frames; faults stand between" {
  local number=' *[0-9]+\.[0-9]{3}'
  local arrived=' *\+[0-9.]+ '
  trace service-discovery >text
  has() { grep -qE -- "^$number$1\$" text || fail "no line '$1'"; }
  has '  --- a broker without workers'
  has "$arrived before REQ     -> broker ROUTER \[]\[MDPC01]\[mmi.service]\[echo]"
  has "$arrived broker ROUTER  -> before REQ    \[]\[MDPC01]\[mmi.service]\[404]"
  has "$arrived worker DEALER  -> broker ROUTER \[]\[MDPW01]\[READY]\[echo]"
  has '  --- kill -9 worker'
  has "$arrived libzmq monitor -> broker PAIR   \[DISCONNECTED]\[ipc://broker]"
  has ' *broker ROUTER  -x worker DEALER  not sent: unreachable'
  has "$arrived broker ROUTER  -> after REQ     \[]\[MDPC01]\[mmi.service]\[404]"
  grep -qx '  mdbroker: broker' text
}

@test "trace: a message that nobody has received is marked" {
  trace service-discovery >text
  # The last client asks a broker that was never there.
  grep -qE '^ +[0-9.]+ +mmiecho REQ +-x \? \? +\[]\[MDPC01]\[mmi.service]\[echo] never received$' text
}

@test "trace: the sequence diagram has participants, arrows and closed loops" {
  trace service-discovery mermaid >diagram
  [[ $(head -n 1 diagram) == sequenceDiagram ]]
  grep -qE '^    participant P[0-9]+ as broker$' diagram
  grep -qE '^    P[0-9]+->>P[0-9]+: \[]\[MDPW01]\[READY]\[echo]$' diagram
  grep -qE '^    P[0-9]+-xP[0-9]+: not sent: unreachable$' diagram
  grep -qE '^    Note over P[0-9]+: kill -9 worker$' diagram
  run ! grep -vE '^sequenceDiagram$|^ +(participant P[0-9]+ as |Note over P|loop |end$|P[0-9]+-(>>|x)P[0-9]+: )' diagram
  [[ $(grep -c '^ *loop' diagram) == "$(grep -c '^ *end$' diagram)" ]]
}

@test "trace: the picture is well-formed, and shows the processes and the kill" {
  trace service-discovery draw >picture.svg
  perl -0777 -ne '
    while (m{<(/?)([a-z]+)[^>]*?(/?)>}g) {
      if ($1) { pop(@open) eq $2 or die "$2 is not open\n" } elsif (!$3) { push @open, $2 }
    }
    s/<[^>]*>//g;
    die "not escaped: $_" if /[<>]|&(?!(amp|lt|gt);)/;
    END { die "@open not closed\n" if @open }' picture.svg
  grep -q '>broker</text>' picture.svg
  grep -q '>kill -9</text>' picture.svg
  grep -q 'class="killed"' picture.svg
}

@test "trace: a window leaves out what was before and after it" {
  BIN=$bin FORMAT=tsv WINDOW='kill worker,0.02,0.02' \
    "$root/test/trace/trace" service-discovery >lines 3>&-
  run ! grep -E 'message.*(before|after)' lines
  perl "$root/test/trace/print.pl" lines >text
  grep -q 'kill -9 worker' text
  run ! grep -E 'before REQ|after REQ' text
}

@test "trace: a system that cannot preload says so in a line" {
  mkdir fake
  printf '#!/bin/sh\necho Darwin\n' >fake/uname
  chmod +x fake/uname
  PATH="$PWD/fake:$PATH" BIN=$bin run -1 "$root/test/trace/trace" identity
  [[ $output == 'make trace-identity needs Linux or FreeBSD: it preloads a library into programs.' ]]
  mkdir empty
  BIN=empty run -1 "$root/test/trace/trace" identity
  [[ $output == *'cannot preload its library'* && ${#lines[@]} == 1 ]]
  BIN=$bin run -2 "$root/test/trace/trace" nothing
}

# ---- WITH ---------------------------------------------------------------------------

@test "trace: a program in WITH replaces ours of the same name" {
  mkdir theirs
  printf '#!/bin/sh\necho "these are theirs"\nexec %s/mdworker "$@"\n' "$bin" >theirs/mdworker
  chmod +x theirs/mdworker
  BIN=$bin WITH=theirs "$root/test/trace/trace" service-discovery >text 3>&-
  grep -q 'worker DEALER .*READY' text
  WITH=theirs run -0 bash -c '
    bats_require_minimum_version() { :; }
    BATS_TEST_DIRNAME=$1/test BIN=$2
    . "$1/test/helpers.bash"
    command -v mdworker; command -v mdbroker' - "$root" "$bin"
  [[ ${lines[0]} == "$PWD/theirs/mdworker" && ${lines[1]} == "$bin/mdbroker" ]]
}

# ---- the READMEs --------------------------------------------------------------------

@test "readme: the diagrams of chapters 2 and 3 agree with their scenes" {
  diagrams_are_true ch2-sockets ch3-advanced-reqrep
}

@test "readme: the diagrams of chapter 4 agree with their scenes" {
  diagrams_are_true ch4-reliability
}

@test "readme: the diagrams of chapters 5, 6 and 8 agree with their scenes" {
  diagrams_are_true ch5-pubsub ch6-community ch8-p2p
}

@test "readme: a diagram without a scene, or with an arrow that nobody sends, is found" {
  cat >README.md <<'END'
<!-- scene: service-discovery -->
```mermaid
sequenceDiagram
    participant W as worker
    participant B as mdbroker
    W->>B: [][MDPW01][READY][echo]
    B-xW: Host unreachable
```
END
  check() { perl "$root/test/trace/check.pl" README.md "$BATS_FILE_TMPDIR"; }
  run -0 check
  sed -i.bak 's/READY/REPLY/' README.md
  run -1 check
  [[ $output == "README.md:3: line 6, '[][MDPW01][REPLY][echo]': no such message" ]]
  sed -i.bak 's/REPLY/READY/; s/B-xW/B->>W/' README.md
  run -1 check
  sed -i.bak 's/B->>W/B-xW/; 1d' README.md
  run -1 check
  [[ $output == 'README.md:2: no comment names its scene' ]]
}

# ---- scenes that only the diagrams need ---------------------------------------------

# bats test_tags=trace:two-workers
@test "trace: two clients and two workers of lbbroker take turns" {
  start broker lbbroker -c 0 -w 0 ipc://front ipc://back
  start worker1 zpeer -e -n 0 -t 60000 -w 20 REQ ipc://back READY
  start worker2 zpeer -e -n 0 -t 60000 -w 20 REQ ipc://back READY
  start client1 lpclient ipc://front
  start client2 lpclient ipc://front
  for name in client1 client2; do wait_for $name '^I: reply 10$'; done
  stop client1
  stop client2
  stop broker
}

# bats test_tags=trace:file-models
@test "trace: each model of fileio sends a file of some chunks" {
  local model
  for model in 1 2 3; do
    file data $((model == 3 ? 1100000 : 600000))
    start server$model fileio$model -S data ipc://server$model
    wait_for server$model bound
    # A client that takes its time gets each chunk before it requests the next.
    if ((model == 3)); then options=(-o 3 -m 5); else options=(); fi
    start client$model fileio$model -C -d copy$model "${options[@]}" ipc://server$model
    ends client$model
    cmp data copy$model
    stop server$model
  done
}

# bats test_tags=trace:file-restart
@test "trace: a server of fileio2 is frozen, killed and restarted" {
  file data 600000
  start server fileio2 -S data ipc://server
  wait_for server bound
  start client fileio2 -C -d copy -m 1 -t 300 ipc://server
  wait_until test -s copy.part
  freeze server                 # the client requests the next chunk in a second
  elapse 1.2
  kill9 server
  start server fileio2 -S data ipc://server
  ends client
  cmp data copy
  stop server
}
