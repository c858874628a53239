-- SPDX-License-Identifier: MIT
-- Remediation: what people do about what an audit says. A run of this kind carries what is to be done
-- to which repository; jobs do it, on the host where the repository lies.

alter table muster.run drop constraint run_kind_check;
alter table muster.run add constraint run_kind_check
	check (kind in ('audit', 'scan', 'deps', 'analyze', 'remediate'));
alter table muster.run add column request jsonb; -- what was asked for; null: nothing beside the kind
