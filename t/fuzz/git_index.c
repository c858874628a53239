/* SPDX-License-Identifier: MIT */
/* An index file; a split one is merged with itself taken as its shared part. */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/git/index.h"
#include "jobs/git/index_tree.h"

#include <string.h>

static struct index *parse(const guint8 *data, size_t len)
{
	char *copy = g_malloc(len + 1);

	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return index_parse(copy, len, NULL);
}

static bool has_bad_part(const struct index_entry *e)
{
	g_auto(GStrv) parts = g_strsplit(e->path, "/", -1);
	gsize count = g_strv_length(parts);

	for (gsize i = 0; i < count; i++) {
		bool is_end_of_folder = i + 1 == count && index_is_folder(e);
		if ((parts[i][0] == '\0' && !is_end_of_folder) || strcmp(parts[i], ".") == 0 ||
			strcmp(parts[i], "..") == 0 || g_ascii_strcasecmp(parts[i], ".git") == 0)
			return true;
	}
	return false;
}

/* What index.h promises of a parsed index. */
static void check(const struct index *ix)
{
	for (gsize i = 0; i < ix->count; i++) {
		const struct index_entry *e = &ix->entries[i];
		g_assert_cmpuint(strlen(e->path), ==, e->path_len);
		g_assert_cmpuint(e->path_len, >, 0);
		g_assert_false(has_bad_part(e));
		if (i > 0) {
			int order = strcmp(e[-1].path, e->path);
			g_assert_true(order < 0 || (order == 0 && e[-1].stage < e->stage));
		}
		if (e->stage == 0)
			g_assert_true(index_find(ix, e->path, e->path_len) == e);
		const char *slash = strchr(e->path, '/');
		if (slash != NULL)
			g_assert_cmpuint(
				index_prefix_end(ix, i, ix->count, (gsize)(slash + 1 - e->path)), >,
				i);
	}
	if (ix->tree != NULL)
		g_assert_cmpuint(ix->tree[0].next, ==, ix->tree_count);
	for (gsize i = 0; i < ix->tree_count; i++) {
		g_assert_cmpuint(ix->tree[i].next, >, i);
		index_tree_find(ix, &ix->tree[i], "a", 1);
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	g_autoptr(Index) ix = parse(data, len);

	if (ix == NULL)
		return 0;
	if (ix->link == NULL) {
		check(ix);
	} else if (ix->link_len >= OID_BYTES) {
		struct index *base = parse(data, len);
		if (base != NULL && index_merge(ix, base, NULL))
			check(ix);
	}
	return 0;
}
