/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/status.h"
#include "jobs/git/status_run.h"

#include "lib/error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 64
/* Below this many paths a second thread costs more than it brings. */
#define THREADED_ENTRIES_MIN 4000

struct status_worker *status_worker_new(struct status_run *run)
{
	struct status_worker *w = g_new0(struct status_worker, 1);

	w->run = run;
	w->changes = g_array_new(FALSE, FALSE, sizeof(struct status_change));
	w->paths = g_string_chunk_new(256);
	w->path = g_string_sized_new(256);
	w->names = g_byte_array_new();
	w->children = g_array_new(FALSE, FALSE, STATUS_CHILD_BYTES);
	w->dents = g_malloc(STATUS_DENTS_BYTES);
	return w;
}

void status_worker_free(struct status_worker *w)
{
	if (w == NULL)
		return;
	g_array_unref(w->changes);
	g_string_chunk_free(w->paths);
	g_string_free(w->path, TRUE);
	g_byte_array_unref(w->names);
	g_array_unref(w->children);
	object_store_free(w->store);
	if (w->sha1 != NULL)
		g_checksum_free(w->sha1);
	g_free(w->dents);
	g_free(w->block);
	g_free(w);
}

struct object_store *status_worker_store(struct status_worker *w)
{
	if (w->store == NULL)
		w->store = object_store_new(w->run->r);
	return w->store;
}

void status_change_add(struct status_worker *w, enum status_kind kind, char x, char y,
	const char *submodule, const char *path, gsize path_len)
{
	if (w->changes->len >= w->run->options->entries_max)
		return;
	struct status_change c = {.kind = kind, .x = x, .y = y, .path = path, .path_len = path_len};
	memcpy(c.submodule, submodule, 5);
	g_array_append_val(w->changes, c);
}

/* Where a sparse index has a folder and the disk has something, git looks inside; so do we. */
static gboolean present_folders_expand(struct status_worker *w, GError **error)
{
	struct index *ix = w->run->ix;
	struct stat st;
	gboolean is_needed = FALSE;

	if (!ix->has_folders)
		return TRUE;
	w->run->has_skipped = true;
	if (w->run->r->is_sparse_outside_expected)
		return TRUE;
	g_autofree uint8_t *which = g_malloc0(ix->count + 1);
	for (gsize i = 0; i < ix->count; i++) {
		const struct index_entry *e = &ix->entries[i];
		if (!index_is_folder(e))
			continue;
		g_autofree char *name = g_strndup(e->path, e->path_len - 1);
		which[i] = fstatat(w->run->r->worktree_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
		is_needed |= which[i];
	}
	return !is_needed || index_expand(ix, status_worker_store(w), which, error);
}

static int change_compare(const void *a, const void *b)
{
	const struct status_change *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order != 0 ? order : (int)x->kind - (int)y->kind;
}

/* All workers' changes in one sorted list; X and Y of a path become one entry. */
static void result_make(struct status *s, struct status_worker **workers, unsigned count, gsize max)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct status_change));
	guint64 found = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct status_worker *w = workers[i];
		if (w->changes->len > 0)
			g_array_append_vals(all, w->changes->data, w->changes->len);
		s->counts.staged += w->counts.staged;
		s->counts.unstaged += w->counts.unstaged;
		s->counts.untracked += w->counts.untracked;
		s->counts.unmerged += w->counts.unmerged;
		s->counts.unverified += w->counts.unverified;
		s->unreadable += w->unreadable;
		s->submodules += w->submodules;
		s->submodules_untracked += w->submodules_untracked;
		s->submodules_untracked_only += w->submodules_untracked_only;
	}
	found = s->counts.staged + s->counts.unstaged + s->counts.untracked + s->counts.unmerged +
		s->counts.unverified;
	s->is_truncated = found > all->len;
	if (all->len == 0)
		return;
	qsort(all->data, all->len, sizeof(struct status_change), change_compare);
	s->entries = g_new(struct status_entry, all->len);
	s->paths = g_string_chunk_new(1024);
	for (guint i = 0; i < all->len; i++) {
		const struct status_change *c = &g_array_index(all, struct status_change, i);
		struct status_entry *last =
			s->entries_count > 0 ? &s->entries[s->entries_count - 1] : NULL;
		if (last != NULL && last->kind == c->kind && strcmp(last->path, c->path) == 0) {
			if (c->x != '.')
				last->x = c->x;
			if (c->y != '.')
				last->y = c->y;
			if (c->submodule[0] == 'S' && strcmp(c->submodule, "S...") != 0)
				memcpy(last->submodule, c->submodule, 5);
			else if (c->submodule[0] == 'S' && last->submodule[0] != 'S')
				memcpy(last->submodule, c->submodule, 5);
			continue;
		}
		if (s->entries_count == max) {
			s->is_truncated = true;
			break;
		}
		struct status_entry *e = &s->entries[s->entries_count++];
		*e = (struct status_entry){.kind = c->kind, .x = c->x, .y = c->y};
		memcpy(e->submodule, c->submodule, 5);
		e->path = g_string_chunk_insert_len(s->paths, c->path, (gssize)c->path_len);
	}
}

static void run_clear(struct status_run *run)
{
	for (gsize i = 0; i < G_N_ELEMENTS(run->ignores); i++)
		ignore_list_free(run->ignores[i]);
	attr_list_free(run->attr_info);
	for (gsize i = 0; i < G_N_ELEMENTS(run->attr_user); i++)
		attr_list_free(run->attr_user[i]);
	gitconfig_free(run->modules);
	g_mutex_clear(&run->lock);
}

static gboolean walk(struct status_run *run, struct status *s, struct status_worker **workers,
	unsigned count, GError **error)
{
	if (run->options->is_staged_only)
		return status_staged_find(workers[0], &s->head, error);
	if (!present_folders_expand(workers[0], error) ||
		!status_staged_find(workers[0], &s->head, error))
		return FALSE;
	for (gsize i = 0; i < run->ix->count && !run->has_skipped; i++)
		run->has_skipped = run->ix->entries[i].flags & INDEX_FLAG_SKIP_WORKTREE;
	if (count > 1) {
		status_queue_run(workers, count);
	} else {
		struct status_folder top = {.is_excluded = STATUS_NO};
		int fd = openat(run->r->worktree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_IO,
				"the working tree cannot be opened");
			return FALSE;
		}
		status_walk(workers[0], &top, fd, 0, run->ix->count, 0);
		status_folder_clear(&top);
	}
	s->tracked = run->ix->count;
	return TRUE;
}

struct status *status_read(
	const struct repo *r, const struct status_options *options, GError **error)
{
	struct status_worker *workers[THREADS_MAX] = {NULL};
	unsigned count = 1;

	if (r->worktree_fd < 0 && !options->is_staged_only) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a bare repository has no working tree");
		return NULL;
	}
	g_autoptr(Status) s = g_new0(struct status, 1);
	if (!refs_head_read(r, &s->head, error))
		return NULL;
	g_autoptr(Index) ix = index_load_from(
		r, options->index_file != NULL ? options->index_file : "index", error);
	if (ix == NULL)
		return NULL;

	struct status_run run = {.r = r, .options = options, .ix = ix};
	g_mutex_init(&run.lock);
	if (options->threads > 1 && ix->count >= THREADED_ENTRIES_MIN)
		count = MIN(options->threads, THREADS_MAX);
	for (unsigned i = 0; i < count; i++)
		workers[i] = status_worker_new(&run);
	gboolean is_fine = walk(&run, s, workers, count, error);
	if (is_fine)
		result_make(s, workers, count, options->entries_max);
	for (unsigned i = 0; i < count; i++)
		status_worker_free(workers[i]);
	run_clear(&run);
	return is_fine ? g_steal_pointer(&s) : NULL;
}

void status_free(struct status *s)
{
	if (s == NULL)
		return;
	refs_head_clear(&s->head);
	g_free(s->entries);
	if (s->paths != NULL)
		g_string_chunk_free(s->paths);
	g_free(s);
}
