#!/usr/bin/perl
# Parts of history: what some commits added, and what a push adds before it is accepted.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Compress::Zlib qw(compress);
use Test::More;
use Muster::Audit;
use Muster::Scan;

my $dir = audit_folder();
my $r = "$dir/thing";

my (undef, $removed) = leaky_history($r);
for my $n (6, 7) {
	leak("$r/stash$n.env", $n);
	git($r, qw(stash -q -u));
}

lines_are('a range', ['kept.env:2'], '--range', "$removed..main", $r);
lines_are('a range up to HEAD', ['kept.env:2'], '--range', 'main~1..', $r);
lines_are('a range of another branch', ['side.env:2'], '--range', 'main..side', $r);
lines_are('a range from the first commit', [qw(gone.env:2)], '--range', "main~3..main~1", $r);
lines_are('a range of nothing', [], '--range', 'main..main', $r);
for my $case (['main~1..main', 1], ['main..main', 0], ['main~3..main', 3], ['main~1..side', 2], ['side..main', 0]) {
	is(scan_json('--range', $case->[0], $r)->{coverage}{targets}[0]{commits}, $case->[1], "$case->[0]: its commits are counted, and no other");
}
is(scan_json('--since-commit', 'main~1', '--branch', 'side', $r)->{coverage}{targets}[0]{commits}, 2, 'since a commit as well');
like(scan_run('--range', 'main..main', $r), qr/, 0 commits;/, 'a range of none says so');
lines_are('since a commit on a branch', ['kept.env:2'], '--since-commit', substr($removed, 0, 8), '--branch', 'main', $r);
my @since = found(scan_json('--since-commit', 'main', $r));
is_deeply([grep { /env/ } @since], [qw(side.env:2 stash6.env:2 stash7.env:2 tag.env:2)], 'since a commit, on all refs');

# What was taken away in the range and came back in it, though the same folders were met before.
my $back = "$dir/back";
my $at = 1_600_000_000;
sub step { return commit($back, $_[0], date => $at += 1000) }
repo($back, date => $at);
put("$back/conf/deep/s.env", 'TOKEN=' . token(20) . "\n");
my $with = step('leak');
put("$back/other", "1\n");
step('something else');
git($back, qw(rm -q -r conf));
step('remove');
put("$back/conf/deep/s.env", 'TOKEN=' . token(20) . "\n");
step('bring back');
lines_are('a secret that comes back', ['conf/deep/s.env:1'], '--range', "$with..HEAD", $back);
lines_are('and one that goes', [], '--range', "$with..HEAD~1", $back);
put("$back/conf/deep/s.env", "# moved\nTOKEN=" . token(20) . "\nOTHER=" . token(22) . "\n");
step('beside it');
lines_are('one that was there before is not new because its file changed', ['conf/deep/s.env:3'], '--range', 'HEAD~1..HEAD', $back);

# More folders than are looked into when all is scanned.
my $wide = repo("$dir/wide");
open my $import, '|-', 'git', '-C', $wide, qw(fast-import --quiet --force) or die $!;
print $import "blob\nmark :1\ndata 2\nx\n\n", "blob\nmark :2\ndata <<END\nTOKEN=" . token(21) . "\nEND\n\n";
for my $n (1, 2) {
	print $import "commit refs/heads/main\ncommitter C <c\@example.com> 160000000$n +0000\ndata 1\nm\n";
	print $import map { "M 100644 :1 d$_/$_\n" } 1 .. ($n == 1 ? 1 : 51_000);
	print $import "M 100644 :2 zz/secret\n" if $n == 2;
}
close $import or die 'fast-import';
lines_are('a range of 51000 folders', ['zz/secret:1'], '--range', 'main~1..main', $wide);

# What cannot be read is told if it is of the range, and only then.
sub broken {
	my ($repo, $what) = @_;
	my $file = "$repo/.git/objects/" . (git($repo, 'rev-parse', $what) =~ s{^(..)}{$1/}r);
	chmod 0644, $file or die "$file: $!";
	open my $out, '>', $file or die $!;
	# What it is can be read, and not what is in it.
	print $out compress("blob 400\0too short");
	close $out;
	return;
}
my $hole = repo("$dir/hole");
$at = 1_600_000_000;
for my $n (1 .. 4) {
	put("$hole/file", "number $n\n");
	put("$hole/more$n", "more $n\n");
	commit($hole, "number $n", date => $at += 1000);
}
broken($hole, 'main~2:file');
broken($hole, 'main~3:more1');
lines_are('a file that is damaged before the range', [], '--range', 'main~1..main', $hole);
is(scan_error(), '', 'without a word');
lines_are('or in the commit before it', [], '--range', 'main~2..main', $hole) or diag(scan_error());
is(scan_error(), '', 'without a word, too');
scan_json('--range', 'main~3..main', $hole);
is(scan_exit(), 3, 'one that is damaged in the range is told');
like(scan_error(), qr/@{[git($hole, 'rev-parse', 'main~2:file')]}/, 'by its name');
unlike(scan_error(), qr/@{[git($hole, 'rev-parse', 'main~3:more1')]}/, 'and the other is not');
scan_json($hole);
is(scan_exit(), 3, 'all of history has both');
unlink "$hole/.git/objects/" . (git($hole, 'rev-parse', 'main~3:more1') =~ s{^(..)}{$1/}r);
lines_are('one that is missing before the range', [], '--range', 'main~1..main', $hole);

# So it is where a range is so long that everything is read.
my $long = repo("$dir/long");
put("$long/old", "old\n");
put("$long/kept", "kept\n");
commit($long, 'old', date => 1_500_000_000);
open $import, '|-', 'git', '-C', $long, qw(fast-import --quiet --force) or die $!;
for my $n (1 .. 50_010) {
	print $import "commit refs/heads/main\ncommitter C <c\@example.com> " . (1_600_000_000 + $n) . " +0000\ndata 1\nm\n",
		$n == 1 ? "from refs/heads/main^0\nD old\n" : '', $n == 2 ? "M 100644 inline a.env\ndata 46\nTOKEN=" . token(30) : '', "\n";
}
close $import or die 'fast-import';
my ($old, $kept) = map { git($long, 'rev-parse', "main~50010:$_") } qw(old kept);
broken($long, $_) for $old, $kept;
lines_are('a range of 50010 commits', ['a.env:1'], '--range', 'main~50010..main', $long) or diag(scan_error());
is(scan_error(), '', 'without a word of what is damaged before it');

# What a push finds there already may be named by a tag alone.
my $bare = "$dir/tagged.git";
git($dir, qw(init -q --bare), $bare);
git($r, qw(push -q), $bare, 'v1');
is(git($bare, qw(for-each-ref --format=%(objecttype))), 'tag', 'a repository with nothing but a tag');
my $v1 = git($r, qw(rev-parse v1^0));
my $push = scan_json({ stdin => '0' x 40 . " $v1 refs/heads/new\n", folder => $bare }, '--pre-receive');
is_deeply([found($push)], [], 'a push of what the tag has brings nothing') or diag(scan_error());
git($r, qw(push -q), $bare, 'side:refs/heads/x');
git($bare, qw(update-ref -d refs/heads/x));
my $side = git($r, qw(rev-parse side));
$push = scan_json({ stdin => '0' x 40 . " $side refs/heads/new\n", folder => $bare }, '--pre-receive');
is_deeply([found($push)], ['side.env:2'], 'a push of more brings what is more') or diag(scan_error());

done_testing;
