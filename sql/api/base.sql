-- SPDX-License-Identifier: MIT
-- Small pieces that the other files use. Only the last three read a table.
--
--   account()                   who acts in this transaction
--   iso(timestamptz)            RFC 3339 text in UTC with milliseconds and Z
--   json_int(jsonb, min, max)   a number, clamped; null when it is no number
--   json_text(jsonb, characters)      a string, cut; null when it is none
--   json_time(text)             a time of ISO 8601; null when it is none
--   uuid_from(text)             a version 8 uuid made of a text
--   byte_at(bytea, int)         one byte, 0 beyond the end
--   status_code / status_name   a repository's status as the byte that audits keep
--   role_rank(text)             roles in order; null: not a role
--   role_from(text)             a role by our word or another system's
--   scopes()                    what the API token that acts was made for; null: no token acts
--   is_admin()                  whether who acts is an administrator of the organisation, and not a
--                               token that was not made for that
--   match_check(if_match, jsonb)       MU412 unless one of these entity tags is that answer's
--   organization_need()         the organisation of this transaction, MU401 without one
--   cursor_format / cursor_parse       an opaque cursor around a jsonb array
--   cursor_moment(text)         one of (timestamptz, uuid); without: after everything
--   limit_check(int)            1 to 200, default 50, else MU400
--   person_json(account) · repo_brief(repo)   what answers say of either: {id, email, name}, {id, name}
--   setting_get(key, default)   the organisation's setting, else everybody's, else the default
--
-- Functions of one row that are called often are plpgsql where they cannot be inlined: a session keeps
-- their plans, those of language sql are made at each call.
--
-- What we raise: MU400 input, MU401 no identity, MU403 not allowed, MU404 missing, MU409 conflict,
-- MU412 another version, MU422 another request, MU429 limit, MU503 busy: the HTTP status behind MU. The
-- message is for people; DETAIL is a JSON array of {field, message} where fields are to blame. MU208 is
-- no failure, see idempotency_take().

-- The account that enter() set; null: nobody.
create function muster.account() returns uuid
language sql stable parallel safe
return nullif(pg_catalog.current_setting('muster.account', true), '')::uuid;

-- Stable, for to_char() is: a function that promises more than its body does is never inlined, and
-- one that is called instead is planned in each statement anew.
create function muster.iso(p_at timestamptz) returns text
language sql stable parallel safe
return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

create function muster.json_int(p_value jsonb, p_min bigint, p_max bigint) returns bigint
language sql immutable parallel safe
return case when jsonb_typeof(p_value) = 'number'
	    then least(greatest(trunc((p_value #>> '{}')::numeric), p_min), p_max)::bigint end;

create function muster.json_text(p_value jsonb, p_max integer) returns text
language sql immutable parallel safe
return case when jsonb_typeof(p_value) = 'string' then left(p_value #>> '{}', p_max) end;

-- jsonpath is the one reader of dates in PostgreSQL 15 that answers null instead of raising.
create function muster.json_time(p_text text) returns timestamptz
language sql stable parallel safe
return case when length(p_text) <= 40 then (jsonb_path_query_first_tz(
		to_jsonb(regexp_replace(regexp_replace(p_text, '\.\d+', ''), 'Z$', '+00:00')),
		'$.datetime()', '{}', true) #>> '{}')::timestamptz end;

create function muster.uuid_from(p_text text) returns uuid
language sql immutable parallel safe
return (select encode(set_byte(set_byte(h.b, 6, (get_byte(h.b, 6) & 15) | 128), 8,
			       (get_byte(h.b, 8) & 63) | 128), 'hex')::uuid
	  from (select substr(sha256(convert_to(p_text, 'UTF8')), 1, 16) as b) h);

-- The byte at a place; 0 beyond the end.
create function muster.byte_at(p_bytes bytea, p_place integer) returns integer
language sql immutable parallel safe
return case when length(p_bytes) > p_place then get_byte(p_bytes, p_place) else 0 end;

create function muster.status_code(p_status text) returns integer
language sql immutable parallel safe
return coalesce(array_position(array['missing', 'extra', 'dirty', 'mismatched', 'clean', 'not_git',
				     'error'], p_status), 0);

create function muster.status_name(p_code integer) returns text
language sql immutable parallel safe
return (array['missing', 'extra', 'dirty', 'mismatched', 'clean', 'not_git', 'error'])[p_code];

create function muster.role_rank(p_role text) returns integer
language sql immutable parallel safe
return array_position(array['nobody', 'viewer', 'developer', 'team_lead', 'org_admin',
			    'platform_admin'], p_role) - 1;

create function muster.role_from(p_word text) returns text
language sql immutable parallel safe
return case p_word when 'admin' then 'org_admin' when 'operator' then 'team_lead' when 'editor' then 'developer'
	    else p_word end;

create function muster.scopes() returns text[]
language sql stable parallel safe
return pg_catalog.string_to_array(nullif(pg_catalog.current_setting('muster.scopes', true), ''), ',');

create function muster.is_admin() returns boolean
language sql stable parallel safe
return coalesce(muster.role_rank(nullif(pg_catalog.current_setting('muster.role', true), ''))
		>= muster.role_rank('org_admin'), false)
       and coalesce('admin' = any (muster.scopes()), true);

-- p_now: what GET answers; its entity tag is half of the sha256 of that text (cgi/response.c). Null or
-- '' asks for nothing. The text must be made in the same way, so call this with the very function, and
-- lock the row before that.
create function muster.match_check(p_if_match text, p_now jsonb) returns void
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
begin
	if coalesce(p_if_match, '') not in ('', '*')
	   and strpos(p_if_match, left(encode(sha256(convert_to(p_now::text, 'UTF8')), 'hex'), 32)) = 0 then
		raise exception using errcode = 'MU412',
			message = 'This was changed meanwhile. Load it again.';
	end if;
end
$$;

create function muster.organization_need() returns uuid
language plpgsql stable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
begin
	if muster.organization() is null then
		raise exception using errcode = 'MU401', message = 'Sign in first.';
	end if;
	return muster.organization();
end
$$;

create function muster.cursor_format(p_key jsonb) returns text
language sql immutable parallel safe
return translate(encode(convert_to(p_key::text, 'UTF8'), 'base64'), E'+/=\n', '-_');

create function muster.cursor_parse(p_cursor text, p_elements integer) returns jsonb
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_key jsonb;
begin
	if p_cursor is null or p_cursor = '' then
		return null;
	end if;
	if length(p_cursor) <= 4000 then
		begin
			v_key := convert_from(decode(rpad(translate(p_cursor, '-_', '+/'),
				(length(p_cursor) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb;
		exception when data_exception or statement_too_complex then
			v_key := null;
		end;
	end if;
	if jsonb_typeof(v_key) is distinct from 'array' or jsonb_array_length(v_key) <> p_elements then
		perform muster.field_error('cursor', 'is not one that this list gave');
	end if;
	return v_key;
end
$$;

-- Where a list by time went on to, the newest first: before everything without a cursor.
create function muster.cursor_moment(p_cursor text, out at timestamptz, out id uuid)
language plpgsql stable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_key jsonb := muster.cursor_parse(p_cursor, 2);
begin
	at := coalesce(v_key ->> 0, 'infinity')::timestamptz;
	id := coalesce(v_key ->> 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid;
exception when data_exception then
	perform muster.field_error('cursor', 'is not one that this list gave');
end
$$;

create function muster.field_error(p_field text, p_message text) returns void
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
begin
	raise exception using errcode = 'MU400', message = format('%s %s.', p_field, p_message),
		detail = jsonb_build_array(jsonb_build_object('field', p_field, 'message', p_message))::text;
end
$$;

create function muster.limit_check(p_limit integer, p_default integer default 50,
				   p_max integer default 200) returns integer
language plpgsql immutable parallel safe set search_path = pg_catalog, muster, pg_temp as $$
begin
	if p_limit is null then
		return p_default;
	end if;
	if p_limit not between 1 and p_max then
		perform muster.field_error('limit', format('must be from 1 to %s', p_max));
	end if;
	return p_limit;
end
$$;

create function muster.person_json(p_account uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select jsonb_build_object('id', a.id, 'email', a.email, 'name', a.name)
		  from muster.account a where a.id = p_account);
end
$$;

create function muster.repo_brief(p_repo uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (select jsonb_build_object('id', r.id, 'name', r.name) from muster.repo r where r.id = p_repo);
end
$$;

create function muster.setting_get(p_key text, p_default jsonb default null,
				   p_organization uuid default muster.organization()) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return coalesce((select value from muster.setting
			  where key = p_key and organization_id = p_organization),
			(select value from muster.setting where key = p_key and organization_id is null),
			p_default);
end
$$;
