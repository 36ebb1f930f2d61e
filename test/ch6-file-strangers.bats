# A file transfer with slow or hostile clients, and with a FILE that cannot be sent.

load helpers
load files

@test "fileio: a slow client fills the server's memory in fileio1 only" {
  local model before slow
  grown() { echo $(($(memory server) - before)); }
  much() { (($(grown) > 20000)); }
  file data 60000000
  for model in 1 2 3; do
    server $model data -z 20000
    before=$(memory server)
    if ((model == 1)); then slow=(-m 20); else slow=(-m 20 -z 20000); fi
    fetch client $model "${slow[@]}"
    wait_until awaits_signals client
    if ((model == 1)); then wait_until much; else elapse 1.5; fi
    echo "model $model: $(grown) kB"
    if ((model > 1)); then (($(grown) < 12000)); fi
    stop client
    fetch client $model         # the next client is served
    complete client data
    stop server
  done
}

@test "fileio: a malformed request is dropped, and the next client is served" {
  local model ask
  file data 20000000
  for model in 1 2 3; do
    server $model data
    for ask in 'fetch %2D1 5' 'fetch 5 %2D1' 'fetch x 5' 'fetch 0 0' 'fetch 1e9 9' 'fetch 0' \
      'fetch 0 1 2' 'FETCH 0 1' 'fetch %00 1' 'fetch +1 1' 'fetch 99999999999999999999 1' \
      'fetch 0 2147483648' 'fetch 0 999999999999999999' 'fetch 0 4194305'; do
      # shellcheck disable=SC2086 # words are frames
      [[ ! $(zpeer -t 50 -n 1 DEALER ipc://server $ask) ]] || fail "$ask"
    done
    zpeer -n 0 DEALER ipc://server a b c d e f g h i j k l m n o p q r s t u v w
    wait_for server 'W: dropped a malformed message' 15
    fetch client $model
    complete client data
    stop server
  done
}

@test "fileio3: a client that requests much and receives nothing costs bounded memory" {
  local before grown
  file data 20000000
  server 3 data
  before=$(memory server)
  start greedy zpeer -r 20000 -w 1 -t 60000 -n 99999 DEALER ipc://server fetch 0 250000
  wait_for server 'W: chunk dropped, the client does not receive'
  fetch client 3
  complete client data
  grown=$(($(memory server) - before))
  echo "$grown kB more"
  # A sanitizer keeps what was freed, for a while.
  ((grown < (WAIT_S > 20 ? 600000 : 80000)))
  stop server
}

@test "fileio: a server that sends oversized or malformed chunks is not believed" {
  local model
  printf 0123456789 >data
  for model in 2 3; do
    for reply in 01234 '0123 4567'; do # more bytes, or frames, than requested
      rm -f server.log
      # shellcheck disable=SC2086 # words are frames
      start server zpeer -b -n 99 -t 20000 DEALER ipc://server $reply
      wait_for server bound
      fetch client $model -z 4 -t 200 -r 20
      wait_for client '^W: dropped a malformed message of [12] frames from the server$'
      kill9 server
      server $model data
      complete client data
      stop server
    done
  done
}

@test "fileio: a FILE that is missing, no regular file or not readable is an error" {
  local model file
  mkdir folder
  mkfifo fifo
  for model in 1 2 3; do
    run -1 timeout "$WAIT_S" fileio$model nowhere ipc://server
    [[ $output == 'E: nowhere: No such file or directory' ]]
    for file in folder fifo /dev/zero; do
      run -1 timeout "$WAIT_S" fileio$model -S $file ipc://server
      [[ $output == "E: $file: not a regular file" ]]
    done
  done
  file data 10
  chmod 000 data
  if ((EUID != 0)); then
    run -1 timeout "$WAIT_S" fileio3 data ipc://server
    [[ $output == 'E: data: Permission denied' ]]
  fi
}

@test "fileio: without a server a client gives up, and leaves no copy" {
  local model
  for model in 2 3; do
    run -1 timeout "$WAIT_S" fileio$model -C -d copy -t 100 -r 2 ipc://none
    [[ $output == *'E: ipc://none: no answer, giving up'* ]]
  done
  run -1 timeout "$WAIT_S" fileio1 -C -d copy -t 100 ipc://none
  [[ $output == *'E: ipc://none: no end of the file after 0 bytes'* ]]
  [[ ! -e copy && ! -e copy.part ]]
}

@test "fileio: options out of their range or without a meaning are refused" {
  local model options
  for model in 1 2 3; do
    for options in '-C -S' '-C one two' '-z 0' '-z 4194305' '-t 0' '-c 101' '-C -c 0' \
      '-S -d copy' '-c 2 -d copy'; do
      # shellcheck disable=SC2086 # words
      run -2 fileio$model $options
    done
  done
  run -2 fileio2 -r 0
  run -2 fileio3 -r 0
  run -2 fileio3 -o 0
  run -2 fileio3 -o 26
  run -2 fileio3 -d "$(printf %05000d 1)"
}
