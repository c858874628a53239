-- SPDX-License-Identifier: MIT
-- What an account, a project or an organisation leaves behind was looked for by reading whole tables,
-- some of them for longer than a statement may take. The two largest say by what they belong to whose
-- they are: a reference of their own was only one more thing to be looked up for each row.
alter table muster.occurrence drop constraint occurrence_organization_id_fkey;
alter table muster.run_log drop constraint run_log_organization_id_fkey;
create index finding_assignee_id_idx on muster.finding (assignee_id) where assignee_id is not null;
create index comment_account_id_idx on muster.comment (account_id) where account_id is not null;
create index metric_project_id_idx on muster.metric (project_id);
