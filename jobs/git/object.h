/* SPDX-License-Identifier: MIT */
/*
 * Reading single objects: loose files, packs (with deltas) and alternates.
 *
 * For the few objects a status needs: HEAD's commit, trees that differ from the cache tree, a blob
 * whose line endings decide. Not for walking history. Files are read, never mapped: an owner may
 * shorten them at any time. The object's name is not verified against its bytes.
 *
 * Ownership: a store owns its open packs; an object's data is the caller's (g_free). A store is
 * used by one thread.
 *
 *	g_autoptr(ObjectStore) store = object_store_new(r);
 *	struct object o;
 *	if (object_read(store, oid, OBJECT_BLOB, 1 << 20, &o) == OBJECT_OK)
 *		g_free(o.data);
 */
#ifndef MUSTER_JOBS_GIT_OBJECT_H
#define MUSTER_JOBS_GIT_OBJECT_H

#include "jobs/git/refs.h"

#define OBJECT_TREE_MAX_BYTES (256u * 1024 * 1024)
#define OBJECT_COMMIT_MAX_BYTES (16u * 1024 * 1024)

/* Numbers as in a pack. */
enum object_type {
	OBJECT_UNSET,
	OBJECT_COMMIT = 1,
	OBJECT_TREE = 2,
	OBJECT_BLOB = 3,
	OBJECT_TAG = 4,
};

enum object_result {
	OBJECT_OK,
	OBJECT_MISSING,
	OBJECT_TOO_BIG,
	OBJECT_BROKEN, /* bytes that do not make the object, or another type than asked for */
};

struct object {
	enum object_type type;
	char *data; /* one zero byte behind it */
	gsize len;
};

struct object_store;
typedef struct object_store ObjectStore; /* for g_autoptr */

/* Borrows the repository. Opens nothing until it is asked. */
struct object_store *object_store_new(const struct repo *r);
void object_store_free(struct object_store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ObjectStore, object_store_free)

/* `type` OBJECT_UNSET takes any. */
enum object_result object_read(struct object_store *store, const uint8_t *oid,
	enum object_type type, gsize max_bytes, struct object *object);

/* The same with an error: INPUT for missing and broken, LIMIT for too big; `what` names it. */
gboolean object_get(struct object_store *store, const uint8_t *oid, enum object_type type,
	const char *what, struct object *object, GError **error);

/* The tree of a commit. */
gboolean object_commit_tree(
	struct object_store *store, const uint8_t *commit, struct oid *tree, GError **error);

/*
 * One entry of a tree's bytes; `*at` moves on. FALSE at the end and on a broken entry; then
 * `*at != end` tells that it was broken. Modes are as the index has them.
 */
struct tree_entry {
	const char *name;
	gsize name_len;
	uint32_t mode;
	const uint8_t *oid;
};
gboolean tree_next(const char **at, const char *end, struct tree_entry *entry);

#endif
