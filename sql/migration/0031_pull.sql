-- SPDX-License-Identifier: MIT
-- A scan may be of a pull request: its number at the forge, within the run's repository.
alter table muster.run add column pull_request integer
	constraint run_pull_request_check check (pull_request > 0);
create index run_pull_request_idx on muster.run (organization_id, pull_request, id desc)
	where pull_request is not null;
