-- SPDX-License-Identifier: MIT
-- How an organisation's repositories were on each day, and who is told by a letter.

create table muster.summary (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint summary_organization_id_fkey
		references muster.organization on delete cascade,
	day date not null, -- of UTC
	data jsonb not null,
	created_at timestamptz not null default now(),
	constraint summary_organization_id_day_key unique (organization_id, day)
);
create index summary_list_idx on muster.summary (organization_id, id desc);

-- Whose address it goes to, and what it says, is looked up when it is sent.
create table muster.letter (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint letter_organization_id_fkey
		references muster.organization on delete cascade,
	account_id uuid not null constraint letter_account_id_fkey references muster.account on delete cascade,
	summary_id bigint not null constraint letter_summary_id_fkey references muster.summary on delete cascade,
	state text not null default 'waiting' constraint letter_state_check check (state in ('waiting', 'sent', 'failed')),
	attempt smallint not null default 0, -- times that somebody tried to send it
	due_at timestamptz not null default now(),
	error text,                          -- of the last attempt
	constraint letter_summary_id_account_id_key unique (summary_id, account_id)
);
create index letter_due_at_idx on muster.letter (due_at) where state = 'waiting';
create index letter_organization_id_idx on muster.letter (organization_id);
create index letter_account_id_idx on muster.letter (account_id);

alter table muster.summary enable row level security;
alter table muster.letter enable row level security;
create policy summary_own on muster.summary using (organization_id = muster.organization());
create policy letter_own on muster.letter using (organization_id = muster.organization());

create trigger summaries_notify_insert after insert on muster.summary
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('summaries');
create trigger summaries_notify_update after update on muster.summary
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('summaries');
create trigger summaries_notify_delete after delete on muster.summary
	referencing old table as stale
	for each statement execute function muster.notify_data_change('summaries');

drop index muster.job_step_idx;
create index job_step_idx on muster.job (turn, id) where state = 'queued' and kind in ('prune', 'remove', 'report');

-- Those who have their first schedules get this one, too.
insert into muster.schedule (organization_id, kind, cron, jitter_s, backfill_s, next_at)
select o.id, 'report', '0 3 * * *', 900, 86400,
       date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '27 hours'
  from muster.organization o where o.scheduled_at is not null;
