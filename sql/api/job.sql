-- SPDX-License-Identifier: MIT
-- The queue. A job is queued, then running under a lease, then done, or queued again with a growing
-- delay, or dead. For the runner (role muster_jobs) and functions of ours, across organisations.
--
--   job_add(p_organization, p_kind, p_key, p_payload, …) → the job's id. Of the same (kind, key) one is
--       queued and one running at most; p_mode says what happens when there is one:
--         keep       it is that one's id, queued or running; a queued one is moved forward when the new
--                    one is due earlier, and takes a higher priority over
--         follow     as keep, but a running one, which may have begun too early, is followed by another
--         replace    a queued one becomes the new one (payload, time, priority, run); a running one goes
--                    on, and the new one follows
--         throttle   it is the newest one's id, whatever became of it, when that was added less than
--                    p_window_s ago; else as keep
--         debounce   due in p_window_s; asked for again meanwhile, as replace, and later once more, but
--                    never later than ten times that after the first
--         supersede  as replace, and a running one is cancelled; but not one in whose favour another
--                    was cancelled: it runs to its end
--       p_wait_for: jobs that must be done first; when one of them ends otherwise, so does this, or, with
--       p_wait_any, it is not waited for any more.
--       p_attempts_max: so often it is tried; null: as its kind says.
--       p_limit_key, p_limit_running, p_limit_rate: of those with the key so many run at once, and are
--       begun within a minute.
--   job_claim(p_host, p_kinds, p_limit, p_lease_s, p_counts) → rows of muster.job, now running and ours. Those
--       whose lease ran out are put back first (job_release). Two runners never get the same row. The
--       organisation with the fewest running ones is first, and within it whose turn comes first
--       (muster.job.turn). Left out is what is paused, waits for another, or has reached a limit: of its
--       organisation (max_concurrent_runs), its kind, its key; with p_counts false, whatever has one. What the
--       database does itself no organisation limits or pauses.
--   job_cycle(p_done, p_host, p_kinds, p_limit, p_lease_s) → (id, lease_id, kind, payload, attempt, events): what
--       job_complete_all(p_done) says (lease_id is null), what job_claim() then gives, and a row with how many
--       events were numbered after that (id is null), if any were. One commit for all of it.
--   job_renew(p_id, p_lease, p_lease_s), job_progress(p_id, p_lease, p_percent, p_message),
--   job_log(p_id, p_lease, p_text): what it said, for the log of the job and of its run;
--   job_complete(p_id, p_lease, p_result) → false: the lease is lost, stop. Nothing was written.
--   job_complete_all(p_jobs) → the ids of those that were still ours. [{"id", "lease", "result",
--       "usage"}], of which each but the first two may be missing.
--   job_usage(p_id, p_lease, p_usage) → false as above. What the attempt took: {"exit_status", "cpu_ms",
--       "rss_kib", "log"}.
--   job_fail(p_id, p_lease, p_error, p_retry, p_crash, p_usage) → 'queued' (again), 'dead', 'cancelled' (a newer
--       one of its key waits already), or 'lost'. p_retry false: at once dead. p_crash: the child died
--       instead of failing; three of these are enough, whatever attempts_max says.
--   job_snooze(p_id, p_lease, p_seconds, p_reason) → false as above. Queued again, as if it had not been
--       started. p_seconds null: nor claimed, for nothing of it was begun; its turn is what it was.
--   job_busy(p_id, p_lease, p_error, p_usage) → as job_fail(). Somebody else works where it is to work, which is
--       no attempt: it looks again each quarter of a minute. After an hour of that it is job_fail().
--   job_release() → how many had lost their lease.
--   job_cancel(p_id) → false when it was finished already. A running child learns it by renewing.
--   job_kind_set(p_kinds) → [{"name", "queue", "concurrency", "attempts", "backoff_s", "help"}]: the kinds as a runner knows them.
--
-- What a runner calls for a job waits for nobody's lock longer than a quarter of a second (55P03): a session
-- that holds a job and does nothing must not keep the runner from its others. It asks again. What it asks for
-- several, it does not wait for at all: one whose row, or whose run's, is held is left out.
--
-- The run that a job carries out follows: in_progress, completed, failed, cancelled.

-- Why a job that ended otherwise than done was not done, for whoever waited for it; null: it was.
create function muster.job_vain(p_id bigint) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select left(concat_ws(' ', 'What it waited for',
			case j.state when 'dead' then 'failed:' else 'was cancelled.' end, j.error), 2000)
		  from muster.job j where j.id = p_id and j.state in ('dead', 'cancelled'));
end
$$;

-- What can wait in vain, once this one ended otherwise than done. A run has failed by what failed before it.
create function muster.job_abandon(p_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_ids bigint[] := array[p_id];
	v_why text := muster.job_vain(p_id);
	v_status text := (select case state when 'dead' then 'failed' else 'cancelled' end from muster.job where id = p_id);
	v_run bigint;
begin
	while exists (select from muster.job j
		       where j.state = 'queued' and j.wait_for is not null and j.wait_for && v_ids) loop
		for v_run in
			update muster.job j
			   set wait_for = nullif(array(select unnest(j.wait_for) except select unnest(v_ids)), '{}')
			 where j.state = 'queued' and j.wait_for is not null and j.wait_for && v_ids and j.wait_any
			returning j.run_id
		loop
			perform muster.run_log_add(v_run, v_why || E'\nIt goes on with what is there.\n');
		end loop;
		with gone as (
			update muster.job j
			   set state = 'cancelled', finished_at = now(), error = v_why
			 where j.state = 'queued' and j.wait_for is not null and j.wait_for && v_ids
			returning j.id, j.run_id
		), ended as (
			update muster.run r
			   set status = v_status, error = v_why, completed_at = now()
			  from gone where r.id = gone.run_id and r.status in ('pending', 'in_progress')
		)
		select array_agg(id) into v_ids from gone;
	end loop;
end
$$;

create function muster.job_add(p_organization uuid, p_kind text, p_key text,
			       p_payload jsonb default '{}', p_host text default null,
			       p_run bigint default null, p_priority integer default 0,
			       p_run_at timestamptz default now(), p_attempts_max integer default null,
			       p_mode text default 'keep', p_window_s integer default null,
			       p_wait_for bigint[] default null, p_limit_key text default null,
			       p_limit_running integer default null, p_limit_rate integer default null,
			       p_wait_any boolean default false)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
-- A plan that was made while there were few goes through all of them; and one for each call takes longer than what
-- it does.
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
	v_at timestamptz := p_run_at;
	v_attempts integer := coalesce(p_attempts_max, (select attempts from muster.job_kind where name = p_kind), 5);
	v_superseded boolean := false;
	v_is_new boolean := p_mode in ('replace', 'debounce', 'supersede');
	v_running muster.job;
	v_replaced bigint;
	v_id bigint;
	v_wait_for bigint[] := p_wait_for;
	v_vain bigint[];
begin
	if v_attempts not between 1 and 100 or octet_length(p_payload::text) > 65536
	   or p_mode not in ('keep', 'follow', 'replace', 'throttle', 'debounce', 'supersede')
	   or (p_mode in ('throttle', 'debounce') and coalesce(p_window_s, 0) not between 1 and 86400) then
		raise exception using errcode = 'MU400', message = 'This is not a job.';
	end if;
	if p_mode = 'throttle' then
		select id into v_id from muster.job
		 where organization_id = p_organization and kind = p_kind and key = p_key
		   and created_at > now() - p_window_s * interval '1 second'
		 order by id desc limit 1;
		if v_id is not null then
			return v_id;
		end if;
	end if;
	select * into v_running from muster.job
	 where organization_id = p_organization and kind = p_kind and key = p_key and state = 'running';
	if v_running.id is not null and p_mode in ('keep', 'throttle') then
		return v_running.id;
	end if;
	if v_running.id is not null and p_mode = 'supersede' and not v_running.superseded then
		v_superseded := muster.job_cancel(v_running.id, 'A newer one takes its place.');
	end if;
	if p_mode = 'debounce' then
		v_at := now() + p_window_s * interval '1 second';
	end if;
	if v_is_new then
		select run_id into v_replaced from muster.job
		 where organization_id = p_organization and kind = p_kind and key = p_key and state = 'queued'
		   for update;
	end if;
	-- One that is just ending is waited for, so that either it abandons what waits or we see how it ended.
	if p_wait_for is not null then
		perform from muster.job where id = any (p_wait_for) order by id for share;
		v_vain := array(select id from muster.job where id = any (p_wait_for) and state in ('dead', 'cancelled'));
	end if;
	if p_wait_any then
		v_wait_for := array(select unnest(p_wait_for) except select unnest(v_vain));
		v_wait_for := nullif(v_wait_for, '{}');
		v_vain := null;
	end if;
	insert into muster.job as j (organization_id, kind, key, payload, host, run_id, priority, run_at,
				     attempts_max, superseded, wait_for, wait_any, limit_key, limit_running,
				     limit_rate)
	values (p_organization, p_kind, p_key, p_payload, p_host, p_run, p_priority, v_at, v_attempts,
		v_superseded, v_wait_for, p_wait_any, p_limit_key, p_limit_running, p_limit_rate)
	on conflict (organization_id, kind, key) where state = 'queued' do update
	   set (run_at, priority, run_id, payload, host, attempts_max, wait_for, wait_any, limit_key, limit_running,
		limit_rate, attempt, crashes, error, created_at) = (
			select case when p_mode <> 'debounce' or j.attempt > 0 then excluded.run_at
				    else least(excluded.run_at, j.created_at + 10 * p_window_s * interval '1 second') end,
			       excluded.priority, excluded.run_id, excluded.payload, excluded.host, excluded.attempts_max,
			       excluded.wait_for, excluded.wait_any, excluded.limit_key, excluded.limit_running, excluded.limit_rate,
			       0, 0, null, case when j.attempt > 0 then now() else j.created_at end
			 where v_is_new
			union all
			select least(j.run_at, excluded.run_at), greatest(j.priority, excluded.priority),
			       coalesce(j.run_id, excluded.run_id), j.payload, j.host, j.attempts_max,
			       j.wait_for, j.wait_any, j.limit_key, j.limit_running, j.limit_rate,
			       j.attempt, j.crashes, j.error, j.created_at
			 where not v_is_new),
	       superseded = j.superseded or excluded.superseded,
	       busy_since = case when not v_is_new then j.busy_since end
	returning id into v_id;
	if v_is_new then
		delete from muster.job_attempt where job_id = v_id;
	end if;
	if cardinality(v_vain) > 0 then
		perform muster.job_cancel(v_id, muster.job_vain(v_vain[1]));
	end if;
	-- (A statement's triggers take their time for no row as well.)
	if v_replaced <> p_run or (v_replaced is not null and p_run is null) then
		update muster.run
		   set status = 'cancelled', message = 'A newer one takes its place.', completed_at = now()
		 where id = v_replaced and status in ('pending', 'in_progress');
	end if;
	return v_id;
end
$$;

-- Which attempt it was stays, with what became of it; of the last one the job itself tells.
create function muster.job_attempt_keep(p_job muster.job, p_outcome text, p_error text) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.job_attempt (job_id, number, organization_id, outcome, host, error, exit_status, cpu_ms,
					rss_kib, log, started_at)
	values ((p_job).id, (p_job).attempt, (p_job).organization_id, p_outcome, (p_job).leased_by, left(p_error, 2000),
		(p_job).exit_status, (p_job).cpu_ms, (p_job).rss_kib, (p_job).log,
		coalesce((p_job).started_at, (p_job).created_at))
	on conflict do nothing;
end;

-- What became of a running job that did not do its work: dead, cancelled when a newer one of its key waits,
-- else queued again.
create function muster.job_end_attempt(p_job muster.job, p_outcome text, p_error text, p_dead boolean,
				       p_run_at timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_state text := case when p_dead then 'dead' else 'queued' end;
begin
	if not p_dead then
		perform from muster.job q
		  where q.organization_id = (p_job).organization_id and q.kind = (p_job).kind and q.key = (p_job).key
		    and q.state = 'queued';
		if found then
			v_state := 'cancelled';
		end if;
	end if;
	loop
		begin
			update muster.job
			   set state = v_state, crashes = crashes + (p_outcome in ('crashed', 'lost'))::integer,
			       error = left(p_error, 2000), lease_id = null, leased_until = null,
			       leased_by = case when v_state <> 'queued' then leased_by end, run_at = p_run_at,
			       finished_at = case when v_state <> 'queued' then now() end
			 where id = (p_job).id;
			exit;
		exception when unique_violation then -- added this very moment
			v_state := 'cancelled';
		end;
	end loop;
	if v_state = 'queued' then
		perform muster.job_attempt_keep(p_job, p_outcome, p_error);
	else
		if (p_job).run_id is not null then
			update muster.run
			   set status = case v_state when 'dead' then 'failed' else 'cancelled' end,
			       error = left(p_error, 2000), completed_at = now()
			 where id = (p_job).run_id and status in ('pending', 'in_progress');
		end if;
		perform muster.job_abandon((p_job).id);
	end if;
	return v_state;
end
$$;

-- Whether that run's row is ours to change now, if there is one. Whoever holds it keeps nobody from another job.
-- It costs so much on paper that it is asked last.
create function muster.job_run_take(p_run bigint) returns boolean
language plpgsql security definer cost 100000 set search_path = pg_catalog, muster, pg_temp as $$
begin
	if p_run is null then
		return true;
	end if;
	perform from muster.run where id = p_run for no key update skip locked;
	return found;
end
$$;

create function muster.job_release() returns integer
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '50ms' as $$
declare
	v_count integer := 0;
	v_job muster.job;
begin
	for v_job in
		select * from muster.job
		 where state = 'running' and leased_until < now() order by leased_until
		   for update skip locked
	loop
		continue when not muster.job_run_take(v_job.run_id);
		begin
			perform muster.job_end_attempt(v_job, 'lost', 'The runner was lost.',
				v_job.crashes + 1 >= 3 or v_job.attempt >= v_job.attempts_max, now());
			v_count := v_count + 1;
		exception when lock_not_available then -- what waits for it is held: next time
			null;
		end;
	end loop;
	return v_count;
end
$$;

-- What keeps jobs of this kind of this organisation from being begun; null: nothing. What the database does
-- itself keeps promises of the server's, which no pause of an organisation holds back.
create function muster.job_held(p_kind text, p_organization uuid) returns muster.job_pause
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_queue text := coalesce((select queue from muster.job_kind where name = p_kind), 'default');
	v_pause muster.job_pause;
begin
	select * into v_pause from muster.job_pause p
	 where coalesce(p.kind, p_kind) = p_kind and coalesce(p.queue, v_queue) = v_queue
	   and (p.organization_id is null or (p.organization_id = p_organization and v_queue <> 'database'))
	 order by p.id limit 1;
	return v_pause;
end
$$;

create function muster.job_is_held(p_kind text, p_organization uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (muster.job_held(p_kind, p_organization)).id is not null;
end
$$;

-- Which of these kinds may be begun for anybody: not paused, alone or with its queue.
-- plpgsql, for one of language sql is planned at each call.
create function muster.job_kinds_open(p_kinds text[]) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return array(select k.name from unnest(p_kinds) k (name)
		      left join muster.job_kind d on d.name = k.name
		      where not exists (select from muster.job_pause p
					 where p.organization_id is null and coalesce(p.kind, k.name) = k.name
					   and (p.queue is null or p.queue = coalesce(d.queue, 'default'))));
end
$$;

-- Lanes are walked along their index, also while PostgreSQL has no statistics of a queue that was filled just now.
create function muster.job_claim(p_host text, p_kinds text[], p_limit integer, p_lease_s integer,
				 p_counts boolean default true)
returns setof muster.job
language plpgsql security definer rows 4 set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
set enable_sort = off set enable_incremental_sort = off set jit = off as $$
declare
	v_limit integer := least(greatest(p_limit, 0), 1000);
	v_kinds text[];
	v_counts boolean;
	v_job muster.job;
	v_runs bigint[] := '{}';
begin
	perform muster.job_release();
	if not exists (select from muster.job where state = 'queued' and run_at <= now()) then
		return;
	end if;
	v_kinds := muster.job_kinds_open(p_kinds);
	-- One counts at a time. Who finds another counting leaves out for now what is limited.
	v_counts := p_counts and pg_try_advisory_xact_lock(19810, 1);
	-- What waits side by side, in its order of time: nothing that is not due yet, is another host's or is
	-- held back as a whole is walked over.
	for v_job in with recursive lane as (
		(select j.organization_id as id, j.kind, coalesce(j.host, '') as host, j.priority
		   from muster.job j where j.state = 'queued'
		  order by j.organization_id, j.kind, coalesce(j.host, ''), j.priority limit 1)
		union all
		select n.id, n.kind, n.host, n.priority
		  from lane l
		 cross join lateral (
			select j.organization_id as id, j.kind, coalesce(j.host, '') as host, j.priority
			  from muster.job j
			 where j.state = 'queued'
			   and (j.organization_id, j.kind, coalesce(j.host, ''), j.priority) > (l.id, l.kind, l.host, l.priority)
			 order by j.organization_id, j.kind, coalesce(j.host, ''), j.priority limit 1) n
	), busy as (
		select r.organization_id, r.kind, count(*)::integer as n from muster.job r
		 where r.state = 'running' group by 1, 2
	), open_tenant as (
		select o.id, coalesce(b.n, 0) as running, o.max_concurrent_runs as most,
		       o.max_concurrent_runs is null or (v_counts and coalesce(b.n, 0) < o.max_concurrent_runs) as is_open
		  from muster.organization o
		  left join (select organization_id, sum(n)::integer as n from busy group by 1) b on b.organization_id = o.id
		 where o.id in (select l.id from lane l)
	), open_kind as (
		select k.name, coalesce(d.queue, 'default') as queue, coalesce(b.n, 0) as running, d.concurrency as most
		  from unnest(v_kinds) k (name)
		  left join muster.job_kind d on d.name = k.name
		  left join (select kind, sum(n)::integer as n from busy group by 1) b on b.kind = k.name
		 where d.concurrency is null or (v_counts and coalesce(b.n, 0) < d.concurrency)
	), open_lane as (
		select l.*, t.running as tenant_running, case when k.queue <> 'database' then t.most end as tenant_most
		  from lane l
		  join open_tenant t on t.id = l.id
		  join open_kind k on k.name = l.kind
		 where l.host in ('', p_host)
		   and (k.queue = 'database'
			or (t.is_open
			    and not exists (select from muster.job_pause p
					     where p.organization_id = l.id and coalesce(p.kind, l.kind) = l.kind
					       and coalesce(p.queue, k.queue) = k.queue)))
	), found as (
		select j.*, l.tenant_running, l.tenant_most
		  from open_lane l
		 cross join lateral (
			select q.id, q.organization_id, q.kind, q.turn, q.limit_key, q.limit_running, q.limit_rate
			  from muster.job q
			 where q.state = 'queued' and q.organization_id = l.id and q.kind = l.kind
			   and coalesce(q.host, '') = l.host and q.priority = l.priority and q.run_at <= now()
			   and (q.limit_key is null
				or (v_counts
				    and (q.limit_running is null
					 or q.limit_running > (select count(*) from muster.job r
								where r.organization_id = q.organization_id and r.limit_key = q.limit_key
								  and r.state = 'running'))
				    and (q.limit_rate is null
					 or q.limit_rate > (select count(*) from muster.job r
							     where r.organization_id = q.organization_id and r.limit_key = q.limit_key
							       and r.started_at > now() - interval '1 minute'))))
			   and (q.wait_for is null
				or not exists (select from muster.job w
						where w.id = any (q.wait_for) and w.state <> 'done'))
			   and not exists (select from muster.job r
					    where r.organization_id = q.organization_id and r.kind = q.kind
					      and r.key = q.key and r.state = 'running')
			   and (q.run_id is null or muster.job_run_take(q.run_id))
			 order by q.run_at, q.id
			 limit v_limit
			   for update of q skip locked) j
	), ranked as (
		select f.*, f.tenant_running + row_number() over (partition by f.organization_id order by f.turn, f.id) as place,
		       row_number() over (partition by f.organization_id, f.limit_key order by f.turn, f.id) as place_key,
		       row_number() over (partition by f.kind order by f.turn, f.id) as place_kind
		  from found f
	), next as (
		select r.id, r.place
		  from ranked r
		  join open_kind k on k.name = r.kind
		 where (r.tenant_most is null or r.place <= r.tenant_most)
		   and (k.most is null or r.place_kind + k.running <= k.most)
		   and (r.limit_running is null
			or r.place_key + (select count(*) from muster.job x
					   where x.organization_id = r.organization_id and x.limit_key = r.limit_key
					     and x.state = 'running') <= r.limit_running)
		   and (r.limit_rate is null
			or r.place_key + (select count(*) from muster.job x
					   where x.organization_id = r.organization_id and x.limit_key = r.limit_key
					     and x.started_at > now() - interval '1 minute') <= r.limit_rate)
		 order by r.place, r.turn, r.id
		 limit v_limit
	), taken as (
		update muster.job j
		   set state = 'running', lease_id = gen_random_uuid(), leased_by = p_host,
		       leased_until = now() + greatest(p_lease_s, 1) * interval '1 second',
		       attempt = j.attempt + 1, started_at = now(), progress = null, message = null,
		       exit_status = null, cpu_ms = null, rss_kib = null, log = null
		  from next where j.id = next.id
		returning j.*
	)
	select t.* from taken t join next n on n.id = t.id order by n.place, t.turn, t.id loop
		return next v_job;
		if v_job.run_id is not null then
			v_runs := v_runs || v_job.run_id;
		end if;
	end loop;
	-- A statement's triggers take their time for no row as well.
	if cardinality(v_runs) > 0 then
		update muster.run r
		   set status = 'in_progress', started_at = coalesce(r.started_at, now())
		 where r.id = any (v_runs) and r.status in ('pending', 'in_progress');
	end if;
end
$$;

create function muster.job_renew(p_id bigint, p_lease uuid, p_lease_s integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
begin
	update muster.job set leased_until = now() + greatest(p_lease_s, 1) * interval '1 second'
	 where id = p_id and lease_id = p_lease and state = 'running';
	return found;
end
$$;

create function muster.job_progress(p_id bigint, p_lease uuid, p_percent integer, p_message text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_run bigint;
begin
	update muster.job
	   set progress = least(greatest(p_percent, 0), 100), message = left(p_message, 500)
	 where id = p_id and lease_id = p_lease and state = 'running'
	returning run_id into v_run;
	if not found then
		return false;
	end if;
	if v_run is not null then
		update muster.run
		   set progress = least(greatest(p_percent, 0), 100), message = left(p_message, 500)
		 where id = v_run and status = 'in_progress';
	end if;
	return true;
end
$$;

create function muster.job_log(p_id bigint, p_lease uuid, p_text text) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_run bigint;
begin
	update muster.job set log = left(coalesce(log, '') || p_text, 65536)
	 where id = p_id and lease_id = p_lease and state = 'running'
	returning run_id into v_run;
	if not found then
		return false;
	end if;
	perform muster.run_log_add(v_run, p_text);
	return true;
end
$$;

create function muster.job_usage(p_id bigint, p_lease uuid, p_usage jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
begin
	update muster.job
	   set exit_status = muster.json_int(p_usage -> 'exit_status', 0, 2147483647),
	       cpu_ms = muster.json_int(p_usage -> 'cpu_ms', 0, 9007199254740991),
	       rss_kib = muster.json_int(p_usage -> 'rss_kib', 0, 9007199254740991),
	       log = left(p_usage ->> 'log', 65536)
	 where id = p_id and lease_id = p_lease and state = 'running';
	return found;
end
$$;

create function muster.job_complete_all(p_jobs jsonb) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
	v_id bigint;
	v_run bigint;
	v_with_run bigint[] := '{}';
begin
	for v_id, v_run in with said as (
		select j.id, j.lease, j.result, j.usage
		  from jsonb_to_recordset(p_jobs) j (id bigint, lease uuid, result jsonb, usage jsonb)
	), free as (
		select j.id
		  from said s
		  join muster.job j on j.id = s.id
		 where j.lease_id = s.lease and j.state = 'running' and (j.run_id is null or muster.job_run_take(j.run_id))
		   for update of j skip locked
	)
		update muster.job j
		   set state = 'done', result = coalesce(s.result, j.result), progress = 100, error = null, lease_id = null,
		       leased_until = null, finished_at = now(),
		       exit_status = coalesce(muster.json_int(s.usage -> 'exit_status', 0, 2147483647), j.exit_status),
		       cpu_ms = coalesce(muster.json_int(s.usage -> 'cpu_ms', 0, 9007199254740991), j.cpu_ms),
		       rss_kib = coalesce(muster.json_int(s.usage -> 'rss_kib', 0, 9007199254740991), j.rss_kib),
		       log = coalesce(left(s.usage ->> 'log', 65536), j.log)
		  from said s
		  join free f on f.id = s.id
		 where j.id = s.id and j.lease_id = s.lease and j.state = 'running'
		   and (s.result is null or octet_length(s.result::text) <= 65536)
		returning j.id, j.run_id
	loop
		return next v_id;
		if v_run is not null then
			v_with_run := v_with_run || v_id;
		end if;
	end loop;
	if cardinality(v_with_run) > 0 then
		update muster.run r
		   set status = 'completed', progress = 100, completed_at = now(),
		       total_results = muster.json_int(j.result -> 'total_results', 0, 2147483647)
		  from muster.job j
		 where j.id = any (v_with_run) and r.id = j.run_id and r.status = 'in_progress';
	end if;
end
$$;

create function muster.job_cycle(p_done jsonb, p_host text, p_kinds text[], p_limit integer, p_lease_s integer)
returns table (id bigint, lease_id uuid, kind text, payload jsonb, attempt integer, events integer)
language plpgsql security definer rows 8 set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_events integer;
begin
	if jsonb_array_length(p_done) > 0 then
		return query select d, null::uuid, null::text, null::jsonb, null::integer, null::integer
			       from muster.job_complete_all(p_done) d;
	end if;
	if p_limit > 0 then
		return query select c.id, c.lease_id, c.kind, c.payload, c.attempt, null::integer
			       from muster.job_claim(p_host, p_kinds, p_limit, p_lease_s) c;
	end if;
	if exists (select from muster.outbox) then
		v_events := muster.sequence_events();
		if v_events > 0 then
			return query select null::bigint, null::uuid, null::text, null::jsonb, null::integer, v_events;
		end if;
	end if;
end
$$;

create function muster.job_complete(p_id bigint, p_lease uuid, p_result jsonb default null)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_run bigint;
begin
	if octet_length(p_result::text) > 65536 then
		raise exception using errcode = 'MU400', message = 'A result has at most 64 KiB.';
	end if;
	-- For this one we wait: who is left out has not lost it.
	select run_id into v_run from muster.job
	 where id = p_id and lease_id = p_lease and state = 'running' for update;
	if not found then
		return false;
	end if;
	perform from muster.run where id = v_run for no key update;
	return exists (select from muster.job_complete_all(jsonb_build_array(
		jsonb_build_object('id', p_id, 'lease', p_lease, 'result', p_result))));
end
$$;

create function muster.job_fail(p_id bigint, p_lease uuid, p_error text, p_retry boolean,
				p_crash boolean default false, p_usage jsonb default null) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_job muster.job;
begin
	if p_usage is not null then
		perform muster.job_usage(p_id, p_lease, p_usage);
	end if;
	select * into v_job from muster.job
	 where id = p_id and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return 'lost';
	end if;
	-- Twice as long each time, one hour at most, and a fifth more or less so that what failed together
	-- does not come back together.
	return muster.job_end_attempt(v_job, case when p_crash then 'crashed' else 'failed' end, p_error,
		not p_retry or v_job.attempt >= v_job.attempts_max or (p_crash and v_job.crashes + 1 >= 3),
		now() + least(coalesce((select backoff_s from muster.job_kind where name = v_job.kind), 2)
			* power(2, least(v_job.attempt, 20) - 1), 3600) * (0.8 + 0.4 * random()) * interval '1 second');
end
$$;

create function muster.job_snooze(p_id bigint, p_lease uuid, p_seconds integer, p_reason text default null)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_job muster.job;
begin
	select * into v_job from muster.job
	 where id = p_id and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return false;
	end if;
	if exists (select from muster.job q
		    where q.organization_id = v_job.organization_id and q.kind = v_job.kind and q.key = v_job.key
		      and q.state = 'queued') then
		return muster.job_cancel(p_id, 'A newer one takes its place.');
	end if;
	update muster.job
	   set state = 'queued', attempt = attempt - 1, error = coalesce(left(p_reason, 2000), error), lease_id = null,
	       leased_until = null, leased_by = null,
	       run_at = case when p_seconds is null then run_at
			     else now() + greatest(p_seconds, 0) * interval '1 second' end,
	       -- What was not begun uses nothing of what may begin in a minute up.
	       started_at = case when p_seconds is null
				 then (select a.started_at from muster.job_attempt a
				        where a.job_id = p_id order by a.number desc limit 1)
				 else started_at end
	 where id = p_id;
	if p_seconds is null and v_job.attempt = 1 and v_job.run_id is not null then
		update muster.run set status = 'pending', started_at = null
		 where id = v_job.run_id and status = 'in_progress';
	end if;
	return true;
exception when unique_violation then -- added this very moment
	return muster.job_cancel(p_id, 'A newer one takes its place.');
end
$$;

create function muster.job_busy(p_id bigint, p_lease uuid, p_error text, p_usage jsonb default null) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_job muster.job;
	v_newer bigint;
begin
	select * into v_job from muster.job
	 where id = p_id and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return 'lost';
	end if;
	if v_job.busy_since < now() - interval '1 hour' then
		return muster.job_fail(p_id, p_lease, p_error, true, false, p_usage);
	end if;
	if p_usage is not null then
		perform muster.job_usage(p_id, p_lease, p_usage);
	end if;
	update muster.job set busy_since = now() where id = p_id and busy_since is null;
	select id into v_newer from muster.job q
	 where q.organization_id = v_job.organization_id and q.kind = v_job.kind and q.key = v_job.key
	   and q.state = 'queued';
	if v_newer is not null then
		-- Which does what others wait for.
		update muster.job j
		   set wait_for = array_replace(j.wait_for, p_id, v_newer),
		       payload = case when j.payload -> 'fetch' = to_jsonb(p_id)
				      then j.payload || jsonb_build_object('fetch', v_newer) else j.payload end
		 where j.state = 'queued' and j.wait_for is not null and j.wait_for @> array[p_id];
	end if;
	perform muster.job_snooze(p_id, p_lease, 15, p_error);
	return (select state from muster.job where id = p_id);
end
$$;

create function muster.job_cancel(p_id bigint, p_reason text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run bigint;
begin
	update muster.job
	   set state = 'cancelled', lease_id = null, leased_until = null, finished_at = now(),
	       error = coalesce(p_reason, error)
	 where id = p_id and state in ('queued', 'running')
	returning run_id into v_run;
	if not found then
		return false;
	end if;
	if v_run is not null then
		update muster.run set status = 'cancelled', message = coalesce(p_reason, message), completed_at = now()
		 where id = v_run and status in ('pending', 'in_progress');
	end if;
	perform muster.job_abandon(p_id);
	return true;
end
$$;

create function muster.job_kind_set(p_kinds jsonb) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.job_kind as k (name, queue, concurrency, attempts, backoff_s, help)
	select x.name, x.queue, x.concurrency, x.attempts, x.backoff_s, x.help
	  from jsonb_to_recordset(p_kinds) x (name text, queue text, concurrency integer, attempts smallint,
					      backoff_s integer, help text)
	 order by x.name
	on conflict (name) do update
	   set queue = excluded.queue, concurrency = excluded.concurrency, attempts = excluded.attempts,
	       backoff_s = excluded.backoff_s, help = excluded.help, updated_at = now()
	 where (k.queue, k.concurrency, k.attempts, k.backoff_s, k.help)
	       is distinct from (excluded.queue, excluded.concurrency, excluded.attempts, excluded.backoff_s, excluded.help);
end;
