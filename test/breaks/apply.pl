# apply.pl BREAK [TREE] - put the defect that BREAK describes into the programs in
# TREE; without TREE only check that this is possible here. A hunk has no line numbers:
# its old lines must stand in the file exactly once, so it survives edits elsewhere.
use strict;
use warnings;

my ($break, $tree) = @ARGV;
my ($file, $old, $new, $lines) = ('', '', '', 0);

sub end_hunk {
    if ($old eq '' && $new eq '') { return; }
    my $path = ($tree // '.') . "/$file";
    open my $in, '<', $path or die "$break: $file: $!\n";
    my $text = do { local $/; <$in> };
    my $count = () = $text =~ /^\Q$old\E/mg;
    if ($count != 1) { die "$break: $count places in $file match:\n$old"; }
    if (defined $tree) {
        $text =~ s/^\Q$old\E/$new/m;
        open my $out, '>', $path or die "$break: $file: $!\n";
        print $out $text;
        close $out or die "$break: $file: $!\n";
    }
    ($old, $new) = ('', '');
}

open my $in, '<', $break or die "$break: $!\n";
while (<$in>) {
    if (/^--- (.*)/) { end_hunk(); $file = $1; }
    elsif ($file eq '') { next; }
    elsif (/^@@/) { end_hunk(); }
    elsif (/^-(.*\n)/) { $old .= $1; $lines++; }
    elsif (/^\+(.*\n)/) { $new .= $1; $lines++; }
    elsif (/^ (.*\n)/) { $old .= $1; $new .= $1; }
    else { die "$break: neither header nor hunk: $_"; }
}
end_hunk();
if (!$lines) { die "$break: no defect\n"; }
