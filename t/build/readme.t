#!/usr/bin/perl
# The installation that the README describes: a database account that owns the database and may
# create roles, and no more, is enough for all that follows.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;
my $db = $stand->database(empty => 1);
$db->sql('create role muster login createrole');
$db->sql("alter database $db->{name} owner to muster");
my %env = (MUSTER_CONF => $stand->conf($db), PGUSER => 'muster');

sub run_muster {
	my (@words) = @_;
	return run_program([program('muster'), @words], env => \%env);
}

sub succeeds {
	my ($name, @words) = @_;
	my ($code, $out, $err) = run_muster(@words);
	is($code, 0, $name) or diag($err);
	return $out;
}

succeeds('the tables are made', 'migrate');
succeeds('the organization is added', qw(organization add default));
my $password = succeeds('the first account is added', qw(account add --role platform_admin you@example.org));
like($password, qr/^\S{12,}$/m, 'and its password printed');

mkdir $stand->dir . '/git';
system('git', 'init', '-q', $stand->dir . '/git/one');
succeeds('a folder is watched', 'repo', 'add', $stand->dir . '/git');
my ($code, $out, $err) = run_muster('run', '--once');
cmp_ok($code, '<=', 1, 'the runner audits it') or diag($err);
is($db->value('select name from muster.repo'), 'one', 'and finds its repository');

# An update brings a migration.
system('cp', '-r', src_dir() . '/sql', $stand->dir . '/sql') == 0 or die;
spew($stand->dir . '/sql/migration/9000_later.sql', "-- Later.\ncreate table muster.later (id int);\n");
$env{MUSTER_PATHS_SQL} = $stand->dir . '/sql';
succeeds('an update backs up and migrates', 'migrate', '--backup', $stand->dir . '/backup');
cmp_ok(-s $stand->dir . '/backup', '>', 10000, 'the backup holds something');
is($db->value('select count(*) from muster.repo'), 1, 'and the data is still there');
done_testing;
