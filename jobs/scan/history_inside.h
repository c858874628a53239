/* SPDX-License-Identifier: MIT */
/*
 * The inside of a history run, for the files of history.c only:
 *
 *	history.c		what to do, tips, problems
 *	history_commit.c	every commit, the first time
 *	history_tree.c		every tree, the first time
 *	history_range.c		new commits, later, or those of a range
 *	history_new.c		what their trees brought
 *	history_path.c		files that rules know by their paths
 *	history_sight.c		sightings out of the graph and the holdings
 */
#ifndef MUSTER_JOBS_SCAN_HISTORY_INSIDE_H
#define MUSTER_JOBS_SCAN_HISTORY_INSIDE_H

#include "jobs/scan/git_bytes.h"
#include "jobs/scan/history.h"
#include "jobs/scan/state_store.h"

#define HISTORY_OBJECT_MAX (64u << 20) /* bytes of a commit, tag or tree read by itself */
#define HISTORY_PARENTS_MAX 1000
#define HISTORY_GAPS_MAX 65536
#define HISTORY_PATH_MAX 65536

/* What a tip leads to: one of the three. Numbers of the depot; DEPOT_NONE. */
struct history_target {
	guint32 commit, tree, blob;
	guint32 place; /* of the commit in the graph; COMMIT_GRAPH_NONE */
	guint32 held;  /* of the tree */
};

struct history_run {
	struct depot *depot;
	struct state *state;
	struct history_options options;
	struct depot_reader *reader;
	struct oid_map shallow;

	GArray *targets; /* struct history_target, one a tip */
	GArray *without; /* guint32: the commits that options.without lead to, in the depot */
	GArray *problems;
	guint64 n_problems;
	struct history_counts counts;
	gboolean is_found; /* history_run_find() was called */

	struct commit_walk *commits; /* while all are read and followed */

	struct oid_map tips; /* of the last scan: numbers in state->tip_places */

	guint64 n_refs_broken; /* problems of the tips themselves */

	/* Depot numbers of the trees of the graph's commits, from place first_new on. */
	GArray *trees;
	guint32 first_new;
};

enum history_gap {
	HISTORY_GAP_BLOB,   /* missing */
	HISTORY_GAP_TREE,   /* missing */
	HISTORY_GAP_BROKEN, /* a tree */
};

void history_problem_add(
	struct history_run *run, enum history_problem_kind kind, const struct oid *oid);
/* Back to the first n of them: what was met on the way is met again, or is not of the range. */
void history_problems_forget(struct history_run *run, guint64 n);
gboolean history_is_cancelled(const struct history_run *run, GError **error);

/* HOLDING_GAP and a number; 0 when there are too many. */
guint32 history_gap_add(struct history_run *run, enum history_gap kind, const struct oid *oid);

/*
 * Whether an object is known to be of another kind than the entry of a tree says: somebody changed
 * the header it is stored with, and what should have been scanned as a file was not.
 */
gboolean history_is_other_kind(const struct history_run *run, guint32 number, gboolean is_folder);

/* The commit's headers; FALSE and a problem when they cannot be had. Points into the reader. */
gboolean history_commit_read(struct history_run *run, guint32 number, struct commit_bytes *commit);

/*
 * Every commit is read, then the (empty) graph is filled with those the tips lead to, and those a
 * range leaves out (GRAPH_OUTSIDE); trees[] is the depot number of each one's tree; the places of
 * the targets are set. Both may be done in a thread of its own: from _begin() to _read(), which
 * waits, the depot may be read but not walked, from _follow() to _finish(), which waits, graph,
 * targets and problems belong to that thread. _read() begins when nobody did; _finish() may be
 * called again.
 */
void history_commits_begin(struct history_run *run);
gboolean history_commits_read(struct history_run *run, GError **error);
void history_commits_follow(struct history_run *run);
gboolean history_commits_finish(struct history_run *run, GError **error);
void history_commits_free(struct history_run *run); /* at any time */

/*
 * Reads every tree, waits for the graph, then says what the trees of its commits and of the targets
 * hold. The graph's commits must all be young.
 */
gboolean history_trees_walk(struct history_run *run, GError **error);

/*
 * Reads commits from the tips to the graph's, adds them to it, and sets the bits of the blobs they
 * brought. FALSE without an error when there are too many: then everything is to be walked.
 */
gboolean history_new_find(
	struct history_run *run, guint64 *wanted, gboolean *is_done, GError **error);

/*
 * The commits of the range `without`, or those that are not in the graph, from the targets: adds
 * them, their trees' numbers and, of a range, the parents that are not of it (GRAPH_OUTSIDE). FALSE
 * when they are too many.
 */
gboolean history_new_commits(struct history_run *run);

/* What the new commits' trees and the targets' hold. */
gboolean history_new_hold(struct history_run *run, GError **error);

/*
 * Adds hits for the files that rules know by their paths alone, in the commits of the graph from
 * first_new on and in the targets' trees. Nothing when there are no such rules.
 */
gboolean history_paths_find(struct history_run *run, GError **error);

/* Sightings for the state from its graph, holdings and hits. */
gboolean history_sight(struct history_run *run, GError **error);

#endif
