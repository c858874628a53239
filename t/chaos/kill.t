#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Children, helpers and runners are killed in the middle of the work.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Chaos;

my $stand = Muster::Test->new;
my $chaos = Muster::Test::Chaos->new($stand);
my $times = chaos_is_long() ? 5 : 1;

my $runner = $chaos->runner('first');
$chaos->load(good => 150 * $times, crash => 5);
for my $kill (1 .. 15 * $times) {
	my $child = wait_for {
		# A busy machine sees few of them.
		$chaos->child // do { $chaos->load(good => 50) if $chaos->left < 20; undef };
	} 'a child', 60;
	kill KILL => $child;
	wait_for { is_gone($child) } 'its end';
}
$chaos->settled('children killed');
cmp_ok $chaos->db->value(q{select count(*) from muster.job_attempt where error like '%signal 9%'}), '>=', 5,
	'a death is known with its signal';

$chaos->load(good => 100 * $times);
for my $kill (1 .. 2 * $times) {
	$chaos->wait_left(100 * $times - 20 * $kill);
	my ($helper) = wait_for { (children_of($runner->pid))[0] } 'the helper';
	kill KILL => $helper;
	wait_for { is_gone($helper) } 'its end';
}
$chaos->settled('helpers killed');

$chaos->load(good => 150 * $times);
for my $kill (1 .. 3 * $times) {
	$chaos->wait_left(150 * $times - 20 * $kill);
	my @helpers = children_of($runner->pid);
	my @children = map { children_of($_) } @helpers;
	kill KILL => $runner->pid;
	wait_for { !grep { !is_gone($_) } @helpers, @children } 'the end of all that it started';
	$runner = $chaos->runner("after-$kill");
}
$chaos->settled('runners killed');
cmp_ok $chaos->db->value(q{select count(*) from muster.job_attempt where outcome = 'lost'}), '>', 0,
	'what a runner had is known to be lost';

$chaos->finish;
done_testing;
