-- SPDX-License-Identifier: MIT
-- A slug that an organisation had is nobody else's later: folders of reports and of clones, and jobs on
-- their way, are called by it and would be the next one's. A row for each that was given up, by
-- whatever way; holder_id is the organisation that may have it again, null when that is gone.
create table muster.organization_slug (
	slug text not null constraint organization_slug_pkey primary key,
	holder_id uuid constraint organization_slug_holder_id_fkey references muster.organization on delete set null
);
alter table muster.organization_slug enable row level security;

create function muster.organization_slug_check() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	if exists (select from muster.organization_slug s
		    where s.slug = new.slug and s.holder_id is distinct from new.id) then
		raise exception using errcode = 'MU409', message = 'There was an organization of that name already.';
	end if;
	return null;
end
$$;

create function muster.organization_slug_keep() returns trigger
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	insert into muster.organization_slug (slug, holder_id)
	values (old.slug, case tg_op when 'UPDATE' then old.id end)
	    on conflict do nothing;
	return null;
end
$$;

-- After it is written: whoever was about to give that slug up has done so by then.
create trigger organization_slug_check after insert or update of slug on muster.organization
	for each row execute function muster.organization_slug_check();
create trigger organization_slug_keep_update after update of slug on muster.organization
	for each row when (old.slug <> new.slug) execute function muster.organization_slug_keep();
create trigger organization_slug_keep_delete after delete on muster.organization
	for each row when (old.slug <> 'removed-' || old.id) execute function muster.organization_slug_keep();

-- Those that the trail knows of.
insert into muster.organization_slug (slug, holder_id)
select distinct on (g.slug) g.slug, o.id
  from (select t.subject as slug, t.organization_id from muster.trail t where t.action = 'organization.remove'
	union all
	select t.data ->> 'slug', t.organization_id from muster.trail t where t.action = 'organization.update'
	union all
	select s, null from muster.trail t, jsonb_array_elements_text(t.data -> 'organizations') s
	 where t.action = 'account.remove' and jsonb_typeof(t.data -> 'organizations') = 'array') g
  left join muster.organization o on o.id = g.organization_id and o.removed_at is null
 where g.slug is not null and not exists (select from muster.organization o where o.slug = g.slug)
 order by g.slug, o.id;
