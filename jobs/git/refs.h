/* SPDX-License-Identifier: MIT */
/*
 * A repository's references: HEAD, loose files and packed-refs, read without libgit2.
 *
 * Objects are not read: an oid here may be missing from the object store. Names that git refuses
 * (`..`, control characters, `.lock`) and files without an oid are left out and counted. Symbolic
 * refs are followed at most five times. Caps: packed-refs 512 MiB, 2 000 000 refs, folders 64 deep.
 *
 * Ownership: `struct refs` owns names and oids. Errors: MUSTER_ERROR_INPUT (broken HEAD or
 * packed-refs), MUSTER_ERROR_IO, MUSTER_ERROR_LIMIT.
 *
 *	g_autoptr(Refs) all = refs_read(r, error);
 *	const struct ref *up = refs_find(all, "refs/remotes/origin/main");
 */
#ifndef MUSTER_JOBS_GIT_REFS_H
#define MUSTER_JOBS_GIT_REFS_H

#include "jobs/git/repo.h"
#include "lib/oid.h"

enum head_state {
	HEAD_STATE_UNSET,
	HEAD_STATE_BRANCH,
	HEAD_STATE_DETACHED,
	HEAD_STATE_UNBORN, /* names a branch that has no commit yet */
};

struct refs_head {
	enum head_state state;
	char *ref;          /* "refs/heads/main", NULL when detached */
	const char *branch; /* "main", inside ref; NULL when detached */
	struct oid oid;     /* zero when unborn */
};
typedef struct refs_head RefsHead; /* for g_auto */
void refs_head_clear(struct refs_head *head);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RefsHead, refs_head_clear)

struct ref {
	const char *name;  /* full: refs/heads/main */
	struct oid oid;    /* where it points in the end */
	struct oid peeled; /* of a packed annotated tag, when has_peeled */
	bool has_peeled;
	bool is_symbolic; /* refs/remotes/origin/HEAD */
};

struct refs {
	struct refs_head head;
	struct ref *list; /* sorted by name, one each */
	gsize count;
	gsize broken;  /* refs left out because they could not be understood */
	char tips[65]; /* SHA-256 over HEAD and every (name, oid): equal when nothing moved */
	GStringChunk *names;
	char *packed; /* bytes of packed-refs, where names of packed refs lie */
};
typedef struct refs Refs; /* for g_autoptr */

struct refs *refs_read(const struct repo *r, GError **error);
void refs_free(struct refs *all);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Refs, refs_free)
const struct ref *refs_find(const struct refs *all, const char *name);

/* HEAD alone: a few system calls. */
gboolean refs_head_read(const struct repo *r, struct refs_head *head, GError **error);

/* Entries of the stash: lines of its reflog. 0 without one. */
guint64 refs_stash_count(const struct repo *r);

enum refs_operation {
	REFS_OPERATION_NONE,
	REFS_OPERATION_MERGE,
	REFS_OPERATION_REBASE,
	REFS_OPERATION_AM,
	REFS_OPERATION_CHERRY_PICK,
	REFS_OPERATION_REVERT,
	REFS_OPERATION_BISECT,
};
/* What waits to be finished in this working tree. */
enum refs_operation refs_operation_get(const struct repo *r);
/* "merge", "cherry-pick" …; NULL for none. */
const char *refs_operation_name(enum refs_operation operation);

/* Time of the last fetch (FETCH_HEAD's mtime) in Unix seconds; -1 when never. */
gint64 refs_fetch_time(const struct repo *r);

#endif
