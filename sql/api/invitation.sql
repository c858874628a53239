-- SPDX-License-Identifier: MIT
-- How people come in: invitations to an organisation, and accounts that people make themselves.
--
--   invitation_list(p_limit, p_cursor) → {"items": [{id, email, role, account, created_at, expires_at}], "next"}
--   invitation_add(p_email, p_role, p_token_hash, p_days) → it; another to the same address takes its
--       place. MU409: that person is a member already.
--   invitation_remove(p_invitation) → it. MU404.
--   invitation_find(p_token_hash) → {email, role, organization {slug, name}, known}: what the link is
--       about, for nobody in person. known: there is an account, which only joins. MU404.
--   invitation_accept(p_token_hash, p_name, p_hash, p_account) → account id. A new account with that
--       password, or p_account joins (its address need not be the invited one: who has the link was
--       meant). Used up by it. MU404, MU409: there is an account; sign in first.
--   invitation_join(p_token_hash) → account_me(): who is signed in joins.
--   account_register(p_email, p_name, p_hash, p_slug) → account id, in an organisation of its own. When
--       the setting auth.register is "open"; it is "closed" by default. MU403, MU409.

create function muster.invitation_json(p_invitation muster.invitation) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_invitation).id, 'email', (p_invitation).email, 'role', (p_invitation).role,
	'account', muster.person_json((p_invitation).account_id),
	'created_at', muster.iso((p_invitation).created_at), 'expires_at', muster.iso((p_invitation).expires_at));

create function muster.invitation_list(p_limit integer default null, p_cursor text default null)
returns jsonb
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
			coalesce(jsonb_agg(muster.invitation_json(x.i) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(jsonb_build_array(
				((array_agg((x.i).created_at order by x.k))[v_limit])::text,
				(array_agg((x.i).id order by x.k))[v_limit])) end)
		  from (select i, row_number() over (order by i.created_at desc, i.id desc) as k
			  from muster.invitation i
			 where i.organization_id = v_organization and i.expires_at > now()
			   and (i.created_at, i.id) < (v_at, v_id)
			 order by i.created_at desc, i.id desc limit v_limit + 1) x);
end
$$;

create function muster.invitation_add(p_email text, p_role text, p_token_hash bytea, p_days integer default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_invitation muster.invitation;
begin
	if exists (select from muster.membership m join muster.account a on a.id = m.account_id
		    where m.organization_id = v_organization and lower(a.email) = lower(p_email)) then
		raise exception using errcode = 'MU409', message = 'Whoever has this address is a member already.';
	end if;
	delete from muster.invitation where organization_id = v_organization and lower(email) = lower(p_email);
	insert into muster.invitation (organization_id, account_id, email, role, token_hash, expires_at)
	values (v_organization, muster.account(), p_email, muster.role_from(p_role), p_token_hash,
		now() + make_interval(days => coalesce(p_days, 7)))
	returning * into v_invitation;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'invitation.add', v_invitation.id::text,
		jsonb_build_object('role', p_role));
	return muster.invitation_json(v_invitation);
exception when check_violation then
	perform muster.field_error('email', 'is not an address');
end
$$;

create function muster.invitation_remove(p_invitation uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_invitation muster.invitation;
begin
	delete from muster.invitation
	 where id = p_invitation and organization_id = muster.organization_need()
	returning * into v_invitation;
	if v_invitation.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such invitation.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_invitation.organization_id, muster.account(), 'invitation.remove', p_invitation::text);
	return muster.invitation_json(v_invitation);
end
$$;

create function muster.invitation_of(p_token_hash bytea) returns muster.invitation
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_invitation muster.invitation;
begin
	select * into v_invitation from muster.invitation
	 where token_hash = p_token_hash and expires_at > now();
	if v_invitation.id is null then
		raise exception using errcode = 'MU404',
			message = 'This invitation is used up or has expired. Ask for another one.';
	end if;
	return v_invitation;
end
$$;

create function muster.invitation_find(p_token_hash bytea) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_invitation muster.invitation := muster.invitation_of(p_token_hash);
begin
	return (select jsonb_build_object('email', v_invitation.email, 'role', v_invitation.role,
			'organization', jsonb_build_object('slug', o.slug, 'name', o.name),
			'known', exists (select from muster.account a where lower(a.email) = lower(v_invitation.email)))
		  from muster.organization o where o.id = v_invitation.organization_id);
end
$$;

create function muster.invitation_accept(p_token_hash bytea, p_name text default null, p_hash text default null,
					 p_account uuid default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_invitation muster.invitation;
	v_account uuid := p_account;
begin
	-- Taken before anything is made of it: of two who open the link at once one comes in.
	delete from muster.invitation where token_hash = p_token_hash and expires_at > now()
	returning * into v_invitation;
	if v_invitation.id is null then
		perform muster.invitation_of(p_token_hash); -- which says why
	end if;
	if v_account is null then
		insert into muster.account (email, name, password_hash)
		values (v_invitation.email, coalesce(p_name, ''), p_hash)
		    on conflict (lower(email)) do nothing
		returning id into v_account;
		if v_account is null then
			raise exception using errcode = 'MU409',
				message = 'There is an account with this address. Sign in and open the link again.';
		end if;
	end if;
	insert into muster.membership (organization_id, account_id, role)
	values (v_invitation.organization_id, v_account, v_invitation.role)
	    on conflict do nothing;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_invitation.organization_id, v_account, 'invitation.accept', v_invitation.id::text,
		jsonb_build_object('role', v_invitation.role));
	return v_account;
end
$$;

create function muster.invitation_join(p_token_hash bytea) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	perform muster.invitation_accept(p_token_hash, p_account => muster.account());
	return muster.account_me();
end
$$;

create function muster.account_register(p_email text, p_name text, p_hash text, p_slug text) returns uuid
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_account uuid;
	v_organization uuid;
begin
	if muster.setting_get('auth.register', '"closed"', null) <> '"open"' then
		raise exception using errcode = 'MU403',
			message = 'Nobody makes an account alone here. Ask for an invitation.';
	end if;
	insert into muster.account (email, name, password_hash, email_proven)
	values (p_email, coalesce(p_name, ''), p_hash, false)
	    on conflict (lower(email)) do nothing
	returning id into v_account;
	if v_account is null then
		raise exception using errcode = 'MU409', message = 'Email already registered';
	end if;
	insert into muster.organization (slug, name, personal, owner_id, max_repositories, max_concurrent_runs)
	select p_slug, coalesce(nullif(p_name, ''), p_email), true, v_account, l.max_repositories,
	       l.max_concurrent_runs
	  from muster.organization_limits() l
	returning id into v_organization;
	insert into muster.project (organization_id, slug, name) values (v_organization, 'default', 'Default');
	insert into muster.membership (organization_id, account_id, role)
	values (v_organization, v_account, 'org_admin');
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization, v_account, 'account.register', v_account::text);
	return v_account;
exception when check_violation then
	perform muster.field_error('email', 'is not an address');
end
$$;
