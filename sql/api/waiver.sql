-- SPDX-License-Identifier: MIT
-- Waivers: "this is all right", with a reason and an end. Whoever gives one of rule, path, repository
-- or fingerprint waives all that match all of them.
--
--   waiver_list(p_limit, p_cursor) → {"items", "next"}, the newest first, with how many each covers.
--   waiver_add(p_reason, p_rule, p_path, p_repo, p_fingerprint, p_days) → it; what is open and matches
--       is ignored at once. MU400 when nothing says what it is for.
--   waiver_remove(p_waiver) → it; what it alone kept ignored is open again. MU404.
--   waiver_apply(p_organization, p_repo): what is open and matches is ignored. Internal.
--   waiver_expire() → how many ended: what they kept ignored is open again. For the runner.

create function muster.waiver_json(p_waiver muster.waiver) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_waiver).id, 'reason', (p_waiver).reason, 'rule', (p_waiver).rule,
	'path', (p_waiver).path, 'fingerprint', (p_waiver).fingerprint,
	'repository', muster.repo_brief((p_waiver).repo_id),
	'account', muster.person_json((p_waiver).account_id),
	'findings', (select count(*) from muster.finding f where f.waiver_id = (p_waiver).id),
	'created_at', muster.iso((p_waiver).created_at), 'expires_at', muster.iso((p_waiver).expires_at));

create function muster.waiver_apply(p_organization uuid, p_repo uuid default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count bigint;
begin
	with chosen as (
		select distinct on (f.id) f.id, f.state, w.id as waiver_id, w.reason
		  from muster.waiver w
		  join muster.finding f on f.organization_id = p_organization
		   and f.state in ('open', 'in_progress')
		   and (w.repo_id is null or f.repo_id = w.repo_id)
		   and (w.rule is null or f.rule = w.rule)
		   and (w.path is null or f.path like muster.glob_like(w.path))
		   and (w.fingerprint is null or f.fingerprint = w.fingerprint)
		 where w.organization_id = p_organization and (w.expires_at is null or w.expires_at > now())
		   and (p_repo is null or f.repo_id = p_repo)
		 order by f.id, w.expires_at desc nulls first
	), changed as (
		update muster.finding f
		   set state = 'ignored', ignored_by = 'waiver', waiver_id = c.waiver_id, reason = c.reason,
		       changed_at = now()
		  from chosen c where f.id = c.id
		returning f.id, f.repo_id, f.first_seen_at, c.state as before, f.reason
	), told as (
		insert into muster.finding_state (organization_id, project_id, finding_id, found_at, account_id, before,
			after, reason)
		select p_organization, r.project_id, c.id, c.first_seen_at, muster.account(), c.before, 'ignored', c.reason
		  from changed c join muster.repo r on r.id = c.repo_id
	)
	select count(*) into v_count from changed;
	return v_count;
end
$$;

-- What these waivers kept ignored is open again, or ignored by another that matches.
create function muster.waiver_release(p_waivers uuid[], p_reason text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	with changed as (
		update muster.finding f
		   set state = case when f.gone_at is null then 'open' else 'resolved' end, ignored_by = null,
		       waiver_id = null, reason = p_reason, changed_at = now()
		 where f.waiver_id = any (p_waivers) and f.state = 'ignored'
		returning f.organization_id, f.repo_id, f.id, f.first_seen_at, f.state
	)
	insert into muster.finding_state (organization_id, project_id, finding_id, found_at, account_id, before, after, reason)
	select c.organization_id, r.project_id, c.id, c.first_seen_at, muster.account(), 'ignored', c.state, p_reason
	  from changed c join muster.repo r on r.id = c.repo_id;
end
$$;

create function muster.waiver_list(p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_at timestamptz;
	v_id uuid;
begin
	select c.at, c.id into v_at, v_id from muster.cursor_moment(p_cursor) c;
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.waiver_json(p.w) order by p.k) filter (where p.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then (
				select muster.cursor_format(jsonb_build_array(((array_agg((p.w).created_at order by p.k))[v_limit])::text,
					(array_agg((p.w).id order by p.k))[v_limit]))) end)
		  from (select w, row_number() over (order by w.created_at desc, w.id desc) as k
			  from muster.waiver w
			 where w.organization_id = v_organization and (w.created_at, w.id) < (v_at, v_id)
			 order by w.created_at desc, w.id desc limit v_limit + 1) p);
end
$$;

create function muster.waiver_add(p_reason text, p_rule text default null, p_path text default null,
				  p_repo text default null, p_fingerprint text default null,
				  p_days integer default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_waiver muster.waiver;
	v_repo uuid := muster.repo_id(p_repo);
begin
	if num_nonnulls(v_repo, p_rule, p_path, p_fingerprint) = 0 then
		perform muster.field_error('rule', 'or path, repo or fingerprint has to say what this is for');
	end if;
	insert into muster.waiver (organization_id, account_id, repo_id, rule, path, fingerprint, reason, expires_at)
	values (v_organization, muster.account(), v_repo, p_rule, p_path, p_fingerprint, p_reason,
		now() + make_interval(days => p_days))
	returning * into v_waiver;
	perform muster.finding_lock(v_organization);
	perform muster.waiver_apply(v_organization, v_repo);
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'waiver.add', v_waiver.id::text,
		jsonb_strip_nulls(jsonb_build_object('rule', p_rule, 'path', p_path, 'repo', v_repo,
						     'fingerprint', p_fingerprint, 'reason', left(p_reason, 500))));
	return muster.waiver_json(v_waiver);
end
$$;

create function muster.waiver_remove(p_waiver uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_waiver muster.waiver;
	v_json jsonb;
begin
	perform muster.finding_lock(v_organization);
	select * into v_waiver from muster.waiver
	 where id = p_waiver and organization_id = v_organization for update;
	if v_waiver.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such waiver.';
	end if;
	v_json := muster.waiver_json(v_waiver);
	perform muster.waiver_release(array[p_waiver], 'its waiver was removed');
	delete from muster.waiver where id = p_waiver;
	perform muster.waiver_apply(v_organization, v_waiver.repo_id);
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization, muster.account(), 'waiver.remove', p_waiver::text);
	return v_json;
end
$$;

create function muster.waiver_expire() returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_ended uuid[];
	v_organization uuid;
begin
	select array_agg(id) into v_ended from muster.waiver where expires_at <= now();
	if v_ended is null then
		return 0;
	end if;
	for v_organization in select distinct organization_id from muster.waiver where id = any (v_ended) order by 1 loop
		perform muster.finding_lock(v_organization);
	end loop;
	perform muster.waiver_release(v_ended, 'its waiver has ended');
	for v_organization in select distinct organization_id from muster.waiver where id = any (v_ended) loop
		perform muster.waiver_apply(v_organization);
	end loop;
	delete from muster.waiver where id = any (v_ended);
	return cardinality(v_ended);
end
$$;
