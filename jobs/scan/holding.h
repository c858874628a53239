/* SPDX-License-Identifier: MIT */
/*
 * Holdings: what a tree holds of interest, as a number. Two trees that hold the same blobs of
 * interest under the same names have the same number, whatever else is in them; 0 is nothing.
 *
 * A holding is a list of (name, child), sorted: a child is another holding, or a blob of interest
 * (HOLDING_BLOB), or something that could not be read (HOLDING_GAP). Made from the leaves up, so a
 * child's number is always smaller than its parent's: there are no circles, even in a file.
 *
 *	struct holding_entry e[] = {{name, HOLDING_BLOB | 7}};
 *	guint32 number = holding_table_add(&table, e, 1);
 *
 * Bounded: what is nested deeper than the depth given, or holds more places than that, is refused
 * (0, and told), so that paths can be followed by plain recursion, and counted. One thread.
 */
#ifndef MUSTER_JOBS_SCAN_HOLDING_H
#define MUSTER_JOBS_SCAN_HOLDING_H

#include <glib.h>

#define HOLDING_BLOB 0x40000000u   /* the other bits: number of the blob */
#define HOLDING_GAP 0x80000000u    /* the other bits: number of the gap */
#define HOLDING_NUMBER 0x3fffffffu /* the most of either */

struct holding_entry {
	guint32 name; /* of a text_pool */
	guint32 child;
};

struct holding_node {
	guint32 at, n; /* entries */
	guint32 places;
	guint32 depth;
};

struct holding_table {
	GArray *nodes;   /* struct holding_node; [0] is nothing */
	GArray *entries; /* struct holding_entry */
	guint32 *slots;  /* number, 0 free; made when first needed */
	guint32 n_slots;
	guint32 depth_max, places_max;
};

void holding_table_init(struct holding_table *table, guint32 depth_max, guint32 places_max);
void holding_table_clear(struct holding_table *table);
/* Forgets all holdings. */
void holding_table_reset(struct holding_table *table);

/*
 * Entries are sorted in place and made distinct; those whose child is 0 are left out. FALSE when a
 * bound is passed: *number is 0 then.
 */
gboolean holding_table_add(
	struct holding_table *table, struct holding_entry *entries, gsize n, guint32 *number);

/* Entries of a holding, *n of them; borrowed until the next add. */
static inline const struct holding_entry *holding_entries(
	const struct holding_table *table, guint32 number, guint32 *n)
{
	const struct holding_node *node = &g_array_index(table->nodes, struct holding_node, number);

	*n = node->n;
	return (const struct holding_entry *)(const void *)table->entries->data + node->at;
}

static inline gboolean holding_is_folder(guint32 child)
{
	return (child & (HOLDING_BLOB | HOLDING_GAP)) == 0;
}

/* The first entry of that name, *n of them in a row; NULL when there is none. */
const struct holding_entry *holding_find(
	const struct holding_table *table, guint32 number, guint32 name, guint32 *n);

/*
 * Takes over what was kept; FALSE when it is no table: counts, order, or a child that does not
 * come before its parent; blobs and gaps are numbered below n_blobs and n_gaps.
 */
gboolean holding_table_load(struct holding_table *table, const struct holding_node *nodes,
	gsize n_nodes, const struct holding_entry *entries, gsize n_entries, guint32 n_blobs,
	guint32 n_gaps, guint32 texts_len);

#endif
