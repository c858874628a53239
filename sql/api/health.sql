-- SPDX-License-Identifier: MIT
-- How the whole is, across organisations and without a word about any: figures for a monitoring
-- system. Whoever may call these has been checked by the program that does (cgi/prometheus.c), or
-- learns a word only (cgi/health.c).
--
--   health_metrics() → lines in the text format of Prometheus: the queue, its workers, the event log,
--       connections.
--   health_get() → {"job_wait_s": seconds that the oldest job which could run has waited, or null}. What is
--       paused, or waits for another, could not.
--   health_tell() tells each organisation of its own as health-metrics-update, where that differs from what was
--       told, at most once a minute: {queue_length, jobs_running, job_failure_rate, avg_task_seconds,
--       report_age_seconds, db}. Rate and average are of the last hour, null when nothing ended; the age is of
--       the newest report. How many listen the pusher knows. Internal.

-- A family: its head, and a line for each series; labels are words of ours.
create function muster.health_family(p_name text, p_help text, p_series text[], p_type text default 'gauge')
returns text
language sql immutable
return case when cardinality(p_series) > 0 then
	'# HELP ' || p_name || ' ' || p_help || E'\n# TYPE ' || p_name || ' ' || p_type || E'\n'
	|| (select string_agg(p_name || s, E'\n') from unnest(p_series) s) || E'\n' else '' end;

create function muster.health_get() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp set jit = off as $$
begin
	-- Whether it is paused is asked once of each kind and organisation, not of each job.
	return (with recursive pair as (
			(select j.organization_id, j.kind from muster.job j
			  where j.state = 'queued' order by j.organization_id, j.kind limit 1)
			union all
			select n.* from pair p
			 cross join lateral (
				select j.organization_id, j.kind from muster.job j
				 where j.state = 'queued' and (j.organization_id, j.kind) > (p.organization_id, p.kind)
				 order by j.organization_id, j.kind limit 1) n
		), held as materialized (
			select p.organization_id, p.kind from pair p
			 where exists (select from muster.job_pause) and muster.job_is_held(p.kind, p.organization_id)
		)
		select jsonb_build_object('job_wait_s', (
			select extract(epoch from now() - j.run_at)::bigint from muster.job j
			 where j.state = 'queued' and j.run_at <= now()
			   and (j.organization_id, j.kind) not in (select h.organization_id, h.kind from held h)
			   and (j.wait_for is null
				or not exists (select from muster.job w where w.id = any (j.wait_for) and w.state <> 'done'))
			 order by j.run_at limit 1)));
end
$$;

create function muster.health_tell() returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	-- One at a time, or two would both tell it; and of all that ended in an hour once a minute.
	perform from muster.job_counted where told_at < now() - interval '1 minute' for update skip locked;
	if not found then
		return;
	end if;
	update muster.job_counted set told_at = now();
	with counted as (
		select organization_id, count(*) filter (where state = 'queued') as queued,
		       count(*) filter (where state = 'running') as running,
		       count(*) filter (where state = 'dead') as dead, count(*) filter (where state in ('dead', 'done')) as ended,
		       avg(extract(epoch from finished_at - started_at)) as seconds
		  from (select organization_id, state, null::timestamptz as started_at, null::timestamptz as finished_at
			  from muster.job where state = 'queued'
			union all
			select organization_id, state, null, null from muster.job where state = 'running'
			union all
			select organization_id, state, started_at, finished_at
			  from muster.job where finished_at > now() - interval '1 hour') j
		 group by organization_id
	), figure as (
		select o.organization_id, jsonb_build_object('queue_length', coalesce(c.queued, 0),
			'jobs_running', coalesce(c.running, 0), 'job_failure_rate', round(c.dead::numeric / nullif(c.ended, 0), 2),
			'avg_task_seconds', round(c.seconds, 1), 'db', 'ok') as data
		  from (select organization_id from counted union select organization_id from muster.health) o
		  left join counted c using (organization_id)
	), told as (
		insert into muster.health as h (organization_id, data)
		select f.organization_id, f.data from figure f
		    on conflict (organization_id) do update set data = excluded.data, told_at = now()
		 where h.data <> excluded.data and h.told_at < now() - interval '1 minute'
		returning h.organization_id, h.data
	)
	insert into muster.outbox (organization_id, channel, type, subject, data)
	select t.organization_id, 'metrics', 'health-metrics-update', 'health',
	       t.data || jsonb_build_object('report_age_seconds', (
			select extract(epoch from now() - max(r.ingested_at))::bigint from muster.root r
			 where r.organization_id = t.organization_id))
	  from told t;
end
$$;

-- Of the tables, as their owner: counts by indexes that hold only what is under way or recent.
create function muster.health_queue() returns text
language sql stable security definer set search_path = pg_catalog, muster, pg_temp set jit = off as $$
	with waiting as (
		select kind, count(*) as n from muster.job where state = 'queued' group by kind
	), running as (
		select kind, count(*) as n from muster.job where state = 'running' group by kind
	), finished as (
		select kind, state, count(*) as n,
		       avg(extract(epoch from finished_at - started_at)) as seconds
		  from muster.job where finished_at > now() - interval '1 hour'
		 group by kind, state
	), failed as (
		select count(*) filter (where state = 'dead')::numeric / nullif(count(*), 0) as share
		  from muster.job where finished_at > now() - interval '1 hour' and state in ('done', 'dead')
	)
	select muster.health_family('muster_jobs', 'Jobs that wait, or are being done.',
			array(select format('{kind="%s",state="queued"} %s', kind, n) from waiting
			      union all
			      select format('{kind="%s",state="running"} %s', kind, n) from running order by 1))
		|| muster.health_family('muster_job_wait_seconds',
			'How long the oldest job that could be done has waited.',
			array[' ' || coalesce((muster.health_get() ->> 'job_wait_s'), '0')])
		|| muster.health_family('muster_jobs_finished_hour', 'Jobs that ended in the last hour.',
			array(select format('{kind="%s",state="%s"} %s', kind, state, n) from finished order by 1))
		|| muster.health_family('muster_job_seconds_hour', 'How long they took on average.',
			array(select format('{kind="%s",state="%s"} %s', kind, state, round(seconds, 3))
			        from finished where seconds is not null order by 1))
		|| muster.health_family('muster_job_failure_ratio_hour', 'The share of them that failed for good.',
			array(select ' ' || round(share, 4) from failed where share is not null))
		|| muster.health_family('muster_outbox_events', 'Events that are not numbered yet.',
			array[' ' || (select count(*) from muster.outbox)])
		|| muster.health_family('muster_event_id', 'The newest event.',
			array[' ' || (select head from muster.stream)])
		|| muster.health_family('muster_event_floor', 'Events up to this one are gone.',
			array[' ' || (select floor from muster.stream)])
		|| muster.health_family('muster_sessions', 'Sessions that have not ended.',
			array[' ' || (select count(*) from muster.session where expires_at > now())])
$$;

-- What was done since the server was set up, under the names and with the bounds that other pipelines have,
-- in the words of runs; what there is of each queue; and who works.
create function muster.health_jobs() returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp set jit = off as $$
begin
	return (with counted as materialized (
			select c.kind, case c.state when 'done' then 'completed' when 'dead' then 'failed' else c.state end as status,
			       c.n, c.ms, c.buckets
			  from muster.job_count_all() c
		), spread as materialized (
			select c.kind, c.status, b.k, c.ms, sum(b.n) over (partition by c.kind, c.status order by b.k) as n
			  from counted c cross join unnest(c.buckets) with ordinality b (n, k)
		), kinds as materialized (
			select k.* from jsonb_to_recordset(muster.queue_figures(null, 1) -> 'kinds')
				k (kind text, queue text, queued bigint, held bigint, running bigint, oldest_wait_s bigint, seconds jsonb, waited jsonb)
		), worker as materialized (
			select replace(replace(w.host, '\', '\\'), '"', '\"') as host, w.state, w.slots,
			       w.queues, cardinality(w.jobs) as jobs, extract(epoch from now() - w.seen_at)::bigint as unseen_s
			  from muster.worker w where muster.worker_is_alive(w)
		)
		select muster.health_family('pipeline_jobs_queued_total', 'Jobs that were ever queued, each time that they were.',
				array[' ' || (select coalesce(sum(n), 0) from counted) + (select coalesce(sum(queued + running), 0) from kinds)],
				'counter')
			|| muster.health_family('pipeline_jobs_processed_total', 'Jobs that ended.',
				array(select format('{kind="%s",status="%s"} %s', kind, status, n) from counted order by 1), 'counter')
			|| muster.health_family('pipeline_job_duration_seconds', 'How long jobs took.',
				array(select format('_bucket{kind="%s",status="%s",le="%s"} %s', kind, status,
						coalesce((array[1, 5, 15, 30, 60, 300, 600, 1800])[k]::text, '+Inf'), n)
				        from spread order by kind, status, k)
				|| array(select unnest(array[format('_sum{kind="%s",status="%s"} %s', kind, status, round(ms / 1000.0, 3)),
							     format('_count{kind="%s",status="%s"} %s', kind, status, n)])
					   from spread where k = 9 order by kind, status), 'histogram')
			|| muster.health_family('pipeline_jobs', 'Jobs that wait, or are being done.',
				array(select format('{status="pending"} %s', coalesce(sum(queued), 0)) from kinds
				      union all select format('{status="in_progress"} %s', coalesce(sum(running), 0)) from kinds))
			|| muster.health_family('muster_queue_jobs', 'Jobs of each queue; held: that are paused.',
				array(select format('{queue="%s",state="%s"} %s', k.queue, s.state, sum(s.n))
				        from kinds k cross join lateral (values ('queued', queued - held), ('held', held),
										('running', running)) s (state, n)
				       group by k.queue, s.state order by 1))
			|| muster.health_family('muster_queue_wait_seconds', 'How long the oldest job of each queue that could be done has waited.',
				array(select format('{queue="%s"} %s', queue, coalesce(max(oldest_wait_s), 0)) from kinds group by queue order by 1))
			|| muster.health_family('muster_job_seconds_quantile_hour', 'How long those took that were done in the last hour.',
				array(select format('{kind="%s",quantile="%s"} %s', k.kind, q.name, k.seconds ->> q.member)
				        from kinds k cross join (values ('0.5', 'p50'), ('0.95', 'p95'), ('0.99', 'p99')) q (name, member)
				       where jsonb_typeof(k.seconds) = 'object' order by 1))
			|| muster.health_family('muster_job_waited_quantile_hour', 'How long those waited from when they could be begun, in seconds.',
				array(select format('{kind="%s",quantile="%s"} %s', k.kind, q.name, k.waited ->> q.member)
				        from kinds k cross join (values ('0.5', 'p50'), ('0.95', 'p95'), ('0.99', 'p99')) q (name, member)
				       where jsonb_typeof(k.waited) = 'object' order by 1))
			|| muster.health_family('muster_workers', 'Runners that live; one of a host claims jobs, others mind theirs.',
				array(select format('{host="%s",state="%s"} %s', host, state, count(*)) from worker group by host, state order by 1))
			|| muster.health_family('muster_worker_slots', 'How many jobs a host does at once.',
				array(select format('{host="%s"} %s', h.host, sum(h.slots))
				        from (select host, max(slots) as slots from worker group by host, queues) h
				       group by h.host order by 1))
			|| muster.health_family('muster_worker_jobs', 'How many jobs a host is doing.',
				array(select format('{host="%s"} %s', host, sum(jobs)) from worker group by host order by 1))
			|| muster.health_family('muster_worker_unseen_seconds', 'How long ago a host was last heard of.',
				array(select format('{host="%s"} %s', host, min(unseen_s)) from worker group by host order by 1))
			|| muster.health_family('muster_workers_alive', 'Runners that live, on all hosts.',
				array[' ' || (select count(*) from worker)]));
end
$$;

-- As the caller, who sees what its own connections are at, and of others that they are there.
create function muster.health_connections() returns text
language sql stable set search_path = pg_catalog, muster, pg_temp as $$
	with seen as (
		select usename as role,
		       case when usename <> current_user then 'unknown'
			    when wait_event_type = 'Lock' then 'waiting'
			    when state = 'active' then 'active'
			    when state like 'idle in transaction%' then 'idle in transaction'
			    else 'idle' end as state,
		       count(*) as n
		  from pg_stat_activity
		 where datname = current_database() and backend_type = 'client backend'
		   and (usename like 'muster%' or usename = current_user)
		 group by 1, 2
	)
	select muster.health_family('muster_postgresql_connections',
			'Connections of all hosts to this database; waiting: for a lock. What others than this program do is not shown.',
			array(select format('{role="%s",state="%s"} %s', role, state, n) from seen order by 1))
		|| muster.health_family('muster_postgresql_connections_limit', 'How many PostgreSQL takes.',
			array[' ' || current_setting('max_connections')])
$$;

create function muster.health_metrics() returns text
language sql stable set search_path = pg_catalog, muster, pg_temp
return muster.health_queue() || muster.health_jobs() || muster.health_connections();
