-- SPDX-License-Identifier: MIT
-- How the latest tests of each repository ended: to look it up for ten thousand when somebody searches by it
-- takes longer than a list may.
create table muster.test_latest (
	repo_id uuid primary key constraint test_latest_repo_id_fkey references muster.repo on delete cascade,
	organization_id uuid not null constraint test_latest_organization_id_fkey
		references muster.organization on delete cascade,
	test_run_id bigint not null,
	has_failed boolean not null
) with (fillfactor = 80);
create index test_latest_organization_id_idx on muster.test_latest (organization_id);
alter table muster.test_latest enable row level security;
create policy test_latest_own on muster.test_latest using (organization_id = muster.organization());

create function muster.test_latest_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		insert into muster.test_latest as l (repo_id, organization_id, test_run_id, has_failed)
		select distinct on (f.repo_id) f.repo_id, f.organization_id, f.id, f.failed > 0
		  from fresh f where f.repo_id is not null
		 order by f.repo_id, f.id desc
		    on conflict (repo_id) do update set test_run_id = excluded.test_run_id, has_failed = excluded.has_failed
		 where l.test_run_id < excluded.test_run_id;
	else
		-- What is the latest now, if there is any left and nobody is taking it away just now.
		with gone as (
			delete from muster.test_latest l using stale s where l.test_run_id = s.id
			returning l.repo_id, l.organization_id
		)
		insert into muster.test_latest (repo_id, organization_id, test_run_id, has_failed)
		select g.repo_id, g.organization_id, t.id, t.failed > 0
		  from gone g
		 cross join lateral (
			select x.id, x.failed from muster.test_run x
			 where x.repo_id = g.repo_id order by x.id desc limit 1 for key share) t;
	end if;
	return null;
end
$$;
create trigger test_latest_insert after insert on muster.test_run
	referencing new table as fresh
	for each statement execute function muster.test_latest_change();
create trigger test_latest_delete after delete on muster.test_run
	referencing old table as stale
	for each statement execute function muster.test_latest_change();

-- What is there already.
insert into muster.test_latest (repo_id, organization_id, test_run_id, has_failed)
select distinct on (repo_id) repo_id, organization_id, id, failed > 0 from muster.test_run
 where repo_id is not null order by repo_id, id desc;
analyze muster.test_latest;
