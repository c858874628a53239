-- SPDX-License-Identifier: MIT
-- What a rollback is of: removing old deployments looked through all of them, each time.
create index deployment_rollback_of_idx on muster.deployment (rollback_of) where rollback_of is not null;
