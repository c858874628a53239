/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_UNPACK_H
#define MUSTER_JOBS_UNPACK_H

#include <glib.h>

/*
 * What muster-unpack speaks: the program that opens archives, apart from everything else, because
 * readers of a dozen formats that strangers fill in are where such programs are broken into. It has
 * no files, no network and no other program: its standard input and output, and memory up to a
 * limit. When it dies, one archive was not read.
 *
 *	muster-unpack DEPTH ENTRY_BYTES
 *
 * Standard input: for each archive a guint64, its length, then its bytes. Standard output: for each
 * entry a frame, its name and its bytes, then a frame of kind DONE. Names of archives within are
 * joined by '!'; the one file of what is only compressed has no name. Numbers are this machine's.
 */

enum unpack_kind {
	UNPACK_ENTRY = 1,
	UNPACK_BROKEN,  /* an entry, or the rest of an archive, cannot be read; has a name */
	UNPACK_LIMITED, /* larger than is allowed, or too many; has a name */
	UNPACK_OTHER,   /* it only began like an archive, and is none */
	UNPACK_DONE,
};

struct unpack_frame {
	guint32 kind;
	guint32 name_len;
	guint64 len;
};

#define UNPACK_NAME_MAX 16384
#define UNPACK_ENTRIES_MAX 100000                      /* of one archive, those within counted */
#define UNPACK_BYTES_MAX (G_GUINT64_CONSTANT(1) << 30) /* the same, of all entries */

#endif
