-- SPDX-License-Identifier: MIT
-- A job may only have to know that others ended, however they did: a scan of a clone that could not be
-- fetched says so, and is made of what is there.
alter table muster.job add column wait_any boolean not null default false;
