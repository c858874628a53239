-- SPDX-License-Identifier: MIT
-- Settings that people change in the page, and the trail of who did what.
--
--   setting_list() → {"items": [{key, value, default, low, high, words, scope, help,
--       updated_at}], "next": null}: all there
--       are. scope: "organization", or "platform" for what holds for the whole server. default is what
--       holds without the organisation's own value.
--   setting_update(p_key, p_value) → it. Null gives the default back. MU400, MU403, MU404.
--   trail_list(p_action, p_account, p_subject, p_since, p_until, p_limit, p_cursor) → {"items": [{id,
--       action, subject, account, data, address, at}], "next"}, the newest first. p_action: the whole
--       word, or its beginning up to a dot ("token.").
--   setting_value(p_key, p_organization) → what holds there: its own, else everybody's, else ours.
--       Internal.
--   trail_page(p_organization, p_is_everywhere, …): the list of one organisation or, null, of all; each entry
--       with its "organization" if p_is_everywhere. Internal.
--   setting_set(p_key, p_value, p_organization): null: for all that have none of their own. Internal.

-- Every setting that there is. kind: days (low to high), words (one of them).
create function muster.setting_known()
returns table (key text, standard jsonb, scope text, low integer, high integer, words text[], help text)
language sql immutable parallel safe
begin atomic
	select * from (values
		('auth.register', '"closed"'::jsonb, 'platform', null::integer, null::integer,
		 array['closed', 'open'], 'Whether people may make accounts themselves; invitations always work.'),
		('organization.create', '"administrator"', 'platform', null, null,
		 array['administrator', 'everybody'], 'Who may make organizations.'),
		('repo.private_addresses', '"no"', 'platform', null, null, array['no', 'yes'],
		 'Whether what is added or imported may lie in a private network: for a forge of one''s own.'),
		('organization.max_concurrent_runs', 'null', 'platform', 0, 1000000, null,
		 'How much an organization that somebody makes for themselves may have done at once; null: as there is room for.'),
		('organization.max_repositories', 'null', 'platform', 0, 1000000, null,
		 'How many repositories such an organization may have; null: no limit.'),
		('report.recipients', '"nobody"', 'organization', null, null, array['nobody', 'administrators', 'members'],
		 'Who gets the daily summary as a letter.'),
		('retention.audit_days', '30', 'organization', 1, 36500, null,
		 'Audits are kept this long; the latest of each folder always.'),
		('retention.deployment_days', '365', 'organization', 1, 36500, null,
		 'Deployments are kept this long; the latest of each environment always.'),
		('retention.event_days', '7', 'platform', 1, 3650, null,
		 'Events are kept this long; a page that was away for longer loads everything again.'),
		('retention.finding_days', '365', 'organization', 1, 36500, null,
		 'Findings are kept this long after they are gone, with their history and comments.'),
		('retention.job_attempt_days', '30', 'organization', 1, 36500, null,
		 'What earlier tries of a job said and took is kept this long, at most as long as the job.'),
		('retention.job_days', '1', 'organization', 1, 36500, null,
		 'Jobs are kept this long after they were done or cancelled; their runs have a time of their own.'),
		('retention.job_dead_days', '30', 'organization', 1, 36500, null,
		 'Jobs that failed for good are kept this long, and can be done again.'),
		('retention.metric_days', '90', 'organization', 1, 36500, null, 'Figures are kept this long.'),
		('retention.repo_days', '30', 'organization', 1, 36500, null,
		 'Repositories that are gone are kept this long, with their findings.'),
		('retention.run_days', '30', 'organization', 1, 36500, null,
		 'Runs are kept this long after they ended.'),
		('retention.run_log_days', '14', 'organization', 1, 36500, null,
		 'What runs printed is kept this long.'),
		('retention.schedule_tick_days', '30', 'organization', 1, 36500, null,
		 'What became of schedules is kept this long.'),
		('retention.summary_days', '365', 'organization', 1, 36500, null,
		 'Daily summaries are kept this long.'),
		('retention.test_run_days', '365', 'organization', 1, 36500, null,
		 'Test runs are kept this long.'),
		('retention.trash_days', '30', 'organization', 1, 36500, null,
		 'Repositories that were deleted can be brought back for this long.'),
		('scan.first', '"yes"', 'organization', null, null, array['no', 'yes'],
		 'Whether a repository is scanned as soon as an audit has found it; else when a schedule says so.')) k;
end;

-- plpgsql, for one of language sql is planned at each call.
create function muster.setting_value(p_key text, p_organization uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select muster.setting_get(k.key, k.standard, p_organization) from muster.setting_known() k where k.key = p_key);
end
$$;

create function muster.setting_json(p_key text, p_organization uuid) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select jsonb_build_object('key', k.key, 'scope', k.scope, 'help', k.help,
		'default', case when p_organization is not null and k.scope = 'organization'
				then muster.setting_value(k.key, null) else k.standard end,
		'value', muster.setting_value(k.key, p_organization),
		'low', k.low, 'high', k.high, 'words', to_jsonb(k.words), 'updated_at', muster.iso(s.updated_at))
	  from muster.setting_known() k
	  left join muster.setting s on s.key = k.key
	   and s.organization_id is not distinct from case when k.scope = 'organization' then p_organization end
	 where k.key = p_key);

create function muster.setting_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return jsonb_build_object('next', null, 'items', (
		select jsonb_agg(muster.setting_json(k.key, v_organization) order by k.key) from muster.setting_known() k));
end
$$;

create function muster.setting_set(p_key text, p_value jsonb, p_organization uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_known record;
	v_for uuid;
begin
	select * into v_known from muster.setting_known() k where k.key = p_key;
	if v_known.key is null then
		raise exception using errcode = 'MU404', message = 'There is no such setting.';
	end if;
	if v_known.scope = 'platform' and current_setting('muster.role', true) <> 'platform_admin' then
		raise exception using errcode = 'MU403',
			message = 'This holds for the whole server: its administrator changes it.';
	end if;
	v_for := case when v_known.scope = 'organization' then p_organization end;
	if p_value = 'null' then
		delete from muster.setting s where s.key = p_key and s.organization_id is not distinct from v_for;
	else
		if v_known.words is not null and not (jsonb_typeof(p_value) = 'string'
						      and p_value #>> '{}' = any (v_known.words)) then
			perform muster.field_error('value', 'must be one of ' || array_to_string(v_known.words, ', '));
		elsif v_known.low is not null and not (jsonb_typeof(p_value) = 'number'
				and (p_value #>> '{}')::numeric = trunc((p_value #>> '{}')::numeric)
				and (p_value #>> '{}')::numeric between v_known.low and v_known.high) then
			perform muster.field_error('value', format('must be a whole number from %s to %s',
								   v_known.low, v_known.high));
		end if;
		insert into muster.setting (organization_id, key, value)
		values (v_for, p_key, p_value)
		    on conflict (organization_id, key) do update set value = excluded.value, updated_at = now();
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (muster.organization(), muster.account(), 'setting.update', p_key,
		jsonb_build_object('value', p_value, 'everywhere', v_for is null));
	return muster.setting_json(p_key, p_organization);
end
$$;

create function muster.setting_update(p_key text, p_value jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.setting_set(p_key, p_value, muster.organization_need());
end
$$;

create function muster.trail_json(p_trail muster.trail) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_trail).id, 'action', (p_trail).action, 'subject', (p_trail).subject,
	'data', (p_trail).data, 'address', (p_trail).address, 'at', muster.iso((p_trail).at),
	'account', muster.person_json((p_trail).account_id));

create function muster.trail_page(p_organization uuid, p_is_everywhere boolean, p_action text, p_account uuid,
				  p_subject text, p_since timestamptz, p_until timestamptz, p_limit integer,
				  p_cursor text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 2);
	v_at timestamptz := 'infinity';
	v_id bigint := coalesce(muster.json_int(v_cursor -> 1, 0, 9223372036854775807), 9223372036854775807);
	v_actions text[] := array[nullif(p_action, '')];
	v_is_by_action boolean := p_account is null and coalesce(p_subject, '') = '';
begin
	begin
		v_at := coalesce(v_cursor ->> 0, 'infinity')::timestamptz;
	exception when data_exception then
		perform muster.field_error('cursor', 'is not one that this list gave');
	end;
	-- One bound: of two the index begins at the first, and goes over all that is newer than the other.
	if p_until <= v_at then
		v_at := p_until;
		v_id := 0;
	end if;
	-- From action to action along the index: those that begin so.
	if p_action like '%.' then
		with recursive walk as (
			(select r.action from muster.trail r
			  where (p_organization is null or r.organization_id = p_organization)
			  order by r.action limit 1)
			union all
			select (select r.action from muster.trail r
				 where (p_organization is null or r.organization_id = p_organization)
				   and r.action > w.action
				 order by r.action limit 1) from walk w where w.action is not null)
		select coalesce(array_agg(w.action), '{}') into v_actions
		  from walk w where starts_with(w.action, p_action);
	end if;
	-- An action may be rare: its walk is along the index that begins with it, not along that of the time,
	-- which a plan that does not know the action takes where it is the same order. What one account did, or
	-- was done to one subject, is less than what there is of an action.
	return (with page as (
			(select r from muster.trail r
			  where (not v_is_by_action or coalesce(p_action, '') = '')
			    and (p_organization is null or r.organization_id = p_organization)
			    and (r.at, r.id) < (v_at, v_id)
			    and (coalesce(p_action, '') = '' or r.action = any (v_actions))
			    and (p_account is null or r.account_id = p_account)
			    and (coalesce(p_subject, '') = '' or r.subject = p_subject)
			    and (p_since is null or r.at >= p_since)
			  order by r.at desc, r.id desc limit v_limit + 1)
			union all
			(select w.r from unnest(v_actions) a (action)
			  cross join lateral (
				select r from muster.trail r
				 where v_is_by_action and coalesce(p_action, '') <> ''
				   and (p_organization is null or r.organization_id = p_organization)
				   and (r.action, r.at, r.id) < (a.action, v_at, v_id) and r.action >= a.action
				   and (p_since is null or r.at >= p_since)
				 order by r.action desc, r.at desc, r.id desc limit v_limit + 1) w))
		select jsonb_build_object('items', coalesce(jsonb_agg(case when p_is_everywhere
				then muster.trail_json(t.r) || jsonb_build_object('organization', (
					select jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name)
					  from muster.organization o
					 where o.id = (t.r).organization_id and o.removed_at is null))
				else muster.trail_json(t.r) end order by t.k) filter (where t.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(jsonb_build_array(
				((array_agg((t.r).at order by t.k))[v_limit])::text,
				(array_agg((t.r).id order by t.k))[v_limit])) end)
		  from (select p.r, row_number() over (order by (p.r).at desc, (p.r).id desc) as k from page p
			 order by (p.r).at desc, (p.r).id desc limit v_limit + 1) t);
end
$$;

create function muster.trail_list(p_action text default null, p_account uuid default null,
				  p_subject text default null, p_since timestamptz default null,
				  p_until timestamptz default null, p_limit integer default null,
				  p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
begin
	return muster.trail_page(muster.organization_need(), false, p_action, p_account, p_subject, p_since, p_until,
				 p_limit, p_cursor);
end
$$;
