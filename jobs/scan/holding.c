/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/holding.h"

#include <string.h>

#include "lib/hash.h"

#define FIRST_SLOTS 1024u

static struct holding_node *node_at(const struct holding_table *table, guint32 number)
{
	return &g_array_index(table->nodes, struct holding_node, number);
}

static struct holding_entry *entries_at(const struct holding_table *table, guint32 at)
{
	return (struct holding_entry *)(void *)table->entries->data + at;
}

void holding_table_init(struct holding_table *table, guint32 depth_max, guint32 places_max)
{
	memset(table, 0, sizeof(*table));
	table->nodes = g_array_new(FALSE, TRUE, sizeof(struct holding_node));
	table->entries = g_array_new(FALSE, FALSE, sizeof(struct holding_entry));
	table->depth_max = depth_max;
	table->places_max = places_max;
	g_array_set_size(table->nodes, 1);
}

void holding_table_clear(struct holding_table *table)
{
	g_clear_pointer(&table->nodes, g_array_unref);
	g_clear_pointer(&table->entries, g_array_unref);
	g_clear_pointer(&table->slots, g_free);
	table->n_slots = 0;
}

void holding_table_reset(struct holding_table *table)
{
	guint32 depth_max = table->depth_max, places_max = table->places_max;

	holding_table_clear(table);
	holding_table_init(table, depth_max, places_max);
}

static guint32 slot_find(
	const struct holding_table *table, const struct holding_entry *entries, guint32 n)
{
	guint32 at = hash_bytes(entries, n * sizeof(*entries)) & (table->n_slots - 1);

	for (; table->slots[at] != 0; at = (at + 1) & (table->n_slots - 1)) {
		const struct holding_node *node = node_at(table, table->slots[at]);
		if (node->n == n &&
			memcmp(entries_at(table, node->at), entries, n * sizeof(*entries)) == 0)
			break;
	}
	return at;
}

static void slots_fill(struct holding_table *table)
{
	guint32 n_slots = MAX(FIRST_SLOTS, table->n_slots);

	while (n_slots / 2 <= table->nodes->len)
		n_slots *= 2;
	g_free(table->slots);
	table->n_slots = n_slots;
	table->slots = g_new0(guint32, n_slots);
	for (guint32 i = 1; i < table->nodes->len; i++) {
		const struct holding_node *node = node_at(table, i);
		table->slots[slot_find(table, entries_at(table, node->at), node->n)] = i;
	}
}

static int entry_compare(gconstpointer a, gconstpointer b)
{
	const struct holding_entry *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->child > y->child) - (x->child < y->child);
}

static void node_measure(const struct holding_table *table, const struct holding_entry *entries,
	guint32 n, struct holding_node *node)
{
	guint64 places = 0;

	node->depth = 1;
	for (guint32 i = 0; i < n; i++) {
		if (!holding_is_folder(entries[i].child)) {
			places++;
			continue;
		}
		const struct holding_node *child = node_at(table, entries[i].child);
		places += child->places;
		node->depth = MAX(node->depth, child->depth + 1);
	}
	node->places = (guint32)MIN(places, G_MAXUINT32);
}

gboolean holding_table_add(
	struct holding_table *table, struct holding_entry *entries, gsize n, guint32 *number)
{
	gsize kept = 0;

	*number = 0;
	for (gsize i = 0; i < n; i++)
		if (entries[i].child != 0)
			entries[kept++] = entries[i];
	if (kept == 0)
		return TRUE;
	if (kept > 1) {
		qsort(entries, kept, sizeof(*entries), entry_compare);
		n = kept;
		kept = 1;
		for (gsize i = 1; i < n; i++)
			if (entry_compare(&entries[i], &entries[kept - 1]) != 0)
				entries[kept++] = entries[i];
	}
	struct holding_node node = {.at = table->entries->len, .n = (guint32)kept};
	node_measure(table, entries, (guint32)kept, &node);
	if (node.depth > table->depth_max || node.places > table->places_max ||
		table->nodes->len > HOLDING_NUMBER ||
		(guint64)table->entries->len + kept > G_MAXINT32)
		return FALSE;
	if (table->nodes->len >= table->n_slots / 2)
		slots_fill(table);
	guint32 at = slot_find(table, entries, (guint32)kept);
	if (table->slots[at] == 0) {
		g_array_append_vals(table->entries, entries, (guint)kept);
		g_array_append_val(table->nodes, node);
		table->slots[at] = table->nodes->len - 1;
	}
	*number = table->slots[at];
	return TRUE;
}

const struct holding_entry *holding_find(
	const struct holding_table *table, guint32 number, guint32 name, guint32 *n)
{
	guint32 count, from = 0;
	const struct holding_entry *entries = holding_entries(table, number, &count);
	guint32 to = count;

	while (from < to) {
		guint32 middle = from + (to - from) / 2;
		if (entries[middle].name < name)
			from = middle + 1;
		else
			to = middle;
	}
	for (*n = 0; from + *n < count && entries[from + *n].name == name;)
		(*n)++;
	return *n > 0 ? entries + from : NULL;
}

gboolean holding_table_load(struct holding_table *table, const struct holding_node *nodes,
	gsize n_nodes, const struct holding_entry *entries, gsize n_entries, guint32 n_blobs,
	guint32 n_gaps, guint32 texts_len)
{
	if (n_nodes == 0 || n_nodes > HOLDING_NUMBER || n_entries > G_MAXINT32)
		return FALSE;
	for (gsize i = 0; i < n_nodes; i++) {
		const struct holding_node *node = &nodes[i];
		if (node->n > n_entries || node->at > n_entries - node->n ||
			node->depth > table->depth_max || node->places > table->places_max ||
			(i == 0) != (node->n == 0))
			return FALSE;
		for (guint32 k = node->at; k < node->at + node->n; k++) {
			guint32 child = entries[k].child;
			if (entries[k].name >= texts_len)
				return FALSE;
			if (child & HOLDING_GAP        ? (child & HOLDING_NUMBER) >= n_gaps
				: child & HOLDING_BLOB ? (child & HOLDING_NUMBER) >= n_blobs
						       : child == 0 || child >= i ||
								 nodes[child].depth >= node->depth)
				return FALSE;
		}
	}
	holding_table_reset(table);
	g_array_set_size(table->nodes, 0);
	g_array_append_vals(table->nodes, nodes, (guint)n_nodes);
	g_array_append_vals(table->entries, entries, (guint)n_entries);
	return TRUE;
}
