-- SPDX-License-Identifier: MIT
-- Saved searches: one's own filters of a list by a name, shared with the organisation or not.
--
--   saved_search_list(p_subject) → {"items": [{id, name, subject, query, shared, mine, created_at}],
--       "next": null}: one's own and what others share.
--   saved_search_add(p_name, p_subject, p_query, p_shared) → it. MU409: one has that name already.
--   saved_search_update(p_search, p_name, p_query, p_shared) → it. One's own only. MU404.
--   saved_search_remove(p_search) → it. Likewise; an administrator removes shared ones too.

create function muster.saved_search_json(p_search muster.saved_search) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_search).id, 'name', (p_search).name, 'subject', (p_search).subject,
	'query', (p_search).query, 'shared', (p_search).shared,
	'mine', (p_search).account_id = muster.account(), 'created_at', muster.iso((p_search).created_at));

create function muster.saved_search_list(p_subject text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(muster.saved_search_json(s) order by lower(s.name), s.id), '[]')
		  from (select * from (
				(select * from muster.saved_search
				  where organization_id = v_organization and account_id = muster.account())
				union all
				(select * from muster.saved_search
				  where organization_id = v_organization and shared and account_id <> muster.account()
				    and (coalesce(p_subject, '') = '' or subject = p_subject)
				  order by lower(name), id limit 500)) a
			 where coalesce(p_subject, '') = '' or subject = p_subject
			 order by lower(name), id limit 500) s));
end
$$;

create function muster.saved_search_add(p_name text, p_subject text, p_query jsonb,
					p_shared boolean default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_search muster.saved_search;
begin
	insert into muster.saved_search (organization_id, account_id, name, subject, query, shared)
	values (v_organization, muster.account(), p_name, p_subject, p_query, coalesce(p_shared, false))
	    on conflict do nothing
	returning * into v_search;
	if v_search.id is null then
		raise exception using errcode = 'MU409', message = 'You have a search of that name already.';
	end if;
	return muster.saved_search_json(v_search);
end
$$;

create function muster.saved_search_update(p_search uuid, p_name text default null, p_query jsonb default null,
					   p_shared boolean default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_search muster.saved_search;
begin
	update muster.saved_search s
	   set name = coalesce(p_name, s.name), query = coalesce(p_query, s.query),
	       shared = coalesce(p_shared, s.shared)
	 where s.id = p_search and s.organization_id = muster.organization_need()
	   and s.account_id = muster.account()
	returning * into v_search;
	if v_search.id is null then
		raise exception using errcode = 'MU404', message = 'You have no such search.';
	end if;
	return muster.saved_search_json(v_search);
exception when unique_violation then
	raise exception using errcode = 'MU409', message = 'You have a search of that name already.';
end
$$;

create function muster.saved_search_remove(p_search uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_search muster.saved_search;
begin
	delete from muster.saved_search
	 where id = p_search and organization_id = muster.organization_need()
	   and (account_id = muster.account() or (shared and muster.is_admin()))
	returning * into v_search;
	if v_search.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such search that you may remove.';
	end if;
	return muster.saved_search_json(v_search);
end
$$;
