-- SPDX-License-Identifier: MIT
-- Findings: from scans into rows, and what people see and decide.
--
--   finding_store(p_repo, p_kind, p_run, p_findings, p_whole) → {"added", "reopened", "gone", "seen"}.
--       p_findings: a list of {fingerprint, rule, title, severity, path, line, secret_id,
--       sample, in_head, commit, author, committed_at, occurrences, places [{blob, line,
--       column, end_line, end_column}], remedy, url, ignored (null or why), data}. p_whole: what is not
--       in the list is gone. The rows of what did not change are not touched. Internal.
--   finding_import(p_organization, p_host, p_report, p_repo) → {"repositories", "unknown", "added",
--       "reopened", "gone", "seen"}: what `muster scan --format json` printed. Repositories are found by
--       their paths on that host; p_repo (id or name) says which it is, of a report of one. Only scans
--       of history that read everything make something gone. p_organization: slug. MU400: no such
--       report. MU404: no such organisation or repository.
--   finding_lock(p_organization, p_repos) is called before findings of these are changed, null: of all: rows
--       that count them are held until the end, and whoever takes them in another order would wait for
--       who waits for him. Internal.
--   finding_list(…) → {"items", "next"}: filters are ANDed; state, severity and kind take several.
--       p_sort    severity (worst first, within it the newest), newest, oldest
--       It looks through 8 000 findings at a time: where few of very many match, a page may be short, even
--       empty, and go on.
--   finding_get(p_finding) → one, with its data, rule and repository. MU404.
--   finding_update(p_finding, p_state, p_reason, p_assignee, p_if_match) → it. Team leads and above
--       may ignore. MU400, MU403, MU404, MU412.
--   finding_bulk(p_ids, p_state, p_reason, p_assignee) → {"changed", "missing"}.
--   finding_history(p_finding) · finding_occurrences(p_finding, p_limit, p_cursor)
--   finding_summary(p_repo) → {open {critical, …}, by_state, by_kind, scanned, unscanned}. What no
--       scan has seen yet is null.
--   comment_list, comment_add, comment_remove: people's words on a finding.

create function muster.severity_rank(p_severity text) returns smallint
language sql immutable parallel safe
return case p_severity when 'critical' then 5 when 'high' then 4 when 'medium' then 3 when 'low' then 2
       when 'info' then 1 end::smallint;

-- * and ? of a path as LIKE's % and _.
create function muster.glob_like(p_glob text) returns text
language sql immutable parallel safe
return translate(regexp_replace(p_glob, '([\\%_])', '\\\1', 'g'), '*?', '%_');

create function muster.finding_lock(p_organization uuid, p_repos uuid[] default null) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_lock integer;
begin
	if p_repos is null then
		perform pg_advisory_xact_lock(19804, hashtext(p_organization::text));
		return;
	end if;
	perform pg_advisory_xact_lock_shared(19804, hashtext(p_organization::text));
	for v_lock in select distinct hashtext(r::text) from unnest(p_repos) r order by 1 loop
		perform pg_advisory_xact_lock(19799, v_lock);
	end loop;
end
$$;

create function muster.finding_store(p_repo uuid, p_kind text, p_run bigint, p_findings jsonb,
				     p_whole boolean) returns jsonb
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
	v_project_id uuid;
	v_project text;
	v_scanned_at timestamptz;
	v_seen bigint;
	v_added bigint;
	v_reopened bigint;
	v_gone bigint;
begin
	perform muster.finding_lock((select organization_id from muster.repo where id = p_repo), array[p_repo]);
	select r.organization_id, p.id, p.slug, r.scanned_at into v_organization, v_project_id, v_project, v_scanned_at
	  from muster.repo r join muster.project p on p.id = r.project_id where r.id = p_repo;

	create temporary table seen on commit drop as
	select distinct on (f.fingerprint) left(f.fingerprint, 200) as fingerprint, left(f.rule, 200) as rule,
	       left(coalesce(f.title, ''), 500) as title, f.severity,
	       left(f.path, 4096) as path, f.line, f.secret_id, left(f.sample, 500) as sample, f.in_head,
	       f.commit, left(f.author, 300) as author, muster.json_time(f.committed_at) as committed_at,
	       greatest(coalesce(f.occurrences, 1), 1) as occurrences,
	       coalesce(f.places, '[]') as places, left(f.remedy, 4000) as remedy, left(f.url, 2000) as url,
	       left(f.ignored, 2000) as ignored,
	       coalesce(f.data, '{}') || jsonb_build_object('places', md5(f.places::text), 'severity', f.severity) as data
	  from jsonb_to_recordset(p_findings) f (fingerprint text, rule text, title text, severity text,
		path text, line integer, secret_id text, sample text, in_head boolean,
		commit text, author text, committed_at text, occurrences integer, places jsonb, remedy text,
		url text, ignored text, data jsonb)
	 where f.fingerprint <> '' and f.rule <> '' and muster.severity_rank(f.severity) is not null
	 order by f.fingerprint, muster.severity_rank(f.severity) desc;
	get diagnostics v_seen = row_count;

	insert into muster.rule as r (organization_id, key, kind, title, remedy, url)
	select distinct on (s.rule) v_organization, s.rule, p_kind, s.title, s.remedy, s.url from seen s
	 order by s.rule
	    on conflict (organization_id, kind, key) do update
	   set title = excluded.title, remedy = excluded.remedy, url = excluded.url, updated_at = now()
	 where (r.title, r.remedy, r.url) is distinct from (excluded.title, excluded.remedy, excluded.url);

	-- The rule's own severity and switch, and who keeps a finding ignored.
	create temporary table wanted on commit drop as
	select s.*, coalesce(r.severity, s.severity) as now_severity,
	       case when not r.enabled then 'rule' when s.ignored is not null then 'repository' end as now_ignored,
	       f.id, f.first_seen_at, f.state as before, f.data ->> 'places' is distinct from s.data ->> 'places' as moved,
	       case when not r.enabled or s.ignored is not null
		    then case when f.id is null or f.state in ('open', 'in_progress')
				   or (f.state = 'resolved' and f.gone_at is not null)
			      then 'ignored' else f.state end
		    when f.id is null then 'open'
		    when f.state = 'ignored' and f.ignored_by in ('repository', 'rule') then 'open'
		    when f.state = 'resolved' and f.gone_at is not null then 'open'
		    else f.state end as after
	  from seen s
	  join muster.rule r on r.organization_id = v_organization and r.kind = p_kind and r.key = s.rule
	  -- Each by its key, for a repository that was new a moment ago has as good as none in the statistics, and
	  -- then all of its would be compared with all.
	  left join lateral (
		select * from muster.finding h
		 where h.repo_id = p_repo and h.kind = p_kind and h.fingerprint = s.fingerprint offset 0) f on true;

	update muster.finding f
	   set rule = w.rule, title = w.title, severity = w.now_severity,
	       path = w.path, line = w.line, secret_id = coalesce(w.secret_id, f.secret_id), sample = w.sample,
	       in_head = w.in_head, commit = w.commit, author = w.author, committed_at = w.committed_at,
	       occurrences = w.occurrences, data = w.data, state = w.after,
	       ignored_by = case when w.after <> 'ignored' then null when w.before = 'ignored' then f.ignored_by
				 else w.now_ignored end,
	       reason = case when w.after = w.before then f.reason when w.after = 'ignored' then w.ignored end,
	       waiver_id = case when w.after = 'ignored' then f.waiver_id end,
	       gone_at = null, seen_at = null, changed_at = now()
	  from wanted w
	 where f.id = w.id
	   and (f.gone_at is not null or f.state <> w.after
		or (f.rule, f.title, f.severity, f.path, f.line, f.sample, f.in_head,
		    f.commit, f.author, f.committed_at, f.occurrences, f.data)
		   is distinct from (w.rule, w.title, w.now_severity, w.path, w.line,
				     w.sample, w.in_head, w.commit, w.author, w.committed_at, w.occurrences, w.data)
		or (w.secret_id is not null and w.secret_id is distinct from f.secret_id));

	with added as (
		insert into muster.finding (organization_id, repo_id, kind, fingerprint, rule, title, severity,
			path, line, secret_id, sample, in_head, commit, author, committed_at,
			occurrences, data, state, ignored_by, reason, run_id)
		select v_organization, p_repo, p_kind, w.fingerprint, w.rule, w.title, w.now_severity,
		       w.path, w.line, w.secret_id, w.sample, w.in_head, w.commit, w.author,
		       w.committed_at, w.occurrences, w.data, w.after, w.now_ignored, w.ignored, p_run
		  from wanted w where w.id is null
		 order by w.now_severity, w.fingerprint
		returning id, fingerprint)
	update wanted w set id = a.id from added a where a.fingerprint = w.fingerprint;

	delete from muster.occurrence o using wanted w
	 where o.finding_id = w.id and w.moved and w.before is not null;
	insert into muster.occurrence (organization_id, finding_id, number, blob, line, col, end_line, end_col)
	select v_organization, w.id, p.number, p.place ->> 'blob', (p.place ->> 'line')::integer,
	       (p.place ->> 'column')::integer, (p.place ->> 'end_line')::integer,
	       (p.place ->> 'end_column')::integer
	  from wanted w
	 cross join lateral jsonb_array_elements(w.places) with ordinality p (place, number)
	 where w.moved and p.number <= 1000;

	insert into muster.finding_state (organization_id, project_id, finding_id, found_at, before, after, reason)
	select v_organization, v_project_id, w.id, coalesce(w.first_seen_at, now()), w.before, w.after,
	       case when w.before is null then null when w.after = 'open' then 'seen again' else w.ignored end
	  from wanted w where w.before is distinct from w.after;
	select count(*) filter (where w.before is null),
	       count(*) filter (where w.before is not null and w.after = 'open' and w.before <> 'open')
	  into v_added, v_reopened from wanted w;

	v_gone := 0;
	if p_whole then
		with gone as (
			select f.id, f.state from muster.finding f
			 where f.repo_id = p_repo and f.kind = p_kind and f.gone_at is null
			   -- Hashed, for the same reason.
			   and f.id not in (select w.id from wanted w)
			   for update
		), closed as (
			update muster.finding f
			   set gone_at = now(), seen_at = v_scanned_at, changed_at = now(),
			       state = case when g.state = 'ignored' then 'ignored' else 'resolved' end,
			       reason = case when g.state in ('open', 'in_progress') then 'gone' else f.reason end
			  from gone g where f.id = g.id
			returning f.id, f.first_seen_at, g.state as before, f.state as after
		), told as (
			insert into muster.finding_state (organization_id, project_id, finding_id, found_at, before, after, reason)
			select v_organization, v_project_id, c.id, c.first_seen_at, c.before, c.after, 'gone'
			  from closed c where c.before <> c.after
		)
		select count(*) into v_gone from closed;
	end if;
	perform muster.waiver_apply(v_organization, p_repo);

	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select v_organization, v_project, 'alerts', 'vulnerability_detected', f.id::text,
	       jsonb_build_object('finding_id', f.id, 'repository_id', p_repo, 'severity', f.severity,
				  'title', left(f.title, 200))
	  from muster.finding f join wanted w on w.id = f.id
	 where f.state = 'open' and w.before is distinct from 'open'
	 order by f.rank desc, f.id limit 50;
	if p_kind = 'secret' and p_whole then
		update muster.repo set scanned_at = now() where id = p_repo;
	end if;
	drop table seen, wanted;
	return jsonb_build_object('added', v_added, 'reopened', v_reopened, 'gone', v_gone, 'seen', v_seen);
end
$$;

create function muster.finding_import(p_organization text, p_host text, p_report jsonb,
				      p_repo text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_find(p_organization);
	v_target record;
	v_repo uuid;
	v_one jsonb;
	v_done jsonb := '{"added": 0, "reopened": 0, "gone": 0, "seen": 0}';
	v_known jsonb := '[]';
	v_unknown jsonb := '[]';
begin
	if jsonb_typeof(p_report -> 'findings') is distinct from 'array'
	   or jsonb_typeof(p_report #> '{coverage,targets}') is distinct from 'array' then
		perform muster.field_error('report', 'is not what muster scan --format json prints');
	end if;
	if p_repo is not null and (select count(distinct t ->> 'name')
				     from jsonb_array_elements(p_report #> '{coverage,targets}') t) <> 1 then
		perform muster.field_error('repo', 'is for a report of one repository');
	end if;
	perform muster.finding_lock(v_organization, array(
		select r.id from muster.repo r join muster.root t on t.id = r.root_id
		 where r.organization_id = v_organization and r.removed_at is null
		   and case when p_repo is null
			    then t.host = p_host and r.path in (select x ->> 'name'
								  from jsonb_array_elements(p_report #> '{coverage,targets}') x)
			    else r.id::text = lower(p_repo) or r.name = p_repo end));
	for v_target in
		select t ->> 'name' as name, bool_and(t ->> 'kind' = 'history' and t -> 'partly' = 'false') as whole
		  from jsonb_array_elements(p_report #> '{coverage,targets}') t group by 1
	loop
		select r.id into v_repo
		  from muster.repo r join muster.root t on t.id = r.root_id
		 where r.organization_id = v_organization and r.removed_at is null
		   and case when p_repo is null then t.host = p_host and r.path = v_target.name
			    else r.id::text = lower(p_repo) or r.name = p_repo end
		 order by r.created_at limit 1;
		if v_repo is null and p_repo is not null then
			raise exception using errcode = 'MU404', message = 'There is no such repository.';
		end if;
		if v_repo is null then
			v_unknown := v_unknown || to_jsonb(v_target.name);
			continue;
		end if;
		v_one := muster.finding_store(v_repo, 'secret', null, (
			select coalesce(jsonb_agg(muster.finding_of_scan(f.value, f.ignored)), '[]')
			  from (select value, false as ignored from jsonb_array_elements(p_report -> 'findings')
				union all
				select value, true from jsonb_array_elements(coalesce(p_report -> 'ignored', '[]'))) f
			 where f.value ->> 'repository' = v_target.name
			   and f.value ->> 'status' is distinct from 'removed'), v_target.whole);
		v_known := v_known || to_jsonb(v_target.name);
		v_done := (select jsonb_object_agg(key, value::bigint + (v_one ->> key)::bigint)
			     from jsonb_each_text(v_done));
	end loop;
	return v_done || jsonb_build_object('repositories', v_known, 'unknown', v_unknown);
end
$$;

-- A finding of `muster scan --format json` (schema/scan-1.json) as finding_store() takes it.
create function muster.finding_of_scan(p_finding jsonb, p_ignored boolean) returns jsonb
language sql immutable parallel safe
return jsonb_build_object('fingerprint', p_finding -> 'location_id', 'rule', p_finding -> 'rule',
	'title', p_finding -> 'description', 'severity', p_finding -> 'severity',
	'path', p_finding -> 'path',
	'line', coalesce(nullif(p_finding -> 'head_line', 'null'), p_finding -> 'line'),
	'secret_id', p_finding -> 'secret_id', 'sample', p_finding -> 'sample', 'in_head', p_finding -> 'in_head',
	'commit', p_finding -> 'commit', 'author', p_finding -> 'author', 'committed_at', p_finding -> 'date',
	'occurrences', p_finding -> 'occurrences_total', 'places', p_finding -> 'occurrences',
	'remedy', p_finding -> 'remedy', 'url', p_finding -> 'rotate',
	'ignored', case when p_ignored then concat_ws(': ', p_finding #>> '{ignored_by,kind}',
						      p_finding #>> '{ignored_by,reason}') end,
	'data', jsonb_build_object('family', p_finding -> 'family', 'tags', p_finding -> 'tags',
		'column', p_finding -> 'column', 'blob', p_finding -> 'blob', 'refs', p_finding -> 'refs',
		'refs_total', p_finding -> 'refs_total', 'last_commit', p_finding -> 'last_commit',
		'last_date', p_finding -> 'last_date', 'lowered_for', p_finding -> 'lowered_for',
		'severity_declared', p_finding -> 'severity_declared'));

-- The object of lists, events and answers, of what its repository and its assignee are known to be.
-- Without settings of its own, so that it becomes a part of what calls it.
create function muster.finding_body(p_finding muster.finding, p_repo text, p_scanned_at timestamptz,
				    p_assignee jsonb) returns jsonb
language sql stable
return jsonb_build_object('id', (p_finding).id, 'kind', (p_finding).kind, 'rule', (p_finding).rule,
	'title', (p_finding).title, 'severity', (p_finding).severity, 'state', (p_finding).state,
	'reason', (p_finding).reason, 'ignored_by', (p_finding).ignored_by,
	'waiver_id', (p_finding).waiver_id, 'path', (p_finding).path, 'line', (p_finding).line,
	'sample', (p_finding).sample, 'in_head', (p_finding).in_head, 'commit', (p_finding).commit,
	'author', (p_finding).author, 'committed_at', muster.iso((p_finding).committed_at),
	'occurrences', (p_finding).occurrences, 'fingerprint', (p_finding).fingerprint,
	'secret_id', (p_finding).secret_id,
	'repository', jsonb_build_object('id', (p_finding).repo_id, 'name', p_repo),
	'assignee', p_assignee,
	'first_seen_at', muster.iso((p_finding).first_seen_at),
	'last_seen_at', muster.iso(case when (p_finding).gone_at is null then p_scanned_at
					else (p_finding).seen_at end),
	'gone_at', muster.iso((p_finding).gone_at), 'changed_at', muster.iso((p_finding).changed_at));

create function muster.finding_json(p_finding muster.finding) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select muster.finding_body(p_finding, r.name, r.scanned_at, muster.person_json((p_finding).assignee_id))
	  from muster.repo r where r.id = (p_finding).repo_id);

-- What lists show of these, in this order. Planned once a session.
create function muster.finding_items(p_ids bigint[]) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return (select coalesce(jsonb_agg(muster.finding_body(f, r.name, r.scanned_at,
				case when f.assignee_id is not null then muster.person_json(f.assignee_id) end) order by p.k), '[]')
		  from unnest(p_ids) with ordinality p (id, k)
		  join muster.finding f on f.id = p.id and f.organization_id = v_organization
		  join muster.repo r on r.id = f.repo_id);
end
$$;

-- About how many match, of all organisations, by the planner's statistics.
create function muster.finding_estimate(p_like text) returns numeric
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_plan jsonb;
begin
	execute 'explain (format json) select from muster.finding f where f.search like $1' into v_plan using p_like;
	return v_plan #>> '{0,Plan,Plan Rows}';
end
$$;

-- Each combination of a state and a severity is one walk along an index that ends after a page; the
-- page is the best of them. So a list costs the same among ten findings and among a million. Where such a
-- walk meets others as well, it goes on by pieces of more and more findings, and at most p_budget are looked
-- at (null: all): the page may be short, or empty, and its cursor says how far that was. Internal.
create function muster.finding_page(p_budget integer, p_repo text, p_state text, p_severity text, p_kind text,
				    p_rule text, p_q text, p_assignee text, p_in_head boolean, p_sort text,
				    p_limit integer, p_cursor text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 3);
	v_sort text := coalesce(nullif(p_sort, ''), 'severity');
	v_states text[] := coalesce(string_to_array(nullif(p_state, ''), ','),
				    array['open', 'in_progress', 'resolved', 'ignored']);
	v_ranks smallint[] := coalesce((select array_agg(muster.severity_rank(s))
					  from unnest(string_to_array(nullif(p_severity, ''), ',')) s),
				       array[5, 4, 3, 2, 1]);
	v_kinds text[] := string_to_array(nullif(p_kind, ''), ',');
	v_repo uuid := case when nullif(p_repo, '') is not null
			    then muster.repo_id(p_repo) end;
	v_assignee uuid := case when p_assignee = 'me' then muster.account()
				else nullif(p_assignee, '')::uuid end;
	v_rule text := nullif(p_rule, '');
	v_q text := '%' || regexp_replace(lower(nullif(p_q, '')), '([\\%_])', '\\\1', 'g') || '%';
	v_top bigint := case when v_sort = 'oldest' then 0 else 9223372036854775807 end;
	v_rank smallint := 5;
	v_id bigint := v_top;
	v_order text := case v_sort when 'severity' then 'f.rank desc, f.id desc' when 'newest' then 'f.id desc'
				    else 'f.id' end;
	v_walk text := case v_sort when 'oldest' then 'f.id' else 'f.id desc' end;
	-- Where the last page ended; within the walk of one severity that is a bound on the id.
	v_beyond text := case v_sort
		when 'severity' then 'f.id < case when r.rank < $10 then 9223372036854775807 else $11 end'
		when 'newest' then 'f.id < $11' else 'f.id > $11' end;
	v_is_rare boolean := false;
	-- What is of one repository, one person or one rule has an index, and so have kinds when it is of all.
	v_is_own boolean := coalesce(v_repo, v_assignee) is not null or v_rule is not null;
	v_is_deep boolean := not v_is_own and (v_kinds is not null or p_in_head is not null);
	v_list text := concat_ws(' ',
		case when v_repo is not null then 'and f.repo_id = $5' when v_assignee is not null then 'and f.assignee_id = $12'
		     when v_rule is not null then 'and f.rule = $6' end,
		case when v_is_deep then 'and f.kind = t.kind and coalesce(f.in_head::integer, 2) = h.head' end);
	v_filter text := concat_ws(' ',
		case when v_repo is not null and v_assignee is not null then 'and f.assignee_id = $12' end,
		case when coalesce(v_repo, v_assignee) is not null and v_rule is not null then 'and f.rule = $6' end,
		case when v_is_own and v_kinds is not null then 'and f.kind = any ($4)' end,
		case when v_is_own and p_in_head is not null then 'and f.in_head = $8' end,
		case when v_q is not null then 'and f.search like $7' end);
	v_lists text := $part$
			(select distinct unnest($2) as state) s
			 cross join (select distinct unnest($3) as rank) r$part$
		|| case when v_is_deep then $part$
			 cross join (select distinct unnest(coalesce($4, array['secret', 'dependency', 'code'])) as kind) t
			 cross join (select unnest(case when $8 is null then array[0, 1, 2]
							else array[$8::integer] end) as head) h$part$ else '' end;
	v_within text := case v_sort when 'oldest' then '<=' else '>=' end;
	v_bound text := '';
	v_from text;
	v_step smallint[];
	v_piece integer := 600;
	v_left integer := coalesce(p_budget, 2147483647);
	v_seen integer;
	v_found bigint[];
	v_far bigint;
	v_ids bigint[] := '{}';
	v_next text;
begin
	if v_cursor is not null then
		v_rank := muster.json_int(v_cursor -> 1, 1, 5);
		v_id := muster.json_int(v_cursor -> 2, 0, 9223372036854775807);
		if v_cursor ->> 0 is distinct from v_sort or v_rank is null or v_id is null then
			perform muster.field_error('cursor', 'is not one that this list gave');
		end if;
		v_ranks := case v_sort when 'severity' then array(select x from unnest(v_ranks) x where x <= v_rank) else v_ranks end;
	end if;
	if v_q is not null and v_repo is null then
		v_is_rare := muster.finding_estimate(v_q) <= 15000;
	end if;
	-- Statements are put together from these constants alone, never from the request's text.
	if v_is_rare or v_filter = '' then
		v_from := case
			-- What few have is read at once, instead of looked for in each walk.
			when v_is_rare then $part$
				(select f.id, f.rank from muster.finding f
				  where f.organization_id = $1 and f.state = any ($2) and f.rank = any ($3)
				    and f.search like $7 and ($4 is null or f.kind = any ($4))
				    and ($8 is null or f.in_head = $8) and ($6 is null or f.rule = $6)
				    and ($12 is null or f.assignee_id = $12) offset 0) f
				 cross join lateral (select f.rank) r
				 where %2$s$part$
			else v_lists || $part$
				 cross join lateral (
					select f.id, f.rank from muster.finding f
					 where f.organization_id = $1 and f.state = s.state and f.rank = r.rank
					   %1$s and %2$s
					 order by %3$s limit $9 + 1) f
				 where true$part$ end;
		execute format('select coalesce(array_agg(f.id order by %2$s), ''{}'')
				  from (select f.id, f.rank from %1$s order by %2$s limit $9 + 1) f',
			       format(v_from, v_list, v_beyond, v_walk), v_order)
		   into v_ids
		  using v_organization, v_states, v_ranks, v_kinds, v_repo, v_rule, v_q, p_in_head, v_limit, v_rank, v_id,
			v_assignee;
	else
		-- What is known is what all walks have passed: the first of those that did not come to an end. Where the
		-- index alone can say which that will be, none goes further.
		if not v_is_deep and v_repo is null then
			v_bound := format($part$
				bound as materialized (
					select coalesce(%1$s(w.far) filter (where w.n = $13), %2$s) as far
					  from %3$s
					 cross join lateral (
						select %4$s(x.id) as far, count(*) as n
						  from (select f.id from muster.finding f
							 where f.organization_id = $1 and f.state = s.state and f.rank = r.rank %5$s and %6$s
							 order by %7$s limit $13) x) w),$part$,
				case v_sort when 'oldest' then 'min' else 'max' end,
				case v_sort when 'oldest' then '9223372036854775807' else '0' end, v_lists,
				case v_sort when 'oldest' then 'max' else 'min' end, v_list, v_beyond, v_walk);
		end if;
		<<steps>>
		-- The worst first: with a page of them, nobody looks among the others.
		for v_step in
			select array_agg(x.rank) from (select distinct unnest(v_ranks) as rank) x
			 group by case when v_sort = 'severity' then x.rank end
			 order by 1 desc
		loop
			if v_sort = 'severity' and v_step[1] < v_rank then
				v_rank := v_step[1];
				v_id := v_top;
			end if;
			loop
				if v_left < 500 and v_left < p_budget then
					v_next := muster.cursor_format(jsonb_build_array(v_sort, v_rank, v_id));
					exit steps;
				end if;
				execute format($query$
					with %9$s walked as materialized (
						select w.* from %1$s
						 cross join lateral (
							select array_agg(x.id) filter (where x.is_found) as ids, %2$s(x.id) as far, count(*) as n
							  from (select f.id, true %3$s as is_found from muster.finding f
								 where f.organization_id = $1 and f.state = s.state and f.rank = r.rank
								   %4$s and %5$s %10$s
								 order by %6$s limit $13) x) w
					), reached as (
						select %7$s(far) filter (where n = $13) as far, sum(n)::integer as n from walked
					)
					select array(select f.id from walked w cross join unnest(w.ids) f (id)
						      where r.far is null or f.id %8$s r.far
						      order by %6$s limit $9 + 1 - cardinality($14)), r.far, r.n
					  from reached r$query$, v_lists,
					case v_sort when 'oldest' then 'max' else 'min' end, v_filter, v_list, v_beyond, v_walk,
					case v_sort when 'oldest' then 'min' else 'max' end,
					v_within, v_bound,
					case when v_bound <> '' then 'and f.id ' || v_within || ' (select b.far from bound b)' end)
				   into v_found, v_far, v_seen
				  using v_organization, v_states, v_step, v_kinds, v_repo, v_rule, v_q, p_in_head, v_limit, v_rank, v_id,
					v_assignee, least(v_piece, v_left) / (cardinality(v_states) * cardinality(v_step)
						* case when v_is_deep then 3 else 1 end) + 10, v_ids;
				v_ids := v_ids || v_found;
				exit steps when cardinality(v_ids) > v_limit;
				exit when v_far is null;
				v_id := v_far;
				v_left := v_left - v_seen;
				v_piece := least(4 * v_piece, 40000);
			end loop;
			v_left := v_left - v_seen;
		end loop;
	end if;
	if cardinality(v_ids) > v_limit then
		select muster.cursor_format(jsonb_build_array(v_sort, f.rank, f.id)) into v_next
		  from muster.finding f where f.id = v_ids[v_limit];
	end if;
	return jsonb_build_object('items', muster.finding_items(v_ids[1:v_limit]), 'next', v_next);
end
$$;

create function muster.finding_list(p_repo text default null, p_state text default null,
				    p_severity text default null, p_kind text default null,
				    p_rule text default null, p_q text default null,
				    p_assignee text default null, p_in_head boolean default null,
				    p_sort text default null, p_limit integer default null,
				    p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
begin
	return muster.finding_page(8000, p_repo, p_state, p_severity, p_kind, p_rule, p_q, p_assignee, p_in_head, p_sort,
				   p_limit, p_cursor);
end
$$;

-- Of the current organisation, or MU404.
create function muster.finding_find(p_finding bigint) returns muster.finding
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding;
begin
	select * into v_finding from muster.finding
	 where id = p_finding and organization_id = muster.organization_need();
	if v_finding.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such finding.';
	end if;
	return v_finding;
end
$$;

create function muster.finding_get(p_finding bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding := muster.finding_find(p_finding);
begin
	return muster.finding_json(v_finding)
	       || jsonb_build_object('data', v_finding.data - array['places', 'severity'],
			'comments', (select count(*) from muster.comment c where c.finding_id = v_finding.id),
			'elsewhere', (select count(distinct f.repo_id) from muster.finding f
				       where f.organization_id = v_finding.organization_id
					 and f.secret_id = v_finding.secret_id and f.repo_id <> v_finding.repo_id))
	       || (select jsonb_build_object('remedy', r.remedy, 'url', r.url) from muster.rule r
		    where r.organization_id = v_finding.organization_id and r.kind = v_finding.kind
		      and r.key = v_finding.rule);
end
$$;

-- What a person decides for some findings, which the caller has chosen. Returns how many changed.
create function muster.finding_decide(p_ids bigint[], p_state text, p_reason text, p_assignee text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_state text := nullif(p_state, '');
	v_assignee uuid;
	v_count bigint;
begin
	if v_state = 'ignored' and muster.role_rank(current_setting('muster.role')) < muster.role_rank('team_lead') then
		raise exception using errcode = 'MU403', message = 'A team lead decides what is ignored.';
	end if;
	if v_state in ('ignored', 'resolved') and coalesce(p_reason, '') = '' then
		perform muster.field_error('reason', 'is needed: the next one will ask why');
	end if;
	if coalesce(p_assignee, '') <> '' then
		v_assignee := case when p_assignee = 'me' then muster.account() else p_assignee::uuid end;
		if not exists (select from muster.membership
				where organization_id = v_organization and account_id = v_assignee)
		   and muster.role_of(v_assignee, v_organization) is null then
			perform muster.field_error('assignee', 'is nobody of this organization');
		end if;
	end if;
	perform muster.finding_lock(v_organization, array(
		select repo_id from muster.finding where id = any (p_ids) and organization_id = v_organization));
	with old as (
		select id, state from muster.finding
		 where id = any (p_ids) and organization_id = v_organization
		 order by id for update
	), changed as (
		update muster.finding f
		   set state = coalesce(v_state, f.state),
		       ignored_by = case when coalesce(v_state, f.state) <> 'ignored' then null
					 when v_state = 'ignored' then 'person' else f.ignored_by end,
		       waiver_id = case when v_state is null then f.waiver_id end,
		       reason = case when v_state is null then f.reason else p_reason end,
		       assignee_id = case when p_assignee is null then f.assignee_id else v_assignee end,
		       changed_at = now()
		  from old o
		 where f.id = o.id
		   and (f.state is distinct from coalesce(v_state, f.state)
			or (v_state is not null and f.reason is distinct from p_reason)
			or (p_assignee is not null and f.assignee_id is distinct from v_assignee))
		returning f.id, f.repo_id, f.first_seen_at, o.state as before, f.state as after
	), told as (
		insert into muster.finding_state (organization_id, project_id, finding_id, found_at, account_id, before,
			after, reason)
		select v_organization, r.project_id, c.id, c.first_seen_at, muster.account(), c.before, c.after, p_reason
		  from changed c join muster.repo r on r.id = c.repo_id where c.before <> c.after
	)
	select count(*) into v_count from changed;
	return v_count;
end
$$;

create function muster.finding_update(p_finding bigint, p_state text default null, p_reason text default null,
				      p_assignee text default null, p_if_match text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.finding_lock(muster.organization_need(), array(
		select repo_id from muster.finding where id = p_finding and organization_id = muster.organization_need()));
	perform 1 from muster.finding
	  where id = p_finding and organization_id = muster.organization_need() for no key update;
	perform muster.match_check(p_if_match, muster.finding_get(p_finding));
	if muster.finding_decide(array[p_finding], p_state, p_reason, p_assignee) > 0 then
		insert into muster.trail (organization_id, account_id, action, subject, data)
		values (muster.organization(), muster.account(), 'finding.update', p_finding::text,
			jsonb_strip_nulls(jsonb_build_object('state', p_state, 'reason', left(p_reason, 500),
							     'assignee', p_assignee)));
	end if;
	return muster.finding_get(p_finding);
end
$$;

create function muster.finding_bulk(p_ids jsonb, p_state text default null, p_reason text default null,
				    p_assignee text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_ids bigint[] := array(select distinct i::bigint from jsonb_array_elements_text(p_ids) i);
	v_there bigint;
	v_changed bigint;
begin
	select count(*) into v_there from muster.finding
	 where id = any (v_ids) and organization_id = muster.organization_need();
	v_changed := muster.finding_decide(v_ids, p_state, p_reason, p_assignee);
	insert into muster.trail (organization_id, account_id, action, data)
	values (muster.organization(), muster.account(), 'finding.bulk',
		jsonb_strip_nulls(jsonb_build_object('changed', v_changed, 'state', p_state,
						     'reason', left(p_reason, 500), 'assignee', p_assignee)));
	return jsonb_build_object('changed', v_changed, 'missing', cardinality(v_ids) - v_there);
end
$$;

create function muster.finding_history(p_finding bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding := muster.finding_find(p_finding);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(jsonb_build_object('before', s.before, 'after', s.after,
				'reason', s.reason, 'at', muster.iso(s.at),
				'account', muster.person_json(s.account_id))
				order by s.id desc), '[]')
		  from (select * from muster.finding_state where finding_id = v_finding.id
			 order by id desc limit 200) s));
end
$$;

create function muster.finding_occurrences(p_finding bigint, p_limit integer default null,
					   p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding := muster.finding_find(p_finding);
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_after bigint := coalesce(muster.json_int(v_cursor -> 0, 0, 2147483647), 0);
begin
	return (select jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('blob', o.blob,
				'line', o.line, 'column', o.col, 'end_line', o.end_line, 'end_column', o.end_col)
				order by o.number) filter (where o.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit
				     then muster.cursor_format(jsonb_build_array(v_after + v_limit)) end)
		  from (select *, row_number() over (order by number) as k from muster.occurrence
			 where finding_id = v_finding.id and number > v_after
			 order by number limit v_limit + 1) o);
end
$$;

create function muster.finding_summary(p_repo text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_repo uuid := muster.repo_id(p_repo);
	v_scanned bigint;
	v_all bigint;
begin
	select count(*) filter (where scanned_at is not null), count(*) into v_scanned, v_all
	  from muster.repo
	 where organization_id = v_organization and removed_at is null and (v_repo is null or id = v_repo);
	return (with counts as materialized (
			select c.kind, c.state, c.severity, sum(c.n)::bigint as n
			  from muster.finding_count c
			 where c.organization_id = v_organization and (v_repo is null or c.repo_id = v_repo)
			 group by 1, 2, 3)
		select jsonb_build_object('scanned', v_scanned, 'unscanned', v_all - v_scanned,
			'open', case when v_scanned > 0 then (
				select jsonb_object_agg(s, coalesce((select sum(n) from counts
					where severity = s and state in ('open', 'in_progress')), 0))
				  from unnest(array['critical', 'high', 'medium', 'low', 'info']) s) end,
			'by_state', case when v_scanned > 0 then (
				select jsonb_object_agg(s, coalesce((select sum(n) from counts where state = s), 0))
				  from unnest(array['open', 'in_progress', 'resolved', 'ignored']) s) end,
			'by_kind', case when v_scanned > 0 then (
				select jsonb_object_agg(s, coalesce((select sum(n) from counts
					where kind = s and state in ('open', 'in_progress')), 0))
				  from unnest(array['secret', 'dependency', 'code']) s) end));
end
$$;

create function muster.comment_json(p_comment muster.comment) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_comment).id, 'text', (p_comment).text,
	'created_at', muster.iso((p_comment).created_at),
	'account', muster.person_json((p_comment).account_id));

create function muster.comment_list(p_finding bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding := muster.finding_find(p_finding);
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(muster.comment_json(c) order by c.id), '[]')
		  from (select * from muster.comment where finding_id = v_finding.id
			 order by id desc limit 500) c));
end
$$;

create function muster.comment_add(p_finding bigint, p_text text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding := muster.finding_find(p_finding);
	v_comment muster.comment;
begin
	-- Not while the repository goes to another project.
	insert into muster.comment (organization_id, project_id, finding_id, account_id, text)
	select v_finding.organization_id, r.project_id, v_finding.id, muster.account(), p_text
	  from muster.repo r where r.id = v_finding.repo_id for share
	returning * into v_comment;
	return muster.comment_json(v_comment);
end
$$;

create function muster.comment_remove(p_finding bigint, p_comment bigint) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_finding muster.finding := muster.finding_find(p_finding);
	v_comment muster.comment;
begin
	delete from muster.comment
	 where id = p_comment and finding_id = v_finding.id and organization_id = v_finding.organization_id
	   and (account_id = muster.account() or muster.is_admin())
	returning * into v_comment;
	if v_comment.id is null then
		raise exception using errcode = 'MU404', message = 'You have no such comment here.';
	end if;
	return muster.comment_json(v_comment);
end
$$;
