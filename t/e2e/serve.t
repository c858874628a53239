#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The life of api.fcgi under load: workers that end, crash, are replaced; a database that goes away;
# stopping and reloading. What counts is that nobody else's request fails.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);
use Muster::Test;
use Muster::Stack;
use Muster::Stack::Load;

my $stack = Muster::Stack->new(pusher => 0, conf => { 'api.workers' => 3, 'api.requests_max' => 25,
	'api.rate_limit' => 'false', 'log.level' => 'info', 'database.timeout_ms' => 2000 });
$stack->account('ann@example.org', 'developer');
$stack->root('/srv/git');
$stack->report([ map { { name => "r$_", status => 'clean', path => "/srv/git/r$_" } } 1 .. 20 ]);
my $ann = $stack->client->login('ann@example.org');
my $socket = $stack->stand->run_dir . '/api.sock';

sub workers {
	my $parent = $stack->api->pid;
	my @workers = split ' ', slurp("/proc/$parent/task/$parent/children");
	return @workers;
}

sub load { return Muster::Stack::Load->start($ann, @_) }

subtest 'the socket is for its group only' => sub {
	plan skip_all => 'root opens it for Apache' if $> == 0;
	is sprintf('%o', (stat $socket)[2] & 07777), '660', 'mode 0660';
};

subtest 'a second api.fcgi on the same socket refuses to start' => sub {
	my ($code, undef, $err) = run_program([program('api.fcgi')], env => $stack->env);
	is $code, 4, 'it ends';
	like $err, qr/another api\.fcgi/, 'and says why';
	is $ann->get('/healthz')->{status}, 200, 'the first goes on';
};

subtest 'workers are replaced under load without a failed request' => sub {
	my @before = workers();
	my $seen = load(clients => 6, count => 150)->wait;
	is_deeply $seen, { 200 => 900 }, 'nine hundred requests, nine hundred answers'
		or diag explain $seen;
	my %old = map { $_ => 1 } @before;
	is scalar(grep { $old{$_} } workers()), 0, 'by other workers than those at the start';
	is scalar(() = $stack->api->output =~ /crashed/g), 0, 'none of which crashed';
};

subtest 'a worker that is killed takes nobody with it' => sub {
	my $load = load(clients => 4);
	my $answered = sub { return scalar(() = $stack->api->output =~ m{path=/api/v1/repos status=200}g) };
	for my $round (1 .. 5) {
		my $before = $answered->();
		wait_for { workers() == 3 && $answered->() >= $before + 5 } 'three workers, who answer';
		my ($victim) = workers();
		kill 'KILL', $victim;
		wait_for { !grep { $_ == $victim } workers() } 'it is gone';
	}
	my $seen = $load->stop;
	my $bad = 0;
	$bad += $seen->{$_} for grep { $_ ne '200' } keys %$seen;
	cmp_ok $bad, '<=', 5, 'at most the five requests that they were at' or diag explain $seen;
	cmp_ok $seen->{200}, '>', 20, 'all others were answered';
	wait_for { workers() == 3 } 'three workers again';
	like $stack->api->output, qr/a worker crashed.*signal 9/, 'the log says so';
};

subtest 'a database that restarts' => sub {
	my $load = load(clients => 4);
	wait_for { $ann->get('/healthz')->{status} == 200 } 'healthy';
	$stack->stand->cluster->down;
	wait_for { $ann->get('/healthz')->{status} == 503 } 'not healthy';
	my $answer = $ann->get('/api/v1/repos');
	is $answer->{status}, 503, 'requests are told';
	is $answer->{json}{title}, 'Service Unavailable', 'as a problem';
	ok $answer->{headers}{'retry-after'}, 'and to come back';
	unlike $answer->{content}, qr/\.s\.PGSQL|socket|FATAL/, 'without entrails';
	$stack->stand->cluster->up;
	wait_for { $ann->get('/api/v1/repos')->{status} == 200 } 'it is back by itself';
	$load->stop;
	my $after = load(clients => 4, count => 25)->wait;
	is_deeply $after, { 200 => 100 }, 'and nothing fails afterwards' or diag explain $after;

	my $through = load(clients => 4);
	$stack->stand->cluster->restart;
	wait_for { $ann->get('/api/v1/repos')->{status} == 200 } 'it is back';
	my $seen = $through->stop;
	is_deeply [grep { !/^(200|503)$/ } keys %$seen], [], 'meanwhile there were answers and 503s alone'
		or diag explain $seen;
	is $ann->post('/api/v1/audits', {})->{status}, 202, 'writes work';
	$stack->stand->cluster->restart;
	is $ann->post('/api/v1/audits', {})->{status}, 202,
		'the first write after a restart finds the idle connection closed and opens another';
};

subtest 'a statement that takes too long is cancelled' => sub {
	my $session = $stack->db->session;
	$session->ask('begin; lock table muster.repo in access exclusive mode');
	my $start = time;
	is $ann->get('/api/v1/repos')->{status}, 503, 'with 503';
	cmp_ok time - $start, '<', 8, 'in time';
	$session->ask('rollback');
	is $ann->get('/api/v1/repos')->{status}, 200, 'then all is well';

	$session->ask('begin; lock table muster.metric in access exclusive mode');
	my $write = sub { $ann->post('/api/v1/metrics', { metrics => [{ name => 'late', value => 1 }] },
		'Idempotency-Key' => 'late-1') };
	is $write->()->{status}, 503, 'a write likewise';
	$session->ask('rollback');
	is $stack->db->value(q{select count(*) from muster.metric where name = 'late'}), 0, 'of which nothing is left';
	is $write->()->{status}, 201, 'and which is done when it is sent again';
	is $write->()->{headers}{'idempotency-replayed'}, 'true', 'under its key, once';
	is $stack->db->value(q{select count(*) from muster.metric where name = 'late'}), 1, 'whoever asks';
};

subtest 'clients of the socket that are no web server' => sub {
	for my $rubbish ('', "GET / HTTP/1.0\r\n\r\n", "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0", "\0" x 1000,
		"\xff" x 70000) {
		my $client = IO::Socket::UNIX->new(Peer => $socket) or die;
		local $SIG{PIPE} = 'IGNORE';
		syswrite $client, $rubbish if $rubbish ne '';
		close $client;
	}
	is_deeply load(clients => 3, count => 20)->wait, { 200 => 60 }, 'do not hinder others';
	# One that says nothing holds one worker, until its time is over.
	my @mute = map { IO::Socket::UNIX->new(Peer => $socket) or die } 1, 2;
	is $ann->get('/healthz')->{status}, 200, 'nor do two that say nothing';
	close $_ for @mute;
};

subtest 'reloading' => sub {
	my @before = workers();
	my $load = load(clients => 3);
	my $conf = slurp($stack->conf);
	spew($stack->conf, $conf =~ s/^workers=3$/workers=4/mr);
	$stack->api->signal('HUP');
	wait_for { my %now = map { $_ => 1 } workers(); keys %now == 4 && !grep { $now{$_} } @before }
		'four new workers';
	is_deeply [keys %{ $load->stop }], [200], 'costs no request';
	spew($stack->conf, "$conf\n[nonsense]\na=1\n");
	$stack->api->signal('HUP');
	wait_for { $stack->api->output =~ /not reloaded/ } 'a bad configuration is refused';
	is $ann->get('/healthz')->{status}, 200, 'and the old one stays';
	spew($stack->conf, $conf);
};

subtest 'memory goes back after a large answer' => sub {
	plan skip_all => 'sanitizers keep what is freed' if slurp(program('api.fcgi')) =~ /__asan_init/;
	$stack->report([ map { { name => "big$_", status => 'clean', path => "/srv/git/big$_",
		lastCommitSubject => 'x' x 2000 } } 1 .. 3000 ]);
	for (1 .. 12) {
		my $answer = $ann->request(GET => '/audit', { raw => 1 });
		cmp_ok length $answer->{content}, '>', 6_000_000, 'a large report' if $_ == 1;
	}
	# The worker still trims while the client has the answer already.
	my $most = sub { (sort { $b <=> $a } map { my ($kb) = slurp("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m; $kb }
		workers())[0] };
	wait_for { $most->() < 15 * 1024 } 'every worker is below 15 MB';
	pass 'every worker is below 15 MB';
	diag 'the largest has ' . $most->() . ' kB' if $ENV{TEST_VERBOSE};
};

subtest 'stopping finishes what was begun' => sub {
	my $session = $stack->db->session;
	$session->ask('begin; lock table muster.repo in access exclusive mode');
	pipe my $from, my $to or die;
	my $pid = fork // die;
	if ($pid == 0) {
		my $answer = $ann->get('/api/v1/repos?limit=1');
		print $to $answer->{status};
		close $to;
		POSIX::_exit(0);
	}
	close $to;
	wait_for { $stack->db->value(q{select count(*) from pg_stat_activity where wait_event_type = 'Lock'
		and usename = 'muster_api'}) > 0 } 'a request is under way';
	my @workers = workers();
	$stack->api->signal('TERM');
	wait_for { workers() == 1 } 'idle workers go at once';
	$session->ask('rollback');
	is do { local $/; readline $from }, 200, 'the request is answered';
	waitpid $pid, 0;
	is $stack->api->stop, 0, 'the parent ends well';
	is scalar(grep { kill 0, $_ } @workers), 0, 'with all its workers';
	ok !-e $socket, 'and its socket is gone';
};

subtest 'a parent that is killed' => sub {
	$stack->start_api;
	my @workers = workers();
	kill 'KILL', $stack->api->pid;
	wait_for { !grep { kill 0, $_ } @workers } 'its workers end';
	$stack->start_api;
	wait_for { $ann->get('/healthz')->{status} == 200 } 'another takes its place';
	pass 'another takes its place';
};

subtest 'starting is refused with a sentence' => sub {
	$stack->api->stop;
	my $run = sub { my (%env) = @_; return run_program([program('api.fcgi')], env => { %{ $stack->env }, %env }) };
	my ($code, undef, $err) = $run->(MUSTER_PATHS_RUN => '/tmp/' . 'x' x 110);
	is $code, 2, 'a path that is too long for a socket';
	like $err, qr/107 bytes/, 'and says so';
	($code, undef, $err) = $run->(MUSTER_SECRET_KEY_FILE => '/nonexistent/key');
	isnt $code, 0, 'no key';
	like $err, qr/master key/, 'and says so';
	($code, undef, $err) = $run->(MUSTER_DATABASE_URL => '');
	is $code, 2, 'no database';
	like $err, qr/no database is configured/, 'and says so';
	($code) = run_program([program('api.fcgi'), '--nonsense']);
	is $code, 2, 'an unknown option';
	my ($ok, $out) = run_program([program('api.fcgi'), '--version']);
	like $out, qr/^api\.fcgi \d/, 'the version';
};

done_testing;
