#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What is counted when it changes is what a count would say, whatever was done, and by how many at once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $db = Muster::Test->new->database;
my $json = JSON::PP->new->canonical;
my ($acme, $other) = map { seed($db, $_) } qw(acme other);
ingest($db, $_, report([map { { name => "$_" } } 'a' .. 'd'])) for $acme, $other;
$db->sql(q{insert into muster.project (organization_id, slug, name) select $1, 'p' || n, 'P' from generate_series(1, 2) n}, $_->{id})
	for $acme, $other;
my $seed = $ENV{MUSTER_TEST_SEED} // time;
srand $seed;
note "MUSTER_TEST_SEED=$seed";

sub any { return $_[rand @_] }
sub as { # a statement of an administrator there
	my ($it, $sql) = @_;
	return "select set_config('muster.organization', '$it->{id}', true), set_config('muster.role', 'org_admin', true),
		set_config('muster.account', '$it->{people}{org_admin}{id}', true); $sql";
}
my %repo = map { my $it = $_; map { ("$it->{slug} $_->[0]" => $_->[1]) }
	$db->rows('select name, id from muster.repo where organization_id = $1', $it->{id}) } $acme, $other;

sub store {
	my ($it, $repo) = @_;
	my $kind = any('secret', 'dependency');
	my @found = map { { fingerprint => "f$_", rule => 'rule ' . any(1 .. 4), title => "T$_", path => "src/$_",
		severity => any(qw(critical high medium low info)), line => int rand 9,
		rand() < 0.1 ? (ignored => 'a test') : () } } grep { rand() < 0.5 } 1 .. 30;
	return sprintf q{select muster.finding_store('%s', '%s', null, '%s', %s)}, $repo{"$it->{slug} $repo"}, $kind,
		$json->encode(\@found), any('true', 'true', 'false');
}
sub bulk {
	my ($it, $repo) = @_;
	return sprintf q{select muster.finding_bulk((select coalesce(jsonb_agg(id), '[]') from muster.finding
		where repo_id = '%s' and random() < 0.5), '%s', 'so')}, $repo{"$it->{slug} $repo"},
		any(qw(open in_progress resolved ignored));
}
sub waive { return sprintf q{select muster.waiver_add('so', 'rule %d', p_days => 9)}, any(1 .. 4) }
sub end { return q{select count(muster.waiver_remove(id)) from muster.waiver where organization_id = muster.organization()} }
sub rule {
	return sprintf q{select count(muster.rule_update(id, '%s', %s)) from muster.rule
		where organization_id = muster.organization() and key = 'rule %d'}, any('critical', 'low', ''), any('true', 'false'),
		any(1 .. 4);
}
sub age { return q{update muster.finding set first_seen_at = now() - make_interval(days => (random() * 400)::integer)
	where organization_id = muster.organization() and random() < 0.3} }
sub past { return q{update muster.finding_state set at = now() - make_interval(days => (random() * 90)::integer)
	where organization_id = muster.organization() and random() < 0.3} }
sub move { return sprintf q{update muster.repo set project_id = (select id from muster.project
	where organization_id = muster.organization() order by random() limit 1) where id = '%s'}, $repo{"$_[0]{slug} $_[1]"} }
my $anybody = q{(select account_id from muster.membership where organization_id = muster.organization() order by random() limit 1)};
sub comment { return sprintf q{insert into muster.comment (organization_id, project_id, finding_id, account_id, text, created_at)
	select f.organization_id, r.project_id, f.id, %s, 'x', now() - make_interval(days => %d) from muster.finding f
	join muster.repo r on r.id = f.repo_id where f.repo_id = '%s' limit 3}, any($anybody, 'null'), any(0 .. 60), $repo{"$_[0]{slug} $_[1]"} }
sub unsay { return q{delete from muster.comment where organization_id = muster.organization() and random() < 0.3} }
sub run { return sprintf q{insert into muster.run (organization_id, project_id, account_id, kind, created_at)
	select organization_id, id, %s, '%s', now() - make_interval(days => (random() * 60)::integer) from muster.project
	where organization_id = muster.organization()}, any($anybody, 'null'), any(qw(audit scan deps)) }
sub end_run { return sprintf q{update muster.run set status = '%s', started_at = created_at, completed_at = %s
	where organization_id = muster.organization() and random() < 0.5}, any(qw(in_progress completed failed)),
	any(q{created_at + random() * interval '9 minutes'}, 'null') }
sub forget { return sprintf 'delete from muster.%s where organization_id = muster.organization() and random() < 0.2',
	any(qw(run deployment test_run)) }
sub deploy { return sprintf q{insert into muster.deployment (organization_id, project_id, environment, version, status, account_id,
	created_at) select organization_id, id, 'staging', '1', '%s', %s, now() - make_interval(days => (random() * 60)::integer)
	from muster.project where organization_id = muster.organization()}, any(qw(pending completed failed)), any($anybody, 'null') }
sub deployed { return sprintf q{update muster.deployment set status = '%s' where organization_id = muster.organization()
	and random() < 0.5}, any(qw(completed failed rolled_back)) }
sub test { return sprintf q{insert into muster.test_run (organization_id, project_id, total, passed, failed, coverage, at)
	select organization_id, id, 9, %d, %d, %s, now() - make_interval(days => (random() * 60)::integer) from muster.project
	where organization_id = muster.organization()}, any(0 .. 6), any(0 .. 3), any('null', 0, 12.5) }
sub test_repo { return q{insert into muster.test_run (organization_id, project_id, repo_id, total, passed, failed)
	select organization_id, project_id, id, 9, 1, (random() * 2)::integer from muster.repo
	where organization_id = muster.organization() and random() < 0.7} }
sub leave { return q{update muster.run set account_id = null where organization_id = muster.organization() and random() < 0.3} }
sub erase { return q{delete from muster.finding where organization_id = muster.organization() and random() < 0.1} }

sub differences {
	return [map { join ' ', map { $_ // '' } @$_ } $db->rows(<<'EOS'), $db->rows(<<'EOL')];
with counted as (
	select organization_id, project_id, what, key, span, day, sum(n) as n, sum(amount) as amount
	  from muster.tally group by 1, 2, 3, 4, 5, 6 having sum(n) <> 0 or sum(amount) <> 0
), real as (
	select organization_id, null::uuid as project_id, 'repos' as what, kind || ' ' || rule as key, 'ever' as span,
	       '-infinity'::date as day, count(distinct repo_id) as n, 0 as amount
	  from muster.finding where state in ('open', 'in_progress') group by organization_id, kind, rule
	union all
	select organization_id, null, 'open.' || severity, kind || ' ' || rule, 'ever', '-infinity', count(*), 0
	  from muster.finding where state in ('open', 'in_progress') group by organization_id, severity, kind, rule
	union all
	select organization_id, null, 'found', kind || ' ' || rule, s,
	       date_trunc(s, first_seen_at at time zone 'UTC')::date, count(*), 0
	  from muster.finding, unnest(array['day', 'month']) s
	 group by organization_id, kind, rule, s, date_trunc(s, first_seen_at at time zone 'UTC')
	union all
	select organization_id, p, what, key, s, date_trunc(s, at at time zone 'UTC')::date, sum(n), sum(amount)
	  from (select s.organization_id, r.project_id, 'came' as what, '' as key, s.at, 1 as n, 0 as amount
		  from muster.finding_state s join muster.finding f on f.id = s.finding_id join muster.repo r on r.id = f.repo_id
		 where s.after in ('open', 'in_progress') and coalesce(s.before, '') not in ('open', 'in_progress')
		union all
		select s.organization_id, r.project_id, 'left', '', s.at, 1, 0
		  from muster.finding_state s join muster.finding f on f.id = s.finding_id join muster.repo r on r.id = f.repo_id
		 where s.before in ('open', 'in_progress') and s.after not in ('open', 'in_progress')
		union all
		select s.organization_id, r.project_id, w.what, w.key, s.at, 1, w.amount
		  from muster.finding_state s join muster.finding f on f.id = s.finding_id join muster.repo r on r.id = f.repo_id
		 cross join lateral (values ('resolved', '', extract(epoch from s.at - s.found_at)),
				     ('by.resolved', s.account_id::text, 0)) w (what, key, amount)
		 where s.after = 'resolved'
		union all
		select c.organization_id, r.project_id, 'by.comments', c.account_id::text, c.created_at, 1, 0
		  from muster.comment c join muster.finding f on f.id = c.finding_id join muster.repo r on r.id = f.repo_id
		union all
		select x.organization_id, x.project_id, w.what, w.key, x.created_at, 1, w.amount from muster.run x
		 cross join lateral (values ('run', x.kind || ' ' || x.status, 0), ('by.runs', x.account_id::text, 0),
				     ('run.time', case when x.status = 'completed' and x.completed_at is not null then '' end,
				      extract(epoch from x.completed_at - x.started_at))) w (what, key, amount)
		union all
		select x.organization_id, x.project_id, w.what, w.key, x.created_at, 1, 0 from muster.deployment x
		 cross join lateral (values ('deployment', x.status), ('by.deployments', x.account_id::text)) w (what, key)
		union all
		select x.organization_id, x.project_id, 'test', w.key, x.at, w.n, w.amount from muster.test_run x
		 cross join lateral (values ('passed', x.passed, 0), ('failed', x.failed, 0),
				     ('coverage', (x.coverage is not null)::integer, coalesce(x.coverage, 0))) w (key, n, amount)) x
	 cross join lateral unnest(array[project_id, null]) p
	 cross join unnest(array['day', 'month']) s
	 where key is not null
	 group by 1, 2, 3, 4, 5, 6 having sum(n) <> 0 or sum(amount) <> 0
)
(select 'counted', * from counted except select 'counted', * from real)
union all
(select 'real', * from real except select 'real', * from counted)
order by 1, 2, 4, 5, 6, 7
EOS
select 'latest', coalesce(l.repo_id, t.repo_id), l.test_run_id, t.id
  from muster.test_latest l
  full join (select distinct on (repo_id) repo_id, organization_id, id, failed > 0 as has_failed
	       from muster.test_run where repo_id is not null order by repo_id, id desc) t
    on (t.repo_id, t.organization_id, t.id, t.has_failed) = (l.repo_id, l.organization_id, l.test_run_id, l.has_failed)
 where l.repo_id is null or t.repo_id is null
EOL
}

subtest 'whatever is done' => sub {
	for my $n (1 .. 120) {
		my $it = any($acme, $other);
		my $what = any(qw(store store store bulk bulk waive end rule age past erase move move comment comment unsay run run
			end_run end_run forget forget deploy deployed test test_repo test_repo leave));
		no strict 'refs';
		my $sql = &$what($it, any('a' .. 'd'));
		$db->sql('begin;' . as($it, $sql) . ';' . any('commit', 'commit', 'commit', 'rollback'));
		my $wrong = differences();
		is_deeply $wrong, [], "the figures are those of the rows after $what" if @$wrong || $n % 20 == 0;
		last if @$wrong;
	}
};

subtest 'and by several at once' => sub {
	my @session = map { $db->session } 1 .. 3;
	my $late = 0;
	for my $round (1 .. 8) {
		$_->ask('begin') for @session;
		$session[0]->ask(as($acme, store($acme, 'a')));
		for my $n (1, 2) {
			my $said = $session[$n]->ask(as($acme, bulk($acme, any(qw(b d)) eq 'b' && $n == 1 ? 'b' : ('c', 'd')[$n - 1])));
			like $said, qr/"changed"/, 'nobody waits for anybody' if $round == 1;
		}
		$_->ask(any('commit', 'commit', 'rollback')) for sort { rand() <=> 0.5 } @session;
		is_deeply differences(), [], "round $round: nothing is lost";
		$late += $db->value('select count(*) from muster.tally where slot <> 0');
		$db->sql('begin;' . as($acme, store($acme, any('a' .. 'd'))) . ';commit');
		is $db->value('select count(*) from muster.tally where slot <> 0'), 0, 'and the next one adds it up';
	}
	cmp_ok $late, '>', 0, 'they did meet';
	$db->sql('begin;' . as($other, test_repo()) . ';commit') for 1 .. 3;
	my ($newest, $before) = map { $_->[0] } $db->rows(q{select x.id from muster.test_run x
		where x.repo_id = (select repo_id from muster.test_latest order by test_run_id desc limit 1) order by x.id desc limit 2});
	# The latest goes while the one before is going: neither is the latest afterwards.
	$session[1]->ask("begin; delete from muster.test_run where id = $before");
	$session[0]->send("delete from muster.test_run where id = $newest");
	wait_for { $db->value(q{select count(*) from pg_locks where not granted}) > 0 } 'one waits for the other';
	$session[1]->ask('commit');
	$session[0]->read;
	is_deeply differences(), [], 'the latest tests are those that are left';
};

subtest 'what is asked' => sub {
	$db->sql('begin;' . as($acme, age()) . ';commit');
	my $top = $db->json('begin;' . as($acme, q{select muster.statistics_top(100) -> 'items'}) . ';commit');
	my $real = $db->json(q{select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'rule', rule, 'findings', n, 'repositories',
		repos, 'severity', severity) order by n desc, rule collate "C", kind), '[]') from (select kind, rule, count(*) as n,
		count(distinct repo_id) as repos, (array['info', 'low', 'medium', 'high', 'critical'])[max(rank)] as severity
		from muster.finding where organization_id = $1 and state in ('open', 'in_progress') group by 1, 2) t}, $acme->{id});
	cmp_ok scalar @$real, '>', 1, 'there is something';
	delete $_->{title} for @$top;
	is_deeply $top, $real, 'is what is open';
	$db->sql('update muster.repo set scanned_at = now() where organization_id = $1', $acme->{id});
	my $severity = $db->json('begin;' . as($acme, q{select muster.statistics_severity(90)}) . ';commit');
	is_deeply $severity->{open}, $db->json('begin;' . as($acme, q{select muster.finding_summary() -> 'open'}) . ';commit'),
		'is how severe it is';
	is_deeply $severity->{daily}, $db->json(q{select jsonb_agg(jsonb_build_object('date', d::date,
		'found', (select count(*) from muster.finding_state where organization_id = $1 and (at at time zone 'UTC')::date = d
			and after in ('open', 'in_progress') and coalesce(before, '') not in ('open', 'in_progress')),
		'resolved', (select count(*) from muster.finding_state where organization_id = $1
			and (at at time zone 'UTC')::date = d and after = 'resolved')) order by d)
		from generate_series((now() at time zone 'UTC')::date - 89, (now() at time zone 'UTC')::date, interval '1 day') d},
		$acme->{id}), 'is what came and was resolved, day by day';
	for my $days (1, 2, 27, 33, 59, 64, 200, 365) {
		my $got = $db->json('begin;' . as($acme, "select muster.statistics_categories($days) -> 'items'") . ';commit');
		delete $_->{title} for @$got;
		is_deeply $got, $db->json(q{select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'rule', rule, 'findings', n)
			order by n desc, rule collate "C", kind), '[]') from (select kind, rule, count(*) as n from muster.finding
			where organization_id = $1 and first_seen_at >= date_trunc('day', now(), 'UTC') - make_interval(days => $2 - 1)
			group by 1, 2) t}, $acme->{id}, $days), "is what was found in $days days";
	}
};

subtest 'what is gone' => sub {
	$db->sql('delete from muster.repo where organization_id = $1 and name = $2', $acme->{id}, 'a');
	is_deeply differences(), [], 'a repository is not counted any more';
	$db->sql('select muster.organization_erase($1)', $acme->{id});
	is_deeply differences(), [], 'nor an organization';
	is $db->value("select count(*) from muster.$_ where organization_id = \$1", $acme->{id}), 0, "of which nothing is left in $_"
		for qw(tally finding_rule test_latest);
	$db->sql('delete from muster.organization where id = $1', $other->{id});
	is $db->value("select count(*) from muster.$_"), 0, "nor when all of it goes at once: $_" for qw(tally finding_rule test_latest);
};

done_testing;
