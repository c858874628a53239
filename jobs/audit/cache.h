/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_CACHE_H
#define MUSTER_JOBS_AUDIT_CACHE_H

#include <glib.h>

#include "jobs/git/head.h"
#include "jobs/git/history.h"

/*
 * What was computed from a repository's commits, kept in one file and found again by the names of
 * the commits it was computed from: a commit never changes, so nothing here grows old. A file is
 *
 *	<SHA-256 of the rest, hex> LF
 *	{"version":…,"gitdir":"…","shallow":"…","log":{…},"tree":{…},"distances":"…","times":"…"}
 *
 * with lists of numbers as base64 of their bytes (the file is this machine's alone). A file that is
 * damaged, of another version or of another repository is as good as none; so is the whole when the
 * clone was deepened (shallow differs).
 *
 * Ownership: the cache owns everything; what is looked up is borrowed from it.
 */

struct cache_time {
	struct oid oid;
	gint64 time;
};

struct cache_distance {
	struct oid a, b;
	guint64 ahead, behind;
};

struct cache {
	struct oid log_head;     /* the commit log is of */
	struct history_log *log; /* NULL: none */
	gint64 computed_at;      /* log->recent begins CACHE_RECENT_SECONDS before it */
	struct oid tree_head;
	struct head_tree *tree;
	guint64 large_bytes; /* the threshold of tree->large */
	GArray *times;       /* struct cache_time, sorted */
	GArray *distances;   /* struct cache_distance, sorted */
	char *disk_key;      /* what the object store looked like; "" */
	gint64 disk_bytes;
};
typedef struct cache Cache; /* for g_autoptr */

#define CACHE_RECENT_SECONDS ((gint64)31 * 86400)

struct cache *cache_new(void);
void cache_free(struct cache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cache, cache_free)

/* Empty when there is no good file. */
struct cache *cache_load(const char *folder, const char *gitdir, const char *shallow);

/* Sorts the lists first. Errors: MUSTER_ERROR_IO. */
gboolean cache_save(struct cache *cache, const char *folder, const char *gitdir,
	const char *shallow, GError **error);

/*
 * Removes files that no audit asked for in 90 days, and what a crash left half written; looks at
 * most once a week. Never fails.
 */
void cache_prune(const char *folder, gint64 now);

/* NULL when not known. */
const struct cache_time *cache_find_time(const struct cache *cache, const struct oid *oid);
const struct cache_distance *cache_find_distance(
	const struct cache *cache, const struct oid *a, const struct oid *b);

#endif
