-- SPDX-License-Identifier: MIT
-- What the database does itself is found without reading what else waits.
create index job_step_idx on muster.job (turn, id) where state = 'queued' and kind in ('prune', 'remove');
