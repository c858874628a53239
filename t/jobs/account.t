#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Accounts, organizations and tokens in a terminal, and what the API makes of that.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none');
my $db = $stack->db;
my $muster = program('muster');
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stack->conf);

sub run_muster {
	my (@words) = @_;
	my ($code, $out, $err) = run_program([$muster, @words], env => \%env);
	return wantarray ? ($code, $out, $err) : $code;
}

sub asked {
	my ($token, $uri, $method) = @_;
	return $stack->cgi($method // 'GET', $uri, header => { Authorization => "Bearer $token" })->{status};
}

sub signs_in {
	my ($email, $password) = @_;
	return $stack->cgi(POST => '/api/v1/auth/login', body => { email => $email, password => $password })->{status};
}

subtest 'an account is changed' => sub {
	my ($code, $word) = run_muster('account', 'add', '--role', 'org_admin', 'ann@example.org');
	chomp $word;
	is signs_in('ann@example.org', $word), 200, 'the password that was printed is the one';
	is run_muster('account', 'add', 'bob@example.org'), 0, 'another one is made';
	is run_muster('account', 'edit', '--name', 'Ann', '--email', 'anna@example.org', 'ANN@example.org'), 0,
		'name and address are changed';
	is signs_in('anna@example.org', $word), 200, 'and the new address signs in';
	is signs_in('ann@example.org', $word), 401, 'and the old one does not';
	my $links = sub { $db->value('select count(*) from muster.password_reset') };
	my $link = q{insert into muster.password_reset (token_hash, account_id, expires_at) select sha256('x'), id,
		now() + interval '1 hour' from muster.account where email = 'anna@example.org'};
	$db->sql($link);
	run_muster('account', 'edit', '--name', 'Anna', 'anna@example.org');
	is $links->(), 1, 'a link in a letter stays with another name';
	run_muster('account', 'edit', '--email', 'anne@example.org', 'anna@example.org');
	is $links->(), 0, 'and ends with another address';
	run_muster('account', 'edit', '--email', 'anna@example.org', 'anne@example.org');
	$db->sql($link);
	chomp($word = (run_muster('account', 'password', 'anna@example.org'))[1]);
	is $links->(), 0, 'and with another password';
	is run_muster('account', 'edit', '--email', 'bob@example.org', 'anna@example.org'), 4,
		'an address that somebody has is refused';
	is run_muster('account', 'edit', '--email', 'nonsense', 'anna@example.org'), 2, 'and what is none';
	is run_muster('account', 'edit', 'anna@example.org'), 2, 'and to change nothing';
};

subtest 'an account that guessed too often is let in again' => sub {
	my ($code, $word) = run_muster('account', 'password', 'bob@example.org');
	chomp $word;
	signs_in('bob@example.org', 'wrong') for 1 .. 6;
	is signs_in('bob@example.org', $word), 429, 'after too many wrong ones the right one waits';
	is run_muster('account', 'unlock', 'bob@example.org'), 0, 'it is unlocked';
	is signs_in('bob@example.org', $word), 200, 'and signs in';
	is run_muster('account', 'unlock', 'nobody@example.org'), 4, 'nobody cannot be unlocked';
};

subtest 'who lost the second factor is let in without' => sub {
	my ($code, $word) = run_muster('account', 'password', 'bob@example.org');
	chomp $word;
	$stack->db->sql(q{insert into muster.totp (account_id, sealed, confirmed_at) select id, 'x', now()
		from muster.account where email = 'bob@example.org'});
	is signs_in('bob@example.org', $word), 401, 'a code is asked for';
	is run_muster('account', 'no-code', 'bob@example.org'), 0, 'it is taken away';
	is signs_in('bob@example.org', $word), 200, 'and the password is enough';
};

subtest 'a token is shown once and ends' => sub {
	my ($code, $token, $err) = run_muster('token', 'add', '--scopes', 'read,write', '--days', 3,
		'anna@example.org', 'nightly');
	is $code, 0, 'it is made';
	like $token, qr/\Amst_[A-Za-z0-9_-]{40,}\n\z/, 'and printed';
	chomp $token;
	is asked($token, '/api/v1/repos'), 200, 'it reads';
	is asked($token, '/api/v1/audits', 'POST'), 403, 'and does not what it was not made for';
	($code, my $list) = run_muster('token', 'list');
	like $list, qr/^[0-9a-f-]{36}\t\Q${\substr $token, 0, 10}\E\tnightly\tanna\@example.org\tdefault\tread,write\t/m,
		'the list says whose it is';
	unlike $list, qr/\Q$token\E/, 'and not what it is';
	is +(run_muster('token', 'list', 'bob@example.org'))[1], '', 'somebody else has none';
	is run_muster('token', 'add', '--scopes', 'admin', 'bob@example.org', 'x'), 4,
		'nobody gets one for more than the account may';
	is run_muster('token', 'add', '--scopes', 'everything', 'anna@example.org', 'x'), 2, 'or for what there is not';
	is run_muster('token', 'add', '--days', 0 - 1, 'anna@example.org', 'x'), 2, 'or for less than a day';
	is run_muster('token', 'remove', substr $token, 0, 10), 0, 'it is ended by how it begins';
	is asked($token, '/api/v1/repos'), 401, 'and is nobody\'s';
	is run_muster('token', 'remove', substr $token, 0, 10), 4, 'once';
};

subtest 'an organization is changed and goes' => sub {
	is run_muster('organization', 'add', 'acme', 'Acme'), 0, 'it is made';
	is run_muster('organization', 'edit', '--name', 'Acme & Sons', '--slug', 'acme-sons', '--owner',
		'anna@example.org', '--max-repositories', 5, 'acme'), 0, 'it is changed';
	like +(run_muster('organization', 'list'))[1],
		qr/^acme-sons\tAcme & Sons\tanna\@example.org\t0\t1\t0\n/m, 'the list says so';
	is $db->value(q{select max_repositories from muster.organization where slug = 'acme-sons'}), 5, 'the limit holds';
	is run_muster('organization', 'edit', '--max-repositories', 'none', 'acme-sons'), 0, 'and is taken away';
	is $db->value(q{select max_repositories from muster.organization where slug = 'acme-sons'}), undef, 'again';
	is run_muster('organization', 'edit', '--max-repositories', 'many', 'acme-sons'), 2, 'a limit is a number';
	is run_muster('organization', 'edit', '--slug', 'default', 'acme-sons'), 4, 'a slug that is taken is refused';
	is run_muster('account', 'role', '--organization', 'acme-sons', 'bob@example.org', 'viewer'), 0, 'somebody joins';
	my ($code, $out, $err) = run_muster('organization', 'remove', 'acme-sons');
	is $code, 1, 'without --yes it stays';
	is $out, "member\t1\nproject\t1\n", 'and what would go is said';
	like $err, qr/--yes/, 'and how';
	($code, $out) = run_muster('organization', 'remove', '--yes', 'acme-sons');
	is $code, 0, 'with --yes it goes';
	like $out, qr/^membership\t1$/m, 'and what went is said';
	unlike +(run_muster('organization', 'list'))[1], qr/acme/, 'it is gone';
};

subtest 'an account goes' => sub {
	run_muster('token', 'add', 'bob@example.org', 'his');
	my ($code, $out) = run_muster('account', 'remove', 'bob@example.org');
	is $code, 1, 'without --yes it stays';
	like $out, qr/^membership\t1$/m, 'and what would go is said';
	$db->sql(q{create function muster.patient() returns trigger language plpgsql as $$ begin
		if current_setting('statement_timeout') <> '0' then raise 'in a hurry'; end if; return old; end $$});
	$db->sql('create trigger patient before delete on muster.account for each row execute function muster.patient()');
	is run_muster('account', 'remove', '--yes', 'bob@example.org'), 0, 'with --yes it goes, however long it takes';
	is $db->value(q{select count(*) from muster.token}), 0, 'with its tokens';
	is $db->value(q{select data ->> 'token' from muster.trail where action = 'account.remove'}), 1,
		'and the trail counts them';
	run_muster('account', 'add', 'eve@example.org');
	is run_muster('account', 'remove', '--yes', 'anna@example.org'), 4,
		'the only administrator among others stays';
	run_muster('account', 'role', 'eve@example.org', 'platform_admin');
	is run_muster('account', 'remove', '--yes', 'eve@example.org'), 4, 'and the only one of the server';
	is run_muster('account', 'remove', '--yes', 'anna@example.org'), 0, 'with another one anybody may go';
};

SKIP: {
	skip 'no terminal can be had', 3 unless has_terminal();
	$db->sql(q{update muster.account set name = E'E\x1b[31mve\t!' where email = 'eve@example.org'});
	my $shown = sub {
		my ($more) = @_;
		return qx(env TERM=xterm $more PGUSER=postgres MUSTER_CONF='${\$stack->conf}' LC_ALL=C.UTF-8 script -qec "'$muster' account list" /dev/null 2>/dev/null </dev/null);
	};
	like $shown->('NO_COLOR='), qr/\e\[1mEMAIL +NAME .*\e\[0?m\r?\neve\@example.org  E%1B\[31mve%09!/,
		'a terminal gets a table with titles, and no name reaches it as it is';
	unlike $shown->('NO_COLOR=1'), qr/\e\[/, 'without colour when that is wanted';
	like +(run_muster('account', 'list'))[1], qr/^eve\@example.org\tE%1B\[31mve%09!\tdefault\t/,
		'a pipe gets tabs';
}

done_testing;
