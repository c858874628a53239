#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Clients that do not read cost no memory and hold nobody up.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

# The address sanitizer keeps what was freed for a while, which is not the pusher's memory.
$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'quarantine_size_mb=0', 'thread_local_quarantine_size_kb=0';
my $live = Muster::Test::Live->new(Muster::Test->new, 'pusher.ring_events' => 64, 'pusher.replay_max' => 100000);
my $rounds = 12;
my $a_round = 300;

my $start = $live->head;
my $good = $live->ws("/ws?last_event_id=$start");
my @deaf = map { ($live->ws("/ws?last_event_id=$start"), $live->sse("/api/v1/sse/events?last_event_id=$start")) }
	1 .. 5;
# One round, so that what is allocated once is there.
my $n = 0;
my $missed = 0;
my $expected = 1;
my $round = sub {
	$live->db->sql(q{insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select $1, 'default', 'audit', 'repo-status-change', 'x',
			jsonb_build_object('n', n, 'fill', repeat('x', 800)) from generate_series($2::int, $3::int) n},
		$live->{default}{id}, $n + 1, $n + $a_round);
	$n += $a_round;
	$live->wake;
	while (1) {
		my $message = $good->next(type => 'repo-status-change');
		$missed++ if $message->{data}{n} != $expected++;
		return if $message->{data}{n} == $n;
	}
};
$round->();
my $before = $live->rss_kib;
$round->() for 2 .. $rounds;
is $missed, 0, 'one that reads gets everything beside ten that do not';
my $grown = $live->rss_kib - $before;
SKIP: {
	# What the address sanitizer keeps back is not ours.
	skip 'the pusher is built with a sanitizer', 1
		if slurp('/proc/' . $live->{pusher}->pid . '/maps') =~ /libasan|libclang_rt/;
	cmp_ok $grown, '<', 3000, "and memory does not grow ($grown KiB after " . int($n * 0.9 / 1024) . ' MiB for each)';
}

# When they do read after all, everything is there and in order.
$live->event('repo-status-change', { n => $n + 1 });
for my $client (@deaf[0, 1]) {
	my @n;
	while (!@n || $n[-1] != $n + 1) {
		my $message = $client == $deaf[0] ? $client->next
			: ($client->next_event // die 'the stream ended')->{data};
		push @n, $message->{data}{n} if $message->{type} eq 'repo-status-change';
	}
	my @wrong = grep { $n[$_] != $_ + 1 } 0 .. $#n;
	is scalar @wrong, 0, 'who reads late gets all of it, in order';
}
ok $live->{pusher}->is_running, 'the pusher lives';

# Deaf and mute ones are given up.
$live->stop;
$live->{conf_keys}{'pusher.heartbeat_s'} = 1;
$live->start;
my $mute = $live->ws('/ws');
$mute->{mute} = 1;
my $polite = $live->ws('/ws');
wait_for { $polite->quiet(0.1); $mute->quiet(0.1); $mute->{close} } 'the mute one is closed';
ok !$polite->{close}, 'a WebSocket that answers no ping is given up, one that does is not';

done_testing;
