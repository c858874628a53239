/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_HIT_H
#define MUSTER_JOBS_SCAN_HIT_H

#include <glib.h>

/*
 * A hit: a secret that a rule accepts at one place of one blob. What the scan of content hands on;
 * who introduced it is found afterwards, and several hits become one finding.
 *
 *	const struct hit *hits = scan_hits(scan, &n);
 *	for (gsize i = 0; i < n; i++)
 *		printf("%u:%u\n", hits[i].line, hits[i].column);
 *
 * A hit holds no bytes of the secret: `secret` is its number in the secret table. Hits are plain
 * data, 44 bytes, and are owned by the scan.
 *
 * Two rules may accept the same place: both hits are here, and the more specific rule is chosen
 * where findings are made. The same rule never has two hits for the same secret at the same place.
 */
enum hit_flag {
	HIT_MARKED =
		1 << 0, /* a mark on its line asks to ignore it ("gitleaks:allow" and others) */
	HIT_DECODED = 1 << 1, /* found inside base64, hex or percent encoding */
	HIT_UTF16 = 1 << 2, /* the blob is UTF-16: line and column are those of its text as UTF-8 */
	HIT_CONDITIONAL = 1 << 3, /* an allowlist holds if its paths or commits do: see rule.h */
	HIT_WEAK = 1 << 4,        /* a password that everybody tries, or one for the local host */
};

struct hit {
	guint32 blob;                 /* the object's number in the depot, or the item's */
	guint32 secret;               /* in the secret table, never 0 */
	guint32 line, column;         /* where the secret begins, from 1; columns in bytes */
	guint32 end_line, end_column; /* where its last byte is */
	guint32 at, len; /* the secret, as bytes of the blob; decoded: the encoded run */
	guint32 match_at, match_len; /* the whole match of the rule around it */
	guint16 rule;                /* in the rule set */
	guint8 flags;                /* enum hit_flag */
	guint8 unused;
};

#endif
