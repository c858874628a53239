-- SPDX-License-Identifier: MIT
-- Who tells of its own changes says so, and the triggers of the live tables leave it alone:
-- report_ingest() numbers the few events of an ordinary report itself, and has no use for rows in
-- outbox that it would have to delete again. Without the setting, which never outlasts
-- that function, everything is told by the triggers, as before.

drop trigger repositories_notify_update on muster.repo;
create trigger repositories_notify_update after update on muster.repo
	referencing new table as fresh
	for each statement when (current_setting('muster.told', true) is distinct from 'on')
	execute function muster.notify_data_change('repositories');
drop trigger audits_notify_insert on muster.audit;
create trigger audits_notify_insert after insert on muster.audit
	referencing new table as fresh
	for each statement when (current_setting('muster.told', true) is distinct from 'on')
	execute function muster.notify_data_change('audits');
