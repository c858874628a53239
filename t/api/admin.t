#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The administrator of the server sees and manages what is across organisations; nobody else does.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none', conf => { 'server.cors_origins' => 'https://app.example.org',
	'server.sendmail' => '/nowhere/sendmail' });
my $db = $stack->db;
$stack->organization('lab');
$stack->account('root@example.org', 'platform_admin');
$stack->account('ann@example.org', 'org_admin', 'lab');
$stack->account('bob@example.org', 'viewer', 'lab');
$stack->account('eve@example.org', 'developer');
my %in = map { $_ => $stack->session("$_\@example.org") } qw(root ann bob eve);
$stack->report([{ name => 'a', status => 'clean', path => '/srv/git/a' }], organization => 'lab', host => 'build1');

sub ask {
	my ($method, $uri, $body, $who, %header) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => $in{ $who // 'root' }, header => \%header,
		defined $body ? (body => $body) : ());
}
sub account { return $db->value('select id from muster.account where email = $1', "$_[0]\@example.org") }
sub emails { return join ' ', map { $_->{email} =~ s/@.*//r } @{ ask(GET => "admin/users$_[0]")->{json}{items} } }

subtest 'accounts are found' => sub {
	is emails(''), 'ann bob eve root', 'all of them';
	is emails('?q=EV'), 'eve', 'by a part of the address';
	is emails('?organization=lab'), 'ann bob', 'by organization';
	is emails('?organization=lab&role=viewer'), 'bob', 'and role there';
	is emails('?role=platform_admin'), 'root', 'or by being the administrator of the server';
	is emails('?state=disabled'), '', 'or by state';
	my $page = ask(GET => 'admin/users?limit=3')->{json};
	is ask(GET => "admin/users?limit=3&cursor=$page->{next}")->{json}{items}[0]{email}, 'root@example.org', 'in pages';
	my $bob = ask(GET => 'admin/users/' . account('bob'))->{json};
	is "$bob->{sessions} $bob->{memberships}[0]{organization}{slug} $bob->{memberships}[0]{role}", '1 lab viewer',
		'with where they are signed in and what they are';
	is ask(GET => 'admin/users', undef, 'ann')->{status}, 403, 'an organization is no server';
};

subtest 'an account gets a role' => sub {
	my $bob = 'admin/users/' . account('bob');
	is ask(PATCH => "$bob/role", '{"role": "developer", "organization": "lab"}')->{json}{memberships}[0]{role},
		'developer', 'in an organization';
	is ask(POST => 'searches', '{"name": "x", "subject": "repos", "query": {}}', 'bob')->{status}, 201, 'which holds at once';
	is scalar @{ ask(PATCH => "$bob/role", '{"role": "viewer"}')->{json}{memberships} }, 2, 'in another one, too';
	is ask(PATCH => "$bob/role", '{"role": "none"}')->{json}{memberships}[0]{organization}{slug}, 'lab', 'and none there';
	is ask(PATCH => "$bob/role", '{"role": "viewer", "organization": "nowhere"}')->{status}, 404, 'in one that there is';
	is ask(PATCH => 'admin/users/' . account('ann') . '/role', '{"role": "viewer", "organization": "lab"}')->{status}, 409,
		'the last administrator of one stays that';
	is ask(PATCH => 'admin/users/' . account('root') . '/role', '{"role": "org_admin"}')->{status}, 409,
		'and so does that of the server';
	is ask(PATCH => "$bob/role", '{"role": "platform_admin", "organization": "lab"}')->{json}{platform_admin}, JSON::PP::true,
		'until there is another';
	is ask(PATCH => 'admin/users/' . account('root') . '/role', '{"role": "org_admin"}', 'bob', 'Muster-Organization' => 'default')
		->{json}{platform_admin}, JSON::PP::false, 'who may take it away';
	is ask(GET => 'admin/users')->{status}, 403, 'at once';
	is ask(PATCH => 'admin/users/' . account('root') . '/role', '{"role": "platform_admin", "organization": "default"}', 'bob')
		->{status}, 200, 'and give it back';
};

subtest 'an account is let out and in' => sub {
	my $eve = 'admin/users/' . account('eve') . '/status';
	is ask(PATCH => $eve, '{"status": "disabled"}')->{json}{state}, 'disabled', 'out';
	is ask(GET => 'repos', undef, 'eve')->{status}, 401, 'at once';
	is emails('?state=disabled'), 'eve', 'which is seen';
	is ask(PATCH => $eve, '{"status": "active"}')->{json}{state}, 'active', 'and in';
	is ask(PATCH => $eve, '{"status": "gone"}')->{status}, 400, 'no more than that';
	my ($root, $bob) = map { 'admin/users/' . account($_) . '/status' } qw(root bob);
	is ask(PATCH => $bob, '{"status": "disabled"}')->{status}, 200, 'one of two who administer the server';
	is ask(PATCH => $root, '{"status": "disabled"}')->{status}, 409, 'not the last';
	is ask(PATCH => $bob, '{"status": "active"}')->{status}, 200, 'who lets the other in again';
	$in{bob} = $stack->session('bob@example.org');
};

subtest 'the trail of all' => sub {
	my @of = sub { map { "$_->{action} " . ($_->{organization} // { slug => '-' })->{slug} }
		@{ ask(GET => "admin/audit-logs?limit=200$_[0]")->{json}{items} } };
	my @all = $of[0]->('');
	ok grep({ $_ eq 'account.role lab' } @all), 'has one organization';
	ok grep({ $_ eq 'account.state default' } @all), 'and the other';
	is_deeply [grep { !/ lab\z/ } $of[0]->('&organization=lab')], [], 'or one alone';
	is_deeply [grep { !/^account\./ } $of[0]->('&action=account.')], [], 'or one kind of thing';
	my $bob = account('bob');
	is_deeply [grep { $_->{account}{id} ne $bob } @{ ask(GET => "admin/audit-logs?account=$bob")->{json}{items} }], [],
		'or what one person did';
	is_deeply [grep { $_->{account}{id} ne $bob || $_->{action} !~ /^session\./ }
		@{ ask(GET => "admin/audit-logs?account=$bob&action=session.")->{json}{items} }], [], 'of one kind';
	ok scalar(@{ ask(GET => "admin/audit-logs?account=$bob&action=session.add")->{json}{items} }), 'and there is some';
	$db->sql(q{insert into muster.trail (organization_id, action, at) select id, 'rare.' || n % 2,
		'2020-01-01T12:00:00Z'::timestamptz + n * interval '1 minute'
		from muster.organization, generate_series(1, 6) n where slug = 'default'});
	my ($at, @seen) = '';
	while (defined $at) {
		my $part = ask(GET => "admin/audit-logs?action=rare.&until=2020-01-01T12:06:00Z&limit=2&cursor=$at")->{json};
		push @seen, map { substr $_->{at}, 15, 1 } @{ $part->{items} };
		$at = $part->{next};
	}
	is join(' ', @seen), '5 4 3 2 1', 'of several actions before a time, the newest first, from page to page';
	my $lab = $db->value(q{select id from muster.organization where slug = 'lab'});
	is scalar $of[0]->("&organization=$lab"), scalar $of[0]->('&organization=lab'), 'by id as by name';
	my $page = ask(GET => 'admin/audit-logs?limit=2')->{json};
	cmp_ok ask(GET => "admin/audit-logs?limit=2&cursor=$page->{next}")->{json}{items}[0]{id}, '<', $page->{items}[1]{id},
		'in pages';
};

subtest 'how much there is' => sub {
	my $usage = ask(GET => 'admin/usage')->{json};
	is_deeply [$usage->{accounts}{total}, $usage->{organizations}, $usage->{repositories}], [4, 2, 1], 'is counted';
	is scalar(grep { $_->{name} eq 'event' } @{ $usage->{tables} }), 1, 'a table is one, whatever its parts';
	cmp_ok $usage->{database_bytes}, '>', 1e6, 'the database has a size';
};

subtest 'what this server works with' => sub {
	ask(POST => 'tokens', '{"name": "t", "scopes": ["read"]}', 'ann');
	my %at = map { ("$_->{kind} $_->{name}" => $_->{state}) } @{ ask(GET => 'admin/integrations')->{json}{items} };
	is_deeply \%at, { 'mail /nowhere/sendmail' => 'off', 'remote_user off' => 'off', 'origin https://app.example.org' => 'on',
		'host build1' => 'on', 'tokens lab' => 'idle' }, 'is what is configured, and what was used';
};

subtest 'settings' => sub {
	my $value = sub { my ($where, $who) = @_;
		return (map { $_->{value} } grep { $_->{key} eq 'retention.run_days' } @{ ask(GET => $where, undef, $who)->{json}{items} })[0] };
	is ask(PUT => 'admin/settings/retention.run_days', '{"value": 60}', 'ann')->{status}, 403, 'for all are not an organization\'s';
	is ask(PUT => 'admin/settings/retention.run_days', '{"value": 60}')->{json}{value}, 60, 'are set for all';
	is $value->('settings', 'ann'), 60, 'and hold';
	is ask(PUT => 'settings/retention.run_days', '{"value": 90}', 'ann')->{json}{default}, 60, 'where nobody says otherwise';
	is $value->('settings', 'ann'), 90, 'as this one does';
	is $value->('admin/settings'), 60, 'for itself';
	is ask(PUT => 'admin/settings/retention.run_days', '{"value": null}')->{json}{value}, 30, 'and they are given back';
	is ask(PUT => 'admin/settings/auth.register', '{"value": "open"}')->{json}{value}, 'open', 'those of the server, too';
};

subtest 'one sees where one signed in' => sub {
	$stack->cgi(POST => '/api/v1/auth/login', body => '{"email": "bob@example.org", "password": "a wrong one"}');
	my @seen = @{ ask(GET => 'sessions/history', undef, 'bob')->{json}{items} };
	is $seen[0]{action}, 'session.refuse', 'and who tried in vain';
	ok grep({ $_->{action} eq 'session.add' && $_->{organization}{slug} eq 'lab' } @seen), 'and when one did';
	is_deeply [grep { $_->{action} !~ /^session\./ } @seen], [], 'and nothing else';
};

done_testing;
