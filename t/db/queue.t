#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The queue: a job is given to one runner, done under its lease, tried again, and given up.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my $db = $stand->database;
my $acme = $db->value(q{select muster.organization_add('acme')});
my $jobs = $db->as('muster_jobs');

sub add {
	my ($key, %option) = @_;
	return $jobs->value(q{select muster.job_add($1, $2, $3, $4, $5, p_run => $6, p_priority => $7,
		p_run_at => coalesce($8::timestamptz, now()), p_attempts_max => $9)}, $acme,
		$option{kind} // 'audit', $key, '{}', $option{host}, $option{run}, $option{priority} // 0,
		$option{at}, $option{max} // 5);
}

# [id, lease, key, attempt] of each
sub claim {
	my ($limit, %option) = @_;
	return $jobs->rows(q{select id, lease_id, key, attempt from muster.job_claim($1, $2, $3, $4)},
		$option{host} // 'here', $option{kinds} // '{audit}', $limit, $option{lease} // 30);
}
sub state { return $db->value('select state from muster.job where id = $1', $_[0]) }

# --- adding
my $a = add('a');
is add('a'), $a, 'the same work is queued once';
isnt add('a', kind => 'other'), $a, 'another kind is other work';
my $b = add('b', priority => 5);
my $c = add('c', at => '2100-01-01');
add('elsewhere', host => 'there');
is add('c', at => '2000-01-01', priority => 9), $c, 'asked for again it moves forward';
is_deeply [map { $_->[2] } claim(10)], [qw(c b a)], 'the most urgent first, and only what is for this host';
is_deeply [claim(10)], [], 'what is taken is gone';
is_deeply [map { $_->[2] } claim(10, host => 'there')], ['elsewhere'], 'a host gets its own';
is_deeply [claim(10, kinds => '{nothing}')], [], 'and only the kinds that it can do';
is $jobs->error(q{select muster.job_add($1, 'audit', 'x', to_jsonb(repeat('x', 70000)))}, $acme), 'MU400',
	'a payload has a limit';

# --- exclusive, with parallel sessions
$db->sql('delete from muster.job');
$db->sql(q{insert into muster.job (organization_id, kind, key) select $1, 'audit', 'k' || i
	from generate_series(1, 300) i}, $acme);
my @sessions = map { $db->as('muster_jobs')->session } 1 .. 4;
$_->ask(q{create temp table mine (id bigint, lease uuid)}) for @sessions;
$_->send(q{do $$ declare n int; begin for i in 1 .. 200 loop
	insert into mine select id, lease_id from muster.job_claim('here', '{audit}', 3, 30);
	get diagnostics n = row_count; commit; exit when n = 0 and i > 100; end loop; end $$}) for @sessions;
$_->read for @sessions;
my (%owner, $twice);
for my $i (0 .. $#sessions) {
	for my $id (split /\0/, $sessions[$i]->ask('select id from mine')) {
		$twice++ if defined $owner{$id};
		$owner{$id} = $i;
	}
}
is $twice, undef, 'no job is given to two runners';
is scalar(keys %owner), 300, 'and every job is given to one';
is $db->value(q{select count(*) from muster.job where state = 'running' and attempt = 1}), 300, 'once';

# --- a claim that is not committed holds its rows, and others do not wait
$db->sql('delete from muster.job');
add("k$_") for 1 .. 2;
$sessions[0]->ask('begin');
like $sessions[0]->ask(q{select key from muster.job_claim('here', '{audit}', 1, 30)}), qr/^k1$/, 'one takes';
is_deeply [map { $_->[2] } claim(5)], ['k2'], 'another takes the next without waiting';
$sessions[0]->ask('rollback');
my ($job) = claim(1);
is $job->[2], 'k1', 'what is given back is there again';

# --- the lease
my ($id, $lease) = @$job;
is $jobs->value('select muster.job_renew($1, $2, 60)', $id, $lease), 't', 'the holder renews';
is $jobs->value('select muster.job_progress($1, $2, 50, $3)', $id, $lease, 'half'), 't', 'tells how far it is';
my $foreign = '00000000-0000-4000-8000-000000000000';
for my $call (['job_renew($1, $2, 60)', 'f'], ['job_progress($1, $2, 60, null)', 'f'],
	['job_complete($1, $2)', 'f'], ['job_fail($1, $2, null, true)', 'lost']) {
	is $jobs->value("select muster.$call->[0]", $id, $foreign), $call->[1],
		"without the lease nothing happens: $call->[0]";
}
is $db->value('select progress from muster.job where id = $1', $id), 50, 'and nothing was written';
$db->sql(q{update muster.job set leased_until = now() - interval '1 second' where id = $1}, $id);
my ($next) = claim(1, host => 'there');
is $next->[0], $id, 'a lease that ran out gives the job to another';
is $next->[3], 2, 'as a second attempt';
is $jobs->value('select muster.job_complete($1, $2)', $id, $lease), 'f',
	'the first runner comes too late';
is state($id), 'running', 'and changes nothing';
is $jobs->value('select muster.job_complete($1, $2, $3)', $id, $next->[1], '{"n": 1}'), 't',
	'the second one completes it';
is state($id), 'done', 'once';
is $jobs->value('select muster.job_complete($1, $2)', $id, $next->[1]), 'f', 'and not twice';
is $jobs->error(q{select muster.job_complete($1, $2, to_jsonb(repeat('x', 70000)))}, $id, $lease), 'MU400',
	'a result has a limit';

# --- failing
$db->sql('delete from muster.job');
$id = add('f', max => 3);
my @delays;
for my $attempt (1 .. 3) {
	($job) = claim(1);
	is $job->[3], $attempt, "attempt $attempt";
	my $state = $jobs->value('select muster.job_fail($1, $2, $3, true)', $id, $job->[1], "no $attempt");
	is $state, $attempt < 3 ? 'queued' : 'dead', $attempt < 3 ? 'is tried again' : 'is the last';
	push @delays, $db->value('select extract(epoch from run_at - now()) from muster.job where id = $1', $id);
	is_deeply [claim(1)], [], 'later';
	$db->sql('update muster.job set run_at = now() where id = $1', $id);
}
cmp_ok abs($delays[$_] - 2 * 2**$_), '<', 0.21 * 2 * 2**$_ + 0.2, 2 * 2**$_ . " s after failure " . ($_ + 1) for 0 .. 1;
is $db->value('select error from muster.job where id = $1', $id), 'no 3', 'the last error is kept';
isnt add('f'), $id, 'a dead job does not stand in the way of a new one';
$db->sql('delete from muster.job');
$id = add('g');
($job) = claim(1);
is $jobs->value('select muster.job_fail($1, $2, $3, false)', $id, $job->[1], 'hopeless'), 'dead',
	'what is hopeless is not tried again';
$id = add('h', max => 50);
for my $crash (1 .. 3) {
	($job) = claim(1);
	is $jobs->value('select muster.job_fail($1, $2, $3, true, true)', $id, $job->[1], 'died'),
		$crash < 3 ? 'queued' : 'dead', "crash $crash of 3";
	$db->sql('update muster.job set run_at = now() where id = $1', $id);
}
$id = add('i', max => 50);
for (1 .. 3) {
	claim(1);
	$db->sql(q{update muster.job set leased_until = now() - interval '1 second' where id = $1}, $id);
}
is $db->value('select muster.job_release()'), 1, 'lost leases are put back';
is state($id), 'dead', 'three times, for each may have been its own doing';

# --- the run follows
$db->sql('delete from muster.job');
sub run_add {
	return $db->value(q{insert into muster.run (organization_id, project_id, kind)
		select organization_id, id, 'audit' from muster.project where organization_id = $1 returning id}, $acme);
}
sub run_status { return $db->value('select status from muster.run where id = $1', $_[0]) }
$db->sql('select muster.sequence_events()');
my $cursor = $db->value('select head from muster.event_bounds()');
my $run = run_add();
$id = add('r', run => $run);
is run_status($run), 'pending', 'a run waits';
($job) = claim(1);
is run_status($run), 'in_progress', 'is in progress with its job';
$jobs->sql('select muster.job_progress($1, $2, 40, $3)', $id, $job->[1], 'reading');
$jobs->sql('select muster.job_complete($1, $2, $3)', $id, $job->[1], '{"total_results": 28}');
is run_status($run), 'completed', 'and completed with it';
$db->sql('select muster.sequence_events()');
is_deeply [map { [@$_] } $db->rows(q{select type, e ->> 'channel', e #>> '{data,status}', e #>> '{data,progress_percentage}',
	e #>> '{data,total_results}' from muster.event_feed($1, 100), lateral (select envelope::jsonb as e) x where subject = $2}, $cursor, $run)],
	[['status_change', 'runs', 'pending', undef, undef],
	['status_change', 'runs', 'in_progress', undef, undef],
	['progress_update', 'runs', undef, 40, undef],
	['status_change', 'runs', 'completed', undef, 28]], 'and all of it is told';
$run = run_add();
$id = add('s', run => $run);
($job) = claim(1);
$jobs->value('select muster.job_fail($1, $2, $3, false)', $id, $job->[1], 'broken');
is run_status($run), 'failed', 'a dead job fails its run';
is $db->value('select error from muster.run where id = $1', $run), 'broken', 'with the reason';
$run = run_add();
$id = add('t', run => $run);
is $db->value('select muster.job_cancel($1)', $id), 't', 'a job can be cancelled';
is run_status($run), 'cancelled', 'and its run with it';
is $db->value('select muster.job_cancel($1)', $id), 'f', 'once';

# --- a folder that is watched
$db->sql('delete from muster.job');
$jobs->sql(q{select muster.root_add('acme', 'here', $1)}, "/srv/$_") for qw(one two);
$jobs->sql(q{select muster.root_add('acme', 'there', '/srv/one')});
is $db->value('select count(*) from muster.job'), 3, 'is audited at once';
my ($first) = $jobs->rows(q{select id, lease_id, payload from muster.job_claim('here', '{audit}', 1, 30)});
like $first->[2], qr{"path": "/srv/one"}, 'the job says what to look at';
like $first->[2], qr{"organization": "acme"}, 'and whose it is';
$jobs->sql(q{select muster.root_add('acme', 'here', '/srv/one')}) for 1, 2;
is $db->value(q{select string_agg(state, ' ' order by state) from muster.job where payload ->> 'path' = '/srv/one'
	and host = 'here'}), 'queued running', 'added again while that goes on, it is audited once more';
$jobs->sql('select muster.job_complete($1, $2)', $first->[0], $first->[1]);
is $jobs->value(q{select count(*) from muster.job_claim('here', '{audit}', 9, 30) where payload ->> 'path' = '/srv/one'}), 1,
	'which it is when the first is done';
my ($root) = map { $_->[0] } $db->rows(q{select id from muster.root where host = 'here' and path = '/srv/one'});
$db->sql(q{select muster.root_audit_add($1, null, null)}, $root);
is $jobs->value(q{select count(*) from muster.job_claim('here', '{audit}', 9, 30) where payload ->> 'path' = '/srv/one'}), 0,
	'one that somebody asked for waits for it, too: both write the same report';

done_testing;
