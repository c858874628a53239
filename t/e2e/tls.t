#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# PostgreSQL on another machine: passwords from a file, and nothing is sent before the server has
# proved its name. The machine is this one, over TCP.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Digest::SHA ();
use Test::More;
use Muster::Test;
use Muster::Stack;

plan skip_all => 'openssl makes the certificates, and is not installed'
	if !grep { -x "$_/openssl" } split /:/, $ENV{PATH};

my $stack = Muster::Stack->new(front => 'none', conf => { 'api.rate_limit' => 'false' });
my $stand = $stack->stand;
my $cluster = $stand->cluster;
my $dir = $stand->dir . '/tls';
my $port = $stand->port;
my $data = $cluster->{data};
my @owner = (stat $data)[4, 5];
$stack->account('ann@example.org', 'developer');
my $ann = $stack->session('ann@example.org');

sub openssl {
	my ($code, undef, $err) = run_program(['openssl', @_]);
	die "openssl @_: $err\n" if $code != 0;
	return;
}

# An authority and a server that it vouches for: $dir/$name.{ca,crt,key}.
sub certificates {
	my ($name) = @_;
	openssl(qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2), '-subj', "/CN=$name",
		'-keyout', "$dir/$name.cakey", '-out', "$dir/$name.ca");
	openssl(qw(req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost),
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	spew("$dir/$name.ext", "subjectAltName=DNS:localhost\n");
	openssl(qw(x509 -req -days 2 -CAcreateserial -in), "$dir/$name.csr", '-CA', "$dir/$name.ca", '-CAkey',
		"$dir/$name.cakey", '-extfile', "$dir/$name.ext", '-out', "$dir/$name.crt");
	for my $file ("$dir/$name.key", "$dir/$name.crt") {
		spew($data . '/' . $file =~ s{.*/}{}r, slurp($file));
		chown @owner, $data . '/' . $file =~ s{.*/}{}r;
		chmod 0600, $data . '/' . $file =~ s{.*/}{}r;
	}
	return;
}

# What the server takes from the network, and with which certificate ('' is none).
sub serve {
	my ($rule, $certificate) = @_;
	my $hba = spew("$data/pg_hba.conf", "local all all trust\n$rule\n");
	chown @owner, $hba;
	$cluster->settings(" -c listen_addresses=127.0.0.1 -c port=$port -c ssl="
		. ($certificate ? "on -c ssl_cert_file=$certificate.crt -c ssl_key_file=$certificate.key" : 'off'));
	return $cluster->restart;
}

mkdir $dir;
certificates('good');
certificates('strange');
$cluster->down;
local $ENV{PGPORT} = $port; # for the test's own socket, which is named by it
$cluster->settings(" -c port=$port");
$cluster->up;

my %password = map { $_ => Digest::SHA::sha256_hex("$$ $_ " . time) }
	qw(muster_api muster_jobs muster_push muster_hook);
$stack->db->sql("alter role $_ password '$password{$_}'") for sort keys %password;
my $passwords = spew("$dir/passwords", "# comment\n"
	. join '', map { "localhost:$port:*:$_:$password{$_}\n" } sort keys %password);
chmod 0600, $passwords;

my $name = $stack->db->{name};
my $base = "hostaddr=127.0.0.1 port=$port dbname=$name";
my $scram = 'hostssl all all 127.0.0.1/32 scram-sha-256';
# Settings of the environment go over those of the file.
my %env = (MUSTER_DATABASE_URL => "host=localhost $base sslrootcert=$dir/good.ca",
	MUSTER_DATABASE_PASSWORD_FILE => $passwords);

sub health {
	my (%over) = @_;
	return $stack->cgi(GET => '/healthz', env => { %env, %over });
}

sub refused {
	my ($why, $like, %over) = @_;
	my $answer = health(%over);
	is $answer->{status}, 503, $why;
	like $answer->{log}, $like, 'the log says why';
	unlike $answer->{body}, qr/certificate|localhost|password/, 'the answer does not';
	my @told = grep { index($answer->{log} . $answer->{body}, $_) >= 0 } values %password;
	is_deeply \@told, [], 'nobody is told a password';
	return;
}

subtest 'over TLS, with a password from the file' => sub {
	serve($scram, 'good');
	is health()->{status}, 200, 'the server is known and lets us in';
	is $stack->cgi(GET => '/api/v1/auth/me', session => $ann, env => \%env)->{json}{email}, 'ann@example.org',
		'requests are answered';
	my $pusher = $stand->start('pusher', [program('muster-pusher')], env => { %{ $stack->env }, %env });
	wait_for { $stack->db->value(q{select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid)
		where a.usename = 'muster_push' and s.ssl and a.client_addr = '127.0.0.1'}) > 0 } 'the pusher is in';
	pass 'the pusher comes in by it';
	$pusher->stop;
	my ($code, $out) = run_program([program('muster'), 'repo', 'list'], env => { %{ $stack->env }, %env });
	is $code, 0, 'and the command line' or diag $out;
	is $stack->db->value(q{select count(*) from pg_stat_activity a join pg_stat_ssl s using (pid)
		where a.client_addr is not null and not s.ssl}), 0, 'nothing went without TLS';
};

subtest 'a server that is not who it should be' => sub {
	refused('another name', qr/does not match host name/,
		MUSTER_DATABASE_URL => "host=db.example.org $base sslrootcert=$dir/good.ca");
	refused('another authority', qr/certificate verify failed/,
		MUSTER_DATABASE_URL => "host=localhost $base sslrootcert=$dir/strange.ca");
	refused('no authority at all', qr/root certificate/,
		MUSTER_DATABASE_URL => "host=localhost $base", HOME => $dir);
	serve($scram, 'strange');
	refused('a certificate that somebody else made', qr/certificate verify failed/);
	serve('host all all 127.0.0.1/32 trust', '');
	refused('one that speaks without TLS', qr/does not support SSL/);
	is health(MUSTER_DATABASE_URL => "host=localhost $base sslmode=disable")->{status}, 200,
		'unless the address says that this is wanted';
	serve($scram, 'good');
};

# What a person is told in a terminal: why, what to do, and not that waiting might help.
subtest 'what refuses a sign-in is said in the terminal' => sub {
	my $told = sub {
		my ($why, $said, $mend, %over) = @_;
		for my $command (['repo', 'list'], ['account', 'list'], ['migrate'], ['restore', "$dir/none"]) {
			my %role = $command->[0] eq 'repo' ? () : (PGUSER => $over{PGUSER} // 'muster_api');
			my ($code, $out, $err) = run_program([program('muster'), @$command], env => { %{ $stack->env }, %env, %over, %role });
			next if $command->[0] eq 'restore' && $err =~ /none: /;
			is $code, 4, "$why: muster @$command";
			like $err, $said, 'what was said';
			like $err, qr/does not let this program in/, 'is what is told';
			like $err, $mend, 'with what to do';
			unlike $err, qr/just now/, 'and not to wait';
		}
		my ($code, $out) = run_program([program('muster'), 'doctor'], env => { %{ $stack->env }, %env, %over, PGUSER => $over{PGUSER} // 'muster_api' });
		like $out, $mend, 'and by the doctor, too';
		return;
	};
	my $other = spew("$dir/theirs", join '', map { "localhost:$port:*:$_:wrong-one\n" } 'muster_api', 'muster_jobs', 'nobody_known');
	chmod 0600, $other;
	$told->('a wrong password', qr/password authentication failed for user/, qr/correct the password/,
		MUSTER_DATABASE_PASSWORD_FILE => $other);
	spew($other, '');
	chmod 0600, $other;
	$told->('none', qr/no password supplied/, qr/give it the password/, MUSTER_DATABASE_PASSWORD_FILE => $other);
	serve('hostssl all somebody 127.0.0.1/32 scram-sha-256', 'good');
	$told->('no line for us', qr/no pg_hba\.conf entry for host/, qr/add a line for this role/);
	serve('hostssl all all 127.0.0.1/32 trust', 'good');
	$told->('no such database', qr/database "gone" does not exist/, qr/'createdb' makes it/,
		MUSTER_DATABASE_URL => "host=localhost hostaddr=127.0.0.1 port=$port dbname=gone sslrootcert=$dir/good.ca");
	$told->('another authority', qr/certificate verify failed/, qr/let sslrootcert in url/,
		MUSTER_DATABASE_URL => "host=localhost $base sslrootcert=$dir/strange.ca");
	$told->('another name', qr/does not match host name/, qr/let host in url be the name/,
		MUSTER_DATABASE_URL => "host=db.example.org $base sslrootcert=$dir/good.ca");
	serve($scram, 'good');
	my ($code, $out, $err) = run_program([program('muster'), 'account', 'list'], env => { %{ $stack->env }, %env,
		PGUSER => 'muster_api', MUSTER_DATABASE_URL => "host=localhost hostaddr=127.0.0.1 port=1 dbname=$name" });
	like $err, qr/Connection refused.*cannot be reached just now/s, 'one that is away is awaited';
};

subtest 'passwords' => sub {
	my $other = spew("$dir/other", "localhost:$port:*:muster_api:wrong-one\n");
	chmod 0600, $other;
	refused('a wrong one', qr/password authentication failed/, MUSTER_DATABASE_PASSWORD_FILE => $other);
	spew($other, '');
	chmod 0600, $other;
	refused('none', qr/no password supplied/, MUSTER_DATABASE_PASSWORD_FILE => $other);
	my $start = sub {
		my ($path) = @_;
		return run_program([program('api.fcgi')], env => { %{ $stack->env }, %env,
			MUSTER_DATABASE_PASSWORD_FILE => $path });
	};
	chmod 0640, $other;
	my ($code, undef, $err) = $start->($other);
	is $code, 2, 'a file that others may read is refused at the start';
	like $err, qr/others may read it: chmod 600/, 'with what to do';
	($code, undef, $err) = $start->("$dir/none-such");
	is $code, 2, 'so is one that is not there';
	like $err, qr/password_file .*No such file/, 'by name';
};

subtest 'a server that restarts' => sub {
	spew($stack->conf, slurp($stack->conf) =~ s{^url=.*$}{url=$env{MUSTER_DATABASE_URL}\npassword_file=$passwords}mr);
	$stack->start_api;
	$stack->start_lighttpd;
	my $client = $stack->client->login('ann@example.org');
	is $client->get('/api/v1/auth/me')->{status}, 200, 'answers';
	$cluster->down;
	is $client->get('/api/v1/auth/me')->{status}, 503, 'is told of';
	$cluster->up;
	wait_for { $client->get('/api/v1/auth/me')->{status} == 200 } 'back by itself';
	is $stack->db->value(q{select bool_and(ssl) from pg_stat_ssl s join pg_stat_activity a using (pid)
		where a.usename = 'muster_api'}), 't', 'over TLS again';
};
done_testing;
