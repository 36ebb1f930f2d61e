#!/usr/bin/env perl
# check.pl README - print the scenes that its sequence diagrams name
# check.pl README DIR - check the diagrams against the messages of these scenes, which
# merge.pl has written to DIR/SCENE
#
# A comment above a diagram names its scene, or says why it is not checked:
#
#     <!-- scene: paranoid-pirate -->      <!-- not checked: no scene restarts it -->
#
# The arrows of the diagram must occur in the scene, in their order; other messages
# may lie between them. An arrow matches a message if three things agree:
#
# - The ends. The first word of a participant's label is the name in the scene, with
#   or without a number, or the program, or the type of the socket. Two participants
#   are never the same thread; with the type as label, never the same socket.
# - The text. [a][b] are all frames of the message as the wire has them; a, b are
#   some of them, in this order. A frame that is written in lower case describes a
#   frame, and matches any that is not empty. All others are compared as make trace
#   prints them, where "UUID" also matches "UUID 12345678".
# - The head. -x is a message that is never received, or a send that fails: its text
#   is then "Host unreachable". Any other arrow is received.
#
# Notes, loops, boxes and arrows from a participant to itself are not checked.
use strict;
use warnings;

my ($readme, $dir) = @ARGV;
my (@diagrams, $comment, $diagram);

open my $file, '<', $readme or die "$readme: $!\n";
while (<$file>) {
  if (/^<!-- (scene|not checked): (.*?) -->$/) {
    $comment = [$1, $2];
  } elsif (/^```mermaid/) {
    $diagram = { line => $. + 1, comment => $comment, arrows => [], is => {} };
  } elsif (/^```$/ && $diagram) {
    push @diagrams, $diagram if $diagram->{is_sequence};
    undef $diagram;
    undef $comment;
  } elsif ($diagram) {
    $diagram->{is_sequence} = 1 if /^sequenceDiagram/;
    $diagram->{is}{$1} = $2 if /^ *participant (\w+) as (\w+)/;
    push @{ $diagram->{arrows} }, { line => $., from => $1, head => $2, to => $3, text => $4 }
      if /^ *(\w+)(-?-(?:>>|x|\)))(\w+): (.*)/ && $1 ne $3;
  }
}

# Whether a frame of an arrow's text describes this frame.
sub frame_matches {
  my ($text, $frame) = @_;
  return $text eq $frame || $frame =~ /^\Q$text\E / || $text =~ /^[a-z ]+$/ && $frame ne '';
}

sub text_matches {
  my ($text, @frames) = @_;
  if ($text =~ /^\[/) {
    my @texts = $text =~ /\[([^]]*)\]/g;
    return @texts == @frames && !grep { !frame_matches($texts[$_], $frames[$_]) } 0 .. $#texts;
  }
  for my $one (split /, /, $text) {
    while (@frames && !frame_matches($one, $frames[0])) { shift @frames }
    return 0 if !@frames;
    shift @frames;
  }
  return 1;
}

# What a participant's label can mean at this end of a message, '' if it cannot.
sub end_of {
  my ($label, $name, $type, $program) = @_;
  return "$name $type" if $label eq $type;
  my ($process) = split m{/}, $name;
  return $name if $process =~ /^\Q$label\E\d*$/ || ($program->{$process} // '') eq $label;
  return '';
}

sub arrow_matches {
  my ($arrow, $is, $message, $program) = @_;
  my (undef, undef, $state, $from, $from_type, $to, $to_type, @frames) = @$message;
  @frames = ('Host unreachable') if $state eq 'unreachable';
  return if ($arrow->{head} =~ /x/) != ($state =~ /lost|unreachable|blocked/);
  my $sender = end_of($is->{ $arrow->{from} }, $from, $from_type, $program) || return;
  my $receiver = end_of($is->{ $arrow->{to} }, $to, $to_type, $program) || return;
  return text_matches($arrow->{text}, @frames) && [$sender, $receiver];
}

# Find a message for each arrow from the n-th on, after message number $after. A
# participant stays what it was at its first arrow. Of the messages between the same
# two ends the first is as good as any.
my $deepest;

sub find {
  my ($arrows, $n, $after, %who) = @_;
  $deepest = $n if $n > $deepest;
  return 1 if $n == @$arrows;
  my $arrow = $arrows->[$n];
  my %tried;
  for my $candidate (@{ $arrow->{candidates} }) {
    my ($index, $sender, $receiver) = @$candidate;
    next if $index <= $after || $tried{"$sender\t$receiver"}++;
    my %now = %who;
    my %taken = reverse %who;
    my $fits = 1;
    for ([$arrow->{from}, $sender], [$arrow->{to}, $receiver]) {
      my ($participant, $end) = @$_;
      $fits &&= ($now{$participant} //= $end) eq $end
        && ($taken{$end} //= $participant) eq $participant;
    }
    return 1 if $fits && find($arrows, $n + 1, $index, %now);
  }
  return 0;
}

sub check {
  my ($diagram) = @_;
  my (@messages, %program);
  my ($kind, $scene) = @{ $diagram->{comment} // return "no comment names its scene" };
  return '' if $kind eq 'not checked';
  open my $trace, '<', "$dir/$scene" or return "there is no scene $scene";
  while (<$trace>) {
    chomp;
    my @fields = split /\t/, $_, -1;
    push @messages, \@fields if $fields[0] eq 'message';
    $program{ $fields[3] } = $fields[4] if $fields[0] eq 'life';
  }
  return "no arrow" if !@{ $diagram->{arrows} };
  for my $arrow (@{ $diagram->{arrows} }) {
    $arrow->{candidates} = [];
    for my $i (0 .. $#messages) {
      my $ends = arrow_matches($arrow, $diagram->{is}, $messages[$i], \%program) || next;
      push @{ $arrow->{candidates} }, [$i, @$ends];
    }
  }
  $deepest = 0;
  return '' if find($diagram->{arrows}, 0, -1);
  my $arrow = $diagram->{arrows}[$deepest];
  return "line $arrow->{line}, '$arrow->{text}': "
    . (@{ $arrow->{candidates} } ? 'not after the arrows above it' : 'no such message');
}

if (!$dir) {
  my %scenes = map { $_->{comment}[1] => 1 } grep { ($_->{comment}[0] // '') eq 'scene' } @diagrams;
  print "$_\n" for sort keys %scenes;
  exit;
}
my $failed = 0;
for my $diagram (@diagrams) {
  my $fault = check($diagram) || next;
  print "$readme:$diagram->{line}: $fault\n";
  $failed = 1;
}
exit $failed;
