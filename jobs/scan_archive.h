/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_ARCHIVE_H
#define MUSTER_JOBS_SCAN_ARCHIVE_H

#include "jobs/scan_job.h"

/*
 * What is in archives, for --archives: their entries are collected (many small ones make one scan,
 * on all threads) and scanned; whoever gave the archive is told what was found in which entry.
 *
 *	struct archive_scan *archives = archive_scan_new(job, secrets, target, on_found, data, error);
 *	for each archive, unless archive_scan_is_over(archives, those that are left)
 *		archive_scan_add(archives, number, bytes, len, &reason, error);
 *	archive_scan_finish(archives, error);
 *	is_whole = is_whole && !archive_scan_is_cut(archives);
 *	archive_scan_free(archives);
 */
struct archive_scan;
typedef struct archive_scan ArchiveScan; /* for g_autoptr */

/* inner: the entry's name, "" for what is only compressed. Hits are of this entry alone. */
typedef gboolean (*archive_found_func)(gpointer data, guint32 number, const char *inner,
	const guint8 *bytes, gsize len, const struct hit *hits, gsize n, GError **error);

/* matcher: NULL for the job's. Errors: MUSTER_ERROR_MISSING muster-unpack is not installed. */
struct archive_scan *archive_scan_new(struct scan_job *job, struct matcher *matcher,
	struct secret_table *secrets, struct finding_target *target, archive_found_func found,
	gpointer data, GError **error);
void archive_scan_free(struct archive_scan *archives);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveScan, archive_scan_free)

/* *reason: UNSET when all of it was read. FALSE: see found(). */
gboolean archive_scan_add(struct archive_scan *archives, guint32 number, const guint8 *bytes,
	gsize len, enum scan_gap_reason *reason, GError **error);
/* The rest. */
gboolean archive_scan_finish(struct archive_scan *archives, GError **error);

/* The time is over: so many archives stay unread, which is said. */
gboolean archive_scan_is_over(struct archive_scan *archives, gsize left);
/* Something was left out and is not known by name: nothing of this may count as scanned. */
gboolean archive_scan_is_cut(const struct archive_scan *archives);
/* Archives with entries that could not be decided, by number, n of them; borrowed. */
const struct scan_gap *archive_scan_gaps(const struct archive_scan *archives, gsize *n);

#endif
