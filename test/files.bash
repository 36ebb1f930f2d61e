# files.bash - a file, its server, its clients, and whether it arrived.

# file NAME BYTES - of that size, full of anything
file() {
  head -c "$2" /dev/urandom >"$1"
}

# digest NAME - what it said about the file: bytes and digest
digest() {
  sed -nE 's/.*[ :]([0-9]+ bytes, digest [0-9a-f]{16})$/\1/p' "$1.log" | tail -n 1
}

# server MODEL FILE [OPTION...] - only the server, and alone under this name
server() {
  rm -f server.log
  start server "fileio$1" -S "${@:3}" "$2" ipc://server
  wait_for server 'server bound'
}

# fetch NAME MODEL [OPTION...] - a client of its own
fetch() {
  rm -f "$1.log"
  start "$1" "fileio$2" -C "${@:3}" ipc://server
}

# complete NAME - it ended well, and has what the server has
complete() {
  ends "$1"
  [[ $(digest "$1") == "$(digest server)" && $(digest "$1") ]]
}

# chunks MODEL BYTES SIZE - so many come: an empty one at the end is one, too
chunks() {
  if (($1 == 1)); then
    echo $((($2 + $3 - 1) / $3 + 1))
  else
    echo $(($2 / $3 + 1))
  fi
}

# far NEAR FAR MS - what is sent to the first of two ipc addresses arrives at the
# second so much later, and what comes back, too
far() {
  start way perl -MIO::Socket::UNIX -MIO::Select -MTime::HiRes=time -e '
    my ($near, $far, $ms) = @ARGV;
    my $listening = IO::Socket::UNIX->new(Local => $near, Listen => 9) or die $!;
    my ($all, %other, @way) = IO::Select->new($listening);
    print STDERR "I: way bound to ipc://$near\n";
    for (;;) {
      my $left = @way ? $way[0][0] - time : 60;
      for my $from ($all->can_read($left > 0 ? $left : 0)) {
        if ($from == $listening) {
          my $one = $from->accept;
          my $end = IO::Socket::UNIX->new(Peer => $far) or die $!;
          @other{$one, $end} = ($end, $one);
          $all->add($one, $end);
        } elsif (sysread $from, my $data, 1 << 20) {
          push @way, [time + $ms / 1000, $other{$from}, $data];
        } else {
          $all->remove($from);
        }
      }
      while (@way && $way[0][0] <= time) {
        my (undef, $to, $data) = @{shift @way};
        print $to $data; $to->flush;
      }
    }' "$@"
  bound way >/dev/null
}
