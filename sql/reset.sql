-- SPDX-License-Identifier: MIT
-- Drops what the files in api/ are about to make again, in the same transaction, so that a function
-- may change its arguments or its result from one version to the next. What a table, a policy or a
-- trigger leans on (trigger functions, organization()) comes from migrations and stays.
do $$
declare
	v_name text;
begin
	-- The names are made before the first drop: a dropped function has none. "cascade" reaches
	-- functions only, and "if exists" is for those that it has reached.
	foreach v_name in array array(
		select p.oid::regprocedure::text
		  from pg_proc p
		 where p.pronamespace = 'muster'::regnamespace
		   and p.prokind = 'f'
		   and not exists (select from pg_depend d
				    where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid
				      and d.classid in ('pg_trigger'::regclass, 'pg_policy'::regclass,
							'pg_attrdef'::regclass, 'pg_constraint'::regclass,
							'pg_class'::regclass, 'pg_rewrite'::regclass)))
	loop
		execute format('drop function if exists %s cascade', v_name);
	end loop;
end
$$;
