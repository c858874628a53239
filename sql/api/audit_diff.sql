-- SPDX-License-Identifier: MIT
-- What is different between two audits.
--
--   audit_get(p_audit) → {audit_id, report_id, timestamp, …} as in audit_list(). MU404.
--   audit_diff(p_audit, p_from, p_change, p_limit, p_cursor) → {"from", "to": both audits, "counts":
--       {added, removed, changed, same}, "summary": each counter's difference, "average": that of the
--       health scores, "items": [{repository, change, trend, before, after}], "next"}. p_from: another
--       audit, of any root; null: the one before of the same root. p_change: added, removed, changed, with
--       commas. trend: worse or better, by status, then score. before and after: {status,
--       health_score}, or null where it was not. MU404.
--
-- Audits keep status and score of each repository as bytes (0002_repo.sql), so any two that are there
-- can be compared. Within a root a repository is itself by its row, between roots by its name.

create function muster.audit_find(p_audit bigint) returns muster.audit
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_audit muster.audit;
begin
	select * into v_audit from muster.audit
	 where id = p_audit and organization_id = muster.organization_need();
	if v_audit.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such audit.';
	end if;
	return v_audit;
end
$$;

create function muster.audit_get(p_audit bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_audit muster.audit := muster.audit_find(p_audit);
begin
	return (select muster.audit_json(v_audit, t.slug, t.host) from muster.root t where t.id = v_audit.root_id);
end
$$;

-- The repositories of an audit. statuses and scores are given unpacked: they are looked into for each.
create function muster.audit_repos(p_root bigint, p_statuses bytea, p_scores bytea)
returns table (id uuid, name text, status text, score integer)
language plpgsql stable rows 1000 set search_path = pg_catalog, muster, pg_temp
set enable_seqscan = off set jit = off as $$
begin
	return query
	select r.id, r.name, muster.status_name(muster.byte_at(p_statuses, r.ordinal)),
	       nullif(muster.byte_at(p_scores, r.ordinal), 255)
	  from muster.repo r
	 where r.root_id = p_root and muster.byte_at(p_statuses, r.ordinal) > 0;
end
$$;

create function muster.audit_diff(p_audit bigint, p_from bigint default null, p_change text default null,
				  p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 2);
	v_name text := v_cursor ->> 0;
	v_key text := v_cursor ->> 1;
	v_changes text[] := coalesce(string_to_array(nullif(p_change, ''), ','), array['added', 'removed', 'changed']);
	v_to muster.audit := muster.audit_find(p_audit);
	v_from muster.audit;
	v_before bytea;
	v_scores_before bytea;
	v_after bytea := v_to.statuses || ''::bytea;
	v_scores_after bytea := v_to.scores || ''::bytea;
	v_answer jsonb;
begin
	v_from := muster.audit_find(coalesce(p_from, (
		select max(id) from muster.audit
		 where root_id = v_to.root_id and organization_id = v_to.organization_id and id < v_to.id)));
	v_before := v_from.statuses || ''::bytea;
	v_scores_before := v_from.scores || ''::bytea;

	with old as materialized (
		select case when v_from.root_id = v_to.root_id then o.id::text else o.name end as key, o.*
		  from muster.audit_repos(v_from.root_id, v_before, v_scores_before) o
	), new as materialized (
		select case when v_from.root_id = v_to.root_id then n.id::text else n.name end as key, n.*
		  from muster.audit_repos(v_to.root_id, v_after, v_scores_after) n
	), pair as materialized (
		select key, coalesce(n.id, o.id) as id, coalesce(n.name, o.name) as name,
		       case when o.key is null then 'added' when n.key is null then 'removed'
			    when (o.status, o.score) is distinct from (n.status, n.score) then 'changed'
			    else 'same' end as change,
		       o.status as status_before, o.score as score_before, n.status, n.score
		  from old o full join new n using (key)
	), page as materialized (
		select p.*, row_number() over (order by lower(p.name), p.key) as k
		  from pair p
		 where p.change = any (v_changes) and p.change <> 'same'
		   and (v_key is null or (lower(p.name), p.key) > (v_name, v_key))
		 order by lower(p.name), p.key limit v_limit + 1
	)
	select jsonb_build_object('counts', (
			select jsonb_build_object('added', count(*) filter (where change = 'added'),
				'removed', count(*) filter (where change = 'removed'),
				'changed', count(*) filter (where change = 'changed'),
				'same', count(*) filter (where change = 'same')) from pair),
		'items', coalesce(jsonb_agg(jsonb_build_object(
			'repository', jsonb_build_object('id', p.id, 'name', p.name), 'change', p.change,
			'trend', case when p.change <> 'changed' then null
				when muster.status_rank(p.status) < muster.status_rank(p.status_before) then 'worse'
				when muster.status_rank(p.status) > muster.status_rank(p.status_before) then 'better'
				when p.score < p.score_before then 'worse' when p.score > p.score_before then 'better' end,
			'before', case when p.change <> 'added'
				then jsonb_build_object('status', p.status_before, 'health_score', p.score_before) end,
			'after', case when p.change <> 'removed'
				then jsonb_build_object('status', p.status, 'health_score', p.score) end)
			order by p.k) filter (where p.k <= v_limit), '[]'),
		'next', case when count(*) > v_limit then muster.cursor_format((
			select jsonb_build_array(lower(l.name), l.key) from page l where l.k = v_limit)) end)
	  into v_answer from page p;

	return v_answer || jsonb_build_object('from', muster.audit_get(v_from.id), 'to', muster.audit_get(v_to.id),
		'average', round(v_to.score_sum::numeric / nullif(v_to.score_count, 0), 1)
			   - round(v_from.score_sum::numeric / nullif(v_from.score_count, 0), 1),
		'summary', (select jsonb_object_agg(c, coalesce(muster.json_int(v_to.summary -> c, 0, 1000000000), 0)
				- coalesce(muster.json_int(v_from.summary -> c, 0, 1000000000), 0))
			      from unnest(array['total', 'missing', 'extra', 'dirty', 'mismatched', 'clean', 'stale',
						'missing_files', 'not_git', 'errors']) c));
end
$$;
