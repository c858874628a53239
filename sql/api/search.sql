-- SPDX-License-Identifier: MIT
-- Searching repositories and findings at once, with what the answer consists of.
--
--   search_all(p_q, p_type, p_status, p_tags, p_project, p_severity, p_state, p_uncommitted_changes,
--       p_stale, p_last_activity_days, p_sort, p_direction, p_limit, p_include_facets) → {"query",
--       "repositories": [compact + what people say + project_id, findings_open, matched], "findings": [as
--       in finding_list()], "total": {repositories, findings}, "facets"}. p_type: repositories or
--       findings; null: both. All filters are ANDed; those of repositories restrict findings to
--       these, and a filter of findings restricts repositories to those that have such. The best match
--       first, or by p_sort: name, status, health_score, last_commit, findings. total.findings is null:
--       there may be a million of them. matched: which texts have p_q.
--   search_facets(… the same filters) → {status, project, tag, stale, severity, state, kind}: each a list of
--       {value, count}, the most frequent first, at most 50. Repositories that match are counted, and the
--       findings in them.
--   search_suggest(p_q, p_limit) → {"items": [{kind, text, id}], "next": null}: repositories, tags,
--       projects and rules that begin so.
--   search_bulk(p_action, p_repositories, p_tags) → {"action", "results": [{repo, success, error,
--       run_id}]}: each by itself. run_audit, run_scan, tag_repositories (adds; team leads). MU400, MU403.

create function muster.search_repos(p_q text, p_status text, p_tags text, p_project text, p_severity text,
				    p_state text, p_uncommitted_changes boolean, p_stale boolean,
				    p_last_activity_days integer) returns setof muster.repo
language plpgsql stable security definer rows 1000 set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_q text := lower(nullif(p_q, ''));
	v_status text[] := string_to_array(nullif(p_status, ''), ',');
	v_tags text[] := string_to_array(lower(nullif(p_tags, '')), ',');
	v_severity text[] := string_to_array(nullif(p_severity, ''), ',');
	v_state text[] := string_to_array(nullif(p_state, ''), ',');
	v_project uuid := (case when nullif(p_project, '') is not null
				then muster.project_own(p_project) end).id;
	v_since timestamptz := now() - make_interval(days => p_last_activity_days);
	v_having uuid[]; -- what has such findings; null: whatever
begin
	if coalesce(v_severity, v_state) is not null then
		v_having := array(select distinct c.repo_id from muster.finding_count c
				   where c.organization_id = v_organization and c.n > 0
				     and (v_severity is null or c.severity = any (v_severity))
				     and c.state = any (coalesce(v_state, array['open', 'in_progress'])));
	end if;
	return query
	select r.* from muster.repo r
	 where r.organization_id = v_organization and r.removed_at is null and r.archived_at is null
	   and (v_q is null or strpos(lower(concat_ws(' ', r.name, r.path, r.remote, r.branch, r.description)), v_q) > 0
		or v_q = any (r.tags))
	   and (v_status is null or r.status = any (v_status))
	   and (v_tags is null or r.tags @> v_tags)
	   and (v_project is null or r.project_id = v_project)
	   and (p_uncommitted_changes is null
		or (coalesce(r.staged, 0) + coalesce(r.unstaged, 0) + coalesce(r.untracked, 0) > 0) = p_uncommitted_changes)
	   and (p_stale is null or coalesce(r.stale, false) = p_stale)
	   and (v_since is null or r.last_commit_at >= v_since)
	   and (v_having is null or r.id = any (v_having));
end
$$;

create function muster.search_all(p_q text default null, p_type text default null, p_status text default null,
				  p_tags text default null, p_project text default null,
				  p_severity text default null, p_state text default null,
				  p_uncommitted_changes boolean default null, p_stale boolean default null,
				  p_last_activity_days integer default null, p_sort text default null,
				  p_direction text default null, p_limit integer default null,
				  p_include_facets boolean default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 20, 200);
	v_q text := lower(nullif(p_q, ''));
	v_sign integer := case when p_direction = 'desc' then -1 else 1 end;
	v_is_limited boolean := num_nonnulls(nullif(p_status, ''), nullif(p_tags, ''), nullif(p_project, ''),
					     p_uncommitted_changes, p_stale, p_last_activity_days) > 0;
	v_repos jsonb := '[]';
	v_findings jsonb := '[]';
	v_total bigint;
	v_ids uuid[];
	v_like text := '%' || regexp_replace(v_q, '([\\%_])', '\\\1', 'g') || '%';
begin
	if p_type is distinct from 'findings' then
		with found as materialized (
			select r.* from muster.search_repos(p_q, p_status, p_tags, p_project, p_severity, p_state,
				p_uncommitted_changes, p_stale, p_last_activity_days) r
		), ranked as materialized (
			select r.id, lower(r.name) as name,
			       v_sign * case p_sort
				when 'name' then 0
				when 'status' then muster.status_rank(r.status)
				when 'health_score' then coalesce(r.health_score, v_sign * 1000)
				when 'last_commit' then coalesce(extract(epoch from r.last_commit_at), v_sign * 1e12)
				when 'findings' then coalesce(c.n, 0)
				else v_sign * case when lower(r.name) = v_q then 0 when starts_with(lower(r.name), v_q) then 1
						   when strpos(lower(r.name), v_q) > 0 then 2 else 3 end
			       end::numeric as rank
			  from found r
			  left join (select repo_id, sum(n) as n from muster.finding_count
				      where p_sort = 'findings' and organization_id = v_organization
					and state in ('open', 'in_progress') group by 1) c on c.repo_id = r.id
		), page as (
			select x.*, row_number() over () as k
			  from (select * from ranked
				 order by rank, case when p_sort = 'name' and v_sign < 0 then name end desc, name, id
				 limit v_limit) x
		)
		select (select count(*) from ranked),
		       coalesce(jsonb_agg(muster.repo_compact(r) || muster.repo_said(r) || jsonb_build_object(
				'project_id', (select p.slug from muster.project p where p.id = r.project_id),
				'findings_open', case when r.scanned_at is not null then (
					select coalesce(sum(c.n), 0)::bigint from muster.finding_count c
					 where c.repo_id = r.id and c.state in ('open', 'in_progress')) end,
				'matched', case when v_q is null then '[]' else to_jsonb(array_remove(array[
					case when strpos(lower(r.name), v_q) > 0 then 'name' end,
					case when strpos(lower(r.path), v_q) > 0 then 'path' end,
					case when strpos(lower(r.remote), v_q) > 0 then 'remote' end,
					case when strpos(lower(r.branch), v_q) > 0 then 'branch' end,
					case when strpos(lower(r.description), v_q) > 0 then 'description' end,
					case when v_q = any (r.tags) then 'tags' end], null)) end) order by p.k), '[]')
		  into v_total, v_repos
		  from page p join muster.repo r on r.id = p.id and r.organization_id = v_organization;
	end if;
	if p_type is distinct from 'repositories' and not v_is_limited then
		v_findings := muster.finding_list(p_state => p_state, p_severity => p_severity, p_q => p_q,
						  p_limit => v_limit) -> 'items';
	elsif p_type is distinct from 'repositories' then
		v_ids := array(select r.id from muster.search_repos(null, p_status, p_tags, p_project, p_severity, p_state,
				p_uncommitted_changes, p_stale, p_last_activity_days) r);
		-- Of a few repositories each is a walk along its index; of many, the walk is the organisation's.
		with walk as (
			select s.state, w.rank
			  from unnest(coalesce(string_to_array(nullif(p_state, ''), ','), array['open', 'in_progress'])) s (state)
			 cross join unnest(coalesce((select array_agg(muster.severity_rank(v))
					from unnest(string_to_array(nullif(p_severity, ''), ',')) v),
					array[5, 4, 3, 2, 1]::smallint[])) w (rank)
		), chosen as materialized (
			select f.id, f.rank from walk w
			 cross join unnest(v_ids) r (id)
			 cross join lateral (
				select f.id, f.rank from muster.finding f
				 where f.repo_id = r.id and f.state = w.state and f.rank = w.rank
				   and (v_like is null or f.search like v_like)
				 order by f.id desc limit v_limit) f
			 where cardinality(v_ids) <= 100
			union all
			select f.id, f.rank from walk w
			 cross join lateral (
				select f.id, f.rank from muster.finding f
				 where f.organization_id = v_organization and f.state = w.state and f.rank = w.rank
				   and f.repo_id = any (v_ids) and (v_like is null or f.search like v_like)
				 order by f.id desc limit v_limit) f
			 where cardinality(v_ids) > 100
			 order by 2 desc, 1 desc limit v_limit)
		select coalesce(jsonb_agg(muster.finding_json(f) order by c.rank desc, c.id desc), '[]') into v_findings
		  from chosen c join muster.finding f on f.id = c.id and f.organization_id = v_organization;
	end if;
	return jsonb_build_object('query', p_q, 'repositories', v_repos, 'findings', v_findings,
		'total', jsonb_build_object('repositories', v_total, 'findings', null),
		'facets', case when p_include_facets then muster.search_facets(p_q, p_status, p_tags, p_project,
			p_severity, p_state, p_uncommitted_changes, p_stale, p_last_activity_days) end);
end
$$;

create function muster.search_facets(p_q text default null, p_status text default null, p_tags text default null,
				     p_project text default null, p_severity text default null,
				     p_state text default null, p_uncommitted_changes boolean default null,
				     p_stale boolean default null, p_last_activity_days integer default null)
returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return (with found as materialized (
		select r.id, r.status, r.project_id, r.tags, r.stale
		  from muster.search_repos(p_q, p_status, p_tags, p_project, p_severity, p_state,
			p_uncommitted_changes, p_stale, p_last_activity_days) r
	), counts as materialized (
		select c.severity, c.state, c.kind, sum(c.n)::bigint as n
		  from muster.finding_count c
		 where c.organization_id = v_organization and c.repo_id in (select id from found) and c.n > 0
		 group by 1, 2, 3
	), facet (name, value, n) as (
		select 'status', status, count(*) from found group by status
		union all
		select 'project', p.slug, f.n from (select project_id, count(*) as n from found group by 1) f
		  join muster.project p on p.id = f.project_id
		union all
		select 'tag', t, count(*) from found, unnest(tags) t group by t
		union all
		select 'stale', stale::text, count(*) from found where stale is not null group by stale
		union all
		select 'severity', severity, sum(n) from counts group by severity
		union all
		select 'state', state, sum(n) from counts group by state
		union all
		select 'kind', kind, sum(n) from counts group by kind
	), ranked as (
		select f.*, row_number() over (partition by f.name order by f.n desc, f.value) as k from facet f
	)
	select jsonb_object_agg(w.name, (
		select coalesce(jsonb_agg(jsonb_build_object('value', r.value, 'count', r.n) order by r.k), '[]')
		  from ranked r where r.name = w.name and r.k <= 50))
	  from unnest(array['status', 'project', 'tag', 'stale', 'severity', 'state', 'kind']) w (name));
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
	v_results jsonb := '[]';
begin
	perform muster.organization_need();
	if p_action = 'tag_repositories' then
		if muster.role_rank(current_setting('muster.role')) < muster.role_rank('team_lead') then
			raise exception using errcode = 'MU403', message = 'A team lead tags.';
		elsif coalesce(jsonb_array_length(p_tags), 0) = 0 then
			perform muster.field_error('tags', 'are needed for this');
		end if;
	end if;
	for v_repo in select distinct jsonb_array_elements_text(p_repositories) order by 1 loop
		begin
			v_run := null;
			case p_action
			when 'run_audit' then
				v_run := (muster.audit_add(v_repo) ->> 'run_id')::bigint;
			when 'run_scan' then
				v_run := (muster.analysis_scan_add(v_repo) ->> 'id')::bigint;
			else
				-- Locked before they are read: of two that tag at once none takes back the other's.
				v_locked := muster.repo_lock(v_repo);
				perform muster.repo_update(v_repo, p_tags => to_jsonb(v_locked.tags) || p_tags);
			end case;
			v_results := v_results || jsonb_build_object('repo', v_repo, 'success', true, 'error', null,
								     'run_id', v_run);
		exception when sqlstate 'MU400' or sqlstate 'MU404' or sqlstate 'MU409' or check_violation then
			v_results := v_results || jsonb_build_object('repo', v_repo, 'success', false, 'error',
				case sqlstate when '23514' then 'It would have too many tags.' else sqlerrm end, 'run_id', null);
		end;
	end loop;
	return jsonb_build_object('action', p_action, 'results', v_results);
end
$$;
