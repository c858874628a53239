-- SPDX-License-Identifier: MIT
-- The queue as the API shows it: an organisation's own jobs, and for the administrator of the server all.
--
--   queue_json(p_job) → {"id", "organization" (its slug), "kind", "queue", "key", "subject" (what it is
--       for: a repository, a folder or an address), "state", "priority", "host", "attempt", "attempts_max",
--       "progress", "message", "error", "run_id", "cpu_ms", "rss_kib", "created_at", "run_at", "started_at",
--       "finished_at"}; host: who does it or did, or who alone can.
--   queue_list(p_state, p_kind, p_queue, p_limit, p_cursor) → {"items": [queue_json()], "next"}, the newest
--       first. Several states, kinds and queues with commas.
--   queue_get(p_job) → one, with "why" (it waits; null: it is its turn), "wait_for", "limit_key",
--       "limit_running", "limit_rate", and for administrators "payload" and "result". MU404.
--   queue_attempt_list(p_job) → {"items": [{number, outcome, host, error, exit_status, cpu_ms, rss_kib, log,
--       started_at, ended_at}], "next": null}. MU404.
--   queue_log_list(p_job) → {"items": [{attempt, text}], "next": null}: what each attempt said. MU404.
--   queue_cancel(p_job), queue_retry(p_job) → it. MU404, MU409. What goes on in the database alone (queue
--       database) is the server's: MU403 for all but its administrator.
--   queue_redrive(p_kind) → {"queued"}: how many that were given up are queued as new, but for queue database.
--   queue_pause(p_queue, p_kind, p_reason), queue_resume(p_queue, p_kind) → {"items", "next"} as
--       queue_pause_list(). MU403: queue database; MU404: no such queue or kind; MU409: it is so already.
--   queue_pause_list() → {"items": [{organization, queue, kind, reason, account, since}], "next": null}: what
--       holds for the organisation; organization is null for what the server's administrator holds back.
--   queue_status(p_hours) → {"window_s", "queued", "running", "oldest_wait_s", "kinds": [{kind, queue, help,
--       concurrency, queued, held, running, oldest_wait_s, done, dead, cancelled, is_whole, failure_ratio,
--       seconds {average, p50, p95, p99}}], "workers" {alive, slots, busy}}: what waits now and what ended in
--       the last hours; workers: of the server, with what they do for whichever organization. is_whole false: there was more, counted are the newest 2 000 of each state.
--   admin_queue_list(p_state, p_kind, p_queue, p_organization, p_limit, p_cursor), admin_queue_status(p_hours),
--       admin_queue_redrive(p_kind, p_organization), admin_queue_pause(p_queue, p_kind, p_organization, p_reason),
--       admin_queue_resume(p_queue, p_kind, p_organization), admin_queue_pause_list(), admin_worker_list(): the same
--       across organisations. The list looks through 20 000 jobs at a time: a page may be empty, and go on.

create function muster.queue_of(p_kind text) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return coalesce((select queue from muster.job_kind where name = p_kind), 'default');
end
$$;

create function muster.queue_json(p_job muster.job) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('id', p_job.id,
		'organization', (select slug from muster.organization where id = p_job.organization_id),
		'kind', p_job.kind, 'queue', muster.queue_of(p_job.kind), 'key', p_job.key, 'state', p_job.state,
		'subject', coalesce(p_job.payload ->> 'name',
			case when p_job.payload ->> 'repo' ~ '^[0-9a-f-]{36}$'
			     then (select r.name from muster.repo r
				    where r.id = (p_job.payload ->> 'repo')::uuid
				      and r.organization_id = p_job.organization_id) end,
			p_job.payload ->> 'url', p_job.payload ->> 'path'),
		'priority', p_job.priority, 'host', coalesce(p_job.leased_by, p_job.host), 'attempt', p_job.attempt,
		'attempts_max', p_job.attempts_max, 'progress', p_job.progress, 'message', p_job.message,
		'error', p_job.error, 'run_id', p_job.run_id, 'cpu_ms', p_job.cpu_ms, 'rss_kib', p_job.rss_kib,
		'created_at', muster.iso(p_job.created_at), 'run_at', muster.iso(p_job.run_at),
		'started_at', muster.iso(p_job.started_at), 'finished_at', muster.iso(p_job.finished_at));
end
$$;

-- The kinds that are asked for, by name or by queue; null: all.
create function muster.queue_kinds(p_kind text, p_queue text) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_kinds text[] := string_to_array(nullif(p_kind, ''), ',');
	v_queues text[] := string_to_array(nullif(p_queue, ''), ',');
begin
	if v_queues is null then
		return v_kinds;
	end if;
	return array(select name from muster.job_kind
		      where queue = any (v_queues) and (v_kinds is null or name = any (v_kinds)));
end
$$;

create function muster.queue_list(p_state text default null, p_kind text default null, p_queue text default null,
				  p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 9223372036854775807), 9223372036854775807);
	v_states text[] := coalesce(string_to_array(nullif(p_state, ''), ','),
				    array['queued', 'running', 'done', 'dead', 'cancelled']);
	v_kinds text[] := muster.queue_kinds(p_kind, p_queue);
begin
	return (with recursive present as (
			(select j.kind from muster.job j where j.organization_id = v_organization order by j.kind limit 1)
			union all
			select (select j.kind from muster.job j
				 where j.organization_id = v_organization and j.kind > p.kind order by j.kind limit 1)
			  from present p where p.kind is not null
		), found as (
			select w.j, row_number() over (order by (w.j).id desc) as k
			  from present p
			 cross join (select distinct unnest(v_states) as state) s
			 cross join lateral (
				-- In the whole order of its index, by a range: else it may go through all jobs by their ids.
				select j from muster.job j
				 where j.organization_id = v_organization and j.kind = p.kind
				   and j.state >= s.state and j.state <= s.state and j.id < v_before
				 order by j.state, j.id desc limit v_limit + 1) w
			 where v_kinds is null or p.kind = any (v_kinds)
			 order by (w.j).id desc limit v_limit + 1
		)
		select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.queue_json(f.j) order by f.k) filter (where f.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array(min((f.j).id) filter (where f.k <= v_limit))) end)
		  from found f);
end
$$;

create function muster.queue_own(p_job bigint) returns muster.job
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
begin
	select * into v_job from muster.job where id = p_job and organization_id = muster.organization_need();
	if v_job.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such job.';
	end if;
	return v_job;
end
$$;

create function muster.queue_get(p_job bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job := muster.queue_own(p_job);
begin
	return muster.queue_json(v_job) || jsonb_build_object('why', muster.job_why(v_job.id),
		'wait_for', to_jsonb(v_job.wait_for), 'limit_key', v_job.limit_key, 'limit_running', v_job.limit_running,
		'limit_rate', v_job.limit_rate, 'payload', case when muster.is_admin() then v_job.payload end,
		'result', case when muster.is_admin() then v_job.result end);
end
$$;

create function muster.queue_attempt_list(p_job bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('items', muster.job_attempts((muster.queue_own(p_job)).id), 'next', null);
end
$$;

create function muster.queue_log_list(p_job bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job := muster.queue_own(p_job);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('attempt', a.number, 'text', l.line) order by a.number, l.k), '[]')
		  from jsonb_to_recordset(muster.job_attempts(v_job.id)) a (number integer, log text)
		 cross join regexp_split_to_table(rtrim(a.log, E'\n'), E'\n') with ordinality l (line, k)
		 where a.log <> ''));
end
$$;

-- What the database does itself keeps promises of the server's: no organisation takes these back.
create function muster.queue_own_open(p_job bigint) returns muster.job
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job := muster.queue_own(p_job);
begin
	if muster.queue_of(v_job.kind) = 'database' then
		perform muster.platform_need();
	end if;
	return v_job;
end
$$;

create function muster.queue_act(p_job bigint, p_verb text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.job_change(muster.queue_own_open(p_job), p_verb, 'Cancelled by a person.');
	return muster.queue_json(muster.queue_own(p_job));
end
$$;

create function muster.queue_cancel(p_job bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.queue_act(p_job, 'cancel');
end
$$;

create function muster.queue_retry(p_job bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.queue_act(p_job, 'retry');
end
$$;

create function muster.queue_redrive(p_kind text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_count bigint := muster.job_redrive(v_organization, nullif(p_kind, ''), 'database');
begin
	insert into muster.trail (organization_id, account_id, action, data)
	values (v_organization, muster.account(), 'job.redrive', jsonb_build_object('kind', p_kind, 'queued', v_count));
	return jsonb_build_object('queued', v_count);
end
$$;

create function muster.queue_pauses(p_organization uuid) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('next', null, 'items', (
	select coalesce(jsonb_agg(jsonb_build_object('organization', o.slug, 'queue', p.queue, 'kind', p.kind,
			'reason', p.reason, 'account', muster.person_json(p.account_id),
			'since', muster.iso(p.created_at)) order by p.id), '[]')
	  from muster.job_pause p
	  left join muster.organization o on o.id = p.organization_id
	 where p_organization is null or coalesce(p.organization_id, p_organization) = p_organization));

create function muster.queue_pause_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.queue_pauses(muster.organization_need());
end
$$;

create function muster.queue_hold(p_is_held boolean, p_queue text, p_kind text, p_organization text, p_reason text)
returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.job_hold(p_is_held, nullif(p_queue, ''), nullif(p_kind, ''), p_organization, nullif(p_reason, ''));
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (muster.organization_need(), muster.account(), case when p_is_held then 'job.pause' else 'job.resume' end,
		p_organization, jsonb_build_object('queue', nullif(p_queue, ''), 'kind', nullif(p_kind, ''),
						   'reason', nullif(p_reason, '')));
end
$$;

create function muster.queue_pause(p_queue text default null, p_kind text default null, p_reason text default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.queue_hold(true, p_queue, p_kind,
		(select slug from muster.organization where id = muster.organization_need()), p_reason);
	return muster.queue_pause_list();
end
$$;

create function muster.queue_resume(p_queue text default null, p_kind text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.queue_hold(false, p_queue, p_kind,
		(select slug from muster.organization where id = muster.organization_need()), null);
	return muster.queue_pause_list();
end
$$;

-- What ended since: of each kind and state the newest 2 000. Of one organisation by its list, of all by
-- the time they ended.
create function muster.queue_ended(p_organization uuid, p_since timestamptz)
returns table (kind text, state text, seconds double precision, waited double precision)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set enable_seqscan = off set jit = off as $$
begin
	if p_organization is null then
		return query
		select j.kind, j.state, extract(epoch from j.finished_at - j.started_at)::double precision,
		       extract(epoch from j.started_at - j.run_at)::double precision
		  from muster.job j where j.finished_at > p_since order by j.finished_at desc limit 100000;
		return;
	end if;
	return query
	with recursive present as (
		(select j.kind from muster.job j where j.organization_id = p_organization order by j.kind limit 1)
		union all
		select (select j.kind from muster.job j
			 where j.organization_id = p_organization and j.kind > p.kind order by j.kind limit 1)
		  from present p where p.kind is not null
	)
	select p.kind, s.state, extract(epoch from w.finished_at - w.started_at)::double precision,
	       extract(epoch from w.started_at - w.run_at)::double precision
	  from present p
	 cross join (values ('done'), ('dead'), ('cancelled')) s (state)
	 cross join lateral (
		select j.run_at, j.started_at, j.finished_at from muster.job j
		 where j.organization_id = p_organization and j.kind = p.kind
		   and j.state >= s.state and j.state <= s.state
		 order by j.state, j.id desc limit 2000) w
	 where w.finished_at > p_since;
end
$$;

create function muster.queue_figures(p_organization uuid, p_hours integer) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
	v_window interval := make_interval(hours => coalesce(p_hours, 1));
begin
	return (with waiting as (
			select w.kind, sum(w.n) as n, sum(w.n) filter (where w.is_held) as held,
			       min(w.since) filter (where not w.is_held) as since
			  from (select j.kind, count(*) as n, muster.job_is_held(j.kind, j.organization_id) as is_held,
				       min(j.run_at) filter (where j.run_at <= now()
					       and (j.wait_for is null
						    or not exists (select from muster.job x where x.id = any (j.wait_for)
												and x.state <> 'done'))) as since
				  from muster.job j
				 where j.state = 'queued' and (p_organization is null or j.organization_id = p_organization)
				 group by j.kind, j.organization_id) w
			 group by 1
		), busy as (
			select j.kind, count(*) as n from muster.job j
			 where j.state = 'running' and (p_organization is null or j.organization_id = p_organization)
			 group by 1
		), ended as materialized (
			select * from muster.queue_ended(p_organization, now() - v_window)
		), finished as (
			select e.kind, count(*) filter (where e.state = 'done') as done,
			       count(*) filter (where e.state = 'dead') as dead,
			       count(*) filter (where e.state = 'cancelled') as cancelled,
			       avg(e.seconds) filter (where e.state = 'done') as average,
			       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by e.seconds)
				       filter (where e.state = 'done' and e.seconds is not null) as p,
			       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by greatest(e.waited, 0))
				       filter (where e.state = 'done' and e.waited is not null) as q
			  from ended e group by 1
		), named as (
			select name as kind, queue, concurrency, help from muster.job_kind
			union all
			select distinct u.kind, 'default', null::integer, null::text
			  from (select kind from waiting union select kind from busy union select kind from finished) u
			 where not exists (select from muster.job_kind k where k.name = u.kind)
		)
		select jsonb_build_object('window_s', extract(epoch from v_window)::integer,
			'queued', (select coalesce(sum(n), 0) from waiting),
			'running', (select coalesce(sum(n), 0) from busy),
			'oldest_wait_s', (select extract(epoch from now() - min(since))::bigint from waiting),
			'kinds', (select coalesce(jsonb_agg(jsonb_build_object('kind', k.kind, 'queue', k.queue,
					'help', k.help, 'concurrency', k.concurrency, 'queued', coalesce(w.n, 0),
					'held', coalesce(w.held, 0), 'running', coalesce(b.n, 0),
					'oldest_wait_s', extract(epoch from now() - w.since)::bigint,
					'done', coalesce(f.done, 0), 'dead', coalesce(f.dead, 0),
					'cancelled', coalesce(f.cancelled, 0),
					'is_whole', case when p_organization is null
							 then (select count(*) from ended) < 100000
							 else greatest(f.done, f.dead, f.cancelled, 0) < 2000 end,
					'failure_ratio', round(f.dead::numeric / nullif(f.done + f.dead, 0), 4),
					'seconds', case when f.p is not null then jsonb_build_object(
						'average', round(f.average::numeric, 3), 'p50', round(f.p[1]::numeric, 3),
						'p95', round(f.p[2]::numeric, 3), 'p99', round(f.p[3]::numeric, 3)) end,
					'waited', case when f.q is not null then jsonb_build_object(
						'p50', round(f.q[1]::numeric, 3), 'p95', round(f.q[2]::numeric, 3),
						'p99', round(f.q[3]::numeric, 3)) end)
					order by k.queue, k.kind), '[]')
				    from named k
				    left join waiting w on w.kind = k.kind
				    left join busy b on b.kind = k.kind
				    left join finished f on f.kind = k.kind),
			-- A host's slots are for all runners there that serve the same queues.
			'workers', (select jsonb_build_object('alive', coalesce(sum(h.n), 0), 'slots', coalesce(sum(h.slots), 0),
					'busy', (select count(*) from muster.job where state = 'running'))
				      from (select count(*) as n, max(w.slots) as slots from muster.worker w
					     where muster.worker_is_alive(w) group by w.host, w.queues) h)));
end
$$;

create function muster.queue_status(p_hours integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.queue_figures(muster.organization_need(), p_hours);
end
$$;

-- ---- across organisations ----

create function muster.admin_queue_organization(p_organization text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return case when coalesce(p_organization, '') <> '' then muster.organization_find(p_organization) end;
end
$$;

create function muster.admin_queue_list(p_state text default null, p_kind text default null, p_queue text default null,
					p_organization text default null, p_limit integer default null,
					p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
	v_organization uuid := muster.admin_queue_organization(p_organization);
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 9223372036854775807), 9223372036854775807);
	v_states text[] := string_to_array(nullif(p_state, ''), ',');
	v_kinds text[] := muster.queue_kinds(p_kind, p_queue);
	v_until bigint;
	v_items jsonb;
	v_last bigint;
	v_count integer;
begin
	-- What is given up is found by an index of its own, all else by looking through what is there.
	if v_states is distinct from array['dead'] then
		select x.id into v_until from (select id from muster.job where id < v_before
						order by id desc offset 20000 limit 1) x;
	end if;
	select coalesce(jsonb_agg(muster.queue_json(x.j) order by (x.j).id desc), '[]'), min((x.j).id), count(*)
	  into v_items, v_last, v_count
	  from (select j from muster.job j
		 where j.id < v_before and j.id > coalesce(v_until, 0)
		   and (v_states is null or j.state = any (v_states))
		   and (v_states is distinct from array['dead'] or j.state = 'dead')
		   and (v_kinds is null or j.kind = any (v_kinds))
		   and (v_organization is null or j.organization_id = v_organization)
		 order by j.id desc limit v_limit) x;
	return jsonb_build_object('items', v_items, 'next', case
		when v_count = v_limit then muster.cursor_format(jsonb_build_array(v_last))
		when v_until is not null then muster.cursor_format(jsonb_build_array(v_until + 1)) end);
end
$$;

create function muster.admin_queue_status(p_hours integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return muster.queue_figures(null, p_hours);
end
$$;

create function muster.admin_queue_redrive(p_kind text default null, p_organization text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count bigint := muster.job_redrive(muster.admin_queue_organization(p_organization), nullif(p_kind, ''));
begin
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (muster.organization_need(), muster.account(), 'job.redrive', p_organization,
		jsonb_build_object('kind', p_kind, 'queued', v_count));
	return jsonb_build_object('queued', v_count);
end
$$;

create function muster.admin_queue_pause_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return muster.queue_pauses(null);
end
$$;

create function muster.admin_queue_pause(p_queue text default null, p_kind text default null,
					 p_organization text default null, p_reason text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	perform muster.queue_hold(true, p_queue, p_kind, nullif(p_organization, ''), p_reason);
	return muster.admin_queue_pause_list();
end
$$;

create function muster.admin_queue_resume(p_queue text default null, p_kind text default null,
					  p_organization text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	perform muster.queue_hold(false, p_queue, p_kind, nullif(p_organization, ''), null);
	return muster.admin_queue_pause_list();
end
$$;

create function muster.admin_worker_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return muster.worker_list();
end
$$;
