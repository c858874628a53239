-- SPDX-License-Identifier: MIT
-- What people do with their own account: sessions, name, password, the organisation they act in.
--
--   session_list() → {"items": [{id, organization, created_at, expires_at, address, agent, current}],
--       "next": null}, the newest first.
--   session_end(p_session) → it: one of one's own. MU404.
--   session_end_all() → {"ended"}: all but this one; API tokens stay, for programs use them.
--   session_history(p_limit, p_cursor) → {"items": [{id, action, method, organization, address, at}],
--       "next"}, the newest first: when one signed in and out, and when somebody tried in vain.
--   session_move(p_organization) → account_me(): this session acts there from now on. MU404.
--   account_rename(p_name) → account_me().
--   account_password_set(p_hash) → how many other sessions ended.
--   password_reset_add(p_email, p_token_hash, p_address) → name and address of the account that there
--       is, else no row: who asks is told the same either way. At most three an hour for an account.
--   password_reset_find(p_token_hash) → the account that the link is for, as login_find() has it, and its
--       address; no row: none.
--   password_reset_use(p_token_hash, p_hash) → account id; its sessions end, and so do other tokens of
--       the kind. MU404.

create function muster.session_json(p_session muster.session) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_session).id,
	'organization', (select jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name)
			   from muster.organization o where o.id = (p_session).organization_id),
	'created_at', muster.iso((p_session).created_at), 'expires_at', muster.iso((p_session).expires_at),
	'address', (p_session).address, 'agent', (p_session).agent,
	'current', (p_session).id::text = current_setting('muster.session', true));

create function muster.session_list() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(muster.session_json(s) order by s.created_at desc, s.id), '[]')
		  from (select * from muster.session
			 where account_id = muster.account() and expires_at > now()
			 order by created_at desc, id limit 200) s));
end
$$;

create function muster.session_history(p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 2);
	v_at timestamptz := 'infinity';
	v_id bigint := coalesce(muster.json_int(v_cursor -> 1, 0, 9223372036854775807), 9223372036854775807);
begin
	perform muster.organization_need();
	begin
		v_at := coalesce(v_cursor ->> 0, 'infinity')::timestamptz;
	exception when data_exception then
		perform muster.field_error('cursor', 'is not one that this list gave');
	end;
	return (select jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('id', t.id,
				'action', t.action, 'method', t.data ->> 'method', 'address', t.address,
				'organization', (select jsonb_build_object('id', o.id, 'slug', o.slug, 'name', o.name)
						   from muster.organization o
						  where o.id = t.organization_id and o.removed_at is null),
				'at', muster.iso(t.at)) order by t.k) filter (where t.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(jsonb_build_array(
				((array_agg(t.at order by t.k))[v_limit])::text,
				(array_agg(t.id order by t.k))[v_limit])) end)
		  from (select r.*, row_number() over (order by r.at desc, r.id desc) as k from muster.trail r
			 where r.account_id = muster.account() and (r.at, r.id) < (v_at, v_id)
			   and starts_with(r.action, 'session.')
			 order by r.at desc, r.id desc limit v_limit + 1) t);
end
$$;

create function muster.session_end(p_session uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_session muster.session;
	v_json jsonb;
begin
	perform muster.organization_need();
	select * into v_session from muster.session where id = p_session and account_id = muster.account();
	if v_session.id is null then
		raise exception using errcode = 'MU404', message = 'You have no such session.';
	end if;
	v_json := muster.session_json(v_session);
	delete from muster.session where id = p_session;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_session.organization_id, muster.account(), 'session.end', p_session::text);
	perform muster.session_tell('user_logout', v_session);
	return v_json;
end
$$;

create function muster.session_end_all() returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_count bigint;
begin
	with ended as (
		delete from muster.session
		 where account_id = muster.account() and id::text <> current_setting('muster.session', true)
		returning session),
	told as (select muster.session_tell('user_logout', e.session) from ended e)
	select count(*) into v_count from told;
	insert into muster.trail (organization_id, account_id, action, data)
	values (v_organization, muster.account(), 'session.end_all', jsonb_build_object('ended', v_count));
	return jsonb_build_object('ended', v_count);
end
$$;

create function muster.session_move(p_organization text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization := muster.organization_own(p_organization);
begin
	update muster.session set organization_id = v_organization.id
	 where id::text = current_setting('muster.session', true) and account_id = muster.account();
	if not found then
		raise exception using errcode = 'MU409', message = 'A token stays in its organization.';
	end if;
	update muster.refresh set organization_id = v_organization.id
	 where session_id::text = current_setting('muster.session', true);
	perform set_config('muster.organization', v_organization.id::text, true);
	return muster.account_me();
end
$$;

create function muster.account_rename(p_name text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	update muster.account set name = p_name where id = muster.account();
	return muster.account_me();
end
$$;

create function muster.account_password_set(p_hash text) returns bigint
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_count bigint;
begin
	update muster.account set password_hash = p_hash where id = muster.account();
	delete from muster.session
	 where account_id = muster.account() and id::text <> current_setting('muster.session', true);
	get diagnostics v_count = row_count;
	delete from muster.password_reset where account_id = muster.account();
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization, muster.account(), 'account.password', muster.account()::text);
	return v_count;
end
$$;

create function muster.password_reset_add(p_email text, p_token_hash bytea, p_address text default null)
returns table (email text, name text)
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
#variable_conflict use_column
declare
	v_account muster.account;
begin
	select * into v_account from muster.account a
	 where lower(a.email) = lower(p_email) and a.state = 'active' for update;
	if v_account.id is null or (select count(*) from muster.password_reset r where r.account_id = v_account.id
				      and r.created_at > now() - interval '1 hour') >= 3 then
		return;
	end if;
	insert into muster.password_reset (token_hash, account_id, expires_at)
	values (p_token_hash, v_account.id, now() + interval '1 hour');
	insert into muster.trail (account_id, action, subject, address)
	values (v_account.id, 'account.password_forgotten', v_account.id::text, left(p_address, 64));
	return query select v_account.email, v_account.name;
end
$$;

create function muster.password_reset_find(p_token_hash bytea, p_address text default null)
returns table (account_id uuid, email text, wait_s integer, totp text)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
#variable_conflict use_column
begin
	return query select a.id, a.email, f.wait_s, f.totp
		       from muster.password_reset r
		       join muster.account a on a.id = r.account_id and a.state = 'active'
		      cross join lateral muster.login_find(a.email, p_address) f
		      where r.token_hash = p_token_hash and r.expires_at > now();
end
$$;

create function muster.password_reset_use(p_token_hash bytea, p_hash text) returns uuid
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_account uuid;
begin
	select r.account_id into v_account
	  from muster.password_reset r join muster.account a on a.id = r.account_id
	 where r.token_hash = p_token_hash and r.expires_at > now() and a.state = 'active' for update of r;
	if v_account is null then
		raise exception using errcode = 'MU404',
			message = 'This link is used up or has expired. Ask for another one.';
	end if;
	update muster.account set password_hash = p_hash, email_proven = true where id = v_account;
	delete from muster.password_reset where account_id = v_account;
	delete from muster.session where account_id = v_account;
	delete from muster.login_limit l using muster.account a
	 where a.id = v_account and l.key = muster.login_key('account', a.email);
	insert into muster.trail (account_id, action, subject)
	values (v_account, 'account.password', v_account::text);
	return v_account;
end
$$;
