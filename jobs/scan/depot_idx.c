/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/depot_idx.h"

#include <endian.h>
#include <string.h>

#define FANOUT_BYTES 1024u
#define V2_HEADER_BYTES 8u
#define V2_MAGIC 0xff744f63u
#define V1_ENTRY_BYTES 24u
#define TRAILER_BYTES 40u
#define LARGE_BIT 0x80000000u
/* The table of buckets is to stay in a core's cache: 256 KiB. */
#define BUCKET_BITS_MAX 16u
/* Names that share a bucket, on average, in a pack that is not large: two cache lines. */
#define BUCKET_BITS_LESS 2u

static guint32 u32_get(const guint8 *at)
{
	guint32 raw;

	memcpy(&raw, at, sizeof(raw));
	return be32toh(raw);
}

static guint64 u64_get(const guint8 *at)
{
	guint64 raw;

	memcpy(&raw, at, sizeof(raw));
	return be64toh(raw);
}

static guint32 bucket_of(const struct depot_idx *idx, const guint8 *name)
{
	return idx->bits == 0 ? 0 : u32_get(name) >> (32 - idx->bits);
}

/* One pass over all names: their order, and where each bucket begins. */
static gboolean buckets_fill(struct depot_idx *idx)
{
	guint32 next = 0, buckets = 1u << idx->bits;
	const guint8 *name = idx->names;

	for (guint32 i = 0; i < idx->count; i++, name += idx->stride) {
		if (i > 0) {
			guint64 a = u64_get(name - idx->stride), b = u64_get(name);
			if (a > b || (a == b && memcmp(name - idx->stride, name, OID_BYTES) >= 0))
				return FALSE;
		}
		for (guint32 bucket = bucket_of(idx, name); next <= bucket;)
			idx->buckets[next++] = i;
	}
	while (next <= buckets)
		idx->buckets[next++] = idx->count;
	return TRUE;
}

static gboolean tables_find(struct depot_idx *idx, const guint8 *bytes, gsize len)
{
	gboolean is_v2 = len >= V2_HEADER_BYTES && u32_get(bytes) == V2_MAGIC;
	gsize head = (is_v2 ? V2_HEADER_BYTES : 0) + FANOUT_BYTES;

	if (len < head + TRAILER_BYTES || (is_v2 && u32_get(bytes + 4) != 2))
		return FALSE;
	idx->count = u32_get(bytes + head - 4);
	gsize room = len - head - TRAILER_BYTES;
	gsize need = is_v2 ? OID_BYTES + 4 + 4 : V1_ENTRY_BYTES;
	if (idx->count > room / need)
		return FALSE;
	gsize count = idx->count;
	idx->stride = is_v2 ? OID_BYTES : V1_ENTRY_BYTES;
	idx->names = bytes + head + (is_v2 ? 0 : 4);
	idx->offsets = bytes + head + (is_v2 ? count * (OID_BYTES + 4) : 0);
	idx->offset_stride = is_v2 ? 4 : V1_ENTRY_BYTES;
	if (is_v2) {
		idx->large = bytes + head + count * need;
		idx->large_count = (guint32)MIN((room - count * need) / 8, G_MAXUINT32);
	}
	idx->pack_name = bytes + len - TRAILER_BYTES;
	return TRUE;
}

gboolean depot_idx_init(struct depot_idx *idx, const guint8 *bytes, gsize len)
{
	memset(idx, 0, sizeof(*idx));
	if (!tables_find(idx, bytes, len))
		return FALSE;
	while (idx->bits < BUCKET_BITS_MAX && idx->count >> (idx->bits + BUCKET_BITS_LESS) > 1)
		idx->bits++;
	idx->buckets = g_new(guint32, ((gsize)1 << idx->bits) + 1);
	idx->is_sorted = buckets_fill(idx);
	if (!idx->is_sorted)
		g_clear_pointer(&idx->buckets, g_free);
	return TRUE;
}

void depot_idx_clear(struct depot_idx *idx)
{
	g_clear_pointer(&idx->buckets, g_free);
	idx->count = 0;
}

/* Names are as good as random: where in its bucket one lies is known to a name or two. */
static guint32 place_guess(
	const struct depot_idx *idx, const guint8 *name, guint32 low, guint32 high)
{
	guint64 behind = u64_get(name) << idx->bits >> 32;

	return low + (guint32)(behind * (high - low) >> 32);
}

void depot_idx_expect(const struct depot_idx *idx, const struct oid *oid)
{
	if (idx->buckets == NULL)
		return;
	guint32 bucket = bucket_of(idx, oid->bytes);
	guint32 low = idx->buckets[bucket], high = idx->buckets[bucket + 1];
	const guint8 *name = idx->names + place_guess(idx, oid->bytes, low, high) * idx->stride;
	/* Its neighbours as well: one cache line, or two. */
	__builtin_prefetch(name - idx->stride);
	__builtin_prefetch(name + 2 * idx->stride);
}

/* From the guess in steps that double, then in halves: strangers choose names, too. */
gboolean depot_idx_find(const struct depot_idx *idx, const struct oid *oid, guint32 *position)
{
	if (idx->buckets == NULL)
		return FALSE;
	guint32 bucket = bucket_of(idx, oid->bytes);
	guint32 low = idx->buckets[bucket], high = idx->buckets[bucket + 1];
	guint32 at = place_guess(idx, oid->bytes, low, high), step = 0;
	guint64 wanted = u64_get(oid->bytes);
	while (low < high) {
		const guint8 *name = idx->names + at * idx->stride;
		guint64 found = u64_get(name);
		int order = found < wanted ? -1 : found > wanted ? 1 : memcmp(name, oid, OID_BYTES);
		if (order == 0) {
			*position = at;
			return TRUE;
		}
		if (order < 0) {
			low = at + 1;
			at = low + MIN(step, (high - low) / 2);
		} else {
			high = at;
			at = high - 1 - MIN(step, (high - low) / 2);
		}
		step = step * 2 + 1;
	}
	return FALSE;
}

gboolean depot_idx_offset(const struct depot_idx *idx, guint32 position, guint64 *offset)
{
	guint32 raw = u32_get(idx->offsets + position * idx->offset_stride);

	if (idx->large == NULL || (raw & LARGE_BIT) == 0) {
		*offset = raw;
		return TRUE;
	}
	raw &= ~LARGE_BIT;
	if (raw >= idx->large_count)
		return FALSE;
	*offset = u64_get(idx->large + (gsize)raw * 8);
	return TRUE;
}
