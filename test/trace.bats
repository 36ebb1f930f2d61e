# make trace-NAME, and the sequence diagrams of the READMEs: each arrow is a message of
# the scene that a comment above the diagram names. trace/check.pl says how an arrow
# and a message are compared.

load helpers
load files

# Chapters whose diagrams do not name their scenes yet.
not_yet=(ch5-pubsub ch8-p2p)

# record SCENE... - play each scene, and write its messages to the file SCENE; three
# at a time, since a scene mostly waits
record() {
  local scene jobs=()
  for scene; do
    BIN=$bin FORMAT=tsv "$root/test/trace/trace" "$scene" >"$scene" 2>"$scene.errors" 3>&- &
    jobs+=($!)
    if ((${#jobs[@]} == 3)); then
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
