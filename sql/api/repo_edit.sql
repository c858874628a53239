-- SPDX-License-Identifier: MIT
-- What people do to the repositories that audits find.
--
--   repo_add(p_url, p_path, p_host, p_project) → {"status": "queued", "run_id", "kind", "url", "path",
--       "host", "root"}: one of both. An address is cloned by a job, into the root "clones" of the host
--       that does it (p_host null: any). A folder, as reports write paths, is watched with all below it;
--       only the server's administrator says which folders of a host are read, and what is cloned by
--       ssh. MU400, MU403, MU409 (is watched or there already, or lies around what is), MU429
--       (max_repositories). p_count: how many there are, when who asks has counted them.
--   repo_update(p_repo, p_description, p_project, p_tags, p_if_match) → repo_get(). MU400, MU404, MU412.
--   repo_archive(p_repo), repo_unarchive(p_repo) → repo_get(). What is archived is in no list that did
--       not ask for it, and nothing is done to it but audits of its root.
--   repo_remove(p_repo, p_confirm) → {"status", "repository", "goes", "confirm", "expires_at",
--       "run_id"}. Without p_confirm, status "confirm": what would go, and the token to say so with,
--       which is this account's alone and good for ten minutes and once. With it, "queued": a run moves
--       the working tree to the trash of its host, and the next audit misses it; or "removed" where
--       there is none that we could move. Its rows go when retention.repo_days are over. MU404,
--       MU409: no such token.
--   repo_restore(p_repo: id) → the same, "restored", or "queued": the run that brings the folder back.
--       MU404; MU409: there is nothing to undo.
--   repo_bring_back(p_organization: slug, p_repo: id or name) → the same, for an administrator of the host.

-- A page with lists hears that it came or went.
create function muster.repo_tell(p_repo muster.repo, p_is_there boolean) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_all record;
begin
	v_all := muster.summary_all((p_repo).organization_id);
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select (p_repo).organization_id, p.slug, 'audit', 'repo-status-change', (p_repo).id::text,
	       jsonb_build_object('repo', case when p_is_there then muster.repo_compact(p_repo)
			else jsonb_build_object('id', (p_repo).id, 'name', (p_repo).name, 'status', 'removed') end,
			'previous_status', case when not p_is_there then (p_repo).status end,
			'summary', v_all.summary, 'health_status', v_all.health_status)
	  from muster.project p where p.id = (p_repo).project_id;
end
$$;

-- That of repo_get(), locked. p_is_removed: by id, one that is no longer there.
create function muster.repo_lock(p_repo text, p_is_removed boolean default false) returns muster.repo
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo muster.repo;
begin
	select * into v_repo from muster.repo
	 where organization_id = v_organization
	   and id = case when p_is_removed then p_repo::uuid else (muster.repo_find(p_repo)).id end
	   for no key update;
	if v_repo.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such repository.';
	end if;
	return v_repo;
end
$$;

-- What is wrong with an address to clone from; null: nothing. https, ssh and [user@]host:path, as
-- repo_clone.h has it; that the host is none of a private network is looked at once more when its
-- name is resolved.
create function muster.url_fault(p_url text, p_is_private boolean) returns text
language plpgsql immutable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_host text := lower(coalesce(
		(regexp_match(p_url, '^(?:https|ssh)://(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:@\[\]]+)(?::\d+)?/.'))[1],
		(regexp_match(p_url, '^(?:[^/:@]+@)?([^/:@]+):(?!:)(?!//).'))[1]));
begin
	if p_url !~ '^[!-~]+$' then
		return 'holds a space or a character that is not ASCII';
	elsif p_url ~ '^(https://[^/]*|[a-z]+://[^/]*:[^/]*)@' then
		return 'holds a name or a password, which would be stored and shown';
	elsif v_host is null or p_url ~ '^-' or v_host ~ '^-' then
		return 'is no https or ssh address of a repository';
	elsif v_host ~ '[^a-z0-9._:[\]-]|\.$' then
		return 'names a host with characters that none has, or a dot at its end';
	elsif not p_is_private and (v_host ~ '^(localhost|.*\.localhost|\[.*|\d+|0x.*|.*\.internal|.*\.local)$'
	      or v_host ~ '^(0|10|127|169\.254|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.') then
		return 'leads into a private network';
	end if;
	return null;
end
$$;

-- ssh shows the keys of the server's own account, which open more than one organisation is to see.
create function muster.url_check_role(p_url text) returns void
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	if p_url !~ '^https:' and current_setting('muster.role', true) is distinct from 'platform_admin' then
		raise exception using errcode = 'MU403',
			message = 'What is cloned by ssh, with the keys of this server, is for its administrator to say.';
	end if;
end
$$;

create function muster.repo_count(p_organization uuid) returns bigint
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	select count(*) from muster.repo where organization_id = p_organization and removed_at is null;
end;

create function muster.repo_add_url(p_url text, p_host text, p_project muster.project, p_count bigint)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization;
	v_is_private boolean := muster.setting_value('repo.private_addresses', null) = '"yes"';
	v_fault text := muster.url_fault(p_url, v_is_private);
	v_key text := muster.remote_key(p_url);
	-- A key is short, and an address need not be.
	v_job_key text := 'url:' || case when length(p_url) <= 250 then p_url else left(p_url, 250) || ':' || md5(p_url) end;
	v_repo text;
	v_run bigint;
begin
	if v_fault is not null then
		perform muster.field_error('url', v_fault);
	end if;
	perform muster.url_check_role(p_url);
	-- One at a time, or two would both see room for one.
	select * into v_organization from muster.organization where id = (p_project).organization_id
	   for no key update;
	select name into v_repo from muster.repo
	 where organization_id = v_organization.id and removed_at is null
	   and left(muster.remote_key(remote), 200) = left(v_key, 200)
	   and muster.remote_key(remote) = v_key limit 1;
	if v_repo is not null then
		raise exception using errcode = 'MU409', message = format('It is there already: %s.', v_repo);
	end if;
	select run_id into v_run from muster.job
	 where organization_id = v_organization.id and kind = 'clone' and key = v_job_key
	   and state in ('queued', 'running');
	if v_run is not null then
		return v_run;
	end if;
	-- Those that are on their way count, where there is a limit.
	if v_organization.max_repositories is not null
	   and coalesce(p_count, muster.repo_count(v_organization.id))
	   + (select count(*) from muster.job
	       where organization_id = v_organization.id and kind = 'clone' and state in ('queued', 'running')) >= v_organization.max_repositories then
		raise exception using errcode = 'MU429',
			message = format('The organization may have %s repositories.', v_organization.max_repositories);
	end if;
	insert into muster.run (organization_id, project_id, account_id, kind, request)
	values (v_organization.id, (p_project).id, muster.account(), 'remediate',
		jsonb_build_object('operation', 'add', 'url', p_url))
	returning id into v_run;
	perform muster.job_add(v_organization.id, 'clone', v_job_key,
		jsonb_build_object('organization', v_organization.slug, 'organization_id', v_organization.id,
				   'project', (p_project).slug, 'url', p_url, 'private', v_is_private),
		p_host, v_run, 10, p_attempts_max => 3);
	return v_run;
end
$$;

create function muster.repo_add_path(p_path text, p_host text, p_project muster.project, out run bigint,
				     out slug text)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization;
	v_root muster.root;
	v_added bigint;
begin
	if p_path !~ '^/' or p_path ~ '(^|/)\.{1,2}(/|$)' or p_path ~ '//' then
		perform muster.field_error('path', 'is not an absolute path without "." and ".."');
	end if;
	select * into v_organization from muster.organization where id = (p_project).organization_id
	   for no key update;
	-- What is below a root is found by its audits; what is around one would be listed twice.
	select * into v_root from muster.root t
	 where t.organization_id = v_organization.id and t.host = p_host and t.watched
	   and (starts_with(p_path || '/', rtrim(t.path, '/') || '/')
		or starts_with(t.path || '/', rtrim(p_path, '/') || '/'))
	 order by length(t.path) limit 1;
	if v_root.id is not null and not starts_with(p_path || '/', rtrim(v_root.path, '/') || '/') then
		raise exception using errcode = 'MU409',
			message = format('Below it lies %s (%s), whose repositories would be listed twice.',
					 v_root.slug, v_root.path);
	elsif v_root.id is null then
		-- A statement of its own: none sees what it adds itself.
		v_added := (muster.root_add(v_organization.slug, p_host, p_path, null, (p_project).slug,
			false) ->> 'id')::bigint;
		select * into v_root from muster.root where id = v_added;
	end if;
	slug := v_root.slug;
	run := muster.root_audit(v_root.id);
end
$$;

create function muster.repo_add(p_url text default null, p_path text default null, p_host text default null,
				p_project text default null, p_count bigint default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_url text := nullif(p_url, '');
	v_path text := case p_path when '/' then '/' else nullif(rtrim(p_path, '/'), '') end;
	v_project muster.project;
	v_hosts text[] := array(select distinct host from muster.root
				 where organization_id = v_organization and watched limit 2);
	v_host text := coalesce(nullif(p_host, ''), case when cardinality(v_hosts) = 1 then v_hosts[1] end);
	v_root text := 'clones';
	v_run bigint;
begin
	v_project := muster.project_own(coalesce(nullif(p_project, ''), 'default'));
	if num_nonnulls(v_url, v_path) <> 1 then
		perform muster.field_error('url', 'or a path is needed, and not both');
	end if;
	if v_path is not null then
		if current_setting('muster.role') <> 'platform_admin' then
			raise exception using errcode = 'MU403',
				message = 'Which folders of a host are read is for the server''s administrator to say.';
		elsif v_host is null then
			perform muster.field_error('host', 'is needed: several hosts are watched, or none yet');
		end if;
		select a.run, a.slug into v_run, v_root from muster.repo_add_path(v_path, v_host, v_project) a;
	else
		v_run := muster.repo_add_url(v_url, nullif(p_host, ''), v_project, p_count);
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'repo.add', left(coalesce(v_url, v_path), 300),
		jsonb_build_object('run_id', v_run));
	return jsonb_build_object('status', 'queued', 'run_id', v_run,
		'kind', (select kind from muster.run where id = v_run), 'url', v_url, 'path', v_path,
		'host', case when v_path is null then nullif(p_host, '') else v_host end,
		'root', v_root);
end
$$;

create function muster.repo_update(p_repo text, p_description text default null, p_project text default null,
				   p_tags jsonb default null, p_if_match text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repo muster.repo;
	v_project muster.project;
	v_tags text[] := array(select distinct lower(t) from jsonb_array_elements_text(p_tags) t order by 1);
begin
	if p_project is not null then
		-- Its findings go along (0043_figure.sql), and are taken before it, as a scan does.
		perform muster.finding_lock(muster.organization_need(), array[(muster.repo_find(p_repo)).id]);
	end if;
	v_repo := muster.repo_lock(p_repo);
	perform muster.match_check(p_if_match, muster.repo_get(v_repo.id::text));
	if exists (select from unnest(v_tags) t where t !~ '^[a-z0-9][a-z0-9._:/-]{0,49}$') then
		perform muster.field_error('tags', 'have letters, digits and ._:/- inside');
	end if;
	if p_project is not null then
		v_project := muster.project_own(p_project);
	end if;
	update muster.repo
	   set description = case when p_description is null then description else nullif(p_description, '') end,
	       project_id = coalesce(v_project.id, project_id),
	       tags = case when p_tags is null then tags else v_tags end, updated_at = now()
	 where id = v_repo.id;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_repo.organization_id, muster.account(), 'repo.update', v_repo.id::text,
		jsonb_strip_nulls(jsonb_build_object('name', v_repo.name, 'description', left(p_description, 500),
						     'project_id', p_project, 'tags', p_tags)));
	return muster.repo_get(v_repo.id::text);
end
$$;

create function muster.repo_put_aside(p_repo text, p_is_archived boolean) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repo muster.repo := muster.repo_lock(p_repo);
begin
	if (v_repo.archived_at is not null) <> p_is_archived then
		update muster.repo set archived_at = case when p_is_archived then now() end, updated_at = now()
		 where id = v_repo.id returning * into v_repo;
		perform muster.repo_tell(v_repo, not p_is_archived);
		insert into muster.trail (organization_id, account_id, action, subject, data)
		values (v_repo.organization_id, muster.account(),
			case when p_is_archived then 'repo.archive' else 'repo.unarchive' end, v_repo.id::text,
			jsonb_build_object('name', v_repo.name));
	end if;
	return muster.repo_get(v_repo.id::text);
end
$$;

create function muster.repo_archive(p_repo text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.repo_put_aside(p_repo, true);
end
$$;

create function muster.repo_unarchive(p_repo text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.repo_put_aside(p_repo, false);
end
$$;

-- MU409 for what nothing is to be done to.
create function muster.repo_active(p_repo muster.repo) returns void
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	if (p_repo).archived_at is not null then
		raise exception using errcode = 'MU409',
			message = format('%s is archived. Take it out of the archive first.', (p_repo).name);
	end if;
end
$$;

-- A token for the current account to confirm something with.
create function muster.confirmation_add(p_subject text) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_token text := replace(gen_random_uuid()::text, '-', '');
begin
	delete from muster.confirmation
	 where account_id = muster.account() and organization_id = muster.organization() and subject = p_subject;
	insert into muster.confirmation (token_hash, organization_id, account_id, subject, expires_at)
	values (sha256(convert_to(v_token, 'UTF8')), muster.organization_need(), muster.account(), p_subject,
		now() + interval '10 minutes');
	return v_token;
end
$$;

create function muster.confirmation_use(p_subject text, p_token text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	delete from muster.confirmation
	 where token_hash = sha256(convert_to(p_token, 'UTF8')) and account_id = muster.account()
	   and organization_id = muster.organization_need() and subject = p_subject and expires_at > now();
	if not found then
		raise exception using errcode = 'MU409',
			message = 'This confirms nothing any more. Ask without it for what would go and a new token.';
	end if;
end
$$;

create function muster.repo_removal_json(p_status text, p_repo muster.repo, p_goes jsonb, p_confirm text,
					 p_run bigint) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('status', p_status, 'goes', p_goes, 'confirm', p_confirm, 'run_id', p_run,
	'repository', jsonb_build_object('id', (p_repo).id, 'name', (p_repo).name),
	'expires_at', case when p_confirm is not null then muster.iso(now() + interval '10 minutes') end);

create function muster.repo_remove(p_repo text, p_confirm text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repo muster.repo := muster.repo_lock(p_repo);
	v_root muster.root;
	v_has_files boolean;
	v_goes jsonb;
	v_run bigint;
begin
	select * into v_root from muster.root
	 where id = v_repo.root_id and organization_id = v_repo.organization_id;
	v_has_files := v_root.watched and v_repo.status <> 'missing' and v_repo.path is not null;
	if p_confirm is null then
		v_goes := jsonb_build_object('folder', case when v_has_files then v_repo.path end, 'host', v_root.host,
			'findings', (select coalesce(sum(n), 0) from muster.finding_count where repo_id = v_repo.id),
			'findings_open', (select coalesce(sum(n), 0) from muster.finding_count
					   where repo_id = v_repo.id and state in ('open', 'in_progress')),
			'runs', (select count(*) from muster.run where repo_id = v_repo.id));
		return muster.repo_removal_json('confirm', v_repo, v_goes,
						muster.confirmation_add('repo:' || v_repo.id), null);
	end if;
	perform muster.confirmation_use('repo:' || v_repo.id, p_confirm);
	if v_has_files then
		perform muster.repo_alone(v_repo);
		v_run := muster.remediation_queue('delete', v_repo, v_root, '{}');
	else
		update muster.repo set removed_at = now(), updated_at = now() where id = v_repo.id;
		perform muster.repo_tell(v_repo, false);
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_repo.organization_id, muster.account(), 'repo.remove', v_repo.id::text,
		jsonb_build_object('name', v_repo.name, 'path', left(v_repo.path, 1000), 'run_id', v_run));
	return muster.repo_removal_json(case when v_has_files then 'queued' else 'removed' end, v_repo, null,
					null, v_run);
end
$$;

create function muster.repo_restore(p_repo uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repo muster.repo := muster.repo_lock(p_repo::text, true);
	v_root muster.root;
	v_last muster.run;
	v_is_delete boolean;
	v_run bigint;
begin
	select * into v_root from muster.root
	 where id = v_repo.root_id and organization_id = v_repo.organization_id;
	select * into v_last from muster.run r
	 where r.repo_id = v_repo.id and r.organization_id = v_repo.organization_id
	   and r.request ->> 'operation' in ('delete', 'restore')
	 order by r.id desc limit 1;
	v_is_delete := v_last.request ->> 'operation' = 'delete';
	if v_is_delete and v_last.status = 'pending' then
		perform muster.run_cancel(v_last.id);
	elsif v_is_delete and v_last.status = 'in_progress' then
		raise exception using errcode = 'MU409', message = 'It is being removed at this moment.';
	elsif not v_is_delete and v_last.status in ('pending', 'in_progress') then
		v_run := v_last.id;
	elsif v_is_delete and v_last.status = 'completed' then
		v_run := muster.remediation_queue('restore', v_repo, v_root,
						  jsonb_build_object('delete_run_id', v_last.id));
	elsif v_repo.removed_at is not null then
		update muster.repo set removed_at = null, updated_at = now() where id = v_repo.id
		returning * into v_repo;
		perform muster.repo_tell(v_repo, true);
	else
		raise exception using errcode = 'MU409', message = 'There is nothing to undo.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_repo.organization_id, muster.account(), 'repo.restore', v_repo.id::text,
		jsonb_build_object('name', v_repo.name, 'run_id', v_run));
	return muster.repo_removal_json(case when v_run is null then 'restored' else 'queued' end, v_repo, null,
					null, v_run);
end
$$;

create function muster.repo_bring_back(p_organization text, p_repo text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := (select id from muster.organization where slug = p_organization);
	v_repo uuid;
begin
	-- One that is gone, before another that has its name by now.
	select id into v_repo from muster.repo
	 where organization_id = v_organization and (id::text = lower(p_repo) or name = p_repo)
	 order by removed_at is null, removed_at desc limit 1;
	if v_repo is null then
		raise exception using errcode = 'MU404', message = format('There is no repository %s.', p_repo);
	end if;
	perform set_config('muster.organization', v_organization::text, true);
	return muster.repo_restore(v_repo);
end
$$;
