/* SPDX-License-Identifier: MIT */
/*
 * What the files depot*.c share: nobody else includes this.
 *
 * An object lies at a place: a source (a pack, or the one list of loose objects) and a position in
 * it. The largest pack whose names are in order is the main one: its positions are the first
 * numbers, without any table. What the other sources add is numbered behind it and kept in a table
 * hashed by name; a place whose object was known already is a copy.
 */
#ifndef JOBS_SCAN_DEPOT_INSIDE_H
#define JOBS_SCAN_DEPOT_INSIDE_H

#include "jobs/scan/depot.h"
#include "jobs/scan/depot_entry.h"
#include "jobs/scan/depot_idx.h"

#define DEPOT_PACKS_MAX 10000u
#define DEPOT_FOLDERS_MAX 1000u
#define DEPOT_OBJECTS_MAX (1u << 30)
/* No object is longer, whatever the caps of the options: lengths are 32 bits, with some left. */
#define DEPOT_MATERIAL_MAX (G_GUINT64_CONSTANT(1) << 31)

#define DEPOT_COPY 0x80000000u /* in pack->numbers: not the place that counts */

struct depot_pack {
	struct depot_idx idx;
	const guint8 *idx_map;
	gsize idx_len;
	const guint8 *map;
	guint64 len;
	guint64 end;      /* no entry reaches beyond it */
	guint32 *numbers; /* by position, with DEPOT_COPY; NULL for the main pack */
	char *path;       /* of the .pack */
};

struct depot_folder {
	char *path;
	int fd;
};

struct depot_loose {
	struct oid oid;
	guint16 folder;
	guint32 number; /* with DEPOT_COPY */
};

struct depot_place {
	guint32 position;
	guint16 source; /* a pack's index, or depot->n_packs: loose */
};

struct depot_copy {
	guint32 number;
	struct depot_place place;
};

struct depot {
	struct depot_options options;
	guint64 material_max; /* the longest object that is made, if only as a base */
	struct depot_pack *packs;
	guint n_packs;
	struct depot_folder *folders;
	guint n_folders;
	struct depot_loose *loose;
	guint32 n_loose;
	guint32 main_count;         /* numbers below are positions in packs[0] */
	struct depot_place *places; /* of the numbers behind these */
	guint32 n_places;
	guint32 *hash; /* numbers + 1, of places only; 0 is empty */
	guint32 hash_mask;
	guint64 key[3];
	struct depot_copy *copies; /* sorted by number */
	guint32 n_copies;
	guint8 *types; /* by number; 0 is not known yet; atomic */
	gboolean is_partial;

	GMutex lock; /* of what follows */
	GArray *problems;
	GPtrArray *paths; /* of problems */
	guint64 *has_problem;
	guint counts[DEPOT_REASONS];
	struct depot_forest *forest; /* kept from the first walk over everything */
};

/* depot_folder.c: fills folders, packs and loose. */
gboolean depot_folders_read(struct depot *depot, const char *const *paths, GError **error);
void depot_folders_clear(struct depot *depot);

/* depot_number.c: numbers, the table and copies. */
gboolean depot_numbers_make(struct depot *depot, GError **error);
void depot_numbers_clear(struct depot *depot);
guint64 depot_hash_mix(const struct depot *depot, guint64 a, guint64 b);
struct depot_place depot_place_of(const struct depot *depot, guint32 number);
/* The k-th other place where the object lies as well; FALSE when there is none. */
gboolean depot_copy_find(
	const struct depot *depot, guint32 number, guint k, struct depot_place *place);

/* Each object becomes a problem once; path is copied. */
void depot_problem_add(
	struct depot *depot, enum depot_reason reason, guint32 number, const char *path);

static inline guint depot_loose_source(const struct depot *depot)
{
	return depot->n_packs;
}

static inline guint8 depot_type_known(const struct depot *depot, guint32 number)
{
	return __atomic_load_n(&depot->types[number], __ATOMIC_RELAXED);
}

static inline void depot_type_learn(struct depot *depot, guint32 number, guint8 type)
{
	__atomic_store_n(&depot->types[number], type, __ATOMIC_RELAXED);
}

#endif
