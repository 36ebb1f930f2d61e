# cards.bash - the last case of make bench: what each pattern costs and what it
# gives, as a Markdown table, from bin/bench.tsv and from what make plot found.
# shellcheck disable=SC2154      # bench and helpers.bash set some variables

# code FILE... - lines that are neither blank nor comment
code() {
  # shellcheck disable=SC2068    # the names may be patterns
  (cd "$root"/ch4-reliability && cat $@) | awk '
    /^ *\/\*/ { comment = 1 }
    !comment && NF { n++ }
    /\*\// { comment = 0 }
    END { print n }'
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

# card NAME PATTERN PROCESSES SECONDS_FOR_2000 REQUESTS_PER_SECOND LOST FILE...
card() {
  echo "| $1 | $(code "${@:7}") | $3 | $((1000000 / ($4 > 0 ? $4 : 1))) us | $5 |" \
    "$(fault "$2" kill) | $(fault "$2" freeze) | $(fault "$2" cut) | $6 |"
}

# so_many NAME REQUEST BACKEND READY - answers per second
so_many() {
  load -o 10 ${3:+-w 10} "$1" "$2" ${3:+"$3" "$4"} | awk '{ printf "%d,000/s", $1 / 1000 }'
}

case_cards() {
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
  wait_for md 'a new worker'
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
  echo '| Pattern | Code lines, client + middle + worker | Processes beside the client | Round trip | Throughput | Silence: killed | frozen | cut off | Lost |'
  echo '|---|---|---|---|---|---|---|---|---|'
  card 'Lazy Pirate' lazy 1 "$lp" "$(so_many ipc://lp '|')" \
    'nothing, if the server is started again' lpclient.c lpserver.c
  card 'Simple Pirate' simple '1 queue, n workers' "$sp" \
    "$(so_many ipc://sp '|' ipc://spw $'|\001')" \
    'nothing; the client asks again' lpclient.c spqueue.c spworker.c
  card 'Paranoid Pirate' paranoid '1 queue, n workers' "$pp" \
    "$(so_many ipc://pp '|' ipc://ppw $'\001')" \
    'nothing; the queue gives it to another' lpclient.c ppqueue.c ppworker.c ppp.h
  card 'Majordomo' majordomo '1 broker, n workers' "$md" \
    "$(so_many ipc://md '|MDPC01|echo|' ipc://md $'|MDPW01|\001|echo')" \
    'nothing; the broker gives it to another' mdclient.c 'mdcliapi.[ch]' \
    mdbroker.c mdworker.c 'mdwrkapi.[ch]' mdp.h mdtable.h
  card 'Binary Star' binary 2 "$bs" "$(so_many ipc://bs '|')" \
    'what the dead one knew and the other did not' bstarcli.c bstarsrv.c bstarfsm.h
  card 'Freelance' freelance 'n servers' "$fl" "$(so_many ipc://fl '1|')" \
    'nothing; the next server is asked' flclient3.c 'flcliapi.[ch]' flserver3.c
  clear_up
}
