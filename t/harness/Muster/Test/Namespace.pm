# SPDX-License-Identifier: MIT
package Muster::Test::Namespace;

# Namespaces of the kernel that a test makes and that go with it: networks, mounts.
#
#	use Muster::Test::Namespace;
#	BEGIN { namespace_enter('mount') }	# or 'net', or both: the test runs again, inside of them
#
#	my $host = Muster::Test::Namespace->host('one', 1);	# a network of its own, and a cable to ours
#	$stand->start('runner', [$host->enter(@argv)]);		# 10.99.1.2 there, 10.99.1.1 here
#	$host->unplug; $host->plug;
#
# Nothing has a name in the file system: when the last process is gone all is. A test that may not
# make them is skipped and says so. Without root's rights it is the user itself who has them inside
# of a user namespace, still under the own number, so that PostgreSQL can be started.

use strict;
use warnings;
use Exporter qw(import);
use Test::More ();

our @EXPORT = qw(namespace_enter);

sub flags {
	my @what = @_;
	return ((map { "--$_" } @what), ($> == 0 ? () : ('--user', '--map-current-user', '--keep-caps')));
}

sub namespace_enter {
	my @what = @_;
	return if $ENV{MUSTER_TEST_INSIDE};
	my @flags = flags(@what);
	if (system("unshare @flags true 2>/dev/null") != 0
		|| (grep({ $_ eq 'net' } @what) && system("unshare @flags sh -c 'ip link add m0 type veth peer name m1' 2>/dev/null") != 0)) {
		Test::More::plan(skip_all => "namespaces (@what) cannot be made here");
	}
	$ENV{MUSTER_TEST_INSIDE} = 1;
	exec 'unshare', @flags, $^X, $0, @ARGV or die "unshare: $!\n";
}

sub run {
	my @argv = @_;
	system(@argv) == 0 or die "@argv failed\n";
	return;
}

# Held open by a process that does nothing.
sub host {
	my ($class, $name, $number) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		exec 'unshare', '--net', 'sleep', '3600' or POSIX::_exit(127);
	}
	my $self = bless { name => $name, pid => $pid, here => "m${number}a", number => $number, owner => $$ }, $class;
	my $end = time + 20;
	while (1) {
		my ($own, $its) = map { readlink "/proc/$_/ns/net" } 'self', $pid;
		last if defined $its && $its ne $own;
		die "no network for $name\n" if time > $end;
		select undef, undef, undef, 0.005;
	}
	run('ip', 'link', 'add', $self->{here}, 'type', 'veth', 'peer', 'name', 'm0', 'netns', $pid);
	run('ip', 'addr', 'add', "10.99.$number.1/24", 'dev', $self->{here});
	run($self->enter('ip', 'addr', 'add', "10.99.$number.2/24", 'dev', 'm0'));
	run($self->enter('ip', 'link', 'set', $_, 'up')) for 'lo', 'm0';
	$self->plug;
	return $self;
}

sub enter { my ($self, @argv) = @_; return ('nsenter', "--net=/proc/$self->{pid}/ns/net", @argv) }
sub plug { return run('ip', 'link', 'set', $_[0]{here}, 'up') }
sub unplug { return run('ip', 'link', 'set', $_[0]{here}, 'down') }
sub here { return "10.99.$_[0]{number}.1" }

sub DESTROY {
	my ($self) = @_;
	return if $self->{owner} != $$;
	local ($?, $!);
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

1;
