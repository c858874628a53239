/* SPDX-License-Identifier: MIT */
/* One number for all that differs from the last commit: the same number, the same changes. */
#include "config.h"
#include "jobs/git/status.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/git/index.h"
#include "jobs/git/status_run.h"

/* Of more nobody saw each one; a report is not to wait for them. */
#define FILES_MAX 20000
#define DEPTH_MAX 256

struct digest {
	const struct repo *r;
	GChecksum *sum;
	guint files;
};

static void text_add(struct digest *d, const char *text)
{
	g_checksum_update(d->sum, (const guchar *)text, (gssize)strlen(text) + 1);
}

static void numbers_add(struct digest *d, const guint64 *numbers, guint n)
{
	g_checksum_update(d->sum, (const guchar *)numbers, (gssize)(n * sizeof(*numbers)));
}

/*
 * Whoever writes to a file, or puts another in its place, changes one of these: the kernel sets the
 * time of the last change, which nobody can set back. To read all of it would take much longer.
 */
static void file_add(struct digest *d, const struct stat *st)
{
	gboolean is_trusted = d->r->has_check_stat, has_ctime = is_trusted && d->r->has_trust_ctime;
	const guint64 numbers[] = {st->st_mode, (guint64)st->st_size, (guint64)st->st_mtim.tv_sec,
		(guint64)st->st_mtim.tv_nsec, is_trusted ? st->st_ino : 0,
		has_ctime ? (guint64)st->st_ctim.tv_sec : 0,
		has_ctime ? (guint64)st->st_ctim.tv_nsec : 0};

	numbers_add(d, numbers, G_N_ELEMENTS(numbers));
}

static int name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *names_read(int fd, guint max)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	const struct dirent *entry;

	while (dir != NULL && names->len <= max && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(entry->d_name));
	if (dir == NULL || names->len > max)
		g_clear_pointer(&names, g_ptr_array_unref);
	if (dir != NULL)
		closedir(dir);
	else if (again >= 0)
		close(again);
	if (names != NULL)
		g_ptr_array_sort(names, name_compare);
	return names;
}

static gboolean folder_add(struct digest *d, int fd, guint depth);

/* name in the folder that fd is, of which the index has nothing. FALSE: it cannot be told. */
static gboolean untracked_add(struct digest *d, int fd, const char *name, guint depth)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || d->files++ >= FILES_MAX)
		return FALSE;
	text_add(d, name);
	if (!S_ISDIR(st.st_mode)) {
		file_add(d, &st);
		return TRUE;
	}
	int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	gboolean ok = inner >= 0 && folder_add(d, inner, depth + 1);
	if (inner >= 0)
		close(inner);
	return ok;
}

static gboolean folder_add(struct digest *d, int fd, guint depth)
{
	/* A repository of its own stays, whatever becomes of it. */
	if (status_is_nested(fd)) {
		text_add(d, ".git");
		return TRUE;
	}
	g_autoptr(GPtrArray) names = depth < DEPTH_MAX ? names_read(fd, FILES_MAX) : NULL;
	gboolean ok = names != NULL;
	for (guint i = 0; ok && i < names->len; i++)
		ok = untracked_add(d, fd, names->pdata[i], depth);
	/* Where the folder ends. */
	text_add(d, "");
	return ok;
}

static gboolean entry_add(struct digest *d, const struct index *ix, const struct status_entry *e)
{
	const char kind[] = {(char)('0' + (int)e->kind), e->x, e->y, '\0'};
	const struct index_entry *staged = index_find(ix, e->path, strlen(e->path));
	struct stat st;

	text_add(d, kind);
	text_add(d, e->submodule);
	text_add(d, e->path);
	if (e->kind == STATUS_KIND_UNTRACKED) {
		g_autofree char *name =
			g_strndup(e->path, strlen(e->path) - g_str_has_suffix(e->path, "/"));
		return untracked_add(d, d->r->worktree_fd, name, 0);
	}
	if (staged != NULL) {
		const guint64 mode = index_mode(staged);
		numbers_add(d, &mode, 1);
		g_checksum_update(d->sum, index_oid(staged), OID_BYTES);
	}
	if (fstatat(d->r->worktree_fd, e->path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		text_add(d, "gone");
	else if (!S_ISDIR(st.st_mode))
		file_add(d, &st);
	return d->files++ < FILES_MAX;
}

char *status_digest(const struct repo *r, const struct status *s)
{
	struct digest d = {.r = r, .sum = NULL};

	if (s->is_truncated || s->unreadable > 0 || s->entries_count == 0)
		return NULL;
	g_autoptr(Index) ix = index_load(r, NULL);
	if (ix == NULL)
		return NULL;
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	d.sum = sum;
	for (gsize i = 0; i < s->entries_count; i++)
		if (!entry_add(&d, ix, &s->entries[i]))
			return NULL;
	return g_strdup(g_checksum_get_string(sum));
}
