/* SPDX-License-Identifier: MIT */
/*
 * The inside of a walk: its plan, its workers, what they give one another, and the budget.
 */
#ifndef JOBS_SCAN_DEPOT_WALK_H
#define JOBS_SCAN_DEPOT_WALK_H

#include "jobs/scan/depot_forest.h"
#include "jobs/scan/depot_read.h"

/*
 * Each step down to a child that is not the heaviest at least halves the weight, which has 64 bits:
 * there are never more frames than that.
 */
#define DEPOT_LEVELS 66u

struct depot_link {
	guint64 weight; /* of the node and all below it; 0: nobody needs it */
	guint32 first;  /* child, the heaviest */
	guint32 next;   /* sibling */
};

struct depot_plan {
	const struct depot_forest *forest; /* borrowed */
	struct depot_link *links;
	guint8 *is_wanted;
	guint32 *roots; /* the last family first */
	guint32 n_roots;
	guint64 expected;
};

/* An object whose children several threads make; it takes over buffer and state from its frame. */
struct depot_share {
	gint refs; /* atomic */
	struct depot_buffer buffer;
	guint32 len;
	guint32 node;
	guint8 type;
	gboolean is_visited;
	gpointer state;
};

/* A subtree for whoever has nothing to do. */
struct depot_gift {
	struct depot_share *share;
	guint32 node;
};

struct depot_walk {
	struct depot *depot;
	const struct depot_visitor *visitor;
	gpointer data;
	guint mask;
	struct depot_progress *progress; /* or NULL */
	gboolean is_few;
	struct depot_plan plan;
	guint32 next_root; /* atomic */
	gint64 held;       /* atomic: bytes of all buffers */

	GMutex lock;
	GCond changed;
	GArray *gifts;
	guint n_gifts; /* atomic to read */
	guint idle;    /* threads that wait for a gift; atomic to read */
	guint threads;
	GCond lightened;    /* with lock */
	gboolean has_heavy; /* a thread that is beyond the budget, by itself; under lock */
};

/* An object while its children are made. */
struct depot_frame {
	guint32 node;
	guint32 len;
	const guint8 *bytes; /* NULL: it could not be made; or dropped, see is_dropped */
	gpointer state;
	struct depot_share *share; /* when a child was given away: owns bytes and state */
	guint8 type;
	gboolean is_visited;
	gboolean is_dropped;
};

struct depot_worker {
	struct depot_walk *walk;
	guint thread;
	gpointer data; /* the visitor's */
	struct depot_maker maker;
	struct depot_reader *reader; /* NULL until something is broken */
	struct depot_buffer buffers[DEPOT_LEVELS];
	struct depot_buffer spare;
	struct depot_frame *frames[DEPOT_LEVELS];
	guint top;     /* the level at work */
	guint deepest; /* that was ever at work */
	gboolean is_heavy;
	guint64 objects, bytes; /* not told yet */
};

gboolean depot_worker_init(struct depot_worker *w, struct depot_walk *walk, guint thread);
void depot_worker_clear(struct depot_worker *w);

/* Makes the bytes of a frame again that were dropped; FALSE when that fails. */
gboolean depot_frame_ensure(struct depot_worker *w, struct depot_frame *frame, guint level);

/* Between two families: buffers larger than that are freed. */
void depot_worker_trim(struct depot_worker *w, gsize max_room);

void depot_share_unref(struct depot_worker *w, struct depot_share *share);

/* Waits until there is a gift; FALSE when all threads are out of work. */
gboolean depot_gift_take(struct depot_walk *walk, struct depot_gift *gift);
void depot_gift_put(struct depot_walk *walk, struct depot_gift gift);
void depot_gift_leave(struct depot_walk *walk); /* a thread that will not come */
void depot_gift_init(struct depot_walk *walk);
void depot_gift_clear(struct depot_walk *walk);

#endif
