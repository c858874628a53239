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
language sql immutable parallel safe
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

create function muster.finding_export(p_format text, p_repo text default null, p_state text default null,
				      p_severity text default null, p_kind text default null, p_rule text default null,
				      p_q text default null, p_assignee text default null, p_in_head boolean default null,
				      p_cursor text default null)
returns table (body text, next text)
language plpgsql stable security definer rows 1 set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_is_first boolean := coalesce(p_cursor, '') = '';
	v_state text := case when p_format = 'sarif' then coalesce(nullif(p_state, ''), 'open,in_progress,ignored')
			     else p_state end;
	v_page jsonb;
	v_piece text;
begin
	next := p_cursor;
	body := case when v_is_first then muster.finding_export_head(p_format, nullif(p_rule, '')) else '' end;
	-- A piece is some pages of the list: large enough not to ask often, small enough to hold.
	for i in 1 .. 5 loop
		v_page := muster.finding_list(p_repo, v_state, p_severity, p_kind, p_rule, p_q, p_assignee, p_in_head,
					      'severity', 200, next);
		v_piece := case p_format
			when 'csv' then (select string_agg(muster.finding_csv(f), '' order by n)
					   from jsonb_array_elements(v_page -> 'items') with ordinality e (f, n))
			when 'json' then (select string_agg(f::text, E',\n' order by n)
					    from jsonb_array_elements(v_page -> 'items') with ordinality e (f, n))
			else (select string_agg(muster.sarif_result(f, coalesce(p_repo, '') <> '')::text, E',\n' order by n)
				from jsonb_array_elements(v_page -> 'items') with ordinality e (f, n)) end;
		body := body || case when v_piece is null then ''
				     when p_format = 'csv' then v_piece
				     when v_is_first then E'\n' || v_piece else E',\n' || v_piece end;
		v_is_first := false;
		next := v_page ->> 'next';
		exit when next is null;
	end loop;
	body := body || case when next is not null or p_format = 'csv' then ''
			     when p_format = 'json' then E'\n]}\n' else E'\n]}]}\n' end;
	return next;
end
$$;
