-- SPDX-License-Identifier: MIT
-- What statistics count, counted when it changes: a million findings take a second to count, and are
-- asked for by everybody who opens the page.
--
-- A figure is the sum of its rows. Whoever changes something adds to the row of slot 0 while nobody else
-- of the organisation does, and to rows of its own while somebody does (slot: its transaction), which
-- the next one adds up. So nobody waits for anybody here, however long a scan takes to be stored, and
-- what is read is what was committed. A row of nothing is not kept: no references are needed.
create table muster.tally (
	organization_id uuid not null,
	project_id uuid,     -- null: of all
	what text not null collate "C",
	key text not null collate "C",
	span text not null collate "C" constraint tally_span_check check (span in ('ever', 'month', 'day')),
	day date not null,   -- the first of the span, by UTC
	slot bigint not null default 0,
	n bigint not null,
	amount numeric not null default 0
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create unique index tally_key on muster.tally (organization_id, project_id, what, span, day, key, slot)
	nulls not distinct;
create index tally_slot_idx on muster.tally (organization_id) where slot <> 0;

-- Which rules have something open in which repository.
create table muster.finding_rule (
	organization_id uuid not null,
	repo_id uuid not null,
	kind text not null collate "C",
	rule text not null collate "C",
	n bigint not null,
	primary key (repo_id, kind, rule)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

alter table muster.tally enable row level security;
alter table muster.finding_rule enable row level security;
create policy tally_own on muster.tally using (organization_id = muster.organization());
create policy finding_rule_own on muster.finding_rule using (organization_id = muster.organization());

-- What differs: findings of one repository, rule, severity and day.
create type muster.finding_difference as (
	organization_id uuid, repo_id uuid, kind text, rule text, severity text, day date, n bigint, n_open bigint);

-- tally_add() is in sql/api/tally.sql.
create function muster.finding_tally_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_all muster.finding_difference[];
	v_rows muster.tally[];
	v_is_emptied boolean;
begin
	if tg_op = 'INSERT' then
		v_all := array(
			select row(organization_id, repo_id, kind, rule, severity, (first_seen_at at time zone 'UTC')::date,
				   count(*), count(*) filter (where state in ('open', 'in_progress')))::muster.finding_difference
			  from fresh
			 group by organization_id, repo_id, kind, rule, severity, (first_seen_at at time zone 'UTC')::date);
	elsif tg_op = 'DELETE' then
		v_all := array(
			select row(organization_id, repo_id, kind, rule, severity, (first_seen_at at time zone 'UTC')::date,
				   -count(*), -count(*) filter (where state in ('open', 'in_progress')))::muster.finding_difference
			  from stale
			 group by organization_id, repo_id, kind, rule, severity, (first_seen_at at time zone 'UTC')::date);
	else
		v_all := array(
			select row(organization_id, repo_id, kind, rule, severity, day, sum(n),
				   sum(n) filter (where is_open))::muster.finding_difference
			  from (select organization_id, repo_id, kind, rule, severity, state in ('open', 'in_progress') as is_open,
				       (first_seen_at at time zone 'UTC')::date as day, 1 as n from fresh
				union all
				select organization_id, repo_id, kind, rule, severity, state in ('open', 'in_progress'),
				       (first_seen_at at time zone 'UTC')::date, -1 from stale) d
			 group by organization_id, repo_id, kind, rule, severity, day
			having sum(n) <> 0 or sum(n) filter (where is_open) <> 0);
	end if;
	if cardinality(v_all) = 0 then
		return null;
	end if;

	with difference as (
		select organization_id, repo_id, kind, rule, sum(n_open) as n from unnest(v_all)
		 group by 1, 2, 3, 4 having sum(n_open) <> 0
	), changed as (
		insert into muster.finding_rule as r (organization_id, repo_id, kind, rule, n)
		select * from difference order by repo_id, kind, rule
		    on conflict (repo_id, kind, rule) do update set n = r.n + excluded.n
		returning r.*
	)
	select array_agg(row(c.organization_id, null, 'repos', c.kind || ' ' || c.rule, 'ever', '-infinity', 0,
			     (c.n > 0)::integer - (c.n - d.n > 0)::integer, 0)::muster.tally),
	       bool_or(c.n = 0)
	  into v_rows, v_is_emptied
	  from changed c join difference d using (repo_id, kind, rule);
	if v_is_emptied then
		delete from muster.finding_rule r using unnest(v_all) d
		 where (r.repo_id, r.kind, r.rule) = (d.repo_id, d.kind, d.rule) and r.n = 0;
	end if;
	perform muster.tally_add(v_rows || array(
		select row(organization_id, null, 'open.' || severity, kind || ' ' || rule, 'ever', '-infinity', 0,
			   sum(n_open), 0)::muster.tally
		  from unnest(v_all) group by organization_id, severity, kind, rule
		union all
		select row(organization_id, null, 'found', kind || ' ' || rule, 'day', day, 0, sum(n), 0)::muster.tally
		  from unnest(v_all) group by organization_id, kind, rule, day));
	return null;
end
$$;
create trigger finding_tally_insert after insert on muster.finding
	referencing new table as fresh
	for each statement execute function muster.finding_tally_change();
create trigger finding_tally_update after update on muster.finding
	referencing new table as fresh old table as stale
	for each statement execute function muster.finding_tally_change();
create trigger finding_tally_delete after delete on muster.finding
	referencing old table as stale
	for each statement execute function muster.finding_tally_change();

-- What is there already.
insert into muster.finding_rule (organization_id, repo_id, kind, rule, n)
select organization_id, repo_id, kind, rule, count(*) from muster.finding
 where state in ('open', 'in_progress') group by 1, 2, 3, 4;
insert into muster.tally (organization_id, what, key, span, day, n)
select organization_id, 'repos', kind || ' ' || rule, 'ever', '-infinity'::date, count(*)
  from muster.finding_rule group by organization_id, kind, rule
union all
select organization_id, 'open.' || severity, kind || ' ' || rule, 'ever', '-infinity', count(*)
  from muster.finding where state in ('open', 'in_progress') group by organization_id, severity, kind, rule
union all
select f.organization_id, 'found', f.kind || ' ' || f.rule, s.span,
       date_trunc(s.span, f.first_seen_at at time zone 'UTC')::date, count(*)
  from muster.finding f cross join (values ('day'), ('month')) s (span) group by 1, 3, 4, 5;
analyze muster.finding_rule, muster.tally;
