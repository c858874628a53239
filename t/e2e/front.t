#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The three web servers, with the configurations that we ship: who gets which path.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use Muster::Test;
use Muster::Stack;

# Where the pusher would be: says who it is and what request head it saw.
sub listener {
	my ($path, $name) = @_;
	unlink $path;
	my $socket = IO::Socket::UNIX->new(Listen => 16, Local => $path) or die "$path: $!\n";
	chmod 0666, $path;
	my $pid = fork // die "fork: $!\n";
	return $pid if $pid;
	$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
	while (my $client = $socket->accept) {
		my $head = '';
		while ($head !~ /\r\n\r\n/ && length $head <= 60000) {
			sysread($client, $head, 4096, length $head) or last;
		}
		next if $head eq ''; # somebody who only looked whether we are there
		my $body = "$name\n$head";
		if ($head =~ /^Upgrade: *websocket/mi) {
			syswrite $client, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				. "Connection: Upgrade\r\nX-Listener: $name\r\n\r\n";
		} else {
			syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
				. 'Content-Length: ' . length($body) . "\r\n\r\n$body";
		}
		close $client;
	}
	exit 0;
}

# One request as bytes; what comes back until the end or for a while.
sub raw {
	my ($stack, $bytes, $close) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $stack->port) or die;
	syswrite $socket, $bytes;
	shutdown $socket, 1 if $close;
	my $answer = '';
	my $select = IO::Select->new($socket);
	while ($select->can_read(10)) {
		sysread($socket, $answer, 65536, length $answer) or last;
		last if $answer =~ /\r\n\r\n/ && $answer !~ /^HTTP\/1.1 100/;
	}
	return $answer;
}

my @fronts = grep { eval { Muster::Stack::program_find($_ eq 'apache' ? 'apache2' : $_) } }
	qw(lighttpd apache nginx);
cmp_ok scalar @fronts, '>=', 1, 'there is a web server';

my $htdocs = $ENV{TMPDIR} || '/tmp';
$htdocs = File::Temp::tempdir('mh.XXXXXX', DIR => $htdocs, CLEANUP => 1);
chmod 0755, $htdocs;
mkdir "$htdocs/js";
spew("$htdocs/index.html", '<!DOCTYPE html><title>the page</title>');
spew("$htdocs/js/main.js", 'export const a = 1;');
spew("$htdocs/favicon.svg", '<svg/>');

for my $front (@fronts) {
	subtest $front => sub {
		my $stack = Muster::Stack->new(front => $front, pusher => 0, htdocs => $htdocs);
		my @pids = map { listener($stack->stand->run_dir . "/$_.sock", $_) } qw(pusher stream);
		$stack->account('ann@example.org', 'developer');
		$stack->root('/srv/git');
		$stack->report([ { name => 'deep/er', status => 'clean', path => '/srv/git/deep/er' } ]);
		my $ann = $stack->client->login('ann@example.org');
		my %browser = (Accept => 'text/html,application/xhtml+xml,*/*;q=0.8');

		for my $path (qw(/ws /ws/run/1 /ws/dashboard/me /api/ws /api/ws/status /api/v1/dashboard/ws
			/api/v1/dashboard/ws/stats /api/v1/sse/stats)) {
			like $ann->get($path)->{content}, qr/\Apusher\nGET \Q$path\E HTTP/, "$path is the pusher's";
		}
		for my $path (qw(/api/v1/sse/events /api/v1/events/stream /api/v1/events/wait)) {
			like $ann->get("$path?token=x")->{content}, qr/\Astream\nGET \Q$path\E\?token=x HTTP/,
				"$path is the streams'";
		}
		like $ann->get('/ws')->{content}, qr/^cookie: .*muster_session=/mi, 'with the cookie';

		for my $path (qw(/healthz /api/v1/overview /api/v1/events /audit /audit/history
			/audit/export/csv /api/v1/repos/deep%2Fer /audit/history?x=1)) {
			ok $ann->get($path)->{headers}{'x-request-id'}, "$path is the API's";
		}
		ok $ann->post('/api/ws/trigger-update', {})->{headers}{'x-request-id'}, 'so is a write that sounds live';
		is $ann->get('/api/v1/repos/deep%2Fer')->{json}{name}, 'deep/er', 'a name with a slash arrives';
		is $ann->get('/api/v1/nothing')->{status}, 404, 'the API knows what there is not';
		is $ann->get('/metrics')->{status}, 403, 'likewise';
		is $ann->post('/api/v1/audits', {})->{status}, 202, 'writes arrive with their headers';

		for my $path (qw(/ /repos /repos/a.b.c /audit/deep /audit/some.repo?action=view /sign-in /wsx
			/deep/%2e%2e%2fer)) {
			my $answer = $stack->client->get($path, %browser);
			is $answer->{status}, 200, "$path is the page" or diag $answer->{content};
			like $answer->{content}, qr/the page/, 'which is drawn there';
		}
		my $page = $stack->client->get('/audit', %browser);
		like $page->{content}, qr/the page/, '/audit is the page to a browser';
		is $stack->client->get('/audit')->{status}, 401, 'and the report to a program';
		is $stack->client->get('/js/nothing.js')->{status}, 404, 'a script that is not there is not there';
		is $stack->client->get('/js/main.js')->{headers}{'content-type'}, 'text/javascript; charset=utf-8',
			'scripts have their type';
		is $stack->client->get('/favicon.svg')->{headers}{'content-type'}, 'image/svg+xml', 'pictures too';
		for my $path ('/', '/js/main.js', '/repos/x') {
			my $headers = $stack->client->get($path, %browser)->{headers};
			like $headers->{'content-security-policy'}, qr/default-src 'none'.*trusted-types/,
				"$path has a policy";
			is $headers->{'x-content-type-options'}, 'nosniff', 'and the other headers';
			is $headers->{'cache-control'}, 'no-cache', 'and is asked for again';
		}
		my $etag = $stack->client->get('/js/main.js')->{headers}{etag};
		is $stack->client->get('/js/main.js', 'If-None-Match' => $etag)->{status}, 304,
			'without being sent again';
		for my $path ('/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/js/..%2f..%2f..%2fetc/passwd') {
			unlike raw($stack, "GET $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), qr/root:/,
				"$path leads nowhere";
		}

		my $upgrade = sub {
			my ($path, @headers) = @_;
			return raw($stack, join("\r\n", "GET $path HTTP/1.1", "Host: x", @headers) . "\r\n\r\n");
		};
		my @ws = ('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: ' . 'dGhlIHNhbXBsZSBub25jZQ==');
		like $upgrade->('/ws', 'Connection: Upgrade', 'Upgrade: websocket', @ws), qr/^HTTP\/1.1 101 /,
			'a WebSocket is passed on';
		for my $bad ('h2c', 'websocket, h2c', 'h2c, websocket', 'tls/1.0', 'xwebsocket', 'websocketx') {
			my $answer = $upgrade->('/ws', 'Connection: Upgrade, HTTP2-Settings', "Upgrade: $bad",
				'HTTP2-Settings: AAMAAABkAAQAAP__', @ws);
			unlike $answer, qr/^HTTP\/1.1 101 /, "Upgrade: $bad is not";
			unlike $answer, qr/^Upgrade: \Q$bad\E/mi, 'nor is its header';
		}
		unlike $upgrade->('/api/v1/overview', 'Connection: Upgrade', 'Upgrade: h2c'), qr/^HTTP\/1.1 101/,
			'nor anywhere else';

		my @cookie = ('Cookie: muster_session=' . $ann->cookie, 'X-CSRF-Token: ' . $ann->csrf,
			'Content-Type: application/json');
		my $post = sub {
			my ($close, $body, @headers) = @_;
			return raw($stack, join("\r\n", 'POST /api/v1/audits HTTP/1.1', 'Host: 127.0.0.1:'
				. $stack->port, @cookie, @headers) . "\r\n\r\n$body", $close);
		};
		like $post->(0, "2\r\n{}\r\n0\r\n\r\n", 'Transfer-Encoding: chunked'), qr/^HTTP\/1.1 202 /,
			'a body in chunks';
		like $post->(0, '', 'Content-Length: 0'), qr/^HTTP\/1.1 202 /, 'a write without a body that says so';
		is $ann->post('/api/v1/audits', '', 'Content-Type' => 'application/x-www-form-urlencoded')->{status},
			202, "as curl -d '' does";
		# lighttpd wants a length in each POST of HTTP/1, whatever its configuration says.
		my $silent = $front eq 'lighttpd' ? 411 : 202;
		like $post->(0, ''), qr/^HTTP\/1.1 $silent /, "one that does not is answered with $silent";
		my $cut = $post->(1, '{"repo":', 'Content-Length: 20');
		unlike $cut, qr/^HTTP\/1.1 2/, 'a truncated body is refused';
		is $stack->db->value(q{select count(*) from muster.job where payload ->> 'repo' is not null}), 0,
			'and nothing is done';
		is $ann->post('/api/v1/audits', '{"repo":"' . 'x' x 100_000 . '"}')->{status}, 413,
			'a body that is too large';
		like $ann->post('/api/v1/audits', 'x' x 5_000_000)->{status}, qr/^(413|599)$/,
			'one that is far too large';

		$stack->api->stop;
		my $down = $ann->get('/api/v1/overview');
		like $down->{status}, qr/^50[23]$/, 'without api.fcgi there is an error';
		is $stack->client->get('/', %browser)->{status}, 200, 'but the page';
		$stack->start_api;
		wait_for { $ann->get('/api/v1/overview')->{status} == 200 } 'it is back';
		pass 'and it comes back';
		kill 'TERM', @pids;
		waitpid $_, 0 for @pids;
		is $stack->front->is_running, 1, 'the web server lived through all of it';
		$stack->front->stop;
		$stack->api->stop;
	};
}
done_testing;
