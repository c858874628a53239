-- SPDX-License-Identifier: MIT
-- What a scan found, by severity: of a run only its own, for findings change afterwards.
alter table muster.run add column counts jsonb;
