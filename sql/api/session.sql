-- SPDX-License-Identifier: MIT
-- Identity: enter(), sign-in, sessions, refresh tokens, limits on guessing.
--
--   enter(p_kind, p_credential, p_organization, p_role, p_csrf, p_scope, p_address): the first statement
--       of every request. Raises unless the credential holds and reaches p_role, else sets the account,
--       the organisation, the role, the session, a token's scopes and the client's address for this
--       transaction and tells the stream position that a snapshot read after it may claim.
--         p_kind        'session': p_credential is sha256 of the cookie's token;
--                       'jwt': the session id, as 16 bytes or as text (the JWT's sid, checked by C);
--                       'token': sha256 of an API token, which acts in its own organisation only;
--                       'none': nobody.
--         p_organization  slug or id: the token's, else the header's; null: the session's own.
--         p_role        of the route: nobody, viewer, developer, team_lead, org_admin,
--                       platform_admin. Null or unknown raises.
--         p_csrf        null: the route does not ask (a read, or no cookie); else the bytes that
--                       the header brought, '' when it brought none.
--         p_scope       what an API token must have been made for: read (all of them may), write,
--                       run, admin (which may all). Null: a token may not do this at all.
--       Raises MU401 (no, unknown or ended credential), MU403 (role, organisation, scope, CSRF).
--       With p_role 'nobody' an unknown credential is nobody, not an error.
--   login_find(p_email, p_address) → always one row: account_id (null: unknown, or disabled: verify
--       against a decoy all the same), password_hash, state, name, wait_s (> 0: refuse with 429), totp
--       (the sealed secret when codes are asked for, else null).
--   login_try(p_email, p_address) → wait_s, as login_find() has it, is_busy. When it is 0 the try is counted
--       before its password or code is looked at, so that of many at once no more get through than one
--       after the other. Five wrong ones for an account, twenty from an address, then a wait that
--       doubles from 1 s up to 15 min, and one try at a time. is_busy: nobody has to wait for wrong ones,
--       but as many as might be wrong are being looked at.
--   login_tried(p_email, p_address, p_ok, p_in): after it. A wrong one stays counted; with p_in, when
--       nothing else is asked for, those of its account are forgotten. A wrong one for an account that
--       there is goes on the trail of its first organisation, as session.refuse.
--   session_add(p_account, p_token_hash, p_csrf, p_refresh_hash, p_organization, p_address, p_agent,
--       p_method) → {sid, csrf_token, expires_at, account}. Hashes are sha256, 32 bytes. p_organization
--       is a slug, null: the account's first. p_method: by what, for the trail. MU403 when the account
--       belongs to none.
--   session_tell(p_type, p_session): user_login or user_logout, for all who see that organisation.
--   session_rotate(p_refresh_hash, p_new_hash) → {state, sid, account, …}: 'ok', 'unknown',
--       'expired', or 'reused': then the session is gone, for a copy of the token is about.
--       (No raise: the removal has to be committed.) Twice within 10 s is 'unknown' only: two tabs.
--   session_remove(p_session) → the session's end (logout); null: the current one.
--   account_me() → {id, email, name, role, csrf_token, organization, organizations}.
--   push_sessions() → the pusher's mirror at its start, API tokens among them; later changes are
--       events session-change.

-- What an account may do in an organisation now; null: nothing.
create function muster.role_of(p_account uuid, p_organization uuid) returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select case when a.platform_admin then 'platform_admin' else m.role end
		  from muster.account a
		  left join muster.membership m
			 on m.account_id = a.id and m.organization_id = p_organization
		 where a.id = p_account and a.state = 'active');
end
$$;

-- The pusher's mirror of sessions follows these events; they are never given to a client (label
-- internal). An ended session, a lost membership and a disabled account all say "remove".
create function muster.session_announce(p_sessions uuid[]) returns void
language sql volatile security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.outbox (organization_id, channel, type, subject, data, labels)
	select s.organization_id, 'presence', 'session-change', s.id::text,
	       jsonb_build_object('operation', case when r.role is null then 'remove' else 'set' end,
				  'sid', s.id, 'session_hash', encode(s.token_hash, 'hex'),
				  'account_id', s.account_id, 'organization_id', s.organization_id,
				  'role', r.role, 'expires_at', s.expires_at),
	       '{"internal": true}'
	  from muster.session s
	 cross join lateral (select muster.role_of(s.account_id, s.organization_id) as role) r
	 where s.id = any (p_sessions);
end;

create function muster.enter(p_kind text, p_credential bytea, p_organization text, p_role text,
			     p_csrf bytea, p_scope text default null, p_address text default null)
returns table (account_id uuid, organization_id uuid, role text, stream_position bigint)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
#variable_conflict use_column
declare
	v_need integer := muster.role_rank(p_role);
	v_sid uuid;
	v_session muster.session;
	v_token muster.token;
	v_organization uuid;
	v_role text;
	v_text text;
begin
	if v_need is null then
		raise exception using errcode = 'MU403', message = 'This route has no role.';
	end if;
	if p_kind = 'session' then
		select s.* into v_session from muster.session s
		 where s.token_hash = p_credential and s.expires_at > now();
	elsif p_kind = 'jwt' then
		v_text := encode(p_credential, case when length(p_credential) = 16 then 'hex' else 'escape' end);
		if v_text ~ '^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$' then
			v_sid := v_text::uuid;
			select s.* into v_session from muster.session s
			 where s.id = v_sid and s.expires_at > now();
		end if;
	elsif p_kind = 'token' then
		select t.* into v_token from muster.token t
		 where t.token_hash = p_credential and (t.expires_at is null or t.expires_at > now());
		v_session.id := v_token.id;
		v_session.account_id := v_token.account_id;
		v_session.organization_id := v_token.organization_id;
	elsif p_kind is distinct from 'none' then
		raise exception using errcode = 'MU401', message = 'Sign in first.';
	end if;

	if v_session.id is not null then
		if p_organization is null or p_organization = '' then
			v_organization := v_session.organization_id;
		else
			select o.id into v_organization from muster.organization o
			 where o.slug = p_organization or o.id::text = lower(p_organization);
		end if;
		v_role := muster.role_of(v_session.account_id, v_organization);
	end if;

	if v_need > 0 then
		if v_session.id is null then
			raise exception using errcode = 'MU401', message = 'Sign in first.';
		end if;
		-- An organisation that is missing looks like one that is another's.
		if v_organization is null or v_role is null or muster.role_rank(v_role) < v_need
		   or v_organization <> v_token.organization_id then
			raise exception using errcode = 'MU403', message = 'You may not do this here.';
		end if;
	end if;
	if v_token.id is not null then
		if p_scope is null or not (p_scope = 'read' or v_token.scopes && array[p_scope, 'admin']) then
			raise exception using errcode = 'MU403',
				message = 'This token was not made for that.';
		end if;
		-- A row a read is too much: about when is enough.
		if v_token.used_at is null or v_token.used_at < now() - interval '10 minutes' then
			update muster.token t set used_at = now()
			 where t.id = (select l.id from muster.token l where l.id = v_token.id for update skip locked);
		end if;
	end if;
	-- Compared by hash, so that the time taken tells nothing about the token.
	if p_csrf is not null and (v_session.id is null or sha256(p_csrf) <> sha256(v_session.csrf)) then
		raise exception using errcode = 'MU403',
			message = 'The page is out of date. Reload it and try again.';
	end if;
	if v_role is null then
		v_organization := null;
		v_session := null;
	end if;

	perform set_config('muster.account', coalesce(v_session.account_id::text, ''), true),
		set_config('muster.organization', coalesce(v_organization::text, ''), true),
		set_config('muster.role', coalesce(v_role, 'nobody'), true),
		set_config('muster.session', coalesce(v_session.id::text, ''), true),
		set_config('muster.scopes', array_to_string(coalesce(v_token.scopes, '{}'), ','), true),
		set_config('muster.address', coalesce(p_address, ''), true);
	return query select v_session.account_id, v_organization, coalesce(v_role, 'nobody'), s.head
		       from muster.stream s;
end
$$;

create function muster.login_key(p_kind text, p_what text) returns bytea
language sql immutable
return sha256(convert_to(p_kind || ':' || lower(p_what), 'UTF8'));

create function muster.login_find(p_email text, p_address text default null)
returns table (account_id uuid, password_hash text, state text, name text, wait_s integer, totp text)
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	select a.id, a.password_hash, coalesce(a.state, 'unknown'), a.name,
	       coalesce((select ceil(extract(epoch from max(l.blocked_until) - now()))
			   from muster.login_limit l
			  where l.key in (muster.login_key('account', p_email),
					  muster.login_key('address', coalesce(p_address, '-')))
			    and l.blocked_until > now()), 0)::integer,
	       t.sealed
	  from (select 1) one
	  left join muster.account a on lower(a.email) = lower(p_email) and a.state = 'active'
	  left join muster.totp t on t.account_id = a.id and t.confirmed_at is not null;
end;

-- Of the account and of the address, in the order in which they are locked, with how many wrong ones are free.
create function muster.login_limits(p_email text, p_address text) returns table (key bytea, free integer)
language sql immutable
begin atomic
	values (muster.login_key('account', p_email), 5), (muster.login_key('address', coalesce(p_address, '-')), 20);
end;

create function muster.login_refuse(p_email text) returns void
language sql volatile security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.trail (organization_id, account_id, action, subject)
	select (select m.organization_id from muster.membership m where m.account_id = a.id
		 order by m.created_at, m.organization_id limit 1), a.id, 'session.refuse', a.id::text
	  from muster.account a where lower(a.email) = lower(p_email);
end;

create function muster.login_try(p_email text, p_address text, out wait_s integer, out is_busy boolean)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	-- Both rows are there and locked, in one order, before they are read: whoever comes at the same
	-- moment sees what this one has counted. A day without a wrong one starts the count again; a try
	-- whose program was ended is forgotten after a minute without another one.
	insert into muster.login_limit as l (key, tried_at)
	select f.key, now() from muster.login_limits(p_email, p_address) f
	on conflict (key) do update
	   set failures = case when l.updated_at < now() - interval '1 day' then 0 else l.failures end,
	       pending = case when l.tried_at < now() - interval '1 minute' then 0 else l.pending end;
	select f.wait_s into login_try.wait_s from muster.login_find(p_email, p_address) f;
	is_busy := wait_s = 0 and exists (
		select from muster.login_limits(p_email, p_address) f join muster.login_limit l on l.key = f.key
		 where l.pending >= greatest(f.free - l.failures, 1));
	if is_busy then
		wait_s := 1;
	elsif wait_s = 0 then
		update muster.login_limit l set pending = l.pending + 1, tried_at = now()
		  from muster.login_limits(p_email, p_address) f where l.key = f.key;
	end if;
end
$$;

create function muster.login_tried(p_email text, p_address text, p_ok boolean, p_in boolean default false)
returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_limit record;
begin
	-- The account first, as login_try() locks them.
	for v_limit in select f.key, f.free from muster.login_limits(p_email, p_address) f loop
		update muster.login_limit l
		   set pending = greatest(l.pending - 1, 0),
		       failures = case when not p_ok then least(l.failures, 1000) + 1 else l.failures end,
		       updated_at = case when not p_ok then now() else l.updated_at end,
		       blocked_until = case when not p_ok and l.failures + 1 >= v_limit.free
					    then now() + least(power(2, least(l.failures + 1 - v_limit.free, 10)), 900)
							 * interval '1 second'
					    else l.blocked_until end
		 where l.key = v_limit.key;
	end loop;
	if p_in then
		update muster.login_limit set failures = 0, blocked_until = '-infinity'
		 where key = muster.login_key('account', p_email);
	end if;
	if p_ok then
		delete from muster.login_limit l using muster.login_limits(p_email, p_address) f
		 where l.key = f.key and l.failures = 0 and l.pending = 0;
	else
		perform muster.login_refuse(p_email);
	end if;
end
$$;

-- What the wire calls the account.
create function muster.account_json(p_account uuid, p_organization uuid) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select jsonb_build_object('id', a.id, 'email', a.email, 'name', a.name,
		'role', muster.role_of(a.id, o.id),
		'organization', jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name))
	  from muster.account a, muster.organization o
	 where a.id = p_account and o.id = p_organization);

create function muster.session_tell(p_type text, p_session muster.session) returns void
language sql volatile security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.outbox (organization_id, channel, type, subject, data)
	select (p_session).organization_id, 'presence', p_type, a.id::text,
	       jsonb_build_object('account_id', a.id, 'name', a.name, 'timestamp', muster.iso(now()))
	  from muster.account a where a.id = (p_session).account_id;
end;

create function muster.session_add(p_account uuid, p_token_hash bytea, p_csrf bytea,
				   p_refresh_hash bytea, p_organization text default null,
				   p_address text default null, p_agent text default null,
				   p_method text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
	v_session muster.session;
begin
	select o.id into v_organization
	  from muster.organization o
	  join muster.account a on a.id = p_account and a.state = 'active'
	  left join muster.membership m on m.organization_id = o.id and m.account_id = a.id
	 where (m.account_id is not null or a.platform_admin) and o.removed_at is null
	   and (coalesce(p_organization, '') = '' or o.slug = p_organization)
	 order by m.account_id is null, m.created_at, o.created_at, o.id
	 limit 1;
	if v_organization is null then
		raise exception using errcode = 'MU403', message = 'This account belongs to no organization.';
	end if;
	insert into muster.session (organization_id, account_id, token_hash, csrf, expires_at, address,
				    agent)
	values (v_organization, p_account, p_token_hash, p_csrf, now() + interval '7 days',
		left(p_address, 64), left(p_agent, 300))
	returning * into v_session;
	insert into muster.refresh (token_hash, organization_id, session_id, expires_at)
	values (p_refresh_hash, v_organization, v_session.id, v_session.expires_at);
	update muster.account set signed_in_at = now() where id = p_account;
	insert into muster.trail (organization_id, account_id, action, subject, data, address)
	values (v_organization, p_account, 'session.add', v_session.id::text,
		jsonb_strip_nulls(jsonb_build_object('method', p_method)), v_session.address);
	perform muster.session_tell('user_login', v_session);
	return jsonb_build_object('sid', v_session.id, 'csrf_token', encode(p_csrf, 'hex'),
				  'expires_at', muster.iso(v_session.expires_at),
				  'account', muster.account_json(p_account, v_organization));
end
$$;

create function muster.session_rotate(p_refresh_hash bytea, p_new_hash bytea) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_refresh muster.refresh;
	v_session muster.session;
begin
	select * into v_refresh from muster.refresh where token_hash = p_refresh_hash for update;
	if v_refresh.token_hash is null then
		return jsonb_build_object('state', 'unknown');
	end if;
	select * into v_session from muster.session where id = v_refresh.session_id for update;
	if v_refresh.used_at > now() - interval '10 seconds' then
		return jsonb_build_object('state', 'unknown');
	elsif v_refresh.used_at is not null then
		delete from muster.session where id = v_session.id;
		insert into muster.trail (organization_id, account_id, action, subject)
		values (v_session.organization_id, v_session.account_id, 'session.reused', v_session.id::text);
		return jsonb_build_object('state', 'reused');
	elsif v_refresh.expires_at <= now() or v_session.expires_at <= now()
	      or muster.role_of(v_session.account_id, v_session.organization_id) is null then
		return jsonb_build_object('state', 'expired');
	end if;
	update muster.refresh set used_at = now() where token_hash = p_refresh_hash;
	-- Thirty days after the sign-in the password is asked for again.
	update muster.session
	   set expires_at = least(now() + interval '7 days', created_at + interval '30 days')
	 where id = v_session.id
	returning * into v_session;
	insert into muster.refresh (token_hash, organization_id, session_id, expires_at)
	values (p_new_hash, v_session.organization_id, v_session.id, v_session.expires_at);
	return jsonb_build_object('state', 'ok', 'sid', v_session.id,
				  'csrf_token', encode(v_session.csrf, 'hex'),
				  'expires_at', muster.iso(v_session.expires_at),
				  'account', muster.account_json(v_session.account_id,
								 v_session.organization_id));
end
$$;

create function muster.session_remove(p_session uuid default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_session muster.session;
begin
	delete from muster.session
	 where id = coalesce(p_session, nullif(current_setting('muster.session', true), '')::uuid)
	   and account_id = muster.account()
	returning * into v_session;
	if v_session.id is null then
		return false;
	end if;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_session.organization_id, v_session.account_id, 'session.remove', v_session.id::text);
	perform muster.session_tell('user_logout', v_session);
	return true;
end
$$;

create function muster.account_me() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return muster.account_json(muster.account(), v_organization)
	       || jsonb_build_object(
			'csrf_token', (select encode(s.csrf, 'hex') from muster.session s
				where s.id = nullif(current_setting('muster.session', true), '')::uuid),
			'organizations', (select coalesce(jsonb_agg(jsonb_build_object('id', o.id,
					'slug', o.slug, 'name', o.name, 'role', m.role) order by o.slug), '[]')
				  from muster.membership m
				  join muster.organization o on o.id = m.organization_id
				 where m.account_id = muster.account()));
end
$$;

create function muster.push_sessions()
returns table (session_hash bytea, sid text, account_id uuid, organization_id uuid, role text,
	       expires_at timestamptz)
language sql stable security definer rows 1000 set search_path = pg_catalog, muster, pg_temp
begin atomic
	select s.token_hash, s.id::text, s.account_id, s.organization_id, r.role, s.expires_at
	  from (select token_hash, id, account_id, organization_id, expires_at from muster.session
		union all
		select token_hash, id, account_id, organization_id, coalesce(expires_at, '9999-12-31Z')
		  from muster.token) s
	 cross join lateral (select muster.role_of(s.account_id, s.organization_id) as role) r
	 where s.expires_at > now() and r.role is not null;
end;
