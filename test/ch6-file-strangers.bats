# A file transfer, whatever its clients ask for, and whatever becomes of the file.

load helpers
load files

@test "files: a slow client fills the server in model 1, and only there" {
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
    fetch client $model         # who comes next is served all the same
    complete client
    stop server
  done
}

@test "files: hostile offsets, sizes, messages and silence" {
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
    wait_for server 'W: (dropped|no chunk)' 15
    fetch client $model
    complete client
    stop server
  done
  # Who asks for much and takes nothing costs the server a bounded amount.
  server 3 data
  before=$(memory server)
  start greedy zpeer -r 20000 -w 1 -t 60000 -n 99999 DEALER ipc://server fetch 0 250000
  wait_for server 'W: a client takes less than it asks for'
  fetch client 3
  complete client
  echo "$(($(memory server) - before)) kB more"
  # A sanitizer keeps what was freed, for a while.
  (($(memory server) - before < (WAIT_S > 20 ? 600000 : 80000)))
  stop server
}

@test "files: what is not there or cannot be read is said" {
  local model
  mkdir folder
  for model in 1 2 3; do
    run -1 timeout "$WAIT_S" fileio$model nowhere ipc://server
    [[ $output == 'E: nowhere: No such file or directory' ]]
    run -1 timeout "$WAIT_S" fileio$model -S folder ipc://server
    [[ $output == 'E: folder: Is a directory' ]]
  done
  file data 10
  chmod 000 data
  if ((EUID != 0)); then
    run -1 timeout "$WAIT_S" fileio3 data ipc://server
    [[ $output == 'E: data: Permission denied' ]]
  fi
  # No server: after some tries.
  run -1 timeout "$WAIT_S" fileio2 -C -t 100 -r 2 ipc://none
  [[ $output == *'E: ipc://none: no answer, giving up'* ]]
  run -1 timeout "$WAIT_S" fileio3 -C -t 100 -r 2 ipc://none
  [[ $output == *'E: ipc://none: no answer, giving up'* ]]
  run -1 timeout "$WAIT_S" fileio1 -C -t 100 ipc://none
  run -2 fileio3 -C -S
  run -2 fileio3 -z 0
  run -2 fileio3 -z 4194305
  run -2 fileio3 -C one two
  run -2 fileio3 -o 26
}

@test "files: one that shrinks is an error, and no short copy" {
  local model
  for model in 1 2 3; do
    file data 20000000
    server $model data
    if ((model == 1)); then
      truncate -s 5000100 data
      fetch client 1 -t 300
    else
      fetch client $model -m 40 -t 200 -r 2
      wait_until awaits_signals client
      elapse 0.3
      truncate -s 5000100 data
    fi
    ends client 1
    wait_for server 'W: no chunk: '
    [[ ! $(digest client) ]]
    # One that grows is what it was.
    file data 6000000
    stop server
    server $model data
    fetch client $model -m 40
    wait_until awaits_signals client
    elapse 0.1
    echo more >>data
    complete client
    stop server
  done
}
