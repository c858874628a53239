#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# PostgreSQL is killed in the middle of the work, and held by a session that does nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;
use Muster::Test::Chaos;

my $stand = Muster::Test->new;
my $chaos = Muster::Test::Chaos->new($stand);
my $db = $chaos->db;
my $times = chaos_is_long() ? 5 : 1;

# ---- killed ----

my $runner = $chaos->runner('first');
for my $kill (1 .. 2 * $times) {
	my $before = $chaos->left;
	$chaos->load(good => 80);
	$chaos->wait_left($before + 60);
	kill KILL => $stand->cluster->server_pid;
	$stand->cluster->up;
	ok $runner->is_running, 'the runner outlives its database';
}
$chaos->settled('PostgreSQL killed');

# ---- held ----

# A person's session: begin, look at some jobs, and go home. First at those that run or wait …
for my $hold (1 .. $times) {
	my $idle = $db->session;
	$chaos->load(good => 60);
	$chaos->wait_left(50);
	kill STOP => $runner->pid;
	my $held = $idle->ask(q{begin; select id from muster.job where state in ('queued', 'running') order by id limit 20 for update});
	kill CONT => $runner->pid;
	cmp_ok scalar(() = $held =~ /\d+/g), '>=', 10, 'a session that does nothing holds jobs that wait and jobs that run';
	wait_for { $chaos->left <= 20 } 'the others';
	pass 'the others are done meanwhile';
	# … then all of the queue.
	$idle->ask('lock table muster.job');
	my ($hang) = children_of($runner->pid);
	my $until = time + 3;
	wait_for { time > $until } 'a while in which nothing can be had';
	ok $runner->is_running, 'the runner waits for the queue';
	$idle->ask('commit');
	$idle->close;
	$chaos->settled('the queue held');
}

# ---- and its children are minded meanwhile ----

my $hang = $db->value(q{select muster.job_add((select id from muster.organization), 'hang', 'hang', p_attempts_max => 1)
	from pg_notify('muster_wake', '')});
my $child = wait_for { $chaos->child } 'the child of a job that hangs';
my $idle = $db->session;
$idle->ask('begin; lock table muster.job');
wait_for { is_gone($child) } 'its end, by the limit of its time';
pass 'while the queue is held, limits of time hold';
$idle->ask('commit');
$idle->close;
$chaos->settled('after the hang');
like $db->value('select error from muster.job where id = $1', $hang), qr/time .* was over/, 'and the reason is kept until it can be told';

$chaos->finish;
done_testing;
