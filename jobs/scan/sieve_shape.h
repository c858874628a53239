/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_SIEVE_SHAPE_H
#define MUSTER_JOBS_SCAN_SIEVE_SHAPE_H

#include <glib.h>

#include "jobs/scan/char_run.h"

/*
 * What every match of a sieve holds: so many characters of one kind in a row, and how far from the
 * match's ends they are at most. Tokens are long words, and long words are rare in texts: a sieve
 * that holds one needs to be looked for around those only (char_run.h), which is a tenth of the
 * bytes or less, while vectorscan takes its time with hundreds of patterns on every byte.
 *
 * `\b(?i:azure)[^\n]{0,30}=[0-9a-f]{32}` holds 32 letters and digits, at most 36 bytes behind where
 * a match begins, none before its end.
 *
 * Reads patterns as far as sieves need it. Whatever it does not know holds nothing: such a sieve is
 * looked for everywhere, which is slower and as right.
 */
struct sieve_shape {
	enum char_run_kind kind;
	guint run;           /* characters in a row, 0 none */
	guint before, after; /* bytes of a match beside them, at most */
};

/* Whether each match of the pattern holds a run that char_run_find() reports. */
gboolean sieve_shape_read(const char *pattern, struct sieve_shape *shape);

#endif
