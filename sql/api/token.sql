-- SPDX-License-Identifier: MIT
-- API tokens: for scripts, in place of a session. They begin with mst_ and are told once.
--
--   token_list(p_limit, p_cursor) → {"items": [{id, name, hint, scopes, account, created_at, expires_at, used_at}],
--       "next"}: one's own; an administrator of the organisation sees everybody's.
--   token_add(p_name, p_scopes, p_days, p_token_hash, p_hint) → the same object. p_scopes: of read,
--       write, run, admin, as a JSON list; p_days null: it does not expire. MU403: admin without being
--       one, or a token that asks for more than it has, or for longer. MU409: fifty are there already.
--   token_remove(p_token): ends it, and the streams that it opened. One's own, or an administrator's
--       any. MU404.
--   token_announce(p_tokens): tells the pusher's mirror. Internal.

create function muster.token_announce(p_tokens uuid[]) returns void
language sql volatile security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	insert into muster.outbox (organization_id, channel, type, subject, data, labels)
	select t.organization_id, 'presence', 'session-change', t.id::text,
	       jsonb_build_object('operation', case when r.role is null then 'remove' else 'set' end,
				  'sid', t.id, 'session_hash', encode(t.token_hash, 'hex'),
				  'account_id', t.account_id, 'organization_id', t.organization_id,
				  'role', r.role, 'expires_at', coalesce(t.expires_at, '9999-12-31Z')),
	       '{"internal": true}'
	  from muster.token t
	 cross join lateral (select muster.role_of(t.account_id, t.organization_id) as role) r
	 where t.id = any (p_tokens);
end;

create function muster.token_json(p_token muster.token) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_token).id, 'name', (p_token).name, 'hint', (p_token).hint,
	'scopes', to_jsonb((p_token).scopes),
	'account', muster.person_json((p_token).account_id),
	'created_at', muster.iso((p_token).created_at), 'expires_at', muster.iso((p_token).expires_at),
	'used_at', muster.iso((p_token).used_at));

create function muster.token_list(p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_account uuid := muster.account();
	v_is_all boolean := muster.is_admin();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_at timestamptz;
	v_id uuid;
begin
	select c.at, c.id into v_at, v_id from muster.cursor_moment(p_cursor) c;
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.token_json(x.t) order by x.k) filter (where x.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(jsonb_build_array(
				((array_agg((x.t).created_at order by x.k))[v_limit])::text,
				(array_agg((x.t).id order by x.k))[v_limit])) end)
		  from (select t, row_number() over (order by t.created_at desc, t.id desc) as k
			  from muster.token t
			 where t.organization_id = v_organization and (v_is_all or t.account_id = v_account)
			   and (t.created_at, t.id) < (v_at, v_id)
			 order by t.created_at desc, t.id desc limit v_limit + 1) x);
end
$$;

create function muster.token_add(p_name text, p_scopes jsonb, p_token_hash bytea, p_hint text,
				 p_days integer default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_token muster.token;
	v_scopes text[] := array(select distinct s from jsonb_array_elements_text(p_scopes) s order by s);
begin
	if not v_scopes <@ array['read', 'write', 'run', 'admin'] or cardinality(v_scopes) = 0 then
		perform muster.field_error('scopes', 'must be some of read, write, run, admin');
	end if;
	if 'admin' = any (v_scopes) and not muster.is_admin() then
		raise exception using errcode = 'MU403',
			message = 'Only an administrator makes a token for administration.';
	end if;
	-- Who found a token has what it may, for as long as it lives, and no way to more.
	if muster.scopes() is not null then
		if not ('admin' = any (muster.scopes()) or v_scopes <@ muster.scopes())
		   or coalesce((select t.expires_at from muster.token t
				 where t.id::text = current_setting('muster.session', true)), 'infinity')
		      < coalesce(now() + make_interval(days => p_days), 'infinity') then
			raise exception using errcode = 'MU403',
				message = 'A token makes none that may more, or lives longer, than itself.';
		end if;
	end if;
	if (select count(*) from muster.token
	     where organization_id = v_organization and account_id = muster.account()) >= 50 then
		raise exception using errcode = 'MU409',
			message = 'You have fifty tokens here. Remove one first.';
	end if;
	insert into muster.token (organization_id, account_id, name, hint, token_hash, scopes, expires_at)
	values (v_organization, muster.account(), p_name, p_hint, p_token_hash, v_scopes,
		now() + make_interval(days => p_days))
	returning * into v_token;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'token.add', v_token.id::text,
		jsonb_build_object('name', p_name, 'scopes', to_jsonb(v_scopes)));
	return muster.token_json(v_token);
end
$$;

create function muster.token_remove(p_token uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_token muster.token;
begin
	delete from muster.token
	 where id = p_token and organization_id = v_organization
	   and (account_id = muster.account() or muster.is_admin())
	returning * into v_token;
	if v_token.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such token.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'token.remove', v_token.id::text,
		jsonb_build_object('name', v_token.name));
	return muster.token_json(v_token);
end
$$;
