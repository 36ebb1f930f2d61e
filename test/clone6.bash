# clone6.bash - helpers of the scenes of Clone's model 6: a pair of servers, clients
# shellcheck disable=SC2034      # the test files use the variables

# The pair of a scene: fast, but no machine stops it for twice this, or it takes
# its peer for dead; and by local names. Its publishers and collectors are
# ipc://a+1, ipc://a+2, ipc://b+1, ipc://b+2.
interval=400
servers=(ipc://a ipc://b)
asks=()
none='%00%00%00%00%00%00%00%00' # the number of an update from a client

primary() {
  start primary clonesrv6 -p -i "$interval" ipc://a ipc://as ipc://b ipc://bs
}

backup() {
  start backup clonesrv6 -b -i "$interval" ipc://b ipc://bs ipc://a ipc://as
}

# A pair that knows itself: the primary is active, the backup has its table.
pair() {
  primary
  backup
  wait_for primary 'primary -> active: the peer is backup'
  wait_for backup 'snapshot of [0-9]+ keys'
}

# app NAME [SERVER...] - an application of the class, that does what tell says
app() {
  mkfifo "$1.in"
  start "$1" bash -c "exec 6<>$1.in; exec cloneapp ${*:2} <&6"
  wait_for "$1" 'I: ready'
}

tell() { # NAME COMMAND...
  echo "${*:2}" >"$1.in"
}

# set_key NAME KEY VALUE [TTL] - and a server confirms it
set_key() {
  local n
  n=$(lines_of "$1" '^sync: done')
  tell "$1" set "${@:2}"
  tell "$1" sync 15000
  wait_for "$1" '^sync: done' $((n + 1))
}

expect() { # NAME KEY VALUE
  local n
  n=$(lines_of "$1" "^get $2: ")
  tell "$1" get "$2"
  wait_for "$1" "^get $2: " $((n + 1))
  [[ $(grep -a "^get $2: " "$1.log" | tail -n 1) == "get $2: $3" ]] ||
    fail "$1 has not $2 = $3"
}

# table ENDPOINT [SUBTREE] - what that server says that there is
table() {
  "${asks[@]}" zpeer -n 1000000 -t 400 DEALER "$1" 'ICANHAZ?' "${2-}" || :
}

writer() { # NAME [OPTION...]
  start "$1" clonecli6 -v -e 0 -t 1000 -d "/$1/" "${@:2}" "${servers[@]}"
}

state() { # NAME
  grep -aoE 'waiting for|-> [a-z]+|snapshot of [0-9]+ keys' "$1.log" | tail -n 1
}

# One serves, and the other has its table.
settled() {
  case "$(state primary) $(state backup)" in
  '-> active snapshot of '* | 'snapshot of '*' keys -> active') return 0 ;;
  esac
  return 1
}

active() {
  if [[ $(state primary) == '-> active' ]]; then echo primary; else echo backup; fi
}

passive() {
  if [[ $(active) == primary ]]; then echo backup; else echo primary; fi
}

place_of() {
  if [[ $1 == primary ]]; then echo "${servers[0]}"; else echo "${servers[1]}"; fi
}

same_digests() { # NAME... - all have ended
  local name
  for name; do tail -n 1 "$name.log" | sed 's/sequence [0-9]*, //'; done >digests
  [[ $(sort -u digests | grep -c digest) == 1 ]] || fail "$(cat digests)"
}

# all_is_kept WRITER... - the last value that each saw confirmed is in the table. A
# writer that was stopped before it saw its last value confirmed says which one: that
# may be there instead.
all_is_kept() {
  local name
  table "$(place_of "$(active)")" >table
  for name; do
    sed -nE "s,^\[(/$name/[0-9]+)\].*\[([0-9]+)\]$,\1 \2,p" table | sort >kept
    sed -nE 's/^I: (.*) = (.*)/\1 \2/p' "$name.log" |
      awk '{ last[$1] = $2 } END { for (k in last) print k, last[k] }' | sort >confirmed
    [[ -s confirmed ]] || fail "$name did nothing"
    tail -n 1 "$name.log" | grep -q ' keys, sequence' || fail "$name has not ended"
    sed -nE 's/^W: no server has confirmed (.*) = (.*)/\1 \2/p' "$name.log" |
      tail -n 1 | sort >unconfirmed
    comm -23 confirmed kept | sort >lost
    if [[ -s unconfirmed ]] && grep -qxFf unconfirmed kept; then
      grep -v "^$(sed 's/ .*//' unconfirmed) " lost >rest || :
      mv rest lost
    fi
    [[ ! -s lost ]] || fail "$name: lost: $(head lost)"
  done
}

table_has() { # ENDPOINT KEY
  table "$1" | grep -qF "[$2]"
}

# raw COLLECTOR FRAME... - an update as it may come from anybody, sent when the
# collector has subscribed
raw() {
  zpeer -n 0 -t 10000 XPUB "$1" '%;' "${@:2}" >/dev/null
}

uuid() { # LETTER
  printf '%16s' '' | tr ' ' "$1"
}

# The numbers of the updates that it has received, as hexadecimal digits of one length
numbers_rise() {
  sed -nE '/^\[HUGZ\]\[%00/d; s/^\[[^]]*\]\[([^]]*)\]\[.*/\1/p' "$1.log" |
    while IFS= read -r number; do
      while [[ $number ]]; do
        if [[ $number == %* ]]; then
          printf %s "${number:1:2}" && number=${number:3}
        else
          printf %02X "'$number" && number=${number:1}
        fi
      done
      echo
    done >numbers
  LC_ALL=C sort -cu numbers || fail 'the numbers do not rise'
}
