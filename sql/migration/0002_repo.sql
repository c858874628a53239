-- SPDX-License-Identifier: MIT
-- What is watched and what was seen: roots, their repositories, the audits.
--
-- A root is a folder on a host. Its latest report is kept in two halves: everything but the
-- repositories in root.report, each repository's own object in repo.report. So an audit that finds
-- nothing new writes one audit row and one root row, however many repositories there are, and
-- nothing else remembers "the last report".
--
-- Each repository has a small number of its own within its root (repo.ordinal). An audit stores
-- the status of all of them as one byte each at that position (0: was not in the report), and their
-- health scores likewise (255: unknown). The strip of the last 20 audits of any page of
-- repositories is therefore one indexed read of 20 rows that compress to almost nothing.

create table muster.root (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint root_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint root_project_id_fkey
		references muster.project on delete cascade,
	host text not null constraint root_host_check check (length(host) between 1 and 255),
	-- The name of its folder below STATE/reports/<organization>/.
	slug text not null default 'default'
		constraint root_slug_check check (slug ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
	path text constraint root_path_check check (path like '/%' and length(path) <= 4096),
	watched boolean not null default false, -- audited by jobs; false: reports come from elsewhere
	next_audit_at timestamptz not null default now(),
	next_ordinal integer not null default 0,
	report jsonb,              -- the latest report without its repositories
	report_id uuid,
	report_hash bytea,
	report_bytes integer,
	reported_at timestamptz,   -- the report's own timestamp
	ingested_at timestamptz,
	audit_id bigint,           -- the audit row of that report
	created_at timestamptz not null default now(),
	constraint root_organization_id_host_slug_key unique (organization_id, host, slug),
	constraint root_watched_path_check check (not watched or path is not null)
);
create index root_next_audit_at_idx on muster.root (host, next_audit_at) where watched;

create table muster.repo (
	id uuid primary key,
	organization_id uuid not null constraint repo_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint repo_project_id_fkey
		references muster.project on delete cascade,
	root_id bigint not null constraint repo_root_id_fkey references muster.root on delete cascade,
	source_id uuid not null,   -- the id that the report gives, or one made of the name
	ordinal integer not null,
	name text not null,
	status text not null constraint repo_status_check check (status in
		('missing', 'extra', 'dirty', 'mismatched', 'clean', 'not_git', 'error')),
	path text,
	remote text,
	branch text,
	health_score smallint constraint repo_health_score_check check (health_score between 0 and 100),
	last_commit_at timestamptz,
	last_commit_subject text,
	ahead integer,
	behind integer,
	staged integer,
	unstaged integer,
	untracked integer,
	stashes integer,
	stale boolean,
	report jsonb not null,     -- its object in the latest report
	hash bytea not null,       -- of that object
	digest bytea not null,     -- of that object without what changes by the mere passing of time
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	removed_at timestamptz,    -- no longer in the report
	constraint repo_root_id_source_id_key unique (root_id, source_id),
	constraint repo_root_id_ordinal_key unique (root_id, ordinal)
);
create index repo_organization_id_name_idx on muster.repo (organization_id, lower(name), id)
	where removed_at is null;
create index repo_removed_at_idx on muster.repo (removed_at) where removed_at is not null;

create table muster.audit (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint audit_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint audit_project_id_fkey
		references muster.project on delete cascade,
	root_id bigint not null constraint audit_root_id_fkey references muster.root on delete cascade,
	report_id uuid not null,
	report_hash bytea not null,
	reported_at timestamptz not null,
	duration_ms bigint,
	health_status text not null constraint audit_health_status_check
		check (health_status in ('green', 'yellow', 'red')),
	summary jsonb not null,
	repos integer not null,
	changed integer not null,
	score_sum bigint not null,     -- of the known health scores, and how many are known,
	score_count integer not null,  -- so that averages over roots can be made
	buckets integer[] not null,    -- ten of them: 0-9, 10-19, … 90-100
	statuses bytea not null,
	scores bytea not null,
	created_at timestamptz not null default now(),
	constraint audit_root_id_report_id_key unique (root_id, report_id)
);
create index audit_root_id_id_idx on muster.audit (root_id, id desc);
create index audit_organization_id_id_idx on muster.audit (organization_id, id desc);
create index audit_created_at_idx on muster.audit using brin (created_at);

alter table muster.root enable row level security;
alter table muster.repo enable row level security;
alter table muster.audit enable row level security;
create policy root_own on muster.root using (organization_id = muster.organization());
create policy repo_own on muster.repo using (organization_id = muster.organization());
create policy audit_own on muster.audit using (organization_id = muster.organization());
