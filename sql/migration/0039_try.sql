-- SPDX-License-Identifier: MIT
-- Tries to sign in of which nobody knows yet whether they are wrong, and when the latest began.
alter table muster.login_limit
	add column pending integer not null default 0,
	add column tried_at timestamptz not null default '-infinity';
