#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Live updates through the three web servers, with the configurations that we ship.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Stack;
use Muster::WebSocket;

my @fronts = grep { eval { Muster::Stack::program_find($_ eq 'apache' ? 'apache2' : $_) } }
	qw(lighttpd apache nginx);
plan skip_all => 'there is no web server' unless @fronts;

for my $front (@fronts) {
	subtest $front => sub {
		my $stack = Muster::Stack->new(front => $front, conf => { 'pusher.heartbeat_s' => 1,
			'api.metrics_from' => '127.0.0.1' });
		# Apache does not serve as root, and these sockets are for one group.
		chmod 0666, map { $stack->stand->run_dir . "/$_.sock" } qw(pusher stream);
		$stack->account('ann@example.org', 'developer');
		my %still = map { ("still-$_" => 'clean') } 1 .. 10;
		my $report = sub {
			my ($status) = @_;
			$stack->report([ map { { name => $_, path => "/srv/$_", status => $still{$_} // $status } }
				sort keys %still, 'one' ]);
		};
		$report->('clean');
		my $ann = $stack->client->login('ann@example.org');
		my $address = '127.0.0.1:' . $stack->port;
		my %as_ann = (Host => $address, Cookie => 'muster_session=' . $ann->cookie);
		my $clients = sub { $ann->get('/api/ws/status')->{json}{clients} };

		# The session is known to the pusher as soon as it is made.
		my $ws = wait_for {
			my $try = Muster::WebSocket->connect($address, '/ws', %as_ann, Origin => "http://$address");
			$try->status == 101 && $try;
		} 'a WebSocket opens';
		is $ws->next(type => 'audit-update')->{data}{summary}{total}, 11, 'a WebSocket gets its snapshot';
		is(Muster::WebSocket->connect($address, '/ws', %as_ann, Origin => 'http://evil.example')->status,
			403, "another site's page is refused");
		isnt(Muster::WebSocket->connect($address, '/ws', Host => $address)->status, 101,
			'so is somebody who is not signed in');
		my $sse = Muster::WebSocket->get($address, '/api/v1/sse/events', %as_ann);
		is $sse->status, 200, 'a stream opens';
		my $stream = sub {
			# Chunk sizes stand on lines of their own; what is a frame is found all the same.
			my ($type) = @_;
			my $seen = '';
			return wait_for {
				$sse->fill(0.05);
				$sse->{in} =~ s/^data: (\{[^\n]*"type" ?: ?"\Q$type\E"[^\n]*\})$//m && $1;
			} "a stream brings $type";
		};
		ok $stream->('connection_established'), 'and says where it stands at once';
		my $poll = Muster::WebSocket->request($address, '/api/v1/events/wait?after='
			. $stack->db->value('select head from muster.stream'), %as_ann, Connection => 'close');

		my $start = time;
		$report->('dirty');
		is $ws->next(type => 'repo-status-change')->{data}{repo}{status}, 'dirty', 'a change arrives';
		like $stream->('repo-status-change'), qr/dirty/, 'in the stream';
		like $poll->read_head->body, qr/dirty/, 'and in the long-poll';
		cmp_ok time - $start, '<', 5, 'without being held back';
		$ws->next(type => 'heartbeat');
		ok $stream->('heartbeat'), 'heartbeats pass';

		is $ann->get('/api/v1/sse/stats')->{json}{sse_connections}, 1, 'the figures come through';
		my $told = wait_for {
			my $answer = $ann->post('/api/ws/trigger-update', {});
			$answer->{status} != 200 || ($answer->{json}{clients} // 0) == 2 ? $answer : undef;
		} 'the file that says how many watch';
		is $told->{status}, 200, 'an update is asked for by hand' or diag $told->{content};
		is_deeply [sort keys %{ $told->{json} }], [qw(clients message timestamp)], 'which is answered';
		is $ws->next(type => 'audit-update')->{data}{summary}{dirty}, 1, 'and everybody gets it';
		like $stream->('audit-update'), qr/"dirty" ?: ?1/, 'in the stream, too';
		my $figures = $ann->get('/metrics')->{content};
		like $figures, qr/^muster_live_connections\{transport="websocket"\} 1$/m, 'WebSockets are counted';
		like $figures, qr/^muster_live_connections\{transport="sse"\} 1$/m, 'and streams';
		like $figures, qr/^muster_live_messages_total [1-9]/m, 'and what they were given';
		my ($alerts) = slurp(src_dir() . '/contrib/prometheus/muster.yml') =~ /name: muster-live(.*)/s;
		my %warns = map { $_ => 1 } $alerts =~ /\b(muster_\w+)/g;
		cmp_ok scalar(keys %warns), '>', 4, 'the sample warns of figures of live updates';
		is_deeply [grep { $figures !~ /^\Q$_\E /m } sort keys %warns], [], 'that there are';
		cmp_ok $clients->(), '>=', 2, 'both are counted';
		CORE::close $_->{socket} for $ws, $sse;
		wait_for { $clients->() == 0 } 'clients that vanish are gone behind the front, too';
		pass 'clients that vanish are gone behind the front, too';

		my $until = Muster::WebSocket->connect($address, '/ws', %as_ann);
		$until->next(type => 'audit-update');
		$ann->post('/api/v1/auth/logout', {});
		is +($until->closed)[0], 4401, 'signing out closes the connection, and says why';
		is $ann->get('/healthz')->{json}{checks}{live}, 'pass', 'health knows that the pusher lives';
		$stack->pusher->stop;
		is $ann->get('/healthz')->{json}{checks}{live}, 'warn', 'and that it is gone';
		like $ann->get('/metrics')->{content}, qr/^muster_pusher_up 0$/m, 'so do the figures';
		$stack->front->stop;
		$stack->api->stop;
	};
}
done_testing;
