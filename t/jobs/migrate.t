#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster migrate, and the commands of an administrator.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $muster = program('muster');
my $db = $stand->database(empty => 1);
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stand->conf($db));

sub run_muster {
	my (@words) = @_;
	my ($code, $out, $err) = run_program([$muster, @words], env => \%env);
	return wantarray ? ($code, $out, $err) : $code;
}

my ($code, $out, $err) = run_muster('account', 'list');
is $code, 4, 'without tables an account cannot be listed';
like $err, qr/run 'muster migrate' first/, 'and the way out is named';

# Two at the same moment: one works, the other finds it done.
my @both = map { $stand->start("migrate$_", [$muster, 'migrate'], env => \%env) } 1, 2;
is $_->wait, 0, 'migrate succeeds beside another one' for @both;
is join('', sort map { $_->output =~ /(\d+) new/ } @both),
	'0' . scalar(my @all = glob src_dir() . '/sql/migration/*.sql'), 'and each migration is run once';
is -s $stand->state_dir . '/key', 32, 'the master key is made';
is sprintf('%o', (stat $stand->state_dir . '/key')[2] & 07777), '600', 'and nobody else reads it';
my $key = slurp($stand->state_dir . '/key');

($code, $out) = run_muster('migrate', '--backup', $stand->dir . '/backup');
is $code, 0, 'migrate runs again';
ok -s $stand->dir . '/backup', 'and backs up when it is told where to'; unlink $stand->dir . '/backup';
is slurp($stand->state_dir . '/key'), $key, 'and the key stays';

# An older database: the last migration never happened.
my $old = $stand->dir . '/old';
system('cp', '-r', src_dir() . '/sql', $old) == 0 or die;
spew("$old/migration/9000_later.sql", "create table muster.later (id int, gone int);\n");
my $leans = 'create function muster.leans() returns bigint language sql begin atomic select sum(%s) from muster.later; end;';
spew("$old/api/leans.sql", sprintf "$leans\n", 'gone');
{
	local $env{MUSTER_PATHS_SQL} = $old;
	($code, $out) = run_muster('migrate', '--backup', $stand->dir . '/backup');
	is $code, 0, 'a new migration is run';
	ok -s $stand->dir . '/backup', 'after a backup';
	spew("$old/migration/9001_less.sql", "alter table muster.later drop gone;\n");
	spew("$old/api/leans.sql", sprintf "$leans\n", 'id');
	($code, $out, $err) = run_muster('migrate');
	is "$code $err", '0 ', 'one that drops what an older function leans on is run, too';
	spew("$old/migration/9002_more.sql", "create table muster.more (id int);\n");
	spew("$old/migration/9003_wrong.sql", "create table muster.half (id int);\nselect nonsense;\n");
	($code, $out, $err) = run_muster('migrate');
	is $code, 4, 'a migration that fails is an error';
	like $err, qr/9003_wrong\.sql.*nonsense/s, 'that names file and cause';
	is $db->value(q{select to_regclass('muster.half')}), undef, 'and leaves nothing behind';
	is $db->value(q{select to_regclass('muster.more')}), undef, 'nor what went before it';
}
($code, $out, $err) = run_muster('migrate');
is $code, 4, 'a database that is newer than the program is refused';
like $err, qr/newer.*900[01]_/, 'by name';
$db->sql(q{delete from muster.migration where name like '900%'});

# Accounts.
is run_muster('organization', 'add', 'default', 'Everything'), 0, 'an organization is added';
is run_muster('organization', 'add', 'default'), 0, 'twice is no error';
is run_muster('project', 'add', 'web'), 0, 'a project is added';
like +(run_muster('project', 'list'))[1], qr/^default\tdefault\t.*^default\tweb\t/ms, 'and listed';

($code, $out) = run_muster('account', 'add', '--role', 'org_admin', '--name', 'Ann', 'ann@example.org');
is $code, 0, 'an account is added';
like $out, qr/\A[A-Za-z0-9_-]{20}\n\z/, 'and its password is printed';
like $db->value('select password_hash from muster.account'), qr/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/,
	'what is stored is argon2id with the limits that were set';
($code, my $again) = run_muster('account', 'password', 'ANN@example.org');
isnt $again, $out, 'a new password is another one';
spew($stand->dir . '/word', "correct horse\n");
($code, $out) = run_muster('account', 'add', '--password-file', $stand->dir . '/word', 'bob@example.org');
is $code, 0, 'a password may come from a file';
is $out, '', 'and is then not printed';
spew($stand->dir . '/word', "short\n");
is run_muster('account', 'password', '--password-file', $stand->dir . '/word', 'bob@example.org'), 2,
	'a short password is refused';
is run_muster('account', 'add', 'Ann@Example.org'), 2 + 2, 'the same address twice is refused';
is run_muster('account', 'add', 'nonsense'), 2, 'what is no address is refused';
is run_muster('account', 'role', 'bob@example.org', 'king'), 2, 'what is no role is refused';
is run_muster('account', 'role', 'nobody@example.org', 'viewer'), 4, 'an unknown account is an error';
is run_muster('account', 'role', 'bob@example.org', 'viewer'), 0, 'a role is changed';
is run_muster('account', 'disable', 'bob@example.org'), 0, 'an account is disabled';
like +(run_muster('account', 'list'))[1],
	qr/^ann\@example.org\tAnn\tdefault\torg_admin\tactive.*^bob\@example.org\t-\tdefault\tviewer\tdisabled/ms,
	'the list says all of it';
is run_muster('account', 'role', 'bob@example.org'), 2, 'too few words are usage';
is run_muster('account', 'nonsense'), 2, 'so is an unknown verb';

# One role for everything.
my $single = $stand->database(empty => 1);
$env{MUSTER_CONF} = $stand->conf($single, 'database.roles' => 'single');
is run_muster('migrate'), 0, 'one role can own everything';
is $single->value(q{select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'muster'}),
	'postgres', 'and does';
is run_muster('organization', 'add', 'default'), 0, 'and the other commands work there';

done_testing;
