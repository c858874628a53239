/* SPDX-License-Identifier: MIT */
/*
 * The file packed-refs: one pass over its bytes, names left where they lie.
 *
 * Ownership: the list owns the file's bytes, in which the names lie; refs.c takes them over.
 * Errors: MUSTER_ERROR_INPUT for a line that is none, MUSTER_ERROR_LIMIT beyond the caps.
 */
#ifndef MUSTER_JOBS_GIT_PACKED_REFS_H
#define MUSTER_JOBS_GIT_PACKED_REFS_H

#include "jobs/git/refs.h"

#define PACKED_REFS_MAX_BYTES (512 * 1024 * 1024)
#define REFS_MAX 2000000

struct packed_refs {
	char *data;
	struct ref *list; /* sorted by name, one each */
	gsize count;
};
typedef struct packed_refs PackedRefs; /* for g_autoptr */

/* Takes `data` (len bytes and a zero byte behind them), also on failure. */
struct packed_refs *packed_refs_parse(char *data, gsize len, GError **error);
/* A file that is not there gives an empty list. */
struct packed_refs *packed_refs_load(int commondir_fd, GError **error);
void packed_refs_free(struct packed_refs *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PackedRefs, packed_refs_free)

gboolean packed_refs_find(const struct packed_refs *p, const char *name, struct oid *oid);

#endif
