#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Repositories made to hurt: whatever their files hold, we answer or say why not, and do not crash,
# hang, leave the working tree or fill the memory. The real worth is in a build with sanitizers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use POSIX qw(mkfifo);
use Test::More;
use Muster::Test::Git;

my $seed = $ENV{MUSTER_SEED} || 42;
my $rounds = $ENV{MUSTER_ROUNDS} || 50;
srand($seed);

# 0: an answer, 3: a sentence. Anything else is a crash or a sanitizer's report.
sub survives {
	my ($repo, @options) = @_;
	my ($out, $code) = dump_run(@options, $repo);
	return 1 if $code == 0 || $code == 3 << 8;
	diag(sprintf 'git-status-dump ended with %#x', $code);
	return 0;
}

sub changed {
	my ($bytes) = @_;
	for (1 .. 1 + int(rand 4)) {
		my $at = int(rand length $bytes);
		my $how = int(rand 4);
		if ($how == 0) {
			substr($bytes, $at, 1) ^= chr(1 << int(rand 8));
		} elsif ($how == 1) {
			substr($bytes, $at, 1) = chr(int(rand 256));
		} elsif ($how == 2) {
			substr($bytes, $at, 4) = pack 'N', (0, 1, 0xffffffff, 0x7fffffff, 0x80000000)[rand 5];
		} else {
			substr($bytes, $at, int(rand 8)) = '';
		}
		last if length($bytes) < 2;
	}
	return $bytes;
}

# One file of a repository, at each length and with changes; the repository is asked each time.
sub try_file {
	my ($repo, $file, $name, @options) = @_;
	my $bytes = get($file);
	chmod(0644, $file);
	my $step = int(length($bytes) / 60) + 1;
	my $is_fine = 1;
	for (my $cut = 0; $cut < length($bytes) && $is_fine; $cut += $step) {
		put($file, substr($bytes, 0, $cut));
		$is_fine = survives($repo, @options) or diag("cut at $cut");
	}
	for my $round (1 .. $rounds) {
		last if !$is_fine;
		put($file, changed($bytes));
		$is_fine = survives($repo, @options) or diag("change $round of seed $seed");
	}
	ok($is_fine, $name);
	put($file, $bytes) if $is_fine;
	return;
}

my $repo = git_new('hostile');
put("$repo/$_", "$_\n" x 5) for qw(a b.c dir/a dir/b dir/deep/er/x dir.x y/z);
put("$repo/.gitattributes", "* text=auto\n*.c ident\n");
put("$repo/.gitignore", "*.o\n");
git($repo, qw(add -A));
git($repo, qw(commit -q -m one));
put("$repo/dir/a", "other\n");
put("$repo/y/z", "staged\n");
git($repo, qw(add y/z));
utime(1_600_000_000, 1_600_000_000, "$repo/b.c", "$repo/a");
put("$repo/new.o", '');
put("$repo/new/file", '');

for my $version (2, 4) {
	git($repo, 'update-index', '--index-version', $version);
	try_file($repo, "$repo/.git/index", "an index of version $version");
}
set_config($repo, 'core.splitIndex', 'true', 'splitIndex.maxPercentChange', '100');
git($repo, qw(update-index --split-index));
put("$repo/dir/b", "split\n");
git($repo, qw(add dir/b));
try_file($repo, "$repo/.git/index", 'a split index');
my ($shared) = glob("$repo/.git/sharedindex.*");
try_file($repo, $shared, 'a shared index');
set_config($repo, 'core.splitIndex', 'false');
git($repo, qw(update-index --no-split-index));

my ($tree) = git($repo, 'rev-parse', 'HEAD^{tree}') =~ /^(..)(.*)$/ ? "$repo/.git/objects/$1/$2" : die;
my ($commit) = git($repo, 'rev-parse', 'HEAD') =~ /^(..)(.*)$/ ? "$repo/.git/objects/$1/$2" : die;
try_file($repo, $tree, 'a tree object');
try_file($repo, $commit, 'a commit object');
git($repo, qw(gc -q));
my ($pack) = glob("$repo/.git/objects/pack/*.pack");
my ($idx) = glob("$repo/.git/objects/pack/*.idx");
try_file($repo, $pack, 'a pack');
try_file($repo, $idx, 'a pack\'s index');
try_file($repo, "$repo/.git/packed-refs", 'packed refs', '-r');
try_file($repo, "$repo/.git/HEAD", 'HEAD', '-r');
try_file($repo, "$repo/.git/config", 'the configuration');
try_file($repo, "$repo/.gitattributes", 'attributes');
try_file($repo, "$repo/.gitignore", 'an ignore file');

# Paths that lead out of the working tree.
for my $path ('../out', '/etc/passwd', '.git/config', 'dir/../../out', 'dir//x', './x', 'dir/.GIT/x') {
	my $bad = git_new('path');
	my $place = 'A' x length($path);
	put("$bad/$place", 'x');
	git($bad, qw(add -A));
	my $index = get("$bad/.git/index");
	$index =~ s/\Q$place\E/$path/;
	put("$bad/.git/index", $index);
	my ($out, $code) = dump_run($bad);
	is($code >> 8, 3, "an index with the path $path is refused");
	remove($bad);
}

sub remove {
	my ($path) = @_;
	system('rm', '-rf', $path);
	return;
}

# Things in the place of files.
for my $file (qw(.git/index .git/HEAD .git/config .git/packed-refs .git/info/exclude .gitignore .gitattributes)) {
	my $odd = git_new('odd');
	put("$odd/a", "a\n");
	put("$odd/b", "b\n");
	git($odd, qw(add a));
	utime(1_600_000_000, 1_600_000_000, "$odd/a");
	unlink("$odd/$file");
	mkfifo("$odd/$file", 0600);
	ok(survives($odd), "a pipe in the place of $file does not block");
	unlink("$odd/$file");
	make_path("$odd/$file");
	ok(survives($odd) && survives($odd, '-r'), "nor does a folder there crash");
	rmdir("$odd/$file");
	symlink('/dev/zero', "$odd/$file");
	ok(survives($odd) && survives($odd, '-r'), "nor is $file read without end as a link to a device");
	remove($odd);
}

# Deep folders cost no descriptors and little stack.
my $deep = git_new('deep');
my $inner = $deep;
my $depth = 0;
while (length($inner) < 3900) {
	$inner .= '/d';
	$depth++;
	mkdir($inner) or last;
}
put("$inner/file", 'x');
is_deeply([actual($deep)], ['? d/'], "an untracked file $depth folders down");
git($deep, qw(add -A));
git($deep, qw(commit -q -m one));
is_deeply([actual($deep)], [], 'and a tracked one');

# Refs and links that go in circles.
my $circle = git_new('circle');
git($circle, qw(symbolic-ref refs/heads/x refs/heads/y));
git($circle, qw(symbolic-ref refs/heads/y refs/heads/x));
put("$circle/.git/HEAD", "ref: refs/heads/x\n");
ok(survives($circle) && survives($circle, '-r'), 'symbolic refs in a circle end');
put("$circle/.git/HEAD", "ref: refs/heads/../../../../etc/passwd\n");
my ($out, $code) = dump_run('-r', $circle);
is($code >> 8, 3, 'a HEAD that leads out of the repository is refused');
put("$circle/.git/HEAD", "ref: refs/heads/main\n");
put("$circle/.git/objects/info/alternates", "$circle/.git/objects\n../objects\n" x 50);
put("$circle/a", 'x');
git_try($circle, qw(add -A));
ok(survives($circle), 'alternates in a circle end');

# A tree of endless repetition is given up.
my $bomb = git_new('bomb');
put("$bomb/f", 'x');
git($bomb, qw(add f));
my $oid = git($bomb, 'write-tree');
chomp $oid;
for (1 .. 12) {
	open(my $fh, '>', git_home() . '/tree') or die;
	print $fh "040000 tree $oid\td$_\n" for 0 .. 9;
	close($fh);
	$oid = qx(git -C '$bomb' mktree < '@{[ git_home() ]}/tree');
	chomp $oid;
}
my $bomb_commit = qx(git -C '$bomb' commit-tree -m x $oid);
chomp $bomb_commit;
git($bomb, 'update-ref', 'refs/heads/main', $bomb_commit);
($out, $code) = dump_run('-c', $bomb);
is($code >> 8, 3, 'a tree of 10^12 files is refused');

done_testing;
