-- SPDX-License-Identifier: MIT
-- Figures that are counted when something changes (migration/0030_tally.sql). Internal, all of it.
--
--   tally_add(p_rows): adds n and amount to what is there. A row of a day counts for its month as well.
--       slot is not looked at.
--   finding_state_what(p_before, p_after): came, resolved.
--   tally_since(p_organization, p_project, p_what, p_since) → what, key, n, amount: what there is of the
--       days from p_since on, by whole months where that is possible: some thousand rows a year, where
--       days are a hundred thousand.

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

-- What a change of state counts as: came, resolved, or nothing.
create function muster.finding_state_what(p_before text, p_after text) returns setof text
language sql immutable rows 1
begin atomic
	select 'came' where p_after in ('open', 'in_progress') and coalesce(p_before, '') not in ('open', 'in_progress')
	union all
	select 'resolved' where p_after = 'resolved';
end;

create function muster.tally_since(p_organization uuid, p_project uuid, p_what text, p_since date)
returns table (key text, n bigint, amount numeric)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	-- The months that are whole.
	v_from date := date_trunc('month', p_since + interval '1 month' - interval '1 day');
	v_until date := date_trunc('month', now() at time zone 'UTC');
begin
	-- Known when it is planned: project_id is null, or equal.
	return query
	select x.key, sum(x.n)::bigint, sum(x.amount)
	  from (select t.key, t.n, t.amount from muster.tally t
		 where t.organization_id = p_organization and t.what = p_what and t.span = 'month'
		   and (t.project_id = p_project or (p_project is null and t.project_id is null))
		   and t.day >= v_from and t.day < v_until
		union all
		select t.key, t.n, t.amount from muster.tally t
		 where t.organization_id = p_organization and t.what = p_what and t.span = 'day'
		   and (t.project_id = p_project or (p_project is null and t.project_id is null))
		   and t.day >= p_since and t.day < v_from
		union all
		select t.key, t.n, t.amount from muster.tally t
		 where t.organization_id = p_organization and t.what = p_what and t.span = 'day'
		   and (t.project_id = p_project or (p_project is null and t.project_id is null))
		   and t.day >= greatest(v_from, v_until)) x
	 group by x.key having sum(x.n) <> 0 or sum(x.amount) <> 0;
end
$$;
