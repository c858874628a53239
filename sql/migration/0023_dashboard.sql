-- SPDX-License-Identifier: MIT
-- Who did how much lately: what people said, and decided. What scans did is far more, and not asked for.
create index comment_created_at_idx on muster.comment (organization_id, created_at);
create index finding_state_account_idx on muster.finding_state (organization_id, at) where account_id is not null;

-- The trail of all organisations by time, as that of one is. What an account did it did in few of them,
-- so that one index serves both.
drop index muster.trail_everywhere_account_idx;
drop index muster.trail_everywhere_action_idx;
drop index muster.trail_account_id_idx;
create index trail_account_id_idx on muster.trail (account_id, at, id) where account_id is not null;
create index trail_everywhere_at_idx on muster.trail (at, id);
create index trail_everywhere_action_idx on muster.trail (action, at, id);
create index trail_session_idx on muster.trail (account_id, at, id) where starts_with(action, 'session.');
