# SPDX-License-Identifier: MIT
package Muster::Test;

# The stand that tests run on: a folder, a private PostgreSQL, programs that are started and stopped
# by their process id, and waiting with a deadline. Perl core modules only.
#
#	use FindBin;
#	use lib "$FindBin::Bin/../harness";
#	use Test::More;
#	use Muster::Test;
#
#	my $stand = Muster::Test->new;
#	my $db = $stand->database;		# own database, migrated; see Muster::Test::Database
#	$db->sql(q{select muster.organization_add('default')});
#	my $conf = $stand->conf;		# a muster.conf for this stand
#	my $pusher = $stand->start('pusher', [program('muster-pusher')], env => { MUSTER_CONF => $conf });
#	wait_for { -S $stand->run_dir . '/pusher.sock' } 'the pusher listens';
#	$pusher->stop;
#	done_testing;
#
# When the file ends everything started here is stopped. The folder is removed when all tests
# passed; otherwise it stays and its name is printed. Options of new(): keep => 1, durable => 1 (the
# database syncs, as one in use does), settings => ' -c work_mem=1MB …' (of the server), data => a folder
# that a server of a stand had, with the databases in it, for benches.
#
# A sub-process that ends early, a deadline that passes and SQL that fails die with what is known:
# the program's output, the statement. Nothing here sleeps for a fixed time but the 5 ms between two
# looks at a condition.

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::INET;
use List::Util qw(max);
use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(time sleep);

use Muster::Test::Database;
use Muster::Test::Process;

our @EXPORT = qw(wait_for program src_dir build_dir slurp spew run_program has_terminal);
our $DEADLINE_S = $ENV{MUSTER_TEST_DEADLINE_S} || 20;

my $top = abs_path(dirname(__FILE__) . '/../../..');
my @stands;

# Whether script(1) is here and gets a terminal: in a bare chroot there are none.
sub has_terminal { return system('script -qec true /dev/null >/dev/null 2>&1 </dev/null') == 0 }

sub src_dir { return $ENV{MUSTER_SRCDIR} || $top }
sub build_dir { return $ENV{MUSTER_BUILDDIR} || $top }

# The path of a program of ours in the build tree.
sub program {
	my ($name) = @_;
	for my $folder (qw(jobs cgi pusher contrib)) {
		my $path = build_dir() . "/$folder/$name";
		return $path if -x $path && !-d $path;
	}
	die "there is no program $name in " . build_dir() . ": run make\n";
}

# Looks until the block is true and returns its value; dies at the deadline, or after so many seconds when
# those are more.
sub wait_for (&;$$) {
	my ($condition, $what, $seconds) = @_;
	my $end = time + max($seconds // 0, $DEADLINE_S);
	while (1) {
		my $value = $condition->();
		return $value if $value;
		if (time >= $end) {
			require Carp;
			Carp::croak('waited in vain: ' . ($what // 'a condition'));
		}
		sleep 0.005;
	}
}

sub slurp {
	my ($path) = @_;
	open my $in, '<:raw', $path or die "$path: $!\n";
	local $/;
	return scalar <$in>;
}

# Writes beside the target and renames onto it, as reports are written.
sub spew {
	my ($path, $bytes) = @_;
	utf8::encode($bytes) if utf8::is_utf8($bytes);
	open my $out, '>:raw', "$path.part" or die "$path.part: $!\n";
	print $out $bytes or die "$path: $!\n";
	close $out or die "$path: $!\n";
	rename "$path.part", $path or die "$path: $!\n";
	return $path;
}

# Runs a program to its end: (exit code, stdout, stderr). Options: env, stdin, cwd, timeout_s.
sub run_program {
	my ($argv, %option) = @_;
	my $folder = File::Temp->newdir('mr.XXXXXX', TMPDIR => 1);
	my $process = Muster::Test::Process->start('program', $argv, %option, log_dir => "$folder",
		split => 1);
	my $code = $process->wait($option{timeout_s} || 120);
	return ($code, slurp("$folder/program.out"), slurp("$folder/program.err"));
}

sub new {
	my ($class, %option) = @_;
	# A Unix socket's path has at most 107 bytes: a long TMPDIR is not for us.
	my $base = $ENV{TMPDIR} && length($ENV{TMPDIR}) < 50 ? $ENV{TMPDIR} : '/tmp';
	my $dir = File::Temp::tempdir('mt.XXXXXX', DIR => $base);
	my $self = bless { dir => $dir, owner => $$, keep => $option{keep},
		server => { map { $_ => $option{$_} } grep { defined $option{$_} } qw(durable settings data) },
		processes => [], databases => 0 }, $class;
	# The server may run as another user; the folder of its socket is closed to others.
	chmod 0711, $dir;
	make_path("$dir/state", "$dir/run", "$dir/log");
	push @stands, $self;
	return $self;
}

sub dir { return $_[0]{dir} }
sub state_dir { return "$_[0]{dir}/state" }
sub run_dir { return "$_[0]{dir}/run" }
sub log_dir { return "$_[0]{dir}/log" }

# The private server, started at the first use.
sub cluster {
	my ($self) = @_;
	return $self->{cluster} //= Muster::Test::Cluster->start($self->{dir}, %{ $self->{server} });
}

# A database of its own. Options: single => 1 (one role does everything), empty => 1 (no migrations).
sub database {
	my ($self, %option) = @_;
	return $self->cluster->database('t' . ++$self->{databases}, %option);
}

# A port of 127.0.0.1 that was free a moment ago.
sub port {
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0)
		or die "no free port: $!\n";
	return $socket->sockport;
}

# Writes muster.conf and returns its path. conf($db, 'log.level' => 'debug', …)
sub conf {
	my ($self, $db, %key) = @_;
	my %all = ('paths.state' => $self->state_dir, 'paths.run' => $self->run_dir,
		'paths.cache' => "$self->{dir}/cache", 'paths.sql' => src_dir() . '/sql',
		'paths.htdocs' => src_dir() . '/htdocs', 'log.target' => 'stderr',
		($db ? ('database.url' => $db->url) : ()),
		($db && $db->{single} ? ('database.roles' => 'single') : ()), %key);
	my $text = '';
	my $group = '';
	for my $name (sort keys %all) {
		my ($in, $key) = split /\./, $name, 2;
		$text .= "[$in]\n" if $in ne $group;
		$group = $in;
		$text .= "$key=$all{$name}\n";
	}
	return spew("$self->{dir}/muster.conf", $text);
}

# Starts a program; it is stopped with the stand. Options: env => {…}, cwd, stdin.
sub start {
	my ($self, $name, $argv, %option) = @_;
	my $process = Muster::Test::Process->start($name, $argv, %option, log_dir => $self->log_dir);
	push @{ $self->{processes} }, $process;
	return $process;
}

sub finish {
	my ($self) = @_;
	return if $self->{finished}++ || $self->{owner} != $$;
	my $code = $?; # stopping sets it anew
	$_->stop for reverse @{ $self->{processes} };
	my $ok = Test::More->builder->is_passing && !$code && !$self->{keep};
	$self->{cluster}->stop($ok) if $self->{cluster};
	if ($ok) {
		remove_tree($self->{dir}, { safe => 0 });
	} else {
		Test::More::diag("kept for you to look at: $self->{dir}");
	}
	return;
}

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

END {
	# What finish() runs must not become this file's exit code.
	my $code = $?;
	$_->finish for @stands;
	$? = $code;
}

1;
