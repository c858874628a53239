#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An organisation is a workspace: one's own or a team's, with an owner, people in roles, limits, and
# repositories that all of them share and nobody else sees.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
$stack->account('root@example.org', 'platform_admin');
$stack->account("$_\@example.org", 'viewer') for qw(ann bob eve);
my %in = map { $_ => $stack->session("$_\@example.org") } qw(root ann bob eve);
my @team = ('Muster-Organization' => 'team');
sub ask {
	my ($who, $method, $uri, $body, %header) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => $in{$who}, header => \%header,
		defined $body ? (body => $body) : ());
}
sub account { return $db->value('select id from muster.account where email = $1', "$_[0]\@example.org") }

subtest 'people make their own, within limits' => sub {
	ask(root => PUT => 'admin/settings/organization.create', '{"value": "everybody"}');
	is ask(root => PUT => 'admin/settings/organization.max_repositories', '{"value": 10}')->{json}{value}, 10, 'that are a setting';
	is ask(root => PUT => 'admin/settings/organization.max_concurrent_runs', '{"value": 2}')->{json}{default}, undef,
		'and none without it';
	my $team = ask(ann => POST => 'organizations', '{"slug": "team", "name": "The team"}')->{json};
	is_deeply [@$team{qw(personal max_repositories max_concurrent_runs role)}, $team->{owner}{name}],
		[JSON::PP::false, 10, 2, 'org_admin', 'ann'], 'a team\'s';
	my $own = ask(bob => POST => 'organizations', '{"slug": "bobs", "name": "Mine", "personal": true}')->{json};
	is $own->{personal}, JSON::PP::true, 'or a personal one';
	is ask(eve => POST => 'organizations', '{"slug": "team", "name": "x"}')->{status}, 409, 'whose name is its own';
	is ask(root => POST => 'organizations', '{"slug": "free", "name": "x"}')->{json}{max_repositories}, undef,
		'the administrator of the server makes them without';
	is ask(ann => PATCH => 'organizations/team', '{"max_repositories": 100}', @team)->{status}, 403,
		'nobody else lifts them';
};

subtest 'people are in it as something' => sub {
	$db->sql(q{insert into muster.membership (organization_id, account_id, role) select id, $1, 'viewer'
		from muster.organization where slug = 'team'}, account('bob'));
	my $bob = 'members/' . account('bob');
	is ask(ann => PATCH => $bob, '{"role": "editor"}', @team)->{json}{role}, 'developer', 'by the words of others, too';
	is ask(ann => PATCH => $bob, '{"role": "operator"}', @team)->{json}{role}, 'team_lead', 'each of them';
	is ask(bob => PATCH => 'members/' . account('ann'), '{"role": "viewer"}', @team)->{status}, 403, 'which an administrator says';
	is ask(ann => PATCH => 'organizations/team', sprintf('{"owner": "%s"}', account('bob')), @team)->{status}, 400,
		'who owns it administers it';
	is ask(ann => PATCH => $bob, '{"role": "admin"}', @team)->{json}{role}, 'org_admin', 'as this one does now';
	is ask(bob => PATCH => 'organizations/team', sprintf('{"owner": "%s"}', account('bob')), @team)->{status}, 403,
		'nobody takes it';
	is ask(ann => PATCH => 'organizations/team', sprintf('{"owner": "%s"}', account('bob')), @team)->{json}{owner}{name}, 'bob',
		'its owner gives it away';
};

subtest 'its repositories are shared by those who are in it' => sub {
	$stack->root('/srv/team', 'team');
	$stack->report([map { { name => $_, status => 'clean', path => "/srv/team/$_" } } qw(a b)], organization => 'team');
	is scalar @{ ask($_ => GET => 'repos', undef, @team)->{json}{items} }, 2, "$_ sees them" for qw(ann bob);
	is ask(eve => GET => 'repos', undef, @team)->{status}, 403, 'others do not';
	$stack->report([map { { name => "r$_", status => 'clean', path => "/srv/team/r$_" } } 1 .. 10], organization => 'team');
	is ask(ann => POST => 'repos', '{"url": "https://forge.example/x/y.git"}', @team)->{status}, 429,
		'no more are added than it may have';
};

subtest 'no more is done at once than it may' => sub {
	my $jobs = $db->as('muster_jobs');
	my $team = $db->value(q{select id from muster.organization where slug = 'team'});
	my $other = $db->value(q{select id from muster.organization where slug = 'free'});
	$db->sql('delete from muster.job');
	my $claim = sub { return join ' ', map { $_->[0] } $jobs->rows(
		q{select key from muster.job_claim('localhost', '{audit}', $1, 30)}, $_[0] // 10) };
	$jobs->sql(q{select muster.job_add($1, 'audit', $2)}, $team, "t$_") for 1 .. 4;
	$jobs->sql(q{select muster.job_add($1, 'audit', $2)}, $other, "o$_") for 1 .. 3;
	is $claim->(), 't1 o1 t2 o2 o3', 'the first two';
	is $claim->(), '', 'then none';
	$db->sql(q{update muster.job set state = 'done', lease_id = null, finished_at = now() where key = 't1'});
	is $claim->(), 't3', 'until one of them is done';
	$jobs->sql(q{select muster.job_add($1, 'audit', 'o4')}, $other);
	is $claim->(1), 'o4', 'others do not wait for it';
	ask(root => PATCH => 'organizations/team', '{"max_concurrent_runs": 0}');
	$db->sql(q{update muster.job set state = 'done', lease_id = null, finished_at = now() where state = 'running'});
	is $claim->(), '', 'nor anything, where nothing may be done';
};

done_testing;
