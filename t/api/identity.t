#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Whom the web server has signed in.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use MIME::Base64 qw(encode_base64);
use Test::More;
use Muster::Test;
use Muster::Stack;

my %known = (MUSTER_AUTH_REMOTE_USER => 'existing', MUSTER_AUTH_REMOTE_USER_DOMAIN => 'example.org');
my %made = (%known, MUSTER_AUTH_REMOTE_USER => 'create', MUSTER_AUTH_NEW_ROLE => 'developer');

{
	my $stack = Muster::Stack->new(front => 'none');
	$stack->account('ann@example.org', 'team_lead');
	my $remote = sub { $stack->cgi(POST => '/api/v1/auth/remote', env => { @_ }) };

	subtest 'nobody is believed without the setting' => sub {
		is $remote->(REMOTE_USER => 'ann@example.org')->{status}, 401, 'refused';
		is $stack->cgi(GET => '/api/v1/auth/methods', env => { REMOTE_USER => 'ann' })->{json}{remote_user}, undef,
			'and not even told of';
	};

	subtest 'with it one is who the web server says' => sub {
		is_deeply $stack->cgi(GET => '/api/v1/auth/methods', env => { %known, REMOTE_USER => 'ann' })->{json},
			{ register => 'closed', remote_user => 'ann', issuers => [] }, 'the page knows before';
		my $in = $remote->(%known, REMOTE_USER => 'ann');
		is $in->{status}, 200, 'one is in';
		is $in->{json}{account}{role}, 'team_lead', 'with the account that there is';
		my ($cookie) = $in->{head}{'set-cookie'} =~ /^(muster_session=[^;]+)/;
		is $stack->cgi(GET => '/api/v1/auth/me', cookie => $cookie)->{status}, 200, 'and has a session';
		is $remote->(%known, REMOTE_USER => $_)->{json}{account}{email}, 'ann@example.org', "as $_"
			for 'ann@example.org', 'ANN', 'EXAMPLE\\ann', 'ann@EXAMPLE.ORG';
		is $stack->db->value(q{select count(*) from muster.trail where data ->> 'method' = 'remote_user'}), 5,
			'and the trail knows how';
	};

	subtest 'a header is of no use' => sub {
		is $stack->cgi(POST => '/api/v1/auth/remote', env => \%known, header => { $_ => 'ann' })->{status}, 401, $_
			for 'Remote-User', 'REMOTE_USER', 'X-Remote-User', 'X-Forwarded-User';
		is $stack->cgi(POST => '/api/v1/auth/remote', env => \%known,
			header => { Authorization => 'Basic ' . encode_base64('ann:x', '') })->{status}, 401, 'nor is Authorization';
		is $remote->(%known, REMOTE_USER => 'ann', HTTP_ORIGIN => 'http://evil.example')->{status}, 403,
			"nor another site's page";
	};

	subtest 'who has no account gets one where a setting says so' => sub {
		is $remote->(%known, REMOTE_USER => 'new')->{status}, 403, 'not otherwise';
		my $in = $remote->(%made, REMOTE_USER => 'new');
		is $in->{json}{account}{email}, 'new@example.org', 'it is made';
		is $in->{json}{account}{role}, 'developer', 'with the role of the setting';
		is $in->{json}{account}{organization}{slug}, 'default', 'where it says';
		is $remote->(%made, REMOTE_USER => 'new')->{json}{account}{id}, $in->{json}{account}{id}, 'once';
		is $stack->cgi(POST => '/api/v1/auth/login', body => { email => 'new@example.org', password => 'x' })->{status},
			401, 'it has no password';
		is $remote->(%made, REMOTE_USER => 'x', MUSTER_AUTH_NEW_ORGANIZATION => 'none')->{status}, 403,
			'an organization that is not there takes nobody';
		is $remote->(%made, REMOTE_USER => 'x', MUSTER_AUTH_REMOTE_USER_DOMAIN => '')->{status}, 403,
			'a name that is no address makes none';
		$stack->db->sql(q{select muster.account_state('new@example.org', 'disabled')});
		is $remote->(%made, REMOTE_USER => 'new')->{status}, 403, 'who was disabled stays out';
	};
}

subtest 'behind a web server that asks for a password' => sub {
	my $stand = Muster::Test->new;
	my $users = spew($stand->dir . '/users', "ann:her word\n");
	my $stack = Muster::Stack->new(stand => $stand, pusher => 0, lighttpd => <<"END",
server.modules += ( "mod_auth", "mod_authn_file" )
auth.backend = "plain"
auth.backend.plain.userfile = "$users"
auth.require = ( "/" => ( "method" => "basic", "realm" => "muster", "require" => "valid-user" ) )
END
		conf => { 'auth.remote_user' => 'existing', 'auth.remote_user_domain' => 'example.org' });
	$stack->account('ann@example.org', 'viewer');
	my %basic = (Authorization => 'Basic ' . encode_base64('ann:her word', ''));
	my $client = $stack->client;
	my $ask = sub {
		my ($method, $path, %header) = @_;
		return $client->request($method, $path, { headers => { %basic, %header }, content => '' });
	};
	is $client->request(GET => '/api/v1/auth/methods')->{status}, 401, 'nobody is let through';
	my $in = $ask->(POST => '/api/v1/auth/remote', 'Content-Type' => 'application/json');
	is $in->{status}, 200, 'who has said the word is in';
	my ($cookie) = $in->{headers}{'set-cookie'} =~ /(muster_session=[^;]+)/;
	is $ask->(GET => '/api/v1/auth/me', Cookie => $cookie)->{status}, 200,
		'and the header that comes along with everything does no harm';
	$client = $stack->client;
	is $ask->(GET => '/api/v1/auth/me')->{status}, 401, 'but it is no session';
};

done_testing;
