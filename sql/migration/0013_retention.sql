-- SPDX-License-Identifier: MIT
-- How long what is kept: one setting for each table, the organisation's or everybody's, carried out
-- once a day for each organisation by a job of kind prune.

alter table muster.organization add column pruned_at timestamptz not null default now();
create index organization_pruned_at_idx on muster.organization (pruned_at);

-- One setting for all was there before.
insert into muster.setting (organization_id, key, value, updated_at)
select s.organization_id, k.key, s.value, s.updated_at
  from muster.setting s, unnest(array['retention.audit_days', 'retention.repo_days',
				      'retention.run_days']) k (key)
 where s.key = 'history.retention_days';
delete from muster.setting where key = 'history.retention_days';
update muster.setting set key = 'retention.event_days' where key = 'event.retention_days';

-- What is old is found by these, and what goes with it.
create index run_log_at_idx on muster.run_log using brin (at);
create index finding_gone_at_idx on muster.finding (organization_id, gone_at) where gone_at is not null;
create index metric_at_idx on muster.metric (organization_id, at);
