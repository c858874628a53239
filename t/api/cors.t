#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Pages of other sites: none, but those that the administrator names.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none',
	conf => { 'server.cors_origins' => 'https://app.example http://localhost:5173' });
$stack->account('ann@example.org', 'developer');
my $ann = $stack->session('ann@example.org');

sub ask {
	my ($method, $origin, %header) = @_;
	return $stack->cgi($method, '/api/v1/tokens', session => $ann, header => { Origin => $origin, %header },
		$method eq 'POST' ? (body => '{"name": "a", "scopes": ["read"]}') : ());
}

subtest 'a page that is named may read' => sub {
	my $answer = ask(GET => 'https://app.example');
	is $answer->{status}, 200, 'it is answered';
	is $answer->{head}{'access-control-allow-origin'}, 'https://app.example', 'by its name';
	is $answer->{head}{'access-control-allow-credentials'}, 'true', 'with whoever is signed in';
	like $answer->{head}{'access-control-expose-headers'}, qr/\bStream-Position\b/, 'and sees our headers';
	like $answer->{head}{vary}, qr/Origin/, 'and no cache gives it to another';
	is ask(GET => 'http://localhost:5173')->{head}{'access-control-allow-origin'}, 'http://localhost:5173',
		'so may the second';
};

subtest 'any other may not' => sub {
	for my $origin ('https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null', '*',
		'https://app.example http://localhost:5173') {
		my $answer = ask(GET => $origin);
		is $answer->{head}{'access-control-allow-origin'}, undef, "$origin is told nothing";
	}
	is ask(POST => 'https://evil.example')->{status}, 403, 'and writes nothing';
};

subtest 'a named page may write once it has asked' => sub {
	my $asked = ask(OPTIONS => 'https://app.example', 'Access-Control-Request-Method' => 'POST',
		'Access-Control-Request-Headers' => 'content-type,x-csrf-token');
	is $asked->{status}, 204, 'asking is free';
	like $asked->{head}{'access-control-allow-methods'}, qr/\bPOST\b/, 'it may POST';
	like $asked->{head}{'access-control-allow-headers'}, qr/\bX-CSRF-Token\b/, 'with our headers';
	is $asked->{head}{'access-control-max-age'}, 600, 'and need not ask again soon';
	is ask(POST => 'https://app.example')->{status}, 201, 'and is done';
	my $other = ask(OPTIONS => 'https://evil.example', 'Access-Control-Request-Method' => 'POST');
	is $other->{head}{'access-control-allow-methods'}, undef, 'another is told of no method';
};

subtest 'nobody is named by default' => sub {
	my $plain = Muster::Stack->new(front => 'none');
	my $answer = $plain->cgi(GET => '/healthz', header => { Origin => 'https://app.example' });
	is $answer->{status}, 200, 'an answer';
	is_deeply [grep { /^access-control/ } keys %{ $answer->{head} }], [], 'without a word of it';
};

done_testing;
