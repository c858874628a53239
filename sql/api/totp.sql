-- SPDX-License-Identifier: MIT
-- The second factor of one's own account. C makes and opens the sealed secret and compares codes;
-- what is here keeps it, and sees to it that no code is taken twice.
--
--   totp_get() → {enabled, confirmed_at, recovery_codes_left}
--   totp_begin(p_sealed): a secret that nothing asks for until a code of it was shown. MU409: there is
--       one already, or no password that it would be beside.
--   totp_sealed() → the secret that waits for its first code. MU409.
--   totp_confirm(p_step, p_recovery) → totp_get(). p_recovery: a JSON list of sha256 in hexadecimal.
--   totp_recovery(p_recovery) → totp_get(): other codes on paper take the place of the old. MU409.
--   totp_remove() → totp_get().
--   totp_take(p_account, p_step) → whether that step's code was still good; it is not any more.
--   totp_recover(p_account, p_hash) → whether that code on paper was; likewise.
--   account_totp_remove(p_email): for who lost both. The owner only. MU404.

create function muster.totp_get() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_totp muster.totp;
begin
	perform muster.organization_need();
	select * into v_totp from muster.totp where account_id = muster.account() and confirmed_at is not null;
	return jsonb_build_object('enabled', v_totp.account_id is not null,
				  'confirmed_at', muster.iso(v_totp.confirmed_at),
				  'recovery_codes_left', coalesce(cardinality(v_totp.recovery), 0));
end
$$;

create function muster.totp_begin(p_sealed text) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	insert into muster.totp as t (account_id, sealed) values (muster.account(), p_sealed)
	    on conflict (account_id) do update set sealed = excluded.sealed, created_at = now()
	 where t.confirmed_at is null;
	if not found then
		raise exception using errcode = 'MU409', message = 'Codes are asked for already.';
	end if;
end
$$;

create function muster.totp_sealed() returns text
language plpgsql stable security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_sealed text;
begin
	perform muster.organization_need();
	select sealed into v_sealed from muster.totp where account_id = muster.account() and confirmed_at is null;
	if v_sealed is null then
		raise exception using errcode = 'MU409', message = 'Nothing waits for a code.';
	end if;
	return v_sealed;
end
$$;

create function muster.totp_confirm(p_step bigint, p_recovery jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.totp set confirmed_at = now(), step = p_step,
	       recovery = array(select decode(h, 'hex') from jsonb_array_elements_text(p_recovery) h)
	 where account_id = muster.account() and confirmed_at is null;
	if not found then
		raise exception using errcode = 'MU409', message = 'Nothing waits for a code.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (muster.organization_need(), muster.account(), 'totp.add', muster.account()::text);
	return muster.totp_get();
end
$$;

create function muster.totp_recovery(p_recovery jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.totp
	   set recovery = array(select decode(h, 'hex') from jsonb_array_elements_text(p_recovery) h)
	 where account_id = muster.account() and confirmed_at is not null;
	if not found then
		raise exception using errcode = 'MU409', message = 'No codes are asked for.';
	end if;
	insert into muster.trail (organization_id, account_id, action, subject)
	values (muster.organization_need(), muster.account(), 'totp.recovery', muster.account()::text);
	return muster.totp_get();
end
$$;

create function muster.totp_remove() returns jsonb
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	perform muster.organization_need();
	delete from muster.totp where account_id = muster.account();
	if found then
		insert into muster.trail (organization_id, account_id, action, subject)
		values (muster.organization(), muster.account(), 'totp.remove', muster.account()::text);
	end if;
	return muster.totp_get();
end
$$;

create function muster.totp_take(p_account uuid, p_step bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.totp set step = p_step
	 where account_id = p_account and confirmed_at is not null and step < p_step;
	return found;
end
$$;

create function muster.totp_recover(p_account uuid, p_hash bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.totp set recovery = array_remove(recovery, p_hash)
	 where account_id = p_account and confirmed_at is not null and p_hash = any (recovery);
	if found then
		insert into muster.trail (organization_id, account_id, action, subject)
		select (select m.organization_id from muster.membership m where m.account_id = p_account
			 order by m.created_at, m.organization_id limit 1), p_account, 'totp.recover', p_account::text;
		return true;
	end if;
	return false;
end
$$;

create function muster.account_totp_remove(p_email text) returns void
language plpgsql set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_id uuid := muster.account_find(p_email);
begin
	delete from muster.totp where account_id = v_id;
	insert into muster.trail (action, subject) values ('totp.remove', v_id::text);
end
$$;
