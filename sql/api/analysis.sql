-- SPDX-License-Identifier: MIT
-- Analysis as its clients know it: scans are runs, vulnerabilities are findings.
--
--   analysis_scan_add(p_repo, p_commit, p_branch, p_type, p_pull_request) → scan: a run of that kind, the one
--       that waits already when it was asked for before. p_type: security, quality or dependency.
--       p_pull_request: the number of the one that it is of. MU404, MU409.
--   analysis_scan_list(p_repo, p_status, p_type, p_limit, p_cursor) → {"items": [scan], "next"}, newest first
--   analysis_scan_get(p_run) → scan + "results": what it was the first to find, at most 100. MU404.
--   analysis_pull_request(p_pull_request, p_repo) → {pull_request, scans, findings}: the scans that named it,
--       the newest first, at most 50, of any repository without p_repo; and what these were the first to
--       find, the worst first, at most 200. MU404: no scan named it.
--   analysis_metrics(p_repo) → what is known of a repository: {repository, timestamp, health, activity,
--       security}; null where nobody has looked yet. MU404, MU409.
--
-- A scan: {id, scan_id, repository_id, repository, scan_type, commit_sha, branch, pull_request, status,
-- progress, error, findings_count, critical_count, high_count, medium_count, low_count, created_at, started_at,
-- completed_at}. Counts are of what it was the first to find, null until it has completed.

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
	v_counts record;
begin
	if v_is_done then
		select count(*) as n, count(*) filter (where severity = 'critical') as critical,
		       count(*) filter (where severity = 'high') as high,
		       count(*) filter (where severity = 'medium') as medium,
		       count(*) filter (where severity = 'low') as low into v_counts
		  from muster.finding where run_id = (p_run).id and organization_id = (p_run).organization_id;
	else
		select null::bigint as n, null::bigint as critical, null::bigint as high, null::bigint as medium,
		       null::bigint as low into v_counts;
	end if;
	return jsonb_build_object('id', (p_run).id, 'scan_id', (p_run).id, 'repository_id', (p_run).repo_id,
		'repository', muster.repo_brief((p_run).repo_id), 'scan_type', muster.analysis_type((p_run).kind),
		'commit_sha', (p_run).request -> 'commit', 'branch', (p_run).request -> 'branch',
		'pull_request', (p_run).pull_request,
		'status', (p_run).status, 'progress', (p_run).progress, 'error', (p_run).error,
		'findings_count', v_counts.n, 'critical_count', v_counts.critical, 'high_count', v_counts.high,
		'medium_count', v_counts.medium, 'low_count', v_counts.low,
		'created_at', muster.iso((p_run).created_at), 'started_at', muster.iso((p_run).started_at),
		'completed_at', muster.iso((p_run).completed_at));
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
	if not v_root.watched or v_repo.status in ('missing', 'not_git') then
		raise exception using errcode = 'MU409',
			message = format('%s is no repository on a host of ours that could be scanned.', v_repo.name);
	end if;
	v_key := left(concat_ws(':', 'repo', v_repo.id, v_request ->> 'commit', v_request ->> 'branch',
			       'pull_request ' || p_pull_request), 300);
	perform pg_advisory_xact_lock(19802, hashtext(v_kind || v_key));
	select r.* into v_run from muster.job j join muster.run r on r.id = j.run_id
	 where j.organization_id = v_organization and j.kind = v_kind and j.key = v_key
	   and j.state in ('queued', 'running');
	if v_run.id is null then
		insert into muster.run (organization_id, project_id, repo_id, account_id, kind, request, pull_request)
		values (v_organization, v_repo.project_id, v_repo.id, muster.account(), v_kind, v_request, p_pull_request)
		returning * into v_run;
		insert into muster.job (organization_id, run_id, kind, key, host, priority, attempts_max, payload)
		values (v_organization, v_run.id, v_kind, v_key, v_root.host, 10, 3,
			v_request || jsonb_build_object('repo_id', v_repo.id, 'name', v_repo.name, 'path', v_repo.path,
				'root', v_root.slug, 'root_path', v_root.path, 'organization_id', v_organization));
		insert into muster.trail (organization_id, account_id, action, subject, data)
		values (v_organization, muster.account(), 'scan.add', v_repo.id::text,
			jsonb_build_object('run_id', v_run.id, 'name', v_repo.name, 'kind', v_kind));
	end if;
	return muster.analysis_scan_json(v_run);
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
	v_kinds text[] := coalesce(array[muster.analysis_kind(p_type)], array['scan', 'analyze', 'deps']);
	v_repo uuid := muster.repo_id(p_repo);
begin
	if p_type is null then
		v_kinds := array['scan', 'analyze', 'deps'];
	end if;
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
			'stale_tags', muster.json_int(case jsonb_typeof(v_repo.report -> 'staleTags')
				when 'array' then to_jsonb(jsonb_array_length(v_repo.report -> 'staleTags'))
				else v_repo.report -> 'staleTags' end, 0, 2147483647),
			'missing_files', case when jsonb_typeof(v_repo.report -> 'missingFiles') = 'array'
					      then jsonb_array_length(v_repo.report -> 'missingFiles') end),
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
