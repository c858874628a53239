#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The figures of a dashboard are those of the rows, of everything or of one project, and unknown where
# there are none.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
$stack->account("$_\@example.org", $_) for qw(viewer developer org_admin);
$stack->organization('other');
$stack->account('stranger@example.org', 'org_admin', 'other');
my %in = map { $_ => $stack->session("$_\@example.org") } qw(viewer developer org_admin stranger);
sub ask {
	my ($method, $uri, $body, $who) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => $in{ $who // 'viewer' },
		defined $body ? (body => $body) : ());
}
sub get { my $a = ask(GET => $_[0], undef, $_[1]); is $a->{status}, 200, "GET $_[0]"; return $a->{json} }
sub metric {
	my ($name, @query) = @_;
	my $metrics = get('dashboard/metrics' . (@query ? '?' . join('=', @query) : ''));
	return (grep { $_->{name} eq $name } @{ $metrics->{items} })[0];
}


subtest 'nothing is known of nothing' => sub {
	my $it = get('dashboard/overview');
	is_deeply [@$it{qw(open_findings test_pass_rate progress_percentage total_tasks risk)}, $it->{health}{average}],
		[(undef) x 6], 'what has no source';
	is $it->{repositories}{total}, 0, 'but that there is nothing';
	is_deeply [map { $_->{value} } @{ get('dashboard/metrics')->{items} }], [(undef) x 9], 'no figure';
	is_deeply get('dashboard/alerts')->{items}, [], 'no alert';
	is get('dashboard/health')->{grade}, undef, 'no grade';
};

ask(POST => 'projects', '{"slug": "web", "name": "Web | *site*"}', 'org_admin');
$stack->report([{ name => 'a', status => 'clean', path => '/s/a', healthScore => 95 },
	{ name => 'b', status => 'dirty', path => '/s/b', healthScore => 55 },
	{ name => 'c', status => 'missing', path => '/s/c' }]);
$db->sql(q{update muster.repo set project_id = (select id from muster.project where slug = 'web') where name in ('a', 'c')});
my @finding = map { { fingerprint => "f$_", rule => 'r', title => 'T', severity => $_ == 1 ? 'critical' : 'low' } } 1 .. 3;
$stack->scanned('b', [@finding[0, 1]]);
$stack->scanned('a', [$finding[2]]);
my ($worst) = map { $_->{id} } grep { $_->{severity} eq 'critical' } @{ get('findings')->{items} };
my ($low) = map { $_->{id} } grep { $_->{repository}{name} eq 'a' } @{ get('findings')->{items} };
ask(PATCH => "findings/$low", '{"state": "resolved", "reason": "done"}', 'developer');
ask(PATCH => "findings/$worst", '{"state": "in_progress", "assignee": "me"}', 'developer');
ask(POST => "findings/$worst/comments", '{"text": "mine"}', 'developer');
ask(POST => 'test-runs', '{"total": 4, "passed": 3, "failed": 1, "project_id": "web"}', 'developer');
ask(POST => 'test-runs', '{"total": 4, "passed": 4, "failed": 0}', 'developer');
my $deployed = ask(POST => 'deployments', '{"version": "1", "environment": "production", "project_id": "web"}', 'developer')->{json}{id};
ask(PATCH => 'projects/web', '{"completed_tasks": 1, "total_tasks": 4, "risk": "high", "risk_message": "late"}', 'org_admin');
$db->sql(q{insert into muster.run (organization_id, project_id, kind, status, error, completed_at)
	select organization_id, id, 'scan', 'failed', 'no such thing', now() from muster.project where slug = 'default'
	and organization_id = (select id from muster.organization where slug = 'default')});

subtest 'the overview' => sub {
	my $all = get('dashboard/overview');
	is_deeply [@{ $all->{repositories} }{qw(total clean attention scanned)}], [3, 1, 2, 2], 'counts repositories';
	is $all->{health}{average}, 75, 'their health, where it is known';
	is_deeply [@{ $all->{open_findings} }{qw(critical low)}], [1, 1], 'what is open';
	is $all->{test_pass_rate}, 87.5, 'tests';
	is_deeply [$all->{runs}{failed_7_days}, $all->{deployments}{today}], [1, 1], 'runs and deployments';
	my $web = get('dashboard/overview?project_id=web');
	is_deeply [@{ $web->{repositories} }{qw(total clean)}, $web->{health}{average}, $web->{open_findings}{critical},
		$web->{test_pass_rate}, $web->{runs}{failed_7_days}, $web->{progress_percentage}, $web->{risk}],
		[2, 1, 95, 0, 75, 0, 25, 'high'], 'the same of one project';
	is ask(GET => 'dashboard/overview?project_id=none')->{status}, 404, 'that there is';
	is get('dashboard/overview', 'stranger')->{repositories}{total}, 0, 'and of nobody else';
	is ask(GET => 'dashboard/overview?project_id=web', undef, 'stranger')->{status}, 404, 'nor their projects';
};

subtest 'what somebody should look at' => sub {
	my @all = @{ get('dashboard/alerts')->{items} };
	is_deeply [map { "$_->{severity} $_->{kind}" } @all], ['critical findings', 'high project', 'medium run', 'medium repository'],
		'the worst first';
	is $all[0]{message}, '1 open finding of severity critical.', 'says what';
	is_deeply [map { $_->{kind} } @{ get('dashboard/alerts?project_id=web')->{items} }], [qw(project repository)],
		'of one project';
	ask(PATCH => "deployments/$deployed", '{"status": "failed", "error": "no room"}', 'developer');
	is_deeply [map { $_->{message} } grep { $_->{kind} eq 'deployment' } @{ get('dashboard/alerts')->{items} }],
		['The last deployment failed: no room'], 'a deployment that failed';
	ask(POST => 'deployments', '{"version": "2", "environment": "production", "project_id": "web", "status": "in_progress"}', 'developer');
	is_deeply [grep { $_->{kind} eq 'deployment' } @{ get('dashboard/alerts')->{items} }], [], 'until there is another';
	is scalar @{ get('dashboard/alerts?limit=2')->{items} }, 2, 'no more than one wants';
};

subtest 'how it went' => sub {
	is metric('deployment_failure_rate')->{value}, 100, 'deployments';
	is metric('test_pass_rate', project_id => 'web')->{value}, 75, 'tests of a project';
	is_deeply [@{ metric('findings_resolved') }{qw(value before)}], [1, 0], 'beside the time before';
	is metric('findings_found', project_id => 'web')->{value}, 1, 'what was found there';
	is metric('test_coverage')->{value}, undef, 'unknown stays unknown';
	$db->sql(q{update muster.test_run set at = now() - interval '10 days'});
	is_deeply [@{ metric('test_pass_rate', days => 7) }{qw(value before)}], [undef, 87.5], 'in as many days as one asks for';
};

subtest 'in days' => sub {
	$db->sql(q{insert into muster.run (organization_id, project_id, kind, status, created_at, started_at, completed_at)
		select organization_id, id, 'scan', 'completed', t, t, t + n * interval '1 minute' from muster.project,
		generate_series(1, 2) n, lateral (select now() - make_interval(days => n * 3) as t) x where slug = 'web'});
	is_deeply [@{ metric('run_duration', days => 4) }{qw(value before)}], [60, 120], 'how long runs took';
	is_deeply [@{ metric('run_failure_rate', days => 4) }{qw(value before)}], [50, 0], 'how many failed';
	is metric('run_duration', project_id => 'default')->{value}, undef, 'in a project';
	is metric('deployment_frequency', days => 4)->{value}, 0.5, 'deployments a day';
	$db->sql(q{update muster.finding_state set found_at = at - interval '3 hours' where after = 'resolved'});
	is metric('resolution_time', days => 1)->{value}, 3, 'how long it took to resolve a finding';
};

subtest 'a repository takes what was done along' => sub {
	is ask(PATCH => 'repos/a', '{"project_id": "default"}', 'org_admin')->{status}, 200, 'it goes';
	is_deeply [map { metric($_->[0], project_id => $_->[1])->{value} } ['findings_resolved', 'web'], ['findings_resolved', 'default']],
		[undef, 1], 'to another project, and nothing is known of what was left';
	my ($first) = @{ get('dashboard/team-performance?project_id=default')->{items} };
	is_deeply [@$first{qw(resolved comments)}], [1, 1], 'with who did it';
	is ask(PATCH => 'repos/a', '{"project_id": "web"}', 'org_admin')->{status}, 200, 'and comes back';
	is metric('findings_resolved', project_id => 'web')->{value}, 1, 'with it';
};

subtest 'health' => sub {
	my $it = get('dashboard/health');
	is_deeply [@$it{qw(average grade status scored unscored)}], [75, 'C', 'yellow', 2, 1], 'of all';
	is_deeply [map { $_->{count} } @{ $it->{buckets} }], [0, 0, 0, 0, 0, 1, 0, 0, 0, 1], 'how it is spread';
	is $it->{worst}[0]{repository}{name}, 'b', 'and where it is worst';
	is get('dashboard/health?project_id=web')->{grade}, 'A', 'of one project';
};

subtest 'who did what' => sub {
	my ($first, @rest) = @{ get('dashboard/team-performance')->{items} };
	is_deeply [$first->{account}{name}, @$first{qw(resolved comments deployments assigned)}], ['developer', 1, 1, 2, 1],
		'who did most first';
	is_deeply [map { $_->{resolved} } @rest], [0, 0], 'all who are here';
	($first) = @{ get('dashboard/team-performance?project_id=web')->{items} };
	is_deeply [@$first{qw(resolved comments assigned)}], [1, 0, 0], 'in one project';
};

subtest 'how a project stands' => sub {
	my $it = get('projects/web/status');
	is_deeply [$it->{project}{name}, $it->{risk}, $it->{alerts}[0]{kind}], ['Web | *site*', 'high', 'project'], 'as data';
	my $text = ask(GET => 'projects/web/status?format=markdown');
	is $text->{head}{'content-type'}, 'text/markdown; charset=utf-8', 'as Markdown';
	like $text->{body}, qr/^# Web \\\| \\\*site\\\*\n\n\| \| \|\n\|---\|---\|\n\| Progress \| 25 % \|\n\| Tasks \| 1 of 4 \|\n/,
		'in which a name is a name';
	like $text->{body}, qr/^- \*\*high\*\* Web .*: late$/m, 'with what to look at';
	$text = ask(GET => 'projects/default/status?format=table');
	is $text->{head}{'content-type'}, 'text/plain; charset=utf-8', 'as a table';
	like $text->{body}, qr/^Default\n\nProgress {21}unknown\nTasks {24}unknown\n/, 'that says what is unknown';
	is ask(GET => 'projects/web/status?format=pdf')->{status}, 400, 'and nothing else';
	is ask(GET => 'projects/web/status', undef, 'stranger')->{status}, 404, 'for its own people';
};

done_testing;
