#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Searching repositories and findings at once: what matches, how it is ordered, what it consists of.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use POSIX ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my %in;
for my $role (qw(viewer developer team_lead)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
my @repos = map { { name => $_->[0], status => $_->[1], path => "/srv/git/$_->[0]", healthScore => $_->[2],
		remote => "https://forge.example/$_->[0].git", lastCommit => $_->[3], isStale => $_->[4] ? \1 : \0,
		counts => { staged => 0, unstaged => $_->[1] eq 'dirty' ? 1 : 0, untracked => 0 } } }
	['api', 'clean', 90, '2026-01-01T00:00:00Z', 0], ['api-tools', 'dirty', 60, '2020-01-01T00:00:00Z', 1],
	['web-api', 'clean', 80, '2025-01-01T00:00:00Z', 0], ['web', 'missing', undef, undef, 0];
$stack->report(\@repos);
$stack->scanned('api-tools', [{ fingerprint => 'f1', rule => 'a-token', title => 'A token of the api', severity => 'critical' },
	{ fingerprint => 'f2', rule => 'b-key', title => 'A key', severity => 'low', path => 'web/key' }]);
$stack->scanned('web', [{ fingerprint => 'f3', rule => 'b-key', title => 'A key', severity => 'high' }]);
my $db = $stack->db;
$db->sql(q{update muster.repo set tags = '{core,go}' where name in ('api', 'web-api')});
$db->sql(q{update muster.repo set tags = '{go}', description = 'Tools around it' where name = 'api-tools'});

sub ask {
	my ($method, $uri, $body, $who) = @_;
	return $stack->cgi($method, "/api/v1/search$uri", session => $in{ $who // 'developer' },
		defined $body ? (body => $body) : ());
}
sub repos { return join ' ', map { $_->{name} } @{ ask(GET => "?$_[0]")->{json}{repositories} } }
sub findings { return join ' ', map { $_->{fingerprint} } @{ ask(GET => "?$_[0]")->{json}{findings} } }
sub facet { return join ' ', map { "$_->{value}=$_->{count}" } @{ $_[0]{ $_[1] } } }

subtest 'a word' => sub {
	is repos('q=API'), 'api api-tools web-api', 'the name itself, its beginning, its inside';
	is_deeply ask(GET => '?q=core')->{json}{repositories}[0]{matched}, ['tags'], 'a tag';
	is_deeply ask(GET => '?q=around')->{json}{repositories}[0]{matched}, ['description'], 'a description';
	is findings('q=api'), 'f1', 'and in findings';
	is findings('q=web/'), 'f2', 'by path';
	is repos('q=100%25'), '', 'no pattern';
	is_deeply ask(GET => '?q=api&type=repositories')->{json}{findings}, [], 'only repositories';
	my $only = ask(GET => '?q=api&type=findings')->{json};
	is_deeply [$only->{repositories}, $only->{total}{repositories}], [[], undef], 'or only findings';
	my $all = ask(GET => '?limit=1')->{json};
	is $all->{total}{repositories}, 4, 'how many there are';
	is scalar @{ $all->{repositories} }, 1, 'of which the first';
};

subtest 'filters' => sub {
	is repos('status=dirty,missing'), 'api-tools web', 'statuses';
	is repos('tags=go,core'), 'api web-api', 'all of some tags';
	is repos('uncommitted_changes=true'), 'api-tools', 'changes';
	is repos('stale=true'), 'api-tools', 'stale';
	is repos('severity=high,critical'), 'api-tools web', 'what was found in it';
	is repos('state=resolved'), '', 'and what became of that';
	is repos('project_id=default&status=missing'), 'web', 'a project';
	is findings('status=missing'), 'f3', 'those of repositories hold for findings';
	is findings('tags=go&severity=low'), 'f2', 'and all at once';
	is ask(GET => '?project_id=none')->{status}, 404, 'no such project';
	is repos('last_activity_days=36500&q=web'), 'web-api', 'what had a commit';
};

subtest 'order' => sub {
	is repos('sort_field=name&sort_direction=desc'), 'web-api web api-tools api', 'names from the end';
	is repos('sort_field=health_score'), 'api-tools web-api api web', 'health, the unknown last';
	is repos('sort_field=health_score&sort_direction=desc'), 'api web-api api-tools web', 'either way';
	is repos('sort_field=findings&sort_direction=desc'), 'api-tools web api web-api', 'findings';
	is repos('sort_field=last_commit&sort_direction=desc'), 'api web-api api-tools web', 'the last commit';
	is repos('sort_field=status'), 'web api-tools api web-api', 'the worst';
};

subtest 'what it consists of' => sub {
	my $facets = ask(GET => '/facets')->{json};
	is facet($facets, 'status'), 'clean=2 dirty=1 missing=1', 'statuses';
	is facet($facets, 'tag'), 'go=3 core=2', 'tags';
	is facet($facets, 'severity'), 'critical=1 high=1 low=1', 'severities of findings';
	is facet($facets, 'state'), 'open=3', 'states';
	is_deeply ask(GET => '?include_facets=true')->{json}{facets}, $facets, 'with a search as well';
	is facet(ask(GET => '/facets?q=tools')->{json}, 'severity'), 'critical=1 low=1', 'of what matches';
	is_deeply ask(GET => '/facets?q=nothing')->{json}{status}, [], 'or of nothing';
};

subtest 'suggestions' => sub {
	my $of = sub { [map { "$_->{kind} $_->{text}" } @{ ask(GET => "/suggestions?q=$_[0]")->{json}{items} }] };
	is_deeply $of->('a'), ['repository api', 'repository api-tools', 'rule a-token'], 'what begins so';
	is_deeply $of->('CO'), ['tag core'], 'a tag';
	is_deeply $of->('def'), ['project default'], 'a project';
	is ask(GET => '/suggestions')->{status}, 400, 'of nothing there are none';
};

subtest 'to several at once' => sub {
	my $done = ask(POST => '/bulk-actions', { action => 'run_audit', repositories => ['api', 'web', 'none'] })->{json};
	is_deeply [map { [$_->{repo}, $_->{success} ? 1 : 0] } @{ $done->{results} }], [['api', 1], ['none', 0], ['web', 1]],
		'each by itself';
	is ask(POST => '/bulk-actions', { action => 'run_scan', repositories => ['api', 'web'] })->{json}{results}[1]{success},
		JSON::PP::false, 'what is missing is not scanned';
	is ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => ['api'], tags => ['x'] })->{status}, 403,
		'a developer tags nothing';
	$done = ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => ['api', 'web'], tags => ['New'] },
		'team_lead');
	is $done->{status}, 202, 'a team lead does';
	is repos('tags=new'), 'api web', 'and they are found by it';
	is repos('tags=core'), 'api web-api', 'beside what they had';
	my $other = $db->session;
	$other->ask(q{begin; update muster.repo set tags = tags || '{late}' where name = 'web'});
	my $child = fork // die $!;
	if (!$child) {
		ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => ['web'], tags => ['more'] }, 'team_lead');
		POSIX::_exit(0);
	}
	wait_for { $db->value(q{select count(*) from pg_stat_activity where wait_event_type = 'Lock'
		and datname = current_database()}) } 'one waits for another';
	$other->ask('commit');
	waitpid $child, 0;
	is_deeply [$db->rows(q{select tags from muster.repo where name = 'web'})], [['{late,more,new}']],
		'two who tag at once both do';
	is ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => ['api'] }, 'team_lead')->{status}, 400,
		'with no tag there is nothing to do';
	my @many = map { "t$_" } 1 .. 20;
	like ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => ['api'], tags => \@many }, 'team_lead')
		->{json}{results}[0]{error}, qr/too many tags/, 'nor with too many';
};

subtest 'the other name' => sub {
	my $answer = $stack->cgi(GET => '/api/v2/search?q=api', session => $in{viewer});
	is scalar @{ $answer->{json}{repositories} }, 3, 'finds the same';
	$db->sql(q{update muster.repo set archived_at = now() where name = 'api'});
	is repos('q=api'), 'api-tools web-api', 'but not what was put aside';
};

done_testing;
