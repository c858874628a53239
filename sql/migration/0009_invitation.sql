-- SPDX-License-Identifier: MIT
-- How accounts come to be and are kept: invitations, and new passwords by mail. Both are tokens that
-- are told once and stored hashed.

create table muster.invitation (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint invitation_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid, -- who invites
	email text not null constraint invitation_email_check
		check (length(email) between 3 and 254 and email ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'),
	role text not null constraint invitation_role_check
		check (role in ('viewer', 'developer', 'team_lead', 'org_admin')),
	token_hash bytea not null constraint invitation_token_hash_key unique
		constraint invitation_token_hash_check check (length(token_hash) = 32),
	created_at timestamptz not null default now(),
	expires_at timestamptz not null
);
-- One is enough for each person; a new one takes the place of the old one.
create unique index invitation_organization_id_email_key
	on muster.invitation (organization_id, lower(email));
create index invitation_expires_at_idx on muster.invitation (expires_at);

create table muster.password_reset (
	token_hash bytea primary key constraint password_reset_token_hash_check
		check (length(token_hash) = 32),
	account_id uuid not null constraint password_reset_account_id_fkey
		references muster.account on delete cascade,
	created_at timestamptz not null default now(),
	expires_at timestamptz not null
);
create index password_reset_account_id_idx on muster.password_reset (account_id);

alter table muster.invitation enable row level security;
alter table muster.password_reset enable row level security;
create policy invitation_own on muster.invitation using (organization_id = muster.organization());
-- password_reset has no policy on purpose: the owner's functions only.
