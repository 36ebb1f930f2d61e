#!/usr/bin/env perl
# print.pl - print what merge.pl has found, for people: one line for each message,
# and for each thing that was done to a program.
use strict;
use warnings;

my @lines = map { chomp; [split /\t/, $_, -1] } <>;
my ($begin, $end) = $lines[0][0] eq 'window' ? @{ shift @lines }[1, 2] : (0, 1e12);
my $bold = -t STDOUT && !$ENV{NO_COLOR} ? "\e[1m" : '';
my $plain = $bold && "\e[0m";
my %width = (from => 10, to => 10);
my (%is, %names);               # what runs under a name; the names of a program

# ends MESSAGE - "NAME TYPE" of the sender and of the receiver
sub ends { my (undef, undef, undef, @ends) = @{ $_[0] }; return "@ends[0, 1]", "@ends[2, 3]" }

for my $line (grep { $_->[0] eq 'message' } @lines) {
  my ($from, $to) = ends($line);
  $width{from} = length $from if $width{from} < length $from;
  $width{to} = length $to if $width{to} < length $to;
}

for (grep { $_->[0] eq 'life' } @lines) {
  my ($name, $program) = @$_[3, 4];
  push @{ $names{$program} }, $name if !$is{"$name $program"}++;
}
print <<"END";
The time, in seconds, is that of the send; behind it, the milliseconds until the
program received the message. -x leads to a message that nobody has received.
NAME/2 is the second thread of NAME. The programs are:

END
print "  $_: ", join(' ', @{ $names{$_} }), "\n" for sort keys %names;
print "\n";
for (@lines) {
  my ($what, $at, @rest) = @$_;
  next if $what eq 'life' || $at < $begin || $at > $end;
  $at /= 1000;
  if ($what eq 'event') {
    my ($kind, $name) = @rest;
    next if $kind =~ /^(start|on )/;
    printf "%s%8.3f  --- %s%s\n", $bold, $at, $kind eq 'note' ? $name
      : $kind eq 'kill' ? "kill -9 $name" : "$kind $name", $plain;
  } else {
    my ($from, $to) = ends($_);
    my ($arrived, @frames) = @rest[0, 5 .. $#rest];
    my $is_time = $arrived =~ /\d/;
    my $why = $arrived =~ /unreachable|blocked/ ? " not sent: $arrived"
      : $arrived eq 'lost' ? ' never received' : '';
    printf "%8.3f %7s  %-*s %s %-*s %s%s\n", $at,
      $is_time ? sprintf '+%.1f', $arrived - $at * 1000 : '', $width{from}, $from,
      $why ? '-x' : '->', $width{to}, $to, join('', map { "[$_]" } @frames), $why;
  }
}
