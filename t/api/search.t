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
my %tags = (api => ['v1', 'v2'], 'api-tools' => 1, 'web-api' => 0);
my @repos = map { { name => $_->[0], status => $_->[1], path => "/srv/git/$_->[0]", healthScore => $_->[2],
		remote => "https://forge.example/$_->[0].git", lastCommit => $_->[3], isStale => $_->[4] ? \1 : \0,
		exists $tags{$_->[0]} ? (staleTags => $tags{$_->[0]}) : (), $_->[5] ? (missingFiles => $_->[5]) : (),
		counts => { staged => 0, unstaged => $_->[1] eq 'dirty' ? 1 : 0, untracked => 0 } } }
	['api', 'clean', 90, '2026-01-01T00:00:00Z', 0, []], ['api-tools', 'dirty', 60, '2020-01-01T00:00:00Z', 1, ['LICENSE']],
	['web-api', 'clean', 80, '2025-01-01T00:00:00Z', 0], ['web', 'missing', undef, undef, 0];
$stack->report(\@repos);
$stack->scanned('api-tools', [{ fingerprint => 'f1', rule => 'a-token', title => 'A token of the api', severity => 'critical' },
	{ fingerprint => 'f2', rule => 'b-key', title => 'A key', severity => 'low', path => 'web/key' }]);
$stack->scanned('web', [{ fingerprint => 'f3', rule => 'b-key', title => 'A key', severity => 'high' }]);
my $db = $stack->db;
$db->sql(q{update muster.repo set tags = '{core,go}' where name in ('api', 'web-api')});
$db->sql(q{update muster.repo set tags = '{go}', description = 'Tools around it' where name = 'api-tools'});
$db->sql(q{insert into muster.test_run (organization_id, project_id, repo_id, total, passed, failed)
	select organization_id, project_id, id, 2, 2 - n, n from muster.repo,
	       unnest(case name when 'api' then '{0,1}'::int[] else '{1,0}' end) n where name in ('api', 'web-api')});

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
	is repos('stale_tags=true'), 'api api-tools', 'stale tags, counted or named';
	is repos('stale_tags=false'), 'web-api', 'or known to have none';
	is repos('compliance=compliant'), 'api', 'all files that are asked for';
	is repos('compliance=non_compliant'), 'api-tools', 'not all';
	is repos('compliance=non_compliant,unknown'), 'api-tools web web-api', 'or what nobody knows';
	is findings('compliance=non_compliant'), 'f1 f2', 'whose findings these are';
	is repos('pipeline_status=passed'), 'web-api', 'the latest tests';
	is repos('pipeline_status=failed'), 'api', 'that failed';
	is repos('pipeline_status=unknown'), 'api-tools web', 'or that nobody reported';
	is_deeply [map { $_->{pipeline_status} } @{ ask(GET => '?q=api')->{json}{repositories} }], ['failed', undef, 'passed'],
		'which is shown';
	is_deeply [map { $_->{stale_tags} } @{ ask(GET => '?q=api')->{json}{repositories} }], [2, 1, 0], 'as is how many';
	is repos('templates=node'), '', 'of templates nothing is made';
	is facet(ask(GET => '/facets?stale_tags=true&pipeline_status=failed')->{json}, 'status'), 'clean=1', 'facets have them all';
	is ask(GET => '?pipeline_status=running')->{status}, 400, 'of what nobody reports one cannot ask';
};

subtest 'pages' => sub {
	is repos('sort_field=name&limit=2'), 'api api-tools', 'the first';
	is repos('sort_field=name&limit=2&offset=2'), 'web web-api', 'the second';
	is repos('sort_field=name&offset=4'), '', 'behind the last';
	is ask(GET => '?sort_field=name&offset=3')->{json}{total}{repositories}, 4, 'which do not change how many there are';
	is ask(GET => '?limit=1000')->{status}, 200, 'a thousand are a page';
	is ask(GET => '?limit=1001')->{status}, 400, 'no more';
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

subtest 'names that are nearly so' => sub {
	is repos('q=wbe-api'), '', 'are not found';
	is repos('q=wbe-api&fuzzy=true'), 'api web-api', 'unless asked for, the likest first';
	is repos('q=api&fuzzy=true'), 'api api-tools web-api', 'after those that have the word';
	is repos('q=wbe-api&fuzzy=true&status=clean&tags=core&sort_field=name&sort_direction=desc'), 'web-api api',
		'within the filters, in any order';
	is repos('q=zzz&fuzzy=true'), '', 'what has nothing in common is not like it';
	is repos('fuzzy=true&limit=1'), 'api', 'to nothing all are';
	is ask(GET => '?q=wbe-api&fuzzy=true&limit=1')->{json}{total}{repositories}, 2, 'are counted';
	is facet(ask(GET => '/facets?q=wbe-api&fuzzy=true')->{json}, 'status'), 'clean=2', 'and make facets';
};

subtest 'where it is in the texts' => sub {
	my $of = sub { [map { join ' ', $_->{field}, map { "$_->[0]+$_->[1]" } @{ $_->{ranges} } }
		@{ ask(GET => "?highlight=true&$_[0]")->{json}{highlights}{ $_[1] } }] };
	is ask(GET => '?q=api')->{json}{highlights}, undef, 'is told who asks';
	is_deeply $of->('q=API&status=dirty', 'repositories'), ['name 0+3', 'path 9+3', 'remote 22+3'], 'in each text';
	is_deeply $of->('q=e&severity=critical&type=findings', 'findings'), ['rule 5+1', 'title 5+1 13+1'], 'of findings, too';
	is_deeply $of->('q=wbe-api&fuzzy=true&limit=1&sort_field=name&sort_direction=desc', 'repositories'), ['name 3+4'], 'what a similar name has';
	is_deeply $of->('status=dirty', 'repositories'), [], 'nothing was looked for';
	is_deeply $of->('q=api%20/srv', 'repositories'), [], 'what goes from one text into the next is in none';
	$db->sql(q{update muster.repo set description = '<b>Ünïcode</b> & ünïcode' where name = 'web'});
	my $text = ask(GET => '?highlight=true&q=code')->{json};
	my ($mark) = @{ $text->{highlights}{repositories} };
	is_deeply [map { substr $text->{repositories}[0]{description}, $_->[0], $_->[1] } @{ $mark->{ranges} }], [qw(code code)],
		'is counted in characters, and the text stays as it is';
};

subtest 'sums of findings' => sub {
	my $same = q{select count(*) from muster.finding_sum s where s.n is distinct from array(
		select coalesce(sum(c.n), 0)::integer from generate_series(1, 23) k left join muster.finding_count c
		on c.repo_id = s.repo_id and k in (20 + array_position(array['secret', 'dependency', 'code'], c.kind),
			5 * array_position(array['open', 'in_progress', 'resolved', 'ignored'], c.state) - 5
			+ array_position(array['critical', 'high', 'medium', 'low', 'info'], c.severity)) group by k order by k)};
	is $db->value('select count(*) from muster.finding_sum'), 2, 'are kept for each repository';
	is $db->value($same), 0, 'as they are';
	$db->sql(q{update muster.finding set severity = 'medium', state = 'resolved' where fingerprint = 'f3'});
	is $db->value($same), 0, 'when they change';
	is findings('severity=medium&state=resolved&status=missing'), 'f3', 'so that they are found';
	is findings('state=open&status=missing'), '', 'by what they are now';
	$db->sql(q{update muster.finding set severity = 'high', state = 'open' where fingerprint = 'f3'});
	is $db->value($same), 0, 'and back';
	my ($repo) = $db->value('select min(repo_id::text) from muster.finding_sum');
	$db->sql('delete from muster.finding_sum where repo_id = $1', $repo);
	$db->sql('update muster.finding_sum set n[2] = n[2] + 7');
	$db->script('begin;' . slurp(src_dir() . '/sql/migration/0037_sum.sql') . 'commit;');
	is $db->value('select count(*) from muster.finding_sum'), 2, 'one that is missing is made by the migration';
	is $db->value($same), 0, 'and one that is wrong is mended';
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
	my $scan = sub { return ask(POST => '/bulk-actions', { action => 'run_scan', repositories => ['api', 'web'] })->{json}{results}[1]{success} };
	is $scan->(), JSON::PP::true, 'what is missing and has an address is scanned, as its mirror';
	$db->sql(q{update muster.repo set remote = null, report = report - 'clone_url' where name = 'web'});
	is $scan->(), JSON::PP::false, 'what is missing and has none is not';
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
	$done = ask(POST => '/bulk-actions', { action => 'export_data', repositories => ['api', 'none'] })->{json};
	is_deeply [map { [$_->{repo}, $_->{data} && @{ $_->{data} }{qw(name stale_tags)}, $_->{data} && $_->{data}{report}{staleTags}] }
		@{ $done->{results} }], [['api', 'api', 2, ['v1', 'v2']], ['none', undef, undef]], 'what is known of them is exported';
	my $template = ask(POST => '/bulk-actions', { action => 'apply_templates', repositories => ['api'] });
	is $template->{status}, 422, 'templates there are none';
	like $template->{json}{detail}, qr/no templates/, 'which is said';
	my @many = map { "t$_" } 1 .. 20;
	like ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => ['api'], tags => \@many }, 'team_lead')
		->{json}{results}[0]{error}, qr/too many tags/, 'nor with too many';
};

subtest 'two who do it to the same at once' => sub {
	my %id = (one => '11111111-1111-4111-8111-111111111111', two => 'eeeeeeee-1111-4111-8111-111111111111',
		three => '01111111-1111-4111-8111-111111111111');
	my $ordinal = 1000;
	$db->sql(q{insert into muster.repo (id, organization_id, project_id, root_id, source_id, ordinal, name, status, report,
		hash, digest) select $1, organization_id, project_id, root_id, $1, $3, $2, 'clean', '{}', hash, digest
		from muster.repo where name = 'web'}, $id{$_}, { one => 'x-1', two => 'x-2', three => 'x-3' }->{$_}, $ordinal++)
		for sort keys %id;
	my $waiting = sub { my ($n) = @_; wait_for { $db->value(q{select count(*) from pg_stat_activity
		where wait_event_type = 'Lock' and datname = current_database()}) == $n } "$n wait" };
	my $bulk = sub {
		my @repos = @_;
		my $child = fork // die $!;
		return $child if $child;
		my $done = ask(POST => '/bulk-actions', { action => 'tag_repositories', repositories => \@repos, tags => ["t$$"] },
			'team_lead');
		POSIX::_exit($done->{status} == 202 && !grep({ !$_->{success} } @{ $done->{json}{results} }) ? 0 : 1);
	};
	my $holder = $db->session;
	$holder->ask(q{begin; update muster.repo set stale = true where name = 'x-2'});
	my @child = $bulk->('x-1', 'x-2', 'x-3');
	$waiting->(1);
	push @child, $bulk->($id{three}, 'x-1');
	$waiting->(2);
	$holder->ask('commit');
	my @exit = map { waitpid $_, 0; $? } @child;
	is_deeply \@exit, [0, 0], 'both do it';
	is $db->value('select deadlocks from pg_stat_database where datname = current_database()'), 0,
		'and none waits for what the other has';
	is_deeply [map { $_->[0] } $db->rows(q{select cardinality(tags) from muster.repo where name like 'x-%' order by name})],
		[2, 1, 2], 'to all of them';
	$db->sql(q{delete from muster.repo where name like 'x-%'});
};

subtest 'the other name' => sub {
	my $answer = $stack->cgi(GET => '/api/v2/search?q=api', session => $in{viewer});
	is scalar @{ $answer->{json}{repositories} }, 3, 'finds the same';
	$db->sql(q{update muster.repo set archived_at = now() where name = 'api'});
	is repos('q=api'), 'api-tools web-api', 'but not what was put aside';
};

done_testing;
