#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is old goes, as long after as each organisation wants; what is not, and what is another's,
# stays.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $db = Muster::Test->new->database;
my $jobs = $db->as('muster_jobs');
my ($acme, $other) = map { seed($db, $_) } qw(acme other);

# Rows of some days ago in each table, for each organisation.
sub old {
	my ($it, $days) = @_;
	my @it = ($it->{id}, $days);
	my $project = $db->value('select id from muster.project where organization_id = $1', $it->{id});
	my $repo = $db->value(q{select id from muster.repo where organization_id = $1 order by name limit 1}, $it->{id});
	$db->sql(q{insert into muster.metric (organization_id, project_id, name, value, at)
		select $1, $3, 'x', i, now() - make_interval(days => $2) from generate_series(1, 2500) i}, @it, $project);
	$db->sql(q{insert into muster.test_run (organization_id, project_id, total, passed, failed, at)
		values ($1, $3, 1, 1, 0, now() - make_interval(days => $2))}, @it, $project);
	$db->sql(q{insert into muster.deployment (organization_id, project_id, environment, version, status, created_at)
		values ($1, $3, 'staging', $2, 'completed', now() - make_interval(days => $2))}, @it, $project);
	my $run = $db->value(q{insert into muster.run (organization_id, project_id, kind, status, completed_at)
		values ($1, $3, 'scan', 'completed', now() - make_interval(days => $2)) returning id}, @it, $project);
	$db->sql(q{insert into muster.run_log (organization_id, run_id, number, text, at)
		values ($1, $3, 1, 'x', now() - make_interval(days => $2))}, @it, $run);
	$db->sql(q{insert into muster.finding (organization_id, repo_id, kind, fingerprint, rule, title, severity, state,
		gone_at) values ($1, $3, 'secret', 'f' || $2, 'r', 't', 'low', 'resolved', now() - make_interval(days => $2))},
		@it, $repo);
	return;
}
sub count {
	my ($table, $it) = @_;
	return $db->value("select count(*) from muster.$table where organization_id = \$1", $it->{id});
}
sub pruned { # all pieces; how many there were
	my $n = 0;
	$n++ while $jobs->value('select muster.job_step()') eq 't';
	return $n;
}
sub due {
	$db->sql(q{update muster.organization set pruned_at = now() - interval '2 days'});
	$db->sql(q{delete from muster.setting where key = 'prune.at'});
	return $jobs->json('select muster.prune_hourly()')->{organizations};
}

for my $it ($acme, $other) {
	old($it, $_) for 400, 20, 0;
	ingest($db, $it, report([{ name => "$it->{slug}-one" }])); # two and three are gone
	$db->sql(q{update muster.audit set created_at = now() - interval '40 days' where organization_id = $1}, $it->{id});
	$db->sql(q{update muster.repo set removed_at = now() - interval '40 days' where organization_id = $1
		and removed_at is not null}, $it->{id});
}
$db->sql(q{insert into muster.comment (organization_id, project_id, finding_id, text)
	select r.organization_id, r.project_id, f.id, 'x' from muster.finding f join muster.repo r on r.id = f.repo_id});
$db->sql(q{insert into muster.setting (organization_id, key, value) values ($1, 'retention.metric_days', '10'),
	($1, 'retention.test_run_days', '10'), (null, 'retention.test_run_days', '1000')}, $acme->{id});
$db->sql(q{insert into muster.finding (organization_id, repo_id, kind, fingerprint, rule, title, severity)
	select organization_id, id, 'secret', 'of a repository that is gone', 'r', 't', 'low' from muster.repo
	where removed_at is not null});

is $jobs->value('select muster.job_step()'), 'f', 'nothing is due';
is $jobs->json('select muster.prune_hourly()')->{organizations}, 0, 'before a day has passed';
is due(), 2, 'then every organization is';
is $jobs->value(q{select count(*) from muster.job_claim('here', '{audit,scan}', 10, 30)}), 0, 'which no child does';
cmp_ok pruned(), '>', 2 * 8, 'in pieces';

is count('metric', $acme), 2500, 'an organization keeps figures as long as it wants';
is count('metric', $other), 5000, 'another as long as is usual';
is count('test_run', $acme), 1, "one's own setting comes first";
is count('test_run', $other), 3, 'then what holds for all';
is count('run', $_), 2, "runs are kept for a month ($_->{slug})" for $acme, $other;
is count('run_log', $_), 1, "what they printed for two weeks ($_->{slug})" for $acme, $other;
is count('finding', $_), 2, "what is gone for a year ($_->{slug})" for $acme, $other;
is count('comment', $_), 2, "with what was said of it ($_->{slug})" for $acme, $other;
is count('deployment', $_), 2, "deployments, too ($_->{slug})" for $acme, $other;
is count('audit', $_), 1, "the latest audit stays ($_->{slug})" for $acme, $other;
is count('repo', $_), 1, "repositories that are gone go ($_->{slug})" for $acme, $other;
is $db->value('select sum(n) from muster.finding_count'), 4, 'the sums follow';

my $said = $db->json(q{select data from muster.trail where organization_id = $1 and action = 'retention.prune'},
	$acme->{id});
is_deeply $said, { audit => 1, deployment => 1, finding => 3, metric => 5000, repo => 2, run => 1, run_log => 2,
	test_run => 2 }, 'the trail has how much went';
is_deeply $db->json(q{select result from muster.job where kind = 'prune' and organization_id = $1}, $acme->{id}), $said,
	'and so has the job';
is due(), 2, 'the next day';
pruned();
is $db->value(q{select count(*) from muster.trail where action = 'retention.prune'}), 2,
	'a day on which nothing went leaves no line';

# --- jobs
my $job = sub {
	my ($it, $state, $days, $key) = @_;
	my $id = $db->value(q{insert into muster.job (organization_id, kind, key, state, finished_at)
		values ($1, 'audit', $2, $3, now() - make_interval(days => $4)) returning id}, $it->{id}, $key, $state, $days);
	$db->sql(q{insert into muster.job_attempt (job_id, number, organization_id, outcome, started_at, ended_at)
		select $1, n, $2, 'failed', now(), now() - make_interval(days => $3 * n) from generate_series(1, 2) n}, $id,
		$it->{id}, $days);
};
my $left = sub {
	return $db->value(q{select string_agg(key, ' ' order by key) from muster.job where organization_id = $1 and kind = 'audit'},
		$_[0]{id});
};
$db->sql(q{insert into muster.setting (organization_id, key, value) values ($1, 'retention.job_days', '10'),
	($1, 'retention.job_attempt_days', '7')}, $acme->{id});
for my $it ($acme, $other) {
	$job->($it, 'done', 0, 'a'), $job->($it, 'done', 5, 'b'), $job->($it, 'cancelled', 20, 'c');
	$job->($it, 'dead', 5, 'd'), $job->($it, 'dead', 40, 'e');
}
due();
pruned();
is $left->($acme), 'a b d', 'an organization keeps jobs as long as it wants';
is $left->($other), 'a d', 'another as long as is usual; those that failed for good longer';
is $db->value('select count(*) from muster.job_attempt where organization_id = $1', $_->[0]{id}), $_->[1],
	"tries go with the job or before it ($_->[0]{slug})" for [$acme, 4], [$other, 4];

# --- the latest deployment of a place is not old
$db->sql(q{update muster.deployment set created_at = now() - interval '1000 days'});
due();
pruned();
is count('deployment', $acme), 1, 'what is deployed stays known';

# --- trouble
$db->sql(q{insert into muster.setting (organization_id, key, value) values ($1, 'retention.audit_days', '"many"')},
	$acme->{id});
due();
pruned();
like $db->value(q{select error from muster.job where kind = 'prune' and state = 'queued' and organization_id = $1}, $acme->{id}), qr/many/,
	'a job that fails says why';
is $db->value(q{select count(*) from muster.job where state = 'queued' and kind = 'prune'}), 1, 'and keeps no other from being done';
is $jobs->value('select muster.job_step()'), 'f', 'it is not tried again at once';
$db->sql(q{update muster.job set run_at = now() where state = 'queued'; delete from muster.setting where value = '"many"'});
pruned();
is $db->value(q{select count(*) from muster.job where state = 'queued' and kind = 'prune'}), 0, 'but later, and then it is done';

# --- a time limit
my $timid = "set statement_timeout = '200ms'; select muster.job_step()";
my $lock = $db->session;
due();
$lock->ask('begin; lock table muster.run');
is $jobs->error($timid), '', 'what takes too long is no error of the queue';
like $db->value(q{select error from muster.job where state = 'queued' and attempt = 1}), qr/statement timeout/,
	'but one of the job';
is $db->value(q{select bool_and(run_at > now()) from muster.job where state = 'queued' and attempt = 1}), 't', 'which others now go before';
$lock->ask('rollback');
pruned();

due();
$lock->ask('begin; lock table muster.run');
my $began = time;
is $jobs->value('select muster.job_step()'), 't', 'who holds what it needs';
cmp_ok time - $began, '<', 5, 'is not waited for';
like $db->value(q{select error from muster.job where state = 'queued' and attempt = 0 and run_at > now()}), qr/lock timeout/,
	'nor did anything go wrong';
$lock->ask('rollback');
$db->sql(q{update muster.job set run_at = now() where state = 'queued'});
pruned();

# Where nothing is watched any more something may lie in the trash.
$db->sql(q{update muster.root set watched = false, host = 'left' where organization_id = $1}, $acme->{id});
$jobs->sql(q{select muster.worker_renew('11111111-1111-4111-8111-111111111111', 'never', 1, '1', 'claiming', 2, null, '{}')});
$db->sql(q{delete from muster.job where kind = 'remediate'});
$db->sql(q{select muster.trash_prune($1, now())}, $acme->{id});
is join(' ', map { $_->[0] } $db->rows(q{select host from muster.job where kind = 'remediate' order by 1})), 'left never',
	'the trash of each host is emptied, watched or not';
$db->sql(q{delete from muster.job where kind = 'remediate'});

$db->sql(q{select muster.job_add(id, 'remove', 'organization', jsonb_build_object('organizations', jsonb_build_array(id)),
	p_attempts_max => 1) from muster.organization where id = $1}, $other->{id});
$db->sql(q{update muster.organization set removed_at = now() where id = $1}, $other->{id});
$lock->ask('begin; lock table muster.run');
$jobs->error($timid);
is $db->value(q{select state from muster.job where kind = 'remove'}), 'dead', 'a removal is not tried for ever';
$lock->ask('rollback');
due();
pruned();
is $db->value('select count(*) from muster.organization where id = $1', $other->{id}), 0,
	'but again an hour later, until it is done';

done_testing;
