/* SPDX-License-Identifier: MIT */
/*
 * Object names numbered from 0 in the order in which they came, found by name: 28 bytes each. And
 * the sorted form: names in a row, as they lie in a file.
 *
 *	struct oid_map map = {0};
 *	guint32 number = oid_map_add(&map, &oid);
 *	guint32 same = oid_map_find(&map, &oid);	OID_MAP_NONE when it is not there
 *	oid_map_clear(&map);
 *
 * Names come from strangers: the hash is keyed. One thread.
 */
#ifndef MUSTER_JOBS_SCAN_OID_MAP_H
#define MUSTER_JOBS_SCAN_OID_MAP_H

#include "lib/oid.h"

#define OID_MAP_NONE G_MAXUINT32

struct oid_map {
	struct oid *oids; /* borrowed until the next add */
	guint32 n;
	guint32 room;   /* of oids */
	guint32 *slots; /* number + 1, 0 free */
	guint32 n_slots;
};

void oid_map_clear(struct oid_map *map);
/* So many will be added: room is made once. */
void oid_map_expect(struct oid_map *map, guint32 n);
/* The number it has or gets. */
guint32 oid_map_add(struct oid_map *map, const struct oid *oid);
guint32 oid_map_find(const struct oid_map *map, const struct oid *oid);

int oid_compare(const struct oid *a, const struct oid *b);

/* With the place it had: order[] is filled with 0 … n-1 in the order of the names. */
void oid_order(const struct oid *oids, gsize stride, guint32 n, guint32 *order);

/* The place of a name in n sorted ones, OID_MAP_NONE when it is not among them. */
guint32 oid_search(const struct oid *sorted, guint32 n, const struct oid *oid);

#endif
