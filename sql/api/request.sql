-- SPDX-License-Identifier: MIT
-- What stands between permission and the work: the limit on writes, and the key that makes asking
-- twice harmless. Each is a statement of the request's one transaction, after enter().
--
--   rate_take(p_kind, p_per_second, p_burst): counts one write of the current account. MU429 when it
--       has none left; what was counted is undone with a request that fails.
--   idempotency_take(p_key, p_hash): claims the key for a request with this sha256 (of route and
--       inputs). MU422: the key was another request's. MU208: it was this one's and is done; DETAIL is
--       the answer it got. Somebody else with the same key at the same moment waits here.
--   idempotency_keep(p_key, p_answer) → p_answer, which is kept with the key.

create function muster.rate_take(p_kind text, p_per_second double precision, p_burst integer)
returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_cost interval := make_interval(secs => 1 / p_per_second);
	v_burst interval := make_interval(secs => p_burst / p_per_second);
begin
	insert into muster.rate_limit as l (key, full_at)
	values (sha256(convert_to(p_kind || ':' || muster.account(), 'UTF8')), now() + v_cost)
	on conflict (key) do update set full_at = greatest(l.full_at, now()) + v_cost
	 where greatest(l.full_at, now()) + v_cost <= now() + v_burst;
	if not found then
		raise exception using errcode = 'MU429', message = 'You are asking too often.';
	end if;
end
$$;

create function muster.idempotency_take(p_key text, p_hash bytea) returns void
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
declare
	v_old muster.idempotency;
begin
	insert into muster.idempotency (organization_id, account_id, key, request_hash)
	values (muster.organization_need(), muster.account(), p_key, p_hash)
	on conflict do nothing;
	if found then
		return;
	end if;
	select * into v_old from muster.idempotency
	 where organization_id = muster.organization() and account_id = muster.account() and key = p_key;
	if v_old.request_hash is distinct from p_hash then
		raise exception using errcode = 'MU422',
			message = 'This Idempotency-Key was used for another request.';
	end if;
	raise exception using errcode = 'MU208', message = 'This was done before.',
		detail = v_old.answer;
end
$$;

create function muster.idempotency_keep(p_key text, p_answer text) returns text
language plpgsql security definer set search_path = pg_catalog, muster, pg_temp as $$
begin
	update muster.idempotency set answer = p_answer
	 where organization_id = muster.organization() and account_id = muster.account() and key = p_key;
	return p_answer;
end
$$;
