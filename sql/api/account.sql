-- SPDX-License-Identifier: MIT
-- Organisations, projects and accounts, for `muster account` and the quickstart. The owner only.
--
--   organization_add(p_slug, p_name) → its id; it gets the project "default". There already: its id.
--   project_add(p_organization, p_slug, p_name) → its id, likewise.
--   account_add(p_email, p_name, p_hash, p_organization, p_role) → its id. MU409: the address is taken.
--       p_role: viewer, developer, team_lead, org_admin; or platform_admin: that, and org_admin there.
--   account_list() → email, name, state, organisation, role, signed_in_at; a row a membership.
--   account_password(p_email, p_hash): every session of the account ends. MU404.
--   account_role(p_email, p_organization, p_role): 'none' takes the membership away. MU404.
--   account_state(p_email, p_state): 'active' or 'disabled'. MU404.
-- Bodies are texts here: this file is loaded before base.sql.

create function muster.organization_find(p_slug text) returns uuid
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid;
begin
	select id into v_id from muster.organization where slug = p_slug;
	if v_id is null then
		raise exception using errcode = 'MU404', message = 'There is no such organization.';
	end if;
	return v_id;
end
$$;

create function muster.account_find(p_email text) returns uuid
language plpgsql stable set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid;
begin
	select id into v_id from muster.account where lower(email) = lower(p_email);
	if v_id is null then
		raise exception using errcode = 'MU404', message = 'There is no such account.';
	end if;
	return v_id;
end
$$;

create function muster.organization_add(p_slug text, p_name text default null) returns uuid
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid;
begin
	insert into muster.organization (slug, name) values (p_slug, coalesce(p_name, p_slug))
	on conflict (slug) do nothing;
	select id into v_id from muster.organization where slug = p_slug;
	perform muster.project_add(p_slug, 'default', 'Default');
	return v_id;
end
$$;

create function muster.project_add(p_organization text, p_slug text, p_name text default null)
returns uuid
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_find(p_organization);
	v_id uuid;
begin
	insert into muster.project (organization_id, slug, name)
	values (v_organization, p_slug, coalesce(p_name, p_slug))
	on conflict (organization_id, slug) do nothing;
	select id into v_id from muster.project
	 where organization_id = v_organization and slug = p_slug;
	return v_id;
end
$$;

create function muster.account_add(p_email text, p_name text, p_hash text, p_organization text,
				   p_role text) returns uuid
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_find(p_organization);
	v_id uuid;
begin
	if coalesce(muster.role_rank(p_role), 0) < 1 then
		perform muster.field_error('role', 'is not a role');
	end if;
	if exists (select from muster.account where lower(email) = lower(p_email)) then
		raise exception using errcode = 'MU409', message = 'There is an account with this address.';
	end if;
	begin
		insert into muster.account (email, name, password_hash, platform_admin)
		values (p_email, coalesce(p_name, ''), p_hash, p_role = 'platform_admin')
		returning id into v_id;
	exception when check_violation then
		perform muster.field_error('email', 'is not an address');
	end;
	insert into muster.membership (organization_id, account_id, role)
	values (v_organization, v_id, case p_role when 'platform_admin' then 'org_admin' else p_role end);
	insert into muster.trail (organization_id, action, subject, data)
	values (v_organization, 'account.add', v_id::text, jsonb_build_object('role', p_role));
	return v_id;
end
$$;

create function muster.account_list()
returns table (email text, name text, state text, organization text, role text,
	       signed_in_at timestamptz)
language sql stable set search_path = pg_catalog, muster, pg_temp as $$
	select a.email, a.name, a.state, o.slug,
	       case when a.platform_admin then 'platform_admin' else m.role end, a.signed_in_at
	  from muster.account a
	  left join muster.membership m on m.account_id = a.id
	  left join muster.organization o on o.id = m.organization_id
	 order by lower(a.email), o.slug
$$;

create function muster.account_password(p_email text, p_hash text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
begin
	update muster.account set password_hash = p_hash where id = v_id;
	delete from muster.session where account_id = v_id;
	insert into muster.trail (action, subject) values ('account.password', v_id::text);
end
$$;

create function muster.account_role(p_email text, p_organization text, p_role text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
	v_organization uuid := muster.organization_find(p_organization);
begin
	if p_role = 'none' then
		delete from muster.membership where account_id = v_id and organization_id = v_organization;
	elsif coalesce(muster.role_rank(p_role), 0) < 1 then
		perform muster.field_error('role', 'is not a role');
	else
		insert into muster.membership (organization_id, account_id, role)
		values (v_organization, v_id,
			case p_role when 'platform_admin' then 'org_admin' else p_role end)
		on conflict (organization_id, account_id) do update set role = excluded.role;
	end if;
	update muster.account set platform_admin = p_role = 'platform_admin' where id = v_id;
	insert into muster.trail (organization_id, action, subject, data)
	values (v_organization, 'account.role', v_id::text, jsonb_build_object('role', p_role));
end
$$;

create function muster.account_state(p_email text, p_state text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
begin
	if p_state not in ('active', 'disabled') then
		perform muster.field_error('state', 'is neither active nor disabled');
	end if;
	update muster.account set state = p_state where id = v_id;
	if p_state = 'disabled' then
		delete from muster.session where account_id = v_id;
	end if;
	insert into muster.trail (action, subject, data)
	values ('account.state', v_id::text, jsonb_build_object('state', p_state));
end
$$;
