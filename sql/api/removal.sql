-- SPDX-License-Identifier: MIT
-- Removing an organisation, or an account, with everything that is in it or is its.
--
--   organization_remove(p_organization, p_confirm) → {"status": "pending"}: it is not there any more, and
--       a job takes its rows away. p_confirm: the slug once more. Owner or the platform's administrator.
--       MU400, MU403.
--   account_remove(p_confirm, p_account) → likewise: oneself, or as the platform's administrator another,
--       with the personal organisations that nobody else is in. p_confirm: the address once more. MU400,
--       MU403, MU404; MU409: somebody else has to be the administrator first.
--   removal_step(p_job) → whether there is more. For job_step(). How many rows of which table went, or
--       lost their name (finding.assignee_id), is on the trail in the end: organization.erase,
--       account.erase.
--   organization_erase(p_organization), account_erase(p_account) → {table: rows}: all at once, for the
--       terminal.
--   account_spare(p_account): MU409 when somebody else has to take over first; platform_spare(p_account):
--       as the administrator of the server.
--   removal_columns, removal_piece, removal_finish, organization_close: parts of
--       these. removal_whole: all pieces at once.
--
-- Which tables these are the catalogue says: each column organization_id; each that refers to an account
-- or is called account_id, where what may be without is kept without a name. The trail stays as it is:
-- what it has of an account is a number that is nobody's any more.

-- Tables in the order in which their references let go.
create function muster.removal_columns(p_of text) returns table (relname name, attname name, is_kept boolean)
language sql stable set search_path = pg_catalog, muster, pg_temp as $$
	with recursive reference as (
		select conrelid, confrelid, conkey[1] as attnum from pg_constraint
		 where contype = 'f' and connamespace = 'muster'::regnamespace and conrelid <> confrelid
	), depth as (
		select c.oid, 0 as n from pg_class c where c.relnamespace = 'muster'::regnamespace and c.relkind = 'r'
		union
		select r.conrelid, d.n + 1 from depth d join reference r on r.confrelid = d.oid where d.n < 20
	)
	select c.relname, a.attname, p_of = 'account' and not a.attnotnull
	  from pg_class c
	  join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'uuid'::regtype and not a.attisdropped
	  join (select oid, max(n) as n from depth group by oid) d on d.oid = c.oid
	 where not c.relispartition and c.relname not in ('trail', 'outbox', 'job')
	   and case p_of when 'organization' then a.attname = 'organization_id'
			 else a.attname = 'account_id'
			      or exists (select from reference r where r.conrelid = c.oid and r.attnum = a.attnum
					    and r.confrelid = 'muster.account'::regclass) end
	 order by d.n desc, c.relname, a.attname
$$;

-- p_state: {account, organizations, at, page, rows} → the same with how far it is, and is_done in the
-- end. A piece is a thousand rows, found by reading at most some thousand pages: most tables have no
-- index for this, and each is read once whoever has much in it.
create function muster.removal_piece(p_state jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organizations uuid[] := array(select jsonb_array_elements_text(p_state -> 'organizations'));
	v_at integer := coalesce((p_state ->> 'at')::integer, 0);
	v_page bigint := coalesce((p_state ->> 'page')::bigint, 0);
	v_rows jsonb := coalesce(p_state -> 'rows', '{}');
	v_left integer := 1000;
	v_pages_left integer := 4096;
	v_column record;
	v_limit integer;
	v_count integer;
begin
	for v_column in
		select x.*, x.relname || case when x.is_kept then '.' || x.attname else '' end as label
		  from (select c.*, array[(p_state ->> 'account')::uuid] as ids, 1 as part
			  from muster.removal_columns('account') with ordinality c (relname, attname, is_kept, n)
			 where p_state ->> 'account' is not null
			union all
			select c.*, v_organizations, 2
			  from muster.removal_columns('organization') with ordinality c (relname, attname, is_kept, n)
			 where cardinality(v_organizations) > 0) x
		 order by x.part, x.n offset v_at
	loop
		while v_page < pg_relation_size(format('muster.%I', v_column.relname)::regclass) / current_setting('block_size')::bigint
		loop
			if v_left <= 0 or v_pages_left <= 0 then
				return p_state || jsonb_build_object('at', v_at, 'page', v_page, 'rows', v_rows);
			end if;
			-- What refers to a project is looked for without an index.
			v_limit := case v_column.relname when 'project' then least(v_left, 10) else v_left end;
			execute format(case when v_column.is_kept then 'update muster.%1$I set %2$I = null'
					    else 'delete from muster.%1$I' end
				|| ' where ctid = any (array(select ctid from muster.%1$I where %2$I = any ($1)
					and ctid >= %3$L::tid and ctid < %4$L::tid limit $2))',
				v_column.relname, v_column.attname, format('(%s,0)', v_page),
				format('(%s,0)', v_page + 1024)) using v_column.ids, v_limit;
			get diagnostics v_count = row_count;
			if v_count > 0 then
				v_rows := muster.count_add(v_rows, jsonb_build_object(v_column.label, v_count));
			end if;
			v_left := v_left - v_count;
			v_pages_left := v_pages_left - 1024;
			if v_count < v_limit then
				v_page := v_page + 1024;
			elsif v_limit < v_left + v_count then
				v_left := 0;
			end if;
		end loop;
		v_at := v_at + 1;
		v_page := 0;
		v_pages_left := least(v_pages_left + 1000, 4096);
	end loop;
	if cardinality(v_organizations) > 0 then
		delete from muster.event where id = any (array(
			select id from muster.event where organization_id = any (v_organizations) limit v_left));
		get diagnostics v_count = row_count;
		if v_count > 0 or v_left = 0 then
			return p_state || jsonb_build_object('at', v_at, 'page', 0, 'rows', case when v_count > 0
				then muster.count_add(v_rows, jsonb_build_object('event', v_count)) else v_rows end);
		end if;
	end if;
	return p_state || jsonb_build_object('rows', v_rows, 'is_done', true);
end
$$;

-- The rows that all others leaned on, and what came meanwhile.
create function muster.removal_finish(p_state jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organizations uuid[] := array(select jsonb_array_elements_text(p_state -> 'organizations'));
begin
	if cardinality(v_organizations) > 0 then
		-- Another removal that was asked for from there goes on from elsewhere.
		update muster.job j
		   set organization_id = (select o.id from muster.organization o
					   where o.removed_at is null order by o.created_at limit 1)
		 where j.organization_id = any (v_organizations) and j.kind = 'remove' and j.state in ('queued', 'running')
		   and (j.payload -> 'organizations') is distinct from (p_state -> 'organizations')
		   and exists (select from muster.organization o where o.removed_at is null);
		delete from muster.organization where id = any (v_organizations);
		-- But that sessions and tokens have ended is still to be told.
		delete from muster.outbox
		 where organization_id = any (v_organizations) and type is distinct from 'session-change';
	end if;
	delete from muster.account where id = (p_state ->> 'account')::uuid;
end
$$;

create function muster.removal_step(p_job muster.job) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_state jsonb := muster.removal_piece((p_job).payload);
begin
	if not v_state ? 'is_done' then
		update muster.job set payload = v_state, result = v_state -> 'rows' where id = (p_job).id;
		return true;
	end if;
	update muster.job set result = v_state -> 'rows' where id = (p_job).id;
	if v_state ->> 'account' is not null then
		insert into muster.trail (organization_id, action, subject, data)
		values ((p_job).organization_id, 'account.erase', v_state ->> 'account', v_state -> 'rows');
	else
		insert into muster.trail (organization_id, action, subject, data)
		select o::uuid, 'organization.erase', v_state ->> 'slug', v_state -> 'rows'
		  from jsonb_array_elements_text(v_state -> 'organizations') o;
	end if;
	perform muster.removal_finish(v_state);
	return false;
end
$$;

create function muster.removal_whole(p_state jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_state jsonb := p_state;
begin
	while not v_state ? 'is_done' loop
		v_state := muster.removal_piece(v_state);
	end loop;
	perform muster.removal_finish(v_state);
	return v_state -> 'rows';
end
$$;

create function muster.organization_erase(p_organization uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.removal_whole(jsonb_build_object('organizations', jsonb_build_array(p_organization)));
end
$$;

create function muster.account_erase(p_account uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.removal_whole(jsonb_build_object('account', p_account, 'organizations', '[]'::jsonb));
end
$$;

create function muster.platform_spare(p_account uuid) returns void
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if exists (select from muster.account where id = p_account and platform_admin and state = 'active')
	   and not exists (select from muster.account
			    where id <> p_account and platform_admin and state = 'active') then
		raise exception using errcode = 'MU409',
			message = 'This is the only administrator of the server. Make another one first.';
	end if;
end
$$;

create function muster.account_spare(p_account uuid) returns void
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.platform_spare(p_account);
	if exists (select from muster.membership m
		    where m.account_id = p_account and m.role = 'org_admin'
		      and exists (select from muster.membership o
				   where o.organization_id = m.organization_id and o.account_id <> p_account)
		      and not exists (select from muster.membership o
				       where o.organization_id = m.organization_id and o.account_id <> p_account
					 and o.role = 'org_admin')) then
		raise exception using errcode = 'MU409',
			message = 'Somebody else has to be the administrator of its organizations first.';
	end if;
end
$$;

-- Nobody is in it any more, and nothing is done in it.
create function muster.organization_close(p_organization uuid) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_moved uuid[];
begin
	perform muster.job_cancel(j.id) from muster.job j
	  where j.organization_id = p_organization and j.state in ('queued', 'running') and j.kind <> 'remove';
	update muster.root set watched = false where organization_id = p_organization and watched;
	-- Who is somewhere else, too, stays signed in there.
	with moved as (
		update muster.session s set organization_id = m.organization_id
		  from (select distinct on (account_id) account_id, organization_id from muster.membership
			 where organization_id <> p_organization order by account_id, created_at) m
		 where s.organization_id = p_organization and s.account_id = m.account_id
		returning s.id
	)
	select array_agg(id) into v_moved from moved;
	update muster.refresh r set organization_id = s.organization_id
	  from muster.session s where s.id = any (v_moved) and r.session_id = s.id;
	delete from muster.session where organization_id = p_organization;
	delete from muster.token where organization_id = p_organization;
	delete from muster.invitation where organization_id = p_organization;
	delete from muster.membership where organization_id = p_organization;
	update muster.organization set slug = 'removed-' || id, removed_at = now() where id = p_organization;
end
$$;

create function muster.organization_remove(p_organization text, p_confirm text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization muster.organization := muster.organization_own(p_organization);
begin
	if muster.role_of(muster.account(), v_organization.id) <> 'platform_admin'
	   and v_organization.owner_id is distinct from muster.account() then
		raise exception using errcode = 'MU403',
			message = 'Its owner or the administrator of this server removes an organization.';
	end if;
	if p_confirm is distinct from v_organization.slug then
		perform muster.field_error('confirm', 'must be the slug of what is to be removed');
	end if;
	perform muster.organization_close(v_organization.id);
	perform muster.job_add(v_organization.id, 'remove', 'organization', jsonb_build_object(
		'organizations', jsonb_build_array(v_organization.id), 'slug', v_organization.slug));
	insert into muster.trail (organization_id, account_id, action, subject)
	values (v_organization.id, muster.account(), 'organization.remove', v_organization.slug);
	return jsonb_build_object('status', 'pending');
end
$$;

create function muster.account_remove(p_confirm text, p_account uuid default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_account muster.account;
	v_personal muster.organization[];
begin
	if p_account is null and not exists (select from muster.session
			where id::text = current_setting('muster.session', true)) then
		raise exception using errcode = 'MU403', message = 'Only who is signed in removes their account.';
	elsif p_account is not null and current_setting('muster.role', true) <> 'platform_admin' then
		raise exception using errcode = 'MU403', message = 'You may not do this here.';
	end if;
	-- In the order of admin_account_role(): this lock, then the account.
	perform muster.admin_account_lock();
	select * into v_account from muster.account
	 where id = coalesce(p_account, muster.account()) and removed_at is null for update;
	if v_account.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such account.';
	end if;
	if lower(p_confirm) is distinct from lower(v_account.email) then
		perform muster.field_error('confirm', 'must be the address of the account that is to be removed');
	end if;
	-- Two who leave an organisation at once do not leave it without an administrator.
	perform 1 from muster.organization o join muster.membership m on m.organization_id = o.id
	  where m.account_id = v_account.id order by o.id for no key update of o;
	perform muster.account_spare(v_account.id);
	v_personal := array(select o from muster.organization o
		where o.owner_id = v_account.id and o.personal and o.removed_at is null
		  and not exists (select from muster.membership m
				   where m.organization_id = o.id and m.account_id <> v_account.id));
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'account.remove', v_account.id::text, jsonb_build_object(
		'organizations', (select coalesce(jsonb_agg(p.slug), '[]') from unnest(v_personal) p)));
	perform muster.organization_close(p.id) from unnest(v_personal) p;
	delete from muster.session where account_id = v_account.id;
	delete from muster.token where account_id = v_account.id;
	delete from muster.membership where account_id = v_account.id;
	delete from muster.invitation where lower(email) = lower(v_account.email);
	delete from muster.login_limit where key = muster.login_key('account', v_account.email);
	update muster.account
	   set email = 'removed-' || id || '@removed.invalid', name = '', password_hash = null,
	       platform_admin = false, state = 'disabled', removed_at = now()
	 where id = v_account.id;
	perform muster.job_add(v_organization, 'remove', 'account:' || v_account.id, jsonb_build_object(
		'account', v_account.id,
		'organizations', (select coalesce(jsonb_agg(p.id), '[]') from unnest(v_personal) p)));
	return jsonb_build_object('status', 'pending');
end
$$;
