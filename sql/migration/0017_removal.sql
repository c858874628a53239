-- SPDX-License-Identifier: MIT
-- An organisation or an account that is to go is gone for everybody at once; a job of kind remove
-- takes its rows away, a piece at a time.

alter table muster.organization add column removed_at timestamptz;
alter table muster.account add column removed_at timestamptz;
