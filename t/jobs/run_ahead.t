#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Jobs that are claimed while others run: begun as soon as a slot is free, and given back when none is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'job.concurrency' => 1, 'job.drain_s' => 30, 'log.level' => 'debug');
my $program = build_dir() . '/t/jobs/runner';
my $n = 0;

sub add {
	my ($kind, $ms) = @_;
	return $db->value(q{select muster.job_add((select id from muster.organization), $1, $2, jsonb_build_object('ms', $3::integer))},
		$kind, 'key' . ++$n, $ms);
}

sub job { return $db->json('select to_jsonb(j) from muster.job j where id = $1', $_[0]) }
sub runner { return $stand->start($_[0], [$program, 'run', '--forever', '--conf', $conf]) }
sub wake { return $db->sql('notify muster_wake') }

# Some that are over at once, one that is not, and one behind it, until the last one is claimed. On a
# machine that has other things to do nothing may be over at once: then again.
sub load {
	for my $try (1 .. 40) {
		my @quick = map { add('sleep', 5) } 1 .. 20;
		my ($long, $last) = (add('sleep', 60000), add('sleep', 5));
		wake();
		wait_for { job($long)->{state} eq 'running' } 'the others';
		my $until = time + 2;
		sleep 0.01 while job($last)->{state} ne 'running' && time < $until;
		return ($long, $last, @quick) if job($last)->{state} eq 'running';
		$db->sql(q{select muster.job_cancel(id) from muster.job where state in ('queued', 'running'); notify muster_wake});
	}
	die "nothing is claimed ahead\n";
}

my $first = runner('first');
wait_for { $first->output =~ /claiming/ } 'the runner';
my ($long, $last, @quick) = load();
wait_for { !grep { job($_)->{state} ne 'done' } @quick } 'those before, which were over at once';
my $run_at = job($last)->{run_at};
wait_for { job($last)->{state} eq 'queued' } 'it is given back';
is job($last)->{attempt}, 0, 'one that cannot be begun soon is given back, and was not tried';
is job($last)->{run_at}, $run_at, 'with the turn that it had';
is job($long)->{state}, 'running', 'the other one goes on';
unlike $first->output, qr/job=$last .*child started/, 'no process was made for it';
wake();
sleep 0.3;
is job($last)->{state}, 'queued', 'and it is not claimed again while the slot is taken for long';
$db->sql(q{select muster.job_cancel($1); notify muster_wake}, $long);
wait_for { job($last)->{state} eq 'done' } 'its turn';
is job($last)->{attempt}, 1, 'it is begun when it is its turn';

# --- the runner ends
($long, $last) = load();
kill TERM => $first->pid;
wait_for { job($last)->{state} eq 'queued' } 'it is given back';
ok $first->is_running, 'a runner that ends gives back at once what it has not begun, and minds the rest';
is job($long)->{state}, 'running', 'which goes on';
$db->sql(q{select muster.job_cancel(id) from muster.job where state in ('queued', 'running')});
$first->stop;

# --- the runner dies
my $second = runner('second');
($long, $last) = load();
my $lease_end = job($long)->{leased_until};
kill KILL => $second->pid;
my $third = runner('third');
wait_for { my $job = job($long); $job->{state} eq 'running' && $job->{attempt} == 2 } 'the job of a runner that was killed';
is $db->value('select started_at < $1 from muster.job where id = $2', $lease_end, $long), 't',
	'what a killed runner had runs again on its host before its lease was over';
is job($long)->{crashes}, 1, 'what was begun was lost';
is job($last)->{crashes}, 0, 'what was not, was not';
is $db->value('select count(*) from muster.job_attempt where job_id = $1', $last), 0, 'nor was it tried before';
$db->sql(q{select muster.job_cancel($1); notify muster_wake}, $long);
wait_for { job($last)->{state} eq 'done' } 'it is done';
is_deeply [map { s{.*/}{}r } glob $stand->state_dir . '/slot/job-*'], [], 'no file of a job is left';
$third->stop;
is_deeply [map { s{.*/}{}r } glob $stand->state_dir . '/slot/was-*'], [], 'nor one that was kept for others';

done_testing;
