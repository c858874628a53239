-- SPDX-License-Identifier: MIT
-- What lies in the state folders of the hosts, and what of it nobody has any more.
--
--   reconcile_add(p_organization) → how many jobs were added: one on each host where a runner is, or was in the last
--       day where it has folders or mirrors. What waits for a host that is not there any more is cancelled. Internal.
--   reconcile_record(p_job, p_lease, p_state, p_result) → false: the lease is lost. What a job of kind
--       reconcile saw in its host's state folder p_state, or removed there. What nobody has is for a second
--       job to remove, at most 400 things a day; so the first one can be read before anything goes.
--   reconcile_leftover(p_organization, p_host, p_seen) → {place: [name, …]} of what nobody has. Internal.
--   reconcile_kept(p_organization, p_state, p_seen) → likewise, of what a person has to look at. Internal.
--
-- Nobody has any more: what is known of a repository whose row is gone (scan, mirrors), a mirror that lies on another
-- host by now, and reports below a
-- name that an organisation gave up. Whose things these were nobody can tell: any organisation's job on that
-- host removes them, and says how many. Told are clones that no watched folder holds, reports of no folder
-- that is known, and the trash of organisations that are not.
--
-- The result of the first: {"leftover": {place: how many}, "kept": {place: [name, …], at most 50}}; of the second:
-- {"removed": {place: how many}, "left": how many}.

create function muster.reconcile_leftover(p_organization uuid, p_host text, p_seen jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	return (with seen as (
			select p.place, n.name, split_part(n.name, '/', 1) as first,
			       case when split_part(n.name, '/', -1) ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'
				    then split_part(n.name, '/', -1)::uuid end as id
			  from unnest(array['scan', 'mirrors', 'reports']) p (place)
			 cross join jsonb_array_elements_text(p_seen -> p.place) n (name)
		)
		select coalesce(jsonb_object_agg(g.place, g.names), '{}')
		  from (select s.place, jsonb_agg(s.name order by s.name) as names from seen s
			 where case s.place
				when 'reports' then exists (
					select from muster.organization_slug g
					 where g.slug = s.first and (g.holder_id is null or g.holder_id = p_organization))
				     and not exists (select from muster.organization o where o.slug = s.first)
				else s.id is not null
				     and (not exists (select from muster.repo r where r.id = s.id)
					  or (s.place = 'mirrors' and exists (
						select from muster.mirror m where m.repo_id = s.id and m.host <> p_host))) end
			 group by s.place) g);
end
$$;

create function muster.reconcile_kept(p_organization uuid, p_state text, p_seen jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_slug text := (select slug from muster.organization where id = p_organization);
	v_slugs text[] := v_slug || array(select g.slug from muster.organization_slug g where g.holder_id = p_organization);
begin
	return (select coalesce(jsonb_object_agg(k.place, k.names), '{}')
		  from (select s.place, jsonb_agg(s.name order by s.name) as names
			  from (select p.place, n.name, row_number() over (partition by p.place order by n.name) as k
				  from unnest(array['clones', 'reports', 'trash']) p (place)
				 cross join jsonb_array_elements_text(p_seen -> p.place) n (name)
				 where case p.place
					when 'clones' then split_part(n.name, '/', 1) = any (v_slugs)
					     and not exists (
						select from muster.root t
						 where t.organization_id = p_organization
						   and t.path = format('%s/clones/%s', p_state, split_part(n.name, '/', 1)))
					when 'reports' then split_part(n.name, '/', 1) = v_slug
					     and not exists (
						select from muster.root t
						 where t.organization_id = p_organization and t.slug = split_part(n.name, '/', 2))
					else not exists (select from muster.organization o where o.id::text = n.name) end) s
			 where s.k <= 50
			 group by s.place) k);
end
$$;

create function muster.reconcile_add(p_organization uuid) returns integer
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_last bigint := coalesce((select max(id) from muster.job), 0);
	v_hosts text[] := array(
		select w.host from muster.worker w
		 where muster.worker_is_alive(w) and (w.queues is null or 'disk' = any (w.queues))
		union
		select h.host from (select t.host from muster.root t where t.organization_id = p_organization
				    union
				    select m.host from muster.mirror m where m.organization_id = p_organization) h
		 where muster.host_is_there(h.host));
	v_jobs bigint[];
begin
	perform muster.job_cancel(j.id, 'Its host is not there any more.')
	   from muster.job j
	  where j.organization_id = p_organization and j.kind = 'reconcile' and j.state = 'queued'
	    and j.host is not null and j.created_at < now() - interval '1 day' and not j.host = any (v_hosts);
	-- Told apart in a statement of its own, which sees what this one adds.
	v_jobs := array(select muster.job_add(p_organization, 'reconcile', 'look:' || h.host,
				jsonb_build_object('operation', 'look'), h.host, p_priority => -10)
			  from unnest(v_hosts) h (host));
	return (select count(*) from unnest(v_jobs) j (id) where muster.job_is_new(j.id, v_last));
end
$$;

create function muster.reconcile_record(p_job bigint, p_lease uuid, p_state text, p_result jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_job muster.job;
	v_leftover jsonb;
	v_places jsonb;
begin
	select * into v_job from muster.job where id = p_job and lease_id = p_lease and state = 'running' for update;
	if v_job.id is null then
		return false;
	end if;
	if v_job.payload ->> 'operation' = 'remove' then
		if p_result -> 'removed' <> '{}' then
			insert into muster.trail (organization_id, action, subject, data)
			values (v_job.organization_id, 'reconcile.remove', v_job.host, p_result);
		end if;
		return muster.job_complete(p_job, p_lease, p_result);
	end if;
	v_leftover := muster.reconcile_leftover(v_job.organization_id, v_job.leased_by, p_result);
	if v_leftover <> '{}' then
		select jsonb_object_agg(x.place, x.names) into v_places
		  from (select n.place, jsonb_agg(n.name) as names
			  from (select l.key as place, e.name, row_number() over (order by l.key, e.name) as k
				  from jsonb_each(v_leftover) l
				 cross join jsonb_array_elements_text(l.value) e (name)) n
			 where n.k <= 400
			 group by n.place) x;
		perform muster.job_add(v_job.organization_id, 'reconcile', 'remove:' || coalesce(v_job.host, ''),
			jsonb_build_object('operation', 'remove', 'places', v_places), v_job.host, p_priority => -10,
			p_mode => 'replace');
	end if;
	return muster.job_complete(p_job, p_lease, jsonb_build_object(
		'leftover', (select coalesce(jsonb_object_agg(l.key, jsonb_array_length(l.value)), '{}') from jsonb_each(v_leftover) l),
		'kept', muster.reconcile_kept(v_job.organization_id, p_state, p_result)));
end
$$;
