-- SPDX-License-Identifier: MIT
-- What is done again and again, and when: cron expressions instead of one interval for all.

create table muster.schedule (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint schedule_organization_id_fkey
		references muster.organization on delete cascade,
	-- Of all that the organisation has, or of one of these.
	project_id uuid constraint schedule_project_id_fkey references muster.project on delete cascade,
	repo_id uuid constraint schedule_repo_id_fkey references muster.repo on delete cascade,
	account_id uuid,           -- who made it; null: it came with the first folder, or from a terminal
	kind text not null constraint schedule_kind_check check (kind ~ '^[a-z][a-z0-9_]{0,49}$'),
	cron text not null constraint schedule_cron_check check (length(cron) between 1 and 200),
	timezone text not null default 'UTC'
		constraint schedule_timezone_check check (length(timezone) between 1 and 100),
	jitter_s integer not null constraint schedule_jitter_s_check check (jitter_s between 0 and 86400),
	-- A time that was missed is made up for when it is no longer ago than this.
	backfill_s integer not null constraint schedule_backfill_s_check check (backfill_s between 60 and 2592000),
	enabled boolean not null default true,
	next_at timestamptz not null,
	error text,                -- why it could not be followed the last time
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	constraint schedule_of_check check (project_id is null or repo_id is null)
);
create index schedule_next_at_idx on muster.schedule (next_at) where enabled;
create index schedule_list_idx on muster.schedule (organization_id, created_at desc, id desc);
create index schedule_project_id_idx on muster.schedule (project_id) where project_id is not null;
create index schedule_repo_id_idx on muster.schedule (repo_id) where repo_id is not null;

-- The times that came. That there is one row of a time is what makes it come once.
create table muster.schedule_tick (
	schedule_id uuid not null constraint schedule_tick_schedule_id_fkey
		references muster.schedule on delete cascade,
	due_at timestamptz not null,
	organization_id uuid not null constraint schedule_tick_organization_id_fkey
		references muster.organization on delete cascade,
	outcome text not null constraint schedule_tick_outcome_check
		check (outcome in ('queued', 'skipped', 'missed')),
	jobs integer not null default 0,   -- that were added
	missed integer not null default 0, -- times before this one, too long ago to be made up for
	reason text,                       -- why it was skipped
	at timestamptz not null default now(),
	primary key (schedule_id, due_at)
);
create index schedule_tick_at_idx on muster.schedule_tick (organization_id, at);

alter table muster.schedule enable row level security;
alter table muster.schedule_tick enable row level security;
create policy schedule_own on muster.schedule using (organization_id = muster.organization());
create policy schedule_tick_own on muster.schedule_tick using (organization_id = muster.organization());

create trigger schedules_notify_insert after insert on muster.schedule
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('schedules');
create trigger schedules_notify_update after update on muster.schedule
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('schedules');
create trigger schedules_notify_delete after delete on muster.schedule
	referencing old table as stale
	for each statement execute function muster.notify_data_change('schedules');

-- An organisation gets its first schedules once: who removes them does not get them again.
alter table muster.organization add scheduled_at timestamptz;

insert into muster.schedule (organization_id, kind, cron, jitter_s, backfill_s, next_at)
select o.id, d.kind, d.cron, d.jitter_s, d.backfill_s, d.next_at
  from muster.organization o
 cross join (values
	('audit', '0 * * * *', 900, 3600, now()),
	('scan', '0 3 * * *', 3600, 86400,
	 date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '27 hours'))
	d (kind, cron, jitter_s, backfill_s, next_at)
 where exists (select from muster.root r where r.organization_id = o.id and r.watched);
update muster.organization o set scheduled_at = now()
 where exists (select from muster.root r where r.organization_id = o.id and r.watched);

drop index muster.root_next_audit_at_idx;
alter table muster.root drop column next_audit_at;
