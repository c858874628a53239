#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Schedules: a time comes once, whoever looks; what was missed is made up for or told; who may say when.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $db = Muster::Test->new->database;
my $jobs = $db->as('muster_jobs');
my $api = $db->as('muster_api');
my ($acme, $other) = map { seed($db, $_) } qw(acme other);
my $lead = enter($acme->{people}{team_lead}, 'team_lead');
$jobs->sql(q{select muster.job_kind_set('[{"name": "audit", "queue": "audit", "help": "x"},
	{"name": "scan", "queue": "scan", "help": "x"}]')});

sub ticks { return map { $_->[0] } $jobs->rows(q{select concat_ws(' ', organization, kind, outcome, jobs, missed, reason)
	from muster.schedule_tick() order by 1}) }
sub queued { return $db->value(q{select count(*) from muster.job where state = 'queued'}) }
sub ask { # as the team's lead
	my ($sql, @values) = @_;
	return $api->json("$lead$sql; commit", @values);
}
sub due { # as if its time had been some seconds ago
	my ($id, $seconds) = @_;
	return $db->sql(q{update muster.schedule set next_at = now() - make_interval(secs => $2)
		where id = $1}, $id, $seconds);
}
sub add {
	my ($kind, $cron, %more) = @_;
	return ask('select muster.schedule_new(p_kind => $1, p_cron => $2, p_timezone => $3, p_project => $4,
		p_repo => $5, p_jitter_s => $6, p_backfill_s => $7, p_enabled => $8)', $kind, $cron,
		@more{qw(timezone project repo jitter_s backfill_s enabled)});
}

# ---- the first ones ----

$db->sql('delete from muster.schedule');
$db->sql('delete from muster.job');
$db->sql('update muster.organization set scheduled_at = null');
$db->sql('update muster.root set scan_from = null');
$jobs->sql(q{select muster.root_add('acme', 'here', '/srv/one')});
is_deeply [map { "@$_" } $db->rows(q{select s.kind, s.cron, s.timezone from muster.schedule s
	where s.organization_id = $1 order by 1}, $acme->{id})], ['audit 0 * * * * UTC',
	'reconcile 30 4 * * * UTC', 'report 0 3 * * * UTC', 'scan 0 3 * * * UTC'],
	'the first folder brings an hourly audit, a nightly scan and report, and what tidies up';
is $db->value('select count(*) from muster.schedule where organization_id = $1', $other->{id}), 0, 'of its organization';
is queued(), 1, 'and is audited at once';
$jobs->sql(q{select muster.root_add('acme', 'here', '/srv/two')});
is $db->value('select count(*) from muster.schedule'), 4, 'the next one brings no more';
$db->sql(q{delete from muster.schedule where kind <> 'audit'});
$jobs->sql(q{select muster.root_add('acme', 'there', '/srv/one')});
is $db->value('select count(*) from muster.schedule'), 1, 'and what was removed does not come back';
is_deeply [ticks()], [], 'nothing has come yet';
my $audit = $db->value('select id from muster.schedule');
cmp_ok $db->value(q{select extract(epoch from next_at - now()) from muster.schedule}), '<=', 3600 + 900, 'it comes within the hour';

# ---- a time comes ----

$db->sql('delete from muster.job');
due($audit, 0);
is_deeply [ticks()], ['acme audit queued 4 0'], 'when its time is there every watched folder is queued';
is_deeply [map { $_->[0] } $db->rows('select distinct host from muster.job order by 1')],
	[sort { $a cmp $b } map { $_->[0] } $db->rows('select distinct host from muster.root where watched')], 'on its host';
is_deeply [ticks()], [], 'once';
cmp_ok $db->value(q{select extract(epoch from next_at - now()) from muster.schedule}), '>', 0, 'the next time is ahead';
due($audit, 0);
is_deeply [ticks()], ['acme audit skipped 0 0 The last time is not done yet.'], 'what is not done is not queued again';
$db->sql(q{update muster.job set state = 'done', finished_at = now() where host = 'there'});
due($audit, 1);
is_deeply [ticks()], ['acme audit queued 1 0'], 'what is done is';
is_deeply [map { "@$_" } $db->rows(q{select outcome, jobs from muster.schedule_tick order by at})],
	['queued 4', 'skipped 0', 'queued 1'], 'what became of it is kept';

# Many look at the same moment.
$db->sql('delete from muster.job');
due($audit, 0);
my @pids;
for (1 .. 6) {
	defined(my $pid = fork) or die "fork: $!\n";
	if (!$pid) {
		my $ok = eval { ticks() for 1 .. 3; 1 };
		require POSIX;
		POSIX::_exit($ok ? 0 : 1);
	}
	push @pids, $pid;
}
is scalar(grep { waitpid($_, 0); $? } @pids), 0, 'many runners look at once';
is $db->value(q{select count(*) from muster.schedule_tick where at > now() - interval '1 minute'
	and due_at = (select max(due_at) from muster.schedule_tick)}), 1, 'the time came once';
is queued(), 4, 'and each folder is queued once';
my $told = $db->json(q{select data from muster.outbox where type = 'schedule_tick' order by id desc limit 1}) ||
	$db->json(q{select data from muster.event where type = 'schedule_tick' order by id desc limit 1});
is $told->{outcome}, 'queued', 'and it is told';
$db->sql(q{update muster.schedule set next_at = (select max(due_at) from muster.schedule_tick)});
$db->sql('delete from muster.job');
is_deeply [ticks()], [], 'a time that came already does not come again when the clock was put back';
is queued(), 0, 'and queues nothing';

# ---- what was missed ----

ask(q{select muster.schedule_update($1, p_cron => '*/10 * * * *', p_jitter_s => 0)}, $audit);
$db->sql(q{update muster.schedule set next_at = date_trunc('hour', now()) - interval '5 hours', backfill_s = 3600});
my ($missed) = (ticks())[0] =~ /^acme audit queued 4 (\d+)$/;
cmp_ok $missed // 0, '>=', 24, 'times that were missed long ago are counted';
cmp_ok $missed // 99, '<=', 30, 'those within the window are made up for';
is queued(), 4, 'by doing it once';
is $db->json(q{select data from muster.trail where action = 'schedule.missed'})->{missed}, $missed, 'the trail tells of the others';
$db->sql('delete from muster.job');
ask(q{select muster.schedule_update($1, p_cron => '0 0 1 1 *', p_backfill_s => 60)}, $audit);
$db->sql(q{update muster.schedule set next_at = date_trunc('year', now()) - interval '1 year'});
like +(ticks())[0], qr/^acme audit missed 0 2$/, 'what is all too long ago is told and not done';
is queued(), 0, 'indeed';
$db->sql(q{update muster.schedule set next_at = date_trunc('year', now()) - interval '1 year'});
like +(ticks())[0], qr/^acme audit missed 0 2$/, 'also when the clock of the server was put back since';
ask(q{select muster.schedule_update($1, p_cron => '* * * * *')}, $audit);
$db->sql(q{update muster.schedule set next_at = date_trunc('minute', now()) - interval '1 year'});
like +(ticks())[0], qr/^acme audit queued 4 100$/, 'nobody counts a year of minutes';
ask(q{select muster.schedule_update($1, p_cron => '@yearly', p_enabled => false)}, $audit);
$db->sql(q{update muster.schedule set next_at = date_trunc('minute', now()) - interval '1 year'});
is_deeply [ticks()], [], 'one that is off does not come';
is ask(q{select muster.schedule_update($1, p_enabled => true)}, $audit)->{enabled}, 1, 'switched on';
is_deeply [ticks()], [], 'it has missed nothing';

# ---- one that cannot be followed ----

my $broken = add('audit', '@daily')->{id};
$db->sql(q{update muster.schedule set timezone = 'Europe/Atlantis', next_at = now() where id = $1}, $broken);
due($audit, 0);
is_deeply [map { s/0 0 time.*/.../r } ticks()], ['acme audit failed ...', 'acme audit skipped 0 0 The last time is not done yet.'],
	'one that cannot be followed does not hold back the others';
like $db->value('select error from muster.schedule where id = $1', $broken), qr/Atlantis/, 'and says why';
is_deeply [ticks()], [], 'it is not tried again at once';
is $db->value('select next_at <= now() and retry_at > now() from muster.schedule where id = $1', $broken), 't',
	'and the time that was due is not lost';
sub failures { return $db->value(q{select count(*) from muster.trail where action = 'schedule.fail' and subject = $1}, $broken) }
sub told_failed { return $db->value(q{select count(*) from (select type, subject, data from muster.outbox union all
	select type, subject, data from muster.event) x where type = 'schedule_tick' and subject = $1
	and data ->> 'outcome' = 'failed'}, $broken) }
like $db->json(q{select data from muster.trail where action = 'schedule.fail'})->{error}, qr/Atlantis/, 'the trail says so';
$db->sql('update muster.schedule set retry_at = now() where id = $1', $broken);
like +(ticks())[0], qr/^acme audit failed/, 'it is tried again later';
is_deeply [failures(), told_failed()], [1, 1], 'what goes on failing is told once, there and by an event';
like ask('select muster.schedule_get($1)', $broken)->{error}, qr/Atlantis/, 'and its owner sees why';
is ask(q{select muster.schedule_update($1, p_timezone => 'Europe/Berlin')}, $broken)->{error}, undef, 'until it is mended';
$db->sql(q{update muster.schedule set timezone = 'Europe/Atlantis', next_at = now() where id = $1}, $broken);
ticks();
is_deeply [failures(), told_failed()], [2, 2], 'failing anew is told anew';
ask('select muster.schedule_remove($1)', $broken);

# ---- of one project, of one repository ----

$db->sql('delete from muster.schedule');
$db->sql('delete from muster.job');
ingest($db, $acme, report([map { { name => $_ } } 'one', 'two', 'three']));
$db->sql('update muster.root set scan_from = null');
$db->sql(q{update muster.root set watched = true, path = '/srv' where slug = $1 and organization_id = $2}, $acme->{root}, $acme->{id});
$db->sql(q{update muster.repo set archived_at = now() where name = 'three' and organization_id = $1}, $acme->{id});
my $scan = add('scan', '0 3 * * *', timezone => 'Europe/Berlin');
is $scan->{timezone}, 'Europe/Berlin', 'a schedule has a time zone';
is scalar @{ $scan->{occurrences} }, 5, 'and says its next five times';
is ask('select muster.schedule_run($1)', $scan->{id})->{jobs}, 2, 'a scan is one of each repository that is in use';
is $db->value(q{select count(*) from muster.run where kind = 'scan' and status = 'pending'}), 2, 'with a run for each';
like $api->error($lead . 'select muster.schedule_run($1)', $scan->{id}), qr/MU409/, 'and not twice at once';
is $db->value(q{select count(*) from muster.run where kind = 'scan'}), 2, 'nor another run';
$db->sql('delete from muster.job');
my $one = add('scan', '@daily', repo => 'one');
is $one->{repository}{name}, 'one', 'one of a repository names it';
is ask('select muster.schedule_run($1)', $one->{id})->{jobs}, 1, 'and scans it alone';
my $part = add('audit', '@daily', repo => 'two');
ask('select muster.schedule_run($1)', $part->{id});
is $db->value(q{select payload ->> 'repo' from muster.job where kind = 'audit'}), $part->{repository}{id}, 'or audits it alone';
$db->sql(q{insert into muster.project (organization_id, slug, name) values ($1, 'empty', 'Empty')}, $acme->{id});
my $empty = add('audit', '@daily', project => 'empty');
is $empty->{project}, 'empty', 'one of a project names it';
like $api->error($lead . 'select muster.schedule_run($1)', $empty->{id}), qr/MU409/, 'where nothing is there is nothing to do';

# What is in a project is what was found in its folders, and what was moved into it.
my $tools = $db->value(q{insert into muster.project (organization_id, slug, name) values ($1, 'tools', 'Tools') returning id}, $acme->{id});
$db->sql(q{insert into muster.root (organization_id, project_id, host, slug, path, watched) values ($1, $2, 'here', 'tools', '/srv/tools', true)},
	$acme->{id}, $tools);
ingest($db, $acme, report([map { { name => $_ } } 'hammer', 'saw']), root => 'tools');
$db->sql('update muster.root set scan_from = null');
my %of = map { $_ => add($_, '@daily', project => 'tools')->{id} } qw(audit scan fetch);
sub asked_for { # once by its time, with what it queued
	my ($kind) = @_;
	$db->sql('delete from muster.job');
	due($of{$kind}, 0);
	my @ticks = ticks();
	return ($ticks[0], join ' ', map { $_->[0] } $db->rows(q{select concat_ws('/', j.payload ->> 'root',
		coalesce(r.name, j.payload ->> 'name')) from muster.job j left join muster.repo r on r.id::text = j.payload ->> 'repo'
		where j.kind = $1 order by 1}, $kind));
}
is_deeply [asked_for('audit')], ['acme audit queued 1 0', 'tools'], 'one of a project audits its folder and no other';
is_deeply [asked_for('scan')], ['acme scan queued 2 0', 'tools/hammer tools/saw'], 'and scans what is in that';
ask(q{select muster.repo_update('one', p_project => 'tools')});
is_deeply [asked_for('audit')], ['acme audit queued 2 0', "default/one tools"], 'what was moved into it is audited, too, alone';
is_deeply [asked_for('scan')], ['acme scan queued 3 0', "default/one tools/hammer tools/saw"], 'and scanned';
ask(q{select muster.repo_update('two', p_project => 'tools')});
is_deeply [asked_for('audit')], ['acme audit queued 2 0', "default tools"], 'several of one folder are audited in one walk';
ask(q{select muster.repo_update('two', p_project => 'default')});
ask(q{select muster.repo_update('saw', p_project => 'default')});
is_deeply [asked_for('scan')], ['acme scan queued 2 0', "default/one tools/hammer"], 'what was moved out of it is not scanned any more';
$jobs->sql(q{select muster.job_kind_set('[{"name": "fetch", "queue": "audit", "help": "x"}]')});
$db->sql(q{insert into muster.root (organization_id, project_id, host, slug, path, watched) select $1, id, 'here', 'clones', '/srv/clones', true
	from muster.project where organization_id = $1 and slug = 'default'}, $acme->{id});
ingest($db, $acme, report([map { { name => $_, remote => "https://example.org/$_.git" } } 'mine', 'yours']), root => 'clones');
$db->sql('update muster.root set scan_from = null');
ask(q{select muster.repo_update('mine', p_project => 'tools')});
is_deeply [asked_for('fetch')], ['acme fetch queued 1 0', 'mine'], 'a clone that was moved into it is fetched, and no other';
$db->sql(q{delete from muster.schedule where project_id = $1}, $tools);
$db->sql(q{delete from muster.root where slug in ('tools', 'clones') and organization_id = $1}, $acme->{id});
ask(q{select muster.repo_update('one', p_project => 'default')});
$db->sql('delete from muster.job');
$db->sql(q{delete from muster.job_kind where name = 'scan'});
due($scan->{id}, 0);
is_deeply [ticks()], ['acme scan skipped 0 0 No runner does this.'], 'what no runner does is not queued';

# ---- what is no schedule ----

for (['kind', 'prune', '@daily'], ['cron', 'audit', '@reboot'], ['cron', 'audit', '0 0 30 2 *'],
	['timezone', 'audit', '@daily', timezone => 'Nowhere'], ['jitter_s', 'audit', '@daily', jitter_s => -1],
	['backfill_s', 'audit', '@daily', backfill_s => 1], ['project', 'audit', '@daily', project => 'empty', repo => 'one']) {
	my ($field, @given) = @$_;
	ok !eval { add(@given); 1 } && $@ =~ /"field": "$field"/, "refused for its $field" or diag $@;
}
ok !eval { add('audit', '@daily', repo => 'nothing'); 1 } && $@ =~ /MU404/, 'there has to be such a repository';
my @same = map { add('audit', '0 4 * * *', jitter_s => 3600)->{next_at} } 1 .. 6;
my %different = map { $_ => 1 } @same;
cmp_ok scalar keys %different, '>', 1, 'jitter parts what is due at the same time';
is $db->value(q{select count(*) from muster.schedule s, generate_series(1, 3)
	where muster.schedule_next(s, now()) <> s.next_at and jitter_s = 3600}), 0, 'always by the same';

# Two at once, with room for one.
$db->sql(q{insert into muster.schedule (organization_id, kind, cron, jitter_s, backfill_s, next_at, enabled)
	select $1, 'audit', '@daily', 0, 60, now(), false from generate_series(1, 999 - (select count(*) from muster.schedule
	where organization_id = $1))}, $acme->{id});
my ($one_more, $too_many) = map { $db->session } 1 .. 2;
my $make = "select count(muster.schedule_make('$acme->{id}', 'audit', '\@daily'))";
$one_more->ask('begin');
$one_more->ask($make);
$too_many->send($make);
wait_for { $db->value(q{select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'}) };
$one_more->ask('commit');
eval { $too_many->read };
is $db->value('select count(*) from muster.schedule where organization_id = $1', $acme->{id}), 1000, 'there are not more than 400';
$db->sql(q{delete from muster.schedule where not enabled and updated_at = created_at});

# ---- whose ----

my $theirs = enter($other->{people}{org_admin}, 'org_admin');
is $api->json($theirs . 'select muster.schedule_list()')->{items}[0], undef, 'others do not see it';
like $api->error($theirs . "select muster.$_"), qr/MU404/, "nor do they anything with it: $_"
	for "schedule_get('$scan->{id}')", "schedule_update('$scan->{id}', p_cron => '\@daily')",
		"schedule_remove('$scan->{id}')", "schedule_run('$scan->{id}')";
my $page = ask(q{select muster.schedule_list(p_limit => 4)});
is scalar @{ $page->{items} }, 4, 'the list has pages';
my $rest = ask(q{select muster.schedule_list(p_limit => 200, p_cursor => $1)}, $page->{next});
is @{ $page->{items} } + @{ $rest->{items} }, $db->value('select count(*) from muster.schedule'), 'all of it';
is ask('select muster.schedule_remove($1)', $scan->{id})->{id}, $scan->{id}, 'one can be removed';
is $db->value('select count(*) from muster.schedule_tick where schedule_id = $1', $scan->{id}), 0, 'with its history';

# ---- what is seen for the first time ----

sub scans { return join ' ', map { $_->[0] } $db->rows(q{select r.name from muster.job j join muster.run x on x.id = j.run_id
	join muster.repo r on r.id = x.repo_id where j.kind = 'scan' and j.state = 'queued' and j.priority = $1 order by 1}, $_[0] // -1) }
my @seen = map { { name => $_ } } 'one', 'two', 'three';
$jobs->sql(q{select muster.job_kind_set('[{"name": "scan", "queue": "scan", "help": "x"}]')});
$db->sql('delete from muster.schedule');
$db->sql('delete from muster.job');
ingest($db, $acme, report([@seen]));
is_deeply [ticks()], [], 'what was there before is left to the schedule';
push @seen, { name => 'four' }, { name => 'five' }, { name => 'gone', status => 'missing' };
ingest($db, $acme, report([@seen]));
is_deeply [ticks()], ['acme scan queued 2 0'], 'what an audit sees for the first time is scanned';
is scans(), 'five four', 'behind all else, and only what is there';
ingest($db, $acme, report([@seen, { name => 'six' }]));
is_deeply [ticks()], ['acme scan queued 1 0'], 'each once';
is_deeply [ticks()], [], 'only once';
$api->sql(enter($acme->{people}{org_admin}, 'org_admin') . q{select muster.setting_update('scan.first', '"no"'); commit});
push @seen, { name => 'six' };
ingest($db, $acme, report([@seen, { name => 'seven' }]));
is_deeply [ticks()], [], 'unless the organization does not want that';
$db->sql('delete from muster.job');
ingest($db, $acme, report([@seen, map { { name => "many$_" } } 1 .. 250]));
my $developer = enter($acme->{people}{developer}, 'developer');
my $asked = $api->json($developer . 'select muster.scan_add(); commit');
is_deeply [@{$asked}{qw(run_id status)}], [undef, 'pending'], 'everything can be asked for';
my $of = $db->value(q{select count(*) from muster.repo r join muster.root t on t.id = r.root_id where r.organization_id = $1
	and r.removed_at is null and r.archived_at is null and t.watched and r.status <> 'missing'}, $acme->{id});
is $asked->{repositories}, $of, 'and how many that is is told';
my @rounds;
push @rounds, join ', ', ticks() for 1 .. 4;
like $rounds[0], qr/\Aacme scan queued (?:9\d|100) 0\z/, 'a hundred are looked at in a time';
is $db->value(q{select count(*) from muster.job where kind = 'scan'}), $of, 'each of them';
is $rounds[3], '', 'until there is none left' or diag explain \@rounds;
my $asked_by = q{select count(*) from muster.job j join muster.run r on r.id = j.run_id where j.kind = 'scan' and r.account_id = $1};
is $db->value($asked_by, $acme->{people}{developer}{id}), $of, 'for whom is known of each';
$db->sql('delete from muster.job');
$api->sql($developer . 'select muster.scan_add(); commit');
$api->sql(enter($acme->{people}{org_admin}, 'org_admin') . q{select muster.setting_update('scan.first', '"yes"'); commit});
ingest($db, $acme, report([@seen, { name => 'seven' }, { name => 'late' }, map { { name => "many$_" } } 1 .. 250]));
$of = $db->value(q{select count(*) from muster.repo r join muster.root t on t.id = r.root_id where r.organization_id = $1
	and r.removed_at is null and r.archived_at is null and t.watched and r.status <> 'missing'}, $acme->{id});
ticks() for 1 .. 4;
is $db->value(q{select count(*) from muster.job where kind = 'scan'}), $of, 'what comes meanwhile is scanned with all else';
is $db->value($asked_by, $acme->{people}{developer}{id}), $of - 1, 'but nobody asked for it';
is $db->value('select count(*) from muster.root where scan_account_id is not null or scan_until is not null'), 0, 'and who asked is not remembered for longer';
$api->sql($developer . 'select muster.scan_add(); commit');
is_deeply [ticks()], [], 'what waits already is not asked for again';
1 while $db->value('select count(*) from muster.root where scan_from is not null') && (ticks(), 1);
$db->sql('delete from muster.job');
ask(q{select muster.repo_update($1, p_project => 'empty')}, $_) for 'many7', 'many230';
$db->sql(q{insert into muster.project (organization_id, slug, name) values ($1, 'third', 'Third')}, $acme->{id});
is $api->error($developer . q{select muster.scan_add(p_project => 'third')}), 'MU409', 'where a project has nothing there is nothing to scan';
is $api->error($developer . q{select muster.scan_add('one', 'third')}), 'MU400', 'a project or a repository can be asked for';
is $api->error($developer . q{select muster.scan_add(p_project => 'nothing')}), 'MU404', 'which has to be there';
is $api->json($developer . q{select muster.scan_add(p_project => 'empty'); commit})->{repositories}, 2, 'all of a project can be asked for';
is_deeply [ticks()], ['acme scan queued 2 0'], 'and is scanned';
is scans(), 'many230 many7', 'without what is not in it';
is_deeply [ticks()], [], 'once';
ask(q{select muster.repo_update('many100', p_project => 'third')});
$db->sql('delete from muster.job');
$api->sql($developer . "select muster.scan_add(p_project => '$_'); commit") for 'empty', 'third', 'third';
$api->sql(enter($acme->{people}{org_admin}, 'org_admin') . q{select muster.setting_update('scan.first', '"yes"'); commit});
ingest($db, $acme, report([@seen, { name => 'last' }, map { { name => "many$_" } } 1 .. 250]));
ticks();
is scans(), 'last many100 many230 many7', 'two of them, and what an audit finds meanwhile';
is $db->value(q{select count(*) from muster.root where coalesce(scan_from, scan_until) is not null or scan_projects is not null}), 0,
	'which is not remembered for longer';
$api->sql($developer . "select muster.scan_add($_); commit") for '', "p_project => 'third'";
$db->sql('delete from muster.job');
ticks() for 1 .. 4;
is $db->value(q{select count(*) from muster.job where kind = 'scan'}), $of - 1, 'a project takes nothing away from everything';
is $api->json($developer . q{select muster.scan_add('one'); commit})->{repositories}, 1, 'one alone can be asked for, too';
like $api->error($theirs . q{select muster.scan_add('one')}, ), qr/MU404/, 'but not by others';

# ---- piece by piece ----

sub all_scans { return $db->value(q{select concat_ws(' ', count(*), count(distinct key)) from muster.job where kind = 'scan'}) }
sub tidy { $db->sql("delete from muster.$_") for qw(job run schedule); return $db->sql('update muster.root set scan_from = null') }
tidy();
ingest($db, $acme, report([map { { name => sprintf('many%04d', $_) } } 1 .. 450]));
tidy();
my $large = add('scan', '@yearly');
due($large->{id}, 0);
my @calls;
while (my ($call) = ticks()) {
	push @calls, $call;
	last if @calls > 60;
}
cmp_ok scalar @calls, '>=', 2, 'of many repositories only a part is queued by one call';
is scalar(grep { !/^acme scan going \d+ 0$/ } @calls[0 .. $#calls - 1]), 0, 'which says that there is more' or diag explain \@calls;
is $calls[-1], 'acme scan queued 450 0', 'until all are';
is all_scans(), '450 450', 'each once';
is $db->value('select count(*) from muster.run'), 450, 'with a run for each';
is $db->value('select max(n) <= 400 from (select count(*) as n from muster.run group by created_at) x'), 't', 'no call makes more than 400';
is_deeply [map { "@$_" } $db->rows('select outcome, jobs from muster.schedule_tick')], ['queued 450'], 'it came once';
is $db->value(q{select count(*) from (select type, subject from muster.outbox union all select type, subject from muster.event) x
	where type = 'schedule_tick' and subject = $1}, $large->{id}), 1, 'and was told once';
is $db->value('select going_at from muster.schedule'), undef, 'nothing is left to do';

# A runner dies between two pieces, and in the middle of one; others look meanwhile.
$db->sql('delete from muster.job');
$db->sql('delete from muster.run');
due($large->{id}, 0);
like +(ticks())[0], qr/^acme scan going/, 'one piece';
my $piece = all_scans();
my $dies = $jobs->session;
$dies->ask('begin');
like $dies->ask('select outcome from muster.schedule_tick()'), qr/^(?:going|queued)$/, 'a runner does the next';
is_deeply [ticks()], [], 'which another leaves to it';
$dies->ask('rollback');
is all_scans(), $piece, 'and dies of it';
due($large->{id}, 0);
@pids = ();
for (1 .. 4) {
	defined(my $pid = fork) or die "fork: $!\n";
	if (!$pid) {
		my $ok = eval { ticks() for 1 .. 8; 1 };
		require POSIX;
		POSIX::_exit($ok ? 0 : 1);
	}
	push @pids, $pid;
}
is scalar(grep { waitpid($_, 0); $? } @pids), 0, 'others go on';
1 while ticks();
is all_scans(), '450 450', 'nothing is left out, nor queued twice';
is $db->value('select count(*) from muster.run'), 450, 'nor has it two runs';
is_deeply [map { "@$_" } $db->rows(q{select outcome, jobs, coalesce(reason, '')
	from muster.schedule_tick order by due_at desc limit 2})],
	['skipped 0 The last time is not done yet.', 'queued 450 '], 'the next time came after it, and found it all there';

# It fails half way.
$db->sql('delete from muster.job');
due($large->{id}, 0);
ticks();
$db->sql(q{alter table muster.run add constraint broken check (repo_id is null) not valid});
like +(ticks())[0], qr/^acme scan failed/, 'one that fails half way';
is_deeply [ticks()], [], 'waits';
$db->sql('alter table muster.run drop constraint broken');
$db->sql('update muster.schedule set retry_at = now()');
1 while ticks();
is all_scans(), '450 450', 'and goes on where it was';
$db->sql('delete from muster.job');
due($large->{id}, 0);
ticks();
$db->sql(q{alter table muster.run add constraint broken check (repo_id is null) not valid});
$db->sql(q{update muster.schedule set going_at = going_at - interval '2 hours'});
like +(ticks())[0], qr/^acme scan failed/, 'what fails for longer than it would be made up for';
$db->sql('alter table muster.run drop constraint broken');
is $db->value('select going_at from muster.schedule'), undef, 'is given up';
$db->sql('update muster.schedule set retry_at = null');

# By hand; and switched off.
$db->sql('delete from muster.job');
my $by_hand = ask('select muster.schedule_run($1)', $large->{id});
ok $by_hand->{going} && $by_hand->{jobs} >= 200 && $by_hand->{jobs} <= 400, 'by hand the first piece is done at once' or diag explain $by_hand;
like $api->error($lead . 'select muster.schedule_run($1)', $large->{id}), qr/MU409/, 'which is not begun again while it goes on';
my $times = $db->value('select count(*) from muster.schedule_tick');
1 while ticks();
is all_scans(), '450 450', 'the runner does the rest';
is $db->value('select count(*) from muster.schedule_tick'), $times, 'and no time came by that';
$db->sql('delete from muster.job');
due($large->{id}, 0);
ticks();
my $so_far = all_scans();
ask('select muster.schedule_update($1, p_enabled => false)', $large->{id});
is_deeply [ticks()], [], 'what is switched off does not go on';
is all_scans(), $so_far, 'with no piece more';

# What a second person adds in the same moment is not counted as ours.
tidy();
$db->sql('update muster.root set watched = true');
$jobs->sql(q{select muster.job_kind_set('[{"name": "report", "queue": "database", "help": "x"}, {"name": "fetch", "queue": "fetch", "help": "x"}]')});
for my $kind ('report', 'fetch') {
	my $repo = $db->value(q{select r.id from muster.repo r join muster.root t on t.id = r.root_id where t.organization_id = $1
		and t.watched and r.removed_at is null order by r.id limit 1}, $acme->{id});
	$db->sql(q{update muster.root set slug = 'clones' where id = (select root_id from muster.repo where id = $1)}, $repo) if $kind eq 'fetch';
	my $twice = add($kind, '@yearly', $kind eq 'fetch' ? (repo => $repo) : ());
	my $first = $db->session;
	$first->ask('begin');
	$first->ask($kind eq 'report' ? "select muster.job_add('$acme->{id}', 'report', 'daily')"
		: "select muster.fetch_add(r) from muster.repo r where r.id = '$repo'");
	my $counts = $db->session;
	$counts->send("select jobs from muster.schedule_queue((select s from muster.schedule s where s.id = '$twice->{id}'))");
	wait_for { $db->value(q{select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'}) };
	$first->ask('commit');
	is $counts->read, 0, "$kind: what somebody else added is not counted";
	$db->sql('delete from muster.job');
	is $db->value("select jobs from muster.schedule_queue((select s from muster.schedule s where s.id = '$twice->{id}'))"), 1, 'but what it adds';
}

# ---- what it costs ----

note sprintf '%s us a time', $db->value(q{with t as (select clock_timestamp() as a), n as materialized (
	select max(muster.cron_next('0 3 * * 1-5', 'Europe/Berlin', now() + make_interval(days => i))) from generate_series(1, 500) i)
	select round(extract(epoch from clock_timestamp() - t.a) * 2000) from t, n});

done_testing;
