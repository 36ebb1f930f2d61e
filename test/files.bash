# files.bash - a file, its server, its clients, and whether the copy is right.

# file NAME BYTES - a file of this size with random contents
file() {
  head -c "$2" /dev/urandom >"$1"
}

# server MODEL FILE [OPTION...] - start only the server
server() {
  rm -f server.log
  start server "fileio$1" -S "${@:3}" "$2" ipc://server
  wait_for server 'server bound'
}

# fetch NAME MODEL [OPTION...] - start a client that writes NAME.copy
fetch() {
  rm -f "$1.log" "$1.copy"
  start "$1" "fileio$2" -C -d "$1.copy" "${@:3}" ipc://server
}

# fetch_many NAME MODEL COUNT - start a program with several clients, without copies
fetch_many() {
  rm -f "$1.log"
  start "$1" "fileio$2" -C -c "$3" ipc://server
}

# complete NAME FILE - expect that the client ends, and that its copy equals FILE
complete() {
  ends "$1" || return
  cmp "$2" "$1.copy" || fail "$1 has other bytes" || return
  [[ ! -e $1.copy.part ]] || fail "$1 leaves $1.copy.part"
}

# fails NAME REGEX - expect that the client fails with this error, without a copy
fails() {
  ends "$1" 1 || return
  wait_for "$1" "^E: $2" || return
  [[ ! -e $1.copy && ! -e $1.copy.part ]] || fail "$1 leaves a file"
}

# chunks MODEL BYTES SIZE - print how many chunks arrive; the last is empty in
# model 1, and short in the others
chunks() {
  if (($1 == 1)); then
    echo $((($2 + $3 - 1) / $3 + 1))
  else
    echo $(($2 / $3 + 1))
  fi
}

# line NEAR FAR MS [BYTES] - relay between two ipc addresses; each byte takes MS, and
# BYTES pass in a second. Bytes of a peer that has disconnected are dropped.
line() {
  start line perl -MIO::Socket::UNIX -MIO::Select -MTime::HiRes=time,sleep -e '
    my ($near, $far, $ms, $rate) = @ARGV;
    $SIG{PIPE} = "IGNORE";
    my $listening = IO::Socket::UNIX->new(Local => $near, Listen => 9) or die $!;
    my ($all, %other, @way) = IO::Select->new($listening);
    print STDERR "I: line bound to ipc://$near\n";
    for (;;) {
      my $left = @way ? $way[0][0] - time : 60;
      for my $from ($all->can_read($left > 0 ? $left : 0)) {
        if ($from == $listening) {
          my $one = $from->accept;
          my $end = IO::Socket::UNIX->new(Peer => $far) or next;
          @other{$one, $end} = ($end, $one);
          $all->add($one, $end);
        } elsif (sysread $from, my $data, $rate ? $rate / 50 : 1 << 20) {
          push @way, [time + $ms / 1000, $other{$from}, $data];
          sleep length($data) / $rate if $rate;
        } else {
          my $to = delete $other{$from} or next;
          delete $other{$to};
          $all->remove($from, $to);
          @way = grep { $_->[1] != $from && $_->[1] != $to } @way;
          close $_ for $from, $to;
        }
      }
      while (@way && $way[0][0] <= time) {
        my (undef, $to, $data) = @{shift @way};
        print $to $data; $to->flush;
      }
    }' "$@"
  bound line >/dev/null
}
