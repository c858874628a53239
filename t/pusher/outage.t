#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The database goes away, the pusher is killed, the pusher is stopped: nothing is lost, nothing comes
# twice.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Test::Live;

my $stand = Muster::Test->new;
my $live = Muster::Test::Live->new($stand);
my $db = $live->db;
my %still = map { ("still-$_" => 'clean') } 1 .. 10;
$live->report('default', { %still, one => 'clean' });
wait_for { $db->value(q{select count(*) from muster.repo}) == 11 } 'the first report is in';

# PostgreSQL restarted under the pusher.
{
	my $ws = $live->ws('/ws?last_event_id=' . $live->head);
	my $dashboard = $live->ws('/api/v1/dashboard/ws');
	my $sse = $live->sse;
	$live->event('repo-status-change', { n => 1 });
	is $ws->next->{data}{n}, 1, 'all is well';
	$stand->cluster->down('immediate');
	is $ws->next(type => 'connection-status')->{data}{status}, 'degraded', 'without the database it says so';
	is $dashboard->next(type => 'connection-status')->{data}{status}, 'degraded', 'on the dashboard too';
	is $sse->next_event_of('connection-status')->{data}{data}{status}, 'degraded', 'and in a stream';
	is $live->http('/api/ws/status')->body_json->{status}, 'degraded', 'and in the status';
	my $new = $live->ws('/ws');
	is $new->status, 101, 'sessions that are known still get in';
	is $new->next->{data}{status}, 'degraded', 'and are told at once';
	$ws->send_json({ type => 'ping' });
	is $ws->next->{type}, 'pong', 'connections live on';
	$live->report('default', { %still, one => 'dirty' });
	$live->report('default', { %still, one => 'mismatched' });
	$stand->cluster->up;
	is $ws->next(type => 'connection-status')->{data}{status}, 'connected', 'then it is well again';
	# Its event may come before that news: reports have a connection of their own.
	my ($change) = grep { $_->{type} eq 'repo-status-change' } @{ $ws->{skipped} };
	$change //= $ws->next(type => 'repo-status-change');
	is $change->{data}{repo}{status}, 'mismatched', 'the report of meanwhile is taken when it is back';
	is $new->next(type => 'audit-update')->{type}, 'audit-update', 'who waited for a snapshot gets it';
	$live->events('repo-status-change', 5);
	is_deeply [map { $ws->next(type => 'repo-status-change')->{data}{n} } 1 .. 5], [1 .. 5],
		'and events flow';
}

# Events written while the connections are cut again and again.
{
	my $ws = $live->ws('/ws?last_event_id=' . $live->head);
	for my $n (1 .. 40) {
		$live->event('repo-status-change', { n => $n });
		$db->sql(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'muster_push'})
			if $n % 8 == 0;
	}
	is_deeply [map { $ws->next(type => 'repo-status-change')->{data}{n} } 1 .. 40], [1 .. 40],
		'nothing is lost or doubled when connections are cut';
}

# A server that does not answer (SIGSTOP), then goes on.
{
	my $ws = $live->ws('/ws?last_event_id=' . $live->head);
	my @backends = $db->rows(q{select pid from pg_stat_activity where usename = 'muster_push'});
	kill STOP => map { $_->[0] } @backends;
	$live->event('repo-status-change', { n => 1 });
	$ws->send_json({ type => 'ping' });
	is $ws->next(type => 'pong')->{type}, 'pong', 'a database that does not answer holds nobody up';
	kill CONT => map { $_->[0] } @backends;
	is $ws->next(type => 'repo-status-change')->{data}{n}, 1, 'and what it has comes when it goes on';
}

# kill -9: clients resume from their cursor.
{
	my %client = (websocket => $live->ws('/ws?last_event_id=' . $live->head), stream => $live->sse);
	my $cursor = $live->head;
	my %got;
	my $read = sub {
		my ($kind, $upto) = @_;
		while (($got{$kind}[-1] // 0) < $upto) {
			my $message = $kind eq 'stream' ? $client{stream}->next_event->{data} : $client{websocket}->next;
			next if $message->{type} ne 'repo-status-change';
			push @{ $got{$kind} }, $message->{data}{n};
			$cursor = $message->{event_id};
		}
	};
	my $n = 0;
	for my $round (1 .. 3) {
		$live->event('repo-status-change', { n => ++$n }) for 1 .. 10;
		$read->($_, $n - $round) for qw(websocket stream);
		$live->{pusher}->kill9;
		my %last = map { ($_ => $got{$_}[-1]) } keys %got;
		$live->event('repo-status-change', { n => ++$n }) for 1 .. 5;
		$live->start;
		# What a client had read last is its cursor; the rest of its old connection is gone.
		my $base = $cursor - $got{stream}[-1];
		$client{websocket} = $live->ws('/ws?last_event_id=' . ($base + $last{websocket}));
		$client{stream} = $live->sse('/api/v1/sse/events', 'Last-Event-ID' => $base + $last{stream});
		$read->($_, $n) for qw(websocket stream);
	}
	is_deeply $got{$_}, [1 .. $n], "after kill -9 a $_ loses nothing and gets nothing twice"
		for qw(websocket stream);
}

# SIGTERM.
{
	my @ws = map { $live->ws('/ws?last_event_id=' . $live->head) } 1 .. 30;
	my $sse = $live->sse;
	$sse->next_event;
	my $deaf = $live->ws('/ws?last_event_id=' . $live->head);
	my $start = time;
	$live->{pusher}->signal('TERM');
	is_deeply [map { ($_->closed)[0] } @ws], [(1001) x 30], 'at its end everybody gets 1001';
	is $sse->next_event, undef, 'streams end';
	cmp_ok time - $start, '<', 3, 'soon';
	is $live->{pusher}->wait, 0, 'it ends with 0';
	ok !-e $live->socket, 'its sockets are gone';
	unlike $live->{pusher}->output, qr/level=error/, 'without an error in the log';
}

# Starting without what is needed.
{
	my $conf = $stand->conf(undef);
	my ($code, undef, $err) = run_program([program('muster-pusher')], env => { MUSTER_CONF => $conf });
	is $code, 2, 'without a database it does not start';
	like $err, qr/database/, 'and says why';
	$live->start;
	($code, undef, $err) = run_program([program('muster-pusher')],
		env => { MUSTER_CONF => $stand->conf($db) });
	is $code, 4, 'nor does a second one';
	like $err, qr/another muster-pusher/, 'and says why';
	is $live->ws('/ws')->status, 101, 'the first is not disturbed';
	$live->stop;
	my $off = Muster::Test::Live::start(bless { %$live, conf_keys => { 'pusher.live' => 'false' } },
		'Muster::Test::Live');
	is $off->ws('/ws')->status, 503, 'live updates can be switched off';
	like $off->ws('/ws')->body_json->{detail}, qr/switched off/, 'with a sentence';
	$off->stop;
	is system(program('muster-pusher') . ' --nonsense 2>/dev/null') >> 8, 2, 'an unknown option is a usage error';
}
done_testing;
