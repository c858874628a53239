-- SPDX-License-Identifier: MIT
-- What else a team's day is made of and wants to see beside its repositories: deployments, test runs,
-- figures. Nothing here is made up: rows come from whoever deploys, tests or measures, through the API.

create table muster.deployment (
	id uuid primary key default gen_random_uuid(),
	organization_id uuid not null constraint deployment_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint deployment_project_id_fkey
		references muster.project on delete cascade,
	repo_id uuid constraint deployment_repo_id_fkey references muster.repo on delete set null,
	number bigint generated always as identity, -- the order of the list
	environment text not null constraint deployment_environment_check
		check (environment in ('development', 'staging', 'production')),
	version text not null constraint deployment_version_check check (length(version) between 1 and 100),
	commit text constraint deployment_commit_check check (commit ~ '^[0-9a-f]{7,64}$'),
	strategy text not null default 'rolling' constraint deployment_strategy_check
		check (strategy in ('rolling', 'canary', 'blue_green', 'recreate')),
	status text not null default 'pending' constraint deployment_status_check
		check (status in ('pending', 'in_progress', 'completed', 'failed', 'rolled_back')),
	notes text constraint deployment_notes_check check (length(notes) <= 4000),
	error text constraint deployment_error_check check (length(error) <= 4000),
	rollback_of uuid constraint deployment_rollback_of_fkey
		references muster.deployment on delete set null,
	account_id uuid,
	created_at timestamptz not null default now(),
	started_at timestamptz,
	completed_at timestamptz
);
create index deployment_list_idx on muster.deployment (organization_id, number desc);
create index deployment_status_idx on muster.deployment (organization_id, status, number desc);
create index deployment_project_id_idx on muster.deployment (project_id, number desc);
create index deployment_repo_id_idx on muster.deployment (repo_id) where repo_id is not null;

create table muster.test_run (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint test_run_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint test_run_project_id_fkey
		references muster.project on delete cascade,
	repo_id uuid constraint test_run_repo_id_fkey references muster.repo on delete set null,
	commit text constraint test_run_commit_check check (commit ~ '^[0-9a-f]{7,64}$'),
	branch text constraint test_run_branch_check check (length(branch) <= 300),
	suite text not null default '' constraint test_run_suite_check check (length(suite) <= 200),
	total integer not null constraint test_run_total_check check (total >= 0),
	passed integer not null constraint test_run_passed_check check (passed >= 0),
	failed integer not null constraint test_run_failed_check check (failed >= 0),
	skipped integer not null default 0 constraint test_run_skipped_check check (skipped >= 0),
	duration_ms bigint constraint test_run_duration_ms_check check (duration_ms >= 0),
	coverage numeric constraint test_run_coverage_check check (coverage between 0 and 100),
	url text constraint test_run_url_check check (length(url) <= 2000),
	account_id uuid,
	at timestamptz not null default now(),
	constraint test_run_sum_check check (passed + failed + skipped <= total)
);
create index test_run_list_idx on muster.test_run (organization_id, id desc);
create index test_run_project_id_idx on muster.test_run (project_id, id desc);
create index test_run_repo_id_idx on muster.test_run (repo_id) where repo_id is not null;
create index test_run_at_idx on muster.test_run (organization_id, at);

-- A figure at a time. tags tell series of one name apart.
create table muster.metric (
	id bigint generated always as identity primary key,
	organization_id uuid not null constraint metric_organization_id_fkey
		references muster.organization on delete cascade,
	project_id uuid not null constraint metric_project_id_fkey
		references muster.project on delete cascade,
	name text not null constraint metric_name_check check (name ~ '^[a-z][a-z0-9_.]{0,99}$'),
	value double precision not null,
	unit text not null default '' constraint metric_unit_check check (length(unit) <= 20),
	tags jsonb not null default '{}',
	at timestamptz not null default now()
);
create index metric_name_idx on muster.metric (organization_id, name, at desc, id desc);

-- Business figures as dashboards know them: the metrics of that name, a row for each moment, currency
-- and source.
create view muster.financials with (security_invoker) as
select min(m.id) as id, m.organization_id, m.project_id, m.at,
       max(m.value) filter (where m.name = 'financial.revenue') as revenue,
       max(m.value) filter (where m.name = 'financial.expenses') as expenses,
       max(m.value) filter (where m.name = 'financial.net_profit') as net_profit,
       max(m.value) filter (where m.name = 'financial.cash_flow') as cash_flow,
       m.unit as currency, m.tags ->> 'source' as source_system
  from muster.metric m
 where m.name in ('financial.revenue', 'financial.expenses', 'financial.net_profit', 'financial.cash_flow')
 group by m.organization_id, m.project_id, m.at, m.unit, m.tags ->> 'source';

-- What a run printed, in pieces; an event says how far it reaches.
create table muster.run_log (
	organization_id uuid not null constraint run_log_organization_id_fkey
		references muster.organization on delete cascade,
	run_id bigint not null constraint run_log_run_id_fkey references muster.run on delete cascade,
	number integer not null,
	text text not null constraint run_log_text_check check (length(text) <= 65536),
	at timestamptz not null default now(),
	primary key (run_id, number)
);
create index finding_run_id_idx on muster.finding (run_id) where run_id is not null;
create index run_status_idx on muster.run (organization_id, status, id desc);
create index run_list_repo_idx on muster.run (organization_id, repo_id, id desc);

do $$
declare
	v_table record;
begin
	for v_table in select * from (values ('deployment', 'deployments'), ('test_run', 'test_runs'),
					     ('metric', 'metrics')) t (name, wire) loop
		execute format('create trigger %s_notify_insert after insert on muster.%I
			referencing new table as fresh for each statement
			execute function muster.notify_data_change(%L)', v_table.wire, v_table.name, v_table.wire);
		execute format('create trigger %s_notify_update after update on muster.%I
			referencing new table as fresh for each statement
			execute function muster.notify_data_change(%L)', v_table.wire, v_table.name, v_table.wire);
		execute format('create trigger %s_notify_delete after delete on muster.%I
			referencing old table as stale for each statement
			execute function muster.notify_data_change(%L)', v_table.wire, v_table.name, v_table.wire);
		execute format('alter table muster.%I enable row level security', v_table.name);
		execute format('create policy %I on muster.%I using (organization_id = muster.organization())',
			       v_table.name || '_own', v_table.name);
	end loop;
end
$$;
alter table muster.run_log enable row level security;
create policy run_log_own on muster.run_log using (organization_id = muster.organization());

-- deployment_event() is in sql/api/deployment.sql.
create function muster.deployment_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		perform muster.deployment_event(array(select id from fresh where status <> 'pending'));
	else
		perform muster.deployment_event(array(
			select f.id from fresh f join stale o on o.id = f.id where f.status <> o.status));
	end if;
	return null;
end
$$;
create trigger deployment_change_insert after insert on muster.deployment
	referencing new table as fresh
	for each statement execute function muster.deployment_change();
create trigger deployment_change_update after update on muster.deployment
	referencing new table as fresh old table as stale
	for each statement execute function muster.deployment_change();
