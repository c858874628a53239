-- SPDX-License-Identifier: MIT
-- Whether an address is there already is asked for each of many: of its key, which is what
-- muster.remote_key() makes of it, the first 200 characters (an index holds no text of any length).
create index repo_remote_key_idx on muster.repo (organization_id,
		left(lower(regexp_replace(regexp_replace(regexp_replace(remote, '^[A-Za-z+]+://', ''), '^[^@/]*@', ''),
			'^([^/:]+)(:\d+(?=/))?[:/]+(.*?)(\.git)?/*$', '\1/\3')), 200))
	where removed_at is null;
