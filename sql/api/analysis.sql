-- SPDX-License-Identifier: MIT
-- Analysis as its clients know it: scans are runs, vulnerabilities are findings.
--
--   analysis_scan_add(p_repo, p_commit, p_branch, p_type, p_pull_request) → scan: a run of that kind, the one
--       that waits or runs already when it was asked for before; a newer commit of the same branch or pull
--       request takes the place of an older one. p_type: security, quality or dependency. There is nothing yet
--       that looks for the last two: such a run has failed at once, and says so. All of history is scanned:
--       p_commit and p_branch must be there, or the run fails. p_pull_request: the number of the one that it is
--       of. MU404, MU409.
--   analysis_scan_list(p_repo, p_status, p_type, p_limit, p_cursor) → {"items": [scan], "next"}, newest first
--   analysis_scan_get(p_run) → scan + "results": what it was the first to find, at most 100. MU404.
--   analysis_pull_request(p_pull_request, p_repo) → {pull_request, scans, findings}: the scans that named it,
--       the newest first, at most 50, of any repository without p_repo; and what these were the first to
--       find, the worst first, at most 200. MU404: no scan named it.
--   analysis_begin(p_repos, p_kind, p_priority, p_account) → of how many of these repositories there is something
--       to look at, and how many jobs were queued for them: of the others one waits or runs already. Internal.
--   scan_add(p_repo, p_project) → {"run_id", "status", "repositories"}: as analysis_scan_add(), or without p_repo
--       all that there are, or are in that project, a hundred in a second, each without being asked for twice.
--       MU400, MU404, MU409.
--   repo_ask(p_organization: slug, p_kind: audit or scan, p_repo, p_project) → audit_add() or scan_add(), for an
--       administrator of the host.
--   analysis_first() → (organization, jobs): what scan_add() asked for, and what audits have found since, if the
--       setting scan.first says so, was queued. Internal.
--   analysis_metrics(p_repo) → what is known of a repository: {repository, timestamp, health, activity,
--       security}; null where nobody has looked yet. MU404, MU409.
--
-- A scan: {id, scan_id, repository_id, repository, scan_type, commit_sha, branch, pull_request, status,
-- progress, error, findings_count, critical_count, high_count, medium_count, low_count, created_at, started_at,
-- completed_at}. Counts are of what it saw and is neither ignored nor resolved, null until it has completed.

create function muster.analysis_kind(p_type text) returns text
language sql immutable parallel safe
return case p_type when 'security' then 'scan' when 'quality' then 'analyze' when 'dependency' then 'deps' end;

create function muster.analysis_type(p_kind text) returns text
language sql immutable parallel safe
return case p_kind when 'scan' then 'security' when 'analyze' then 'quality' when 'deps' then 'dependency' end;

create function muster.analysis_scan_json(p_run muster.run) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_is_done boolean := (p_run).status = 'completed';
	v_counts jsonb := case when v_is_done and (p_run).counts is not null
			       then '{"critical": 0, "high": 0, "medium": 0, "low": 0}'::jsonb || (p_run).counts end;
begin
	return jsonb_build_object('id', (p_run).id, 'scan_id', (p_run).id, 'repository_id', (p_run).repo_id,
		'repository', muster.repo_brief((p_run).repo_id), 'scan_type', muster.analysis_type((p_run).kind),
		'commit_sha', (p_run).request -> 'commit', 'branch', (p_run).request -> 'branch',
		'pull_request', (p_run).pull_request,
		'status', (p_run).status, 'progress', (p_run).progress, 'error', (p_run).error,
		'findings_count', case when v_is_done then (p_run).total_results end,
		'critical_count', v_counts -> 'critical', 'high_count', v_counts -> 'high',
		'medium_count', v_counts -> 'medium', 'low_count', v_counts -> 'low',
		'created_at', muster.iso((p_run).created_at), 'started_at', muster.iso((p_run).started_at),
		'completed_at', muster.iso((p_run).completed_at));
end
$$;

-- What is asked for twice is one job: of a repository, or of one branch or pull request of it.
create function muster.analysis_key(p_repo uuid, p_branch text default null, p_pull_request integer default null)
returns text
language sql immutable parallel safe
-- A branch may have any letters, and is long.
return format('repo:%s:%s', p_repo, md5(jsonb_build_array(p_branch, p_pull_request)::text));

create function muster.analysis_queue(p_run muster.run, p_repo muster.repo, p_root muster.root, p_key text,
				      p_priority integer, p_is_fresh boolean default false) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	-- What is fetched knows nothing of a push before. Where that fails it is scanned as it is, if it was ever
	-- there.
	v_fetch bigint := case when not p_is_fresh then muster.fetch_add(p_repo) end;
	v_is_mirror boolean := muster.mirror_url(p_repo, p_root) is not null;
	v_host text := muster.mirror_host((p_repo).id);
begin
	return muster.job_add((p_repo).organization_id, (p_run).kind, p_key,
		jsonb_build_object('commit', null, 'branch', null) || coalesce((p_run).request, '{}')
		|| jsonb_build_object('repo_id', (p_repo).id, 'name', (p_repo).name, 'path', (p_repo).path,
			'root', (p_root).slug, 'root_path', (p_root).path, 'organization_id', (p_repo).organization_id,
			'fetch', v_fetch, 'mirror', v_is_mirror),
		p_host => case when v_is_mirror then v_host else (p_root).host end,
		p_run => (p_run).id, p_priority => p_priority, p_attempts_max => 3,
		p_mode => 'supersede',
		p_wait_for => array_remove(array[v_fetch], null),
		p_wait_any => not v_is_mirror or v_host is not null,
		-- What is known of a repository is kept by one scan at a time.
		p_limit_key => 'scan:' || (p_repo).id, p_limit_running => 1);
end
$$;

-- The runs of all of them at once: what follows a run costs as much for one as for many.
create function muster.analysis_begin(p_repos uuid[], p_kind text, p_priority integer, p_account uuid default null,
				      out fit integer, out jobs integer)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repos uuid[] := array(
		select r.id from muster.repo r
		  join muster.root t on t.id = r.root_id
		 where r.id = any (p_repos) and r.removed_at is null and r.archived_at is null and muster.repo_is_here(r, t));
	-- What was cloned just now has all that there is; nobody says here that more was pushed.
	v_cloned text[] := array(
		select j.payload ->> 'url' from muster.job j
		 where j.organization_id = (select organization_id from muster.repo where id = v_repos[1])
		   and j.kind = 'clone' and j.state = 'done' and j.finished_at > now() - interval '10 minutes'
		 order by j.finished_at desc limit 1000);
	v_run muster.run;
	v_both record;
	v_repo muster.repo;
	v_root muster.root;
begin
	fit := cardinality(v_repos);
	jobs := 0;
	for v_run in
		insert into muster.run (organization_id, project_id, repo_id, account_id, kind)
		select r.organization_id, r.project_id, r.id, p_account, p_kind
		  from unnest(p_repos) with ordinality p (id, k)
		  join muster.repo r on r.id = p.id
		 where r.id = any (v_repos)
		   and not exists (select from muster.job j
				    where j.organization_id = r.organization_id and j.kind = p_kind
				      and j.key = muster.analysis_key(r.id) and j.state in ('queued', 'running'))
		 order by p.k
		returning *
	loop
		select r as repo, t as root into v_both from muster.repo r
		  join muster.root t on t.id = r.root_id
		 where r.id = v_run.repo_id;
		v_repo := v_both.repo;
		v_root := v_both.root;
		perform muster.analysis_queue(v_run, v_repo, v_root, muster.analysis_key(v_repo.id), p_priority,
			v_root.slug = 'clones' and coalesce(v_repo.remote = any (v_cloned), false));
		jobs := jobs + 1;
	end loop;
end
$$;

create function muster.analysis_first() returns table (organization text, jobs integer)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_root muster.root;
	v_asked uuid[];
	v_repos uuid[];
	v_from integer;
begin
	for v_root in
		select * from muster.root t where t.scan_from is not null order by t.id limit 5 for update skip locked
	loop
		jobs := 0;
		v_from := null;
		if v_root.watched and exists (select from muster.job_kind where name = 'scan') and not
		   exists (select from muster.organization o
			    where o.id = v_root.organization_id and o.removed_at is not null) then
			-- What came since somebody asked is by nobody.
			select array_agg(r.id order by r.ordinal) filter (where r.ordinal < v_root.scan_until),
			       array_agg(r.id order by r.ordinal) filter (where (r.ordinal < v_root.scan_until) is not true),
			       max(r.ordinal) + 1
			  into v_asked, v_repos, v_from
			  from (select * from muster.repo r where r.root_id = v_root.id and r.ordinal >= v_root.scan_from
				   and (v_root.scan_projects is null or r.ordinal >= v_root.scan_until
					or r.project_id = any (v_root.scan_projects))
				 order by r.ordinal limit 100) r;
			jobs := (muster.analysis_begin(v_asked, 'scan', -1, v_root.scan_account_id)).jobs
				+ (muster.analysis_begin(v_repos, 'scan', -1)).jobs;
		end if;
		update muster.root
		   set scan_from = case when v_from < next_ordinal then v_from end,
		       scan_account_id = case when v_from < scan_until then scan_account_id end,
		       scan_projects = case when v_from < scan_until then scan_projects end,
		       scan_until = case when v_from < scan_until then scan_until end
		 where id = v_root.id;
		if jobs > 0 then
			organization := (select o.slug from muster.organization o where o.id = v_root.organization_id);
			return next;
		end if;
	end loop;
end
$$;

create function muster.analysis_scan_add(p_repo text, p_commit text default null, p_branch text default null,
					 p_type text default null, p_pull_request integer default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_kind text := coalesce(muster.analysis_kind(p_type), 'scan');
	v_request jsonb := jsonb_build_object('commit', lower(nullif(p_commit, '')), 'branch', nullif(p_branch, ''));
	v_repo muster.repo;
	v_root muster.root;
	v_key text;
	v_run muster.run;
begin
	if p_commit !~ '^[0-9A-Fa-f]{7,64}$' then
		perform muster.field_error('commit_sha', 'is no commit''s name');
	end if;
	v_repo := muster.repo_find(p_repo);
	select * into v_root from muster.root where id = v_repo.root_id and organization_id = v_organization;
	perform muster.repo_active(v_repo);
	if (not v_root.watched or v_repo.status in ('missing', 'not_git')) and muster.mirror_url(v_repo, v_root) is null then
		raise exception using errcode = 'MU409',
			message = format('%s is no repository on a host of ours, nor has it an address to fetch it from.', v_repo.name);
	end if;
	v_key := muster.analysis_key(v_repo.id, v_request ->> 'branch', p_pull_request);
	perform pg_advisory_xact_lock(19802, hashtext(v_kind || v_key));
	select r.* into v_run from muster.job j join muster.run r on r.id = j.run_id
	 where j.organization_id = v_organization and j.kind = v_kind and j.key = v_key
	   and j.state in ('queued', 'running')
	   and (v_request -> 'commit' = 'null' or r.request -> 'commit' = v_request -> 'commit')
	 order by j.id desc limit 1;
	if v_run.id is not null then
		return muster.analysis_scan_json(v_run);
	end if;
	insert into muster.run (organization_id, project_id, repo_id, account_id, kind, request, pull_request,
				status, error, completed_at)
	select v_organization, v_repo.project_id, v_repo.id, muster.account(), v_kind, v_request, p_pull_request,
	       case when k.missing is null then 'pending' else 'failed' end, k.missing,
	       case when k.missing is not null then now() end
	  from (select case v_kind when 'analyze' then 'Nothing here analyzes code yet: only scans for secrets are done.'
				   when 'deps' then 'Nothing here looks at dependencies yet: only scans for secrets are done.'
		       end as missing) k
	returning * into v_run;
	if v_run.status = 'pending' then
		perform muster.analysis_queue(v_run, v_repo, v_root, v_key, 10);
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'scan.add', v_repo.id::text,
		jsonb_build_object('run_id', v_run.id, 'name', v_repo.name, 'kind', v_kind));
	return muster.analysis_scan_json(v_run);
end
$$;

create function muster.scan_add(p_repo text default null, p_project text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.project_only(p_project, p_repo);
	v_scan jsonb;
	v_repos bigint;
begin
	if coalesce(p_repo, '') <> '' then
		v_scan := muster.analysis_scan_add(p_repo);
		return jsonb_build_object('run_id', v_scan -> 'id', 'status', v_scan -> 'status', 'repositories', 1);
	end if;
	select count(*) into v_repos
	  from muster.repo r join muster.root t on t.id = r.root_id
	 where r.organization_id = v_organization and r.removed_at is null and r.archived_at is null
	   and (v_project is null or r.project_id = v_project)
	   and t.watched and r.status not in ('missing', 'not_git');
	if v_repos = 0 then
		raise exception using errcode = 'MU409',
			message = format('There is no repository %son a host of ours that could be scanned.',
					 case when v_project is not null then 'of the project ' end);
	end if;
	-- What an audit has found since is to be scanned in any case, and where all is asked for already no less is.
	update muster.root t
	   set scan_from = 0, scan_account_id = muster.account(),
	       scan_until = case when v_project is null then next_ordinal else coalesce(scan_until, scan_from, next_ordinal) end,
	       scan_projects = case when v_project is null then null
				    when v_project = any (scan_projects) then scan_projects
				    else array_append(scan_projects, v_project) end
	 where organization_id = v_organization and watched
	   and (v_project is null
		or ((scan_until is null or scan_projects is not null)
		    and exists (select from muster.repo r
				 where r.project_id = v_project and r.root_id = t.id and r.removed_at is null)));
	insert into muster.trail (organization_id, account_id, action, data)
	values (v_organization, muster.account(), 'scan.add',
		jsonb_build_object('repositories', v_repos)
		|| case when v_project is null then '{}' else jsonb_build_object('project', p_project) end);
	return jsonb_build_object('run_id', null, 'status', 'pending', 'repositories', v_repos);
end
$$;

create function muster.repo_ask(p_organization text, p_kind text, p_repo text default null,
				p_project text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	-- Names mean what they mean there.
	perform set_config('muster.organization', muster.organization_find(p_organization)::text, true);
	return case p_kind when 'scan' then muster.scan_add(p_repo, p_project) else muster.audit_add(p_repo, p_project) end;
end
$$;

create function muster.analysis_scan_list(p_repo text default null, p_status text default null,
					  p_type text default null, p_limit integer default null,
					  p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 9223372036854775807), 9223372036854775807);
	v_status text[] := string_to_array(nullif(p_status, ''), ',');
	v_kinds text[] := case when p_type is null then array['scan', 'analyze', 'deps'] else array[muster.analysis_kind(p_type)] end;
	v_repo uuid := muster.repo_id(p_repo);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.analysis_scan_json(x.r) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array(min((x.r).id) filter (where x.k <= v_limit))) end)
		  from (select r, row_number() over (order by r.id desc) as k from muster.run r
			 where r.organization_id = v_organization and r.id < v_before and r.kind = any (v_kinds)
			   and (v_status is null or r.status = any (v_status))
			   and (v_repo is null or r.repo_id = v_repo)
			 order by r.id desc limit v_limit + 1) x);
end
$$;

create function muster.analysis_scan_get(p_run bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_run muster.run := muster.run_own(p_run);
begin
	if muster.analysis_type(v_run.kind) is null then
		raise exception using errcode = 'MU404', message = 'This run is no scan.';
	end if;
	return muster.analysis_scan_json(v_run)
	       || jsonb_build_object('results', muster.run_detail(p_run) -> 'results');
end
$$;

create function muster.analysis_pull_request(p_pull_request integer, p_repo text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo uuid := muster.repo_id(p_repo);
	v_runs muster.run[];
begin
	v_runs := array(select r from muster.run r
			 where r.organization_id = v_organization and r.pull_request = p_pull_request
			   and r.kind in ('scan', 'analyze', 'deps') and (v_repo is null or r.repo_id = v_repo)
			 order by r.id desc limit 50);
	if cardinality(v_runs) = 0 then
		raise exception using errcode = 'MU404', message = 'No scan is known of this pull request.';
	end if;
	return jsonb_build_object('pull_request', p_pull_request,
		'scans', (select jsonb_agg(muster.analysis_scan_json(r) order by (r).id desc)
			    from (select unnest(v_runs) as r) x),
		'findings', (
			select coalesce(jsonb_agg(muster.finding_json(f) order by f.rank desc, f.id desc), '[]')
			  from (select x.* from muster.finding x
				 where x.organization_id = v_organization
				   and x.run_id = any (array(select u.id from unnest(v_runs) u))
				 order by x.rank desc, x.id desc limit 200) f));
end
$$;

create function muster.analysis_metrics(p_repo text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo muster.repo;
	v_open jsonb;
	v_kinds jsonb;
begin
	v_repo := muster.repo_find(p_repo);
	select coalesce(jsonb_object_agg(s.severity, s.n), '{}') into v_open
	  from (select severity, sum(n)::bigint as n from muster.finding_count
		 where repo_id = v_repo.id and state in ('open', 'in_progress') group by 1) s;
	select coalesce(jsonb_object_agg(s.kind, s.n), '{}') into v_kinds
	  from (select kind, sum(n)::bigint as n from muster.finding_count
		 where repo_id = v_repo.id and state in ('open', 'in_progress') group by 1) s;
	return jsonb_build_object('repository', jsonb_build_object('id', v_repo.id, 'name', v_repo.name),
		'timestamp', muster.iso(v_repo.updated_at),
		'health', jsonb_build_object('status', v_repo.status, 'score', v_repo.health_score,
			'uncommitted_changes', v_repo.staged + v_repo.unstaged + v_repo.untracked,
			'stale_tags', v_repo.stale_tags, 'missing_files', v_repo.missing_files),
		'activity', jsonb_build_object('last_commit_at', muster.iso(v_repo.last_commit_at),
			'commits', muster.json_int(v_repo.report -> 'commits', 0, 2147483647),
			'commits_24h', muster.json_int(v_repo.report -> 'commits_24h', 0, 2147483647),
			'commits_30d', muster.json_int(v_repo.report -> 'commits_30d', 0, 2147483647),
			'contributors', muster.json_int(case jsonb_typeof(v_repo.report -> 'contributors')
				when 'array' then to_jsonb(jsonb_array_length(v_repo.report -> 'contributors'))
				else v_repo.report -> 'contributors' end, 0, 2147483647)),
		'security', jsonb_build_object('scanned_at', muster.iso(v_repo.scanned_at),
			'open', case when v_repo.scanned_at is not null then (
				select jsonb_object_agg(s, coalesce((v_open -> s)::bigint, 0))
				  from unnest(array['critical', 'high', 'medium', 'low', 'info']) s) end,
			'secrets', case when v_repo.scanned_at is not null then coalesce((v_kinds -> 'secret')::bigint, 0) end,
			'dependencies', (v_kinds -> 'dependency')::bigint, 'code', (v_kinds -> 'code')::bigint));
end
$$;
