/* SPDX-License-Identifier: MIT */
/*
 * History: which blobs are new since the last scan, and who introduced what was found in them.
 *
 * Attribution is exact: for each path and secret the oldest commit whose tree holds it at that path
 * while none of its parents' trees does, the newest that holds it, the newest that took it away,
 * whether HEAD has it, which refs lead to it. Order is by the committer's date, ties by id.
 *
 * The first time, every commit and every tree is walked once, in the depot's order: of a tree that
 * is a delta only what the delta changed is looked at. What a tree holds of interest is a number
 * (equal number: equal holdings, empty is 0), so commits are compared with their parents by
 * comparing numbers, and only where these differ paths are followed. Later only new commits are
 * read, and of their trees only folders that differ from a parent's; all answers are then computed
 * anew from the numbers, so that a force-push, a merge or a new ref needs no code of its own.
 *
 * Refused: replace refs and grafts are not looked at, as in `git --no-replace-objects`. Trees
 * nested deeper than HISTORY_DEPTH_MAX and trees that hold more than HISTORY_PLACES_MAX places are
 * taken as empty, and told: git itself goes no deeper (core.maxTreeDepth), and a place is a
 * finding, of which a million fill gigabytes. Files in which nothing is found are no places.
 * Missing and broken objects are counted and, some of them, named: never an error.
 *
 *	struct history_options options = {.tips = tips, .n_tips = n, …};
 *	g_autoptr(HistoryRun) run = history_run_new(depot, state, &options);
 *	guint64 *wanted = g_new0(guint64, depot_count(depot) / 64 + 1), n;
 *	if (!history_run_find(run, wanted, &n, error))
 *		…
 *	… scan …
 *	history_run_begin(run)
 *	… state_add_hit(), state_add_scanned() …
 *	if (!history_run_attribute(run, error))
 *		…
 *	state_sightings(state, &n_sightings)
 *
 * Memory: about 45 bytes a commit, 25 a tree and 8 an object while a run lasts: git.git 35 MB.
 * One run at a time for a state and a depot; it borrows both, and the options' arrays.
 */
#ifndef MUSTER_JOBS_SCAN_HISTORY_H
#define MUSTER_JOBS_SCAN_HISTORY_H

#include "jobs/scan/depot.h"
#include "jobs/scan/state.h"

#define HISTORY_DEPTH_MAX 2048
#define HISTORY_PLACES_MAX 1000000

struct history_options {
	const struct history_tip *tips;
	gsize n_tips;
	/* Commits whose parents are not here (.git/shallow). */
	const struct oid *shallow;
	gsize n_shallow;
	/*
	 * A range: commits reachable from these (or from what such tags name) are as known, `A..B`
	 * and `--not --all`. What they introduced is not told. Only with a state without a folder.
	 */
	const struct oid *without;
	gsize n_without;
	/* Hits in blobs that no tip leads to become sightings without a path. */
	gboolean is_unreachable;
	/* So many commits are read one by one; of more, everything is walked. 0: what is faster. */
	guint32 singly_max;
	guint threads;      /* 1: nothing is done side by side */
	const gint *cancel; /* not 0: stop with MUSTER_ERROR_BUSY; may be NULL */
};

struct history_run;
typedef struct history_run HistoryRun; /* for g_autoptr */

struct history_run *history_run_new(
	struct depot *depot, struct state *state, const struct history_options *options);
void history_run_free(struct history_run *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HistoryRun, history_run_free)

/*
 * Sets the bits of the objects that have to be scanned (bits of other types than blobs may be set
 * as well: they are not scanned) and counts them. After the first scan: blobs that new commits
 * brought, and those with a gap; else all that are not known. Errors: MUSTER_ERROR_BUSY, _LIMIT.
 */
gboolean history_run_find(
	struct history_run *run, guint64 *wanted, guint64 *n_wanted, GError **error);

/*
 * Begins with what needs no hits, in threads of its own, while the caller puts these into the
 * state. Until history_run_attribute() the depot is not walked by anybody else. Need not be called.
 */
void history_run_begin(struct history_run *run);

/*
 * Puts sightings (and the graph) into the state, from all hits that are in it. Errors:
 * MUSTER_ERROR_BUSY (cancelled), _LIMIT (no memory); then the state has no sightings.
 */
gboolean history_run_attribute(struct history_run *run, GError **error);

/*
 * After that, of a range: sets a bit for each blob of the depot that its commits brought, as
 * against their parents. To know which blobs the answer is about: more may have been asked for.
 * Errors: MUSTER_ERROR_BUSY.
 */
gboolean history_run_brought(struct history_run *run, guint64 *brought, GError **error);

/* What could not be read on the way from the tips. */
enum history_problem_kind {
	HISTORY_PROBLEM_MISSING = 1, /* named by a ref, commit or tree, and not there */
	HISTORY_PROBLEM_BROKEN,      /* there, and its bytes make no sense */
	HISTORY_PROBLEM_LIMIT,       /* too deep, or too many places: taken as empty */
};
struct history_problem {
	enum history_problem_kind kind;
	struct oid oid;
};
#define HISTORY_PROBLEMS_MAX 1000
/* The first of them; *total counts all. */
const struct history_problem *history_run_problems(
	const struct history_run *run, gsize *n, guint64 *total);

/* For the report. */
struct history_counts {
	guint64 commits;       /* reachable from the tips; of a range, its own */
	guint64 new_commits;   /* of them read in this run */
	guint64 trees;         /* read in this run */
	guint64 missing_blobs; /* that a reachable tree names; expected in a partial clone */
	gboolean is_full;      /* every commit and tree was walked */
};
struct history_counts history_run_counts(const struct history_run *run);

#endif
