-- SPDX-License-Identifier: MIT
-- The queue. A job is queued, then running under a lease, then done, or queued again with a growing
-- delay, or dead. All of it is for the runner (role muster_jobs), across organisations.
--
--   job_add(p_organization, p_kind, p_key, p_payload, …) → the job's id; while the same (kind, key)
--       is queued or running, that one's. A queued one is moved forward when the new one is due
--       earlier, and takes a higher priority over.
--   job_schedule_audits(p_host, p_interval_s) → how many audit jobs of this host became due and were
--       added; one for each watched root, never two at a time.
--   job_claim(p_host, p_kinds, p_limit, p_lease_s) → rows of muster.job, now running and ours. Those
--       whose lease ran out are put back first (job_release). Two runners never get the same row.
--       No organisation gets more than its max_concurrent_runs at once.
--   job_renew(p_id, p_lease, p_lease_s), job_progress(p_id, p_lease, p_percent, p_message),
--   job_complete(p_id, p_lease, p_result) → false: the lease is lost, stop. Nothing was written.
--   job_fail(p_id, p_lease, p_error, p_retry, p_crash) → 'queued' (again), 'dead', or 'lost'.
--       p_retry false: at once dead. p_crash: the child died instead of failing; three of these are
--       enough, whatever attempts_max says.
--   job_release() → how many had lost their lease.
--   job_cancel(p_id) → false when it was finished already. A running child learns it by renewing.
--   job_status() → {"queued", "running", "done" (in the last hour), "dead" (in the last day), "jobs":
--       running ones, the next 20 queued ones and the last 10 dead ones}, for `muster run --status`.
--   job_due(p_host, p_kinds) → seconds until the next job could be claimed; null: none is queued.
--   job_step() → whether it did something: one piece of the next job that is done here and not by a
--       child (kinds prune and remove). Such a job is queued until it is done: the lock on its row is the
--       lease, and what a piece did is committed with how far it came. One that fails is tried again
--       later, from there.
--
-- The run that a job carries out follows: in_progress, completed, failed, cancelled.

create function muster.job_add(p_organization uuid, p_kind text, p_key text,
			       p_payload jsonb default '{}', p_host text default null,
			       p_run bigint default null, p_priority integer default 0,
			       p_run_at timestamptz default now(), p_attempts_max integer default 5)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id bigint;
begin
	if p_attempts_max not between 1 and 100 or octet_length(p_payload::text) > 65536 then
		raise exception using errcode = 'MU400', message = 'This is not a job.';
	end if;
	insert into muster.job as j (organization_id, kind, key, payload, host, run_id, priority, run_at,
				     attempts_max)
	values (p_organization, p_kind, p_key, p_payload, p_host, p_run, p_priority, p_run_at,
		p_attempts_max)
	on conflict (organization_id, kind, key) where state in ('queued', 'running') do update
	   set run_at = case when j.state = 'queued' then least(j.run_at, excluded.run_at)
			     else j.run_at end,
	       priority = greatest(j.priority, excluded.priority),
	       run_id = coalesce(j.run_id, excluded.run_id)
	returning id into v_id;
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
		select r.id, r.organization_id, r.slug, r.path, r.host
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
	on conflict do nothing;
	get diagnostics v_added = row_count;
	return v_added;
end
$$;

create function muster.job_release() returns integer
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count integer;
begin
	with late as (
		select id from muster.job
		 where state = 'running' and leased_until < now()
		   for update skip locked
	), put as (
		update muster.job j
		   set state = case when j.crashes + 1 >= 3 or j.attempt >= j.attempts_max then 'dead'
				    else 'queued' end,
		       crashes = j.crashes + 1, error = 'The runner was lost.', lease_id = null,
		       leased_until = null, leased_by = null, run_at = now(),
		       finished_at = case when j.crashes + 1 >= 3 or j.attempt >= j.attempts_max
					  then now() end
		  from late where j.id = late.id
		returning j.run_id, j.state, j.error
	), ended as (
		update muster.run r set status = 'failed', error = put.error, completed_at = now()
		  from put where r.id = put.run_id and put.state = 'dead' and r.status = 'in_progress'
	)
	select count(*) into v_count from put;
	return v_count;
end
$$;

create function muster.job_claim(p_host text, p_kinds text[], p_limit integer, p_lease_s integer)
returns setof muster.job
language plpgsql security definer rows 4 set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
begin
	perform muster.job_release();
	-- Where somebody may not do as much as there is room for, who claims waits for who counts.
	if exists (select from muster.organization where max_concurrent_runs is not null) then
		perform pg_advisory_xact_lock(19802, 1);
	end if;
	return query
	with full_up as (
		select o.id from muster.organization o
		 where o.max_concurrent_runs is not null
		   and o.max_concurrent_runs <= (select count(*) from muster.job r
						  where r.organization_id = o.id and r.state = 'running')
	), found as (
		select j.id from muster.job j
		 where j.state = 'queued' and j.run_at <= now() and j.kind = any (p_kinds)
		   and (j.host is null or j.host = p_host)
		   and j.organization_id not in (select f.id from full_up f)
		 order by j.priority desc, j.run_at, j.id
		 limit least(greatest(p_limit, 0), 1000)
		   for update skip locked
	), next as (
		select n.id
		  from (select j.id, o.id as organization_id, o.max_concurrent_runs as most,
			       row_number() over (partition by j.organization_id
						  order by j.priority desc, j.run_at, j.id) as k
			  from found
			  join muster.job j on j.id = found.id
			  join muster.organization o on o.id = j.organization_id) n
		 where n.most is null
		    or n.k + (select count(*) from muster.job r
			       where r.organization_id = n.organization_id and r.state = 'running') <= n.most
	), taken as (
		update muster.job j
		   set state = 'running', lease_id = gen_random_uuid(), leased_by = p_host,
		       leased_until = now() + greatest(p_lease_s, 1) * interval '1 second',
		       attempt = j.attempt + 1, started_at = now(), progress = null, message = null
		  from next where j.id = next.id
		returning j.*
	), begun as (
		update muster.run r
		   set status = 'in_progress', started_at = coalesce(r.started_at, now())
		  from taken where r.id = taken.run_id and r.status in ('pending', 'in_progress')
	)
	select * from taken order by taken.priority desc, taken.run_at, taken.id;
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

create function muster.job_complete(p_id bigint, p_lease uuid, p_result jsonb default null)
returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run bigint;
begin
	if octet_length(p_result::text) > 65536 then
		raise exception using errcode = 'MU400', message = 'A result has at most 64 KiB.';
	end if;
	update muster.job
	   set state = 'done', result = p_result, progress = 100, error = null, lease_id = null,
	       leased_until = null, finished_at = now()
	 where id = p_id and lease_id = p_lease and state = 'running'
	returning run_id into v_run;
	if not found then
		return false;
	end if;
	update muster.run
	   set status = 'completed', progress = 100, completed_at = now(),
	       total_results = muster.json_int(p_result -> 'total_results', 0, 2147483647)
	 where id = v_run and status = 'in_progress';
	return true;
end
$$;

create function muster.job_fail(p_id bigint, p_lease uuid, p_error text, p_retry boolean,
				p_crash boolean default false) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_dead boolean;
begin
	select * into v_job from muster.job
	 where id = p_id and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return 'lost';
	end if;
	v_dead := not p_retry or v_job.attempt >= v_job.attempts_max
		  or (p_crash and v_job.crashes + 1 >= 3);
	-- 6 s, 21 s, 86 s, 4 min, 10 min, … one hour at most, and a fifth more or less so that what
	-- failed together does not come back together.
	update muster.job
	   set state = case when v_dead then 'dead' else 'queued' end,
	       crashes = crashes + p_crash::integer, error = left(p_error, 2000), lease_id = null,
	       leased_until = null, leased_by = null, finished_at = case when v_dead then now() end,
	       run_at = now() + least(5 + power(attempt, 4), 3600) * (0.8 + 0.4 * random())
				* interval '1 second'
	 where id = p_id;
	if v_dead then
		update muster.run set status = 'failed', error = left(p_error, 2000), completed_at = now()
		 where id = v_job.run_id and status in ('pending', 'in_progress');
	end if;
	return case when v_dead then 'dead' else 'queued' end;
end
$$;

create function muster.job_cancel(p_id bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run bigint;
begin
	update muster.job
	   set state = 'cancelled', lease_id = null, leased_until = null, finished_at = now()
	 where id = p_id and state in ('queued', 'running')
	returning run_id into v_run;
	if not found then
		return false;
	end if;
	update muster.run set status = 'cancelled', completed_at = now()
	 where id = v_run and status in ('pending', 'in_progress');
	return true;
end
$$;

create function muster.job_step() returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_is_more boolean;
begin
	select * into v_job from muster.job j
	 where j.state = 'queued' and j.run_at <= now() and j.kind in ('prune', 'remove')
	 order by j.priority desc, j.run_at, j.id
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

create function muster.job_status() returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
	with shown as (
		(select j.*, j.started_at as at, 1 as place from muster.job j
		  where j.state = 'running' order by j.started_at limit 100)
		union all
		(select j.*, j.run_at, 2 from muster.job j
		  where j.state = 'queued' order by j.priority desc, j.run_at, j.id limit 20)
		union all
		(select j.*, j.finished_at, 3 from muster.job j
		  where j.state = 'dead' and j.finished_at > now() - interval '1 day'
		  order by j.finished_at desc limit 10)
	)
	select jsonb_build_object(
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
				order by s.place, s.priority desc, s.at, s.id) from shown s), '[]'))
$$;
