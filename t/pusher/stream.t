#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Server-sent events and long-poll, and what remains of a client that vanishes: nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time sleep);
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new, 'pusher.heartbeat_s' => 1);

{
	my $sse = $live->sse;
	is $sse->status, 200, 'a stream opens';
	like $sse->header('Content-Type'), qr{^text/event-stream}, 'as an event stream';
	is $sse->header('X-Accel-Buffering'), 'no', 'that no front may hold back';
	ok !defined $sse->header('Transfer-Encoding'), 'without chunks';
	my $first = $sse->next_event;
	is $first->{data}{type}, 'connection_established', 'its first frame says so';
	is $first->{data}{last_event_id}, $live->head, 'and where it stands';
	ok $sse->{retry} >= 1000, 'it is told how long to wait before it comes back';
	$live->event('repo-status-change', { n => 1 });
	my $event = $sse->next_event_of('repo-status-change');
	is $event->{id}, $live->head, 'an event has its id';
	ok !defined $event->{event}, 'and no name, so that onmessage gets it';
	is $event->{data}{data}{n}, 1, 'and its data';
	my $beat = $sse->next_event_of('heartbeat');
	is $beat->{data}{last_event_id}, $live->head, 'a heartbeat says the head';
	is $beat->{id}, $live->head, 'which becomes the cursor';

	my $named = $live->sse('/api/v1/events/stream?named=1');
	$named->next_event;
	$live->event('status_change', { n => 2 });
	is $named->next_event_of('status_change')->{event}, 'status_change', 'names come when asked for';

	my $some = $live->sse('/api/v1/sse/events?event_types=status_change,nonsense&project_id=mine');
	is_deeply $some->next_event->{data}{subscribed_event_types}, ['status_change'],
		'a filter is confirmed';
	$live->event('repo-status-change', { n => 3 }, project => 'mine');
	$live->event('status_change', { n => 4 });
	$live->event('status_change', { n => 5 }, project => 'mine');
	is $some->next_event_of('status_change')->{data}{data}{n}, 5, 'and kept: type and project';

	my $back = $live->sse('/api/v1/sse/events?last_event_id=' . $event->{id});
	$back->next_event;
	my $missed = $back->next_event;
	is $missed->{data}{data}{n}, 2, 'who comes back with its cursor gets what it missed';
	ok $missed->{data}{is_replay}, 'marked as replay';
	$_->close for $sse, $named, $some, $back;
	wait_for { $live->http('/api/ws/status')->body_json->{clients} == 0 } 'they are gone';
}

# Figures.
{
	my $sse = $live->sse('/api/v1/sse/events?event_types=status_change&project_id=mine');
	$sse->next_event;
	my $stats = $live->http('/api/v1/sse/stats', Cookie => $live->cookie)->body_json;
	is $stats->{sse_connections}, 1, 'the figures count streams';
	is $stats->{subscription_counts}{status_change}, 1, 'and what they are subscribed to';
	my ($one) = @{ $stats->{connections} };
	is_deeply $one->{subscriptions}, ['status_change'], 'each is listed with its subscriptions';
	is $one->{project_filter}, 'mine', 'and its project';
	like $one->{connected_at}, qr/^\d{4}-\d\d-\d\dT.*Z$/, 'and since when it is there';
	$sse->close;
	wait_for { $live->http('/api/ws/status')->body_json->{clients} == 0 } 'it is gone';
}

# Long-poll.
{
	my $head = $live->head;
	my $wait = Muster::WebSocket->request($live->stream_socket, "/api/v1/events/wait?after=$head",
		Cookie => $live->cookie);
	wait_for { $live->http('/api/ws/status')->body_json->{clients} >= 1 } 'it waits';
	ok !defined $wait->fill(0.2), 'a long-poll waits while there is nothing';
	$live->event('repo-status-change', { n => 6 });
	my $answer = $wait->read_head->body_json;
	is $answer->{events}[0]{data}{n}, 6, 'and answers with the first event';
	is $answer->{last_event_id}, $head + 1, 'and the new cursor';
	is $answer->{reset}, JSON::PP::false, 'and that nothing is missing';
	my $empty = $live->sse('/api/v1/events/wait?timeout_s=1&after=' . $live->head)->body_json;
	is_deeply $empty->{events}, [], 'after its time the answer is empty';
	is $empty->{last_event_id}, $live->head, 'with the head';
}

# Vanishing clients.
sub cpu_of { my ($seconds) = @_; my $before = $live->ticks; sleep $seconds; return $live->ticks - $before }

wait_for { $live->http('/api/ws/status')->body_json->{clients} == 0 } 'all are gone';
my $before = $live->descriptors;
my @crowd = map { $live->sse } 1 .. 20;
push @crowd, map { $live->ws } 1 .. 20;
$_->next_event for @crowd[0 .. 19];
is $live->http('/api/ws/status')->body_json->{clients}, 40, 'forty clients are there';
CORE::close $_->{socket} for @crowd;
wait_for { $live->http('/api/ws/status')->body_json->{clients} == 0 } 'their places are free';
is $live->descriptors, $before, 'clients that vanish leave no open socket';
# 100 ticks are one second of a core; the polls of the log take a few.
cmp_ok cpu_of(2), '<', 20, 'and no work';

# Some that are cut off while they have something to read, and some that send rubbish.
my @rude = map { $live->sse } 1 .. 5;
$live->events('repo-status-change', 50);
$rude[0]->write("rubbish\r\n" x 2000);
wait_for { $live->http('/api/ws/status')->body_json->{clients} == 4 } 'who talks into a stream is cut off';
CORE::close $_->{socket} for @rude;
wait_for { $live->http('/api/ws/status')->body_json->{clients} == 0 } 'all are gone again';
cmp_ok cpu_of(1), '<', 20, 'and the pusher rests';
ok $live->{pusher}->is_running, 'and lives';

done_testing;
