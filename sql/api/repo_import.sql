-- SPDX-License-Identifier: MIT
-- Importing what a forge has.
--
--   forge_check(p_forge, p_url) → whether the forge may lie in a private network: for the server's
--       administrator, or where the setting repo.private_addresses says so. p_forge: github:OWNER, gitlab:GROUP or gitea:OWNER. MU400.
--   forge_known(p_list) → the list of muster-forge(1), each repository with "known": it is here already.
--   repo_import(p_urls, p_project) → {"results": [{url, success, error, run_id}]}: as repo_add(), each by
--       itself. MU404.

-- The same for all addresses of a repository, by https or ssh, with ".git" or without.
create function muster.remote_key(p_url text) returns text
language sql immutable parallel safe
return lower(regexp_replace(regexp_replace(regexp_replace(p_url, '^[A-Za-z+]+://', ''), '^[^@/]*@', ''),
	'^([^/:]+)(:\d+(?=/))?[:/]+(.*?)(\.git)?/*$', '\1/\3'));

create function muster.forge_check(p_forge text, p_url text default null) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	if p_forge !~ '^(github|gitlab|gitea):[A-Za-z0-9_-][A-Za-z0-9._/-]*$' then
		perform muster.field_error('forge', 'is not github:OWNER, gitlab:GROUP or gitea:OWNER');
	elsif p_url !~ '^https?://[^/@]' then
		perform muster.field_error('url', 'does not begin with https://');
	end if;
	return current_setting('muster.role') = 'platform_admin'
	       or muster.setting_value('repo.private_addresses', null) = '"yes"';
end
$$;

create function muster.forge_known(p_list jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	-- Each address is looked up by an index, as repo_add() does it: to compute the keys of all that is
	-- here takes longer than to list what the forge has.
	return jsonb_build_object('owner', p_list -> 'owner', 'repos', (
		select coalesce(jsonb_agg(l.value || jsonb_build_object('known', coalesce((
				select true from muster.repo r
				 where r.organization_id = v_organization and r.removed_at is null
				   and left(muster.remote_key(r.remote), 200) = left(l.key, 200)
				   and muster.remote_key(r.remote) = l.key limit 1), false)) order by l.ord), '[]')
		  from (select value, ord, muster.remote_key(value ->> 'clone_url') as key
			  from jsonb_array_elements(p_list -> 'repos') with ordinality e (value, ord) offset 0) l (value, ord, key)));
end
$$;

create function muster.repo_import(p_urls jsonb, p_project text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_project muster.project := muster.project_own(coalesce(nullif(p_project, ''), 'default'));
	v_count bigint := muster.repo_count(v_project.organization_id);
	v_url text;
	v_one jsonb;
	v_results jsonb := '[]';
begin
	for v_url in select jsonb_array_elements_text(p_urls) loop
		begin
			v_one := muster.repo_add(p_url => v_url, p_project => v_project.slug, p_count => v_count);
			v_results := v_results || jsonb_build_object('url', v_url, 'success', true, 'error', null,
								     'run_id', v_one -> 'run_id');
		exception when sqlstate 'MU400' or sqlstate 'MU403' or sqlstate 'MU409' or sqlstate 'MU429' then
			v_results := v_results || jsonb_build_object('url', v_url, 'success', false, 'error', sqlerrm,
								     'run_id', null);
		end;
	end loop;
	return jsonb_build_object('results', v_results);
end
$$;
