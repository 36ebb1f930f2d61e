# Who is near? Nodes that come, go, hang, are killed and cut off.

load helpers
load discovery

# bats test_tags=demo:discovery
@test "discovery: all find all; who is killed, cut off or leaves is missed; who returns is seen" {
  local lost gone
  hosts a b c d
  note 'four hosts, a node on each: everyone finds everyone'
  for name in a b c d; do on $name start $name udpping3; done
  for name in a b c d; do wait_for $name 'bound to'; done
  within 1500 all_see_all a b c d
  lost=$(uuid b) gone=$(uuid d)

  note 'one of them leaves in order: the others know at once'
  stop d
  within 500 says a LEFT "$gone"
  within 500 says b LEFT "$gone"

  kill9 b
  cut c
  note 'there was no goodbye: five seconds of silence tell'
  within 6000 says a LEFT "$lost"
  within 1000 says a LEFT "$(uuid c)"
  within 1000 says c LEFT "$(uuid a)"

  heal c
  within 1500 all_see_all a c
  note 'restarted, it is another node'
  node b
  [[ $(uuid b) != "$lost" ]]
  within 1500 all_see_all a b c
  says a LEFT "$lost"
  run ! grep W: a.log b.log c.log d.log
}

@test "discovery: ten nodes on one host, in any order, and none sees itself" {
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
  for n in 0 1 2 4 5 6 7 8 9; do within 500 says "n$n" LEFT "$(uuid n3)"; done
  within 500 all_see_all n0 n9
}

@test "discovery: three seconds of silence mean nothing, six do, and a pause proves nothing" {
  hosts a b c
  node a
  node b
  node c
  within 1500 all_see_all a b c
  freeze b
  freeze c
  elapse 3
  thaw b
  within 5500 says a LEFT "$(uuid c)"
  elapse 1                      # what c hears first is older
  thaw c
  within 1500 says a JOINED "$(uuid c)"
  [[ $(lines_of a LEFT) == 1 && $(lines_of a JOINED) == 3 ]]
  [[ $(lines_of c LEFT) == 0 && $(lines_of c JOINED) == 2 ]]
}

@test "discovery: only this host, by the loopback address; and no address at all" {
  hosts a
  for program in udpping1 udpping2 udpping3; do
    run -1 on a timeout "$WAIT_S" $program nowhere
    [[ $output == *'E: nowhere: Invalid argument' ]]
  done
  node one a udpping3 127.255.255.255
  node two a udpping3 127.255.255.255
  within 1500 all_see_all one two
}
