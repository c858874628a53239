-- SPDX-License-Identifier: MIT
-- Repositories, and the roots that they are found below.
--
--   repo_compact(repo) → the object of lists and events: {id, name, status, health_score, branch,
--       remote, path, last_commit_at, last_commit_subject, ahead, behind, changes {staged, unstaged,
--       untracked, unmerged}, stashes, stale, missing_files, updated_at}. What is not known is null.
--   repo_list(p_q, p_status, p_sort, p_archived, p_limit, p_cursor) → {"items": [compact + history + what
--       people say of it: description, tags, archived_at], "next"}
--       p_q       part of name, path, remote or branch, any case
--       p_status  statuses with commas; also "attention": all but clean; "stale": of these only what
--                 has had no commit for long
--       p_sort    name, -name, status, -status, health, -health, last_commit, -last_commit; unknown
--                 health and dates come last either way. "status" is worst first.
--       p_archived  true: those that were put aside; else those that were not
--       history   the statuses of the last 20 audits, oldest first; null where it was not there yet
--   repo_get(p_repo) → compact + {"report", "history": [{audit_id, timestamp, status,
--       health_score}], "root", "host", "project_id"} + what people say. p_repo: id or name (MU409: several have it).
--   repo_find(p_repo) → its row, by the same rule; repo_id(p_repo) → its id, null when none is named.
--   repo_place(p_repo) → name, path, root_path, host, watched: where it lies, for the program that
--       makes its diff. Errors as repo_get.
--   root_add(p_organization, p_host, p_path, p_slug, p_project, p_is_audited) → {id, slug, path, new}: watched from
--       now on, and audited at once if p_is_audited. p_slug null: "default" when free on that host, else
--       made of the folder's name.
--   root_list(p_organization) · root_remove(p_organization, p_host, p_slug): for the runner's programs.

create function muster.repo_compact(p_repo muster.repo) returns jsonb
language sql stable parallel safe
return jsonb_build_object('id', (p_repo).id, 'name', (p_repo).name, 'status', (p_repo).status,
	'health_score', (p_repo).health_score, 'branch', (p_repo).branch, 'remote', (p_repo).remote,
	'path', (p_repo).path, 'last_commit_at', muster.iso((p_repo).last_commit_at),
	'last_commit_subject', left((p_repo).last_commit_subject, 200), 'ahead', (p_repo).ahead,
	'behind', (p_repo).behind,
	'changes', jsonb_build_object('staged', (p_repo).staged, 'unstaged', (p_repo).unstaged,
				      'untracked', (p_repo).untracked,
				      'unmerged', muster.json_int((p_repo).report #> '{counts,unmerged}', 0,
								  2147483647)),
	'stashes', (p_repo).stashes, 'stale', (p_repo).stale,
	'missing_files', (p_repo).missing_files,
	'updated_at', muster.iso((p_repo).updated_at));

-- What people say of it.
create function muster.repo_said(p_repo muster.repo) returns jsonb
language sql stable parallel safe
return jsonb_build_object('description', (p_repo).description, 'tags', (p_repo).tags,
	'archived_at', muster.iso((p_repo).archived_at));

-- Worst first; also the order of what needs attention.
create function muster.status_rank(p_status text) returns integer
language sql immutable parallel safe
return array_position(array['error', 'missing', 'mismatched', 'dirty', 'extra', 'not_git', 'clean'],
		      p_status);

create function muster.repo_history(p_root bigint, p_ordinal integer, p_limit integer default 20)
returns jsonb
language sql stable set search_path = pg_catalog, muster, pg_temp
begin atomic
	-- substr() unpacks no more of the bytes than it needs.
	select coalesce(jsonb_agg(muster.status_name(muster.byte_at(a.status, 0)) order by a.id), '[]')
	  from (select id, substr(statuses, p_ordinal + 1, 1) as status
		  from muster.audit
		 where root_id = p_root and organization_id = muster.organization()
		 order by id desc limit p_limit) a;
end;

-- What lists show of these repositories, in this order. The last 20 audits of their roots are read
-- once, not once for each repository.
create function muster.repo_items(p_ids uuid[]) returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return (with recent as materialized (
			-- || unpacks the bytes once; read below in this order
			select t.root_id, a.id, a.statuses || ''::bytea as statuses
			  from (select distinct r.root_id from muster.repo r
				 where r.id = any (p_ids) and r.organization_id = v_organization) t
			 cross join lateral (
				select x.id, x.statuses from muster.audit x
				 where x.root_id = t.root_id and x.organization_id = v_organization
				 order by x.id desc limit 20) a
			 order by t.root_id, a.id)
		select coalesce(jsonb_agg(muster.repo_compact(r) || muster.repo_said(r) || jsonb_build_object('history',
				array(select muster.status_name(muster.byte_at(a.statuses, r.ordinal))
					from recent a where a.root_id = r.root_id)) order by p.k), '[]')
		  from unnest(p_ids) with ordinality p (id, k)
		  join muster.repo r on r.id = p.id and r.organization_id = v_organization);
end
$$;

create function muster.repo_list(p_q text default null, p_status text default null,
				 p_sort text default 'name', p_archived boolean default null,
				 p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 4);
	v_sort text := coalesce(nullif(p_sort, ''), 'name');
	v_q text := lower(nullif(p_q, ''));
	v_status text[] := string_to_array(nullif(p_status, ''), ',');
	-- The only place where SQL is put together: one of these rows, never the request's text.
	v_clauses constant text[][] := array[
		['name', '0::float8', '>', 'asc'],
		['-name', '0::float8', '<', 'desc'],
		['status', 'muster.status_rank(r.status)::float8', '>', 'asc'],
		['-status', '-muster.status_rank(r.status)::float8', '>', 'asc'],
		['health', 'coalesce(r.health_score, 101)::float8', '>', 'asc'],
		['-health', '-coalesce(r.health_score, -1)::float8', '>', 'asc'],
		['last_commit', 'coalesce(extract(epoch from r.last_commit_at)::float8, ''Infinity'')', '>', 'asc'],
		['-last_commit', '-coalesce(extract(epoch from r.last_commit_at)::float8, ''-Infinity'')', '>', 'asc']];
	v_stale boolean := coalesce('stale' = any (v_status), false);
	v_clause text[];
	v_archived text := case when p_archived then 'is not' else 'is' end;
	v_order text;
	v_keys text;
	v_rank float8;
	v_name text;
	v_id uuid;
	v_ids uuid[];
	v_ranks float8[];
	v_names text[];
begin
	for i in 1 .. array_length(v_clauses, 1) loop
		if v_clauses[i][1] = v_sort then
			v_clause := array[v_clauses[i][2], v_clauses[i][3], v_clauses[i][4]];
		end if;
	end loop;
	if v_clause is null then
		perform muster.field_error('sort', 'is not an order of this list');
	end if;
	if length(v_q) > 200 then
		perform muster.field_error('q', 'is longer than 200 characters');
	end if;
	if 'attention' = any (v_status) then
		v_status := v_status || array['missing', 'extra', 'dirty', 'mismatched', 'not_git', 'error'];
	end if;
	v_status := nullif(array_remove(v_status, 'stale'), '{}');
	if exists (select from unnest(v_status) s
		    where s <> 'attention' and muster.status_code(s) = 0) then
		perform muster.field_error('status', 'is not a status');
	end if;
	if v_cursor is not null then
		begin
			if v_cursor ->> 0 <> v_sort then
				raise data_exception;
			end if;
			v_rank := (v_cursor ->> 1)::float8;
			v_name := v_cursor ->> 2;
			v_id := (v_cursor ->> 3)::uuid;
		exception when data_exception then
			perform muster.field_error('cursor', 'is not one that this list gave');
		end;
	end if;

	-- By its name alone a page is a walk along an index.
	v_keys := case v_clause[1] when '0::float8' then '' else v_clause[1] || ', ' end || 'lower(r.name), r.id';
	v_order := replace(v_keys, 'lower(r.name), r.id',
			   format('lower(r.name) %1$s, r.id %1$s', v_clause[3]));
	-- Only what is asked for is in the statement, so that planning it is short, too. What the page
	-- shows is read by another, which is planned once a session.
	execute format($query$
		select array_agg(p.id), array_agg(p.rank), array_agg(p.name) from (
			select r.id, %1$s as rank, lower(r.name) as name
			  from muster.repo r
			 where r.organization_id = $1 and r.removed_at is null and r.archived_at %3$s null %4$s
			 order by %2$s
			 limit $7 + 1) p$query$, v_clause[1], v_order,
		v_archived,
		concat_ws(' ', case when v_q is not null then
				'and strpos(lower(concat_ws('' '', r.name, r.path, r.remote, r.branch)), $2) > 0' end,
			case when v_status is not null then 'and r.status = any ($3)' end,
			case when v_stale then 'and r.stale' end,
			case when v_id is null then null
			     when v_clause[1] = '0::float8' then format('and (%s) %s ($5, $6)', v_keys, v_clause[2])
			     else format('and (%s) %s ($4, $5, $6)', v_keys, v_clause[2]) end))
	   into v_ids, v_ranks, v_names
	  using v_organization, v_q, v_status, v_rank, v_name, v_id, v_limit;
	return jsonb_build_object('items', muster.repo_items(v_ids[1:v_limit]),
		'next', case when cardinality(v_ids) > v_limit then muster.cursor_format(jsonb_build_array(
			v_sort, v_ranks[v_limit]::text, v_names[v_limit], v_ids[v_limit])) end);
end
$$;

-- The one repository of an id or a name. MU404, MU409.
create function muster.repo_find(p_repo text) returns muster.repo
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repos muster.repo[];
begin
	if p_repo ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
		select array_agg(r) into v_repos from muster.repo r
		 where r.organization_id = v_organization and r.id = p_repo::uuid and r.removed_at is null;
	end if;
	if v_repos is null then
		select array_agg(s.r) into v_repos
		  from (select r from muster.repo r
			 where r.organization_id = v_organization and lower(r.name) = lower(p_repo)
			   and r.name = p_repo and r.removed_at is null limit 2) s;
	end if;
	if v_repos is null then
		raise exception using errcode = 'MU404', message = 'There is no such repository.';
	elsif array_length(v_repos, 1) > 1 then
		raise exception using errcode = 'MU409',
			message = 'Several repositories have this name. Ask by id.';
	end if;
	return v_repos[1];
end
$$;

-- Its id; null when none is named.
create function muster.repo_id(p_repo text) returns uuid
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	return case when coalesce(p_repo, '') <> '' then (muster.repo_find(p_repo)).id end;
end
$$;

create function muster.repo_get(p_repo text) returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo muster.repo := muster.repo_find(p_repo);
begin
	return muster.repo_compact(v_repo) || muster.repo_said(v_repo)
	       || (select jsonb_build_object('report', v_repo.report, 'root', t.slug, 'host', t.host,
					     'project_id', p.slug)
		     from muster.root t join muster.project p on p.id = v_repo.project_id
		    where t.id = v_repo.root_id and t.organization_id = v_organization)
	       || jsonb_build_object('history', (
			select coalesce(jsonb_agg(jsonb_build_object('audit_id', a.id,
					'timestamp', muster.iso(a.reported_at),
					'status', muster.status_name(muster.byte_at(a.statuses, v_repo.ordinal)),
					'health_score', nullif(muster.byte_at(a.scores, v_repo.ordinal), 255))
					order by a.id), '[]')
			  from (select * from muster.audit
				 where root_id = v_repo.root_id and organization_id = v_organization
				 order by id desc limit 100) a
			 where muster.byte_at(a.statuses, v_repo.ordinal) > 0));
end
$$;

create function muster.repo_place(p_repo text)
returns table (name text, path text, root_path text, host text, watched boolean)
language sql stable set search_path = pg_catalog, muster, pg_temp as $$
	select r.name, r.path, t.path, t.host, t.watched
	  from muster.repo r
	  join muster.root t on t.id = r.root_id and t.organization_id = muster.organization_need()
	 where r.organization_id = muster.organization_need()
	   and r.id = (muster.repo_find(p_repo)).id
$$;

create function muster.root_add(p_organization text, p_host text, p_path text,
				p_slug text default null, p_project text default 'default',
				p_is_audited boolean default true)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
	v_slug text := p_slug;
	v_root muster.root;
	v_new boolean;
begin
	select id into v_organization from muster.organization where slug = p_organization for update;
	if v_organization is null then
		raise exception using errcode = 'MU404', message = 'There is no such organization.';
	end if;
	if p_path !~ '^/' or length(p_path) > 4096 then
		perform muster.field_error('path', 'is not an absolute path');
	end if;
	select * into v_root from muster.root
	 where organization_id = v_organization and host = p_host
	   and (case when p_slug is null then path = p_path else slug = p_slug end)
	 order by id limit 1;
	v_new := v_root.id is null;
	if v_new and v_slug is null then
		-- "default", then the folder's name, then that with a number.
		select s.slug into v_slug
		  from (select 'default' as slug, 0 as k
			union all
			-- Small letters and at most 63 bytes: it becomes a folder's name.
			select coalesce(nullif(trim(both '-' from left(regexp_replace(lower(
					regexp_replace(p_path, '^.*/', '')), '[^a-z0-9]+', '-', 'g'), 50)), ''),
					'root')
			       || case n when 1 then '' else '-' || n end, n
			  from generate_series(1, 1000) n) s
		 where not exists (select from muster.root r where r.organization_id = v_organization
					and r.host = p_host and r.slug = s.slug)
		 order by s.k limit 1;
	end if;
	v_root := muster.root_take(v_organization, p_host, coalesce(v_root.slug, v_slug, 'root'), p_project);
	update muster.root set path = p_path, watched = true where id = v_root.id returning * into v_root;
	perform muster.schedule_begin(v_organization);
	-- One that is under way may have looked elsewhere.
	if p_is_audited then
		perform muster.root_queue(v_root, p_mode => 'replace');
	end if;
	return jsonb_build_object('id', v_root.id, 'slug', v_root.slug, 'path', v_root.path, 'new', v_new);
end
$$;

create function muster.root_list(p_organization text default null)
returns table (id bigint, organization text, project text, host text, slug text, path text,
	       watched boolean, reported_at timestamptz, repos bigint)
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	select t.id, o.slug, p.slug, t.host, t.slug, t.path, t.watched, t.reported_at,
	       (select count(*) from muster.repo r where r.root_id = t.id and r.removed_at is null)
	  from muster.root t
	  join muster.organization o on o.id = t.organization_id
	  join muster.project p on p.id = t.project_id
	 where p_organization is null or o.slug = p_organization
	 order by o.slug, t.host, t.slug;
end;

create function muster.root_remove(p_organization text, p_host text, p_slug text) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_root muster.root;
	v_all record;
begin
	delete from muster.root t using muster.organization o
	 where o.id = t.organization_id and o.slug = p_organization and t.host = p_host
	   and t.slug = p_slug
	returning t.* into v_root;
	if v_root.id is null then
		return false;
	end if;
	-- Pages that are open load the rest again.
	select * into v_all from muster.summary_all(v_root.organization_id);
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select v_root.organization_id, p.slug, 'audit', 'audit-update', v_root.slug,
	       jsonb_build_object('report_id', null, 'audit_id', null, 'timestamp', muster.iso(now()),
				  'health_status', v_all.health_status, 'summary', v_all.summary,
				  'url', '/audit')
	  from muster.project p where p.id = v_root.project_id;
	perform muster.sequence_events();
	return true;
end
$$;
