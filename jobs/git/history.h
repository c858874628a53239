/* SPDX-License-Identifier: MIT */
/*
 * What a repository's commits say: how far a branch is from its upstream, who committed when, when
 * a tip was made, which commit added a file.
 *
 * Commits are read through libgit2's object store and kept as a small graph (48 bytes each), so
 * that all questions about one repository share what was read. Shallow clones end where they end.
 * Replace refs and grafts are not looked at, as in `git --no-replace-objects`. At most
 * HISTORY_COMMITS_MAX commits are read; results beyond are marked or refused, never guessed.
 *
 * Ownership: a history owns its store and its graph; used by one thread. Errors: those of
 * jobs/git/odb.h, and MUSTER_ERROR_LIMIT.
 *
 *	g_autoptr(History) history = history_open(r, error);
 *	guint64 ahead, behind;
 *	if (!history_distance(history, &branch, &upstream, &ahead, &behind, error))
 *		return FALSE;
 */
#ifndef MUSTER_JOBS_GIT_HISTORY_H
#define MUSTER_JOBS_GIT_HISTORY_H

#include "jobs/git/odb.h"

#define HISTORY_COMMITS_MAX 3000000
#define HISTORY_TEXT_MAX_BYTES 200

struct history;
typedef struct history History; /* for g_autoptr */

struct history *history_open(const struct repo *r, GError **error);
void history_free(struct history *history);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(History, history_free)

/* Borrowed. */
struct odb *history_odb(struct history *history);

/* Commits reachable from a and not from b, and the other way round: `git rev-list --count`. */
gboolean history_distance(struct history *history, const struct oid *a, const struct oid *b,
	guint64 *ahead, guint64 *behind, GError **error);

/* A commit's committer time, through annotated tags; G_MAXINT64 for what is no commit. */
gboolean history_time(struct history *history, const struct oid *oid, gint64 *time, GError **error);

/* All of the commits that are reachable from one. Independent of the clock but for `recent`. */
struct history_log {
	char *subject; /* of the last commit: first line, control characters as spaces, UTF-8 */
	char *author;  /* of the last commit: the name, likewise */
	gint64 time;   /* of the last commit: the committer's */
	guint64 commits, signed_commits, contributors;
	GArray *recent;    /* gint64: committer times from `since` on, in no order */
	GArray *people;    /* guint64, sorted: hashes of the authors' addresses */
	bool is_truncated; /* HISTORY_COMMITS_MAX was reached: the newest were counted */
	bool is_shallow;
};

/*
 * older: the log of an earlier head, or NULL; when that head is an ancestor only what is new is
 * read. since: `recent` begins here. Freed with history_log_free().
 */
struct history_log *history_log_new(struct history *history, const struct oid *head, gint64 since,
	const struct oid *older_head, const struct history_log *older, GError **error);
void history_log_free(struct history_log *log);

/*
 * The commit that brought this blob to this path, following the parents that have it from head on.
 * Stops after *budget trees (counted down), then *commit is zero. author: as in the log; g_free().
 */
gboolean history_added(struct history *history, const struct oid *head, const char *path,
	const struct oid *blob, guint *budget, struct oid *commit, char **author, gint64 *time,
	GError **error);

/* The tree of a commit. */
gboolean history_tree(
	struct history *history, const struct oid *commit, struct oid *tree, GError **error);

#endif
