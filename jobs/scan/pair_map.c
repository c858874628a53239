/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/pair_map.h"

#include <string.h>

#include "lib/hash.h"

#define FIRST_SLOTS 256u

void pair_map_clear(struct pair_map *map)
{
	g_free(map->pairs);
	g_free(map->slots);
	memset(map, 0, sizeof(*map));
}

static guint32 slot_find(const struct pair_map *map, struct pair pair)
{
	guint32 at = hash_bytes(&pair, sizeof(pair)) & (map->n_slots - 1);

	for (; map->slots[at] != 0; at = (at + 1) & (map->n_slots - 1)) {
		struct pair there = map->pairs[map->slots[at] - 1];
		if (there.a == pair.a && there.b == pair.b)
			break;
	}
	return at;
}

guint32 pair_map_add(struct pair_map *map, guint32 a, guint32 b, gboolean *is_new)
{
	struct pair pair = {a, b};

	if (map->n >= map->n_slots / 2) {
		g_free(map->slots);
		map->n_slots = MAX(FIRST_SLOTS, map->n_slots * 2);
		map->slots = g_new0(guint32, map->n_slots);
		for (guint32 i = 0; i < map->n; i++)
			map->slots[slot_find(map, map->pairs[i])] = i + 1;
	}
	guint32 at = slot_find(map, pair);
	*is_new = map->slots[at] == 0;
	if (!*is_new)
		return map->slots[at] - 1;
	if (map->n == map->room) {
		map->room = MAX(FIRST_SLOTS, map->room * 2);
		map->pairs = g_renew(struct pair, map->pairs, map->room);
	}
	map->pairs[map->n++] = pair;
	map->slots[at] = map->n;
	return map->n - 1;
}

guint32 pair_map_find(const struct pair_map *map, guint32 a, guint32 b)
{
	if (map->n == 0)
		return PAIR_MAP_NONE;
	guint32 slot = map->slots[slot_find(map, (struct pair){a, b})];
	return slot != 0 ? slot - 1 : PAIR_MAP_NONE;
}
