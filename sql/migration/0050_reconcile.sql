-- SPDX-License-Identifier: MIT
-- What lies on the disks of the hosts and nobody has any more is looked for each day: those who have their
-- first schedules get this one, too.
insert into muster.schedule (organization_id, kind, cron, jitter_s, backfill_s, next_at)
select o.id, 'reconcile', '30 4 * * *', 3600, 86400,
       date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '28 hours 30 minutes'
  from muster.organization o where o.scheduled_at is not null;
