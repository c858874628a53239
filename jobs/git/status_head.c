/* SPDX-License-Identifier: MIT */
/*
 * Index against HEAD. The cache tree says which folders of the index are still the tree object of
 * that name; a folder whose name HEAD has as well is not looked into. In a clean repository that is
 * the root, and one commit is all that is read.
 */
#include "config.h"
#include "jobs/git/status_run.h"
#include "jobs/git/index_tree.h"

#include "lib/error.h"

#include <string.h>

/* A small pack can hold a tree of endless repetition; no honest one has as many paths. */
#define VISITS_MAX 4000000

struct staged {
	struct status_worker *w;
	GString *path;
	guint64 visits;
	gboolean is_folder_needed; /* a sparse folder differs: its entries are needed */
};

static void add(struct staged *s, char x, bool is_gitlink, const char *path, gsize len)
{
	struct status_worker *w = s->w;

	w->counts.staged++;
	if (w->changes->len >= w->run->options->entries_max)
		return;
	/* Paths of the index stay, others are put together here. */
	if (path == s->path->str)
		path = g_string_chunk_insert_len(w->paths, path, (gssize)len);
	status_change_add(w, STATUS_KIND_CHANGED, x, '.', is_gitlink ? "S..." : "N...", path, len);
}

static gboolean visit(struct staged *s, int depth, GError **error)
{
	if (++s->visits < VISITS_MAX && depth < STATUS_DEPTH_MAX)
		return TRUE;
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "HEAD's tree is too big");
	return FALSE;
}

static gboolean tree_broken(GError **error)
{
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"the repository is broken: a tree cannot be read");
	return FALSE;
}

/* Everything below a tree is gone from the index. */
static gboolean tree_deleted(struct staged *s, const uint8_t *oid, int depth, GError **error)
{
	struct object tree;
	struct tree_entry t;
	gboolean is_fine = TRUE;

	if (!object_get(status_worker_store(s->w), oid, OBJECT_TREE, "the tree", &tree, error))
		return FALSE;
	const char *at = tree.data, *end = tree.data + tree.len;
	while (is_fine && tree_next(&at, end, &t)) {
		gsize len = s->path->len;
		is_fine = visit(s, depth, error);
		g_string_append_len(s->path, t.name, (gssize)t.name_len);
		if (t.mode != INDEX_MODE_FOLDER) {
			add(s, 'D', t.mode == INDEX_MODE_GITLINK, s->path->str, s->path->len);
		} else if (is_fine) {
			g_string_append_c(s->path, '/');
			is_fine = tree_deleted(s, t.oid, depth + 1, error);
		}
		g_string_truncate(s->path, len);
	}
	if (is_fine && at != end)
		is_fine = tree_broken(error);
	g_free(tree.data);
	return is_fine;
}

static bool is_absent(const struct index_entry *e)
{
	return e->flags & INDEX_FLAG_INTENT_TO_ADD;
}

static void range_added(struct staged *s, gsize low, gsize high)
{
	for (gsize i = low; i < high; i++) {
		const struct index_entry *e = &s->w->run->ix->entries[i];
		if (index_is_folder(e))
			s->is_folder_needed = TRUE;
		else if (e->stage == 0 && !is_absent(e))
			add(s, 'A', index_is_gitlink(e), e->path, e->path_len);
	}
}

/* The next thing the index has in a folder; as in a tree, a folder sorts as if it had its slash. */
struct step {
	const char *name;
	gsize len;
	bool is_folder;
	gsize low;
	gsize high;
};

static struct step step_at(const struct index *ix, gsize prefix, gsize low, gsize high)
{
	const struct index_entry *e = &ix->entries[low];
	struct step step = {.name = e->path + prefix, .low = low, .high = low + 1};
	const char *slash = memchr(step.name, '/', e->path_len - prefix);

	step.is_folder = slash != NULL;
	step.len = slash != NULL ? (gsize)(slash - step.name) : e->path_len - prefix;
	if (step.is_folder)
		step.high = index_prefix_end(ix, low, high, prefix + step.len + 1);
	while (!step.is_folder && e->stage != 0 && step.high < high &&
		strcmp(ix->entries[step.high].path, e->path) == 0)
		step.high++;
	return step;
}

static int step_compare(const struct step *step, const struct tree_entry *t)
{
	gsize shorter = MIN(step->len, t->name_len);
	int order = memcmp(step->name, t->name, shorter);
	bool is_tree = t->mode == INDEX_MODE_FOLDER;

	if (order != 0)
		return order;
	unsigned char a = step->len > shorter ? (unsigned char)step->name[shorter]
			  : step->is_folder   ? '/'
					      : 0;
	unsigned char b = t->name_len > shorter ? (unsigned char)t->name[shorter]
			  : is_tree             ? '/'
						: 0;
	if (a != b)
		return a < b ? -1 : 1;
	return step->len == t->name_len ? 0 : step->len < t->name_len ? -1 : 1;
}

static void entry_compare(struct staged *s, const struct index_entry *e, const struct tree_entry *t)
{
	uint32_t mode = index_mode(e);
	bool is_gitlink = index_is_gitlink(e) || t->mode == INDEX_MODE_GITLINK;

	if (e->stage != 0)
		return;
	if (is_absent(e))
		add(s, 'D', is_gitlink, e->path, e->path_len);
	else if ((mode & INDEX_MODE_TYPE) != (t->mode & INDEX_MODE_TYPE))
		add(s, 'T', is_gitlink, e->path, e->path_len);
	else if (mode != t->mode || memcmp(index_oid(e), t->oid, OID_BYTES) != 0)
		add(s, 'M', is_gitlink, e->path, e->path_len);
}

static gboolean tree_compare(struct staged *s, const uint8_t *oid, const struct index_tree *node,
	gsize low, gsize high, gsize prefix, int depth, GError **error);

static gboolean folder_compare(struct staged *s, const struct step *step,
	const struct tree_entry *t, const struct index_tree *parent, gsize prefix, int depth,
	GError **error)
{
	const struct index *ix = s->w->run->ix;
	const struct index_entry *e = &ix->entries[step->low];

	if (index_is_folder(e) && e->path_len == prefix + step->len + 1) {
		if (memcmp(index_oid(e), t->oid, OID_BYTES) != 0)
			s->is_folder_needed = TRUE;
		return TRUE;
	}
	const struct index_tree *node = index_tree_find(ix, parent, step->name, step->len);
	gsize len = s->path->len;
	g_string_append_len(s->path, step->name, (gssize)step->len);
	g_string_append_c(s->path, '/');
	gboolean is_fine = tree_compare(
		s, t->oid, node, step->low, step->high, prefix + step->len + 1, depth + 1, error);
	g_string_truncate(s->path, len);
	return is_fine;
}

static gboolean tree_only(struct staged *s, const struct tree_entry *t, int depth, GError **error)
{
	gsize len = s->path->len;
	gboolean is_fine = TRUE;

	g_string_append_len(s->path, t->name, (gssize)t->name_len);
	if (t->mode == INDEX_MODE_FOLDER) {
		g_string_append_c(s->path, '/');
		is_fine = tree_deleted(s, t->oid, depth + 1, error);
	} else {
		add(s, 'D', t->mode == INDEX_MODE_GITLINK, s->path->str, s->path->len);
	}
	g_string_truncate(s->path, len);
	return is_fine;
}

static gboolean tree_compare(struct staged *s, const uint8_t *oid, const struct index_tree *node,
	gsize low, gsize high, gsize prefix, int depth, GError **error)
{
	const struct index *ix = s->w->run->ix;
	struct object tree;
	struct tree_entry t;
	gboolean is_fine = TRUE;

	if (node != NULL && node->oid != NULL && memcmp(node->oid, oid, OID_BYTES) == 0)
		return TRUE;
	if (!object_get(status_worker_store(s->w), oid, OBJECT_TREE, "the tree", &tree, error))
		return FALSE;
	const char *at = tree.data, *end = tree.data + tree.len;
	while (is_fine && tree_next(&at, end, &t)) {
		int order = 1;
		struct step step;
		is_fine = visit(s, depth, error);
		while (is_fine && low < high) {
			step = step_at(ix, prefix, low, high);
			order = step_compare(&step, &t);
			if (order >= 0)
				break;
			range_added(s, step.low, step.high);
			low = step.high;
			order = 1;
		}
		if (!is_fine)
			break;
		if (order != 0) {
			is_fine = tree_only(s, &t, depth, error);
			continue;
		}
		low = step.high;
		if (step.is_folder)
			is_fine = folder_compare(s, &step, &t, node, prefix, depth, error);
		else
			entry_compare(s, &ix->entries[step.low], &t);
	}
	if (is_fine && at != end)
		is_fine = tree_broken(error);
	if (is_fine)
		range_added(s, low, high);
	g_free(tree.data);
	return is_fine;
}

/* A sparse folder that differs from HEAD: with its entries put in, once more from the beginning. */
static gboolean expand(struct status_worker *w, GError **error)
{
	struct index *ix = w->run->ix;
	g_autofree uint8_t *all = g_malloc(ix->count + 1);

	memset(all, 1, ix->count);
	w->run->has_skipped = true;
	return index_expand(ix, status_worker_store(w), all, error);
}

gboolean status_staged_find(struct status_worker *w, const struct refs_head *head, GError **error)
{
	struct index *ix = w->run->ix;
	g_autoptr(GString) path = g_string_new(NULL);
	struct oid tree;

	if (head->state != HEAD_STATE_UNBORN &&
		!object_commit_tree(status_worker_store(w), head->oid.bytes, &tree, error))
		return FALSE;
	for (int attempt = 0;; attempt++) {
		struct staged s = {.w = w, .path = path};
		if (head->state == HEAD_STATE_UNBORN)
			range_added(&s, 0, ix->count);
		else if (!tree_compare(&s, tree.bytes, ix->tree, 0, ix->count, 0, 0, error))
			return FALSE;
		if (!s.is_folder_needed || attempt > 0)
			return TRUE;
		w->counts.staged = 0;
		g_array_set_size(w->changes, 0);
		if (!expand(w, error))
			return FALSE;
	}
}
