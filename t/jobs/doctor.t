#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# muster doctor: a whole server is well, and each thing that is broken is named with what mends it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use JSON::PP ();
use Test::More;
use Muster::Test;
use Muster::Stack;

my $stack = Muster::Stack->new;
my $stand = $stack->stand;
my %env = (PGUSER => 'postgres', MUSTER_CONF => $stack->conf, MUSTER_SERVER_PUBLIC_URL => $stack->url,
	HOME => $stand->dir, MUSTER_SERVER_SENDMAIL => '/bin/true');
delete $ENV{PGPASSFILE};
my $run = sub { return run_program([program('muster'), @_], env => \%env) };

# What each check says in JSON: { check => [ {state, text, mend}, … ] }, and the exit code.
sub looked {
	my (%more) = @_;
	local @env{keys %more} = values %more;
	my ($code, $out, $err) = $run->('doctor', '--format', 'json');
	my $answer = eval { JSON::PP->new->decode($out) } or BAIL_OUT("no JSON: $out$err");
	my %said;
	push @{ $said{ $_->{check} } }, $_ for @{ $answer->{checks} };
	return (\%said, $code, $answer);
}

# The check says this state and these words, and the mend is that.
sub says {
	my ($said, $check, $state, $text, $mend, $name) = @_;
	my @found = grep { $_->{state} eq $state && $_->{text} =~ $text && ($_->{mend} // '') =~ $mend }
		@{ $said->{$check} // [] };
	ok scalar @found, $name or diag explain $said->{$check};
	return;
}

is +($run->('account', 'add', '--role', 'platform_admin', 'ann@example.org'))[0], 0,
	'there is an administrator';
my $runner = $stand->start('runner', [program('muster'), 'run', '--forever'],
	env => { %{ $stack->env }, HOME => $stand->dir });
wait_for { -e $stand->state_dir . '/slot/claim' } 'the runner claims';
my ($said, $code, $answer) = looked();
is $answer->{problems}, 0, 'a whole server has no problem' or diag explain [grep { $_->{state} eq 'problem' } @{ $answer->{checks} }];
is $answer->{unknown}, 0, 'and nothing that could not be looked at' or diag explain [grep { $_->{state} eq 'unknown' } @{ $answer->{checks} }];
is $code, 0, 'and that is fine';
says($said, $_->[0], 'fine', $_->[1], qr/^$/, "the $_->[0] is looked at") for (
	['database', qr/PostgreSQL/], ['tables', qr/\d+ migrations/], ['roles', qr/own role/], ['time', qr/agree/],
	['transport', qr/this host/], ['key', qr/key/], ['api', qr/listens/], ['pusher', qr/listens/],
	['runner', qr/takes/], ['web', qr/page comes/], ['web', qr/tokens reach/], ['web', qr/WebSockets reach/]);

my ($text_code, $text) = $run->('doctor');
is $text_code, 0, 'as text it is the same';
like $text, qr/^\S+ fine +web +tokens reach api\.fcgi$/m, 'a line for each';
is +($run->('doctor', '--format', 'xml'))[0], 2, 'there are two forms';

# --- one thing after the other breaks.
my $key = $stand->state_dir . '/key';
chmod 0644, $key;
($said, $code) = looked();
is $code, 1, 'a problem shows in the exit code';
says($said, 'key', 'problem', qr/others than its owner/, qr/^chmod 600 \Q$key\E$/, 'a key that others may read');
chmod 0600, $key;
rename $key, "$key.away";
says((looked())[0], 'key', 'problem', qr/no master key/, qr/^muster migrate$/, 'a key that is gone');
rename "$key.away", $key;

my $issuers = spew($stand->dir . '/issuers', '');
chmod 0644, $issuers;
says((looked(MUSTER_AUTH_OPENID_FILE => $issuers))[0], 'issuers', 'problem', qr/others may read/, qr/^chmod o= \Q$issuers\E$/,
	'a file of issuers that others may read');
says((looked(MUSTER_AUTH_OPENID_FILE => "$issuers.none"))[0], 'issuers', 'problem', qr/No such file/, qr/^write it/,
	'or that is not there');

chmod 0777, $stand->state_dir;
says((looked())[0], 'state', 'problem', qr/writable for everybody/, qr/^chmod o-w/, 'a folder that everybody writes to');
chmod 0755, $stand->state_dir;
says((looked(MUSTER_PATHS_RUN => $stand->dir . '/nowhere'))[0], 'run', 'problem', qr/No such file/, qr/^install -d/,
	'a folder that is not there');

my $file = spew($stand->dir . '/secret.conf', "[database]\nurl=host=/nowhere password" . "=x\n");
chmod 0644, $file;
{
	local $env{MUSTER_CONF} = $file;
	my ($said) = looked(MUSTER_PATHS_STATE => $stand->state_dir);
	says($said, 'configuration', 'problem', qr/holds a password/, qr/^chmod o= /, 'a password that everybody may read');
	spew($file, "[audit]\ninterval_s = 60\n");
	says((looked())[0], 'configuration', 'warning', qr/^\Q$file\E:2: audit\.interval_s has no effect any more$/,
		qr/muster schedule list/, 'a setting that there was once');
	says($said, 'database', 'problem', qr/cannot be reached/, qr/systemctl start postgresql/, 'a database that is away');
	ok !$said->{tables}, 'then nothing is said of what is in it';
}
says((looked(PGUSER => 'stranger'))[0], 'database', 'problem', qr/lets nobody in.*stranger/, qr/pg_hba/,
	'a database that knows us not');
my $pgpass = spew($stand->dir . '/.pgpass', "*:*:*:*:x\n");
chmod 0644, $pgpass;
says((looked())[0], 'database', 'problem', qr/does not use it/, qr/^chmod 600/, 'a password file that libpq ignores');
unlink $pgpass;

$stack->db->sql(q{delete from muster.migration where name like '0002%'});
says((looked())[0], 'tables', 'problem', qr/1 migration is to come/, qr/^muster migrate$/, 'an older database');
$stack->db->sql(q{insert into muster.migration (name) select '0002_repo'});
$stack->db->sql(q{insert into muster.migration (name) values ('9999_later')});
says((looked())[0], 'tables', 'problem', qr/newer than this program/, qr/newer version/, 'a newer one');
$stack->db->sql(q{delete from muster.migration where name = '9999_later'});
my $empty = $stand->database(empty => 1);
says((looked(MUSTER_DATABASE_URL => $empty->url))[0], 'tables', 'problem', qr/no tables/, qr/^muster migrate$/,
	'an empty one');
says((looked(MUSTER_DATABASE_ROLES => 'single'))[0], 'roles', 'warning', qr/not in force/, qr/separate/, 'one role for all');
says((looked(MUSTER_API_WORKERS => 250))[0], 'server', 'problem', qr/are needed/, qr/max_connections/,
	'fewer connections than workers');
$stack->db->sql(q{update muster.account set state = 'disabled'});
says((looked())[0], 'people', 'warning', qr/nobody/, qr/^muster account add/, 'nobody who administers');
$stack->db->sql(q{select muster.root_add('default', 'localhost', '/nowhere/at-all')});
says((looked())[0], 'folders', 'problem', qr{/nowhere/at-all}, qr/^muster repo remove --organization default /,
	'a watched folder that is gone');

says((looked(MUSTER_SERVER_PUBLIC_URL => 'http://127.0.0.1:1'))[0], 'web', 'problem', qr/127/, qr/start the web server/,
	'a web server that is away');
says((looked(MUSTER_SERVER_PUBLIC_URL => ''))[0], 'web', 'warning', qr/not looked at/, qr/public_url/,
	'an address that nobody said');
$runner->stop;
says((looked())[0], 'runner', 'problem', qr/no runner/, qr/muster run/, 'a runner that does not run');
$stack->pusher->stop;
my ($without) = looked();
says($without, 'pusher', 'problem', qr/does not run/, qr/^systemctl start muster-pusher$/, 'a pusher that does not run');
says($without, 'web', 'problem', qr/WebSockets do not/, qr/start the program/, 'and what browsers see of that');
$stack->api->stop;
($without) = looked();
says($without, 'api', 'problem', qr/does not run/, qr/^systemctl start muster-api$/, 'an API that does not run');
says($without, 'web', 'problem', qr/answers with status 50/, qr/./, 'and what browsers see of that');

# What the other web servers do with our own configurations.
for my $front (qw(apache nginx)) {
	SKIP: {
		my $name = $front eq 'apache' ? 'apache2' : $front;
		skip "$name is not here", 1 unless eval { Muster::Stack::program_find($name) };
		my $other = Muster::Stack->new(front => $front);
		# As root the web server is somebody else here, and in no group of ours.
		chmod 0666, map { $other->stand->run_dir . "/$_.sock" } qw(pusher stream) if $> == 0;
		my ($said) = looked(MUSTER_CONF => $other->conf, MUSTER_SERVER_PUBLIC_URL => $other->url);
		is_deeply [map { $_->{state} } @{ $said->{web} }], [('fine') x 4], "$front leads everything where it belongs"
			or diag explain $said->{web};
	}
}

done_testing;
