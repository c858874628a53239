#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Frames and messages that break the rules end one connection, and nothing else.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $live = Muster::Test::Live->new(Muster::Test->new, 'pusher.messages_per_minute' => 100000);
my $witness = $live->ws('/ws');
$witness->next;

sub ends {
	my ($what, $do, @codes) = @_;
	my $ws = $live->ws('/ws');
	$ws->next;
	$do->($ws);
	my ($code) = $ws->closed(8);
	ok +(grep { $_ == $code } 1006, @codes), "$what ends the connection ($code)";
}
ends('a reserved bit', sub { $_[0]->send_frame(1, '{}', rsv => 0x40) }, 1002);
ends('an unknown opcode', sub { $_[0]->send_frame(3, 'x') }, 1002);
ends('a continuation of nothing', sub { $_[0]->send_frame(0, 'x') }, 1002);
ends('a long ping', sub { $_[0]->send_frame(9, 'x' x 200) }, 1002);
ends('a ping in parts', sub { $_[0]->send_frame(9, 'x', more => 1) }, 1002);
ends('a binary message', sub { $_[0]->send_frame(2, 'x') }, 1003, 1008);
ends('text that is no UTF-8', sub { $_[0]->send_frame(1, "{\"type\":\"\xff\xfe\"}") }, 1007);
ends('a length with its highest bit set', sub { $_[0]->write(pack 'CCQ>', 0x81, 0xff, 1 << 63) }, 1002, 1009);
ends('a message of 4 GiB', sub { $_[0]->write(pack('CCQ>', 0x81, 0xff, 1 << 32) . 'abcd' . 'x' x 9000) },
	1002, 1009);
ends('a close', sub { $_[0]->send_frame(8, pack 'n', 1000) }, 1000, 1005);

{
	my $ws = $live->ws('/ws');
	$ws->next;
	$ws->send_frame(9, 'are you there');
	my $frame;
	wait_for { $frame = $ws->frame_take or do { $ws->fill(0.1); 0 } } 'a pong';
	is_deeply [@$frame[0, 1]], [10, 'are you there'], 'a ping is answered with its payload';
	$ws->send_frame(1, '{"ty', more => 1);
	$ws->send_frame(9, 'between');
	$ws->send_frame(0, 'pe":"ping"}');
	is $ws->next->{type}, 'pong', 'a message in parts with a ping between is put together';
	$ws->send_text('{"type":"' . 'x' x 3000 . '"}');
	cmp_ok length $ws->next(type => 'error')->{message}, '<', 200, 'an error does not repeat what was sent';
	for my $text ('{"type":"subscribe"', '{"type":null}', '[' x 3000, '"ping"', '{"type":"ping\u0000"}', '',
		'{"a":{"b":{"c":{"d":{"e":1}}}},"type":"ping"}') {
		$ws->send_text($text);
		is $ws->next(type => 'error')->{message}, 'Invalid message format',
			'garbage is answered with an error: ' . substr $text, 0, 20;
	}
}

# Random frames.
srand 11;
my $alive = 0;
for (1 .. 150) {
	my $ws = $live->ws(rand() < 0.5 ? '/ws' : '/api/v1/dashboard/ws');
	for (0 .. int rand 5) {
		my $what = rand;
		if ($what < 0.4) {
			$ws->write(join '', map { chr int rand 256 } 0 .. int rand 60);
		} elsif ($what < 0.7) {
			my $text = '{"type":"subscribe","event_types":["status_change"],"last_event_id":"1"}';
			substr $text, int rand length $text, 1, chr 32 + int rand 90;
			$ws->send_text($text);
		} else {
			$ws->send_frame(int rand 16, 'x' x int rand 130, more => rand() < 0.3, rsv => 0);
		}
	}
	$alive++ if $live->{pusher}->is_running;
}
is $alive, 150, 'random bytes do no harm';
$live->event('repo-status-change', { n => 1 });
is $witness->next(type => 'repo-status-change')->{data}{n}, 1, 'and others are served all the while';
wait_for { $live->http('/api/ws/status')->body_json->{clients} <= 1 } 'all of them are gone';
pass 'their places are free';

done_testing;
