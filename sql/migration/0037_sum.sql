-- SPDX-License-Identifier: MIT
-- The sums of 0034_search.sql, once more: what was stored while they were filled, before their trigger stood,
-- is in none of them.
lock table muster.finding_count in share row exclusive mode;
insert into muster.finding_sum as s (repo_id, organization_id, n)
select c.repo_id, c.organization_id, array(
	select coalesce(sum(d.n), 0)::integer
	  from generate_series(1, 23) k (place)
	  left join muster.finding_count d on d.repo_id = c.repo_id and k.place in (
		5 * array_position(array['open', 'in_progress', 'resolved', 'ignored'], d.state) - 5
		+ array_position(array['critical', 'high', 'medium', 'low', 'info'], d.severity),
		20 + array_position(array['secret', 'dependency', 'code'], d.kind))
	 group by k.place order by k.place)
  from (select distinct repo_id, organization_id from muster.finding_count) c
    on conflict (repo_id) do update set n = excluded.n where s.n <> excluded.n;
