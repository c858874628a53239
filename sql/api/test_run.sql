-- SPDX-License-Identifier: MIT
-- Test runs and figures, from whoever tests and measures.
--
--   test_run_list(p_project, p_repo, p_limit, p_cursor) → {"items", "next"}, the newest first.
--   test_run_add(p_total, p_passed, p_failed, p_skipped, …) → it; told as test_run_completed.
--   metric_list(p_name, p_since, p_until, p_project, p_limit, p_cursor) → {"items", "next"}, the newest
--       first.
--   metric_add(p_metrics, p_project) → {"added"}: a list of {name, value, unit, at, tags}, at most 1 000;
--       the newest of each name is told as metric_update. MU400 names the first that is wrong.
--   metric_names() → {"items": [{name, unit, value, at}], "next": null}: what is measured, and its last.

create function muster.test_run_json(p_run muster.test_run) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_run).id, 'suite', (p_run).suite, 'commit', (p_run).commit,
	'branch', (p_run).branch, 'total', (p_run).total, 'passed', (p_run).passed, 'failed', (p_run).failed,
	'skipped', (p_run).skipped, 'duration_ms', (p_run).duration_ms, 'coverage', (p_run).coverage,
	'url', (p_run).url, 'at', muster.iso((p_run).at),
	'project_id', (select p.slug from muster.project p where p.id = (p_run).project_id),
	'repository', muster.repo_brief((p_run).repo_id));

create function muster.test_run_list(p_project text default null, p_repo text default null,
				     p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 20, 100);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 9223372036854775807), 9223372036854775807);
	v_project uuid := case when coalesce(p_project, '') <> '' then (muster.project_own(p_project)).id end;
	v_repo uuid := muster.repo_id(p_repo);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.test_run_json(x.t) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array(min((x.t).id) filter (where x.k <= v_limit))) end)
		  from (select t, row_number() over (order by t.id desc) as k from muster.test_run t
			 where t.organization_id = v_organization and t.id < v_before
			   and (v_project is null or t.project_id = v_project)
			   and (v_repo is null or t.repo_id = v_repo)
			 order by t.id desc limit v_limit + 1) x);
end
$$;

create function muster.test_run_add(p_total integer, p_passed integer, p_failed integer,
		p_skipped integer default null, p_suite text default null, p_project text default null,
		p_repo text default null, p_commit text default null, p_branch text default null,
		p_duration_ms bigint default null, p_coverage integer default null, p_url text default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_project muster.project := muster.project_own(coalesce(nullif(p_project, ''), 'default'));
	v_repo uuid := muster.repo_id(p_repo);
	v_run muster.test_run;
begin
	if p_passed::bigint + p_failed + coalesce(p_skipped, 0) > p_total then
		perform muster.field_error('total', 'must not be less than passed, failed and skipped together');
	end if;
	insert into muster.test_run (organization_id, project_id, repo_id, commit, branch, suite, total, passed, failed,
		skipped, duration_ms, coverage, url, account_id)
	values (v_organization, v_project.id, v_repo, p_commit, p_branch, coalesce(p_suite, ''), p_total, p_passed,
		p_failed, coalesce(p_skipped, 0), p_duration_ms, p_coverage, p_url, muster.account())
	returning * into v_run;
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	values (v_organization, v_project.slug, 'activity', 'test_run_completed', v_run.id::text,
		jsonb_build_object('test_run_id', v_run.id, 'repository_id', v_repo, 'suite', v_run.suite,
			'total', v_run.total, 'passed', v_run.passed, 'failed', v_run.failed,
			'skipped', v_run.skipped));
	return muster.test_run_json(v_run);
exception when check_violation then
	perform muster.field_error('commit', 'must be 7 to 64 hexadecimal digits');
end
$$;

create function muster.metric_json(p_metric muster.metric) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_metric).id, 'name', (p_metric).name, 'value', (p_metric).value,
	'unit', (p_metric).unit, 'tags', (p_metric).tags, 'at', muster.iso((p_metric).at),
	'project_id', (select p.slug from muster.project p where p.id = (p_metric).project_id));

create function muster.metric_list(p_name text, p_since timestamptz default null, p_until timestamptz default null,
		p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 100, 1000);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 2);
	v_at timestamptz := coalesce(p_until, 'infinity');
	v_id bigint := 0;
begin
	if v_cursor is not null then
		begin
			v_at := (v_cursor ->> 0)::timestamptz;
		exception when data_exception then
			perform muster.field_error('cursor', 'is not one that this list gave');
		end;
		v_id := coalesce(muster.json_int(v_cursor -> 1, 0, 9223372036854775807), 0);
	end if;
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.metric_json(x.m) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(jsonb_build_array(
				((array_agg((x.m).at order by x.k))[v_limit])::text,
				(array_agg((x.m).id order by x.k))[v_limit])) end)
		  from (select m, row_number() over (order by m.at desc, m.id desc) as k from muster.metric m
			 where m.organization_id = v_organization and m.name = p_name
			   and (m.at, m.id) < (v_at, v_id) and (p_since is null or m.at >= p_since)
			 order by m.at desc, m.id desc limit v_limit + 1) x);
end
$$;

create function muster.metric_add(p_metrics jsonb, p_project text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_project muster.project := muster.project_own(coalesce(nullif(p_project, ''), 'default'));
	v_bad bigint;
	v_count bigint;
begin
	select min(e.number) into v_bad
	  from jsonb_array_elements(p_metrics) with ordinality e (one, number)
	 where jsonb_typeof(e.one) <> 'object'
	    or coalesce(e.one ->> 'name', '') !~ '^[a-z][a-z0-9_.]{0,99}$'
	    or jsonb_typeof(e.one -> 'value') is distinct from 'number'
	    or length(coalesce(e.one ->> 'unit', '')) > 20
	    or (e.one ? 'at' and muster.json_time(e.one ->> 'at') is null)
	    or coalesce(jsonb_typeof(e.one -> 'tags'), 'object') <> 'object'
	    or length(coalesce(e.one ->> 'tags', '')) > 1000;
	if v_bad is not null or jsonb_typeof(p_metrics) <> 'array' then
		perform muster.field_error('metrics', format('at %s: {name, value} and perhaps unit, at, tags are wanted',
							     coalesce(v_bad, 1) - 1));
	end if;
	with added as (
		insert into muster.metric (organization_id, project_id, name, value, unit, tags, at)
		select v_organization, v_project.id, e.one ->> 'name', (e.one ->> 'value')::double precision,
		       coalesce(e.one ->> 'unit', ''), coalesce(e.one -> 'tags', '{}'),
		       coalesce(muster.json_time(e.one ->> 'at'), now())
		  from jsonb_array_elements(p_metrics) e (one)
		returning *
	), newest as (
		select distinct on (name, tags) * from added order by name, tags, at desc limit 50
	), told as (
		insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select v_organization, v_project.slug, 'metrics', 'metric_update', n.name,
		       jsonb_build_object('name', n.name, 'value', n.value, 'unit', n.unit, 'tags', n.tags,
					  'timestamp', muster.iso(n.at))
		  from newest n
	)
	select count(*) into v_count from added;
	return jsonb_build_object('added', v_count);
end
$$;

create function muster.metric_names() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	-- From name to name along the index, whatever the number of rows of each.
	return jsonb_build_object('next', null, 'items', (
		with recursive walk as (
			(select m.name, m.unit, m.value, m.at, 1 as n from muster.metric m
			  where m.organization_id = v_organization
			  order by m.name, m.at desc, m.id desc limit 1)
			union all
			select x.name, x.unit, x.value, x.at, w.n + 1 from walk w
			 cross join lateral (
				select m.name, m.unit, m.value, m.at from muster.metric m
				 where m.organization_id = v_organization and m.name > w.name
				 order by m.name, m.at desc, m.id desc limit 1) x
			 where w.n < 1000)
		select coalesce(jsonb_agg(jsonb_build_object('name', w.name, 'unit', w.unit, 'value', w.value,
				'at', muster.iso(w.at)) order by w.name), '[]') from walk w));
end
$$;
