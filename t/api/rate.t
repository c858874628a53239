#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How often one client may ask, over all workers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(pusher => 0, conf => { 'api.workers' => 3, 'log.level' => 'warning' });
$stack->account("$_\@example.org", 'developer') for qw(ann ben);
# With a connection each: on a kept one every POST waits 40 ms for the other side's delayed ACK.
my $ann = $stack->client(keep_alive => 0)->login('ann@example.org');
my $ben = $stack->client->login('ben@example.org');

# Asking for a stream token is of class "write": 200 at once, then 20 a second.
my (%seen, $refused);
my $start = time;
for (1 .. 400) {
	my $answer = $ann->post('/api/v1/auth/stream-token', '{}');
	$seen{ $answer->{status} }++;
	if ($answer->{status} == 429) {
		$refused = $answer;
		last;
	}
}
my $took = time - $start;
SKIP: {
	skip "this machine is too slow to ask too often ($took s)", 5 if !$refused && $took > 9;
	cmp_ok $seen{200}, '>=', 200, 'a burst is fine';
	cmp_ok $seen{200}, '<=', 201 + 20 * $took, 'but no more than the allowance';
	is $refused->{headers}{'retry-after'}, 1, 'then one is told when to come back';
	is $refused->{headers}{'content-type'}, 'application/problem+json; charset=utf-8', 'as a problem';
	is $ann->get('/api/v1/auth/me')->{status}, 200, 'reads are counted apart';
}
is $ben->post('/api/v1/auth/stream-token', '{}')->{status}, 200, 'and others are not hindered';
wait_for { $ann->post('/api/v1/auth/stream-token', '{}')->{status} == 200 } 'the allowance comes back';
pass 'the allowance comes back';

# Passwords: 50 tries at once from an address, whatever the accounts.
my %tries;
for my $n (1 .. 80) {
	$tries{ $stack->client->post('/api/v1/auth/login', '{}')->{status} }++;
}
cmp_ok $tries{429} // 0, '>', 0, 'sign-ins from one address are limited';
is $ann->get('/healthz')->{status}, 200, 'health is always told';
done_testing;
