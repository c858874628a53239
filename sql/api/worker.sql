-- SPDX-License-Identifier: MIT
-- The runners: who is there, and what they have done since the server was set up.
--
--   worker_renew(p_id, p_host, p_pid, p_version, p_state, p_slots, p_queues, p_jobs) says that a runner lives;
--       every ten seconds. p_queues: the ones it serves, null: all; p_jobs: the jobs it minds.
--   worker_remove(p_id): it ends.
--   worker_is_alive(p_worker) → whether it said so within half a minute, as a lease lasts.
--   host_is_there(p_host) → whether a runner of it was seen in the last day, or what it did. Internal.
--   worker_json(p_worker) → {"id", "host", "pid", "version", "state", "slots", "queues", "jobs" [{id, organization,
--       kind, key, progress, message, started_at}], "started_at", "seen_at"}; state: lost when it lives no more.
--   worker_list() → {"items": [worker_json()], "next": null}: those of the last day.
--   job_count_add(): adds up what ended, see migration 0036.
--   job_count_all() → (kind, state, n, ms, buckets): what ended until now.

create function muster.job_count_add() returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_from timestamptz;
	-- No statement of ours runs for longer than the four minutes that the runner gives the largest.
	v_until timestamptz := now() - interval '5 minutes';
begin
	select until into v_from from muster.job_counted where until < now() - interval '6 minutes'
	   for update skip locked;
	if v_from is null then
		return;
	end if;
	perform muster.job_count_keep(v_from, v_until);
	update muster.job_counted set until = v_until;
end
$$;

-- OPS's buckets: how many took at most so many seconds. One that was never begun has none.
create function muster.job_count_between(p_from timestamptz, p_until timestamptz, p_id bigint default null)
returns table (kind text, state text, n bigint, ms bigint, buckets bigint[])
language sql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
	select e.kind, e.state, count(*), coalesce(sum(e.seconds) * 1000, 0)::bigint,
	       array[count(*) filter (where e.bucket = 0), count(*) filter (where e.bucket = 1),
		     count(*) filter (where e.bucket = 2), count(*) filter (where e.bucket = 3),
		     count(*) filter (where e.bucket = 4), count(*) filter (where e.bucket = 5),
		     count(*) filter (where e.bucket = 6), count(*) filter (where e.bucket = 7),
		     count(*) filter (where e.bucket = 8)]
	  from (select j.kind, j.state, extract(epoch from j.finished_at - j.started_at) as seconds,
		       width_bucket(extract(epoch from j.finished_at - j.started_at)::double precision,
				    array[1, 5, 15, 30, 60, 300, 600, 1800]::double precision[]) as bucket
		  from muster.job j
		 where j.finished_at > p_from and j.finished_at <= p_until and (p_id is null or j.id = p_id)) e
	 group by 1, 2
$$;

-- Adds up what ended in that time, or one of it.
create function muster.job_count_keep(p_from timestamptz, p_until timestamptz, p_id bigint default null) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp as $$
	insert into muster.job_count as c (kind, state, n, ms, buckets)
	select * from muster.job_count_between(p_from, p_until, p_id)
	 order by 1, 2
	on conflict (kind, state) do update
	   set n = c.n + excluded.n, ms = c.ms + excluded.ms,
	       buckets = (select array_agg(x.a + x.b order by x.k)
			    from unnest(c.buckets, excluded.buckets) with ordinality x (a, b, k));
$$;

create function muster.job_count_all()
returns table (kind text, state text, n bigint, ms bigint, buckets bigint[])
language sql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
	select a.kind, a.state, sum(a.n)::bigint, sum(a.ms)::bigint,
	       array(select sum(a2.x)::bigint from unnest(array_agg(a.buckets)) with ordinality a2 (x, k)
		      group by (a2.k - 1) % 9 order by (a2.k - 1) % 9)
	  from (select * from muster.job_count
		union all
		select b.* from muster.job_counted c, muster.job_count_between(c.until, 'infinity') b) a
	 group by 1, 2
$$;

create function muster.worker_renew(p_id uuid, p_host text, p_pid integer, p_version text, p_state text,
				    p_slots integer, p_queues text[], p_jobs bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.worker as w (id, host, pid, version, state, slots, queues, jobs)
	values (p_id, p_host, p_pid, p_version, p_state, p_slots, p_queues, p_jobs)
	on conflict (id) do update
	   set state = excluded.state, slots = excluded.slots, queues = excluded.queues, jobs = excluded.jobs,
	       seen_at = now();
	perform muster.job_count_add();
	perform muster.health_tell();
end
$$;

create function muster.worker_remove(p_id uuid) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	delete from muster.worker where id = p_id or seen_at < now() - interval '1 day';
end;

create function muster.worker_is_alive(p_worker muster.worker) returns boolean
language sql stable
return (p_worker).seen_at > now() - interval '30 seconds';

-- One that runs now and then (muster run --once) is no row between, but audits.
create function muster.host_is_there(p_host text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return exists (select from muster.worker w where w.host = p_host and w.seen_at > now() - interval '1 day')
	       or exists (select from muster.root t
			   where t.host = p_host and t.watched and t.reported_at > now() - interval '1 day');
end
$$;

create function muster.worker_json(p_worker muster.worker) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('id', p_worker.id, 'host', p_worker.host, 'pid', p_worker.pid,
		'version', p_worker.version,
		'state', case when muster.worker_is_alive(p_worker) then p_worker.state else 'lost' end,
		'slots', p_worker.slots, 'queues', p_worker.queues,
		'jobs', (select coalesce(jsonb_agg(jsonb_build_object('id', j.id, 'organization', o.slug,
					'kind', j.kind, 'key', j.key, 'progress', j.progress, 'message', j.message,
					'started_at', muster.iso(j.started_at)) order by j.started_at, j.id), '[]')
			   from muster.job j join muster.organization o on o.id = j.organization_id
			  where j.state = 'running' and j.leased_by = p_worker.host
			    -- What it claimed since it spoke is nobody else's.
			    and (j.id = any (p_worker.jobs)
				 or (p_worker.state = 'claiming'
				     and (p_worker.queues is null or muster.queue_of(j.kind) = any (p_worker.queues))
				     and not exists (select from muster.worker w
						      where w.host = p_worker.host and w.id <> p_worker.id
							and j.id = any (w.jobs))))),
		'started_at', muster.iso(p_worker.started_at), 'seen_at', muster.iso(p_worker.seen_at));
end
$$;

create function muster.worker_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(muster.worker_json(w) order by w.host, w.started_at, w.id), '[]')
		  from muster.worker w where w.seen_at > now() - interval '1 day'));
end
$$;
