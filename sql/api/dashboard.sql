-- SPDX-License-Identifier: MIT
-- The figures of a dashboard, of the organisation or of one project (p_project: slug or id). Each is
-- computed from rows at the moment it is asked for, or from counts that change with them (tally.sql); what
-- has no source is null. Days are those of UTC, and the last of them is today; a week is seven of them.
--
--   dashboard_overview(p_project) → {project_id, repositories {total, clean, attention, stale, archived,
--       scanned}, health {average, status}, open_findings {severity: n}, runs {active, failed_7_days},
--       deployments {today, in_progress}, test_pass_rate, completed_tasks, total_tasks,
--       progress_percentage, risk}. MU404, as all of these.
--   dashboard_metrics(p_project, p_days) → {"items": [{name, unit, value, before}], "next": null}: of the
--       last days, and of as many before them.
--   dashboard_alerts(p_project, p_limit) → {"items": [{kind, severity, message, id, name, project_id, at}],
--       "next": null}, the worst first: what somebody should look at.
--   dashboard_health(p_project) → {status, average, grade, scored, unscored, buckets, by_status, worst}
--   dashboard_team(p_project, p_days, p_limit) → {"items": [{account, role, resolved, comments, runs,
--       deployments, assigned}], "next": null}: who did most first. assigned: what waits for them now.
--   project_status(p_project, p_format) → dashboard_overview() with "project" and "alerts": as JSON, as
--       markdown or as a table of text.
--
-- Without jit, which took a second for what takes a tenth of one.

create function muster.dashboard_project(p_project text) returns uuid
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return case when coalesce(p_project, '') <> '' then (muster.project_own(p_project)).id end;
end
$$;

create function muster.dashboard_overview(p_project text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.dashboard_project(p_project);
	v_today date := now() at time zone 'UTC';
	v_repos jsonb;
	v_open jsonb;
	v_failed bigint;
	v_deployed bigint;
	v_rate numeric;
	v_done integer;
	v_total integer;
	v_risk text;
begin
	select jsonb_build_object('total', count(*),
			'clean', count(*) filter (where r.status = 'clean'),
			'attention', count(*) filter (where r.status <> 'clean'),
			'stale', count(*) filter (where r.stale),
			'archived', (select count(*) from muster.repo
				      where organization_id = v_organization and removed_at is null
					and archived_at is not null and (v_project is null or project_id = v_project)),
			'scanned', count(*) filter (where r.scanned_at is not null),
			'average', round(avg(r.health_score), 1)),
	       jsonb_build_object('critical', coalesce(sum(s.n[1] + s.n[6]), 0), 'high', coalesce(sum(s.n[2] + s.n[7]), 0),
			'medium', coalesce(sum(s.n[3] + s.n[8]), 0), 'low', coalesce(sum(s.n[4] + s.n[9]), 0),
			'info', coalesce(sum(s.n[5] + s.n[10]), 0))
	  into v_repos, v_open
	  from muster.repo r left join muster.finding_sum s on s.repo_id = r.id
	 where r.organization_id = v_organization and r.removed_at is null and r.archived_at is null
	   and (v_project is null or r.project_id = v_project);
	select coalesce(sum(n) filter (where what = 'run'), 0),
	       coalesce(sum(n) filter (where what = 'deployment' and day = v_today), 0),
	       round(100.0 * coalesce(sum(n) filter (where what = 'test' and key = 'passed'), 0)
		     / nullif(sum(n) filter (where what = 'test' and key in ('passed', 'failed')), 0), 1)
	  into v_failed, v_deployed, v_rate
	  from muster.tally
	 where organization_id = v_organization and span = 'day' and day > v_today - 7 and day <= v_today
	   and what in ('run', 'deployment', 'test') and (what <> 'run' or key like '% failed')
	   and (project_id = v_project or (v_project is null and project_id is null));
	select sum(completed_tasks) filter (where total_tasks is not null), sum(total_tasks),
	       (array['none', 'low', 'medium', 'high', 'critical'])[max(array_position(
			array['none', 'low', 'medium', 'high', 'critical'], risk))]
	  into v_done, v_total, v_risk
	  from muster.project
	 where organization_id = v_organization and (v_project is null or id = v_project);
	return jsonb_build_object(
		'project_id', (select slug from muster.project where id = v_project),
		'repositories', v_repos - 'average',
		'health', jsonb_build_object('average', v_repos -> 'average',
			'status', case when (v_repos ->> 'average') is null then null
				       when (v_repos ->> 'average')::numeric >= 80 then 'green'
				       when (v_repos ->> 'average')::numeric >= 60 then 'yellow' else 'red' end),
		'open_findings', case when (v_repos ->> 'scanned')::bigint > 0 then v_open end,
		'runs', jsonb_build_object(
			'active', (select count(*) from muster.run
				    where organization_id = v_organization and status in ('pending', 'in_progress')
				      and (v_project is null or project_id = v_project)),
			'failed_7_days', v_failed),
		'deployments', jsonb_build_object('today', v_deployed,
			'in_progress', (select count(*) from muster.deployment
					 where organization_id = v_organization and status = 'in_progress'
					   and (v_project is null or project_id = v_project))),
		'test_pass_rate', v_rate,
		'completed_tasks', v_done, 'total_tasks', v_total,
		'progress_percentage', muster.project_progress(v_done, v_total), 'risk', v_risk);
end
$$;

create function muster.dashboard_metrics(p_project text default null, p_days integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.dashboard_project(p_project);
	v_days integer := muster.limit_check(p_days, 30, 365);
	v_today date := now() at time zone 'UTC';
	v_is_deployed boolean := exists (select from muster.deployment where organization_id = v_organization);
	v_is_scanned boolean := exists (select from muster.repo
					 where organization_id = v_organization and removed_at is null
					   and scanned_at is not null and (v_project is null or project_id = v_project));
begin
	return (with counted as (
			select what, key, day > v_today - v_days as is_now, sum(n) as n, sum(amount) as amount
			  from muster.tally
			 where organization_id = v_organization and span = 'day'
			   and day > v_today - 2 * v_days and day <= v_today
			   and what in ('deployment', 'test', 'run', 'run.time', 'came', 'resolved')
			   and (project_id = v_project or (v_project is null and project_id is null))
			 group by 1, 2, 3
		), summed as (
			select p.is_now,
			       coalesce(sum(n) filter (where what = 'deployment'), 0) as deployed,
			       coalesce(sum(n) filter (where what = 'deployment' and key in ('failed', 'rolled_back')), 0)
					as deployed_badly,
			       sum(n) filter (where what = 'deployment' and key in ('completed', 'failed', 'rolled_back'))
					as deployed_through,
			       coalesce(sum(n) filter (where what = 'test' and key = 'passed'), 0) as passed,
			       sum(n) filter (where what = 'test' and key in ('passed', 'failed')) as tested,
			       sum(n) filter (where what = 'test' and key = 'coverage') as covered,
			       sum(amount) filter (where what = 'test' and key = 'coverage') as coverage,
			       coalesce(sum(n) filter (where what = 'run' and key like '% failed'), 0) as failed,
			       sum(n) filter (where what = 'run' and key similar to '% (completed|failed)') as ended,
			       sum(n) filter (where what = 'run.time') as timed,
			       sum(amount) filter (where what = 'run.time') as run_s,
			       coalesce(sum(n) filter (where what = 'came'), 0) as came,
			       coalesce(sum(n) filter (where what = 'resolved'), 0) as resolved,
			       sum(amount) filter (where what = 'resolved') as known_s
			  from (values (true), (false)) p (is_now) left join counted using (is_now)
			 group by p.is_now
		), figure as (
			select s.is_now, f.place, f.name, f.unit, round(f.value, 2) as value
			  from summed s
			 cross join lateral (values
				(1, 'deployment_frequency', 'per day', case when v_is_deployed then s.deployed / v_days end),
				(2, 'deployment_failure_rate', 'percent', 100 * s.deployed_badly / nullif(s.deployed_through, 0)),
				(3, 'test_pass_rate', 'percent', 100 * s.passed / nullif(s.tested, 0)),
				(4, 'test_coverage', 'percent', s.coverage / nullif(s.covered, 0)),
				(5, 'run_failure_rate', 'percent', 100 * s.failed / nullif(s.ended, 0)),
				(6, 'run_duration', 'seconds', s.run_s / nullif(s.timed, 0)),
				(7, 'findings_found', 'findings', case when v_is_scanned then s.came end),
				(8, 'findings_resolved', 'findings', case when v_is_scanned then s.resolved end),
				(9, 'resolution_time', 'hours', s.known_s / 3600 / nullif(s.resolved, 0))) f (place, name, unit, value))
		select jsonb_build_object('next', null, 'items', jsonb_agg(jsonb_build_object('name', n.name,
				'unit', n.unit, 'value', n.value, 'before', b.value) order by n.place))
		  from figure n join figure b on b.place = n.place and not b.is_now
		 where n.is_now);
end
$$;

create function muster.dashboard_alerts(p_project text default null, p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.dashboard_project(p_project);
	v_limit integer := muster.limit_check(p_limit, 50, 200);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'severity', a.severity,
				'message', a.message, 'id', a.id, 'name', a.name,
				'project_id', (select p.slug from muster.project p where p.id = a.project_id),
				'at', muster.iso(a.at))
				order by muster.severity_rank(a.severity) desc, a.at desc nulls last, a.kind, a.name), '[]')
		  from (select * from (
			select 'project' as kind, p.risk as severity, coalesce(p.risk_message, 'The project is at risk.') as message,
			       p.id::text as id, p.name, p.id as project_id, p.updated_at as at
			  from muster.project p
			 where p.organization_id = v_organization and p.risk in ('low', 'medium', 'high', 'critical')
			   and (v_project is null or p.id = v_project)
			union all
			(select 'repository', case r.status when 'error' then 'high' else 'medium' end,
				case r.status when 'error' then 'The repository cannot be read.'
				     when 'missing' then 'The repository is missing.'
				     else 'The remote is not the one that it should be.' end,
				r.id::text, r.name, r.project_id, r.updated_at
			   from muster.repo r
			  where r.organization_id = v_organization and r.removed_at is null and r.archived_at is null
			    and r.status in ('error', 'missing', 'mismatched')
			    and (v_project is null or r.project_id = v_project)
			  order by r.status, lower(r.name) limit v_limit)
			union all
			select 'findings', c.severity, format('%s open %s of severity %s.', c.n,
				case when c.n = 1 then 'finding' else 'findings' end, c.severity),
				c.id::text, c.name, c.project_id, c.scanned_at
			  from ((select 'critical' as severity, s.n[1] + s.n[6] as n, r.id, r.name, r.project_id, r.scanned_at
				   from muster.finding_sum s
				   join muster.repo r on r.id = s.repo_id and r.removed_at is null and r.archived_at is null
				  where s.organization_id = v_organization and s.n[1] + s.n[6] > 0
				    and (v_project is null or r.project_id = v_project)
				  order by s.n[1] + s.n[6] desc, lower(r.name) limit v_limit)
				union all
				(select 'high', s.n[2] + s.n[7], r.id, r.name, r.project_id, r.scanned_at
				   from muster.finding_sum s
				   join muster.repo r on r.id = s.repo_id and r.removed_at is null and r.archived_at is null
				  where s.organization_id = v_organization and s.n[2] + s.n[7] > 0
				    and (v_project is null or r.project_id = v_project)
				  order by s.n[2] + s.n[7] desc, lower(r.name) limit v_limit)) c
			union all
			(select 'run', 'medium', 'The run failed: ' || left(coalesce(r.error, 'nobody knows why.'), 300),
				r.id::text, r.kind, r.project_id, r.completed_at
			   from muster.run r
			  where r.organization_id = v_organization and r.status = 'failed'
			    and r.created_at >= now() - interval '7 days'
			    and (v_project is null or r.project_id = v_project)
			  order by r.created_at desc limit v_limit)
			union all
			(select 'deployment', case d.environment when 'production' then 'high' else 'medium' end,
				'The last deployment failed: ' || left(coalesce(nullif(d.error, ''), 'nobody said why.'), 300),
				d.id::text, d.environment || ' ' || d.version, d.project_id, d.completed_at
			   from (select distinct on (x.project_id, x.environment, x.repo_id) x.*
				   from muster.deployment x
				  where x.organization_id = v_organization and x.created_at >= now() - interval '30 days'
				    and (v_project is null or x.project_id = v_project)
				  order by x.project_id, x.environment, x.repo_id, x.number desc) d
			  where d.status = 'failed' limit v_limit)) u
			 order by muster.severity_rank(u.severity) desc, u.at desc nulls last limit v_limit) a));
end
$$;

create function muster.dashboard_health(p_project text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.dashboard_project(p_project);
begin
	return (with seen as materialized (
			select id, name, status, health_score from muster.repo
			 where organization_id = v_organization and removed_at is null and archived_at is null
			   and (v_project is null or project_id = v_project)),
		     mean as (select round(avg(health_score), 1) as average from seen)
		select jsonb_build_object('average', m.average,
			'status', case when m.average >= 80 then 'green' when m.average >= 60 then 'yellow'
				       when m.average is not null then 'red' end,
			'grade', case when m.average >= 90 then 'A' when m.average >= 80 then 'B' when m.average >= 70 then 'C'
				      when m.average >= 60 then 'D' when m.average is not null then 'F' end,
			'scored', (select count(health_score) from seen),
			'unscored', (select count(*) from seen where health_score is null),
			'buckets', (select jsonb_agg(jsonb_build_object('from', b * 10,
					'to', case b when 9 then 100 else b * 10 + 9 end,
					'count', (select count(*) from seen s
							   where s.health_score is not null and least(s.health_score / 10, 9) = b)) order by b)
				      from generate_series(0, 9) b),
			'by_status', (select coalesce(jsonb_object_agg(s.status, s.n), '{}')
					from (select status, count(*) as n from seen group by status) s),
			'worst', (select coalesce(jsonb_agg(jsonb_build_object(
					'repository', jsonb_build_object('id', w.id, 'name', w.name), 'status', w.status,
					'health_score', w.health_score) order by w.health_score, lower(w.name), w.id), '[]')
				    from (select * from seen where health_score is not null
					   order by health_score, lower(name), id limit 10) w))
		  from mean m);
end
$$;

create function muster.dashboard_team(p_project text default null, p_days integer default null,
				      p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.dashboard_project(p_project);
	v_since date := (now() at time zone 'UTC')::date - (muster.limit_check(p_days, 30, 365) - 1);
	v_limit integer := muster.limit_check(p_limit, 50, 200);
begin
	return jsonb_build_object('next', null, 'items', (
		with summed as (
			select d.key::uuid as account_id, sum(d.n) as n,
			       sum(d.n) filter (where d.what = 'by.resolved') as resolved,
			       sum(d.n) filter (where d.what = 'by.comments') as comments,
			       sum(d.n) filter (where d.what = 'by.runs') as runs,
			       sum(d.n) filter (where d.what = 'by.deployments') as deployments
			  from muster.tally_since(v_organization, v_project, array['by.resolved', 'by.comments', 'by.runs',
						  'by.deployments'], v_since) d
			 group by d.key
		), waiting as (
			select f.assignee_id as account_id, count(*) as waiting
			  from muster.finding f
			 where f.organization_id = v_organization and f.assignee_id is not null
			   and f.state in ('open', 'in_progress')
			   and (v_project is null or exists (
				select from muster.repo r where r.id = f.repo_id and r.project_id = v_project))
			 group by f.assignee_id
		), busy as materialized (
			select m.account_id, m.role, d.resolved, d.comments, d.runs, d.deployments, d.waiting,
			       row_number() over (order by d.n desc nulls last, d.waiting desc nulls last, m.created_at,
						  m.account_id) as k
			  from (summed full join waiting using (account_id)) d
			  join muster.membership m on m.organization_id = v_organization and m.account_id = d.account_id
			 order by k limit v_limit
		), idle as (
			select m.account_id, m.role
			  from muster.membership m
			 where m.organization_id = v_organization and (select count(*) from busy) < v_limit
			   and not exists (select from busy b where b.account_id = m.account_id)
			 order by m.created_at, m.account_id limit v_limit
		)
		select coalesce(jsonb_agg(jsonb_build_object('account', muster.person_json(t.account_id), 'role', t.role,
				'resolved', coalesce(t.resolved, 0), 'comments', coalesce(t.comments, 0),
				'runs', coalesce(t.runs, 0), 'deployments', coalesce(t.deployments, 0),
				'assigned', coalesce(t.waiting, 0)) order by t.k), '[]')
		  from (select * from busy
			union all
			select i.account_id, i.role, null, null, null, null, null, 1000 + row_number() over ()
			  from idle i
			 limit v_limit) t));
end
$$;

-- A line of the two forms of text: unknown is said, never left out.
create function muster.project_status_lines(p_status jsonb) returns table (place bigint, label text, value text)
language sql immutable set search_path = pg_catalog, muster, pg_temp as $$
	select row_number() over (), l.label, coalesce(l.value, 'unknown')
	  from (values
		('Progress', (p_status ->> 'progress_percentage') || ' %'),
		('Tasks', (p_status ->> 'completed_tasks') || ' of ' || (p_status ->> 'total_tasks')),
		('Risk', p_status ->> 'risk'),
		('Health', (p_status #>> '{health,average}')),
		('Repositories', p_status #>> '{repositories,total}'),
		('Need attention', p_status #>> '{repositories,attention}'),
		('Critical findings', p_status #>> '{open_findings,critical}'),
		('High findings', p_status #>> '{open_findings,high}'),
		('Tests that pass', (p_status ->> 'test_pass_rate') || ' %'),
		('Runs under way', p_status #>> '{runs,active}'),
		('Runs that failed in 7 days', p_status #>> '{runs,failed_7_days}'),
		('Deployments today', p_status #>> '{deployments,today}')) l (label, value)
$$;

create function muster.project_status(p_project text, p_format text default null) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_project muster.project := muster.project_own(p_project);
	v_status jsonb := muster.dashboard_overview(p_project)
		|| jsonb_build_object('project', muster.project_json(v_project),
				      'alerts', muster.dashboard_alerts(p_project, 20) -> 'items');
begin
	if coalesce(p_format, 'json') = 'json' then
		return v_status::text;
	elsif p_format = 'markdown' then
		return '# ' || muster.markdown(v_project.name) || E'\n\n| | |\n|---|---|\n'
			|| (select string_agg(format(E'| %s | %s |\n', l.label, l.value), '' order by l.place)
			      from muster.project_status_lines(v_status) l)
			|| coalesce(E'\n## To look at\n\n' || (
				select string_agg(format(E'- **%s** %s: %s\n', a ->> 'severity', muster.markdown(a ->> 'name'),
							 muster.markdown(a ->> 'message')), '' order by n)
				  from jsonb_array_elements(v_status -> 'alerts') with ordinality x (a, n)), '');
	end if;
	return v_project.name || E'\n\n'
		|| (select string_agg(format(E'%s  %s\n', rpad(l.label, 27), l.value), '' order by l.place)
		      from muster.project_status_lines(v_status) l)
		|| coalesce(E'\n' || (
			select string_agg(format(E'%s  %s: %s\n', rpad(a ->> 'severity', 8), a ->> 'name',
						 regexp_replace(a ->> 'message', '\s+', ' ', 'g')), '' order by n)
			  from jsonb_array_elements(v_status -> 'alerts') with ordinality x (a, n)), '');
end
$$;

-- A text that is nothing but itself in Markdown, on one line.
create function muster.markdown(p_text text) returns text
language sql immutable parallel safe
return regexp_replace(regexp_replace(p_text, '\s+', ' ', 'g'), '([\\`*_{}\[\]<>()#+!|~&-])', '\\\1', 'g');
