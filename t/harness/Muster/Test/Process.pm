# SPDX-License-Identifier: MIT
package Muster::Test::Process;

# A program under test, known by its process id and never by its name.
#
#	my $p = Muster::Test::Process->start('pusher', [$path, '--flag'], log_dir => $dir,
#		env => { MUSTER_CONF => $conf });
#	$p->is_running; $p->signal('HUP'); $p->output;
#	$p->stop;		# SIGTERM, SIGKILL after ten seconds, or at the deadline for who wants the exit code
#	$p->kill9;
#
# Its output goes to log_dir/NAME.log (with split => 1: NAME.out and NAME.err). It leads a process
# group of its own, so that what it left behind goes with it.

use strict;
use warnings;
use List::Util qw(max);
use POSIX qw(:sys_wait_h setpgid);
use Time::HiRes qw(time sleep);

my $DEADLINE_S = $ENV{MUSTER_TEST_DEADLINE_S} || 20;

sub start {
	my ($class, $name, $argv, %option) = @_;
	my $base = "$option{log_dir}/$name";
	my ($out, $err) = $option{split} ? ("$base.out", "$base.err") : ("$base.log", "$base.log");
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		setpgid(0, 0);
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
		local %ENV = (%ENV, %{ $option{env} // {} });
		delete $ENV{$_} for grep { !defined $ENV{$_} } keys %ENV;
		my $ok = open(STDIN, '<', $option{stdin} // '/dev/null')
			&& open(STDOUT, '>>', $out) && open(STDERR, '>>', $err)
			&& (!defined $option{cwd} || chdir $option{cwd});
		{ no warnings 'exec'; exec { $argv->[0] } @$argv if $ok; }
		print STDERR "$argv->[0]: $!\n";
		POSIX::_exit(127);
	}
	setpgid($pid, $pid);
	return bless { pid => $pid, name => $name, log => $out, group => 1 }, $class;
}

sub pid { return $_[0]{pid} }

# Takes note of an end; true while it runs.
sub is_running {
	my ($self) = @_;
	return 0 if defined $self->{status};
	my $got = waitpid $self->{pid}, WNOHANG;
	return 1 if $got == 0;
	$self->{status} = $got < 0 ? 255 << 8 : $?;
	return 0;
}

# The exit code, or 128 + the signal.
sub exit_code {
	my ($self) = @_;
	return undef if $self->is_running;
	return $self->{status} & 127 ? 128 + ($self->{status} & 127) : $self->{status} >> 8;
}

sub wait {
	my ($self, $seconds) = @_;
	my $end = time + max($seconds // 0, $DEADLINE_S);
	while ($self->is_running) {
		if (time >= $end) {
			$self->kill9;
			die "$self->{name} did not end in time:\n" . $self->output;
		}
		sleep 0.002;
	}
	return $self->exit_code;
}

sub signal {
	my ($self, $signal) = @_;
	return $self->is_running ? kill($signal, $self->{pid}) : 0;
}

sub stop {
	my ($self) = @_;
	if ($self->is_running) {
		kill 'TERM', $self->{pid};
		my $end = time + (defined wantarray ? $DEADLINE_S : 10);
		sleep 0.005 while $self->is_running && time < $end;
	}
	$self->kill9;
	return $self->exit_code;
}

sub kill9 {
	my ($self) = @_;
	kill 'KILL', $self->{pid} if $self->is_running;
	kill 'KILL', -$self->{pid};
	sleep 0.002 while $self->is_running;
	return;
}

sub output {
	my ($self) = @_;
	open my $in, '<:raw', $self->{log} or return '';
	local $/;
	return scalar(<$in>) // '';
}

1;
