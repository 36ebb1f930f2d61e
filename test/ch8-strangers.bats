# Discovery: malformed datagrams, too many peers, an application that does not read.

load helpers
load discovery

@test "discovery: malformed datagrams are dropped and disturb no node" {
  hosts a b
  node a
  node b
  node ping b udpping2
  within 1500 all_see_all a b
  wait_for ping 'Found peer'
  # 5000 of every size but those of a ping, a beacon and a farewell; then the 22 bytes
  # of ZRE, 17 bytes that are no farewell, an empty one, and a ping of another byte.
  send_datagrams a 10.77.0.255 'for (1 .. 5000) {
      my $size = int rand 1473; $size++ if $size == 16 || $size == 17 || $size == 1;
      out(join "", map { chr rand 256 } 1 .. $size)
    }
    out("ZRE\001" . uuid() . "XX"); out(uuid() . "\001"); out(""); out("?")'
  wait_for b '^W: dropped [0-9]+ malformed beacons$'
  wait_for ping '^W: dropped a malformed ping from 10\.77\.0\.1:[0-9]+$' 1000
  elapse 1
  [[ $(lines_of b JOINED) == 1 && $(lines_of a JOINED) == 1 ]]
  run ! grep LEFT a.log
  [[ $(grep 'Found peer' ping.log | sort -u | wc -l) == 1 ]]
  # A farewell of an unknown node is dropped, and so is one in the node's own name.
  send_datagrams a 10.77.0.255 \
    'out(uuid() . "\0"); out(pack("H*", "'"$(uuid b)"'") . "\0")'
  within 1500 all_see_all a b
  stop b
  stop ping
}

@test "discovery: a node reports 1024 peers at most, and new ones after those have expired" {
  hosts a b
  node b
  send_datagrams a 10.77.0.2 'out(uuid()) for 1 .. 3000'
  wait_for b JOINED 1024
  wait_for b '^W: dropped [0-9]+ beacons of new peers: there are 1024$'
  before=$(memory b)
  wait_for b LEFT 1024
  [[ $(lines_of b JOINED) == 1024 ]]
  send_datagrams a 10.77.0.2 'out(uuid()) for 1 .. 3000'
  wait_for b JOINED 2048
  (($(memory b) - before < 4096))
  stop b
}

@test "discovery: a node whose application does not read stays, and later reports each last state" {
  hosts a b
  node a
  mkfifo out
  exec 7<>out
  on b start b bash -c 'exec udpping3 2>&1 >out'
  wait_for a JOINED
  uuid=$(grep -A 1 JOINED a.log | sed -n 's/^\[032\] //p')
  # Six thousand events, more than the queue and the pipe of b hold.
  send_datagrams a 10.77.0.2 'for (1 .. 3000) { my $id = uuid(); out($id); out("$id\0") }
    $stay = uuid(); out($stay)'
  sleep "$(rounds 7 60)"
  last_reported a JOINED "$uuid"
  run ! grep LEFT a.log
  start read cat out
  wait_for read JOINED
  exec 7>&-
  wait_for read "$(uuid a)"
  node late a
  wait_until last_reported read JOINED "$(uuid late)"
  last_reported read JOINED "$(uuid a)"
  # Each other peer that joined has left.
  present() {
    awk '/^\[00[46]\]/ { event = $2 } /^\[032\]/ { last[$2] = event }
      END { for (uuid in last) if (last[uuid] == "JOINED") n++; print n }' read.log
  }
  wait_until eval '[[ $(present) == 2 ]]'
  stop b
}
