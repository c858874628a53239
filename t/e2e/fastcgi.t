#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The FastCGI protocol itself, spoken as web servers do and as they should not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Muster::FastCGI;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none', conf => { 'api.workers' => 2 });
$stack->account('ann@example.org', 'developer');
$stack->root('/srv/git');
my $ann = $stack->session('ann@example.org');
$stack->start_api;
my $socket = $stack->stand->run_dir . '/api.sock';

# (status, output, whether the request was ended properly)
sub ask {
	my ($out, $ended) = fcgi_ask(@_);
	my ($status) = $out =~ /^Status: (\d+)/;
	return ($status // 0, $out, $ended);
}

sub begin {
	my ($keep, %env) = @_;
	return fcgi_begin(keep => $keep, REQUEST_METHOD => 'GET', REQUEST_URI => '/healthz', QUERY_STRING => '',
		REMOTE_ADDR => '::1', %env);
}

my %post = (REQUEST_METHOD => 'POST', REQUEST_URI => '/api/v1/audits', CONTENT_TYPE => 'application/json',
	HTTP_COOKIE => "muster_session=$ann->{token}", HTTP_X_CSRF_TOKEN => $ann->{csrf});

my ($status, $out, $ended) = ask($socket, begin(0), fcgi_record($FCGI_STDIN, ''));
is $status, 200, 'a request is answered';
is $ended, 1, 'and ended';

($status, undef, $ended) = ask($socket, begin(1), fcgi_record($FCGI_STDIN, ''));
is "$status $ended", '200 1', 'a connection that is to be kept is closed all the same';

is +(ask($socket, begin(0, %post, CONTENT_LENGTH => 2), fcgi_record($FCGI_STDIN, '{'), fcgi_record($FCGI_STDIN, '}'),
	fcgi_record($FCGI_STDIN, '')))[0], 202, 'a body in pieces';
is +(ask($socket, begin(0, %post), fcgi_record($FCGI_STDIN, '{}'), fcgi_record($FCGI_STDIN, '')))[0], 202,
	'a body of no announced length';
is +(ask($socket, begin(0, %post, CONTENT_LENGTH => 10), fcgi_record($FCGI_STDIN, '{}'), fcgi_record($FCGI_STDIN, '')))[0], 400,
	'a body shorter than announced';
is +(ask($socket, begin(0, %post), (fcgi_record($FCGI_STDIN, ' ' x 60000)) x 2, fcgi_record($FCGI_STDIN, '')))[0], 413,
	'a body too long, of no announced length';
is +(ask($socket, begin(0, HTTP_COOKIE => 'x' x 60000), fcgi_record($FCGI_STDIN, '')))[0], 200, 'a long header';

# Connections that end in the middle, wherever.
my $whole = begin(0, %post, CONTENT_LENGTH => 2) . fcgi_record($FCGI_STDIN, '{}') . fcgi_record($FCGI_STDIN, '');
for my $cut (grep { $_ % 7 == 0 } 1 .. length($whole) - 1) {
	local $SIG{PIPE} = 'IGNORE';
	my $client = IO::Socket::UNIX->new(Peer => $socket) or die;
	syswrite $client, substr $whole, 0, $cut;
	close $client;
}
is +(ask($socket, begin(0), fcgi_record($FCGI_STDIN, '')))[0], 200, 'connections that end in the middle do no harm';
my ($before) = $stack->db->value('select count(*) from muster.run');
is $before, 1, 'and nothing was done for them';
unlike $stack->api->output, qr/crashed/, 'no worker crashed';

subtest 'a socket that is handed over on standard input' => sub {
	my $path = $stack->stand->run_dir . '/other.sock';
	my $listen = IO::Socket::UNIX->new(Listen => 8, Local => $path) or die "$path: $!\n";
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0) {
		POSIX::dup2(fileno $listen, 0);
		open STDERR, '>>', $stack->stand->log_dir . '/handed.log';
		%ENV = (%ENV, %{ $stack->env });
		{ no warnings 'exec'; exec program('api.fcgi'); }
		POSIX::_exit(127);
	}
	is +(ask($path, begin(0), fcgi_record($FCGI_STDIN, '')))[0], 200, 'is served';
	kill 'TERM', $pid;
	waitpid $pid, 0;
	is $?, 0, 'until it is stopped';
	ok -S $path, 'and is left to whoever made it';
};
done_testing;
