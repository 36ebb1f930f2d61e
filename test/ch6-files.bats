# A file of any size through any of the three models.

load helpers
load files

@test "files: every byte, in each model and of every size" {
  local model size
  for size in 0 1 249999 250000 250001 500000 1234567; do
    file data $size
    for model in 1 2 3; do
      rm -f play.log
      start play fileio$model data ipc://play
      ends play
      wait_for play "^$(chunks $model $size 250000) chunks received, $size bytes"
      [[ $(grep -c "$(digest play)\$" play.log) == 2 ]]
    done
  done
}

@test "files: 100 MB, in chunks of 1 KB to 4 MB" {
  local model size
  file data "$(rounds 20000000 100000000)"
  for size in 1000 1024 250000 1048576 4194304; do
    for model in 1 2 3; do
      server $model data -z $size
      if ((model == 1)); then fetch client 1; else fetch client $model -z $size; fi
      complete client
      stop server
    done
  done
}

@test "files: model 3 loses no chunk" {
  local n
  file data "$(rounds 10000000 100000000)"
  for ((n = $(rounds 6 50); n > 0; n--)); do
    rm -f play.log
    start play fileio3 -z 1000 -o $((n % 25 + 1)) data ipc://play
    ends play
    [[ $(grep -c "$(digest play)\$" play.log) == 2 ]]
  done
}

@test "files: more than fits 32 bits" {
  local model
  truncate -s 5000000000 data
  printf AT3GB | dd of=data bs=1 seek=3000000000 conv=notrunc status=none
  for model in $(rounds 2 '1 2 3'); do
    server $model data -z 4000000
    if ((model > 1)); then
      zpeer -t 9000 DEALER ipc://server fetch 3000000000 5 | grep -x '\[AT3GB\]'
      zpeer -t 9000 DEALER ipc://server fetch 4999999999 5 | grep -x '\[%00\]'
    fi
    if [[ ${HAMMER-} ]]; then     # and all of it
      if ((model == 1)); then fetch client 1; else fetch client $model -z 4000000; fi
      WAIT_S=120 complete client
      [[ $(digest client) == '5000000000 bytes'* ]]
    fi
    stop server
  done
}

@test "files: the digest tells a byte changed, and chunks that changed places" {
  of() { fileio3 -z "${2:-250000}" "$1" ipc://of | sed -nE 's/.*received, //p'; }
  seq 20000 >data
  [[ $(of data) == "$(of data 1)" && $(of data) == "$(of data 777)" ]] || fail pieces
  { head -c 1000 data; printf x; tail -c +1002 data; } >changed
  { head -c 16000 data | tail -c 8000; head -c 8000 data; tail -c +16001 data; } >moved
  { cat data; printf '\0'; } >longer
  for other in changed moved longer; do
    [[ $(of $other) != "$(of data)" ]] || fail "$other"
  done
}

@test "files: several clients at once, and one that goes in the middle" {
  local model
  file data 10000000
  for model in 1 2 3; do
    server $model data
    fetch gone $model -m 20
    fetch three $model -c 3
    fetch one $model
    fetch other $model -c 2
    moment 100
    kill9 gone
    complete one
    complete three
    complete other
    [[ $(grep -c "$(digest server)\$" three.log) == 3 ]]
    stop server
  done
}

@test "files: the wire" {
  printf 0123456789 >data
  server 1 data -z 4
  [[ $(zpeer -n 4 DEALER ipc://server fetch) == $'[0123]\n[4567]\n[89]\n[]' ]]
  [[ $(zpeer -n 4 DEALER ipc://server fetch) == $'[0123]\n[4567]\n[89]\n[]' ]]
  stop server
  for model in 2 3; do
    server $model data
    ask() { zpeer -t 300 DEALER ipc://server fetch "$@"; }
    [[ $(ask 0 4) == '[0123]' && $(ask 8 4) == '[89]' && $(ask 3 1) == '[3]' ]]
    [[ $(ask 10 4) == '[]' && $(ask 999999999999999999 4) == '[]' ]]
    [[ $(ask 007 999999999999999999) == '[789]' ]]
    stop server
    rm server.log
    # What a client sends: as much as its credit, and no more.
    start server zpeer -b -n 99 -t 60000 DEALER ipc://server
    wait_for server bound
    fetch client $model -t 60000
    wait_for server '^\[fetch\]\[0\]\[250000\]$'
    if ((model == 3)); then wait_for server '^\[fetch\]\[2250000\]\[250000\]$'; fi
    elapse 0.3                  # it asks for nothing more
    [[ $(lines_of server fetch) == $((model == 3 ? 10 : 1)) ]]
    stop client
    kill9 server
    rm server.log
  done
}

@test "files: where a round trip is long, model 2 waits for each chunk, model 3 does not" {
  local model ms=()
  file data 1000000
  for model in 2 3; do
    server $model data
    far near server 25
    # Forty chunks, and an empty one for the end.
    start client fileio$model -C -z 25000 -t 10000 ipc://near
    complete client
    ms[model]=$(sed -nE 's/^I: ([0-9]+)\.([0-9]+) s, .*/\1\2/p' client.log)
    kill9 way
    rm -f near way.log client.log
    stop server
  done
  echo "model 2: ${ms[2]} ms, model 3: ${ms[3]} ms"
  ((10#${ms[2]} >= 41 * 50))
  ((10#${ms[3]} * 2 < 10#${ms[2]}))
}
