/* SPDX-License-Identifier: MIT */
/* From drafts to a set that does not change any more. For rule*.c only. */
#ifndef MUSTER_JOBS_SCAN_RULE_SET_H
#define MUSTER_JOBS_SCAN_RULE_SET_H

#include "jobs/scan/rule_file.h"

struct rule_private {
	struct rule_set set; /* first: what others see */
	GPtrArray *docs;     /* struct toml, which own every string */
	struct toml *memory; /* the first of them: what belongs to no file */
	GHashTable *dropped; /* names of rules that only and without took out -> enum rule_name */
};

/*
 * Fills in defaults, patterns' checks, sieves and hashes. Drafts with id NULL are left out. INPUT
 * with file and line when a rule of our own format is wrong; a foreign one is dropped, which is a
 * problem.
 */
gboolean rule_set_finish(struct rule_private *set, GArray *drafts, GArray *allowlists,
	GArray *problems, GError **error);

#endif
