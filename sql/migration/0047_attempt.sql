-- SPDX-License-Identifier: MIT
-- What earlier tries of a job left is kept as long as an organisation says.
drop index muster.job_attempt_organization_id_idx;
create index job_attempt_ended_at_idx on muster.job_attempt (organization_id, ended_at);
