#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# /metrics: who may read it, and that its figures are what happened. /healthz beside it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Socket::UNIX;
use Test::More;
use Muster::FastCGI;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(pusher => 0, conf => { 'api.workers' => 3, 'api.rate_limit' => 'false',
	'log.level' => 'info' });
$stack->account('ann@example.org', 'viewer');
$stack->account('otto@example.org', 'org_admin');
$stack->account('paul@example.org', 'platform_admin');
my $ann = $stack->client->login('ann@example.org');
my $paul = $stack->client->login('paul@example.org');
my $nobody = $stack->client;
my $socket = $stack->stand->run_dir . '/api.sock';

# The series of a text, by name and labels as they stand there.
sub series {
	my ($text) = @_;
	my %value;
	for my $line (grep { !/^#/ } split /\n/, $text) {
		my ($name, $value) = $line =~ /^([a-z_]+(?:\{[^}]*(?:\{\w+\}[^}]*)*\})?) (\S+)$/ or die "no series: $line\n";
		die "twice: $name\n" if exists $value{$name};
		$value{$name} = $value;
	}
	return \%value;
}

sub metrics { return series(($_[0] // $paul)->get('/metrics')->{content}) }

sub labels {
	my ($method, $route, @rest) = @_;
	return join ',', "{method=\"$method\"", "route=\"$route\"", @rest;
}

sub reconfigure {
	my ($change) = @_;
	local $_ = slurp($stack->conf);
	$change->();
	my $count = () = $stack->api->output =~ /msg=reloaded/g;
	my $parent = $stack->api->pid;
	my %before = map { $_ => 1 } split ' ', slurp("/proc/$parent/task/$parent/children");
	spew($stack->conf, $_);
	$stack->api->signal('HUP');
	wait_for { (() = $stack->api->output =~ /msg=reloaded/g) > $count } 'reloaded';
	wait_for { !grep { $before{$_} } split ' ', slurp("/proc/$parent/task/$parent/children") } 'new workers';
	return;
}

subtest 'who may read it' => sub {
	is $nobody->get('/metrics')->{status}, 401, 'nobody may not';
	is $ann->get('/metrics')->{status}, 403, 'a viewer may not';
	is $stack->client->login('otto@example.org')->get('/metrics')->{status}, 403,
		'nor an administrator of one organization';
	my $answer = $paul->get('/metrics');
	is $answer->{status}, 200, 'a platform administrator may';
	is $answer->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'in the usual format';
	my $token = $paul->post('/api/v1/tokens', { name => 'prometheus', scopes => ['admin'] })->{json}{token};
	is $nobody->get('/metrics', Authorization => "Bearer $token")->{status}, 200, 'with a token, too';
	my $weak = $paul->post('/api/v1/tokens', { name => 'reader', scopes => ['read'] })->{json}{token};
	is $nobody->get('/metrics', Authorization => "Bearer $weak")->{status}, 403, 'that was made for it';
};

subtest 'every family has its head, once' => sub {
	my $text = $paul->get('/metrics')->{content};
	my (%head, %seen);
	for my $line (split /\n/, $text) {
		if ($line =~ /^# TYPE (\S+) (counter|gauge|histogram)$/) {
			ok !$head{$1}++, "$1 is declared once";
		} elsif ($line !~ /^#/) {
			my ($name) = $line =~ /^(\w+)/;
			$seen{ $name =~ s/_(bucket|sum|count)$//r }++;
		}
	}
	is_deeply [sort grep { !$head{$_} } keys %seen], [], 'and each series belongs to one';
	unlike $text, qr/\n\n|\r/, 'there are no empty lines';
};

subtest 'requests are counted over all workers' => sub {
	my $before = metrics();
	$ann->get('/api/v1/repos') for 1 .. 30;
	$ann->get('/api/v1/repos/none-such') for 1 .. 5;
	$nobody->get('/api/v1/nothing/there') for 1 .. 3;
	my $after = metrics();
	my $grown = sub { return ($after->{ $_[0] } // 0) - ($before->{ $_[0] } // 0) };
	my $total = 'muster_http_requests_total';
	is $grown->($total . labels(GET => '/api/v1/repos', 'status="200"}')), 30, 'by route and status';
	is $grown->($total . labels(GET => '/api/v1/repos/{repo}', 'status="404"}')), 5, 'names are not in it';
	is $grown->($total . labels('', '', 'status="404"}')), 3, 'what is no route has none';
	my $seconds = 'muster_http_request_duration_seconds';
	is $grown->("${seconds}_count" . labels(GET => '/api/v1/repos}') =~ s/\}"$/"}/r), 30, 'their times are counted';
	my @buckets = map { $after->{$_} } sort { ($a =~ /le="([^"]+)/)[0] =~ s/\+Inf/inf/r <=> ($b =~ /le="([^"]+)/)[0] =~ s/\+Inf/inf/r }
		grep { index($_, "${seconds}_bucket" . labels(GET => '/api/v1/repos', 'le=')) == 0 } keys %$after;
	is scalar @buckets, 14, 'in fourteen buckets';
	is_deeply \@buckets, [sort { $a <=> $b } @buckets], 'that add up';
	cmp_ok $grown->("${seconds}_sum" . labels(GET => '/api/v1/repos}') =~ s/\}"$/"}/r), '>', 0, 'and sum';
	cmp_ok $grown->('muster_http_response_bytes_total'), '>', 300, 'bytes are counted';
};

subtest 'workers and their connections' => sub {
	wait_for { metrics()->{'muster_api_workers{state="idle"}'} == 2 } 'two are idle, one answers';
	my $idle = metrics();
	is $idle->{'muster_api_workers{state="busy"}'}, 1, 'the one that answers is busy';
	is $idle->{muster_api_workers_limit}, 3, 'three are wanted';
	cmp_ok $idle->{muster_api_worker_starts_total}, '>=', 3, 'and were started';
	my $session = $stack->db->session;
	$session->ask('begin; lock table muster.repo in access exclusive mode');
	my $pid = fork // die;
	if ($pid == 0) {
		$ann->get('/api/v1/repos');
		require POSIX;
		POSIX::_exit(0);
	}
	wait_for { metrics()->{'muster_database_connections{state="busy"}'} == 1 } 'one is at a statement';
	my $busy = metrics();
	is $busy->{'muster_api_workers{state="busy"}'}, 2, 'its worker is busy';
	is $busy->{'muster_postgresql_connections{role="muster_api",state="waiting"}'}, 1, 'it waits for a lock';
	$session->ask('rollback');
	waitpid $pid, 0;
	is $busy->{muster_postgresql_connections_limit}, 80, 'the server takes so many';
	my ($victim) = grep { $_ } split ' ', slurp('/proc/' . $stack->api->pid . '/task/' . $stack->api->pid . '/children');
	kill 'KILL', $victim;
	wait_for { metrics()->{muster_api_worker_crashes_total} == 1 } 'a crash is counted';
	pass 'a crash is counted';
};

subtest 'addresses that need no sign-in' => sub {
	reconfigure(sub { s/^\[api\]\n/[api]\nmetrics_from=192.0.2.7 127.0.0.0\/8\n/m });
	my $answer = $nobody->get('/metrics');
	is $answer->{status}, 200, 'who asks from there is answered';
	cmp_ok series($answer->{content})->{muster_api_reloads_total}, '>=', 1, 'reloads are counted';
	is $nobody->get('/metrics', 'X-Forwarded-For' => '198.51.100.1')->{status}, 200, 'whatever headers say';
	is $nobody->get('/api/v1/repos')->{status}, 401, 'for nothing else';
	is $stack->cgi(GET => '/metrics', env => { REMOTE_ADDR => '198.51.100.1' })->{status}, 401,
		'others are not';
	my $plain = series($stack->cgi(GET => '/metrics', env => { REMOTE_ADDR => '192.0.2.7' })->{body});
	cmp_ok $plain->{ 'muster_http_requests_total' . labels(GET => '/api/v1/repos', 'status="401"}') }, '>=', 1,
		'plain CGI sees and counts with the others';
};

subtest 'requests that wait for a worker' => sub {
	reconfigure(sub { s/^workers=3/workers=1/m });
	my $held = $stack->db->session;
	$held->ask('begin; lock table muster.repo in access exclusive mode');
	my $pid = fork // die;
	if ($pid == 0) {
		$ann->get('/api/v1/repos');
		require POSIX;
		POSIX::_exit(0);
	}
	wait_for { $stack->db->value(q{select count(*) from pg_stat_activity where wait_event_type = 'Lock'
		and usename = 'muster_api'}) > 0 } 'the one worker is at something';
	my $asking = IO::Socket::UNIX->new(Peer => $socket) or die;
	syswrite $asking, fcgi_begin(REQUEST_METHOD => 'GET', REQUEST_URI => '/metrics', QUERY_STRING => '',
		REMOTE_ADDR => '127.0.0.1') . fcgi_body('');
	my @queue = map { IO::Socket::UNIX->new(Peer => $socket) or die } 1 .. 4;
	$held->ask('rollback');
	my $out = '';
	while (sysread $asking, $out, 65536, length $out) {}
	close $_ for @queue;
	waitpid $pid, 0;
	like $out, qr/^muster_api_requests_waiting 4$/m, 'are told by the kernel';
	reconfigure(sub { s/^workers=1/workers=3/m });
};

subtest 'a database that is away' => sub {
	is_deeply $nobody->get('/healthz')->{json}, { status => 'warn', checks => { database => 'pass',
		migrations => 'pass', jobs => 'pass', live => 'warn' } }, 'health names what is not well';
	$stack->stand->cluster->down;
	my $answer = $nobody->get('/metrics');
	is $answer->{status}, 200, 'the figures of this host are there without a database';
	is series($answer->{content})->{muster_database_up}, 0, 'and say so';
	is $paul->get('/healthz')->{status}, 503, 'the host is not healthy';
	$stack->stand->cluster->up;
	wait_for { metrics($nobody)->{muster_database_up} == 1 } 'it is back';
	pass 'it is back';
};

subtest 'figures of the queue' => sub {
	my $org = $stack->db->value(q{select id from muster.organization where slug = 'default'});
	$stack->db->sql(q{insert into muster.job (organization_id, kind, key, state, run_at, started_at, finished_at, lease_id) values
		($1, 'audit', 'a', 'queued', now() - interval '10 minutes', null, null, null),
		($1, 'audit', 'b', 'queued', now() + interval '1 hour', null, null, null),
		($1, 'audit', 'c', 'running', now(), now(), null, gen_random_uuid()),
		($1, 'audit', 'd', 'done', now(), now() - interval '4 seconds', now(), null),
		($1, 'audit', 'e', 'done', now(), now() - interval '2 seconds', now(), null),
		($1, 'audit', 'f', 'dead', now(), now() - interval '1 seconds', now(), null),
		($1, 'audit', 'g', 'dead', now(), now() - interval '1 day', now() - interval '1 day', null)}, $org);
	my $now = metrics($nobody);
	is $now->{'muster_jobs{kind="audit",state="queued"}'}, 2, 'waiting';
	is $now->{'muster_jobs{kind="audit",state="running"}'}, 1, 'running';
	cmp_ok $now->{muster_job_wait_seconds}, '>=', 600, 'the oldest that could run';
	is $now->{'muster_jobs_finished_hour{kind="audit",state="done"}'}, 2, 'done';
	is $now->{'muster_job_seconds_hour{kind="audit",state="done"}'}, '3.000', 'their time';
	is $now->{'pipeline_jobs{status="pending"}'}, 2, 'under the names of other pipelines, too';
	is $now->{pipeline_jobs_queued_total}, 7, 'also how many there ever were';
	is $now->{'pipeline_jobs_processed_total{kind="audit",status="failed"}'}, 2, 'and how many failed';
	is $now->{'muster_queue_jobs{queue="default",state="queued"}'}, 2, 'by queue';
	cmp_ok $now->{'muster_queue_wait_seconds{queue="default"}'}, '>=', 600, 'with the oldest';
	is $now->{'muster_job_seconds_quantile_hour{kind="audit",quantile="0.5"}'}, '3.000', 'half of them took less than that';
	cmp_ok $now->{'muster_job_waited_quantile_hour{kind="audit",quantile="0.99"}'}, '>=', 0, 'and waited so long before';
	is $now->{muster_workers_alive}, 0, 'nobody works';
	my %known = map { s/\{.*//r => 1 } keys %$now;
	my ($queue) = slurp(src_dir() . '/contrib/prometheus/muster.yml') =~ /(.*)name: muster-live/s;
	my $alerts = join ' ', grep { !/summary:/ } split /\n/, $queue;
	is_deeply [grep { !$known{$_} } $alerts =~ /\b((?:pipeline|muster)_\w+)/g], [], 'the sample\'s alerts are of figures that there are';
	is $now->{muster_pusher_up}, 0, 'nobody pushes here';
	is $now->{muster_job_failure_ratio_hour}, '0.3333', 'the share that failed';
	is $nobody->get('/healthz')->{json}{checks}{jobs}, 'warn', 'health says that work waits';
};

subtest 'a host that cannot keep the file' => sub {
	my $run = $stack->stand->dir . '/run2';
	mkdir $_ for $run, "$run/meter";
	my $answer = $stack->cgi(GET => '/metrics', env => { REMOTE_ADDR => '127.0.0.1', MUSTER_PATHS_RUN => $run });
	is $answer->{status}, 200, 'serves all the same';
	ok -d "$run/meter", 'and replaces nothing that is not its own';
};

subtest 'a database of another version' => sub {
	$stack->db->sql('alter function muster.health_get() rename to health_got');
	my $answer = $nobody->get('/healthz');
	is $answer->{status}, 503, 'cannot serve anybody';
	like $answer->{json}{detail}, qr/migrated/, 'and what to do is said';
};
done_testing;
