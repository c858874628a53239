/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/commit_graph.h"

#include <string.h>

void commit_graph_init(struct commit_graph *graph)
{
	memset(graph, 0, sizeof(*graph));
	graph->young = g_array_new(FALSE, FALSE, sizeof(struct graph_commit));
	graph->edges = g_array_new(FALSE, FALSE, sizeof(guint32));
}

void commit_graph_clear(struct commit_graph *graph)
{
	g_clear_pointer(&graph->young, g_array_unref);
	g_clear_pointer(&graph->edges, g_array_unref);
	g_free(graph->base_owned);
	g_free(graph->order_owned);
	oid_map_clear(&graph->names);
	memset(graph, 0, sizeof(*graph));
}

guint32 commit_graph_parent(const struct commit_graph *graph, guint32 number, guint32 at)
{
	const struct graph_commit *commit = commit_graph_get(graph, number);

	if (at == 0)
		return commit->parents[0];
	guint32 second = commit->parents[1];
	if (second == COMMIT_GRAPH_NONE)
		return COMMIT_GRAPH_NONE;
	if ((second & COMMIT_GRAPH_MORE) == 0)
		return at == 1 ? second : COMMIT_GRAPH_NONE;
	const guint32 *edges = &g_array_index(graph->edges, guint32, second & ~COMMIT_GRAPH_MORE);
	for (guint32 i = 1; i < at; i++)
		if (edges[i - 1] & COMMIT_GRAPH_LAST)
			return COMMIT_GRAPH_NONE;
	return edges[at - 1] & ~COMMIT_GRAPH_LAST;
}

/* Who fills a graph with all there is asks for none. */
static void names_fill(struct commit_graph *graph)
{
	for (guint32 i = graph->names.n; i < graph->young->len; i++)
		oid_map_add(
			&graph->names, &g_array_index(graph->young, struct graph_commit, i).oid);
}

guint32 commit_graph_find(struct commit_graph *graph, const struct oid *oid)
{
	guint32 from = 0, to = graph->n_base;

	while (from < to) {
		guint32 middle = from + (to - from) / 2;
		int c = oid_compare(&graph->base[graph->order[middle]].oid, oid);
		if (c == 0)
			return graph->order[middle];
		if (c < 0)
			from = middle + 1;
		else
			to = middle;
	}
	names_fill(graph);
	guint32 young = oid_map_find(&graph->names, oid);
	return young != OID_MAP_NONE ? graph->n_base + young : COMMIT_GRAPH_NONE;
}

guint32 commit_graph_add(struct commit_graph *graph, const struct oid *oid, gint64 date,
	guint flags, const guint32 *parents, guint n_parents)
{
	struct graph_commit commit = {.oid = *oid, .date = date, .flags = flags & 15};
	guint32 number = commit_graph_count(graph);

	if (number >= COMMIT_GRAPH_MAX || graph->edges->len + n_parents >= COMMIT_GRAPH_MAX)
		return COMMIT_GRAPH_NONE;
	commit.parents[0] = n_parents > 0 ? parents[0] : COMMIT_GRAPH_NONE;
	commit.parents[1] = n_parents > 1 ? parents[1] : COMMIT_GRAPH_NONE;
	if (n_parents > 2) {
		commit.parents[1] = COMMIT_GRAPH_MORE | graph->edges->len;
		g_array_append_vals(graph->edges, parents + 1, n_parents - 1);
		g_array_index(graph->edges, guint32, graph->edges->len - 1) |= COMMIT_GRAPH_LAST;
	}
	g_array_append_val(graph->young, commit);
	return number;
}

void commit_graph_set_held(struct commit_graph *graph, guint32 young, guint32 held)
{
	g_array_index(graph->young, struct graph_commit, young - graph->n_base).held = held;
}

void commit_graph_add_flags(struct commit_graph *graph, guint32 young, guint flags)
{
	g_array_index(graph->young, struct graph_commit, young - graph->n_base).flags |= flags & 15;
}

void commit_graph_settle(struct commit_graph *graph)
{
	guint32 n = commit_graph_count(graph);
	struct graph_commit *all = g_new(struct graph_commit, n);
	guint32 *order = g_new(guint32, n);

	if (graph->n_base > 0)
		memcpy(all, graph->base, graph->n_base * sizeof(*all));
	if (graph->young->len > 0)
		memcpy(all + graph->n_base, graph->young->data, graph->young->len * sizeof(*all));
	if (n > 0)
		oid_order(&all->oid, sizeof(*all), n, order);
	g_free(graph->base_owned);
	g_free(graph->order_owned);
	graph->base = graph->base_owned = all;
	graph->order = graph->order_owned = order;
	graph->n_base = n;
	graph->base_edges = graph->edges->len;
	g_array_set_size(graph->young, 0);
	oid_map_clear(&graph->names);
}

gboolean commit_graph_check(const struct commit_graph *graph, guint32 n_held)
{
	guint32 n = commit_graph_count(graph), n_edges = graph->edges->len;

	if (n_edges > 0 &&
		(g_array_index(graph->edges, guint32, n_edges - 1) & COMMIT_GRAPH_LAST) == 0)
		return FALSE;
	for (guint32 i = 0; i < graph->n_base; i++)
		if (graph->order[i] >= graph->n_base)
			return FALSE;
	for (guint32 i = 0; i < n; i++) {
		const struct graph_commit *c = commit_graph_get(graph, i);
		guint32 first = c->parents[0], second = c->parents[1];
		if (c->held >= n_held || (first != COMMIT_GRAPH_NONE && first >= i))
			return FALSE;
		if (second == COMMIT_GRAPH_NONE)
			continue;
		if ((second & COMMIT_GRAPH_MORE) == 0) {
			if (second >= i)
				return FALSE;
			continue;
		}
		for (guint32 at = second & ~COMMIT_GRAPH_MORE;; at++) {
			if (at >= n_edges)
				return FALSE;
			guint32 edge = g_array_index(graph->edges, guint32, at);
			if ((edge & ~COMMIT_GRAPH_LAST) >= i)
				return FALSE;
			if (edge & COMMIT_GRAPH_LAST)
				break;
		}
	}
	return TRUE;
}

int commit_graph_compare(const struct commit_graph *graph, guint32 a, guint32 b)
{
	const struct graph_commit *x = commit_graph_get(graph, a), *y = commit_graph_get(graph, b);

	if (x->date != y->date)
		return x->date < y->date ? -1 : 1;
	return oid_compare(&x->oid, &y->oid);
}

guint8 *commit_graph_reach(
	const struct commit_graph *graph, const guint32 *tips, gsize n, guint32 *n_reached)
{
	guint32 count = commit_graph_count(graph), reached = 0;
	guint8 *reach = g_malloc0(count + 1);

	for (gsize i = 0; i < n; i++)
		reach[tips[i]] = 1;
	/* Parents have smaller numbers: one pass from the end meets every child before them. */
	for (guint32 c = count; c-- > 0;) {
		if (!reach[c])
			continue;
		reached++;
		const struct graph_commit *commit = commit_graph_get(graph, c);
		if (commit->parents[0] == COMMIT_GRAPH_NONE)
			continue;
		reach[commit->parents[0]] = 1;
		if (commit->parents[1] == COMMIT_GRAPH_NONE)
			continue;
		guint32 p;
		for (guint32 at = 1; (p = commit_graph_parent(graph, c, at)) != COMMIT_GRAPH_NONE;
			at++)
			reach[p] = 1;
	}
	*n_reached = reached;
	return reach;
}
