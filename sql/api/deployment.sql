-- SPDX-License-Identifier: MIT
-- Deployments: who deploys reports them, who watches sees them move.
--
--   deployment_list(p_status, p_environment, p_project, p_limit, p_cursor) → {"items", "next"}, the
--       newest first.
--   deployment_get(p_deployment) → one. MU404.
--   deployment_new(p_version, p_environment, p_project, p_repo, p_commit, p_strategy, p_notes, p_status)
--       → it.
--   deployment_update(p_deployment, p_status, p_notes, p_error, p_if_match) → it. A status goes forward
--       only: pending, in_progress, then completed, failed or rolled_back. MU409 else.
--   deployment_rollback(p_deployment, p_notes) → the new deployment, of the version that was there before:
--       the last completed one of that project, repository and environment. MU409: there is none.
--   deployment_event(ids): tells of their status. Internal.

create function muster.deployment_json(p_deployment muster.deployment) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_deployment).id, 'version', (p_deployment).version,
	'environment', (p_deployment).environment, 'status', (p_deployment).status,
	'strategy', (p_deployment).strategy, 'commit', (p_deployment).commit, 'notes', (p_deployment).notes,
	'error', (p_deployment).error, 'rollback_of', (p_deployment).rollback_of,
	'project_id', (select p.slug from muster.project p where p.id = (p_deployment).project_id),
	'repository', muster.repo_brief((p_deployment).repo_id),
	'account', muster.person_json((p_deployment).account_id),
	'created_at', muster.iso((p_deployment).created_at), 'started_at', muster.iso((p_deployment).started_at),
	'completed_at', muster.iso((p_deployment).completed_at),
	'duration_seconds', round(extract(epoch from (p_deployment).completed_at - (p_deployment).started_at)));

create function muster.deployment_event(p_deployments uuid[]) returns void
language sql volatile security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select d.organization_id, p.slug, 'deployments',
	       case d.status when 'in_progress' then 'deployment_started' when 'completed' then 'deployment_completed'
			     when 'failed' then 'deployment_failed' else 'deployment_rolled_back' end,
	       d.id::text, jsonb_build_object('deployment_id', d.id, 'version', d.version,
			'environment', d.environment, 'status', d.status, 'repository_id', d.repo_id,
			'project_id', p.slug)
	  from muster.deployment d join muster.project p on p.id = d.project_id
	 where d.id = any (p_deployments) and d.status <> 'pending';
end;

create function muster.deployment_list(p_status text default null, p_environment text default null,
		p_project text default null, p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 20, 100);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 9223372036854775807), 9223372036854775807);
	v_status text[] := string_to_array(nullif(p_status, ''), ',');
	v_project uuid := case when coalesce(p_project, '') <> '' then (muster.project_own(p_project)).id end;
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.deployment_json(t.d) order by t.k) filter (where t.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array(min((t.d).number) filter (where t.k <= v_limit))) end)
		  from (select d, row_number() over (order by d.number desc) as k from muster.deployment d
			 where d.organization_id = v_organization and d.number < v_before
			   and (v_status is null or d.status = any (v_status))
			   and (coalesce(p_environment, '') = '' or d.environment = p_environment)
			   and (v_project is null or d.project_id = v_project)
			 order by d.number desc limit v_limit + 1) t);
end
$$;

create function muster.deployment_own(p_deployment uuid) returns muster.deployment
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_deployment muster.deployment;
begin
	select * into v_deployment from muster.deployment
	 where id = p_deployment and organization_id = muster.organization_need();
	if v_deployment.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such deployment.';
	end if;
	return v_deployment;
end
$$;

-- The same, held until the end: of two that saw the same only one may go on.
create function muster.deployment_lock(p_deployment uuid) returns muster.deployment
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform 1 from muster.deployment
	  where id = p_deployment and organization_id = muster.organization_need() for no key update;
	return muster.deployment_own(p_deployment);
end
$$;

create function muster.deployment_get(p_deployment uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.deployment_json(muster.deployment_own(p_deployment));
end
$$;

create function muster.deployment_new(p_version text, p_environment text, p_project text default null,
		p_repo text default null, p_commit text default null, p_strategy text default null,
		p_notes text default null, p_status text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_deployment muster.deployment;
	v_repo uuid := muster.repo_id(p_repo);
	v_project uuid := (muster.project_own(coalesce(nullif(p_project, ''), 'default'))).id;
begin
	insert into muster.deployment (organization_id, project_id, repo_id, environment, version, commit, strategy,
		status, notes, account_id, started_at)
	values (v_organization, v_project, v_repo, p_environment, p_version, p_commit, coalesce(p_strategy, 'rolling'),
		coalesce(p_status, 'pending'), p_notes, muster.account(),
		case when p_status = 'in_progress' then now() end)
	returning * into v_deployment;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'deployment.add', v_deployment.id::text,
		jsonb_build_object('version', p_version, 'environment', p_environment));
	return muster.deployment_json(v_deployment);
exception when check_violation then
	perform muster.field_error('commit', 'must be 7 to 64 hexadecimal digits');
end
$$;

create function muster.deployment_update(p_deployment uuid, p_status text default null, p_notes text default null,
					 p_error text default null, p_if_match text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_deployment muster.deployment := muster.deployment_lock(p_deployment);
	v_order constant text[] := array['pending', 'in_progress', 'completed'];
begin
	perform muster.match_check(p_if_match, muster.deployment_json(v_deployment));
	if p_status is not null and p_status <> v_deployment.status
	   and (coalesce(array_position(v_order, v_deployment.status), 4) >= 3
		and not (v_deployment.status = 'completed' and p_status = 'rolled_back')
		or coalesce(array_position(v_order, p_status), 4) < array_position(v_order, v_deployment.status)) then
		raise exception using errcode = 'MU409',
			message = format('A deployment that is %s does not become %s.', v_deployment.status, p_status);
	end if;
	update muster.deployment d
	   set status = coalesce(p_status, d.status),
	       notes = case when p_notes is null then d.notes else nullif(p_notes, '') end,
	       error = case when p_error is null then d.error else nullif(p_error, '') end,
	       started_at = case when p_status in ('in_progress', 'completed', 'failed')
				 then coalesce(d.started_at, now()) else d.started_at end,
	       completed_at = case when p_status in ('completed', 'failed', 'rolled_back')
				   then coalesce(d.completed_at, now()) else d.completed_at end
	 where d.id = v_deployment.id
	returning * into v_deployment;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_deployment.organization_id, muster.account(), 'deployment.update', v_deployment.id::text,
		jsonb_strip_nulls(jsonb_build_object('status', p_status)));
	return muster.deployment_json(v_deployment);
end
$$;

create function muster.deployment_rollback(p_deployment uuid, p_notes text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_deployment muster.deployment := muster.deployment_lock(p_deployment);
	v_last muster.deployment;
	v_new muster.deployment;
begin
	select * into v_last from muster.deployment d
	 where d.project_id = v_deployment.project_id and d.environment = v_deployment.environment
	   and d.repo_id is not distinct from v_deployment.repo_id
	   and d.number < v_deployment.number and d.status = 'completed' and d.version <> v_deployment.version
	 order by d.number desc limit 1;
	if v_last.id is null then
		raise exception using errcode = 'MU409', message = 'Nothing was deployed there before.';
	end if;
	update muster.deployment set status = 'rolled_back', completed_at = coalesce(completed_at, now())
	 where id = v_deployment.id;
	insert into muster.deployment (organization_id, project_id, repo_id, environment, version, commit, strategy,
		status, notes, account_id, rollback_of, started_at)
	values (v_deployment.organization_id, v_deployment.project_id, v_deployment.repo_id, v_deployment.environment,
		v_last.version, v_last.commit, v_deployment.strategy, 'in_progress', p_notes, muster.account(),
		v_deployment.id, now())
	returning * into v_new;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_deployment.organization_id, muster.account(), 'deployment.rollback', v_deployment.id::text,
		jsonb_build_object('to', v_last.version));
	return muster.deployment_json(v_new);
end
$$;
