-- SPDX-License-Identifier: MIT
-- The event log: numbering, reading, bounds. The tables and the why are in migration/0003_event.sql.
--
--   sequence_events(p_limit) → rows moved from outbox; 0 also while another holds the lane.
--       Call it after a commit that wrote events, and from every poll. READ COMMITTED only.
--   event_lane() → whether this transaction may number events: it has the lane until it ends.
--   event_bounds() → (floor, head). A cursor c is good while floor <= c <= head; else: reset.
--   event_feed(p_after, p_limit) → those of all organisations, in order: each with the envelope that clients
--       see, beside the bounds in the same snapshot; one row of these alone when there is no event.
--   event_list(p_after, p_limit, p_types) → GET /api/v1/events: {"events":[{event_id, type, channel,
--       data, timestamp, project_id}], "last_event_id", "reset", "poll_after_s"}. p_types is a list
--       with commas; names that are not known match nothing. Without p_after: from now on. Types are
--       looked for among 10 000 events at a time: then poll_after_s is 0, and events may be empty.
--   stream_position() → the head, cheap.
--   stream_raise(p_by) → after a restore or a promotion: numbers and floor jump past any id that a
--       client may have seen. Owner only.

create function muster.event_extend(p_until bigint) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_stream muster.stream;
	v_name text;
begin
	select * into v_stream from muster.stream for update;
	while v_stream.ceiling < p_until loop
		-- Made apart and then attached: readers and writers of the log go on meanwhile, which
		-- "create … partition of" would stop.
		v_name := 'event_' || lpad((v_stream.ceiling + v_stream.span)::text, 15, '0');
		execute format('create table muster.%I (like muster.event including all)', v_name);
		execute format('alter table muster.%I enable row level security', v_name);
		execute format('alter table muster.event attach partition muster.%I for values from (%s) to (%s)',
			       v_name, v_stream.ceiling + 1, v_stream.ceiling + v_stream.span + 1);
		v_stream.ceiling := v_stream.ceiling + v_stream.span;
	end loop;
	update muster.stream set ceiling = v_stream.ceiling;
end
$$;

-- The lane is held until commit, so the next one in it sees what this one numbered: by statements
-- that come after this one, for each of them takes a new snapshot.
create function muster.event_lane() returns boolean
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
begin
	if not pg_try_advisory_xact_lock(19797, 1) then
		return false;
	end if;
	if current_setting('transaction_isolation') <> 'read committed' then
		raise exception using errcode = 'MU503',
			message = 'Events are numbered in read committed transactions only.';
	end if;
	-- An id that a client saw must outlive a crash. (remote_apply is stricter and stays.)
	if current_setting('synchronous_commit') in ('off', 'local') then
		perform set_config('synchronous_commit', 'on', true);
	end if;
	return true;
end
$$;

-- Planned once a session, for a plan takes longer than the work; and by the index, whatever the
-- statistics of a table that is mostly empty say.
create function muster.sequence_events(p_limit integer default 1000) returns integer
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	v_stream muster.stream;
	v_rows integer;
	v_events integer;
	v_told json[];
begin
	-- A standby reads the log; its primary writes it.
	if pg_is_in_recovery() or not exists (select from muster.outbox) then
		return 0;
	end if;
	-- The statements below come after the lock: that is why this is plpgsql and volatile.
	if not muster.event_lane() then
		return 0;
	end if;
	select * into v_stream from muster.stream for update;
	-- Half a partition ahead, so that making one never happens in a hurry.
	if v_stream.head + v_stream.span / 2 > v_stream.ceiling then
		perform muster.event_extend(v_stream.head + v_stream.span);
	end if;

	with taken as (
		delete from muster.outbox
		 where id = any (array(select id from muster.outbox order by id
					limit least(greatest(p_limit, 1), 1000)))
		returning *
	), placed as (
		insert into muster.event (id, organization_id, project_id, channel, type, subject, data,
					  labels, at)
		select v_stream.head + row_number() over (order by t.id), t.organization_id, t.project_id,
		       t.channel, t.type, t.subject, t.data, t.labels, t.at
		  from taken t where t.type is not null
	), told as (
		-- 100 rows one by one; more of them: each table once.
		select case when count(*) over () <= 100
			    then json_build_object('table', t.wire_table, 'operation', t.operation,
						   'id', t.wire_id)
			    when row_number() over (partition by t.wire_table, t.operation order by t.id) = 1
			    then json_build_object('table', t.wire_table, 'operation', t.operation,
						   'id', null) end as payload, t.id
		  from taken t where t.wire_table is not null
	)
	select (select count(*) from taken), (select count(*) from taken where type is not null),
	       (select array_agg(payload order by id) from told where payload is not null)
	  into v_rows, v_events, v_told;

	if v_events > 0 then
		update muster.stream set head = head + v_events;
	end if;
	if v_rows > 0 then
		perform pg_notify('data_changes', p::text) from unnest(v_told) p;
		perform pg_notify('muster_wake', '');
	end if;
	return v_rows;
end
$$;

create function muster.event_bounds(out floor bigint, out head bigint)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	select s.floor, s.head into floor, head from muster.stream s;
end
$$;

create function muster.stream_position() returns bigint
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select head from muster.stream);
end
$$;

-- Without settings of its own, so that it becomes a part of the statements that use it.
create function muster.event_rows(p_after bigint, p_limit integer)
returns table (floor bigint, head bigint, id bigint, organization_id uuid, type text, project_id text,
	       is_internal boolean, envelope text, subject text)
language sql stable rows 100 as $$
select s.floor, s.head, e.id, e.organization_id, e.type, e.project_id,
       coalesce(e.labels @> '{"internal": true}', false),
       case when e.labels @> '{"internal": true}' then e.data::text
	    else json_build_object('type', e.type, 'event_id', e.id::text, 'timestamp', muster.iso(e.at),
		'project_id', e.project_id, 'channel', e.channel, 'data', e.data)::text end, e.subject
  from muster.stream s
  left join (select * from muster.event x where x.id > p_after
	      order by x.id limit least(greatest(p_limit, 1), 10000)) e on true
 order by e.id
$$;

create function muster.event_feed(p_after bigint, p_limit integer)
returns table (floor bigint, head bigint, id bigint, organization_id uuid, type text, project_id text,
	       is_internal boolean, envelope text, subject text)
language plpgsql stable security definer rows 100 set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
begin
	return query select * from muster.event_rows(p_after, p_limit);
end
$$;

create function muster.event_list(p_after bigint default null, p_limit integer default null,
				  p_types text default null) returns jsonb
language plpgsql set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 100, 1000);
	v_types text[] := string_to_array(nullif(replace(p_types, ' ', ''), ''), ',');
	v_read constant integer := 10000;
	v_bounds record;
	v_until bigint;
	v_last bigint;
	v_events jsonb;
	v_count integer;
begin
	perform muster.sequence_events();
	-- Bounds first: what is read next may be younger, and is then left for the next call.
	select * into v_bounds from muster.event_bounds();
	if p_after is null or p_after not between v_bounds.floor and v_bounds.head then
		return jsonb_build_object('events', '[]'::jsonb, 'last_event_id', v_bounds.head::text,
					  'reset', p_after is not null, 'poll_after_s', 10);
	end if;
	-- A type of which there are few is not looked for in the whole log at once.
	if v_types is not null then
		select coalesce(min(e.id), v_bounds.head) into v_until
		  from (select id from muster.event
			 where organization_id = v_organization and id > p_after and id <= v_bounds.head
			 order by id offset v_read limit 1) e;
	end if;
	select coalesce(jsonb_agg(jsonb_build_object('event_id', e.id::text, 'type', e.type,
			'channel', e.channel, 'data', e.data, 'timestamp', muster.iso(e.at),
			'project_id', e.project_id) order by e.id), '[]'), count(*), max(e.id)
	  into v_events, v_count, v_last
	  from (select * from muster.event
		 where organization_id = v_organization
		   and id > p_after and id <= coalesce(v_until, v_bounds.head)
		   and (v_types is null or type = any (v_types))
		   and not labels @> '{"internal": true}'
		 order by id limit v_limit) e;
	v_last := case when v_count < v_limit then coalesce(v_until, v_bounds.head) else v_last end;
	-- There may be more behind it: ask again at once.
	return jsonb_build_object('events', v_events, 'last_event_id', v_last::text, 'reset', false,
				  'poll_after_s', case when v_last < v_bounds.head then 0 else 10 end);
end
$$;

create function muster.stream_raise(p_by bigint default 1000000) returns bigint
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_head bigint;
begin
	perform pg_advisory_xact_lock(19797, 1);
	select head + greatest(p_by, 1) into v_head from muster.stream for update;
	perform muster.event_extend(v_head + 1);
	update muster.stream set head = v_head, floor = v_head;
	return v_head;
end
$$;
