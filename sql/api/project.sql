-- SPDX-License-Identifier: MIT
-- Projects: named sets of repositories, with how far they have come and what threatens them.
--
--   project_list(p_limit, p_cursor) → {"items", "next"}, by slug.
--   project_get(p_project) → {id, slug, name, description, repositories, completed_tasks, total_tasks,
--       progress_percentage, risk, risk_message, created_at, updated_at}. p_project: slug or id. MU404.
--   project_new(p_slug, p_name, p_description) → it. MU409.
--   project_update(p_project, …, p_if_match) → it. '' clears. Changes of progress and risk are events.
--   project_remove(p_project) → it. MU409: it is "default", or has repositories.
--   project_only(p_project, p_repo) → the id of a project that something is of, or null when none is named. MU400: a
--       repository is named, too; MU404. Internal.
--   project_progress(completed, total) → percent; null when nobody reports.

create function muster.project_progress(p_completed integer, p_total integer) returns integer
language sql immutable parallel safe
return case when p_total > 0 then round(100.0 * p_completed / p_total)::integer end;

create function muster.project_json(p_project muster.project) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_project).id, 'slug', (p_project).slug, 'name', (p_project).name,
	'description', (p_project).description,
	'repositories', (select count(*) from muster.repo r
			  where r.project_id = (p_project).id and r.removed_at is null),
	'completed_tasks', (p_project).completed_tasks, 'total_tasks', (p_project).total_tasks,
	'progress_percentage', muster.project_progress((p_project).completed_tasks, (p_project).total_tasks),
	'risk', (p_project).risk, 'risk_message', (p_project).risk_message,
	'created_at', muster.iso((p_project).created_at), 'updated_at', muster.iso((p_project).updated_at));

create function muster.project_list(p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.project_json(x.p) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array((array_agg((x.p).slug order by x.k))[v_limit])) end)
		  from (select p, row_number() over (order by p.slug) as k from muster.project p
			 where p.organization_id = v_organization and (v_cursor is null or p.slug > v_cursor ->> 0)
			 order by p.slug limit v_limit + 1) x);
end
$$;

create function muster.project_own(p_project text) returns muster.project
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_project muster.project;
begin
	select * into v_project from muster.project p
	 where p.organization_id = muster.organization_need()
	   and (p.slug = p_project or p.id::text = lower(p_project))
	 order by (p.slug = p_project) desc limit 1;
	if v_project.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such project.';
	end if;
	return v_project;
end
$$;

create function muster.project_only(p_project text, p_repo text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if coalesce(p_project, '') = '' then
		return null;
	elsif coalesce(p_repo, '') <> '' then
		perform muster.field_error('project', 'and repo exclude one another');
	end if;
	return (muster.project_own(p_project)).id;
end
$$;

create function muster.project_get(p_project text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.project_json(muster.project_own(p_project));
end
$$;

create function muster.project_new(p_slug text, p_name text, p_description text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_project muster.project;
begin
	insert into muster.project (organization_id, slug, name, description)
	values (muster.organization_need(), p_slug, p_name, coalesce(p_description, ''))
	    on conflict (organization_id, slug) do nothing
	returning * into v_project;
	if v_project.id is null then
		raise exception using errcode = 'MU409', message = 'There is a project of that name already.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_project.organization_id, muster.account(), 'project.add', p_slug);
	return muster.project_json(v_project);
exception when check_violation then
	perform muster.field_error('slug', 'has letters, digits, and . _ - behind the first, at most 100');
end
$$;

create function muster.project_update(p_project text, p_name text default null, p_description text default null,
		p_completed_tasks integer default null, p_total_tasks integer default null,
		p_risk text default null, p_risk_message text default null, p_if_match text default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_project muster.project := muster.project_own(p_project);
begin
	perform 1 from muster.project where id = v_project.id for no key update;
	v_project := muster.project_own(v_project.slug);
	perform muster.match_check(p_if_match, muster.project_json(v_project));
	if coalesce(p_completed_tasks, v_project.completed_tasks, 0)
	   > coalesce(p_total_tasks, v_project.total_tasks, p_completed_tasks, 0) then
		perform muster.field_error('completed_tasks', 'must not be more than there are');
	end if;
	update muster.project p
	   set name = coalesce(p_name, p.name), description = coalesce(p_description, p.description),
	       completed_tasks = coalesce(p_completed_tasks, p.completed_tasks),
	       total_tasks = coalesce(p_total_tasks, p.total_tasks, p_completed_tasks),
	       risk = case when p_risk is null then p.risk else nullif(p_risk, '') end,
	       risk_message = case when p_risk_message is null then p.risk_message
				   else nullif(p_risk_message, '') end,
	       updated_at = now()
	 where p.id = v_project.id
	returning * into v_project;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_project.organization_id, muster.account(), 'project.update', v_project.slug,
		jsonb_strip_nulls(jsonb_build_object('name', p_name, 'risk', p_risk,
			'completed_tasks', p_completed_tasks, 'total_tasks', p_total_tasks)));
	return muster.project_json(v_project);
end
$$;

create function muster.project_remove(p_project text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_project muster.project := muster.project_own(p_project);
	v_json jsonb := muster.project_json(v_project);
begin
	if v_project.slug = 'default' then
		raise exception using errcode = 'MU409', message = 'The project "default" stays.';
	end if;
	if exists (select from muster.root where project_id = v_project.id)
	   or exists (select from muster.repo where project_id = v_project.id and removed_at is null) then
		raise exception using errcode = 'MU409',
			message = 'The project has repositories. Move or remove them first.';
	end if;
	delete from muster.project where id = v_project.id;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_project.organization_id, muster.account(), 'project.remove', v_project.slug);
	return v_json;
end
$$;
