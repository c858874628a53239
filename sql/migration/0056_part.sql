-- SPDX-License-Identifier: MIT
-- A scan of everything that is of some projects. No references: of a project that is gone there is nothing to scan.
alter table muster.root
	add column scan_projects uuid[]; -- of the repositories before scan_until only these are wanted; null: all
