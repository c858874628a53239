/* SPDX-License-Identifier: MIT */
/*
 * Makes objects from entries: inflating, deltas, files of loose objects. One for each thread; it
 * keeps what can be used again.
 *
 * Nothing here knows numbers or problems: what fails is a reason.
 */
#ifndef JOBS_SCAN_DEPOT_MAKER_H
#define JOBS_SCAN_DEPOT_MAKER_H

#include "jobs/scan/depot_inside.h"

struct libdeflate_decompressor;

/* Bytes with slack behind them; only grows. `held` counts the room of all buffers that share it. */
struct depot_buffer {
	guint8 *bytes;
	gsize room;
};

struct depot_maker {
	struct depot *depot;
	struct libdeflate_decompressor *inflater;
	gint64 *held; /* atomic */
	/*
	 * Asked before `more` is taken, which it counts as held; it may wait, and free what is not
	 * `keep`. NULL: nobody is asked.
	 */
	void (*make_room)(gpointer data, const struct depot_buffer *keep, gsize more);
	gpointer room_data;
	struct depot_buffer inflated; /* the delta at hand, or the beginning of a loose object */
	struct depot_buffer file;
	struct depot_delta delta;
};

gboolean depot_maker_init(struct depot_maker *maker, struct depot *depot, gint64 *held);
void depot_maker_clear(struct depot_maker *maker);

/* Room for len and slack; what was in it is lost when it must grow. FALSE: no memory. */
gboolean depot_buffer_reserve(struct depot_maker *maker, struct depot_buffer *buffer, gsize len);
void depot_buffer_free(struct depot_maker *maker, struct depot_buffer *buffer);

/* Exactly `size` bytes from the pack at `at` to out, which has room for slack as well. */
enum depot_reason depot_maker_inflate(struct depot_maker *maker, const struct depot_pack *pack,
	guint64 at, gsize size, guint8 *out);

/* Inflates and parses a delta: maker->delta holds until the next call. */
enum depot_reason depot_maker_delta(struct depot_maker *maker, const struct depot_pack *pack,
	guint64 at, gsize size, guint32 base_len);

/* A loose object: its type, and its bytes in `buffer`. */
enum depot_reason depot_maker_loose(struct depot_maker *maker, guint32 position,
	struct depot_buffer *buffer, guint8 *type, guint32 *len);

/* Whether the bytes have the name (SHA-1 of "<type> <len>\0<bytes>"). */
gboolean depot_name_fits(const struct oid *oid, guint8 type, const guint8 *bytes, gsize len);

#endif
