#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# GET /audit/diff/{repo}: which folder is read, by which program, within which limits.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->account('ann@example.org', 'viewer');
my $ann = $stack->session('ann@example.org');
my $dir = $stack->stand->dir;
my $root = "$dir/src";
mkdir $_ for $root, "$root/fine", "$root/closed", "$dir/outside", "$root/-rf", "$root/a b'\$(x)";
symlink "$dir/outside", "$root/link";
$stack->root($root);
$stack->report([
	{ name => 'fine', status => 'dirty', path => "$root/fine" },
	{ name => 'closed', status => 'dirty', path => "$root/closed" },
	{ name => 'gone', status => 'dirty', path => "$root/gone" },
	{ name => 'missing', status => 'missing' },
	{ name => 'elsewhere', status => 'dirty', path => '/etc' },
	{ name => 'dots', status => 'dirty', path => "$root/../outside" },
	{ name => 'link', status => 'dirty', path => "$root/link" },
	{ name => 'prefix', status => 'dirty', path => "$root-other" },
	{ name => '-rf', status => 'dirty', path => "$root/-rf" },
	{ name => "a b'\$(x)", status => 'dirty', path => "$root/a b'\$(x)" },
]);
mkdir "$root-other";
$stack->report([{ name => 'far', status => 'dirty', path => "$root/fine" }], host => 'another',
	root => 'far');

# Stands in for muster where the test is about our limits, not about the diff.
my $n = 0;
sub program_fake {
	my ($script) = @_;
	my $path = spew("$dir/fake" . ++$n, "#!/usr/bin/perl\n$script");
	chmod 0755, $path;
	return $path;
}
sub diff {
	my ($repo, $program, %env) = @_;
	$repo =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ge;
	return $stack->cgi(GET => "/audit/diff/$repo", session => $ann,
		env => { ($program ? (MUSTER_PATHS_MUSTER => $program) : ()), %env });
}

my $echo = program_fake(q{
	use JSON::PP; open my $in, '<', '/proc/self/limits'; my @limits = <$in>;
	print JSON::PP->new->encode({ repo => 'x', diff => '', files => [], truncated => JSON::PP::false,
		argv => [@ARGV], env => [sort keys %ENV], limits => \@limits, stdin => scalar(<STDIN>),
		cwd => readlink '/proc/self/cwd' }); });

subtest 'the program is called without a shell and knows nothing of us' => sub {
	my $answer = diff('fine', $echo);
	is $answer->{status}, 200, 'a diff';
	is $answer->{json}{repo}, 'fine', 'of the repository asked for';
	is_deeply $answer->{json}{argv}, ['diff', '--format', 'json', '--within', $root, '--', "$root/fine"],
		'its arguments, the folder that it may read among them';
	is_deeply [grep { /MUSTER|HTTP|COOKIE/ } @{ $answer->{json}{env} }], [], 'its environment';
	is $answer->{json}{stdin}, undef, 'it reads nothing';
	is $answer->{json}{cwd}, '/', 'and stands nowhere';
	my $limits = join '', @{ $answer->{json}{limits} };
	like $limits, qr/^Max cpu time\s+10 /m, 'processor time is limited';
	like $limits, qr/^Max core file size\s+0 /m, 'no core is dumped';
	like $limits, qr/^Max file size\s+0 /m, 'no file is written';
	is diff('-rf', $echo)->{json}{argv}[6], "$root/-rf", 'a name like an option';
	is diff("a b'\$(x)", $echo)->{json}{argv}[6], "$root/a b'\$(x)", 'a name like a command';
};

subtest 'folders that are not for it' => sub {
	my %reason = (
		gone => qr/not there/, missing => qr/no folder/, elsewhere => qr/outside/, dots => qr/outside/,
		link => qr/outside/, prefix => qr/outside/, far => qr/another host|no folder/,
	);
	for my $repo (sort keys %reason) {
		my $answer = diff($repo, $echo);
		is $answer->{status}, 409, "$repo is refused";
		like $answer->{json}{detail}, $reason{$repo}, 'and why';
	}
	is diff('nothing', $echo)->{status}, 404, 'one that there is not';
	SKIP: {
		skip 'root may read everything', 2 if $> == 0;
		chmod 0, "$root/closed";
		my $answer = diff('closed', $echo);
		is $answer->{status}, 409, 'one that we may not read';
		like $answer->{json}{detail}, qr/may not read/, 'is said to be that';
		chmod 0755, "$root/closed";
	}
};

subtest 'a program that misbehaves' => sub {
	my $exit = diff('fine', program_fake(q{print STDERR "entrails: $ARGV[6]\n"; exit 4;}));
	is $exit->{status}, 409, 'fails';
	unlike $exit->{body}, qr/entrails/, 'its words are not for people';
	like $exit->{log}, qr/entrails/, 'but for the log';
	is diff('fine', program_fake(q{kill 9, $$;}))->{status}, 409, 'dies';
	is diff('fine', program_fake(q{print 'rubbish';}))->{status}, 409, 'writes rubbish';
	is diff('fine', program_fake(q{print '[]';}))->{status}, 409, 'writes another thing';
	is diff('fine', program_fake(q{print '{"a":1}'; print STDERR 'x' x 1000000;}))->{status}, 200,
		'complains at length';
	is diff('fine', program_fake(q{$| = 1; print 'x' x 65536 while 1;}))->{status}, 409,
		'never stops talking';
	is diff('fine', "$dir/nothing")->{status}, 500, 'is not installed';
};

SKIP: {
	skip 'long', 1 unless $ENV{MUSTER_TEST_ALL};
	subtest 'a program that hangs' => sub {
		my $start = time;
		my $answer = diff('fine', program_fake(
			qq{unless (fork) { sleep 60; } open my \$f, '>', '$dir/pid'; print \$f getppid, ' ', \$\$; close \$f; sleep 60;}));
		is $answer->{status}, 503, 'is given up';
		cmp_ok time - $start, '<', 25, 'in time';
		my @pids = split / /, slurp("$dir/pid");
		wait_for { !grep { kill 0, $_ } @pids } 'with all that it started';
		pass 'nothing of it is left';
	};
}

my (undef, $help) = run_program([build_dir() . '/jobs/muster', '--help']);
SKIP: {
	skip 'muster has no diff in this build', 1 unless $help =~ /^\s*diff\b/m;
	subtest 'the real program' => sub {
		my @git = ('git', '-C', "$root/fine", '-c', 'user.name=t', '-c', 'user.email=t@example.org');
		for my $command (['init', '-q'], ['add', '-A'], ['commit', '-qm', 'one']) {
			spew("$root/fine/file", "one\ntwo\n") if $command->[0] eq 'add';
			system(@git, @$command) == 0 or die;
		}
		spew("$root/fine/file", "one\nthree <b>\n");
		my $answer = diff('fine');
		is $answer->{status}, 200, 'makes a diff' or diag $answer->{log};
		is $answer->{json}{repo}, 'fine', 'of the repository';
		is $answer->{json}{files}[0]{path}, 'file', 'of the file';
		like $answer->{json}{diff}, qr/^\+three <b>$/m, 'as text';
	};
}
done_testing;
