-- SPDX-License-Identifier: MIT
-- The one way in for a report.
--
--   report_ingest(p_organization, p_host, p_root, p_report) → {"new", "audit_id", "report_id",
--       "events", "changed", "reason"}
--       p_organization and p_root are slugs (the folder names below STATE/reports/), p_report the
--       file's bytes (UTF-8; what is not raises 22021 before we see it). A root that nobody
--       registered is made, unwatched. "new" is false, and nothing is written, when
--         reason 'same'   this report_id, or these very bytes, are stored already;
--         reason 'old'    the report is older than the stored one (it was overtaken).
--       Raises MU400 (not a report; DETAIL lists up to 20 fields), MU404 (no such organisation),
--       MU429 (too many roots or repositories), MU503 (another root took the same new id at this
--       moment: try again).
--   report_feed(…, p_after, p_limit) → the same for the pusher, and in the same transaction what
--       event_feed() answers: the events that it made come back with their numbers, so nobody has to
--       ask for them. "is_left": some were not numbered.
--
-- What it does, in one transaction: compares with the stored rows, writes the repositories that
-- differ, one audit row, the root's row, and the events:
--   repo-status-change {repo, previous_status, summary, health_status} for each repository that came,
--       changed (more than time alone changes it) or went (status "removed"). None on the first
--       report of a root, and none when more than a quarter and more than 20 changed.
--   audit-update {report_id, audit_id, timestamp, health_status, summary, url}: once, on the first
--       report and when more than a quarter changed.
-- Counters and health in events are the organisation's, over all its roots, as on the first page.
-- They are numbered at once when the lane is free (sequence_events), else by whoever is next.
--
-- Sets, not loops: 10 000 repositories are one statement. See repo_compact() in repo.sql for the
-- object that events and lists carry.

-- What is wrong with a report; null: nothing. The first 20 faults, as DETAIL wants them. Most reports
-- have none: report_parse() and report_compare() look whether it is worth asking.
create function muster.report_faults(p_report jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_faults jsonb := '[]';
	v_repos jsonb := p_report -> 'repos';
	v_time timestamptz;
begin
	if jsonb_typeof(p_report) is distinct from 'object' then
		return '[{"field": "", "message": "is not an object"}]';
	end if;
	v_time := muster.json_time(p_report ->> 'timestamp');
	if v_time is null then
		v_faults := v_faults || '[{"field": "timestamp", "message": "is not a time in ISO 8601"}]';
	elsif v_time > now() + interval '1 day' then
		-- Else one wrong clock would make every report that follows look old.
		v_faults := v_faults || '[{"field": "timestamp", "message": "lies in the future"}]';
	end if;
	if coalesce(p_report ->> 'health_status', '') not in ('green', 'yellow', 'red') then
		v_faults := v_faults || '[{"field": "health_status", "message": "is none of green, yellow, red"}]';
	end if;
	if jsonb_typeof(p_report -> 'summary') is distinct from 'object' then
		v_faults := v_faults || '[{"field": "summary", "message": "is not an object"}]';
	end if;
	if jsonb_typeof(v_repos) is distinct from 'array' then
		return v_faults || '[{"field": "repos", "message": "is not a list"}]';
	end if;
	if jsonb_array_length(v_repos) > (muster.setting_get('report.repos_max', '50000', null) #>> '{}')::int then
		return v_faults || '[{"field": "repos", "message": "has too many entries"}]';
	end if;

	select v_faults || coalesce(jsonb_agg(f.fault order by f.ord) filter (where f.k <= 20), '[]')
	  into v_faults
	  from (select e.ord, row_number() over (order by e.ord) as k,
		       jsonb_build_object('field', format('repos[%s]%s', e.ord - 1, w.field),
					  'message', w.message) as fault
		  from jsonb_array_elements(v_repos) with ordinality e (value, ord)
		 cross join lateral (
			select '' as field, 'is not an object' as message
			 where jsonb_typeof(e.value) <> 'object'
			union all
			select '.name', 'is not a text of 1 to 1024 characters'
			 where jsonb_typeof(e.value) = 'object'
			   and (jsonb_typeof(e.value -> 'name') is distinct from 'string'
				or length(e.value ->> 'name') not between 1 and 1024)
			union all
			select '.status', 'is not a status'
			 where jsonb_typeof(e.value) = 'object'
			   and ((e.value ? 'status' and muster.status_code(e.value ->> 'status') = 0)
				or (not e.value ? 'status'
				    and jsonb_typeof(e.value -> 'uncommittedChanges') is distinct from 'boolean'))
			union all
			select '', 'is larger than 4 MiB'
			 where pg_column_size(e.value) > 4194304) w) f;
	if v_faults = '[]' then
		select coalesce(jsonb_agg(jsonb_build_object('field', 'repos', 'message', d.message)), '[]')
		  into v_faults
		  from (select format(t.message, to_json(left(t.word, 100))) as message
			  from jsonb_array_elements(v_repos) e
			 cross join lateral (values ('names %s twice', e.value ->> 'name'),
						    ('gives the id %s twice', lower(e.value ->> 'id')))
				   t (message, word)
			 where t.word is not null
			 group by t.message, t.word having count(*) > 1
			 order by t.message, t.word limit 20) d;
	end if;
	return nullif(v_faults, '[]');
end
$$;

create function muster.report_refuse(p_report jsonb) returns void
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_faults jsonb := muster.report_faults(p_report);
begin
	if v_faults is not null then
		raise exception using errcode = 'MU400',
			message = format('The report has %s: %s %s.',
				case jsonb_array_length(v_faults) when 1 then 'a fault' else 'faults' end,
				v_faults -> 0 ->> 'field', v_faults -> 0 ->> 'message'),
			detail = v_faults::text;
	end if;
end
$$;

-- A text as a report, or MU400; the repositories in it are not looked at yet. Duplicate keys and number
-- ranges are checked by whoever read the file (lib/json.h); here the last of two keys would win.
create function muster.report_parse(p_report text, p_bytes_max bigint, p_repos_max integer)
returns jsonb
language plpgsql stable as $$
declare
	v_report jsonb;
begin
	if p_report is null or octet_length(p_report) > p_bytes_max then
		raise exception using errcode = 'MU400',
			message = format('A report is a text of at most %s bytes.', p_bytes_max);
	end if;
	begin
		v_report := ltrim(p_report, U&'\FEFF')::jsonb;
	exception when data_exception or program_limit_exceeded or statement_too_complex then
		raise exception using errcode = 'MU400', message = 'The report is not JSON.',
			detail = jsonb_build_array(jsonb_build_object('field', '', 'message', sqlerrm))::text;
	end;
	if (jsonb_typeof(v_report) = 'object' and jsonb_typeof(v_report -> 'summary') = 'object'
	    and v_report ->> 'health_status' in ('green', 'yellow', 'red')
	    and muster.json_time(v_report ->> 'timestamp') <= now() + interval '1 day'
	    and case when jsonb_typeof(v_report -> 'repos') = 'array'
		     then jsonb_array_length(v_report -> 'repos') <= p_repos_max end) is not true then
		perform muster.report_refuse(v_report);
	end if;
	return v_report;
end
$$;

-- The root's row, locked until commit; made when missing.
create function muster.root_take(p_organization uuid, p_host text, p_root text, p_project text)
returns muster.root
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_root muster.root;
	v_project uuid;
begin
	select * into v_root from muster.root
	 where organization_id = p_organization and host = p_host and slug = p_root for update;
	if v_root.id is not null then
		return v_root;
	end if;
	if p_root !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' or length(p_host) not between 1 and 255 then
		raise exception using errcode = 'MU400', message = 'This is not the name of a root.';
	end if;
	if (select count(*) from muster.root where organization_id = p_organization) >= 1000 then
		raise exception using errcode = 'MU429', message = 'The organization has too many roots.';
	end if;
	select id into v_project from muster.project where organization_id = p_organization
	 order by slug <> coalesce(p_project, 'default'), slug <> 'default', created_at, id limit 1;
	if v_project is null then
		raise exception using errcode = 'MU404', message = 'The organization has no project.';
	end if;
	insert into muster.root (organization_id, project_id, host, slug)
	values (p_organization, v_project, p_host, p_root)
	on conflict on constraint root_organization_id_host_slug_key do nothing;
	select * into v_root from muster.root
	 where organization_id = p_organization and host = p_host and slug = p_root for update;
	return v_root;
end
$$;

create function muster.repo_status(p_report jsonb) returns text
language sql immutable parallel safe
return coalesce(p_report ->> 'status',
		case when (p_report ->> 'uncommittedChanges')::boolean then 'dirty' else 'clean' end);

-- The byte of a repository's status, 0 when that is none; of anything, an object or not.
create function muster.repo_code(p_report jsonb) returns integer
language sql immutable parallel safe
return case when p_report ? 'status' then muster.status_code(coalesce(p_report ->> 'status', ''))
	    else case p_report -> 'uncommittedChanges' when 'true' then 3 when 'false' then 5 else 0 end end;

-- A repository's id within its root: the one that the report gives, or one made of the name.
create function muster.repo_source_id(p_report jsonb, p_seed text) returns uuid
language sql immutable parallel safe
return case when p_report ->> 'id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
	    then (p_report ->> 'id')::uuid
	    else muster.uuid_from(p_seed || ':' || (p_report ->> 'name')) end;

-- The projects of repositories that were added to one by their addresses: {key of the address: id}.
-- Once for a report, or each new repository would be compared with each that was ever added.
create function muster.repo_projects(p_root muster.root) returns jsonb
language sql stable
return (select jsonb_object_agg(muster.remote_key(r.request ->> 'url'), r.project_id order by r.id)
	  from muster.run r
	 where r.organization_id = p_root.organization_id and p_root.slug = 'clones' and r.request ? 'url'
	   and r.request ->> 'operation' = 'add');

-- The columns of table repo that are read out of its object in a report.
create function muster.repo_columns(p_report jsonb)
returns table (name text, status text, path text, remote text, branch text, health_score bigint,
	       last_commit_at timestamptz, last_commit_subject text, ahead bigint, behind bigint,
	       staged bigint, unstaged bigint, untracked bigint, stashes bigint, stale boolean,
	       digest bytea)
language sql stable rows 1 as $$
select p_report ->> 'name', muster.repo_status(p_report),
       coalesce(muster.json_text(p_report -> 'path', 4096), muster.json_text(p_report -> 'local_path', 4096)),
       coalesce(muster.json_text(p_report -> 'remote', 2048),
		muster.json_text(p_report -> 'remote_url', 2048),
		muster.json_text(p_report -> 'clone_url', 2048)),
       muster.json_text(p_report -> 'branch', 1024),
       muster.json_int(p_report -> 'healthScore', 0, 100),
       case when jsonb_typeof(p_report -> 'lastCommit') = 'string'
	    then muster.json_time(p_report ->> 'lastCommit') end,
       muster.json_text(p_report -> 'lastCommitSubject', 500),
       muster.json_int(p_report -> 'ahead', 0, 2147483647),
       muster.json_int(p_report -> 'behind', 0, 2147483647),
       muster.json_int(p_report #> '{counts,staged}', 0, 2147483647),
       muster.json_int(p_report #> '{counts,unstaged}', 0, 2147483647),
       muster.json_int(p_report #> '{counts,untracked}', 0, 2147483647),
       muster.json_int(p_report #> '{counts,stashes}', 0, 2147483647),
       case when jsonb_typeof(p_report -> 'isStale') = 'boolean' then (p_report ->> 'isStale')::boolean end,
       -- What changes by the mere passing of time is no change worth telling.
       sha256(convert_to((p_report - '{lastCommitAgeDays,fetch_age_days,commits_24h,commits_30d,disk,dashboard_link}'::text[])::text,
			 'UTF8'))
$$;

-- Compares the repositories of a report with the rows, and counts. What has the very object of its row
-- was judged when that was written, so of most repositories nothing is read but the hash. Joined by
-- hashing whatever the planner believes about sizes, or a long report would be compared with each row.
--   is_fine                  false: something may be wrong with them. None is new or has another name
--                            or id, and none is there twice: so no two have the same.
--   came, rewritten          their places in the report; gone: how many went
--   ids, digests, statuses_before   of the rewritten ones; the status is null where it was removed
--   codes, scores_hex        of those that have rows, by ordinal; …_came of the others
create function muster.report_compare(p_root muster.root, p_repos jsonb, p_seed text,
	out is_fine boolean, out repos integer, out came integer[], out rewritten integer[],
	out gone integer, out ids uuid[], out digests bytea[], out statuses_before text[],
	out score_sum bigint, out score_count integer, out buckets integer[], out summary jsonb,
	out codes text, out scores_hex text, out codes_came text, out scores_came text)
language plpgsql stable
set work_mem = '64MB' set enable_nestloop = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
	with incoming as materialized (
		select e.ord::integer - 1 as place, e.value as report,
		       sha256(convert_to(e.value::text, 'UTF8')) as hash
		  from jsonb_array_elements(p_repos) with ordinality e (value, ord)
	), stored as materialized (
		select id, source_id, ordinal, name, status, health_score, hash, digest,
		       removed_at is null as is_there
		  from muster.repo where root_id = p_root.id
	), matched as (
		select i.place, i.report, o.id, o.digest,
		       k.id is not null or (o.name = i.report ->> 'name'
				and coalesce(lower(i.report ->> 'id') = o.source_id::text, true)
				and jsonb_typeof(i.report -> 'name') = 'string'
				and muster.repo_code(i.report) > 0
				and pg_column_size(i.report) <= 4194304) as is_fine,
		       k.id is not null as is_known,
		       case when o.is_there then o.status end as status_before,
		       coalesce(k.ordinal, o.ordinal) as ordinal,
		       case when k.id is null then muster.repo_code(i.report)
			    else muster.status_code(k.status) end as code,
		       case when k.id is null then muster.json_int(i.report -> 'healthScore', 0, 100)
			    else k.health_score end as score
		  from incoming i
		  left join stored k on k.hash = i.hash and k.is_there
		  left join stored o on k.id is null and o.source_id =
			case when k.id is null then muster.repo_source_id(i.report, p_seed) end
	), placed as (
		-- By ordinal, then place: the lists below are in that order.
		select m.*, m.ordinal - lag(m.ordinal, 1, -1) over (order by m.ordinal, m.place) - 1 as gap
		  from matched m
	)
	select coalesce(bool_and(m.is_fine is true) and bool_and(m.gap >= 0), true),
	       count(*)::integer,
	       array_agg(m.place) filter (where m.ordinal is null),
	       array_agg(m.place) filter (where m.id is not null),
	       (select count(*) from stored where is_there)
		- count(*) filter (where m.is_known or m.status_before is not null),
	       array_agg(m.id) filter (where m.id is not null),
	       array_agg(m.digest) filter (where m.id is not null),
	       array_agg(m.status_before) filter (where m.id is not null),
	       coalesce(sum(m.score), 0)::bigint, count(m.score)::integer,
	       array[count(*) filter (where m.score < 10), count(*) filter (where m.score / 10 = 1),
		     count(*) filter (where m.score / 10 = 2), count(*) filter (where m.score / 10 = 3),
		     count(*) filter (where m.score / 10 = 4), count(*) filter (where m.score / 10 = 5),
		     count(*) filter (where m.score / 10 = 6), count(*) filter (where m.score / 10 = 7),
		     count(*) filter (where m.score / 10 = 8), count(*) filter (where m.score >= 90)],
	       jsonb_build_object('total', count(*),
		'missing', count(*) filter (where m.code = 1), 'extra', count(*) filter (where m.code = 2),
		'dirty', count(*) filter (where m.code = 3), 'mismatched', count(*) filter (where m.code = 4),
		'clean', count(*) filter (where m.code = 5), 'not_git', count(*) filter (where m.code = 6),
		'errors', count(*) filter (where m.code = 7),
		'stale', count(*) filter (where m.report -> 'isStale' = 'true'),
		'missing_files', count(*) filter (where jsonb_typeof(m.report -> 'missingFiles') = 'array'
						   and m.report -> 'missingFiles' <> '[]')),
	       string_agg(repeat('00', m.gap) || lpad(to_hex(m.code), 2, '0'), '')
		filter (where m.ordinal is not null),
	       string_agg(repeat('ff', m.gap) || lpad(to_hex(coalesce(m.score, 255)), 2, '0'), '')
		filter (where m.ordinal is not null),
	       string_agg(lpad(to_hex(m.code), 2, '0'), '') filter (where m.ordinal is null),
	       string_agg(lpad(to_hex(coalesce(m.score, 255)), 2, '0'), '') filter (where m.ordinal is null)
	  into is_fine, repos, came, rewritten, gone, ids, digests, statuses_before, score_sum,
	       score_count, buckets, summary, codes, scores_hex, codes_came, scores_came
	  from placed m;
end
$$;

-- Writes the repositories of a report and says what that changed. Returns one row:
--   repos, changed    how many there are, and how many came, changed or went
--   summary           the counters, computed
--   score_sum, score_count, buckets, statuses, scores   as muster.audit keeps them
--   events            [{"id", "previous_status", "repo"}] of the changed ones, when few enough
--   written           the ids of the rows that were written, when they were rewritten only and are
--                     few: then no trigger told of them, and report_ingest() does
-- Most reports find little new, so all are compared in one statement, and there is one more for
-- those that came, those that changed and those that went, if there are any.
create function muster.report_repos(p_root muster.root, p_report jsonb, out repos integer,
				    out changed integer, out summary jsonb, out score_sum bigint,
				    out score_count integer, out buckets integer[],
				    out statuses bytea, out scores bytea, out events jsonb,
				    out written uuid[])
language plpgsql as $$
#variable_conflict use_column
declare
	v_repos jsonb := p_report -> 'repos';
	v_seed text := p_root.organization_id || ':' || p_root.id;
	v_next integer := p_root.next_ordinal;
	v_projects jsonb;
	v_seen record;
	v_changed integer;
	v_events jsonb := '[]';
	v_more jsonb;
begin
	v_seen := muster.report_compare(p_root, v_repos, v_seed);
	if not v_seen.is_fine then
		perform muster.report_refuse(p_report);
	end if;
	repos := v_seen.repos;
	summary := v_seen.summary;
	score_sum := v_seen.score_sum;
	score_count := v_seen.score_count;
	buckets := v_seen.buckets;
	-- Those that came have the ordinals from v_next on.
	statuses := decode(case when v_seen.came is null then coalesce(v_seen.codes, '')
		else rpad(coalesce(v_seen.codes, ''), 2 * v_next, '0') || v_seen.codes_came end, 'hex');
	scores := decode(case when v_seen.came is null then coalesce(v_seen.scores_hex, '')
		else rpad(coalesce(v_seen.scores_hex, ''), 2 * v_next, 'f') || v_seen.scores_came end, 'hex');

	changed := v_seen.gone;
	if v_seen.came is null and v_seen.gone = 0 and coalesce(cardinality(v_seen.ids), 0) <= 20 then
		written := coalesce(v_seen.ids, '{}');
		perform set_config('muster.told', 'on', true);
	end if;
	if v_seen.rewritten is not null then
		with written as (
			update muster.repo r
			   set name = c.name, status = c.status, path = c.path,
			       remote = c.remote, branch = c.branch, health_score = c.health_score,
			       last_commit_at = c.last_commit_at,
			       last_commit_subject = c.last_commit_subject, ahead = c.ahead,
			       behind = c.behind, staged = c.staged, unstaged = c.unstaged,
			       untracked = c.untracked, stashes = c.stashes, stale = c.stale,
			       report = case when e.report ->> 'id' is distinct from o.id::text
					     then e.report || jsonb_build_object('id', o.id) else e.report end,
			       hash = sha256(convert_to(e.report::text, 'UTF8')), digest = c.digest,
			       updated_at = now(), removed_at = null
			  from unnest(v_seen.rewritten, v_seen.ids, v_seen.digests, v_seen.statuses_before)
			       o (place, id, digest, status)
			 cross join lateral (select v_repos -> o.place as report) e
			 cross join lateral muster.repo_columns(e.report) c
			 where r.id = o.id
			returning r as r, o.status is null or o.digest <> c.digest as is_changed,
				  o.status as previous_status
		)
		select count(*), coalesce(jsonb_agg(jsonb_build_object('id', (w.r).id,
				'repo', muster.repo_compact(w.r), 'previous_status', w.previous_status)
				order by (w.r).ordinal) filter (where (w.r).archived_at is null), '[]')
		  into v_changed, v_events
		  from written w where w.is_changed;
		changed := changed + v_changed;
	end if;
	if v_seen.came is not null then
		v_projects := muster.repo_projects(p_root);
		begin
			with added as (
				insert into muster.repo (id, organization_id, project_id, root_id, source_id,
					ordinal, name, status, path, remote, branch, health_score,
					last_commit_at, last_commit_subject, ahead, behind, staged, unstaged,
					untracked, stashes, stale, report, hash, digest)
				select n.id, p_root.organization_id, case when v_projects is null then p_root.project_id
						else coalesce((v_projects ->> muster.remote_key(c.remote))::uuid, p_root.project_id)
				       end, p_root.id,
				       n.source_id,
				       v_next - 1 + p.k, c.name, c.status, c.path, c.remote, c.branch,
				       c.health_score, c.last_commit_at, c.last_commit_subject, c.ahead,
				       c.behind, c.staged, c.unstaged, c.untracked, c.stashes, c.stale,
				       case when e.report ->> 'id' is distinct from n.id::text
					    then e.report || jsonb_build_object('id', n.id) else e.report end,
				       sha256(convert_to(e.report::text, 'UTF8')), c.digest
				  from unnest(v_seen.came) with ordinality p (place, k)
				 cross join lateral (select v_repos -> p.place as report) e
				 cross join lateral muster.repo_columns(e.report) c
				 cross join lateral (select muster.repo_source_id(e.report, v_seed) as id) s
				  left join muster.repo t on t.id = s.id
				 -- An id that is another root's (or another organisation's): ours is made.
				 cross join lateral (select s.id as source_id, case when t.id is null then s.id
						else muster.uuid_from(v_seed || ':' || s.id) end as id) n
				returning repo as r
			)
			select jsonb_agg(jsonb_build_object('id', (a.r).id, 'repo', muster.repo_compact(a.r),
							    'previous_status', null) order by (a.r).ordinal)
			  into v_more from added a;
		exception when unique_violation then
			raise exception using errcode = 'MU503',
				message = 'Another report is being taken at this moment. Try again.';
		end;
		v_events := v_events || v_more;
		changed := changed + cardinality(v_seen.came);
	end if;
	if v_seen.gone > 0 then
		with gone as (
			update muster.repo r set removed_at = now(), updated_at = now()
			 where r.root_id = p_root.id and r.removed_at is null
			   -- "not in", for that is a hash whatever the planner believes about the sizes.
			   and r.source_id not in (select muster.repo_source_id(e, v_seed)
						     from jsonb_array_elements(v_repos) e)
			returning r.id, r.name, r.status
		)
		select jsonb_agg(jsonb_build_object('id', g.id, 'repo',
				jsonb_build_object('id', g.id, 'name', g.name, 'status', 'removed'),
				'previous_status', g.status) order by g.id)
		  into v_more from gone g;
		v_events := v_events || v_more;
	end if;
	if p_root.audit_id is not null and (changed <= 20 or changed * 4 <= greatest(repos, 1)) then
		events := v_events;
	end if;
end
$$;

-- The last step of an ordinary report: its few events get their numbers at once, and what the triggers
-- would have told is told. False: another is numbering, or something waits that comes first; then
-- everything goes through outbox.
create function muster.report_number(p_root muster.root, p_project text, p_audit bigint, p_written uuid[],
				     p_events jsonb, p_more jsonb) returns boolean
language plpgsql as $$
declare
	v_events integer := jsonb_array_length(p_events);
	v_head bigint;
begin
	if not muster.event_lane() or exists (select from muster.outbox) then
		return false;
	end if;
	if v_events > 0 then
		update muster.stream set head = head + v_events
		 where head + v_events + span / 2 <= ceiling returning head - v_events into v_head;
		if v_head is null then
			return false; -- a partition has to be made first
		end if;
		insert into muster.event (id, organization_id, project_id, channel, type, subject, data, at)
		select v_head + e.ord, p_root.organization_id, p_project, 'audit', 'repo-status-change',
		       e.value ->> 'id', e.value - 'id' || p_more, now()
		  from jsonb_array_elements(p_events) with ordinality e (value, ord);
		perform pg_notify('muster_wake', '');
	end if;
	perform pg_notify('data_changes', json_build_object('table', c.name, 'operation', c.operation,
							     'id', c.id)::text)
	   from (select 'repositories' as name, 'UPDATE' as operation, w.id::text as id
		   from unnest(p_written) w (id)
		 union all select 'audits', 'INSERT', p_audit::text) c;
	return true;
end
$$;

-- Each statement has one plan a session, by indexes, whatever the sizes: to plan takes longer than the
-- work of an ordinary report, and seconds where a report of 40 MB is a constant in it.
create function muster.report_ingest(p_organization text, p_host text, p_root text, p_report text)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off set timezone = 'UTC' as $$
declare
	v_hash bytea := sha256(convert_to(p_report, 'UTF8'));
	v_organization uuid;
	v_root muster.root;
	v_project text;
	v_bytes_max bigint;
	v_repos_max integer;
	v_report jsonb;
	v_report_id uuid;
	v_at timestamptz;
	v_seen record;
	v_audit bigint;
	v_all record;
	v_events jsonb;
	v_more jsonb := '{}';
	v_is_whole boolean;
begin
	select o.id, p.slug, coalesce(b.value #>> '{}', '67108864'), coalesce(m.value #>> '{}', '50000')
	  into v_organization, v_project, v_bytes_max, v_repos_max
	  from muster.organization o
	  left join muster.root t on t.organization_id = o.id and t.host = p_host and t.slug = p_root
	  left join muster.project p on p.id = t.project_id
	  left join muster.setting b on b.key = 'report.bytes_max' and b.organization_id is null
	  left join muster.setting m on m.key = 'report.repos_max' and m.organization_id is null
	 where o.slug = p_organization;
	if v_organization is null then
		raise exception using errcode = 'MU404', message = 'There is no such organization.';
	end if;
	-- These very bytes: known without reading them.
	select * into v_root from muster.root
	 where organization_id = v_organization and host = p_host and slug = p_root;
	if v_root.report_hash = v_hash then
		return jsonb_build_object('new', false, 'reason', 'same', 'audit_id', v_root.audit_id,
					  'report_id', v_root.report_id, 'events', 0, 'changed', 0);
	end if;

	v_report := muster.report_parse(p_report, v_bytes_max, v_repos_max);
	v_at := (v_report ->> 'timestamp')::timestamptz;
	if v_report ->> 'report_id' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' then
		v_report_id := (v_report ->> 'report_id')::uuid;
	end if;

	-- From here on one at a time for each root; whoever waited looks again.
	v_root := muster.root_take(v_organization, p_host, p_root,
				   muster.json_text(v_report -> 'project_id', 100));
	if v_report_id is not null then
		select id into v_audit from muster.audit
		 where root_id = v_root.id and report_id = v_report_id;
	end if;
	if v_audit is not null or v_root.report_hash = v_hash then
		return jsonb_build_object('new', false, 'reason', 'same',
					  'audit_id', coalesce(v_audit, v_root.audit_id),
					  'report_id', case when v_audit is null then v_root.report_id
							    else v_report_id end,
					  'events', 0, 'changed', 0);
	elsif v_at < v_root.reported_at then
		return jsonb_build_object('new', false, 'reason', 'old', 'audit_id', v_root.audit_id,
					  'report_id', v_root.report_id, 'events', 0, 'changed', 0);
	end if;
	v_report_id := coalesce(v_report_id, gen_random_uuid());
	if v_project is null then
		select slug into v_project from muster.project where id = v_root.project_id;
	end if;

	v_seen := muster.report_repos(v_root, v_report);
	if length(v_seen.statuses) > 500000 then
		raise exception using errcode = 'MU429',
			message = 'The root has had too many different repositories.';
	end if;

	with added as (
		insert into muster.audit (organization_id, project_id, root_id, report_id, report_hash,
			reported_at, duration_ms, health_status, summary, repos, changed, score_sum,
			score_count, buckets, statuses, scores)
		values (v_organization, v_root.project_id, v_root.id, v_report_id, v_hash, v_at,
			muster.json_int(v_report -> 'duration_ms', 0, 1000000000000),
			v_report ->> 'health_status',
			-- The counters are ours; what the report could not judge is its own to say.
			v_seen.summary || jsonb_build_object('unknown',
				case when jsonb_typeof(v_report #> '{summary,unknown}') = 'array'
				     then v_report #> '{summary,unknown}' else '[]'::jsonb end),
			v_seen.repos, v_seen.changed, v_seen.score_sum, v_seen.score_count,
			v_seen.buckets, v_seen.statuses, v_seen.scores)
		returning id
	)
	update muster.root t
	   set report = v_report - 'repos', report_id = v_report_id, report_hash = v_hash,
	       report_bytes = octet_length(p_report), reported_at = v_at, ingested_at = now(),
	       audit_id = a.id, next_ordinal = greatest(next_ordinal, length(v_seen.statuses)),
	       scan_from = case when watched and length(v_seen.statuses) > next_ordinal
				 and muster.setting_value('scan.first', v_organization) = '"yes"'
				then coalesce(scan_from, next_ordinal) else scan_from end
	  from added a where t.id = v_root.id
	returning a.id into v_audit;

	perform set_config('muster.told', '', true);

	v_events := coalesce(v_seen.events, '[]');
	v_is_whole := v_root.audit_id is null or v_seen.changed * 4 > v_seen.repos;
	if v_is_whole or v_events <> '[]' then
		v_all := muster.summary_all(v_organization);
		v_more := jsonb_build_object('summary', v_all.summary, 'health_status', v_all.health_status);
	end if;
	if v_is_whole or v_seen.written is null
	   or not muster.report_number(v_root, v_project, v_audit, v_seen.written, v_events, v_more) then
		insert into muster.outbox (organization_id, wire_table, operation, wire_id)
		select v_organization, 'repositories', 'UPDATE', w.id::text from unnest(v_seen.written) w (id)
		union all
		select v_organization, 'audits', 'INSERT', v_audit::text where v_seen.written is not null;
		insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select v_organization, v_project, 'audit', 'repo-status-change', e.value ->> 'id',
		       e.value - 'id' || v_more
		  from jsonb_array_elements(v_events) with ordinality e (value, ord) order by e.ord;
		if v_is_whole then
			insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
			values (v_organization, v_project, 'audit', 'audit-update', v_root.slug,
				v_more || jsonb_build_object('report_id', v_report_id, 'audit_id', v_audit,
					'timestamp', muster.iso(v_at), 'url', '/audit'));
		end if;
		perform muster.sequence_events();
	end if;
	return jsonb_build_object('new', true, 'audit_id', v_audit, 'report_id', v_report_id,
				  'events', jsonb_array_length(v_events) + v_is_whole::integer,
				  'changed', v_seen.changed);
end
$$;

create function muster.report_feed(p_organization text, p_host text, p_root text, p_report text,
				   p_after bigint, p_limit integer)
returns table (floor bigint, head bigint, id bigint, organization_id uuid, type text, project_id text,
	       is_internal boolean, envelope text, subject text, is_left boolean)
language plpgsql security definer rows 10 set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
begin
	perform muster.report_ingest(p_organization, p_host, p_root, p_report);
	-- Later than the numbering, and so with what all before it numbered.
	return query select f.*, exists (select from muster.outbox) from muster.event_rows(p_after, p_limit) f;
end
$$;
