-- SPDX-License-Identifier: MIT
-- What is old goes.
--
--   prune(p_history_days, p_event_days) → {"audits", "repos", "jobs", "runs", "sessions",
--       "partitions"}: how many were dropped. Null: the settings history.retention_days (30) and
--       event.retention_days (7). For the runner, once an hour or a day; harmless at any time.
--
--   prune_hourly(p_history_days, p_event_days) → the same when nobody did it in the last hour, else
--       null at once: whoever runs may call it each minute, on every host. Waivers end with it.
--
-- The latest audit of a root always stays. The floor of the event log is raised in one call and the
-- partitions below it are dropped by a later one, so that whoever holds a cursor has been told.

create function muster.prune(p_history_days integer default null, p_event_days integer default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_history interval := make_interval(days => greatest(coalesce(p_history_days,
		(muster.setting_get('history.retention_days', '30', null) #>> '{}')::integer), 1));
	v_events interval := make_interval(days => greatest(coalesce(p_event_days,
		(muster.setting_get('event.retention_days', '7', null) #>> '{}')::integer), 1));
	v_done jsonb := '{}';
	v_count bigint;
	v_stream muster.stream;
	v_floor bigint;
	v_part record;
begin
	delete from muster.audit a using muster.root t
	 where t.id = a.root_id and a.id <> t.audit_id and a.created_at < now() - v_history;
	get diagnostics v_count = row_count;
	v_done := v_done || jsonb_build_object('audits', v_count);

	delete from muster.repo where removed_at < now() - v_history;
	get diagnostics v_count = row_count;
	v_done := v_done || jsonb_build_object('repos', v_count);

	delete from muster.job
	 where finished_at < now() - case state when 'dead' then v_history else interval '1 day' end;
	get diagnostics v_count = row_count;
	v_done := v_done || jsonb_build_object('jobs', v_count);

	delete from muster.run
	 where completed_at < now() - v_history and status in ('completed', 'failed', 'cancelled');
	get diagnostics v_count = row_count;
	v_done := v_done || jsonb_build_object('runs', v_count);

	delete from muster.session where expires_at < now();
	get diagnostics v_count = row_count;
	v_done := v_done || jsonb_build_object('sessions', v_count);
	delete from muster.refresh where expires_at < now();
	delete from muster.token where expires_at < now();
	delete from muster.invitation where expires_at < now();
	delete from muster.password_reset where expires_at < now();
	delete from muster.idempotency where created_at < now() - interval '1 day';
	delete from muster.rate_limit where full_at < now();
	delete from muster.login_limit where updated_at < now() - interval '2 days';

	-- The lane is ours until commit, or the log is left alone this time.
	v_count := 0;
	if pg_try_advisory_xact_lock(19797, 1) then
		select * into v_stream from muster.stream for update;
		for v_part in
			select c.oid, c.relname,
			       (regexp_match(c.relname, '^event_(\d+)$'))[1]::bigint as upto
			  from pg_inherits i join pg_class c on c.oid = i.inhrelid
			 where i.inhparent = 'muster.event'::regclass
			 order by 3
		loop
			continue when v_part.upto > v_stream.floor;
			-- Readers of the log hold the lock for milliseconds; one that does not costs us
			-- this try only.
			begin
				perform set_config('lock_timeout', '2s', true);
				execute format('drop table muster.%I', v_part.relname);
				v_count := v_count + 1;
			exception when lock_not_available then
				exit;
			end;
		end loop;
		select coalesce(max(e.id), v_stream.floor) into v_floor from muster.event e
		 where e.at < now() - v_events and e.id > v_stream.floor;
		update muster.stream set floor = v_floor where floor < v_floor;
		perform muster.event_extend(v_stream.head + v_stream.span);
	end if;
	return v_done || jsonb_build_object('partitions', v_count);
end
$$;

create function muster.prune_hourly(p_history_days integer default null,
				    p_event_days integer default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.setting as s (organization_id, key, value)
	values (null, 'prune.at', to_jsonb(muster.iso(now())))
	on conflict (organization_id, key) do update
	   set value = excluded.value, updated_at = now()
	 where s.updated_at < now() - interval '1 hour';
	if not found then
		return null;
	end if;
	perform muster.waiver_expire();
	return muster.prune(p_history_days, p_event_days);
end
$$;
