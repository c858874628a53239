#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Jobs that reach for what is not theirs, or for more than they may have (t/jobs/runner_escape.c).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path);
use IO::Socket::INET;
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'job.concurrency' => 3, 'log.level' => 'debug');
my $program = build_dir() . '/t/jobs/runner';
my $sanitized = `nm '$program' 2>/dev/null | grep -c __asan_init` > 0;
my $n = 0;

sub add {
	my ($kind, $payload) = @_;
	return $db->value(q{select muster.job_add((select id from muster.organization), $1, $2, $3,
		p_attempts_max => 1) from pg_notify('muster_wake', '')}, $kind, 'key' . ++$n, $payload // '{}');
}

sub job { return $db->json(q{select to_jsonb(j) from muster.job j where id = $1}, $_[0]) }
sub ended { my $job = job($_[0]); return $job->{state} =~ /^(?:queued|running)$/ ? undef : $job }

# The log is small; /proc says who lives.
sub child {
	my ($id) = @_;
	return wait_for { slurp($stand->log_dir . '/runner.log') =~ /job=$id msg="child started" pid=(\d+)/ && $1 } 'the child';
}

my $runner = $stand->start('runner', [$program, 'run', '--forever', '--conf', $conf]);

# ---- what a job cannot reach ----

my $elsewhere = spew($stand->dir . '/elsewhere', 'precious');
chmod 0640, $elsewhere;
my @was = stat $elsewhere;
mkdir $stand->dir . '/own';
my $file = $stand->dir . '/own/file';
my $id = add('reach', sprintf '{"file": "%s", "elsewhere": "%s", "settings": "%s", "other": %d}',
	$file, $elsewhere, $conf, $runner->pid);
my %reach = %{ (wait_for { ended($id) } 'what a child can reach')->{result} };
is delete $reach{write}, 'ok', 'a child writes where its kind says';
is delete $reach{$_}, 'EACCES', "it cannot: $_" for 'inet', 'unix', 'execute';
is delete $reach{$_}, 'EPERM', "it cannot: $_" for 'signal', 'signal by file', 'owner of file', 'owner of file, oddly', 'trace', 'limit',
	'mode', 'owner', 'time', 'namespace', 'process', 'shared memory', 'segment', 'file in memory', 'ring';
is delete $reach{'address space'}, $sanitized ? 'ok' : 'ENOMEM', 'a terabyte of addresses is more than its repository can take';
is delete $reach{'new call'}, 'ENOSYS', 'a call of a newer kernel is not there';
SKIP: {
	skip 'this kernel has no Landlock', 1 if $runner->output =~ /fenced in less/;
	is delete $reach{$_}, 'EACCES', "it cannot: $_" for 'write elsewhere', 'read elsewhere', 'read around', 'remove elsewhere',
		'empty elsewhere', 'settings', 'processes';
	like delete $reach{$_}, qr/^E(?:ACCES|XDEV)$/, "it cannot: $_" for 'make elsewhere', 'link elsewhere';
	is_deeply \%reach, {}, 'and that is all that was tried';
}
is slurp($elsewhere), 'precious', 'what lay elsewhere is as it was';
is_deeply [(stat $elsewhere)[2, 4, 5, 9]], [@was[2, 4, 5, 9]], 'its mode, owner and time as well';
ok $runner->is_running, 'and the runner lives';

# What git and ssh would reach, with what others keep of theirs and with what seals it.
make_path($stand->state_dir . '/mirrors/0/1');
my $mirror = spew($stand->state_dir . '/mirrors/0/1/HEAD', 'precious');
my $key = spew($stand->state_dir . '/key', 'k' x 32);
$id = add('connect', qq({"file": "$file", "elsewhere": "$mirror", "settings": "$key"}));
my %connect = %{ (wait_for { ended($id) } 'what one that may connect can reach')->{result} };
my %socket = map { $_ => delete $connect{$_} } 'inet', 'unix', 'unix, oddly', 'kernel';
is_deeply \%socket, { inet => 'ok', unix => 'EPERM', 'unix, oddly' => 'EPERM', kernel => 'EPERM' },
	'one that may connect reaches networks, and not the services of this host';
is delete $connect{write}, 'ok', 'it writes where its kind says';
SKIP: {
	skip 'this kernel has no Landlock', 1 if $runner->output =~ /fenced in less/;
	is delete $connect{$_}, 'EACCES', "and runs programs, but cannot: $_" for 'write elsewhere', 'read elsewhere', 'read around',
		'remove elsewhere', 'empty elsewhere', 'settings', 'processes';
	like delete $connect{$_}, qr/^E(?:ACCES|XDEV)$/, "nor: $_" for 'make elsewhere', 'link elsewhere';
	# git says what may be run and what may be written; of whose files the kernel does not ask.
	delete @connect{qw(mode owner time)};
	is_deeply \%connect, {}, 'and that is all that was tried';
}
chmod 0600, $mirror;
is slurp($mirror), 'precious', 'what others fetched is as it was';

# ---- what a job takes ----

my %case = (
	'memory' => ['memory', '{}', $sanitized ? qr/took more memory than they may/ : undef],
	'memory at once' => ['allocate', '{}', $sanitized ? qr/took more memory than they may|out of memory/ : qr/out of memory/],
	'memory in three processes' => ['share', '{}', qr/took more memory than they may/],
	'threads' => ['threads', '{}', qr/became too many/],
	'processes' => ['bomb', '{}', qr/became too many/],
	'processes that leave its group' => ['bomb', '{"leave": true}', qr/became too many/],
	'one large file' => ['disk', qq({"file": "$file", "bytes": 33554432, "files": 1}), qr/file that the job wrote became too large/],
	'many files' => ['disk', qq({"file": "$file", "bytes": 4194304, "files": 8}), qr/wrote more than they may/],
	'the runner\'s ear' => ['flood', '{}', qr/said too much/],
);

for my $name (sort keys %case) {
	my ($kind, $payload, $error) = @{ $case{$name} };
	my $greedy = add($kind, $payload);
	my $pid = child($greedy);
	my $modest = add('stamp');
	my $job = wait_for { ended($greedy) } $name, 60;
	my $other = wait_for { ended($modest) } 'another job';
	if ($error) {
		is $job->{state}, 'dead', "a job that takes $name is ended";
		like $job->{error}, $error, 'and says why';
		is $job->{crashes}, 0, 'which is no crash';
	} else {
		cmp_ok $job->{result}{mib}, '<', 256, "a job that takes $name is given no more";
	}
	is $other->{state}, 'done', 'another job is done beside it';
	wait_for { !-e "/proc/$pid" } 'its process', 60;
	unlink glob "$file*";
}

# ---- git, which is given what it fetches by strangers ----

my $server = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1') or die "listen: $!\n";
my $port = $server->sockport;
my $own = $stand->dir . '/git';
mkdir $own;
$id = add('clone', qq({"url": "https://localhost:$port/a.git", "file": "$own/clone", "port": "$port"}));
like +(wait_for { ended($id) } 'a server that says nothing')->{error}, qr/cloning took longer than 1 second/,
	'a server that says nothing is left after its time';
is_deeply [grep { !m{/\.\.?$} } glob "$own/* $own/.*"], [], 'and nothing is left of the try';
sub git { my ($code, undef, $err) = run_program(['git', '-C', "$own/large", @_]); die "git @_: $err" if $code != 0; return }
mkdir "$own/large";
git('init', '-q', '-b', 'main');
open my $random, '<:raw', '/dev/urandom' or die;
read $random, my $bytes, 33554432;
spew("$own/large/file", $bytes);
git('add', '.');
git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '-qm', 'Large');
$id = add('clone', qq({"url": "file://$own/large", "file": "$own/clone"}));
my $large = wait_for { ended($id) } 'what is too large';
is $large->{state}, 'dead', 'what sends more than a job may write is no clone';
like $large->{error}, qr/larger than may be written|became too large|wrote more than they may/, 'and it says why';
ok !-e "$own/clone", 'nothing of it is in its place';

# The helper's children are what no job has any more.
my ($helper) = grep { slurp("/proc/$_/comm") =~ /^muster-helper/ } split ' ', slurp('/proc/' . $runner->pid . '/task/' . $runner->pid . '/children');
wait_for { slurp("/proc/$helper/task/$helper/children") eq '' } 'the last process', 60;
pass 'nothing is left of any of them';
is $db->value(q{select count(*) from muster.job where state in ('queued', 'running')}), 0, 'nor in the queue';

is $runner->stop, 1, 'the runner ends as ever';
is_deeply [glob $stand->state_dir . '/slot/job-*'], [], 'and leaves no lock';
done_testing;
