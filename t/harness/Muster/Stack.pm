# SPDX-License-Identifier: MIT
package Muster::Stack;

# The whole server on a free port: PostgreSQL, api.fcgi, muster-pusher when it is built, lighttpd,
# and clients that speak to it.
#
#	use FindBin;
#	use lib "$FindBin::Bin/../harness";
#	use Test::More;
#	use Muster::Test;
#	use Muster::Stack;
#
#	my $stack = Muster::Stack->new;		# organisation "default" is there
#	$stack->account('ann@example.org', 'viewer');		# password: $Muster::Stack::PASSWORD
#	$stack->report([ { name => 'a', status => 'clean' }, … ]);	# or a whole report
#	my $ann = $stack->client->login('ann@example.org');
#	my $answer = $ann->get('/api/v1/repos?status=dirty');
#	is $answer->{status}, 200;
#	is $answer->{json}{items}[0]{name}, 'b';
#	$ann->post('/api/v1/audits', {});	# with the CSRF token
#	$stack->url;				# http://127.0.0.1:PORT, for a browser
#
# Options of new(): conf => { 'api.workers' => 2, … }, front => 'lighttpd' (or 'apache',
# 'nginx'; 'none': plain CGI only; 'fastcgi': workers without a web server), pusher => 0,
# htdocs => a folder, api => 0 (not started), stand => one of yours.
#
# Without a web server, the program as plain CGI, a process a request, or by front 'fastcgi':
#
#	my $answer = $stack->cgi(GET => '/api/v1/repos', cookie => $token, env => { … }, body => '…');

use strict;
use warnings;
use Digest::SHA ();
use IO::Socket::UNIX;
use JSON::PP ();

use Muster::FastCGI;
use Muster::Test;
use Muster::Stack::Client;

our $PASSWORD = 'correct horse battery';
# argon2id of it: making one takes 30 ms, and tests need many accounts.
our $PASSWORD_HASH = '$argon2id$v=19$m=19456,t=2,p=1$KTUNtwJ3EL+lMRxgXRKwXw'
	. '$Ncd16JCydbA8eGvyrDnXyDhCosD511+1nJdhLIf4IQk';

my $json = JSON::PP->new->utf8->canonical;

sub new {
	my ($class, %option) = @_;
	my $stand = $option{stand} // Muster::Test->new;
	my $self = bless { stand => $stand, option => \%option }, $class;
	$self->{db} = $stand->database(single => $option{single});
	$self->{conf} = $stand->conf($self->{db}, 'api.workers' => 2, 'log.level' => 'info',
		'paths.muster' => build_dir() . '/jobs/muster',
		'paths.htdocs' => $option{htdocs} // src_dir() . '/htdocs', 'server.host' => 'localhost',
		# Tests ask more than people.
		($option{front} // '') =~ /^(?:none|fastcgi)$/ ? ('api.rate_limit' => 'false') : (),
		%{ $option{conf} // {} });
	$self->key_make;
	$self->organization('default');
	my $front = $option{front} // 'lighttpd';
	if ($front ne 'none') {
		$self->start_api if $option{api} // 1;
		$self->start_pusher if $option{pusher} // $front ne 'fastcgi' && -x build_dir() . '/pusher/muster-pusher';
		$self->can("start_$front")->($self) if $front ne 'fastcgi';
	}
	return $self;
}

sub stand { return $_[0]{stand} }
sub db { return $_[0]{db} }
sub conf { return $_[0]{conf} }
sub url { return "http://127.0.0.1:$_[0]{port}" }
sub port { return $_[0]{port} }
sub front { return $_[0]{front} }
sub api { return $_[0]{api} }
sub pusher { return $_[0]{pusher} }

# The master key: 32 bytes, any.
sub key_make {
	my ($self) = @_;
	my $path = $self->stand->state_dir . '/key';
	spew($path, Digest::SHA::sha256("key of $path"));
	chmod 0600, $path;
	return;
}

sub env { return { MUSTER_CONF => $_[0]{conf} } }

sub start_api {
	my ($self) = @_;
	my $socket = $self->stand->run_dir . '/api.sock';
	$self->{api} = $self->stand->start('api', [program('api.fcgi')], env => $self->env);
	wait_for {
		die "api.fcgi ended:\n" . $self->{api}->output . "\n" if !$self->{api}->is_running;
		-S $socket && IO::Socket::UNIX->new(Peer => $socket);
	} 'api.fcgi listens';
	# Apache refuses to serve as root; nobody else is on a stand.
	chmod 0666, $socket if $> == 0;
	return $self->{api};
}

sub start_pusher {
	my ($self) = @_;
	$self->{pusher} = $self->stand->start('pusher', [program('muster-pusher')], env => $self->env);
	wait_for {
		die "muster-pusher ended:\n" . $self->{pusher}->output . "\n" if !$self->{pusher}->is_running;
		-S $self->stand->run_dir . '/pusher.sock' && -S $self->stand->run_dir . '/stream.sock';
	} 'muster-pusher listens';
	return $self->{pusher};
}

sub program_find {
	my ($name) = @_;
	my ($path) = grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin';
	return $path // die "$name is not installed\n";
}

# Starts a front; between our looking for a free port and its taking it another may be quicker.
sub start_front {
	my ($self, $name, $config, $argv) = @_;
	for my $try (1 .. 5) {
		$self->{port} = $self->stand->port;
		my $path = spew($self->stand->dir . "/$name.conf", $config->($self->{port}));
		my $process = $self->stand->start($name, [$argv->($path)]);
		my $is_up = eval {
			wait_for {
				die "ended\n" if !$process->is_running;
				IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
			} "$name listens";
		};
		return $self->{front} = $process if $is_up;
		die "$name does not start:\n" . $process->output . "\n" if $try == 5;
		$process->stop;
	}
	return;
}

sub start_lighttpd {
	my ($self) = @_;
	my ($run, $dir) = ($self->stand->run_dir, $self->stand->dir);
	my $htdocs = $self->{option}{htdocs} // src_dir() . '/htdocs';
	my $program = program_find('lighttpd');
	mkdir "$dir/upload";
	return $self->start_front('lighttpd', sub {
		my ($port) = @_;
		return qq{var.run = "$run"\nvar.htdocs = "$htdocs"\n}
			. 'include "' . src_dir() . qq{/contrib/lighttpd/muster.conf"\n}
			. qq{server.bind = "127.0.0.1"\nserver.port = $port\n}
			. qq{server.errorlog = "$dir/log/lighttpd.err"\n}
			. qq{server.upload-dirs = ( "$dir/upload" )\n} . ($self->{option}{lighttpd} // '');
	}, sub { return ($program, '-D', '-f', $_[0]) });
}

# contrib/NAME/muster.conf with the paths and the port of this stand.
sub sample {
	my ($self, $name, $port) = @_;
	my $text = slurp(src_dir() . "/contrib/$name/muster.conf");
	my $htdocs = $self->{option}{htdocs} // src_dir() . '/htdocs';
	my $run = $self->stand->run_dir;
	my $log = $self->stand->log_dir;
	$text =~ s{/run/muster\b}{$run}g;
	$text =~ s{/usr/local/share/muster/htdocs}{$htdocs}g;
	$text =~ s{\*:80\b}{127.0.0.1:$port}g;
	$text =~ s{listen 80;}{listen 127.0.0.1:$port;}g;
	$text =~ s{listen \[::\]:80;}{};
	$text =~ s{/var/log/nginx|\$\{APACHE_LOG_DIR\}}{$log}g;
	return $text;
}

sub start_nginx {
	my ($self) = @_;
	my ($dir, $log) = ($self->stand->dir, $self->stand->log_dir);
	my $program = program_find('nginx');
	mkdir "$dir/nginx";
	return $self->start_front('nginx', sub {
		my ($port) = @_;
		return "daemon off;\nmaster_process off;\npid $dir/nginx/pid;\nerror_log $log/nginx.err;\n"
			. "events { worker_connections 512; }\nhttp {\n"
			. join('', map { "${_}_temp_path $dir/nginx/$_;\n" }
				qw(client_body proxy fastcgi uwsgi scgi))
			. $self->sample('nginx', $port) . "}\n";
	}, sub { return ($program, '-e', "$log/nginx.err", '-c', $_[0]) });
}

sub start_apache {
	my ($self) = @_;
	my ($dir, $log) = ($self->stand->dir, $self->stand->log_dir);
	my $program = program_find('apache2');
	my $modules = join '', map { "LoadModule ${_}_module /usr/lib/apache2/modules/mod_$_.so\n" }
		qw(mpm_event authz_core mime dir rewrite headers proxy proxy_http proxy_fcgi);
	my $user = $> == 0 ? "User www-data\nGroup www-data\n" : '';
	return $self->start_front('apache', sub {
		my ($port) = @_;
		return "ServerRoot $dir\nServerName muster.test\nDefaultRuntimeDir $dir\nPidFile $dir/apache.pid\n"
			. "Mutex file:$dir default\nErrorLog $log/apache.err\nTypesConfig /etc/mime.types\n"
			. "Listen 127.0.0.1:$port\nStartServers 1\nServerLimit 1\nThreadsPerChild 32\n"
			. "ThreadLimit 32\nMaxRequestWorkers 32\n"
			. $modules . $user . $self->sample('apache', $port);
	}, sub { return ($program, '-X', '-f', $_[0]) });
}

# Adds one, with the project "default".
sub organization {
	my ($self, $slug) = @_;
	return $self->db->value('select muster.organization_add($1)', $slug);
}

sub account {
	my ($self, $email, $role, $organization) = @_;
	return $self->db->value('select muster.account_add($1, $2, $3, $4, $5)', $email,
		$email =~ s/@.*//r, $PASSWORD_HASH, $organization // 'default', $role);
}

# A folder that is watched on this host; its repositories' paths are to be below it.
sub root {
	my ($self, $path, $organization) = @_;
	my $root = $self->db->json('select muster.root_add($1, $2, $3)', $organization // 'default',
		'localhost', $path);
	# Its first audit would be in everybody's queue.
	$self->db->sql('delete from muster.job where key = $1', "root:$root->{id}");
	return $root;
}

my $minute = 0;

# Takes in a report: a hash (whole), or an array of repositories, each at least {name, status}.
# Options: organization, root, host, timestamp.
sub report {
	my ($self, $report, %option) = @_;
	if (ref $report eq 'ARRAY') {
		my %count = map { $_ => 0 } qw(missing extra dirty mismatched clean not_git error);
		$count{ $_->{status} }++ for @$report;
		$report = {
			timestamp => $option{timestamp}
				// sprintf('2026-01-%02dT%02d:%02d:00.000Z', 1 + int($minute / 1440),
					int($minute / 60) % 24, $minute % 60),
			health_status => (grep { $count{$_} } qw(dirty mismatched missing extra)) ? 'yellow' : 'green',
			local_git_root => '/srv/git', github_user => '', duration_ms => 12,
			summary => { total => scalar @$report,
				(map { $_ => $count{$_} } qw(missing extra dirty mismatched clean not_git)),
				errors => $count{error}, stale => 0, missing_files => 0, unknown => [] },
			repos => $report, mitigation_actions => [], schema_version => 1,
		};
		$minute++;
	}
	return $self->db->as('muster_jobs')->json('select muster.report_ingest($1, $2, $3, $4)',
		$option{organization} // 'default', $option{host} // 'localhost', $option{root} // 'default',
		ref $report ? JSON::PP->new->canonical->encode($report) : $report);
}

# What a scan of a repository found, by its name: findings as muster.finding_store() takes them.
# Returns what it says.
sub scanned {
	my ($self, $repo, $findings, %option) = @_;
	return $self->db->json(q{select muster.finding_store((select r.id from muster.repo r
		join muster.organization o on o.id = r.organization_id where r.name = $1 and o.slug = $2), $3, null, $4, $5)},
		$repo, $option{organization} // 'default', $option{kind} // 'secret',
		JSON::PP->new->canonical->encode($findings), $option{part} ? 'false' : 'true');
}

sub client {
	my ($self, %option) = @_;
	return Muster::Stack::Client->new($self->url, %option);
}

# A session made in the database alone: { token, csrf, sid }. For plain CGI, where a sign-in each
# time would be slow.
sub session {
	my ($self, $account, $organization) = @_;
	my $n = ++$self->{sessions};
	my $token = Digest::SHA::sha256_hex("$$ $n $account");
	my $csrf = Digest::SHA::sha256_hex("csrf $token");
	my $session = $self->db->json(q{select muster.session_add(
		(select id from muster.account where email = $1), sha256(convert_to($2, 'UTF8')),
		decode($3, 'hex'), sha256(convert_to('refresh' || $2, 'UTF8')), $4)}, $account, $token, $csrf,
		$organization);
	return { token => $token, csrf => $csrf, sid => $session->{sid}, refresh => "refresh$token" };
}

# A process of its own: (output, log).
sub cgi_process {
	my ($self, $env, $body, $timeout_s) = @_;
	my ($code, $out, $err) = run_program([program('api.fcgi')], env => $env,
		stdin => spew($self->stand->dir . "/body.$$", $body), timeout_s => $timeout_s);
	die "api.fcgi ended with $code:\n$err\n" if $code != 0;
	return ($out, $err);
}

# One request without a web server. Options: session (of session()), cookie, body, env, header (a hash),
# https, timeout_s. The answer: {status, head (lower-case names), body, json, log}.
sub cgi {
	my ($self, $method, $uri, %option) = @_;
	my ($path, $query) = split /\?/, $uri, 2;
	my %env = (
		%{ $self->env }, GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1',
		REQUEST_METHOD => $method, REQUEST_URI => $uri, QUERY_STRING => $query // '',
		SCRIPT_NAME => '', REMOTE_ADDR => '127.0.0.1', HTTP_HOST => 'muster.test',
		SERVER_NAME => 'muster.test',
	);
	my $session = $option{session};
	my $cookie = $option{cookie} // ($session ? "muster_session=$session->{token}" : undef);
	$env{HTTP_COOKIE} = $cookie if defined $cookie;
	$env{HTTP_X_CSRF_TOKEN} = $session->{csrf} if $session && $method !~ /^(GET|HEAD)$/;
	my $body = ref $option{body} ? $json->encode($option{body}) : $option{body};
	if (defined $body) {
		$env{CONTENT_LENGTH} = length $body;
		$env{CONTENT_TYPE} = 'application/json';
	}
	for my $name (keys %{ $option{header} // {} }) {
		$env{ 'HTTP_' . uc($name) =~ tr/-/_/r } = $option{header}{$name};
	}
	%env = (%env, %{ $option{env} // {} });
	delete $env{$_} for grep { !defined $env{$_} } keys %env;
	my ($out, $err) = ($self->{option}{front} // '') eq 'fastcgi'
		? ((fcgi_ask($self->stand->run_dir . '/api.sock', fcgi_begin(%env), fcgi_body($body // '')))[0], '')
		: $self->cgi_process(\%env, $body // '', $option{timeout_s} // 60);
	my ($head, $rest) = split /\r\n\r\n/, $out, 2;
	my %answer = (log => $err, body => $rest // '', head => {});
	for my $line (split /\r\n/, $head // '') {
		my ($name, $value) = split /: /, $line, 2;
		my $known = $answer{head}{ lc $name };
		$answer{head}{ lc $name } = defined $known ? "$known, $value" : $value;
	}
	($answer{status}) = ($answer{head}{status} // '0') =~ /^(\d+)/;
	$answer{json} = eval { $json->decode($answer{body}) }
		if ($answer{head}{'content-type'} // '') =~ /json/;
	return \%answer;
}

1;
