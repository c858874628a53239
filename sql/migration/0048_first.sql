-- SPDX-License-Identifier: MIT
-- What is seen for the first time is scanned at once, not in the next night.
alter table muster.root add scan_from integer; -- the first ordinal of those not yet asked for; null: none
create index root_scan_from_idx on muster.root (id) where scan_from is not null;
