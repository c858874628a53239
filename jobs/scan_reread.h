/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_REREAD_H
#define JOBS_SCAN_REREAD_H

#include "jobs/scan/depot.h"
#include "jobs/scan/state.h"
#include "jobs/scan_job.h"

/*
 * A state has no secrets, only what they are known by. Who needs their bytes again reads one
 * version of a file for each.
 *
 * wanted: numbers of the state's secrets, as keys; their values become the numbers in the table,
 * NULL for the *n_missing whose versions are not here, cannot be read, or are in archives.
 * FALSE with an error: nothing could be scanned.
 */
gboolean scan_reread(struct scan_job *job, struct state *state, struct depot *depot,
	struct secret_table *secrets, GHashTable *wanted, gsize *n_missing, GError **error);

#endif
