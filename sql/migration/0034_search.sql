-- SPDX-License-Identifier: MIT
-- Searching among ten thousand repositories: their texts in one column, small letters as in
-- finding.search, and how many findings each has in one row instead of one for each sort of them.

alter table muster.repo add column search text not null generated always as
	(lower(name || coalesce(' ' || path, '') || coalesce(' ' || remote, '') || coalesce(' ' || branch, '')
	       || coalesce(' ' || description, ''))) stored;
create index repo_tag_idx on muster.repo using gin (tags)
	where tags <> '{}' and removed_at is null and archived_at is null;

-- Where pg_trgm is: parts of words, and the names that are most alike.
do $$
declare
	v_schema text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
			   where e.extname = 'pg_trgm');
begin
	if v_schema is not null then
		execute format('create index repo_search_idx on muster.repo using gin (search %I.gin_trgm_ops)
			where removed_at is null and archived_at is null', v_schema);
		execute format('create index repo_alike_idx on muster.repo using gist (lower(name) %I.gist_trgm_ops)
			where removed_at is null and archived_at is null', v_schema);
	end if;
end
$$;

-- n: 1 to 20 of each state (open, in_progress, resolved, ignored) the five severities from critical on;
-- 21 to 23 all of each kind (secret, dependency, code).
create table muster.finding_sum (
	repo_id uuid primary key constraint finding_sum_repo_id_fkey references muster.repo on delete cascade,
	organization_id uuid not null constraint finding_sum_organization_id_fkey
		references muster.organization on delete cascade,
	n integer[] not null constraint finding_sum_n_check check (cardinality(n) = 23)
);
create index finding_sum_organization_id_idx on muster.finding_sum (organization_id);
alter table muster.finding_sum enable row level security;
create policy finding_sum_own on muster.finding_sum using (organization_id = muster.organization());

insert into muster.finding_sum (repo_id, organization_id, n)
select c.repo_id, c.organization_id, array(
	select coalesce(sum(d.n), 0)::integer
	  from generate_series(1, 23) k (place)
	  left join muster.finding_count d on d.repo_id = c.repo_id and k.place in (
		5 * array_position(array['open', 'in_progress', 'resolved', 'ignored'], d.state) - 5
		+ array_position(array['critical', 'high', 'medium', 'low', 'info'], d.severity),
		20 + array_position(array['secret', 'dependency', 'code'], d.kind))
	 group by k.place order by k.place)
  from (select distinct repo_id, organization_id from muster.finding_count) c;
analyze muster.finding_sum;

-- What changed is added, so that two who change different counts of one repository do not lose either's.
-- Its findings may go after it.
create function muster.finding_sum_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_place integer := 5 * array_position(array['open', 'in_progress', 'resolved', 'ignored'], new.state) - 5
		+ array_position(array['critical', 'high', 'medium', 'low', 'info'], new.severity);
	v_kind integer := 20 + array_position(array['secret', 'dependency', 'code'], new.kind);
	v_more integer := new.n;
begin
	if tg_op = 'UPDATE' then
		v_more := new.n - old.n;
	else
		insert into muster.finding_sum (repo_id, organization_id, n)
		values (new.repo_id, new.organization_id, array_fill(0, array[23]))
		    on conflict (repo_id) do nothing;
	end if;
	update muster.finding_sum set n[v_place] = n[v_place] + v_more, n[v_kind] = n[v_kind] + v_more
	 where repo_id = new.repo_id;
	return null;
end
$$;
create trigger finding_sum_change after insert or update on muster.finding_count
	for each row execute function muster.finding_sum_change();

-- Columns that came with a later version have no statistics until a tenth of the rows has changed, and
-- without them PostgreSQL believes that hardly any account is not removed: its lists were sorted whole.
analyze muster.account;
analyze muster.organization;
analyze muster.repo;
