#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A runner that is stopped past its lease, and clocks that jump.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Time::Local qw(timegm);
use Muster::Test;
use Muster::Test::Chaos;

my $is_long = chaos_is_long();
my $stand = Muster::Test->new;
my $chaos = Muster::Test::Chaos->new($stand);
my $db = $chaos->db;
my $good = $is_long ? 300 : 80;

# A lease is 30 seconds. Unless the long form was asked for these pass at once, in the row.
sub leases_end {
	my ($host) = @_;
	return wait_for { !$db->value(q{select count(*) from muster.job where state = 'running' and leased_by = $1
		and leased_until > now()}, $host) } 'the end of the leases', 40 if $is_long;
	return $db->sql(q{update muster.job set leased_until = now() where state = 'running' and leased_by = $1}, $host);
}

# ---- stopped ----

my $first = $chaos->runner('first', host => 'one');
my $second = $chaos->runner('second', host => 'two');
$chaos->load(good => $good);
$chaos->wait_left($good - 10);
my $hang = $db->value(q{select muster.job_add((select id from muster.organization), 'hang', 'hang', p_host => 'one',
	p_priority => 100, p_attempts_max => 1) from pg_notify('muster_wake', '')});
wait_for { $db->value('select state from muster.job where id = $1', $hang) eq 'running' } 'a job that hangs';
my @children = map { children_of($_) } children_of($first->pid);
kill STOP => $first->pid;
wait_for { !grep { !is_gone($_) } @children } 'its children';
pass 'the children of a runner that was stopped end at their time';
$chaos->wait_left(8);
leases_end('one');
$chaos->wait_left(0);
pass 'what a stopped runner had is done by another';
kill CONT => $first->pid;
wait_for { !children_of((children_of($first->pid))[0]) } 'what it had';
$chaos->load(good => 20);
$chaos->settled('a runner stopped');
ok $first->is_running && $second->is_running, 'both runners live';
$chaos->finish;

# ---- clocks ----

# The time of day jumps, for PostgreSQL and for the runner each by its own; what has passed is another clock.
my $library = $stand->dir . '/clock.so';
system('cp', build_dir() . '/t/chaos/clock.so', $library) == 0 or die;
chmod 0644, $library;
sub clock_of {
	my ($name) = @_;
	my $path = spew($stand->dir . "/clock-$name", pack 'q', 0);
	chmod 0644, $path;
	return (LD_PRELOAD => $library, CLOCK_FILE => $path);
}
sub jump {
	my ($name, $s) = @_;
	open my $file, '+<', $stand->dir . "/clock-$name" or die;
	syswrite $file, pack 'q', $s;
	return;
}

# When it wrote the last line of its log, as it believes.
sub told_at {
	my ($process) = @_;
	my @at = $process->output =~ /(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)[^\n]*\n\z/ or die;
	return timegm(reverse(@at[3 .. 5]), $at[2], $at[1] - 1, $at[0]);
}

my %server = clock_of('server');
$stand->cluster->down;
{
	local %ENV = (%ENV, %server);
	$stand->cluster->up;
}
my $sanitized = `nm '$chaos->{program}' 2>/dev/null | grep -c __asan_init` > 0;
my $runner = $chaos->runner('dreamer', host => 'three', env => { $sanitized ? () : clock_of('runner') });
for my $case (($sanitized ? () : (['runner', 3600, 'the clock of the runner an hour ahead'], ['runner', -3600, 'the clock of the runner an hour behind'])),
	['server', 3600, 'the clock of PostgreSQL an hour ahead'], ['server', 0, 'the clock of PostgreSQL an hour back'])
{
	my ($which, $s, $what) = @$case;
	$chaos->load(good => $good / 2);
	$chaos->wait_left($good / 2 - 10);
	jump($which, $s);
	$chaos->settled($what);
	# What is done after the jump is a line of the log after it.
	$chaos->load(good => 1);
	$chaos->settled("$what, and one more");
	my $now = $which eq 'server' ? $db->value('select extract(epoch from clock_timestamp())::bigint') : told_at($runner);
	cmp_ok abs($now - time - $s), '<', 60, "$what: so it was";
	ok $runner->is_running, "$what: the runner lives";
}
$chaos->finish;
done_testing;
