#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a runner tells the service manager that started it, by the protocol of sd_notify(3).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Select;
use Socket qw(AF_UNIX SOCK_DGRAM pack_sockaddr_un);
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database;
$db->sql(q{select muster.organization_add('default')});
my $conf = $stand->conf($db, 'job.concurrency' => 2);
my $program = build_dir() . '/t/jobs/runner';

sub listener {
	my ($name) = @_;
	socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or die "socket: $!\n";
	bind $socket, pack_sockaddr_un($name) or die "bind: $!\n";
	return $socket;
}

# The next datagram that has it.
sub heard {
	my ($socket, $text) = @_;
	return wait_for {
		IO::Select->new($socket)->can_read(0.1) or return undef;
		recv $socket, my $got, 4096, 0;
		$got =~ $text ? $got : undef;
	} "the runner says $text";
}

my $path = $stand->run_dir . '/notify';
my $socket = listener($path);
my $runner = $stand->start('runner', [$program, 'run', '--forever', '--conf', $conf],
	env => { NOTIFY_SOCKET => $path, WATCHDOG_USEC => 2000000 });
like heard($socket, qr/claiming/), qr/^READY=1\n(?:WATCHDOG=1\n)?STATUS=claiming, 0 of 2 jobs\n\z/, 'that it is ready, and what it does';
heard($socket, qr/^WATCHDOG=1$/m) for 1 .. 2;
pass 'that it lives, again and again';

my $id = $db->value(q{select muster.job_add((select id from muster.organization), 'look', 'look') from pg_notify('muster_wake', '')});
wait_for { $db->value('select state from muster.job where id = $1', $id) eq 'done' } 'a job';
unlike $db->value('select result ->> $1 from muster.job where id = $2', 'environment', $id), qr/NOTIFY|WATCHDOG/, 'which no job can do';
$db->sql(q{select muster.job_add((select id from muster.organization), 'sleep', 'sleep', '{"ms": 60000}'); notify muster_wake});
like heard($socket, qr/, 1 of 2/), qr/^READY=1$/m, 'that it has a job';
$stand->cluster->down('immediate');
like heard($socket, qr/away/), qr/the database is away$/m, 'that the database is away';
$stand->cluster->up;
heard($socket, qr/jobs$/m);
pass 'that it is back';
kill TERM => $runner->pid;
like heard($socket, qr/^STOPPING=1$/m), qr/^STATUS=draining, /m, 'that it stops';
$runner->stop;

$socket = listener("\0$path");
$runner = $stand->start('abstract', [$program, 'run', '--forever', '--conf', $conf],
	env => { NOTIFY_SOCKET => "\@$path", WATCHDOG_USEC => 2000000, WATCHDOG_PID => 1 });
like heard($socket, qr/claiming/), qr/^READY=1$/m, 'a socket without a file serves as well';
$db->sql(q{select muster.job_cancel(id) from muster.job where state in ('queued', 'running')});
$db->sql(q{select muster.job_add((select id from muster.organization), 'sleep', 'again', '{"ms": 3000}'); notify muster_wake});
my $all = '';
$all .= heard($socket, qr/^/) until $all =~ /1 of 2.*0 of 2/s;
unlike $all, qr/WATCHDOG/, 'another process is not watched in its place';
is $runner->stop, 0, 'it ends well';

done_testing;
