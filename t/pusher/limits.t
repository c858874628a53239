#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Caps on clients, messages and memory.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Live;

my $stand = Muster::Test->new;
my $live = Muster::Test::Live->new($stand, 'pusher.clients_max' => 12, 'pusher.clients_per_account' => 8,
	'pusher.clients_per_address' => 4, 'pusher.messages_per_minute' => 20,
	'pusher.message_max_bytes' => 200);
my $other = $live->organization('other');
wait_for { $live->ws('/ws', Cookie => $live->cookie($other->{token}))->status == 101 } 'both are known';
my $count = sub { $live->http('/api/ws/status')->body_json->{clients} };
wait_for { $count->() == 0 } 'nobody is there';

{
	my @from = map { $live->ws('/ws', 'X-Forwarded-For' => '9.9.9.9, 192.0.2.1') } 1 .. 4;
	is_deeply [map { $_->status } @from], [(101) x 4], 'as many as may be from an address get in';
	my $one = $live->ws('/ws', 'X-Forwarded-For' => '9.9.9.9, 192.0.2.1');
	is $one->status, 429, 'one more from the same address does not';
	like $one->body_json->{detail}, qr/address/, 'and is told why';
	push @from, map { $live->ws('/ws', 'X-Forwarded-For' => '192.0.2.2') } 1 .. 4;
	is_deeply [map { $_->status } @from], [(101) x 8], 'from another address one gets in';
	my $ninth = $live->ws('/ws', 'X-Forwarded-For' => '192.0.2.3');
	is $ninth->status, 429, 'but not once more for the same account';
	like $ninth->body_json->{detail}, qr/account/, 'which is told too';
	my @more = map { $live->ws('/ws', Cookie => $live->cookie($other->{token})) } 1 .. 4;
	is_deeply [map { $_->status } @more], [(101) x 4], 'another account gets in';
	my $full = $live->sse('/api/v1/sse/events', Cookie => $live->cookie($other->{token}));
	is $full->status, 429, 'until all places are taken';
	$_->close for @from;
	wait_for { $count->() == 4 } 'the places are free';
	is $live->ws('/ws', 'X-Forwarded-For' => '192.0.2.1')->status, 101, 'then others get in';
}
wait_for { $count->() == 0 } 'nobody is there';

{
	my $ws = $live->ws('/ws');
	$ws->send_json({ type => 'ping' }) for 1 .. 20;
	$ws->next(type => 'pong') for 1 .. 20;
	pass 'as many messages as may be are answered';
	$ws->send_json({ type => 'ping' }) for 1 .. 5;
	is +($ws->closed)[0], 1008, 'more of them end the connection';
	my $long = $live->ws('/ws');
	$long->next;
	$long->send_json({ type => 'ping', x => 'x' x 200 });
	is +($long->closed)[0], 1009, 'a message over the limit ends it too';
	my $parts = $live->ws('/ws');
	$parts->next;
	$parts->send_frame(1, '{"type":', more => 1);
	$parts->send_frame(0, 'x' x 100, more => 1) for 1 .. 3;
	is +($parts->closed)[0], 1009, 'also in parts';
}
done_testing;
