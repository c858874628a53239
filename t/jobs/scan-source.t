#!/usr/bin/perl
# What muster scan reads: all of history, parts of it, files as they lie, what is staged, bytes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(spew);

my $dir = audit_folder();
my $r = "$dir/thing";

# History: each kind of ref, and what is only reached through one of them.
my ($first, undef, $kept) = leaky_history($r);
leak("$r/note", 5);
git($r, qw(notes add -F note));
unlink "$r/note";
for my $n (6, 7) {
	leak("$r/stash$n.env", $n);
	git($r, qw(stash -q -u));
}
git($r, qw(update-ref refs/remotes/origin/far), git($r, qw(rev-parse side)));

my $report = scan_json($r);
is(scan_exit(), 1, 'findings make it exit 1');
my @all = found($report);
is_deeply([grep { !/^[0-9a-f\/]+:2$/ } @all],
	[qw(gone.env:2 kept.env:2 side.env:2 stash6.env:2 stash7.env:2 tag.env:2)],
	'history is all branches, tags and stashes, every entry of them');
is_deeply([found(scan_json(qw(--no-state --memory-megabytes 1 --threads 3), $r))], \@all,
	'with little memory and more threads it is the same');
is(scalar(grep { /^[0-9a-f\/]+:2$/ } @all), 1, 'and notes');
my $f = finding_at($report, 'gone.env');
is($f->{commit}, $first, 'it says which commit introduced it');
is($f->{author}, 'A U Thor', 'and who');
is($f->{email}, 'author@example.com', 'with the address');
is($f->{date}, '2020-09-14T12:26:40+00:00', 'and when');
is($f->{last_commit}, $first, 'and which had it last');
is($f->{in_head}, JSON::PP::false, 'what was removed is not in HEAD');
is_deeply([sort @{ $f->{refs} }], [qw(refs/heads/main refs/heads/side refs/remotes/origin/far refs/stash refs/tags/v1 stash@{1})],
	'all refs that contain it are named');
is($f->{refs_total}, 6, 'and counted');
$f = finding_at($report, 'kept.env');
is($f->{in_head}, JSON::PP::true, 'what is there still is in HEAD');
is($f->{head_line}, 2, 'at its line');
is($f->{validity}, 'unknown', 'whether a token still works is not known');
is($report->{coverage}{partly}, JSON::PP::false, 'all was read');
is(scalar @{ $report->{coverage}{targets} }, 1, 'one target');
is($report->{coverage}{targets}[0]{head}, $kept, 'its HEAD is told');
my $blobs = () = git_out($r, qw(cat-file --batch-all-objects), '--batch-check=%(objecttype)') =~ /^blob$/mg;
is($report->{coverage}{eligible}, $blobs, 'every version of every file was looked at');

# The same again: from what is known, and without it.
is_deeply([found(scan_json($r))], \@all, 'a second scan says the same');
is_deeply([found(scan_json('--no-state', $r))], \@all, 'so does one without state');
is_deeply([found(scan_json('--state', "$dir/../elsewhere", $r))], \@all, 'and one with its state elsewhere');
ok(-d "$dir/../elsewhere", 'which is where it was asked to be');

# Parts of history.
lines_are('a branch alone', [qw(gone.env:2 kept.env:2)], '--branch', 'main', $r);

# What no ref leads to.
git($r, qw(branch -q -D side));
git($r, qw(update-ref -d refs/remotes/origin/far));
ok(!grep({ $_ eq 'side.env:2' } found(scan_json('--no-state', $r))), 'a deleted branch is not scanned');
$report = scan_json('--unreachable', $r);
is(scalar(grep { defined $_->{path} && $_->{path} eq 'side.env' } @{ $report->{findings} }) ||
	scalar(grep { !defined $_->{path} } @{ $report->{findings} }), 1, 'unless what is unreachable is asked for');

# Files as they lie.
leak("$r/new.env", 10);
leak("$r/skipped.ignored", 11);
leak("$r/forced.ignored", 12);
git($r, qw(add -f forced.ignored));
put("$r/kept.env", "TOKEN=" . token(13) . "\n");
put("$r/deep/er/a.env", "x\nx\nTOKEN=" . token(14) . "\n");
lines_are('the working tree is tracked and untracked files, not ignored ones',
	[qw(deep/er/a.env:3 forced.ignored:2 kept.env:1 new.env:2)], '--worktree', $r);
lines_are('a folder in it, by the names of its history', ['deep/er/a.env:3'], '-w', "$r/deep");
lines_are('a file', ['new.env:2'], "$r/new.env");
lines_are('an ignored file that is named', ['skipped.ignored:2'], "$r/skipped.ignored");
symlink "$r/new.env", "$dir/link" or die $!;
lines_are('a link that is named', ['new.env:2'], "$dir/link");
lines_are('two of them', ['deep/er/a.env:3', 'new.env:2'], '-w', "$r/deep", "$r/new.env");
$report = scan_json('-w', $r);
is(finding_at($report, 'new.env')->{commit}, undef, 'a file as it lies has no commit');

# What is staged.
lines_are('only what is staged', ['forced.ignored:2'], '--staged', $r);
git($r, qw(add kept.env deep));
put("$r/kept.env", "nothing\n");
lines_are('as it is staged, not as it lies', [qw(deep/er/a.env:3 forced.ignored:2 kept.env:1)], '--staged', $r);
lines_are('also from a folder inside', [qw(deep/er/a.env:3 forced.ignored:2 kept.env:1)], '--staged', "$r/deep");
{
	local $ENV{GIT_INDEX_FILE} = "$dir/../other-index";
	git($r, qw(read-tree HEAD));
	git($r, qw(add new.env));
	lines_are('of the index that git names', ['new.env:2'], '--staged', $r);
}
symlink 'https://me:' . token(15) . '@example.com', "$r/pointer" or die $!;
lines_are('what a symbolic link says', [qw(deep/er/a.env:3 forced.ignored:2 new.env:2 pointer:1)], '-w', $r);
git($r, qw(add pointer));
lines_are('also when it is staged', [qw(deep/er/a.env:3 forced.ignored:2 kept.env:1 pointer:1)], '--staged', $r);
{
	my $other = repo("$dir/nested.git");
	put("$other/own.env", token(16) . "\n");
	git($other, qw(add own.env));
	local @ENV{qw(GIT_DIR GIT_INDEX_FILE)} = ("$other/.git", "$other/.git/index");
	lines_are('of the repository that git names, whichever is around', ['own.env:1'], '--staged', $r);
	delete local $ENV{GIT_INDEX_FILE};
	lines_are('with its own index', ['own.env:1'], '--staged', $r);
	local $ENV{GIT_DIR} = "$r/.git";
	my $report = lines_are('named from inside', [qw(deep/er/a.env:3 forced.ignored:2 kept.env:1 pointer:1)], '--staged', "$r/deep");
	is($report->{coverage}{targets}[0]{name}, $r, 'it is called what it is without');
}
git($r, qw(reset -q --hard));

# A repository above that is somebody else's.
SKIP: {
	skip 'only root can give files away', 7 if $> != 0;
	my $theirs = repo("$dir/shared");
	put("$theirs/.gitignore", "*\n");
	put("$theirs/.musterignore", "path:**\n");
	put("$theirs/mine/a.env", token(17) . "\n");
	lines_are('what the repository around a folder ignores', [], '-w', "$theirs/mine/..");
	chown 65534, -1, "$theirs/.git" or die $!;
	local $ENV{GIT_CONFIG_GLOBAL} = "$dir/someone";
	spew($ENV{GIT_CONFIG_GLOBAL}, "[safe]\n\tdirectory = *\n\tdirectory =\n");
	is_deeply([found(scan_json('-w', "$theirs/mine"))], ['a.env:1'], 'unless that is of another owner');
	like(scan_error(), qr/somebody else/, 'which is said');
	is_deeply([found(scan_json("$theirs/mine"))], ['a.env:1'], 'without --worktree as well');
	is(scan_exit(), 3, 'then history is what was not read');
	spew($ENV{GIT_CONFIG_GLOBAL}, "[safe]\n\tdirectory = $theirs\n");
	is_deeply([found(scan_json('-w', "$theirs/mine"))], [], 'or safe.directory names it');
}

# Folders without git, and with repositories below.
put("$dir/plain/one.txt", token(20) . "\n");
put("$dir/plain/sub/two.txt", "a\n" . token(21) . "\n");
lines_are('a folder without git is its files', [qw(one.txt:1 sub/two.txt:2)], "$dir/plain");
lines_are('with and without --worktree', [qw(one.txt:1 sub/two.txt:2)], '-w', "$dir/plain");
repo("$dir/group/a");
put("$dir/group/a/a.env", token(22));
commit("$dir/group/a", 'a');
repo("$dir/group/b");
put("$dir/group/b/b.env", token(23));
commit("$dir/group/b", 'b');
$report = lines_are('a folder of repositories is their history', [qw(a.env:1 b.env:1)], "$dir/group");
is_deeply([sort map { $_->{name} } @{ $report->{coverage}{targets} }], ["$dir/group/a", "$dir/group/b"], 'each is a target');
lines_are('several paths in one run', [qw(a.env:1 one.txt:1 sub/two.txt:2)], "$dir/group/a", "$dir/plain");
put("$dir/group/a/more/x", "\n");
lines_are('a folder inside of a working tree is its repository', ['a.env:1'], "$dir/group/a/more");
lines_are('the current folder is the default', ['a.env:1'], { folder => "$dir/group/a" });

# Bytes.
my $text = "one\ntwo " . token(30) . "\n";
$report = scan_json({ stdin => $text }, '-');
is_deeply([map { "$_->{line}:$_->{column}" } @{ $report->{findings} }], ['2:5'], 'standard input is scanned');
scan_json({ stdin => '' }, '-');
is(scan_exit(), 0, 'nothing on standard input is no secret');

# A stream longer than what is held at once: places and findings are as if it were one file.
my ($stream, %where) = ('');
my $filler = join '', map { "line $_ of what nobody would take for a secret, however long it may be\n" } 1 .. 1000;
my $lines = 0;
for my $number (100 .. 160) {
	$stream .= $filler x 9;
	$lines += 9000;
	$stream .= ('x' x ($number * 37 % 500)) . ' ' . token($number) . "\n";
	$where{ ++$lines } = 1;
}
$stream .= "again " . token(100) . "\n";
cmp_ok(length $stream, '>', 36 << 20, 'a long stream');
$report = scan_json({ stdin => $stream }, '-');
is_deeply([sort { $a <=> $b } map { $_->{line} } @{ $report->{findings} }], [sort { $a <=> $b } keys %where],
	'each secret of it is found once, at its line');
my ($twice) = grep { $_->{occurrences_total} == 2 } @{ $report->{findings} };
is($twice && $twice->{line}, 9001, 'one that is in two parts is one finding');
is_deeply([map { $_->{line} } @{ $twice->{occurrences} }], [9001, $lines + 1], 'with both places');
is($report->{coverage}{bytes}, length $stream, 'all bytes are counted, once');
is($report->{coverage}{scanned}, 1, 'as one thing');

# What only looks like a bare repository is a folder: its files would be seen by nobody.
my $alike = "$dir/alike";
for my $at ("$alike/one", "$alike/two") {
	put("$at/refs/x/y", '');
	unlink "$at/refs/x/y";
	rmdir "$at/refs/x";
	put("$at/objects/in.env", token(300) . "\n");
	put("$at/HEAD", "ref: refs/heads/main\n");
	put("$at/beside.env", token(301) . "\n");
	put("$at/deep/er.env", token(302) . "\n");
}
my @alike = qw(beside.env:1 deep/er.env:1 objects/in.env:1);
is_deeply([found(scan_json("$alike/one"))], \@alike, 'a folder that only looks bare is scanned as files') or diag(scan_error());
is(scan_exit(), 1, 'and what is in it counts');
is_deeply([found(scan_json("$alike/one/deep"))], ['er.env:1'], 'a folder in it as well');
is_deeply([found(scan_json($alike))], [sort @alike, @alike], 'so are those below a folder');
is_deeply([found(scan_json('--worktree', $alike))], [sort map { ("one/$_", "two/$_") } @alike], 'and files as they lie');
repo("$alike/two/mine");
leak("$alike/two/mine/kept.env", 303);
commit("$alike/two/mine", 'leak');
unlink "$alike/two/mine/kept.env";
is_deeply([found(scan_json("$alike/two"))], ['kept.env:2'], 'a repository in one is scanned');
git($dir, qw(init -q --bare), "$dir/empty.git");
$report = scan_json("$dir/empty.git");
is($report->{coverage}{targets}[0]{kind}, 'history', 'an empty repository without other files is one');
put("$dir/empty.git/notes.env", token(304) . "\n");
is_deeply([found(scan_json("$dir/empty.git"))], ['notes.env:1'], 'with other files it is not');
git($dir, qw(clone -q --bare), "$alike/two/mine", "$dir/full.git");
put("$dir/full.git/notes.env", token(304) . "\n");
is_deeply([found(scan_json("$dir/full.git"))], ['kept.env:2'], 'one with a commit is');

# An address: the repository is cloned first, and the clone does not stay.
my @before = glob("/tmp/muster-scan-*");
$report = scan_json("file://$dir/group/a");
SKIP: {
	skip 'addresses of this kind are not cloned', 2 if scan_exit() == 2;
	is_deeply([found($report)], ['a.env:1'], 'an address is cloned and scanned');
	is_deeply([glob("/tmp/muster-scan-*")], \@before, 'and the clone is removed');
}
done_testing;
