/* SPDX-License-Identifier: MIT */
/*
 * git's index file, versions 2 to 4, read once into memory and never written.
 *
 * Understands split indexes (the `link` extension), sparse indexes (folders as entries), the cache
 * tree, and every flag of an entry. The checksum behind the file is not verified (git does not on
 * reading, and index.skipHash writes none). Every offset is checked: a broken or hostile file is
 * MUSTER_ERROR_INPUT, or MUSTER_ERROR_LIMIT where it asks for too much, never a crash.
 *
 * What is guaranteed afterwards: paths are strictly ascending by (bytes, stage), without empty,
 *`.`,
 * `..` or `.git` parts, at most INDEX_PATH_MAX long and without zero bytes.
 *
 * Ownership: `struct index` owns everything an entry points to. No allocation an entry.
 *
 *	g_autoptr(Index) ix = index_load(r, error);
 *	for (gsize i = 0; i < ix->count; i++)
 *		puts(ix->entries[i].path);
 *
 * Source: git's Documentation/gitformat-index.txt.
 */
#ifndef MUSTER_JOBS_GIT_INDEX_H
#define MUSTER_JOBS_GIT_INDEX_H

#include "jobs/git/refs.h"

#include <endian.h>
#include <string.h>

#define INDEX_PATH_MAX 4096
#define INDEX_EXPANDED_MAX 10000000
#define INDEX_FILE_MAX_BYTES (1024u * 1024 * 1024)

#define INDEX_MODE_TYPE 0170000u
#define INDEX_MODE_FILE 0100000u
#define INDEX_MODE_LINK 0120000u
#define INDEX_MODE_GITLINK 0160000u
#define INDEX_MODE_FOLDER 0040000u

enum index_flag {
	INDEX_FLAG_SKIP_WORKTREE = 1 << 0,
	INDEX_FLAG_INTENT_TO_ADD = 1 << 1,
	INDEX_FLAG_ASSUME_UNCHANGED = 1 << 2,
	INDEX_FLAG_NO_STAT = 1 << 3, /* made from a tree: stat data is all zero */
};

struct index_entry {
	const char *path;   /* zero-terminated */
	const uint8_t *raw; /* the entry's 60 bytes in the file: stat data, mode, oid */
	uint32_t path_len;
	uint8_t stage; /* 0, or 1 to 3 of an unmerged path */
	uint8_t flags; /* enum index_flag */
};

/* A node of the cache tree, in the file's order: parents before children. */
struct index_tree {
	const char *name; /* one path part, not zero-terminated at name_len */
	uint32_t name_len;
	int32_t entry_count; /* -1: not valid */
	uint32_t subtrees;   /* direct children, following */
	uint32_t next;       /* number of the node behind this one's whole subtree */
	const uint8_t *oid;  /* NULL when not valid */
};

struct index {
	struct index_entry *entries;
	gsize count;
	unsigned version;
	bool has_folders; /* sparse: entries of mode INDEX_MODE_FOLDER, paths ending in '/' */
	struct index_tree *tree; /* NULL without a cache tree */
	gsize tree_count;
	gint64 mtime_s; /* of the file, for the racy test; 0 without a file */
	guint32 mtime_ns;

	char *data;          /* the file */
	char *paths;         /* version 4: the paths, put together */
	GStringChunk *extra; /* entries made from trees */
	struct index *base;  /* split: the shared index */
	const uint8_t *link; /* split: the extension's bytes */
	gsize link_len;
};
typedef struct index Index; /* for g_autoptr */

/* The index of the repository's working tree; one without entries when there is no file. */
struct index *index_load(const struct repo *r, GError **error);
/* The same from another file: what GIT_INDEX_FILE names while git makes a commit of some files. */
struct index *index_load_from(const struct repo *r, const char *path, GError **error);
/* Takes `data` (len bytes and one zero byte behind them), also on failure. A split index is
 * returned unmerged with `link` set. */
struct index *index_parse(char *data, gsize len, GError **error);
/* Merges a split index with its shared one and takes `base`. */
gboolean index_merge(struct index *ix, struct index *base, GError **error);

/*
 * Puts a tree's files, as skip-worktree entries without stat data, in the place of each sparse
 * folder entry i with which[i] != 0. At most INDEX_EXPANDED_MAX entries come out.
 */
struct object_store;
gboolean index_expand(
	struct index *ix, struct object_store *store, const uint8_t *which, GError **error);
void index_free(struct index *ix);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Index, index_free)

/* First entry not below `path` by bytes; ix->count when there is none. */
gsize index_lower_bound(const struct index *ix, const char *path, gsize len);
/* The entry of stage 0; NULL when missing. */
const struct index_entry *index_find(const struct index *ix, const char *path, gsize len);

/* End of the run of entries from `low` (below `high`) that begin with path[0..prefix_len). */
gsize index_prefix_end(const struct index *ix, gsize low, gsize high, gsize prefix_len);

enum index_field {
	INDEX_CTIME_S = 0,
	INDEX_CTIME_NS = 4,
	INDEX_MTIME_S = 8,
	INDEX_MTIME_NS = 12,
	INDEX_INODE = 20,
	INDEX_MODE = 24,
	INDEX_UID = 28,
	INDEX_GID = 32,
	INDEX_SIZE = 36,
	INDEX_OID = 40,
};

static inline uint32_t index_field(const struct index_entry *e, enum index_field field)
{
	uint32_t value;

	memcpy(&value, e->raw + field, sizeof(value));
	return be32toh(value);
}

static inline const uint8_t *index_oid(const struct index_entry *e)
{
	return e->raw + INDEX_OID;
}

static inline uint32_t index_mode(const struct index_entry *e)
{
	return index_field(e, INDEX_MODE);
}

static inline bool index_is_gitlink(const struct index_entry *e)
{
	return (index_mode(e) & INDEX_MODE_TYPE) == INDEX_MODE_GITLINK;
}

static inline bool index_is_folder(const struct index_entry *e)
{
	return (index_mode(e) & INDEX_MODE_TYPE) == INDEX_MODE_FOLDER;
}

#endif
