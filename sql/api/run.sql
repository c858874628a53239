-- SPDX-License-Identifier: MIT
-- Runs: work that was asked for.
--
--   run_status(p_run) → the data of status_change: {run_id, kind, status, progress, message,
--       total_results, error, repository_id, created_at, started_at, completed_at}
--   run_progress(p_run) → the data of progress_update: {run_id, project_id, progress_percentage,
--       message, timestamp}
--   run_list(p_status, p_kind, p_repo, p_limit, p_cursor) → {"items": [{id, …, operation, repository, account,
--       project_id}], "next"}, the newest first. operation: what a run of kind remediate is to do.
--   run_detail(p_run) → one of these, with "results": what it was the first to find, at most 100. MU404.
--   run_cancel(p_run) → it. MU404, MU409: it is over.
--   run_log_add(p_run, p_text): a piece of what it prints, cut at 64 Ki characters. A run that is null or gone
--       has no log. An event run_log {run_id, number} says how far it reaches (run_log_change() in migration 0040).
--   run_log_list(p_run, p_after) → {"items": [{number, text, at}], "next": null}: what it printed.
--   push_run(p_organization, p_run) → (head, envelope, number) for the pusher: how it stands as the message
--       status_change, the head of the log of events by then, and how far its own log reaches. No row: there is none.
--   push_run_log(p_organization, p_run, p_after, p_limit) → (piece, envelope): pieces of it as messages run_log.
--   audit_add(p_repo, p_project) → {"run_id", "status", "run_ids"}: audit now. p_repo: id or name; p_project: slug
--       or id, of what is in it now; both null: every watched root. Asked again while it is waiting or running: the
--       same run; asked for a second repository of a root meanwhile: the whole root, so that neither report undoes
--       the other. MU400 (both), MU404 (no such repository, project), MU409 (nothing that jobs can audit).
--   root_parts(p_organization, p_project, p_repo) → (root, repo): the watched roots that an audit of one, the other
--       or everything is of, and which repository of it alone; null: all that is below it. Internal.

create function muster.run_status(p_run bigint) returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select jsonb_build_object('run_id', r.id, 'kind', r.kind, 'status', r.status,
			'progress', r.progress, 'message', r.message, 'total_results', r.total_results,
			'error', r.error, 'repository_id', r.repo_id, 'created_at', muster.iso(r.created_at),
			'started_at', muster.iso(r.started_at), 'completed_at', muster.iso(r.completed_at))
		  from muster.run r where r.id = p_run);
end
$$;

create function muster.run_progress(p_run bigint) returns jsonb
language sql stable set search_path = pg_catalog, muster, pg_temp
return (select jsonb_build_object('run_id', r.id, 'project_id', p.slug,
		'progress_percentage', r.progress, 'message', r.message,
		'timestamp', muster.iso(now()))
	  from muster.run r join muster.project p on p.id = r.project_id where r.id = p_run);

create function muster.run_json(p_run muster.run) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_run).id) || muster.run_status((p_run).id)
       || jsonb_build_object(
		'operation', (p_run).request ->> 'operation',
		'project_id', (select p.slug from muster.project p where p.id = (p_run).project_id),
		'repository', muster.repo_brief((p_run).repo_id),
		'account', muster.person_json((p_run).account_id));

create function muster.run_list(p_status text default null, p_kind text default null, p_repo text default null,
				p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 9223372036854775807), 9223372036854775807);
	v_status text[] := string_to_array(nullif(p_status, ''), ',');
	v_kind text[] := string_to_array(nullif(p_kind, ''), ',');
	v_repo uuid := muster.repo_id(p_repo);
	v_is_plain boolean := v_repo is not null or (v_status is null and v_kind is null);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.run_json(x.r) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array(min((x.r).id) filter (where x.k <= v_limit))) end)
		  from (select w.r, row_number() over (order by (w.r).id desc) as k from (
				(select r from muster.run r
				  where v_is_plain and r.organization_id = v_organization and r.id < v_before
				    and (v_repo is null or r.repo_id = v_repo)
				    and (v_status is null or r.status = any (v_status))
				    and (v_kind is null or r.kind = any (v_kind))
				  order by r.id desc limit v_limit + 1)
				union all
				-- Each status of a kind is one walk along an index.
				(select y.r from (select distinct unnest(coalesce(v_status, array['pending', 'in_progress',
							'completed', 'failed', 'cancelled'])) as status) s
				  cross join (select distinct unnest(coalesce(v_kind, array['audit', 'scan', 'deps',
							'analyze', 'remediate'])) as kind) t
				  cross join lateral (
					select r from muster.run r
					 where not v_is_plain and r.organization_id = v_organization
					   and r.kind = t.kind and r.status = s.status and r.id < v_before
					 order by r.id desc limit v_limit + 1) y)) w
			 order by (w.r).id desc limit v_limit + 1) x);
end
$$;

create function muster.run_own(p_run bigint) returns muster.run
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run muster.run;
begin
	select * into v_run from muster.run where id = p_run and organization_id = muster.organization_need();
	if v_run.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such run.';
	end if;
	return v_run;
end
$$;

create function muster.run_detail(p_run bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run muster.run := muster.run_own(p_run);
begin
	return muster.run_json(v_run)
	       || jsonb_build_object('results', (
			select coalesce(jsonb_agg(muster.finding_json(f) order by f.rank desc, f.id), '[]')
			  from (select * from muster.finding
				 where run_id = v_run.id and organization_id = v_run.organization_id
				 order by rank desc, id limit 100) f));
end
$$;

create function muster.run_cancel(p_run bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run muster.run := muster.run_own(p_run);
begin
	if v_run.status not in ('pending', 'in_progress') then
		raise exception using errcode = 'MU409', message = format('The run is %s already.', v_run.status);
	end if;
	perform muster.job_cancel(j.id) from muster.job j
	  where j.run_id = v_run.id and j.organization_id = v_run.organization_id
	    and j.state in ('queued', 'running');
	update muster.run set status = 'cancelled', completed_at = now()
	 where id = v_run.id and status in ('pending', 'in_progress');
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_run.organization_id, muster.account(), 'run.cancel', v_run.id::text);
	return muster.run_json(muster.run_own(p_run));
end
$$;

create function muster.run_log_add(p_run bigint, p_text text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.run_log (organization_id, run_id, number, text)
	select r.organization_id, r.id,
	       coalesce((select max(l.number) from muster.run_log l where l.run_id = r.id), 0) + 1, left(p_text, 65536)
	  from muster.run r where r.id = p_run;
end
$$;

create function muster.run_log_list(p_run bigint, p_after integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run muster.run := muster.run_own(p_run);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('number', l.number, 'text', l.text, 'at', muster.iso(l.at))
				order by l.number), '[]')
		  from (select * from muster.run_log
			 where run_id = v_run.id and number > coalesce(p_after, 0)
			 order by number limit 200) l));
end
$$;

create function muster.push_run(p_organization uuid, p_run bigint)
returns table (head bigint, envelope text, number integer)
language plpgsql stable security definer rows 1 set search_path = pg_catalog, muster, pg_temp as $$
begin
	return query
	select s.head, (jsonb_build_object('type', 'status_change', 'event_id', s.head::text,
			'timestamp', muster.iso(now()), 'project_id', p.slug) || muster.run_status(r.id))::text,
	       (select coalesce(max(l.number), 0) from muster.run_log l where l.run_id = r.id)
	  from muster.run r
	  join muster.project p on p.id = r.project_id
	 cross join muster.stream s
	 where r.id = p_run and r.organization_id = p_organization;
end
$$;

create function muster.push_run_log(p_organization uuid, p_run bigint, p_after bigint, p_limit integer)
returns table (piece integer, envelope text)
language plpgsql stable security definer rows 8 set search_path = pg_catalog, muster, pg_temp as $$
begin
	return query
	select l.number, json_build_object('type', 'run_log', 'run_id', l.run_id, 'number', l.number, 'text', l.text,
			'timestamp', muster.iso(l.at))::text
	  from muster.run_log l
	 where l.run_id = p_run and l.organization_id = p_organization and l.number > p_after
	 order by l.number limit least(greatest(p_limit, 1), 100);
end
$$;

-- The run that audits a root, or one of its repositories. p_is_after: something was done there just now,
-- which an audit that is under way may have passed already. Internal.
create function muster.root_audit_add(p_root bigint, p_repo uuid, p_account uuid, p_is_after boolean default false)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_root muster.root;
	v_run bigint;
	v_key text := 'root:' || p_root || ':now';
	v_repo uuid := p_repo;
	v_states text[] := case when p_is_after then array['queued'] else array['queued', 'running'] end;
begin
	select * into v_root from muster.root where id = p_root;
	-- A key of its own: a scheduled audit that is under way may have passed the very place.
	-- The lock holds back a second click until this one's job can be seen.
	perform pg_advisory_xact_lock(19798, p_root::integer);
	select run_id into v_run from muster.job
	 where organization_id = v_root.organization_id and kind = 'audit'
	   and key in (v_key, v_key || ':all') and state = any (v_states)
	   and (payload ->> 'repo' is null or payload ->> 'repo' = p_repo::text)
	 order by id limit 1;
	if v_run is not null then
		return v_run;
	end if;
	if exists (select from muster.job
		    where organization_id = v_root.organization_id and kind = 'audit' and key = v_key
		      and state = any (v_states)) then
		v_key := v_key || ':all';
		v_repo := null;
	end if;
	insert into muster.run (organization_id, project_id, repo_id, account_id, kind)
	values (v_root.organization_id, v_root.project_id, p_repo, p_account, 'audit')
	returning id into v_run;
	-- None of the key waits; one that works may, and this one follows.
	perform muster.job_add(v_root.organization_id, 'audit', v_key,
			jsonb_build_object('organization', o.slug, 'organization_id', o.id, 'root', v_root.slug,
				'path', v_root.path, 'host', v_root.host, 'repo', v_repo),
			v_root.host, v_run, 10, p_mode => 'replace', p_limit_key => 'audit:' || p_root, p_limit_running => 1)
	   from muster.organization o where o.id = v_root.organization_id;
	return v_run;
end
$$;

create function muster.root_audit(p_root bigint, p_repo uuid default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_root muster.root;
	v_run bigint;
begin
	select * into v_root from muster.root
	 where id = p_root and organization_id = muster.organization_need() and watched;
	if v_root.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such root.';
	end if;
	v_run := muster.root_audit_add(v_root.id, p_repo, muster.account());
	insert into muster.trail (organization_id, account_id, action, subject)
	select v_root.organization_id, muster.account(), 'audit.add', coalesce(p_repo::text, v_root.slug)
	  from muster.run where id = v_run and created_at = now(); -- and is not one that waited already
	return v_run;
end
$$;

create function muster.root_parts(p_organization uuid, p_project uuid, p_repo uuid)
returns table (root muster.root, repo uuid)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return query
	-- What is new below a root comes into its project. Of another only what was moved is looked at: one alone,
	-- or all in one walk.
	select t, coalesce(p_repo, case when t.project_id <> p_project and s.count = 1 then s.id end)
	  from muster.root t
	 cross join lateral (
		select count(*) as count, (array_agg(r.id))[1] as id from muster.repo r
		 where p_project is not null and r.project_id = p_project and r.root_id = t.id
		   and r.removed_at is null and r.archived_at is null) s
	 where t.organization_id = p_organization and t.watched
	   and (p_project is null or t.project_id = p_project or s.count > 0)
	   and (p_repo is null
		or t.id = (select r.root_id from muster.repo r where r.id = p_repo and r.removed_at is null))
	 order by t.id;
end
$$;

create function muster.audit_add(p_repo text default null, p_project text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.project_only(p_project, p_repo);
	v_repo muster.repo;
	v_runs bigint[];
begin
	if coalesce(p_repo, '') <> '' then
		v_repo := muster.repo_find(p_repo);
		perform muster.repo_active(v_repo);
	end if;
	select array_agg(muster.root_audit((p.root).id, p.repo) order by (p.root).id) into v_runs
	  from muster.root_parts(v_organization, v_project, v_repo.id) p;
	if v_runs is null and v_project is not null then
		raise exception using errcode = 'MU409',
			message = 'Nothing of the project is watched here: its reports, if any, come from elsewhere.';
	elsif v_runs is null then
		raise exception using errcode = 'MU409',
			message = 'Nothing is watched here: these reports come from elsewhere.';
	end if;
	return jsonb_build_object('run_id', v_runs[1], 'run_ids', to_jsonb(v_runs), 'status',
		(select status from muster.run where id = v_runs[1]));
end
$$;
