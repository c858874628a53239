#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Organisations, members, projects, settings, the trail: what people manage, and who may.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
my %in;
for my $role (qw(viewer developer team_lead org_admin platform_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
$stack->root('/srv/git');
$stack->report([{ name => 'a', status => 'clean', path => '/srv/git/a' }]);

sub ask {
	my ($method, $uri, $body, $who, %header) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => ref $who ? $who : $in{ $who // 'org_admin' },
		header => \%header, defined $body ? (body => $body) : ());
}
sub account { return $db->value('select id from muster.account where email = $1', "$_[0]\@example.org") }

subtest 'an organization is made by whom the setting names' => sub {
	my $wanted = '{"slug": "lab", "name": "The lab"}';
	is ask(POST => 'organizations', $wanted, 'viewer')->{status}, 403, 'not by everybody at first';
	is ask(PUT => 'settings/organization.create', '{"value": "everybody"}')->{status}, 403,
		'which an organization does not change';
	is ask(PUT => 'settings/organization.create', '{"value": "nobody"}', 'platform_admin')->{status}, 400,
		'nor to something that it cannot be';
	is ask(PUT => 'settings/organization.create', '{"value": "everybody"}', 'platform_admin')->{status}, 200,
		"the server's administrator does";
	my $lab = ask(POST => 'organizations', $wanted, 'viewer');
	is $lab->{status}, 201, 'then everybody makes one';
	is $lab->{json}{owner}{email}, 'viewer@example.org', "which is one's own";
	is $lab->{json}{role}, 'org_admin', 'and administered';
	is ask(POST => 'organizations', $wanted, 'viewer')->{status}, 409, 'by a name that is free';
	is ask(POST => 'organizations', '{"slug": "No Slug", "name": "x"}', 'viewer')->{status}, 400, 'and is one';
	is_deeply [map { $_->{slug} } @{ ask(GET => 'organizations', undef, 'viewer')->{json}{items} }], [qw(default lab)],
		"one's own are listed";
	is ask(GET => 'organizations/lab', undef, 'developer')->{status}, 404, 'others do not see it';
	is ask(GET => 'organizations/lab', undef, 'platform_admin')->{status}, 200, "but the server's administrator";
};

subtest 'the header says in which organization one acts' => sub {
	my @lab = ('Muster-Organization' => 'lab');
	is ask(GET => 'members', undef, 'viewer', @lab)->{json}{items}[0]{role}, 'org_admin', 'here an administrator';
	is_deeply ask(GET => 'repos', undef, 'viewer', @lab)->{json}{items}, [], 'with nothing in it';
	is scalar @{ ask(GET => 'repos', undef, 'viewer')->{json}{items} }, 1, 'there with a repository';
	is ask(PATCH => 'organizations/default', '{"name": "x"}', 'viewer', @lab)->{status}, 403,
		'being one here is no right there';
};

subtest 'it is changed by its administrators' => sub {
	my $tag = ask(GET => 'organizations/default')->{head}{etag};
	my $done = ask(PATCH => 'organizations/default', '{"name": "Ours"}', undef, 'If-Match' => $tag);
	is $done->{json}{name}, 'Ours', 'its name';
	is ask(PATCH => 'organizations/default', '{"name": "x"}', undef, 'If-Match' => $tag)->{status}, 412,
		'not by one who has not seen that';
	is ask(PATCH => 'organizations/default', '{"max_repositories": 5}')->{status}, 403, 'its limits are not theirs';
	is ask(PATCH => 'organizations/default', '{"max_repositories": 5}', 'platform_admin')->{json}{max_repositories}, 5,
		"but the server's";
};

subtest 'members' => sub {
	my $all = ask(GET => 'members?limit=2')->{json};
	is scalar @{ $all->{items} }, 2, 'come in pages';
	my $rest = ask(GET => "members?cursor=$all->{next}")->{json};
	is scalar(@{ $all->{items} }) + @{ $rest->{items} }, 5, 'to the last';
	is_deeply [map { $_->{account}{email} } @{ ask(GET => 'members?q=LEAD')->{json}{items} }], ['team_lead@example.org'],
		'and are searched';
	is ask(PATCH => 'members/' . account('developer'), '{"role": "team_lead"}')->{json}{role}, 'team_lead', 'get a role';
	is ask(POST => 'projects', '{"slug": "x", "name": "X"}', 'developer')->{status}, 201, 'which holds at once';
	is ask(PATCH => 'members/' . account('developer'), '{"role": "platform_admin"}')->{status}, 400, 'one that there is';
	is ask(DELETE => 'members/' . account('viewer'), undef, 'team_lead')->{status}, 403, 'others are removed by an administrator';
	my $token = ask(POST => 'tokens', '{"name": "t", "scopes": ["read"]}', 'team_lead')->{json}{token};
	is ask(DELETE => 'members/' . account('team_lead'))->{status}, 200, 'who does';
	is $stack->cgi(GET => '/api/v1/repos', header => { Authorization => "Bearer $token" })->{status}, 401,
		'tokens end with it';
	is ask(GET => 'repos', undef, 'team_lead')->{status}, 401, 'so do sessions';
	is ask(DELETE => 'members/' . account('platform_admin'))->{status}, 200, 'a second administrator may go';
	is ask(DELETE => 'members/' . account('org_admin'))->{status}, 409, 'the last one stays';
	is ask(PATCH => 'members/' . account('org_admin'), '{"role": "viewer"}')->{status}, 409, 'as what he is';
};

subtest 'projects' => sub {
	my $made = ask(POST => 'projects', '{"slug": "web", "name": "Web"}')->{json};
	is $made->{progress_percentage}, undef, 'of which nobody reports are unknown';
	my $done = ask(PATCH => 'projects/web', '{"completed_tasks": 3, "total_tasks": 4, "risk": "high", "risk_message": "late"}');
	is $done->{json}{progress_percentage}, 75, 'come so far';
	is ask(PATCH => 'projects/web', '{"completed_tasks": 9}')->{status}, 400, 'not further than there is';
	$db->sql('select muster.sequence_events()');
	my @told = $db->rows(q{select type, data->>'project_id', coalesce(data->>'severity', data->>'progress_percentage')
		from muster.event where type in ('risk_alert', 'progress_update') order by type});
	is_deeply [map { "@$_" } @told], ['progress_update web 75', 'risk_alert web high'], 'and it is told';
	is ask(PATCH => 'projects/web', '{"risk": null, "risk_message": null}')->{json}{risk}, undef, 'no risk any more';
	is ask(DELETE => 'projects/web')->{status}, 200, 'an empty one goes';
	is ask(DELETE => 'projects/default')->{status}, 409, 'the default one stays';
};

subtest 'settings' => sub {
	$stack->account('root@example.org', 'platform_admin');
	my $root = $stack->session('root@example.org');
	my %setting = map { $_->{key} => $_ } @{ ask(GET => 'settings')->{json}{items} };
	is $setting{'retention.event_days'}{value}, 7, 'have their default';
	is ask(PUT => 'settings/retention.event_days', '{"value": 0}', $root)->{status}, 400, 'and their bounds';
	is ask(PUT => 'settings/no.such', '{"value": 1}')->{status}, 404, 'are those that there are';
	is ask(PUT => 'settings/retention.event_days', '{"value": 9}', $root)->{json}{value}, 9, 'are changed';
	is ask(PUT => 'settings/retention.event_days', '{"value": null}', $root)->{json}{value}, 7, 'and given back';
};

subtest 'the trail' => sub {
	my @actions = map { $_->{action} } @{ ask(GET => 'trail?limit=200')->{json}{items} };
	for my $action (qw(organization.update member.update member.remove project.add project.remove token.add)) {
		ok grep({ $_ eq $action } @actions), "has $action";
	}
	my @only = map { $_->{action} } @{ ask(GET => 'trail?action=project.&limit=200')->{json}{items} };
	is_deeply [grep { !/^project\./ } @only], [], 'is filtered by a beginning';
	is ask(GET => 'trail', undef, 'developer')->{status}, 403, 'is for administrators';
	my $page = ask(GET => 'trail?limit=3')->{json};
	my $next = ask(GET => "trail?limit=3&cursor=$page->{next}")->{json};
	cmp_ok $next->{items}[0]{at}, 'le', $page->{items}[2]{at}, 'and comes in pages';
	is ask(GET => 'trail?since=2100-01-01T00:00:00Z')->{json}{items}[0], undef, 'of a time';
	$db->sql(q{insert into muster.trail (organization_id, action, at)
		select id, 'old.' || n, '2020-01-01T12:00:00Z'::timestamptz + n * interval '50 minutes'
		  from muster.organization, generate_series(0, 9) n where slug = 'default'});
	is_deeply [map { $_->{action} } @{ ask(GET => 'trail?since=2020-01-01T13:00:00Z&until=2020-01-01T15:20:00Z')
		->{json}{items} }], [qw(old.3 old.2)], 'from the first to the last moment';
	is_deeply [map { $_->{action} } @{ ask(GET => 'trail?action=old.&until=2020-01-01T13:00:00Z')->{json}{items} }],
		[qw(old.1 old.0)], 'with a beginning';
};

subtest 'a token changes no organization but its own' => sub {
	$stack->account('both@example.org', 'platform_admin');
	my $both = $stack->session('both@example.org');
	$stack->organization('there');
	my $token = ask(POST => 'tokens', '{"name": "t", "scopes": ["admin"]}', $both)->{json}{token};
	my $with = sub {
		my ($method, $uri, $body) = @_;
		return $stack->cgi($method, "/api/v1/$uri", header => { Authorization => "Bearer $token" },
			defined $body ? (body => $body) : ());
	};
	is $with->(GET => 'organizations/there')->{status}, 404, 'it does not see another';
	is $with->(PATCH => 'organizations/there', '{"name": "Taken"}')->{status}, 404, 'or rename it';
	is $with->(DELETE => 'organizations/there?confirm=there')->{status}, 404, 'or remove it';
	is $with->(PATCH => 'admin/users/' . account('org_admin') . '/role', '{"role": "viewer", "organization": "there"}')->{status},
		404, 'or give roles there';
	is_deeply [map { $_->{slug} } @{ $with->(GET => 'organizations')->{json}{items} }], ['default'], 'its own is listed';
	is $with->(PATCH => 'organizations/default', '{"name": "Ours again"}')->{status}, 200, 'and changed';
	is ask(GET => 'organizations/there', undef, $both)->{json}{name}, 'there', 'whose account may more, signed in';
};

subtest 'long lists come in pages' => sub {
	$stack->account('root@example.org', 'platform_admin') if !$db->value(q{select 1 from muster.account
		where email = 'root@example.org'});
	my $root = $stack->session('root@example.org');
	$stack->organization("page-$_") for 1 .. 3;
	$db->sql(q{insert into muster.project (organization_id, slug, name)
		select id, 'page-' || n, 'x' from muster.organization, generate_series(1, 3) n where slug = 'default'});
	# Of one moment, so that only the id tells them apart.
	$db->sql(q{insert into muster.token (organization_id, account_id, name, hint, token_hash, scopes)
		select o.id, a.id, 'page' || n, 'mst_x', sha256(n::text::bytea), '{read}' from muster.organization o,
		muster.account a, generate_series(1, 3) n where o.slug = 'default' and a.email = 'root@example.org'});
	$db->sql(q{insert into muster.invitation (organization_id, email, role, token_hash, expires_at)
		select id, 'page' || n || '@example.org', 'viewer', sha256(n::text::bytea), now() + interval '1 day'
		from muster.organization, generate_series(1, 3) n where slug = 'default'});
	for my $list (qw(organizations projects tokens invitations)) {
		my @all = map { $_->{id} } @{ ask(GET => "$list?limit=200", undef, $root)->{json}{items} };
		my ($cursor, @paged) = ('');
		while (defined $cursor && @paged <= @all) {
			my $page = ask(GET => "$list?limit=2&cursor=$cursor", undef, $root)->{json};
			push @paged, map { $_->{id} } @{ $page->{items} };
			$cursor = $page->{next};
		}
		cmp_ok scalar @all, '>', 2, "there are several $list";
		is_deeply \@paged, \@all, 'and each is in one page';
		is ask(GET => "$list?cursor=WzEsMiwzXQ", undef, $root)->{status}, 400, 'a cursor is one of ours';
	}
	$db->sql(q{delete from muster.organization where slug like 'page-%'});
};

done_testing;
