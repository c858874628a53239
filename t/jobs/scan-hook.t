#!/usr/bin/perl
# The hooks of contrib/hooks, run by git itself: a commit and a push that bring a credential are refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Copy qw(copy);
use Test::More;
use Muster::Audit;
use Muster::Scan;
use Muster::Test qw(build_dir slurp spew src_dir);

my $dir = audit_folder();
# muster as the hooks find it, with few rules: compiling all takes seconds.
mkdir "$dir/bin" or die $!;
spew("$dir/bin/muster", "#!/bin/sh\nscan=\$1; shift; exec '" . build_dir() . "/jobs/muster' \$scan --enable-rule github \"\$@\"\n");
chmod 0755, "$dir/bin/muster";
$ENV{PATH} = "$dir/bin:$ENV{PATH}";

# exit code and everything printed, of git
sub git_try {
	my ($folder, @args) = @_;
	my $pid = open(my $out, '-|') // die $!;
	if (!$pid) {
		open STDERR, '>&', \*STDOUT or die $!;
		exec 'git', '-C', $folder, @args or die $!;
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	return ($? >> 8, $text);
}

sub hook_install {
	my ($folder, $name) = @_;
	copy(src_dir() . "/contrib/hooks/$name", "$folder/$name") or die $!;
	chmod 0755, "$folder/$name";
	return;
}

# pre-commit
my $r = repo("$dir/work");
hook_install("$r/.git/hooks", 'pre-commit');
put("$r/a.txt", "nothing\n");
git($r, qw(add a.txt));
my ($exit, $text) = git_try($r, qw(commit -q -m fine));
is("$exit$text", '0', 'a commit without a secret passes in silence');
put("$r/a.txt", "nothing\ntoken=" . token(1) . "\n");
git($r, qw(add a.txt));
($exit, $text) = git_try($r, qw(commit -q -m leak));
is($exit, 1, 'a commit with one is refused');
like($text, qr/a\.txt:2/, 'and it says where');
unlike($text, qr/@{[substr token(1), 8]}/, 'without the secret');
my ($id) = $text =~ /^    id +([0-9a-f]{32})$/m;
ok($id, 'with its id') or diag($text);
like($text, qr/^muster refused this commit\. .*muster:allow.*\.musterignore.*--no-verify\n\z/m, 'and the last line says who refused it, and what helps');
put("$r/b.txt", "fine\n");
git($r, qw(add b.txt));
($exit, $text) = git_try($r, qw(commit -q -m b b.txt));
is($exit, 0, 'a commit of other files alone passes: the index is the one of that commit') or diag($text);
put("$r/a.txt", "nothing\ntoken=" . token(1) . " # muster:allow\n");
($exit, $text) = git_try($r, qw(commit -q -a -m allowed));
is("$exit$text", '0', 'so does one that is allowed, in silence');
put("$r/a.txt", "nothing\ntoken=" . token(1) . "\n");
put("$r/.musterignore", "$id\n");
($exit, $text) = git_try($r, qw(commit -q -a -m ignored));
is("$exit$text", '0', 'or one whose id is in .musterignore');
git($r, qw(reset -q --hard HEAD~1));
unlink "$r/.musterignore";
put("$r/e.txt", token(20));
git($r, qw(add e.txt));
($exit, $text) = git_try($r, qw(commit -q --no-verify -m unverified));
is("$exit$text", '0', '--no-verify skips the hook');
git($r, qw(reset -q --hard HEAD~1));
{
	local $ENV{PATH} = $ENV{PATH} =~ s/^[^:]+://r;
	put("$r/b.txt", "fine, too\n");
	($exit, $text) = git_try($r, qw(commit -q -a -m without));
	is($exit, 1, 'without muster nothing passes unseen');
	like($text, qr/did not run \(exit 127\); git commit --no-verify skips this$/m, 'which is said');
	git($r, qw(checkout -q b.txt));
}
mkdir "$r/sub" or die $!;
put("$r/sub/c.txt", token(2));
git($r, qw(add sub));
($exit, $text) = git_try("$r/sub", qw(commit -q -m sub));
is($exit, 1, 'from a folder inside as well');
git($r, qw(reset -q --hard));
git($r, qw(worktree add -q), "$dir/linked", qw(-b linked));
put("$dir/linked/d.txt", token(3));
git("$dir/linked", qw(add d.txt));
($exit, $text) = git_try("$dir/linked", qw(commit -q -m linked));
is($exit, 1, 'and in a linked working tree') or diag($text);

mkdir "$dir/home" or die $!;
git($dir, qw(init -q --bare dotfiles));
put("$dir/home/.profile", token(8) . "\n");
hook_install("$dir/dotfiles/hooks", 'pre-commit');
my @dotfiles = ("--git-dir=$dir/dotfiles", "--work-tree=$dir/home");
git("$dir/home", @dotfiles, qw(add .profile));
($exit, $text) = git_try("$dir/home", @dotfiles, qw(commit -q -m profile));
is($exit, 1, 'and where the repository is not in its working tree') or diag($text);
like($text, qr/\.profile:1/, 'for the secret');

# pre-receive
git($dir, qw(init -q --bare server.git));
my $server = "$dir/server.git";
git($r, qw(remote add server), $server);
git($r, qw(push -q server main));
hook_install("$server/hooks", 'pre-receive');
put("$r/one.txt", "fine\n");
commit($r, 'fine');
($exit, $text) = git_try($r, qw(push -q server main));
is($exit, 0, 'a push without a secret passes') or diag($text);
is($text, '', 'in silence');
unlink "$r/.git/hooks/pre-commit";
my $before = git($server, qw(rev-parse main));
put("$r/two.txt", "x\n" . token(4) . "\n");
my $leak = commit($r, 'leak');
unlink "$r/two.txt";
commit($r, 'remove');
($exit, $text) = git_try($r, qw(push -q server main));
isnt($exit, 0, 'a push that brings a secret is refused, though its last commit has it no more');
like($text, qr/two\.txt:2/, 'and it says where') or diag($text);
like($text, qr/@{[substr $leak, 0, 8]}/, 'and in which commit');
like($text, qr/^remote:     id +[0-9a-f]{32}\s*$/m, 'with the id');
like($text, qr/^remote: muster refused this push\. .*muster:allow.*\.musterignore/m, 'and who refused it, and what helps');
is(git($server, qw(rev-parse main)), $before, 'nothing has changed there');
($exit, $text) = git_try($r, qw(push -q server main:new));
isnt($exit, 0, 'a new branch with it is refused as well');
git($r, qw(reset -q --hard), $before);
put("$r/three.txt", "fine\n");
commit($r, 'three');
($exit, $text) = git_try($r, qw(push -q server main));
is($exit, 0, 'without it the push passes') or diag($text);
put("$r/tests/four.txt", token(5) =~ tr/0-9A-Za-z/1-90B-ZAb-za/r =~ s/^.{4}/substr token(5), 0, 4/er);
commit($r, 'in a test');
($exit, $text) = git_try($r, qw(push -q server main));
is($exit, 0, 'what is below the severity asked for is told and let through') or diag($text);
like($text, qr{tests/four\.txt:1}, 'told');
put("$r/five.txt", "x\n");
commit($r, 'five');
($exit, $text) = git_try($r, qw(push -q server main));
is("$exit$text", '0', 'but not again with the next push');
git($r, qw(tag -a -m tag v1));
($exit, $text) = git_try($r, qw(push -q server v1));
is("$exit$text", '0', 'a tag passes');
($exit, $text) = git_try($r, qw(push -q server main:more));
($exit, $text) = git_try($r, qw(push -q server :more));
is("$exit$text", '0', 'so does a deletion');
git($r, qw(checkout -q --orphan rootless));
put("$r/six.txt", token(6));
commit($r, 'six');
($exit, $text) = git_try($r, qw(push -q server rootless));
isnt($exit, 0, 'history that has nothing in common is read, too');
git($r, qw(checkout -q main));

# A first push, into a repository without any commit, and a thin pack with deltas onto what is there.
git($dir, qw(init -q --bare empty.git));
hook_install("$dir/empty.git/hooks", 'pre-receive');
($exit, $text) = git_try($r, qw(push -q), "$dir/empty.git", 'main');
is($exit, 0, 'a first push passes, with what is in tests told') or diag($text);
put("$r/big.txt", join '', map { "line $_ of a long file, so that git makes a delta of the next version\n" } 1 .. 3000);
commit($r, 'big');
git($r, qw(push -q server main));
put("$r/big.txt", slurp("$r/big.txt") . token(7) . "\n");
commit($r, 'big leak');
git($server, qw(config receive.unpackLimit 1));
($exit, $text) = git_try($r, qw(push -q --thin server main));
isnt($exit, 0, 'a secret in a delta of a thin pack is found');
like($text, qr/big\.txt:3001/, 'at its line');

# Objects that lie elsewhere until the push is accepted.
{
	local $ENV{GIT_OBJECT_DIRECTORY} = "$dir/quarantine";
	local $ENV{GIT_ALTERNATE_OBJECT_DIRECTORIES} = "$server/objects";
	mkdir "$dir/quarantine" or die $!;
	put("$r/seven.txt", token(9));
	my $blob = git($r, qw(hash-object -w seven.txt));
	open my $make, '|-', 'git', '-C', $server, 'mktree', '-z' or die $!;
	print {$make} "100644 blob $blob\tseven.txt\0";
	close $make;
}
for my $name (qw(GIT_OBJECT_DIRECTORY GIT_QUARANTINE_PATH GIT_ALTERNATE_OBJECT_DIRECTORIES)) {
	my $commit;
	{
		local $ENV{GIT_OBJECT_DIRECTORY} = "$dir/quarantine";
		local $ENV{GIT_ALTERNATE_OBJECT_DIRECTORIES} = "$server/objects";
		my ($tree) = grep { git($server, 'cat-file', '-t', $_) eq 'tree' }
			map { m{/([0-9a-f]{2})/([0-9a-f]{38})\z} ? "$1$2" : () } glob "$dir/quarantine/??/*";
		$commit = git($server, qw(-c user.name=x -c user.email=y commit-tree -m seven), $tree);
	}
	my $lines = ('0' x 40) . " $commit refs/heads/new\n";
	my $report = scan_json({ stdin => $lines, env => { GIT_DIR => $server, $name => "$dir/quarantine" } }, '--pre-receive');
	is_deeply([found($report)], ['seven.txt:1'], "$name says where the objects of a push are");
}

# Not a hook's standard input.
scan_with({ stdin => "nonsense\n" }, '--pre-receive', $server);
is(scan_exit(), 2, 'lines that no git wrote are wrong usage');
like(scan_error(), qr/line 1/, 'with their number');
done_testing;
