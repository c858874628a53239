-- SPDX-License-Identifier: MIT
-- Whether what opens a host does so, how large what was fetched is, and who asked for a scan of everything.
alter table muster.credential
	add column job_id bigint, -- the job that had it last; which may be forgotten by now
	add column worked_at timestamptz; -- a job that had it was done
alter table muster.mirror
	add column size_bytes bigint constraint mirror_size_bytes_check check (size_bytes >= 0);
alter table muster.root
	add column scan_account_id uuid constraint root_scan_account_id_fkey
		references muster.account on delete set null,
	add column scan_until integer; -- of the repositories before this one that account asked
create index root_scan_account_id_idx on muster.root (scan_account_id);
