-- SPDX-License-Identifier: MIT
-- Bringing home what changed elsewhere: clones of ours follow their address; and of a repository that has an
-- https address, or an ssh address for whose host a key is kept, and of which nothing lies on a host of ours (a report misses it, or comes from elsewhere), a
-- mirror is kept, from the first time that somebody has it fetched or scanned.
--
--   fetch_get(p_repo) → {repository, manner: clone, mirror or null, url, host, fetched_at, size_bytes, error, job_id}:
--       size_bytes is a mirror's on its host's disk, error is why the last time failed; job_id waits or runs. MU404.
--   fetch_new(p_repo) → as those of remediation.sql: the run that fetches it. MU404, MU409: nothing can be.
--   fetch_add(p_repo, p_run) → the job that does; null: there is nothing to fetch it to. Internal.
--   fetch_fault(p_job) → why that one was not done; null: it was, or nothing is known of it. Internal.
--   fetch_done(p_id, p_lease, p_result) → as remediation_done(), for such a job.
--   clone_done(p_id, p_lease, p_result) → as job_complete(), for a clone of what was added by its address.
--   repo_is_here(p_repo, p_root) → whether it, or a mirror of it, lies on a host of ours. Internal.
--   mirror_url(p_repo, p_root) → where its mirror is fetched from; null: it has none. Internal.
--
--   mirror_host(p_repo) → where its mirror lies; null: there is none, or that host is not there any more. Internal.
--   mirror_free() → how many jobs waited for such a host, and wait for any now. For prune_hourly().
--
-- A mirror lies on the host that fetched it first. Who waits for its fetch is done there. When that host was not
-- seen for a day another fetches it anew, and the copy goes when that one is back (reconcile).

create function muster.mirror_url(p_repo muster.repo, p_root muster.root) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_url text := coalesce(muster.json_text((p_repo).report -> 'clone_url', 2048), (p_repo).remote);
begin
	-- By ssh a key that is kept for the host is shown, and without one nothing: those of this server are for its
	-- administrator.
	if ((p_root).watched and (p_repo).status <> 'missing') or v_url is null
	   or not (v_url ~ '^https://' or muster.has_ssh_key((p_repo).organization_id, v_url))
	   or muster.url_fault(v_url, muster.setting_value('repo.private_addresses', null) = '"yes"') is not null then
		return null;
	end if;
	return v_url;
end
$$;

-- Of what lies on no host of ours, what somebody had fetched once.
create function muster.repo_is_here(p_repo muster.repo, p_root muster.root) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return ((p_root).watched and (p_repo).status not in ('missing', 'not_git'))
	       or (exists (select from muster.mirror m where m.repo_id = (p_repo).id)
		   and muster.mirror_url(p_repo, p_root) is not null);
end
$$;

create function muster.mirror_host(p_repo uuid) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select m.host from muster.mirror m
		 where m.repo_id = p_repo
		   and (m.fetched_at > now() - interval '1 day' or muster.host_is_there(m.host)));
end
$$;

create function muster.mirror_free() returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count bigint;
begin
	update muster.job j set host = null
	  from muster.mirror m
	 where j.state = 'queued' and j.kind in ('fetch', 'scan') and j.payload -> 'mirror' = 'true'
	   and m.repo_id = (j.payload ->> 'repo_id')::uuid and m.host = j.host
	   and j.created_at < now() - interval '1 hour' and muster.mirror_host(m.repo_id) is null;
	get diagnostics v_count = row_count;
	return v_count;
end
$$;

create function muster.fetch_add(p_repo muster.repo, p_run bigint default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_root muster.root;
	v_url text;
	v_is_clone boolean;
	v_payload jsonb;
begin
	select * into v_root from muster.root
	 where id = (p_repo).root_id and organization_id = (p_repo).organization_id;
	v_is_clone := v_root.watched and v_root.slug = 'clones' and (p_repo).path is not null and (p_repo).status <> 'missing';
	v_url := muster.mirror_url(p_repo, v_root);
	if not v_is_clone and v_url is null then
		return null;
	end if;
	v_payload := jsonb_build_object('operation', 'fetch', 'organization_id', (p_repo).organization_id,
		'organization', (select o.slug from muster.organization o where o.id = (p_repo).organization_id),
		'repo_id', (p_repo).id, 'name', (p_repo).name,
		'private', muster.setting_value('repo.private_addresses', null) = '"yes"')
		|| case when v_is_clone then jsonb_build_object('path', (p_repo).path, 'root_id', v_root.id)
			else jsonb_build_object('mirror', true, 'url', v_url) end;
	return muster.job_add((p_repo).organization_id, 'fetch', 'repo:' || (p_repo).id, v_payload,
		case when v_is_clone then v_root.host
		     else muster.mirror_host((p_repo).id) end,
		p_run, 10, p_attempts_max => 3,
		-- One that runs may have asked before what is wanted was pushed.
		p_mode => case when p_run is null then 'follow' else 'replace' end,
		p_limit_key => 'repo:' || (p_repo).id, p_limit_running => 1);
end
$$;

create function muster.fetch_fault(p_job bigint) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select case j.state when 'dead' then coalesce(j.error, 'it cannot be fetched')
				    else 'what was to fetch it was cancelled' end
		  from muster.job j where j.id = p_job and j.kind = 'fetch' and j.state in ('dead', 'cancelled'));
end
$$;

create function muster.fetch_done(p_id bigint, p_lease uuid, p_result jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
begin
	select * into v_job from muster.job where id = p_id and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return false;
	end if;
	if v_job.payload -> 'mirror' = 'true' then
		insert into muster.mirror as m (repo_id, organization_id, host, fetched_at, size_bytes)
		select r.id, r.organization_id, v_job.leased_by, now(),
		       muster.json_int(p_result -> 'size_bytes', 0, 9223372036854775807)
		  from muster.repo r
		 where r.id = (v_job.payload ->> 'repo_id')::uuid and r.organization_id = v_job.organization_id
		    on conflict (repo_id) do update
		   set host = excluded.host, fetched_at = excluded.fetched_at, size_bytes = excluded.size_bytes;
		update muster.job j set host = v_job.leased_by
		 where j.state = 'queued' and j.wait_for is not null and j.wait_for @> array[p_id]
		   and j.payload -> 'mirror' = 'true';
	end if;
	return muster.remediation_done(p_id, p_lease, p_result);
end
$$;

create function muster.clone_done(p_id bigint, p_lease uuid, p_result jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if not muster.job_complete(p_id, p_lease, p_result) then
		return false;
	end if;
	perform muster.credential_worked(p_id);
	return true;
end
$$;

create function muster.fetch_get(p_repo text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo muster.repo := muster.repo_find(p_repo);
	v_root muster.root;
	v_mirror muster.mirror;
	v_url text;
	v_last muster.job;
	v_is_clone boolean;
begin
	select * into v_root from muster.root where id = v_repo.root_id and organization_id = v_organization;
	select * into v_mirror from muster.mirror where repo_id = v_repo.id and organization_id = v_organization;
	v_url := muster.mirror_url(v_repo, v_root);
	v_is_clone := v_url is null and v_root.watched and v_root.slug = 'clones';
	select * into v_last from muster.job j
	 where j.organization_id = v_organization and j.kind = 'fetch' and j.key = 'repo:' || v_repo.id
	 order by j.id desc limit 1;
	return jsonb_build_object('repository', muster.repo_brief(v_repo.id),
		'manner', case when v_url is not null then 'mirror' when v_is_clone then 'clone' end,
		'url', case when v_is_clone then v_repo.remote else v_url end,
		'host', case when v_is_clone then v_root.host else v_mirror.host end,
		'fetched_at', muster.iso(coalesce(v_mirror.fetched_at, (
			select max(j.finished_at) from muster.job j
			 where j.organization_id = v_organization and j.kind = 'fetch' and j.key = 'repo:' || v_repo.id
			   and j.state = 'done'))),
		'size_bytes', case when v_url is not null then v_mirror.size_bytes end,
		'error', muster.fetch_fault(v_last.id),
		'job_id', case when v_last.state in ('queued', 'running') then v_last.id end);
end
$$;

create function muster.fetch_new(p_repo text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo muster.repo := muster.repo_find(p_repo);
	v_run bigint;
begin
	perform muster.repo_active(v_repo);
	if muster.fetch_get(v_repo.id::text) -> 'manner' = 'null' then
		raise exception using errcode = 'MU409', message =
			format('%s is no clone of ours, and there is no address to fetch it from.', v_repo.name);
	end if;
	perform pg_advisory_xact_lock(19801, hashtext('repo:' || v_repo.id || ':fetch'));
	select run_id into v_run from muster.job
	 where organization_id = v_organization and kind = 'fetch' and key = 'repo:' || v_repo.id and state = 'queued';
	if v_run is null then
		insert into muster.run (organization_id, project_id, repo_id, account_id, kind, request)
		values (v_organization, v_repo.project_id, v_repo.id, muster.account(), 'remediate', '{"operation": "fetch"}')
		returning id into v_run;
		perform muster.fetch_add(v_repo, v_run);
		insert into muster.trail (organization_id, account_id, action, subject, data)
		values (v_organization, muster.account(), 'remediation.fetch', v_repo.id::text,
			jsonb_build_object('run_id', v_run, 'name', v_repo.name));
	end if;
	return jsonb_build_object('status', 'queued', 'run_id', v_run, 'operation', 'fetch', 'repo', v_repo.name,
		'dry_run', false, 'preview', format('Fetch %s from where it comes from.', v_repo.name));
end
$$;
