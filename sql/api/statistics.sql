-- SPDX-License-Identifier: MIT
-- Figures over what is stored. Each is computed from rows at the moment it is asked for, or from counts
-- that change with them (tally.sql); what has no source yet is null. Days are those of UTC, and the last
-- of them is today.
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
	v_today timestamptz := date_trunc('day', now(), 'UTC');
	v_deployments bigint[];
	v_rate numeric[];
	v_open bigint;
	v_scanned boolean;
	v_health text;
begin
	select array[count(*) filter (where created_at >= v_today),
		     count(*) filter (where created_at < v_today)] into v_deployments
	  from muster.deployment
	 where organization_id = v_organization and created_at >= v_today - interval '1 day';
	select array[round(100.0 * sum(passed) filter (where at >= now() - interval '7 days')
			   / nullif(sum(passed + failed) filter (where at >= now() - interval '7 days'), 0), 1),
		     round(100.0 * sum(passed) filter (where at < now() - interval '7 days')
			   / nullif(sum(passed + failed) filter (where at < now() - interval '7 days'), 0), 1)]
	  into v_rate
	  from muster.test_run
	 where organization_id = v_organization and at >= now() - interval '14 days';
	select exists (select from muster.repo where organization_id = v_organization and scanned_at is not null)
	  into v_scanned;
	select coalesce(sum(n), 0) into v_open from muster.finding_count
	 where organization_id = v_organization and state in ('open', 'in_progress');
	select s.health_status into v_health from muster.summary_all(v_organization) s;
	return jsonb_build_object('deployments_today', v_deployments[1],
		'active_scans', (select count(*) from muster.run
				  where organization_id = v_organization and status in ('pending', 'in_progress')),
		'test_pass_rate', v_rate[1],
		'open_vulnerabilities', case when v_scanned then v_open end,
		'system_health', v_health,
		'trends', jsonb_build_object('deployments', v_deployments[1] - v_deployments[2],
			'test_pass_rate', v_rate[1] - v_rate[2],
			'open_vulnerabilities', case when v_scanned then (
				select count(*) filter (where s.after in ('open', 'in_progress')
							  and coalesce(s.before, '') not in ('open', 'in_progress'))
				       - count(*) filter (where s.before in ('open', 'in_progress')
							    and s.after not in ('open', 'in_progress'))
				  from muster.finding_state s
				 where s.organization_id = v_organization and s.at >= now() - interval '7 days') end));
end
$$;

create function muster.statistics_runs(p_days integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_days integer := muster.limit_check(p_days, 30, 365);
	v_since timestamptz := date_trunc('day', now(), 'UTC') - make_interval(days => v_days - 1);
begin
	return (with recent as materialized (
			select status, kind, created_at, started_at, completed_at from muster.run
			 where organization_id = v_organization and created_at >= v_since)
		select jsonb_build_object('days', v_days, 'total', (select count(*) from recent),
			'by_status', (select coalesce(jsonb_object_agg(s.status, s.n), '{}')
					from (select status, count(*) as n from recent group by 1) s),
			'by_kind', (select coalesce(jsonb_object_agg(k.kind, k.n), '{}')
				      from (select kind, count(*) as n from recent group by 1) k),
			'average_seconds', (select round(avg(extract(epoch from completed_at - started_at))::numeric, 1)
					      from recent where status = 'completed'),
			'failure_rate', (select round(100.0 * count(*) filter (where status = 'failed')
						      / nullif(count(*) filter (where status in ('completed', 'failed')), 0), 1)
					   from recent),
			'daily', (select jsonb_agg(jsonb_build_object('date', d::date, 'total', coalesce(x.total, 0),
							'failed', coalesce(x.failed, 0)) order by d)
				    from generate_series(v_since at time zone 'UTC', now() at time zone 'UTC', '1 day') d
				    left join (select (created_at at time zone 'UTC')::date as day, count(*) as total,
						      count(*) filter (where status = 'failed') as failed
						 from recent group by 1) x on x.day = d::date)));
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
			  from muster.tally_since(v_organization, null, 'found', v_since) t
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
