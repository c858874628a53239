-- SPDX-License-Identifier: MIT
-- What opens repositories on other hosts: for one host each, and sealed, so that neither the database nor
-- a copy of it opens anything.
create table muster.credential (
	id uuid primary key, -- whoever seals it makes it, for the seal names it
	organization_id uuid not null constraint credential_organization_id_fkey
		references muster.organization on delete cascade,
	host text not null constraint credential_host_check check (host ~ '^[a-z0-9._:[\]-]+$' and length(host) <= 300),
	username text not null constraint credential_username_check check (username ~ '^[^[:cntrl:]:]{1,200}$'),
	sealed text not null constraint credential_sealed_check check (length(sealed) between 1 and 3000),
	account_id uuid constraint credential_account_id_fkey references muster.account on delete set null,
	created_at timestamptz not null default now(),
	used_at timestamptz, -- given to a job
	constraint credential_organization_id_host_key unique (organization_id, host)
);
create index credential_account_id_idx on muster.credential (account_id);
alter table muster.credential enable row level security;
create policy credential_own on muster.credential using (organization_id = muster.organization());
