/* SPDX-License-Identifier: MIT */
/*
 * What HEAD's tree holds: how many files and bytes, which of them are large, which should not be
 * tracked by their name, and which of the files that a repository should have are there.
 *
 * Looks at names and sizes, and at contents only to see that a .pem or .key file holds nothing but
 * certificates and public keys. Caps: HEAD_FILES_MAX files, paths of 4 096 bytes;
 * beyond is MUSTER_ERROR_LIMIT.
 *
 *	g_autoptr(HeadTree) head = head_tree_new(history_odb(history), &tree, 10 << 20, error);
 */
#ifndef MUSTER_JOBS_GIT_HEAD_H
#define MUSTER_JOBS_GIT_HEAD_H

#include "jobs/git/odb.h"

#define HEAD_FILES_MAX 2000000
#define HEAD_LIST_MAX 50 /* files named of each sort; all are counted */

struct head_file {
	char *path;
	struct oid oid;
	guint64 size_bytes;
	char commit[OID_HEX + 1]; /* that added it; "" unknown */
	char *author;             /* of that commit; NULL unknown */
	gint64 time;
};

/* Bits of head_tree.present. */
enum head_part {
	HEAD_PART_README = 1 << 0,
	HEAD_PART_LICENSE = 1 << 1,
	HEAD_PART_SECURITY = 1 << 2,
	HEAD_PART_CODEOWNERS = 1 << 3,
	HEAD_PART_CI = 1 << 4,
	HEAD_PART_GITIGNORE = 1 << 5,
	HEAD_PART_UPDATE_TOOL = 1 << 6,
};

struct head_tree {
	unsigned present; /* of enum head_part */
	guint64 files;
	guint64 bytes;                        /* of all files, as they are in the tree */
	GPtrArray *large;                     /* struct head_file, largest first */
	GPtrArray *sensitive;                 /* struct head_file, by path */
	guint64 large_count, sensitive_count; /* may be more than the lists hold */
};
typedef struct head_tree HeadTree; /* for g_autoptr */

struct head_tree *head_tree_new(
	struct odb *odb, const struct oid *tree, guint64 large_bytes, GError **error);
/* With nothing in it: for whoever knows the contents already. */
struct head_tree *head_tree_new_empty(void);
void head_tree_free(struct head_tree *head);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeadTree, head_tree_free)

struct head_file *head_file_new(const char *path, const struct oid *oid, guint64 size_bytes);

/* What a path is: bits of enum head_part, 0 for most. */
unsigned head_part_of(const char *path);

/*
 * Does the name say that the file holds a secret? `.env` and its kin (not .env.example), private
 * keys, key stores, certificates, password files of tools.
 */
bool head_is_sensitive(const char *path);

#endif
