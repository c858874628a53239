#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The runner when what it stands on goes away: itself, its helper, its database, its folder.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::HiRes qw(time);
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'job.concurrency' => 3, 'job.drain_s' => 1, 'log.level' => 'debug');
my $program = build_dir() . '/t/jobs/runner';
my $n = 0;

sub add {
	my ($kind, $payload, %option) = @_;
	return $db->value(q{select muster.job_add((select id from muster.organization), $1, $2, $3,
		p_attempts_max => $4) from pg_notify('muster_wake', '')}, $kind, 'key' . ++$n,
		$payload // '{}', $option{attempts} // 5);
}

sub job { return $db->json(q{select to_jsonb(j) from muster.job j where id = $1}, $_[0]) }
sub start { return $stand->start($_[0], [$program, 'run', @_[1 .. $#_], '--conf', $conf]) }

# All living processes of this test's program, by /proc: (pid => [ppid, state]).
sub processes {
	my %all;
	for my $stat (glob '/proc/[0-9]*/stat') {
		my $text = eval { slurp($stat) } or next;
		my ($pid, $state, $ppid) = $text =~ /^(\d+) \(.*\) (\S) (\d+)/s or next;
		$all{$pid} = [$ppid, $state];
	}
	return \%all;
}

sub children {
	my ($parent) = @_;
	my $all = processes();
	return grep { $all->{$_}[0] == $parent } keys %$all;
}

sub is_gone {
	my ($pid) = @_;
	my $all = processes();
	return !$all->{$pid} || $all->{$pid}[1] eq 'Z';
}

# ---- the runner is killed ----

my $runner = start('first', '--forever');
my $id = add('sleep', '{"ms": 4000}');
wait_for { job($id)->{state} eq 'running' } 'the job';
my ($helper) = children($runner->pid);
my $child = wait_for { (children($helper))[0] } 'its child';
$runner->kill9;
wait_for { is_gone($child) && is_gone($helper) } 'the child of a killed runner';
pass 'a runner that is killed takes its children with it';
$db->sql(q{update muster.job set payload = '{"ms": 10}' where id = $1}, $id);
$runner = start('second', '--forever');
wait_for { job($id)->{state} eq 'done' } 'the job again';
like slurp($stand->log_dir . '/second.log'), qr/a job whose runner was lost runs again" job=$id\b/,
	'the next runner knows of the death and does not wait for the lease';
is job($id)->{crashes}, 1, 'the lost run is counted as a crash';

# ---- two runners ----

my $second = start('rival', '--for', 3);
my @ids = map { add('sleep', '{"ms": 50}') } 1 .. 6;
wait_for { !grep { job($_)->{state} ne 'done' } @ids } 'six jobs';
unlike slurp($stand->log_dir . '/rival.log'), qr/msg=claimed/, 'of two runners one claims';
is $second->wait(20), 0, 'the other ends when its time is over';
my $third = start('heir', '--forever');
my $long = add('sleep', '{"ms": 2500}');
wait_for { job($long)->{state} eq 'running' } 'a job of the old runner';
my $for = start('once', '--once');
is $for->wait(20), 0, '--once leaves the work to the runner that claims';
$runner->signal('TERM');
$id = add('sleep', '{"ms": 10}');
wait_for { job($id)->{state} eq 'done' } 'a job after the change of runners';
pass 'when the first runner is told to stop the next one claims';
$runner->wait(20);
wait_for { slurp($stand->log_dir . '/heir.log') =~ /job=$long msg=claimed/ } 'the next runner to take it';
pass 'a job that outlives the patience of a stopping runner is put back, and the next one does it';
is job($long)->{crashes}, 0, 'which is no crash';
is job($long)->{attempt}, 1, 'and no attempt';
like job($long)->{error}, qr/runner was stopped/, 'and says why';
$db->sql('select muster.job_cancel($1)', $long);
$runner = $third;

# ---- the helper is killed ----

$id = add('sleep', '{"ms": 3000}');
wait_for { job($id)->{state} eq 'running' } 'the job';
($helper) = children($runner->pid);
$child = wait_for { (children($helper))[0] } 'its child';
kill KILL => $helper;
wait_for { job($id)->{state} eq 'queued' } 'the job to be put back';
is job($id)->{crashes}, 1, 'when the process for jobs dies its jobs are put back';
wait_for { is_gone($child) } 'its child';
$db->sql(q{update muster.job set payload = '{"ms": 10}', run_at = now() where id = $1;
	notify muster_wake}, $id);
wait_for { job($id)->{state} eq 'done' } 'the job with a new helper';
pass 'and a new one takes its place';

# ---- the database goes away ----

$id = add('sleep', '{"ms": 1500}');
wait_for { job($id)->{state} eq 'running' } 'the job';
($helper) = children($runner->pid);
$child = wait_for { (children($helper))[0] } 'its child';
$stand->cluster->down;
wait_for { is_gone($child) } 'the child without a database';
my $log = $stand->log_dir . '/heir.log';
wait_for { slurp($log) =~ /database cannot be reached/ } 'the line about the database';
my $ticks = sub { my @f = split ' ', slurp('/proc/' . $runner->pid . '/stat'); $f[13] + $f[14] };
my $before = $ticks->();
my $until = time + 1.5;
wait_for { time > $until } 'a while without a database';
cmp_ok $ticks->() - $before, '<', 20, 'while the database is away the runner does not spin';
$stand->cluster->up;
wait_for { job($id)->{state} eq 'done' } 'the result after the database came back';
is job($id)->{attempt}, 1, 'the result of a job outlives a restart of the database';
my @lines = slurp($log) =~ /database cannot be reached; results/g;
is scalar @lines, 1, 'one line says that it was away';
like slurp($log), qr/the database is back/, 'one that it is back';
$id = add('sleep', '{"ms": 10}');
wait_for { job($id)->{state} eq 'done' } 'a job after that';
pass 'and work goes on';

# ---- late results ----

$id = add('sleep', '{"ms": 1200}');
wait_for { job($id)->{state} eq 'running' } 'the job';
$db->sql(q{update muster.job set lease_id = gen_random_uuid(), leased_by = 'elsewhere' where id = $1}, $id);
wait_for { slurp($log) =~ /job=$id msg="refused: the lease is lost/ } 'the refusal';
is job($id)->{state}, 'running', 'a late child cannot complete a job that was given to another';
$db->sql('select muster.job_cancel($1)', $id);

# ---- nothing grows ----

my $count = sub {
	my @files = glob '/proc/' . $runner->pid . '/fd/*';
	my ($h) = children($runner->pid);
	my @helper_files = glob "/proc/$h/fd/*";
	return (scalar @files, scalar @helper_files);
};
my @at_first;
for my $round (1 .. 5) {
	@ids = map { add($_ % 7 ? 'sleep' : 'crash', '{"ms": 1}', attempts => 1) } 1 .. 30;
	wait_for { !$db->value(q{select count(*) from muster.job where state in ('queued', 'running')}) } 'thirty jobs', 60;
	wait_for { my ($h) = children($runner->pid); !children($h) } 'the last child';
	@at_first = $count->() if $round == 1;
}
my @at_last = wait_for { my @now = $count->(); "@now" eq "@at_first" ? "@now" : undef } 'as many descriptors as before';
pass 'after 150 jobs the runner and its helper hold as many descriptors as after 30';
my $all = processes();
is_deeply [grep { $all->{$_}[1] eq 'Z' && ($all->{$_}[0] == $runner->pid || $all->{$_}[0] == (children($runner->pid))[0]) } keys %$all],
	[], 'and there is no zombie';
my ($rss) = slurp('/proc/' . $runner->pid . '/status') =~ /^RssAnon:\s+(\d+)/m;
diag "anonymous memory of the runner: $rss KiB";

is $runner->stop, 1, 'it ends, and says by its exit code that jobs failed';
done_testing;
