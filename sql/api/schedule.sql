-- SPDX-License-Identifier: MIT
-- Schedules: what is done again and again, of all that an organisation has, of a project or a repository.
--
--   schedule_list(p_kind, p_enabled, p_limit, p_cursor) → {"items": [schedule], "next"}, the newest first
--   schedule_get(p_schedule) → schedule + {"occurrences": the next five times, "ticks": what became of the
--       last 20}. MU404.
--   schedule_new(p_kind, p_cron, p_timezone, p_project, p_repo, p_jitter_s, p_backfill_s, p_enabled) → as
--       schedule_get(). MU400, MU404, MU429.
--   schedule_update(p_schedule, …, p_if_match) → likewise. MU400, MU404, MU412.
--   schedule_remove(p_schedule) → as schedule_get() would have. MU404.
--   schedule_run(p_schedule) → {"jobs", "going"}: does it now, and changes nothing about when it is done; going:
--       there is more than was asked for so far, and the runner goes on. MU404, MU409: why nothing was to do.
--   schedule_preview(p_cron, p_timezone) → {cron, timezone, occurrences}: the next five. MU400.
--   schedule_tick() → (organization, kind, outcome, jobs, missed, reason) of each whose time has come: what
--       it does is in the queue; and the first scans of repositories that audits have found. For the runner;
--       however many of these call it, a time comes once. outcome going: there is more to do, jobs so far.
--   schedule_rows(p_organization), schedule_find(p_id), schedule_add(…), schedule_change(p_id, …),
--       schedule_act(p_id, p_verb): for the terminal, where the first letters of an id will do.
--   schedule_begin(p_organization): its first schedules, unless it had them. schedule_put(row): checks it,
--       and writes it. schedule_trail(row, p_verb): who did it. schedule_next(row, p_after): the first time
--       after that one. schedule_queue(row) → how many jobs its next piece added, of how many things, the last
--       repository it came to when there is more, and why nothing can be. schedule_go(row): does that piece, and
--       keeps how far it came. schedule_fail(row, p_reason): it could not be followed. Internal.
--   job_is_new(p_job, p_last) → whether job_add(), which answered p_job, added it: p_last was the highest id
--       before. Internal.
--   root_queue(p_root, p_repo, p_mode) → the job that audits it, or one of its repositories; the mode is
--       that of job_add(). Internal.
--
-- A schedule: {id, kind, project, repository, cron, timezone, jitter_s, backfill_s, enabled, next_at, last_at,
-- last_outcome, error, account, created_at, updated_at}. Its times are those of cron_next(), later by a part
-- of jitter_s that is the same for the same schedule. Times that passed while nobody looked are made up
-- for by doing it once, when the last of them is no longer than backfill_s ago; those before are told as
-- missed, on the trail, by an event and in the runner's log, and not done. One of many repositories is done piece
-- by piece, each with its call: until the last is done the next time of the same schedule waits. When one
-- cannot be followed it is tried again every ten minutes; the trail and an event tell of the first time.

create function muster.schedule_jitter(p_schedule muster.schedule) returns interval
language sql immutable parallel safe
return (('x' || left(md5((p_schedule).id::text), 8))::bit(32)::bigint % ((p_schedule).jitter_s + 1)) * interval '1 second';

create function muster.schedule_next(p_schedule muster.schedule, p_after timestamptz) returns timestamptz
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.cron_next((p_schedule).cron, (p_schedule).timezone, p_after - muster.schedule_jitter(p_schedule))
	       + muster.schedule_jitter(p_schedule);
end
$$;

create function muster.schedule_json(p_schedule muster.schedule) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('id', (p_schedule).id, 'kind', (p_schedule).kind,
		'project', (select p.slug from muster.project p where p.id = (p_schedule).project_id),
		'repository', muster.repo_brief((p_schedule).repo_id),
		'cron', (p_schedule).cron, 'timezone', (p_schedule).timezone, 'jitter_s', (p_schedule).jitter_s,
		'backfill_s', (p_schedule).backfill_s, 'enabled', (p_schedule).enabled,
		'next_at', case when (p_schedule).enabled then muster.iso(greatest((p_schedule).next_at, (p_schedule).retry_at)) end,
		'error', (p_schedule).error, 'account', muster.person_json((p_schedule).account_id),
		'created_at', muster.iso((p_schedule).created_at), 'updated_at', muster.iso((p_schedule).updated_at))
	       || coalesce((select jsonb_build_object('last_at', muster.iso(t.at), 'last_outcome', t.outcome)
			      from muster.schedule_tick t where t.schedule_id = (p_schedule).id
			     order by t.due_at desc limit 1), '{"last_at": null, "last_outcome": null}');
end
$$;

create function muster.schedule_own(p_schedule uuid) returns muster.schedule
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule;
begin
	select * into v_schedule from muster.schedule
	 where id = p_schedule and organization_id = muster.organization_need();
	if v_schedule.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such schedule.';
	end if;
	return v_schedule;
end
$$;

-- The next five times; none when its time zone is no more.
create function muster.schedule_times(p_schedule muster.schedule) returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_time timestamptz := now();
	v_times jsonb := '[]';
begin
	for i in 1 .. 5 loop
		v_time := muster.schedule_next(p_schedule, v_time);
		v_times := v_times || to_jsonb(muster.iso(v_time));
	end loop;
	return v_times;
exception when invalid_parameter_value then
	return '[]';
end
$$;

create function muster.schedule_get(p_schedule uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule := muster.schedule_own(p_schedule);
begin
	return muster.schedule_json(v_schedule)
	       || jsonb_build_object('occurrences', case when v_schedule.enabled then muster.schedule_times(v_schedule)
							 else '[]' end,
			'ticks', (select coalesce(jsonb_agg(jsonb_build_object('due_at', muster.iso(t.due_at),
					'at', muster.iso(t.at), 'outcome', t.outcome, 'jobs', t.jobs, 'missed', t.missed,
					'reason', t.reason) order by t.due_at desc), '[]')
				    from (select * from muster.schedule_tick
					   where schedule_id = v_schedule.id order by due_at desc limit 20) t));
end
$$;

create function muster.schedule_list(p_kind text default null, p_enabled boolean default null,
				     p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_at timestamptz;
	v_id uuid;
begin
	select c.at, c.id into v_at, v_id from muster.cursor_moment(p_cursor) c;
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.schedule_json(p.s) order by p.k) filter (where p.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then (
				select muster.cursor_format(jsonb_build_array(((array_agg((p.s).created_at order by p.k))[v_limit])::text,
					(array_agg((p.s).id order by p.k))[v_limit]))) end)
		  from (select s, row_number() over (order by s.created_at desc, s.id desc) as k
			  from muster.schedule s
			 where s.organization_id = v_organization and (s.created_at, s.id) < (v_at, v_id)
			   and (coalesce(p_kind, '') = '' or s.kind = p_kind)
			   and (p_enabled is null or s.enabled = p_enabled)
			 order by s.created_at desc, s.id desc limit v_limit + 1) p);
end
$$;

create function muster.schedule_put(p_schedule muster.schedule) returns muster.schedule
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule := p_schedule;
	v_before muster.schedule;
begin
	select * into v_before from muster.schedule where id = v_schedule.id for update;
	if v_schedule.kind not in ('audit', 'fetch', 'reconcile', 'report', 'scan') then
		perform muster.field_error('kind', 'must be one of audit, fetch, reconcile, report, scan');
	elsif v_schedule.kind in ('reconcile', 'report') and coalesce(v_schedule.project_id, v_schedule.repo_id) is not null then
		perform muster.field_error('kind', v_schedule.kind || ' is of the whole organization');
	elsif v_schedule.jitter_s not between 0 and 86400 then
		perform muster.field_error('jitter_s', 'must be from 0 to 86400');
	elsif v_schedule.backfill_s not between 60 and 2592000 then
		perform muster.field_error('backfill_s', 'must be from 60 to 2592000');
	elsif length(v_schedule.cron) not between 1 and 200 then
		perform muster.field_error('cron', 'must have from 1 to 200 characters');
	end if;
	if v_before.id is null then
		-- One at a time, or two would both see room for one.
		perform from muster.organization where id = v_schedule.organization_id for no key update;
	end if;
	if v_before.id is null and (select count(*) from muster.schedule s
					where s.organization_id = v_schedule.organization_id) >= 1000 then
		raise exception using errcode = 'MU429', message = 'The organization has too many schedules.';
	end if;
	perform muster.timezone_check(v_schedule.timezone);
	-- What was due while it was off, or by what it said before, is not missed.
	if v_before.id is null or (v_schedule.enabled and not v_before.enabled)
	   or (v_schedule.cron, v_schedule.timezone, v_schedule.jitter_s)
	      is distinct from (v_before.cron, v_before.timezone, v_before.jitter_s) then
		v_schedule.next_at := muster.schedule_next(v_schedule, now());
		v_schedule.error := null;
		v_schedule.retry_at := null;
	end if;
	if v_schedule.next_at is null then
		perform muster.field_error('cron', 'never comes');
	end if;
	v_schedule.updated_at := now();
	insert into muster.schedule as s select v_schedule.*
	    on conflict (id) do update
	   set cron = excluded.cron, timezone = excluded.timezone, jitter_s = excluded.jitter_s,
	       backfill_s = excluded.backfill_s, enabled = excluded.enabled, next_at = excluded.next_at,
	       error = excluded.error, retry_at = excluded.retry_at, updated_at = excluded.updated_at,
	       -- Who switches it off wants no more of it.
	       going_at = case when excluded.enabled or not s.enabled then s.going_at end;
	return v_schedule;
end
$$;

create function muster.schedule_trail(p_schedule muster.schedule, p_verb text) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values ((p_schedule).organization_id, muster.account(), 'schedule.' || p_verb, (p_schedule).id::text,
		jsonb_build_object('kind', (p_schedule).kind, 'cron', (p_schedule).cron, 'timezone', (p_schedule).timezone,
				   'enabled', (p_schedule).enabled));
end;

-- A new one, with what was not said.
create function muster.schedule_make(p_organization uuid, p_kind text, p_cron text, p_timezone text default null,
				     p_project uuid default null, p_repo uuid default null,
				     p_jitter_s integer default null, p_backfill_s integer default null,
				     p_enabled boolean default null) returns muster.schedule
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule;
begin
	v_schedule.id := gen_random_uuid();
	v_schedule.organization_id := p_organization;
	v_schedule.project_id := p_project;
	v_schedule.repo_id := p_repo;
	v_schedule.account_id := muster.account();
	v_schedule.kind := p_kind;
	v_schedule.cron := p_cron;
	v_schedule.timezone := coalesce(nullif(p_timezone, ''), 'UTC');
	v_schedule.jitter_s := coalesce(p_jitter_s, 0);
	v_schedule.backfill_s := coalesce(p_backfill_s, 3600);
	v_schedule.enabled := coalesce(p_enabled, true);
	v_schedule.created_at := clock_timestamp();
	return muster.schedule_put(v_schedule);
end
$$;

create function muster.schedule_begin(p_organization uuid) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.organization set scheduled_at = now() where id = p_organization and scheduled_at is null;
	if found then
		perform muster.schedule_make(p_organization, d.kind, d.cron, p_jitter_s => d.jitter_s, p_backfill_s => d.backfill_s)
		  from (values ('audit', '0 * * * *', 900, 3600), ('scan', '0 3 * * *', 3600, 86400),
			       ('report', '0 3 * * *', 900, 86400), ('reconcile', '30 4 * * *', 3600, 86400))
		       d (kind, cron, jitter_s, backfill_s);
	end if;
end
$$;

create function muster.schedule_new(p_kind text, p_cron text, p_timezone text default null,
				    p_project text default null, p_repo text default null,
				    p_jitter_s integer default null, p_backfill_s integer default null,
				    p_enabled boolean default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.project_only(p_project, p_repo);
	v_schedule muster.schedule;
begin
	v_schedule := muster.schedule_make(v_organization, p_kind, p_cron, p_timezone, v_project, muster.repo_id(p_repo),
					   p_jitter_s, p_backfill_s, p_enabled);
	perform muster.schedule_trail(v_schedule, 'add');
	return muster.schedule_get(v_schedule.id);
end
$$;

create function muster.schedule_edit(p_schedule muster.schedule, p_cron text, p_timezone text, p_jitter_s integer,
				     p_backfill_s integer, p_enabled boolean) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	p_schedule.cron := coalesce(p_cron, p_schedule.cron);
	p_schedule.timezone := coalesce(p_timezone, p_schedule.timezone);
	p_schedule.jitter_s := coalesce(p_jitter_s, p_schedule.jitter_s);
	p_schedule.backfill_s := coalesce(p_backfill_s, p_schedule.backfill_s);
	p_schedule.enabled := coalesce(p_enabled, p_schedule.enabled);
	perform muster.schedule_trail(muster.schedule_put(p_schedule), 'update');
end
$$;

create function muster.schedule_update(p_schedule uuid, p_cron text default null, p_timezone text default null,
				       p_jitter_s integer default null, p_backfill_s integer default null,
				       p_enabled boolean default null, p_if_match text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule;
begin
	perform from muster.schedule where id = p_schedule and organization_id = muster.organization_need() for update;
	v_schedule := muster.schedule_own(p_schedule);
	perform muster.match_check(p_if_match, muster.schedule_get(p_schedule));
	perform muster.schedule_edit(v_schedule, p_cron, p_timezone, p_jitter_s, p_backfill_s, p_enabled);
	return muster.schedule_get(p_schedule);
end
$$;

create function muster.schedule_drop(p_schedule muster.schedule) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	delete from muster.schedule where id = (p_schedule).id;
	perform muster.schedule_trail(p_schedule, 'remove');
end
$$;

create function muster.schedule_remove(p_schedule uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule := muster.schedule_own(p_schedule);
	v_json jsonb := muster.schedule_get(p_schedule);
begin
	perform muster.schedule_drop(v_schedule);
	return v_json;
end
$$;

create function muster.schedule_preview(p_cron text, p_timezone text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule;
begin
	v_schedule.id := gen_random_uuid();
	v_schedule.cron := p_cron;
	v_schedule.timezone := coalesce(nullif(p_timezone, ''), 'UTC');
	v_schedule.jitter_s := 0;
	perform muster.timezone_check(v_schedule.timezone);
	if muster.schedule_next(v_schedule, now()) is null then
		perform muster.field_error('cron', 'never comes');
	end if;
	return jsonb_build_object('cron', p_cron, 'timezone', v_schedule.timezone,
		'occurrences', muster.schedule_times(v_schedule));
end
$$;

-- ---- what is done ----

create function muster.root_queue(p_root muster.root, p_repo uuid default null, p_mode text default 'keep') returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select muster.job_add((p_root).organization_id, 'audit',
			concat_ws(':', 'root', (p_root).id, 'repo:' || p_repo),
			jsonb_build_object('organization', o.slug, 'organization_id', o.id, 'root', (p_root).slug,
					   'path', (p_root).path, 'host', (p_root).host, 'repo', p_repo),
			(p_root).host, p_attempts_max => 3, p_mode => p_mode,
			-- Who looks at one repository writes the report of all, too.
			p_limit_key => 'audit:' || (p_root).id, p_limit_running => 1)
		  from muster.organization o where o.id = (p_root).organization_id);
end
$$;

create function muster.job_is_new(p_job bigint, p_last bigint) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	-- What waited or ran already has an older id, or is of another transaction, also one that ended meanwhile.
	return p_job > p_last and exists (select from muster.job where id = p_job and created_at = now());
end
$$;

create function muster.schedule_queue(p_schedule muster.schedule, out jobs integer, out fit integer, out after uuid,
				      out reason text)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_from timestamptz := clock_timestamp();
	v_job bigint;
	v_root muster.root;
	v_repo muster.repo;
	v_repos uuid[];
	v_both record;
	v_done record;
	v_last bigint := coalesce((select max(id) from muster.job), 0);
begin
	jobs := 0;
	fit := 0;
	if not exists (select from muster.job_kind where name = (p_schedule).kind) then
		reason := 'No runner does this.';
		return;
	elsif exists (select from muster.organization where id = (p_schedule).organization_id and removed_at is not null) then
		reason := 'The organization is being removed.';
		return;
	end if;
	if (p_schedule).kind = 'audit' then
		for v_both in
			select * from muster.root_parts((p_schedule).organization_id, (p_schedule).project_id, (p_schedule).repo_id)
		loop
			v_root := v_both.root;
			fit := fit + 1;
			v_job := muster.root_queue(v_root, v_both.repo);
			jobs := jobs + muster.job_is_new(v_job, v_last)::integer;
		end loop;
		return;
	elsif (p_schedule).kind = 'reconcile' then
		fit := 1;
		jobs := muster.reconcile_add((p_schedule).organization_id);
		return;
	elsif (p_schedule).kind = 'report' then
		fit := (select count(*) from muster.root t
			 where t.organization_id = (p_schedule).organization_id and t.audit_id is not null);
		if fit > 0 then
			v_job := muster.job_add((p_schedule).organization_id, 'report', 'daily', p_priority => -5);
			jobs := muster.job_is_new(v_job, v_last)::integer;
		end if;
		return;
	end if;
	-- Of each repository, in the order of their ids: at most 400, and half a second.
	after := (p_schedule).going_after;
	for v_piece in 1 .. 2 loop
		v_repos := array(select r.id from muster.repo r
				  where r.organization_id = (p_schedule).organization_id and r.removed_at is null
				    and r.archived_at is null
				    and r.id > coalesce(after, '00000000-0000-0000-0000-000000000000')
				    and ((p_schedule).project_id is null or r.project_id = (p_schedule).project_id)
				    and ((p_schedule).repo_id is null or r.id = (p_schedule).repo_id)
				  order by r.id limit 200);
		if (p_schedule).kind = 'fetch' then
			for v_repo in
				select r.* from muster.repo r
				  join muster.root t on t.id = r.root_id
				 where r.id = any (v_repos)
				   and ((t.watched and t.slug = 'clones') or exists (select from muster.mirror m where m.repo_id = r.id))
				 order by r.id
			loop
				v_job := muster.fetch_add(v_repo);
				fit := fit + (v_job is not null)::integer;
				jobs := jobs + coalesce(muster.job_is_new(v_job, v_last), false)::integer;
			end loop;
		else
			v_done := muster.analysis_begin(v_repos, (p_schedule).kind, 0);
			fit := fit + v_done.fit;
			jobs := jobs + v_done.jobs;
		end if;
		after := case when cardinality(v_repos) = 200 then v_repos[200] end;
		exit when after is null or clock_timestamp() > v_from + interval '500 milliseconds';
	end loop;
end
$$;

create function muster.schedule_go(p_schedule muster.schedule, out jobs integer, out outcome text, out reason text)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_done record := muster.schedule_queue(p_schedule);
	v_fit integer := coalesce((p_schedule).going_fit, 0) + v_done.fit;
	v_is_over boolean := v_done.after is null;
begin
	jobs := coalesce((p_schedule).going_jobs, 0) + v_done.jobs;
	outcome := case when jobs > 0 then 'queued' else 'skipped' end;
	if v_is_over and jobs = 0 then
		reason := coalesce(v_done.reason, case when v_fit > 0 then 'The last time is not done yet.'
						       else 'There is nothing that could be looked at.' end);
	end if;
	update muster.schedule_tick t set jobs = schedule_go.jobs, outcome = schedule_go.outcome, reason = schedule_go.reason
	 where t.schedule_id = (p_schedule).id and t.due_at = (p_schedule).going_at;
	update muster.schedule s
	   set going_at = case when not v_is_over then (p_schedule).going_at end, going_after = v_done.after,
	       going_jobs = schedule_go.jobs, going_fit = v_fit, error = null, retry_at = null
	 where s.id = (p_schedule).id;
	if not v_is_over then
		outcome := 'going';
	end if;
end
$$;

create function muster.schedule_event(p_schedule muster.schedule, p_due_at timestamptz, p_outcome text, p_jobs integer,
				      p_missed integer, p_reason text) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.outbox (organization_id, channel, type, subject, data)
	values ((p_schedule).organization_id, 'runs', 'schedule_tick', (p_schedule).id::text,
		jsonb_build_object('schedule_id', (p_schedule).id, 'kind', (p_schedule).kind, 'due_at', muster.iso(p_due_at),
			'outcome', p_outcome, 'jobs', p_jobs, 'missed', p_missed, 'reason', p_reason,
			'timestamp', muster.iso(now())));
end;

-- What it had asked for before is tried as long as a time that was missed would be made up for.
create function muster.schedule_fail(p_schedule muster.schedule, p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.schedule s
	   set retry_at = now() + interval '10 minutes', error = p_reason,
	       going_at = case when s.going_at > now() - s.backfill_s * interval '1 second' then s.going_at end
	 where s.id = (p_schedule).id;
	update muster.schedule_tick t set reason = p_reason
	 where t.schedule_id = (p_schedule).id and t.due_at = (p_schedule).going_at;
	-- Once, and not every ten minutes.
	if (p_schedule).error is null then
		insert into muster.trail (organization_id, action, subject, data)
		values ((p_schedule).organization_id, 'schedule.fail', (p_schedule).id::text,
			jsonb_build_object('kind', (p_schedule).kind, 'error', p_reason));
		perform muster.schedule_event(p_schedule, coalesce((p_schedule).going_at, (p_schedule).next_at), 'failed', 0, 0, p_reason);
	end if;
end
$$;

create function muster.schedule_run_now(p_schedule muster.schedule) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule;
	v_done record;
begin
	select * into v_schedule from muster.schedule where id = (p_schedule).id for update;
	if v_schedule.going_at is not null then
		raise exception using errcode = 'MU409', message = 'The last time is not done yet.';
	end if;
	v_schedule.going_at := clock_timestamp();
	v_schedule.going_after := null;
	v_schedule.going_jobs := 0;
	v_schedule.going_fit := 0;
	loop
		v_done := muster.schedule_go(v_schedule);
		exit when v_done.outcome <> 'going' or v_done.jobs > 0
			  or clock_timestamp() > statement_timestamp() + interval '5 seconds';
		select * into v_schedule from muster.schedule where id = v_schedule.id;
	end loop;
	if v_done.outcome = 'skipped' then
		raise exception using errcode = 'MU409', message = v_done.reason;
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values ((p_schedule).organization_id, muster.account(), 'schedule.run', (p_schedule).id::text,
		jsonb_build_object('kind', (p_schedule).kind, 'jobs', v_done.jobs, 'going', v_done.outcome = 'going'));
	return jsonb_build_object('jobs', v_done.jobs, 'going', v_done.outcome = 'going');
end
$$;

create function muster.schedule_run(p_schedule uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.schedule_run_now(muster.schedule_own(p_schedule));
end
$$;

create function muster.schedule_tick()
returns table (organization text, kind text, outcome text, jobs integer, missed integer, reason text)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_schedule muster.schedule;
	v_going muster.schedule;
	v_from timestamptz;
	v_at timestamptz;
	v_missed integer;
begin
	for v_schedule in
		select * from muster.schedule s
		 where (s.going_at is not null or (s.enabled and s.next_at <= now()))
		   and (s.retry_at is null or s.retry_at <= now())
		 order by least(s.next_at, s.going_at)
		 limit 20 for update skip locked
	loop
		-- What takes long leaves the others, and whoever calls, their time: they come at the next call.
		exit when clock_timestamp() > statement_timestamp() + interval '2 seconds';
		begin
			kind := v_schedule.kind;
			organization := (select o.slug from muster.organization o where o.id = v_schedule.organization_id);
			outcome := 'missed';
			jobs := 0;
			missed := 0;
			reason := null;
			v_going := v_schedule;
			if v_schedule.going_at is null then
				-- A host that was away for long has no use of the exact number.
				v_from := now() - v_schedule.backfill_s * interval '1 second';
				v_at := v_schedule.next_at;
				while v_at < v_from and missed < 100 loop
					missed := missed + 1;
					v_at := muster.schedule_next(v_schedule, v_at);
				end loop;
				if v_at < v_from then
					v_at := muster.schedule_next(v_schedule, v_from);
				end if;
				update muster.schedule set next_at = muster.schedule_next(v_schedule, now()), error = null, retry_at = null
				 where id = v_schedule.id;
				-- Not a time that came already, before the clock of the server was put back.
				continue when v_at <= now() and exists (select from muster.schedule_tick t
									 where t.schedule_id = v_schedule.id and t.due_at = v_at);
				if v_at <= now() then
					v_going.going_at := v_at;
					v_going.going_after := null;
					v_going.going_jobs := 0;
					v_going.going_fit := 0;
				end if;
				insert into muster.schedule_tick (schedule_id, due_at, organization_id, outcome, jobs, missed)
				values (v_schedule.id, coalesce(v_going.going_at, v_schedule.next_at), v_schedule.organization_id,
					outcome, 0, missed)
				    on conflict do nothing;
				if missed > 0 then
					insert into muster.trail (organization_id, action, subject, data)
					values (v_schedule.organization_id, 'schedule.missed', v_schedule.id::text,
						jsonb_build_object('kind', kind, 'missed', missed, 'since', muster.iso(v_schedule.next_at)));
				end if;
			end if;
			v_missed := missed;
			if v_going.going_at is not null then
				select g.jobs, g.outcome, g.reason into jobs, outcome, reason from muster.schedule_go(v_going) g;
				select t.missed into v_missed from muster.schedule_tick t
				 where t.schedule_id = v_going.id and t.due_at = v_going.going_at;
			end if;
			-- Of what a person asked for there is no time, which is null then.
			if outcome <> 'going' and v_missed is not null then
				perform muster.schedule_event(v_schedule, coalesce(v_going.going_at, v_schedule.next_at), outcome, jobs,
							      v_missed, reason);
			end if;
		-- Somebody holds what it is about: it is tried again at the next call.
		exception when lock_not_available then
			continue;
		-- One that cannot be followed, like one whose time zone is no more, does not hold back the others.
		when query_canceled or others then
			outcome := 'failed';
			jobs := 0;
			missed := 0;
			reason := left(sqlerrm, 2000);
			perform muster.schedule_fail(v_schedule, reason);
		end;
		return next;
	end loop;
	-- What audits have found since has no schedule to wait for.
	begin
		kind := 'scan';
		outcome := 'queued';
		missed := 0;
		reason := null;
		for organization, jobs in select f.organization, f.jobs from muster.analysis_first() f loop
			return next;
		end loop;
	exception when lock_not_available then
		null;
	when query_canceled or others then
		organization := '';
		outcome := 'failed';
		jobs := 0;
		reason := left(sqlerrm, 2000);
		return next;
	end;
end
$$;

-- ---- the terminal ----

create function muster.schedule_find(p_id text) returns muster.schedule
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedules muster.schedule[];
begin
	-- As much of it as says which.
	if p_id ~ '^[0-9a-fA-F-]{4,36}$' then
		v_schedules := array(select s from muster.schedule s where starts_with(s.id::text, lower(p_id)) limit 2);
	end if;
	if cardinality(v_schedules) = 1 then
		return v_schedules[1];
	end if;
	raise exception using errcode = 'MU404', message = format('There is no schedule %s.', left(p_id, 50));
end
$$;

create function muster.schedule_act(p_id text, p_verb text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_schedule muster.schedule := muster.schedule_find(p_id);
begin
	if p_verb = 'remove' then
		perform muster.schedule_drop(v_schedule);
	else
		perform muster.schedule_run_now(v_schedule);
	end if;
end
$$;

create function muster.schedule_add(p_organization text, p_kind text, p_cron text, p_timezone text default null,
				    p_project text default null, p_repo text default null, p_jitter_s integer default null,
				    p_backfill_s integer default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_find(p_organization);
	v_schedule muster.schedule;
begin
	-- Names mean what they mean there.
	perform set_config('muster.organization', v_organization::text, true);
	v_schedule := muster.schedule_make(v_organization, p_kind, p_cron, p_timezone,
		case when p_project is not null then (muster.project_own(p_project)).id end, muster.repo_id(p_repo),
		p_jitter_s, p_backfill_s);
	perform muster.schedule_trail(v_schedule, 'add');
	return v_schedule.id;
end
$$;

create function muster.schedule_change(p_id text, p_cron text default null, p_timezone text default null,
				       p_jitter_s integer default null, p_backfill_s integer default null,
				       p_enabled boolean default null) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.schedule_edit(muster.schedule_find(p_id), p_cron, p_timezone, p_jitter_s, p_backfill_s, p_enabled);
end
$$;

create function muster.schedule_rows(p_organization text default null)
returns table (id uuid, organization text, kind text, of text, cron text, timezone text, enabled boolean,
	       next_at timestamptz, last_at timestamptz, outcome text, error text)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
begin
	if p_organization is not null then
		v_organization := muster.organization_find(p_organization);
	end if;
	return query
	select s.id, o.slug, s.kind,
	       coalesce('project ' || p.slug, 'repository ' || r.name), s.cron, s.timezone, s.enabled,
	       case when s.enabled then greatest(s.next_at, s.retry_at) end, t.at, t.outcome, coalesce(s.error, t.reason)
	  from muster.schedule s
	  join muster.organization o on o.id = s.organization_id
	  left join muster.project p on p.id = s.project_id
	  left join muster.repo r on r.id = s.repo_id
	  left join lateral (select x.* from muster.schedule_tick x where x.schedule_id = s.id
			      order by x.due_at desc limit 1) t on true
	 where v_organization is null or s.organization_id = v_organization
	 order by o.slug, s.created_at, s.id
	 limit 1000;
end
$$;
