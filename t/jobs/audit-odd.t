#!/usr/bin/perl
# Odd, broken and hostile repositories: each gets its row, nothing of them runs, the rest carries on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use POSIX ();
use Test::More;
use Muster::Audit;
use Muster::Test qw(slurp spew);

my $dir = audit_folder();
my $marker = "$dir/../ran";

# Members: worktrees and submodules are listed in their main repository, once.
{
	my $top = "$dir/members";
	mkdir $top or die $!;
	repo("$top/part");
	repo("$top/main");
	git("$top/main", qw(worktree add -q -b two), "$top/main-two");
	git("$top/main", qw(worktree add -q -b three), "$top/main-three");
	git("$top/main", qw(worktree lock), "$top/main-two");
	put("$top/main-two/new", "x\n");
	system 'rm', '-rf', "$top/main-three";
	git("$top/main", qw(worktree add -q -b out), "$dir/../outside");
	git("$top/main", qw(submodule -q add), "$top/part", 'sub');
	git("$top/main", qw(submodule -q add), "$top/part", 'other');
	commit("$top/main", 'submodules');
	git($top, qw(clone -q main clone));
	# A submodule from before git kept git folders elsewhere has its own.
	system 'cp', '-r', "$top/main/.git/modules/other", "$top/old-git";
	unlink "$top/main/other/.git" or die $!;
	rename "$top/old-git", "$top/main/other/.git" or die $!;
	git($top, qw(config --file), "$top/main/other/.git/config", qw(--unset core.worktree));
	commit("$top/main/sub", 'drift');
	my $report = audit_json($top);
	my %row = rows($report);
	is_deeply([sort keys %row], [qw(clone main part)], 'worktrees and submodules are no rows of their own');
	is_deeply([map { "$_->{path} $_->{state}" } @{ $row{main}{submodules} }], ['other clean', 'sub drifted'],
		'submodules are listed with their state');
	is_deeply([map { $_->{state} } @{ $row{clone}{submodules} }], [('uninitialised') x 2], 'also those never checked out');
	my %tree = map { $_->{branch} // $_->{name} => $_ } @{ $row{main}{worktrees} };
	is($tree{two}{counts}{untracked}, 1, 'a worktree is looked at');
	ok($tree{two}{is_locked}, 'a locked one is told');
	ok($tree{'main-three'}{is_missing}, 'one that is gone is told');
	ok($tree{outside}{is_outside}, 'one outside of the given folders is not looked at');
	is($row{main}{status}, 'dirty', 'a drifted submodule is a change, as git says');
	agrees_with_git($row{main});

	%row = rows(audit_json("$top/main-two"));
	is_deeply([keys %row], ['main-two'], 'a worktree that was named alone stands for itself');
	is($row{'main-two'}{branch}, 'two', 'on its branch');
	agrees_with_git($row{'main-two'});
	%row = rows(audit_json("$top/main/sub"));
	is_deeply([keys %row], ['sub'], 'so does a submodule');
	is(scalar @{ audit_json($top, "$top/main", "$top/", "$top/../members")->{repos} }, 3, 'folders given twice count once');
}

# Repositories in repositories.
{
	my $top = repo("$dir/nested");
	repo("$top/inner/ignored-by-nobody");
	git($top, qw(init -q --bare fixture.git));
	spew("$top/fixture.git/refs/heads/.keep", '');
	spew("$top/fixture.git/objects/.keep", '');
	git($top, qw(add fixture.git));
	git($top, qw(commit -q -m fixture));
	git($top, qw(init -q --bare real.git));
	my %row = rows(audit_json($top));
	is_deeply([sort keys %row], ['ignored-by-nobody', 'nested', 'real.git'],
		'a repository inside another is found, one that is tracked as files is not');
}

# Nothing that a repository configures is run.
{
	my $path = repo("$dir/hostile");
	my $run = "touch '$marker'";
	git($path, 'config', $_, $run) for qw(core.fsmonitor core.sshCommand core.pager diff.external
		filter.evil.clean filter.evil.smudge filter.evil.process credential.helper core.editor
		core.alternateRefsCommand uploadpack.packObjectsHook);
	git($path, qw(config include.path), "$dir/../included");
	spew("$dir/../included", "[core]\n\tfsmonitor = $run\n[remote \"origin\"]\n\turl = https://example.org/included.git\n");
	put("$path/.gitattributes", "* filter=evil diff=evil\n");
	spew("$path/.git/hooks/$_", "#!/bin/sh\n$run\n"), chmod 0755, "$path/.git/hooks/$_"
		for qw(post-index-change fsmonitor-watchman pre-commit reference-transaction post-checkout);
	put("$path/README.md", "README.md IN it\n"); # as long as before: git would have to run the filter
	unlink $marker;
	my %row = rows(audit_json('--no-cache', $path));
	system build() . "/jobs/muster diff '$path' >/dev/null";
	ok(!-e $marker, 'no hook, filter or monitor of a repository is run');
	isnt($row{hostile}{status}, 'error', 'and the repository is read all the same');
	is($row{hostile}{remote}, undef, 'an include of a repository is not followed');
	cmp_ok($row{hostile}{counts}{unverified}, '>', 0, 'what only its filter could compare is unverified');
}

# Broken in many ways: each is an error or read as far as it goes; the others carry on.
{
	my $top = "$dir/broken";
	mkdir $top or die $!;
	my %break = (
		'head-empty' => sub { spew("$_[0]/.git/HEAD", '') },
		'head-garbage' => sub { spew("$_[0]/.git/HEAD", "\xff" x 200) },
		'head-folder' => sub { unlink "$_[0]/.git/HEAD"; mkdir "$_[0]/.git/HEAD" },
		'head-loop' => sub { spew("$_[0]/.git/HEAD", "ref: HEAD\n") },
		'head-outside' => sub { spew("$_[0]/.git/HEAD", "ref: ../../../../etc/passwd\n") },
		'config' => sub { spew("$_[0]/.git/config", "[core\nnonsense") },
		'index' => sub { spew("$_[0]/.git/index", "DIRC\0\0\0\2\xff\xff\xff\xff") },
		'index-empty' => sub { spew("$_[0]/.git/index", '') },
		'packed-refs' => sub { spew("$_[0]/.git/packed-refs", "# pack-refs\nnonsense\n") },
		'object' => sub { my ($f) = glob "$_[0]/.git/objects/??/*"; chmod 0644, $f; spew($f, 'x') },
		'objects-gone' => sub { system 'rm', '-rf', "$_[0]/.git/objects" },
		'pack' => sub { git($_[0], qw(gc -q)); my ($f) = glob "$_[0]/.git/objects/pack/*.pack"; chmod 0644, $f; truncate $f, 40 },
		'pack-index' => sub { git($_[0], qw(gc -q)); my ($f) = glob "$_[0]/.git/objects/pack/*.idx"; chmod 0644, $f; spew($f, "\xfftOc\0\0\0\2" . "\xff" x 2000) },
		'ref' => sub { spew("$_[0]/.git/refs/heads/main", "zzzz\n") },
		'ref-fifo' => sub { POSIX::mkfifo("$_[0]/.git/refs/heads/pipe", 0600) },
		'git-file' => sub { system 'rm', '-rf', "$_[0]/.git"; spew("$_[0]/.git", "gitdir: /nonexistent\n") },
		'git-file-loop' => sub { system 'rm', '-rf', "$_[0]/.git"; spew("$_[0]/.git", "gitdir: .git\n") },
		'worktree-setting' => sub { git($_[0], qw(config core.worktree /)) },
		'extension' => sub { git($_[0], qw(config core.repositoryformatversion 1)); git($_[0], qw(config extensions.unheardof 1)) },
		'alternates' => sub { spew("$_[0]/.git/objects/info/alternates", "/nonexistent\n../objects\n/dev\n") },
		'fifo' => sub { POSIX::mkfifo("$_[0]/pipe", 0600); unlink "$_[0]/README.md"; POSIX::mkfifo("$_[0]/README.md", 0600) },
		'links' => sub { symlink '.', "$_[0]/self"; symlink 'b', "$_[0]/a"; symlink 'a', "$_[0]/b"; unlink "$_[0]/LICENSE"; symlink 'LICENSE', "$_[0]/LICENSE" },
		'shallow' => sub { spew("$_[0]/.git/shallow", "not an id\n") },
		'gitmodules' => sub { put("$_[0]/.gitmodules", "[submodule \"x\"]\n\tpath = ../../../etc\n[submodule \"y\"]\n\tpath = /etc\n[submodule \"z\"\n") },
		'stash-log' => sub { mkdir "$_[0]/.git/logs/refs/stash" },
		'fine' => sub { },
	);
	for my $name (sort keys %break) {
		repo("$top/$name");
		commit("$top/$name", 'two');
		$break{$name}->("$top/$name");
	}
	my $report = audit_json($top);
	my %row = rows($report);
	is_deeply([sort keys %row], [sort keys %break], 'each broken repository has its row');
	is($row{fine}{status}, 'clean', 'and one that is fine is judged as ever');
	is($row{$_}{status}, 'error', "$_: is an error") for qw(head-empty head-garbage head-folder config index packed-refs git-file git-file-loop extension);
	is($row{$_}{healthScore}, undef, "$_: has no score") for qw(head-empty config);
	isnt($row{$_}{status}, 'error', "$_: is read") for qw(fifo links gitmodules alternates stash-log ref-fifo);
	is_deeply([grep { $row{$_}{status} eq 'error' && $row{$_}{error} !~ /\w/ } keys %row], [], 'every error says something');
	unlike(join('', map { $_->{error} // '' } values %row), qr/root:/, 'and shows nothing of other files');
	is($report->{health_status}, 'red', 'what is broken is red');
	is(audit_exit(), 3, 'and makes the exit code 3');
	my $again = audit_json($top);
	is(without_times($again), without_times($report), 'a second look says the same');
	agrees_with_git($row{$_}) for qw(fine links);
}

# Folders.
{
	my $top = "$dir/folders";
	mkdir $top or die $!;
	my $deep = $top;
	$deep .= '/d' for 1 .. 60;
	repo("$deep/deep-enough");
	my $deeper = $top;
	$deeper .= '/e' for 1 .. 70;
	repo("$deeper/too-deep");
	my $long = "$top/" . 'n' x 255;
	repo($long);
	git("$top", qw(init -q), "..  ");
	put("$top/file", "x\n");
	mkdir "$top/empty" or die $!;
	mkdir "$top/empty/.git" or die $!;
	mkdir "$top/leaf-with-file" or die $!;
	spew("$top/leaf-with-file/.git", "gitdir: nowhere\n");
	repo("$top/.tools.muster.part");
	repo("$top/.web.muster-0a1b");
	repo("$top/.web.muster-0a1b.part");
	repo("$top/.hidden");
	my %row = rows(audit_json($top));
	ok($row{'.hidden'}, 'a name with a dot is a name');
	is_deeply([grep { /muster/ } keys %row], [], 'what is just being cloned or moved is nothing yet');
	ok($row{'deep-enough'}, 'a repository 60 folders deep is found');
	ok(!$row{'too-deep'}, 'one 70 folders deep is not');
	like(audit_error(), qr/too deep/, 'which is said');
	is(audit_exit(), 3, 'and makes the exit code 3') or diag(audit_error());
	ok($row{ 'n' x 255 }, 'the longest name is found');
	ok($row{'..  '}, 'a name of dots and spaces is a name');
	is($row{empty}{status}, 'not_git', 'an empty .git is no repository');
	is($row{'leaf-with-file'}{status}, 'error', 'a .git file that leads nowhere is a broken one');
}

SKIP: {
	skip 'root can read everything', 5 if $> == 0;
	my $top = "$dir/closed";
	mkdir $top or die $!;
	repo("$top/open");
	repo("$top/in-closed/hidden");
	repo("$top/closed-git");
	repo("$top/closed-inside");
	put("$top/closed-inside/secret/file", "x\n");
	chmod 0, "$top/in-closed", "$top/closed-git/.git", "$top/closed-inside/secret";
	my %row = rows(audit_json($top));
	is(audit_exit(), 3, 'an unreadable folder makes the exit code 3');
	like(audit_error(), qr{in-closed: Permission denied}, 'and is named');
	ok(!$row{'in-closed'}, 'nobody claims that there is no repository in it');
	is($row{open}{status}, 'clean', 'the rest carries on');
	isnt($row{'closed-inside'}{status}, 'error', 'a closed folder in a working tree is no broken repository');
	chmod 0755, "$top/in-closed", "$top/closed-git/.git", "$top/closed-inside/secret";
}
done_testing;

sub build { return Muster::Test::build_dir() }
