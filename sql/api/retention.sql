-- SPDX-License-Identifier: MIT
-- What is old goes.
--
--   prune_hourly() → what prune() says and {"organizations"}: how many were put into the queue; null
--       when somebody did it in the last hour: whoever runs may call it each minute, on every host.
--       Waivers end with it.
--   prune() → {"sessions", "partitions"}: how many went of what ends by itself, in all
--       organisations. Harmless at any time.
--   prune_step(p_job) → whether there is more: one piece of what is older than the organisation's
--       settings retention.<table>_days say. What went is counted in the job, and when nothing is left
--       in the trail. For job_step().
--   prune_table(p_organization, p_table, p_before) → {table: rows}: one piece of one table; of the trash,
--       which is files, jobs see to it. Internal.
--   count_add({table: rows}, {table: rows}) → their sums. Internal.
--
-- The latest audit of a root always stays, and so does the latest deployment of each place. The floor
-- of the event log is raised in one call and the partitions below it are dropped by a later one, so
-- that whoever holds a cursor has been told.

create function muster.count_add(p_one jsonb, p_other jsonb) returns jsonb
language sql immutable parallel safe
return (select coalesce(jsonb_object_agg(s.key, s.n), '{}')
	  from (select e.key, sum(e.value::bigint) as n
		  from (select * from jsonb_each_text(p_one) union all select * from jsonb_each_text(p_other)) e
		 group by e.key) s);

-- At most a thousand rows, found by an index and never by reading what is to stay.
create function muster.prune_table(p_organization uuid, p_table text, p_before timestamptz) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp
set plan_cache_mode = force_custom_plan as $$
declare
	v_repos uuid[];
	v_findings bigint[];
	v_table text := p_table;
	v_count bigint;
begin
	if p_table = 'audit' then
		delete from muster.audit where id = any (array(
			select a.id from muster.root r
			 cross join lateral (select x.id, x.created_at from muster.audit x
					      where x.root_id = r.id order by x.id limit 1000) a
			 where r.organization_id = p_organization and a.created_at < p_before
			   and a.id is distinct from r.audit_id
			 limit 1000));
	elsif p_table = 'repo' then
		v_repos := array(select id from muster.repo
				  where organization_id = p_organization and removed_at < p_before limit 100);
		-- First what was found in them, which may be much.
		v_findings := array(select id from muster.finding where repo_id = any (v_repos) limit 1000);
		if cardinality(v_findings) > 0 then
			v_table := 'finding';
			delete from muster.finding where id = any (v_findings);
		else
			delete from muster.repo where id = any (v_repos);
		end if;
	elsif p_table = 'run_log' then
		delete from muster.run_log where ctid = any (array(
			select ctid from muster.run_log
			 where organization_id = p_organization and at < p_before limit 1000));
	elsif p_table = 'run' then
		delete from muster.run where id = any (array(
			select r.id from unnest(array['completed', 'failed', 'cancelled']) s (status)
			 cross join lateral (select x.id, x.completed_at from muster.run x
					      where x.organization_id = p_organization and x.status = s.status
					      order by x.id limit 1000) r
			 where r.completed_at < p_before
			 limit 1000));
	elsif p_table = 'finding' then
		perform muster.finding_lock(p_organization);
		v_findings := array(select id from muster.finding
				     where organization_id = p_organization and gone_at < p_before limit 1000);
		delete from muster.finding where id = any (v_findings);
	elsif p_table = 'deployment' then
		delete from muster.deployment where id = any (array(
			select d.id from muster.deployment d
			 where d.organization_id = p_organization and d.created_at < p_before
			   and exists (select from muster.deployment n
					where n.project_id = d.project_id and n.environment = d.environment
					  and n.repo_id is not distinct from d.repo_id
					  and n.status = 'completed' and n.number > d.number)
			 limit 1000));
	elsif p_table = 'test_run' then
		delete from muster.test_run where id = any (array(
			select id from muster.test_run
			 where organization_id = p_organization and at < p_before limit 1000));
	elsif p_table = 'trash' then
		perform muster.trash_prune(p_organization, p_before);
		return '{}';
	elsif p_table in ('job', 'job_dead') then
		v_table := 'job';
		delete from muster.job where id = any (array(
			with recursive kind as (
				(select j.kind from muster.job j where j.organization_id = p_organization order by j.kind limit 1)
				union all
				select (select j.kind from muster.job j
					 where j.organization_id = p_organization and j.kind > k.kind order by j.kind limit 1)
				  from kind k where k.kind is not null)
			select o.id from kind k
			 cross join unnest(case p_table when 'job' then array['done', 'cancelled'] else array['dead'] end) s (state)
			 cross join lateral (select j.id, j.finished_at from muster.job j
					      where j.organization_id = p_organization and j.kind = k.kind and j.state = s.state
					      order by j.id limit 1000) o
			 where o.finished_at < p_before
			 limit 1000));
	elsif p_table = 'job_attempt' then
		delete from muster.job_attempt where ctid = any (array(
			select ctid from muster.job_attempt
			 where organization_id = p_organization and ended_at < p_before limit 1000));
	elsif p_table = 'schedule_tick' then
		delete from muster.schedule_tick where ctid = any (array(
			select ctid from muster.schedule_tick
			 where organization_id = p_organization and at < p_before limit 1000));
	elsif p_table = 'summary' then
		delete from muster.summary where id = any (array(
			select id from muster.summary
			 where organization_id = p_organization and created_at < p_before order by id limit 1000));
	elsif p_table = 'metric' then
		delete from muster.metric where id = any (array(
			select id from muster.metric
			 where organization_id = p_organization and at < p_before limit 1000));
	else
		raise exception 'nothing says how % is pruned', p_table;
	end if;
	get diagnostics v_count = row_count;
	return case when v_count > 0 then jsonb_build_object(v_table, v_count) else '{}' end;
end
$$;

create function muster.prune_step(p_job muster.job) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_key text;
	v_table text;
	v_done jsonb;
begin
	-- Those that are through are remembered by the last one's name. Downwards: what a run printed is
	-- counted before the run takes it along.
	for v_key in
		select k.key from muster.setting_known() k
		 where k.key ~ '^retention\.' and k.scope = 'organization' and k.key <= coalesce((p_job).payload ->> 'key', k.key)
		 order by k.key desc
	loop
		v_table := substring(v_key from '^retention\.(.*)_days$');
		v_done := muster.prune_table((p_job).organization_id, v_table, now() - make_interval(days =>
			(muster.setting_value(v_key, (p_job).organization_id) #>> '{}')::integer));
		if v_done <> '{}' then
			update muster.job
			   set payload = jsonb_build_object('key', v_key), message = v_table,
			       result = muster.count_add(coalesce((p_job).result, '{}'), v_done)
			 where id = (p_job).id;
			return true;
		end if;
	end loop;
	if coalesce((p_job).result, '{}') <> '{}' then
		insert into muster.trail (organization_id, action, data)
		values ((p_job).organization_id, 'retention.prune', (p_job).result);
	end if;
	return false;
end
$$;

create function muster.prune() returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_events interval := make_interval(days => (muster.setting_value('retention.event_days', null) #>> '{}')::integer);
	v_done jsonb := '{}';
	v_count bigint;
	v_stream muster.stream;
	v_floor bigint;
	v_part record;
begin
	delete from muster.session where id = any (array(
		select id from muster.session where expires_at < now() limit 10000));
	get diagnostics v_count = row_count;
	v_done := v_done || jsonb_build_object('sessions', v_count);
	delete from muster.refresh where expires_at < now();
	delete from muster.token where expires_at < now();
	delete from muster.invitation where expires_at < now();
	delete from muster.password_reset where expires_at < now();
	delete from muster.confirmation where expires_at < now();
	delete from muster.idempotency where created_at < now() - interval '1 day';
	delete from muster.rate_limit where full_at < now();
	delete from muster.login_limit where updated_at < now() - interval '2 days';

	-- The lane is ours until commit, or the log is left alone this time.
	v_count := 0;
	if pg_try_advisory_xact_lock(19797, 1) then
		select * into v_stream from muster.stream for update;
		for v_part in
			select c.oid, c.relname,
			       (regexp_match(c.relname, '^event_(\d+)$'))[1]::bigint as upto
			  from pg_inherits i join pg_class c on c.oid = i.inhrelid
			 where i.inhparent = 'muster.event'::regclass
			 order by 3
		loop
			continue when v_part.upto > v_stream.floor;
			-- Readers of the log hold the lock for milliseconds; one that does not costs us
			-- this try only.
			begin
				perform set_config('lock_timeout', '2s', true);
				execute format('drop table muster.%I', v_part.relname);
				v_count := v_count + 1;
			exception when lock_not_available then
				exit;
			end;
		end loop;
		select coalesce(max(e.id), v_stream.floor) into v_floor from muster.event e
		 where e.at < now() - v_events and e.id > v_stream.floor;
		update muster.stream set floor = v_floor where floor < v_floor;
		perform muster.event_extend(v_stream.head + v_stream.span);
	end if;
	return v_done || jsonb_build_object('partitions', v_count);
end
$$;

create function muster.prune_hourly() returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_count bigint;
begin
	insert into muster.setting as s (organization_id, key, value)
	values (null, 'prune.at', to_jsonb(muster.iso(now())))
	on conflict (organization_id, key) do update
	   set value = excluded.value, updated_at = now()
	 where s.updated_at < now() - interval '1 hour';
	if not found then
		return null;
	end if;
	perform muster.waiver_expire();
	perform muster.mirror_free();
	-- What was promised to be removed is, whatever was in the way.
	update muster.job j
	   set state = 'queued', attempt = 0, run_at = now(), finished_at = null
	 where j.state = 'dead' and j.kind = 'remove'
	   and (exists (select from muster.organization o
			 where j.payload -> 'organizations' ? o.id::text and o.removed_at is not null)
		or exists (select from muster.account a
			    where a.id::text = j.payload ->> 'account' and a.removed_at is not null))
	   and not exists (select from muster.job t
			    where t.organization_id = j.organization_id and t.kind = j.kind and t.key = j.key
			      and t.state in ('queued', 'running'));
	with due as (
		update muster.organization set pruned_at = now()
		 where id = any (array(select id from muster.organization
					where pruned_at < now() - interval '1 day' order by pruned_at limit 1000))
		returning id
	)
	insert into muster.job (organization_id, kind, key, priority)
	select id, 'prune', 'daily', -10 from due
	on conflict do nothing;
	get diagnostics v_count = row_count;
	return muster.prune() || jsonb_build_object('organizations', v_count);
end
$$;
