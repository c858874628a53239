-- SPDX-License-Identifier: MIT
-- How the repositories of an organisation are on a day: kept, and sent to who wants it.
--
--   summary_letter() → {repos, subject, text, html}: how they are now, as a letter. MU404: there is none.
--   summary_list(p_limit, p_cursor) → {"items": [summary], "next"}, the newest first: one a day
--   summary_get(p_summary) → summary + {"repositories": [{id, name, status}] that are not clean, at most 500,
--       "text"}. MU404.
--   summary_compose(p_organization) → what a summary is made of; null: there is no report. Internal.
--   summary_step(p_job) → false. Keeps today's summary, as it is now, and the letters that the setting
--       report.recipients wants, of which each person gets one a day. For job_step().
--   letter_take() → (id, email, subject, text, html) of the next letter that is due, or nulls. Whoever takes it
--       has five minutes to say what became of it: letter_done(p_id, p_error). One that is not sent is tried
--       again, five times. For the runner.
--
-- A summary: {id, day, created_at, health_status, subject, summary: as in a report, findings: open ones by
-- severity, null when nothing was ever scanned, letters {waiting, sent, failed, error}}. A day is one of UTC.

create function muster.summary_compose(p_organization uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_all record;
	v_findings jsonb;
	v_repos jsonb;
begin
	select * into v_all from muster.summary_all(p_organization);
	if v_all.health_status is null then
		return null;
	end if;
	if exists (select from muster.repo where organization_id = p_organization and removed_at is null
		    and scanned_at is not null) then
		select '{"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0}'
		       || coalesce(jsonb_object_agg(s.severity, s.n), '{}') into v_findings
		  from (select c.severity, sum(c.n) as n from muster.finding_count c
			 where c.organization_id = p_organization and c.state in ('open', 'in_progress') group by 1) s;
	end if;
	select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'name', w.name, 'status', w.status)
				  order by w.rank, lower(w.name)), '[]') into v_repos
	  from (select r.id, r.name, r.status, muster.status_rank(r.status) as rank from muster.repo r
		 where r.organization_id = p_organization and r.removed_at is null and r.status <> 'clean'
		 order by muster.status_rank(r.status), lower(r.name) limit 500) w;
	return jsonb_build_object('name', (select name from muster.organization where id = p_organization),
		'health_status', v_all.health_status, 'summary', v_all.summary, 'findings', v_findings,
		'repositories', v_repos);
end
$$;

create function muster.summary_subject(p_data jsonb) returns text
language sql immutable parallel safe
return format('[GitOps Audit] Audit Summary - %s (%s repos, %s dirty)', upper(p_data ->> 'health_status'),
	p_data #>> '{summary,total}', p_data #>> '{summary,dirty}');

-- What both forms of the letter say, a line each.
create function muster.summary_lines(p_data jsonb) returns table (name text, value text)
language sql immutable parallel safe
begin atomic
	select l.name, p_data #>> array['summary', l.key]
	  from (values ('Repositories', 'total'), ('Clean', 'clean'), ('Dirty', 'dirty'), ('Missing', 'missing'),
		       ('Extra', 'extra'), ('Mismatched', 'mismatched')) l (name, key)
	union all
	select 'Open findings', (select string_agg(format('%s %s', p_data #>> array['findings', s], s), ', ')
				   from unnest(array['critical', 'high', 'medium', 'low', 'info']) s)
	 where jsonb_typeof(p_data -> 'findings') = 'object';
end;

create function muster.summary_text(p_data jsonb) returns text
language sql immutable parallel safe
return (p_data ->> 'name') || E'\n\n'
       || (select string_agg(format('%s: %s', l.name, l.value), E'\n') from muster.summary_lines(p_data) l) || E'\n\n'
       || coalesce((select string_agg(format('%s %s', rpad(r ->> 'status', 11), r ->> 'name'), E'\n')
		      from jsonb_array_elements(p_data -> 'repositories') r), 'Nothing needs attention.') || E'\n';

-- A name in a letter is text, whatever it looks like.
create function muster.html(p_text text) returns text
language sql immutable parallel safe
return replace(replace(replace(replace(p_text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');

create function muster.summary_html(p_data jsonb) returns text
language sql immutable parallel safe
return format(E'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>%s</title></head>\n<body><h1>%s: %s</h1>\n',
		muster.html(muster.summary_subject(p_data)), muster.html(p_data ->> 'name'), upper(p_data ->> 'health_status'))
       || E'<table>\n' || (select string_agg(format('<tr><th align="left">%s</th><td>%s</td></tr>', l.name, l.value), E'\n')
			     from muster.summary_lines(p_data) l) || E'\n</table>\n'
       || coalesce((select E'<table>\n' || string_agg(format('<tr><td>%s</td><td>%s</td></tr>',
						      r ->> 'status', muster.html(r ->> 'name')), E'\n') || E'\n</table>\n'
		      from jsonb_array_elements(p_data -> 'repositories') r), E'<p>Nothing needs attention.</p>\n')
       || E'</body></html>\n';

create function muster.summary_letter_of(p_data jsonb) returns jsonb
language sql immutable parallel safe
return jsonb_build_object('repos', p_data #> '{summary,total}', 'subject', muster.summary_subject(p_data),
	'text', muster.summary_text(p_data), 'html', muster.summary_html(p_data));

create function muster.summary_letter() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_data jsonb := muster.summary_compose(muster.organization_need());
begin
	if v_data is null then
		raise exception using errcode = 'MU404', message = 'No audit data found.';
	end if;
	return muster.summary_letter_of(v_data);
end
$$;

create function muster.summary_json(p_summary muster.summary) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('id', (p_summary).id, 'day', (p_summary).day,
		'created_at', muster.iso((p_summary).created_at),
		'health_status', (p_summary).data -> 'health_status', 'subject', muster.summary_subject((p_summary).data),
		'summary', (p_summary).data -> 'summary', 'findings', (p_summary).data -> 'findings',
		'letters', (select jsonb_build_object('waiting', count(*) filter (where l.state = 'waiting'),
				'sent', count(*) filter (where l.state = 'sent'),
				'failed', count(*) filter (where l.state = 'failed'), 'error', max(l.error))
			      from muster.letter l where l.summary_id = (p_summary).id));
end
$$;

create function muster.summary_list(p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_before bigint := coalesce(muster.json_int(muster.cursor_parse(p_cursor, 1) -> 0, 0, 9223372036854775807),
				    9223372036854775807);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.summary_json(p.s) order by p.k) filter (where p.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(jsonb_build_array(
				(array_agg((p.s).id order by p.k))[v_limit])) end)
		  from (select s, row_number() over (order by s.id desc) as k from muster.summary s
			 where s.organization_id = v_organization and s.id < v_before
			 order by s.id desc limit v_limit + 1) p);
end
$$;

create function muster.summary_get(p_summary bigint) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_summary muster.summary;
begin
	select * into v_summary from muster.summary
	 where id = p_summary and organization_id = muster.organization_need();
	if v_summary.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such summary.';
	end if;
	return muster.summary_json(v_summary)
	       || jsonb_build_object('repositories', v_summary.data -> 'repositories',
				     'text', muster.summary_text(v_summary.data));
end
$$;

-- Whether that person is to get it, now.
create function muster.letter_is_wanted(p_organization uuid, p_account uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_to text := muster.setting_value('report.recipients', p_organization) #>> '{}';
begin
	return exists (select from muster.membership m
			 join muster.account a on a.id = m.account_id
			 join muster.organization o on o.id = m.organization_id
			where m.organization_id = p_organization and m.account_id = p_account
			  and a.state = 'active' and a.removed_at is null and o.removed_at is null
			  and (v_to = 'members' or (v_to = 'administrators' and m.role = 'org_admin')));
end
$$;

create function muster.summary_step(p_job muster.job) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_data jsonb := muster.summary_compose((p_job).organization_id);
	v_summary bigint;
	v_letters bigint;
begin
	if v_data is null then
		update muster.job set message = 'Nothing was audited yet.' where id = (p_job).id;
		return false;
	end if;
	insert into muster.summary as s (organization_id, day, data)
	values ((p_job).organization_id, (now() at time zone 'UTC')::date, v_data)
	    on conflict (organization_id, day) do update set data = excluded.data, created_at = now()
	returning id into v_summary;
	insert into muster.letter (organization_id, account_id, summary_id)
	select m.organization_id, m.account_id, v_summary from muster.membership m
	 where m.organization_id = (p_job).organization_id
	   and muster.letter_is_wanted(m.organization_id, m.account_id)
	    on conflict do nothing;
	get diagnostics v_letters = row_count;
	update muster.job
	   set message = muster.summary_subject(v_data),
	       result = jsonb_build_object('summary_id', v_summary, 'letters', v_letters)
	 where id = (p_job).id;
	return false;
end
$$;

create function muster.letter_take(out id bigint, out email text, out subject text, out text text, out html text)
returns record
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_letter muster.letter;
	v_all jsonb;
begin
	loop
		select l.* into v_letter from muster.letter l
		 where l.state = 'waiting' and l.due_at <= now() order by l.due_at limit 1 for update skip locked;
		if v_letter.id is null then
			return;
		elsif not muster.letter_is_wanted(v_letter.organization_id, v_letter.account_id) then
			delete from muster.letter l where l.id = v_letter.id;
		elsif v_letter.attempt >= 5 then
			update muster.letter l set state = 'failed', error = coalesce(l.error, 'Nobody said that it was sent.')
			 where l.id = v_letter.id;
		else
			update muster.letter l set attempt = l.attempt + 1, due_at = now() + interval '5 minutes'
			 where l.id = v_letter.id;
			exit;
		end if;
	end loop;
	select muster.summary_letter_of(s.data) into v_all from muster.summary s where s.id = v_letter.summary_id;
	id := v_letter.id;
	email := (select a.email from muster.account a where a.id = v_letter.account_id);
	subject := v_all ->> 'subject';
	text := v_all ->> 'text';
	html := v_all ->> 'html';
end
$$;

create function muster.letter_done(p_id bigint, p_error text default null) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	update muster.letter
	   set state = case when p_error is null then 'sent' when attempt >= 5 then 'failed' else 'waiting' end,
	       error = left(p_error, 500), due_at = now() + attempt * attempt * interval '1 minute'
	 where id = p_id and state = 'waiting';
end;
