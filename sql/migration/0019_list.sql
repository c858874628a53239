-- SPDX-License-Identifier: MIT
-- Lists that had to read a whole table when there is much in it: t/bench/big asks all of them.

-- Each status of a kind is one walk. (organization_id, status, id) stays for counting what is active.
create index run_kind_idx on muster.run (organization_id, kind, status, id desc);
create index repo_project_id_idx on muster.repo (project_id) where removed_at is null;
create index token_list_idx on muster.token (organization_id, created_at desc, id desc);
create index invitation_list_idx on muster.invitation (organization_id, created_at desc, id desc);
create index saved_search_shared_idx on muster.saved_search (organization_id, lower(name), id) where shared;

-- The trail by time, so that since and until are a part of the walk: of all, of one action, of one
-- account, of one subject.
drop index muster.trail_organization_id_id_idx;
drop index muster.trail_action_idx;
drop index muster.trail_account_id_idx;
drop index muster.trail_subject_idx;
create index trail_at_idx on muster.trail (organization_id, at, id);
create index trail_action_idx on muster.trail (organization_id, action, at, id);
create index trail_account_id_idx on muster.trail (organization_id, account_id, at, id);
create index trail_subject_idx on muster.trail (organization_id, subject, at, id);

-- The same order forwards and backwards, so that a page is a comparison of two rows.
drop index muster.waiver_organization_id_idx;
create index waiver_list_idx on muster.waiver (organization_id, created_at desc, id desc);
