# A file of any size, through each of the three models.

load helpers
load files

@test "fileio: the copy equals the file, in each model and for each size" {
  local model size
  for size in 0 1 249999 250000 250001 500000 1234567; do
    file data $size
    for model in 1 2 3; do
      rm -f play.log copy
      start play fileio$model -d copy data ipc://play
      ends play
      wait_for play "^$(chunks $model $size 250000) chunks received, $size bytes$"
      cmp data copy
    done
  done
}

@test "fileio: 100 MB arrives, in chunks of 1 kB to 4 MB" {
  local model size
  file data "$(rounds 20000000 100000000)"
  for size in 1000 1024 250000 1048576 4194304; do
    for model in 1 2 3; do
      server $model data -z $size
      if ((model == 1)); then fetch client 1; else fetch client $model -z $size; fi
      complete client data
      stop server
    done
  done
}

@test "fileio3: no chunk is lost, at each number of outstanding requests" {
  local n
  file data "$(rounds 10000000 100000000)"
  for ((n = $(rounds 6 50); n > 0; n--)); do
    rm -f play.log copy
    start play fileio3 -d copy -z 1000 -o $((n % 25 + 1)) data ipc://play
    ends play
    cmp data copy
  done
}

@test "fileio: several clients are served at once, also if one of them is killed" {
  local model
  file data 10000000
  for model in 1 2 3; do
    server $model data
    fetch killed $model -m 20
    fetch_many three $model 3
    fetch one $model
    fetch other $model
    moment 100
    kill9 killed
    complete one data
    complete other data
    ends three
    wait_for three 'chunks received, 10000000 bytes$' 3
    stop server
    rm -f killed.copy.part
  done
}

@test "fileio: a file above 4 GB is served at once, and its bytes are right" {
  local model
  truncate -s 100000000000 data # a server that reads it first needs minutes
  printf AT3GB | dd of=data bs=1 seek=3000000000 conv=notrunc status=none
  for model in 2 3; do
    server $model data
    zpeer -t 9000 DEALER ipc://server fetch 3000000000 5 | grep -x '\[AT3GB\]'
    zpeer -t 9000 DEALER ipc://server fetch 99999999999 5 | grep -x '\[%00\]'
    stop server
  done
  if [[ ${HAMMER-} ]]; then     # and all of a smaller one
    truncate -s 5000000000 data
    for model in 1 2 3; do
      server $model data -z 4000000
      if ((model == 1)); then fetch client 1; else fetch client $model -z 4000000; fi
      WAIT_S=120 complete client data
      stop server
    done
  fi
}

@test "fileio: a copy has its name only once it is complete" {
  local model
  file data 5000000
  for model in 1 2 3; do
    server $model data
    fetch client $model -m 10
    wait_until test -s client.copy.part
    [[ ! -e client.copy ]]
    # A second client with the same -d must not write to the same file.
    run -1 timeout "$WAIT_S" fileio$model -C -d client.copy ipc://server
    [[ $output == 'E: client.copy.part: File exists' ]]
    stop client
    [[ ! -e client.copy && ! -e client.copy.part ]]
    echo old >client.copy       # is replaced
    start client fileio$model -C -d client.copy ipc://server
    complete client data
    stop server
  done
}

@test "fileio: each request and each chunk, as on the wire" {
  local model
  printf 0123456789 >data
  server 1 data -z 4
  [[ $(zpeer -n 4 DEALER ipc://server fetch) == $'[0123]\n[4567]\n[89]\n[]' ]]
  [[ $(zpeer -n 4 DEALER ipc://server fetch) == $'[0123]\n[4567]\n[89]\n[]' ]]
  stop server
  for model in 2 3; do
    server $model data
    ask() { zpeer -t 9000 DEALER ipc://server fetch "$@"; }
    [[ $(ask 0 4) == '[0123]' && $(ask 8 4) == '[89]' && $(ask 3 1) == '[3]' ]]
    [[ $(ask 10 4) == '[]' && $(ask 999999999999999999 4) == '[]' ]]
    [[ $(ask 007 4194304) == '[789]' ]]
    stop server
    rm server.log
    # The client sends one request, or ten, its credit.
    start server zpeer -b -n 99 -t 60000 DEALER ipc://server
    wait_for server bound
    fetch client $model -t 60000
    wait_for server '^\[fetch\]\[0\]\[250000\]$'
    if ((model == 3)); then wait_for server '^\[fetch\]\[2250000\]\[250000\]$'; fi
    elapse 0.3                  # no further request
    [[ $(lines_of server fetch) == $((model == 3 ? 10 : 1)) ]]
    stop client
    kill9 server
    rm server.log
  done
}

@test "fileio3: at a round trip of 50 ms it takes less than half the time of fileio2" {
  local model ms=()
  file data 1000000
  for model in 2 3; do
    server $model data
    line near server 25
    # Forty chunks, and an empty one for the end.
    start client fileio$model -C -d client.copy -z 25000 -t 10000 ipc://near
    complete client data
    ms[model]=$(sed -nE 's/^I: ([0-9]+)\.([0-9]+) s, .*/\1\2/p' client.log)
    kill9 line
    rm -f near line.log client.log
    stop server
  done
  echo "model 2: ${ms[2]} ms, model 3: ${ms[3]} ms"
  ((10#${ms[2]} >= 41 * 50))
  ((10#${ms[3]} * 2 < 10#${ms[2]}))
}
