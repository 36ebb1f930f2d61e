# discovery.bash - nodes on hosts of their own, and what is on the air there.

# node NAME [HOST [PROGRAM]] - a node on that host
node() {
  local before=0
  if [[ -e $1.log ]]; then before=$(lines_of "$1" "bound to"); fi
  on "${2:-$1}" start "$1" "${3:-udpping3}" "${@:4}"
  wait_for "$1" "^I: node .*bound to" $((before + 1))
}

uuid() { # NAME: the last one that it had
  sed -nE 's/^I: node ([0-9A-F]{32}) bound .*/\1/p' "$1.log" | tail -n 1
}

# says NAME EVENT PEER [COUNT] - is its last word about that UUID this event?
says() {
  [[ $(awk -v uuid="$3" '/^\[00[46]\]/ { event = $2 } $2 == uuid { last = event }
    END { print last }' "$1.log") == "$2" ]]
}

all_see_all() { # NAME...
  local one other
  for one; do
    for other; do
      if [[ $one != "$other" ]]; then says "$one" JOINED "$(uuid "$other")" || return; fi
    done
  done
}

# within MS COMMAND... - it succeeds in that time. A machine that is busy with
# other things has more of it, and a sanitized program, too.
within() {
  local limit=$1 from=${EPOCHREALTIME/[.,]/} load
  shift
  wait_until "$@"
  from=$(((${EPOCHREALTIME/[.,]/} - from) / 1000))
  load=$(sed "s/\\..*//" /proc/loadavg)
  ((from < limit + 100 + 300 * load + (WAIT_S > 20 ? 3000 : 0))) || fail "$from ms: $*"
}

# datagrams HOST ADDRESS PERL - send what this says with say(), from there
datagrams() {
  on "$1" perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Proto => "udp", Broadcast => 1,
      PeerAddr => shift, PeerPort => 9999) or die $!;
    my $n = 0;
    sub say { send $s, $_[0], 0; select undef, undef, undef, .002 if ++$n % 20 == 0 }
    sub uuid { pack "NNNN", map { rand 2 ** 32 } 1 .. 4 }
    eval shift; die $@ if $@' "$2" "$3"
}

# ears HOST NAME - what is on the air there, in hex with the time it came
ears() {
  on "$1" start "$2" perl -MIO::Socket::INET -MTime::HiRes=time -e '
    $| = 1;
    my $s = IO::Socket::INET->new(Proto => "udp", LocalPort => 9999,
      LocalAddr => "0.0.0.0", ReuseAddr => 1) or die $!;
    print "listening\n";
    while (defined(my $from = recv $s, my $data, 2000, 0)) {
      printf "%.3f %s %s\n", time, inet_ntoa((sockaddr_in $from)[1]), uc unpack "H*", $data;
    }'
  wait_for "$2" listening
}
