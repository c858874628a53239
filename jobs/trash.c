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
#define LOCK_WAIT_MS 10000

/* What is being emptied has this behind its name: half of it is nobody's any more. */
#define GONE ".gone"

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

/*
 * Owner, mode and times, and that they are on the disk. Who is not root cannot give a file away: it
 * stays theirs then, without what it may do in another's name.
 */
static gboolean stat_copy(int out, const struct stat *st)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	mode_t mode = st->st_mode & 07777;
	struct stat now;

	if (fstat(out, &now) != 0)
		return FALSE;
	if ((now.st_uid != st->st_uid || now.st_gid != st->st_gid) &&
		fchown(out, st->st_uid, st->st_gid) != 0) {
		if (errno != EPERM || geteuid() == 0)
			return FALSE;
		mode &= ~(mode_t)(S_ISUID | S_ISGID);
	}
	return fchmod(out, mode) == 0 && futimens(out, times) == 0 && fsync(out) == 0;
}

static gboolean file_copy(int from, int to, const char *name, const struct stat *st, GError **error)
{
	g_autofree char *block = g_malloc(BLOCK_BYTES);
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int out = in >= 0 ? openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				    0600)
			  : -1;
	ssize_t n = out >= 0 ? 0 : -1;

	while (n >= 0 && (n = read(in, block, BLOCK_BYTES)) > 0)
		if (!file_write_all(out, block, (gsize)n))
			n = -1;
	gboolean ok = n == 0 && stat_copy(out, st);
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
	int in = folder_open(from, name);
	int out = in >= 0 && mkdirat(to, name, 0700) == 0 ? folder_open(to, name) : -1;
	gboolean ok = out >= 0 || io_fail("cannot copy", name, error);

	ok = ok && folder_copy(in, out, depth + 1, error);
	if (ok && !stat_copy(out, st))
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

/* Of what could not be given away stat_copy() took what it may do in another's name. */
static gboolean mode_is_same(const struct stat *a, const struct stat *b)
{
	mode_t left_out = a->st_uid != b->st_uid || a->st_gid != b->st_gid ? S_ISUID | S_ISGID : 0;
	return ((a->st_mode ^ b->st_mode) & ~left_out) == 0;
}

static gboolean entry_is_same(int one, int other, const char *name, guint depth)
{
	struct stat a, b;
	char target_a[4096], target_b[4096];

	if (fstatat(one, name, &a, AT_SYMLINK_NOFOLLOW) != 0 ||
		fstatat(other, name, &b, AT_SYMLINK_NOFOLLOW) != 0 || !mode_is_same(&a, &b) ||
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
	if (ok && !stat_copy(out, &st))
		ok = io_fail("cannot copy", move->name, error);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return ok;
}

static gboolean folder_sync(int folder)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	gboolean ok = again >= 0 && fsync(again) == 0;
	int saved = errno;

	if (again >= 0)
		close(again);
	errno = saved;
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
	/* It lies on the disk under its name before the other goes. */
	if (renameat2(move->to, move->partial, move->to, move->name_to, RENAME_NOREPLACE) != 0 ||
		!folder_sync(move->to))
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

static char *aside_format(const char *name, const char *run)
{
	return g_strdup_printf(".%.200s.muster-%s", name, run);
}

static gboolean move_do(struct move *move, const char *run, GError **error)
{
	move->aside = aside_format(move->name, run);
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

/*
 * With its lock, which keeps who empties and who brings back apart; the kernel gives it up when the
 * descriptor is closed. What was emptied while we waited has nothing in it.
 */
static int entry_open(const char *trash, const char *run, GError **error)
{
	g_autofree char *folder = g_build_filename(trash, run, NULL);

	if (g_file_test(folder, G_FILE_TEST_IS_DIR) && !g_file_test(folder, G_FILE_TEST_IS_SYMLINK))
		return place_lock(folder, TRUE, LOCK_WAIT_MS, error);
	g_set_error(
		error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "the trash does not have it any more");
	return -1;
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
	return file_make_folder(folder, error) &&
	       file_write(file, text, strlen(text), 0640, error) && file_sync(file, error) &&
	       file_sync(folder, error);
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

/*
 * A deletion that was killed while it copied left its folder aside, whole; one that was killed
 * while it removed what it had copied left some of it there.
 */
static gboolean aside_take(const char *run, const struct place *place, gboolean is_copied)
{
	g_autofree char *aside = aside_format(place->name, run);
	g_autofree char *path = path_at(place->parent_fd, aside);

	if (is_copied && is_there(place->parent_fd, aside))
		file_remove_folder(path);
	return !is_copied && renameat2(place->parent_fd, aside, place->parent_fd, place->name,
				     RENAME_NOREPLACE) == 0;
}

gboolean trash_take(const char *trash, const char *run, const struct place *place, GError **error)
{
	g_auto(move) move = {.to = place->parent_fd,
		.name = "tree",
		.from = entry_open(trash, run, error),
		.name_to = place->name};
	g_autofree char *folder = g_build_filename(trash, run, NULL);
	g_autofree char *aside = aside_format(move.name, run);

	if (move.from < 0)
		return FALSE;
	gboolean is_copied = is_there(move.from, "tree") || is_there(move.from, aside);
	gboolean ok = aside_take(run, place, is_copied) || move_do(&move, run, error);
	if (ok)
		file_remove_folder(folder);
	close(move.from);
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

/* Under another name first: who was killed here left half of it, which nobody brings back. */
static gboolean entry_empty(const char *trash, const char *name, gint64 before_unix_s)
{
	g_autofree char *folder = g_build_filename(trash, name, NULL);
	g_autofree char *gone = g_strconcat(folder, GONE, NULL);

	if (g_str_has_suffix(name, GONE)) {
		file_remove_folder(folder);
		return !g_file_test(folder, G_FILE_TEST_EXISTS);
	}
	int lock = place_lock(folder, TRUE, 0, NULL);
	if (lock < 0)
		return FALSE;
	gint64 at = note_time(folder);
	gboolean ok = at != 0 && at < before_unix_s && rename(folder, gone) == 0;
	if (ok)
		file_remove_folder(gone);
	close(lock);
	return ok && !g_file_test(gone, G_FILE_TEST_EXISTS);
}

guint trash_prune(const char *trash, gint64 before_unix_s)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GDir) dir = g_dir_open(trash, 0, NULL);
	const char *name;
	guint count = 0;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
		g_ptr_array_add(names, g_strdup(name));
	for (guint i = 0; i < names->len; i++)
		count += entry_empty(trash, names->pdata[i], before_unix_s);
	return count;
}
