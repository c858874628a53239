/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_TIPS_H
#define MUSTER_JOBS_SCAN_TIPS_H

#include <glib.h>

#include "jobs/git/refs.h"
#include "jobs/scan/depot.h"
#include "jobs/scan/state.h"

/*
 * Where the commits of a scan are reached from: every ref, HEAD and the HEADs of linked worktrees
 * when they are detached, every entry of the stash; where history is cut off; and what a person
 * means by "main~3".
 *
 * Ownership: tips own their names.
 */
struct scan_tips {
	GArray *list;    /* struct history_tip */
	GArray *shallow; /* struct oid */
	GStringChunk *names;
	gboolean has_head; /* HEAD leads to a commit */
	struct oid head;
};
typedef struct scan_tips ScanTips; /* for g_auto */

/* All of a repository. Errors: as refs_read(). */
gboolean scan_tips_read(struct scan_tips *tips, const struct repo *r, GError **error);
/* Only this branch, tag or ref. Errors: MUSTER_ERROR_MISSING, and as refs_read(). */
gboolean scan_tips_read_one(
	struct scan_tips *tips, const struct repo *r, const char *name, GError **error);
/* None yet, but where history is cut off. */
void scan_tips_init(struct scan_tips *tips, const struct repo *r);
void scan_tips_add(
	struct scan_tips *tips, const char *name, const struct oid *oid, gboolean is_head);
void scan_tips_clear(struct scan_tips *tips);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScanTips, scan_tips_clear)

/*
 * A commit by name: HEAD, a ref in full or short, an object's name in full or at least four digits
 * of it, each followed by any number of ~N and ^N. Errors: MUSTER_ERROR_MISSING, _INPUT when it is
 * ambiguous or no name.
 */
gboolean scan_revision_find(const struct repo *r, struct depot *depot, const char *name,
	struct oid *oid, GError **error);

#endif
