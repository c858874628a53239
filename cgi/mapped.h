/* SPDX-License-Identifier: MIT */
#ifndef CGI_MAPPED_H
#define CGI_MAPPED_H

#include <glib.h>

#include "lib/conf.h"

/*
 * Memory that all workers of this host and plain CGI processes share: a file in paths.run, mapped.
 * It outlives them, is changed by atomic operations alone, and never closed. A new one is made
 * beside its place and renamed onto it, so that nobody maps half of one; whoever has mapped the old
 * one goes on with that.
 *
 *	const struct mapped wanted = {"meter", sizeof(struct meter), &layout, sizeof(layout), TRUE};
 *	struct meter *meter = mapped_open(conf, &wanted, error);
 */
struct mapped {
	const char *name;
	gsize bytes;      /* all others than the head are zero in a new one */
	const void *head; /* what a new one begins with */
	gsize head_bytes;
	gboolean is_known; /* one that begins otherwise is of another version, and replaced */
};

/*
 * One of another size is replaced; what cannot be opened, such as another user's, is not. Errors:
 * MUSTER_ERROR_IO.
 */
void *mapped_open(const struct conf *conf, const struct mapped *wanted, GError **error);

/* Zeros for this process and its children alone; NULL: there is no memory. */
void *mapped_anonymous(gsize bytes);

#endif
