-- SPDX-License-Identifier: MIT
-- What opens repositories on other hosts, for one host each: over https a name and a password or token, over ssh a
-- key, and the keys by which the host is known. C seals what is secret before it comes here; nothing here shows it to
-- anybody, and it is opened by the runner alone, for the one job that clones or fetches from that host.
--
--   credential_list(p_limit, p_cursor) → {"items": [credential], "next"}, by host
--   credential_add(p_id, p_host, p_username, p_sealed, p_kind, p_host_keys, p_fault) → credential; it takes the place
--       of the one that there was of the kind for the host. p_sealed: of p_id; null: p_fault is why it is not what
--       it should be. p_host_keys: lines as of known_hosts or of a public key's file. MU400, MU429.
--   credential_remove(p_credential) → what it was. MU404.
--   credential_put(…), credential_end(p_organization: slug, p_host), credential_rows(p_organization): for the
--       terminal. credential_drop(row): and says so on the trail. Internal.
--   credential_worked(p_job) notes that what that job was given opened its host; credential_fault(row) → why the
--       last job that had it failed; null: it did not, or nothing is known of it. Internal.
--   url_host(p_url) → the host of an https address, with its port where that is not 443; url_ssh_host(p_url) → that
--       of one for ssh, where it is not 22; null: it is none. Internal.
--   host_keys_parse(p_text) → "type base64\n" of each line; null: there is none, or something else. Internal.
--   has_ssh_key(p_organization, p_url) → whether there is a key for the host of that address. Internal.
--   job_credential(p_job) → the id of what opens the host that a job's address names. Internal.
--   job_login(p_id, p_lease) → {"id", "kind", "host", "username", "sealed", "host_keys"} of that for the running job;
--       null: there is none, or the lease is lost. For the runner.
--
-- A credential: {id, kind: password or ssh-key, host, username, host_keys, account, created_at, used_at, worked_at,
-- error, job_id}: job_id had it last, and error is why that one failed.

create function muster.credential_fault(p_credential muster.credential) returns text
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select coalesce(j.error, 'nothing says why') from muster.job j
	 where j.id = (p_credential).job_id and j.organization_id = (p_credential).organization_id
	   and (j.state = 'dead' or (j.state = 'queued' and j.error is not null and j.busy_since is null))
	   -- One that began before may have been done since.
	   and ((p_credential).worked_at is null or (p_credential).worked_at < (p_credential).used_at));

create function muster.credential_json(p_credential muster.credential) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return jsonb_build_object('id', (p_credential).id, 'kind', (p_credential).kind, 'host', (p_credential).host,
		'username', (p_credential).username, 'host_keys', (p_credential).host_keys,
		'account', muster.person_json((p_credential).account_id),
		'created_at', muster.iso((p_credential).created_at), 'used_at', muster.iso((p_credential).used_at),
		'worked_at', muster.iso((p_credential).worked_at), 'error', muster.credential_fault(p_credential),
		-- A job that is forgotten has no page.
		'job_id', (select j.id from muster.job j
			    where j.id = (p_credential).job_id and j.organization_id = (p_credential).organization_id));
end
$$;

create function muster.url_host(p_url text) returns text
language sql immutable parallel safe
return (select lower(m[1]) || coalesce(':' || nullif(m[2], '443'), '')
	  from regexp_match(p_url, '^https://(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^]/:@[]+)(?::(\d{1,5}))?(?:/|$)') m);

create function muster.url_ssh_host(p_url text) returns text
language sql immutable parallel safe
return (select lower(coalesce(m[1], m[3])) || coalesce(':' || nullif(m[2], '22'), '')
	  from regexp_match(p_url, '^(?:ssh://(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^]/:@[]+)(?::(\d{1,5}))?(?:/|$)'
				   '|(?:[^/:@]+@)?([^]/:@[]+):(?!:)(?!//))') m);

create function muster.host_keys_parse(p_text text) returns text
language sql immutable parallel safe
return (select case when count(*) between 1 and 20 and bool_and(l.m is not null)
		    then string_agg(l.m[1] || ' ' || l.m[2] || E'\n', '' order by l.n) end
	  -- Marks are not known here: what is revoked, or an authority, is not taken for a key.
	  from (select x.n, regexp_match(x.line, '^(?:[^@#\s]\S*\s+)??((?:ssh|ecdsa)-[a-z0-9-]+)\s+([A-Za-z0-9+/]{40,}={0,2})(?:\s|$)') as m
		  from regexp_split_to_table(p_text, '\s*\n\s*') with ordinality x (line, n)
		 where x.line !~ '^\s*(#|$)') l);

create function muster.has_ssh_key(p_organization uuid, p_url text) returns boolean
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return exists (select from muster.credential c
		where c.organization_id = p_organization and c.host = muster.url_ssh_host(p_url) and c.kind = 'ssh-key');

create function muster.credential_list(p_limit integer default null, p_cursor text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_organization uuid := muster.organization_need();
	v_limit integer := muster.limit_check(p_limit, 50, 200);
	v_cursor jsonb := muster.cursor_parse(p_cursor, 2);
	v_after text := muster.json_text(v_cursor -> 0, 300);
	v_after_kind text := muster.json_text(v_cursor -> 1, 20);
begin
	return (select jsonb_build_object('items',
			coalesce(jsonb_agg(muster.credential_json(p.c) order by p.k) filter (where p.k <= v_limit), '[]'),
			'next', case when count(*) > v_limit then muster.cursor_format(
				jsonb_build_array((array_agg((p.c).host order by p.k))[v_limit],
					(array_agg((p.c).kind order by p.k))[v_limit])) end)
		  from (select c, row_number() over (order by c.host, c.kind) as k
			  from muster.credential c
			 where c.organization_id = v_organization and (v_after is null or (c.host, c.kind) > (v_after, v_after_kind))
			 order by c.host, c.kind limit v_limit + 1) p);
end
$$;

create function muster.credential_put(p_organization uuid, p_id uuid, p_host text, p_username text, p_sealed text,
				      p_kind text default 'password', p_host_keys text default null,
				      p_fault text default null) returns muster.credential
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_is_key boolean := p_kind = 'ssh-key';
	-- A host, or an address that begins with it.
	v_host text := case when v_is_key
		then muster.url_ssh_host(case when p_host ~ '^ssh://' or muster.url_ssh_host(p_host) is not null and p_host ~ '@.*:\D'
					 then p_host else 'ssh://' || p_host end)
		else muster.url_host(case when p_host ~ '^https://' then p_host else 'https://' || p_host end) end;
	v_keys text := case when v_is_key then muster.host_keys_parse(p_host_keys) end;
	v_credential muster.credential;
begin
	if v_host is null or v_host !~ '^(\[[0-9a-f:.]+\]|[a-z0-9._-]*[a-z0-9_-])(:\d{1,5})?$' then
		perform muster.field_error('host', 'is no name of a host, with or without a port');
	elsif v_is_key and p_username !~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$' then
		perform muster.field_error('username', 'has letters, digits and . _ - alone, at most 100');
	elsif p_username !~ '^[^[:cntrl:]:]{1,200}$' then
		perform muster.field_error('username', 'has at most 200 characters, and no colon');
	elsif p_sealed is null then
		perform muster.field_error(case when v_is_key then 'private_key' else 'password' end, coalesce(p_fault, 'is needed'));
	elsif v_is_key and v_keys is null then
		perform muster.field_error('host_keys', case when coalesce(p_host_keys, '') ~ '^\s*$' then 'is needed: ssh-keyscan prints it'
			else 'has a line that is no key of a host, as ssh-keyscan prints it' end);
	elsif not v_is_key and p_host_keys is not null then
		perform muster.field_error('host_keys', 'is for ssh');
	end if;
	if (select count(*) from muster.credential
	     where organization_id = p_organization and (host, kind) <> (v_host, p_kind)) >= 1000 then
		raise exception using errcode = 'MU429', message = 'The organization has too many credentials.';
	end if;
	insert into muster.credential as c (id, organization_id, kind, host, username, sealed, host_keys, account_id)
	values (p_id, p_organization, p_kind, v_host, p_username, p_sealed, v_keys, muster.account())
	    on conflict (organization_id, host, kind) do update
	   set id = excluded.id, username = excluded.username, sealed = excluded.sealed, host_keys = excluded.host_keys,
	       account_id = excluded.account_id, created_at = now(), used_at = null, worked_at = null, job_id = null
	returning * into v_credential;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (p_organization, muster.account(), 'credential.add', v_credential.id::text,
		jsonb_build_object('host', v_host, 'username', p_username, 'kind', p_kind));
	return v_credential;
end
$$;

create function muster.credential_add(p_id uuid, p_host text, p_username text, p_sealed text,
				      p_kind text default 'password', p_host_keys text default null,
				      p_fault text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return muster.credential_json(muster.credential_put(muster.organization_need(), p_id, p_host, p_username, p_sealed,
		p_kind, p_host_keys, p_fault));
end
$$;

create function muster.credential_drop(p_credential muster.credential) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	delete from muster.credential where id = (p_credential).id;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values ((p_credential).organization_id, muster.account(), 'credential.remove', (p_credential).id::text,
		jsonb_build_object('host', (p_credential).host, 'username', (p_credential).username,
			'kind', (p_credential).kind));
end
$$;

create function muster.credential_remove(p_credential uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_credential muster.credential;
begin
	select * into v_credential from muster.credential
	 where id = p_credential and organization_id = muster.organization_need() for update;
	if v_credential.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such credential.';
	end if;
	perform muster.credential_drop(v_credential);
	return muster.credential_json(v_credential);
end
$$;

create function muster.job_credential(p_job muster.job) returns uuid
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return (select c.id
	  from (select coalesce((p_job).payload ->> 'url', (select r.remote from muster.repo r
			where r.id = ((p_job).payload ->> 'repo_id')::uuid and r.organization_id = (p_job).organization_id)) as url) u
	  join muster.credential c on c.organization_id = (p_job).organization_id
	   and (c.host, c.kind) = (coalesce(muster.url_host(u.url), muster.url_ssh_host(u.url)),
				   case when muster.url_host(u.url) is null then 'ssh-key' else 'password' end));

create function muster.credential_worked(p_job bigint) returns void
language sql security definer set search_path = pg_catalog, muster, pg_temp
begin atomic
	update muster.credential c set worked_at = now()
	  from muster.job j
	 where j.id = p_job and c.id = muster.job_credential(j)
	   -- Another may have taken its place.
	   and c.used_at is not null;
end;

create function muster.job_login(p_id bigint, p_lease uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_job muster.job;
	v_credential muster.credential;
begin
	select * into v_job from muster.job where id = p_id and lease_id = p_lease and state = 'running';
	select * into v_credential from muster.credential where id = muster.job_credential(v_job);
	if v_credential.id is null then
		return null;
	end if;
	-- That it is shown is no reason to wait for somebody's lock.
	update muster.credential set used_at = now(), job_id = p_id
	 where id in (select c.id from muster.credential c where c.id = v_credential.id for update skip locked);
	return jsonb_build_object('id', v_credential.id, 'kind', v_credential.kind, 'host', v_credential.host,
		'username', v_credential.username, 'sealed', v_credential.sealed, 'host_keys', v_credential.host_keys);
end
$$;

-- ---- the terminal ----

create function muster.credential_rows(p_organization text default null)
returns table (id uuid, organization text, host text, username text, account text, created_at timestamptz,
	       used_at timestamptz, worked_at timestamptz, error text, kind text)
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid;
begin
	if p_organization is not null then
		v_organization := muster.organization_find(p_organization);
	end if;
	return query
	select c.id, o.slug, c.host, c.username, a.email, c.created_at, c.used_at, c.worked_at, muster.credential_fault(c), c.kind
	  from muster.credential c
	  join muster.organization o on o.id = c.organization_id
	  left join muster.account a on a.id = c.account_id
	 where v_organization is null or c.organization_id = v_organization
	 order by o.slug, c.host, c.kind
	 limit 1000;
end
$$;

create function muster.credential_end(p_organization text, p_host text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_find(p_organization);
	v_credential muster.credential;
	v_is_some boolean := false;
begin
	for v_credential in
		select * from muster.credential
		 where organization_id = v_organization and (host = lower(p_host) or id::text = lower(p_host))
	loop
		perform muster.credential_drop(v_credential);
		v_is_some := true;
	end loop;
	if not v_is_some then
		raise exception using errcode = 'MU404', message = format('There is no credential for %s.', left(p_host, 300));
	end if;
end
$$;
