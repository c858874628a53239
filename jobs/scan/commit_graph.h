/* SPDX-License-Identifier: MIT */
/*
 * The graph of commits: parents before children, 40 bytes each, with what each one's tree holds of
 * interest (holding.h). What an earlier scan knew is `base`, as it lies in a file; what is new is
 * `young`. A number below n_base is in the one, else in the other.
 *
 *	for (guint32 c = 0; c < commit_graph_count(graph); c++)
 *		for (guint32 i = 0, p; (p = commit_graph_parent(graph, c, i)) != …NONE; i++)
 *
 * Ownership: base belongs to the graph when base_owned, else to a mapping of the caller.
 */
#ifndef MUSTER_JOBS_SCAN_COMMIT_GRAPH_H
#define MUSTER_JOBS_SCAN_COMMIT_GRAPH_H

#include "jobs/scan/oid_map.h"

#define COMMIT_GRAPH_NONE G_MAXUINT32
#define COMMIT_GRAPH_MORE 0x80000000u /* second parent: the rest is in edges, from this place */
#define COMMIT_GRAPH_LAST 0x80000000u /* in edges: the last of them */
#define COMMIT_GRAPH_MAX 0x7fffffffu  /* so many commits at most */

enum graph_flag {
	GRAPH_CUT_OFF = 1 << 0, /* it has parents that are not here */
	GRAPH_OUTSIDE = 1 << 1, /* not of the range that was asked for */
};

struct graph_commit {
	struct oid oid;
	guint32 parents[2];
	guint32 held;
	gint64 date : 60; /* of the committer */
	guint64 flags : 4;
};

struct commit_graph {
	const struct graph_commit *base;
	const guint32 *order; /* numbers of base, sorted by name */
	guint32 n_base;
	gpointer base_owned, order_owned;
	GArray *young;        /* struct graph_commit */
	struct oid_map names; /* of young, as far as anybody asked */
	GArray *edges;        /* guint32; of base and young */
	guint32 base_edges;   /* how many of them are base's */
};

void commit_graph_init(struct commit_graph *graph);
void commit_graph_clear(struct commit_graph *graph); /* NULL arrays: init before use */

static inline guint32 commit_graph_count(const struct commit_graph *graph)
{
	return graph->n_base + graph->young->len;
}

static inline const struct graph_commit *commit_graph_get(
	const struct commit_graph *graph, guint32 number)
{
	return number < graph->n_base
		       ? &graph->base[number]
		       : &g_array_index(graph->young, struct graph_commit, number - graph->n_base);
}

/* Parent number `at`, COMMIT_GRAPH_NONE behind the last. */
guint32 commit_graph_parent(const struct commit_graph *graph, guint32 number, guint32 at);

guint32 commit_graph_find(struct commit_graph *graph, const struct oid *oid);

/* Its parents must be in the graph. The number it has, COMMIT_GRAPH_NONE when the graph is full. */
guint32 commit_graph_add(struct commit_graph *graph, const struct oid *oid, gint64 date,
	guint flags, const guint32 *parents, guint n_parents);

void commit_graph_set_held(struct commit_graph *graph, guint32 young, guint32 held);
void commit_graph_add_flags(struct commit_graph *graph, guint32 young, guint flags);

/* Makes all of it base, in memory of its own. */
void commit_graph_settle(struct commit_graph *graph);

/* Whether parents come before children everywhere and no number is out of range. */
gboolean commit_graph_check(const struct commit_graph *graph, guint32 n_held);

/* Which is older, by date and then by name: less than 0 when a is. */
int commit_graph_compare(const struct commit_graph *graph, guint32 a, guint32 b);

/* A byte for each commit, 1 for those that can be reached from the n tips. Freed by the caller. */
guint8 *commit_graph_reach(
	const struct commit_graph *graph, const guint32 *tips, gsize n, guint32 *n_reached);

#endif
