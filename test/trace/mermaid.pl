#!/usr/bin/env perl
# mermaid.pl - draw what merge.pl has found as a sequence diagram. Between two events
# of the scene, heartbeats stand in one loop, repeated exchanges in another, and of a
# long run only the begin and the end.
use strict;
use warnings;

my $most = 40;                  # arrows between two events
my $longest = 8;                # arrows of an exchange that is repeated

my @lines = map { chomp; [split /\t/, $_, -1] } <>;
my ($begin, $end) = $lines[0][0] eq 'window' ? @{ shift @lines }[1, 2] : (0, 1e12);
my (%alias, @body, @names, @section, %host);

# alias NAME - the identifier of a participant
sub alias {
  my $name = shift;
  push @names, $name if !$alias{$name};
  return $alias{$name} //= 'P' . @names;
}

# A text without what ends a line of Mermaid.
sub text { my $text = shift; $text =~ s/([#;])/'#' . ord($1) . ';'/ge; return $text }

# Arrows as lines, with repeated exchanges in loops, and no more than $most.
sub fold {
  my @arrows = @_;
  my @lines;
  for (my $i = 0; $i < @arrows;) {
    my ($length, $times) = (1, 1);
    for my $l (1 .. $longest) {
      my $n = 1;
      $n++ while $i + ($n + 1) * $l <= @arrows
        && !grep { $arrows[$i + $_][2] ne $arrows[$i + $n * $l + $_][2] } 0 .. $l - 1;
      ($length, $times) = ($l, $n) if $n >= 3 && $n * $l > $length * $times;
    }
    my @exchange = map { $_->[0] } @arrows[$i .. $i + $length - 1];
    push @lines, $times == 1 ? @exchange
      : ("loop $times times", (map { "    $_" } @exchange), 'end');
    $i += $length * $times;
  }
  if (@lines > $most) {
    my ($first, $last) = ($most / 2, @lines - $most / 4);
    $first++ while $lines[$first] =~ /^(    |end)/;     # not within a loop
    $last++ while $last < @lines && $lines[$last] =~ /^(    |end)/;
    my $left_out = grep { !/^(loop|end)/ } @lines[$first .. $last - 1];
    my ($left, $right) = map { alias($_) } @names[0, -1];
    splice @lines, $first, $last - $first, "Note over $left,$right: $left_out more arrows"
      if $left_out > 0;
  }
  return @lines;
}

# Add the arrows between two events: each is [ARROW, IS-HEARTBEAT, SHAPE]. The loop of
# the heartbeats stands where the first one is.
sub add_section {
  my @heartbeats = grep { $_->[1] } @section;
  my ($first) = grep { $section[$_][1] } 0 .. $#section;
  my $before = $first // @section;
  my %seen;
  push @body, fold(@section[0 .. $before - 1]);
  push @body, 'loop heartbeats, ' . @heartbeats . ' in all',
    (map { "    $_" } grep { !$seen{$_}++ } map { $_->[0] } @heartbeats), 'end'
    if @heartbeats;
  push @body, fold(grep { !$_->[1] } @section[$before .. $#section]);
  @section = ();
}

for (@lines) {
  my ($what, $at, @rest) = @$_;
  if ($what eq 'event') {
    my ($kind, $name) = @rest;
    push @{ $host{ $1 } }, $name if $kind =~ /^on (.*)/;
    next if $at < $begin || $at > $end || $kind =~ /^(start|on )/;
    add_section();
    my @where = grep { $alias{$_} } $kind eq 'note' ? () : ($name, @{ $host{$name} // [] });
    push @body, [$kind eq 'note' ? $name : $kind eq 'kill' ? "kill -9 $name" : "$kind $name",
      @where];
  } elsif ($what eq 'message') {
    my ($state, $from, $from_type, $to, undef, @frames) = @rest;
    next if $from_type eq 'monitor' || $to eq '?';
    my $frames = join '', map { "[$_]" } @frames;
    $frames = 'not sent: ' . $state if $state =~ /unreachable|blocked/;
    my $head = $state =~ /lost|unreachable|blocked/ ? '-x' : '->>';
    my $arrow = alias($from) . $head . alias($to) . ': ' . text($frames);
    (my $shape = $frames) =~ s{\d+}{1}g;
    push @section, [$arrow, scalar $frames =~ /\[(HEARTBEAT|PING|PONG|HUGZ)\]/,
      "$from $head $to $shape"];
  }
}
add_section();
print "sequenceDiagram\n";
print "    participant $alias{$_} as ", text($_), "\n" for @names;
for (@body) {
  my $line = $_;
  if (ref $line) {              # an event: where it happens, or over all
    my ($text, @where) = @$line;
    @where = @names[0, $#names] if !@where;
    $line = 'Note over ' . join(',', map { $alias{$_} } @where[0 .. ($#where && 1)]) . ': '
      . text($text);
  }
  print "    $line\n";
}
