/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/past.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/audit/cache.h"

#define ADDED_LOOKS_MAX 20000 /* trees looked at to find the commits that added large files */

struct past {
	struct audit_facts *facts;
	const struct repo *r;
	const struct inspect_options *options;
	struct cache *old;       /* what was there */
	struct cache *kept;      /* what will be there */
	struct history *history; /* opened when something is not in old */
	gboolean is_changed;
	GError *error; /* the first one */
};

static void stat_append(GString *key, int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, 0) == 0)
		g_string_append_printf(key, "%ld.%09ld,%ld,%ld;", (long)st.st_mtim.tv_sec,
			(long)st.st_mtim.tv_nsec, (long)st.st_size, (long)st.st_ino);
	else
		g_string_append_c(key, ';');
}

static gboolean oid_is(const struct oid *a, const struct oid *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The history, opened at the first question; NULL when it cannot be, which is said once. */
static struct history *history_get(struct past *past)
{
	if (past->history == NULL && past->error == NULL)
		past->history = history_open(past->r, &past->error);
	return past->history;
}

/* Keeps the first error: one broken object has many consequences. */
static void note(struct past *past, GError *error)
{
	if (past->error == NULL)
		past->error = error;
	else
		g_error_free(error);
}

static struct history_log *log_copy(const struct history_log *log)
{
	struct history_log *copy = g_memdup2(log, sizeof(*log));

	copy->subject = g_strdup(log->subject);
	copy->author = g_strdup(log->author);
	copy->recent = g_array_ref(log->recent);
	copy->people = g_array_ref(log->people);
	return copy;
}

static void gather_log(struct past *past, const struct oid *head)
{
	struct cache *old = past->old, *kept = past->kept;
	gint64 since = past->options->now - CACHE_RECENT_SECONDS;
	GError *error = NULL;

	kept->log_head = *head;
	if (old->log != NULL && oid_is(&old->log_head, head) &&
		old->computed_at <= past->options->now) {
		kept->log = g_steal_pointer(&old->log);
		kept->computed_at = old->computed_at;
	} else {
		struct history *history = history_get(past);
		if (history == NULL)
			return;
		kept->log = history_log_new(history, head, since, &old->log_head, old->log, &error);
		kept->computed_at = past->options->now;
		past->is_changed = TRUE;
	}
	if (kept->log != NULL)
		past->facts->log = log_copy(kept->log);
	else
		note(past, error);
}

/* The commit that added a file is known already when the same blob was at the same path. */
static gboolean added_take(struct head_file *file, const GPtrArray *known)
{
	for (guint i = 0; i < known->len; i++) {
		const struct head_file *from = known->pdata[i];
		if (!oid_is(&from->oid, &file->oid) || strcmp(from->path, file->path) != 0 ||
			*from->commit == '\0')
			continue;
		memcpy(file->commit, from->commit, sizeof(file->commit));
		file->author = g_strdup(from->author);
		file->time = from->time;
		return TRUE;
	}
	return FALSE;
}

static void added_find(struct past *past, const struct oid *head, struct head_tree *tree)
{
	GPtrArray *lists[] = {tree->large, tree->sensitive};
	guint budget = ADDED_LOOKS_MAX;
	struct oid commit;

	for (gsize l = 0; l < G_N_ELEMENTS(lists); l++) {
		for (guint i = 0; i < lists[l]->len; i++) {
			struct head_file *file = lists[l]->pdata[i];
			g_autoptr(GError) error = NULL;
			g_autofree char *author = NULL;
			gint64 time = 0;
			if (past->old->tree != NULL && oid_is(&past->old->tree_head, head) &&
				(added_take(file, past->old->tree->large) ||
					added_take(file, past->old->tree->sensitive)))
				continue;
			/* Unknown stays empty: a shallow clone, a history too long. */
			if (!history_added(past->history, head, file->path, &file->oid, &budget,
				    &commit, &author, &time, &error) ||
				author == NULL)
				continue;
			oid_format(&commit, file->commit);
			file->author = g_steal_pointer(&author);
			file->time = time;
		}
	}
}

static void gather_tree(struct past *past, const struct oid *head)
{
	struct cache *old = past->old, *kept = past->kept;
	guint64 large_bytes = (guint64)past->options->large_blob_bytes;
	GError *error = NULL;
	struct oid tree;

	if (old->tree != NULL && oid_is(&old->tree_head, head) && old->large_bytes == large_bytes) {
		kept->tree = g_steal_pointer(&old->tree);
	} else {
		struct history *history = history_get(past);
		if (history == NULL)
			return;
		past->is_changed = TRUE;
		if (history_tree(history, head, &tree, &error))
			kept->tree =
				head_tree_new(history_odb(history), &tree, large_bytes, &error);
		if (kept->tree == NULL) {
			note(past, error);
			return;
		}
		added_find(past, head, kept->tree);
	}
	kept->tree_head = *head;
	kept->large_bytes = large_bytes;
	past->facts->head_tree = kept->tree;
}

/* FALSE when it cannot be known. */
static gboolean time_get(struct past *past, const struct oid *oid, gint64 *time)
{
	const struct cache_time *known = cache_find_time(past->old, oid);
	struct cache_time new = {.oid = *oid};
	GError *error = NULL;

	if (known != NULL) {
		new.time = known->time;
	} else {
		struct history *history = history_get(past);
		if (history == NULL)
			return FALSE;
		if (!history_time(history, oid, &new.time, &error)) {
			note(past, error);
			return FALSE;
		}
		past->is_changed = TRUE;
	}
	g_array_append_val(past->kept->times, new);
	*time = new.time;
	return TRUE;
}

static void distance_get(struct past *past, struct fact_branch *branch)
{
	const struct cache_distance *known =
		cache_find_distance(past->old, &branch->oid, &branch->upstream_oid);
	struct cache_distance new = {.a = branch->oid, .b = branch->upstream_oid};
	GError *error = NULL;

	if (known != NULL) {
		new = *known;
	} else {
		struct history *history = history_get(past);
		if (history == NULL)
			return;
		if (!history_distance(history, &branch->oid, &branch->upstream_oid, &new.ahead,
			    &new.behind, &error)) {
			note(past, error);
			return;
		}
		past->is_changed = TRUE;
	}
	g_array_append_val(past->kept->distances, new);
	branch->ahead = new.ahead;
	branch->behind = new.behind;
	branch->has_counts = true;
}

static void gather_tips(struct past *past)
{
	struct audit_facts *facts = past->facts;

	for (guint i = 0; i < facts->branches->len; i++) {
		struct fact_branch *branch = facts->branches->pdata[i];
		branch->has_time = time_get(past, &branch->oid, &branch->time);
		if (branch->upstream != NULL && !branch->is_gone && !branch->has_counts)
			distance_get(past, branch);
	}
	for (guint i = 0; i < facts->tags->len; i++) {
		struct fact_tag *tag = facts->tags->pdata[i];
		tag->has_time = time_get(past, &tag->oid, &tag->time);
	}
}

static gint64 folder_bytes(int dir_fd, const char *name, gboolean is_deep)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	gint64 bytes = 0;
	struct stat st;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
			fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISREG(st.st_mode))
			bytes += st.st_size;
		else if (S_ISDIR(st.st_mode) && is_deep)
			bytes += folder_bytes(fd, entry->d_name, FALSE);
	}
	closedir(dir);
	return bytes;
}

/*
 * Bytes of packs and loose objects. The key changes with every pack, every new folder of loose
 * objects and every write of the index or a ref, which is when objects come and go.
 */
static void gather_disk(struct past *past)
{
	g_autoptr(GString) key = g_string_new(past->facts->refs->tips);

	stat_append(key, past->r->commondir_fd, "objects");
	stat_append(key, past->r->commondir_fd, "objects/pack");
	stat_append(key, past->r->gitdir_fd, "index");
	if (!strcmp(key->str, past->old->disk_key)) {
		past->kept->disk_bytes = past->old->disk_bytes;
	} else {
		past->kept->disk_bytes = folder_bytes(past->r->commondir_fd, "objects", TRUE);
		past->is_changed = TRUE;
	}
	g_free(past->kept->disk_key);
	past->kept->disk_key = g_strdup(key->str);
	past->facts->disk_bytes = past->kept->disk_bytes;
}

void past_gather(
	struct audit_facts *facts, const struct repo *r, const struct inspect_options *options)
{
	g_autoptr(GString) shallow = g_string_new(NULL);
	g_autoptr(Cache) kept = cache_new();
	struct past past = {.facts = facts, .r = r, .options = options, .kept = kept};

	stat_append(shallow, r->commondir_fd, "shallow");
	past.old = options->cache != NULL ? cache_load(options->cache, r->gitdir, shallow->str)
					  : cache_new();
	if (facts->head.state != HEAD_STATE_UNBORN) {
		gather_log(&past, &facts->head.oid);
		gather_tree(&past, &facts->head.oid);
	}
	gather_tips(&past);
	gather_disk(&past);
	if (past.error != NULL) {
		facts->history_error = g_strdup(past.error->message);
		g_clear_error(&past.error);
	}
	/* A cache that cannot be written costs time and is nobody's error. */
	if (past.is_changed && options->cache != NULL)
		cache_save(kept, options->cache, r->gitdir, shallow->str, NULL);
	kept->tree = NULL; /* the facts' own */
	history_free(past.history);
	cache_free(past.old);
}
