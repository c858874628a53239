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
	[qw(audit confirmation idempotency job organization organization_slug refresh repo root run saved_search session)],
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
done_testing;
