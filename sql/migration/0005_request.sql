-- SPDX-License-Identifier: MIT
-- What every request may bring beside a session: an API token, a key that makes asking twice
-- harmless, and how often somebody has written lately. No program reads these tables but through
-- functions of the owner.

-- An API token acts for its account in one organisation, with at most the account's role there and
-- only for what it was made for. Stored hashed (sha256); hint is how it begins, for the list.
create table muster.token (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint token_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint token_account_id_fkey
		references muster.account on delete cascade,
	name text not null constraint token_name_check check (length(name) between 1 and 100),
	hint text not null constraint token_hint_check check (length(hint) between 1 and 16),
	token_hash bytea not null constraint token_token_hash_key unique
		constraint token_token_hash_check check (length(token_hash) = 32),
	scopes text[] not null constraint token_scopes_check
		check (scopes <@ array['read', 'write', 'run', 'admin'] and cardinality(scopes) > 0),
	created_at timestamptz not null default now(),
	expires_at timestamptz,
	used_at timestamptz
);
create index token_organization_id_idx on muster.token (organization_id, account_id);
create index token_account_id_idx on muster.token (account_id);

-- The answer that a write gave, for whoever asks again with the same Idempotency-Key.
create table muster.idempotency (
	organization_id uuid not null constraint idempotency_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint idempotency_account_id_fkey
		references muster.account on delete cascade,
	key text not null constraint idempotency_key_check check (length(key) between 1 and 200),
	request_hash bytea not null constraint idempotency_request_hash_check
		check (length(request_hash) = 32),
	answer text, -- set in the transaction that did the work
	created_at timestamptz not null default now(),
	primary key (account_id, organization_id, key)
);
create index idempotency_created_at_idx on muster.idempotency (created_at);

-- How often an account writes: when its allowance would be full again (generic cell rate
-- algorithm). Only writes are counted here; reads are counted in memory, for a row a read is too much.
create table muster.rate_limit (
	key bytea primary key constraint rate_limit_key_check check (length(key) = 32),
	full_at timestamptz not null
) with (fillfactor = 70);

alter table muster.token enable row level security;
alter table muster.idempotency enable row level security;
alter table muster.rate_limit enable row level security;
create policy token_own on muster.token using (organization_id = muster.organization());
create policy idempotency_own on muster.idempotency using (organization_id = muster.organization());

-- The pusher's mirror takes a token for a session that the token's bytes open.
create function muster.token_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		insert into muster.outbox (organization_id, channel, type, subject, data, labels)
		select organization_id, 'presence', 'session-change', id::text,
		       jsonb_build_object('operation', 'remove', 'sid', id,
					  'session_hash', encode(token_hash, 'hex'),
					  'account_id', account_id, 'organization_id', organization_id,
					  'role', null, 'expires_at', coalesce(expires_at, '9999-12-31Z')),
		       '{"internal": true}'
		  from stale;
	else
		perform muster.token_announce(array(select id from fresh));
	end if;
	return null;
end
$$;
create trigger token_change_insert after insert on muster.token
	referencing new table as fresh
	for each statement execute function muster.token_change();
create trigger token_change_delete after delete on muster.token
	referencing old table as stale
	for each statement execute function muster.token_change();

-- What changes a session's rights changes those of the account's tokens.
create or replace function muster.membership_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		perform muster.session_announce(array(select s.id from muster.session s
			join stale c on c.account_id = s.account_id and c.organization_id = s.organization_id));
		perform muster.token_announce(array(select t.id from muster.token t
			join stale c on c.account_id = t.account_id and c.organization_id = t.organization_id));
	else
		perform muster.session_announce(array(select s.id from muster.session s
			join fresh c on c.account_id = s.account_id and c.organization_id = s.organization_id));
		perform muster.token_announce(array(select t.id from muster.token t
			join fresh c on c.account_id = t.account_id and c.organization_id = t.organization_id));
	end if;
	return null;
end
$$;
create or replace function muster.account_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_accounts uuid[] := array(
		select f.id from fresh f join stale o on o.id = f.id
		 where (o.state, o.platform_admin) is distinct from (f.state, f.platform_admin));
begin
	perform muster.session_announce(array(
		select s.id from muster.session s where s.account_id = any (v_accounts)));
	perform muster.token_announce(array(
		select t.id from muster.token t where t.account_id = any (v_accounts)));
	return null;
end
$$;
