/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_UNPACK_H
#define MUSTER_JOBS_SCAN_UNPACK_H

#include <glib.h>

/*
 * The files in an archive, read by muster-unpack (unpack.h): a child that is started when the first
 * archive comes, and anew when one has killed it. Nothing is written to a disk.
 *
 *	struct unpacker *unpacker = unpacker_new(3, 256 << 20, NULL, error);
 *	unpacker_run(unpacker, data, len, on_entry, user, &outcome);
 */
struct unpacker;

struct unpack_outcome {
	guint64 entries; /* that were handed over */
	guint64 broken;  /* that could not be read; an archive that could not counts once */
	guint64 others;  /* that are no archives */
	guint64 limited; /* larger than is allowed, or beyond what is read of one archive */
};

/* name: within the archive, "" when that is only one compressed file. bytes: to be kept or not. */
typedef void (*unpack_entry_func)(gpointer data, const char *name, GBytes *bytes);

/*
 * depth: archives within one another that are opened. stop: not 0, let it be; may be NULL. Errors:
 * MUSTER_ERROR_MISSING when muster-unpack is not installed.
 */
struct unpacker *unpacker_new(guint depth, guint64 entry_max, const gint *stop, GError **error);
void unpacker_free(struct unpacker *unpacker);

/* What cannot be read is in the outcome, which is added to. */
void unpacker_run(struct unpacker *unpacker, const guint8 *data, gsize len, unpack_entry_func entry,
	gpointer user, struct unpack_outcome *outcome);

#endif
