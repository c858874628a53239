#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Who is who: enter(), sessions, refresh tokens, guessing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Digest::SHA qw(sha256_hex);
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $stand = Muster::Test->new;
my $db = $stand->database;
my $acme = seed($db, 'acme');
my $other = seed($db, 'other');
my $api = $db->as('muster_api');
my @roles = qw(nobody viewer developer team_lead org_admin platform_admin);

# --- every role against every route's role
for my $has (1 .. 5) {
	my $who = $acme->{people}{ $roles[$has] };
	for my $needs (0 .. 5) {
		my $error = $api->error(enter($who, $roles[$needs]) . 'select 1');
		is $error, $has >= $needs ? '' : 'MU403', "a route for $roles[$needs], asked by $roles[$has]";
	}
}
my $who = $acme->{people}{developer};
my $hash = '\x' . sha256_hex($who->{token});
is $api->error("select muster.enter('none', null, null, 'viewer', null)"), 'MU401', 'nobody is nobody';
is $api->error("select muster.enter('session', '\\x00', null, 'viewer', null)"), 'MU401',
	'an unknown token is nobody';
is $api->error("select muster.enter('session', null, null, 'viewer', null)"), 'MU401', 'so is none';
is $api->error("select muster.enter('password', '$hash', null, 'viewer', null)"), 'MU401',
	'and a kind that is none';
is $api->error("select muster.enter('session', '$hash', null, null, null)"), 'MU403',
	'a route without a role lets nobody in';
is $api->error("select muster.enter('session', '$hash', null, 'king', null)"), 'MU403',
	'nor one with an unknown role';
is_deeply [map { [@$_[0 .. 2]] } $api->rows("select * from muster.enter('session', '\\x00', null, 'nobody', null)")],
	[[undef, undef, 'nobody']], 'where nobody is asked for an unknown token is nobody';
is_deeply [map { [@$_[0 .. 2]] } $api->rows("select * from muster.enter('session', '$hash', null, 'viewer', null)")],
	[[$who->{id}, $acme->{id}, 'developer']], 'who enters is told who, where and what';
is $api->value("select stream_position from muster.enter('session', '$hash', null, 'viewer', null)"),
	$db->value('select head from muster.event_bounds()'), 'and the position of what is read next';
is $api->value("select muster.enter('session', '$hash', null, 'viewer', null); select muster.organization()"),
	undef, 'what is set holds for the transaction only';

# --- JWT: by session id, as text and as bytes
my $sid = $who->{sid};
(my $hex = $sid) =~ tr/-//d;
for my $form ("convert_to('$sid', 'UTF8')", "'\\x$hex'") {
	is $api->value("select role from muster.enter('jwt', $form, 'acme', 'viewer', null)"), 'developer',
		'a token of a session that lives is good';
}
is $api->error(q{select muster.enter('jwt', 'nonsense', null, 'viewer', null)}), 'MU401', 'nonsense is not';
is $api->error(q{select muster.enter('jwt', '\xff00ff', null, 'viewer', null)}), 'MU401', 'nor are odd bytes';
is $api->error(q{select muster.enter('jwt', convert_to(gen_random_uuid()::text, 'UTF8'), null, 'viewer', null)}),
	'MU401', 'nor a session that is not';

# --- CSRF
is $api->error(enter($who, 'viewer', csrf => $who->{csrf}) . 'select 1'), '', 'the right token passes';
is $api->error(enter($who, 'viewer', csrf => 'ff' x 16) . 'select 1'), 'MU403', 'a wrong one does not';
is $api->error(enter($who, 'viewer', csrf => '') . 'select 1'), 'MU403', 'nor does none';
is $api->error(enter($who, 'nobody', csrf => $other->{people}{viewer}{csrf}) . 'select 1'), 'MU403',
	"nor another's";

# --- the end of a session
sub told {
	$db->sql('select muster.sequence_events()');
	return map { "$_->[0] " . ($_->[1] // '-') } $db->rows(q{select data ->> 'operation', data ->> 'role'
		from muster.event where type = 'session-change' and subject = $1 order by id}, $_[0]);
}
my $lead = $acme->{people}{team_lead};
is_deeply [told($lead->{sid})], ['set team_lead'], 'a new session is told to the pusher';
$db->sql(q{select muster.account_role($1, 'acme', 'viewer')}, $lead->{email});
is $api->error(enter($lead, 'developer') . 'select 1'), 'MU403', 'a lower role holds at once';
is_deeply [told($lead->{sid})], ['set team_lead', 'set viewer'], 'and is told';
$db->sql(q{select muster.account_role($1, 'acme', 'none')}, $lead->{email});
is $api->error(enter($lead, 'viewer') . 'select 1'), 'MU403', 'who lost the membership is out';
is_deeply [(told($lead->{sid}))[-1]], ['remove -'], 'and that is told';
my $admin = $acme->{people}{org_admin};
$db->sql(q{select muster.account_state($1, 'disabled')}, $admin->{email});
is $api->error(enter($admin, 'viewer') . 'select 1'), 'MU401', 'a disabled account is out';
is_deeply [(told($admin->{sid}))[-1]], ['remove -'], 'and that is told';
is $db->as('muster_push')->value('select count(*) from muster.push_sessions() where account_id in ($1, $2)',
	$admin->{id}, $lead->{id}), 0, 'the mirror holds neither';
my $viewer = $acme->{people}{viewer};
is $api->value(enter($viewer, 'viewer') . 'select muster.session_remove(); commit'), 't', 'who signs out is out';
is $api->error(enter($viewer, 'viewer') . 'select 1'), 'MU401', 'at once';
is_deeply [(told($viewer->{sid}))[-1]], ['remove -'], 'and that is told';
$db->sql(q{update muster.session set expires_at = now() - interval '1 second' where id = $1}, $sid);
is $api->error(enter($who, 'viewer') . 'select 1'), 'MU401', 'a session that ran out is out';
is $db->json('select muster.prune()')->{sessions}, 1, 'and is forgotten';

# --- refresh
my $other_who = $other->{people}{developer};
sub rotate {
	my ($from, $to) = @_;
	return $api->json('select muster.session_rotate($1, $2)', map { '\x' . sha256_hex($_) } $from, $to);
}
my $state = rotate($other_who->{refresh}, 'second');
is $state->{state}, 'ok', 'a refresh token is good';
is $state->{account}{email}, $other_who->{email}, 'and tells whose';
is rotate($other_who->{refresh}, 'third')->{state}, 'unknown', 'once; two tabs at the same moment do no harm';
is $api->error(enter($other_who, 'viewer') . 'select 1'), '', 'and the session lives';
is rotate('second', 'fourth')->{state}, 'ok', 'the new one is good';
$db->sql(q{update muster.refresh set used_at = used_at - interval '1 minute'});
is rotate('second', 'fifth')->{state}, 'reused', 'a used one that comes back later is a theft';
is $api->error(enter($other_who, 'viewer') . 'select 1'), 'MU401', 'and ends the session';
is rotate('fourth', 'sixth')->{state}, 'unknown', 'with all its tokens';
is $db->value(q{select count(*) from muster.trail where action = 'session.reused'}), 1, 'and is on the trail';
is rotate('never', 'seventh')->{state}, 'unknown', 'a token that never was is unknown';
my $next = $other->{people}{viewer};
$db->sql(q{update muster.refresh set expires_at = now()});
is rotate($next->{refresh}, 'eighth')->{state}, 'expired', 'one that ran out is too late';

# --- signing in
my $row = sub { return { map { $_->[0] => $_->[1] } $api->rows(q{select j.key, j.value #>> '{}' from
	muster.login_find($1, $2) f, jsonb_each(to_jsonb(f)) j}, @_) } };
is $row->(uc $next->{email}, '127.0.0.1')->{account_id}, $next->{id}, 'an address is found in any case';
is $row->('nobody@example.org', '127.0.0.1')->{state}, 'unknown', 'an unknown one answers alike';
is $row->($admin->{email}, '127.0.0.1')->{account_id}, undef, 'so does a disabled one';
# As if the wait before it had passed.
sub guess {
	my @who = @_;
	$db->sql('update muster.login_limit set blocked_until = now()');
	$api->sql('select muster.login_try($1, $2)', @who);
	$api->sql('select muster.login_tried($1, $2, false)', @who);
	return;
}
my @waits = map { guess($next->{email}, '10.0.0.1');
	$row->($next->{email}, '10.0.0.2')->{wait_s} } 1 .. 8;
is_deeply [@waits[0 .. 3]], [0, 0, 0, 0], 'four wrong passwords are forgiven';
ok $waits[4] >= 1 && $waits[7] > $waits[5], "then one has to wait, longer and longer (@waits)";
is $row->($other->{people}{team_lead}{email}, '10.0.0.2')->{wait_s}, 0, 'others do not';
cmp_ok $api->value('select wait_s from muster.login_try($1, $2)', $next->{email}, '10.0.0.1'), '>', 0, 'who has to wait is told so';
is $db->value('select max(failures) from muster.login_limit'), 8, 'and that is no guess';
guess("a$_\@example.org", '10.0.0.3') for 1 .. 21;
cmp_ok $row->($other->{people}{team_lead}{email}, '10.0.0.3')->{wait_s}, '>', 0,
	'an address that guesses at many has to wait for each';
$db->sql('update muster.login_limit set blocked_until = now()');
my $failures = q{select failures from muster.login_limit where key = muster.login_key('account', $1)};
my $before = $db->value($failures, $next->{email});
my $try = q{select is_busy || ' ' || wait_s from muster.login_try($1, $2)};
is $api->value($try, $next->{email}, '10.0.0.3'), 'false 0', 'then one may try again';
is $api->value($try, $next->{email}, '10.0.0.3'), 'true 1', 'nobody else at the same moment';
$db->sql(q{update muster.login_limit set tried_at = tried_at - interval '2 minutes'});
is $api->value($try, $next->{email}, '10.0.0.3'), 'false 0', 'unless who tried is gone';
$api->sql('select muster.login_tried($1, $2, true)', $next->{email}, '10.0.0.3');
is $db->value($failures, $next->{email}), $before, 'one that was right is no guess';
is $row->($other->{people}{team_lead}{email}, '10.0.0.3')->{wait_s}, 0, 'and lets nobody of its address wait';
$api->sql('select muster.login_try($1, $2)', $next->{email}, '10.0.0.1');
$api->sql('select muster.login_tried($1, $2, true, true)', $next->{email}, '10.0.0.1');
is $row->($next->{email}, '10.0.0.9')->{wait_s}, 0, 'the right password forgives all';
is $db->value(q{select count(*) from muster.login_limit where key::text like '%example%'}), 0,
	'the table of guesses names nobody';

# --- two who take away the last ways in at once
my @removing = map { $db->session } 1, 2;
my $alone = $other->{people}{developer}{id};
my @identity = map { $db->value(q{insert into muster.identity (account_id, issuer, subject) values ($1, 'i' || $2, 's')
	returning id}, $alone, $_) } 1, 2;
for my $i (0, 1) {
	$removing[$i]->ask('begin');
	$removing[$i]->ask("select set_config('muster.organization', '$other->{id}', true), set_config('muster.account', '$alone', true)");
}
$removing[0]->ask("select muster.identity_remove('$identity[0]')");
$removing[1]->send("select muster.identity_remove('$identity[1]')");
wait_for { $db->value(q{select count(*) from pg_locks where not granted}) } 'one waits for the other';
$removing[0]->ask('commit');
like $removing[1]->read, qr/could not sign in/, 'one of them stays';

my $nowhere = $db->value(q{insert into muster.account (email) values ('no@where.example') returning id});
is $api->error(q{select muster.session_add($1, $2, $3, $4)}, $nowhere, '\x' . 'aa' x 32, '\x' . 'bb' x 16,
	'\x' . 'cc' x 32), 'MU403', 'an account of no organization cannot sign in';
is $api->error(q{select muster.session_add($1, $2, $3, $4, 'acme')}, $next->{id}, '\x' . 'aa' x 32,
	'\x' . 'bb' x 16, '\x' . 'cc' x 32), 'MU403', 'nor one of another organization';

done_testing;
