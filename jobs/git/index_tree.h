/* SPDX-License-Identifier: MIT */
/*
 * The cache tree: which folders of the index are, unchanged, a tree object of which name.
 *
 * Read by index_parse(); nodes lie in index.tree in the file's order.
 */
#ifndef MUSTER_JOBS_GIT_INDEX_TREE_H
#define MUSTER_JOBS_GIT_INDEX_TREE_H

#include "jobs/git/index.h"

gboolean index_tree_parse(struct index *ix, const uint8_t *data, gsize len, GError **error);

/* The child of node `parent` called `name`; NULL when there is none. */
const struct index_tree *index_tree_find(
	const struct index *ix, const struct index_tree *parent, const char *name, gsize len);

#endif
