-- SPDX-License-Identifier: MIT
-- Lists of findings of one kind, or of what is in HEAD or no longer: where there are few such, the walks
-- of the lists met all others before they had a page of them. And what one account did anywhere.
create index finding_kind_idx on muster.finding
	(organization_id, state, rank, kind, coalesce(in_head::integer, 2), id);
create index trail_person_idx on muster.trail (account_id, id);
