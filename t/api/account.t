#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How accounts come to be and are kept: invitations, registration, passwords, sessions.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../harness";
use MIME::Base64 qw(decode_base64);
use Test::More;
use Muster::Test;
use Muster::Stack;

# A sendmail that keeps what it is given: arguments in the first line.
my $stand = Muster::Test->new;
my $box = $stand->dir . '/letters';
my $sendmail = spew($stand->dir . '/sendmail', "#!/bin/sh\n{ echo \"\$*\"; cat; } >>'$box'\n");
chmod 0755, $sendmail;
my $stack = Muster::Stack->new(stand => $stand, front => 'none',
	conf => { 'server.sendmail' => $sendmail, 'server.mail_from' => 'Muster <muster@example.org>' });
my $db = $stack->db;
$stack->organization('other');
for my $role (qw(viewer org_admin platform_admin)) {
	$stack->account("$role\@example.org", $role);
}
my $admin = $stack->session('org_admin@example.org');

sub ask {
	my ($method, $uri, $body, %option) = @_;
	return $stack->cgi($method, "/api/v1/$uri", defined $body ? (body => JSON::PP->new->utf8->encode($body)) : (),
		%option);
}
sub login {
	my ($email, $password) = @_;
	return ask(POST => 'auth/login', { email => $email, password => $password })->{status};
}
sub letter {
	my $text = -e $box ? slurp($box) : '';
	unlink $box;
	my ($head, $body) = split /\n\n/, $text, 2;
	return { arguments => (split /\n/, $head // '')[0] // '', head => $head // '', text => decode_base64($body // '') };
}
sub token_of { return ($_[0] =~ m{#(\S+)})[0] }

my $invited;
subtest 'an administrator invites' => sub {
	my $answer = ask(POST => 'invitations', { email => 'new@example.org', role => 'developer' }, session => $admin);
	is $answer->{status}, 201, 'somebody';
	is $answer->{json}{mailed}, JSON::PP::true, 'by mail';
	my $letter = letter();
	is $letter->{arguments}, '-i -- new@example.org', 'to that address alone';
	like $letter->{head}, qr/^From: Muster <muster\@example\.org>$/m, 'from whom the configuration says';
	like $letter->{text}, qr/\Q$answer->{json}{link}\E\n/, 'with the link';
	$invited = token_of($answer->{json}{link});
	is $db->value('select count(*) from muster.invitation where token_hash = sha256(convert_to($1, $$UTF8$$))', $invited),
		1, 'which is stored hashed';
	is ask(POST => 'invitations', { email => 'viewer@example.org', role => 'viewer' }, session => $admin)->{status}, 409,
		'not who is there already';
	is ask(POST => 'invitations', { email => "a\@b\nBcc: c\@d", role => 'viewer' }, session => $admin)->{status}, 400,
		'nor what is no address';
	is ask(POST => 'invitations', { email => '-oQ/tmp@example.org', role => 'viewer' }, session => $admin)->{json}{mailed},
		JSON::PP::false, 'an address is never an option of the mail program';
	is scalar @{ ask(GET => 'invitations', undef, session => $admin)->{json}{items} }, 2, 'they are listed';
};

subtest 'who is invited comes in' => sub {
	my $seen = ask(POST => 'auth/invitation', { token => $invited })->{json};
	is $seen->{organization}{slug}, 'default', 'sees to what';
	is $seen->{known}, JSON::PP::false, 'and that an account is needed';
	is ask(POST => 'auth/invitation/accept', { token => $invited, password => 'short' })->{status}, 400,
		'with a password that is long enough';
	my $in = ask(POST => 'auth/invitation/accept', { token => $invited, password => 'a new password', name => 'Nina' });
	is $in->{status}, 200, 'makes one';
	is $in->{json}{account}{role}, 'developer', 'with the role';
	ok $in->{head}{'set-cookie'}, 'and is signed in';
	is login('new@example.org', 'a new password'), 200, 'and can sign in again';
	is ask(POST => 'auth/invitation', { token => $invited })->{status}, 404, 'the link is used up';
};

subtest 'who has an account joins with it' => sub {
	$stack->account('boss@example.org', 'org_admin', 'other');
	my $boss = $stack->session('boss@example.org', 'other');
	my $link = ask(POST => 'invitations', { email => 'viewer@example.org', role => 'team_lead' }, session => $boss)->{json}{link};
	my $viewer = $stack->session('viewer@example.org');
	is ask(POST => 'auth/invitation/accept', { token => token_of($link), password => 'a new password' })->{status}, 409,
		'not with a second one';
	my $me = ask(POST => 'auth/invitation/join', { token => token_of($link) }, session => $viewer)->{json};
	is_deeply [map { "$_->{slug} $_->{role}" } @{ $me->{organizations} }], ['default viewer', 'other team_lead'],
		'and is in both';
	my $moved = ask(POST => 'auth/organization', { organization => 'other' }, session => $viewer)->{json};
	is $moved->{role}, 'team_lead', 'the session can move over';
	is ask(GET => 'auth/me', undef, session => $viewer)->{json}{organization}{slug}, 'other', 'and stays there';
	is ask(POST => 'auth/organization', { organization => 'none' }, session => $viewer)->{status}, 404, 'to where one is';
};

subtest 'of two who open a link at once one comes in' => sub {
	my $link = ask(POST => 'invitations', { email => 'one@example.org', role => 'viewer' }, session => $admin)->{json}{link};
	my @id = map { $stack->account("$_\@example.org", 'viewer', 'other'); $db->value(
		'select id from muster.account where email = $1', "$_\@example.org") } qw(first second);
	my ($first, $second) = map { $db->session } 1 .. 2;
	my $accept = q{select muster.invitation_accept(sha256(convert_to($1, 'UTF8')), p_account => $2)};
	$first->ask('begin');
	is $first->ask($accept, token_of($link), $id[0]), $id[0], 'the first is in';
	$second->ask("set application_name = 'second'");
	$second->send($accept, token_of($link), $id[1]);
	wait_for { $db->value(q{select count(*) from pg_stat_activity where application_name = 'second'
		and wait_event_type = 'Lock'}) } 'the second';
	$first->ask('commit');
	like $second->read, qr/used up/, 'the second is told that it is used up';
	is $db->value(q{select count(*) from muster.membership m join muster.organization o on o.id = m.organization_id
		where o.slug = 'default' and m.account_id = any (array[$1, $2]::uuid[])}, @id), 1, 'and in nothing';
	letter();
};

subtest 'what nobody has proven is not called so' => sub {
	my $made = sub {
		my ($name, @trail) = @_;
		my $id = $db->value(q{insert into muster.account (email, password_hash) values ($1, 'x') returning id},
			"$name\@proof.example");
		$db->sql(q{insert into muster.trail (account_id, action, subject, organization_id)
			select $1, $2, $1, case when $3 = '' then null else (select id from muster.organization
			where slug = $3) end}, $id, @$_) for @trail;
		return;
	};
	$made->('invited', ['invitation.accept', 'default']);
	$made->('registered', ['account.register', 'default'], ['account.password', 'default']);
	$made->('reset', ['account.register', 'default'], ['account.password', '']);
	my ($file) = glob src_dir() . '/sql/migration/*_unproven.sql';
	$db->sql(slurp($file));
	is_deeply [map { "@$_" } $db->rows(q{select split_part(email, '@', 1), email_proven from muster.account
		where email like '%@proof.example' order by email})], ['invited t', 'registered f', 'reset t'],
		'but of whom a letter has reached, or an administrator has asked';
};

subtest 'registration is closed until it is opened' => sub {
	my %wanted = (email => 'self@example.org', password => 'my own password', name => 'Selma');
	is ask(POST => 'auth/register', \%wanted)->{status}, 403, 'closed';
	ask(PUT => 'settings/auth.register', { value => 'open' }, session => $stack->session('platform_admin@example.org'));
	my $in = ask(POST => 'auth/register', \%wanted);
	is $in->{status}, 201, 'open';
	is $in->{json}{account}{role}, 'org_admin', 'with an organization of one\'s own';
	is $in->{json}{token_type}, 'bearer', 'signed in';
	my $again = ask(POST => 'auth/register', { %wanted, email => 'SELF@example.org' });
	is $again->{status}, 409, 'an address once';
	is $again->{json}{detail}, 'Email already registered', 'in the words that clients know';
	is ask(POST => 'auth/register', { %wanted, email => 'no address' })->{status}, 400, 'one that is one';
	is ask(POST => 'auth/register', { %wanted, email => 'x@example.org', role => 'platform_admin' })->{json}{account}{role},
		'org_admin', 'nobody makes himself an administrator of all';
};

subtest 'a password is changed by who knows it' => sub {
	my ($here, $there) = map { $stack->session('viewer@example.org') } 1 .. 2;
	is ask(POST => 'auth/password', { current => 'wrong', password => 'another password' }, session => $here)->{status},
		403, 'not by another';
	my $done = ask(POST => 'auth/password', { current => $Muster::Stack::PASSWORD, password => 'another password' },
		session => $here);
	is $done->{status}, 200, 'but by who does';
	cmp_ok $done->{json}{ended}, '>=', 1, 'other sessions end';
	is ask(GET => 'auth/me', undef, session => $here)->{status}, 200, 'this one stays';
	is ask(GET => 'auth/me', undef, session => $there)->{status}, 401, 'the other does not';
	is login('viewer@example.org', $Muster::Stack::PASSWORD), 401, 'the old one is over';
	is login('viewer@example.org', 'another password'), 200, 'the new one is it';
};

subtest 'who forgot it gets a letter' => sub {
	letter();
	my $none = ask(POST => 'auth/forgot', { email => 'nobody@example.org' });
	my $one = ask(POST => 'auth/forgot', { email => 'viewer@example.org' });
	is $one->{status}, 202, 'on its way';
	is $none->{body}, $one->{body}, 'who has no account is told the same';
	my $letter = letter();
	is $letter->{arguments}, '-i -- viewer@example.org', 'one letter to the one that there is';
	my $token = token_of($letter->{text});
	my $old = $stack->session('viewer@example.org');
	my $in = ask(POST => 'auth/reset', { token => $token, password => 'a third password' });
	is $in->{status}, 200, 'whose link makes a new one';
	is ask(GET => 'auth/me', undef, session => $old)->{status}, 401, 'all sessions end';
	is login('viewer@example.org', 'a third password'), 200, 'and it works';
	is ask(POST => 'auth/reset', { token => $token, password => 'a fourth password' })->{status}, 404, 'once';
	ask(POST => 'auth/forgot', { email => 'viewer@example.org' }) for 1 .. 5;
	is scalar(() = slurp($box) =~ /^Subject:/mg), 3, 'nobody is buried in letters';
	my $late = token_of(letter()->{text});
	$db->sql(q{update muster.password_reset set expires_at = now() - interval '1 second'});
	is ask(POST => 'auth/reset', { token => $late, password => 'a fifth password' })->{status}, 404, 'a link ends after an hour';
};

subtest 'the answer does not wait for the letter' => sub {
	my $slow = Muster::Test->new;
	my ($gate, $done) = ($slow->dir . '/gate', $slow->dir . '/done');
	system('mkfifo', $gate) == 0 or die;
	my $program = spew($slow->dir . '/sendmail', "#!/bin/sh\ncat >/dev/null; cat '$gate' >/dev/null; : >'$done'\n");
	chmod 0755, $program;
	my $served = Muster::Stack->new(stand => $slow, pusher => 0, conf => { 'server.sendmail' => $program });
	$served->account('ann@example.org', 'viewer');
	my $answer = $served->client->post('/api/v1/auth/forgot', { email => 'ann@example.org' });
	is $answer->{status}, 202, 'it is there';
	ok !-e $done, 'while the mail program is still at it';
	open my $out, '>', $gate or die;
	close $out;
	ok((wait_for { -e $done } 'the letter'), 'and then the letter goes');
};

subtest 'sessions' => sub {
	my ($here, $there) = map { $stack->session('org_admin@example.org') } 1 .. 2;
	my $list = ask(GET => 'sessions', undef, session => $here)->{json}{items};
	is scalar(grep { $_->{current} } @$list), 1, 'are listed, this one marked';
	is ask(DELETE => "sessions/$there->{sid}", undef, session => $here)->{status}, 200, 'one is ended';
	is ask(GET => 'auth/me', undef, session => $there)->{status}, 401, 'at once';
	my $other = $stack->session('boss@example.org', 'other');
	is ask(DELETE => "sessions/$other->{sid}", undef, session => $here)->{status}, 404, 'only one\'s own';
	cmp_ok ask(DELETE => 'sessions', undef, session => $here)->{json}{ended}, '>=', 1, 'or all but this';
	is scalar @{ ask(GET => 'sessions', undef, session => $here)->{json}{items} }, 1, 'which is left';
	is ask(PATCH => 'auth/me', { name => 'Größe' }, session => $here)->{json}{name}, 'Größe', 'one has a name';
};

subtest 'without a mail program' => sub {
	my $bare = Muster::Stack->new(front => 'none', conf => { 'server.sendmail' => '/nonexistent/sendmail' });
	$bare->account('ann@example.org', 'org_admin');
	my $answer = $bare->cgi(POST => '/api/v1/invitations', session => $bare->session('ann@example.org'),
		body => '{"email": "new@example.org", "role": "viewer"}');
	is $answer->{status}, 201, 'one invites all the same';
	is $answer->{json}{mailed}, JSON::PP::false, 'and gives the link on by hand';
	like $answer->{json}{mail_problem}, qr{/nonexistent/sendmail is not there.*server\.sendmail}, 'told what to do';
};

done_testing;
