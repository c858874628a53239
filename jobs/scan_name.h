/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_NAME_H
#define JOBS_SCAN_NAME_H

#include "jobs/scan/secret_table.h"
#include "jobs/scan_job.h"

/*
 * Names findings. A name needs a digest of the secret that takes 5 ms of a core on purpose, and
 * much of what rules accept is no finding: an allowlist of paths has it, or a more specific rule.
 * So findings are made first, without ids, and here the digests of what is left are made, each
 * once, on all threads.
 *
 * Numbers of secrets are the caller's: those of its secret table, or of a state. Who keeps a state
 * asks for the digests afterwards.
 *
 *	g_autoptr(ScanNames) names = scan_names_new(job);
 *	for each finding that finding_maker_add() made without a digest
 *		scan_names_want(names, finding, family, number);
 *	for each number that the bytes are known of
 *		scan_names_meet(names, number, number_in_table);
 *	scan_names_finish(names, table, target, on_digest, data, error);
 */
struct scan_names;
typedef struct scan_names ScanNames; /* for g_autoptr */

struct scan_names *scan_names_new(struct scan_job *job);
void scan_names_free(struct scan_names *names);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScanNames, scan_names_free)

void scan_names_want(
	struct scan_names *names, struct finding *finding, const char *family, guint32 secret);
void scan_names_meet(struct scan_names *names, guint32 secret, guint32 in_table);

/* Numbers that are wanted and were not met, as keys. Freed by the caller; NULL: none. */
GHashTable *scan_names_missing(const struct scan_names *names);

typedef void (*scan_names_func)(gpointer data, guint32 secret, const struct finding_digest *digest);

/*
 * Makes the digests and gives the findings their ids. Findings without a digest are taken back; the
 * target says how many secrets were lost so, but for those that are in no ref any more. on_digest
 * may be NULL. Errors: MUSTER_ERROR_IO.
 */
gboolean scan_names_finish(struct scan_names *names, struct secret_table *secrets,
	struct finding_target *target, scan_names_func on_digest, gpointer data, GError **error);

#endif
