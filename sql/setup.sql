-- SPDX-License-Identifier: MIT
-- Roles, schema and the list of migrations. Run first by every `muster migrate`, and harmless when
-- nothing is left to do. Plain SQL without psql's own commands: migrate sends it over libpq.
--
-- The setting muster.roles says what the caller wants: 'separate' (also when it is unset) makes one
-- role for each program, 'single' makes none. Where the server does not let us make roles we go on
-- with the one we have: row-level security is then not in force, and the predicates that every
-- function repeats are the guard.

do $$
declare
	v_role text;
begin
	if coalesce(nullif(current_setting('muster.roles', true), ''), 'separate') = 'single' then
		return;
	end if;
	foreach v_role in array array['muster_owner', 'muster_api', 'muster_hook', 'muster_jobs',
				      'muster_push'] loop
		continue when exists (select from pg_roles where rolname = v_role);
		begin
			-- Nobody signs in as the owner; migrate changes into it.
			execute format('create role %I %s', v_role,
				       case v_role when 'muster_owner' then 'nologin' else 'login' end);
		exception
			when insufficient_privilege then
				raise notice 'this database account cannot create roles: one role does everything';
				return;
			when duplicate_object or unique_violation then
				null; -- another database of this cluster is being set up at the same moment
		end;
	end loop;
	if not pg_has_role(current_user, 'muster_owner', 'member') then
		begin
			execute format('grant muster_owner to %I', current_user);
		exception when insufficient_privilege then
			raise notice 'this database account cannot become muster_owner: it owns the schema itself';
		end;
	end if;
end
$$;

-- For searches among very many findings; part of PostgreSQL's own packages, but not of all hosting.
do $$
begin
	create extension if not exists pg_trgm;
exception when others then
	raise notice 'without the extension pg_trgm searches among very many findings are slow: %', sqlerrm;
end
$$;

do $$
declare
	v_owner text;
begin
	select pg_get_userbyid(nspowner) into v_owner from pg_namespace where nspname = 'muster';
	if v_owner is null then
		if coalesce(nullif(current_setting('muster.roles', true), ''), 'separate') <> 'single'
		   and exists (select from pg_roles where rolname = 'muster_owner')
		   and pg_has_role(current_user, 'muster_owner', 'member') then
			v_owner := 'muster_owner';
			create schema muster authorization muster_owner;
		else
			v_owner := current_user;
			create schema muster;
		end if;
	end if;
	-- Whoever owns the schema owns all that follows, whoever runs migrate.
	if v_owner <> current_user then
		perform set_config('role', v_owner, false);
	end if;
end
$$;

create table if not exists muster.migration (
	name text primary key,
	applied_at timestamptz not null default now()
);
comment on table muster.migration is 'The files of sql/migration that this database has had.';
