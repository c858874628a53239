-- SPDX-License-Identifier: MIT
-- What a job waits for, what may run at once and how often, what is held back, and each attempt.

-- What the runners know of each kind; the newest one to start said it (jobs/job_kinds.c).
create table muster.job_kind (
	name text primary key constraint job_kind_name_check check (name ~ '^[a-z][a-z0-9_]{0,49}$'),
	queue text not null constraint job_kind_queue_check check (queue ~ '^[a-z][a-z0-9_]{0,49}$'),
	concurrency integer constraint job_kind_concurrency_check check (concurrency > 0), -- on all hosts; null: no limit
	help text not null,
	updated_at timestamptz not null default now()
);

-- Nothing is begun that one of these fits; null fits all.
create table muster.job_pause (
	id bigint generated always as identity primary key,
	queue text,
	kind text,
	organization_id uuid constraint job_pause_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid, -- who did it; null: an administrator of the host
	reason text constraint job_pause_reason_check check (length(reason) <= 500),
	created_at timestamptz not null default now()
);
create unique index job_pause_key on muster.job_pause
	(coalesce(queue, ''), coalesce(kind, ''), coalesce(organization_id, '00000000-0000-0000-0000-000000000000'));
create index job_pause_organization_id_idx on muster.job_pause (organization_id);

-- A job's turn comes by how long it has waited, and each step of priority is worth ten minutes of that:
-- what is urgent goes first, and nothing waits for ever.
alter table muster.job
	add turn timestamp not null generated always as
		((run_at at time zone 'UTC') - priority * interval '10 minutes') stored,
	add wait_for bigint[],         -- jobs that must be done before
	add limit_key text constraint job_limit_key_check check (length(limit_key) between 1 and 300),
	add limit_running smallint constraint job_limit_running_check check (limit_running > 0), -- with that key at once
	add limit_rate smallint constraint job_limit_rate_check check (limit_rate > 0), -- with that key begun in a minute
	add superseded boolean not null default false, -- a running one was cancelled in its favour
	add exit_status integer,       -- of the last attempt: as waitpid(2) gives it,
	add cpu_ms bigint,             -- all its processes,
	add rss_kib bigint,            -- the largest of them,
	add log text;                  -- and what it said
alter table muster.job
	add constraint job_wait_for_check check (cardinality(wait_for) between 1 and 100),
	add constraint job_limit_check check (limit_key is not null or (limit_running is null and limit_rate is null));

drop index muster.job_claim_idx;
create index job_turn_idx on muster.job (organization_id, turn, id) where state = 'queued';
create index job_run_at_idx on muster.job (run_at) where state = 'queued';
create index job_wait_for_idx on muster.job using gin (wait_for) where state = 'queued' and wait_for is not null;
create index job_limit_key_idx on muster.job (limit_key, organization_id, started_at) where limit_key is not null;

-- The same work waits once and runs once: while it runs it can be asked for again.
drop index muster.job_organization_id_kind_key_key;
create unique index job_queued_key on muster.job (organization_id, kind, key) where state = 'queued';
create unique index job_running_key on muster.job (organization_id, kind, key) where state = 'running';

-- Attempts that were not the last; of the last one the job itself tells.
create table muster.job_attempt (
	job_id bigint not null constraint job_attempt_job_id_fkey references muster.job on delete cascade,
	number integer not null,
	organization_id uuid not null constraint job_attempt_organization_id_fkey
		references muster.organization on delete cascade,
	outcome text not null constraint job_attempt_outcome_check
		check (outcome in ('failed', 'crashed', 'lost', 'cancelled')),
	host text,
	error text,
	exit_status integer,
	cpu_ms bigint,
	rss_kib bigint,
	log text,
	started_at timestamptz not null,
	ended_at timestamptz not null default now(),
	primary key (job_id, number)
);
create index job_attempt_organization_id_idx on muster.job_attempt (organization_id);

alter table muster.job_kind enable row level security;
alter table muster.job_pause enable row level security;
alter table muster.job_attempt enable row level security;
create policy job_pause_own on muster.job_pause using (organization_id = muster.organization());
create policy job_attempt_own on muster.job_attempt using (organization_id = muster.organization());
