-- SPDX-License-Identifier: MIT
-- Organisations, projects and accounts, for `muster account` and the quickstart. The owner only.
--
--   organization_add(p_slug, p_name) → its id; it gets the project "default". There already: its id.
--   project_add(p_organization, p_slug, p_name) → its id, likewise.
--   account_add(p_email, p_name, p_hash, p_organization, p_role) → its id. MU409: the address is taken.
--       p_role: viewer, developer, team_lead, org_admin; or platform_admin: that, and org_admin there.
--   account_list() → email, name, state, organisation, role, signed_in_at; a row a membership.
--   account_password(p_email, p_hash): every session of the account ends, and every link to reset it. MU404.
--   account_role(p_email, p_organization, p_role): 'none' takes the membership away. MU404.
--   account_state(p_email, p_state): 'active' or 'disabled'. MU404.
--   account_edit(p_email, p_name, p_new_email): null: as it is. Another address ends the links to reset the
--       password. MU404, MU409: the address is taken.
--   account_unlock(p_email, p_address): wrong passwords for it, and from the address, are forgotten. MU404.
--   account_drop(p_email, p_yes) → what, rows: all that goes with it, or loses its name (it says so);
--       without p_yes nothing is done. MU404; MU409: the last administrator of the server, or of an
--       organisation with others in it.
--   organization_edit(p_slug, p_name, p_new_slug, p_max_repositories, p_max_concurrent_runs, p_owner):
--       null: as it is; 'none': no limit, no owner. MU400, MU404, MU409.
--   organization_drop(p_slug, p_yes) → what, rows, likewise. MU404.
--   token_rows(p_email, p_organization) → id, hint, name, account, organization, scopes, created_at,
--       expires_at, used_at; null: everybody's, everywhere.
--   token_issue(p_email, p_organization, p_name, p_scopes, p_days, p_hash, p_hint): token_add() for
--       somebody. MU403: what that account may not have. MU404.
--   token_drop(p_token): by id, or by how it begins when no other does. MU404, MU409.
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
	 where a.removed_at is null
	 order by lower(a.email), o.slug
$$;

create function muster.account_password(p_email text, p_hash text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
begin
	update muster.account set password_hash = p_hash where id = v_id;
	delete from muster.session where account_id = v_id;
	delete from muster.password_reset where account_id = v_id;
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

create function muster.account_edit(p_email text, p_name text, p_new_email text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
begin
	update muster.account set name = coalesce(p_name, name), email = coalesce(p_new_email, email)
	 where id = v_id;
	-- What went to the old address is whose that is.
	if p_new_email is not null then
		delete from muster.password_reset where account_id = v_id;
	end if;
	insert into muster.trail (action, subject, data)
	values ('account.edit', v_id::text, to_jsonb(array_remove(
		array[case when p_name is not null then 'name' end,
		      case when p_new_email is not null then 'email' end], null)));
exception
	when unique_violation then
		raise exception using errcode = 'MU409', message = 'There is an account with this address.';
	when check_violation then
		perform muster.field_error(case when p_new_email is null then 'name' else 'name or email' end,
					   'is not acceptable');
end
$$;

create function muster.account_unlock(p_email text, p_address text default null) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
begin
	delete from muster.login_limit
	 where key in (muster.login_key('account', p_email), muster.login_key('address', p_address));
	insert into muster.trail (action, subject) values ('account.unlock', v_id::text);
end
$$;

-- What refers to an account says itself what becomes of it; what has its id without a reference, as the
-- trail, keeps a number that is nobody's any more.
create function muster.account_drop(p_email text, p_yes boolean) returns table (what text, rows bigint)
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
	v_table record;
	v_removed jsonb := '{}';
begin
	for v_table in
		select c.relname, a.attname, k.confdeltype
		  from pg_constraint k
		  join pg_class c on c.oid = k.conrelid
		  join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
		 where k.contype = 'f' and k.confrelid = 'muster.account'::regclass
		   and c.relnamespace = 'muster'::regnamespace
		 order by k.confdeltype, c.relname, a.attname
	loop
		what := v_table.relname || case v_table.confdeltype when 'n' then ' (kept without a name)' else '' end;
		execute format('select count(*) from muster.%I where %I = $1', v_table.relname, v_table.attname)
		   into rows using v_id;
		continue when rows = 0;
		v_removed := v_removed || jsonb_build_object(v_table.relname, rows);
		return next;
	end loop;
	perform muster.account_spare(v_id);
	if not p_yes then
		return;
	end if;
	-- While there are rows to tell from: the pusher closes what they opened.
	delete from muster.session where account_id = v_id;
	delete from muster.token where account_id = v_id;
	delete from muster.invitation where lower(email) = lower(p_email);
	delete from muster.login_limit where key = muster.login_key('account', p_email);
	v_removed := v_removed || muster.account_erase(v_id);
	insert into muster.trail (action, subject, data) values ('account.remove', v_id::text, v_removed);
end
$$;

create function muster.limit_from(p_field text, p_text text) returns integer
language plpgsql immutable set search_path = pg_catalog, muster, pg_temp as $$
begin
	if p_text = 'none' then
		return null;
	end if;
	if p_text !~ '^[0-9]{1,9}$' then
		perform muster.field_error(p_field, 'is a number, or none');
	end if;
	return p_text::integer;
end
$$;

create function muster.organization_edit(p_slug text, p_name text, p_new_slug text,
		p_max_repositories text, p_max_concurrent_runs text, p_owner text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.organization_find(p_slug);
begin
	update muster.organization o
	   set name = coalesce(p_name, o.name), slug = coalesce(p_new_slug, o.slug),
	       max_repositories = case when p_max_repositories is null then o.max_repositories
				       else muster.limit_from('max_repositories', p_max_repositories) end,
	       max_concurrent_runs = case when p_max_concurrent_runs is null then o.max_concurrent_runs
					  else muster.limit_from('max_concurrent_runs', p_max_concurrent_runs) end,
	       owner_id = case when p_owner is null then o.owner_id
			       when p_owner <> 'none' then muster.account_find(p_owner) end
	 where o.id = v_id;
	insert into muster.trail (organization_id, action, subject, data)
	values (v_id, 'organization.update', v_id::text, jsonb_strip_nulls(jsonb_build_object('name', p_name,
		'slug', p_new_slug, 'max_repositories', p_max_repositories,
		'max_concurrent_runs', p_max_concurrent_runs)));
exception
	when unique_violation then
		raise exception using errcode = 'MU409', message = 'There is an organization of that name already.';
	when check_violation then
		perform muster.field_error('slug', 'has small letters, digits and inner -, at most 63');
end
$$;

create function muster.organization_drop(p_slug text, p_yes boolean) returns table (what text, rows bigint)
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.organization_find(p_slug);
	v_removed jsonb;
begin
	if not p_yes then
		return query
		select w.what, w.rows
		  from (values ('member', (select count(*) from muster.membership where organization_id = v_id)),
			       ('project', (select count(*) from muster.project where organization_id = v_id)),
			       ('repository', (select count(*) from muster.repo where organization_id = v_id)),
			       ('audit', (select count(*) from muster.audit where organization_id = v_id)),
			       ('finding', (select count(*) from muster.finding where organization_id = v_id)))
			w (what, rows) where w.rows > 0;
		return;
	end if;
	v_removed := muster.organization_erase(v_id);
	insert into muster.trail (organization_id, action, subject, data)
	values (v_id, 'organization.remove', p_slug, v_removed);
	return query select r.key, r.value::bigint from jsonb_each_text(v_removed) r order by 1;
end
$$;

create function muster.token_rows(p_email text default null, p_organization text default null)
returns table (id uuid, hint text, name text, account text, organization text, scopes text,
	       created_at timestamptz, expires_at timestamptz, used_at timestamptz)
language sql stable set search_path = pg_catalog, muster, pg_temp as $$
	select t.id, t.hint, t.name, a.email, o.slug, array_to_string(t.scopes, ','), t.created_at,
	       t.expires_at, t.used_at
	  from muster.token t
	  join muster.account a on a.id = t.account_id
	  join muster.organization o on o.id = t.organization_id
	 where (p_email is null or a.id = muster.account_find(p_email))
	   and (p_organization is null or o.id = muster.organization_find(p_organization))
	 order by lower(a.email), o.slug, t.created_at, t.id
$$;

create function muster.token_issue(p_email text, p_organization text, p_name text, p_scopes text,
				   p_days integer, p_hash bytea, p_hint text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_account uuid := muster.account_find(p_email);
	v_organization uuid := muster.organization_find(p_organization);
	v_role text := muster.role_of(v_account, v_organization);
begin
	if v_role is null then
		raise exception using errcode = 'MU403',
			message = 'This account is disabled, or not in the organization.';
	end if;
	perform set_config('muster.account', v_account::text, true),
		set_config('muster.organization', v_organization::text, true),
		set_config('muster.role', v_role, true);
	perform muster.token_add(p_name => p_name, p_scopes => to_jsonb(string_to_array(p_scopes, ',')),
				 p_token_hash => p_hash, p_hint => p_hint, p_days => p_days);
exception when check_violation then
	perform muster.field_error('name', 'has 1 to 100 characters');
end
$$;

create function muster.token_drop(p_token text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_ids uuid[] := array(select t.id from muster.token t
			       where t.id::text = lower(p_token)
				  or (length(p_token) >= 8 and starts_with(t.hint, p_token)) limit 2);
	v_token muster.token;
begin
	if cardinality(v_ids) > 1 then
		raise exception using errcode = 'MU409', message = 'Several tokens begin like that. Give the id.';
	end if;
	delete from muster.token where id = any (v_ids) returning * into v_token;
	if v_token.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such token.';
	end if;
	insert into muster.trail (organization_id, action, subject, data)
	values (v_token.organization_id, 'token.remove', v_token.id::text,
		jsonb_build_object('name', v_token.name));
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
