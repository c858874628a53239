#!/usr/bin/perl
# Parts of history: what some commits added, and what a push adds before it is accepted.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(slurp spew);

my $dir = audit_folder();
my $r = "$dir/thing";
my $day = 86400;

sub leak {
	my ($path, $number) = @_;
	put("$r/$path", "# a file\nTOKEN=" . token($number) . "\n");
	return;
}

sub lines_are {
	my ($name, $want, @args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $report = scan_json(@args);
	is_deeply([found($report)], $want, $name) or diag(scan_error());
	is(scan_exit(), @$want ? 1 : 0, "$name: the exit code says so");
	return $report;
}

repo($r, date => 1_600_000_000);
leak('gone.env', 1);
my $first = commit($r, 'leak', date => 1_600_000_000 + $day);
unlink "$r/gone.env";
my $removed = commit($r, 'remove', date => 1_600_000_000 + 2 * $day);
leak('kept.env', 2);
my $kept = commit($r, 'keep', date => 1_600_000_000 + 3 * $day);
git($r, qw(checkout -q -b side));
leak('side.env', 3);
commit($r, 'side', date => 1_600_000_000 + 4 * $day);
git($r, qw(checkout -q main));
git($r, qw(checkout -q --detach));
leak('tag.env', 4);
commit($r, 'tag', date => 1_600_000_000 + 5 * $day);
git($r, qw(tag -a -m tag v1));
git($r, qw(checkout -q main));
for my $n (6, 7) {
	leak("stash$n.env", $n);
	git($r, qw(stash -q -u));
}

lines_are('a range', ['kept.env:2'], '--range', "$removed..main", $r);
lines_are('a range up to HEAD', ['kept.env:2'], '--range', 'main~1..', $r);
lines_are('a range of another branch', ['side.env:2'], '--range', 'main..side', $r);
lines_are('a range from the first commit', [qw(gone.env:2)], '--range', "main~3..main~1", $r);
lines_are('a range of nothing', [], '--range', 'main..main', $r);
lines_are('since a commit on a branch', ['kept.env:2'], '--since-commit', substr($removed, 0, 8), '--branch', 'main', $r);
my @since = found(scan_json('--since-commit', 'main', $r));
is_deeply([grep { /env/ } @since], [qw(side.env:2 stash6.env:2 stash7.env:2 tag.env:2)], 'since a commit, on all refs');

done_testing;
