/* SPDX-License-Identifier: MIT */
/*
 * An object store for walking history: libgit2's, which keeps delta bases and maps packs.
 *
 * Only the store is opened: no configuration of the repository is read, no owner asked after, no
 * extension refused; alternates are followed. (For the few objects a status needs there is
 * jobs/git/object.h, which does not load libgit2's state at all.)
 *
 * Every read is capped: the size in an object's header is looked at before its bytes are.
 *
 * Ownership: an odb is used by one thread; an object's bytes live until odb_object_clear(). Errors:
 * MUSTER_ERROR_INPUT (missing or broken object), _LIMIT (larger than the cap), _IO.
 *
 *	g_autoptr(Odb) odb = odb_open(r->commondir, error);
 *	g_auto(OdbObject) commit = {0};
 *	if (!odb_read(odb, &head, OBJECT_COMMIT, OBJECT_COMMIT_MAX_BYTES, &commit, error))
 *		return FALSE;
 */
#ifndef MUSTER_JOBS_GIT_ODB_H
#define MUSTER_JOBS_GIT_ODB_H

#include "jobs/git/object.h"

struct odb;
typedef struct odb Odb; /* for g_autoptr */

/* Once a process; afterwards libgit2 asks about no global configuration and no owner. */
gboolean odb_library_start(GError **error);

struct odb *odb_open(const char *commondir, GError **error);
void odb_free(struct odb *odb);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Odb, odb_free)

struct odb_object {
	enum object_type type;
	const char *data; /* not terminated */
	gsize len;
	void *handle;
};
typedef struct odb_object OdbObject; /* for g_auto */
void odb_object_clear(struct odb_object *object);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OdbObject, odb_object_clear)

/* type OBJECT_UNSET takes any. */
gboolean odb_read(struct odb *odb, const struct oid *oid, enum object_type type, gsize max_bytes,
	struct odb_object *object, GError **error);

/* Type and size alone. */
gboolean odb_look(struct odb *odb, const struct oid *oid, enum object_type *type,
	guint64 *size_bytes, GError **error);

/* The entry at path ("a/b/c") below a tree; FALSE without an error when there is none. */
gboolean odb_tree_find(struct odb *odb, const struct oid *tree, const char *path, struct oid *oid,
	uint32_t *mode, GError **error);

#endif
