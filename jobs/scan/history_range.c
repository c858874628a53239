/* SPDX-License-Identifier: MIT */
/*
 * New commits, read one by one: from the tips to what the graph knows, or to what a range leaves
 * out. For a range commits are painted from both ends, newest first, as git does it: a clock that
 * went wrong can make some old commits look new, never a new one old.
 */
#include "config.h"

#include <string.h>

#include "jobs/scan/history_inside.h"
#include "lib/hash.h"

/* More are read faster in the depot's order; of a range all blobs have to be scanned then. */
#define NEW_MAX 5000
#define RANGE_NEW_MAX 50000
#define PAINT_MAX 200000 /* commits that are painted, beside those where painting begins */
#define PAINT_SLOP 64    /* looked at beyond the last that seemed new */

enum paint {
	PAINT_NEW = 1,
	PAINT_OUTSIDE = 2,
};

struct fresh {
	guint32 number; /* in the depot */
	guint32 tree;
	gint64 date;
	guint32 parents, n_parents; /* in the common row: numbers of the depot */
	guint32 flags;              /* of the graph */
	guint32 paint, place;
	gboolean is_queued;
};

struct range {
	struct history_run *run;
	GHashTable *fresh; /* by number in the depot: index + 1 */
	GArray *list;      /* struct fresh */
	GArray *parents;
	guint32 max, paint_max;
	gboolean is_range;
};

static struct fresh *fresh_at(struct range *range, guint32 index)
{
	return &g_array_index(range->list, struct fresh, index);
}

static void parents_read(struct range *range, struct fresh *fresh, const struct commit_bytes *bytes)
{
	struct history_run *run = range->run;
	const struct oid *own = depot_oid(run->depot, fresh->number);

	if (oid_map_find(&run->shallow, own) != OID_MAP_NONE) {
		fresh->flags |= GRAPH_CUT_OFF;
		return;
	}
	for (guint i = 0; i < bytes->parent_count; i++) {
		struct oid oid;
		guint32 number;
		if (i == HISTORY_PARENTS_MAX) {
			fresh->flags |= GRAPH_CUT_OFF;
			history_problem_add(run, HISTORY_PROBLEM_LIMIT, own);
			break;
		}
		if (!commit_bytes_parent(bytes, i, &oid) ||
			!depot_find(run->depot, &oid, &number) ||
			depot_type(run->depot, number) != DEPOT_COMMIT) {
			fresh->flags |= GRAPH_CUT_OFF;
			history_problem_add(run, HISTORY_PROBLEM_MISSING, own);
			continue;
		}
		g_array_append_val(range->parents, number);
		fresh->n_parents++;
	}
}

/* Index of a commit of the depot, read when it is first asked for; G_MAXUINT32: unreadable. */
static guint32 fresh_get(struct range *range, guint32 number)
{
	struct history_run *run = range->run;
	gpointer there = g_hash_table_lookup(range->fresh, GUINT_TO_POINTER(number + 1));
	struct fresh fresh = {.number = number,
		.tree = DEPOT_NONE,
		.parents = range->parents->len,
		.place = COMMIT_GRAPH_NONE};
	struct commit_bytes bytes;

	if (there != NULL)
		return GPOINTER_TO_UINT(there) - 1;
	if (!history_commit_read(run, number, &bytes))
		return G_MAXUINT32;
	fresh.date = bytes.committer.time_s;
	struct oid tree = bytes.tree;
	parents_read(range, &fresh, &bytes);
	if (!depot_find(run->depot, &tree, &fresh.tree))
		fresh.tree = DEPOT_NONE;
	g_array_append_val(range->list, fresh);
	g_hash_table_insert(
		range->fresh, GUINT_TO_POINTER(number + 1), GUINT_TO_POINTER(range->list->len));
	return range->list->len - 1;
}

/* A heap of indexes, newest first. */
static gboolean is_newer(struct range *range, guint32 a, guint32 b)
{
	return fresh_at(range, a)->date > fresh_at(range, b)->date;
}

static void heap_push(struct range *range, GArray *heap, guint32 index)
{
	guint32 *at;
	guint i = heap->len;

	fresh_at(range, index)->is_queued = TRUE;
	g_array_append_val(heap, index);
	at = (guint32 *)(void *)heap->data;
	for (; i > 0 && is_newer(range, at[i], at[(i - 1) / 2]); i = (i - 1) / 2) {
		guint32 other = at[i];
		at[i] = at[(i - 1) / 2];
		at[(i - 1) / 2] = other;
	}
}

static guint32 heap_pop(struct range *range, GArray *heap)
{
	guint32 *at = (guint32 *)(void *)heap->data, top = at[0];
	guint n = heap->len - 1;

	at[0] = at[n];
	g_array_set_size(heap, n);
	for (guint i = 0;;) {
		guint child = i * 2 + 1;
		if (child >= n)
			break;
		if (child + 1 < n && is_newer(range, at[child + 1], at[child]))
			child++;
		if (!is_newer(range, at[child], at[i]))
			break;
		guint32 other = at[i];
		at[i] = at[child];
		at[child] = other;
		i = child;
	}
	fresh_at(range, top)->is_queued = FALSE;
	return top;
}

static gboolean paint_add(struct range *range, GArray *heap, guint32 number, guint32 paint)
{
	guint32 index = fresh_get(range, number);

	if (index == G_MAXUINT32)
		return TRUE;
	if (range->list->len > range->paint_max)
		return FALSE;
	struct fresh *fresh = fresh_at(range, index);
	if ((fresh->paint & paint) == paint)
		return TRUE;
	fresh->paint |= paint;
	if (!fresh->is_queued)
		heap_push(range, heap, index);
	return TRUE;
}

static gboolean without_paint(struct range *range, GArray *heap)
{
	const GArray *without = range->run->without;

	for (guint i = 0; i < without->len; i++)
		if (!paint_add(range, heap, g_array_index(without, guint32, i), PAINT_OUTSIDE))
			return FALSE;
	return TRUE;
}

static gboolean has_new(struct range *range, const GArray *heap)
{
	for (guint i = 0; i < heap->len; i++)
		if (fresh_at(range, g_array_index(heap, guint32, i))->paint == PAINT_NEW)
			return TRUE;
	return FALSE;
}

static gboolean range_paint(struct range *range)
{
	struct history_run *run = range->run;
	g_autoptr(GArray) heap = g_array_new(FALSE, FALSE, sizeof(guint32));
	guint slop = PAINT_SLOP;

	if (!without_paint(range, heap))
		return FALSE;
	for (guint i = 0; i < run->targets->len; i++) {
		guint32 commit = g_array_index(run->targets, struct history_target, i).commit;
		if (commit != DEPOT_NONE && !paint_add(range, heap, commit, PAINT_NEW))
			return FALSE;
	}
	while (heap->len > 0) {
		/* The newest is enough to know most of the time. */
		guint32 top = g_array_index(heap, guint32, 0);
		if (fresh_at(range, top)->paint == PAINT_NEW || has_new(range, heap))
			slop = PAINT_SLOP;
		else if (slop-- == 0)
			break;
		struct fresh fresh = *fresh_at(range, heap_pop(range, heap));
		for (guint32 i = 0; i < fresh.n_parents; i++) {
			guint32 parent = g_array_index(range->parents, guint32, fresh.parents + i);
			guint32 paint = fresh.paint & PAINT_OUTSIDE ? PAINT_OUTSIDE : PAINT_NEW;
			if (!paint_add(range, heap, parent, paint))
				return FALSE;
		}
	}
	return TRUE;
}

struct step {
	guint32 index, next, places; /* places of its parents begin there, in the common row */
};

/* What the graph knows of a commit, or COMMIT_GRAPH_NONE; one outside of the range is added. */
static guint32 place_get(struct range *range, guint32 number, guint32 *index)
{
	struct history_run *run = range->run;
	struct commit_graph *graph = &run->state->graph;
	guint32 place = commit_graph_find(graph, depot_oid(run->depot, number));

	*index = G_MAXUINT32;
	if (place != COMMIT_GRAPH_NONE)
		return place;
	*index = fresh_get(range, number);
	if (*index == G_MAXUINT32 || !(fresh_at(range, *index)->paint & PAINT_OUTSIDE))
		return COMMIT_GRAPH_NONE;
	const struct fresh *fresh = fresh_at(range, *index);
	place = commit_graph_add(graph, depot_oid(run->depot, number), fresh->date,
		GRAPH_OUTSIDE | fresh->flags, NULL, 0);
	if (place != COMMIT_GRAPH_NONE)
		g_array_append_val(run->trees, fresh->tree);
	return place;
}

static gboolean commit_follow(struct range *range, guint32 first, GArray *steps, GArray *places)
{
	struct history_run *run = range->run;
	struct step step = {.index = first};

	g_array_append_val(steps, step);
	while (steps->len > 0) {
		struct step *top = &g_array_index(steps, struct step, steps->len - 1);
		struct fresh *fresh = fresh_at(range, top->index);
		guint32 index = G_MAXUINT32;
		fresh->is_queued = TRUE; /* on the way */
		if (top->next < fresh->n_parents) {
			guint32 parent =
				g_array_index(range->parents, guint32, fresh->parents + top->next);
			guint32 place = place_get(range, parent, &index);
			fresh = fresh_at(range, top->index); /* the list may have moved */
			if (place == COMMIT_GRAPH_NONE && index != G_MAXUINT32 &&
				!fresh_at(range, index)->is_queued) {
				if (run->counts.new_commits + steps->len > range->max)
					return FALSE;
				struct step next = {.index = index, .places = places->len};
				g_array_append_val(steps, next);
				continue;
			}
			top->next++;
			if (place != COMMIT_GRAPH_NONE)
				g_array_append_val(places, place);
			else
				fresh->flags |= GRAPH_CUT_OFF;
			continue;
		}
		guint32 place = commit_graph_add(&run->state->graph,
			depot_oid(run->depot, fresh->number), fresh->date, fresh->flags,
			(const guint32 *)(const void *)places->data + top->places,
			places->len - top->places);
		if (place == COMMIT_GRAPH_NONE)
			return FALSE;
		g_array_append_val(run->trees, fresh->tree);
		run->counts.new_commits++;
		g_array_set_size(places, top->places);
		g_array_set_size(steps, steps->len - 1);
	}
	return TRUE;
}

static gboolean targets_follow(struct range *range)
{
	struct history_run *run = range->run;
	g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(struct step));
	g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(guint32));

	for (guint i = 0; i < run->targets->len; i++) {
		struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		guint32 index;
		if (target->commit == DEPOT_NONE || target->place != COMMIT_GRAPH_NONE)
			continue;
		target->place = place_get(range, target->commit, &index);
		if (target->place != COMMIT_GRAPH_NONE || index == G_MAXUINT32)
			continue;
		if (!commit_follow(range, index, steps, places))
			return FALSE;
		target->place = commit_graph_find(
			&run->state->graph, depot_oid(run->depot, target->commit));
	}
	return TRUE;
}

gboolean history_new_commits(struct history_run *run)
{
	struct range range = {.run = run};
	gboolean is_fine;

	range.is_range = run->options.n_without > 0;
	range.paint_max = PAINT_MAX + run->without->len + run->targets->len;
	range.max = range.is_range ? RANGE_NEW_MAX : NEW_MAX;
	if (run->options.singly_max > 0)
		range.max = run->options.singly_max;
	range.fresh = g_hash_table_new(NULL, NULL);
	range.list = g_array_new(FALSE, FALSE, sizeof(struct fresh));
	range.parents = g_array_new(FALSE, FALSE, sizeof(guint32));
	run->first_new = commit_graph_count(&run->state->graph);
	is_fine = !range.is_range || range_paint(&range);
	for (guint i = 0; i < range.list->len; i++)
		fresh_at(&range, i)->is_queued = FALSE;
	is_fine = is_fine && targets_follow(&range);
	g_hash_table_unref(range.fresh);
	g_array_unref(range.list);
	g_array_unref(range.parents);
	return is_fine;
}
