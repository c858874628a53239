-- SPDX-License-Identifier: MIT
-- The queue. A job is queued, then running under a lease, then done, or queued again with a growing
-- delay, or dead. All of it is for the runner (role muster_jobs), across organisations.
--
--   job_add(p_organization, p_kind, p_key, p_payload, …) → the job's id. Of the same (kind, key) one is
--       queued and one running at most; p_mode says what happens when there is one:
--         keep       it is that one's id, queued or running; a queued one is moved forward when the new
--                    one is due earlier, and takes a higher priority over
--         replace    a queued one becomes the new one (payload, time, priority, run); a running one goes
--                    on, and the new one follows
--         throttle   it is the newest one's id, whatever became of it, when that was added less than
--                    p_window_s ago; else as keep
--         debounce   due in p_window_s; asked for again meanwhile, as replace, and later once more, but
--                    never later than ten times that after the first
--         supersede  as replace, and a running one is cancelled; but not one in whose favour another
--                    was cancelled: it runs to its end
--       p_wait_for: jobs that must be done first; when one of them ends otherwise, so does this.
--       p_limit_key, p_limit_running, p_limit_rate: of those with the key so many run at once, and are
--       begun within a minute.
--   job_schedule_audits(p_host, p_interval_s) → how many audit jobs of this host became due and were
--       added; one for each watched root, never two at a time.
--   job_claim(p_host, p_kinds, p_limit, p_lease_s) → rows of muster.job, now running and ours. Those
--       whose lease ran out are put back first (job_release). Two runners never get the same row. The
--       organisation with the fewest running ones is first, and within it whose turn comes first
--       (muster.job.turn). Left out is what is paused, waits for another, or has reached a limit: of its
--       organisation (max_concurrent_runs), its kind, its key.
--   job_renew(p_id, p_lease, p_lease_s), job_progress(p_id, p_lease, p_percent, p_message),
--   job_complete(p_id, p_lease, p_result) → false: the lease is lost, stop. Nothing was written.
--   job_complete_all(p_jobs) → the ids of those that were still ours. [{"id", "lease", "result",
--       "usage"}]
--   job_usage(p_id, p_lease, p_usage) → false as above. What the attempt took: {"exit_status", "cpu_ms",
--       "rss_kib", "log"}.
--   job_fail(p_id, p_lease, p_error, p_retry, p_crash, p_usage) → 'queued' (again), 'dead', 'cancelled' (a newer
--       one of its key waits already), or 'lost'. p_retry false: at once dead. p_crash: the child died
--       instead of failing; three of these are enough, whatever attempts_max says.
--   job_snooze(p_id, p_lease, p_seconds, p_reason) → false as above. Queued again, as if it had not been
--       started.
--   job_release() → how many had lost their lease.
--   job_cancel(p_id) → false when it was finished already. A running child learns it by renewing.
--   job_retry(p_id) → false when it is not dead or cancelled, or another of its key waits. Queued as new,
--       also behind what it waits for, which may have to be retried as well.
--   job_redrive(p_organization, p_kind) → how many dead ones were queued as new; null: of all.
--   job_pause(p_queue, p_kind, p_organization, p_reason), job_resume(p_queue, p_kind, p_organization) →
--       false when it was so already. Null: all.
--   job_kind_set(p_kinds) → [{"name", "queue", "concurrency", "help"}]: the kinds as a runner knows them.
--   job_due(p_host, p_kinds) → seconds until the next job could be claimed; null: none is queued.
--   job_step() → whether it did something: one piece of the next job that is done here and not by a
--       child (kinds prune and remove). Such a job is queued until it is done: the lock on its row is the
--       lease, and what a piece did is committed with how far it came. One that fails is tried again
--       later, from there.
--
-- The run that a job carries out follows: in_progress, completed, failed, cancelled.

-- What can wait in vain, once these ended otherwise than done.
create function muster.job_abandon(p_ids bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_ids bigint[] := p_ids;
begin
	while cardinality(v_ids) > 0 loop
		with gone as (
			update muster.job j
			   set state = 'cancelled', finished_at = now(), error = 'What it waited for was not done.'
			 where j.state = 'queued' and j.wait_for is not null and j.wait_for && v_ids
			returning j.id, j.run_id
		), ended as (
			update muster.run r
			   set status = 'cancelled', error = 'What it waited for was not done.', completed_at = now()
			  from gone where r.id = gone.run_id and r.status in ('pending', 'in_progress')
		)
		select array_agg(id) into v_ids from gone;
	end loop;
end
$$;

create function muster.job_add(p_organization uuid, p_kind text, p_key text,
			       p_payload jsonb default '{}', p_host text default null,
			       p_run bigint default null, p_priority integer default 0,
			       p_run_at timestamptz default now(), p_attempts_max integer default 5,
			       p_mode text default 'keep', p_window_s integer default null,
			       p_wait_for bigint[] default null, p_limit_key text default null,
			       p_limit_running integer default null, p_limit_rate integer default null)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_at timestamptz := p_run_at;
	v_superseded boolean := false;
	v_is_new boolean := p_mode in ('replace', 'debounce', 'supersede');
	v_running muster.job;
	v_replaced bigint;
	v_id bigint;
	v_is_vain boolean := false;
begin
	if p_attempts_max not between 1 and 100 or octet_length(p_payload::text) > 65536
	   or p_mode not in ('keep', 'replace', 'throttle', 'debounce', 'supersede')
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
	if v_running.id is not null and not v_is_new then
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
		v_is_vain := exists (select from muster.job where id = any (p_wait_for) and state in ('dead', 'cancelled'));
	end if;
	insert into muster.job as j (organization_id, kind, key, payload, host, run_id, priority, run_at,
				     attempts_max, superseded, wait_for, limit_key, limit_running, limit_rate)
	values (p_organization, p_kind, p_key, p_payload, p_host, p_run, p_priority, v_at, p_attempts_max,
		v_superseded, p_wait_for, p_limit_key, p_limit_running, p_limit_rate)
	on conflict (organization_id, kind, key) where state = 'queued' do update
	   set (run_at, priority, run_id, payload, host, attempts_max, wait_for, limit_key, limit_running, limit_rate,
		attempt, crashes, error, created_at) = (
			select case when p_mode <> 'debounce' or j.attempt > 0 then excluded.run_at
				    else least(excluded.run_at, j.created_at + 10 * p_window_s * interval '1 second') end,
			       excluded.priority, excluded.run_id, excluded.payload, excluded.host, excluded.attempts_max,
			       excluded.wait_for, excluded.limit_key, excluded.limit_running, excluded.limit_rate,
			       0, 0, null, case when j.attempt > 0 then now() else j.created_at end
			 where v_is_new
			union all
			select least(j.run_at, excluded.run_at), greatest(j.priority, excluded.priority),
			       coalesce(j.run_id, excluded.run_id), j.payload, j.host, j.attempts_max,
			       j.wait_for, j.limit_key, j.limit_running, j.limit_rate,
			       j.attempt, j.crashes, j.error, j.created_at
			 where not v_is_new),
	       superseded = j.superseded or excluded.superseded
	returning id into v_id;
	if v_is_new then
		delete from muster.job_attempt where job_id = v_id;
	end if;
	if v_is_vain then
		perform muster.job_cancel(v_id, 'What it waited for was not done.');
	end if;
	if v_replaced is distinct from p_run then
		update muster.run
		   set status = 'cancelled', message = 'A newer one takes its place.', completed_at = now()
		 where id = v_replaced and status in ('pending', 'in_progress');
	end if;
	return v_id;
end
$$;

create function muster.job_schedule_audits(p_host text, p_interval_s integer) returns integer
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_added integer;
begin
	-- From start to start; what is still queued or running is asked again at the next call.
	with due as (
		select r.id, r.organization_id, r.slug, r.path, r.host, r.next_audit_at
		  from muster.root r
		 where r.watched and r.host = p_host and r.next_audit_at <= now()
		   and not exists (select from muster.job j
				    where j.organization_id = r.organization_id and j.kind = 'audit'
				      and j.key = 'root:' || r.id and j.state in ('queued', 'running'))
		 order by r.next_audit_at
		   for update skip locked
	), later as (
		update muster.root r
		   set next_audit_at = now() + greatest(p_interval_s, 1) * interval '1 second'
		  from due where r.id = due.id
	)
	insert into muster.job (organization_id, kind, key, payload, host, attempts_max)
	select d.organization_id, 'audit', 'root:' || d.id,
	       jsonb_build_object('organization', o.slug, 'organization_id', o.id, 'root', d.slug,
				  'path', d.path, 'host', d.host, 'repo', null),
	       d.host, 3
	  from due d
	  join muster.organization o on o.id = d.organization_id
	 order by d.next_audit_at, d.id
	on conflict do nothing;
	get diagnostics v_added = row_count;
	return v_added;
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
		update muster.run
		   set status = case v_state when 'dead' then 'failed' else 'cancelled' end,
		       error = left(p_error, 2000), completed_at = now()
		 where id = (p_job).run_id and status in ('pending', 'in_progress');
		perform muster.job_abandon(array[(p_job).id]);
	end if;
	return v_state;
end
$$;

create function muster.job_release() returns integer
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count integer := 0;
	v_job muster.job;
begin
	for v_job in
		select * from muster.job
		 where state = 'running' and leased_until < now() order by id
		   for update skip locked
	loop
		perform muster.job_end_attempt(v_job, 'lost', 'The runner was lost.',
			v_job.crashes + 1 >= 3 or v_job.attempt >= v_job.attempts_max, now());
		v_count := v_count + 1;
	end loop;
	return v_count;
end
$$;

-- Whether no job of this kind may be begun for this organisation.
create function muster.job_is_held(p_kind text, p_organization uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return exists (select from muster.job_pause p
			where coalesce(p.kind, p_kind) = p_kind
			  and coalesce(p.organization_id, p_organization) = p_organization
			  and (p.queue is null
			       or p.queue = coalesce((select queue from muster.job_kind where name = p_kind), 'default')));
end
$$;

-- Which of these kinds may be begun for anybody: not paused, alone or with its queue.
create function muster.job_kinds_open(p_kinds text[]) returns text[]
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return array(select k.name from unnest(p_kinds) k (name)
	      left join muster.job_kind d on d.name = k.name
	      where not exists (select from muster.job_pause p
				 where p.organization_id is null and coalesce(p.kind, k.name) = k.name
				   and (p.queue is null or p.queue = coalesce(d.queue, 'default'))));

create function muster.job_claim(p_host text, p_kinds text[], p_limit integer, p_lease_s integer)
returns setof muster.job
language plpgsql security definer rows 4 set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
	v_limit integer := least(greatest(p_limit, 0), 1000);
	v_kinds text[] := muster.job_kinds_open(p_kinds);
	v_counts boolean;
begin
	perform muster.job_release();
	-- One counts at a time. Who finds another counting leaves out for now what is limited.
	v_counts := pg_try_advisory_xact_lock(19810, 1);
	return query
	with recursive tenant as (
		(select j.organization_id as id from muster.job j where j.state = 'queued'
		  order by j.organization_id limit 1)
		union all
		select (select j.organization_id from muster.job j
			 where j.state = 'queued' and j.organization_id > t.id
			 order by j.organization_id limit 1)
		  from tenant t where t.id is not null
	), busy as (
		select r.organization_id, r.kind, count(*)::integer as n from muster.job r
		 where r.state = 'running' group by 1, 2
	), open_tenant as (
		select o.id, coalesce(b.n, 0) as running, o.max_concurrent_runs as most
		  from tenant t
		  join muster.organization o on o.id = t.id
		  left join (select organization_id, sum(n)::integer as n from busy group by 1) b on b.organization_id = o.id
		 where o.max_concurrent_runs is null or (v_counts and coalesce(b.n, 0) < o.max_concurrent_runs)
	), open_kind as (
		select k.name, coalesce(b.n, 0) as running, d.concurrency as most
		  from unnest(v_kinds) k (name)
		  left join muster.job_kind d on d.name = k.name
		  left join (select kind, sum(n)::integer as n from busy group by 1) b on b.kind = k.name
		 where d.concurrency is null or (v_counts and coalesce(b.n, 0) < d.concurrency)
	), open_names as (
		select array(select name from open_kind) as names
	), found as (
		select j.*, t.running as tenant_running, t.most as tenant_most
		  from open_tenant t
		 cross join open_names
		 cross join lateral (
			select q.id, q.organization_id, q.kind, q.turn, q.limit_key, q.limit_running, q.limit_rate
			  from muster.job q
			 where q.state = 'queued' and q.organization_id = t.id and q.run_at <= now()
			   and q.kind = any (open_names.names)
			   and (q.host is null or q.host = p_host)
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
			   and not exists (select from muster.job_pause p
					    where p.organization_id = q.organization_id and coalesce(p.kind, q.kind) = q.kind
					      and (p.queue is null or p.queue = coalesce((select d.queue from muster.job_kind d
											   where d.name = q.kind), 'default')))
			 order by q.turn, q.id
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
	), begun as (
		update muster.run r
		   set status = 'in_progress', started_at = coalesce(r.started_at, now())
		  from taken where r.id = taken.run_id and r.status in ('pending', 'in_progress')
	)
	select t.* from taken t join next n on n.id = t.id order by n.place, t.turn, t.id;
end
$$;

create function muster.job_renew(p_id bigint, p_lease uuid, p_lease_s integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.job set leased_until = now() + greatest(p_lease_s, 1) * interval '1 second'
	 where id = p_id and lease_id = p_lease and state = 'running';
	return found;
end
$$;

create function muster.job_progress(p_id bigint, p_lease uuid, p_percent integer, p_message text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
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
	update muster.run
	   set progress = least(greatest(p_percent, 0), 100), message = left(p_message, 500)
	 where id = v_run and status = 'in_progress';
	return true;
end
$$;

create function muster.job_usage(p_id bigint, p_lease uuid, p_usage jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
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
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return query
	with said as (
		select j.id, j.lease, j.result, j.usage
		  from jsonb_to_recordset(p_jobs) j (id bigint, lease uuid, result jsonb, usage jsonb)
	), done as (
		update muster.job j
		   set state = 'done', result = s.result, progress = 100, error = null, lease_id = null,
		       leased_until = null, finished_at = now(),
		       exit_status = coalesce(muster.json_int(s.usage -> 'exit_status', 0, 2147483647), j.exit_status),
		       cpu_ms = coalesce(muster.json_int(s.usage -> 'cpu_ms', 0, 9007199254740991), j.cpu_ms),
		       rss_kib = coalesce(muster.json_int(s.usage -> 'rss_kib', 0, 9007199254740991), j.rss_kib),
		       log = coalesce(left(s.usage ->> 'log', 65536), j.log)
		  from said s
		 where j.id = s.id and j.lease_id = s.lease and j.state = 'running'
		   and (s.result is null or octet_length(s.result::text) <= 65536)
		returning j.id, j.run_id, j.result
	), ended as (
		update muster.run r
		   set status = 'completed', progress = 100, completed_at = now(),
		       total_results = muster.json_int(done.result -> 'total_results', 0, 2147483647)
		  from done where r.id = done.run_id and r.status = 'in_progress'
	)
	select done.id from done;
end
$$;

create function muster.job_complete(p_id bigint, p_lease uuid, p_result jsonb default null)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if octet_length(p_result::text) > 65536 then
		raise exception using errcode = 'MU400', message = 'A result has at most 64 KiB.';
	end if;
	return exists (select from muster.job_complete_all(jsonb_build_array(
		jsonb_build_object('id', p_id, 'lease', p_lease, 'result', p_result))));
end
$$;

create function muster.job_fail(p_id bigint, p_lease uuid, p_error text, p_retry boolean,
				p_crash boolean default false, p_usage jsonb default null) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
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
	-- 6 s, 21 s, 86 s, 4 min, 10 min, … one hour at most, and a fifth more or less so that what
	-- failed together does not come back together.
	return muster.job_end_attempt(v_job, case when p_crash then 'crashed' else 'failed' end, p_error,
		not p_retry or v_job.attempt >= v_job.attempts_max or (p_crash and v_job.crashes + 1 >= 3),
		now() + least(5 + power(v_job.attempt, 4), 3600) * (0.8 + 0.4 * random()) * interval '1 second');
end
$$;

create function muster.job_snooze(p_id bigint, p_lease uuid, p_seconds integer, p_reason text default null)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
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
	       run_at = now() + greatest(p_seconds, 0) * interval '1 second'
	 where id = p_id;
	return true;
exception when unique_violation then -- added this very moment
	return muster.job_cancel(p_id, 'A newer one takes its place.');
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
	update muster.run set status = 'cancelled', message = coalesce(p_reason, message), completed_at = now()
	 where id = v_run and status in ('pending', 'in_progress');
	perform muster.job_abandon(array[p_id]);
	return true;
end
$$;

create function muster.job_retry(p_id bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
begin
	select * into v_job from muster.job where id = p_id and state in ('dead', 'cancelled') for update;
	if v_job.id is null then
		return false;
	end if;
	begin
		update muster.job
		   set state = 'queued', run_at = now(), crashes = 0, finished_at = null, superseded = false,
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

create function muster.job_redrive(p_organization uuid default null, p_kind text default null) returns bigint
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	select count(*) filter (where muster.job_retry(j.id))
	  from (select id from muster.job
		 where state = 'dead' and organization_id = coalesce(p_organization, organization_id)
		   and kind = coalesce(p_kind, kind)
		 order by id limit 10000) j;
end;

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

create function muster.job_kind_set(p_kinds jsonb) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.job_kind as k (name, queue, concurrency, help)
	select x.name, x.queue, x.concurrency, x.help
	  from jsonb_to_recordset(p_kinds) x (name text, queue text, concurrency integer, help text)
	 order by x.name
	on conflict (name) do update
	   set queue = excluded.queue, concurrency = excluded.concurrency, help = excluded.help, updated_at = now()
	 where (k.queue, k.concurrency, k.help) is distinct from (excluded.queue, excluded.concurrency, excluded.help);
end;

create function muster.job_step() returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_is_more boolean;
begin
	select * into v_job from muster.job j
	 where j.state = 'queued' and j.run_at <= now() and j.kind in ('prune', 'remove')
	   and not muster.job_is_held(j.kind, j.organization_id)
	 order by j.turn, j.id
	 limit 1 for update skip locked;
	if v_job.id is null then
		return false;
	end if;
	begin
		if v_job.kind = 'prune' then
			v_is_more := muster.prune_step(v_job);
		else
			v_is_more := muster.removal_step(v_job);
		end if;
		-- Behind the others, so that a long one does not keep them waiting.
		update muster.job
		   set state = case when v_is_more then 'queued' else 'done' end, run_at = now(), attempt = 0,
		       started_at = coalesce(started_at, now()), error = null,
		       finished_at = case when not v_is_more then now() end
		 where id = v_job.id;
	-- others has not what the time limit ended, and the job would stay the first for ever.
	exception when query_canceled or others then
		update muster.job
		   set attempt = attempt + 1, error = left(sqlerrm, 2000),
		       state = case when attempt + 1 >= attempts_max then 'dead' else 'queued' end,
		       finished_at = case when attempt + 1 >= attempts_max then now() end,
		       run_at = now() + least(5 + power(attempt + 1, 4), 3600) * interval '1 second'
		 where id = v_job.id;
	end;
	return true;
end
$$;

create function muster.job_due(p_host text, p_kinds text[]) returns double precision
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select case when count(*) > 0
		    then greatest(extract(epoch from min(run_at) - now()), 0)::double precision end
	  from muster.job
	 where state = 'queued' and kind = any (p_kinds) and (host is null or host = p_host));
