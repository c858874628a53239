#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A job from the queue to its end: with kinds that misbehave (t/jobs/runner.c).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use MIME::Base64;
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'job.concurrency' => 4, 'log.level' => 'debug');
my $program = build_dir() . '/t/jobs/runner';
my $n = 0;

sub add {
	my ($kind, $payload, %option) = @_;
	return $db->value(q{select muster.job_add((select id from muster.organization), $1, $2, $3,
		p_attempts_max => $4) from pg_notify('muster_wake', '')}, $kind, 'key' . ++$n, $payload // '{}', $option{attempts} // 1);
}

sub job {
	my ($id) = @_;
	return $db->json(q{select to_jsonb(j) from muster.job j where id = $1}, $id);
}

sub ended { my ($id) = @_; my $job = job($id); return $job->{state} =~ /^(?:queued|running)$/ ? undef : $job }

# ---- --once ----

my $id = add('sleep', '{"ms": 10}');
my ($code, $out, $err) = run_program([$program, 'run', '--once', '--conf', $conf]);
is $code, 0, '--once ends well when every job did' or diag $err;
is job($id)->{state}, 'done', 'and the job is done';
is_deeply [sort keys %{ job($id)->{result} }], ['from_us', 'to_us'], 'its result is the row\'s';
is job($id)->{exit_status}, 0, 'with how it ended';
cmp_ok job($id)->{rss_kib}, '>', 100, 'and what it took';
is_deeply [$db->rows(q{select name, queue, concurrency from muster.job_kind where name = 'sleep'})], [['sleep', 'test', undef]],
	'the database knows what kinds there are';

$id = add('fail', '{"final": true}', attempts => 5);
($code, $out, $err) = run_program([$program, 'run', '--once', '--conf', $conf]);
is $code, 1, '--once says by its exit code that a job failed';
is job($id)->{state}, 'dead', 'a failure that would come again is final';
is job($id)->{error}, 'it went wrong, as it was asked to', 'and says why';

$id = add('fail', '{}', attempts => 5);
run_program([$program, 'run', '--once', '--conf', $conf]);
is job($id)->{state}, 'queued', 'another failure is tried again later';
my $wait = $db->value('select extract(epoch from run_at - now()) from muster.job where id = $1', $id);
cmp_ok $wait, '>', 60, 'when its kind says';
cmp_ok $wait, '<', 120, 'and not much later';
$id = $db->value(q{select muster.job_add((select id from muster.organization), 'fail', 'kind')});
is job($id)->{attempts_max}, 2, 'and as often';
$db->sql('delete from muster.job');

# ---- what a child is and sees ----

my $runner = $stand->start('runner', [$program, 'run', '--forever', '--conf', $conf],
	env => { MUSTER_SECRET => 'geheim', PGPASSWORD => 'geheim' });
$id = add('look', '{"given": [1, "zwei"]}');
my $seen = wait_for { ended($id) } 'the look around';
$seen = $seen->{result};
is_deeply $seen->{params}, { given => [1, 'zwei'] }, 'a child gets its parameters';
unlike "@{ $seen->{environment} }", qr/geheim|MUSTER_|PG/, 'a child sees no setting and no secret in its environment';
my @files = @{ $seen->{files} };
is_deeply [grep { !/^[0-5]=/ } @files], [], 'a child has only the descriptors meant for it';
is_deeply [grep { /socket:/ } grep { !/^2=/ } @files], [], 'among them no connection';
is_deeply [sort grep { /^[01]=/ } @files], ['0=/dev/null', '1=/dev/null'], 'its standard input and output are nothing';
like "@files", qr{ 5=\S*/slot/[0-3]\b|^5=\S*/slot/[0-3]\b}, 'it holds the lock of its slot';
is $seen->{core}, 0, 'it leaves no core file';
is $seen->{nofile}, 64, 'its descriptors are limited';
is $seen->{cpu}, 60, 'its processor time is limited';
ok $seen->{leader}, 'it leads a session of its own';

is_deeply [$db->rows('select host, pid, state, slots from muster.worker')],
	[[$db->value('select leased_by from muster.job where id = $1', $id), $runner->pid, 'claiming', 4]], 'the runner is known, with its slots';

# ---- no process does two jobs ----

sub helper_kib {
	my ($helper) = slurp('/proc/' . $runner->pid . '/task/' . $runner->pid . '/children') =~ /(\d+)/;
	return slurp("/proc/$helper/status") =~ /^RssAnon:\s+(\d+)/m && $1;
}
sub many {
	my $most = $db->value(q{select max(muster.job_add((select id from muster.organization), 'stamp', 'many' || $1 || '-' || i))
		from generate_series(1, 110) i, pg_notify('muster_wake', '')}, ++$n);
	return wait_for { !$db->value(q{select exists (select from muster.job where kind = 'stamp' and state in ('queued', 'running'))::integer}) }
		'many jobs', 60;
}
many();
my ($kib, %pids) = helper_kib();
many();
$pids{$_}++ for $runner->output =~ /msg="child started" pid=(\d+)/g;
cmp_ok scalar(keys %pids), '>=', 220, 'each job has a process of its own';
is_deeply [grep { $pids{$_} > 1 } keys %pids], [], 'which is used once';
cmp_ok helper_kib() - $kib, '<', 512, 'and where they come from does not grow';

# ---- what the database does by itself ----

$db->sql(q{create or replace function muster.job_piece(p_job muster.job) returns boolean
	language plpgsql security definer as $$ begin return false; end $$});
$id = $db->value(q{select max(muster.job_add((select id from muster.organization), 'nothing', 'n' || i))
	from generate_series(1, 120) i, pg_notify('muster_wake', '')});
wait_for { !$db->value(q{select count(*) from muster.job where kind = 'nothing' and state <> 'done'}) } 'what needs no child';
is_deeply [$db->rows(q{select leased_by = w.host, attempt, count(*) from muster.job j, muster.worker w where kind = 'nothing' group by 1, 2})],
	[['t', 1, 120]], 'it is done once, without a process of its own';

# ---- ends of all kinds ----

my $crash = add('crash', '{}');
my $job = wait_for { ended($crash) } 'the crash';
is $job->{state}, 'dead', 'a job whose process was killed is over at once';
like $job->{error}, qr/signal 9/, 'and says so';
is $job->{exit_status}, 9, 'in numbers too';

my $many = add('crash', '{}', attempts => 9);
for my $try (1 .. 3) {
	$job = wait_for { my $j = job($many); $j->{crashes} == $try ? $j : undef } "crash $try";
	$db->sql(q{update muster.job set run_at = now() where id = $1 and state = 'queued';
		notify muster_wake}, $many);
}
is $job->{state}, 'dead', 'three crashes are enough, whatever the attempts';

my $killed = add('sleep', '{"ms": 60000}', attempts => 2);
my $pid = wait_for { slurp($stand->log_dir . '/runner.log') =~ /job=$killed msg="child started" pid=(\d+)/ && $1 } 'the child';
kill KILL => $pid;
$job = wait_for { my $j = job($killed); $j->{state} eq 'queued' ? $j : undef } 'the death to be seen';
like $job->{error}, qr/signal 9/, 'the death of a child is known from the kernel, long before its lease is over';
is $job->{crashes}, 1, 'and counted as a crash';
$db->sql('select muster.job_cancel($1)', $killed);

my $hang = add('hang');
$job = wait_for { ended($hang) } 'the hang';
like $job->{error}, qr/time .* was over/, 'a job that hangs and hears nothing is ended';
is $job->{exit_status}, 9, 'by what nobody can fail to hear';
my $obey = add('obey');
$job = wait_for { ended($obey) } 'the one that would hang for longer';
like $job->{error}, qr/time .* was over/, 'one that hears is asked to end, ';
is $job->{exit_status}, 15, 'long before it would be made to';

my $file = $stand->dir . '/orphan';
my $orphan = add('orphan', qq({"file": "$file"}));
$job = wait_for { ended($orphan) } 'the orphan';
is $job->{state}, 'done', 'a job that left a process behind is done';
my $left = slurp($file);
wait_for { !kill 0, $left } 'the process left behind';
pass 'and what it left is ended';

for my $case (['no frame at all', encode_base64('garbage, garbage', '')],
	['a length beyond all bounds', encode_base64("\xff\xff\xff\xffr", '')],
	['what is no JSON', encode_base64("\0\0\0\5r{\"a\":", '')],
	['a key twice', encode_base64("\0\0\0\15r{\"a\":1,\"a\":2}", '')],
	['parameters', encode_base64("\0\0\0\2p{}", '')],
	['progress that is no object', encode_base64("\0\0\0\2g[]", '')])
{
	my $bad = add('garbage', qq({"bytes": "$case->[1]"}));
	$job = wait_for { ended($bad) } $case->[0];
	is $job->{state}, 'dead', "a child that sends $case->[0] is ended";
	like $job->{error}, qr/job's process/, 'with a sentence';
}

my $large = add('large', '{"bytes": 60000}');
$job = wait_for { ended($large) } 'a large result';
is $job->{state}, 'done', 'a result of nearly 64 KiB is stored';
$large = add('large', '{"bytes": 1048577}');
$job = wait_for { ended($large) } 'a result that is too large';
is $job->{state}, 'dead', 'one over its kind\'s limit is refused';

# ---- concurrency, cancelling ----

my @ids = map { add('sleep', '{"ms": 300}') } 1 .. 9;
wait_for { !grep { !ended($_) } @ids } 'nine jobs';
# By their own clocks: at each start, how many others had begun and not ended.
my @spans = map { job($_)->{result} } @ids;
my ($most) = sort { $b <=> $a } map {
	my $at = $_->{from_us};
	scalar grep { $_->{from_us} <= $at && $at < $_->{to_us} } @spans
} @spans;
cmp_ok $most, '<=', 4, 'never more jobs run than there are slots';
cmp_ok $most, '>', 1, 'but several at once';

my $cancelled = add('sleep', '{"ms": 60000}');
$pid = wait_for { slurp($stand->log_dir . '/runner.log') =~ /job=$cancelled msg="child started" pid=(\d+)/ && $1 } 'the child';
$db->sql(q{select muster.job_cancel($1); notify muster_wake}, $cancelled);
wait_for { !kill 0, $pid } 'the cancelled child';
is job($cancelled)->{state}, 'cancelled', 'a cancelled job is ended and stays cancelled';

my $progress = add('sleep', '{"ms": 10000, "say": "good night"}');
$job = wait_for { my $j = job($progress); ($j->{progress} // 0) > 0 && $j->{state} eq 'running' ? $j : undef } 'progress';
is $job->{message}, 'sleeping', 'progress is told while a job runs';
wait_for { (job($progress)->{log} // '') eq "good night\n" } 'its line';
is job($progress)->{state}, 'running', 'and so is what it says, also of a job that no run stands for';
wait_for { ended($progress) } 'its end';

# ---- what it says while it runs ----

my $run = $db->value(q{insert into muster.run (organization_id, project_id, kind)
	select organization_id, id, 'scan' from muster.project limit 1 returning id});
my $talk = $db->value(q{select muster.job_add((select id from muster.organization), 'talk', 'talk', '{"lines": 90}', p_run => $1)
	from pg_notify('muster_wake', '')}, $run);
$job = wait_for { ended($talk) } 'the one that talks';
is $db->value('select string_agg(text, $1 order by number) from muster.run_log where run_id = $2', '', $run),
	join('', map { "line $_\n" } 0 .. 89), 'all that a job says is in the log of its run';
$db->sql('select muster.sequence_events()');
is_deeply [map { $_->[0] } $db->rows(q{select data ->> 'message' from muster.event where type = 'progress_update' and subject = $1
	order by id}, $run)], [qw(first second third fourth)], 'each step is told, however quick';
my $pieces = $db->value('select count(*) from muster.run_log where run_id = $1', $run);
my $seconds = $db->value('select extract(epoch from finished_at - started_at) from muster.job where id = $1', $talk);
cmp_ok $pieces, '<=', 2 + 4 * $seconds, "but not each line by itself ($pieces)";

($code, $out) = run_program([$program, 'run', '--status', '--conf', $conf]);
is $code, 0, '--status prints the queue';
like $out, qr/^\d+ +crash +dead /m, 'with what died';
like $out, qr/queued 0, running 0, done in the last hour \d+/, 'and counts';

# ---- stopping ----

my $open = () = glob "/proc/" . $runner->pid . "/fd/*";
my $last = add('sleep', '{"ms": 5000}');
wait_for { job($last)->{state} eq 'running' } 'the last job';
kill TERM => $runner->pid;
is $runner->wait(20), 1, 'told to stop, the runner ends, and tells of the failures it saw';
is job($last)->{state}, 'done', 'after the jobs that it had';
is $db->value('select count(*) from muster.worker'), 0, 'it is no longer among the runners';
is_deeply [glob $stand->state_dir . '/slot/job-*'], [], 'nothing is left behind';
ok !-e $stand->run_dir . '/runner.sock', 'not even its socket';

# ---- what takes long to be stored ----

$large = add('slow', '{"bytes": 3000000}');
($code, $out, $err) = run_program([$program, 'run', '--once', '--conf', $conf], env => { MUSTER_DATABASE_TIMEOUT_MS => 1000 });
is job($large)->{state}, 'done', 'a large result is given more time than a statement else has' or diag $err;

done_testing;
