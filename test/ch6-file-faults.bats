# A file transfer, whatever happens to its server.

load helpers
load files

# bats test_tags=demo:file-transfer
@test "files: the server is killed and restarted: models 2 and 3 go on" {
  local model n pace=100
  if [[ ${SHOW-} ]]; then pace=25; fi
  file data $((8 << 20))
  for model in 3 2; do
    note "model $model: clients that take $pace chunks a second and more"
    server $model data
    fetch one $model -z 40000 -m $pace -t 300 -r 100
    fetch two $model -z 30000 -m $((pace * 2)) -t 200 -c 2 -r 100
    for ((n = $(rounds 2 30); n > 0; n--)); do
      moment 600
      kill9 server
      moment 500
      start server "fileio$model" -S data ipc://server
      if (($(lines_of one 'chunks received'))); then break; fi
    done
    note 'and the server is back: it knows nothing, and need not'
    complete one
    complete two
    [[ $(lines_of two 'chunks received') == 2 ]]
    wait_for server "$(digest one)"
    stop server
  done
}

@test "files: model 1 cannot go on, and says so" {
  file data 20000000
  server 1 data -z 100000
  fetch client 1 -m 50 -t 500
  elapse 0.5
  kill9 server
  start server fileio1 -S data ipc://server
  wait_for server 'server bound' 2
  ends client 1
  wait_for client '^E: ipc://server: no end after [0-9]+ bytes'
  stop server
}

@test "files: what comes late is not taken for what is asked now" {
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
    wait_for client 'W: no chunk, asking again'
    complete client
    stop server
  done
  # Something behind the end: so something before it is missing.
  rm server.log
  start server zpeer -b -n 99 -t 5000 DEALER ipc://server abcd %, ef %, ghij
  wait_for server bound
  fetch client 3 -z 4 -o 3
  ends client 1
  wait_for client '^E: chunks were lost'
}

@test "files: what is on its way when the server dies does not become a hole" {
  printf abcdefghijklmnopqrstuvwxyz >data
  # Two of three answers, and then nobody; the client takes its time with them.
  start liar zpeer -b -n 3 -t 20000 DEALER ipc://server abcd %, efgh
  wait_for liar bound
  fetch client 3 -z 4 -o 3 -m 2 -t 500
  ends liar
  server 3 data
  complete client
  wait_for client 'W: no chunk, asking again'
  stop server
}

@test "files: they stop when told, whatever they do" {
  local model signal
  truncate -s 100000000000 huge # it takes a while to read
  file data 60000000
  for signal in INT TERM; do
    for model in 1 2 3; do
      start reading fileio$model -S huge ipc://other
      wait_until awaits_signals reading
      moment 300
      stop reading $signal
      server $model data
      fetch client $model -m 20
      fetch waiting $model -m 1
      fetch busy $model -c 9
      for name in client waiting; do wait_until awaits_signals $name; done
      moment 200
      for name in client waiting server; do stop $name $signal; done
      kill9 busy 2>/dev/null || :
    done
  done
}
