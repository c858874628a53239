#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a runner had that was killed: it runs again at once on the same host, and within 35 seconds on
# another one. With MUSTER_TEST_ALL=yes that time passes; else what is left of it is taken away.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
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
	my ($id, $host) = @_;
	wait_for { my $job = job($id); $job->{state} eq 'running' && $job->{attempt} == 2 && $job->{leased_by} eq $host }
		"it runs on $host";
	return;
}

# ---- here ----

my $first = runner('first', 'one');
my $id = add('here');
my $child = child_of($first);
my $lease_end = job($id)->{leased_until};
kill KILL => $first->pid;
wait_for { is_gone($child) } 'the end of its child';
my $second = runner('second', 'one');
again($id, 'one');
is $db->value('select started_at < $1 from muster.job where id = $2', $lease_end, $id), 't',
	'on the same host it runs again, and not only when its lease is over';
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
wait_for { is_gone($child) } 'the end of its child';
is $db->value(q{select leased_until - now() <= interval '30 seconds' from muster.job where id = $1}, $id), 't',
	'a lease that nobody renews is over in half a minute';
# By the clock of the database: how long after the end of the lease, in seconds.
$lease_end = chaos_is_long() ? job($id)->{leased_until}
	: $db->value(q{update muster.job set leased_until = now() where id = $1 returning leased_until}, $id);
again($id, 'two');
my $late = $db->value('select extract(epoch from started_at - $1) from muster.job where id = $2', $lease_end, $id);
cmp_ok $late, '>=', 0, 'another host leaves it alone until then';
cmp_ok $late, '<', 35, 'and has it soon';
note "another host had it $late s after the end of the lease";
is_deeply [map { $_->[0] } $db->rows('select outcome from muster.job_attempt where job_id = $1 order by number', $id)], ['lost'],
	'which is told of the job';
$db->sql(q{select muster.job_cancel($1); notify muster_wake}, $id);
wait_for { !children_of((children_of($third->pid))[0]) } 'its end';
$third->stop;
done_testing;
