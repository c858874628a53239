#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every reference between tables has an index: without one, removing a row reads the whole other table.
# Organisations, projects and accounts are few and go rarely, and each index would slow every write: small
# tables may be read as a whole then, the others not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../harness";
use Test::More;
use Muster::Test;
use Muster::Test::Seed;

my $db = Muster::Test->new->database;

my @bare = $db->rows(<<'EOS');
select c.conrelid::regclass || ' (' || string_agg(a.attname, ', ' order by k.place) || ')'
  from pg_constraint c
  join pg_namespace n on n.oid = c.connamespace and n.nspname = 'muster'
  cross join unnest(c.conkey) with ordinality k(attnum, place)
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
 where c.contype = 'f' and c.conparentid = 0
   and c.confrelid not in ('muster.organization'::regclass, 'muster.project'::regclass, 'muster.account'::regclass)
   and not exists (
	select from pg_index i
	 where i.indrelid = c.conrelid and i.indisvalid
	   and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) ~ '^\(\w+ IS NOT NULL\)$')
	   and (select array_agg(x.attnum order by x.attnum)
		  from unnest(i.indkey::int2[]) with ordinality x(attnum, place)
		 where x.place <= cardinality(c.conkey)) = (select array_agg(y order by y) from unnest(c.conkey) y))
 group by c.oid, c.conrelid
 order by 1
EOS
is_deeply [map { $_->[0] } @bare], [], 'no reference is without an index';

my @read = $db->rows(<<'EOS');
select distinct c.conrelid::regclass::text
  from pg_constraint c
  join pg_namespace n on n.oid = c.connamespace and n.nspname = 'muster'
 where c.contype = 'f' and c.conparentid = 0
   and c.confrelid in ('muster.organization'::regclass, 'muster.project'::regclass, 'muster.account'::regclass)
   and not exists (
	select from pg_index i
	 where i.indrelid = c.conrelid and i.indisvalid and i.indkey[0] = c.conkey[1]
	   and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) ~ '^\(\w+ IS NOT NULL\)$'))
 order by 1
EOS
is_deeply [map { $_->[0] =~ s/^muster\.//r } @read],
	[qw(audit confirmation idempotency organization organization_slug refresh repo root run saved_search session)],
	'only small tables are read when an organization, a project or an account goes';

# What the lists of runs are asked for. An empty table is read as a whole unless that is forbidden.
my $session = $db->session;
$session->ask('set enable_seqscan = off');
my %wanted = ('by its id' => 'id = 1', 'by status' => "organization_id = '00000000-0000-4000-8000-000000000000' and status = 'pending' order by id desc limit 50");
for my $how (sort keys %wanted) {
	my $plan = $session->ask("explain select * from muster.run where $wanted{$how}");
	like $plan, qr/Index Scan/, "a run is found $how by an index";
	unlike $plan, qr/Sort/, 'in order';
}
like $session->ask(q{explain select name from muster.repo where organization_id = '00000000-0000-4000-8000-000000000000'
	and removed_at is null and left(muster.remote_key(remote), 200) = left('forge.example/a', 200)}),
	qr/repo_remote_key_idx.*Index Cond: [^\n]*forge/s, 'a repository is found by what its address comes to';

# A list of a forge beside many repositories: each address is looked up, and they are counted once.
$db->value(q{select muster.organization_add('many', 'Many')});
$db->sql(q{update muster.organization set max_repositories = 100000});
$db->sql(q{insert into muster.root (organization_id, project_id, slug, host, path)
	select organization_id, id, 'many', 'here', '/srv' from muster.project});
$db->sql(q{insert into muster.repo (id, source_id, ordinal, hash, digest, organization_id, project_id, root_id, path, name,
		remote, status, report)
	select gen_random_uuid(), gen_random_uuid(), g, '', '', t.organization_id, t.project_id, t.id, '/srv/' || g, g,
		'git@forge.example:us/N' || g || '.git', 'clean', '{}' from muster.root t, generate_series(1, 3000) g});
$db->sql('analyze muster.repo');
my $in = $db->session;
$in->ask('begin');
$in->ask(q{select set_config('muster.organization', (select id::text from muster.organization), true)});
my $read = q{select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'repo'};
my $urls = q{(select jsonb_agg('https://forge.example/us/n' || g) from generate_series(2991, 3100) g)};
is $in->ask(qq{select count(*) from jsonb_array_elements(muster.forge_known(jsonb_build_object('repos',
	(select jsonb_agg(jsonb_build_object('clone_url', e)) from jsonb_array_elements($urls) e))) -> 'repos') k
	where k ->> 'known' = 'true'}), 10, 'what is here already of what a forge has';
cmp_ok $in->ask($read), '<', 200, 'is found without reading all';
is $in->ask(qq{select count(*) from jsonb_array_elements(muster.repo_import($urls) -> 'results') k where k ->> 'success' = 'true'}),
	100, 'what is not here is added';
cmp_ok $in->ask($read), '<', 3000 + 600, 'after they were counted once';

# Storing what a scan found of a repository that was new a moment ago, whose findings the statistics do not
# know: nothing is compared with everything. And what cascades is counted by one statement, not row by row.
my $acme = seed($db, 'acme');
ingest($db, $acme, report([{ name => 'a' }]));
my $repo = $db->value(q{select id from muster.repo where name = 'a'});
my $store = "select muster.finding_store('$repo', 'secret', null, (select jsonb_agg(jsonb_build_object('fingerprint',
	'f' || g, 'rule', 'r', 'title', 'T', 'severity', 'low')) from generate_series(1, 1000) g), true)";
$db->sql('alter table muster.finding set (autovacuum_enabled = false)');
$session->ask(q{set enable_seqscan = on; load 'auto_explain'; set auto_explain.log_min_duration = 0;
	set auto_explain.log_analyze = on; set auto_explain.log_timing = off; set auto_explain.log_nested_statements = on;
	set auto_explain.log_level = notice; set client_min_messages = notice});
for my $time ('first', 'second') {
	my @removed = $session->ask($store) =~ /Rows Removed by Join Filter: (\d+)/g;
	is scalar(grep { $_ > 1000 } @removed), 0, "a thousand findings are not compared with each other the $time time" or diag "@removed";
}
$db->sql(q{create table public.called (name text);
	create function public.called() returns trigger language plpgsql as $$
	begin insert into public.called values (tg_table_name); return null; end $$;
	create trigger called after delete on muster.finding for each statement execute function public.called();
	create trigger called after delete on muster.finding_state for each statement execute function public.called()});
my %first = (finding => 'select id from muster.finding limit 500', repo => "select '$repo'::uuid");
for my $what (sort keys %first) {
	$db->sql("delete from public.called; delete from muster.$what where id in ($first{$what})");
	is_deeply [$db->rows('select name, count(*) from public.called group by name order by name')],
		[['finding', 1], ['finding_state', 1]], "what goes with a $what is told of once a table";
}

done_testing;
