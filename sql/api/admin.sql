-- SPDX-License-Identifier: MIT
-- What the administrator of the server sees and does, across organisations. Each raises MU403 for
-- anybody else.
--
--   admin_account_list(p_q, p_state, p_role, p_organization, p_limit, p_cursor) → {"items": [{id, email,
--       name, state, platform_admin, totp, sessions, tokens, created_at, signed_in_at, memberships
--       [{organization, role}]}], "next"}, by address. p_role: of somebody in that organisation, or in any.
--   admin_account_get(p_account) → one. MU404.
--   admin_account_role(p_account, p_role, p_organization) → it. platform_admin: of the server; none: no
--       longer in that organisation; p_organization: a slug, null: the one that one acts in. MU404; MU409:
--       the last administrator.
--   admin_account_state(p_account, p_state) → it; who is disabled is out at once. MU404, MU409.
--   admin_trail_list(p_action, p_account, p_organization, p_since, p_until, p_limit, p_cursor) → as
--       trail_list(), of all organisations and of what belongs to none, each with its "organization".
--   admin_usage() → {accounts, organizations, …, tables}: how much there is of what.
--   admin_integrations(p_configured) → {"items": [{kind, name, state, used_at}], "next": null}: what the
--       program says is configured, and who brings reports and asks by token.
--   admin_setting_list() → as setting_list(), what holds where an organisation has not said otherwise.
--   admin_setting_update(p_key, p_value) → it. MU400, MU404.

create function muster.platform_need() returns uuid
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
begin
	if current_setting('muster.role', true) is distinct from 'platform_admin' then
		raise exception using errcode = 'MU403', message = 'This is for the administrator of this server.';
	end if;
	return muster.organization_need();
end
$$;

-- These accounts, in this order: what belongs to them is counted for all at once.
create function muster.admin_account_items(p_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
begin
	return (with sessions as materialized (
			select s.account_id as id, count(*) as n from muster.session s
			 where s.account_id = any (p_ids) and s.expires_at > now() group by 1
		), tokens as materialized (
			select t.account_id as id, count(*) as n from muster.token t
			 where t.account_id = any (p_ids) group by 1
		), places as materialized (
			select m.account_id as id, jsonb_agg(jsonb_build_object('role', m.role,
					'organization', jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name))
					order by o.slug) as list
			  from muster.membership m join muster.organization o on o.id = m.organization_id
			 where m.account_id = any (p_ids) group by 1
		)
		select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'email', a.email, 'name', a.name,
				'state', a.state, 'platform_admin', a.platform_admin,
				'totp', exists (select from muster.totp t
						 where t.account_id = a.id and t.confirmed_at is not null),
				'sessions', coalesce(s.n, 0), 'tokens', coalesce(t.n, 0),
				'created_at', muster.iso(a.created_at), 'signed_in_at', muster.iso(a.signed_in_at),
				'memberships', coalesce(w.list, '[]')) order by p.k), '[]')
		  from unnest(p_ids) with ordinality p (id, k)
		  join muster.account a on a.id = p.id
		  left join sessions s on s.id = p.id
		  left join tokens t on t.id = p.id
		  left join places w on w.id = p.id);
end
$$;

create function muster.admin_account_list(p_q text default null, p_state text default null,
		p_role text default null, p_organization text default null, p_limit integer default null,
		p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 1);
	v_organization uuid;
	v_after text := v_cursor ->> 0;
	v_q text := lower(nullif(p_q, ''));
	v_role text := nullif(p_role, 'platform_admin');
	v_member text;
	v_filter text;
	v_ids uuid[];
	v_emails text[];
begin
	perform muster.platform_need();
	if coalesce(p_organization, '') <> '' then
		v_organization := (muster.organization_own(p_organization)).id;
	end if;
	-- Only what is asked for is in the statement: beside an "or" a page is no walk along the index.
	v_member := concat_ws(' and ', case when v_organization is not null then 'm.organization_id = $5' end,
			      case when v_role is not null then 'm.role = $6' end);
	v_filter := concat_ws(' ', case when v_after is not null then 'and lower(a.email) > $2' end,
		case when v_q is not null then 'and strpos(lower(a.email || '' '' || a.name), $3) > 0' end,
		case when p_state is not null then 'and a.state = $4' end,
		case when p_role = 'platform_admin' then 'and a.platform_admin' end,
		'and exists (select from muster.membership m where m.account_id = a.id and '
			|| nullif(v_member, '') || ')');
	execute format($query$
		select array_agg(p.id order by p.email), array_agg(p.email order by p.email)
		  from (select a.id, lower(a.email) as email from muster.account a
			 where a.removed_at is null %s
			 order by lower(a.email) limit $1 + 1) p$query$, v_filter)
	   into v_ids, v_emails
	  using v_limit, v_after, v_q, p_state, v_organization, v_role;
	return jsonb_build_object('items', muster.admin_account_items(v_ids[1:v_limit]),
		'next', case when cardinality(v_ids) > v_limit
			     then muster.cursor_format(jsonb_build_array(v_emails[v_limit])) end);
end
$$;

create function muster.admin_account_find(p_account uuid) returns muster.account
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_account muster.account;
begin
	perform muster.platform_need();
	select * into v_account from muster.account where id = p_account and removed_at is null;
	if v_account.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such account.';
	end if;
	return v_account;
end
$$;

create function muster.admin_account_get(p_account uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.admin_account_items(array[(muster.admin_account_find(p_account)).id]) -> 0;
end
$$;

-- One at a time, so that two of them do not leave the server without an administrator.
create function muster.admin_account_lock() returns void
language sql volatile security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	select pg_advisory_xact_lock(19799, 1);
end;

create function muster.admin_account_role(p_account uuid, p_role text, p_organization text default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := (muster.organization_own(coalesce(nullif(p_organization, ''),
							muster.organization()::text))).id;
begin
	perform muster.admin_account_find(p_account);
	perform muster.admin_account_lock();
	perform 1 from muster.organization where id = v_organization for no key update;
	if p_role <> 'platform_admin' then
		perform muster.platform_spare(p_account);
	end if;
	if p_role not in ('org_admin', 'platform_admin') and exists (
		select from muster.membership where organization_id = v_organization
		   and account_id = p_account and role = 'org_admin') and not exists (
		select from muster.membership where organization_id = v_organization
		   and role = 'org_admin' and account_id <> p_account) then
		raise exception using errcode = 'MU409', message = 'Somebody has to be the administrator there.';
	end if;
	if p_role = 'none' then
		delete from muster.session where organization_id = v_organization and account_id = p_account;
		delete from muster.token where organization_id = v_organization and account_id = p_account;
		update muster.finding set assignee_id = null
		 where organization_id = v_organization and assignee_id = p_account;
		delete from muster.membership where organization_id = v_organization and account_id = p_account;
	else
		insert into muster.membership (organization_id, account_id, role)
		values (v_organization, p_account, case p_role when 'platform_admin' then 'org_admin' else p_role end)
		on conflict (organization_id, account_id) do update set role = excluded.role;
	end if;
	update muster.account set platform_admin = (p_role = 'platform_admin')
	 where id = p_account and platform_admin <> (p_role = 'platform_admin');
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'account.role', p_account::text,
		jsonb_build_object('role', p_role));
	return muster.admin_account_get(p_account);
end
$$;

create function muster.admin_account_state(p_account uuid, p_state text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.admin_account_find(p_account);
	perform muster.admin_account_lock();
	if p_state = 'disabled' then
		perform muster.platform_spare(p_account);
		delete from muster.session where account_id = p_account;
	end if;
	update muster.account set state = p_state where id = p_account;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (muster.organization(), muster.account(), 'account.state', p_account::text,
		jsonb_build_object('state', p_state));
	return muster.admin_account_get(p_account);
end
$$;

create function muster.admin_trail_list(p_action text default null, p_account uuid default null,
		p_organization text default null, p_since timestamptz default null,
		p_until timestamptz default null, p_limit integer default null, p_cursor text default null)
returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid;
begin
	perform muster.platform_need();
	-- By its id also one that is gone: its trail is not.
	if p_organization ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' then
		v_organization := p_organization::uuid;
	elsif coalesce(p_organization, '') <> '' then
		v_organization := (muster.organization_own(p_organization)).id;
	end if;
	return muster.trail_page(v_organization, true, p_action, p_account, null, p_since, p_until, p_limit, p_cursor);
end
$$;

-- Large tables are counted by what PostgreSQL knows of them, which is about.
create function muster.admin_usage() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return jsonb_build_object(
		'accounts', (select jsonb_build_object('total', count(*),
					'active', count(*) filter (where state = 'active'),
					'signed_in_30_days', count(*) filter (where signed_in_at > now() - interval '30 days'))
			       from muster.account where removed_at is null),
		'organizations', (select count(*) from muster.organization where removed_at is null),
		'repositories', (select count(*) from muster.repo where removed_at is null),
		'open_findings', (select coalesce(sum(n), 0) from muster.finding_count
				   where state in ('open', 'in_progress')),
		'sessions', (select count(*) from muster.session where expires_at > now()),
		'tokens', (select count(*) from muster.token),
		'jobs', (select jsonb_build_object('queued', count(*) filter (where state = 'queued'),
					'running', count(*) filter (where state = 'running'),
					'dead', count(*) filter (where state = 'dead')) from muster.job),
		'events', (select head - floor from muster.stream),
		'database_bytes', pg_database_size(current_database()),
		'tables', (select coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'rows', t.rows,
					'bytes', t.bytes) order by t.bytes desc, t.name), '[]')
			     from (select coalesce(p.relname, c.relname) as name,
					  greatest(sum(case when c.relkind = 'r' then c.reltuples end), 0)::bigint as rows,
					  sum(pg_total_relation_size(c.oid))::bigint as bytes
				     from pg_class c
				     left join pg_inherits i on i.inhrelid = c.oid
				     left join pg_class p on p.oid = i.inhparent
				    where c.relnamespace = 'muster'::regnamespace and c.relkind = 'r'
				    group by 1) t));
end
$$;

create function muster.admin_integrations(p_configured jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return jsonb_build_object('next', null, 'items', p_configured || (
		select coalesce(jsonb_agg(jsonb_build_object('kind', h.kind, 'name', h.name,
				'state', case when h.used_at > now() - interval '1 day' then 'on' else 'idle' end,
				'used_at', muster.iso(h.used_at)) order by h.kind, h.name), '[]')
		  from (select 'host' as kind, r.host as name, max(r.ingested_at) as used_at
			  from muster.root r group by r.host
			union all
			select 'tokens', o.slug, max(t.used_at)
			  from muster.token t join muster.organization o on o.id = t.organization_id
			 group by o.slug) h));
end
$$;

create function muster.admin_setting_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return jsonb_build_object('next', null, 'items', (
		select jsonb_agg(muster.setting_json(k.key, null) order by k.key) from muster.setting_known() k));
end
$$;

create function muster.admin_setting_update(p_key text, p_value jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_need();
	return muster.setting_set(p_key, p_value, null);
end
$$;
