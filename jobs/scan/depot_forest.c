/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/depot_forest.h"
#include "lib/memory.h"

#include <string.h>

#define RADIX_BITS 11u
#define NODES_A_THREAD 100000u
#define NOWHERE G_MAXUINT64 /* the offset of an entry whose idx points outside of itself */

/* An entry of a pack, sorted by offset. */
struct entry {
	guint64 offset;
	guint32 position;
};

/* One pack while the complete forest is made. */
struct layout {
	struct entry *entries;
	guint32 count;
	guint32 first;    /* its first node */
	guint32 *buckets; /* by offset >> shift: the first entry there */
	guint shift;
	guint32 n_buckets;
};

static void entries_sort(struct entry *entries, struct entry *spare, guint32 count, guint64 max)
{
	guint32 begin[1u << RADIX_BITS];

	for (guint shift = 0; shift < 64 && max >> shift > 0; shift += RADIX_BITS) {
		memset(begin, 0, sizeof(begin));
		for (guint32 i = 0; i < count; i++)
			begin[entries[i].offset >> shift & ((1u << RADIX_BITS) - 1)]++;
		for (guint32 i = 0, sum = 0; i < G_N_ELEMENTS(begin); i++) {
			guint32 n = begin[i];
			begin[i] = sum;
			sum += n;
		}
		for (guint32 i = 0; i < count; i++) {
			guint digit = entries[i].offset >> shift & ((1u << RADIX_BITS) - 1);
			spare[begin[digit]++] = entries[i];
		}
		memcpy(entries, spare, (gsize)count * sizeof(*entries));
	}
}

static gboolean layout_make(struct layout *layout, const struct depot_pack *pack)
{
	guint64 max = 0;

	layout->count = pack->idx.count;
	gsize bytes = layout->count * sizeof(struct entry);
	layout->entries = memory_try_table(bytes);
	struct entry *spare = memory_try_table(bytes);
	while (pack->len >> layout->shift > layout->count)
		layout->shift++;
	layout->n_buckets = (guint32)(pack->len >> layout->shift) + 1;
	layout->buckets = memory_try_table(((gsize)layout->n_buckets + 1) * sizeof(guint32));
	gboolean is_fine = layout->entries != NULL && spare != NULL && layout->buckets != NULL;
	if (is_fine) {
		for (guint32 i = 0; i < layout->count; i++) {
			struct entry *entry = &layout->entries[i];
			entry->position = i;
			/* What lies outside is kept at the end, so that it becomes a problem. */
			if (!depot_idx_offset(&pack->idx, i, &entry->offset) ||
				entry->offset > pack->len)
				entry->offset = pack->len;
			max = MAX(max, entry->offset);
		}
		entries_sort(layout->entries, spare, layout->count, max);
		guint32 next = 0;
		for (guint32 i = 0; i < layout->count; i++)
			while (next <= layout->entries[i].offset >> layout->shift)
				layout->buckets[next++] = i;
		while (next <= layout->n_buckets)
			layout->buckets[next++] = layout->count;
	}
	g_free(spare);
	return is_fine;
}

/* The node of the entry at that offset, or DEPOT_NONE. */
static guint32 layout_find(const struct layout *layout, guint64 offset)
{
	guint64 bucket = offset >> layout->shift;

	if (bucket >= layout->n_buckets)
		return DEPOT_NONE;
	guint32 low = layout->buckets[bucket], high = layout->buckets[bucket + 1];
	while (low < high) {
		guint32 middle = low + (high - low) / 2;
		if (layout->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < layout->count && layout->entries[low].offset == offset ? layout->first + low
									    : DEPOT_NONE;
}

struct making {
	struct depot *depot;
	struct depot_forest *forest;
	struct layout *layouts; /* of the packs */
	guint32 loose_first;
	/* The one for few: */
	guint64 *offsets; /* by node */
	guint32 *hash;    /* node + 1 by (source, offset) */
	guint32 hash_mask;
	guint32 max;
};

/* Where a base lies that a delta in pack `source` names: in the same pack, if it is there. */
static gboolean base_place_find(
	const struct depot *depot, guint source, const struct oid *oid, struct depot_place *place)
{
	guint32 number;

	if (depot_idx_find(&depot->packs[source].idx, oid, &place->position)) {
		place->source = (guint16)source;
		return TRUE;
	}
	if (!depot_find(depot, oid, &number))
		return FALSE;
	*place = depot_place_of(depot, number);
	return TRUE;
}

static gboolean place_offset(const struct depot *depot, struct depot_place place, guint64 *offset)
{
	return depot_idx_offset(&depot->packs[place.source].idx, place.position, offset);
}

/* What the header says; the base is left to the caller. */
static void node_parse(const struct depot *depot, struct depot_node *node, guint64 offset,
	struct depot_entry *entry)
{
	const struct depot_pack *pack = &depot->packs[node->source];

	node->parent = DEPOT_NONE;
	node->reason = (guint8)depot_entry_parse(entry, pack->map, pack->end, offset);
	if (node->reason == DEPOT_TRUNCATED || node->reason == DEPOT_BROKEN)
		return;
	node->at = entry->at;
	node->type = entry->kind <= DEPOT_TAG ? entry->kind : 0;
	node->size = (guint32)MIN(entry->size, G_MAXUINT32);
	if (entry->size > depot->material_max)
		node->reason = DEPOT_TOO_LARGE;
}

static guint32 base_node_find(
	const struct making *m, const struct depot_node *node, const struct depot_entry *entry)
{
	struct depot_place place;
	guint64 offset;

	if (entry->kind == DEPOT_ENTRY_OFFSET_DELTA)
		return layout_find(&m->layouts[node->source], entry->base_offset);
	if (!base_place_find(m->depot, node->source, entry->base, &place))
		return DEPOT_NONE;
	if (place.source == depot_loose_source(m->depot))
		return m->loose_first + place.position;
	return place_offset(m->depot, place, &offset)
		       ? layout_find(&m->layouts[place.source], offset)
		       : DEPOT_NONE;
}

/* Some nodes of one pack. */
struct nodes_part {
	struct making *m;
	guint source;
	guint32 from, to;
};

static gpointer nodes_part_make(gpointer data)
{
	const struct nodes_part *part = data;
	struct making *m = part->m;
	const struct depot_pack *pack = &m->depot->packs[part->source];
	const struct layout *layout = &m->layouts[part->source];
	struct depot_entry entry;

	for (guint32 i = part->from; i < part->to; i++) {
		struct depot_node *node = m->forest->nodes + layout->first + i;
		guint32 position = layout->entries[i].position;
		memset(node, 0, sizeof(*node));
		node->source = (guint16)part->source;
		node->number = pack->numbers != NULL ? pack->numbers[position] : position;
		node_parse(m->depot, node, layout->entries[i].offset, &entry);
		if (node->reason == DEPOT_FINE && entry.kind > DEPOT_TAG) {
			node->parent = base_node_find(m, node, &entry);
			if (node->parent == DEPOT_NONE)
				node->reason = DEPOT_NO_BASE;
		}
	}
	return NULL;
}

/* Each thread touches other pages of the pack: most of the time is for having them mapped. */
static void pack_nodes_make(struct making *m, guint source)
{
	guint32 count = m->layouts[source].count;
	guint threads = CLAMP(count / NODES_A_THREAD, 1, m->depot->options.threads);
	g_autofree struct nodes_part *parts = g_new(struct nodes_part, threads);
	g_autofree GThread **running = g_new0(GThread *, threads);

	for (guint i = 0; i < threads; i++) {
		parts[i] = (struct nodes_part){m, source, (guint32)((guint64)count * i / threads),
			(guint32)((guint64)count * (i + 1) / threads)};
		if (i > 0)
			running[i] = g_thread_try_new("nodes", nodes_part_make, &parts[i], NULL);
	}
	nodes_part_make(&parts[0]);
	for (guint i = 1; i < threads; i++) {
		if (running[i] != NULL)
			g_thread_join(running[i]);
		else
			nodes_part_make(&parts[i]);
	}
}

static void loose_node_make(const struct depot *depot, struct depot_node *node, guint32 position)
{
	memset(node, 0, sizeof(*node));
	node->at = position;
	node->parent = DEPOT_NONE;
	node->number = depot->loose[position].number;
	node->source = (guint16)depot_loose_source(depot);
	if (depot_node_counts(node))
		node->type = depot_type_known(depot, node->number);
}

/* Deltas that go round have no parent any more; what hangs on them keeps its own. */
static gboolean cycles_cut(struct depot_forest *forest)
{
	struct depot_node *nodes = forest->nodes;
	g_autofree guint32 *seen = g_try_new0(guint32, MAX(1, forest->count));

	if (seen == NULL)
		return FALSE;
	for (guint32 i = 0; i < forest->count; i++) {
		guint32 at = i;
		for (; at != DEPOT_NONE && seen[at] == 0; at = nodes[at].parent)
			seen[at] = i + 1;
		if (at == DEPOT_NONE || seen[at] != i + 1)
			continue;
		while (nodes[at].parent != DEPOT_NONE) {
			guint32 next = nodes[at].parent;
			nodes[at].parent = DEPOT_NONE;
			nodes[at].reason = DEPOT_CYCLE;
			at = next;
		}
	}
	return TRUE;
}

/* Sorted by depth. */
static gboolean order_make(struct depot_forest *forest)
{
	struct depot_node *nodes = forest->nodes;
	g_autofree guint32 *depth = g_try_new0(guint32, (gsize)forest->count + 1);
	g_autofree guint32 *begin = g_try_new0(guint32, (gsize)forest->count + 2);

	forest->order = g_try_new(guint32, MAX(1, forest->count));
	if (depth == NULL || begin == NULL || forest->order == NULL)
		return FALSE;
	for (guint32 i = 0; i < forest->count; i++) {
		guint32 at = i, steps = 0;
		for (; at != DEPOT_NONE && depth[at] == 0; at = nodes[at].parent)
			steps++;
		steps += at != DEPOT_NONE ? depth[at] : 0;
		for (at = i; at != DEPOT_NONE && depth[at] == 0; at = nodes[at].parent)
			depth[at] = steps--;
	}
	for (guint32 i = 0; i < forest->count; i++)
		begin[depth[i] + 1]++;
	for (guint32 i = 1; i <= forest->count; i++)
		begin[i + 1] += begin[i];
	for (guint32 i = 0; i < forest->count; i++)
		forest->order[begin[depth[i]]++] = i;
	return TRUE;
}

/* A forest out of what was parsed: no cycles, an order, types from the bases. */
static gboolean forest_complete(struct depot *depot, struct depot_forest *forest)
{
	struct depot_node *nodes = forest->nodes;
	gboolean is_ordered = TRUE;

	for (guint32 i = 0; i < forest->count && is_ordered; i++)
		is_ordered = nodes[i].parent == DEPOT_NONE || nodes[i].parent < i;
	if (!is_ordered && (!cycles_cut(forest) || !order_make(forest)))
		return FALSE;
	for (guint32 i = 0; i < forest->count; i++) {
		struct depot_node *node = &nodes[forest->order != NULL ? forest->order[i] : i];
		if (node->parent != DEPOT_NONE)
			node->type = nodes[node->parent].type;
		if (node->type != 0 && depot_node_counts(node))
			depot_type_learn(depot, node->number, node->type);
	}
	return TRUE;
}

static gboolean complete_make(struct making *m)
{
	struct depot *depot = m->depot;
	guint64 count = depot->n_loose;

	for (guint s = 0; s < depot->n_packs; s++) {
		m->layouts[s].first = (guint32)(count - depot->n_loose);
		count += depot->packs[s].idx.count;
	}
	m->loose_first = (guint32)(count - depot->n_loose);
	m->forest->count = (guint32)count;
	m->forest->nodes = memory_try_table(count * sizeof(struct depot_node));
	if (m->forest->nodes == NULL)
		return FALSE;
	for (guint s = 0; s < depot->n_packs; s++)
		if (!layout_make(&m->layouts[s], &depot->packs[s]))
			return FALSE;
	for (guint s = 0; s < depot->n_packs; s++)
		pack_nodes_make(m, s);
	for (guint32 i = 0; i < depot->n_loose; i++)
		loose_node_make(depot, &m->forest->nodes[m->loose_first + i], i);
	return forest_complete(depot, m->forest);
}

struct depot_forest *depot_forest_new(struct depot *depot)
{
	struct depot_forest *forest = g_new0(struct depot_forest, 1);
	struct making m = {.depot = depot, .forest = forest};

	m.layouts = g_new0(struct layout, MAX(1, depot->n_packs));
	gboolean is_fine = complete_make(&m);
	for (guint s = 0; s < depot->n_packs; s++) {
		g_free(m.layouts[s].entries);
		g_free(m.layouts[s].buckets);
	}
	g_free(m.layouts);
	if (!is_fine)
		g_clear_pointer(&forest, depot_forest_free);
	return forest;
}

/* The node of that place: an old one, or a new one whose header is still to be read. */
static guint32 few_add(struct making *m, guint16 source, guint64 offset, guint32 number)
{
	struct depot_forest *forest = m->forest;
	guint32 slot = (guint32)depot_hash_mix(m->depot, offset, source) & m->hash_mask;

	for (; m->hash[slot] != 0; slot = (slot + 1) & m->hash_mask) {
		guint32 i = m->hash[slot] - 1;
		if (m->offsets[i] != offset || forest->nodes[i].source != source)
			continue;
		if (number != DEPOT_NONE)
			forest->nodes[i].number = number;
		return i;
	}
	if (forest->count == m->max)
		return DEPOT_NONE;
	struct depot_node *node = &forest->nodes[forest->count];
	if (source == depot_loose_source(m->depot)) {
		loose_node_make(m->depot, node, (guint32)offset);
	} else {
		memset(node, 0, sizeof(*node));
		node->source = source;
		node->number = number;
		node->parent = DEPOT_NONE;
	}
	m->offsets[forest->count] = offset;
	m->hash[slot] = forest->count + 1;
	return forest->count++;
}

static gboolean few_add_number(struct making *m, guint32 number)
{
	struct depot_place place = depot_place_of(m->depot, number);
	guint64 offset = place.position;

	if (place.source != depot_loose_source(m->depot) && !place_offset(m->depot, place, &offset))
		offset = NOWHERE - number; /* one for each: they are different objects */
	return few_add(m, place.source, offset, number) != DEPOT_NONE;
}

/* FALSE when there is no room for the base. */
static gboolean few_base_add(struct making *m, guint32 at, const struct depot_entry *entry)
{
	struct depot_node *node = &m->forest->nodes[at];
	struct depot_place place = {.source = node->source};
	guint64 offset = entry->base_offset;

	if (entry->kind == DEPOT_ENTRY_NAME_DELTA) {
		node->reason = DEPOT_NO_BASE;
		if (!base_place_find(m->depot, node->source, entry->base, &place))
			return TRUE;
		offset = place.position;
		if (place.source != depot_loose_source(m->depot) &&
			!place_offset(m->depot, place, &offset))
			return TRUE;
		node->reason = DEPOT_FINE;
	}
	node->parent = few_add(m, place.source, offset, DEPOT_NONE);
	return node->parent != DEPOT_NONE;
}

static gboolean few_make(struct making *m, const guint64 *wanted)
{
	struct depot *depot = m->depot;
	struct depot_entry entry;

	for (guint32 word = 0; word < (depot_count(depot) + 63) / 64; word++)
		for (guint64 bits = wanted[word]; bits != 0; bits &= bits - 1) {
			guint32 number = word * 64 + (guint32)__builtin_ctzll(bits);
			if (number < depot_count(depot) && !few_add_number(m, number))
				return FALSE;
		}
	for (guint32 i = 0; i < m->forest->count; i++) {
		struct depot_node *node = &m->forest->nodes[i];
		if (node->source == depot_loose_source(depot))
			continue;
		node_parse(depot, node, m->offsets[i], &entry);
		if (node->reason == DEPOT_FINE && entry.kind > DEPOT_TAG &&
			!few_base_add(m, i, &entry))
			return FALSE;
	}
	return forest_complete(depot, m->forest);
}

struct depot_forest *depot_forest_new_few(struct depot *depot, const guint64 *wanted, guint32 max)
{
	struct depot_forest *forest = g_new0(struct depot_forest, 1);
	struct making m = {.depot = depot, .forest = forest, .max = max};
	guint bits = 4;

	while ((guint64)max * 2 >> bits > 0)
		bits++;
	m.hash_mask = (1u << bits) - 1;
	m.hash = g_try_new0(guint32, (gsize)1 << bits);
	m.offsets = g_try_new(guint64, MAX(1, max));
	forest->nodes = g_try_new(struct depot_node, MAX(1, max));
	gboolean is_fine = m.hash != NULL && m.offsets != NULL && forest->nodes != NULL &&
			   few_make(&m, wanted);
	g_free(m.hash);
	g_free(m.offsets);
	if (!is_fine)
		g_clear_pointer(&forest, depot_forest_free);
	return forest;
}

void depot_forest_free(struct depot_forest *forest)
{
	if (forest == NULL)
		return;
	g_free(forest->nodes);
	g_free(forest->order);
	g_free(forest);
}
