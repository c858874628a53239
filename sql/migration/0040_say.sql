-- SPDX-License-Identifier: MIT
-- What a run prints is no event, but an event says how far it reaches.
create function muster.run_log_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select r.organization_id, p.slug, 'runs', 'run_log', r.id::text,
	       jsonb_build_object('run_id', r.id, 'number', f.number)
	  from (select run_id, max(number) as number from fresh group by run_id) f
	  join muster.run r on r.id = f.run_id
	  join muster.project p on p.id = r.project_id;
	return null;
end
$$;
create trigger run_log_change after insert on muster.run_log
	referencing new table as fresh
	for each statement execute function muster.run_log_change();
