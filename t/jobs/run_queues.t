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

# ---- one minute after the other ----

$db->sql(q{create or replace function muster.job_piece(p_job muster.job) returns boolean
	language plpgsql security definer as $$ begin return false; end $$});
sub gate {
	my $file = $stand->dir . '/gate.' . ++$n;
	my $id = $db->value(q{select muster.job_add((select id from muster.organization), 'gate', $1, jsonb_build_object('file', $2::text))
		from pg_notify('muster_wake', '')}, "key$n", $file);
	return { id => $id, open => sub { spew($file, ''); wait_for { state($id) eq 'done' } 'it ends' } };
}
sub workers { return join ' ', map { $_->[0] } $db->rows('select state from muster.worker order by started_at') }
my @gates = map { gate() } 1 .. 2;
my $old = $stand->start('old', [$program, 'run', '--for', 2, '--concurrency', 2, '--conf', $conf]);
wait_for { workers() eq 'minding' } 'the end of its minute';
is running('gate'), 2, 'a runner whose time is over minds what it has begun';
my $new = runner('new', '--concurrency', 2);
wait_for { workers() eq 'minding claiming' } 'the next one';
push @gates, map { gate() } 1 .. 2;
# The database does this one for whoever looks, after it has asked for what it could begin.
my $look = add('nothing', 0);
wait_for { state($look) eq 'done' } 'a look';
is_deeply [map { state($_->{id}) } @gates], [qw(running running queued queued)], 'there are no more slots than the host has, whoever has them';
$gates[0]{open}->();
wait_for { running('gate') == 2 } 'the third';
is_deeply [map { state($_->{id}) } @gates], [qw(done running running queued)], 'what becomes free is the next one\'s';
ok $old->is_running, 'and the old one stays with what is left to it';
$gates[1]{open}->();
is $old->wait, 0, 'until that is done, which ends it well';
is workers(), 'claiming', 'nobody has to stop the other';
$_->{open}->() for @gates[2, 3];
is_deeply [map { job($_->{id})->{attempt} } @gates], [1, 1, 1, 1], 'no job was begun twice';
my @spans = map { job($_->{id})->{result} } @gates;
is_deeply [grep { my $at = $_->{from_us}; (grep { $_->{from_us} <= $at && $at < $_->{to_us} } @spans) > 2 } @spans], [],
	'nor were there more than two at once';
$new->stop;

done_testing;
