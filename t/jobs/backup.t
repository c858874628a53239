#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster backup and muster restore: one file holds all that cannot be made again, and brings it back.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new(front => 'none', conf => { 'audit.stale_days' => 77 });
my $stand = $stack->stand;
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stack->conf);
my $file = $stand->dir . '/muster.backup';
my $run = sub { return run_program([program('muster'), @_], env => \%env) };

# Something to lose: people, repositories, a session, a token, and text that is not ASCII.
is +($run->('demo'))[0], 0, 'there is something';
my $token = (($run->('token', 'add', '--organization', 'nxzen', 'jane@nxzen.com', "n\xc3\xa4chtlich"))[1]) =~ s/\n//r;
$stack->cgi(POST => '/api/v1/auth/login', body => { email => 'jane@nxzen.com', password => 'Password123!' });
$stack->db->sql(q{select muster.job_add(id, 'remediate', 'repo:x:discard') from muster.organization where slug = 'nxzen'});
my @tables = grep { !/^(?:event|job$|outbox|session|refresh|stream|trail|rate_limit|login_limit)/ } split /\n/, $stack->db->value(
	q{select string_agg(relname, E'\n' order by relname) from pg_class where relnamespace = 'muster'::regnamespace
	  and relkind = 'r' and not relispartition});
sub rows {
	my ($db) = @_;
	return { map { $_ => $db->value("select count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from muster.$_ t") } @tables };
}

my ($code, $out, $err) = $run->('backup', $file);
is $code, 0, 'a backup is written' or diag $err;
like $out, qr/was read back/, 'and was read back';
is sprintf('%o', (stat $file)[2] & 07777), '600', 'nobody else reads it';
is_deeply [glob $stand->dir . '/.muster-backup-*'], [], 'nothing is left beside it';
is +($run->('backup', $file))[0], 2, 'it is never written over';
($code, $out) = $run->('backup', '--verify', $file);
is $code, 0, 'it can be verified later';
like $out, qr/^accounts +5$/m, 'and says what is in it';
is qx(tar -tf '$file'), "manifest.json\nmuster.conf\nkey\ndatabase.dump\n", 'it is a tar archive of four files';
like +($run->('restore', '--print-conf', $file))[1], qr/^\[audit\]\n# from \Q${\$stack->conf}\E\nstale_days = 77$/m,
	'with the settings, which can be printed';

# --- with issuers.
my $issuers = spew($stand->dir . '/openid.conf', "[forge]\nissuer = https://forge.example\nclient_id = x\n");
chmod 0640, $issuers;
{
	my $link = $stand->dir . '/openid.link';
	symlink $issuers, $link;
	local $env{MUSTER_CONF} = $stand->conf($stack->db, 'auth.openid_file' => $link);
	($code, $out, $err) = $run->('backup', "$file.issuers");
	is $code, 0, 'a backup with issuers is written' or diag $err;
	is qx(tar -tf '$file.issuers'), "manifest.json\nmuster.conf\nkey\nissuers\ndatabase.dump\n", 'and has them in it';
	is qx(tar -xOf '$file.issuers' issuers), slurp($issuers), 'as they are';
	is +($run->('backup', '--verify', "$file.issuers"))[0], 0, 'it can be verified';
	$env{MUSTER_CONF} = $stand->conf($stack->db, 'auth.openid_file' => "$link.none");
	($code, $out, $err) = $run->('backup', "$file.none");
	is $code, 4, 'issuers that are named and not there are told';
	like $err, qr/the issuers that auth\.openid_file names: .*openid\.link\.none/, 'by their name';
	ok !-e "$file.none", 'and no backup is without them';
	my $unpacked = $stand->dir . '/unpacked';
	mkdir $unpacked;
	system("tar -xf '$file' -C '$unpacked' && cp '$issuers' '$unpacked/issuers' && tar -C '$unpacked' -cf '$file.smuggled'"
		. ' manifest.json muster.conf key issuers database.dump') == 0 or die;
	is +($run->('backup', '--verify', "$file.smuggled"))[0], 1, 'issuers that the manifest does not know are noticed';
	system("tar -C '$unpacked' -xf '$file.issuers' && tar -C '$unpacked' -cf '$file.smuggled' manifest.json muster.conf key"
		. ' database.dump') == 0 or die;
	is +($run->('backup', '--verify', "$file.smuggled"))[0], 1, 'so are those that are gone';
}

# --- damage.
my $bytes = slurp($file);
for my $at (520, length($bytes) / 2, length($bytes) - 20_000) {
	my $broken = $bytes;
	substr($broken, $at, 1) ^= "\x55";
	spew("$file.broken", $broken);
	is +($run->('backup', '--verify', "$file.broken"))[0], 1, "a byte that changed at $at is noticed";
}
spew("$file.broken", substr $bytes, 0, length($bytes) / 2);
isnt +($run->('backup', '--verify', "$file.broken"))[0], 0, 'half of it is noticed';
spew("$file.broken", 'nothing');
isnt +($run->('backup', '--verify', "$file.broken"))[0], 0, 'and what is none';

# --- back.
my $before = rows($stack->db);
my $head = $stack->db->value('select head from muster.stream');
is +($run->('restore', $file))[0], 4, 'a database that is used is refused';
is_deeply rows($stack->db), $before, 'and left as it was';

my $new = $stand->database(empty => 1);
my $state = $stand->dir . '/elsewhere';
mkdir $state;
$env{MUSTER_CONF} = $stand->conf($new, 'paths.state' => $state);
spew("$state/key", 'x' x 32);
chmod 0600, "$state/key";
($code, $out, $err) = $run->('restore', $file);
is $code, 4, 'another key is never written over';
like $err, qr/holds another key/, 'and it says so';
is $new->value(q{select to_regnamespace('muster')}), undef, 'before anything is done';
unlink "$state/key";
($code, $out, $err) = $run->('restore', "$file.broken");
isnt $code, 0, 'a damaged one is refused';
is $new->value(q{select to_regnamespace('muster')}), undef, 'before anything is done, too';

{
	local $env{MUSTER_CONF} = $stand->conf($new, 'secret.key_file' => "$file/key");
	isnt +($run->('restore', $file))[0], 0, 'a key that cannot be written stops it';
	is $new->value(q{select to_regnamespace('muster')}), undef, 'before anything is done, once more';
}
$env{MUSTER_CONF} = $stand->conf($new, 'paths.state' => $state);
($code, $out, $err) = $run->('restore', $file);
is $code, 0, 'an empty database takes it' or diag $err;
is_deeply rows($new), $before, 'every row is back';
is $new->value(q{select state from muster.job where kind = 'remediate'}), 'cancelled', 'what waited to be done is not done now';
is slurp("$state/key"), slurp($stand->state_dir . '/key'), 'so is the key';
is sprintf('%o', (stat "$state/key")[2] & 07777), '600', 'and nobody else reads it';
is $new->value('select count(*) from muster.session'), 0, 'nobody is signed in';
cmp_ok $new->value('select floor from muster.stream'), '>=', $head + 1000000, 'no event has a number that somebody knows';
is $new->value(q{select pg_get_userbyid(relowner) from pg_class where oid = 'muster.finding'::regclass}), 'muster_owner',
	'the owner owns it';
is $new->value(q{select count(*) from pg_class c where relnamespace = 'muster'::regnamespace and relkind in ('r', 'p')
	and not relrowsecurity and relname not in ('migration', 'stream')}),
	$stack->db->value(q{select count(*) from pg_class c where relnamespace = 'muster'::regnamespace and relkind in ('r', 'p')
	and not relrowsecurity and relname not in ('migration', 'stream')}), 'row-level security is in force';
{
	local $stack->{conf} = $env{MUSTER_CONF};
	my $in = $stack->cgi(POST => '/api/v1/auth/login', body => { email => 'jane@nxzen.com', password => 'Password123!' });
	is $in->{status}, 200, 'people sign in there';
	my $repos = $stack->cgi(GET => '/api/v1/repos', header => { Authorization => "Bearer $token" });
	is scalar @{ $repos->{json}{items} // [] }, 11, 'tokens work, and every grant is there';
	is $stack->cgi(POST => '/api/v1/audits', header => { Authorization => "Bearer $token" }, body => {})->{status}, 403,
		'for what they were made for';
}
is +($run->('migrate'))[0], 0, 'a migrate finds it in order';

# The issuers, too, where the configuration has a place for them.
{
	my $with = $stand->database(empty => 1);
	my $place = "$state/issuers/openid.conf";
	my @conf = ($with, 'paths.state' => "$state/with", 'auth.openid_file' => $place);
	$env{MUSTER_CONF} = $stand->conf(@conf);
	mkdir "$state/issuers";
	spew($place, "[other]\n");
	($code, $out, $err) = $run->('restore', "$file.issuers");
	is $code, 4, 'other issuers are never written over';
	like $err, qr/\Q$place\E holds other issuers/, 'and it says so';
	ok !-e "$state/with/key", 'before a key is written';
	unlink $place;
	($code, $out, $err) = $run->('restore', "$file.issuers");
	is $code, 0, 'they come back' or diag $err;
	is slurp($place), slurp($issuers), 'as they were';
	is sprintf('%o', (stat $place)[2] & 07777), '600', 'and nobody else reads them';
	$with->sql('drop schema muster cascade');
	is +($run->('restore', $file))[0], 0, 'a backup without them brings none, and takes none away';
	is slurp($place), slurp($issuers), 'those that are there stay';
	$with->sql('drop schema muster cascade');
	$env{MUSTER_CONF} = $stand->conf($with, 'paths.state' => "$state/with");
	($code, $out, $err) = $run->('restore', "$file.issuers");
	is $code, 0, 'where none are named' or diag $err;
	like $out, qr/holds issuers, and auth\.openid_file names no place/, 'it is said that there are some';
}

# One role for everything, from a dump of several.
my $single = $stand->database(empty => 1);
$env{MUSTER_CONF} = $stand->conf($single, 'database.roles' => 'single', 'paths.state' => "$state/single");
($code, $out, $err) = $run->('restore', $file);
is $code, 0, 'where one role does everything it comes back as well' or diag $err;
is_deeply rows($single), $before, 'with every row';

# As an administrator sets it up: a role that may make roles and owns its database, and no superuser.
$stack->db->sql('create role boss login createrole');
my $owned = $stand->database(empty => 1);
$owned->sql(sprintf 'alter database %s owner to boss', $owned->value('select current_database()'));
$env{MUSTER_CONF} = $stand->conf($owned, 'paths.state' => "$state/owned");
{
	local $env{PGUSER} = 'boss';
	($code, $out, $err) = $run->('restore', $file);
	is $code, 0, 'no superuser is needed for it' or diag $err;
	is_deeply rows($owned), $before, 'for all of it';
	($code, $out, $err) = $run->('backup', "$file.again");
	is $code, 0, 'nor for a backup' or diag $err;
}

# A newer version's.
my $old = $stand->dir . '/old';
system('cp', '-r', src_dir() . '/sql', $old) == 0 or die;
unlink((sort glob "$old/migration/*.sql")[-1]);
my $third = $stand->database(empty => 1);
$env{MUSTER_CONF} = $stand->conf($third, 'paths.sql' => $old, 'paths.state' => "$state/third");
($code, $out, $err) = $run->('restore', $file);
is $code, 4, 'an older program refuses what a newer one wrote';
like $err, qr/newer version/, 'and says why';
is $third->value(q{select to_regnamespace('muster')}), undef, 'before anything is done';

done_testing;
