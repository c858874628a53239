#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Walks the table of routes as everybody: what each role may is what the row says.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my @roles = qw(nobody viewer developer team_lead org_admin platform_admin);
my %rank = map { $roles[$_] => $_ } 0 .. $#roles;

my ($code, $table) = run_program([program('api.fcgi'), '--routes']);
is $code, 0, 'the table is printed';
my @rows = map { [split /\t/] } split /\n/, $table;
my $rows_in_source = () = slurp(src_dir() . '/cgi/routes.c') =~ /\.method = /g;
is scalar @rows, $rows_in_source, 'every row of the source is in it';
for my $wanted ('POST /api/v1/auth/login', 'POST /api/v1/auth/logout', 'POST /api/v1/auth/refresh',
	'POST /api/v1/auth/stream-token', 'GET /api/v1/auth/me', 'GET /api/v1/overview',
	'GET /api/v1/repos', 'GET /api/v1/repos/{repo}', 'GET /api/v1/audits', 'POST /api/v1/audits',
	'GET /api/v1/events', 'GET /audit', 'GET /audit/history', 'GET /audit/history/{file}',
	'GET /audit/diff/{repo}', 'GET /audit/export/csv', 'GET /healthz', 'GET /api/v1/openapi.json',
	'GET /api/v1/tokens', 'POST /api/v1/tokens', 'DELETE /api/v1/tokens/{token}',
	'GET /api/v1/findings', 'PATCH /api/v1/findings/{finding}', 'POST /api/v1/findings/bulk',
	'POST /api/v1/waivers', 'POST /api/v1/schedules', 'PATCH /api/v1/rules/{rule}', 'POST /api/v1/searches') {
	is scalar(grep { "$_->[0] $_->[1]" eq $wanted } @rows), 1, "there is one route $wanted";
}
is scalar(grep { @$_ != 8 || $_->[7] eq '' } @rows), 0, 'every row has a line of help';

my $stack = Muster::Stack->new(front => 'fastcgi');
$stack->organization('other');
my %who;
for my $role (@roles[1 .. $#roles]) {
	$stack->account("$role\@example.org", $role);
	$who{$role} = $stack->session("$role\@example.org");
}
$stack->account('stranger@example.org', 'org_admin', 'other');
$who{stranger} = $stack->session('stranger@example.org');
my $root = $stack->stand->dir . '/src';
mkdir $root;
$stack->root($root);
$stack->report([ { name => 'a', status => 'clean', path => "$root/a" } ],
	timestamp => '2026-03-01T10:00:00.000Z');

my $none = '00000000-0000-4000-8000-000000000000';
my %path = ('{repo}' => 'a', '{audit}' => 1, '{token}' => $none, '{rule}' => $none, '{waiver}' => $none, '{schedule}' => $none, '{credential}' => $none, '{summary}' => 1, '{search}' => $none,
	'{organization}' => 'default', '{project}' => 'default', '{account}' => $none,
	'{deployment}' => $none, '{run}' => 1, '{job}' => 1, '{session}' => $none, '{invitation}' => $none, '{identity}' => $none,
	'{issuer}' => 'none', '{key}' => 'retention.event_days', '{finding}' => 1, '{comment}' => 1, '{pull_request}' => 7,
	'{file}' => '2026-03-01T10:00:00.000Z.json');

# Tokens that may all, had they not ended, and one for each scope alone.
my %token;
for my $name (qw(expired revoked read write run)) {
	my $made = $stack->cgi(POST => '/api/v1/tokens', session => $who{platform_admin}, body => JSON::PP->new->encode(
		{ name => $name, scopes => [$name =~ /ed\z/ ? 'admin' : $name] }))->{json};
	$token{$name} = $made->{token};
	$stack->db->sql("update muster.token set created_at = now() - interval '2 days',
		expires_at = now() - interval '1 second' where id = '$made->{id}'") if $name eq 'expired';
	$stack->cgi(DELETE => "/api/v1/tokens/$made->{id}", session => $who{platform_admin}) if $name eq 'revoked';
}
my $document = JSON::PP->new->utf8->decode((run_program([program('api.fcgi'), '--openapi']))[1]);

# What nobody may call says so in the row; that it works is for the tests of its subject.
for my $row (@rows) {
	my ($method, $pattern, $role, $rate) = @$row;
	my $uri = $pattern =~ s/(\{\w+\})/$path{$1} \/\/ die "no value for $1\n"/ger;
	my @body = $method =~ /^(?:GET|DELETE)\z/ ? () : (body => '{}');
	if ($role eq 'nobody') {
		my $answer = $stack->cgi($method, $uri, @body);
		# Whom somebody else has to vouch for is told that nobody does.
		ok $answer->{status} == 200 || $answer->{status} == 400
			|| $answer->{status} == 401 && $pattern =~ m{/auth/remote\z}
			|| $answer->{status} == 404 && $pattern =~ m{/\{issuer\}/start\z}, "nobody may $method $pattern";
		next;
	}
	my $nobody = $stack->cgi($method, $uri, @body);
	is $nobody->{status}, 401, "nobody may not $method $pattern";
	is $nobody->{head}{'content-type'}, 'application/problem+json; charset=utf-8', 'and is told why';
	is $nobody->{json}{request_id}, $nobody->{head}{'x-request-id'}, 'with the id of the request';

	for my $as (@roles[1 .. $#roles]) {
		# The session must survive the walk.
		my $session = $pattern =~ /logout/ ? $stack->session("$as\@example.org") : $who{$as};
		my $status = $stack->cgi($method, $uri, @body, session => $session)->{status};
		if ($rank{$as} < $rank{$role}) {
			is $status, 403, "a $as may not $method $pattern";
		} else {
			ok $status != 401 && $status != 403 && $status < 500, "a $as may $method $pattern"
				or diag "status $status";
		}
	}
	is $stack->cgi($method, $uri, @body, session => $who{stranger},
		header => { 'Muster-Organization' => 'default' })->{status}, 403,
		"a member of another organization may not $method $pattern here";

	my $with = sub { return $stack->cgi($method, $uri, @body, header => { Authorization => "Bearer $token{$_[0]}" })->{status} };
	is $with->($_), 401, "a token that is $_ is nobody for $method $pattern" for qw(expired revoked);
	my $scope = $document->{paths}{$pattern}{lc $method}{'x-scope'};
	for my $other (grep { $scope ne 'read' && $_ ne $scope } qw(read write run)) {
		is $with->($other), 403, "a token to $other may not $method $pattern";
	}

	next if $method eq 'GET';
	my $quiet = $pattern =~ /logout/ ? $stack->session('org_admin@example.org') : $who{org_admin};
	is $stack->cgi($method, $uri, @body, session => $quiet, env => { HTTP_X_CSRF_TOKEN => undef })
		->{status}, 403, "$method $pattern by cookie needs the CSRF token";
	is $stack->cgi($method, $uri, @body, session => $quiet,
		env => { HTTP_X_CSRF_TOKEN => $who{viewer}{csrf} })->{status}, 403, "and this session's own";
	is $stack->cgi($method, $uri, @body, session => $quiet,
		header => { Origin => 'http://evil.example' })->{status}, 403, 'and a page of ours';
}

subtest 'a member of another organization sees nothing of this one' => sub {
	my $in = $who{stranger};
	is $stack->cgi(GET => '/api/v1/repos/a', session => $in)->{status}, 404, 'no repository';
	is_deeply $stack->cgi(GET => '/api/v1/repos', session => $in)->{json}{items}, [], 'an empty list';
	is_deeply $stack->cgi(GET => '/api/v1/audits', session => $in)->{json}{items}, [], 'no audits';
	is_deeply $stack->cgi(GET => '/audit/history', session => $in)->{json}, [], 'no history';
	is $stack->cgi(GET => '/audit', session => $in)->{status}, 404, 'no report';
	is $stack->cgi(GET => '/audit/export/csv', session => $in)->{status}, 404, 'no table';
	is $stack->cgi(GET => '/audit/diff/a', session => $in)->{status}, 404, 'no diff';
	is $stack->cgi(GET => '/api/v1/events?after=0', session => $in)->{status}, 200, 'own events';
	is_deeply [grep { $_->{type} ne 'user_login' || $_->{data}{name} ne 'stranger' }
		@{ $stack->cgi(GET => '/api/v1/events?after=0', session => $in)->{json}{events} }], [],
		'of which there are none but of who signed in';
};

subtest 'a membership that is taken away ends at once' => sub {
	$stack->account('gone@example.org', 'developer');
	my $gone = $stack->session('gone@example.org');
	is $stack->cgi(GET => '/api/v1/overview', session => $gone)->{status}, 200, 'before';
	$stack->db->sql(q{select muster.account_role('gone@example.org', 'default', 'none')});
	is $stack->cgi(GET => '/api/v1/overview', session => $gone)->{status}, 403, 'after';
	$stack->db->sql(q{select muster.account_role('gone@example.org', 'default', 'viewer')});
	$stack->db->sql(q{select muster.account_state('gone@example.org', 'disabled')});
	is $stack->cgi(GET => '/api/v1/overview', session => $gone)->{status}, 401, 'disabled';
};

done_testing;
