-- SPDX-License-Identifier: MIT
-- Rules as the organisation wants them. What there is to look for is in the program (`muster rules`);
-- a row is here for each rule that found something or that somebody decided about.
--
--   rule_list(p_kind, p_q) → {"items": [{id, key, kind, title, severity, enabled, remedy, url,
--       findings}], "next": null}, by what is open, at most 1 000.
--   rule_get(p_rule) → one. MU404.
--   rule_update(p_rule, p_severity, p_enabled, p_if_match) → it: '' gives the scan's own severity back.
--       Findings follow at once: of a rule that is off they are ignored, and open again when it is on.

create function muster.rule_json(p_rule muster.rule) returns jsonb
language sql stable security definer set search_path = pg_catalog, muster, pg_temp
return jsonb_build_object('id', (p_rule).id, 'key', (p_rule).key, 'kind', (p_rule).kind,
	'title', (p_rule).title, 'severity', (p_rule).severity, 'enabled', (p_rule).enabled,
	'remedy', (p_rule).remedy, 'url', (p_rule).url, 'updated_at', muster.iso((p_rule).updated_at));

create function muster.rule_list(p_kind text default null, p_q text default null) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
begin
	return jsonb_build_object('next', null, 'items', (
		select coalesce(jsonb_agg(muster.rule_json(r) order by r.key, r.id), '[]')
		  from (select * from muster.rule
			 where organization_id = v_organization
			   and (coalesce(p_kind, '') = '' or kind = p_kind)
			   and (coalesce(p_q, '') = '' or strpos(lower(key || ' ' || title), lower(p_q)) > 0)
			 order by key, id limit 1000) r));
end
$$;

create function muster.rule_get(p_rule uuid) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_rule muster.rule;
begin
	select * into v_rule from muster.rule
	 where id = p_rule and organization_id = muster.organization_need();
	if v_rule.id is null then
		raise exception using errcode = 'MU404', message = 'There is no such rule.';
	end if;
	return muster.rule_json(v_rule);
end
$$;

create function muster.rule_update(p_rule uuid, p_severity text default null, p_enabled boolean default null,
				   p_if_match text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_organization uuid := muster.organization_need();
	v_rule muster.rule;
begin
	perform muster.finding_lock(v_organization);
	perform 1 from muster.rule where id = p_rule and organization_id = v_organization for no key update;
	perform muster.match_check(p_if_match, muster.rule_get(p_rule));
	update muster.rule r
	   set severity = case when p_severity is null then r.severity else nullif(p_severity, '') end,
	       enabled = coalesce(p_enabled, r.enabled), updated_at = now()
	 where r.id = p_rule and r.organization_id = v_organization
	returning * into v_rule;
	-- The scan's own severity is in each finding, so that it can be given back.
	update muster.finding f
	   set severity = coalesce(v_rule.severity, f.data ->> 'severity', f.severity), changed_at = now()
	 where f.organization_id = v_organization and f.rule = v_rule.key and f.kind = v_rule.kind
	   and f.severity <> coalesce(v_rule.severity, f.data ->> 'severity', f.severity);
	with changed as (
		update muster.finding f
		   set state = case when not v_rule.enabled then 'ignored' when f.gone_at is null then 'open'
				    else 'resolved' end,
		       ignored_by = case when not v_rule.enabled then 'rule' end,
		       reason = case when not v_rule.enabled then 'its rule is off' end, changed_at = now()
		 where f.organization_id = v_organization and f.rule = v_rule.key and f.kind = v_rule.kind
		   and case when v_rule.enabled then f.ignored_by = 'rule'
			    else f.state in ('open', 'in_progress') end
		returning f.id, f.repo_id, f.first_seen_at, f.state
	)
	insert into muster.finding_state (organization_id, project_id, finding_id, found_at, account_id, before, after, reason)
	select v_organization, r.project_id, c.id, c.first_seen_at, muster.account(),
	       case when c.state = 'ignored' then 'open' else 'ignored' end,
	       c.state, case when v_rule.enabled then 'its rule is on again' else 'its rule is off' end
	  from changed c join muster.repo r on r.id = c.repo_id;
	insert into muster.trail (organization_id, account_id, action, subject, data)
	values (v_organization, muster.account(), 'rule.update', v_rule.key,
		jsonb_strip_nulls(jsonb_build_object('severity', p_severity, 'enabled', p_enabled)));
	return muster.rule_json(v_rule);
end
$$;
