-- SPDX-License-Identifier: MIT
-- Two figures of a repository's report that are searched for: how many of its tags are stale (other programs'
-- reports name them) and how many files that it should have it has not. null: nobody knows.
alter table muster.repo
	add column stale_tags integer generated always as (
		case jsonb_typeof(report -> 'staleTags')
		when 'array' then jsonb_array_length(report -> 'staleTags')
		when 'number' then case when report ->> 'staleTags' ~ '^[0-9]{1,9}$' then (report ->> 'staleTags')::integer end
		end) stored,
	add column missing_files integer generated always as (
		case jsonb_typeof(report -> 'missingFiles')
		when 'array' then jsonb_array_length(report -> 'missingFiles') end) stored;
analyze muster.repo;

-- The latest tests that were reported of a repository.
drop index muster.test_run_repo_id_idx;
create index test_run_repo_id_idx on muster.test_run (repo_id, id desc) include (failed) where repo_id is not null;
