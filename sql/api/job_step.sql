-- SPDX-License-Identifier: MIT
-- What the database does by itself: jobs whose kind has no function in jobs/job_kinds.c, and no child.
--
--   job_step(p_host, p_kinds, p_ms) → whether it did something: a piece each of the next jobs of these kinds, as
--       many as p_ms gives time for, fifty at most, all in one commit. They are claimed as others are
--       (job_claim() in sql/api/job.sql), and end as others do; one that fails takes no other along. One of which
--       there is more is queued again, behind the others: what a piece did is committed with how far it came.
--   job_piece(p_job) → whether there is more of it. Internal; so is job_step_one().

-- A piece of that job, by its kind; whether there is more.
create function muster.job_piece(p_job muster.job) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	case p_job.kind
		when 'prune' then return muster.prune_step(p_job);
		when 'remove' then return muster.removal_step(p_job);
		when 'report' then return muster.summary_step(p_job);
	end case;
end
$$;

-- The same with what follows from it, but for the end of one that is done; whether it is.
create function muster.job_step_one(p_job muster.job) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if not muster.job_piece(p_job) then
		return true;
	end if;
	-- Not before the next round, and then behind the others: a long one does not keep them waiting. Its tries are
	-- counted anew.
	if p_job.attempt > 1 then
		delete from muster.job_attempt where job_id = p_job.id;
	end if;
	update muster.job
	   set state = 'queued', run_at = clock_timestamp(), attempt = 0, error = null, lease_id = null,
	       leased_until = null, leased_by = null
	 where id = p_job.id and lease_id = p_job.lease_id;
	return false;
-- Somebody holds what it needs: nothing went wrong.
exception when lock_not_available then
	perform muster.job_snooze(p_job.id, p_job.lease_id, 5, sqlerrm);
	return false;
-- others has not what the time limit ended, and the job would stay the first for ever.
when query_canceled or others then
	begin
		perform muster.job_fail(p_job.id, p_job.lease_id, sqlerrm, true);
	exception when lock_not_available then
		perform muster.job_snooze(p_job.id, p_job.lease_id, 5, sqlerrm);
	end;
	return false;
end
$$;

-- Fifty, for a transaction with more than 64 parts that write is looked up on disk by all others meanwhile.
create function muster.job_step(p_host text default null, p_kinds text[] default '{prune,remove,report}',
				p_ms integer default 50) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set lock_timeout = '250ms' as $$
declare
	v_began timestamptz := clock_timestamp();
	v_end timestamptz := v_began + p_ms * interval '1 millisecond';
	v_limit integer := 1;
	v_counts boolean := false;
	v_job muster.job;
	v_claimed integer;
	v_begun integer := 0;
	v_done jsonb[] := '{}';
begin
	loop
		v_claimed := 0;
		for v_job in select * from muster.job_claim(p_host, p_kinds, v_limit, 30, v_counts) loop
			v_claimed := v_claimed + 1;
			if v_begun > 0 and clock_timestamp() >= v_end then
				perform muster.job_snooze(v_job.id, v_job.lease_id, null);
				continue;
			end if;
			v_begun := v_begun + 1;
			-- One of these may have removed or cancelled another.
			perform from muster.job where id = v_job.id and lease_id = v_job.lease_id;
			if found and muster.job_step_one(v_job) then
				v_done := v_done || jsonb_build_object('id', v_job.id, 'lease', v_job.lease_id);
			end if;
		end loop;
		-- Who counts keeps others from it until the commit: first what no limit holds.
		if v_claimed < v_limit then
			exit when v_counts;
			v_counts := true;
		end if;
		-- As many as there is time for, if they take as long as those before.
		if v_begun > 0 then
			v_limit := least(50 - v_begun, floor(extract(epoch from v_end - clock_timestamp()) * v_begun
				/ greatest(extract(epoch from clock_timestamp() - v_began), 0.000001)));
			exit when v_limit < 1;
		end if;
	end loop;
	if cardinality(v_done) > 0 then
		perform muster.job_complete_all(to_jsonb(v_done));
	end if;
	return v_begun > 0;
end
$$;
