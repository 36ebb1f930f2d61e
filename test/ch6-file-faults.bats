# A file transfer whose server is killed or frozen, or whose file or line fails.

load helpers
load files

# bats test_tags=demo:file-transfer
@test "fileio2, fileio3: a transfer continues after its server was killed and restarted" {
  local model n pace=100
  if [[ ${SHOW-} ]]; then pace=25; fi
  file data $((8 << 20))
  for model in 3 2; do
    note "model $model: two clients receive $pace and $((pace * 2)) chunks a second"
    server $model data
    fetch one $model -z 40000 -m $pace -t 300 -r 100
    fetch two $model -z 30000 -m $((pace * 2)) -t 200 -r 100
    for ((n = $(rounds 2 30); n > 0; n--)); do
      moment 600
      kill9 server
      moment 500
      start server "fileio$model" -S data ipc://server
      if (($(lines_of one 'chunks received'))); then break; fi
    done
    note 'the clients ask the restarted server for the rest'
    complete one data
    complete two data
    stop server
  done
}

@test "fileio1: a client whose server was restarted fails, and leaves no copy" {
  file data 20000000
  server 1 data -z 10000        # more chunks than the queues of a client take
  fetch client 1 -m 1000 -t 2000
  wait_until test -s client.copy.part
  kill9 server
  start server fileio1 -S data ipc://server
  wait_for server 'server bound' 2
  fails client 'ipc://server: no end of the file after [0-9]+ bytes'
  stop server
}

@test "fileio1: a client that starts before its server waits for it" {
  file data 1000000
  fetch client 1
  wait_until awaits_signals client
  elapse 0.3
  server 1 data
  complete client data
  stop server
}

@test "fileio2, fileio3: a restarted server with another file makes the client fail" {
  local model size
  for model in 2 3; do
    for size in 100000 0 9000000 4000000; do # shorter, empty, longer, equal
      file data 4000000
      server $model data -z 40000
      fetch client $model -z 40000 -m 50 -t 200 -r 100
      wait_until test -s client.copy.part
      kill9 server
      file data $size
      server $model data
      fails client 'ipc://server: the server has another file after [0-9]+ bytes'
      stop server
    done
  done
}

@test "fileio: a file that changes while it is served ends server and client" {
  local model change options=(-t 300)
  for model in 1 2 3; do
    if ((model == 2)); then options+=(-r 2); fi
    for change in 'truncate -s 5000100' 'truncate -s +1' 'dd conv=notrunc count=1 status=none'; do
      file data 20000000
      server $model data
      if [[ $change == dd* ]]; then $change if=/dev/zero of=data; else $change data; fi
      fetch client $model "${options[@]}"
      ends server 1
      wait_for server '^E: data: the file has changed, at byte [0-9]+$'
      fails client 'ipc://server: no (answer|end)'
    done
  done
  # One process plays both sides.
  file data 20000000
  start play fileio3 -d copy -m 50 -t 300 data ipc://play
  wait_until test -s copy.part
  truncate -s 100 data
  ends play 1
  wait_for play '^E: data: the file has changed'
  [[ $(lines_of play '^E: ') == 1 ]]
  [[ ! -e copy && ! -e copy.part ]]
}

@test "fileio: a chunk that cannot be read ends the server; fileio2 and fileio3 then continue" {
  needs_linux LD_PRELOAD
  local model size=()
  "${CC:-cc}" -shared -fPIC "$root/test/preload/faults.c" -o faults.so -ldl
  file data 1000000
  for model in 1 2 3 3 3; do
    rm -f server.log
    # The address sanitizer wants to be the first library, and works as second too.
    start server env "ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0" \
      "LD_PRELOAD=$PWD/faults.so" FAULT_CALLS=pread FAULT=6 FAULT_ERRNO=5 \
      fileio$model -S -z 1000 data ipc://server
    wait_for server bound
    # Small chunks: the next request is there before the server ends.
    if ((model > 1)); then size=(-z 1000); fi
    fetch client $model -t 400 "${size[@]}"
    ends server 1
    wait_for server '^E: data: Input/output error, at byte 5000$'
    if ((model == 1)); then
      fails client 'ipc://server: no end of the file after [0-9]+ bytes'
    else
      server $model data
      complete client data
      stop server
    fi
  done
}

@test "fileio2, fileio3: a chunk that arrives after a new connection is not used" {
  local model
  file data 5000000
  for model in 2 3; do
    server $model data
    fetch client $model -m 100 -t 150 -r 100 -z 30000
    for n in 1 2; do
      elapse 0.2
      freeze server
      elapse 0.5
      thaw server
    done
    wait_for client 'W: no chunk for [0-9]+ ms'
    complete client data
    stop server
  done
}

@test "fileio3: a chunk behind the end of the file is an error" {
  start server zpeer -b -n 99 -t 5000 DEALER ipc://server abcd %, ef %, ghij
  wait_for server bound
  fetch client 3 -z 4 -o 3
  fails client 'ipc://server: chunks were lost'
}

@test "fileio3: a server that dies after some of its answers leaves no gap in the copy" {
  printf abcdefghijklmnopqrstuvwxyz >data
  # Two of three answers; then it ends, before the client has received both.
  start liar zpeer -b -n 3 -t 20000 DEALER ipc://server abcd %, efgh
  wait_for liar bound
  fetch client 3 -z 4 -o 3 -m 2 -t 500
  ends liar
  server 3 data
  complete client data
  wait_for client 'W: no chunk for [0-9]+ ms'
  stop server
}

@test "fileio2, fileio3: a line that needs longer than the timeout for a chunk is slow, not dead" {
  local model
  file data 200000
  for model in 2 3; do
    server $model data
    line near server 0 150000
    # A chunk of 50,000 bytes takes 333 ms.
    start client fileio$model -C -d client.copy -z 50000 -t 100 -r 6 ipc://near
    complete client data
    # Two silences, 100 and 200 ms, before the first chunk; then it waits longer.
    (($(lines_of client 'W: no chunk') <= 6))
    kill9 line
    rm -f near line.log client.log
    stop server
  done
}

@test "fileio2: after a slow chunk the client waits at most 8 timeouts for the next" {
  # A DEALER sends one chunk, which takes more than 4 timeouts, and no other.
  start server zpeer -b -w 700 -n 99 -t 60000 DEALER ipc://slow '%{100}'
  wait_until test -S slow
  start client fileio2 -C -d client.copy -z 100 -t 50 -r 99 ipc://slow
  wait_until test -s client.copy.part
  wait_for client 'W: no chunk' $(($(lines_of client 'W: no chunk') + 1))
  run ! grep -E 'no chunk for ([5-9]..|....+) ms' client.log
  stop client
}

@test "fileio: a copy that cannot be written is an error, and no copy remains" {
  local model
  file data 5000000
  for model in 1 2 3; do
    server $model data
    # Files above 1 MB cannot be written: EFBIG.
    start client bash -c 'trap "" XFSZ; ulimit -f 1000; exec "$@"' limited \
      fileio$model -C -d client.copy ipc://server
    fails client 'client.copy.part: File too large after [0-9]+ bytes'
    rm client.log
    stop server
  done
  run -1 timeout "$WAIT_S" fileio2 -C -d no/such/copy ipc://server
  [[ $output == 'E: no/such/copy.part: No such file or directory' ]]
}

@test "fileio: a signal ends server and clients at any time, and no copy remains" {
  local model signal
  file data 60000000
  for signal in INT TERM; do
    for model in 1 2 3; do
      server $model data
      fetch client $model -m 20
      fetch waiting $model -m 1
      fetch_many busy $model 9
      for name in client waiting; do wait_until awaits_signals $name; done
      moment 200
      for name in client waiting server; do stop $name $signal; done
      kill9 busy 2>/dev/null || :
      [[ ! -e client.copy.part && ! -e waiting.copy.part ]]
    done
  done
}

@test "file transfer: a copy whose last write failed does not replace the earlier one" {
  local model
  head -c 990000 /dev/zero >testdata   # the last of four chunks is short
  for model in 2 3; do
    echo earlier >copy
    run -1 bash -c "trap '' XFSZ; ulimit -f 900; exec fileio$model -d copy testdata ipc://f$model"
    [[ $(<copy) == earlier && ! -e copy.part ]]
  done
}
