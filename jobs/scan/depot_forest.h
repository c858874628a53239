/* SPDX-License-Identifier: MIT */
/*
 * Which entry is made from which: a node for each place, its parent the base.
 *
 * A complete forest has a node for every place of a depot; one for few objects has these and the
 * bases below them, and does not look at anything else. Either way it is a forest: deltas that need
 * one another have been cut off and marked.
 */
#ifndef JOBS_SCAN_DEPOT_FOREST_H
#define JOBS_SCAN_DEPOT_FOREST_H

#include "jobs/scan/depot_inside.h"

struct depot_node {
	guint64 at;     /* where its deflated bytes begin; of a loose object its position */
	guint32 parent; /* DEPOT_NONE: stored whole, or the base cannot be had */
	guint32 number; /* with DEPOT_COPY; a base nobody asked for may have DEPOT_NONE */
	guint32 size;   /* inflated: of the object, or of the delta */
	guint16 source;
	guint8 type;   /* 0: a loose object not read yet, or not known */
	guint8 reason; /* an enum depot_reason: it cannot be made from here */
};

struct depot_forest {
	struct depot_node *nodes;
	guint32 count;
	guint32 *order; /* each parent before its children; NULL: as they lie */
};

/* NULL: no memory for it. */
struct depot_forest *depot_forest_new(struct depot *depot);
/* For the objects in the bitmap alone; `max` nodes at most, else NULL: take the complete one. */
struct depot_forest *depot_forest_new_few(struct depot *depot, const guint64 *wanted, guint32 max);
void depot_forest_free(struct depot_forest *forest);

/* Nodes that are not a copy of one that counts. */
static inline gboolean depot_node_counts(const struct depot_node *node)
{
	return (node->number & DEPOT_COPY) == 0;
}

#endif
