# discovery.bash - nodes on several hosts, and the datagrams between them

# node NAME [HOST [PROGRAM...]] - start a node on the host, and wait until it is bound
node() {
  local before=0
  if [[ -e $1.log ]]; then before=$(lines_of "$1" 'bound to'); fi
  on "${2:-$1}" start "$1" "${3:-udpping3}" "${@:4}"
  wait_for "$1" '^I: node .*bound to' $((before + 1))
}

# uuid NAME - print the UUID of the node, of its last start
uuid() {
  sed -nE 's/^I: node ([0-9A-F]{32}) bound .*/\1/p' "$1.log" | tail -n 1
}

# last_reported NAME EVENT UUID - return whether this event is the node's last one
# about the UUID
last_reported() {
  [[ $(awk -v uuid="$3" '/^\[00[46]\]/ { event = $2 } $2 == uuid { last = event }
    END { print last }' "$1.log") == "$2" ]]
}

# all_see_all NAME... - return whether each node has reported that each other joined
all_see_all() {
  local one other
  for one; do
    for other; do
      if [[ $one == "$other" ]]; then continue; fi
      last_reported "$one" JOINED "$(uuid "$other")" || return
    done
  done
}

# send_datagrams HOST ADDRESS PERL - run a script that sends with out(DATAGRAM); uuid()
# returns 16 random bytes
send_datagrams() {
  on "$1" perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Proto => "udp", Broadcast => 1,
      PeerAddr => shift, PeerPort => 9999) or die $!;
    my $n = 0;
    sub out { send $s, $_[0], 0; select undef, undef, undef, .002 if ++$n % 20 == 0 }
    sub uuid { pack "NNNN", map { rand 2 ** 32 } 1 .. 4 }
    eval shift; die $@ if $@' "$2" "$3"
}

# capture HOST NAME [OPTION] - print each datagram that arrives on the host: time,
# sender, bytes in hex. The port is shared by ReuseAddr, or by OPTION (ReusePort).
capture() {
  on "$1" start "$2" perl -MIO::Socket::INET -MTime::HiRes=time -e '
    $| = 1;
    my $s = IO::Socket::INET->new(Proto => "udp", LocalPort => 9999,
      LocalAddr => "0.0.0.0", shift, 1) or die $!;
    print "capturing\n";
    while (defined(my $from = recv $s, my $data, 2000, 0)) {
      printf "%.3f %s %s\n", time, inet_ntoa((sockaddr_in $from)[1]), uc unpack "H*", $data;
    }' "${3:-ReuseAddr}"
  wait_for "$2" capturing
}

# captured NAME ADDRESS HEX [COUNT] - wait for COUNT (1) such datagrams
captured() {
  wait_for "$1" " ${2//./\\.} $3\$" "${4:-1}"
}

# captured_more NAME ADDRESS HEX COUNT - wait for COUNT more of them
captured_more() {
  captured "$1" "$2" "$3" $(($(lines_of "$1" " ${2//./\\.} $3\$") + $4))
}

# cable HOST ADDRESS HOST ADDRESS INTERFACE - connect two hosts directly, by another interface
cable() {
  "${in_switch[@]}" ip link add "to-$1" netns "${host_pid[$1]}" type veth \
    peer name to-x netns "${host_pid[$3]}"
  on "$1" ip link set "to-$1" name "$5"
  on "$3" ip link set to-x name "$5"
  on "$1" ip addr add "$2" dev "$5"
  on "$3" ip addr add "$4" dev "$5"
  on "$1" ip link set "$5" up
  on "$3" ip link set "$5" up
}
