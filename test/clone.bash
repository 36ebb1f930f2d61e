# clone.bash - what the scenes of the Clone models share.

no=%00%00%00%00%00%00%00%00     # a number that says nothing

# up MODEL [OPTION...] - its server; that of model 2 has no collector, and makes
# the updates itself
up() {
  if (($1 == 2)); then
    start server clonesrv2 "${@:2}" ipc://s ipc://u
    wait_for server 'publisher bound'
  else
    start server "clonesrv$1" ipc://s ipc://u ipc://c
    wait_for server 'collector bound'
  fi
}

# listen MODEL NAME OPTION... - a client that only keeps a copy, of what comes
# from the publisher
publisher=ipc://u
listen() {
  local model=$1 name=$2
  shift 2
  if ((model == 2)); then
    start "$name" clonecli2 "$@" ipc://s $publisher
  else
    start "$name" "clonecli$model" -C "$@" ipc://s $publisher ipc://c
  fi
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

# write_to MODEL COUNT OPTION... - from now on there are so many updates
write_to() {
  if (($1 == 2)); then return; fi    # the server makes them
  start writer "clonecli$1" -m "$(rounds 3000 10000)" -n "$2" "${@:3}" ipc://s ipc://u ipc://c
  wait_for writer snapshot
}

# end_equal NAME... - all end, with the same table as the first
end_equal() {
  local name
  for name; do ends "$name"; done
  same "$@"
}

# Clients join while others write, the first half one after the other, then all
# at once. With HAMMER they are fifty, at 10,000 updates a second; what two cores
# are too slow to pass on to so many, the queues have to hold.
crowd_joins() { # MODEL [OPTION...]
  local model=$1 clients length n names=(first)
  shift
  clients=$(rounds 8 50) length=$(rounds 20000 100000)
  export WAIT_S=60
  up "$model" -m "$(rounds 3000 10000)"
  listen "$model" first -n "$length"
  wait_for first snapshot
  write_to "$model" "$length" "$@"
  for ((n = 0; n < clients; n++)); do
    if ((n < clients / 2)); then moment 150; fi
    listen "$model" "c$n" -n "$length"
    names+=("c$n")
  done
  end_equal "${names[@]}"
  equals_server first
}

# equals_server NAME - all updates are over; in model 2 they are not
equals_server() {
  if [[ ${pid_of[writer]-} ]]; then
    ends writer
    stop server
    same server "$1"
  else
    stop server
  fi
}

# The way to the publisher is found later than that to the snapshots: who did not
# wait for the subscription would have a gap.
late_subscription() { # MODEL [OPTION...]
  local n model=$1 updates=20000 publisher=ipc://u
  shift
  up "$model" -m 5000
  listen "$model" first -n $updates
  wait_for first snapshot
  write_to "$model" $updates "$@"
  publisher=ipc://late
  for n in 1 2 3; do listen "$model" "c$n" -n $updates; done
  zpeer -n 5000 -t 9000 SUB ipc://u '' >/dev/null # half a second, as the updates count
  ln -s u late
  end_equal first c1 c2 c3
  equals_server first
  run ! grep -h '^[WE]:' c1.log c2.log c3.log
}
