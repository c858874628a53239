#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster job: the queue in a terminal, and what an administrator can do about it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
my %organization = map { $_ => $db->value('select muster.organization_add($1)', $_) } qw(acme burrow);
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stand->conf($db, 'job.concurrency' => 1));

sub run_job { return run_program([program('muster'), 'job', @_], env => \%env) }
sub out { my ($code, $out, $err) = run_job(@_); return $code == 0 ? $out : "$code: $err" }
sub add { return $db->value('select muster.job_add($1, $2, $3)', $organization{ $_[0] }, $_[1], $_[2]) }
sub state_of { return $db->value('select state from muster.job where id = $1', $_[0]) }
sub begin { return $db->value(q{select lease_id from muster.job_claim('here', '{audit,clone}', 1, 30)}) }
run_program([program('muster'), 'run', '--once'], env => \%env); # which says what kinds there are

my $a = add('acme', 'audit', 'one');
my $b = add('burrow', 'clone', "two\nlines");
like out('list'), qr/^$a\tacme\taudit\tone\tqueued\t.*\n$b\tburrow\tclone\ttwo%0Alines\tqueued\t/, 'what waits is listed';
unlike out('list', '--organization', 'acme'), qr/burrow/, 'or of one organization';
unlike out('list', '--kind', 'clone'), qr/audit/, 'or of one kind';
is out('list', '--state', 'dead'), '', 'or in one state';

like out('pause', '--queue', 'nothing'), qr/^4: .*There is no queue nothing/, 'there must be such a queue to pause it';
like out('pause', '--kind', 'nothing'), qr/^4: .*There is no kind/, 'or such a kind';
is out('pause', '--queue', 'network', '--reason', 'the forge is down'), '', 'a queue is paused';
like out('pause', '--queue', 'network'), qr/^4: .*paused already/, 'once';
like out('paused'), qr/^network\t-\t-\t\S+\tthe forge is down$/, 'what is paused is listed';
like out('show', $b), qr/^waits because\tPaused since \S+: the forge is down$/m, 'who waits says so';
like out('show', $a), qr/^state\tqueued$/m, 'another does not';
is out('resume', '--queue', 'network'), '', 'it goes on';
like out('resume', '--queue', 'network'), qr/^4: .*not paused/, 'once';

like out('queues'), qr/^network\tclone\t1\t0\t0\t\d+\t0\t0\t-\t-\t-$/m, 'each queue says what waits and since when';
is out('workers'), '', 'nobody works';
$db->sql(q{select muster.worker_renew(gen_random_uuid(), 'here', 42, '0.1', 'claiming', 4, '{audit,network}', '{}')});
like out('workers'), qr/^here\t42\tclaiming\t4\taudit network\t\S+\t\S+\t-$/, 'who works is listed';
my $lease = begin();
like out('workers'), qr/\t$a audit$/, 'with what';
like +(run_program([program('muster'), 'run', '--status'], env => \%env))[1],
	qr/^runner 42 on here: claiming, 1 of 4 slots, since \S+, seen \S+$/m, 'also beside the queue';
$db->value('select muster.job_fail($1, $2, $3, false, false, $4)', $a, $lease, 'broken',
	'{"exit_status": 256, "cpu_ms": 7, "rss_kib": 900, "log": "first\nsecond\n"}');
like out('show', $a), qr/^state\tdead\n.*^1\tfailed\there\t\S+\t\S+\t256\t7\t900\tbroken$/ms, 'an attempt is shown with what it took';
is out('log', $a), "1\tfirst\n1\tsecond\n", 'and what it said';
is out('retry', $a), '', 'it is tried again';
is state_of($a), 'queued', 'as new';
is out('cancel', $a), '', 'it is cancelled';
like out('cancel', $a), qr/^4: .*Job $a is cancelled/, 'once';
like out('retry', 4711), qr/^4: .*There is no job 4711/, 'what is not there is said';
like out('show', "1'"), qr/^4: .*There is no job 1'/, 'whatever was typed';
is_deeply [map { $_->[0] } $db->rows(q{select action from muster.trail where action ~ '^job' order by id})],
	[qw(job.retry job.cancel)], 'what was done is on the trail';
$db->sql(q{update muster.job set state = 'dead', finished_at = now()});
is out('redrive', '--kind', 'clone'), "1\n", 'what was given up is taken up again';
is state_of($b), 'queued', 'it waits';
is state_of($a), 'dead', 'that kind alone';

like out('redrive', '--queue', 'network'), qr/^2: .*redrive does not take/, 'an option that would be for nothing is refused';
like out('cancel', $b, '--organization', 'acme'), qr/^2: .*cancel does not take/, 'anywhere';

done_testing;
