/* SPDX-License-Identifier: MIT */
/*
 * Pairs of numbers, numbered from 0 in the order in which they came: 16 bytes each. For paths
 * (parent, name) and sightings (path, secret). Strangers have a hand in them: the hash is keyed.
 *
 *	struct pair_map map = {0};
 *	gboolean is_new;
 *	guint32 number = pair_map_add(&map, 3, 7, &is_new);
 *	map.pairs[number].a == 3
 */
#ifndef MUSTER_JOBS_SCAN_PAIR_MAP_H
#define MUSTER_JOBS_SCAN_PAIR_MAP_H

#include <glib.h>

#define PAIR_MAP_NONE G_MAXUINT32

struct pair {
	guint32 a, b;
};

struct pair_map {
	struct pair *pairs; /* borrowed until the next add */
	guint32 n, room;
	guint32 *slots; /* number + 1, 0 free */
	guint32 n_slots;
};

void pair_map_clear(struct pair_map *map);
guint32 pair_map_add(struct pair_map *map, guint32 a, guint32 b, gboolean *is_new);
guint32 pair_map_find(const struct pair_map *map, guint32 a, guint32 b);

#endif
