-- SPDX-License-Identifier: MIT
-- Figures that are counted when something changes (migration/0030_tally.sql). Internal, all of it.
--
--   tally_add(p_rows): adds n and amount to what is there. A row of a day counts for its month as well.
--       slot is not looked at.
--   tally_days(p_rows): the same of days, for the project and for all.
--   <table>_tally(p_row, p_sign): what one row counts as, 1 where it comes and -1 where it goes. Of whole
--       days by UTC: run "kind status", run.time (of those that were completed, in seconds), deployment
--       "status", test passed, failed, coverage (the sum of it), came and left (what is open), resolved (how
--       long they were known, in seconds), and of each account by.resolved, by.comments, by.runs,
--       by.deployments.
--   tally_since(p_organization, p_project, p_what, p_since) → what, key, n: what there is of the days from
--       p_since on, by whole months where that is possible: some thousand rows a year, where days are a
--       hundred thousand. p_project null: of all.

create function muster.tally_add(p_rows muster.tally[]) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
	v_slot bigint;
	v_empty muster.tally[];
begin
	for v_organization in
		select distinct organization_id from unnest(p_rows) where n <> 0 or amount <> 0 order by 1
	loop
		v_slot := case when pg_try_advisory_xact_lock(19803, hashtext(v_organization::text)) then 0
			       else pg_current_xact_id()::text::bigint end;
		with late as (
			delete from muster.tally
			 where v_slot = 0 and organization_id = v_organization and slot <> 0
			returning *
		), difference as (
			select project_id, what, key, span, day, sum(n) as n, sum(amount) as amount
			  from (select project_id, what, key, span, day, n, amount from late
				union all
				select project_id, what, key, span, day, n, amount from unnest(p_rows)
				 where organization_id = v_organization
				union all
				select project_id, what, key, 'month', date_trunc('month', day)::date, n, amount from unnest(p_rows)
				 where organization_id = v_organization and span = 'day') x
			 group by 1, 2, 3, 4, 5 having sum(n) <> 0 or sum(amount) <> 0
		), changed as (
			insert into muster.tally as t (organization_id, project_id, what, key, span, day, slot, n, amount)
			select v_organization, project_id, what, key, span, day, v_slot, n, amount from difference
			    on conflict (organization_id, project_id, what, span, day, key, slot) do update
			   set n = t.n + excluded.n, amount = t.amount + excluded.amount
			returning t
		)
		select array_agg(t) filter (where (t).n = 0 and (t).amount = 0) into v_empty from changed;
		delete from muster.tally t using unnest(v_empty) e
		 where t.organization_id = e.organization_id and t.project_id is not distinct from e.project_id
		   and (t.what, t.span, t.day, t.key, t.slot) = (e.what, e.span, e.day, e.key, e.slot);
	end loop;
end
$$;

create function muster.tally_days(p_rows muster.tally[]) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_rows muster.tally[] := array(
		select row(d.organization_id, p.id, d.what, d.key, 'day', d.day, 0, sum(d.n), sum(d.amount))::muster.tally
		  from unnest(p_rows) d cross join lateral (values (d.project_id), (null)) p (id)
		 group by d.organization_id, p.id, d.what, d.key, d.day having sum(d.n) <> 0 or sum(d.amount) <> 0);
begin
	if cardinality(v_rows) > 0 then
		perform muster.tally_add(v_rows);
	end if;
end
$$;

create function muster.tally_row(p_organization uuid, p_project uuid, p_at timestamptz, p_what text, p_key text,
				 p_n bigint, p_amount numeric default 0) returns muster.tally
language sql immutable parallel safe
return row(p_organization, p_project, p_what, p_key, 'day', (p_at at time zone 'UTC')::date, 0, p_n, p_amount)::muster.tally;

create function muster.finding_state_tally(p_row muster.finding_state, p_sign integer) returns setof muster.tally
language sql immutable parallel safe
begin atomic
	select (muster.tally_row((p_row).organization_id, (p_row).project_id, (p_row).at, w.what, w.key, p_sign,
				 p_sign * w.amount)).*
	  from (select 'came', '', 0
		 where (p_row).after in ('open', 'in_progress')
		   and coalesce((p_row).before, '') not in ('open', 'in_progress')
		union all
		select 'left', '', 0
		 where (p_row).before in ('open', 'in_progress') and (p_row).after not in ('open', 'in_progress')
		union all
		select 'resolved', '', extract(epoch from (p_row).at - (p_row).found_at) where (p_row).after = 'resolved'
		union all
		select 'by.resolved', (p_row).account_id::text, 0
		 where (p_row).after = 'resolved' and (p_row).account_id is not null) w (what, key, amount);
end;

create function muster.comment_tally(p_row muster.comment, p_sign integer) returns setof muster.tally
language sql immutable parallel safe
begin atomic
	select (muster.tally_row((p_row).organization_id, (p_row).project_id, (p_row).created_at, 'by.comments',
				 (p_row).account_id::text, p_sign)).*
	 where (p_row).account_id is not null;
end;

create function muster.run_tally(p_row muster.run, p_sign integer) returns setof muster.tally
language sql immutable parallel safe
begin atomic
	select (muster.tally_row((p_row).organization_id, (p_row).project_id, (p_row).created_at, w.what, w.key, p_sign,
				 p_sign * w.amount)).*
	  from (select 'run', (p_row).kind || ' ' || (p_row).status, 0
		union all
		select 'run.time', '', extract(epoch from (p_row).completed_at - (p_row).started_at)
		 where (p_row).status = 'completed' and (p_row).completed_at - (p_row).started_at is not null
		union all
		select 'by.runs', (p_row).account_id::text, 0 where (p_row).account_id is not null) w (what, key, amount);
end;

create function muster.deployment_tally(p_row muster.deployment, p_sign integer) returns setof muster.tally
language sql immutable parallel safe
begin atomic
	select (muster.tally_row((p_row).organization_id, (p_row).project_id, (p_row).created_at, w.what, w.key, p_sign)).*
	  from (select 'deployment', (p_row).status
		union all
		select 'by.deployments', (p_row).account_id::text where (p_row).account_id is not null) w (what, key);
end;

create function muster.test_run_tally(p_row muster.test_run, p_sign integer) returns setof muster.tally
language sql immutable parallel safe
begin atomic
	select (muster.tally_row((p_row).organization_id, (p_row).project_id, (p_row).at, 'test', w.key, p_sign * w.n,
				 p_sign * w.amount)).*
	  from (values ('passed', (p_row).passed, 0), ('failed', (p_row).failed, 0),
		       ('coverage', ((p_row).coverage is not null)::integer, coalesce((p_row).coverage, 0))) w (key, n, amount);
end;

create function muster.tally_since(p_organization uuid, p_project uuid, p_what text[], p_since date)
returns table (what text, key text, n bigint)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	-- The months that are whole.
	v_from date := date_trunc('month', p_since + interval '1 month' - interval '1 day');
	v_until date := date_trunc('month', now() at time zone 'UTC');
begin
	-- Known when it is planned: project_id is null, or equal.
	return query
	select x.what, x.key, sum(x.n)::bigint
	  from (select t.what, t.key, t.n from muster.tally t
		 where t.organization_id = p_organization and t.what = any (p_what) and t.span = 'month'
		   and (t.project_id = p_project or (p_project is null and t.project_id is null))
		   and t.day >= v_from and t.day < v_until
		union all
		select t.what, t.key, t.n from muster.tally t
		 where t.organization_id = p_organization and t.what = any (p_what) and t.span = 'day'
		   and (t.project_id = p_project or (p_project is null and t.project_id is null))
		   and t.day >= p_since and t.day < v_from
		union all
		select t.what, t.key, t.n from muster.tally t
		 where t.organization_id = p_organization and t.what = any (p_what) and t.span = 'day'
		   and (t.project_id = p_project or (p_project is null and t.project_id is null))
		   and t.day >= greatest(v_from, v_until)) x
	 group by x.what, x.key having sum(x.n) <> 0;
end
$$;
