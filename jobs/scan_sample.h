/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_SAMPLE_H
#define JOBS_SCAN_SAMPLE_H

#include "jobs/scan/hit.h"
#include "jobs/scan/state.h"

/*
 * Samples for a state, over all passes of a scan. A sample masks every secret in it that any rule
 * has found there: in this pass, in one before, or in an earlier scan. The other way round, samples
 * of earlier scans that hold what a new rule finds are made again, and the old text is wiped.
 *
 *	scan_samples_begin(samples);
 *	for each blob in which something was found
 *		all = scan_samples_merge(samples, oid, NULL, hits, n);
 *		… finding_sample(bytes, len, all's, …) for those that scan_samples_find() has not
 *		if (scan_samples_are_stale(samples, oid, NULL, hits, n))
 *			scan_samples_review(samples, oid, NULL, all, bytes, len);
 *	scan_samples_end(samples);
 */
struct scan_samples;

struct scan_samples *scan_samples_new(struct state *state, gboolean is_shown);
void scan_samples_free(struct scan_samples *samples);

/* A pass begins: numbers of rules mean other rules. Nothing was added to the state by it yet. */
void scan_samples_begin(struct scan_samples *samples);
/* Samples that were made again go into the state. */
void scan_samples_end(struct scan_samples *samples);

/*
 * A rule's and secret's one sample of this pass, for all places; NULL. The numbers are those of the
 * pass.
 */
const char *scan_samples_find(const struct scan_samples *samples, const struct hit *hit);
/* Takes the sample over, and returns it. */
const char *scan_samples_take(struct scan_samples *samples, const struct hit *hit, char *sample);

/*
 * The hits of a blob (inner NULL) or of an entry of an archive with those the state has there, by
 * where they begin. Only places are of use in the state's. Freed by the caller.
 */
GArray *scan_samples_merge(const struct scan_samples *samples, const struct oid *blob,
	const char *inner, const struct hit *hits, gsize n);

/* Whether the state has a sample from there that holds one of the hits. */
gboolean scan_samples_are_stale(const struct scan_samples *samples, const struct oid *blob,
	const char *inner, const struct hit *hits, gsize n);
/* Makes the state's samples from there again; all: scan_samples_merge(). */
void scan_samples_review(struct scan_samples *samples, const struct oid *blob, const char *inner,
	const GArray *all, const guint8 *bytes, gsize len);

#endif
