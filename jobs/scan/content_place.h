/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CONTENT_PLACE_H
#define MUSTER_JOBS_SCAN_CONTENT_PLACE_H

#include <glib.h>

/*
 * Puts the hits of one blob, those from index first on, in order (place, rule, secret), makes one
 * of those that say the same, and fills in their lines and columns. Counts lines only as far as
 * the last hit, and not at all without one. Lines end with LF.
 */
void content_place(GArray *hits, guint first, const guint8 *data, gsize len);

/* LFs among the bytes. */
gsize content_count_lines(const guint8 *data, gsize len);

#endif
