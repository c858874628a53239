/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/quote.h"
#include "lib/report.h"

#define BLOCK_BYTES 65536
#define DEPTH_MAX 256
#define NOTE_MAX_BYTES 65536

static gboolean io_fail(const char *what, const char *name, GError **error)
{
	g_autofree char *shown = quote_format(name);

	g_set_error(error, MUSTER_ERROR, errno == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO,
		"%s %s: %s", what, shown, g_strerror(errno));
	return FALSE;
}

static gboolean changed_fail(const char *name, GError **error)
{
	g_autofree char *shown = quote_format(name);

	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		"%s changed while it was moved: nothing was", shown);
	return FALSE;
}

/* ---- a copy of a folder ---- */

static gboolean folder_copy(int from, int to, guint depth, GError **error);

static gboolean file_copy(int from, int to, const char *name, const struct stat *st, GError **error)
{
	g_autofree char *block = g_malloc(BLOCK_BYTES);
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int out = in >= 0 ? openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				    0600)
			  : -1;
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	ssize_t n = out >= 0 ? 0 : -1;

	while (n >= 0 && (n = read(in, block, BLOCK_BYTES)) > 0)
		if (!file_write_all(out, block, (gsize)n))
			n = -1;
	gboolean ok = n == 0 && fchmod(out, st->st_mode & 07777) == 0 &&
		      futimens(out, times) == 0 && fsync(out) == 0;
	int saved = errno;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	errno = saved;
	return ok || io_fail("cannot copy", name, error);
}

static gboolean link_copy(int from, int to, const char *name, GError **error)
{
	char target[4097];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return io_fail("cannot read", name, error);
	target[n] = '\0';
	return symlinkat(target, to, name) == 0 || io_fail("cannot copy", name, error);
}

static int folder_open(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static gboolean inner_copy(
	int from, int to, const char *name, const struct stat *st, guint depth, GError **error)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	int in = folder_open(from, name);
	int out = in >= 0 && mkdirat(to, name, 0700) == 0 ? folder_open(to, name) : -1;
	gboolean ok = out >= 0 || io_fail("cannot copy", name, error);

	ok = ok && folder_copy(in, out, depth + 1, error);
	if (ok && (fchmod(out, st->st_mode & 07777) != 0 || futimens(out, times) != 0))
		ok = io_fail("cannot copy", name, error);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}

/* All of it again in a folder that is empty. */
static gboolean folder_copy(int from, int to, guint depth, GError **error)
{
	int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;
	gboolean ok = dir != NULL || io_fail("cannot read", "a folder", error);

	if (depth > DEPTH_MAX)
		ok = changed_fail("a folder that is too deep", error);
	while (ok && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		struct stat st;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			ok = changed_fail(name, error);
		} else if (S_ISDIR(st.st_mode)) {
			ok = inner_copy(from, to, name, &st, depth, error);
		} else if (S_ISREG(st.st_mode)) {
			ok = file_copy(from, to, name, &st, error);
		} else if (S_ISLNK(st.st_mode)) {
			ok = link_copy(from, to, name, error);
		} else {
			g_autofree char *shown = quote_format(name);
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s is neither file nor folder nor link", shown);
			ok = FALSE;
		}
	}
	if (dir != NULL)
		closedir(dir);
	return ok;
}

/* ---- the same of both ---- */

static gboolean folder_is_same(int one, int other, guint depth);

static gboolean file_is_same(int one, int other, const char *name)
{
	g_autofree char *blocks = g_malloc(2 * (gsize)BLOCK_BYTES);
	int a = openat(one, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int b = openat(other, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	gboolean is_same = a >= 0 && b >= 0;
	ssize_t n = 1;

	/* Regular files: a short read is the end. */
	while (is_same && n > 0) {
		n = read(a, blocks, BLOCK_BYTES);
		is_same = n >= 0 && read(b, blocks + BLOCK_BYTES, BLOCK_BYTES) == n &&
			  !memcmp(blocks, blocks + BLOCK_BYTES, (gsize)n);
	}
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	return is_same;
}

static gboolean entry_is_same(int one, int other, const char *name, guint depth)
{
	struct stat a, b;
	char target_a[4096], target_b[4096];

	if (fstatat(one, name, &a, AT_SYMLINK_NOFOLLOW) != 0 ||
		fstatat(other, name, &b, AT_SYMLINK_NOFOLLOW) != 0 || a.st_mode != b.st_mode ||
		(S_ISREG(a.st_mode) && a.st_size != b.st_size))
		return FALSE;
	if (S_ISREG(a.st_mode))
		return file_is_same(one, other, name);
	if (S_ISLNK(a.st_mode)) {
		ssize_t n = readlinkat(one, name, target_a, sizeof(target_a));
		return n >= 0 && readlinkat(other, name, target_b, sizeof(target_b)) == n &&
		       !memcmp(target_a, target_b, (gsize)n);
	}
	int inner = folder_open(one, name), inner_other = folder_open(other, name);
	gboolean is_same =
		inner >= 0 && inner_other >= 0 && folder_is_same(inner, inner_other, depth + 1);
	if (inner >= 0)
		close(inner);
	if (inner_other >= 0)
		close(inner_other);
	return is_same;
}

static gint64 entries_count(int folder)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	gint64 count = 0;

	while (dir != NULL && readdir(dir) != NULL)
		count++;
	if (dir == NULL)
		return -1;
	closedir(dir);
	return count;
}

static gboolean folder_is_same(int one, int other, guint depth)
{
	int again = openat(one, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	gint64 count = 0;
	const struct dirent *entry;
	gboolean is_same = dir != NULL && depth <= DEPTH_MAX;

	while (is_same && (entry = readdir(dir)) != NULL) {
		count++;
		is_same = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
			  entry_is_same(one, other, entry->d_name, depth);
	}
	if (dir != NULL)
		closedir(dir);
	return is_same && entries_count(other) == count;
}

/* ---- moving ---- */

/* What lies at from under name, or was put aside there, comes to lie at to. */
struct move {
	int from, to;
	const char *name, *name_to;
	char *aside;   /* its name at from while it is copied */
	char *partial; /* that of its copy at to */
	char *partial_path;
};
typedef struct move move;
static void move_clear(struct move *move)
{
	g_free(move->aside);
	g_free(move->partial);
	g_free(move->partial_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(move, move_clear)

/* So that /proc/self/fd/N/name is a path to it, whatever the folder's own has become. */
static char *path_at(int dir, const char *name)
{
	return g_strdup_printf("/proc/self/fd/%d/%s", dir, name);
}

static gboolean move_copy(const struct move *move, GError **error)
{
	struct stat st;
	int in = -1, out = -1;

	file_remove_folder(move->partial_path);
	gboolean ok = fstatat(move->from, move->aside, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		      (in = folder_open(move->from, move->aside)) >= 0 &&
		      mkdirat(move->to, move->partial, 0700) == 0 &&
		      (out = folder_open(move->to, move->partial)) >= 0;
	if (!ok)
		io_fail("cannot copy", move->name, error);
	ok = ok && folder_copy(in, out, 0, error);
	if (ok && !folder_is_same(in, out, 0))
		ok = changed_fail(move->name, error);
	if (ok && fchmod(out, st.st_mode & 07777) != 0)
		ok = io_fail("cannot copy", move->name, error);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}

/* Between file systems; is_aside: an earlier try came as far as that. */
static gboolean move_far(struct move *move, gboolean is_aside, GError **error)
{
	if (!is_aside &&
		renameat2(move->from, move->name, move->from, move->aside, RENAME_NOREPLACE) != 0)
		return io_fail("cannot move", move->name, error);
	if (!move_copy(move, error)) {
		file_remove_folder(move->partial_path);
		renameat2(move->from, move->aside, move->from, move->name, RENAME_NOREPLACE);
		return FALSE;
	}
	if (renameat2(move->to, move->partial, move->to, move->name_to, RENAME_NOREPLACE) != 0)
		return io_fail("cannot move", move->name, error);
	g_autofree char *aside = path_at(move->from, move->aside);
	file_remove_folder(aside);
	return TRUE;
}

static gboolean is_there(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean move_do(struct move *move, const char *run, GError **error)
{
	move->aside = g_strdup_printf(".%.200s.muster-%s", move->name, run);
	move->partial = g_strdup_printf(".%.200s.muster-%s.part", move->name_to, run);
	move->partial_path = path_at(move->to, move->partial);
	gboolean is_aside = is_there(move->from, move->aside);
	if (is_aside && is_there(move->to, move->name_to)) {
		g_autofree char *aside = path_at(move->from, move->aside);
		file_remove_folder(aside);
		return TRUE;
	}
	if (!is_aside &&
		renameat2(move->from, move->name, move->to, move->name_to, RENAME_NOREPLACE) == 0)
		return TRUE;
	if (!is_aside && errno != EXDEV)
		return io_fail("cannot move", move->name, error);
	return move_far(move, is_aside, error);
}

/* ---- the trash ---- */

static int entry_open(const char *trash, const char *run, GError **error)
{
	g_autofree char *folder = g_build_filename(trash, run, NULL);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"the trash does not have it any more");
	else if (fd < 0)
		io_fail("cannot open", folder, error);
	return fd;
}

static gboolean note_write(const char *trash, const char *run, const char *path, GError **error)
{
	g_autofree char *folder = g_build_filename(trash, run, NULL);
	g_autofree char *file = g_build_filename(folder, "note.json", NULL);
	g_autofree char *quoted = quote_format(path);
	g_autoptr(json_object) note = json_object_new_object();

	json_object_object_add(note, "path", json_object_new_string(quoted));
	json_object_object_add(
		note, "at", json_object_new_int64(g_get_real_time() / G_USEC_PER_SEC));
	const char *text = json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN);
	return file_make_folder(folder, error) && file_write(file, text, strlen(text), 0640, error);
}

gboolean trash_put(const char *trash, const char *run, const struct place *place, const char *path,
	GError **error)
{
	g_auto(move)
		move = {.from = place->parent_fd, .name = place->name, .to = -1, .name_to = "tree"};

	if (!note_write(trash, run, path, error) || (move.to = entry_open(trash, run, error)) < 0)
		return FALSE;
	/* Done before, by a job that could not say so any more. */
	gboolean ok = (place->fd < 0 && is_there(move.to, "tree")) || move_do(&move, run, error);
	close(move.to);
	return ok;
}

gboolean trash_take(const char *trash, const char *run, const struct place *place, GError **error)
{
	g_auto(move) move = {.to = place->parent_fd,
		.name = "tree",
		.from = entry_open(trash, run, error),
		.name_to = place->name};
	g_autofree char *folder = g_build_filename(trash, run, NULL);

	if (move.from < 0)
		return FALSE;
	gboolean ok = move_do(&move, run, error);
	close(move.from);
	if (ok)
		file_remove_folder(folder);
	return ok;
}

/* 0 when nothing says when. */
static gint64 note_time(const char *folder)
{
	g_autofree char *file = g_build_filename(folder, "note.json", NULL);
	g_autofree char *text = NULL;
	gsize len;

	if (!file_read(file, NOTE_MAX_BYTES, &text, &len, NULL))
		return 0;
	g_autoptr(json_object) note = json_parse(text, len, &json_limits_request, NULL);
	json_object *at = note != NULL ? json_get(note, "at", json_type_int, NULL) : NULL;
	return at != NULL ? json_object_get_int64(at) : 0;
}

guint trash_prune(const char *trash, gint64 before_unix_s)
{
	g_autoptr(GDir) dir = g_dir_open(trash, 0, NULL);
	const char *name;
	guint count = 0;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *folder = g_build_filename(trash, name, NULL);
		gint64 at = note_time(folder);
		if (at == 0 || at >= before_unix_s)
			continue;
		file_remove_folder(folder);
		count += !g_file_test(folder, G_FILE_TEST_EXISTS);
	}
	return count;
}
