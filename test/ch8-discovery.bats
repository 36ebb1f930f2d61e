# Discovery: nodes join, leave, freeze, are killed and cut off.

load helpers
load discovery

# bats test_tags=demo:discovery
@test "discovery: each node reports each other that joins, leaves, is killed or cut off" {
  local killed stopped
  hosts a b c d
  note 'four hosts, a node on each: each reports the three others'
  for name in a b c d; do on $name start $name udpping3; done
  for name in a b c d; do wait_for $name 'bound to'; done
  within 1500 all_see_all a b c d
  killed=$(uuid b) stopped=$(uuid d)

  note 'one is stopped: it sends a farewell, and the others report it at once'
  stop d
  within 500 last_reported a LEFT "$stopped"
  within 500 last_reported b LEFT "$stopped"

  kill9 b
  cut c
  note 'without a farewell, they report it after five seconds without a beacon'
  within 6000 last_reported a LEFT "$killed"
  within 1000 last_reported a LEFT "$(uuid c)"
  within 1000 last_reported c LEFT "$(uuid a)"

  heal c
  within 1500 all_see_all a c
  note 'a restarted node has another UUID'
  node b
  [[ $(uuid b) != "$killed" ]]
  within 1500 all_see_all a b c
  last_reported a LEFT "$killed"
  run ! grep W: a.log b.log c.log d.log
}

@test "discovery: ten nodes on one host report each other, and none reports itself" {
  local names=() n
  hosts a
  for n in {0..9}; do names+=("n$n"); on a start "n$n" udpping3; moment 200; done
  for n in {0..9}; do wait_for "n$n" 'bound to'; done
  each_has_nine() { for n in {0..9}; do (( $(lines_of "n$n" JOINED) >= 9 )) || return; done; }
  within 1500 each_has_nine
  all_see_all "${names[@]}"
  for n in {0..9}; do
    [[ $(lines_of "n$n" JOINED) == 9 ]]
    run ! grep -xF "[032] $(uuid "n$n")" "n$n.log"
  done
  [[ $(for n in {0..9}; do uuid "n$n"; done | sort -u | wc -l) == 10 ]]
  stop n3
  for n in 0 1 2 4 5 6 7 8 9; do within 500 last_reported "n$n" LEFT "$(uuid n3)"; done
  within 500 all_see_all n0 n9
}

@test "discovery: a node frozen for three seconds stays, for six it leaves; thawed, it sees all" {
  hosts a b c
  node a
  node b
  node c
  within 1500 all_see_all a b c
  freeze b
  freeze c
  # These fill the socket of c, so it will find no beacon there.
  send_datagrams a 10.77.0.3 'out("x" x 1000) for 1 .. 1000'
  elapse 3
  thaw b
  within 5500 last_reported a LEFT "$(uuid c)"
  elapse 1                      # the datagrams that wait for c are old now
  thaw c
  within 1500 last_reported a JOINED "$(uuid c)"
  [[ $(lines_of a LEFT) == 1 && $(lines_of a JOINED) == 3 ]]
  [[ $(lines_of c LEFT) == 0 && $(lines_of c JOINED) == 2 ]]
}

@test "discovery: the loopback address reaches nodes of this host; an invalid one is an error" {
  hosts a
  run -2 udpping1 nowhere
  for program in udpping2 udpping3; do
    run -1 on a timeout "$WAIT_S" $program nowhere
    [[ $output == *'E: nowhere: not an IPv4 address' ]]
  done
  node one a udpping3 127.255.255.255
  node two a udpping3 127.255.255.255
  within 1500 all_see_all one two
}
