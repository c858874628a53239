#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The two WebSocket dialects: the auditor's /ws and the dashboard's.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new, 'pusher.heartbeat_s' => 1);

# /ws
{
	my $ws = $live->ws('/ws');
	is $ws->status, 101, 'somebody who is signed in gets a WebSocket';
	my $first = $ws->next;
	is $first->{type}, 'audit-update', 'the first message is a snapshot';
	is $first->{data}, undef, 'without any report it is null';

	$live->report('default', { one => 'clean', two => 'dirty' });
	my $change = $ws->next(type => 'audit-update');
	is $change->{data}{health_status}, 'green', 'a first report is an audit-update';
	like $change->{event_id}, qr/^[0-9]+$/, 'it has an id';
	like $change->{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'and a time';

	$live->report('default', { one => 'clean', two => 'clean', map { ("r$_" => 'clean') } 1 .. 10 });
	$ws->next(type => 'audit-update');
	$live->report('default', { one => 'dirty', two => 'clean', map { ("r$_" => 'clean') } 1 .. 10 });
	my $repo = $ws->next(type => 'repo-status-change');
	is $repo->{data}{repo}{name}, 'one', 'one repository that changed is told by itself';
	is $repo->{data}{repo}{status}, 'dirty', 'with its status';
	is $repo->{data}{previous_status}, 'clean', 'and the one before';
	is $repo->{data}{summary}{total}, 12, 'and the new summary';
	is $repo->{project_id}, 'default', 'and its project';

	$ws->send_json({ type => 'ping' });
	like $ws->next(type => 'pong')->{timestamp}, qr/Z$/, 'ping is answered with pong';
	$ws->send_json({ type => 'get-status' });
	my $status = $ws->next(type => 'status');
	is $status->{data}{clients}, 1, 'get-status tells the clients';
	ok $status->{data}{uptime} >= 0, 'and the uptime';
	$ws->send_json({ type => 'request-update' });
	my $full = $ws->next(type => 'audit-update');
	is scalar @{ $full->{data}{repos} }, 12, 'request-update gets the whole report';
	$ws->send_json({ type => 'brew-coffee' });
	is $ws->next(type => 'error')->{message}, 'Unknown message type: brew-coffee',
		'another type is an error';
	for my $garbage ('no json', '[]', '{}', '{"type":1}', '{"type":"ping","type":"ping"}') {
		$ws->send_text($garbage);
		is $ws->next(type => 'error')->{message}, 'Invalid message format', 'so is garbage';
	}
	my $beat = $ws->next(type => 'heartbeat');
	is $beat->{last_event_id}, $live->head, 'a heartbeat carries the head of the log';
	ok scalar @{ $ws->{pings} }, 'and a ping came with it';

	my $again = $live->ws("/ws?last_event_id=$repo->{event_id}");
	$live->event('repo-status-change', { repo => { name => 'later' } });
	is $again->next->{data}{repo}{name}, 'later',
		'who comes back with its cursor gets no snapshot but what follows';
	my $before = $live->ws('/ws?last_event_id=' . ($repo->{event_id} - 1));
	is $before->next->{event_id}, $repo->{event_id}, 'and what it missed first';
	$_->close for $again, $before, $ws;
}

# A long report comes as a summary with an address.
{
	$live->report('default', { map { ("repository-with-a-long-name-$_" => 'clean') } 1 .. 600 });
	my $ws = $live->ws('/ws');
	my $first = wait_for {
		my $other = $live->ws('/ws');
		my $message = $other->next(type => 'audit-update');
		($message->{data}{summary}{total} // 0) == 600 && $message;
	} 'the long report is the snapshot';
	is $first->{data}{url}, '/audit', 'a snapshot over 64 KiB carries an address';
	ok !exists $first->{data}{repos}, 'and not the repositories';
	like $first->{data}{report_id}, qr/^[0-9a-f-]{36}$/, 'and the report id';
	is $first->{data}{position}, $first->{event_id}, 'and the position';
	$ws->send_json({ type => 'request-update' });
	my $full = wait_for {
		my $message = $ws->next(type => 'audit-update');
		@{ $message->{data}{repos} // [] } == 600 && $message;
	} 'the full form';
	is scalar @{ $full->{data}{repos} }, 600, 'request-update gets the full form, in pieces';
}

# /api/v1/dashboard/ws
{
	my $ws = $live->ws('/api/v1/dashboard/ws');
	my $hello = $ws->next;
	is $hello->{type}, 'connection_established', 'the dashboard is greeted';
	like $hello->{connection_id}, qr/^conn_\d+$/, 'with a connection id';
	ok $hello->{supports_reconnection}, 'it may reconnect';
	is $hello->{heartbeat_interval}, 1, 'it is told the heartbeat';
	ok((grep { $_ eq 'repo-status-change' } @{ $hello->{available_event_types} }),
		'and what there is');
	ok !(grep { $_ eq 'session-change' } @{ $hello->{available_event_types} }),
		'but not what is for programs';

	$live->event('repo-status-change', { n => 1 });
	$ws->next(type => 'heartbeat');
	ok !(grep { $_->{type} eq 'repo-status-change' } @{ $ws->{skipped} }),
		'nothing comes before subscribe';
	$ws->send_json({ type => 'subscribe', event_types => ['status_change', 'nonsense'],
		project_id => 'default' });
	my $confirmed = $ws->next(type => 'subscription_confirmed');
	is_deeply $confirmed->{event_types}, ['status_change'], 'a subscription is confirmed';
	is_deeply $confirmed->{rejected_event_types}, ['nonsense'], 'unknown names are given back';
	is $confirmed->{project_id}, 'default', 'with the project';
	$live->event('repo-status-change', { n => 2 });
	$live->event('status_change', { n => 3 }, project => 'other');
	$live->event('status_change', { n => 4 }, channel => 'runs');
	my $event = $ws->next(type => 'status_change');
	is $event->{data}{n}, 4, 'only what was subscribed to comes';
	is_deeply [grep { $_->{type} ne 'heartbeat' } @{ $ws->{skipped} }], [], 'and nothing else';

	$ws->send_json({ type => 'subscribe', event_types => ['repo-status-change'],
		last_event_id => $event->{event_id} - 3 });
	my $replayed = $ws->next(type => 'repo-status-change');
	is $replayed->{data}{n}, 2, 'a subscription with a cursor replays';
	ok $replayed->{is_replay}, 'and says so';
	is $ws->next(type => 'subscription_confirmed')->{last_event_id}, $event->{event_id} - 3,
		'then confirms';
	$live->event('repo-status-change', { n => 5 });
	my $new = $ws->next(type => 'repo-status-change');
	is $new->{data}{n}, 5, 'new events follow';
	ok !$new->{is_replay}, 'and are no replay';
	$ws->send_json({ type => 'reconnect', last_event_id => $new->{event_id} });
	is $ws->next(type => 'reconnect_confirmed')->{last_event_id}, $new->{event_id},
		'reconnect is confirmed';
	$ws->send_json({ type => 'ping' });
	is $ws->next(type => 'pong')->{connection_id}, $hello->{connection_id}, 'ping is answered';
	$ws->send_json({ type => 'get_stats' });
	my $stats = $ws->next(type => 'stats_response')->{stats};
	is $stats->{subscription_counts}{'repo-status-change'}, $stats->{websocket_connections},
		'get_stats counts subscriptions';
	is $stats->{message_queue_size}, 0, 'and the queue that there is not';
	$ws->send_json({ type => 'what' });
	like $ws->next(type => 'error')->{message}, qr/Unknown message type/, 'others are errors';
	$ws->send_json({ type => 'subscribe', event_types => 'all' });
	is $ws->next(type => 'error')->{message}, 'Invalid message format', 'so is a wrong subscribe';
	$ws->send_json({ type => 'subscribe', last_event_id => '99999999999' });
	my $reset = $ws->next(type => 'reset');
	ok $reset->{gap}, 'a cursor above the head is reset';
	is $reset->{event_id}, $live->head, 'to the head';
}

# Status answers
{
	my $status = $live->http('/api/ws/status')->body_json;
	is $status->{status}, 'healthy', 'the status is open to anybody';
	is $status->{maxConnections}, 10000, 'and tells the limit';
	is $live->http('/api/v1/dashboard/ws/stats')->status, 401, 'counts are for who is signed in';
	my $stats = $live->http('/api/v1/dashboard/ws/stats', Cookie => $live->cookie)->body_json;
	is_deeply [sort grep { !/^subscription/ } keys %$stats],
		[qw(message_queue_size total_connections websocket_connections)], 'as the seed has them';
	my $clients = $live->http('/api/ws/clients', Cookie => $live->cookie)->body_json;
	is $clients->{clients}, scalar @{ $clients->{connections} }, 'an administrator sees the clients';
	$live->db->sql(q{update muster.membership set role = 'viewer'});
	$live->wake;
	wait_for { $live->http('/api/ws/clients', Cookie => $live->cookie)->status == 403 }
		'the lower role is known';
	pass 'a viewer does not';
}

done_testing;
