-- SPDX-License-Identifier: MIT
-- The event log. Writers add to outbox in their own transaction and stop there;
-- sequence_events() (sql/api/event.sql) is the one lane that numbers events and notifies.
--
-- The number of an event is the order in which readers can see it. A sequence would not do: an id
-- that was drawn early and committed late appears behind a reader's cursor. So the number comes
-- from stream.head, under one advisory lock that is held until commit.
--
-- No foreign keys on outbox and event: they are written on every change, and a row of the past need
-- not know that its organisation is still there.

create table muster.stream (
	one boolean primary key default true constraint stream_one_check check (one),
	head bigint not null default 0,     -- the last number given and committed
	floor bigint not null default 0,    -- numbers up to here may be gone; raised before a drop
	ceiling bigint not null default 0,  -- partitions exist up to here
	span bigint not null default 1000000 constraint stream_span_check check (span >= 1000),
	constraint stream_floor_check check (floor between 0 and head)
) with (fillfactor = 10);
insert into muster.stream default values;

create table muster.outbox (
	id bigint generated always as identity primary key,
	organization_id uuid not null,
	-- an event …
	project_id text,
	channel text constraint outbox_channel_check check (channel in ('deployments', 'scans', 'alerts',
		'metrics', 'audit', 'runs', 'activity', 'presence')),
	type text,
	subject text,
	data jsonb,
	labels jsonb not null default '{}',
	at timestamptz not null default now(),
	-- … or the news that a row changed, for NOTIFY data_changes
	wire_table text,
	operation text,
	wire_id text,
	constraint outbox_type_check check (
		(type is not null and channel is not null and data is not null and wire_table is null)
		or (type is null and wire_table is not null and operation is not null))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create table muster.event (
	id bigint not null primary key,
	organization_id uuid not null,
	project_id text,
	channel text not null,
	type text not null,
	subject text,
	data jsonb not null,
	labels jsonb not null default '{}',
	at timestamptz not null
) partition by range (id);
create index event_organization_id_id_idx on muster.event (organization_id, id);
create index event_at_idx on muster.event using brin (at);

alter table muster.stream enable row level security;
alter table muster.outbox enable row level security;
alter table muster.event enable row level security;
-- stream holds numbers of nobody; the owner's functions read it.
create policy outbox_own on muster.outbox using (organization_id = muster.organization());
create policy event_own on muster.event using (organization_id = muster.organization());

-- The trigger of the live tables: one for each of insert, update, delete, with the transition
-- tables named fresh (new rows) and stale (old rows), and the table's name on the wire as argument.
-- A statement that touches more than 100 rows is told as one change of the table.
create function muster.notify_data_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		insert into muster.outbox (organization_id, wire_table, operation, wire_id)
		select s.organization_id, tg_argv[0], tg_op, case when s.n <= 100 then s.id::text end
		  from (select organization_id, id, count(*) over (partition by organization_id) as n,
			       row_number() over (partition by organization_id order by id) as k
			  from stale) s
		 where s.n <= 100 or s.k = 1;
	elsif exists (select from fresh) then -- (statements that touched nothing fire, too)
		insert into muster.outbox (organization_id, wire_table, operation, wire_id)
		select s.organization_id, tg_argv[0], tg_op, case when s.n <= 100 then s.id::text end
		  from (select organization_id, id, count(*) over (partition by organization_id) as n,
			       row_number() over (partition by organization_id order by id) as k
			  from fresh) s
		 where s.n <= 100 or s.k = 1;
	end if;
	return null;
end
$$;

create trigger repositories_notify_insert after insert on muster.repo
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('repositories');
create trigger repositories_notify_update after update on muster.repo
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('repositories');
create trigger repositories_notify_delete after delete on muster.repo
	referencing old table as stale
	for each statement execute function muster.notify_data_change('repositories');
create trigger audits_notify_insert after insert on muster.audit
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('audits');
create trigger audits_notify_update after update on muster.audit
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('audits');
create trigger audits_notify_delete after delete on muster.audit
	referencing old table as stale
	for each statement execute function muster.notify_data_change('audits');

-- The pusher's mirror of sessions follows events of these triggers: session_announce() is in
-- sql/api/session.sql.
create function muster.session_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		insert into muster.outbox (organization_id, channel, type, subject, data, labels)
		select organization_id, 'presence', 'session-change', id::text,
		       jsonb_build_object('operation', 'remove', 'sid', id,
					  'session_hash', encode(token_hash, 'hex'),
					  'account_id', account_id, 'organization_id', organization_id,
					  'role', null, 'expires_at', expires_at),
		       '{"internal": true}'
		  from stale;
	else
		perform muster.session_announce(array(select id from fresh));
	end if;
	return null;
end
$$;
create trigger session_change_insert after insert on muster.session
	referencing new table as fresh
	for each statement execute function muster.session_change();
create trigger session_change_update after update on muster.session
	referencing new table as fresh
	for each statement execute function muster.session_change();
create trigger session_change_delete after delete on muster.session
	referencing old table as stale
	for each statement execute function muster.session_change();

create function muster.membership_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'DELETE' then
		perform muster.session_announce(array(select s.id from muster.session s
			join stale c on c.account_id = s.account_id and c.organization_id = s.organization_id));
	else
		perform muster.session_announce(array(select s.id from muster.session s
			join fresh c on c.account_id = s.account_id and c.organization_id = s.organization_id));
	end if;
	return null;
end
$$;
create trigger membership_change_insert after insert on muster.membership
	referencing new table as fresh
	for each statement execute function muster.membership_change();
create trigger membership_change_update after update on muster.membership
	referencing new table as fresh
	for each statement execute function muster.membership_change();
create trigger membership_change_delete after delete on muster.membership
	referencing old table as stale
	for each statement execute function muster.membership_change();

create function muster.account_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.session_announce(array(
		select s.id from muster.session s
		  join fresh f on f.id = s.account_id
		  join stale o on o.id = f.id
		 where (o.state, o.platform_admin) is distinct from (f.state, f.platform_admin)));
	return null;
end
$$;
create trigger account_change after update on muster.account
	referencing new table as fresh old table as stale
	for each statement execute function muster.account_change();
