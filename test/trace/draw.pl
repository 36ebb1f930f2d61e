#!/usr/bin/env perl
# draw.pl - draw what merge.pl has found as a space-time picture in SVG: time runs
# down, each process has a line, and each message an arrow from the time when it was
# sent to the time when it was received.
#
# In the environment: TITLE, and COLUMNS='client queue w1', the order of the lines.
use strict;
use warnings;

my @lines = map { chomp; [split /\t/, $_, -1] } <>;
my ($begin, $end, $zero) = $lines[0][0] eq 'window' ? @{ shift @lines }[1 .. 3] : ();
my @messages = grep { $_->[0] eq 'message' && $_->[4] ne 'monitor' } @lines;
my @lives = grep { $_->[0] eq 'life' } @lines;
my @events = grep { $_->[0] eq 'event' } @lines;

$zero //= 0;
$begin //= 0;
$end //= (sort { $b <=> $a } map { $_->[2] } @lives)[0];

# ---- what there is --------------------------------------------------------------

sub process { (split m{/}, $_[0])[0] }

my (%is_shown, %host, @order, %program);
for (@messages) { $is_shown{ process($_->[3]) } = $is_shown{ process($_->[5]) } = 1 }
for (@lives) {
  my ($name, $program) = @$_[3, 4];
  push @order, $name if !$program{$name};
  $program{$name} = $program;
}
@order = split ' ', $ENV{COLUMNS} if $ENV{COLUMNS};
@order = grep { $is_shown{$_} } @order;

my ($left, $top) = (66, 78);
my $gap = @order < 4 ? 600 / @order : 150;  # between two lines
my $per_ms = 620 / ($end - $begin);
$per_ms = 0.1 if $per_ms < 0.1;
my $height = $top + ($end - $begin) * $per_ms + 58;
my $width = $left + $gap * @order;          # wide enough for the text at the foot
my %column = map { $order[$_] => $left + $gap * ($_ + 0.5) } 0 .. $#order;

# Where a time is, within the picture.
sub y_of {
  my $at = shift;
  $at = $begin if $at < $begin;
  $at = $end if $at > $end;
  return $top + ($at - $begin) * $per_ms;
}

sub xml {
  my ($text, %as) = (shift, '&', '&amp;', '<', '&lt;', '>', '&gt;');
  $text =~ s/([&<>])/$as{$1}/g;
  return $text;
}

sub point { number($_[0]) . ' ' . number($_[1]) }
sub number { my $n = sprintf '%.1f', shift; $n =~ s/\.0$//; $n }

my (%path, @texts);

# Add a line to a path, with an arrow's head or a cross at its end.
sub add_line {
  my ($class, $x1, $y1, $x2, $y2, $head) = @_;
  $path{$class} .= 'M' . point($x1, $y1) . 'L' . point($x2, $y2);
  my ($dx, $dy) = ($x2 - $x1, $y2 - $y1);
  my $length = sqrt($dx ** 2 + $dy ** 2) || 1;
  ($dx, $dy) = ($dx / $length, $dy / $length);
  if ($head eq 'arrow') {
    my ($x, $y) = ($x2 - 7 * $dx, $y2 - 7 * $dy);
    $path{"$class head"} .= 'M' . point($x2, $y2) . 'L' . point($x - 3 * $dy, $y + 3 * $dx)
      . 'L' . point($x + 3 * $dy, $y - 3 * $dx) . 'z';
  } elsif ($head eq 'cross') {
    add_cross('cross', $x2, $y2, 4);
  }
}

sub add_cross {
  my ($class, $x, $y, $r) = @_;
  $path{$class} .= 'M' . point($x - $r, $y - $r) . 'L' . point($x + $r, $y + $r)
    . 'M' . point($x - $r, $y + $r) . 'L' . point($x + $r, $y - $r);
}

# ---- texts, of which no two overlap ---------------------------------------------

my @boxes;

# Add a text, unless it would cover another; return whether it was added.
sub add_text {
  my ($class, $x, $y, $text, $anchor) = @_;
  my $w = 6.2 * length $text;
  my $l = $anchor eq 'middle' ? $x - $w / 2 : $anchor eq 'end' ? $x - $w : $x;
  for (@boxes) {
    my ($l2, $t2, $r2, $b2) = @$_;
    return 0 if $l < $r2 && $l + $w > $l2 && $y - 11 < $b2 && $y + 2 > $t2;
  }
  push @boxes, [$l, $y - 11, $l + $w, $y + 2];
  push @texts, sprintf '<text class="%s" x="%s" y="%s">%s</text>',
    "$class $anchor", number($x), number($y), xml($text);
  return 1;
}

# ---- the lines of the processes ---------------------------------------------------

my $shapes = '';

# Draw a state that lasts from one time to another, as a bar on a process's line.
sub add_bar {
  my ($class, $name, $from, $to, $text) = @_;
  return if !$column{$name} || $to < $begin || $from > $end;
  my ($y1, $y2) = (y_of($from), y_of($to));
  $shapes .= sprintf qq(<rect class="%s" x="%s" y="%s" width="12" height="%s"/>\n), $class,
    number($column{$name} - 6), number($y1), number($y2 - $y1);
  add_text('fault', $column{$name} + 10, $y1 + 11, $text, 'start') if $from >= $begin;
}

my (%since, %is_cut, @kills);
for (@events) {
  my (undef, $at, $kind, $name) = @$_;
  if ($kind =~ /^on (.*)/) {
    push @{ $host{$1} }, $name if !grep { $_ eq $name } @{ $host{$1} };
  } elsif ($kind =~ /^(freeze|cut)$/) {
    $since{"$kind $name"} //= $at;
  } elsif ($kind eq 'thaw' && defined(my $from = delete $since{"freeze $name"})) {
    add_bar('frozen', $name, $from, $at, 'frozen');
  } elsif ($kind eq 'heal' && defined(my $since = delete $since{"cut $name"})) {
    add_bar('cut', $_, $since, $at, 'cut off') for @{ $host{$name} };
  } elsif ($kind eq 'kill') {
    my $frozen = delete $since{"freeze $name"};
    my $is_long = defined $frozen && ($at - $frozen) * $per_ms > 14;
    add_bar('frozen', $name, $frozen, $at, 'frozen') if $is_long;
    push @kills, [$name, $at];
  }
}
for (sort keys %since) {        # until the end
  my ($kind, $name) = split / /;
  if ($kind eq 'cut') {
    add_bar('cut', $_, $since{"cut $name"}, $end, 'cut off') for @{ $host{$name} };
  } else {
    add_bar('frozen', $name, $since{"freeze $name"}, $end, 'frozen');
  }
}
for (@kills) {
  my ($name, $at) = @$_;
  next if $at < $begin || $at > $end || !$column{$name};
  add_cross('killed', $column{$name}, y_of($at), 7);
  add_text('fault', $column{$name} + 11, y_of($at) + 4, 'kill -9', 'start');
}
for (@lives) {
  my (undef, $from, $to, $name) = @$_;
  my ($kill) = grep { $_->[0] eq $name && $_->[1] >= $from } @kills;
  $to = $kill ? $kill->[1] : $since{"freeze $name"} ? $end : $to;
  next if !$column{$name} || $to < $begin || $from > $end;
  add_line('life', $column{$name}, y_of($from), $column{$name}, y_of($to), '');
  add_text('small', $column{$name} + 10, y_of($from) + 4, 'starts', 'start')
    if $from > $begin;
}

# ---- messages -------------------------------------------------------------------

my %labels;                     # by the gap between two lines: [y, direction, text]

for (@messages) {
  my (undef, $at, $state, $from, $from_type, $to, $to_type, @frames) = @$_;
  my ($x1, $x2) = map { $column{ process($_) } } $from, $to;
  next if !$x1 || !$x2 || $x1 == $x2;
  # Without the envelope, to be short.
  my $text = join ', ',
    grep { $_ ne '' && !/^MDP[CW]01$/ && !$column{ process($_) } } @frames;
  my $is_quiet = $text =~ /^(HEARTBEAT|PING|PONG|HUGZ\b.*)$/ || $text =~ /^subscribe/
    || $from_type eq 'PUB' && $text =~ /^\d$/;
  my $is_lost = $state =~ /lost|unreachable|blocked/;
  my $class = $is_lost ? 'lost' : $is_quiet ? 'quiet' : 'message';
  my ($y1, $y2) = (y_of($at), y_of($state =~ /\d/ ? $state : $at));
  if ($class eq 'lost') {
    my $part = $state eq 'lost' ? 0.6 : 0.25;
    add_line($class, $x1, $y1, $x1 + $part * ($x2 - $x1), $y1, 'cross');
    $text = $state if $state ne 'lost';
  } elsif ($state =~ /\d/ && $state > $end) {
    my $part = ($end - $at) / ($state - $at);
    add_line($class, $x1, $y1, $x1 + $part * ($x2 - $x1), $y2, '');
  } else {
    add_line($class, $x1, $y1, $x2, $y2, 'arrow');
  }
  next if $is_quiet;
  # In the gap at the end of the arrow, or for a lost one at its begin.
  my $sign = $x2 > $x1 ? 1 : -1;
  my $x = $class eq 'lost' ? $x1 + $sign * $gap / 2 : $x2 - $sign * $gap / 2;
  my $share = ($x - $x1) / ($x2 - $x1);
  my $direction = $sign > 0 ? "\x{2192}" : "\x{2190}";
  push @{ $labels{$x} }, [$y1 + $share * ($y2 - $y1), $direction, $text];
}
for my $x (sort { $a <=> $b } keys %labels) {
  my @waiting = sort { $a->[0] <=> $b->[0] } @{ $labels{$x} };
  while (@waiting) {
    my ($y, $direction, $text) = @{ shift @waiting };
    my @near;
    push @near, shift @waiting while @waiting && $waiting[0][0] < $y + 14;
    my $room = int(($gap - 12) / 6.2);
    my $label = "$direction $text";
    for (@near) { $label .= "  $_->[1] $_->[2]" }
    $label = substr($label, 0, $room - 1) . "\x{2026}" if length $label > $room;
    add_text('label', $x, $y - 3, $label, 'middle')
      || add_text('label', $x, $y + 11, $label, 'middle');
  }
}

# ---- print ----------------------------------------------------------------------

binmode STDOUT, ':utf8';
my ($w, $h) = (number($width), number($height));
my $title = xml($ENV{TITLE} // 'Messages of a scene');
print <<"END";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $w $h" width="$w" height="$h"
role="img" aria-labelledby="t">
<title id="t">$title</title>
<style>
text{font:11px -apple-system,BlinkMacSystemFont,'Segoe UI',Helvetica,Arial,
'DejaVu Sans',sans-serif;fill:#1f2328;paint-order:stroke;stroke:#fff;stroke-width:3px;
stroke-linejoin:round}
.title{font-size:16px;font-weight:600}.name{font-size:14px;font-weight:600}
.middle{text-anchor:middle}.end{text-anchor:end}
.small{fill:#59636e}.label{fill:#0550ae}.fault{fill:#cf222e;font-weight:600}
.page{fill:#fff}path{fill:none}.grid{stroke:#d1d9e0;stroke-dasharray:2 4}
.life{stroke:#59636e;stroke-width:2}
.message{stroke:#0969da;stroke-width:1.4}.message.head{fill:#0969da;stroke:none}
.quiet{stroke:#afb8c1}.quiet.head{fill:#afb8c1;stroke:none}
.lost{stroke:#cf222e;stroke-width:1.4;stroke-dasharray:4 3}
.cross{stroke:#cf222e;stroke-width:1.8}.killed{stroke:#cf222e;stroke-width:3}
.frozen{fill:#9ec5f7;stroke:#0969da}
.cut{fill:#fff;stroke:#cf222e;stroke-dasharray:3 3}
\@media (prefers-color-scheme:dark){
text{fill:#e6edf3;stroke:#0d1117}.small{fill:#9198a1}.label{fill:#79c0ff}
.fault{fill:#ff7b72}.page{fill:#0d1117}.grid{stroke:#30363d}.life{stroke:#9198a1}
.message{stroke:#4493f8}.message.head{fill:#4493f8}
.quiet{stroke:#484f58}.quiet.head{fill:#484f58}
.lost,.cross,.killed{stroke:#ff7b72}
.frozen{fill:#1f4a80;stroke:#4493f8}.cut{fill:#0d1117;stroke:#ff7b72}}
</style>
<rect class="page" width="$w" height="$h"/>
<text class="title" x="16" y="26">$title</text>
END
my @steps = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000);
my ($step) = grep { $_ * $per_ms >= 44 || $_ == $steps[-1] } @steps;
for (my $t = $step * int(($begin - $zero) / $step); $t <= $end - $zero; $t += $step) {
  next if $t + $zero < $begin;
  my $y = number(y_of($t + $zero));
  printf qq(<path class="grid" d="M%s %sH%s"/>), $left - 6, $y, number($width - 10);
  printf qq(<text class="small end" x="%s" y="%s">%s s</text>\n), $left - 12,
    number($y + 4), $t / 1000;
}
for (@order) {
  printf qq(<text class="name middle" x="%s" y="52">%s</text>\n), $column{$_}, xml($_);
  printf qq(<text class="small middle" x="%s" y="67">%s</text>\n), $column{$_},
    xml($program{$_});
}
sub print_path { printf qq(<path class="%s" d="%s"/>\n), $_, $path{$_} if $path{$_} }

print_path() for 'quiet', 'quiet head', 'life';
print $shapes;
print_path() for grep { !/quiet|life/ } sort keys %path;
print "$_\n" for @texts;
my $y = number($height - 22);
print <<"END";
<text class="small" x="16" y="$y">Time runs down. Grey: heartbeats, states and
 subscriptions. A dashed arrow with a cross: never received.</text>
</svg>
END
