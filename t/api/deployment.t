#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs, deployments, test runs and figures: what is reported, listed, told to those who watch.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
my %in;
for my $role (qw(viewer developer team_lead)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
$stack->report([map { { name => $_, status => 'clean', path => "/srv/git/$_" } } qw(a b)]);

sub ask {
	my ($method, $uri, $body, $who, %header) = @_;
	return $stack->cgi($method, $uri, session => $in{ $who // 'developer' }, header => \%header,
		defined $body ? (body => ref $body ? JSON::PP->new->utf8->encode($body) : $body) : ());
}
sub told {
	my ($type) = @_;
	$db->sql('select muster.sequence_events()');
	return map { JSON::PP->new->utf8->decode($_->[0]) }
		$db->rows('select data from muster.event where type = $1 order by id', $type);
}

subtest 'runs' => sub {
	my $asked = ask(POST => '/api/v1/audits', '{"repo": "a"}')->{json};
	my $list = ask(GET => '/api/runs')->{json}{items};
	is $list->[0]{id}, $asked->{run_id}, 'are listed';
	is $list->[0]{repository}{name}, 'a', 'with what they are about';
	is $list->[0]{account}{email}, 'developer@example.org', 'and who asked';
	is_deeply ask(GET => '/api/runs?status=completed')->{json}{items}, [], 'filtered by status';
	is scalar @{ ask(GET => '/api/runs?repository_id=b')->{json}{items} }, 0, 'by repository';
	is scalar @{ ask(GET => '/api/runs?kind=audit')->{json}{items} }, 1, 'by kind';
	my $one = ask(GET => "/api/runs/$asked->{run_id}")->{json};
	is $one->{status}, 'pending', 'one by one';
	is_deeply $one->{results}, [], 'with results';
	$db->sql(q{select muster.finding_store((select id from muster.repo where name = 'a'), 'code', $1,
		'[{"fingerprint": "x", "rule": "r", "title": "t", "severity": "low"}]', true)}, $asked->{run_id});
	is ask(GET => "/api/runs/$asked->{run_id}")->{json}{results}[0]{rule}, 'r', 'that it was the first to find';
	$db->sql(q{insert into muster.run_log (organization_id, run_id, number, text) select organization_id, id, n, 'line ' || n
		from muster.run, generate_series(1, 3) n});
	is_deeply [map { $_->{text} } @{ ask(GET => "/api/v1/runs/$asked->{run_id}/log?after=1")->{json}{items} }],
		['line 2', 'line 3'], 'what it printed, from where one was';
	is ask(POST => "/api/v1/runs/$asked->{run_id}/cancel", '{}', 'viewer')->{status}, 403, 'a viewer cancels none';
	is ask(POST => "/api/v1/runs/$asked->{run_id}/cancel", '{}')->{json}{status}, 'cancelled', 'a developer does';
	is $db->value(q{select string_agg(state, ' ') from muster.job}), 'cancelled', 'with its job';
	is ask(POST => "/api/v1/runs/$asked->{run_id}/cancel", '{}')->{status}, 409, 'once';
	is ask(GET => '/api/runs/999999')->{status}, 404, 'what is not there is missing';
};

subtest 'a deployment goes forward' => sub {
	my $listener = $db->session;
	$listener->ask('listen data_changes');
	my $new = ask(POST => '/api/v1/deployments', { version => 'v1', environment => 'production', repository_id => 'a',
		commit => 'abcdef1' });
	is $new->{status}, 201, 'is reported';
	is $new->{json}{status}, 'pending', 'before it begins';
	is_deeply [told('deployment_started')], [], 'and not told yet';
	my $uri = "/api/v1/deployments/$new->{json}{id}";
	like $listener->ask('select 1'), qr/"data_changes" with payload "\{"table" : "deployments", "operation" : "INSERT", "id" : "$new->{json}{id}"\}"/,
		'but whoever listens to the database knows';
	is ask(PATCH => $uri, '{"status": "in_progress"}')->{json}{status}, 'in_progress', 'begins';
	is +(told('deployment_started'))[0]{version}, 'v1', 'which is told';
	is ask(PATCH => $uri, '{"status": "pending"}')->{status}, 409, 'never goes back';
	my $done = ask(PATCH => $uri, '{"status": "completed"}')->{json};
	is $done->{status}, 'completed', 'is complete';
	ok defined $done->{duration_seconds}, 'after some time';
	is scalar(told('deployment_completed')), 1, 'which is told, too';
	is ask(PATCH => $uri, '{"status": "failed"}')->{status}, 409, 'and cannot fail any more';
	my $bad = ask(POST => '/api/v1/deployments', { version => 'v2', environment => 'production', commit => 'no hash' });
	is $bad->{status}, 400, 'a commit is one';
	is ask(POST => '/api/v1/deployments', { version => 'x', environment => 'production' }, 'viewer')->{status}, 403,
		'a viewer reports none';
};

subtest 'a deployment is taken back to what was there before' => sub {
	my %where = (environment => 'production', repository_id => 'a', status => 'in_progress');
	my $two = ask(POST => '/api/v1/deployments', { version => 'v2', %where })->{json};
	ask(PATCH => "/api/v1/deployments/$two->{id}", '{"status": "completed"}');
	is ask(POST => "/api/v1/deployments/$two->{id}/rollback", '{}')->{status}, 403, 'by a team lead';
	my $back = ask(POST => "/api/v1/deployments/$two->{id}/rollback", '{"notes": "broken"}', 'team_lead');
	is $back->{status}, 201, 'who does';
	is $back->{json}{version}, 'v1', 'to the version before';
	is $back->{json}{rollback_of}, $two->{id}, 'and says of what';
	is ask(GET => "/api/v1/deployments/$two->{id}")->{json}{status}, 'rolled_back', 'which is taken back';
	my $alone = ask(POST => '/api/v1/deployments', { version => 'v1', %where, environment => 'staging' })->{json};
	is ask(POST => "/api/v1/deployments/$alone->{id}/rollback", '{}', 'team_lead')->{status}, 409,
		'where nothing was before there is nothing to go back to';
	is_deeply [map { $_->{version} } @{ ask(GET => '/api/v1/deployments?status=in_progress')->{json}{items} }],
		[qw(v1 v1)], 'what is under way is listed';
	my $page = ask(GET => '/api/v1/deployments?limit=1')->{json};
	ok $page->{next} && ask(GET => "/api/v1/deployments?limit=1&cursor=$page->{next}")->{json}{items}[0], 'in pages';
};

subtest 'test runs' => sub {
	my $one = ask(POST => '/api/v1/test-runs', { total => 10, passed => 8, failed => 1, skipped => 1, suite => 'unit',
		repository_id => 'a', duration_ms => 1200 });
	is $one->{status}, 201, 'are reported';
	is +(told('test_run_completed'))[0]{failed}, 1, 'and told';
	is ask(POST => '/api/v1/test-runs', { total => 1, passed => 1, failed => 1 })->{status}, 400, 'if they add up';
	is_deeply [map { $_->{suite} } @{ ask(GET => '/api/v1/test-runs?repository_id=a')->{json}{items} }], ['unit'], 'and listed';
	is_deeply ask(GET => '/api/v1/test-runs?repository_id=b')->{json}{items}, [], 'each where it belongs';
};

subtest 'figures' => sub {
	my @at = map { "2026-01-0${_}T00:00:00Z" } 1 .. 3;
	my $added = ask(POST => '/api/v1/metrics', { metrics => [
		(map { { name => 'build.seconds', value => $_ * 1.5, unit => 's', at => $at[$_ - 1] } } 1 .. 3),
		{ name => 'financial.revenue', value => 100, unit => 'AUD', at => $at[0], tags => { source => 'xero' } },
		{ name => 'financial.expenses', value => 40, unit => 'AUD', at => $at[0], tags => { source => 'xero' } }] });
	is_deeply $added->{json}, { added => 5 }, 'are stored';
	is_deeply [map { $_->{value} } @{ ask(GET => '/api/v1/metrics?name=build.seconds')->{json}{items} }], [4.5, 3, 1.5],
		'and read back, the newest first';
	my $page = ask(GET => '/api/v1/metrics?name=build.seconds&limit=2')->{json};
	is ask(GET => "/api/v1/metrics?name=build.seconds&cursor=$page->{next}")->{json}{items}[0]{value}, 1.5, 'in pages';
	is_deeply [map { $_->{value} } @{ ask(GET =>
		"/api/v1/metrics?name=build.seconds&since=$at[1]&until=$at[2]")->{json}{items} }], [3], 'of a time';
	is_deeply [map { $_->{name} } @{ ask(GET => '/api/v1/metrics/names')->{json}{items} }],
		[qw(build.seconds financial.expenses financial.revenue)], 'by name';
	is scalar(told('metric_update')), 3, 'the newest of each is told';
	is_deeply [$db->rows('select revenue, expenses, net_profit, currency, source_system from muster.financials')],
		[[100, 40, undef, 'AUD', 'xero']], 'business figures are a table, what is unknown is null';
	my $bad = ask(POST => '/api/v1/metrics', { metrics => [{ name => 'ok', value => 1 }, { name => 'Not ok', value => 1 }] });
	is $bad->{status}, 400, 'all or none';
	like $bad->{json}{errors}[0]{message}, qr/^at 1:/, 'and it says which';
};

done_testing;
