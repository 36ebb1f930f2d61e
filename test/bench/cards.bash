# cards.bash - the last case of make bench: the costs and promises of each pattern, as
# Markdown tables for the chapters. The numbers come from the rows before (bench.tsv),
# from make plot (faults.tsv), and from some more runs.
# shellcheck disable=SC2154      # bench and helpers.bash set some variables

# code PATTERN - print the number of its code lines
code() {
  "$root/test/bench/code-lines" | sed -n "s/^$1: //p"
}

# fault PATTERN FAULT - the longest silence
fault() {
  awk -F '\t' -v pattern="$1" -v fault="$2" '
    $1 == pattern && $2 == fault {
      print $7 == "yes" ? "for ever" : sprintf($6 < 1 ? "%.2f s" : "%.1f s", $6)
      found = 1
    }
    END { if (!found) print "-" }' "$bin/faults.tsv" 2>/dev/null || echo -
}

# card NAME PATTERN PROCESSES SECONDS_FOR_2000 REQUESTS_PER_SECOND LOST
card() {
  echo "| $1 | $(code "$1") | $3 | $((1000000 / ($4 > 0 ? $4 : 1))) us | $5 |" \
    "$(fault "$2" kill) | $(fault "$2" freeze) | $(fault "$2" cut) | $6 |"
}

# so_many NAME REQUEST BACKEND READY - answers per second
so_many() {
  load -o 10 ${3:+-w 10} "$1" "$2" ${3:+"$3" "$4"} | awk '{ printf "%d,000/s", $1 / 1000 }'
}

card4() {
  needs lpclient spqueue ppqueue mdbroker bstarsrv flserver3 || return
  local ask='timeout 15 lpclient -n 2000'
  start lp lpserver -t 0 -f 0 ipc://lp
  start sp spqueue ipc://sp ipc://spw
  start spw spworker -t 0 -f 0 ipc://spw
  start pp ppqueue ipc://pp ipc://ppw
  start ppw ppworker -t 0 -f 0 ipc://ppw
  start md mdbroker ipc://md
  start mdw mdworker ipc://md
  start bs bstarsrv -p ipc://bs ipc://bs1 ipc://bs2
  start bs2 bstarsrv -b ipc://bsb ipc://bs2 ipc://bs1
  start fl flserver3 ipc://fl
  wait_for md 'worker registered'
  wait_for bs 'active'
  local lp sp pp md bs fl
  lp=$(rate 2000 $ask ipc://lp)
  sp=$(rate 2000 $ask ipc://sp)
  pp=$(rate 2000 $ask ipc://pp)
  md=$(rate 2000 mdclient -n 2000 ipc://md)
  bs=$(bare ask REQ ipc://bs 2000 1 1 | awk '{ print int($1) }')
  fl=$(rate 2000 flclient3 -n 2000 ipc://fl)
  kill9 spw
  kill9 ppw
  kill9 mdw
  echo
  echo '| Pattern | Code lines, client + middle + worker | Processes beside the client | Round trip | Throughput | Silence: killed | frozen | cut off | Lost |'
  echo '|---|---|---|---|---|---|---|---|---|'
  card 'Lazy Pirate' lazy 1 "$lp" "$(so_many ipc://lp '|')" \
    'nothing, if the server is started again'
  card 'Simple Pirate' simple '1 queue, n workers' "$sp" \
    "$(so_many ipc://sp '|' ipc://spw $'|\001')" \
    'nothing; the client asks again'
  card 'Paranoid Pirate' paranoid '1 queue, n workers' "$pp" \
    "$(so_many ipc://pp '|' ipc://ppw $'\001')" \
    'nothing; the queue gives it to another'
  card 'Majordomo' majordomo '1 broker, n workers' "$md" \
    "$(so_many ipc://md '|MDPC01|echo|' ipc://md $'|MDPW01|\001|echo')" \
    'nothing; the broker gives it to another'
  card 'Binary Star' binary 2 "$bs" "$(so_many ipc://bs '|')" \
    'what the dead one knew and the other did not'
  card 'Freelance 3' freelance 'n servers' "$fl" "$(so_many ipc://fl '1|')" \
    'nothing; the next server is asked'
  clear_up
}

# row_of NAME [COLUMN] - ours of that row of this run, rounded
row_of() {
  awk -F '\t' -v name="$1" -v column="${2:-3}" '
    $1 == name { printf(column == 3 ? "%.3g" : "%s", $column); found = 1; exit }
    END { if (!found) printf "-" }' "$tsv" | awk '{ if ($1 + 0 > 999) print int($1); else print }'
}

# ms NAME EVENT UUID - when it said so, in milliseconds
ms() {
  wait_for "$1" "^[0-9.]+ \[032\] $3" "${4:-1}"
  awk -v event="$2" -v uuid="$3" '/JOINED|LEFT/ { last = $3 }
    $3 == uuid && last == event { printf "%.0f", $1 * 1000; exit }' "$1.log"
}

median() { sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'; }

card3() {
  needs lbbroker || return
  start lb lbbroker -c 0 -w 0 ipc://lb ipc://lbw
  listening lb 2 >/dev/null
  local trips
  trips=$(load -c 1 -o 1 -w 1 ipc://lb '|' ipc://lbw '|READY' | awk '{ print int($1) }')
  echo
  echo '| Pattern | Code lines, all roles | Processes beside the client | Round trip | Requests/s of 100 clients | Lost |'
  echo '|---|---|---|---|---|---|'
  echo "| Load balancing | $(code 'Load balancing') | broker, workers | $((1000000 / (trips > 0 ? trips : 1))) us |" \
    "$(row_of lbbroker) | the request of a dead or frozen worker |"
  clear_up
}

card5() {
  echo
  echo '| Pattern | Code lines | Beside publisher or client | Updates/s | Replay or snapshot | Silence: killed | Lost |'
  echo '|---|---|---|---|---|---|---|'
  echo "| Last value cache | $(code 'Last value cache') | cache | $(row_of lvcache) |" \
    "$(row_of lvcache-replay) topics/s | until it is started again | the messages of that time |"
  echo "| Clone 3 | $(code 'Clone 3') | server |" \
    "$(row_of clonesrv3) | $(row_of clone-snapshot-1000000) keys/s | until it is started again | the table |"
  echo "| Clone 5 | $(code 'Clone 5') | server |" \
    "$(row_of clonesrv5) | - | until it is started again | the table |"
  echo "| Clone 6 | $(code 'Clone 6') | two servers |" \
    "- | - | $(row_of clone6-kill) ms at worst | nothing that was confirmed |"
}

# The time that a transfer takes longer when its server is killed in the middle
# and started again at once.
interrupted() { # MODEL
  took() { sed -nE 's/^I: ([0-9]+)\.([0-9]+) s, .*/\1\2/p' client.log; }
  local undisturbed
  start server "fileio$1" -S data ipc://file
  listening server >/dev/null
  rm -f client.log
  start client "fileio$1" -C -z 25000 -m 100 ipc://file
  ends client >/dev/null
  undisturbed=$(took)
  rm -f client.log
  start client "fileio$1" -C -z 25000 -m 100 ipc://file
  elapse 0.3
  kill9 server
  start server "fileio$1" -S data ipc://file
  ends client >/dev/null
  kill9 server
  rm -f server.log
  echo $((10#$(took) - 10#$undisturbed))
}

# Print the memory that a server needs for a client that reads nothing.
held() { # MODEL
  local before
  start server "fileio$1" -S -z 20000 big ipc://file
  listening server >/dev/null
  before=$(memory server)
  start client "fileio$1" -C -m 1 -z 20000 ipc://file
  elapse 1.5
  echo $((($(memory server) - before) / 1024))
  kill9 client
  kill9 server
  rm -f server.log client.log
}

card6() {
  needs fileio1 fileio2 fileio3 || return
  local model silence name=('' Flood 'One request per chunk' Credit)
  head -c 1000000 /dev/zero >data
  head -c 200000000 /dev/zero >big
  echo
  echo '| Model | Code lines, both sides | Processes beside the client | MB/s | Server holds for a client that takes one chunk a second | Silence: killed, started again at once | Lost |'
  echo '|---|---|---|---|---|---|---|'
  for model in 1 2 3; do
    silence='10 s: then it fails'
    if ((model > 1)); then silence="$(interrupted $model) ms"; fi
    echo "| ${name[model]} | $(code "${name[model]}") | server | $(row_of fileio$model) |" \
      "$(held $model) MB of 200 | $silence | $( ((model == 1)) && echo the transfer || echo nothing) |"
  done
  rm data big
  clear_up
}

# Ten nodes on one host come, five are killed and five leave.
card8() {
  needs udpping3 || return
  local n at joined=() killed=() left=() uuid
  hosts a || return
  on a start watch "$here/stamp" udpping3 127.255.255.255
  wait_for watch 'bound to'
  for n in {1..10}; do
    at=$(now)
    on a start "n$n" udpping3 127.255.255.255
    listening "n$n" >/dev/null
    uuid=$(sed -nE 's/^I: node ([0-9A-F]+) .*/\1/p' "n$n.log")
    joined+=($(($(ms watch JOINED "$uuid") - at / 1000)))
  done
  for n in {1..10}; do
    at=$(now)
    uuid=$(sed -nE 's/^I: node ([0-9A-F]+) .*/\1/p' "n$n.log")
    if ((n > 5)); then
      stop "n$n"
      left+=($(($(ms watch LEFT "$uuid" 2) - at / 1000)))
    else
      kill9 "n$n"
      killed+=("$uuid $((at / 1000))")
    fi
  done
  for n in 0 1 2 3 4; do
    read -r uuid at <<<"${killed[n]}"
    killed[n]=$(($(ms watch LEFT "$uuid" 2) - at))
  done
  echo
  echo '| Pattern | Code lines | Processes beside the node | JOINED after | CPU, 200 peers | LEFT after a farewell | LEFT after a kill | Lost |'
  echo '|---|---|---|---|---|---|---|---|'
  echo "| Interface | $(code Interface) | none |" \
    "$(printf '%s\n' "${joined[@]}" | median) ms | $(row_of interface) ms/s |" \
    "$(printf '%s\n' "${left[@]}" | median) ms | $(printf '%s\n' "${killed[@]}" | median) ms |" \
    'unread events of a peer that joined and left again |'
  clear_up
}

case_cards() {
  card3
  card4
  card5
  card6
  card8
}
