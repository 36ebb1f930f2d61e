# clone.bash - what the scenes of the Clone models share.

no=%00%00%00%00%00%00%00%00     # a number that says nothing

# up MODEL - its server; that of model 2 has no collector, and makes the updates
up() {
  if (($1 == 2)); then
    start server clonesrv2 ipc://s ipc://u
    wait_for server 'publisher bound'
  else
    start server "clonesrv$1" ipc://s ipc://u ipc://c
    wait_for server 'collector bound'
  fi
}

# listen MODEL NAME OPTION... - a client that only keeps a copy
listen() {
  local model=$1 name=$2
  shift 2
  start "$name" "clonecli$model" -C "$@" ipc://s ipc://u ipc://c
}

# put KEY VALUE - set it, in three frames; put5 KEY UUID PROPERTIES VALUE
put() { zpeer -n 0 PUSH ipc://c "$1" $no "$2"; }
put5() { zpeer -n 0 PUSH ipc://c "$1" $no "$2" "$3" "$4"; }

# items [SUBTREE] - what a snapshot has, a message a line
items() { zpeer -t 300 -n 99999999 DEALER ipc://s 'ICANHAZ?' "$@" || :; }

# report NAME - the last line it printed: "N keys, sequence S, digest D"
report() { grep -aE '^[0-9]+ keys, sequence' "$1.log" | tail -n 1; }

# same NAME NAME... - their tables are equal, to the number
same() {
  local first=$1 name
  shift
  [[ $(report "$first") ]] || fail "$first has no report"
  for name; do
    [[ $(report "$name") == "$(report "$first")" ]] \
      || fail "$name: $(report "$name"), $first: $(report "$first")"
  done
}

# has_keys N - the server's snapshot says so
has_item() { items "${@:2}" | grep -qaE -- "$1"; }

# From the beginning to the end of many updates, clients join.
crowd_joins() { # MODEL [OPTION...]
  local n clients updates model=$1
  shift
  clients=$(rounds 8 50) updates=$(rounds 20000 200000)
  export WAIT_S=60
  up "$model"
  listen "$model" first -n "$updates"
  wait_for first snapshot
  start writer "clonecli$model" -m 10000 -n "$updates" "$@" \
    ipc://s ipc://u ipc://c
  wait_for writer snapshot
  for ((n = 0; n < clients; n++)); do
    if ((n < clients / 2)); then moment 150; fi
    listen "$model" "c$n" -n "$updates"
  done
  ends writer
  ends first
  for ((n = 0; n < clients; n++)); do ends "c$n"; done
  stop server
  for ((n = 0; n < clients; n++)); do same server "c$n"; done
  same server first
}

# The way to the publisher is found later than that to the snapshots: who did not
# wait for the subscription would have a gap.
late_subscription() { # MODEL [OPTION...]
  local n model=$1 updates=20000
  shift
  up "$model"
  listen "$model" first -n $updates
  wait_for first snapshot
  start writer "clonecli$model" -m 10000 -n $updates "$@" \
    ipc://s ipc://u ipc://c
  wait_for writer snapshot
  for n in 1 2 3; do
    start "c$n" "clonecli$model" -C -n $updates ipc://s ipc://late ipc://c
  done
  zpeer -n 5000 SUB ipc://u '' >/dev/null # half a second, as the updates count
  ln -s u late
  ends writer
  ends first
  for n in 1 2 3; do ends "c$n"; done
  stop server
  same server first c1 c2 c3
}
