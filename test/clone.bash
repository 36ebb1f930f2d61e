# clone.bash - helpers of the scenes of the Clone models 1 to 5.

no=%00%00%00%00%00%00%00%00     # the number 0

# up MODEL [OPTION...] - start the server of a model; that of model 2 has no collector,
# and makes the updates itself
up() {
  if (($1 == 2)); then
    start server clonesrv2 "${@:2}" ipc://s ipc://u
    wait_for server 'publisher bound'
  else
    start server "clonesrv$1" ipc://s ipc://u ipc://c
    wait_for server 'collector bound'
  fi
}

# restart MODEL [OPTION...] - kill the server, and start another one
restart() {
  kill9 server
  rm -f s u c server.log
  up "$@"
}

# listen MODEL NAME OPTION... - start a client that sets no keys
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

# put KEY VALUE - set a key, in three frames; put5 KEY UUID PROPERTIES VALUE, in five
put() { zpeer -n 0 PUSH ipc://c "$1" $no "$2"; }
put5() { zpeer -n 0 PUSH ipc://c "$1" $no "$2" "$3" "$4"; }

# put_any MODEL KEY VALUE - set a key, in the frames of this model
put_any() {
  if (($1 == 5)); then put5 "$2" '' '' "$3"; else put "$2" "$3"; fi
}

# items [SUBTREE] - print a snapshot, a message a line
items() {
  local n reply
  for n in 1 2 3 4 5; do        # on a busy machine the end may come later
    reply=$(zpeer -t 300 -n 99999999 DEALER ipc://s 'ICANHAZ?' "$@" || :)
    if [[ $reply == *KTHXBAI* ]]; then break; fi
  done
  printf '%s\n' "$reply"
}

# has_item REGEX [SUBTREE] - return whether a snapshot has it
has_item() { items "${@:2}" | grep -qaE -- "$1"; }

# report NAME - print its last line: "N keys, sequence S, digest D"
report() { grep -aE '^[0-9]+ keys, sequence' "$1.log" | tail -n 1; }

# same NAME NAME... - expect that their tables are equal, and the numbers too
same() {
  local first=$1 name
  shift
  [[ $(report "$first") ]] || fail "$first has no report"
  for name; do
    [[ $(report "$name") == "$(report "$first")" ]] \
      || fail "$name: $(report "$name"), $first: $(report "$first")"
  done
}

# joined NAME... - expect that each has fetched one snapshot, and one more for each
# fault that it has logged
joined() {
  local name
  for name; do
    (($(lines_of "$name" '^I: snapshot of') == 1 + $(lines_of "$name" '^W: .*joining'))) \
      || fail "$name has joined without a reason: $(cat "$name.log")"
  done
}

# joined_once NAME... - expect that each has fetched one snapshot, without a fault
joined_once() {
  local name
  joined "$@"
  for name; do run ! grep '^[WE]:' "$name.log"; done
}

# updates_per_second MODEL - print how many a scene makes: models 2 and 4 do not detect
# an update that is lost on an overloaded machine
updates_per_second() {
  if (($1 == 2 || $1 == 4)); then rounds 3000 4000; else rounds 3000 10000; fi
}

# write_to MODEL COUNT - start COUNT updates of 10,000 keys
write_to() {
  local frames=3
  if (($1 == 2)); then return; fi    # the server makes them
  if (($1 == 5)); then frames=5; fi
  start writer kvfill -m "$(updates_per_second "$1")" -w 10000 $frames ipc://c "$2" /client/
}

# end_equal NAME... - all end, with the same table as the first
end_equal() {
  local name
  for name; do ends "$name"; done
  same "$@"
}

# Clients join while another one writes, the first half one after the other, then all
# at once. With HAMMER there are fifty, and 10,000 updates a second: two cores are too
# slow for that, and the updates wait in the queues.
crowd_joins() { # MODEL
  local model=$1 clients length n names=(first)
  clients=$(rounds 8 50) length=$(rounds 20000 100000)
  export WAIT_S=60
  up "$model" -m "$(updates_per_second "$model")"
  listen "$model" first -n "$length"
  wait_for first snapshot
  write_to "$model" "$length"
  for ((n = 0; n < clients; n++)); do
    if ((n < clients / 2)); then moment 150; fi
    listen "$model" "c$n" -n "$length"
    names+=("c$n")
  done
  end_equal "${names[@]}"
  joined "${names[@]}"
  equals_server first
}

# equals_server NAME - all updates are over; in model 2 they are not
equals_server() {
  if [[ ${pid_of[writer]-} ]]; then
    stop writer
    stop server
    same server "$1"
  else
    stop server
  fi
}

# The clients reach the publisher later than the snapshots. A client that did not wait
# for its subscription would miss updates.
late_subscription() { # MODEL
  local n model=$1 updates=20000 publisher=ipc://u
  up "$model" -m 2500
  listen "$model" first -n $updates
  wait_for first snapshot
  write_to "$model" $updates
  publisher=ipc://late
  for n in 1 2 3; do listen "$model" "c$n" -n $updates; done
  zpeer -n 500 -t 9000 SUB ipc://u '' >/dev/null # so that they would miss some
  ln -s u late
  end_equal first c1 c2 c3
  joined_once first c1 c2 c3
  equals_server first
}

# A server of the Guide's sends no HUGZ, and publishes an update every 3.5 s.
joins_without_hugz() { # MODEL
  local model=$1 one=%00%00%00%00%00%00%00%01 two=%00%00%00%00%00%00%00%02 between=()
  if ((model == 5)); then between=('' ''); fi
  start news zpeer -b -n 0 -r 2 -w 3500 PUB ipc://u /client/k "$two" "${between[@]}" new
  start table zpeer -b -t 60000 -n 9 DEALER ipc://s '%;' \
    /client/k "$one" "${between[@]}" old '%,' KTHXBAI "$one" "${between[@]}" ''
  listen "$model" client -n 2
  within 10000 has_line client 'snapshot of 1 keys, up to update 1'
  ends client
  [[ $(report client) == '1 keys, sequence 2, '* ]] || fail "$(report client)"
}

# The server restarts, and has more updates than before when the client hears of it.
restart_overtakes() { # MODEL
  local model=$1 n subtree=()
  if ((model > 3)); then subtree=(/client/); fi
  up "$model" -m 20
  listen "$model" client -t 600000
  wait_for client snapshot
  if ((model > 2)); then
    for n in 1 2 3; do put_any "$model" /client/$n old; done
    wait_until has_item '/client/3' "${subtree[@]}"
  fi
  freeze client
  restart "$model" -m 1000
  if ((model > 2)); then
    for n in 4 5 6 7 8 9; do put_any "$model" /client/$n new; done
    wait_until has_item '/client/9' "${subtree[@]}"
  fi
  thaw client
  wait_for client 'W: the server has restarted: joining again'
  wait_for client 'snapshot of' 2
  joined client
  if ((model > 2)); then
    put_any "$model" /client/last v
    stop_when_equal client
  else
    stop client
    stop server
  fi
}

# stop_when_equal NAME... - stop clients and server when all updates have arrived,
# which is so after a HUGZ
stop_when_equal() {
  local name
  zpeer -n 2 -t 9000 SUB ipc://u HUGZ >/dev/null
  for name; do stop "$name"; done
  stop server
  same server "$@"
}
