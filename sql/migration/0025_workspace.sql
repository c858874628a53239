-- SPDX-License-Identifier: MIT
-- Organisations that may not do as much at once as there is room for: claiming jobs looks for them, and
-- most servers have none.
create index organization_max_concurrent_runs_idx on muster.organization (id)
	where max_concurrent_runs is not null;

-- What one account did is found by trail_account_id_idx.
drop index muster.trail_person_idx;
