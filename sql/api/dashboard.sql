-- SPDX-License-Identifier: MIT
-- The figures of a dashboard, of the organisation or of one project (p_project: slug or id). Each is
-- computed from rows at the moment it is asked for; what has no source is null.
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
	v_today timestamptz := date_trunc('day', now(), 'UTC');
	v_repos jsonb;
	v_done integer;
	v_total integer;
	v_risk text;
begin
	select jsonb_build_object('total', count(*),
			'clean', count(*) filter (where status = 'clean'),
			'attention', count(*) filter (where status <> 'clean'),
			'stale', count(*) filter (where stale),
			'archived', (select count(*) from muster.repo
				      where organization_id = v_organization and removed_at is null
					and archived_at is not null and (v_project is null or project_id = v_project)),
			'scanned', count(*) filter (where scanned_at is not null),
			'average', round(avg(health_score), 1))
	  into v_repos
	  from muster.repo
	 where organization_id = v_organization and removed_at is null and archived_at is null
	   and (v_project is null or project_id = v_project);
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
		'open_findings', case when (v_repos ->> 'scanned')::bigint > 0 then (
			select jsonb_object_agg(s.severity, coalesce(c.n, 0))
			  from unnest(array['critical', 'high', 'medium', 'low', 'info']) s (severity)
			  left join (select f.severity, sum(f.n) as n
				       from muster.finding_count f join muster.repo r on r.id = f.repo_id
				      where f.organization_id = v_organization and f.state in ('open', 'in_progress')
					and r.removed_at is null and r.archived_at is null
					and (v_project is null or r.project_id = v_project)
				      group by f.severity) c on c.severity = s.severity) end,
		'runs', jsonb_build_object(
			'active', (select count(*) from muster.run
				    where organization_id = v_organization and status in ('pending', 'in_progress')
				      and (v_project is null or project_id = v_project)),
			'failed_7_days', (select count(*) from muster.run
					   where organization_id = v_organization and status = 'failed'
					     and created_at >= now() - interval '7 days'
					     and (v_project is null or project_id = v_project))),
		'deployments', jsonb_build_object(
			'today', (select count(*) from muster.deployment
				   where organization_id = v_organization and created_at >= v_today
				     and (v_project is null or project_id = v_project)),
			'in_progress', (select count(*) from muster.deployment
					 where organization_id = v_organization and status = 'in_progress'
					   and (v_project is null or project_id = v_project))),
		'test_pass_rate', (select round(100.0 * sum(passed) / nullif(sum(passed + failed), 0), 1)
				     from muster.test_run
				    where organization_id = v_organization and at >= now() - interval '7 days'
				      and (v_project is null or project_id = v_project)),
		'completed_tasks', v_done, 'total_tasks', v_total,
		'progress_percentage', muster.project_progress(v_done, v_total), 'risk', v_risk);
end
$$;

-- Figures of one stretch of time.
create function muster.dashboard_period(p_organization uuid, p_project uuid, p_since timestamptz,
					p_until timestamptz)
returns table (place integer, name text, unit text, value numeric)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
#variable_conflict use_column
begin
	return query
	select v.place, v.name, v.unit, round(v.value::numeric, 2) from (
		select 1 as place, 'deployment_frequency' as name, 'per day' as unit, case when exists (
				select from muster.deployment x where x.organization_id = p_organization)
			then count(*) / (extract(epoch from p_until - p_since) / 86400) end as value
		  from muster.deployment d
		 where d.organization_id = p_organization and d.created_at >= p_since and d.created_at < p_until
		   and (p_project is null or d.project_id = p_project)
		union all
		select 2, 'deployment_failure_rate', 'percent',
		       100.0 * count(*) filter (where d.status in ('failed', 'rolled_back'))
		       / nullif(count(*) filter (where d.status in ('completed', 'failed', 'rolled_back')), 0)
		  from muster.deployment d
		 where d.organization_id = p_organization and d.created_at >= p_since and d.created_at < p_until
		   and (p_project is null or d.project_id = p_project)
		union all
		(with t as (select sum(passed) as passed, sum(failed) as failed, avg(coverage) as coverage
			      from muster.test_run
			     where organization_id = p_organization and at >= p_since and at < p_until
			       and (p_project is null or project_id = p_project))
		 select 3, 'test_pass_rate', 'percent', 100.0 * passed / nullif(passed + failed, 0) from t
		 union all
		 select 4, 'test_coverage', 'percent', coverage from t)
		union all
		(with r as (select count(*) filter (where status = 'failed') as failed,
				   count(*) filter (where status in ('completed', 'failed')) as ended,
				   avg(extract(epoch from completed_at - started_at))
					filter (where status = 'completed') as seconds
			      from muster.run
			     where organization_id = p_organization and created_at >= p_since and created_at < p_until
			       and (p_project is null or project_id = p_project))
		 select 5, 'run_failure_rate', 'percent', 100.0 * failed / nullif(ended, 0) from r
		 union all
		 select 6, 'run_duration', 'seconds', seconds from r)
		union all
		(with s as (select count(*) filter (where s.after in ('open', 'in_progress')
						      and coalesce(s.before, '') not in ('open', 'in_progress')) as found,
				   count(*) filter (where s.after = 'resolved') as resolved,
				   avg(extract(epoch from s.at - (select f.first_seen_at from muster.finding f
								   where f.id = s.finding_id)) / 3600)
					filter (where s.after = 'resolved') as hours
			      from muster.finding_state s
			     where s.organization_id = p_organization and s.at >= p_since and s.at < p_until
			       and (p_project is null or exists (
				select from muster.finding f join muster.repo r on r.id = f.repo_id
				 where f.id = s.finding_id and r.project_id = p_project))),
		      seen as (select exists (select from muster.repo r
					       where r.organization_id = p_organization and r.removed_at is null
						 and r.scanned_at is not null
						 and (p_project is null or r.project_id = p_project)) as is_scanned)
		 select 7, 'findings_found', 'findings', case when is_scanned then found end from s, seen
		 union all
		 select 8, 'findings_resolved', 'findings', case when is_scanned then resolved end from s, seen
		 union all
		 select 9, 'resolution_time', 'hours', hours from s)) v;
end
$$;

create function muster.dashboard_metrics(p_project text default null, p_days integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_project uuid := muster.dashboard_project(p_project);
	v_days interval := make_interval(days => muster.limit_check(p_days, 30, 365));
begin
	return jsonb_build_object('next', null, 'items', (
		select jsonb_agg(jsonb_build_object('name', n.name, 'unit', n.unit, 'value', n.value,
				'before', b.value) order by n.place)
		  from muster.dashboard_period(v_organization, v_project, now() - v_days, now()) n
		  join muster.dashboard_period(v_organization, v_project, now() - 2 * v_days, now() - v_days) b
			on b.place = n.place));
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
			(select 'findings', c.severity, format('%s open %s of severity %s.', c.n,
				case when c.n = 1 then 'finding' else 'findings' end, c.severity),
				r.id::text, r.name, r.project_id, r.scanned_at
			   from (select f.repo_id, f.severity, sum(f.n) as n from muster.finding_count f
				  where f.organization_id = v_organization and f.state in ('open', 'in_progress')
				    and f.severity in ('critical', 'high')
				  group by f.repo_id, f.severity having sum(f.n) > 0) c
			   join muster.repo r on r.id = c.repo_id and r.removed_at is null and r.archived_at is null
			  where v_project is null or r.project_id = v_project
			  order by c.severity, c.n desc, lower(r.name) limit v_limit)
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
	v_since timestamptz := now() - make_interval(days => muster.limit_check(p_days, 30, 365));
	v_limit integer := muster.limit_check(p_limit, 50, 200);
begin
	return jsonb_build_object('next', null, 'items', (
		with done as (
			select s.account_id, 'resolved' as what from muster.finding_state s
			 where s.organization_id = v_organization and s.at >= v_since and s.after = 'resolved'
			   and s.account_id is not null
			   and (v_project is null or exists (
				select from muster.finding f join muster.repo r on r.id = f.repo_id
				 where f.id = s.finding_id and r.project_id = v_project))
			union all
			select c.account_id, 'comments' from muster.comment c
			 where c.organization_id = v_organization and c.created_at >= v_since
			   and c.account_id is not null
			   and (v_project is null or exists (
				select from muster.finding f join muster.repo r on r.id = f.repo_id
				 where f.id = c.finding_id and r.project_id = v_project))
			union all
			select x.account_id, 'runs' from muster.run x
			 where x.organization_id = v_organization and x.created_at >= v_since
			   and x.account_id is not null and (v_project is null or x.project_id = v_project)
			union all
			select d.account_id, 'deployments' from muster.deployment d
			 where d.organization_id = v_organization and d.created_at >= v_since
			   and d.account_id is not null and (v_project is null or d.project_id = v_project)
		), summed as (
			select account_id, count(*) as n, count(*) filter (where what = 'resolved') as resolved,
			       count(*) filter (where what = 'comments') as comments,
			       count(*) filter (where what = 'runs') as runs,
			       count(*) filter (where what = 'deployments') as deployments
			  from done group by account_id
		), waiting as (
			select f.assignee_id, count(*) as n
			  from muster.finding f
			 where f.organization_id = v_organization and f.assignee_id is not null
			   and f.state in ('open', 'in_progress')
			   and (v_project is null or exists (
				select from muster.repo r where r.id = f.repo_id and r.project_id = v_project))
			 group by f.assignee_id
		)
		select coalesce(jsonb_agg(jsonb_build_object('account', muster.person_json(t.account_id), 'role', t.role,
				'resolved', coalesce(t.resolved, 0), 'comments', coalesce(t.comments, 0),
				'runs', coalesce(t.runs, 0), 'deployments', coalesce(t.deployments, 0),
				'assigned', coalesce(t.waiting, 0)) order by t.k), '[]')
		  from (select m.account_id, m.role, s.resolved, s.comments, s.runs, s.deployments, w.n as waiting,
			       row_number() over (order by coalesce(s.n, 0) desc, coalesce(w.n, 0) desc, m.created_at,
						  m.account_id) as k
			  from muster.membership m
			  left join summed s on s.account_id = m.account_id
			  left join waiting w on w.assignee_id = m.account_id
			 where m.organization_id = v_organization
			 order by k limit v_limit) t));
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
