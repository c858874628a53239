/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_INSPECT_H
#define MUSTER_JOBS_AUDIT_INSPECT_H

#include <glib.h>

#include "jobs/audit/facts.h"
#include "jobs/audit/find.h"

/*
 * Gathering the facts about one repository: what `needs` asks for and nothing more. Never fails:
 * what cannot be read is said in facts->error (nothing at all is known) or facts->history_error.
 *
 * One call is made by one thread; different repositories may be inspected at once.
 */

struct inspect_options {
	const struct gitconfig *user; /* the person's git configuration; read-only */
	const GPtrArray *roots;       /* char *: members outside of them are not looked at */
	const char *space, *host;     /* of the ids */
	const char *cache;            /* folder of history results, or NULL */
	unsigned needs;               /* of enum audit_needs */
	gint64 now, stale_days, large_blob_bytes;
};

struct audit_facts *inspect_repo(
	const struct find_repo *found, const struct inspect_options *options);

#endif
