# Too many, too much, and nobody who listens.

load helpers
load discovery

@test "discovery: what is no beacon is nobody, and disturbs nobody" {
  hosts a b
  node a
  node b
  on b start ping udpping2
  within 1500 all_see_all a b
  wait_for ping 'Found peer'
  # 5000 of every size but two; the 22 bytes of ZRE, the 17 without a zero.
  datagrams a 10.77.0.255 'for (1 .. 5000) {
      my $size = int rand 1473; $size++ if $size == 16 || $size == 17 || $size == 1;
      say(join "", map { chr rand 256 } 1 .. $size)
    }
    say("ZRE\001" . uuid() . "XX"); say(uuid() . "\001"); say(""); say("?")'
  wait_for b 'W: dropped [0-9]+ datagrams that are no beacons'
  wait_for ping 'W: dropped a malformed message of 1 frames from 10\.77\.0\.1' 1000
  elapse 1
  [[ $(lines_of b JOINED) == 1 && $(lines_of a JOINED) == 1 ]]
  run ! grep LEFT a.log
  [[ $(grep 'Found peer' ping.log | sort -u | wc -l) == 1 ]]
  # A farewell of somebody unknown, or in our own name, is nothing either.
  datagrams a 10.77.0.255 'say(uuid() . "\0"); say(pack("H*", "'"$(uuid b)"'") . "\0")'
  within 1500 all_see_all a b
  stop b
  stop ping
}

@test "discovery: a thousand peers and no more, all forgotten again" {
  hosts a b
  node b
  datagrams a 10.77.0.2 'say(uuid()) for 1 .. 3000'
  wait_for b JOINED 1024
  before=$(memory b)
  wait_for b LEFT 1024
  [[ $(lines_of b JOINED) == 1024 ]]
  datagrams a 10.77.0.2 'say(uuid()) for 1 .. 3000'
  wait_for b JOINED 2048
  (($(memory b) - before < 4096))
  stop b
}

@test "discovery: an application that does not read is seen all the while" {
  hosts a b
  node a
  mkfifo out
  exec 7<>out
  on b start b bash -c 'exec udpping3 2>&1 >out'
  wait_for a JOINED
  uuid=$(grep -A 1 JOINED a.log | sed -n "2s,^.* ,,p")
  # Six thousand events, more than its queue and its pipe hold.
  datagrams a 10.77.0.2 'for (1 .. 3000) { my $id = uuid(); say($id); say("$id\0") }
    $stay = uuid(); say($stay)'
  sleep "$(rounds 7 60)"
  says a JOINED "$uuid"
  run ! grep LEFT a.log
  # Now it reads, and in the end knows what is true.
  start read cat out
  wait_for read JOINED
  exec 7>&-
  wait_for read "$(uuid a)"
  node late a
  wait_until says read JOINED "$(uuid late)"
  says read JOINED "$(uuid a)"
  # Nobody else is here: each that joined has left.
  there() {
    awk '/^\[00[46]\]/ { event = $2 } /^\[032\]/ { last[$2] = event }
      END { for (uuid in last) if (last[uuid] == "JOINED") n++; print n }' read.log
  }
  wait_until eval '[[ $(there) == 2 ]]'
  stop b
}
