-- SPDX-License-Identifier: MIT
-- Findings: what scans saw, and what people decided about it.
--
-- A finding is one thing at one place of one repository: (repository, kind, fingerprint). A scan
-- upserts by that; what a whole scan does not see any more is gone, and comes back when it is seen
-- again. A secret in history is seen by every scan for ever, so that somebody has resolved it must
-- hold against being seen: only what was gone is reopened.

alter table muster.repo add column scanned_at timestamptz; -- null: its findings are unknown

-- A rule as an organisation wants it. A row appears with its first finding or with a decision.
create table muster.rule (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint rule_organization_id_fkey
		references muster.organization on delete cascade,
	key text not null constraint rule_key_check check (length(key) between 1 and 200),
	kind text not null constraint rule_kind_check check (kind in ('secret', 'dependency', 'code')),
	title text not null default '' constraint rule_title_check check (length(title) <= 500),
	remedy text constraint rule_remedy_check check (length(remedy) <= 4000),
	url text constraint rule_url_check check (length(url) <= 2000),
	-- What people decided; null: as the scan says.
	severity text constraint rule_severity_check
		check (severity in ('critical', 'high', 'medium', 'low', 'info')),
	enabled boolean not null default true,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	constraint rule_organization_id_kind_key_key unique (organization_id, kind, key)
);

-- "This is all right", for a while: for one finding, or for all that match.
create table muster.waiver (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint waiver_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid, -- who said so
	repo_id uuid constraint waiver_repo_id_fkey references muster.repo on delete cascade,
	rule text constraint waiver_rule_check check (length(rule) between 1 and 200),
	path text constraint waiver_path_check check (length(path) between 1 and 1000), -- * and ? stand for others
	fingerprint text constraint waiver_fingerprint_check check (length(fingerprint) between 1 and 200),
	reason text not null constraint waiver_reason_check check (length(reason) between 1 and 2000),
	created_at timestamptz not null default now(),
	expires_at timestamptz,
	constraint waiver_scope_check check (num_nonnulls(repo_id, rule, path, fingerprint) > 0)
);
create index waiver_organization_id_idx on muster.waiver (organization_id, created_at desc, id);
create index waiver_expires_at_idx on muster.waiver (expires_at) where expires_at is not null;
create index waiver_repo_id_idx on muster.waiver (repo_id) where repo_id is not null;

create table muster.finding (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint finding_organization_id_fkey
		references muster.organization on delete cascade,
	repo_id uuid not null constraint finding_repo_id_fkey references muster.repo on delete cascade,
	kind text not null constraint finding_kind_check check (kind in ('secret', 'dependency', 'code')),
	fingerprint text not null constraint finding_fingerprint_check
		check (length(fingerprint) between 1 and 200),
	rule text not null constraint finding_rule_check check (length(rule) between 1 and 200),
	title text not null constraint finding_title_check check (length(title) <= 500),
	severity text not null constraint finding_severity_check
		check (severity in ('critical', 'high', 'medium', 'low', 'info')),
	rank smallint not null generated always as (case severity when 'critical' then 5
		when 'high' then 4 when 'medium' then 3 when 'low' then 2 else 1 end) stored,
	path text constraint finding_path_check check (length(path) <= 4096),
	line integer,
	secret_id text,  -- joins repositories; only when the scan had the organisation's key
	sample text constraint finding_sample_check check (length(sample) <= 500), -- masked
	in_head boolean,
	commit text,
	author text,
	committed_at timestamptz,
	occurrences integer not null default 1,
	data jsonb not null default '{}', -- what else the scan says of it
	state text not null default 'open' constraint finding_state_check
		check (state in ('open', 'in_progress', 'resolved', 'ignored')),
	reason text constraint finding_reason_check check (length(reason) <= 2000),
	-- Who keeps it ignored: a mark or a file in the repository, a waiver, a person, its rule.
	ignored_by text constraint finding_ignored_by_check
		check (ignored_by in ('repository', 'waiver', 'person', 'rule')),
	waiver_id uuid constraint finding_waiver_id_fkey references muster.waiver on delete set null,
	assignee_id uuid constraint finding_assignee_id_fkey references muster.account on delete set null,
	run_id bigint,   -- the first that saw it
	first_seen_at timestamptz not null default now(),
	changed_at timestamptz not null default now(), -- of anything but being seen
	-- A whole scan did not see it, and when it had been seen last. What is there was seen last when
	-- its repository was scanned, so that a scan that finds nothing new writes nothing here.
	gone_at timestamptz,
	seen_at timestamptz,
	search text not null generated always as
		(lower(rule || ' ' || coalesce(path, '') || ' ' || title)) stored,
	constraint finding_repo_id_kind_fingerprint_key unique (repo_id, kind, fingerprint),
	constraint finding_ignored_by_state_check check ((state = 'ignored') = (ignored_by is not null))
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
-- The lists: within a state and a severity the newest first, of all, of a repository, of a rule, of
-- a person, of a secret.
create index finding_list_idx on muster.finding (organization_id, state, rank, id);
create index finding_repo_idx on muster.finding (repo_id, state, rank, id);
create index finding_rule_idx on muster.finding (organization_id, rule, state, rank, id);
create index finding_assignee_idx on muster.finding (organization_id, assignee_id, state, rank, id)
	where assignee_id is not null;
create index finding_secret_idx on muster.finding (organization_id, secret_id) where secret_id is not null;
create index finding_waiver_id_idx on muster.finding (waiver_id) where waiver_id is not null;

-- Searching by part of a word among a million needs pg_trgm, which setup.sql makes where it may.
do $$
begin
	if exists (select from pg_extension where extname = 'pg_trgm') then
		execute format('create index finding_search_idx on muster.finding using gin (search %I.gin_trgm_ops)',
			       (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
				 where e.extname = 'pg_trgm'));
	end if;
end
$$;

-- Where it is: version of the file, line, column.
create table muster.occurrence (
	organization_id uuid not null constraint occurrence_organization_id_fkey
		references muster.organization on delete cascade,
	finding_id bigint not null constraint occurrence_finding_id_fkey
		references muster.finding on delete cascade,
	number integer not null,
	blob text,
	line integer,
	col integer,
	end_line integer,
	end_col integer,
	primary key (finding_id, number)
);

create table muster.finding_state (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint finding_state_organization_id_fkey
		references muster.organization on delete cascade,
	finding_id bigint not null constraint finding_state_finding_id_fkey
		references muster.finding on delete cascade,
	account_id uuid, -- null: a scan, or the end of a waiver
	before text,
	after text not null,
	reason text,
	at timestamptz not null default now()
);
create index finding_state_finding_id_idx on muster.finding_state (finding_id, id);

create table muster.comment (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint comment_organization_id_fkey
		references muster.organization on delete cascade,
	finding_id bigint not null constraint comment_finding_id_fkey
		references muster.finding on delete cascade,
	account_id uuid constraint comment_account_id_fkey references muster.account on delete set null,
	text text not null constraint comment_text_check check (length(text) between 1 and 10000),
	created_at timestamptz not null default now()
);
create index comment_finding_id_idx on muster.comment (finding_id, id);

create table muster.saved_search (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint saved_search_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint saved_search_account_id_fkey
		references muster.account on delete cascade,
	name text not null constraint saved_search_name_check check (length(name) between 1 and 100),
	subject text not null constraint saved_search_subject_check check (subject in ('findings', 'repos')),
	query jsonb not null,
	shared boolean not null default false,
	created_at timestamptz not null default now(),
	constraint saved_search_account_id_name_key unique (organization_id, account_id, subject, name)
);

-- How many there are, for each repository, so that no page counts a million rows.
create table muster.finding_count (
	organization_id uuid not null constraint finding_count_organization_id_fkey
		references muster.organization on delete cascade,
	repo_id uuid not null constraint finding_count_repo_id_fkey
		references muster.repo on delete cascade,
	kind text not null,
	state text not null,
	severity text not null,
	n bigint not null,
	primary key (repo_id, kind, state, severity)
);
create index finding_count_organization_id_idx on muster.finding_count (organization_id, state);

create function muster.finding_count_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		insert into muster.finding_count as c (organization_id, repo_id, kind, state, severity, n)
		select organization_id, repo_id, kind, state, severity, count(*) from fresh group by 1, 2, 3, 4, 5
		    on conflict (repo_id, kind, state, severity) do update set n = c.n + excluded.n;
	elsif tg_op = 'DELETE' then
		update muster.finding_count c set n = c.n - d.n
		  from (select repo_id, kind, state, severity, count(*) as n from stale group by 1, 2, 3, 4) d
		 where (c.repo_id, c.kind, c.state, c.severity) = (d.repo_id, d.kind, d.state, d.severity);
	else
		insert into muster.finding_count as c (organization_id, repo_id, kind, state, severity, n)
		select organization_id, repo_id, kind, state, severity, sum(n)
		  from (select organization_id, repo_id, kind, state, severity, 1 as n from fresh
			union all
			select organization_id, repo_id, kind, state, severity, -1 from stale) d
		 group by 1, 2, 3, 4, 5 having sum(n) <> 0
		 order by 2, 3, 4, 5
		    on conflict (repo_id, kind, state, severity) do update set n = c.n + excluded.n;
	end if;
	return null;
end
$$;
create trigger finding_count_insert after insert on muster.finding
	referencing new table as fresh
	for each statement execute function muster.finding_count_change();
create trigger finding_count_update after update on muster.finding
	referencing new table as fresh old table as stale
	for each statement execute function muster.finding_count_change();
create trigger finding_count_delete after delete on muster.finding
	referencing old table as stale
	for each statement execute function muster.finding_count_change();

create trigger findings_notify_insert after insert on muster.finding
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('findings');
create trigger findings_notify_update after update on muster.finding
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('findings');
create trigger findings_notify_delete after delete on muster.finding
	referencing old table as stale
	for each statement execute function muster.notify_data_change('findings');

alter table muster.rule enable row level security;
alter table muster.waiver enable row level security;
alter table muster.finding enable row level security;
alter table muster.occurrence enable row level security;
alter table muster.finding_state enable row level security;
alter table muster.comment enable row level security;
alter table muster.saved_search enable row level security;
alter table muster.finding_count enable row level security;
create policy rule_own on muster.rule using (organization_id = muster.organization());
create policy waiver_own on muster.waiver using (organization_id = muster.organization());
create policy finding_own on muster.finding using (organization_id = muster.organization());
create policy occurrence_own on muster.occurrence using (organization_id = muster.organization());
create policy finding_state_own on muster.finding_state using (organization_id = muster.organization());
create policy comment_own on muster.comment using (organization_id = muster.organization());
create policy saved_search_own on muster.saved_search using (organization_id = muster.organization());
create policy finding_count_own on muster.finding_count using (organization_id = muster.organization());
