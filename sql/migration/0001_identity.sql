-- SPDX-License-Identifier: MIT
-- Who may do what: organisations, accounts, memberships, sessions, and what was done (trail).
-- Every table that belongs to an organisation carries organization_id and one policy,
-- organization_id = muster.organization(). account and login_limit belong to no organisation: no
-- program reads them but through functions of the owner. Grants are in sql/grant.sql, once for all.

-- The organisation that enter() set for this transaction. Inlined into plans, so without SET; '' is
-- what a setting of an earlier transaction leaves behind.
create function muster.organization() returns uuid
language sql stable parallel safe
return nullif(pg_catalog.current_setting('muster.organization', true), '')::uuid;

create table muster.organization (
	id uuid primary key default gen_random_uuid(),
	slug text not null constraint organization_slug_key unique
		constraint organization_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	name text not null constraint organization_name_check check (length(name) between 1 and 200),
	personal boolean not null default false,
	created_at timestamptz not null default now()
);

create table muster.account (
	id uuid primary key default gen_random_uuid(),
	email text not null constraint account_email_check
		check (length(email) between 3 and 254 and email ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'),
	name text not null default '' constraint account_name_check check (length(name) <= 200),
	password_hash text, -- argon2id, as libsodium prints it; null: cannot sign in by password
	platform_admin boolean not null default false,
	state text not null default 'active'
		constraint account_state_check check (state in ('active', 'disabled')),
	created_at timestamptz not null default now(),
	signed_in_at timestamptz
);
create unique index account_email_key on muster.account (lower(email));

create table muster.membership (
	organization_id uuid not null constraint membership_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint membership_account_id_fkey
		references muster.account on delete cascade,
	role text not null constraint membership_role_check
		check (role in ('viewer', 'developer', 'team_lead', 'org_admin')),
	created_at timestamptz not null default now(),
	primary key (organization_id, account_id)
);
create index membership_account_id_idx on muster.membership (account_id);

create table muster.project (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint project_organization_id_fkey
		references muster.organization on delete cascade,
	slug text not null constraint project_slug_check check (slug ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
	name text not null constraint project_name_check check (length(name) between 1 and 200),
	created_at timestamptz not null default now(),
	constraint project_organization_id_slug_key unique (organization_id, slug)
);

-- One sign-in. The cookie's token is stored hashed (sha256); the CSRF token is no credential by
-- itself and GET /auth/me must be able to tell it, so it is stored as it is.
create table muster.session (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint session_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint session_account_id_fkey
		references muster.account on delete cascade,
	token_hash bytea not null constraint session_token_hash_key unique
		constraint session_token_hash_check check (length(token_hash) = 32),
	csrf bytea not null constraint session_csrf_check check (length(csrf) between 16 and 64),
	created_at timestamptz not null default now(),
	expires_at timestamptz not null,
	address text constraint session_address_check check (length(address) <= 64),
	agent text constraint session_agent_check check (length(agent) <= 300)
);
create index session_account_id_idx on muster.session (account_id);
create index session_expires_at_idx on muster.session (expires_at);

-- Refresh tokens, hashed. A used one is kept until it expires: seeing it again is a theft.
create table muster.refresh (
	token_hash bytea primary key constraint refresh_token_hash_check check (length(token_hash) = 32),
	organization_id uuid not null constraint refresh_organization_id_fkey
		references muster.organization on delete cascade,
	session_id uuid not null constraint refresh_session_id_fkey
		references muster.session on delete cascade,
	created_at timestamptz not null default now(),
	expires_at timestamptz not null,
	used_at timestamptz
);
create index refresh_session_id_idx on muster.refresh (session_id);

-- Failed sign-ins by address and by account; the key is hashed so that the table lists nobody.
create table muster.login_limit (
	key bytea primary key constraint login_limit_key_check check (length(key) = 32),
	failures integer not null default 0,
	blocked_until timestamptz not null default '-infinity',
	updated_at timestamptz not null default now()
);

-- Settings kept in the database: of one organisation, or of all (organization_id null).
create table muster.setting (
	organization_id uuid constraint setting_organization_id_fkey
		references muster.organization on delete cascade,
	key text not null constraint setting_key_check check (key ~ '^[a-z][a-z0-9_.]{0,99}$'),
	value jsonb not null,
	updated_at timestamptz not null default now(),
	constraint setting_organization_id_key_key unique nulls not distinct (organization_id, key)
);

-- Who did what. Rows are added and never changed: no role has the grant, and the trigger stops the
-- owner's own mistakes. No foreign keys, so that nothing that is removed takes its trail with it.
create table muster.trail (
	id bigint generated always as identity primary key,
	organization_id uuid,
	account_id uuid,
	action text not null constraint trail_action_check check (length(action) between 1 and 100),
	subject text constraint trail_subject_check check (length(subject) <= 300),
	data jsonb not null default '{}',
	address text constraint trail_address_check check (length(address) <= 64),
	at timestamptz not null default now()
);
create index trail_organization_id_id_idx on muster.trail (organization_id, id);

create function muster.trail_refuse() returns trigger
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
begin
	raise exception using errcode = 'MU403', message = 'The audit trail is never changed.',
		hint = format('%s on muster.trail was refused.', tg_op);
end
$$;
create trigger trail_refuse before update or delete or truncate on muster.trail
	for each statement execute function muster.trail_refuse();

alter table muster.organization enable row level security;
alter table muster.account enable row level security;
alter table muster.membership enable row level security;
alter table muster.project enable row level security;
alter table muster.session enable row level security;
alter table muster.refresh enable row level security;
alter table muster.login_limit enable row level security;
alter table muster.setting enable row level security;
alter table muster.trail enable row level security;

-- account and login_limit have no policy on purpose: the owner's functions only.
create policy organization_own on muster.organization using (id = muster.organization());
create policy membership_own on muster.membership using (organization_id = muster.organization());
create policy project_own on muster.project using (organization_id = muster.organization());
create policy session_own on muster.session using (organization_id = muster.organization());
create policy refresh_own on muster.refresh using (organization_id = muster.organization());
create policy setting_own on muster.setting using (organization_id = muster.organization());
create policy trail_own on muster.trail using (organization_id = muster.organization());
