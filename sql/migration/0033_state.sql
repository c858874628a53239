-- SPDX-License-Identifier: MIT
-- How many findings came and were resolved on which day, counted when it happens, as 0030_tally.sql does
-- for the findings themselves.
create function muster.finding_state_tally_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_rows muster.tally[];
begin
	if tg_op = 'INSERT' then
		v_rows := array(
			select row(organization_id, null, what, '', 'day', (at at time zone 'UTC')::date, 0, count(*), 0)::muster.tally
			  from fresh cross join lateral muster.finding_state_what(before, after) what
			 group by organization_id, what, (at at time zone 'UTC')::date);
	elsif tg_op = 'DELETE' then
		v_rows := array(
			select row(organization_id, null, what, '', 'day', (at at time zone 'UTC')::date, 0, -count(*), 0)::muster.tally
			  from stale cross join lateral muster.finding_state_what(before, after) what
			 group by organization_id, what, (at at time zone 'UTC')::date);
	else
		v_rows := array(
			select row(organization_id, null, what, '', 'day', day, 0, sum(n), 0)::muster.tally
			  from (select organization_id, before, after, (at at time zone 'UTC')::date as day, 1 as n from fresh
				union all
				select organization_id, before, after, (at at time zone 'UTC')::date, -1 from stale) d
			 cross join lateral muster.finding_state_what(before, after) what
			 group by organization_id, what, day having sum(n) <> 0);
	end if;
	if cardinality(v_rows) > 0 then
		perform muster.tally_add(v_rows);
	end if;
	return null;
end
$$;
create trigger finding_state_tally_insert after insert on muster.finding_state
	referencing new table as fresh
	for each statement execute function muster.finding_state_tally_change();
create trigger finding_state_tally_update after update on muster.finding_state
	referencing new table as fresh old table as stale
	for each statement execute function muster.finding_state_tally_change();
create trigger finding_state_tally_delete after delete on muster.finding_state
	referencing old table as stale
	for each statement execute function muster.finding_state_tally_change();

-- What is there already.
insert into muster.tally (organization_id, what, key, span, day, n)
select c.organization_id, c.what, '', s.span, date_trunc(s.span, c.day)::date, sum(c.n)
  from (select organization_id, (at at time zone 'UTC')::date as day, w.what, count(*) as n
	  from muster.finding_state
	 cross join lateral (
		select 'came' as what where after in ('open', 'in_progress')
					and coalesce(before, '') not in ('open', 'in_progress')
		union all select 'resolved' where after = 'resolved') w
	 group by 1, 2, 3) c
 cross join (values ('day'), ('month')) s (span) group by 1, 2, 4, 5;
analyze muster.tally;
