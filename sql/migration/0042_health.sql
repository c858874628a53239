-- SPDX-License-Identifier: MIT
-- The figures that were last told as health-metrics-update, for only what differs is told.
create table muster.health (
	organization_id uuid not null constraint health_pkey primary key
		constraint health_organization_id_fkey references muster.organization on delete cascade,
	data jsonb not null,
	told_at timestamptz not null default now()
);
alter table muster.health enable row level security;
create policy health_own on muster.health using (organization_id = muster.organization());
