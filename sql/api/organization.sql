-- SPDX-License-Identifier: MIT
-- Organisations (workspaces, tenants) and who is in them, for people. For the terminal: account.sql. Other
-- systems' words for roles are taken: admin is org_admin, operator team_lead, editor developer.
--
--   organization_list(p_limit, p_cursor) → {"items", "next"}: one's own; the platform's administrator sees
--       all, an API token its own.
--   organization_get(p_organization) → {id, slug, name, personal, owner, members, projects,
--       repositories, max_repositories, max_concurrent_runs, role, created_at}. p_organization: slug or
--       id. MU404 also when one is not in it.
--   organization_new(p_slug, p_name, p_personal) → it; who asks owns it. For the platform's
--       administrator, and for all when the setting organization.create is "everybody". MU403, MU409.
--   organization_update(p_organization, p_name, p_slug, p_max_repositories, p_max_concurrent_runs, p_owner,
--       p_if_match) → it. Its administrators; the limits are the platform administrator's, another owner
--       is the owner's to name. MU403, MU412.
--   member_list(p_q, p_limit, p_cursor) → {"items": [{account, role, since, signed_in_at, state}], "next"}
--   member_update(p_account, p_role) → it. MU404; MU409: the last administrator.
--   member_remove(p_account) → it: sessions and tokens here end. Oneself may leave. MU403, MU409.

-- These organisations, in this order: what belongs to them is counted for all at once.
create function muster.organization_items(p_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
begin
	return (with members as materialized (
			select m.organization_id as id, count(*) as n from muster.membership m
			 where m.organization_id = any (p_ids) group by 1
		), projects as materialized (
			select p.organization_id as id, count(*) as n from muster.project p
			 where p.organization_id = any (p_ids) group by 1
		), repos as materialized (
			select r.organization_id as id, count(*) as n from muster.repo r
			 where r.organization_id = any (p_ids) and r.removed_at is null group by 1
		)
		select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name,
				'personal', o.personal,
				'owner', case when a.id is not null
					      then jsonb_build_object('id', a.id, 'email', a.email, 'name', a.name) end,
				'members', coalesce(m.n, 0), 'projects', coalesce(p.n, 0), 'repositories', coalesce(r.n, 0),
				'max_repositories', o.max_repositories, 'max_concurrent_runs', o.max_concurrent_runs,
				'role', muster.role_of(muster.account(), o.id),
				'created_at', muster.iso(o.created_at)) order by i.k), '[]')
		  from unnest(p_ids) with ordinality i (id, k)
		  join muster.organization o on o.id = i.id
		  left join muster.account a on a.id = o.owner_id
		  left join members m on m.id = i.id
		  left join projects p on p.id = i.id
		  left join repos r on r.id = i.id);
end
$$;

create function muster.organization_json(p_organization muster.organization) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.organization_items(array[(p_organization).id]) -> 0;
end
$$;

create function muster.organization_list(p_limit integer default null, p_cursor text default null)
returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_is_all boolean := current_setting('muster.role', true) = 'platform_admin';
	v_ids uuid[];
	v_slugs text[];
begin
	perform muster.organization_need();
	select array_agg(x.id order by x.slug), array_agg(x.slug order by x.slug) into v_ids, v_slugs
	  from (select o.id, o.slug from muster.organization o
		 where o.removed_at is null and (v_cursor is null or o.slug > v_cursor ->> 0)
		   and (muster.scopes() is null or o.id = muster.organization())
		   and (v_is_all or o.id in (select m.organization_id from muster.membership m
					      where m.account_id = muster.account()))
		 order by o.slug limit v_limit + 1) x;
	return jsonb_build_object('items', muster.organization_items(v_ids[1:v_limit]),
		'next', case when cardinality(v_ids) > v_limit
			     then muster.cursor_format(jsonb_build_array(v_slugs[v_limit])) end);
end
$$;

-- One that who asks is in, or MU404: what is another's looks like what is not there. A token is in its
-- own alone, whoever made it.
create function muster.organization_own(p_organization text) returns muster.organization
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization;
begin
	perform muster.organization_need();
	select * into v_organization from muster.organization o
	 where o.slug = p_organization or o.id::text = lower(p_organization);
	if v_organization.id is null or v_organization.removed_at is not null
	   or muster.role_of(muster.account(), v_organization.id) is null
	   or muster.scopes() is not null and v_organization.id <> muster.organization() then
		raise exception using errcode = 'MU404', message = 'There is no such organization.';
	end if;
	return v_organization;
end
$$;

create function muster.organization_get(p_organization text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.organization_json(muster.organization_own(p_organization));
end
$$;

-- Of an organisation that somebody makes; the server's administrator has none.
create function muster.organization_limits(out max_repositories integer, out max_concurrent_runs integer)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if current_setting('muster.role', true) is distinct from 'platform_admin' then
		max_repositories := (muster.setting_value('organization.max_repositories', null) #>> '{}')::integer;
		max_concurrent_runs := (muster.setting_value('organization.max_concurrent_runs', null) #>> '{}')::integer;
	end if;
end
$$;

create function muster.organization_new(p_slug text, p_name text, p_personal boolean default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization;
begin
	perform muster.organization_need();
	if current_setting('muster.role', true) <> 'platform_admin'
	   and muster.setting_get('organization.create', '"administrator"', null) <> '"everybody"' then
		raise exception using errcode = 'MU403',
			message = 'Only the administrator of this server makes organizations.';
	end if;
	insert into muster.organization (slug, name, personal, owner_id, max_repositories, max_concurrent_runs)
	select p_slug, p_name, coalesce(p_personal, false), muster.account(), l.max_repositories,
	       l.max_concurrent_runs
	  from muster.organization_limits() l
	    on conflict (slug) do nothing
	returning * into v_organization;
	if v_organization.id is null then
		raise exception using errcode = 'MU409', message = 'There is an organization of that name already.';
	end if;
	insert into muster.membership (organization_id, account_id, role)
	values (v_organization.id, muster.account(), 'org_admin');
	insert into muster.project (organization_id, slug, name) values (v_organization.id, 'default', 'Default');
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization.id, muster.account(), 'organization.add', v_organization.id::text);
	return muster.organization_json(v_organization);
exception when check_violation then
	perform muster.field_error('slug', 'has small letters, digits and inner -, at most 63');
end
$$;

create function muster.organization_update(p_organization text, p_name text default null,
		p_slug text default null, p_max_repositories integer default null,
		p_max_concurrent_runs integer default null, p_owner uuid default null,
		p_if_match text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization := muster.organization_own(p_organization);
	v_role text := muster.role_of(muster.account(), v_organization.id);
begin
	if muster.role_rank(v_role) < muster.role_rank('org_admin') then
		raise exception using errcode = 'MU403', message = 'Its administrators change an organization.';
	end if;
	if num_nonnulls(p_max_repositories, p_max_concurrent_runs) > 0 and v_role <> 'platform_admin' then
		raise exception using errcode = 'MU403',
			message = 'The administrator of this server sets the limits.';
	end if;
	if p_owner is not null and v_role <> 'platform_admin'
	   and v_organization.owner_id is distinct from muster.account() then
		raise exception using errcode = 'MU403', message = 'Its owner gives an organization to another.';
	end if;
	-- Locked before it is compared: of two that saw the same only one may go on.
	perform 1 from muster.organization where id = v_organization.id for no key update;
	if p_owner is not null and not exists (
		select from muster.membership where organization_id = v_organization.id
		   and account_id = p_owner and role = 'org_admin') then
		perform muster.field_error('owner', 'must be an administrator of the organization');
	end if;
	perform muster.match_check(p_if_match, muster.organization_get(v_organization.id::text));
	update muster.organization o
	   set name = coalesce(p_name, o.name), slug = coalesce(p_slug, o.slug),
	       max_repositories = coalesce(p_max_repositories, o.max_repositories),
	       max_concurrent_runs = coalesce(p_max_concurrent_runs, o.max_concurrent_runs),
	       owner_id = coalesce(p_owner, o.owner_id)
	 where o.id = v_organization.id
	returning * into v_organization;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization.id, muster.account(), 'organization.update', v_organization.id::text,
		jsonb_strip_nulls(jsonb_build_object('name', p_name, 'slug', p_slug,
			'max_repositories', p_max_repositories, 'max_concurrent_runs', p_max_concurrent_runs,
			'owner', p_owner)));
	return muster.organization_json(v_organization);
exception
	when unique_violation then
		raise exception using errcode = 'MU409', message = 'There is an organization of that name already.';
	when check_violation then
		perform muster.field_error('slug', 'has small letters, digits and inner -, at most 63');
end
$$;

create function muster.member_json(p_member muster.membership) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select jsonb_build_object('account', jsonb_build_object('id', a.id, 'email', a.email, 'name', a.name),
		'role', (p_member).role, 'platform_admin', a.platform_admin, 'state', a.state,
		'since', muster.iso((p_member).created_at), 'signed_in_at', muster.iso(a.signed_in_at))
	  from muster.account a where a.id = (p_member).account_id);

create function muster.member_list(p_q text default null, p_limit integer default null,
				   p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.member_json(p.m) order by p.k) filter (where p.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array((array_agg(p.email order by p.k))[v_limit])) end)
		  from (select m, lower(a.email) as email, row_number() over (order by lower(a.email)) as k
			  from muster.membership m join muster.account a on a.id = m.account_id
			 where m.organization_id = v_organization
			   and (v_cursor is null or lower(a.email) > v_cursor ->> 0)
			   and (coalesce(p_q, '') = '' or strpos(lower(a.email || ' ' || a.name), lower(p_q)) > 0)
			 order by lower(a.email) limit v_limit + 1) p);
end
$$;

-- Locks the organisation, so that two administrators who leave at once do not leave it without one.
create function muster.member_find(p_account uuid) returns muster.membership
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_member muster.membership;
begin
	perform 1 from muster.organization where id = muster.organization_need() for no key update;
	select * into v_member from muster.membership
	 where organization_id = muster.organization() and account_id = p_account;
	if v_member.account_id is null then
		raise exception using errcode = 'MU404', message = 'There is no such member.';
	end if;
	return v_member;
end
$$;

-- The address of a member, one's own without an argument: letters of ours go to nobody else. MU400.
create function muster.member_email(p_email text default null) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_email text;
begin
	select a.email into v_email from muster.account a
	 where case when coalesce(p_email, '') = '' then a.id = muster.account()
		    else lower(a.email) = lower(p_email)
			 and exists (select from muster.membership m
				      where m.organization_id = v_organization and m.account_id = a.id) end;
	if v_email is null then
		perform muster.field_error('email', 'is of nobody in this organization');
	end if;
	return v_email;
end
$$;

create function muster.member_update(p_account uuid, p_role text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_member muster.membership := muster.member_find(p_account);
	v_organization uuid := muster.organization_need();
	v_role text := muster.role_from(p_role);
begin
	if v_member.role = 'org_admin' and v_role <> 'org_admin' and not exists (
		select from muster.membership where organization_id = v_organization
		   and role = 'org_admin' and account_id <> p_account) then
		raise exception using errcode = 'MU409', message = 'Somebody has to be the administrator here.';
	end if;
	update muster.membership set role = v_role
	 where organization_id = v_organization and account_id = p_account
	returning * into v_member;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'member.update', p_account::text,
		jsonb_build_object('role', v_role));
	return muster.member_json(v_member);
end
$$;

create function muster.member_remove(p_account uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_member muster.membership := muster.member_find(p_account);
	v_organization uuid := muster.organization_need();
	v_json jsonb := muster.member_json(v_member);
begin
	if p_account <> muster.account() and not muster.is_admin() then
		raise exception using errcode = 'MU403', message = 'An administrator removes others.';
	end if;
	if v_member.role = 'org_admin' and not exists (
		select from muster.membership where organization_id = v_organization
		   and role = 'org_admin' and account_id <> p_account) then
		raise exception using errcode = 'MU409', message = 'Somebody has to be the administrator here.';
	end if;
	delete from muster.session where organization_id = v_organization and account_id = p_account;
	delete from muster.token where organization_id = v_organization and account_id = p_account;
	perform muster.finding_lock(v_organization);
	update muster.finding set assignee_id = null
	 where organization_id = v_organization and assignee_id = p_account;
	delete from muster.membership where organization_id = v_organization and account_id = p_account;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization, muster.account(), 'member.remove', p_account::text);
	return v_json;
end
$$;
