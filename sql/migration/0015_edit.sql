-- SPDX-License-Identifier: MIT
-- What people say of a repository, beside what audits see of it; and the tokens by which they confirm
-- what cannot be done by a slip.

alter table muster.repo
	add column description text constraint repo_description_check check (length(description) <= 2000),
	add column tags text[] not null default '{}'
		constraint repo_tags_check check (cardinality(tags) <= 20),
	add column archived_at timestamptz; -- put aside: audits still see it, lists leave it out

-- The answer to "really?" of one account about one thing, for some minutes and once.
create table muster.confirmation (
	token_hash bytea primary key constraint confirmation_token_hash_check check (length(token_hash) = 32),
	organization_id uuid not null constraint confirmation_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint confirmation_account_id_fkey
		references muster.account on delete cascade,
	subject text not null constraint confirmation_subject_check check (length(subject) <= 300),
	expires_at timestamptz not null
);
create index confirmation_expires_at_idx on muster.confirmation (expires_at);
alter table muster.confirmation enable row level security;
create policy confirmation_own on muster.confirmation using (organization_id = muster.organization());
