#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The migrations install from nothing, with a role for each program and with one role for all.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;

my $stand = Muster::Test->new;

for my $single (0, 1) {
	my $mode = $single ? 'with one role' : 'with a role for each program';
	my $db = $stand->database(single => $single);
	is $db->value('select count(*) from muster.migration'), scalar(glob_count('migration')),
		"every migration is noted $mode";
	is $db->value(q{select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'muster'}),
		$single ? 'postgres' : 'muster_owner', "the schema has the right owner $mode";
	is $db->value(q{select count(*) from pg_class c where relnamespace = 'muster'::regnamespace
		and relkind in ('r', 'p') and not relrowsecurity and relname <> 'migration'}), 0,
		"every table has row-level security $mode";
	is $db->value(q{select count(*) from pg_proc where pronamespace = 'muster'::regnamespace
		and prosecdef and not coalesce(array_to_string(proconfig, ',') like '%search_path=%pg_temp%', false)}),
		0, "every function that runs as its owner pins its search path $mode";
	is $db->value(q{select count(*) from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
		where pronamespace = 'muster'::regnamespace and a.grantee = 0
		and prorettype <> 'trigger'::regtype}), 0, "nobody at large may call a function $mode";

	# Again: nothing to do, and nothing breaks.
	my $before = $db->value(q{select count(*) from pg_proc where pronamespace = 'muster'::regnamespace});
	$db->script(again(single => $single));
	is $db->value(q{select count(*) from pg_proc where pronamespace = 'muster'::regnamespace}),
		$before, "functions are made again $mode";
}

my $db = $stand->database;
isnt $db->value(q{select muster.organization_add('default', 'Default')}), undef,
	'an organization is added';
is $db->value(q{select slug from muster.project}), 'default', 'it has the project "default"';
is $db->value(q{select count(*) from pg_inherits where inhparent = 'muster.event'::regclass}), 1,
	'the event log has its first partition';
is $db->error(q{insert into muster.organization (slug, name) values ('..', 'x')}), '23514',
	'a slug is never a path';

done_testing;

sub glob_count { my @all = glob src_dir() . "/sql/$_[0]/*.sql"; return scalar @all }

# The parts of migrate that run every time.
sub again {
	my $sql = Muster::Test::Cluster::migration_sql(@_);
	$sql =~ s/^begin;\ninsert into muster\.migration.*?^commit;\n//msg;
	return $sql;
}
