-- SPDX-License-Identifier: MIT
-- How the whole is, across organisations and without a word about any: figures for a monitoring
-- system. Whoever may call these has been checked by the program that does (cgi/prometheus.c), or
-- learns a word only (cgi/health.c).
--
--   health_metrics() → lines in the text format of Prometheus: the queue, the event log, connections.
--   health_get() → {"job_wait_s": seconds that the oldest job which could run has waited, or null}. What is
--       paused, or waits for another, could not.

-- A family: its head, and a line for each series; labels are words of ours.
create function muster.health_family(p_name text, p_help text, p_series text[]) returns text
language sql immutable
return case when cardinality(p_series) > 0 then
	'# HELP ' || p_name || ' ' || p_help || E'\n# TYPE ' || p_name || E' gauge\n'
	|| (select string_agg(p_name || s, E'\n') from unnest(p_series) s) || E'\n' else '' end;

create function muster.health_get() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('job_wait_s', (
		select extract(epoch from now() - j.run_at)::bigint from muster.job j
		 where j.state = 'queued' and j.run_at <= now() and not muster.job_is_held(j.kind, j.organization_id)
		   and (j.wait_for is null
			or not exists (select from muster.job w where w.id = any (j.wait_for) and w.state <> 'done'))
		 order by j.run_at limit 1));
end
$$;

-- Of the tables, as their owner: counts by indexes that hold only what is under way or recent.
create function muster.health_queue() returns text
language sql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
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
return muster.health_queue() || muster.health_connections();
