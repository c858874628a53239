#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The runner as people use it: real repositories, audited by the product's own program.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use File::Path qw(make_path remove_tree);
use JSON::PP ();
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'server.host' => 'here', 'log.level' => 'debug',
	'audit.history_keep' => 5);
my $dir = $stand->dir;
my $src = "$dir/src";
my $reports = $stand->state_dir . '/reports/default/default';
$ENV{GIT_CONFIG_GLOBAL} = '/dev/null';
$ENV{GIT_CONFIG_NOSYSTEM} = 1;
$ENV{HOME} = $dir;

sub muster { return run_program([program('muster'), @_, '--conf', $conf]) }
sub git { my @argv = @_; system('git', @argv) == 0 or die "git @argv" }
sub decode { return JSON::PP->new->utf8->decode($_[0]) }
sub audit_due { return $db->sql(q{update muster.schedule set next_at = now() where kind = 'audit'}) }
sub quiet {
	return wait_for { !$db->value(q{select count(*) from muster.job where kind = 'audit' and state in ('queued', 'running')}) }
		'quiet';
}
sub events {
	my ($type) = @_;
	return map { decode($_->[0]) } $db->rows(
		q{select data from muster.event where type = $1 order by id}, $type);
}

sub add_repo {
	my ($name) = @_;
	make_path("$src/$name");
	git('init', '-q', '-b', 'main', "$src/$name");
	spew("$src/$name/file", "text\n");
	git('-C', "$src/$name", 'add', 'file');
	git('-C', "$src/$name", '-c', 'user.name=A', '-c', 'user.email=a@b', 'commit', '-qm', 'first');
}

add_repo($_) for 'one', 'two', 'with space';
my ($code, $out, $err) = muster('repo', 'add', $src);
is $code, 0, 'a folder is watched' or diag $err;

# ---- --once ----

($code, $out, $err) = muster('run', '--once');
is $code, 0, '--once audits what is due' or diag $err;
my $report = decode(slurp("$reports/GitRepoReport.json"));
is_deeply [sort map { $_->{name} } @{ $report->{repos} }], ['one', 'two', 'with space'], 'the report lists every repository';
is $report->{host}, 'here', 'and this host, by the name that was configured';
is((stat "$reports/latest.json")[1], (stat "$reports/GitRepoReport.json")[1], 'latest.json is the same file');
my @history = glob "$reports/history/*";
is scalar @history, 1, 'the history has it';
like $history[0], qr{/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\.json$}, 'under its time';
is slurp($history[0]), slurp("$reports/GitRepoReport.json"), 'with the same bytes';
my ($one) = grep { $_->{name} eq 'one' } @{ $report->{repos} };
is decode(slurp("$reports/repo/$one->{id}.json"))->{name}, 'one', 'each repository has a file under its id';

is $db->value('select count(*) from muster.audit'), 1, 'the database has the audit';
is $db->value('select count(*) from muster.repo'), 3, 'and the repositories';
is $db->value(q{select report_id from muster.root}), $report->{report_id}, 'of that very report';
is scalar(events('audit-update')), 1, 'an event says so';
is $db->value('select count(*) from muster.outbox'), 0, 'and has its number';
is $db->value(q{select state from muster.job}), 'done', 'the job is done';
is $db->json(q{select result from muster.job})->{total_results}, 3, 'and counted the repositories';

SKIP: {
	skip 'no terminal can be had', 2 unless has_terminal();
	audit_due();
	($code, $out) = run_program(['script', '-qec', program('muster') . " run --once --conf $conf", '/dev/null'],
		env => { TERM => 'xterm', LANG => 'C.UTF-8', LC_ALL => undef });
	like $out, qr{ \d/3 }, 'at a terminal --once shows how far it is';
	like $out, qr{\r\e\[K}, 'and leaves nothing of that behind';
}

# ---- --forever: what changes is seen ----

my $runner = $stand->start('runner', [program('muster'), 'run', '--forever', '--conf', $conf]);
sub audited { # once more
	my $before = $db->value('select count(*) from muster.audit');
	quiet();
	audit_due();
	return wait_for { $db->value('select count(*) from muster.audit') > $before } 'another audit';
}
audited();
audited();
pass 'the folder is audited again when its schedule says so';
open my $file, '>>', "$src/one/file" or die;
print $file "x\n";
close $file;
audited();
my ($change) = wait_for { (events('repo-status-change'))[-1] } 'the change';
pass 'a changed file is seen by the next audit';
is $change->{repo}{name}, 'one', 'the event names the repository';
is $change->{repo}{status}, 'dirty', 'what it is now';
is $change->{previous_status}, 'clean', 'and what it was';
my ($now) = grep { $_->{name} eq 'one' } @{ decode(slurp("$reports/GitRepoReport.json"))->{repos} };
is $now->{status}, 'dirty', 'the report on disk says the same';

add_repo('three');
audited();
wait_for { grep { $_->{repo}{name} eq 'three' } events('repo-status-change') } 'the new one';
pass 'a repository that comes is found';
audited() until (my @h = glob "$reports/history/*") >= 5;
audited();
is scalar(my @kept = glob "$reports/history/*"), 5, 'no more reports are kept than configured';

# ---- run now ----

quiet();
git('-C', "$src/one", 'checkout', '-q', 'file');
my $id = $db->value(q{
	with x as (insert into muster.run (organization_id, project_id, kind)
		   select organization_id, project_id, 'audit' from muster.root returning *)
	select x.id from x});
$db->sql(q{select muster.job_add(r.organization_id, 'audit', 'root:now', jsonb_build_object(
		'organization', 'default', 'organization_id', r.organization_id, 'root', r.slug,
		'path', r.path, 'host', r.host, 'repo', $1::text), r.host, $2, 10)
	from muster.root r; notify muster_wake}, $one->{id}, $id);
wait_for { $db->value('select status from muster.run where id = $1', $id) eq 'completed' } 'the run';
my @states;
wait_for {
	@states = map { $_->{status} } grep { $_->{run_id} == $id } events('status_change');
	@states && $states[-1] eq 'completed';
} 'the event of its end';
is_deeply [grep { $_ eq 'pending' || $_ eq 'in_progress' || $_ eq 'completed' } @states], \@states, 'a run tells of its states';
is $states[-1], 'completed', 'up to its end';
($now) = grep { $_->{name} eq 'one' } @{ decode(slurp("$reports/GitRepoReport.json"))->{repos} };
is $now->{status}, 'clean', 'and looked at the repository that was asked for';

# ---- somebody holds what a result needs ----

quiet();
my $holder = $db->session;
$holder->ask('begin; select from muster.root for update');
sub is_held_up {
	return $db->value(q{select count(*) from pg_stat_activity where datname = current_database()
		and usename = 'muster_jobs' and wait_event_type = 'Lock'});
}
audit_due();
wait_for { is_held_up() } 'a runner that waits for somebody';
wait_for { !is_held_up() } 'and goes on, for its leases do not wait';
$holder->ask('commit');
$holder->close;
quiet();
is_deeply [$db->rows(q{select state, attempt from muster.job where kind = 'audit' order by id desc limit 1})], [['done', 1]],
	'what it had to store is stored later, and is no other attempt';

# ---- the fence ----

git('init', '-q', '-b', 'main', "$dir/outside");
git('-C', "$dir/outside", '-c', 'user.name=A', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'x');
git('-C', "$dir/outside", 'worktree', 'add', '-q', '-b', 'tree', "$src/tree");
audit_due();
my $tree = wait_for { $db->json(q{select report from muster.repo where name = 'tree'}) } 'the worktree';
is $tree->{status}, 'error', 'a repository whose git folder lies outside of the watched one cannot be read by a job';
my ($readable) = grep { $_->{id} eq 'readable' } @{ $tree->{checks} };
like $readable->{message}, qr/outside of the watched/, 'and says why';
remove_tree("$src/tree");

# ---- bad surroundings ----

remove_tree($reports);
audit_due();
wait_for { -e "$reports/GitRepoReport.json" } 'the report folder';
pass 'a report folder that disappears is made again';

quiet();
remove_tree($reports);
spew($reports, 'in the way');
my $last = $db->value('select max(id) from muster.job');
audit_due();
my $failed = wait_for { $db->value(q{select error from muster.job where id > $1 and error is not null}, $last) } 'the failure';
like $failed, qr/cannot make the folder/, 'a report that cannot be written fails its job with a sentence';
unlink $reports;
$db->sql(q{update muster.job set run_at = now() where state = 'queued'});
wait_for { -e "$reports/GitRepoReport.json" } 'the next try';
pass 'and the next try writes it';

rename $src, "$src.gone";
$last = $db->value('select max(id) from muster.job');
audit_due();
$failed = wait_for { $db->value(q{select error from muster.job where id > $1 and state = 'dead'}, $last) } 'the missing folder';
like $failed, qr/src/, 'a watched folder that is gone fails the job with its name';
rename "$src.gone", $src;

# ---- reports of others ----

make_path($stand->state_dir . '/reports/default/foreign', $stand->state_dir . '/reports/default/Bad Name');
spew($stand->state_dir . '/reports/default/foreign/GitRepoReport.json', '{"garbage');
spew($stand->state_dir . '/reports/default/Bad Name/GitRepoReport.json', '{}');
is $runner->stop, 1, 'the runner ends';
$runner = $stand->start('again', [program('muster'), 'run', '--forever', '--conf', $conf]);
wait_for { $runner->output =~ /a report file is no report/ } 'the garbage';
pass 'garbage in a report folder is told and does no harm';
$runner->stop;
$report->{report_id} = 'c56a4180-65aa-42ec-a945-5fd21dec0538';
spew($stand->state_dir . '/reports/default/foreign/GitRepoReport.json', JSON::PP->new->utf8->encode($report));
($code, $out, $err) = muster('run', '--for', 1);
is $code, 0, 'a runner with a time to live ends well' or diag $err;
ok $db->value(q{select reported_at is not null from muster.root where slug = 'foreign'}), 'a report that another program wrote is taken in';

done_testing;
