-- SPDX-License-Identifier: MIT
-- People whom somebody else vouches for: the web server (REMOTE_USER), an issuer (OpenID Connect).
--
--   sign_in_methods() → {register}: what the page has to know before anybody is known.
--   account_enter(p_email, p_name, p_organization, p_role) → the active account with that address. When
--       there is none: p_role null, MU403; else a new one with that role there, and no password.

create function muster.sign_in_methods() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('register', muster.setting_get('auth.register', '"closed"', null));
end
$$;

create function muster.account_enter(p_email text, p_name text, p_organization text, p_role text)
returns uuid
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_account muster.account;
	v_organization uuid;
begin
	select * into v_account from muster.account where lower(email) = lower(p_email);
	if v_account.state = 'active' then
		return v_account.id;
	elsif v_account.id is not null or p_role is null then
		raise exception using errcode = 'MU403',
			message = 'There is no account for you here. Ask an administrator for an invitation.';
	end if;
	select id into v_organization from muster.organization where slug = p_organization;
	if v_organization is null or muster.role_rank(p_role) not between 1 and 3 then
		raise exception using errcode = 'MU403',
			message = 'New accounts have no place here: see auth.new_organization and auth.new_role.';
	end if;
	insert into muster.account (email, name) values (p_email, left(coalesce(p_name, ''), 200))
	    on conflict (lower(email)) do nothing
	returning * into v_account;
	if v_account.id is null then -- made by another request at the same moment
		return muster.account_enter(p_email, p_name, p_organization, null);
	end if;
	insert into muster.membership (organization_id, account_id, role)
	values (v_organization, v_account.id, p_role);
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, v_account.id, 'account.add', v_account.id::text,
		jsonb_build_object('role', p_role));
	return v_account.id;
exception when check_violation then
	raise exception using errcode = 'MU403', message = 'Whoever vouches for you gives no address of yours.';
end
$$;
