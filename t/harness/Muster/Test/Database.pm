# SPDX-License-Identifier: MIT
package Muster::Test::Cluster;

# A private PostgreSQL 15 on a Unix socket, started from a copy of a template that is made once and
# kept in TMPDIR: initdb, and the database "muster_template" with all migrations. The template's
# name carries a hash of sql/, so that a changed migration makes a new one. As root the server runs
# as the user postgres (or nobody), else as we do.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA;
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use POSIX ();
use Time::HiRes qw(time sleep);

my $top = abs_path(dirname(__FILE__) . '/../../../..');

sub sql_dir { return ($ENV{MUSTER_SRCDIR} || $top) . '/sql' }

sub bin {
	my ($name) = @_;
	for my $dir ('/usr/lib/postgresql/15/bin', glob('/usr/lib/postgresql/*/bin'),
		split /:/, $ENV{PATH}) {
		return "$dir/$name" if -x "$dir/$name";
	}
	die "PostgreSQL's $name is not installed\n";
}

sub user { return $> == 0 ? (defined getpwnam('postgres') ? 'postgres' : 'nobody') : undef }

sub as_server {
	my @argv = @_;
	my $user = user() or return @argv;
	my $group = getgrgid((getpwnam $user)[3]);
	return ('setpriv', "--reuid=$user", "--regid=$group", '--clear-groups', '--', @argv);
}

# Runs to the end; dies with its output.
sub run {
	my ($log, @argv) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		chdir '/';
		{ no warnings 'exec'; exec { $argv[0] } @argv; }
		POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return 1 if $? == 0;
	open my $in, '<', $log;
	local $/;
	die "@argv failed ($?):\n" . (<$in> // '');
}

# What migrate does, in its order: setup, each new migration in its own transaction, then the
# functions and grants in one. As SQL text. known: the names of migrations that the database has had.
sub migration_sql {
	my (%option) = @_;
	my $dir = sql_dir();
	my $read = sub { open my $in, '<:raw', "$dir/$_[0]" or die "$dir/$_[0]: $!\n"; local $/; <$in> };
	my $sql = 'set muster.roles = ' . ($option{single} ? 'single' : 'separate') . ";\n";
	$sql .= "set client_min_messages = warning;\n" . $read->('setup.sql');
	for my $path (sort glob "$dir/migration/*.sql") {
		my ($name) = $path =~ m{([^/]+)\.sql$};
		next if grep { $_ eq $name } @{ $option{known} // [] };
		$sql .= "begin;\ninsert into muster.migration (name) values ('$name');\n"
			. $read->("migration/$name.sql") . "\ncommit;\n";
	}
	$sql .= "begin;\n" . $read->('reset.sql');
	$sql .= $read->("api/$_") . "\n" for map { m{([^/]+)$} } sort glob "$dir/api/*.sql";
	return $sql . $read->('grant.sql') . "\ncommit;\nreset role;\n";
}

sub template {
	my $sha = Digest::SHA->new(256);
	$sha->add(migration_sql(), 'harness 3', bin('postgres'));
	my $base = $ENV{TMPDIR} && length($ENV{TMPDIR}) < 50 ? $ENV{TMPDIR} : '/tmp';
	my $home = "$base/muster-template-$>";
	my $name = "$home/" . substr($sha->hexdigest, 0, 16);
	return $name if -e "$name/ready";

	mkdir $home, 0711;
	my @is = stat $home;
	die "$home is not ours\n" if $is[4] != $>;
	chmod 0711, $home;
	open my $lock, '>', "$home/lock" or die "$home/lock: $!\n";
	flock $lock, LOCK_EX or die "$home/lock: $!\n";
	return $name if -e "$name/ready";
	# Older templates have had their day; whoever still copies one would fail, hence the hour.
	for my $old (grep { -d && (stat)[9] < time - 3600 } glob "$home/*") {
		remove_tree($old, { safe => 0 });
	}
	remove_tree($name, { safe => 0 });
	mkdir $name or die "$name: $!\n";
	chown +(getpwnam user())[2, 3], $name if user();
	run("$home/log", as_server(bin('initdb'), '-D', "$name/d", '-A', 'trust', '-U', 'postgres',
		'--no-locale', '-E', 'UTF8', '--no-sync', '--wal-segsize=1'));
	my $cluster = bless { dir => $name, data => "$name/d", log => "$name/server.log" };
	$cluster->up;
	eval {
		my $db = $cluster->database('muster_template', empty => 1);
		$db->script(migration_sql());
		1;
	} or do { my $error = $@; $cluster->down('immediate'); die $error };
	$cluster->down;
	open my $ready, '>', "$name/ready" or die "$name/ready: $!\n";
	return $name;
}

sub start {
	my ($class, $dir, %option) = @_;
	my $data = $option{data} // template() . '/d';
	my $self = bless { %option, is_used => defined $option{data}, dir => "$dir/pg", data => "$dir/pg/d",
		log => "$dir/pg/server.log" }, $class;
	mkdir $self->{dir} or die "$self->{dir}: $!\n";
	chmod 0700, $self->{dir};
	chown +(getpwnam user())[2, 3], $self->{dir} if user();
	run("$dir/copy.log", 'cp', '-a', '--reflink=auto', $data, $self->{data});
	$self->up;
	return $self;
}

sub up {
	my ($self) = @_;
	# After kill -9 the first tries are refused until the dead server is reaped.
	my $end = time + 20;
	while (1) {
		last if eval {
			run("$self->{dir}.log", as_server(bin('pg_ctl'), '-D', $self->{data}, '-w', '-t', 20, '-s',
				'-l', $self->{log}, '-o', "-c listen_addresses='' -c unix_socket_directories=$self->{dir}"
				. ($self->{durable} ? '' : ' -c fsync=off -c full_page_writes=off') . ' -c max_connections=80 -c shared_buffers=16MB'
				. ' -c max_wal_size=128MB -c log_min_messages=warning -c autovacuum_naptime=5s'
				. ($self->{settings} // ''),
				'start'));
			1;
		};
		die $@ if time > $end;
		sleep 0.2;
	}
	return $self;
}

# More settings from the next start on: ' -c name=value …'.
sub settings { my ($self, $text) = @_; $self->{settings} = $text; return $self }

sub down {
	my ($self, $mode) = @_;
	run("$self->{dir}.log", as_server(bin('pg_ctl'), '-D', $self->{data}, '-w', '-s', '-m',
		$mode // 'fast', 'stop'));
	return;
}

sub restart { my ($self) = @_; $self->down; return $self->up }

sub server_pid {
	my ($self) = @_;
	open my $in, '<', "$self->{data}/postmaster.pid" or return undef;
	chomp(my $pid = <$in>);
	return $pid;
}

sub stop {
	my ($self) = @_;
	eval { $self->down('immediate'); 1 } if -e "$self->{data}/postmaster.pid";
	return;
}

sub database {
	my ($self, $name, %option) = @_;
	my $db = bless { cluster => $self, name => 'postgres', host => $self->{dir},
		single => $option{single} }, 'Muster::Test::Database';
	if ($self->{is_used}) {
		$db->{name} = $name;
		$db->script(migration_sql(known => [map { $_->[0] } $db->rows('select name from muster.migration')]));
		return $db;
	}
	my $from = $option{empty} || $option{single} ? 'template0' : 'muster_template';
	$db->sql("create database $name template $from");
	$db->{name} = $name;
	$db->script(migration_sql(single => 1)) if $option{single};
	return $db;
}

package Muster::Test::Database;

# SQL without DBI: psql, a process a call, or a session that stays open.
#
#	my @rows = $db->rows('select id, name from muster.repo where status = $1', 'dirty');
#	my $one = $db->value('select count(*) from muster.repo');
#	my $data = $db->json(q{select muster.overview_get()}, …);	# decoded
#	is $db->error(q{select muster.report_get()}), 'MU401';		# the SQLSTATE, '' when fine
#	$db->as('muster_push')->value(…)				# as another role
#	my $s = $db->session; $s->send('begin; …'); $s->read; 		# see below
#
# $1, $2 … are replaced by quoted literals; undef is null. Several statements are one transaction
# only if they say so. sql() dies with the server's words.

use strict;
use warnings;
use File::Temp ();
use IO::Handle;
use JSON::PP ();

sub url { my ($self) = @_; return "host=$self->{host} dbname=$self->{name}" }

sub as {
	my ($self, $role) = @_;
	return bless { %$self, role => $role }, ref $self;
}

sub quote {
	my ($value) = @_;
	return 'null' unless defined $value;
	$value =~ s/'/''/g;
	return "'$value'";
}

sub fill {
	my ($sql, @values) = @_;
	return $sql unless @values;
	$sql =~ s/\$(\d+)/$1 >= 1 && $1 <= @values ? quote($values[$1 - 1]) : "\$$1"/ge;
	return $sql;
}

sub psql_argv {
	my ($self) = @_;
	return (Muster::Test::Cluster::bin('psql'), '-X', '-q', '-A', '-t', '-F', "\x1f", '-0', '-P', 'null=\N', '-v', 'VERBOSITY=verbose', '-h', $self->{host}, '-d', $self->{name}, '-U',
		$self->{role} // 'postgres');
}

# (output with a zero byte after each row, error text or '')
sub raw {
	my ($self, $sql, @values) = @_;
	my $text = fill($sql, @values);
	utf8::encode($text) if utf8::is_utf8($text);
	my $in = File::Temp->new(TEMPLATE => 'mq.XXXXXX', TMPDIR => 1);
	my $err = File::Temp->new(TEMPLATE => 'mq.XXXXXX', TMPDIR => 1);
	print $in $text;
	close $in;
	my $pid = open(my $out, '-|') // die "fork: $!\n";
	if ($pid == 0) {
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		open STDERR, '>', $err->filename;
		local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
		{ no warnings 'exec'; exec $self->psql_argv, '-v', 'ON_ERROR_STOP=1', '-f', $in->filename; }
		POSIX::_exit(127);
	}
	my $output = do { local $/; <$out> } // '';
	close $out;
	my $code = $?;
	my $error = do { local $/; open my $e, '<', $err->filename; <$e> } // '';
	return ($output, $code ? ($error || "psql: exit $code") : '');
}

# (output, error text or '')
sub try {
	my ($self, $sql, @values) = @_;
	my ($output, $error) = $self->raw($sql, @values);
	$output =~ s/\0\z//;
	return ($output, $error);
}

sub sql {
	my ($self, $sql, @values) = @_;
	my $output = $self->checked($sql, @values);
	$output =~ s/\0\z//;
	return $output;
}

sub checked {
	my ($self, $sql, @values) = @_;
	my ($output, $error) = $self->raw($sql, @values);
	if ($error) {
		require Carp;
		my $text = fill($sql, @values);
		Carp::croak(length $text > 4000 ? $error : "$error\nin: $text");
	}
	return $output;
}

*script = \&sql;

sub rows {
	my ($self, $sql, @values) = @_;
	my $output = $self->checked($sql, @values);
	return () if $output eq '';
	$output =~ s/\0\z//;
	# (an empty value is a row too, and split() would not say so)
	return [''] if $output eq '';
	return map { [map { $_ eq '\N' ? undef : $_ } split /\x1f/, $_, -1] } split /\0/, $output, -1;
}

# The last value of the last row: statements before it may print their own.
sub value {
	my ($self, $sql, @values) = @_;
	my @rows = $self->rows($sql, @values);
	return @rows ? $rows[-1][-1] : undef;
}

sub json {
	my ($self, $sql, @values) = @_;
	my $text = $self->value($sql, @values);
	return defined $text ? JSON::PP->new->utf8->allow_nonref->decode($text) : undef;
}

sub error {
	my ($self, $sql, @values) = @_;
	my (undef, $error) = $self->try($sql, @values);
	return '' unless $error;
	return $error =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/ ? $1 : $error;
}

sub session {
	my ($self) = @_;
	return Muster::Test::Session->open($self);
}

package Muster::Test::Session;

# One connection that stays open, for overlapping transactions. send() returns at once; read() waits
# for the answer to the oldest send() and returns it, errors included; ask() does both. Rows end with
# a zero byte, columns with \x1f.

use strict;
use warnings;
use IO::Handle;
use POSIX ();

sub open {
	my ($class, $db) = @_;
	pipe my $from, my $child_out or die "pipe: $!\n";
	pipe my $child_in, my $to or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		CORE::close $from;
		CORE::close $to;
		POSIX::dup2(fileno $child_in, 0);
		POSIX::dup2(fileno $child_out, 1);
		POSIX::dup2(fileno $child_out, 2);
		$ENV{PGOPTIONS} = '-c client_min_messages=warning';
		{ no warnings 'exec'; exec $db->psql_argv; }
		POSIX::_exit(127);
	}
	$to->autoflush(1);
	return bless { pid => $pid, to => $to, from => $from, n => 0, owner => $$ }, $class;
}

sub send {
	my ($self, $sql, @values) = @_;
	my $text = Muster::Test::Database::fill($sql, @values);
	utf8::encode($text) if utf8::is_utf8($text);
	my $mark = 'mark-' . ++$self->{n} . "-$self->{pid}";
	push @{ $self->{marks} }, $mark;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{to} } "$text;\n\\echo $mark\n";
	return $self;
}

sub read {
	my ($self) = @_;
	my $mark = shift @{ $self->{marks} } or die "nothing was sent\n";
	my $text = '';
	while (defined(my $line = readline $self->{from})) {
		if ($line =~ s/\Q$mark\E\n\z//) {
			$text .= $line;
			$text =~ s/[\0\n]+\z//;
			return $text;
		}
		$text .= $line;
	}
	die "psql ended: $text\n";
}

sub ask {
	my ($self, @query) = @_;
	return $self->send(@query)->read;
}

sub pid { return $_[0]{pid} }

sub close {
	my ($self) = @_;
	return unless $self->{pid} && $self->{owner} == $$;
	CORE::close $self->{to};
	CORE::close $self->{from};
	waitpid delete $self->{pid}, 0;
	return;
}

sub DESTROY {
	my ($self) = @_;
	local ($?, $!);
	$self->close;
	return;
}

1;
