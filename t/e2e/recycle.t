#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Workers of api.fcgi end after api.requests_max requests, and all of them at a reload. Behind each
# of the three web servers that costs nobody an answer, kept connections to the front or not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Stack;
use Muster::Stack::Load;

my $CLIENTS = 6;
my $COUNT = $ENV{MUSTER_TEST_ALL} ? 1000 : 50;
my $REQUESTS_MAX = 10;

sub write_step {
	my ($client, $n, $who) = @_;
	return $client->post('/api/v1/metrics', { metrics => [{ name => 'recycle', value => $n }] })
		if $n % 5 == 0;
	return $client->get('/api/v1/repos?limit=5');
}

for my $front (qw(lighttpd apache nginx)) {
	subtest "behind $front" => sub {
		plan skip_all => "$front is not installed" if !eval {
			Muster::Stack::program_find($front eq 'apache' ? 'apache2' : $front);
		};
		my $stack = Muster::Stack->new(front => $front, pusher => 0, conf => { 'api.workers' => 3,
			'api.requests_max' => $REQUESTS_MAX, 'api.rate_limit' => 'false' });
		$stack->account('ann@example.org', 'developer');
		$stack->root('/srv/git');
		$stack->report([ map { { name => "r$_", status => 'clean', path => "/srv/git/r$_" } } 1 .. 20 ]);
		my $ann = $stack->client->login('ann@example.org');
		my $parent = $stack->api->pid;
		my $workers = sub { return split ' ', slurp("/proc/$parent/task/$parent/children") };

		my $start;
		for my $keep_alive (1, 0) {
			$start = time;
			my $load = Muster::Stack::Load->start($ann, clients => $CLIENTS, count => $COUNT,
				keep_alive => $keep_alive, step => \&write_step);
			is_deeply $load->wait, { 200 => $CLIENTS * $COUNT * 4 / 5, 201 => $CLIENTS * $COUNT / 5 },
				$CLIENTS * $COUNT . ' answers, ' . ($keep_alive ? 'kept' : 'new') . ' connections';
			diag sprintf '%s: %.0f a second', $front, $CLIENTS * $COUNT / (time - $start)
				if $ENV{TEST_VERBOSE};
		}
		is $stack->db->value(q{select count(*) from muster.metric where name = 'recycle'}),
			2 * $CLIENTS * $COUNT / 5, 'each write was done once';

		my @before = $workers->();
		my $load = Muster::Stack::Load->start($ann, clients => $CLIENTS, step => \&write_step);
		for (1 .. 3) {
			my %old = map { $_ => 1 } $workers->();
			$stack->api->signal('HUP');
			wait_for { my @now = $workers->(); @now == 3 && !grep { $old{$_} } @now } 'others';
		}
		is_deeply [sort keys %{ $load->stop }], [200, 201], 'three reloads cost nobody an answer';
		is scalar(() = $stack->api->output =~ /crashed/g), 0, 'no worker crashed';
	};
}
done_testing;
