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
sub erase { return q{delete from muster.finding where organization_id = muster.organization() and random() < 0.1} }

sub differences {
	return [map { join ' ', map { $_ // '' } @$_ } $db->rows(<<'EOS')];
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
	select organization_id, null, w, '', s, date_trunc(s, at at time zone 'UTC')::date, count(*), 0
	  from muster.finding_state, unnest(array['day', 'month']) s, unnest(array['came', 'resolved']) w
	 where case w when 'resolved' then after = 'resolved'
		    else after in ('open', 'in_progress') and coalesce(before, '') not in ('open', 'in_progress') end
	 group by organization_id, w, s, date_trunc(s, at at time zone 'UTC')
)
(select 'counted', * from counted except select 'counted', * from real)
union all
(select 'real', * from real except select 'real', * from counted)
order by 1, 2, 4, 5, 6, 7
EOS
}

subtest 'whatever is done' => sub {
	for my $n (1 .. 60) {
		my $it = any($acme, $other);
		my $what = any(qw(store store store bulk bulk waive end rule age past erase));
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
		for qw(tally finding_rule);
	$db->sql('delete from muster.organization where id = $1', $other->{id});
	is $db->value("select count(*) from muster.$_"), 0, "nor when all of it goes at once: $_" for qw(tally finding_rule);
};

done_testing;
