#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The fence around a job on kernels with none of Landlock, some of it and all of this one's, and
# repositories that lead out of the watched folder.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use JSON::PP ();
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $dir = $stand->dir;
my $old_kernel = build_dir() . '/t/jobs/old_kernel';
my ($code) = run_program([$old_kernel, 0, '/dev/null', '/bin/true']);
plan skip_all => 'system calls cannot be watched here' if $code != 0;
# landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)
my $real = syscall 444, 0, 0, 1;
$ENV{GIT_CONFIG_GLOBAL} = '/dev/null';
$ENV{GIT_CONFIG_NOSYSTEM} = 1;
$ENV{HOME} = $dir;

my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'log.level' => 'debug');

# ---- what a job can reach ----

sub reach {
	my ($abi) = @_;
	my $elsewhere = spew("$dir/elsewhere", 'precious');
	make_path("$dir/own");
	unlink glob "$dir/own/*";
	my $id = $db->value(q{select muster.job_add((select id from muster.organization), 'reach', $1,
		jsonb_build_object('file', $2::text, 'elsewhere', $3::text, 'other', $4::integer, 'settings', $5::text))},
		"abi$abi", "$dir/own/file", $elsewhere, $$, $conf);
	my ($code, $out, $err) = run_program([$old_kernel, $abi, "$dir/calls-$abi", build_dir() . '/t/jobs/runner', 'run', '--once', '--conf', $conf]);
	is $code, 0, "ABI $abi: the job is done" or diag $err;
	my $tried = $db->json('select result from muster.job where id = $1', $id);
	is $tried->{$_}, 'EACCES', "ABI $abi: without Landlock or with, it cannot: $_" for 'inet', 'unix', 'execute';
	is $tried->{$_}, 'EPERM', "ABI $abi: without Landlock or with, it cannot: $_"
		for 'signal', 'signal by file', 'trace', 'limit', 'mode', 'owner', 'time', 'namespace', 'process', 'shared memory';
	is $tried->{write}, 'ok', "ABI $abi: it writes where its kind says";
	return ($tried, $err, slurp("$dir/calls-$abi"));
}

my ($tried, $log, $calls) = reach(0);
like $log, qr/fenced in less than they could be.*no Landlock/, 'a kernel without Landlock is told in the log';
is $tried->{'read elsewhere'}, 'ok', 'and there a job reads what its user may';
unlike $calls, qr/^restrict/m, 'for nothing fences it in';

SKIP: {
	skip 'this kernel has not that much of Landlock', 1 if $real < 2;
	($tried, $log, $calls) = reach(2);
	like $log, qr/fenced in less than they could be.*older than 6\.2/, 'an older Landlock is told in the log';
	is $tried->{$_}, 'EACCES', "ABI 2: it cannot: $_" for 'read elsewhere', 'write elsewhere', 'remove elsewhere', 'read around', 'processes';
	is $tried->{'empty elsewhere'}, 'ok', 'ABI 2: it can empty a file, as the log says';
	like $calls, qr/^restrict \d+ 1$/m, 'ABI 2: it is fenced in, and one task';
}

if ($real < 1) {
	done_testing;
	exit 0;
}

($tried, $log, $calls) = reach(99);
unlike $log, qr/fenced in less/, 'of this kernel there is nothing to tell' if $real >= 3;
is $tried->{$_}, 'EACCES', "this kernel: it cannot: $_" for 'read elsewhere', 'write elsewhere', 'remove elsewhere', 'read around', 'processes',
	$real >= 3 ? 'empty elsewhere' : ();

# Kinds that run programs and connect, as git is run, are fenced in by Landlock alone.
my $kept = spew("$dir/kept", 'precious');
$db->sql(q{select muster.job_add((select id from muster.organization), 'connect', 'connect',
	jsonb_build_object('file', $1::text, 'elsewhere', $2::text, 'settings', $3::text))}, "$dir/own/file", $kept, $conf);
($code, my $told, my $why) = run_program([$old_kernel, 99, "$dir/calls-connect", build_dir() . '/t/jobs/runner', 'run', '--once', '--conf', $conf]);
is $code, 0, 'this kernel: one that may run programs is done' or diag $why;
$tried = $db->json(q{select result from muster.job where kind = 'connect'});
is $tried->{$_}, 'EACCES', "this kernel: running programs, it cannot: $_" for 'read elsewhere', 'write elsewhere', 'remove elsewhere',
	'read around', 'settings', 'processes';
is $tried->{write}, 'ok', 'this kernel: it writes where its kind says';
like slurp("$dir/calls-connect"), qr/^restrict \d+ 1$/m, 'this kernel: it is fenced in before it is two tasks';

# ---- when the fence is put up ----

sub git { my @argv = @_; system('git', @argv) == 0 or die "git @argv" }
sub repo {
	my ($path, $word) = @_;
	git('init', '-q', '-b', $word, $path);
	spew("$path/$word.txt", "$word\n");
	git('-C', $path, 'add', '.');
	git('-C', $path, '-c', "user.name=$word", '-c', "user.email=$word\@example.org", 'commit', '-qm', $word);
	git('-C', $path, 'remote', 'add', 'origin', "https://$word.example.org/x.git");
	return $path;
}

my $src = "$dir/src";
my $outside = repo("$dir/outside", 'geheim');
chomp(my $commit = `git -C $outside rev-parse HEAD`);
repo("$src/good", 'plain');

# Ways out, each of a repository's own making.
mkdir "$src/file";
spew("$src/file/.git", "gitdir: $outside/.git\n");
mkdir "$src/link";
symlink "$outside/.git", "$src/link/.git";
symlink $outside, "$src/folder";
repo("$src/common", 'plain');
spew("$src/common/.git/commondir", "$outside/.git\n");
repo("$src/alternates", 'plain');
spew("$src/alternates/.git/objects/info/alternates", "$outside/.git/objects\n");
spew("$src/alternates/.git/refs/heads/plain", "$commit\n");
repo("$src/head", 'plain');
unlink "$src/head/.git/HEAD";
symlink "$outside/.git/HEAD", "$src/head/.git/HEAD";
repo("$src/refs", 'plain');
rename "$src/refs/.git/refs", "$src/refs/.git/refs.was";
symlink "$outside/.git/refs", "$src/refs/.git/refs";
repo("$src/tree", 'plain');
git('-C', "$src/tree", 'config', 'core.worktree', $outside);
repo("$src/include", 'plain');
git('-C', "$src/include", 'config', 'include.path', "$outside/.git/config");
repo("$src/objects", 'plain');
rename "$src/objects/.git/objects", "$src/objects/.git/objects.was";
symlink "$outside/.git/objects", "$src/objects/.git/objects";
spew("$src/objects/.git/refs/heads/plain", "$commit\n");
repo("$src/sub", 'plain');
mkdir "$src/sub/module";
spew("$src/sub/module/.git", "gitdir: $outside/.git\n");

($code, my $out, my $err) = run_program([program('muster'), 'repo', 'add', $src, '--conf', $conf]);
is $code, 0, 'a folder full of traps is watched' or diag $err;
($code, $out, $err) = run_program([$old_kernel, 99, "$dir/calls", program('muster'), 'run', '--once', '--conf', $conf]);
is $db->value(q{select state from muster.job where kind = 'audit'}), 'done', 'it is audited' or diag $err;

my @lines = split /\n/, slurp("$dir/calls");
my ($audit) = map { /^open (\d+) \Q$src\E/ ? $1 : () } @lines;
my ($at) = grep { $lines[$_] =~ /^restrict $audit / } 0 .. $#lines;
is $lines[$at], "restrict $audit 1", 'the job is fenced in while it is one task';
is_deeply [grep { /^open $audit \Q$src\E\// } @lines[0 .. $at]], [], 'before it opens anything of a repository';
is_deeply [grep { /^holds $audit \Q$src\E/ } @lines], [], 'and holds nothing of one';

# ---- and what the traps are good for ----

my $text = slurp($stand->state_dir . '/reports/default/default/GitRepoReport.json');
my $report = JSON::PP->new->utf8->decode($text);
my %repo = map { $_->{name} => $_ } @{ $report->{repos} };
ok $repo{good}, 'the repository that is no trap is in the report';
isnt $repo{good}{status}, 'error', 'and was read';
my @leaks = grep { JSON::PP->new->canonical->encode($repo{$_}) =~ /geheim/ } sort keys %repo;
is_deeply \@leaks, [], 'nothing of what lies outside is in it';
is $repo{$_}{status}, 'error', "a repository whose way out is '$_' cannot be read"
	for 'file', 'link', 'common', 'alternates', 'head', 'tree', 'objects', 'module';
ok !$repo{outside} && !$repo{folder}, 'and no way leads to another repository';
is((stat "$outside/.git/HEAD")[7], length "ref: refs/heads/geheim\n", 'and it is as it was');
done_testing;
