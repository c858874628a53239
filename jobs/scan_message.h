/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_MESSAGE_H
#define MUSTER_JOBS_SCAN_MESSAGE_H

#include "jobs/scan/state.h"
#include "jobs/scan_job.h"

/*
 * The messages of commits, for the forms of a report that show them. A message may hold the very
 * secret that is told ("set the password to …"), without anything around it by which a rule would
 * know it. So two things are masked: what a rule finds in the message, and every secret of the
 * state, wherever it stands.
 *
 *	struct scan_messages *messages = scan_messages_new(job, state, depot, error);
 *	commit.message = scan_messages_get(messages, &oid);
 *	scan_messages_free(messages);
 *
 * A state has no secrets, only masks: they are read again where they were found, one version for
 * each. When one of them cannot be had any more, because the version is gone or was an archive, all
 * messages are empty. With --show-secrets they are as they are.
 */
struct scan_messages;
typedef struct scan_messages ScanMessages; /* for g_autoptr */

/* state and depot are borrowed. NULL with an error: see scan_job_scan(). */
struct scan_messages *scan_messages_new(
	struct scan_job *job, struct state *state, struct depot *depot, GError **error);
void scan_messages_free(struct scan_messages *messages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScanMessages, scan_messages_free)

/* Without its header; "" when it cannot be read or must not be shown. Borrowed. */
const char *scan_messages_get(struct scan_messages *messages, const struct oid *commit);

#endif
