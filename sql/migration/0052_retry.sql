-- SPDX-License-Identifier: MIT
-- A schedule that could not be followed is tried again later, and keeps the time that was due; the figures of
-- the queue are added up once a minute, however many runners look.
alter table muster.schedule add column retry_at timestamptz;
alter table muster.job_counted add column told_at timestamptz not null default '-infinity';
