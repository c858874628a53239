#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the functions behind the routes answer: shapes, order, paging, refusals.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my $db = $stand->database;
my $api = $db->as('muster_api');
my @repos = (
	{ name => 'alpha', healthScore => 100, lastCommit => '2025-12-01T00:00:00Z', ahead => 2 },
	{ name => 'Beta', status => 'dirty', healthScore => 60, lastCommit => '2025-11-01T00:00:00Z' },
	{ name => 'gamma', status => 'missing', healthScore => undef, lastCommit => undef, path => undef },
	{ name => 'delta', status => 'error', healthScore => undef, isStale => JSON::PP::true },
	{ name => 'eps "x", y', healthScore => 85, missingFiles => ['LICENSE'], remote => '=cmd()' },
	{ name => 'zeta', status => 'mismatched', healthScore => 5 },
);
my $acme = seed($db, 'acme', repos => \@repos);
my $who = $acme->{people}{developer};

sub ask { my ($call, @values) = @_; return $api->json(enter($who, 'viewer') . "select muster.$call", @values) }
sub refused { my ($call, @values) = @_; return $api->error(enter($who, 'viewer') . "select muster.$call", @values) }
sub names { my ($list) = @_; return [map { $_->{name} } @{ $list->{items} }] }

# --- the overview
my $overview = ask('overview_get()');
is_deeply [sort keys %$overview],
	[qw(attention duration_ms health health_status report_id summary timestamp trend)],
	'the overview has its parts';
is_deeply $overview->{summary}, { total => 6, missing => 1, extra => 0, dirty => 1, mismatched => 1,
	clean => 2, stale => 1, missing_files => 1, not_git => 0, errors => 1,
	unknown => [qw(extra missing)] }, 'the counters count';
is $overview->{health}{average}, 62.5, 'the average is of the known scores only';
is_deeply [map { $_->{count} } @{ $overview->{health}{buckets} }], [1, 0, 0, 0, 0, 0, 1, 0, 1, 1],
	'and so is their distribution';
is_deeply $overview->{health}{buckets}[9], { from => 90, to => 100, count => 1 }, 'with its bounds';
is_deeply [map { $_->{name} } @{ $overview->{attention} }], [qw(delta gamma zeta Beta)],
	'what needs attention comes worst first';
is_deeply [map { $_->{total} } @{ $overview->{trend} }], [6], 'one audit is one point';
like $overview->{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'times are RFC 3339 with Z';

# --- the list
is_deeply names(ask('repo_list()')), ['alpha', 'Beta', 'delta', 'eps "x", y', 'gamma', 'zeta'],
	'the list is sorted by name, any case';
my %order = (
	'-name' => ['zeta', 'gamma', 'eps "x", y', 'delta', 'Beta', 'alpha'],
	'status' => ['delta', 'gamma', 'zeta', 'Beta', 'alpha', 'eps "x", y'],
	'-status' => ['alpha', 'eps "x", y', 'Beta', 'zeta', 'gamma', 'delta'],
	'health' => ['zeta', 'Beta', 'eps "x", y', 'alpha', 'delta', 'gamma'],
	'-health' => ['alpha', 'eps "x", y', 'Beta', 'zeta', 'delta', 'gamma'],
	'last_commit' => ['Beta', 'alpha', 'delta', 'eps "x", y', 'zeta', 'gamma'],
	'-last_commit' => ['delta', 'eps "x", y', 'zeta', 'alpha', 'Beta', 'gamma'],
);
for my $sort ('name', sort keys %order) {
	my $whole = ask('repo_list(p_sort => $1)', $sort);
	is_deeply names($whole), $order{$sort}, "sorted by $sort, the unknown last" if $order{$sort};
	# The same in pages of two.
	my (@paged, $cursor);
	for (1 .. 10) {
		my $page = ask('repo_list(p_sort => $1, p_limit => 2, p_cursor => $2)', $sort, $cursor);
		push @paged, @{ names($page) };
		$cursor = $page->{next} // last;
	}
	is_deeply \@paged, names($whole), "and paged by $sort without a gap or a double";
}
is_deeply names(ask(q{repo_list(p_status => 'dirty')})), ['Beta'], 'filtered by a status';
is_deeply names(ask(q{repo_list(p_status => 'dirty,error')})), [qw(Beta delta)], 'by several';
is_deeply names(ask(q{repo_list(p_status => 'attention')})), [qw(Beta delta gamma zeta)], 'by need';
is_deeply names(ask(q{repo_list(p_status => 'stale')})), ['delta'], 'by age';
is_deeply names(ask(q{repo_list(p_q => 'BET')})), ['Beta'], 'searched by a part of the name, any case';
is_deeply names(ask(q{repo_list(p_q => '/srv/ze')})), ['zeta'], 'by the path';
is_deeply names(ask(q{repo_list(p_q => $1)}, q{%'"})), [], 'for text, not for a pattern';
my ($alpha) = @{ ask('repo_list(p_limit => 1)')->{items} };
is_deeply $alpha->{history}, ['clean'], 'each has its strip';
is_deeply $alpha->{changes}, { staged => 0, unstaged => 0, untracked => 0, unmerged => undef }, 'its changes';
is $alpha->{ahead}, 2, 'and what is not pushed';
my ($gamma) = @{ ask(q{repo_list(p_q => 'gamma')})->{items} };
is $gamma->{health_score}, undef, 'what is not known is null';
for my $bad (q{p_sort => 'name; drop table x'}, q{p_status => 'fine'}, 'p_limit => 0', 'p_limit => 201',
	q{p_cursor => 'nonsense'}, q{p_cursor => 'WyJuYW1lIiwxXQ'}, q{p_q => repeat('x', 201)}) {
	is refused("repo_list($bad)"), 'MU400', "refused: $bad";
}
my $cursor = ask(q{repo_list(p_limit => 1, p_sort => 'health')})->{next};
is refused('repo_list(p_sort => $1, p_cursor => $2)', 'name', $cursor), 'MU400',
	'a cursor of another order is refused';
like $cursor, qr/^[A-Za-z0-9_-]+$/, 'a cursor needs no quoting in an address';

# --- one repository
my $one = ask(q{repo_get('Beta')});
is $one->{report}{lastCommitSha}, 'a' x 40, 'a repository comes with its object of the report';
is_deeply [map { $_->{status} } @{ $one->{history} }], ['dirty'], 'and its history';
is $one->{history}[0]{health_score}, 60, 'with scores';
is ask('repo_get($1)', $one->{id})->{name}, 'Beta', 'by id as by name';
is refused(q{repo_get('beta')}), 'MU404', 'names are exact';
is refused(q{repo_get('')}), 'MU404', 'no name is no repository';
ingest($db, $acme, report([{ name => 'alpha' }]), root => 'second');
is refused(q{repo_get('alpha')}), 'MU409', 'a name that two have is not guessed';

# --- several roots are one picture
is ask('overview_get()')->{summary}{total}, 7, 'the overview counts all roots';
is ask('report_get()')->{summary}{total}, 7, 'the report joins them';
is scalar @{ ask('report_get()')->{repos} }, 7, 'with all repositories';
is ask(q{report_get('second')})->{summary}{total}, 1, 'one root alone can be asked for';
is refused(q{report_get('third')}), 'MU404', 'one that is missing is missing';
my $report = ask(q{report_get('default')});
is_deeply [map { $_->{status} } @{ $report->{repos} }], [qw(missing dirty mismatched clean clean error)],
	'repositories come grouped as reports have them';
is $report->{github_user}, '', 'with all that the report said';
is_deeply [map { $_->{total} } @{ ask('overview_get()')->{trend} }], [6, 7],
	'a point of the trend is what all roots were then';

# --- audits
ingest($db, $acme, report(\@repos)) for 1 .. 3;
my $audits = ask('audit_list(p_limit => 2)');
is scalar @{ $audits->{items} }, 2, 'audits are listed';
cmp_ok $audits->{items}[0]{audit_id}, '>', $audits->{items}[1]{audit_id}, 'the newest first';
is $audits->{items}[0]{average}, 62.5, 'with the average';
my @all = map { $_->{audit_id} } @{ $audits->{items} };
while ($audits->{next}) {
	$audits = ask('audit_list(p_limit => 2, p_cursor => $1)', $audits->{next});
	push @all, map { $_->{audit_id} } @{ $audits->{items} };
}
is_deeply \@all, [reverse 1 .. 5], 'paged to the end';
my $history = ask('audit_history()');
is scalar @$history, 5, 'the history has a file for each';
is $history->[0]{path}, "/audit/history/$history->[0]{filename}", 'with its address';
is ask('audit_history_get($1)', $history->[0]{filename})->{complete}, JSON::PP::true, 'the latest is whole';
my $old = ask('audit_history_get($1)', $history->[-1]{filename});
is $old->{complete}, JSON::PP::false, 'an older one says that it is not';
is_deeply { map { $_->{name} => $_->{status} } @{ $old->{repos} } },
	{ map { $_->{name} => $_->{status} // 'clean' } @repos }, 'but has the status of each repository';
is refused('audit_history_get($1)', $_), 'MU404', "no file: $_"
	for '../x', 'x.json', '2026-02-30T00:00:00.000Z.json', '2020-01-01T00:00:00.000Z.json';
my $csv = $api->value(enter($who, 'viewer') . 'select muster.audit_csv()');
like $csv, qr/\ARepository,Status,/, 'the table has a head';
like $csv, qr/^"eps ""x"", y",clean,.*,"'=cmd\(\)",/m, 'quotes as RFC 4180 wants, and never a formula';
is scalar(() = $csv =~ /\r\n/g), 8, 'a line each';

# --- run now
my $run = ask(q{audit_add('Beta'); commit});
is $run->{status}, 'pending', 'an audit that was asked for waits';
is ask(q{audit_add('Beta'); commit})->{run_id}, $run->{run_id}, 'asked again it is the same one';
my $whole = ask(q{audit_add(); commit})->{run_id};
isnt $whole, $run->{run_id}, 'but one of a single repository is not one of all';
is $db->value('select payload ->> $2 from muster.job where run_id = $1', $whole, 'repo'), undef, 'which looks at all';
is ask(q{audit_add('eps "x", y'); commit})->{run_id}, $whole, 'another repository is among those';
is ask(q{audit_add(); commit})->{run_id}, $whole, 'and asked again it is the same one, too';
$db->sql(q{insert into muster.project (organization_id, slug, name) select $1, x, x from unnest(array['tools', 'none']) x}, $acme->{id});
$db->sql(q{update muster.repo set project_id = (select id from muster.project where slug = 'tools') where name = 'alpha'});
my $part = ask(q{audit_add(p_project => 'tools'); commit});
is_deeply [scalar @{ $part->{run_ids} }, $part->{run_id}], [1, $whole], 'of a project, too' or diag explain $part;
is refused(q{audit_add(p_project => 'none')}), 'MU409', 'but not of one that has nothing';
is refused(q{audit_add(p_project => 'nothing')}), 'MU404', 'nor of one that is not there';
is refused(q{audit_add('Beta', 'tools')}), 'MU400', 'nor of one and a repository';
is ask("run_detail($run->{run_id})")->{status}, 'pending', 'a run can be looked at';
is refused('run_detail(999999)'), 'MU404', 'one that is missing is missing';
my ($job) = $db->as('muster_jobs')->rows(q{select id, lease_id, payload from muster.job_claim('here', '{audit}', 5, 30)
	where run_id = $1}, $run->{run_id});
is +JSON::PP::decode_json($job->[2])->{repo}, $one->{id}, 'the job names the repository';
is ask("run_detail($run->{run_id})")->{status}, 'in_progress', 'the run is in progress with its job';
is $api->error(enter($who, 'viewer') . 'select muster.audit_add($1)',
	$db->value(q{select r.id from muster.repo r join muster.root t on t.id = r.root_id
	where t.slug = 'second'})), 'MU409', 'what jobs do not watch cannot be audited by one';

# --- events
$db->sql('select muster.sequence_events()');
my $events = ask('event_list(p_after => 0, p_limit => 3)');
is_deeply [sort keys %$events], [qw(events last_event_id poll_after_s reset)], 'events have their frame';
is_deeply [sort keys %{ $events->{events}[0] }], [qw(channel data event_id project_id timestamp type)],
	'and theirs';
is $events->{poll_after_s}, 0, 'a full page says: ask again at once';
my @ids;
my $after = 0;
while (1) {
	my $page = ask('event_list(p_after => $1, p_limit => 3)', $after);
	push @ids, map { $_->{event_id} } @{ $page->{events} };
	$after = $page->{last_event_id};
	last if $page->{poll_after_s};
}
is $after, $db->value('select head from muster.event_bounds()'), 'the end of the pages is the head';
is_deeply \@ids, [map { $_->[0] } $db->rows(q{select id from muster.event
	where type <> 'session-change' order by id})], 'all are read, and none that is for programs only';
is_deeply [map { $_->{type} } @{ ask(q{event_list(0, 100, 'status_change')})->{events} }],
	[("status_change") x 3], 'by type, of two audits of one folder that are not done side by side';
is_deeply ask(q{event_list(0, 100, 'session-change')})->{events}, [], 'never one that is internal';
my $now = ask('event_list()');
is_deeply [scalar @{ $now->{events} }, $now->{last_event_id}, $now->{reset}], [0, $after, JSON::PP::false],
	'without a cursor it begins now';
my $above = ask('event_list($1)', $after + 1);
is_deeply [scalar @{ $above->{events} }, $above->{last_event_id}, $above->{reset}], [0, $after, JSON::PP::true],
	'a cursor above the head is told to begin again';
$db->sql('update muster.stream set floor = 5');
is ask('event_list(4)')->{reset}, JSON::PP::true, 'one below the floor too';
is ask('event_list(5)')->{reset}, JSON::PP::false, 'one on the floor has missed nothing';
$db->sql(q{insert into muster.outbox (organization_id, channel, type, subject, data)
	values ($1, 'audit', 'audit-update', 'x', '{}')}, $acme->{id});
is scalar @{ ask("event_list($after)")->{events} }, 1, 'asking numbers what waits, without any daemon';

# --- for the pusher
my $push = $db->as('muster_push');
my $snapshot = $push->json('select muster.push_report($1)', $acme->{id});
is $snapshot->{report}{summary}{total}, 7, 'the pusher gets the whole report';
is $snapshot->{position}, $db->value('select head from muster.event_bounds()'), 'with its position';
cmp_ok $snapshot->{bytes}, '>', 1000, 'and its size';
my $short = $push->json('select muster.push_report($1, 1000)', $acme->{id});
is $short->{report}{repos}, undef, 'a long one comes without its repositories when that is asked for';
is $short->{report}{summary}{total}, 7, 'but with its counters';
cmp_ok $short->{bytes}, '>', 1000, 'and says how long it is';
my $empty = $db->value(q{select muster.organization_add('empty')});
is $push->json('select muster.push_report($1)', $empty)->{report}, undef, 'or none where there is none';
is $push->value('select count(*) from muster.push_sessions()'), 5, 'and every session';

# --- nothing yet
my $fresh = $stand->database;
my $new = seed($fresh, 'new', repos => []);
$fresh->sql('delete from muster.root');
my $in = enter($new->{people}{viewer}, 'viewer');
$overview = $fresh->json($in . 'select muster.overview_get()');
is_deeply [@$overview{qw(report_id timestamp health_status trend attention)}], [undef, undef, undef, [], []],
	'an overview of nothing is an answer';
is_deeply [$overview->{health}{average}, $overview->{summary}{total}], [undef, 0], 'without a made-up number';
is_deeply $fresh->json($in . 'select muster.repo_list()'), { items => [], next => undef }, 'so is an empty list';
is $fresh->error($in . 'select muster.report_get()'), 'MU404', 'a report that was never made is missing';
is $fresh->error($in . 'select muster.audit_csv()'), 'MU404', 'and so is its table';
is $fresh->error($in . 'select muster.audit_add()'), 'MU409', 'nothing can be audited';

done_testing;
