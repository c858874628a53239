/* SPDX-License-Identifier: MIT */
/*
 * What a pack holds at an offset, and what a delta says: foreign bytes, checked here and nowhere
 * else.
 *
 * depot_delta_parse() turns a delta into pieces (depot.h) and the bytes they insert. Applying them
 * cannot fail any more: everything was checked against the base's length.
 *
 * Source of the formats: git's Documentation/gitformat-pack.txt.
 */
#ifndef JOBS_SCAN_DEPOT_ENTRY_H
#define JOBS_SCAN_DEPOT_ENTRY_H

#include "jobs/scan/depot.h"

/* Readable behind each object, delta and buffer of ours, so that short copies need not be exact. */
#define DEPOT_SLACK 64u

/* Entries that are no objects of their own. */
#define DEPOT_ENTRY_OFFSET_DELTA 6
#define DEPOT_ENTRY_NAME_DELTA 7

/* Deflate makes at most 1 032 bytes of one; a claim beyond that is a lie. */
#define DEPOT_RATIO_MAX 1032u

struct depot_entry {
	guint8 kind;         /* an enum depot_type, or one of the two deltas */
	guint64 size;        /* of what inflating gives: the object, or the delta */
	guint64 at;          /* where its deflated bytes begin */
	guint64 base_offset; /* OFFSET_DELTA: smaller than its own */
	const struct oid *base;
};

/* `end` is where the pack's entries end at the latest. */
enum depot_reason depot_entry_parse(
	struct depot_entry *entry, const guint8 *pack, guint64 end, guint64 offset);

/* A pack's header: FALSE when these are not the bytes of one. */
gboolean depot_pack_parse(const guint8 *pack, guint64 len, guint32 *count);

struct depot_delta {
	struct depot_piece *pieces;
	guint n_pieces;
	guint pieces_room;
	const guint8 *inserts; /* the bytes of all inserts, one behind the other */
	guint32 len;           /* of the object */
	gboolean is_in_order;  /* its copies take the base's bytes in order, none twice */
};

/* More pieces than this are not made: a delta of that kind is refused as too large. */
#define DEPOT_PIECES_MAX (4u << 20)

/*
 * Moves the inserted bytes together inside `bytes`, which must hold while the delta is used.
 * `delta` keeps its room for pieces from one call to the next.
 */
enum depot_reason depot_delta_parse(
	struct depot_delta *delta, guint8 *bytes, gsize len, guint32 base_len, guint32 max_len);
void depot_delta_clear(struct depot_delta *delta);

/* `out` has room for delta->len and DEPOT_SLACK, `base` the slack, and they do not overlap. */
void depot_delta_apply(const struct depot_delta *delta, const guint8 *base, guint8 *out);

/* The same where the base lies; only when is_in_order. Room for the longer of the two and slack. */
void depot_delta_apply_in_place(const struct depot_delta *delta, guint8 *bytes);

#endif
