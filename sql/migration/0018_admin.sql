-- SPDX-License-Identifier: MIT
-- The trail of all organisations is read backwards, too: of one account, which is how people see where
-- they signed in, and of one action.
create index trail_everywhere_account_idx on muster.trail (account_id, id) where account_id is not null;
create index trail_everywhere_action_idx on muster.trail (action, id);
