-- SPDX-License-Identifier: MIT
-- People whom somebody else vouches for: the web server (REMOTE_USER), an issuer (OpenID Connect).
--
--   sign_in_methods() → {register}: what the page has to know before anybody is known.
--   account_enter(p_email, p_name, p_organization, p_role) → the active account with that address. When
--       there is none: p_role null, MU403; else a new one with that role there, and no password.
--   openid_enter(p_issuer, p_subject, p_email, p_name, p_invitation, p_organization, p_role) → the account
--       of that person: the one that came so before, else the one with that address, else by the
--       invitation of that hash, else as account_enter(). p_email: verified by the issuer, or null.
--       MU403, MU404: the invitation is used up. MU409: sign in first, then open its link.
--   identity_list() → {"items": [{id, issuer, email, created_at, used_at}], "next": null}: one's own.
--   identity_confirm() → the session's id, whether its sign-in is at most ten minutes old, and whether the
--       account has a password. MU403: a token is no session.
--   identity_add(p_issuer, p_subject, p_email, p_session) → it: that person is this account from now on.
--       MU403: not the session that began it. MU409: is somebody else's.
--   identity_remove(p_identity) → it. MU404. MU409: without a password it is the way in.

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

-- Nobody who made the account with somebody else's address may come in by what was made then.
create function muster.account_prove(p_account uuid) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.account set email_proven = true, password_hash = null
	 where id = p_account and not email_proven;
	if found then
		delete from muster.session where account_id = p_account;
		delete from muster.token where account_id = p_account;
		delete from muster.totp where account_id = p_account;
		delete from muster.password_reset where account_id = p_account;
	end if;
end
$$;

create function muster.openid_enter(p_issuer text, p_subject text, p_email text, p_name text,
				    p_invitation bytea, p_organization text, p_role text) returns uuid
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_account muster.account;
	v_id uuid;
begin
	select a.* into v_account
	  from muster.identity i join muster.account a on a.id = i.account_id
	 where i.issuer = p_issuer and i.subject = p_subject;
	if v_account.id is null and p_email is not null then
		select * into v_account from muster.account where lower(email) = lower(p_email);
	end if;
	if v_account.state = 'disabled' then
		raise exception using errcode = 'MU403', message = 'This account is disabled.';
	end if;
	if lower(v_account.email) = lower(p_email) then
		perform muster.account_prove(v_account.id);
	end if;
	v_id := v_account.id;
	if p_invitation is not null then
		v_id := muster.invitation_accept(p_invitation, p_name, null, v_id);
	elsif v_id is null and p_email is null then
		raise exception using errcode = 'MU403',
			message = 'There is no account for you here, and no address that could be yours was verified.';
	elsif v_id is null then
		v_id := muster.account_enter(p_email, p_name, p_organization, p_role);
	end if;
	if not exists (select from muster.identity where issuer = p_issuer and subject = p_subject) then
		insert into muster.trail (organization_id, account_id, action, subject, data)
		select (select m.organization_id from muster.membership m where m.account_id = v_id
			 order by m.created_at, m.organization_id limit 1), v_id, 'identity.add', v_id::text,
		       jsonb_build_object('issuer', p_issuer);
	end if;
	insert into muster.identity as i (account_id, issuer, subject, email, used_at)
	values (v_id, p_issuer, p_subject, left(p_email, 254), now())
	    on conflict (issuer, subject) do update set used_at = now(), email = excluded.email;
	return v_id;
end
$$;

create function muster.identity_json(p_identity muster.identity) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_identity).id, 'issuer', (p_identity).issuer, 'email', (p_identity).email,
	'created_at', muster.iso((p_identity).created_at), 'used_at', muster.iso((p_identity).used_at));

create function muster.identity_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(muster.identity_json(i) order by i.created_at, i.id), '[]')
		  from muster.identity i where i.account_id = muster.account()));
end
$$;

create function muster.identity_confirm(out id uuid, out is_recent boolean, out has_password boolean)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	select s.id, s.created_at > now() - interval '10 minutes', a.password_hash is not null
	  into identity_confirm.id, is_recent, has_password
	  from muster.session s join muster.account a on a.id = s.account_id
	 where s.id::text = current_setting('muster.session', true) and s.account_id = muster.account();
	if identity_confirm.id is null then
		raise exception using errcode = 'MU403', message = 'This is for people: sign in in a browser.';
	end if;
end
$$;

create function muster.identity_add(p_issuer text, p_subject text, p_email text, p_session uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_identity muster.identity;
begin
	if p_session::text is distinct from current_setting('muster.session', true) then
		raise exception using errcode = 'MU403', message = 'It was begun in another session. Begin again.';
	end if;
	insert into muster.identity as i (account_id, issuer, subject, email)
	values (muster.account(), p_issuer, p_subject, left(p_email, 254))
	    on conflict (issuer, subject) do update set email = excluded.email
	 where i.account_id = excluded.account_id
	returning * into v_identity;
	if v_identity.id is null then
		raise exception using errcode = 'MU409', message = 'Another account here signs in with that.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'identity.add', muster.account()::text,
		jsonb_build_object('issuer', p_issuer));
	return muster.identity_json(v_identity);
end
$$;

create function muster.identity_remove(p_identity uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_identity muster.identity;
begin
	-- One at a time: of two removals each would see what the other takes away.
	perform from muster.account where id = muster.account() for no key update;
	select * into v_identity from muster.identity
	 where id = p_identity and account_id = muster.account() for update;
	if v_identity.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such sign-in of yours.';
	elsif (select password_hash is null from muster.account where id = muster.account()) and not exists (
		select from muster.identity where account_id = muster.account() and id <> p_identity) then
		raise exception using errcode = 'MU409',
			message = 'Without it you could not sign in. Make a password first.';
	end if;
	delete from muster.identity where id = p_identity;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'identity.remove', p_identity::text,
		jsonb_build_object('issuer', v_identity.issuer));
	return muster.identity_json(v_identity);
end
$$;
