/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_FINDING_SAMPLE_H
#define MUSTER_JOBS_SCAN_FINDING_SAMPLE_H

#include "jobs/scan/finding.h"
#include "jobs/scan/hit.h"

/*
 * What is shown of the place where a secret was found: the rule's match with the name that it is
 * given to (`TOKEN=********`), cut to the secret's line and to FINDING_SAMPLE_BYTES on each side,
 * with this secret and every other one in it masked. Nothing else around the match is shown: it
 * could hold what no rule knows.
 *
 *	g_autofree char *sample = finding_sample(data, len, hits, n, &hits[i], masked, FALSE);
 */
#define FINDING_SAMPLE_BYTES 60

/*
 * data, len: the blob; hits: all in it, by where they begin, n of them. masked: what stands in the
 * secret's place. is_shown: other secrets are not masked. Freed by the caller.
 */
char *finding_sample(const guint8 *data, gsize len, const struct hit *hits, gsize n,
	const struct hit *hit, const char *masked, gboolean is_shown);

/*
 * Whether one of the hits, which are sorted as above, stands in or close before the match of
 * `hit` and not in its secret: then it is of importance that the sample masks it.
 */
gboolean finding_sample_holds(const struct hit *hits, gsize n, const struct hit *hit);

/* Shannon's entropy of the bytes, in bits a character. */
double finding_entropy(const guint8 *bytes, gsize len);

#endif
