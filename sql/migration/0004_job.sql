-- SPDX-License-Identifier: MIT
-- Work: a run is what a person, a push or a schedule asked for; a job is a row of the queue.
-- A job is done by whoever holds its lease, and only the holder can complete it.

create table muster.run (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint run_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint run_project_id_fkey
		references muster.project on delete cascade,
	repo_id uuid constraint run_repo_id_fkey references muster.repo on delete set null,
	account_id uuid, -- who asked; null: nobody in person
	kind text not null constraint run_kind_check check (kind in ('audit', 'scan', 'deps', 'analyze')),
	status text not null default 'pending' constraint run_status_check
		check (status in ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
	progress smallint constraint run_progress_check check (progress between 0 and 100),
	message text,
	total_results integer,
	error text,
	created_at timestamptz not null default now(),
	started_at timestamptz,
	completed_at timestamptz
);
create index run_organization_id_id_idx on muster.run (organization_id, id desc);
create index run_repo_id_idx on muster.run (repo_id);

create table muster.job (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint job_organization_id_fkey
		references muster.organization on delete cascade,
	run_id bigint constraint job_run_id_fkey references muster.run on delete set null,
	kind text not null constraint job_kind_check check (kind ~ '^[a-z][a-z0-9_]{0,49}$'),
	key text not null constraint job_key_check check (length(key) between 1 and 300),
	payload jsonb not null default '{}',
	host text, -- the only host that can do it; null: any
	state text not null default 'queued' constraint job_state_check
		check (state in ('queued', 'running', 'done', 'dead', 'cancelled')),
	priority smallint not null default 0, -- higher first
	run_at timestamptz not null default now(),
	lease_id uuid,
	leased_by text,
	leased_until timestamptz,
	attempt integer not null default 0,       -- times it was started
	attempts_max integer not null default 5,
	crashes integer not null default 0,       -- times its child or its runner died under it
	progress smallint,
	message text,
	error text,
	result jsonb,
	created_at timestamptz not null default now(),
	started_at timestamptz,
	finished_at timestamptz,
	constraint job_lease_id_check check ((state = 'running') = (lease_id is not null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
-- The same work is queued or running once.
create unique index job_organization_id_kind_key_key on muster.job (organization_id, kind, key)
	where state in ('queued', 'running');
create index job_claim_idx on muster.job (priority desc, run_at, id) where state = 'queued';
create index job_leased_until_idx on muster.job (leased_until) where state = 'running';
create index job_finished_at_idx on muster.job (finished_at) where finished_at is not null;
create index job_run_id_idx on muster.job (run_id);

alter table muster.run enable row level security;
alter table muster.job enable row level security;
create policy run_own on muster.run using (organization_id = muster.organization());
create policy job_own on muster.job using (organization_id = muster.organization());

create trigger runs_notify_insert after insert on muster.run
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('runs');
create trigger runs_notify_update after update on muster.run
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('runs');
create trigger runs_notify_delete after delete on muster.run
	referencing old table as stale
	for each statement execute function muster.notify_data_change('runs');

-- A run's life on the wire: status_change for its status, progress_update for how far it has come.
-- run_status() and run_progress() are in sql/api/run.sql.
create function muster.run_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'UPDATE' then
		insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select f.organization_id, p.slug, 'runs', 'status_change', f.id::text, muster.run_status(f.id)
		  from fresh f
		  join stale o on o.id = f.id
		  join muster.project p on p.id = f.project_id
		 where o.status <> f.status;
		insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select f.organization_id, p.slug, 'runs', 'progress_update', f.id::text, muster.run_progress(f.id)
		  from fresh f
		  join stale o on o.id = f.id
		  join muster.project p on p.id = f.project_id
		 where f.status = 'in_progress' and o.status = f.status
		   and (o.progress, o.message) is distinct from (f.progress, f.message);
	else
		insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
		select f.organization_id, p.slug, 'runs', 'status_change', f.id::text, muster.run_status(f.id)
		  from fresh f
		  join muster.project p on p.id = f.project_id;
	end if;
	return null;
end
$$;
create trigger run_change_insert after insert on muster.run
	referencing new table as fresh
	for each statement execute function muster.run_change();
create trigger run_change_update after update on muster.run
	referencing new table as fresh old table as stale
	for each statement execute function muster.run_change();
