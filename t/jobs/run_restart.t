#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a runner had that was killed: it runs again at once on the same host, and within 35 seconds on
# another one. With MUSTER_TEST_ALL=yes that time passes; else what is left of it is taken away.
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

sub job { return $db->json('select to_jsonb(j) from muster.job j where id = $1', $_[0]) }
sub runner {
	my ($name, $host) = @_;
	return $chaos->runner($name, host => $host);
}
sub add {
	my ($key) = @_;
	return $db->value(q{select muster.job_add((select id from muster.organization), 'sleep', $1, '{"ms": 60000}')
		from pg_notify('muster_wake', '')}, $key);
}
# Until its process runs.
sub child_of { my ($runner) = @_; return wait_for { my ($helper) = children_of($runner->pid); $helper && (children_of($helper))[0] } 'a child' }
sub again {
	my ($id, $host, $seconds) = @_;
	wait_for { my $job = job($id); $job->{state} eq 'running' && $job->{attempt} == 2 && $job->{leased_by} eq $host }
		"it runs on $host", $seconds;
	return;
}

# ---- here ----

my $first = runner('first', 'one');
my $id = add('here');
my $child = child_of($first);
kill KILL => $first->pid;
my $from = time;
wait_for { is_gone($child) } 'the end of its child';
my $second = runner('second', 'one');
again($id, 'one', 15);
cmp_ok time - $from, '<', 15, 'on the same host it runs again at once';
is job($id)->{crashes}, 1, 'as one that was lost';
like $second->output, qr/whose runner was lost/, 'which the log says';
is scalar(() = glob $stand->dir . '/one/state/slot/job-*'), 1, 'and it is one job';
$db->sql(q{select muster.job_cancel($1); notify muster_wake}, $id);
wait_for { !children_of((children_of($second->pid))[0]) } 'its end';

# ---- elsewhere ----

$id = add('elsewhere');
$child = child_of($second);
my $third = runner('third', 'two');
kill KILL => $second->pid;
$from = time;
wait_for { is_gone($child) } 'the end of its child';
my $left = $db->value(q{select extract(epoch from leased_until - now()) from muster.job where id = $1}, $id);
cmp_ok $left, '<=', 30, 'a lease that nobody renews is over in half a minute';
cmp_ok $left, '>', 10, 'and not before' or diag $left;
if (chaos_is_long()) {
	again($id, 'two', 45);
	cmp_ok time - $from, '<', 35, 'another host has it within 35 seconds';
} else {
	$db->sql(q{update muster.job set leased_until = now() where id = $1}, $id);
	$from = time;
	again($id, 'two', 15);
	cmp_ok time - $from, '<', 5, 'another host has it within 5 seconds more';
}
is_deeply [map { $_->[0] } $db->rows('select outcome from muster.job_attempt where job_id = $1 order by number', $id)], ['lost'],
	'which is told of the job';
$db->sql(q{select muster.job_cancel($1); notify muster_wake}, $id);
wait_for { !children_of((children_of($third->pid))[0]) } 'its end';
$third->stop;
done_testing;
