/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_UNPACK_WALK_H
#define MUSTER_JOBS_UNPACK_WALK_H

#include "jobs/unpack.h"

/*
 * What muster-unpack does with one archive, apart from its fence and its pipes: every entry, and
 * those of archives within, is sent, or it is said why not.
 *
 *	struct unpack u = {.depth_max = 3, .entry_max = max, .send = send_frame};
 *	u.left_bytes = UNPACK_BYTES_MAX;
 *	u.left_entries = UNPACK_ENTRIES_MAX;
 *	unpack_walk(&u, bytes, len);
 *
 * What is sent is bounded, whatever the bytes are: no entry is longer than entry_max, all of them
 * together are not than left_bytes, and there are no more than left_entries of them (but for one,
 * when all there is is compressed nothing). A limit of all is one of archives within as well.
 * libarchive's memory is not: that is what the fence is for. Never UNPACK_DONE.
 */
struct unpack {
	guint depth_max; /* at least 1 */
	guint64 entry_max;
	guint64 left_bytes; /* of this archive */
	guint left_entries;
	/* bytes hold until it returns */
	void (*send)(gpointer data, enum unpack_kind kind, const char *name, const void *bytes,
		gsize len);
	gpointer send_data;
};

void unpack_walk(struct unpack *u, const guint8 *data, gsize len);

#endif
