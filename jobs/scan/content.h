/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CONTENT_H
#define MUSTER_JOBS_SCAN_CONTENT_H

#include <glib.h>

#include "jobs/scan/budget.h"
#include "jobs/scan/depot.h"
#include "jobs/scan/hit.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/scan.h"

/*
 * Which bytes of a blob the matcher must look at, and what it accepts there.
 *
 * Most blobs of a repository are deltas: a version of a file, most of it as it was. Each blob that
 * was read leaves its candidates behind, refused ones too, as the state that its delta children
 * inherit. What a child copied keeps its verdicts; only what is new, and what a change could have
 * reached, is sieved and judged again. The outcome is that of reading every byte, always: what the
 * rules for that are is told in content_inherit.h.
 *
 * Classes. Text is scanned as it is. UTF-16 is turned into UTF-8 and scanned in full, places are
 * turned back. Binary, a NUL within the first 8 KiB that is not UTF-16's, is skipped and counted,
 * unless that is asked for: then it is text. A blob whose class differs from its base's, or whose
 * base left no candidates behind, is scanned in full.
 *
 *	struct content *content = content_new(&shared, matcher_thread);		in each thread
 *	state = content_visit(content, object);					from depot_walk()
 *	content_forget(&shared, state);						from any thread
 *
 * A content belongs to one thread; shared to all of them.
 */
struct content_shared {
	struct matcher *matcher;
	struct budget *budget; /* of what is larger than the blob itself; NULL: no limit */
	guint64 blob_max_bytes;
	guint64 hits_max;    /* of each thread */
	gint64 states_bytes; /* atomic: kept just now */
	gint64 states_max;   /* beyond, nothing is left behind and children are read in full */
	gboolean is_binary;
	gboolean is_whole;
	gboolean has_archives;
};

/* What a thread found and counted; added up when all are through. */
struct content {
	struct content_shared *shared;
	struct matcher_thread *thread; /* borrowed */
	GArray *hits;                  /* struct hit, in the order of reading */
	GArray *gaps;                  /* struct scan_gap, undecided and failed ones */
	struct scan_coverage
		coverage; /* eligible, scanned, bytes, sieved, gaps, undecided, dropped */
	GArray *archives; /* guint32: those that begin as an archive, when asked for */
	/* Working space, of no meaning between calls. */
	GArray *found, *carried, *list, *ranges;
	struct content_text *text;
	/* What this thread holds of the budget: its UTF-8, and its item when that is one. */
	struct budget_lease lease;
};

struct content *content_new(struct content_shared *shared, struct matcher_thread *thread);
void content_free(struct content *content);

/* One blob. Returns what its delta children inherit, never NULL. */
gpointer content_visit(struct content *content, const struct depot_object *object);
void content_forget(struct content_shared *shared, gpointer state);

/* One blob that is nobody's child and has none; number is what hits call it. */
void content_bytes(struct content *content, guint32 number, const guint8 *data, gsize len);

/* Counts a blob that was not read, or not decided; a binary one is not kept by number. */
void content_add_gap(struct content *content, guint32 blob, enum scan_gap_reason reason);

/* The candidates a state holds, for tests: NULL when it holds none because nothing was kept. */
const struct candidate *content_state_candidates(gconstpointer state, guint *n);

/* Candidates of one blob that are kept for its children; 160 KiB. */
#define CONTENT_KEEP_MAX 4096
#define CONTENT_STATES_BYTES (G_GINT64_CONSTANT(64) << 20)

#endif
