-- SPDX-License-Identifier: MIT
-- Repositories that have an address and of which nothing lies on a host of ours: what was fetched of them lies
-- in STATE/mirrors/<organization's id>/<repository's id> of one host.
create table muster.mirror (
	repo_id uuid primary key constraint mirror_repo_id_fkey references muster.repo on delete cascade,
	organization_id uuid not null constraint mirror_organization_id_fkey
		references muster.organization on delete cascade,
	host text not null constraint mirror_host_check check (length(host) between 1 and 300),
	fetched_at timestamptz not null,
	created_at timestamptz not null default now()
);
create index mirror_organization_id_idx on muster.mirror (organization_id);
alter table muster.mirror enable row level security;
create policy mirror_own on muster.mirror using (organization_id = muster.organization());
