-- SPDX-License-Identifier: MIT
-- A job that cannot begin while another works where it is to work waits for that; not for ever.
alter table muster.job add column busy_since timestamptz; -- the first time that it found another there
