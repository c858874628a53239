-- SPDX-License-Identifier: MIT
-- From where something was done: enter() says it for the transaction, and every row of the trail has
-- it without its writer's doing. '' is what a setting of an earlier transaction leaves behind.
alter table muster.trail alter column address
	set default left(nullif(pg_catalog.current_setting('muster.address', true), ''), 64);
