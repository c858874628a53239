-- SPDX-License-Identifier: MIT
-- What a schedule asks for of thousands of repositories is asked for in pieces, each in a transaction of its own.
alter table muster.schedule
	add column going_at timestamptz,  -- the time that is being done; null: none
	add column going_after uuid,      -- the last repository that was come to; null: it was just begun
	add column going_jobs integer,    -- that were added so far
	add column going_fit integer;     -- things so far of which something can be asked
create index schedule_going_at_idx on muster.schedule (going_at) where going_at is not null;
