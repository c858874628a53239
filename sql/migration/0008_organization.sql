-- SPDX-License-Identifier: MIT
-- Organisations and projects as people manage them: limits, tasks and risk, and what tells of it.

-- Limits are a plan's; null: none, as on one's own server.
alter table muster.organization
	add column owner_id uuid constraint organization_owner_id_fkey
		references muster.account on delete set null,
	add column max_repositories integer constraint organization_max_repositories_check
		check (max_repositories >= 0),
	add column max_concurrent_runs integer constraint organization_max_concurrent_runs_check
		check (max_concurrent_runs >= 0);

-- How far a project has come is what somebody or something reports; null: nobody does.
alter table muster.project
	add column description text not null default ''
		constraint project_description_check check (length(description) <= 2000),
	add column completed_tasks integer constraint project_completed_tasks_check
		check (completed_tasks >= 0),
	add column total_tasks integer constraint project_total_tasks_check check (total_tasks >= 0),
	add column risk text constraint project_risk_check
		check (risk in ('none', 'low', 'medium', 'high', 'critical')),
	add column risk_message text constraint project_risk_message_check
		check (length(risk_message) <= 500),
	add column updated_at timestamptz not null default now(),
	add constraint project_tasks_check check (completed_tasks <= total_tasks);

create trigger projects_notify_insert after insert on muster.project
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('projects');
create trigger projects_notify_update after update on muster.project
	referencing new table as fresh
	for each statement execute function muster.notify_data_change('projects');
create trigger projects_notify_delete after delete on muster.project
	referencing old table as stale
	for each statement execute function muster.notify_data_change('projects');

-- The trail is read backwards: of an organisation, of one action, of one account.
create index trail_action_idx on muster.trail (organization_id, action, id);
create index trail_account_id_idx on muster.trail (organization_id, account_id, id);
create index trail_subject_idx on muster.trail (organization_id, subject, id);

-- A project's progress and risk on the wire.
create function muster.project_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select f.organization_id, f.slug, 'activity', 'progress_update', 'project:' || f.id,
	       jsonb_build_object('project_id', f.slug,
		'progress_percentage', muster.project_progress(f.completed_tasks, f.total_tasks),
		'completed_tasks', f.completed_tasks, 'total_tasks', f.total_tasks,
		'timestamp', muster.iso(f.updated_at))
	  from fresh f join stale o on o.id = f.id
	 where (f.completed_tasks, f.total_tasks) is distinct from (o.completed_tasks, o.total_tasks)
	   and f.total_tasks is not null;
	insert into muster.outbox (organization_id, project_id, channel, type, subject, data)
	select f.organization_id, f.slug, 'alerts', 'risk_alert', f.id::text,
	       jsonb_build_object('project_id', f.slug, 'severity', f.risk,
				  'message', coalesce(f.risk_message, ''), 'timestamp', muster.iso(f.updated_at))
	  from fresh f join stale o on o.id = f.id
	 where (f.risk, f.risk_message) is distinct from (o.risk, o.risk_message)
	   and f.risk <> 'none';
	return null;
end
$$;
create trigger project_change after update on muster.project
	referencing new table as fresh old table as stale
	for each statement execute function muster.project_change();
