-- SPDX-License-Identifier: MIT
-- Who does the work, and how much was done: what is watched beside the queue itself.

-- The runners there are. Each says so as often as it renews its leases, and takes its row along.
create table muster.worker (
	id uuid primary key,
	host text not null constraint worker_host_check check (length(host) between 1 and 300),
	pid integer not null,
	version text not null constraint worker_version_check check (length(version) <= 100),
	state text not null constraint worker_state_check
		check (state in ('waiting', 'claiming', 'minding', 'draining', 'stopping')),
	slots integer not null constraint worker_slots_check check (slots >= 0), -- of its host, for all runners there of these queues
	queues text[], -- null: all
	jobs bigint[] not null default '{}', -- what it minds
	started_at timestamptz not null default now(),
	seen_at timestamptz not null default now()
);

-- What ended, by kind and how, since the server was set up. Not counted job by job, for all that end at
-- once would wait for one row: a runner adds what ended up to a moment that nobody's transaction reaches
-- back behind, and what ended since is counted by whoever asks.
create table muster.job_count (
	kind text not null,
	state text not null,
	n bigint not null,
	ms bigint not null,        -- of those that were begun, all together
	buckets bigint[] not null, -- how many of them took at most 1, 5, 15, 30, 60, 300, 600, 1800 s, and longer
	primary key (kind, state)
);
create table muster.job_counted (
	is_only boolean primary key default true constraint job_counted_is_only_check check (is_only),
	until timestamptz not null
);
insert into muster.job_counted (until) values ('-infinity');

alter table muster.worker enable row level security;
alter table muster.job_count enable row level security;
alter table muster.job_counted enable row level security;

-- An organisation's list: each state of each kind is a walk of its own.
create index job_list_idx on muster.job (organization_id, kind, state, id desc);
-- Of all organisations what is looked for is what was given up, of which there is little.
create index job_dead_idx on muster.job (id) where state = 'dead';
