-- SPDX-License-Identifier: MIT
-- Searching repositories and findings at once, with what the answer consists of.
--
--   search_all(p_q, p_type, p_status, p_tags, p_project, p_severity, p_state, p_uncommitted_changes,
--       p_stale, p_stale_tags, p_last_activity_days, p_compliance, p_pipeline_status, p_templates, p_sort,
--       p_direction, p_limit, p_offset, p_include_facets, p_fuzzy, p_highlight) → {"query", "repositories": [compact + what people say + project_id, findings_open,
--       matched], "findings": [as in finding_list()], "total": {repositories, findings}, "facets",
--       "highlights"}. p_type: repositories or findings; null: both. All filters are ANDed; those of
--       repositories restrict findings to these, and a filter of findings restricts repositories to those
--       that have such. The best match first, or by p_sort: name, status, health_score, last_commit,
--       findings. total.findings is null: there may be a million of them. matched: which texts have p_q.
--       p_limit, p_offset of repositories; of findings there are the first 200 at most, and
--       finding_list() goes on.
--       p_compliance       compliant: no file that its audit asks for is missing; non_compliant, unknown
--       p_pipeline_status  of the latest tests that were reported of it: passed, failed; unknown: none were
--       p_templates        names of templates: nothing is made of templates here, so that none has any
--       p_fuzzy       also the repositories whose names are most like p_q, at most 200, after the others
--       p_highlight   → highlights {"repositories", "findings"}: lists of {id, field, ranges [[first,
--                     length], …]}: where p_q is in the texts, in characters of Unicode from 0; of a name
--                     that is only alike, what both have. Else null.
--   search_facets(… the same filters) → {status, project, tag, stale, severity, state, kind}: each a list of
--       {value, count}, the most frequent first, at most 50. Repositories that match are counted, and the
--       findings in them.
--   search_suggest(p_q, p_limit) → {"items": [{kind, text, id}], "next": null}: repositories, tags,
--       projects and rules that begin so.
--   search_bulk(p_action, p_repositories, p_tags) → {"action", "results": [{repo, success, error,
--       run_id, data}]}: each by itself. run_audit, run_scan, tag_repositories (adds; team leads), export_data
--       (data: as search_all() shows it, with its report). MU400, MU403; MU422 for apply_templates: there
--       are none.

-- The repositories that match: p_filter has search_all()'s filters by their names. ids: the first p_limit in
-- order behind p_offset of them, or all in none. p_part: facets, counts (of their findings, places as in table finding_sum) or null:
-- neither.
create function muster.search_repos(p_filter jsonb, p_sort text, p_direction text, p_limit integer,
				    p_part text, p_offset integer default 0, out ids uuid[], out total bigint,
				    out facets jsonb, out counts bigint[])
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_q text := lower(nullif(p_filter ->> 'q', ''));
	v_like text := '%' || regexp_replace(v_q, '([\\%_])', '\\\1', 'g') || '%';
	v_status text[] := string_to_array(nullif(p_filter ->> 'status', ''), ',');
	v_tags text[] := string_to_array(lower(nullif(p_filter ->> 'tags', '')), ',');
	v_severity text[] := string_to_array(nullif(p_filter ->> 'severity', ''), ',');
	v_state text[] := string_to_array(nullif(p_filter ->> 'state', ''), ',');
	v_compliance text[] := string_to_array(nullif(p_filter ->> 'compliance', ''), ',');
	v_pipeline text[] := string_to_array(nullif(p_filter ->> 'pipeline_status', ''), ',');
	v_project uuid := (case when nullif(p_filter ->> 'project', '') is not null
				then muster.project_own(p_filter ->> 'project') end).id;
	v_since timestamptz := now() - make_interval(days => (p_filter ->> 'last_activity_days')::integer);
	v_alike uuid[];
	v_having text;
	v_order text;
	v_columns text;
	v_where text;
	v_sorted text;
	v_facets text;
	v_join text;
	v_direction text := case when p_direction = 'desc' and p_sort = 'name' then 'desc' end;
	v_counts text;
	v_sums text := (select string_agg(format('sum(f.n[%s])', k), ', ' order by k) from generate_series(1, 23) k);
	v_is_counted boolean := p_part is not null or p_sort = 'findings' or v_severity is not null or v_state is not null;
begin
	if p_filter -> 'fuzzy' = 'true' and v_q is not null then
		v_alike := muster.search_alike(v_q);
	end if;
	-- The counts of table finding_sum that such findings are in.
	if coalesce(v_severity, v_state) is not null then
		select string_agg(format('n.n[%s] > 0', 5 * s.k - 5 + v.k), ' or ') into v_having
		  from unnest(array['open', 'in_progress', 'resolved', 'ignored']) with ordinality s (name, k)
		 cross join unnest(array['critical', 'high', 'medium', 'low', 'info']) with ordinality v (name, k)
		 where s.name = any (coalesce(v_state, array['open', 'in_progress']))
		   and (v_severity is null or v.name = any (v_severity));
	end if;
	-- One of these constants and numbers, never the request's text.
	v_order := case p_sort
		when 'name' then null
		when 'status' then 'muster.status_rank(r.status)'
		when 'health_score' then 'r.health_score'
		when 'last_commit' then 'extract(epoch from r.last_commit_at)'
		when 'findings' then 'coalesce(' || (select string_agg(format('n.n[%s]', k), ' + ' order by k)
						       from generate_series(1, 10) k) || ', 0)'
		else case when v_q is not null then
			'case when lower(r.name) = $2 then 0 when starts_with(lower(r.name), $2) then 1
			      when strpos(lower(r.name), $2) > 0 then 2 when strpos(r.search, $2) > 0 or $2 = any (r.tags) then 3
			      else 4 + array_position($7, r.id) end' end end;
	v_columns := case p_part when 'facets' then ', r.status, r.project_id, r.tags, r.stale, n.n' when 'counts' then ', n.n' end;
	v_where := concat_ws(' ',
		case when v_q is not null and v_alike is null then 'and (r.search like $9 or (r.tags <> ''{}'' and r.tags @> array[$2]))'
		     when v_q is not null then
			'and (r.search like $9 or (r.tags <> ''{}'' and r.tags @> array[$2]) or r.id = any ($7))' end,
		case when v_status is not null then 'and r.status = any ($3)' end,
		case when v_tags is not null then 'and r.tags <> ''{}'' and r.tags @> $4' end,
		case when v_project is not null then 'and r.project_id = $5' end,
		case p_filter -> 'uncommitted_changes'
			when 'true' then 'and coalesce(r.staged, 0) + coalesce(r.unstaged, 0) + coalesce(r.untracked, 0) > 0'
			when 'false' then 'and coalesce(r.staged, 0) + coalesce(r.unstaged, 0) + coalesce(r.untracked, 0) = 0' end,
		case p_filter -> 'stale_tags' when 'true' then 'and r.stale_tags > 0' when 'false' then 'and r.stale_tags = 0' end,
		case when v_compliance is not null then
			'and case when r.missing_files = 0 then ''compliant'' when r.missing_files > 0 then ''non_compliant''
			     else ''unknown'' end = any ($10)' end,
		case when v_pipeline is not null then
			'and (' || concat_ws(' or ', case when 'failed' = any (v_pipeline) then 't.has_failed' end,
				case when 'passed' = any (v_pipeline) then 'not t.has_failed' end,
				case when 'unknown' = any (v_pipeline) then 't.repo_id is null' end, 'false') || ')' end,
		case when nullif(p_filter ->> 'templates', '') is not null then 'and false' end,
		case p_filter -> 'stale' when 'true' then 'and r.stale' when 'false' then 'and r.stale is not true' end,
		case when v_since is not null then 'and r.last_commit_at >= $6' end,
		'and (' || v_having || ')');
	v_sorted := case when p_limit is null then ''
	     when p_sort = 'name' and p_direction = 'desc' then 'order by f.name desc, f.id'
	     when p_sort is distinct from 'name' and p_sort is not null and p_direction = 'desc' then
		'order by f.rank desc nulls last, f.name, f.id'
	     when v_order is null then 'order by f.name, f.id'
	     else 'order by f.rank, f.name, f.id' end;
	v_facets := case when p_part = 'facets' then $part$(
		with facet (name, value, n) as (
			select case when grouping(status) = 0 then 'status' when grouping(stale) = 0 then 'stale' else 'project' end,
			       case when grouping(status) = 0 then status when grouping(stale) = 0 then stale::text
				    else (select p.slug from muster.project p where p.id = f.project_id) end,
			       count(*)
			  from found f group by grouping sets ((status), (project_id), (stale))
			union all
			select 'tag', t, count(*) from found f, unnest(f.tags) t group by t
			union all
			select w.name, w.value, sum(s.n)
			  from unnest((select array[$part$ || v_sums || $part$] from found f)) with ordinality s (n, k)
			  join (select 'state' as name, v.name as value, 5 * v.k - 5 + o as k
				  from unnest(array['open', 'in_progress', 'resolved', 'ignored']) with ordinality v (name, k),
				       generate_series(1, 5) o
				union all
				select 'severity', v.name, 5 * o - 5 + v.k
				  from unnest(array['critical', 'high', 'medium', 'low', 'info']) with ordinality v (name, k),
				       generate_series(1, 4) o
				union all
				select 'kind', v.name, 20 + v.k
				  from unnest(array['secret', 'dependency', 'code']) with ordinality v (name, k)) w on w.k = s.k
			 group by 1, 2
		), ranked as materialized (
			select f.*, row_number() over (partition by f.name order by f.n desc, f.value) as k
			  from facet f where f.n > 0 and f.value is not null
		)
		select jsonb_object_agg(w.name, (
			select coalesce(jsonb_agg(jsonb_build_object('value', r.value, 'count', r.n) order by r.k), '[]')
			  from ranked r where r.name = w.name and r.k <= 50))
		  from unnest(array['status', 'project', 'tag', 'stale', 'severity', 'state', 'kind']) w (name))$part$
	     else 'null::jsonb' end;
	v_join := concat_ws(' ', case when v_is_counted then 'left join muster.finding_sum n on n.repo_id = r.id' end,
		case when v_pipeline is not null then 'left join muster.test_latest t on t.repo_id = r.id' end);
	v_counts := case when p_part = 'counts' then '(select array[' || v_sums || '] from found f)' else 'null::bigint[]' end;
	if v_order is null and p_part is null and p_limit is not null then
		-- By its name alone a page is a walk along an index.
		execute format($query$
			select array(select r.id from muster.repo r %1$s
				      where r.organization_id = $1 and r.removed_at is null and r.archived_at is null %2$s
				      order by lower(r.name) %3$s, r.id limit $8 offset $11),
			       (select count(*) from muster.repo r %1$s
				 where r.organization_id = $1 and r.removed_at is null and r.archived_at is null %2$s)$query$,
			v_join, v_where, v_direction)
		   into ids, total
		  using v_organization, v_q, v_status, v_tags, v_project, v_since, v_alike, p_limit, v_like, v_compliance,
			p_offset;
		return;
	end if;
	execute format($query$
		with found as materialized (
			select r.id, lower(r.name) as name, (%1$s)::numeric as rank %2$s
			  from muster.repo r
			 %6$s
			 where r.organization_id = $1 and r.removed_at is null and r.archived_at is null %3$s
		)
		select array(select f.id from found f %4$s limit $8 offset $11), (select count(*) from found), %5$s, %7$s$query$,
		coalesce(v_order, '0'), v_columns, v_where, v_sorted, v_facets, v_join, v_counts)
	   into ids, total, facets, counts
	  using v_organization, v_q, v_status, v_tags, v_project, v_since, v_alike, p_limit, v_like, v_compliance,
		p_offset;
end
$$;

-- The names most like a text, the likest first: at most 200, and only what has two of five trigrams in common.
create function muster.search_alike(p_q text) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_schema text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
			   where e.extname = 'pg_trgm');
	v_ids uuid[];
begin
	if v_schema is null then
		perform muster.field_error('fuzzy', 'needs pg_trgm, which this database does not have');
	end if;
	execute format($query$
		select array_agg(a.id order by a.far, a.name, a.id)
		  from (select r.id, lower(r.name) as name, lower(r.name) operator(%1$I.<->) $2 as far
			  from muster.repo r
			 where r.organization_id = $1 and r.removed_at is null and r.archived_at is null
			 order by lower(r.name) operator(%1$I.<->) $2 limit 200) a
		 where a.far <= 0.6$query$, v_schema)
	   into v_ids using muster.organization_need(), p_q;
	return coalesce(v_ids, '{}');
end
$$;

-- Where a text has another, which is in small letters: [[first, length], …] in characters from 0, at most 20.
-- p_is_alike: where it has it not, what three characters and more both have. Null where there is nothing, and
-- where small letters are not as many.
create function muster.search_ranges(p_text text, p_q text, p_is_alike boolean) returns jsonb
language plpgsql immutable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_text text := lower(p_text);
	v_ranges jsonb := '[]';
	v_at integer := 0;
	v_next integer;
	v_end integer := 0;
	v_first integer;
begin
	if v_text is null or length(v_text) <> length(p_text) or coalesce(p_q, '') = '' then
		return null;
	end if;
	for i in 1 .. 20 loop
		v_next := strpos(substr(v_text, v_at + 1), p_q);
		exit when v_next = 0;
		v_ranges := v_ranges || jsonb_build_array(jsonb_build_array(v_at + v_next - 1, length(p_q)));
		v_at := v_at + v_next - 1 + length(p_q);
	end loop;
	if v_ranges = '[]' and p_is_alike then
		for i in 1 .. least(length(v_text), 200) - 2 loop
			continue when strpos(p_q, substr(v_text, i, 3)) = 0;
			if v_first is null or i > v_end then
				if v_first is not null then
					v_ranges := v_ranges || jsonb_build_array(jsonb_build_array(v_first - 1, v_end - v_first));
				end if;
				v_first := i;
			end if;
			v_end := i + 3;
		end loop;
		if v_first is not null then
			v_ranges := v_ranges || jsonb_build_array(jsonb_build_array(v_first - 1, v_end - v_first));
		end if;
	end if;
	return nullif(v_ranges, '[]');
end
$$;

-- What is shown of these repositories, in this order.
create function muster.search_items(p_ids uuid[], p_q text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return (select coalesce(jsonb_agg(muster.repo_compact(r) || muster.repo_said(r) || jsonb_build_object(
			'project_id', (select p.slug from muster.project p where p.id = r.project_id),
			'stale_tags', r.stale_tags, 'pipeline_status', (
				select case when t.has_failed then 'failed' else 'passed' end
				  from muster.test_latest t where t.repo_id = r.id),
			'findings_open', case when r.scanned_at is not null then coalesce((
				select sum(x)::bigint from muster.finding_sum n, unnest(n.n[1:10]) x
				 where n.repo_id = r.id), 0) end,
			'matched', case when p_q is null then '[]' else to_jsonb(array_remove(array[
				case when strpos(lower(r.name), p_q) > 0 then 'name' end,
				case when strpos(lower(r.path), p_q) > 0 then 'path' end,
				case when strpos(lower(r.remote), p_q) > 0 then 'remote' end,
				case when strpos(lower(r.branch), p_q) > 0 then 'branch' end,
				case when strpos(lower(r.description), p_q) > 0 then 'description' end,
				case when p_q = any (r.tags) then 'tags' end], null)) end) order by i.k), '[]')
		  from unnest(p_ids) with ordinality i (id, k)
		  join muster.repo r on r.id = i.id and r.organization_id = v_organization);
end
$$;

-- Of a list of such objects, the ranges of these members. p_fuzzy: a name may be there for being alike.
create function muster.search_marks(p_items jsonb, p_fields text[], p_q text, p_fuzzy boolean) returns jsonb
language sql immutable set search_path = pg_catalog, muster, pg_temp
begin atomic
	select coalesce(jsonb_agg(jsonb_build_object('id', i.item -> 'id', 'field', f.name, 'ranges', m.ranges)
				  order by i.k, f.k), '[]')
	  from jsonb_array_elements(p_items) with ordinality i (item, k)
	 cross join unnest(p_fields) with ordinality f (name, k)
	 cross join lateral (select muster.search_ranges(i.item ->> f.name, p_q,
				p_fuzzy and f.name = 'name' and i.item -> 'matched' = '[]') as ranges) m
	 where m.ranges is not null;
end;

-- The worst and newest findings of repositories that filters choose. Their counts say which states and
-- severities there are among them, and how far down the severities a page of them reaches: what they do not
-- have is not looked for. Of what is left, the cheapest is read: what has a rare word, all that these
-- repositories have, or all lists of the organisation until there is a page.
create function muster.search_findings(p_filter jsonb, p_q text, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	v_organization uuid := muster.organization_need();
	v_q text := '%' || regexp_replace(lower(nullif(p_q, '')), '([\\%_])', '\\\1', 'g') || '%';
	v_found record := muster.search_repos(p_filter - 'severity' - 'state', 'name', null, null, 'counts');
	v_ids uuid[] := v_found.ids;
	v_wanted text[] := coalesce(string_to_array(nullif(p_filter ->> 'state', ''), ','),
				    array['open', 'in_progress', 'resolved', 'ignored']);
	v_severities text[] := coalesce(string_to_array(nullif(p_filter ->> 'severity', ''), ','),
					array['critical', 'high', 'medium', 'low', 'info']);
	v_states text[];
	v_ranks smallint[];
	v_total bigint;
	v_with bigint := case when v_q is not null then muster.finding_estimate(v_q) end;
	v_walk numeric;
	v_chosen bigint[] := '{}';
	v_rank smallint;
begin
	with cell as (
		select s.name as state, muster.severity_rank(v.name) as rank,
		       v_found.counts[5 * s.k - 5 + v.k] as n
		  from unnest(array['open', 'in_progress', 'resolved', 'ignored']) with ordinality s (name, k)
		 cross join unnest(array['critical', 'high', 'medium', 'low', 'info']) with ordinality v (name, k)
		 where s.name = any (v_wanted) and v.name = any (v_severities)
	), reach as (
		select c.*, coalesce(sum(c.n) over (order by c.rank desc range between unbounded preceding
						    and 1 preceding), 0) as before
		  from cell c where c.n > 0
	)
	select array_agg(w.state), array_agg(w.rank), sum(w.n) into v_states, v_ranks, v_total
	  from reach w where v_q is not null or w.before < p_limit;
	if v_total is null then
		return '[]';
	end if;
	-- As if what is looked for were spread evenly.
	v_walk := cardinality(v_states) * p_limit
		* (select count(*) from muster.finding_sum where organization_id = v_organization) / cardinality(v_ids)
		* case when v_q is null then 1
		       else (select greatest(sum(reltuples), 1) from pg_class where oid = 'muster.finding'::regclass)::numeric
			    / greatest(v_with, 1) end;
	if v_with <= 40000 and v_with * 2 < least(v_total, v_walk) then
		with had as materialized (
			select f.id, f.repo_id, f.state, f.rank from muster.finding f
			 where f.organization_id = v_organization and f.search like v_q
		)
		select array_agg(x.id) into v_chosen
		  from (select h.id from had h
			 where h.state = any (v_states) and h.rank = any (v_ranks) and h.repo_id = any (v_ids)
			 order by h.rank desc, h.id desc limit p_limit) x;
	elsif v_total < v_walk then
		select array_agg(x.id) into v_chosen
		  from (select f.id from unnest(v_ids) r (id)
			 cross join lateral (
				select f.id, f.rank from muster.finding f
				 where f.repo_id = r.id and f.state = any (v_states) and f.rank = any (v_ranks)
				   -- Not by the index of words, which would be asked for each repository.
				   and (v_q is null or f.search || '' like v_q) offset 0) f
			 order by f.rank desc, f.id desc limit p_limit) x;
	else
		-- The worst first: with enough of them, nobody looks among the others.
		foreach v_rank in array array(select distinct x from unnest(v_ranks) x order by x desc) loop
			select v_chosen || array(
				select f.id from unnest(v_states, v_ranks) w (state, rank)
				 cross join lateral (
					select f.id from muster.finding f
					 where f.organization_id = v_organization and f.state = w.state and f.rank = w.rank
					   and f.repo_id = any (v_ids) and (v_q is null or f.search like v_q)
					 order by f.id desc limit p_limit) f
				 where w.rank = v_rank order by f.id desc limit p_limit - cardinality(v_chosen)) into v_chosen;
			exit when cardinality(v_chosen) >= p_limit;
		end loop;
	end if;
	return muster.finding_items(array(select f.id from muster.finding f where f.id = any (v_chosen)
					   order by f.rank desc, f.id desc));
end
$$;

create function muster.search_all(p_q text default null, p_type text default null, p_status text default null,
				  p_tags text default null, p_project text default null,
				  p_severity text default null, p_state text default null,
				  p_uncommitted_changes boolean default null, p_stale boolean default null,
				  p_stale_tags boolean default null, p_last_activity_days integer default null,
				  p_compliance text default null, p_pipeline_status text default null,
				  p_templates text default null, p_sort text default null,
				  p_direction text default null, p_limit integer default null,
				  p_offset integer default null, p_include_facets boolean default null, p_fuzzy boolean default null,
				  p_highlight boolean default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_limit integer := muster.limit_check(p_limit, 20, 1000);
	v_q text := lower(nullif(p_q, ''));
	v_filter jsonb := jsonb_build_object('status', p_status, 'tags', p_tags, 'project', p_project,
		'severity', p_severity, 'state', p_state, 'uncommitted_changes', p_uncommitted_changes,
		'stale', p_stale, 'last_activity_days', p_last_activity_days, 'stale_tags', p_stale_tags,
		'compliance', p_compliance, 'pipeline_status', p_pipeline_status, 'templates', p_templates);
	v_is_limited boolean := num_nonnulls(nullif(p_status, ''), nullif(p_tags, ''), nullif(p_project, ''),
					     p_uncommitted_changes, p_stale, p_last_activity_days, p_stale_tags,
					     nullif(p_compliance, ''), nullif(p_pipeline_status, ''),
					     nullif(p_templates, '')) > 0;
	v_found record;
	v_total bigint;
	v_facets jsonb;
	v_repos jsonb := '[]';
	v_findings jsonb := '[]';
begin
	if p_type is distinct from 'findings' or p_include_facets then
		v_found := muster.search_repos(v_filter || jsonb_build_object('q', p_q, 'fuzzy', p_fuzzy), p_sort,
					       p_direction, v_limit, case when p_include_facets then 'facets' end,
					       coalesce(p_offset, 0));
		v_facets := v_found.facets;
	end if;
	if p_type is distinct from 'findings' then
		v_repos := muster.search_items(v_found.ids, v_q);
		v_total := v_found.total;
	end if;
	if p_type is distinct from 'repositories' and not v_is_limited then
		v_findings := muster.finding_page(null, null, p_state, p_severity, null, null, p_q, null, null, null,
						  least(v_limit, 200), null) -> 'items';
	elsif p_type is distinct from 'repositories' then
		v_findings := muster.search_findings(v_filter, p_q, least(v_limit, 200));
	end if;
	return jsonb_build_object('query', p_q, 'repositories', v_repos, 'findings', v_findings,
		'total', jsonb_build_object('findings', null, 'repositories',
			v_total),
		'facets', v_facets,
		'highlights', case when p_highlight then jsonb_build_object(
			'repositories', muster.search_marks(v_repos, array['name', 'path', 'remote', 'branch', 'description'], v_q, p_fuzzy),
			'findings', muster.search_marks(v_findings, array['rule', 'path', 'title'], v_q, false)) end);
end
$$;

create function muster.search_facets(p_q text default null, p_status text default null, p_tags text default null,
				     p_project text default null, p_severity text default null,
				     p_state text default null, p_uncommitted_changes boolean default null,
				     p_stale boolean default null, p_stale_tags boolean default null,
				     p_last_activity_days integer default null, p_compliance text default null,
				     p_pipeline_status text default null, p_templates text default null,
				     p_fuzzy boolean default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (muster.search_repos(jsonb_build_object('q', p_q, 'status', p_status, 'tags', p_tags,
		'project', p_project, 'severity', p_severity, 'state', p_state,
		'uncommitted_changes', p_uncommitted_changes, 'stale', p_stale,
		'last_activity_days', p_last_activity_days, 'stale_tags', p_stale_tags, 'compliance', p_compliance,
		'pipeline_status', p_pipeline_status, 'templates', p_templates, 'fuzzy', p_fuzzy),
		'name', null, 0, 'facets')).facets;
end
$$;

create function muster.search_suggest(p_q text, p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 10, 50);
	v_q text := lower(p_q);
	v_like text := regexp_replace(v_q, '([\\%_])', '\\\1', 'g') || '%';
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('kind', s.kind, 'text', s.text, 'id', s.id)
					  order by s.place, lower(s.text), s.id), '[]')
		  from (select * from (
			(select 1 as place, 'repository' as kind, r.name as text, r.id::text as id
			   from muster.repo r
			  where r.organization_id = v_organization and r.removed_at is null and r.archived_at is null
			    and lower(r.name) like v_like
			  order by lower(r.name), r.id limit v_limit)
			union all
			(select distinct 2, 'tag', t, null from muster.repo r, unnest(r.tags) t
			  where r.organization_id = v_organization and r.removed_at is null and r.tags <> '{}'
			    and starts_with(t, v_q)
			  order by 3 limit v_limit)
			union all
			(select 3, 'project', p.slug, p.id::text from muster.project p
			  where p.organization_id = v_organization
			    and (starts_with(lower(p.slug), v_q) or starts_with(lower(p.name), v_q))
			  order by 3 limit v_limit)
			union all
			(select 4, 'rule', u.key, u.id::text from muster.rule u
			  where u.organization_id = v_organization and lower(u.key) like v_like
			  order by 3 limit v_limit)) a
			order by a.place, lower(a.text), a.id limit v_limit) s));
end
$$;

create function muster.search_bulk(p_action text, p_repositories jsonb, p_tags jsonb default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_repo text;
	v_locked muster.repo;
	v_run bigint;
	v_data jsonb;
	v_results jsonb := '[]';
begin
	perform muster.organization_need();
	if p_action = 'apply_templates' then
		raise exception using errcode = 'MU422', message =
			'There are no templates here. What a repository should have is said by the checks of its audit.';
	end if;
	if p_action = 'tag_repositories' then
		if muster.role_rank(current_setting('muster.role')) < muster.role_rank('team_lead') then
			raise exception using errcode = 'MU403', message = 'A team lead tags.';
		elsif coalesce(jsonb_array_length(p_tags), 0) = 0 then
			perform muster.field_error('tags', 'are needed for this');
		end if;
	end if;
	-- Two who want the same repositories, or roots, take them in the same order, whatever each calls them.
	for v_repo in
		select w.repo from (select distinct jsonb_array_elements_text(p_repositories) as repo) w
		  left join lateral (
			select r.root_id, r.id from muster.repo r
			 where r.organization_id = muster.organization() and r.removed_at is null
			   and (lower(r.name) = lower(w.repo)
				or r.id = case when w.repo ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then w.repo::uuid end)
			 order by r.root_id, r.id limit 1) r on true
		 order by r.root_id, r.id, w.repo
	loop
		begin
			v_run := null;
			v_data := null;
			case p_action
			when 'run_audit' then
				v_run := (muster.audit_add(v_repo) ->> 'run_id')::bigint;
			when 'run_scan' then
				v_run := (muster.analysis_scan_add(v_repo) ->> 'id')::bigint;
			when 'export_data' then
				v_locked := muster.repo_find(v_repo);
				v_data := muster.search_items(array[v_locked.id], null) -> 0
					  || jsonb_build_object('report', v_locked.report);
			else
				-- Locked before they are read: of two that tag at once none takes back the other's.
				v_locked := muster.repo_lock(v_repo);
				perform muster.repo_update(v_repo, p_tags => to_jsonb(v_locked.tags) || p_tags);
			end case;
			v_results := v_results || jsonb_build_object('repo', v_repo, 'success', true, 'error', null,
								     'run_id', v_run, 'data', v_data);
		exception when sqlstate 'MU400' or sqlstate 'MU404' or sqlstate 'MU409' or check_violation then
			v_results := v_results || jsonb_build_object('repo', v_repo, 'success', false, 'error',
				case sqlstate when '23514' then 'It would have too many tags.' else sqlerrm end, 'run_id', null,
				'data', null);
		end;
	end loop;
	return jsonb_build_object('action', p_action, 'results', (
		select coalesce(jsonb_agg(r order by r ->> 'repo'), '[]') from jsonb_array_elements(v_results) r));
end
$$;
