#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runners of some queues alone, side by side on one host, and how many jobs each has at once; what is
# ready together is settled together.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'job.concurrency' => 4, 'job.drain_s' => 0, 'log.level' => 'debug');
my $program = build_dir() . '/t/jobs/runner';
my $n = 0;

sub add {
	my ($kind, $ms) = @_;
	return $db->value(q{select muster.job_add((select id from muster.organization), $1, $2, jsonb_build_object('ms', $3::integer))
		from pg_notify('muster_wake', '')}, $kind, 'key' . ++$n, $ms);
}

sub job { return $db->json('select to_jsonb(j) from muster.job j where id = $1', $_[0]) }
sub state { return job($_[0])->{state} }
sub running { return $db->value(q{select count(*) from muster.job where state = 'running' and kind = $1}, $_[0]) }
sub runner { return $stand->start($_[0], [$program, 'run', '--forever', '--conf', $conf, @_[1 .. $#_]]) }
sub claims { my ($runner) = @_; return wait_for { $runner->output =~ /claiming/ } 'a runner claims' }

for my $bad (['--queue', 'nowhere'], ['--queue', ''], ['--queue', 'test+apart'], ['--concurrency', -1], ['--concurrency', 5000],
	['--status', '--queue', 'test']) {
	my ($code, undef, $err) = run_program([$program, 'run', '--once', '--conf', $conf, @$bad]);
	is $code, 2, "refused: @$bad";
	like $err, qr/queue|job\.concurrency|number/, 'with a sentence';
}

my $test = runner('test', '--queue', 'test', '--concurrency', 2);
claims($test);
my @long = map { add('sleep', 60000) } 1 .. 4;
wait_for { running('sleep') == 2 } 'two of four';
my $apart = add('apart', 10);
my $other = runner('apart', '--queue', 'apart', '--queue', 'apart');
wait_for { state($apart) eq 'done' } 'the job of another queue';
pass 'a runner of another queue works beside one whose slots are taken';
is running('sleep'), 2, 'which has as many jobs as it was told, and not as the settings say';
is_deeply [map { state($_) } @long[2, 3]], ['queued', 'queued'], 'and whose jobs the other one leaves alone';
is_deeply [sort map { s{.*/}{}r } glob $stand->run_dir . '/runner.*'], ['runner.apart.sock', 'runner.test.sock'], 'each can be woken';

my $second = runner('second', '--queue', 'test', '--concurrency', 3);
my $all = runner('all');
claims($all);
wait_for { running('sleep') == 4 } 'the others';
is scalar(grep { job($_)->{state} eq 'running' } @long), 4, 'a runner of all queues has slots of its own';
unlike $second->output, qr/claiming/, 'a second one of the same queues waits';
$_->stop for $all, $other;
is scalar(() = glob $stand->run_dir . '/runner.*'), 1, 'who ends takes its socket along';
$db->sql(q{select muster.job_cancel(id) from muster.job where state in ('queued', 'running'); notify muster_wake});
$test->stop;
claims($second);
pass 'and goes on when the first is gone';

# Three end while the runner sees nothing of it.
@long = map { add('sleep', 8000) } 1 .. 3;
wait_for { running('sleep') == 3 } 'three';
kill STOP => $second->pid;
my $helper = slurp('/proc/' . $second->pid . '/task/' . $second->pid . '/children') =~ /(\d+)/ && $1;
wait_for { slurp("/proc/$helper/task/$helper/children") eq '' } 'their ends';
kill CONT => $second->pid;
wait_for { !running('sleep') } 'all';
is_deeply [map { state($_) } @long], [('done') x 3], 'what ended together is done';
is scalar(keys %{ { map { job($_)->{finished_at} => 1 } @long } }), 1, 'in one transaction';
is job($long[0])->{exit_status}, 0, 'with what it took';
ok job($long[1])->{result}{to_us}, 'and its result';
$second->stop;

done_testing;
