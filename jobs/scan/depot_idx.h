/* SPDX-License-Identifier: MIT */
/*
 * The bytes of one idx file: which objects a pack holds, and where.
 *
 * Nothing in it is believed: its tables must lie inside the bytes, its fan-out is not used at all
 * (a table of our own says where a name can be), and names out of order are noticed, because then
 * depot_idx_find() cannot find them. Offsets are as the file has them: whoever uses one checks it
 * against the pack.
 *
 * Source of the format: git's Documentation/gitformat-pack.txt.
 */
#ifndef JOBS_SCAN_DEPOT_IDX_H
#define JOBS_SCAN_DEPOT_IDX_H

#include "lib/oid.h"

struct depot_idx {
	guint32 count;
	gboolean is_sorted;  /* strictly: no name twice */
	const guint8 *names; /* the first; the next is stride bytes on */
	gsize stride;
	const guint8 *offsets;
	gsize offset_stride;
	const guint8 *large; /* 8 bytes each */
	guint32 large_count;
	const guint8 *pack_name; /* the 20 bytes with which the pack ends */
	guint bits;              /* of a name, that choose its bucket */
	guint32 *buckets; /* 1 << bits and one: the first position of each; NULL when not sorted */
};

/* Borrows the bytes. FALSE when they are no index. */
gboolean depot_idx_init(struct depot_idx *idx, const guint8 *bytes, gsize len);
void depot_idx_clear(struct depot_idx *idx);

gboolean depot_idx_find(const struct depot_idx *idx, const struct oid *oid, guint32 *position);
/* It will be looked for soon: memory is slow, and told of several it fetches them together. */
void depot_idx_expect(const struct depot_idx *idx, const struct oid *oid);
/* FALSE when it points outside of the table of large offsets. */
gboolean depot_idx_offset(const struct depot_idx *idx, guint32 position, guint64 *offset);

static inline const struct oid *depot_idx_oid(const struct depot_idx *idx, guint32 position)
{
	return (const struct oid *)(idx->names + position * idx->stride);
}

#endif
