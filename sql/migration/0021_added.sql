-- SPDX-License-Identifier: MIT
-- A clone that is new in a report finds the request that it was added by, which says its project.

create index run_added_idx on muster.run (organization_id, id) where request ->> 'operation' = 'add';
