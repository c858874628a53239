#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Who is removed is gone at once, the rows by a job: all of them, and none of anybody else's.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
my $default = $db->value(q{select id from muster.organization where slug = 'default'});
my %in;
for my $role (qw(viewer developer org_admin platform_admin)) {
	$stack->account("$role\@example.org", $role);
	$in{$role} = $stack->session("$role\@example.org");
}
sub ask {
	my ($method, $uri, $body, $who, %header) = @_;
	return $stack->cgi($method, "/api/v1/$uri", session => ref $who ? $who : $in{ $who // 'platform_admin' },
		header => \%header, defined $body ? (body => $body) : ());
}
sub account { return $db->value('select id from muster.account where email = $1', "$_[0]\@example.org") }

# Every row of every table that names it, but for the trail, outbox and the job itself.
sub rows_of {
	my ($id) = @_;
	my %rows;
	for my $row ($db->rows(q{select relname, attname from pg_class c join pg_attribute a on attrelid = c.oid
		where relnamespace = 'muster'::regnamespace and relkind in ('r', 'p') and not relispartition
		and atttypid = 'uuid'::regtype and relname not in ('trail', 'outbox', 'job')})) {
		my ($table, $column) = @$row;
		my $n = $db->value("select count(*) from muster.$table where $column = \$1", $id);
		$rows{"$table.$column"} = $n if $n;
	}
	return \%rows;
}
sub all_rows {
	return $db->value(q{select string_agg(format('%s=%s', relname, (xpath('/row/c/text()', query_to_xml(format(
		'select count(*) as c from muster.%I where organization_id = %L', relname, '} . $default
		. q{'), false, true, '')))[1]), ' ' order by relname) from pg_class c join pg_attribute a on attrelid = c.oid
		where relnamespace = 'muster'::regnamespace and relkind in ('r', 'p') and not relispartition
		and attname = 'organization_id' and relname not in ('trail', 'outbox', 'event', 'session', 'refresh',
		'idempotency')});
}
sub work {
	my ($code, undef, $err) = run_program([program('muster-server'), 'run', '--once'],
		env => { MUSTER_CONF => $stack->conf });
	is $code, 0, 'the runner does it' or diag $err;
	is $db->value(q{select string_agg(error, ' ') from muster.job where error is not null}), undef, 'without trouble';
	return;
}

# Something of everything.
sub fill {
	my ($slug, $who) = @_;
	my @in = ('Muster-Organization' => $slug);
	my $id = $db->value('select id from muster.organization where slug = $1', $slug);
	$stack->report([map { { name => "$slug-$_", status => 'clean', path => "/srv/$slug/$_" } } 1 .. 3],
		organization => $slug);
	$stack->scanned("$slug-1", [map { { fingerprint => "f$_", rule => 'r', title => 'T', severity => 'high',
		places => [map { { blob => 'b', line => $_ } } 1 .. 3] } } 1 .. 1200], organization => $slug);
	my $finding = $db->value('select min(id) from muster.finding where organization_id = $1', $id);
	my $test = sub { my $a = ask(@_, @in); cmp_ok $a->{status}, '<', 300, "$slug has a $_[1]" };
	$test->(PATCH => "findings/$finding", qq({"state": "in_progress", "assignee": "me"}), $who);
	$test->(POST => "findings/$finding/comments", '{"text": "x"}', $who);
	$test->(POST => 'waivers', '{"reason": "x", "path": "x*", "days": 3}', $who);
	$test->(POST => 'searches', '{"name": "x", "subject": "repos", "query": {}}', $who);
	$test->(POST => 'tokens', '{"name": "x", "scopes": ["read"]}', $who);
	$test->(POST => 'invitations', qq({"email": "x\@$slug.example", "role": "viewer"}), $who);
	$test->(POST => 'projects', '{"slug": "x", "name": "X"}', $who);
	$test->(POST => 'deployments', '{"version": "1", "environment": "staging"}', $who);
	$test->(POST => 'test-runs', '{"total": 1, "passed": 1, "failed": 0}', $who);
	$test->(POST => 'metrics', '{"metrics": [{"name": "a", "value": 1}]}', $who);
	$test->(PUT => 'settings/retention.audit_days', '{"value": 3}', $who);
	$db->sql(q{insert into muster.run (organization_id, project_id, kind, account_id)
		select organization_id, id, 'scan', $2 from muster.project where organization_id = $1}, $id,
		account($who));
	$db->sql(q{insert into muster.run_log (organization_id, run_id, number, text)
		select organization_id, id, 1, 'x' from muster.run where organization_id = $1}, $id);
	$db->sql('select muster.sequence_events() from generate_series(1, 10)');
	return $id;
}

fill('default', 'org_admin');
my $lab;
subtest 'an organization is removed with everything in it, but its trail' => sub {
	$stack->organization('lab');
	$db->sql(q{select muster.account_role('viewer@example.org', 'lab', 'org_admin')});
	$db->sql(q{update muster.organization set owner_id = $1 where slug = 'lab'}, account('viewer'));
	$lab = fill('lab', 'viewer');
	my @lab = ('Muster-Organization' => 'lab');
	my $there = all_rows();
	my $token = ask(POST => 'tokens', '{"name": "y", "scopes": ["read"]}', 'viewer', @lab)->{json}{token};
	my $runs = rows_of($lab);
	cmp_ok scalar keys %$runs, '>', 20, 'which is in many tables';
	is ask(DELETE => 'organizations/lab?confirm=default', undef, 'viewer', @lab)->{status}, 400,
		'when one says its name again';
	is ask(DELETE => 'organizations/default?confirm=default', undef, 'org_admin')->{status}, 403,
		'not by who does not own it';
	my $gone = ask(DELETE => 'organizations/lab?confirm=lab', undef, 'viewer', @lab);
	is "$gone->{status} $gone->{json}{status}", '202 pending', 'by its owner';
	is ask(GET => 'organizations/lab', undef, 'viewer')->{status}, 404, 'it is not there';
	is ask(GET => 'organizations/lab')->{status}, 404, 'for nobody';
	is_deeply [map { $_->{slug} } @{ ask(GET => 'organizations')->{json}{items} }], ['default'], 'and not listed';
	is $stack->cgi(GET => '/api/v1/repos', header => { Authorization => "Bearer $token" })->{status}, 401,
		'its tokens have ended';
	is ask(GET => 'repos', undef, 'viewer')->{status}, 200, 'who is elsewhere, too, is not signed out';
	is ask(POST => 'organizations', '{"slug": "lab", "name": "Another"}')->{status}, 409,
		'its slug is nobody else\'s, for folders are called by it';
	cmp_ok scalar keys %{ rows_of($lab) }, '>', 15, 'the rows are still there';
	work();
	is_deeply rows_of($lab), {}, 'until none is';
	my $count = $db->json(q{select data from muster.trail where organization_id = $1 and action = 'organization.erase'}, $lab);
	is_deeply [@$count{qw(finding occurrence comment project repo metric)}], [1200, 3600, 1, 2, 3, 1],
		'which the trail counts, table by table';
	is $db->value(q{select count(*) from muster.job where kind = 'remove'}), 0, 'the job has gone with it';
	is all_rows(), $there, 'and nothing else has';
};

subtest 'a slug that was used is not given out again' => sub {
	my ($new, $edit) = map { my $sql = $_; sub { $db->error($sql, @_) } } 'select muster.organization_add($1)',
		'select muster.organization_edit($1, null, $2, null, null, null)';
	is ask(POST => 'organizations', '{"slug": "lab", "name": "Another"}')->{status}, 409, 'not when the rows are gone';
	is $new->('lab'), 'MU409', 'not at the terminal';
	is ask(POST => 'organizations', '{"slug": "first", "name": "First"}')->{status}, 201, 'another one is';
	is ask(PATCH => 'organizations/first', '{"slug": "lab"}')->{status}, 409, 'not by a new name';
	is $edit->('first', 'lab'), 'MU409', 'nor by one from the terminal';
	is ask(PATCH => 'organizations/first', '{"slug": "second"}')->{status}, 200, 'who has a new name';
	is ask(POST => 'organizations', '{"slug": "first", "name": "Another"}')->{status}, 409, 'keeps the old one from others';
	is ask(PATCH => 'organizations/second', '{"slug": "first"}')->{status}, 200, 'and may take it back';
	is $new->('first'), '', 'what is there may be added twice';
	is $new->('second'), 'MU409', 'what was not';
	$db->sql(q{select muster.organization_drop('first', true)});
	is $new->($_), 'MU409', "nor when it is gone ($_)" for qw(first second);
};

subtest 'an account is removed, and what it did is nobody\'s' => sub {
	my $id = account('org_admin');
	my $mine = $in{org_admin};
	$db->sql(q{update muster.membership set role = 'viewer' where account_id = $1}, account('platform_admin'));
	my $about = 'auth/me?confirm=org_admin%40example.org';
	is ask(DELETE => $about, undef, 'org_admin')->{status}, 409, 'not while nobody else administers';
	$db->sql(q{select muster.account_role('developer@example.org', 'default', 'org_admin')});
	is ask(DELETE => 'auth/me?confirm=x%40example.org', undef, 'org_admin')->{status}, 400, 'nor by mistake';
	my $token = ask(POST => 'tokens', '{"name": "y", "scopes": ["admin"]}', 'org_admin')->{json}{token};
	is $stack->cgi(DELETE => "/api/v1/$about", header => { Authorization => "Bearer $token" })->{status}, 403,
		'nor by a program';
	$db->sql(q{insert into muster.organization (slug, name, personal, owner_id) values ('own', 'Own', true, $1)}, $id);
	$db->sql(q{insert into muster.membership (organization_id, account_id, role) select id, $1, 'org_admin'
		from muster.organization where slug = 'own'}, $id);
	$db->sql(q{insert into muster.project (organization_id, slug, name) select id, 'default', 'D'
		from muster.organization where slug = 'own'});
	my $own = fill('own', 'org_admin');
	is ask(DELETE => $about, undef, 'org_admin')->{status}, 202, 'by oneself';
	is ask(GET => 'auth/me', undef, 'org_admin')->{status}, 401, 'at once';
	is $stack->cgi(GET => '/api/v1/repos', header => { Authorization => "Bearer $token" })->{status}, 401, 'everywhere';
	ok !$db->value(q{select count(*) from muster.account where email like 'org_admin%' or name = 'org_admin'}),
		'the address and the name are gone';
	is ask(GET => 'organizations/own')->{status}, 404, "with an organization that was nobody else's";
	work();
	is_deeply rows_of($id), {}, 'no row has the account';
	is_deeply rows_of($own), {}, 'nor that organization';
	is $db->value('select count(*) from muster.comment'), 1, 'what was said stays';
	is $db->value('select count(*) from muster.finding where assignee_id is not null'), 0, 'what was to be done is open';
	my $count = $db->json(q{select data from muster.trail where action = 'account.erase'});
	is_deeply [@$count{qw(comment.account_id finding.assignee_id run.account_id saved_search), 'deployment.account_id'}],
		[2, 2, 4, 2, 2], 'the trail has how much';
	is $db->value(q{select data -> 'organizations' ->> 0 from muster.trail where action = 'account.remove'}), 'own',
		'and of what';
};

subtest 'who gives a role meanwhile is not in the way' => sub {
	my $id = account('viewer');
	my ($role, $remove) = map { $db->session } 1 .. 2;
	my $enter = q{begin; select muster.enter('session', sha256(convert_to($1, 'UTF8')), null, 'platform_admin', null)};
	$role->ask('begin; select muster.admin_account_lock()');
	$remove->ask("set application_name = 'remove'");
	$remove->ask($enter, $in{platform_admin}{token});
	$remove->send('select muster.account_remove($1, $2)', 'viewer@example.org', $id);
	wait_for { $db->value(q{select count(*) from pg_stat_activity where application_name = 'remove'
		and wait_event_type = 'Lock'}) } 'who removes';
	is $role->ask('select id from muster.account where id = $1 for update nowait', $id), $id,
		'nobody holds the account before it is their turn';
	$role->ask('rollback');
	like $remove->read, qr/pending/, 'then it is';
	$remove->ask('rollback');
};

subtest 'the administrator of the server removes others' => sub {
	my $id = account('viewer');
	is ask(DELETE => "admin/users/$id?confirm=viewer%40example.org", undef, 'developer')->{status}, 403, 'nobody else does';
	is ask(DELETE => "admin/users/$id?confirm=viewer%40example.org")->{status}, 202, 'by the address';
	is ask(DELETE => "admin/users/$id?confirm=viewer%40example.org")->{status}, 404, 'once';
	my $me = account('platform_admin');
	is ask(DELETE => "admin/users/$me?confirm=platform_admin%40example.org")->{status}, 409, 'but not the last one';
	work();
	is_deeply rows_of($id), {}, 'and it is gone';
};

done_testing;
