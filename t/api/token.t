#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# API tokens: told once, good for what they were made for, in their organisation, until they end.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
$stack->organization('other');
for my $role (qw(viewer developer org_admin)) {
	$stack->account("$role\@example.org", $role);
}
$stack->root('/srv/git');
$stack->report([{ name => 'a', status => 'clean', path => '/srv/git/a' }]);
my %in = map { $_ => $stack->session("$_\@example.org") } qw(viewer developer org_admin);

sub made {
	my ($who, @scopes) = @_;
	my $body = JSON::PP->new->encode({ name => "for @scopes", scopes => \@scopes });
	return $stack->cgi(POST => '/api/v1/tokens', session => $in{$who}, body => $body);
}

sub with {
	my ($token, $method, $uri, %more) = @_;
	return $stack->cgi($method, $uri, header => { Authorization => "Bearer $token", %{ $more{header} // {} } },
		$more{body} ? (body => $more{body}) : ());
}

subtest 'a token is told once' => sub {
	my $answer = made('viewer', 'read');
	is $answer->{status}, 201, 'it is made';
	like $answer->{json}{token}, qr/^mst_[A-Za-z0-9_-]{40,}$/, 'and told';
	is $answer->{json}{hint}, substr($answer->{json}{token}, 0, 10), 'with how it begins';
	my $list = $stack->cgi(GET => '/api/v1/tokens', session => $in{viewer})->{json}{items};
	is_deeply [map { $_->{id} } @$list], [$answer->{json}{id}], 'it is listed';
	is $list->[0]{token}, undef, 'without what it is';
	is $stack->db->value('select count(*) from muster.token where token_hash = sha256($1)',
		$answer->{json}{token}), 1, 'and stored hashed';
};

subtest 'a token does what its scopes say' => sub {
	my %token = map { $_ => made('org_admin', $_)->{json}{token} } qw(read write run admin);
	my %may = (
		read => [GET => '/api/v1/repos'],
		write => [POST => '/api/v1/searches', body => '{"name": "%s", "subject": "repos", "query": {}}'],
		run => [POST => '/api/v1/audits', body => '{}'],
	);
	for my $what (sort keys %may) {
		for my $scope (sort keys %token) {
			my $is = with($token{$scope}, map { s/%s/$scope/r } @{ $may{$what} })->{status};
			if ($what eq 'read' || $what eq $scope || $scope eq 'admin') {
				cmp_ok $is, '<', 300, "$scope may $what";
			} else {
				is $is, 403, "$scope may not $what";
			}
		}
	}
	is $stack->cgi(GET => '/api/v1/repos', header => { 'X-API-Key' => $token{read} })->{status}, 200,
		'X-API-Key is another way to bring it';
};

subtest 'a token is no more than its account' => sub {
	is made('viewer', 'admin')->{status}, 403, 'only an administrator makes one for administration';
	is made('viewer', 'root')->{status}, 400, 'and nobody one for what there is not';
	my $run = made('viewer', 'run')->{json}{token};
	is with($run, POST => '/api/v1/audits', body => '{}')->{status}, 403, 'a viewer starts nothing';
	my $read = made('developer', 'read')->{json}{token};
	is with($read, GET => '/api/v1/repos')->{status}, 200, 'before';
	$stack->db->sql(q{select muster.account_state('developer@example.org', 'disabled')});
	is with($read, GET => '/api/v1/repos')->{status}, 403, 'an account that is disabled has none';
	$stack->db->sql(q{select muster.account_state('developer@example.org', 'active')});
	$in{developer} = $stack->session('developer@example.org');
	$stack->db->sql(q{select muster.account_role('developer@example.org', 'other', 'org_admin')});
	is with($read, GET => '/api/v1/repos', header => { 'Muster-Organization' => 'other' })->{status}, 403,
		'and it stays in its organization';
	is with($run, GET => '/api/v1/repos', header => { 'Muster-Organization' => 'default' })->{status}, 200,
		'which may be named';
};

subtest 'a token makes itself no more than it is' => sub {
	$stack->account('root@example.org', 'platform_admin');
	$in{root} = $stack->session('root@example.org');
	my $asks = sub {
		my ($token, $scopes, $days) = @_;
		return with($token, POST => '/api/v1/tokens', body => JSON::PP->new->encode(
			{ name => 'more', scopes => $scopes, $days ? (days => $days) : () }))->{status};
	};
	my $weak = made('root', 'read', 'write', 'run')->{json};
	is $asks->($weak->{token}, $_), 403, "one that writes makes none to @$_" for ['admin'], ['write'], ['read'];
	my $member = $stack->db->value(q{select id from muster.account where email = 'viewer@example.org'});
	my $other = made('viewer', 'read')->{json};
	for my $row ([GET => 'tokens'], [DELETE => "tokens/$other->{id}"], [GET => 'members'], [DELETE => "members/$member"],
		[POST => 'organizations', '{"slug": "mine", "name": "x"}'], [GET => 'organizations'], [GET => 'sessions'],
		[DELETE => 'sessions'], [PATCH => 'auth/me', '{"name": "x"}'], [GET => 'auth/totp'],
		[POST => 'auth/invitation/join', '{"token": "x"}'], [POST => 'auth/password', '{"current": "x", "password": "long enough"}']) {
		my ($method, $path, $body) = @$row;
		is with($weak->{token}, $method, "/api/v1/$path", $body ? (body => $body) : ())->{status}, 403, "nor may it $method $path";
	}
	is with($weak->{token}, GET => '/api/v1/auth/me')->{json}{email}, 'root@example.org', 'whose it is, it may ask';
	my $short = $stack->cgi(POST => '/api/v1/tokens', session => $in{root},
		body => '{"name": "short", "scopes": ["admin"], "days": 3}')->{json};
	is $asks->($short->{token}, ['read']), 403, 'one that ends makes none that does not';
	is $asks->($short->{token}, ['read'], 4), 403, 'or that ends later';
	is $asks->($short->{token}, ['admin', 'run'], 2), 201, 'but one that ends sooner';
	is $asks->(made('root', 'admin')->{json}{token}, ['admin']), 201, 'and one without an end, one without an end';
};

subtest "what an administrator's token was not made for is not the administrator's" => sub {
	$stack->scanned('a', [{ fingerprint => 'f', rule => 'r', title => 'T', severity => 'high', places => [] }]);
	my $finding = $stack->db->value('select min(id) from muster.finding');
	my $comment = $stack->cgi(POST => "/api/v1/findings/$finding/comments", session => $in{developer}, body => '{"text": "x"}')->{json}{id};
	my $delete = sub { with(made('org_admin', $_[0])->{json}{token}, DELETE => "/api/v1/findings/$finding/comments/$comment")->{status} };
	is $delete->('write'), 404, "another's comment stays";
	is $delete->('admin'), 200, 'and goes by one that was';
};

subtest 'a token ends' => sub {
	my $made = made('viewer', 'read')->{json};
	is $stack->cgi(DELETE => "/api/v1/tokens/$made->{id}", session => $in{developer})->{status}, 404,
		"another's is not there";
	is $stack->cgi(DELETE => "/api/v1/tokens/$made->{id}", session => $in{viewer})->{status}, 200, 'one ends it';
	is with($made->{token}, GET => '/api/v1/repos')->{status}, 401, 'and it is nothing any more';
	my $second = made('viewer', 'read')->{json};
	is $stack->cgi(DELETE => "/api/v1/tokens/$second->{id}", session => $in{org_admin})->{status}, 200,
		'an administrator ends any';
	my $third = $stack->cgi(POST => '/api/v1/tokens', session => $in{viewer},
		body => '{"name": "short", "scopes": ["read"], "days": 1}')->{json};
	is with($third->{token}, GET => '/api/v1/repos')->{status}, 200, 'one with a day to live lives';
	$stack->db->sql(q{update muster.token set expires_at = now() - interval '1 second' where name = 'short'});
	is with($third->{token}, GET => '/api/v1/repos')->{status}, 401, 'for a day';
	for my $bad ('mst_', 'mst_x', "$third->{token}x", "mst_\x{ff}") {
		is with($bad, GET => '/api/v1/repos')->{status}, 401, 'what is none opens nothing';
	}
};

subtest 'its last use is known, and no row is written for each' => sub {
	my $made = made('viewer', 'read')->{json};
	my $used = sub { $stack->db->value('select used_at from muster.token where id = $1', $made->{id}) };
	is $used->(), undef, 'not at first';
	with($made->{token}, GET => '/api/v1/repos');
	my $first = $used->();
	ok $first, 'then it is';
	with($made->{token}, GET => '/api/v1/repos');
	is $used->(), $first, 'and not again so soon';
};

subtest 'who ended and made which is in the trail' => sub {
	my @rows = $stack->db->rows(q{select action, data->>'name' from muster.trail where action like 'token.%' order by id});
	is $rows[0][0], 'token.add', 'the first was made';
	ok grep({ $_->[0] eq 'token.remove' } @rows), 'one was ended';
};

done_testing;
