/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CONTENT_INHERIT_H
#define MUSTER_JOBS_SCAN_CONTENT_INHERIT_H

#include <glib.h>

#include "jobs/scan/depot.h"
#include "jobs/scan/matcher.h"

/*
 * What a delta changes, and what it leaves. Nothing here looks at bytes or asks the matcher.
 *
 * A change is an inserted range, the seam between two copies, the start of an object that does not
 * begin where its base does, the end of one that does not end where its base does. A seam may be
 * empty of new bytes and still make or break a secret, for what stands left and right of it did not
 * stand together before. So may the end: a window, a word or an encoded run that the end of the
 * base cut is another one when something follows.
 *
 * content_changes() gives the ranges in which the sieve's matches may end differently: each change,
 * as far behind it as a match can reach back (the margin), and a little before it, because a match
 * may look at the byte that follows it.
 *
 * content_carry() takes the candidates of the base over, in three parts:
 *  - those that end in such a range are left out, for the sieve will find them, or will not;
 *  - those whose whole window, and one byte more on either side, came by one copy, keep their
 *    verdict. The byte more because where a window ends depends on what it ends at; where a window
 *    reaches an edge of the base there is no such byte, and the child's edge must be the same;
 *  - the rest must be judged again, in a window made anew. Those found by decoding are left out:
 *    their window is the encoded run and what decides where it ends, and the sieve looks into each
 *    run near enough to its range to be another one because of it.
 *
 * A part of the base may be copied twice, or moved to before another: candidates follow each copy.
 */

/* Appends to ranges (struct matcher_range), in order and apart from each other. */
void content_changes(const struct depot_piece *pieces, guint n_pieces, guint32 len,
	guint32 base_len, guint margin, GArray *ranges);

/*
 * candidates: the base's, sorted as content_compare() does. Appends to carried, sorted likewise,
 * to touched, with verdicts unset and windows not valid. FALSE when there are more than max, as
 * in an object that was made of one part a million times.
 */
gboolean content_carry(const struct depot_piece *pieces, guint n_pieces, guint32 len,
	guint32 base_len, const struct candidate *candidates, guint n_candidates,
	const GArray *ranges, GArray *carried, GArray *touched, guint max);

/*
 * By at, rule, and whether it was decoded; 0 for the same candidate. Two that were decoded are the
 * same only when their runs are: a byte may lie in a run of base64 and in a longer percent-encoded
 * one. Those of a rule without a sieve are the same when their secrets lie at the same place.
 */
gint content_compare(gconstpointer a, gconstpointer b);

#endif
