-- SPDX-License-Identifier: MIT
-- What was done on which day, by whom and in which project, counted when it happens, as 0030_tally.sql
-- does for findings: runs, deployments, tests, what came and was resolved, comments.

-- With the row itself, for its finding may be gone when it goes.
alter table muster.finding_state
	add column project_id uuid, -- the repository's
	add column found_at timestamptz;
alter table muster.comment add column project_id uuid;
alter table muster.finding_state disable trigger user;
update muster.finding_state s set project_id = r.project_id, found_at = f.first_seen_at
  from muster.finding f join muster.repo r on r.id = f.repo_id where f.id = s.finding_id;
update muster.comment c set project_id = r.project_id
  from muster.finding f join muster.repo r on r.id = f.repo_id where f.id = c.finding_id;
alter table muster.finding_state enable trigger user;
alter table muster.finding_state
	alter column project_id set not null,
	alter column found_at set not null;
alter table muster.comment alter column project_id set not null;

-- What a row counts as, which <table>_tally() says, and tally_days() are in sql/api/tally.sql.
do $do$
declare
	v_table text;
begin
	foreach v_table in array array['finding_state', 'comment', 'run', 'deployment', 'test_run'] loop
		execute format($sql$
create or replace function muster.%1$s_tally_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_rows muster.tally[];
begin
	if tg_op <> 'DELETE' then
		v_rows := array(select t from fresh x cross join lateral muster.%1$s_tally(row(x.*)::muster.%1$s, 1) t);
	end if;
	if tg_op <> 'INSERT' then
		v_rows := v_rows || array(select t from stale x cross join lateral muster.%1$s_tally(row(x.*)::muster.%1$s, -1) t);
	end if;
	perform muster.tally_days(v_rows);
	return null;
end
$$;
create or replace trigger %1$s_tally_insert after insert on muster.%1$s
	referencing new table as fresh
	for each statement execute function muster.%1$s_tally_change();
create or replace trigger %1$s_tally_update after update on muster.%1$s
	referencing new table as fresh old table as stale
	for each statement execute function muster.%1$s_tally_change();
create or replace trigger %1$s_tally_delete after delete on muster.%1$s
	referencing old table as stale
	for each statement execute function muster.%1$s_tally_change();
$sql$, v_table);
	end loop;
end
$do$;

-- A repository takes what was done for its findings along to another project.
create function muster.repo_project_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.finding_state set project_id = new.project_id
	 where finding_id in (select id from muster.finding where repo_id = new.id);
	update muster.comment set project_id = new.project_id
	 where finding_id in (select id from muster.finding where repo_id = new.id);
	return null;
end
$$;
create trigger repo_project_update after update of project_id on muster.repo
	for each row when (old.project_id <> new.project_id) execute function muster.repo_project_change();

-- What is there already.
delete from muster.tally where what in ('came', 'resolved');
insert into muster.tally (organization_id, project_id, what, key, span, day, n, amount)
select d.organization_id, p.id, d.what, d.key, s.span, date_trunc(s.span, d.day)::date, sum(d.n), sum(d.amount)
  from (select x.organization_id, x.project_id, (x.at at time zone 'UTC')::date as day, w.what, w.key,
	       count(*) as n, sum(w.amount) as amount
	  from muster.finding_state x
	 cross join lateral (
		select 'came' as what, '' as key, 0 as amount
		 where x.after in ('open', 'in_progress') and coalesce(x.before, '') not in ('open', 'in_progress')
		union all
		select 'left', '', 0
		 where x.before in ('open', 'in_progress') and x.after not in ('open', 'in_progress')
		union all
		select 'resolved', '', extract(epoch from x.at - x.found_at) where x.after = 'resolved'
		union all
		select 'by.resolved', x.account_id::text, 0 where x.after = 'resolved' and x.account_id is not null) w
	 group by 1, 2, 3, 4, 5
	union all
	select x.organization_id, x.project_id, (x.created_at at time zone 'UTC')::date, 'by.comments', x.account_id::text,
	       count(*), 0
	  from muster.comment x where x.account_id is not null group by 1, 2, 3, 4, 5
	union all
	select x.organization_id, x.project_id, (x.created_at at time zone 'UTC')::date, w.what, w.key, count(*), sum(w.amount)
	  from muster.run x
	 cross join lateral (
		select 'run' as what, x.kind || ' ' || x.status as key, 0 as amount
		union all
		select 'run.time', '', extract(epoch from x.completed_at - x.started_at)
		 where x.status = 'completed' and x.completed_at - x.started_at is not null
		union all
		select 'by.runs', x.account_id::text, 0 where x.account_id is not null) w
	 group by 1, 2, 3, 4, 5
	union all
	select x.organization_id, x.project_id, (x.created_at at time zone 'UTC')::date, w.what, w.key, count(*), 0
	  from muster.deployment x
	 cross join lateral (
		select 'deployment' as what, x.status as key
		union all
		select 'by.deployments', x.account_id::text where x.account_id is not null) w
	 group by 1, 2, 3, 4, 5
	union all
	select x.organization_id, x.project_id, (x.at at time zone 'UTC')::date, w.what, w.key, sum(w.n), sum(w.amount)
	  from muster.test_run x
	 cross join lateral (
		values ('test', 'passed', x.passed, 0), ('test', 'failed', x.failed, 0),
		       ('test', 'coverage', (x.coverage is not null)::integer, coalesce(x.coverage, 0))) w (what, key, n, amount)
	 group by 1, 2, 3, 4, 5) d
 cross join lateral (values (d.project_id), (null)) p (id)
 cross join (values ('day'), ('month')) s (span)
 group by 1, 2, 3, 4, 5, 6 having sum(d.n) <> 0 or sum(d.amount) <> 0
 order by 1, 2, 3, 5, 6, 4;
analyze muster.tally, muster.finding_state;

-- The worst first.
create index repo_trouble_idx on muster.repo (organization_id, status, lower(name))
	where status in ('error', 'missing', 'mismatched') and removed_at is null and archived_at is null;
create index finding_sum_critical_idx on muster.finding_sum (organization_id, (n[1] + n[6]) desc) where n[1] + n[6] > 0;
create index finding_sum_high_idx on muster.finding_sum (organization_id, (n[2] + n[7]) desc) where n[2] + n[7] > 0;

-- What waits for whom, and where.
create index finding_waiting_idx on muster.finding (organization_id, assignee_id, repo_id)
	where assignee_id is not null and state in ('open', 'in_progress');
