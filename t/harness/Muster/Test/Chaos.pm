# SPDX-License-Identifier: MIT
package Muster::Test::Chaos;

# A queue under load while something is broken, and what must be true of it afterwards.
#
#	my $chaos = Muster::Test::Chaos->new($stand);	# database, tables that count, t/jobs/runner
#	my $runner = $chaos->runner('first');		# on this host; host => 'other': on another
#	$chaos->load(good => 200, crash => 10);		# jobs, at once
#	... break something while $chaos->left > 50 ...
#	$chaos->settled('after the kills');		# waits, then tests; prints the counts
#
# The kinds are those of t/jobs/runner.c: "mark" stores a row in the statement that completes it,
# so that a job that is completed twice, or not by who holds it, shows in the table. Each change of
# a job to an end of any kind is counted by a trigger. Delays between attempts are cut short.
#
# chaos_is_long(): whether the long form was asked for (MUSTER_TEST_ALL=yes).

use strict;
use warnings;
use Exporter qw(import);
use Fcntl qw(:flock);
use Test::More ();

use Muster::Test;

our @EXPORT = qw(chaos_is_long children_of is_gone);

sub chaos_is_long { return ($ENV{MUSTER_TEST_ALL} // '') eq 'yes' }

# pid => [parent, state] of all processes.
sub processes {
	my %all;
	for my $stat (glob '/proc/[0-9]*/stat') {
		my $text = eval { slurp($stat) } or next;
		my ($pid, $state, $ppid) = $text =~ /^(\d+) \(.*\) (\S) (\d+)/s or next;
		$all{$pid} = [$ppid, $state];
	}
	return \%all;
}

sub children_of {
	my ($parent, $all) = @_;
	$all //= processes();
	return grep { $all->{$_}[0] == $parent } keys %$all;
}

sub is_gone {
	my ($pid) = @_;
	my ($state) = (eval { slurp("/proc/$pid/stat") } // '') =~ /^\d+ \(.*\) (\S)/s;
	return !$state || $state eq 'Z';
}

sub new {
	my ($class, $stand, %option) = @_;
	my $db = $option{db} // $stand->database;
	$db->sql(q{select muster.organization_add('default');
		create table public.effect (job_id bigint not null, at timestamptz not null default now());
		create table public.ending (job_id bigint not null, state text not null);
		grant insert on public.effect, public.ending to muster_jobs;
		create function public.ending_count() returns trigger language plpgsql security definer as $$
		begin
			insert into public.ending values (new.id, new.state);
			return null;
		end $$;
		create trigger ending after update on muster.job for each row
			when (new.state in ('done', 'dead', 'cancelled') and old.state is distinct from new.state)
			execute function public.ending_count()});
	return bless { stand => $stand, db => $db, n => 0, runners => [], conf => $option{conf} // {},
		program => build_dir() . '/t/jobs/runner' }, $class;
}

sub db { return $_[0]{db} }

# A configuration of a host, with a state folder of its own.
sub conf {
	my ($self, $host, %key) = @_;
	my $dir = $self->{stand}->dir . "/$host";
	-d "$dir/$_" or mkdir "$dir/$_" for '', 'state', 'run';
	my $path = $self->{stand}->conf($self->{db}, 'server.host' => $host, 'paths.state' => "$dir/state",
		'paths.run' => "$dir/run", 'job.concurrency' => 4, 'job.drain_s' => 5, %{ $self->{conf} }, %key);
	rename $path, "$dir/muster.conf" or die "$dir/muster.conf: $!\n";
	return "$dir/muster.conf";
}

# Options: host => name, wrap => [what the program is started by], env => {…}, conf => {…}.
sub runner {
	my ($self, $name, %option) = @_;
	my $host = $option{host} // 'here';
	my $conf = $self->conf($host, %{ $option{conf} // {} });
	my $runner = $self->{stand}->start($name, [@{ $option{wrap} // [] }, $self->{program}, 'run', '--forever',
		'--conf', $conf], env => $option{env});
	push @{ $self->{runners} }, { process => $runner, host => $host, name => $name };
	return $runner;
}

# load(good => 100, crash => 10, …): "good" are kind mark, others kinds of t/jobs/runner.c.
sub load {
	my ($self, %count) = @_;
	for my $kind (sort keys %count) {
		$self->{db}->sql(q{select muster.job_add((select id from muster.organization), $1, 'key' || i,
			jsonb_build_object('ms', i * 7 % 40), p_attempts_max => $2::integer)
			from generate_series($3::integer, $4::integer) i;
			select pg_notify('muster_wake', '')}, $kind eq 'good' ? 'mark' : $kind, $kind eq 'good' ? 100 : 2,
			$self->{n} + 1, $self->{n} + $count{$kind});
		$self->{n} += $count{$kind};
	}
	return;
}

sub left {
	my ($self) = @_;
	return $self->{db}->value(q{select count(*) from muster.job where state in ('queued', 'running')});
}

# What was to be tried again later is due now.
sub hurry {
	my ($self) = @_;
	return $self->{db}->sql(q{update muster.job j set run_at = now()
		where id in (select id from muster.job where state = 'queued' and run_at > now() for update skip locked);
		select pg_notify('muster_wake', '')});
}

# Until $n jobs are left.
sub wait_left {
	my ($self, $n, $seconds) = @_;
	wait_for { $self->hurry; $self->left <= $n } "no more than $n jobs left", $seconds // 120;
	return;
}

# The pid of a job's child that lives now, on one of our runners; undef when there is none. They live for
# milliseconds: what is not ours is not looked at.
sub child {
	my ($self) = @_;
	my $below = sub { my ($pid) = @_; return split ' ', eval { slurp("/proc/$pid/task/$pid/children") } // '' };
	for my $runner (grep { $_->{process}->is_running } @{ $self->{runners} }) {
		for my $helper ($below->($runner->{process}->pid)) {
			my ($child) = $below->($helper);
			return $child if $child;
		}
	}
	return undef;
}

# All jobs reach their end, and of all that must be true then.
sub settled {
	my ($self, $what, %option) = @_;
	my $db = $self->{db};
	$self->wait_left(0, $option{seconds});
	is_counted($self, $what);
	Test::More::is($db->value(q{select count(*) from (select job_id from public.ending group by 1 having count(*) <> 1) x}), 0,
		"$what: each job ended once");
	Test::More::is($db->value(q{select count(*) from muster.job j where (kind = 'mark' and state = 'done')
		and 1 <> (select count(*) from public.effect e where e.job_id = j.id)}), 0, "$what: what each did was stored once");
	Test::More::is($db->value(q{select count(*) from muster.job j where state <> 'done'
		and exists (select from public.effect e where e.job_id = j.id)}), 0, "$what: and nothing of one that is not done");
	Test::More::is($db->value(q{select count(*) from muster.job where state = 'cancelled' or (state = 'dead' and coalesce(error, '') = '')}),
		0, "$what: what is not done is dead and says why");
	$self->no_zombies($what);
	wait_for { 0 == $db->value(q{select count(*) from pg_locks l join pg_stat_activity a using (pid)
		where a.datname = current_database() and a.pid <> pg_backend_pid() and a.state like 'idle%'
		and a.application_name = 'muster' and l.locktype <> 'virtualxid'}) } 'the last lock';
	Test::More::pass("$what: no runner holds a lock in the database");
	return;
}

sub is_counted {
	my ($self, $what) = @_;
	my ($row) = $self->{db}->rows(q{select count(*), count(*) filter (where state = 'done'),
		count(*) filter (where state = 'dead'), coalesce(sum(attempt), 0), coalesce(sum(crashes), 0) from muster.job});
	Test::More::diag(sprintf '%s: %d jobs, %d done, %d dead, %d attempts, %d of them lost or crashed', $what, @$row);
	Test::More::is($row->[1] + $row->[2], $row->[0], "$what: every job is done or dead");
	return;
}

sub no_zombies {
	my ($self, $what) = @_;
	my @living = map { $_->{process}->pid } grep { $_->{process}->is_running } @{ $self->{runners} };
	wait_for {
		my $all = processes();
		my @helpers = map { children_of($_, $all) } @living;
		!grep { $all->{$_}[1] eq 'Z' || grep { 1 } children_of($_, $all) } @helpers;
	} 'the last child';
	Test::More::pass("$what: no process is left of any job");
	return;
}

# Ends the runners, and sees that they leave no lock behind.
sub finish {
	my ($self) = @_;
	my %hosts = map { $_->{host} => 1 } @{ $self->{runners} };
	$_->{process}->stop for @{ $self->{runners} };
	for my $host (sort keys %hosts) {
		my $slots = $self->{stand}->dir . "/$host/state/slot";
		Test::More::is_deeply([glob "$slots/job-*"], [], "$host: no file of a job is left");
		Test::More::is_deeply([grep { !is_free($_) } glob "$slots/*"], [], "$host: no slot is taken");
	}
	return;
}

sub is_free {
	my ($path) = @_;
	open my $file, '<', $path or return 1;
	return flock $file, LOCK_EX | LOCK_NB;
}

1;
