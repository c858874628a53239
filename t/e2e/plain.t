#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The same api.fcgi as plain CGI, where a host offers nothing else: a process a request, behind
# lighttpd's and Apache's own CGI. Whoever asks cannot tell.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;
use Muster::Stack::Load;

my $program = program('api.fcgi');

sub lighttpd_conf {
	my ($stack, $port) = @_;
	my ($dir, $conf) = ($stack->stand->dir, $stack->conf);
	mkdir "$dir/upload";
	return <<"END";
server.modules = ( "mod_alias", "mod_setenv", "mod_cgi" )
server.document-root = "$dir/htdocs"
server.errorlog = "$dir/log/lighttpd.err"
server.upload-dirs = ( "$dir/upload" )
server.bind = "127.0.0.1"
server.port = $port
alias.url = ( "/api" => "$program", "/healthz" => "$program", "/metrics" => "$program" )
cgi.assign = ( "api.fcgi" => "" )
setenv.set-environment = ( "MUSTER_CONF" => "$conf" )
END
}

sub apache_conf {
	my ($stack, $port) = @_;
	my ($dir, $conf) = ($stack->stand->dir, $stack->conf);
	my $modules = join '', map { "LoadModule ${_}_module /usr/lib/apache2/modules/mod_$_.so\n" }
		qw(mpm_event authz_core alias env cgid);
	my $user = $> == 0 ? "User www-data\nGroup www-data\n" : '';
	return <<"END";
ServerRoot $dir
ServerName muster.test
DefaultRuntimeDir $dir
PidFile $dir/apache.pid
Mutex file:$dir default
ErrorLog $dir/log/apache.err
Listen 127.0.0.1:$port
$modules$user
ScriptSock $dir/cgid.sock
DocumentRoot $dir/htdocs
AllowEncodedSlashes NoDecode
SetEnv MUSTER_CONF $conf
ScriptAlias /api $program
ScriptAlias /healthz $program
ScriptAlias /metrics $program
<Location />
	CGIPassAuth On
	Require all granted
</Location>
END
}

my %front = (
	lighttpd => { program => 'lighttpd', conf => \&lighttpd_conf, argv => ['-D', '-f'] },
	apache => { program => 'apache2', conf => \&apache_conf, argv => ['-X', '-f'] },
);

for my $name (sort keys %front) {
	subtest "behind $name" => sub {
		my $front = $front{$name};
		my $path = eval { Muster::Stack::program_find($front->{program}) };
		plan skip_all => "$name is not installed" if !$path;
		# Apache serves as another user than root, who may not read this stand's key.
		plan skip_all => 'root has no Apache of its own' if $name eq 'apache' && $> == 0;
		my $stack = Muster::Stack->new(front => 'none', pusher => 0);
		mkdir $stack->stand->dir . '/htdocs';
		$stack->account('ann@example.org', 'developer');
		$stack->root('/srv/git');
		$stack->report([ { name => 'a/b', status => 'dirty', path => '/srv/git/a/b' } ]);
		$stack->start_front($name, sub { return $front->{conf}->($stack, $_[0]) },
			sub { return ($path, @{ $front->{argv} }, $_[0]) });

		is $stack->client->get('/healthz')->{status}, 200, 'it answers';
		my $ann = $stack->client->login('ann@example.org');
		is $ann->get('/api/v1/auth/me')->{json}{email}, 'ann@example.org', 'cookies arrive';
		is $ann->get('/api/v1/repos/a%2Fb')->{json}{name}, 'a/b', 'a name with a slash';
		is $ann->get('/api/v1/repos?status=dirty&limit=1')->{json}{items}[0]{name}, 'a/b', 'a query';
		is $ann->post('/api/v1/audits', {})->{status}, 202, 'a write with a body';
		is $ann->post('/api/v1/audits', '{"repo":"' . 'x' x 100_000 . '"}')->{status}, 413,
			'one that is too long';
		my $token = $ann->post('/api/v1/tokens', { name => 't', scopes => ['read'] })->{json}{token};
		is $stack->client->get('/api/v1/auth/me', Authorization => "Bearer $token")->{status}, 200, 'a token';
		my $first = $ann->get('/api/v1/repos');
		is $ann->get('/api/v1/repos', 'If-None-Match' => $first->{headers}{etag})->{status}, 304,
			'what is known is not sent again';
		is $ann->get('/api/v1/nothing')->{json}{status}, 404, 'a problem';
		is_deeply(Muster::Stack::Load->start($ann, clients => 4, count => 5)->wait, { 200 => 20 },
			'several at once');
		$stack->stand->cluster->down;
		my $down = $ann->get('/api/v1/repos');
		is $down->{status}, 503, 'without a database';
		ok $down->{headers}{'retry-after'}, 'one is told to come back';
		$stack->stand->cluster->up;
		is $ann->get('/api/v1/repos')->{status}, 200, 'then all is well';
		$stack->front->stop;
	};
}
done_testing;
