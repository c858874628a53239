#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster demo: an empty database gets something to look at, and no other one does.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stack->conf);
my $run = sub { return run_program([program('muster'), 'demo', @_], env => \%env) };

my ($code, $out, $err) = $run->();
is $code, 0, 'an empty database is filled' or diag $err;
my %password = $out =~ /^  (\S+@\S+) +(\S+) /mg;
is_deeply \%password, { 'admin@zenpipeline.ai' => 'Admin123!', 'demo@zenpipeline.ai' => 'demo123',
	map { ("$_\@nxzen.com" => 'Password123!') } qw(john jane mike) }, 'and the five accounts are told';

my %token;
for my $email (sort keys %password) {
	my $answer = $stack->cgi(POST => '/api/v1/auth/login', body => { email => $email, password => $password{$email} });
	is $answer->{status}, 200, "$email signs in";
	$token{$email} = $answer->{json}{access_token};
}
my $get = sub {
	my ($who, $uri) = @_;
	return $stack->cgi(GET => $uri, header => { Authorization => "Bearer $token{$who}" })->{json};
};
is $get->('admin@zenpipeline.ai', '/api/v1/auth/me')->{role}, 'platform_admin', 'the administrator is one';
is $get->('john@nxzen.com', '/api/v1/auth/me')->{role}, 'org_admin', 'so is the one of the organization';
is_deeply [map { "$_->{slug}: $_->{role}" } @{ $get->('demo@zenpipeline.ai', '/api/v1/organizations')->{items} }],
	['default: developer', 'nxzen: viewer'], 'somebody is in two';

my $repos = $get->('jane@nxzen.com', '/api/v1/repos?limit=100')->{items};
is scalar @$repos, 11, 'there are repositories';
is_deeply [sort keys %{{ map { $_->{status} => 1 } @$repos }}], [qw(clean dirty extra mismatched missing)],
	'of every kind';
is $get->('admin@zenpipeline.ai', '/api/v1/repos')->{items}[0]{name}, 'handbook', 'another organization has its own';
cmp_ok scalar @{ $get->('mike@nxzen.com', '/api/v1/findings?limit=100')->{items} }, '>=', 10, 'there are findings';
cmp_ok scalar @{ $get->('mike@nxzen.com', '/api/v1/deployments')->{items} }, '>=', 10, 'deployments';
cmp_ok scalar @{ $get->('mike@nxzen.com', '/api/v1/test-runs')->{items} }, '>=', 10, 'test runs';
cmp_ok scalar @{ $get->('mike@nxzen.com', '/api/v1/runs')->{items} }, '>=', 10, 'runs';
is $db->value(q{select count(distinct reported_at::date) >= 13 from muster.audit}), 't', 'and two weeks of audits';
is $db->value(q{select count(*) from muster.audit where reported_at > now()}), 0, 'none of them to come';
is $db->value(q{select count(*) from muster.root where watched}), 0, 'no runner looks for what is not there';
is $db->value(q{select count(*) from muster.repo r where health_score is null and status <> 'missing'}), 0,
	'every score that can be known is';

($code, $out, $err) = $run->();
is $code, 4, 'a second time is refused';
like $err, qr/for an empty database/, 'and it says why';
is $db->value('select count(*) from muster.account'), 5, 'and adds nothing';
is +($run->('more'))[0], 2, 'it takes no words';

my $other = $stack->stand->database;
$env{MUSTER_CONF} = $stack->stand->conf($other);
$other->sql(q{select muster.organization_add('default')});
$other->sql(q{select muster.account_add('ann@example.org', 'Ann', null, 'default', 'viewer')});
is +($run->())[0], 4, 'a database in which there is somebody is left alone';
is $other->value('select count(*) from muster.repo'), 0, 'as it was';

done_testing;
