/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/scan.h"

static const char *const gap_name[SCAN_GAP_COUNT] = {
	[SCAN_GAP_BINARY] = "binary",
	[SCAN_GAP_TOO_BIG] = "too-big",
	[SCAN_GAP_MISSING] = "missing",
	[SCAN_GAP_UNREADABLE] = "unreadable",
	[SCAN_GAP_UNDECIDED] = "undecided",
};

const char *scan_gap_name(enum scan_gap_reason reason)
{
	return reason > SCAN_GAP_UNSET && reason < SCAN_GAP_COUNT ? gap_name[reason] : NULL;
}

gboolean scan_coverage_is_partly(const struct scan_coverage *coverage)
{
	return coverage->gaps[SCAN_GAP_MISSING] > 0 || coverage->gaps[SCAN_GAP_UNREADABLE] > 0 ||
	       coverage->gaps[SCAN_GAP_UNDECIDED] > 0 || coverage->hits_dropped > 0;
}

guint64 scan_progress_get(const guint64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void scan_progress_cancel(struct scan_progress *progress)
{
	g_atomic_int_set(&progress->is_cancelled, TRUE);
}
