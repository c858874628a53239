-- SPDX-License-Identifier: MIT
-- The reports as people and the pusher read them.
--
--   overview_get() → the first page, over all roots: {report_id, timestamp, duration_ms,
--       health_status, summary, health {average, buckets}, trend, attention}. Without any report
--       the first four and the average are null.
--   overview_announce() → when; everybody who watches hears of the latest report once more. MU404
--       when there is none.
--   report_get(p_root) → the whole latest report: of that root (slug), of the only one, or of all
--       roots joined. MU404 when there is none.
--   push_report(p_organization, p_bytes_max) → {position, report_id, bytes, report} for the pusher;
--       report is null when there is none. When the files were longer than p_bytes_max (null: no
--       limit) it comes without its repositories, which spares putting them together; bytes says how
--       long they were.
--   audit_list(p_limit, p_cursor) → {"items": [{audit_id, report_id, timestamp, duration_ms,
--       health_status, summary, average, repos, changed, root, host}], "next"}, newest first.
--   audit_history(p_limit) → [{filename, timestamp, path}], newest first, 50 by default.
--   audit_history_get(p_file) → that audit: its summary, and name, id, status and health score of
--       its repositories (the latest one: the whole report). "complete" says which. MU404.
--   audit_csv() → the latest repositories as text/csv (RFC 4180), a line each.

create function muster.file_name(p_at timestamptz) returns text
language sql stable parallel safe
return muster.iso(p_at) || '.json';

-- The counters of several roots as one.
create function muster.summary_join(p_summaries jsonb[]) returns jsonb
language sql immutable set search_path = pg_catalog, muster, pg_temp
return (select jsonb_object_agg(k.key, (select coalesce(sum(muster.json_int(s -> k.key, 0, 1000000000)), 0)
					 from unnest(p_summaries) s))
	  from unnest(array['total', 'missing', 'extra', 'dirty', 'mismatched', 'clean', 'stale',
			    'missing_files', 'not_git', 'errors']) k (key))
       || jsonb_build_object('unknown', (select coalesce(jsonb_agg(distinct u.value), '[]')
					   from unnest(p_summaries) s
					  cross join lateral jsonb_array_elements(
						case when jsonb_typeof(s -> 'unknown') = 'array'
						     then s -> 'unknown' else '[]' end) u));

create function muster.health_worst(p_statuses text[]) returns text
language sql immutable parallel safe
return case when 'red' = any (p_statuses) then 'red' when 'yellow' = any (p_statuses) then 'yellow'
	    when 'green' = any (p_statuses) then 'green' end;

-- What all roots of an organisation add up to. Not for requests, as report_assemble().
create function muster.summary_all(p_organization uuid, out summary jsonb, out health_status text)
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_summaries jsonb[];
	v_health text[];
begin
	select coalesce(array_agg(a.summary), '{}'), array_agg(a.health_status)
	  into v_summaries, v_health
	  from muster.root t join muster.audit a on a.id = t.audit_id
	 where t.organization_id = p_organization and a.organization_id = p_organization;
	summary := case when array_length(v_summaries, 1) = 1 then v_summaries[1]
			else muster.summary_join(v_summaries) end;
	health_status := muster.health_worst(v_health);
end
$$;

create function muster.overview_announce() returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_root record;
	v_all record;
begin
	select t.slug, t.report_id, t.audit_id, t.reported_at, p.slug as project into v_root
	  from muster.root t join muster.project p on p.id = t.project_id
	 where t.organization_id = v_organization and t.audit_id is not null
	 order by t.reported_at desc, t.id limit 1;
	if v_root is null then
		raise exception using errcode = 'MU404', message = 'There is no report yet.';
	end if;
	v_all := muster.summary_all(v_organization);
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	values (v_organization, v_root.project, 'audit', 'audit-update', v_root.slug,
		jsonb_build_object('report_id', v_root.report_id, 'audit_id', v_root.audit_id,
			'timestamp', muster.iso(v_root.reported_at), 'health_status', v_all.health_status,
			'summary', v_all.summary, 'url', '/audit'));
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization, muster.account(), 'audit.announce', v_root.slug);
	perform muster.sequence_events();
	return muster.iso(now());
end
$$;

create function muster.overview_get() returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_head jsonb;
	v_trend jsonb;
	v_attention jsonb;
begin
	with latest as (
		select a.* from muster.root t join muster.audit a on a.id = t.audit_id
		 where t.organization_id = v_organization and a.organization_id = v_organization
	), newest as (
		select * from latest order by reported_at desc, id desc limit 1
	)
	select jsonb_build_object('report_id', (select report_id from newest),
		'timestamp', (select muster.iso(reported_at) from newest),
		'duration_ms', (select duration_ms from newest),
		'health_status', muster.health_worst(array_agg(l.health_status)),
		'summary', muster.summary_join(coalesce(array_agg(l.summary), '{}')),
		'health', jsonb_build_object(
			'average', round(sum(l.score_sum)::numeric / nullif(sum(l.score_count), 0), 1),
			'buckets', (select jsonb_agg(jsonb_build_object('from', b * 10,
						'to', case b when 9 then 100 else b * 10 + 9 end,
						'count', (select coalesce(sum(l2.buckets[b + 1]), 0) from latest l2))
						order by b)
				      from generate_series(0, 9) b)))
	  into v_head from latest l;

	-- One point for each of the last 50 audits; with several roots, what all of them were then.
	select coalesce(jsonb_agg(jsonb_build_object('timestamp', muster.iso(p.reported_at),
			'total', s.total, 'clean', s.clean, 'dirty', s.dirty, 'average', s.average)
			order by p.id), '[]')
	  into v_trend
	  from (select id, reported_at from muster.audit
		 where organization_id = v_organization order by id desc limit 50) p
	 cross join lateral (
		select sum(a.repos) as total, sum((a.summary ->> 'clean')::integer) as clean,
		       sum((a.summary ->> 'dirty')::integer) as dirty,
		       round(sum(a.score_sum)::numeric / nullif(sum(a.score_count), 0), 1) as average
		  from muster.root t
		 cross join lateral (select * from muster.audit x
				      where x.root_id = t.id and x.organization_id = v_organization
					and x.id <= p.id
				      order by x.id desc limit 1) a
		 where t.organization_id = v_organization) s;

	select coalesce(jsonb_agg(muster.repo_compact(w.r) || muster.repo_said(w.r) || jsonb_build_object('history',
			muster.repo_history((w.r).root_id, (w.r).ordinal)) order by w.k), '[]') into v_attention
	  from (select r, row_number() over (order by muster.status_rank(r.status),
			coalesce(r.health_score, 101), lower(r.name), r.id) as k
		  from muster.repo r
		 where r.organization_id = v_organization and r.removed_at is null and r.archived_at is null
		   and (r.status <> 'clean' or r.health_score < 80)
		 order by muster.status_rank(r.status), coalesce(r.health_score, 101), lower(r.name), r.id
		 limit 10) w;
	return v_head || jsonb_build_object('trend', v_trend, 'attention', v_attention);
end
$$;

-- Not for requests, which reach it through functions of the owner: they know whose report it is.
create function muster.report_assemble(p_organization uuid, p_root text,
				       p_is_whole boolean default true) returns jsonb
language sql stable set search_path = pg_catalog, muster, pg_temp
set work_mem = '64MB' set jit = off
return (with chosen as (
		select t.* from muster.root t
		 where t.organization_id = p_organization and t.report is not null
		   and (p_root is null or t.slug = p_root)
	), newest as (
		select * from chosen order by reported_at desc, id limit 1
	), body as (
		select coalesce(jsonb_agg(r.report order by array_position(array['missing', 'extra', 'dirty',
				'mismatched', 'clean', 'not_git', 'error'], r.status), lower(r.name), r.id),
				'[]') as repos
		  from muster.repo r
		 where p_is_whole and r.organization_id = p_organization and r.removed_at is null
		   and r.root_id in (select id from chosen)
	)
	select n.report || jsonb_build_object('report_id', n.report_id)
	       || case when p_is_whole then jsonb_build_object('repos', b.repos) else '{}'::jsonb end
	       || case when (select count(*) from chosen) = 1 then '{}'::jsonb
		  else (select jsonb_build_object(
				'health_status', muster.health_worst(array_agg(a.health_status)),
				'summary', muster.summary_join(array_agg(a.summary)),
				'roots', (select jsonb_agg(x.path order by x.id) from chosen x
					   where x.path is not null))
			  from chosen c join muster.audit a on a.id = c.audit_id) end
	  from newest n, body b);

create function muster.report_get(p_root text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_report jsonb := muster.report_assemble(muster.organization_need(), nullif(p_root, ''));
begin
	if v_report is null then
		raise exception using errcode = 'MU404', message = 'No report has been taken yet.';
	end if;
	return v_report;
end
$$;

create function muster.push_report(p_organization uuid, p_bytes_max bigint default null)
returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	-- Before the report: what happens in between is then told twice, not never.
	v_position bigint := muster.stream_position();
	v_bytes bigint := (select sum(report_bytes) from muster.root
			    where organization_id = p_organization and report is not null);
	v_is_whole boolean := coalesce(v_bytes <= p_bytes_max, true);
	v_report jsonb := muster.report_assemble(p_organization, null, v_is_whole);
begin
	return jsonb_build_object('position', v_position, 'report_id', v_report -> 'report_id',
		'bytes', case when v_is_whole then coalesce(octet_length(v_report::text), 0) else v_bytes end,
		'report', v_report);
end
$$;

create function muster.audit_json(p_audit muster.audit, p_root text, p_host text) returns jsonb
language sql stable parallel safe
return jsonb_build_object('audit_id', (p_audit).id, 'report_id', (p_audit).report_id,
	'timestamp', muster.iso((p_audit).reported_at), 'duration_ms', (p_audit).duration_ms,
	'health_status', (p_audit).health_status, 'summary', (p_audit).summary,
	'average', round((p_audit).score_sum::numeric / nullif((p_audit).score_count, 0), 1),
	'repos', (p_audit).repos, 'changed', (p_audit).changed, 'root', p_root, 'host', p_host);

create function muster.audit_list(p_limit integer default null, p_cursor text default null)
returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_before bigint := 9223372036854775807;
	v_items jsonb;
	v_next text;
begin
	if v_cursor is not null then
		v_before := muster.json_int(v_cursor -> 0, 0, v_before);
		if v_before is null then
			perform muster.field_error('cursor', 'is not one that this list gave');
		end if;
	end if;
	with page as materialized (
		select a, t.slug as root, t.host, row_number() over (order by a.id desc) as k
		  from muster.audit a
		  join muster.root t on t.id = a.root_id and t.organization_id = v_organization
		 where a.organization_id = v_organization and a.id < v_before
		 order by a.id desc limit v_limit + 1)
	select coalesce(jsonb_agg(muster.audit_json(p.a, p.root, p.host)
			order by (p.a).id desc) filter (where p.k <= v_limit), '[]'),
	       case when count(*) > v_limit
		    then muster.cursor_format(jsonb_build_array(min((p.a).id) filter (where p.k <= v_limit))) end
	  into v_items, v_next from page p;
	return jsonb_build_object('items', v_items, 'next', v_next);
end
$$;

create function muster.audit_history(p_limit integer default null) returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
begin
	return (select coalesce(jsonb_agg(jsonb_build_object('filename', muster.file_name(a.reported_at),
			'timestamp', muster.iso(a.reported_at),
			'path', '/audit/history/' || muster.file_name(a.reported_at)) order by a.id desc), '[]')
		  from (select id, reported_at from muster.audit where organization_id = v_organization
			 order by id desc limit v_limit) a);
end
$$;

create function muster.audit_history_get(p_file text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_at timestamptz;
	v_audit muster.audit;
	v_root muster.root;
begin
	if p_file ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z\.json$'
	   and muster.json_time(left(p_file, -5)) is not null then
		v_at := left(p_file, -5)::timestamptz;
	end if;
	select a.* into v_audit from muster.audit a
	 where a.organization_id = v_organization
	   and a.reported_at >= v_at and a.reported_at < v_at + interval '1 millisecond'
	 order by a.id desc limit 1;
	if v_audit.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such audit.';
	end if;
	select * into v_root from muster.root
	 where id = v_audit.root_id and organization_id = v_organization;
	if v_root.audit_id = v_audit.id then
		return muster.report_assemble(v_organization, v_root.slug) || '{"complete": true}';
	end if;
	return jsonb_build_object('timestamp', muster.iso(v_audit.reported_at),
		'health_status', v_audit.health_status, 'report_id', v_audit.report_id,
		'duration_ms', v_audit.duration_ms, 'summary', v_audit.summary, 'complete', false,
		'repos', (select coalesce(jsonb_agg(jsonb_build_object('name', r.name, 'id', r.id,
				'status', muster.status_name(muster.byte_at(v_audit.statuses, r.ordinal)),
				'healthScore', nullif(muster.byte_at(v_audit.scores, r.ordinal), 255))
				order by muster.byte_at(v_audit.statuses, r.ordinal), lower(r.name), r.id), '[]')
			    from muster.repo r
			   where r.root_id = v_audit.root_id and r.organization_id = v_organization
			     and muster.byte_at(v_audit.statuses, r.ordinal) > 0));
end
$$;

-- A cell of CSV. A leading = + - @ would be a formula to a spreadsheet.
create function muster.csv(p_text text) returns text
language sql immutable parallel safe
return case when p_text ~ '^[=+@\t\r-]' then '"''' || replace(p_text, '"', '""') || '"'
	    when p_text ~ '[",\r\n]' then '"' || replace(p_text, '"', '""') || '"'
	    else coalesce(p_text, '') end;

create function muster.audit_csv() returns text
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_lines text;
begin
	if not exists (select from muster.root
			where organization_id = v_organization and audit_id is not null) then
		raise exception using errcode = 'MU404', message = 'No audit data found.';
	end if;
	select string_agg(concat_ws(',', muster.csv(r.name), r.status, muster.csv(coalesce(r.path, '')),
			muster.csv(coalesce(r.remote, '')), muster.csv(coalesce(r.branch, '')),
			coalesce(muster.iso(r.last_commit_at), ''), t.report ->> 'health_status',
			case r.report -> 'uncommittedChanges' when 'true' then 'Yes' when 'false' then 'No' else '' end,
			coalesce(r.health_score::text, ''), coalesce(r.ahead::text, ''),
			coalesce(r.behind::text, '')), E'\r\n' order by lower(r.name), r.id) into v_lines
	  from muster.repo r
	  join muster.root t on t.id = r.root_id and t.organization_id = v_organization
	 where r.organization_id = v_organization and r.removed_at is null;
	return concat_ws(E'\r\n', 'Repository,Status,Path,Remote,Branch,Last Modified,Health Status,'
		|| 'Uncommitted Changes,Health Score,Ahead,Behind', v_lines) || E'\r\n';
end
$$;
