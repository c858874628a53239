#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# PostgreSQL stops, crashes and comes back while people read and write. For as long as it lasts they
# are told 503 and when to come back; then all goes on by itself, every write that was acknowledged
# is there, and none twice, however often it was sent.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time sleep);
use Muster::Test;
use Muster::Stack;
use Muster::Stack::Load;

my $READERS = 3;
my $WRITERS = 3;
my $stack = Muster::Stack->new(pusher => 0, conf => { 'api.workers' => 4, 'api.requests_max' => 200,
	'api.rate_limit' => 'false', 'log.level' => 'warning' });
my $cluster = $stack->stand->cluster;
$stack->account('ann@example.org', 'developer');
$stack->root('/srv/git');
$stack->report([ map { { name => "r$_", status => 'clean', path => "/srv/git/r$_" } } 1 .. 20 ]);
my $ann = $stack->client->login('ann@example.org');
my $board = $stack->stand->dir . '/board';
my $load = 0; # how many there were
my @loads;

# A write is sent under its key until it is acknowledged, as a careful client does.
sub write_step {
	my ($client, $n, $who) = @_;
	my $value = ($load * 10 + $who) * 1_000_000 + $n;
	my @answers;
	for (my $try = 0; $try < 2000 && ($try == 0 || $answers[-1]{status} == 503); $try++) {
		sleep 0.02 if $try > 0;
		push @answers, $client->post('/api/v1/metrics',
			{ metrics => [{ name => 'restart.write', value => $value }] },
			'Idempotency-Key' => "write-$value");
	}
	if ($answers[-1]{status} == 201) {
		open my $out, '>>', "$board.$who" or die "$board: $!\n";
		print $out "$value\n";
		close $out;
	}
	return @answers;
}

sub load_start {
	$load++;
	@loads = (Muster::Stack::Load->start($ann, clients => $READERS),
		Muster::Stack::Load->start($ann, clients => $WRITERS, step => \&write_step));
	return;
}

sub acknowledged {
	my @values = map { -e "$board.$_" ? split(/\n/, slurp("$board.$_")) : () } 1 .. $WRITERS;
	@values = sort { $a <=> $b } @values;
	return @values;
}

sub progress {
	my $before = acknowledged();
	wait_for { acknowledged() > $before + 20 } 'twenty writes';
	return;
}

sub check {
	my %seen;
	for my $answers (map { $_->stop } @loads) {
		$seen{$_} += $answers->{$_} for keys %$answers;
	}
	is_deeply [grep { !/^(200|201|503)$/ } keys %seen], [], 'answers and 503s, nothing else'
		or diag explain \%seen;
	my @sent = acknowledged();
	my @kept = map { $_->[0] + 0 } $stack->db->rows(
		q{select value::bigint from muster.metric where name = 'restart.write' order by value});
	is_deeply \@kept, \@sent, @sent . ' acknowledged writes are there, each once';
	diag join ', ', map { "$_: $seen{$_}" } sort keys %seen if $ENV{TEST_VERBOSE};
	return;
}

for my $mode (qw(fast immediate)) {
	subtest "a server that stops ($mode) and is started later" => sub {
		load_start();
		progress();
		$cluster->down($mode);
		my $answer = wait_for { my $a = $ann->get('/healthz'); $a->{status} == 503 && $a } 'told so';
		my %while;
		$while{ Muster::Stack::Load::name_of($ann->get('/api/v1/repos')) }++ for 1 .. 50;
		is_deeply \%while, { 503 => 50 }, 'for as long as it lasts every answer is 503'
			or diag explain \%while;
		$cluster->up;
		progress();
		check();
		is $ann->get('/healthz')->{status}, 200, 'healthy again';
	};
}

subtest 'restarts in a row' => sub {
	load_start();
	for my $round (1 .. 4) {
		progress();
		$cluster->restart;
	}
	progress();
	check();
};

subtest 'a server process that is killed takes all others down and recovers' => sub {
	load_start();
	progress();
	my ($victim) = $stack->db->value(q{select pid from pg_stat_activity where usename = 'muster_api' limit 1});
	kill 'KILL', $victim;
	wait_for { eval { $stack->db->value('select 1') } } 'recovery';
	progress();
	check();
};

subtest 'connections that an administrator ends' => sub {
	load_start();
	for my $round (1 .. 5) {
		progress();
		$stack->db->sql(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'muster_api'});
	}
	progress();
	check();
};

subtest 'a server that takes no writes for a while' => sub {
	my $name = $stack->db->{name};
	my $end = q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'muster_api'};
	load_start();
	progress();
	$stack->db->sql("alter role muster_api in database $name set default_transaction_read_only = on");
	$stack->db->sql($end);
	my $refused = wait_for {
		my $answer = $ann->post('/api/v1/metrics', { metrics => [{ name => 'other', value => 1 }] });
		$answer->{status} != 201 && $answer;
	} 'a write is refused';
	is Muster::Stack::Load::name_of($refused), 503, 'with 503';
	is $ann->get('/api/v1/repos')->{status}, 200, 'reads are answered';
	$stack->db->sql("alter role muster_api in database $name reset default_transaction_read_only");
	progress();
	check();
};

subtest 'every route, without a database' => sub {
	my (undef, $table) = run_program([program('api.fcgi'), '--routes']);
	my $uuid = '00000000-0000-4000-8000-000000000000';
	my (%seen, $walked);
	$cluster->down;
	for my $row (map { [split /\t/] } split /\n/, $table) {
		my ($method, $path, $role) = @$row;
		$path =~ s/\{(finding|run|audit|comment|scan)\}/1/g;
		$path =~ s/\{\w+\}/$uuid/g;
		my %body = $method =~ /^(GET|DELETE)$/ ? () : (content => '{}');
		my $answer = $ann->request($method => $path, { %body, headers => { 'X-CSRF-Token' => $ann->csrf,
			%body ? ('Content-Type' => 'application/json') : () } });
		my $name = Muster::Stack::Load::name_of($answer);
		my $ok = $name eq '503' || ($role eq 'nobody' && $name =~ /^(200|400|401|302|303|404)$/);
		push @{ $seen{$name} }, "$method $path" if !$ok;
		$walked++;
	}
	$cluster->up;
	is_deeply \%seen, {}, "$walked routes say 503, or need none" or diag explain \%seen;
	wait_for { $ann->get('/api/v1/repos')->{status} == 200 } 'it is back';
};

unlike $stack->api->output, qr/crashed/, 'no worker crashed in all this';
done_testing;
