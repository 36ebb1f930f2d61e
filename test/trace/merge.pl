#!/usr/bin/env perl
# merge.pl DIR - join what both ends of each message have recorded (preload/trace.c)
# with the faults and notes of the scene (DIR/scene). Print lines, sorted by time, with tabs:
#
#   message SENT ARRIVED FROM TYPE TO TYPE FRAME...    ms; each name as in the scene
#   event   AT KIND NAME                               start, kill, cut, note, ...
#   life    FROM TO NAME PROGRAM                       one process
#   window  FROM TO AT                                 messages outside are left out
#
# WINDOW='kill w1,0.2,1.5' in the environment: a window from 0.2 s before the first
# event that matches "kill w1" to 1.5 s after it.
#
# ARRIVED is a time, "lost" (nobody has received it), "unreachable" or "blocked" (the
# send failed), or "-" (a subscription: only an XPUB receives it). NAME/2 is the
# second thread of NAME. Frames are decoded, and stand as they are on the wire: with
# the empty frame that REQ and REP hide, without the routing id that a ROUTER adds.
use strict;
use warnings;

my $dir = shift // die "usage: merge.pl DIR\n";
my (%process, %socket, @records, @messages, @events, $clock_offset);
my (%bound, %connected);     # sockets by the place where they have an endpoint
my (%peer_of, %own_id);      # sockets by {ROUTER}{routing id}; by the id they set
my %owner;                   # name by routing id

# ---- frames ---------------------------------------------------------------------

sub unescape { my $s = shift; $s =~ s/%(..)/chr hex $1/ge; $s }
sub escape { my $s = shift; $s =~ s/([^ -~]|%)/sprintf '%%%02X', ord $1/ge; $s }
sub size { (split /:/, $_[0])[0] }
sub head { unescape((split /:/, $_[0], 3)[2]) }

# A frame as preload/trace.c records it.
sub frame {
  my ($bytes, $sum) = (shift, 2166136261);
  $sum = (($sum ^ ord) * 16777619) & 0xffffffff for split //, $bytes;
  return sprintf '%d:%x:%s', length $bytes, $sum,
    join '', map { /[!-\$&-~]/ ? $_ : sprintf '%%%02X', ord } split //, substr $bytes, 0, 40;
}

my $empty = '0:811c9dc5:';
my @mdp = ('', qw(READY REQUEST REPLY HEARTBEAT DISCONNECT));
my %monitored = (1, 'CONNECTED', 2, 'CONNECT_DELAYED', 4, 'CONNECT_RETRIED', 8, 'LISTENING',
  16, 'BIND_FAILED', 32, 'ACCEPTED', 64, 'ACCEPT_FAILED', 128, 'CLOSED', 256, 'CLOSE_FAILED',
  512, 'DISCONNECTED', 1024, 'MONITOR_STOPPED', 2048, 'HANDSHAKE_FAILED',
  4096, 'HANDSHAKE_SUCCEEDED');

# The frames of a message as texts.
sub decode {
  my ($from, $to, @frames) = @_;
  my @texts;
  for my $i (0 .. $#frames) {
    my ($size, $head) = (size($frames[$i]), head($frames[$i]));
    my $before = $i ? head($frames[$i - 1]) : '';
    my $last = $i == $#frames && !grep { $_ ne $empty } @frames[0 .. $i - 1];
    push @texts,
      $from eq 'SUB' || $from eq 'XSUB' && $size && ord $head < 2
        ? (ord $head ? 'subscribe ' : 'unsubscribe ') . escape(substr $head, 1)
      : $from eq 'monitor' && $i == 0 ? $monitored{unpack 'S', $head} // 'event'
      : $before eq 'MDPW01' && $size == 1 && ord $head < 6 ? $mdp[ord $head]
      : $last && $head eq "\1" ? 'READY'
      : $last && $head eq "\2" ? 'HEARTBEAT'
      : $size == 5 && defined $owner{$head} ? $owner{$head}
      : $size == 8 && $head =~ /^\0/ ? '#' . unpack 'Q>', $head
      : $size == 16 && $head =~ /[^ -~]/ ? 'UUID ' . uc unpack 'H8', $head
      : $size == 32 && $head =~ /^[0-9A-F]+$/ ? 'UUID ' . substr $head, 0, 8
      : $head =~ /^[ -~\n]*[!-~][ -~\n]*$/ && $size <= 32 ? escape($head)
      : $size <= 8 ? escape($head)
      : $head =~ /^[ -~\n]*[!-~][ -~\n]*$/ ? escape(substr $head, 0, 16) . "... $size bytes"
      : "$size bytes";
  }
  return @texts;
}

# The frames as they cross the wire, as far as the two ends show them.
sub wire {
  my ($from, $sent, $to, $received) = @_;
  if ($received && $to ne 'REP') {
    my @frames = @$received;
    shift @frames if $to eq 'ROUTER';
    unshift @frames, $empty if $to eq 'REQ';
    return @frames;
  }
  my @frames = @{ $sent // $received };
  shift @frames if $sent && $from eq 'ROUTER';
  unshift @frames, $empty if !$sent || $from =~ /^RE[QP]$/;
  return @frames;
}

# Whether these are the two ends of one message: REQ and REP hide an envelope.
sub same {
  my ($m, $to, $received) = @_;
  my $sent = join "\t", wire($m->{from}{type}, $m->{frames}, '');
  my $wire = join "\t", wire('', undef, $to->{type}, $received);
  return $sent eq $wire
    || "$m->{from}{type} $to->{type}" =~ /\bRE[QP]\b/
      && (substr($sent, -length $wire) eq $wire || substr($wire, -length $sent) eq $sent);
}

# ---- sockets --------------------------------------------------------------------

# Where an endpoint is: tcp by its port, since a host has many names.
sub place {
  my ($key, $endpoint) = @_;
  return "$key $endpoint" if $endpoint =~ /^inproc:/;
  return $endpoint =~ /^(tcp|ws|udp):.*(:\d+)$/ ? "$1$2" : $endpoint;
}

sub host { $_[0] =~ m{^tcp://(\d+\.\d+\.\d+\.\d+):} && $1 ne '0.0.0.0' ? $1 : '' }

# The sockets at the other ends of this one's endpoints, or of one of them.
sub peers {
  my ($s, $only_place) = @_;
  my %peers;
  return grep { $_->{type} eq 'UDP' } values %socket if $s->{type} eq 'UDP';
  for my $end (@{ $s->{ends} }) {
    my ($kind, $place, $host) = @$end;
    for my $other (@{ ($kind eq 'bind' ? \%connected : \%bound)->{$place} }) {
      my ($peer, $its_host) = @$other;
      next if $only_place && $place ne $only_place;
      $peers{"$peer"} = $peer if !$host || !$its_host || $host eq $its_host;
    }
  }
  return sort { $a->{born} <=> $b->{born} } values %peers;
}

# The one socket that a message without a receiver was for, if it is known.
sub addressee {
  my $m = shift;
  my $s = $m->{from};
  return $m->{requester} if $m->{requester};
  if ($s->{type} eq 'ROUTER') {
    my $id = head($m->{frames}[0]);
    return $peer_of{$s}{$id} // $own_id{$id};
  }
  my @peers = peers($s);
  my %names = map { $_->{name} => $_ } @peers;
  return keys %names == 1 ? $peers[-1] : undef;
}

sub name { my ($s, $thread) = @_; $s->{name} . ($thread > 1 ? "/$thread" : '') }

# ---- messages -------------------------------------------------------------------

sub add_message {
  my ($at, $s, $thread, $state, @frames) = @_;
  my $m = { at => $at, from => $s, name => name($s, $thread), state => $state,
    frames => \@frames, to => [] };
  if ($s->{is_monitor}) {
    @$m{qw(name from)} = ('libzmq', { %$s, type => 'monitor' });
    push @{ $s->{sent} }, $m;
    push @messages, $m;
    return $m;
  }
  $m->{state} = '-' if $s->{type} eq 'XSUB' && head($frames[0]) =~ /^[\0\1]/;
  $s->{used_by} = $thread;
  $m->{requester} = $s->{requester};            # of a REP
  push @messages, $m;
  push @{ $s->{sent} }, $m if $state eq 'lost' || $state eq '-';
  return $m;
}

# A SUB sends its subscriptions to each place that it is connected to.
sub subscribe {
  my ($at, $s, $thread, $place, @topics) = @_;
  for my $topic (@topics) {
    add_message($at, $s, $thread, '-', $topic)->{place} = $place;
  }
}

# The message of a socket that this one has received now: the first equal one after
# the last that it has received. A subscriber that comes late misses the first ones.
sub find_sent {
  my ($s, $to, $frames) = @_;
  my $sent = $s->{sent} // return;
  my $many = $s->{type} =~ /PUB|XSUB|UDP/;
  my $seen = $s->{seen}{ $many ? $to : '' };
  my $from = $seen // 0;
  if (!$many) {
    $from++ while $from < @$sent && $sent->[$from]{taken};
    $s->{seen}{''} = $from;
  }
  my @order = $from .. $#$sent;
  @order = reverse @order if $many && !defined $seen;
  for my $i (@order) {
    my $m = $sent->[$i];
    next if $m->{taken} && !$many || $m->{requester} && $m->{requester} != $to;
    next if $m->{place} && !grep { $_->[1] eq $m->{place} } @{ $to->{ends} };
    if ($s->{type} eq 'ROUTER') {
      my $known = $peer_of{$s}{ head($m->{frames}[0]) };
      next if $known && $known != $to;
    }
    return ($m, $i) if same($m, $to, $frames);
  }
  return;
}

sub receive {
  my ($at, $to, $thread, $tag, @frames) = @_;
  my ($m, $index, $s);
  for my $peer ($socket{$tag} // peers($to)) {
    my ($found, $i) = find_sent($peer, $to, \@frames);
    ($m, $index, $s) = ($found, $i, $peer) if $found && (!$m || $found->{at} < $m->{at});
  }
  $s //= $socket{$tag};
  if ($m) {
    $m->{taken} = 1;
    $s->{seen}{$to} = $index + 1 if $s->{type} =~ /PUB|XSUB|UDP/;
  } else {                      # the sender is not traced, or libzmq has repeated it
    $m = { at => $at, from => $s // { type => '?' },
      name => $s ? name($s, $s->{used_by} // 1) : '?', to => [] };
    push @messages, $m;
  }
  push @{ $m->{to} }, [$at, $to, $thread, \@frames];
  $to->{used_by} = $thread;
  $to->{requester} = $s if $to->{type} eq 'REP';
  if ($to->{type} eq 'ROUTER' && $s) {
    my $id = head($frames[0]);
    $peer_of{$to}{$id} = $s;
    $owner{$id} = $m->{name};
  }
  if ($s && $s->{type} eq 'ROUTER' && $m->{frames}) {
    my $id = head($m->{frames}[0]);
    $peer_of{$s}{$id} = $to;
    $owner{$id} //= name($to, $thread);
  }
}

# ---- read -----------------------------------------------------------------------

opendir my $folder, $dir or die "$dir: $!\n";
for my $key (grep { /^\d+-\d+$/ } readdir $folder) {
  open my $file, '<', "$dir/$key" or die "$key: $!\n";
  while (<$file>) {
    chomp;
    my ($at, $thread, $kind, @rest) = split /\t/;
    $at /= 1e6;
    if ($kind eq 'process') {
      $process{$key} = { name => $rest[1], program => $rest[2], from => $at, to => $at };
      $clock_offset = $rest[3] / 1e6 - $at;
    } else {
      $process{$key}{to} = $at if $at > $process{$key}{to};
      $process{$key}{exits} = 1 if $kind eq 'exit';
      push @records, [$at, $thread, $kind, $key, @rest];
    }
  }
}
die "No program of the scene has used libzmq.\n" if !@records;
if (open my $file, '<', "$dir/scene") {
  while (<$file>) {
    chomp;
    my ($at, $kind, $name) = split /\t/;
    push @events, [$at * 1e3 - $clock_offset, $kind, $name];
  }
}

for (sort { $a->[0] <=> $b->[0] } @records) {
  my ($at, $thread, $kind, $key, $number, @rest) = @$_;
  next if $kind eq 'exit';
  my $s = $socket{"$key.$number"};
  if ($kind eq 'socket') {
    $socket{"$key.$number"} = { name => $process{$key}{name}, type => $rest[0], born => $at,
      ends => [], topics => [] };
  } elsif ($kind eq 'bind' || $kind eq 'connect') {
    my ($place, $host) = (place($key, $rest[0]), host($rest[0]));
    push @{ $s->{ends} }, [$kind, $place, $host];
    push @{ ($kind eq 'bind' ? \%bound : \%connected)->{$place} }, [$s, $host];
    subscribe($at, $s, $thread, $place, @{ $s->{topics} });
  } elsif ($kind eq 'monitor') {
    $_->[0]{is_monitor} = 1 for @{ $bound{ place($key, $rest[0]) } };
  } elsif ($kind eq 'id') {
    $own_id{ unescape($rest[0]) } = $s;
  } elsif ($kind =~ /subscribe/) {
    my $frame = frame(($kind eq 'subscribe' ? "\1" : "\0") . unescape($rest[0] // ''));
    push @{ $s->{topics} }, $frame if $kind eq 'subscribe';
    subscribe($at, $s, $thread, $_->[1], $frame) for @{ $s->{ends} };
  } elsif ($kind eq 'send') {
    add_message($at, $s, $thread, 'lost', @rest);
  } elsif ($kind eq 'refused') {
    my $last = $s->{refused} // '';
    $s->{refused} = "@rest";
    add_message($at, $s, $thread, @rest) if $last ne "@rest" || $rest[0] ne 'blocked';
  } elsif ($kind eq 'recv') {
    receive($at, $s, $thread, @rest);
  }
  $s->{refused} = '' if $s && $kind eq 'send';
}

# ---- print ----------------------------------------------------------------------

my ($zero) = sort { $a <=> $b } map { $_->[0] } @records, @events;
my @lines;
my ($begin, $end) = (0, 1e12);

if (my ($pattern, $before, $after) = split /,/, $ENV{WINDOW} // '') {
  my ($event) = grep { "$_->[1] $_->[2]" =~ /^$pattern/ } @events;
  die "No event of the scene matches '$pattern'.\n" if !$event;
  ($begin, $end) = ($event->[0] - $before * 1e3, $event->[0] + $after * 1e3);
  line(0, 'window', ms($begin), ms($end), ms($event->[0]));
}

sub line { my ($at, @fields) = @_; push @lines, [$at, join "\t", @fields] }
sub ms { sprintf '%.3f', $_[0] - $zero }

for my $m (@messages) {
  next if $m->{at} < $begin || $m->{at} > $end;
  my $from = $m->{from}{type};
  for (@{ $m->{to} }) {
    my ($at, $to, $thread, $frames) = @$_;
    line($m->{at}, 'message', ms($m->{at}), ms($at), $m->{name}, $from, name($to, $thread),
      $to->{type}, decode($from, $to->{type}, wire($from, $m->{frames}, $to->{type}, $frames)));
  }
  next if @{ $m->{to} };
  my @to = $m->{state} eq '-' ? peers($m->{from}, $m->{place}) : addressee($m) // ();
  my %done;
  for my $to (@to ? @to : undef) {
    my ($name, $type) = $to ? (name($to, $to->{used_by} // 1), $to->{type})
      : $from eq 'ROUTER' ? (decode('', '', $m->{frames}[0]), '?') : ('?', '?');
    my $at = $m->{state} eq '-' && $to && $to->{born} > $m->{at} ? $to->{born} : $m->{at};
    line($at, 'message', ms($at), $m->{state}, $m->{name}, $from, $name, $type,
      decode($from, $type, wire($from, $m->{frames}, ''))) if !$done{$name}++;
  }
}
my $last = '';
for my $e (@events) {
  line($e->[0], 'event', ms($e->[0]), @$e[1, 2]) if "@$e[1, 2]" ne $last;
  $last = "@$e[1, 2]";
}
for my $p (values %process) {
  line($p->{from}, 'life', ms($p->{from}), ms($p->{to}), @$p{qw(name program)});
}
print "$_->[1]\n" for sort { $a->[0] <=> $b->[0] } @lines;
