-- SPDX-License-Identifier: MIT
-- Figures over what is stored. Each is computed from rows at the moment it is asked for, or from counts
-- that change with them (tally.sql); what has no source yet is null. Days are those of UTC, and the last
-- of them is today; a week is seven of them.
--
--   statistics_dashboard() → {deployments_today, active_scans, test_pass_rate, open_vulnerabilities,
--       system_health, trends {deployments, test_pass_rate, open_vulnerabilities}}: a trend is today's
--       or this week's figure less the one before it.
--   statistics_runs(p_days) → {days, total, by_status, by_kind, average_seconds, failure_rate, daily
--       [{date, total, failed}]}
--   statistics_categories(p_days) → {"items": [{kind, rule, title, findings}], "next": null}: what was
--       found new on these days, the most frequent first. title: the rule's.
--   statistics_severity(p_days) → {open {…}, daily [{date, found, resolved}]}
--   statistics_health(p_limit) → {"items": [{repository, health_score, status, open, grade}], "next":
--       null}, the worst first. Grades: A from 90, B 80, C 70, D 60, else F.
--   statistics_top(p_limit) → {"items": [rule, its findings and repositories], "next": null}: what is open.

create function muster.statistics_dashboard() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_today date := now() at time zone 'UTC';
	v_deployments bigint[];
	v_rate numeric[];
	v_came bigint;
	v_open bigint;
	v_scanned boolean;
	v_health text;
begin
	select array[coalesce(sum(n) filter (where what = 'deployment' and day = v_today), 0),
		     coalesce(sum(n) filter (where what = 'deployment' and day = v_today - 1), 0)],
	       array[round(100.0 * coalesce(sum(n) filter (where key = 'passed' and day > v_today - 7), 0)
			   / nullif(sum(n) filter (where key in ('passed', 'failed') and day > v_today - 7), 0), 1),
		     round(100.0 * coalesce(sum(n) filter (where key = 'passed' and day <= v_today - 7), 0)
			   / nullif(sum(n) filter (where key in ('passed', 'failed') and day <= v_today - 7), 0), 1)],
	       coalesce(sum(case what when 'came' then n when 'left' then -n end) filter (where day > v_today - 7), 0)
	  into v_deployments, v_rate, v_came
	  from muster.tally
	 where organization_id = v_organization and project_id is null and span = 'day'
	   and what in ('deployment', 'test', 'came', 'left') and day > v_today - 14 and day <= v_today;
	select exists (select from muster.repo where organization_id = v_organization and scanned_at is not null)
	  into v_scanned;
	select coalesce(sum(n), 0) into v_open from muster.tally
	 where organization_id = v_organization and project_id is null and span = 'ever'
	   and what in ('open.critical', 'open.high', 'open.medium', 'open.low', 'open.info');
	select s.health_status into v_health from muster.summary_all(v_organization) s;
	return jsonb_build_object('deployments_today', v_deployments[1],
		'active_scans', (select count(*) from muster.run
				  where organization_id = v_organization and status in ('pending', 'in_progress')),
		'test_pass_rate', v_rate[1],
		'open_vulnerabilities', case when v_scanned then v_open end,
		'system_health', v_health,
		'trends', jsonb_build_object('deployments', v_deployments[1] - v_deployments[2],
			'test_pass_rate', v_rate[1] - v_rate[2],
			'open_vulnerabilities', case when v_scanned then v_came end));
end
$$;

create function muster.statistics_runs(p_days integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_days integer := muster.limit_check(p_days, 30, 365);
	v_today date := now() at time zone 'UTC';
begin
	return (with recent as materialized (
			select t.what, split_part(t.key, ' ', 1) as kind, split_part(t.key, ' ', 2) as status, t.day,
			       sum(t.n) as n, sum(t.amount) as amount
			  from muster.tally t
			 where t.organization_id = v_organization and t.project_id is null and t.what in ('run', 'run.time')
			   and t.span = 'day' and t.day > v_today - v_days
			 group by t.what, t.key, t.day having sum(t.n) <> 0),
		     runs as (select * from recent where what = 'run')
		select jsonb_build_object('days', v_days, 'total', (select coalesce(sum(n), 0) from runs),
			'by_status', (select coalesce(jsonb_object_agg(s.status, s.n), '{}')
					from (select status, sum(n) as n from runs group by 1) s),
			'by_kind', (select coalesce(jsonb_object_agg(k.kind, k.n), '{}')
				      from (select kind, sum(n) as n from runs group by 1) k),
			'average_seconds', (select round(sum(amount) / sum(n), 1) from recent where what = 'run.time'),
			'failure_rate', (select round(100.0 * coalesce(sum(n) filter (where status = 'failed'), 0)
						      / sum(n) filter (where status in ('completed', 'failed')), 1)
					   from runs),
			'daily', (select jsonb_agg(jsonb_build_object('date', d::date, 'total', coalesce(x.total, 0),
							'failed', coalesce(x.failed, 0)) order by d)
				    from generate_series(v_today - v_days + 1, v_today, interval '1 day') d
				    left join (select day, sum(n) as total, sum(n) filter (where status = 'failed') as failed
						 from runs group by 1) x on x.day = d::date)));
end
$$;

create function muster.rule_title(p_organization uuid, p_kind text, p_rule text) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return coalesce((select title from muster.rule
			  where organization_id = p_organization and kind = p_kind and key = p_rule), '');
end
$$;

create function muster.statistics_categories(p_days integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_days integer := muster.limit_check(p_days, 30, 365);
	v_since date := (now() at time zone 'UTC')::date - (v_days - 1);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('kind', c.kind, 'rule', c.rule,
				'title', muster.rule_title(v_organization, c.kind, c.rule),
				'findings', c.n) order by c.n desc, c.rule, c.kind), '[]')
		  from (select split_part(t.key, ' ', 1) as kind, substr(t.key, strpos(t.key, ' ') + 1) as rule, t.n
			  from muster.tally_since(v_organization, null, array['found'], v_since) t
			 order by n desc, 2, 1 limit 50) c));
end
$$;

create function muster.statistics_severity(p_days integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_days integer := muster.limit_check(p_days, 30, 365);
	v_since timestamptz := date_trunc('day', now(), 'UTC') - make_interval(days => v_days - 1);
begin
	return jsonb_build_object('days', v_days,
		'open', case when exists (select from muster.repo where organization_id = v_organization
					     and removed_at is null and scanned_at is not null) then (
			select jsonb_object_agg(s, coalesce((
				select sum(t.n) from muster.tally t
				 where t.organization_id = v_organization and t.project_id is null
				   and t.what = 'open.' || s and t.span = 'ever'), 0))
			  from unnest(array['critical', 'high', 'medium', 'low', 'info']) s) end,
		'daily', (select jsonb_agg(jsonb_build_object('date', d::date, 'found', coalesce(x.found, 0),
						'resolved', coalesce(x.resolved, 0)) order by d)
			    from generate_series(v_since at time zone 'UTC', now() at time zone 'UTC', '1 day') d
			    left join (select t.day, sum(t.n) filter (where t.what = 'came') as found,
					      sum(t.n) filter (where t.what = 'resolved') as resolved
					 from muster.tally t
					where t.organization_id = v_organization and t.project_id is null
					  and t.what in ('came', 'resolved') and t.span = 'day'
					  and t.day >= (v_since at time zone 'UTC')::date
					group by 1) x on x.day = d::date));
end
$$;

create function muster.statistics_health(p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 20, 200);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object(
				'repository', jsonb_build_object('id', r.id, 'name', r.name),
				'health_score', r.health_score, 'status', r.status,
				'grade', case when r.health_score >= 90 then 'A' when r.health_score >= 80 then 'B'
					      when r.health_score >= 70 then 'C' when r.health_score >= 60 then 'D'
					      when r.health_score is not null then 'F' end,
				'open', case when r.scanned_at is not null then (
					select coalesce(sum(c.n), 0) from muster.finding_count c
					 where c.repo_id = r.id and c.state in ('open', 'in_progress')) end)
				order by r.health_score nulls last, lower(r.name), r.id), '[]')
		  from (select * from muster.repo
			 where organization_id = v_organization and removed_at is null and archived_at is null
			 order by health_score nulls last, lower(name), id limit v_limit) r));
end
$$;

create function muster.statistics_top(p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 10, 100);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('kind', t.kind, 'rule', t.rule,
				'title', muster.rule_title(v_organization, t.kind, t.rule), 'severity', t.severity,
				'findings', t.n, 'repositories', t.repos)
				order by t.n desc, t.rule, t.kind), '[]')
		  from (select split_part(o.key, ' ', 1) as kind, substr(o.key, strpos(o.key, ' ') + 1) as rule,
			       sum(o.n) filter (where o.severity is not null) as n,
			       sum(o.n) filter (where o.severity is null) as repos,
			       (array['info', 'low', 'medium', 'high', 'critical'])[max(muster.severity_rank(o.severity))]
					as severity
			  from (select key, substring(what from '^open\.(.*)$') as severity, sum(tally.n) as n
				  from muster.tally
				 where organization_id = v_organization and project_id is null and span = 'ever'
				   and what in ('repos', 'open.critical', 'open.high', 'open.medium', 'open.low', 'open.info')
				 group by key, what having sum(tally.n) <> 0) o
			 group by o.key order by n desc, 2, 1 limit v_limit) t));
end
$$;
