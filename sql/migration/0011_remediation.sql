-- SPDX-License-Identifier: MIT
-- Remediation: what people do about what an audit says. A run of this kind carries what is to be done
-- to which repository; jobs do it, on the host where the repository lies.

alter table muster.run drop constraint run_kind_check;
alter table muster.run add constraint run_kind_check
	check (kind in ('audit', 'scan', 'deps', 'analyze', 'remediate'));
alter table muster.run add column request jsonb; -- what was asked for; null: nothing beside the kind

-- What statistics over a time read.
create index run_created_at_idx on muster.run (organization_id, created_at);
create index deployment_created_at_idx on muster.deployment (organization_id, created_at);
create index finding_first_seen_at_idx on muster.finding (organization_id, first_seen_at);
create index finding_state_at_idx on muster.finding_state (organization_id, at);
create index repo_health_score_idx on muster.repo (organization_id, health_score, lower(name), id)
	where removed_at is null;
