/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/oid_map.h"

#include <string.h>

#include "lib/hash.h"

#define FIRST_SLOTS 64u
#define BUCKETS 65536u
#define EXPECT_MAX (1u << 22)

void oid_map_clear(struct oid_map *map)
{
	g_free(map->oids);
	g_free(map->slots);
	memset(map, 0, sizeof(*map));
}

static guint32 slot_find(const struct oid_map *map, const struct oid *oid)
{
	guint32 at = hash_bytes(oid, sizeof(*oid)) & (map->n_slots - 1);

	while (map->slots[at] != 0 &&
		memcmp(&map->oids[map->slots[at] - 1], oid, sizeof(*oid)) != 0)
		at = (at + 1) & (map->n_slots - 1);
	return at;
}

static void slots_grow(struct oid_map *map, guint32 n_slots)
{
	g_free(map->slots);
	map->n_slots = n_slots;
	map->slots = g_new0(guint32, map->n_slots);
	for (guint32 i = 0; i < map->n; i++)
		map->slots[slot_find(map, &map->oids[i])] = i + 1;
}

void oid_map_expect(struct oid_map *map, guint32 n)
{
	guint32 n_slots = MAX(FIRST_SLOTS, map->n_slots);

	/* More than that would be no saving of time, but a size from outside. */
	n = MIN(n, EXPECT_MAX - MIN(map->n, EXPECT_MAX)) + map->n;
	while (n >= n_slots / 2)
		n_slots *= 2;
	if (n_slots > map->n_slots)
		slots_grow(map, n_slots);
	if (n > map->room) {
		map->room = n;
		map->oids = g_renew(struct oid, map->oids, map->room);
	}
}

guint32 oid_map_add(struct oid_map *map, const struct oid *oid)
{
	struct oid copy = *oid; /* it may lie in oids, which may move */

	if (map->n >= map->n_slots / 2)
		slots_grow(map, MAX(FIRST_SLOTS, map->n_slots * 2));
	guint32 at = slot_find(map, &copy);
	if (map->slots[at] != 0)
		return map->slots[at] - 1;
	if (map->n == map->room) {
		map->room = MAX(FIRST_SLOTS, map->room * 2);
		map->oids = g_renew(struct oid, map->oids, map->room);
	}
	map->oids[map->n++] = copy;
	map->slots[at] = map->n;
	return map->n - 1;
}

guint32 oid_map_find(const struct oid_map *map, const struct oid *oid)
{
	if (map->n == 0)
		return OID_MAP_NONE;
	guint32 slot = map->slots[slot_find(map, oid)];
	return slot != 0 ? slot - 1 : OID_MAP_NONE;
}

int oid_compare(const struct oid *a, const struct oid *b)
{
	return memcmp(a->bytes, b->bytes, OID_BYTES);
}

struct ordering {
	const char *oids;
	gsize stride;
};

static const struct oid *oid_at(const struct ordering *o, guint32 at)
{
	return (const struct oid *)(o->oids + at * o->stride);
}

static int order_compare(gconstpointer a, gconstpointer b, gpointer data)
{
	const struct ordering *o = data;

	return oid_compare(oid_at(o, *(const guint32 *)a), oid_at(o, *(const guint32 *)b));
}

/* Names are even: a bucket for each first two bytes leaves a handful to compare. */
void oid_order(const struct oid *oids, gsize stride, guint32 n, guint32 *order)
{
	struct ordering o = {(const char *)oids, stride};
	g_autofree guint32 *starts = g_new0(guint32, BUCKETS + 1);

	for (guint32 i = 0; i < n; i++) {
		const guint8 *b = oid_at(&o, i)->bytes;
		starts[(b[0] << 8 | b[1]) + 1]++;
	}
	for (guint i = 0; i < BUCKETS; i++)
		starts[i + 1] += starts[i];
	for (guint32 i = 0; i < n; i++) {
		const guint8 *b = oid_at(&o, i)->bytes;
		order[starts[b[0] << 8 | b[1]]++] = i;
	}
	for (guint32 from = 0, i = 0; i < BUCKETS; i++) {
		guint32 to = starts[i]; /* where the bucket ends, by now */
		if (to - from > 1)
			g_qsort_with_data(
				order + from, (gint)(to - from), sizeof(*order), order_compare, &o);
		from = to;
	}
}

guint32 oid_search(const struct oid *sorted, guint32 n, const struct oid *oid)
{
	guint32 from = 0, to = n;

	while (from < to) {
		guint32 middle = from + (to - from) / 2;
		int c = oid_compare(&sorted[middle], oid);
		if (c == 0)
			return middle;
		if (c < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return OID_MAP_NONE;
}
