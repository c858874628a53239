-- SPDX-License-Identifier: MIT
-- Findings as a file, in pieces.
--
--   finding_export(p_format, …, p_cursor) → body, next: a piece of the file, and the cursor of the one
--       behind it, or null. p_format: json, csv or sarif (2.1.0). The filters are finding_list()'s; the
--       order is the worst first. The first piece has the file's head, the last one its end, so that all
--       of them together are the file. SARIF is about what is there: without p_state what was
--       resolved is left out.

-- Every byte that a URI cannot hold as it is, by RFC 3986.
create function muster.uri_escape(p_text text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
begin
	if p_text ~ '^[A-Za-z0-9._~/-]*$' then
		return p_text;
	end if;
	return (select string_agg(case when c ~ '[A-Za-z0-9._~/-]' then c
			else regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g') end,
			'' order by n)
		  from regexp_split_to_table(p_text, '') with ordinality s (c, n));
end
$$;

-- For code scanning: over 9 is critical, 7 high, 4 medium, the rest low.
create function muster.sarif_severity(p_severity text) returns text
language sql immutable parallel safe
return case p_severity when 'critical' then '9.5' when 'high' then '8.0' when 'medium' then '5.5'
       when 'low' then '3.0' else '1.0' end;

create function muster.sarif_level(p_severity text) returns text
language sql immutable parallel safe
return case when p_severity in ('critical', 'high') then 'error' when p_severity = 'medium' then 'warning'
	    else 'note' end;

create function muster.sarif_rule(p_rule muster.rule, p_severity text) returns jsonb
language sql immutable parallel safe
return jsonb_strip_nulls(jsonb_build_object('id', (p_rule).key, 'name', (p_rule).key,
	'shortDescription', jsonb_build_object('text', coalesce(nullif((p_rule).title, ''), (p_rule).key)),
	'help', jsonb_build_object('text', coalesce(nullif((p_rule).remedy, ''), nullif((p_rule).title, ''), (p_rule).key)),
	'helpUri', case when (p_rule).url ~ '^https://' then (p_rule).url end,
	'defaultConfiguration', jsonb_build_object('level', muster.sarif_level(p_severity)),
	'properties', jsonb_build_object('tags', jsonb_build_array('security', (p_rule).kind),
		'security-severity', muster.sarif_severity(p_severity))));

-- p_finding: of finding_json(). p_is_one: all are of one repository, whose paths need no other base.
create function muster.sarif_result(p_finding jsonb, p_is_one boolean) returns jsonb
language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object('ruleId', p_finding -> 'rule',
	'level', muster.sarif_level(p_finding ->> 'severity'), 'kind', 'fail',
	'message', jsonb_build_object('text', concat_ws(': ',
		coalesce(nullif(p_finding ->> 'title', ''), p_finding ->> 'rule'), p_finding ->> 'sample')),
	'locations', jsonb_build_array(jsonb_build_object('physicalLocation', jsonb_build_object(
		'artifactLocation', jsonb_build_object('uri', muster.uri_escape(coalesce(p_finding ->> 'path', '')),
			'uriBaseId', case when p_is_one then '%SRCROOT%' else '%' || (p_finding #>> '{repository,id}') || '%' end),
		'region', case when (p_finding ->> 'line')::integer > 0
			       then jsonb_build_object('startLine', p_finding -> 'line') end))),
	'partialFingerprints', jsonb_build_object('musterLocation/v1', p_finding -> 'fingerprint',
		'musterSecret/v1', p_finding -> 'secret_id'),
	'occurrenceCount', p_finding -> 'occurrences',
	'suppressions', case when p_finding ->> 'state' = 'ignored' then jsonb_build_array(jsonb_build_object(
		'kind', case p_finding ->> 'ignored_by' when 'repository' then 'inSource' else 'external' end,
		'status', 'accepted', 'justification', p_finding -> 'reason')) else '[]' end,
	'properties', jsonb_build_object('repository', p_finding #> '{repository,name}', 'state', p_finding -> 'state',
		'severity', p_finding -> 'severity', 'kind', p_finding -> 'kind', 'commit', p_finding -> 'commit',
		'author', p_finding -> 'author', 'date', p_finding -> 'committed_at',
		'security-severity', muster.sarif_severity(p_finding ->> 'severity'))));

create function muster.finding_csv(p_finding jsonb) returns text
language plpgsql stable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
begin
	return concat_ws(',', p_finding ->> 'id', p_finding ->> 'severity', p_finding ->> 'state', p_finding ->> 'kind',
		muster.csv(p_finding ->> 'rule'), muster.csv(p_finding ->> 'title'), muster.csv(p_finding #>> '{repository,name}'),
		muster.csv(p_finding ->> 'path'), coalesce(p_finding ->> 'line', ''), muster.csv(p_finding ->> 'sample'),
		case p_finding -> 'in_head' when 'true' then 'yes' when 'false' then 'no' else '' end,
		coalesce(p_finding ->> 'commit', ''), muster.csv(p_finding ->> 'author'),
		coalesce(p_finding ->> 'committed_at', ''), p_finding ->> 'first_seen_at',
		coalesce(p_finding ->> 'last_seen_at', ''), muster.csv(p_finding #>> '{assignee,email}'),
		p_finding ->> 'occurrences', muster.csv(p_finding ->> 'fingerprint'), muster.csv(p_finding ->> 'reason'))
	       || E'\r\n';
end
$$;

create function muster.finding_export_head(p_format text, p_rule text) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	if p_format = 'csv' then
		return 'ID,Severity,State,Kind,Rule,Title,Repository,Path,Line,Sample,In HEAD,Commit,Author,Committed,'
		       || E'First Seen,Last Seen,Assignee,Occurrences,Fingerprint,Reason\r\n';
	elsif p_format = 'json' then
		return '{"exported_at": ' || to_jsonb(muster.iso(now()))::text || ', "findings": [';
	end if;
	return '{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [{'
	       || '"tool": {"driver": {"name": "Muster", "rules": ' || (
			select coalesce(jsonb_agg(muster.sarif_rule(r, coalesce(r.severity, f.severity, 'medium'))
						  order by r.key), '[]')
			  from (select distinct on (x.key) x.* from muster.rule x
				 where x.organization_id = v_organization and (p_rule is null or x.key = p_rule)
				 order by x.key, x.kind) r
			  left join lateral (select w.severity from muster.finding w
					      where w.organization_id = v_organization and w.rule = r.key limit 1) f on true)
	       || '}}, "columnKind": "unicodeCodePoints", "results": [';
end
$$;

-- The next ones of the file: at most 2000, in order, found by looking at a bounded number, so that a
-- filter that nothing matches takes no statement longer than it may. Each severity is a walk of its own
-- along an index, down from where the last one ended, which no other piece walks again. next: null when
-- these are the last, else [rank, id], which is p_rank and p_id then.
create function muster.finding_export_page(p_repo text, p_state text, p_severity text, p_kind text, p_rule text,
					   p_q text, p_assignee text, p_in_head boolean, p_rank smallint,
					   p_id bigint, out ids bigint[], out next jsonb)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan set jit = off as $$
declare
	c_most constant integer := 2000;
	c_looked constant integer := 20000;
	v_organization uuid := muster.organization_need();
	v_states text[] := array(select distinct unnest(coalesce(string_to_array(nullif(p_state, ''), ','),
								 array['open', 'in_progress', 'resolved', 'ignored'])));
	v_ranks smallint[] := array(select distinct muster.severity_rank(s) from unnest(
		coalesce(string_to_array(nullif(p_severity, ''), ','), array['critical', 'high', 'medium', 'low', 'info'])) s);
	v_kinds text[] := string_to_array(nullif(p_kind, ''), ',');
	v_repo uuid := case when nullif(p_repo, '') is not null then muster.repo_id(p_repo) end;
	v_assignee uuid := case when p_assignee = 'me' then muster.account() else nullif(p_assignee, '')::uuid end;
	v_q text := '%' || regexp_replace(lower(nullif(p_q, '')), '([\\%_])', '\\\1', 'g') || '%';
	v_id bigint := p_id;
	v_limit integer;
	-- What an index has in this order, and what has to be looked at. Constants alone, nothing of the request.
	v_walk text := case when v_repo is not null then ' and f.repo_id = $5' else '' end
		|| case when nullif(p_rule, '') is not null then ' and f.rule = $6' else '' end
		|| case when v_assignee is not null then ' and f.assignee_id = $7' else '' end;
	v_filter text := case when v_kinds is not null then ' and f.kind = any ($8)' else '' end
		|| case when v_q is not null then ' and f.search like $9' else '' end
		|| case when p_in_head is not null then ' and f.in_head = $10' else '' end;
	v_is_rare boolean := v_q is not null and muster.finding_estimate(v_q) <= c_looked;
	v_looked integer;
	v_last bigint;
	v_some bigint[];
begin
	ids := '{}';
	if v_is_rare then
		-- What few have is read at once.
		execute format($query$
			select coalesce(array_agg(id order by rank desc, id desc) filter (where k <= $4), '{}'),
			       min(array[rank, id]) filter (where k <= $4 and n > $4)
			  from (select f.id, f.rank, row_number() over (order by f.rank desc, f.id desc) as k, count(*) over () as n
				  from muster.finding f
				 where f.organization_id = $1 and f.state = any ($2) and f.rank = any ($3)
				   and (f.rank < $11 or (f.rank = $11 and f.id < $12)) %s %s) f$query$, v_walk, v_filter)
		   into ids, v_some
		  using v_organization, v_states, v_ranks, c_most, v_repo, p_rule, v_assignee, v_kinds, v_q, p_in_head,
			p_rank, p_id;
		next := to_jsonb(v_some);
		return;
	end if;
	for v_rank in reverse p_rank .. 1 loop
		continue when v_rank <> all (v_ranks);
		v_limit := case v_filter when '' then c_most - cardinality(ids) else c_looked end;
		execute format($query$
			with looked as materialized (select id from (%s) w order by id desc limit $4)
			select (select count(*) from looked), (select min(id) from looked),
			       (select coalesce(array_agg(x.id order by x.id desc), '{}')
				  from (select f.id from looked l join muster.finding f on f.id = l.id
					 where true %s order by f.id desc limit $11) x)$query$,
			(select string_agg(format('(select f.id from muster.finding f where f.organization_id = $1
				and f.state = $2[%s] and f.rank = $3 and f.id < $12 %s order by f.id desc limit $4)', n, v_walk),
				' union all ') from generate_subscripts(v_states, 1) n), v_filter)
		   into v_looked, v_last, v_some
		  using v_organization, v_states, v_rank, v_limit, v_repo, p_rule, v_assignee, v_kinds, v_q, p_in_head,
			c_most - cardinality(ids), v_id;
		ids := ids || v_some;
		if cardinality(ids) >= c_most then
			next := jsonb_build_array(v_rank, ids[c_most]);
			return;
		elsif v_looked >= v_limit then
			next := jsonb_build_array(v_rank, v_last);
			return;
		end if;
		v_id := 9223372036854775807;
	end loop;
end
$$;

create function muster.finding_export(p_format text, p_repo text default null, p_state text default null,
				      p_severity text default null, p_kind text default null, p_rule text default null,
				      p_q text default null, p_assignee text default null, p_in_head boolean default null,
				      p_cursor text default null)
returns table (body text, next text)
language plpgsql stable security definer rows 1 set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
	v_is_one boolean := coalesce(p_repo, '') <> '';
	v_state text := case when p_format = 'sarif' then coalesce(nullif(p_state, ''), 'open,in_progress,ignored')
			     else p_state end;
	v_cursor jsonb := muster.cursor_parse(p_cursor, 3); -- rank, id, whether something was written
	v_is_begun boolean := coalesce(v_cursor -> 2 = 'true', false);
	v_page record;
	v_piece text;
begin
	select * into v_page from muster.finding_export_page(p_repo, v_state, p_severity, p_kind, p_rule, p_q, p_assignee,
		p_in_head, coalesce(muster.json_int(v_cursor -> 0, 1, 5), 5)::smallint,
		coalesce(muster.json_int(v_cursor -> 1, 0, 9223372036854775807), 9223372036854775807));
	select case p_format when 'csv' then string_agg(muster.finding_csv(e.j), '' order by e.n)
			     when 'json' then string_agg(e.j::text, E',\n' order by e.n)
			     else string_agg(muster.sarif_result(e.j, v_is_one)::text, E',\n' order by e.n) end
	  into v_piece
	  from (select i.n, muster.finding_body(f, r.name, r.scanned_at,
			case when f.assignee_id is not null then muster.person_json(f.assignee_id) end) as j
		  from unnest(v_page.ids) with ordinality i (id, n)
		  join muster.finding f on f.id = i.id
		  join muster.repo r on r.id = f.repo_id offset 0) e;
	next := muster.cursor_format(v_page.next || to_jsonb(v_is_begun or v_piece is not null));
	body := case when v_cursor is null then muster.finding_export_head(p_format, nullif(p_rule, '')) else '' end
		|| case when v_piece is null then ''
			when p_format = 'csv' then v_piece
			when v_is_begun then E',\n' || v_piece else E'\n' || v_piece end
		|| case when next is not null or p_format = 'csv' then ''
			when p_format = 'json' then E'\n]}\n' else E'\n]}]}\n' end;
	return next;
end
$$;
