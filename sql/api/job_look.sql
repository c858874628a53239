-- SPDX-License-Identifier: MIT
-- The queue for whoever runs the host (muster job): these are called as the schema's owner.
--
--   job_act(p_id, p_verb) cancels or retries it, which is on the trail. MU404, MU409: why not.
--   job_change(p_job, p_verb, p_reason): the same of one that was found; also for people. MU409.
--   job_retry(p_id) → false when it is not dead or cancelled, another of its key waits, or it would wait for
--       one that is given up (job_obstacle()). Queued as new, also behind what it waits for.
--   job_redrive(p_organization, p_kind, p_but_queue) → how many dead ones were queued as new, with what was
--       cancelled because of them; null: of all, and leaving out no queue.
--   job_pause(p_queue, p_kind, p_organization, p_reason), job_resume(p_queue, p_kind, p_organization) →
--       false when it was so already. Null: all.
--   job_act_all(p_kind, p_organization) → how many that were given up were queued as new. MU404.
--   job_hold(p_is_held, p_queue, p_kind, p_organization, p_reason) pauses, or goes on. What the database does
--       by itself (queue database) is paused for all organisations or for none: MU403. MU404, MU409.
--   job_find(p_id) → the job of that number, which is a text. MU404.
--   job_rows(p_state, p_kind, p_organization) → (id, organization, kind, key, state, at, host, attempt, progress,
--       message): at most 1 000, what is under way first, then what waits, then the newest that ended. Null: all.
--       p_organization: its slug. MU404.
--   job_why(p_id) → why a queued job is not being done, as a text; null: it is its turn, or it is not queued.
--   job_attempts(p_id) → [{"number", "outcome", "host", "error", "exit_status", "cpu_ms", "rss_kib", "log",
--       "started_at", "ended_at"}]: all of them, the last one's outcome being null while it runs.
--   job_status() → {"queued", "running", "done" (in the last hour), "dead" (in the last day), "jobs":
--       running ones, the next 20 queued ones and the last 10 dead ones, "workers": as worker_list() has them},
--       for `muster run --status`.

create function muster.job_find(p_id text) returns muster.job
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
begin
	if p_id ~ '^[0-9]{1,18}$' then
		select * into v_job from muster.job where id = p_id::bigint;
	end if;
	if v_job.id is null then
		raise exception using errcode = 'MU404', message = format('There is no job %s.', left(p_id, 50));
	end if;
	return v_job;
end
$$;

-- The first of those it waits for that is given up, which it would wait for in vain; null: none is.
create function muster.job_obstacle(p_job muster.job) returns bigint
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select min(id) from muster.job
		 where not p_job.wait_any and id = any (p_job.wait_for) and state in ('dead', 'cancelled'));
end
$$;

create function muster.job_retry(p_id bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
begin
	select * into v_job from muster.job where id = p_id and state in ('dead', 'cancelled') for update;
	-- One that is just ending is waited for, as in job_add().
	perform from muster.job where id = any (v_job.wait_for) order by id for share;
	if v_job.id is null or muster.job_obstacle(v_job) is not null then
		return false;
	end if;
	begin
		-- What ended, and is not counted yet, is not forgotten: a counter does not fall.
		perform muster.job_count_keep(c.until, 'infinity', p_id) from muster.job_counted c for share;
		update muster.job
		   set wait_for = case when wait_any then nullif(array(select w.id from muster.job w
					where w.id = any (v_job.wait_for) and w.state in ('queued', 'running')), '{}')
				       else wait_for end,
		       state = 'queued', run_at = now(), crashes = 0, finished_at = null, superseded = false,
		       attempts_max = least(attempt + 5, 1000)
		 where id = p_id;
	exception when unique_violation then
		return false;
	end;
	if v_job.attempt > 0 then
		perform muster.job_attempt_keep(v_job, case when v_job.state = 'dead' then 'failed' else 'cancelled' end,
			v_job.error);
	end if;
	update muster.run set status = 'pending', error = null, completed_at = null
	 where id = v_job.run_id and status in ('failed', 'cancelled');
	return true;
end
$$;

create function muster.job_redrive(p_organization uuid default null, p_kind text default null,
				   p_but_queue text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count bigint := 0;
	v_ids bigint[] := array(
		select j.id from (
			select id from muster.job
			 where state = 'dead' and organization_id = coalesce(p_organization, organization_id)
			   and kind = coalesce(p_kind, kind)
			   and not exists (select from muster.job_kind k where k.name = kind and k.queue = p_but_queue)
			 order by id limit 10000) j
		 where muster.job_retry(j.id));
begin
	while cardinality(v_ids) > 0 loop
		v_count := v_count + cardinality(v_ids);
		v_ids := array(
			select j.id from (
				select id from muster.job
				 where state = 'cancelled' and wait_for && v_ids and starts_with(error, 'What it waited for ')
				 order by id limit 10000) j
			 where muster.job_retry(j.id));
	end loop;
	return v_count;
end
$$;

create function muster.job_pause(p_queue text default null, p_kind text default null,
				 p_organization uuid default null, p_reason text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.job_pause (queue, kind, organization_id, account_id, reason)
	values (p_queue, p_kind, p_organization, muster.account(), left(p_reason, 500))
	on conflict do nothing;
	return found;
end
$$;

create function muster.job_resume(p_queue text default null, p_kind text default null,
				  p_organization uuid default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	delete from muster.job_pause
	 where queue is not distinct from p_queue and kind is not distinct from p_kind
	   and organization_id is not distinct from p_organization;
	return found;
end
$$;

create function muster.job_change(p_job muster.job, p_verb text, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_is_done boolean := case p_verb when 'cancel' then muster.job_cancel(p_job.id, p_reason)
					 when 'retry' then muster.job_retry(p_job.id) end;
	v_other muster.job;
begin
	if not v_is_done then
		select * into v_other from muster.job where id = muster.job_obstacle(p_job);
		raise exception using errcode = 'MU409', message = case
			when p_verb = 'cancel' or p_job.state not in ('dead', 'cancelled')
			then format('Job %s is %s.', p_job.id, p_job.state)
			when v_other.id is not null
			then format('Job %s waits for job %s, which is %s: retry that one first.', p_job.id, v_other.id, v_other.state)
			else format('Another job does what %s was for.', p_job.id) end;
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (p_job.organization_id, muster.account(), 'job.' || p_verb, p_job.id::text,
		jsonb_build_object('kind', p_job.kind, 'key', p_job.key));
end
$$;

create function muster.job_act(p_id text, p_verb text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.job_change(muster.job_find(p_id), p_verb, 'Cancelled by an administrator.');
end
$$;

create function muster.job_act_all(p_kind text default null, p_organization text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.job_redrive(case when p_organization is not null then muster.organization_find(p_organization) end,
		p_kind);
end
$$;

create function muster.job_hold(p_is_held boolean, p_queue text default null, p_kind text default null,
				p_organization text default null, p_reason text default null) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
begin
	if p_organization is not null then
		v_organization := muster.organization_find(p_organization);
	end if;
	if p_queue is not null and not exists (select from muster.job_kind where queue = p_queue) then
		raise exception using errcode = 'MU404', message = format('There is no queue %s.', left(p_queue, 50));
	elsif p_kind is not null and not exists (select from muster.job_kind where name = p_kind) then
		raise exception using errcode = 'MU404', message = format('There is no kind of job %s.', left(p_kind, 50));
	elsif p_is_held and v_organization is not null
	      and 'database' in (p_queue, (select queue from muster.job_kind where name = p_kind)) then
		raise exception using errcode = 'MU403', message = 'What the database does by itself keeps promises of the'
			|| ' server: its administrator alone can pause that, for all organizations.';
	elsif (p_is_held and not muster.job_pause(p_queue, p_kind, v_organization, p_reason))
	      or (not p_is_held and not muster.job_resume(p_queue, p_kind, v_organization)) then
		raise exception using errcode = 'MU409',
			message = case when p_is_held then 'That is paused already.' else 'That is not paused.' end;
	end if;
end
$$;

create function muster.job_rows(p_state text default null, p_kind text default null, p_organization text default null)
returns table (id bigint, organization text, kind text, key text, state text, at timestamptz, host text,
	       attempt integer, progress smallint, message text)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
begin
	if p_organization is not null then
		v_organization := muster.organization_find(p_organization);
	end if;
	return query
	select j.id, o.slug, j.kind, j.key, j.state,
	       case j.state when 'running' then j.started_at when 'queued' then j.run_at else j.finished_at end,
	       coalesce(j.leased_by, j.host), j.attempt, j.progress, coalesce(j.error, j.message)
	  from muster.job j
	  join muster.organization o on o.id = j.organization_id
	 where (p_state is null or j.state = p_state) and (p_kind is null or j.kind = p_kind)
	   and (v_organization is null or j.organization_id = v_organization)
	 order by array_position(array['running', 'queued'], j.state), case when j.state = 'queued' then j.turn end,
		  j.finished_at desc, j.id
	 limit 1000;
end
$$;

create function muster.job_why(p_id bigint) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_queue text;
	v_pause muster.job_pause;
	v_other bigint;
	v_most integer;
begin
	select * into v_job from muster.job where id = p_id and state = 'queued';
	if v_job.id is null then
		return null;
	end if;
	select queue, concurrency into v_queue, v_most from muster.job_kind where name = v_job.kind;
	v_pause := muster.job_held(v_job.kind, v_job.organization_id);
	if v_pause.id is not null then
		return format('Paused since %s', muster.iso(v_pause.created_at)) || coalesce(': ' || v_pause.reason, '.');
	elsif v_job.run_at > now() then
		return format('Not before %s.', muster.iso(v_job.run_at)) || coalesce(' Last time: ' || v_job.error, '');
	end if;
	select w.id into v_other from muster.job w
	 where w.id = any (v_job.wait_for) and w.state <> 'done' order by w.id limit 1;
	if v_other is not null then
		return format('Waits for job %s, which is %s.', v_other, (select state from muster.job where id = v_other));
	end if;
	select r.id into v_other from muster.job r
	 where r.organization_id = v_job.organization_id and r.kind = v_job.kind and r.key = v_job.key
	   and r.state = 'running';
	if v_other is not null then
		return format('Job %s does the same work just now.', v_other);
	elsif v_job.limit_running <= (select count(*) from muster.job r
				       where r.organization_id = v_job.organization_id and r.limit_key = v_job.limit_key
					 and r.state = 'running') then
		return format('At most %s run at once for %s.', v_job.limit_running, v_job.limit_key);
	elsif v_job.limit_rate <= (select count(*) from muster.job r
				    where r.organization_id = v_job.organization_id and r.limit_key = v_job.limit_key
				      and r.started_at > now() - interval '1 minute') then
		return format('At most %s are begun in a minute for %s.', v_job.limit_rate, v_job.limit_key);
	elsif v_most <= (select count(*) from muster.job r where r.state = 'running' and r.kind = v_job.kind) then
		return format('At most %s of kind %s run at once.', v_most, v_job.kind);
	end if;
	select o.max_concurrent_runs into v_most from muster.organization o
	 where o.id = v_job.organization_id and v_queue is distinct from 'database';
	if v_most <= (select count(*) from muster.job r
		       where r.state = 'running' and r.organization_id = v_job.organization_id) then
		return format('At most %s of the organization run at once.', v_most);
	elsif not exists (select from muster.worker w
			   where w.host = coalesce(v_job.host, w.host) and muster.worker_is_alive(w)
			     and (w.queues is null or coalesce(v_queue, 'default') = any (w.queues))) then
		return case when v_job.host is null then format('No runner of queue %s lives.', coalesce(v_queue, 'default'))
			    else format('Only %s can do it, where no runner of queue %s lives.', v_job.host,
					coalesce(v_queue, 'default')) end;
	end if;
	return null;
end
$$;

create function muster.job_attempts(p_id bigint) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select coalesce(jsonb_agg(to_jsonb(x) - 'started' order by x.number), '[]')
	  from (select a.number, a.outcome, a.host, a.error, a.exit_status, a.cpu_ms, a.rss_kib, a.log,
		       muster.iso(a.started_at) as started_at, muster.iso(a.ended_at) as ended_at
		  from muster.job_attempt a where a.job_id = p_id
		union all
		select j.attempt, case j.state when 'done' then 'done' when 'dead' then 'failed'
						when 'cancelled' then 'cancelled' end,
		       j.leased_by, j.error, j.exit_status, j.cpu_ms, j.rss_kib, j.log,
		       muster.iso(j.started_at), muster.iso(j.finished_at)
		  from muster.job j
		 where j.id = p_id and j.state <> 'queued' and j.attempt > 0
		   and not exists (select from muster.job_attempt a where a.job_id = j.id and a.number = j.attempt)) x);

create function muster.job_status() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (with shown as (
			(select j.*, j.started_at as at, 1 as place from muster.job j
			  where j.state = 'running' order by j.started_at limit 100)
			union all
			(select j.*, j.run_at, 2 from muster.job j
			  where j.state = 'queued' order by j.turn, j.id limit 20)
			union all
			(select j.*, j.finished_at, 3 from muster.job j
			  where j.state = 'dead' and j.finished_at > now() - interval '1 day'
			  order by j.finished_at desc limit 10)
		)
		select jsonb_build_object('workers', muster.worker_list() -> 'items',
			'queued', (select count(*) from muster.job where state = 'queued'),
			'running', (select count(*) from muster.job where state = 'running'),
			'done', (select count(*) from muster.job
				  where state = 'done' and finished_at > now() - interval '1 hour'),
			'dead', (select count(*) from muster.job
				  where state = 'dead' and finished_at > now() - interval '1 day'),
			'jobs', coalesce((select jsonb_agg(jsonb_build_object('id', s.id, 'kind', s.kind,
					'state', s.state, 'at', muster.iso(s.at), 'host', coalesce(s.leased_by, s.host),
					'attempt', s.attempt, 'progress', s.progress,
					'message', coalesce(s.error, s.message, s.key))
					order by s.place, case s.place when 2 then s.turn else s.at at time zone 'UTC' end, s.id)
					from shown s), '[]')));
end
$$;
