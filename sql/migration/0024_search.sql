-- SPDX-License-Identifier: MIT
-- What is being typed is looked up by how it begins.

create index repo_prefix_idx on muster.repo (organization_id, lower(name) text_pattern_ops)
	where removed_at is null and archived_at is null;
create index repo_tags_idx on muster.repo (organization_id, id) where tags <> '{}' and removed_at is null;
create index rule_prefix_idx on muster.rule (organization_id, lower(key) text_pattern_ops);
