# failover.bash - cases of make bench: kill -9 the active server, twenty times, and
# measure the time until the next good reply. The limit is the timeout of the pattern.
# shellcheck disable=SC2154      # bench and helpers.bash set some variables

# seconds - as stamp prints them
seconds() { echo "$EPOCHREALTIME"; }

# after NAME REGEX MOMENT - wait for such a line after that moment, and tell how
# many milliseconds after it was
after() {
  local deadline=$((SECONDS + 20)) found=
  until [[ $found ]] || ((SECONDS > deadline)); do
    found=$(awk -v from="$3" -v regex="$2" \
      '$1 > from && $0 ~ regex { printf "%d", ($1 - from) * 1000; exit }' "$1.log")
    [[ $found ]] || sleep 0.05
  done
  echo "${found:-20000}"
}

# failovers NAME LIMIT_MS COMMENT - from milliseconds, one a line, on stdin
failovers() {
  sort -n | awk -v OFS='\t' -v name="$1" -v limit="$2" -v comment="$3" '
    { ms[NR] = $1 }
    END {
      met = ms[NR] <= limit + 500
      print name, "ms, worst of " NR, ms[NR], limit, sprintf("%.2f", limit / (ms[NR] ? ms[NR] : 1)),
            limit + 500, met ? "yes" : "no", ms[1] ".." ms[NR],
            "median " ms[int((NR + 1) / 2)] "; " comment
    }' | row
}

# The client pauses 1 s between requests, waits 1 s for a reply and 2 s for the
# backup to miss the primary as well.
case_bstar() {
  needs bstarsrv bstarcli || return
  local i at
  printf 'bstar' >&2
  for i in {1..20}; do
    start "p$i" bstarsrv -p "ipc://p$i" "ipc://sp$i" "ipc://sb$i"
    start "b$i" bstarsrv -b "ipc://b$i" "ipc://sb$i" "ipc://sp$i"
    start "c$i" "$here/stamp" bstarcli "ipc://p$i" "ipc://b$i"
  done
  for i in {1..20}; do wait_for "c$i" "p$i replied" 2; done
  for i in {1..20}; do
    moment 100
    kill9 "p$i"
    at[i]=$(seconds)
  done
  for i in {1..20}; do after "c$i" "b$i replied" "${at[i]}"; done \
    | failovers bstar 4000 '1 s pause + 1 s reply + 2 s failover'
  clear_up
}

# The client leaves a server that has not replied for 400 ms.
case_flclient3_kill() {
  needs flserver3 flecho || return
  local i at busy s took=()
  for i in {1..20}; do
    printf '\rflclient3 kill %d of 20' "$i" >&2
    for s in 1 2 3; do start "s$s" flserver3 -v "ipc://s$s-$i"; done
    start client "$here/stamp" flecho -C -n 1000000 -i 1 "ipc://s1-$i" \
      "ipc://s2-$i" "ipc://s3-$i"
    wait_for client 'OK reply' 20
    moment 200
    busy=$(wc -l s1.log s2.log s3.log | sort -n | awk '$2 != "total" { last = $2 } END { print last }')
    kill9 "${busy%.log}"
    at=$(seconds)
    took+=("$(after client 'OK reply' "$at")")
    clear_up
  done
  printf '\r' >&2
  printf '%s\n' "${took[@]}" | failovers flclient3-kill 400 'next server after 400 ms'
}

# The client leaves a server that was silent for 5 s. Confirmations of the killed
# server can still arrive for half a second; the first later one is the backup's.
case_clone6_kill() {
  needs clonesrv6 clonecli6 || return
  local i at
  printf 'clone6 kill' >&2
  for i in {1..20}; do
    start "p$i" clonesrv6 -p "ipc://p$i" "ipc://sp$i" "ipc://b$i" "ipc://sb$i"
    start "b$i" clonesrv6 -b "ipc://b$i" "ipc://sb$i" "ipc://p$i" "ipc://sp$i"
    start "c$i" "$here/stamp" clonecli6 -v -m 5 "ipc://p$i" "ipc://b$i"
  done
  for i in {1..20}; do
    wait_for "b$i" 'got [0-9]+ keys'
    wait_for "c$i" 'I: .* = ' 2
  done
  for i in {1..20}; do
    moment 100
    kill9 "p$i"
    at[i]=$(awk -v now="$(seconds)" 'BEGIN { printf "%.3f", now + 0.5 }')
  done
  for i in {1..20}; do echo $(($(after "c$i" 'I: .* = ' "${at[i]}") + 500)); done \
    | failovers clone6-kill 5000 'the client leaves a silent server after 5 s'
  clear_up
}
