-- SPDX-License-Identifier: MIT
-- What people do about what an audit says: clone what is missing, commit or discard changes, mend a
-- remote, delete what should not be there. All are runs of the kind "remediate", which jobs carry out on
-- the repository's host; deleted ones go to the trash there. Each answers {"status": "queued", "run_id",
-- "operation", "repo", "dry_run", "preview"}: preview is what would be done, in words.
--
--   remediation_clone(p_repo, p_clone_url, p_dry_run): a repository that the report misses. p_clone_url
--       must be the report's own. MU400, MU404, MU409.
--   remediation_commit(p_repo, p_message, p_dry_run): all changes, as one commit. MU409: there are none.
--   remediation_discard(p_repo, p_seen, p_dry_run) → as the others, with "seen": which changes these are. They are
--       all lost, if p_seen is null or what an answer before said, and nothing has changed since. MU409.
--   remediation_fix_remote(p_repo, p_expected_url, p_dry_run): origin becomes what the report expects.
--   remediation_delete(p_repo, p_confirm, p_dry_run): p_confirm is the name once more, as the preview of a
--       dry run says.
--   remediation_batch(p_operation, p_repos, p_dry_run) → {"operation", "results": [{repo, success, error,
--       run_id}]}: each by itself.
--   remediation_mismatch(p_repo) → {repo, currentUrl, expectedUrl, mismatch}.
--   remediation_done(p_id, p_lease, p_result: {"message"}) → as job_complete(), which it is: the run
--       tells the message, and an audit that shows how it is now is queued.
--   trash_prune(p_organization, p_before): jobs that empty the hosts' trash of what is older. Internal.
--
-- Nobody names a path or an address here: both are what the audit found, so that no request leads a
-- host anywhere else; and what is no longer as it was seen is left alone. Asked twice while it waits, it
-- is one run.

-- MU409 when others lie below it, which would go along unseen.
create function muster.repo_alone(p_repo muster.repo) returns void
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_below text;
begin
	select string_agg(b.name, ', ') into v_below from (
		select name from muster.repo
		 where root_id = (p_repo).root_id and organization_id = (p_repo).organization_id and removed_at is null
		   and starts_with(path, (p_repo).path || '/')
		 order by name limit 5) b;
	if v_below is not null then
		raise exception using errcode = 'MU409',
			message = format('Below %s lie other repositories: %s.', (p_repo).name, v_below);
	end if;
end
$$;

-- Who a commit is by.
create function muster.remediation_author(p_account uuid) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return coalesce((select jsonb_build_object('name', coalesce(nullif(btrim(a.name), ''), split_part(a.email, '@', 1)),
					   'email', a.email)
		   from muster.account a where a.id = p_account),
		jsonb_build_object('name', 'Muster', 'email', 'muster@localhost'));

-- The run that does it; the one that waits or works already, when it was asked for before. A clone is
-- the work of a kind that may connect, all else of one that may not.
create function muster.remediation_queue(p_operation text, p_repo muster.repo, p_root muster.root, p_request jsonb)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_kind text := case p_operation when 'clone' then 'clone' else 'remediate' end;
	v_key text := 'repo:' || (p_repo).id || ':' || p_operation;
	v_seen jsonb := jsonb_build_object('head', (p_repo).report ->> 'lastCommitSha');
	v_more jsonb := case p_operation
		when 'commit' then jsonb_build_object('author', muster.remediation_author(muster.account()), 'seen', v_seen)
		-- What nobody saw is not thrown away.
		when 'discard' then jsonb_build_object('seen', v_seen || jsonb_build_object('staged', (p_repo).staged,
			'unstaged', (p_repo).unstaged, 'untracked', (p_repo).untracked,
			'digest', muster.json_text((p_repo).report -> 'changes_digest', 64)))
		else '{}' end;
	v_run bigint;
begin
	perform pg_advisory_xact_lock(19801, hashtext(v_key));
	select run_id into v_run from muster.job
	 where organization_id = (p_repo).organization_id and kind = v_kind and key = v_key
	   and state in ('queued', 'running');
	if v_run is null then
		insert into muster.run (organization_id, project_id, repo_id, account_id, kind, request)
		values ((p_repo).organization_id, (p_repo).project_id, (p_repo).id, muster.account(), 'remediate',
			p_request || jsonb_build_object('operation', p_operation))
		returning id into v_run;
		-- One at a time does something to a repository.
		perform muster.job_add((p_repo).organization_id, v_kind, v_key,
			p_request || v_more || jsonb_build_object('operation', p_operation, 'repo_id', (p_repo).id,
				'name', (p_repo).name, 'path', (p_repo).path, 'root', (p_root).slug,
				'root_id', (p_root).id, 'root_path', (p_root).path, 'run_id', v_run,
				'organization_id', (p_repo).organization_id),
			(p_root).host, v_run, 10, p_attempts_max => 3,
			p_limit_key => 'repo:' || (p_repo).id, p_limit_running => 1);
		insert into muster.trail (organization_id, account_id, action, subject, data)
		values ((p_repo).organization_id, muster.account(), 'remediation.' || p_operation, (p_repo).id::text,
			jsonb_build_object('run_id', v_run, 'name', (p_repo).name));
	end if;
	return v_run;
end
$$;

create function muster.remediation_done(p_id bigint, p_lease uuid, p_result jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_run muster.run;
begin
	select * into v_job from muster.job where id = p_id and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return false;
	end if;
	update muster.run set message = left(p_result ->> 'message', 500)
	 where id = v_job.run_id and status = 'in_progress' returning * into v_run;
	if not muster.job_complete(p_id, p_lease, p_result) then
		return false;
	end if;
	if v_job.kind in ('clone', 'fetch') then
		perform muster.credential_worked(p_id);
	end if;
	if v_run.id is not null then
		insert into muster.trail (organization_id, account_id, action, subject, data)
		values (v_run.organization_id, v_run.account_id, 'remediation.done', v_job.payload ->> 'repo_id',
			jsonb_build_object('run_id', v_run.id, 'name', v_job.payload ->> 'name',
				'operation', v_job.payload ->> 'operation', 'text', v_run.message));
	end if;
	-- What it looks like now: of one that came or went, all of its folder.
	perform muster.root_audit_add(t.id,
			case when v_job.payload ->> 'operation' in ('commit', 'discard', 'fix_remote', 'clone', 'fetch')
			     then (v_job.payload ->> 'repo_id')::uuid end, v_run.account_id, true)
	   from muster.root t
	  where t.id = (v_job.payload ->> 'root_id')::bigint and t.organization_id = v_job.organization_id and t.watched;
	return true;
end
$$;

-- What was deleted long ago goes on each host where something may have been.
create function muster.trash_prune(p_organization uuid, p_before timestamptz) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	select muster.job_add(p_organization, 'remediate', 'trash:' || h.host,
			jsonb_build_object('operation', 'empty', 'organization_id', p_organization,
					   'before', extract(epoch from p_before)::bigint), h.host, null, -10)
	  from (select host from muster.root where organization_id = p_organization
		union
		-- Of a folder that is watched no more nothing says where it was.
		select host from muster.worker) h;
end;

create function muster.remediation_ask(p_operation text, p_repo text, p_statuses text[], p_request jsonb,
				       p_preview text, p_dry_run boolean) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo muster.repo;
	v_root muster.root;
	v_run bigint;
begin
	v_repo := muster.repo_find(p_repo);
	select * into v_root from muster.root where id = v_repo.root_id and organization_id = v_organization;
	perform muster.repo_active(v_repo);
	if not v_repo.status = any (p_statuses) then
		raise exception using errcode = 'MU409',
			message = format('%s is %s: there is nothing to %s.', v_repo.name, v_repo.status,
					 replace(p_operation, '_', ' '));
	end if;
	if not v_root.watched then
		raise exception using errcode = 'MU409',
			message = 'Nothing is watched here: this report comes from elsewhere.';
	end if;
	if coalesce(p_dry_run, false) then
		return jsonb_build_object('status', 'preview', 'run_id', null, 'operation', p_operation,
			'repo', v_repo.name, 'dry_run', true, 'preview', format(p_preview, v_repo.name));
	end if;
	v_run := muster.remediation_queue(p_operation, v_repo, v_root, p_request);
	return jsonb_build_object('status', 'queued', 'run_id', v_run, 'operation', p_operation,
		'repo', v_repo.name, 'dry_run', false, 'preview', format(p_preview, v_repo.name));
end
$$;

-- A member of the repository's own object in the report.
create function muster.remediation_fact(p_repo text, p_name text) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	return muster.json_text((muster.repo_find(p_repo)).report -> p_name, 4096);
end
$$;

create function muster.remediation_clone(p_repo text, p_clone_url text default null, p_dry_run boolean default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_url text := muster.remediation_fact(p_repo, 'clone_url');
	v_is_private boolean := muster.setting_value('repo.private_addresses', null) = '"yes"';
	v_fault text := muster.url_fault(v_url, v_is_private);
begin
	if v_url is null then
		raise exception using errcode = 'MU409', message = 'The report knows no address to clone it from.';
	end if;
	if p_clone_url is not null and p_clone_url <> v_url then
		perform muster.field_error('clone_url', 'is not the one that the audit found');
	end if;
	if v_fault is not null then
		raise exception using errcode = 'MU409', message = format('The address that the report has %s.', v_fault);
	end if;
	perform muster.url_check_role(v_url);
	return muster.remediation_ask('clone', p_repo, array['missing'],
				      jsonb_build_object('url', v_url, 'private', v_is_private),
				      'Clone %s from ' || replace(v_url, '%', '%%') || '.', p_dry_run);
end
$$;

create function muster.remediation_commit(p_repo text, p_message text default null, p_dry_run boolean default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.remediation_ask('commit', p_repo, array['dirty'],
		jsonb_build_object('message', coalesce(nullif(p_message, ''), 'Auto commit from GitOps audit')),
		'Commit all changes in %s.', p_dry_run);
end
$$;

create function muster.remediation_discard(p_repo text, p_seen text default null, p_dry_run boolean default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_seen text := muster.remediation_fact(p_repo, 'changes_digest');
begin
	if nullif(p_seen, '') <> coalesce(v_seen, '') then
		raise exception using errcode = 'MU409', message = 'What is changed is not what was seen any more: look again.';
	end if;
	return muster.remediation_ask('discard', p_repo, array['dirty'], '{}',
			'Throw all changes in %s away, files that git does not know included.', p_dry_run)
	       || jsonb_build_object('seen', v_seen);
end
$$;

create function muster.remediation_fix_remote(p_repo text, p_expected_url text default null,
					      p_dry_run boolean default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_url text := muster.remediation_fact(p_repo, 'expected_url');
begin
	if v_url is null then
		raise exception using errcode = 'MU409', message = 'The report expects no other address.';
	end if;
	if p_expected_url is not null and p_expected_url <> v_url then
		perform muster.field_error('expected_url', 'is not the one that the audit expects');
	end if;
	-- Nothing is fetched from it here, so a private network is all right.
	if muster.url_fault(v_url, true) is not null then
		raise exception using errcode = 'MU409',
			message = format('The address that the report expects %s.', muster.url_fault(v_url, true));
	end if;
	return muster.remediation_ask('fix_remote', p_repo, array['mismatched'], jsonb_build_object('url', v_url),
				      'Set origin of %s to ' || replace(v_url, '%', '%%') || '.', p_dry_run);
end
$$;

create function muster.remediation_delete(p_repo text, p_confirm text default null, p_dry_run boolean default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if not coalesce(p_dry_run, false) and p_confirm is distinct from (muster.repo_find(p_repo)).name then
		perform muster.field_error('confirm', 'must be the name of what is to be deleted');
	end if;
	perform muster.repo_alone(muster.repo_find(p_repo));
	return muster.remediation_ask('delete', p_repo, array['extra', 'not_git'], '{}',
		'Move %s to the trash, from which it can be brought back.', p_dry_run);
end
$$;

create function muster.remediation_batch(p_operation text, p_repos jsonb, p_dry_run boolean default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repo text;
	v_one jsonb;
	v_results jsonb := '[]';
begin
	if p_operation = 'delete' and muster.role_rank(current_setting('muster.role')) < muster.role_rank('team_lead') then
		raise exception using errcode = 'MU403', message = 'A team lead deletes.';
	end if;
	for v_repo in select jsonb_array_elements_text(p_repos) loop
		begin
			v_one := case p_operation
				when 'clone' then muster.remediation_clone(v_repo, null, p_dry_run)
				when 'fix-remote' then muster.remediation_fix_remote(v_repo, null, p_dry_run)
				else muster.remediation_delete(v_repo, (muster.repo_find(v_repo)).name, p_dry_run) end;
			v_results := v_results || jsonb_build_object('repo', v_repo, 'success', true, 'error', null,
				'output', v_one -> 'preview', 'run_id', v_one -> 'run_id');
		exception when sqlstate 'MU400' or sqlstate 'MU403' or sqlstate 'MU404' or sqlstate 'MU409' then
			v_results := v_results || jsonb_build_object('repo', v_repo, 'success', false, 'error', sqlerrm,
				'output', null, 'run_id', null);
		end;
	end loop;
	return jsonb_build_object('operation', p_operation, 'results', v_results);
end
$$;

create function muster.remediation_mismatch(p_repo text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_current text := coalesce(muster.remediation_fact(p_repo, 'remote_url'), muster.remediation_fact(p_repo, 'remote'));
	v_expected text := muster.remediation_fact(p_repo, 'expected_url');
begin
	return jsonb_build_object('repo', (muster.repo_find(p_repo)).name, 'currentUrl', v_current,
		'expectedUrl', coalesce(v_expected, v_current),
		'mismatch', (muster.repo_find(p_repo)).status = 'mismatched');
end
$$;
