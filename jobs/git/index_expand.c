/* SPDX-License-Identifier: MIT */
/* A sparse index whose folders are needed after all, because something is in their place. */
#include "config.h"
#include "jobs/git/index.h"
#include "jobs/git/object.h"

#include "lib/error.h"

#include <string.h>

#define DEPTH_MAX 2048

struct expansion {
	struct index *ix;
	struct object_store *store;
	GArray *entries;
	GString *path;
};

static gboolean tree_expand(struct expansion *x, const uint8_t *oid, int depth, GError **error);

static gboolean entry_expand(
	struct expansion *x, const struct tree_entry *t, int depth, GError **error)
{
	gsize len = x->path->len;
	gboolean is_fine = TRUE;

	if (x->entries->len >= INDEX_EXPANDED_MAX || len + t->name_len > INDEX_PATH_MAX) {
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "the sparse index is too big");
		return FALSE;
	}
	if (memchr(t->name, '/', t->name_len) != NULL || strcmp(t->name, ".") == 0 ||
		strcmp(t->name, "..") == 0 || g_ascii_strcasecmp(t->name, ".git") == 0) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the repository is broken: a tree has a name that is not allowed");
		return FALSE;
	}
	g_string_append_len(x->path, t->name, (gssize)t->name_len);
	if (t->mode == INDEX_MODE_FOLDER) {
		g_string_append_c(x->path, '/');
		is_fine = tree_expand(x, t->oid, depth + 1, error);
	} else {
		uint8_t raw[60] = {0};
		uint32_t mode = htobe32(t->mode);
		memcpy(raw + INDEX_MODE, &mode, sizeof(mode));
		memcpy(raw + INDEX_OID, t->oid, OID_BYTES);
		struct index_entry e = {
			.path = g_string_chunk_insert_len(
				x->ix->extra, x->path->str, (gssize)x->path->len),
			.path_len = (uint32_t)x->path->len,
			.raw = (const uint8_t *)g_string_chunk_insert_len(
				x->ix->extra, (const char *)raw, sizeof(raw)),
			.flags = INDEX_FLAG_SKIP_WORKTREE | INDEX_FLAG_NO_STAT,
		};
		g_array_append_val(x->entries, e);
	}
	g_string_truncate(x->path, len);
	return is_fine;
}

static gboolean tree_expand(struct expansion *x, const uint8_t *oid, int depth, GError **error)
{
	struct object tree;
	struct tree_entry t;
	gboolean is_fine = TRUE;

	if (depth > DEPTH_MAX) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "a tree is too deep");
		return FALSE;
	}
	if (!object_get(x->store, oid, OBJECT_TREE, "the tree", &tree, error))
		return FALSE;
	const char *at = tree.data, *end = tree.data + tree.len;
	while (is_fine && tree_next(&at, end, &t))
		is_fine = entry_expand(x, &t, depth, error);
	if (is_fine && at != end) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the repository is broken: a tree cannot be read");
		is_fine = FALSE;
	}
	g_free(tree.data);
	return is_fine;
}

gboolean index_expand(
	struct index *ix, struct object_store *store, const uint8_t *which, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(struct index_entry));
	g_autoptr(GString) path = g_string_new(NULL);
	struct expansion x = {.ix = ix, .store = store, .entries = entries, .path = path};

	if (ix->extra == NULL)
		ix->extra = g_string_chunk_new(64 * 1024);
	ix->has_folders = false;
	for (gsize i = 0; i < ix->count; i++) {
		const struct index_entry *e = &ix->entries[i];
		if (!index_is_folder(e) || !which[i]) {
			ix->has_folders |= index_is_folder(e);
			g_array_append_val(entries, *e);
			continue;
		}
		g_string_assign(path, e->path);
		if (!tree_expand(&x, index_oid(e), 0, error))
			return FALSE;
	}
	for (guint i = 1; i < entries->len; i++) {
		const struct index_entry *a = &g_array_index(entries, struct index_entry, i - 1);
		const struct index_entry *b = &g_array_index(entries, struct index_entry, i);
		int order = strcmp(a->path, b->path);
		if (order > 0 || (order == 0 && a->stage >= b->stage)) {
			g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"the repository is broken: a tree is not in order");
			return FALSE;
		}
	}
	g_free(ix->entries);
	ix->count = entries->len;
	ix->entries = (struct index_entry *)(void *)g_array_free(g_steal_pointer(&entries), FALSE);
	return TRUE;
}
