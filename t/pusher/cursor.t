#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# One cursor on every transport: nothing is missed, nothing comes twice, and what cannot be had any
# more is said.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new, 'pusher.ring_events' => 16,
	'pusher.replay_max' => 2000);
my $db = $live->db;

# The numbers that arrive, up to `last`.
sub numbers_until {
	my ($ws, $last) = @_;
	my @n;
	while (1) {
		my $message = $ws->next;
		next if $message->{type} ne 'repo-status-change';
		push @n, $message->{data}{n};
		return \@n if $message->{data}{n} == $last;
	}
}

# Two overlapping transactions: the one that wrote first commits last.
{
	my $head = $live->head;
	my $ws = $live->ws("/ws?last_event_id=$head");
	my $insert = q{insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		values ($1, 'default', 'audit', 'repo-status-change', 'x', jsonb_build_object('n', $2::int))};
	my ($first, $second) = ($db->session, $db->session);
	$first->ask('begin');
	$first->ask($insert, $live->{default}{id}, 1);
	$second->ask($insert, $live->{default}{id}, 2);
	$live->wake;
	my $early = $ws->next;
	is $early->{data}{n}, 2, 'what was committed arrives while an earlier transaction is open';
	$first->ask('commit');
	$live->wake;
	my $late = $ws->next;
	is $late->{data}{n}, 1, 'the late commit is not missed';
	ok $late->{event_id} > $early->{event_id}, 'and stands behind the other in the log';
	my $again = $live->ws("/ws?last_event_id=$early->{event_id}");
	is $again->next->{data}{n}, 1, 'a cursor between the two finds it too';
	$_->close for $first, $second, $ws, $again;
}

# Behind the ring: from the log.
{
	my $start = $live->head;
	$live->events('repo-status-change', 1500);
	wait_for { $live->head == $start + 1500 } 'the events are numbered';
	my $ws = $live->ws("/ws?last_event_id=$start");
	is_deeply numbers_until($ws, 1500), [1 .. 1500], 'what the ring has lost comes from the log, in order';
	$live->event('repo-status-change', { n => 1501 });
	is $ws->next->{data}{n}, 1501, 'then live events follow';

	my $middle = $start + 700;
	my $sse = $live->sse('/api/v1/sse/events', 'Last-Event-ID' => $middle);
	is $sse->next_event->{data}{last_event_id}, $middle, 'another transport takes the same cursor';
	my @ids = map { $sse->next_event->{id} } 1 .. 801;
	is_deeply \@ids, [$middle + 1 .. $middle + 801], 'and gets the same events';

	my $poll = $live->sse("/api/v1/events/wait?after=$middle&limit=10")->body_json;
	is_deeply [map { $_->{event_id} } @{ $poll->{events} }], [$middle + 1 .. $middle + 10],
		'so does long-poll';
	is $poll->{last_event_id}, $middle + 10, 'which says where to go on';

	# Many at once.
	my @all = map { $live->ws("/ws?last_event_id=$middle") } 1 .. 20;
	my @bad = grep { my $n = numbers_until($_, 1501); "@$n" ne join ' ', 701 .. 1501 } @all;
	is scalar @bad, 0, 'twenty that come back at once get all of it';
	$_->close for @all, $ws, $sse;
}

# What is never given silently.
{
	my $head = $live->head;
	my $ws = $live->ws('/ws?last_event_id=' . ($head + 1000));
	my $reset = $ws->next;
	is $reset->{type}, 'reset', 'a cursor above the head is reset';
	is $reset->{event_id}, $head, 'to the head';
	is $ws->next->{type}, 'audit-update', 'and a snapshot follows on /ws';
	$live->event('repo-status-change', { n => 1 });
	is $ws->next(type => 'repo-status-change')->{data}{n}, 1, 'and what comes after';

	my $far = $live->ws('/ws?last_event_id=99999999999999999999999999');
	is $far->next->{type}, 'reset', 'so is one that is no number of ours';
	is $live->ws('/ws?last_event_id=-1')->status, 400, 'and no number at all is refused';

	$live->events('repo-status-change', 2100);
	# Until the pusher itself has come so far: before, they are simply what comes next.
	1 until $ws->next(type => 'repo-status-change')->{data}{n} == 2100;
	my $behind = $live->ws("/ws?last_event_id=$head");
	is $behind->next->{reason}, 'too many events were missed', 'too far behind is reset';

	$db->sql('update muster.stream set floor = head - 50');
	my $floor = $db->value('select floor from muster.stream');
	my $gone = $live->ws('/ws?last_event_id=' . ($floor - 1));
	is $gone->next->{reason}, 'events were missed', 'a cursor below the floor is reset';
	my $poll = $live->sse('/api/v1/events/wait?after=' . ($floor - 1))->body_json;
	ok $poll->{reset}, 'in a long-poll too';
	is_deeply $poll->{events}, [], 'without a part of the events';
	my $sse = $live->sse('/api/v1/sse/events', 'Last-Event-ID' => $floor - 1);
	$sse->next_event;
	my $event = $sse->next_event;
	is $event->{data}{type}, 'reset', 'and in a stream';
	ok $event->{data}{gap}, 'where it says that there is a gap';

	# A restore: numbers jump.
	my $here = $live->ws('/ws?last_event_id=' . $live->head);
	$db->sql('select muster.stream_raise()');
	$live->wake;
	is $here->next(type => 'reset')->{event_id}, $live->head,
		'when the log was restored everybody starts again';
	$live->event('repo-status-change', { n => 7 });
	is $here->next(type => 'repo-status-change')->{data}{n}, 7, 'and lives on';
}

done_testing;
