/* SPDX-License-Identifier: MIT */
/*
 * Templates: the examples of rules, written so that no file of ours holds anything that looks like
 * a secret. muster-rule(5) lists what can stand in braces. A template with the same seed always
 * gives the same text; rules' examples are expanded with EXAMPLE_SEED.
 *
 * Random characters come out as they would be in a real token: runs of a placeholder are drawn
 * again until their entropy is not unusually small, so that an example never fails by chance.
 *
 *	struct example example;
 *	if (example_expand("key={<}ghp_{base62:30}{crc32_62}{>}", EXAMPLE_SEED, &example, &error))
 *		…example.text->str…
 *	example_clear(&example);
 */
#ifndef MUSTER_JOBS_SCAN_EXAMPLE_H
#define MUSTER_JOBS_SCAN_EXAMPLE_H

#include <glib.h>

#define EXAMPLE_SEED 0x6d757374u
#define EXAMPLE_TEXT_MAX 65536 /* bytes of an expanded template */
#define EXAMPLE_DEPTH_MAX 8    /* {b64:{b64:…}} */

struct example {
	GString *text; /* may hold zero bytes */
	/* What must be captured, between {<} and {>}; secret_len 0: not said. */
	gsize secret_at, secret_len;
};

/* INPUT says what is wrong, and where in the template. `out` is untouched then. */
gboolean example_expand(const char *template, guint32 seed, struct example *out, GError **error);
void example_clear(struct example *example);

#endif
