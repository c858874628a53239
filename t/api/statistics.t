#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Figures are computed from rows, and what has no source is null.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
$stack->account('ann@example.org', 'developer');
my $ann = $stack->session('ann@example.org');
sub get { return $stack->cgi(GET => $_[0], session => $ann)->{json} }
sub post { return $stack->cgi(POST => $_[0], session => $ann, body => JSON::PP->new->encode($_[1]))->{json} }

subtest 'before anything has happened' => sub {
	my $stats = get('/api/v1/admin/dashboard-stats');
	is $stats->{deployments_today}, 0, 'what can be counted is counted';
	is $stats->{$_}, undef, "$_ is unknown" for qw(test_pass_rate open_vulnerabilities system_health);
	is get('/api/analytics/runs/stats')->{average_seconds}, undef, 'there is no average of nothing';
	is get('/api/analytics/runs/stats')->{failure_rate}, undef, 'nor a rate';
	is scalar @{ get('/api/analytics/runs/stats?days=7')->{daily} }, 7, 'but seven days have seven days';
	is get('/api/analytics/issues/severity')->{open}, undef, 'nothing was scanned';
};

$stack->root('/srv/git');
$stack->report([
	{ name => 'good', status => 'clean', path => '/srv/git/good', healthScore => 95 },
	{ name => 'bad', status => 'dirty', path => '/srv/git/bad', healthScore => 42, uncommittedChanges => \1 },
	{ name => 'unknown', status => 'clean', path => '/srv/git/unknown' } ]);

subtest 'a dashboard' => sub {
	post('/api/v1/deployments', { version => 'v1', environment => 'staging' });
	post('/api/v1/test-runs', { total => 10, passed => 9, failed => 1 });
	post('/api/v1/test-runs', { total => 10, passed => 6, failed => 4 });
	$db->sql(q{insert into muster.test_run (organization_id, project_id, total, passed, failed, at)
		select organization_id, id, 2, 1, 1, now() - interval '8 days' from muster.project});
	$db->sql(q{insert into muster.deployment (organization_id, project_id, environment, version, created_at)
		select organization_id, id, 'staging', 'v0', date_trunc('day', now(), 'UTC') - interval '1 hour' from muster.project,
		generate_series(1, 3)});
	post('/api/v1/audits', {});
	$stack->scanned('bad', [map { { fingerprint => "f$_", rule => $_ < 3 ? 'often' : 'seldom', title => 'T',
		severity => $_ < 3 ? 'high' : 'low' } } 1 .. 3]);
	my $stats = get('/api/v1/admin/dashboard-stats');
	is $stats->{deployments_today}, 1, 'deployments of today';
	is $stats->{trends}{deployments}, -2, 'against yesterday';
	is $stats->{test_pass_rate}, 75, 'tests that passed';
	is $stats->{trends}{test_pass_rate}, 25, 'against the week before';
	is $stats->{open_vulnerabilities}, 3, 'what is open';
	is $stats->{trends}{open_vulnerabilities}, 3, 'which is three more';
	is $stats->{system_health}, 'yellow', 'how it goes';
	is $stats->{active_scans}, 1, 'what is under way';
};

subtest 'analytics' => sub {
	$db->sql(q{insert into muster.run (organization_id, project_id, kind, status, started_at, completed_at)
		select organization_id, id, 'scan', s, now() - interval '10 seconds', now() from muster.project,
		unnest(array['completed', 'completed', 'completed', 'failed']) s});
	my $runs = get('/api/analytics/runs/stats');
	is $runs->{by_status}{completed}, 3, 'runs by status';
	is $runs->{failure_rate}, 25, 'how many failed';
	is $runs->{average_seconds}, 10, 'how long they took';
	is $runs->{daily}[-1]{total}, 5, 'day by day';
	is_deeply [map { "$_->{rule} $_->{findings}" } @{ get('/api/analytics/issues/categories')->{items} }],
		['often 2', 'seldom 1'], 'categories';
	my $severity = get('/api/analytics/issues/severity?days=3');
	is_deeply [@{ $severity->{open} }{qw(high low)}], [2, 1], 'severities';
	is $severity->{daily}[-1]{found}, 3, 'day by day';
	is_deeply [map { [$_->{repository}{name}, $_->{grade}, $_->{open}] } @{ get('/api/analytics/repository-health')->{items} }],
		[['bad', 'F', 3], ['good', 'A', undef], ['unknown', undef, undef]], 'health, the unknown last and without a grade';
	is get('/api/analytics/top-issues?limit=1')->{items}[0]{rule}, 'often', 'the top';
	is $stack->cgi(GET => '/api/analytics/runs/stats?days=366', session => $ann)->{status}, 400, 'of a year at most';
};

done_testing;
