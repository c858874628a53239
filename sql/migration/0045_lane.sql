-- SPDX-License-Identifier: MIT
-- What a claim need not walk over: jobs that are not due yet, another host's, of a kind that is held back.
-- Within one priority the order of turns is that of times.
drop index muster.job_turn_idx;
create index job_lane_idx on muster.job (organization_id, kind, coalesce(host, ''), priority, run_at, id)
	where state = 'queued';

-- Each job leaves two dead rows, and a fifth of what is kept would be many of them.
alter table muster.job set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
			    autovacuum_analyze_scale_factor = 0.05);

-- How often a job of the kind is tried, and how long after the first failure; null: 5 times, 2 seconds.
alter table muster.job_kind
	add attempts smallint constraint job_kind_attempts_check check (attempts between 1 and 100),
	add backoff_s integer constraint job_kind_backoff_s_check check (backoff_s between 1 and 3600);
