/* SPDX-License-Identifier: MIT */
/* Sources without history: files as they lie, what is staged, standard input. */
#include "config.h"
#include "jobs/scan_job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/git/index.h"
#include "jobs/git/object.h"
#include "jobs/git/status.h"
#include "jobs/scan/archive_head.h"
#include "jobs/scan/content_text.h"
#include "jobs/scan_walk.h"
#include "lib/error.h"

/* Read all of a descriptor, which is closed; NULL with the reason. */
static GBytes *fd_read(int fd, guint64 max_bytes, guint64 expected, struct budget_lease *lease,
	enum scan_gap_reason *gap)
{
	gsize room = (gsize)MIN(expected, max_bytes) + 1, len = 0;
	gssize got = 0;

	budget_take(lease, room);
	guint8 *data = g_try_malloc(room);

	*gap = SCAN_GAP_UNSET;
	while (data != NULL && *gap == SCAN_GAP_UNSET &&
		(got = read(fd, data + len, room - len)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			*gap = SCAN_GAP_UNREADABLE;
			break;
		}
		len += (gsize)got;
		if (len > max_bytes) {
			*gap = SCAN_GAP_TOO_BIG;
		} else if (len == room) {
			budget_take(lease, room);
			guint8 *more = g_try_realloc(data, room * 2);
			if (more == NULL)
				*gap = SCAN_GAP_UNREADABLE;
			else
				data = more;
			room *= more != NULL ? 2 : 1;
		}
	}
	close(fd);
	if (data == NULL)
		*gap = SCAN_GAP_UNREADABLE;
	if (*gap == SCAN_GAP_UNSET)
		return g_bytes_new_take(data, len);
	g_free(data);
	return NULL;
}

struct disk {
	const struct scan_job *job;
	const struct scan_walk *walk;
	GPtrArray *paths; /* char *: what the report calls them */
	int fd;           /* of the folder */
};

static const char *disk_path(gpointer data, guint32 item)
{
	const struct disk *disk = data;

	return disk->paths->pdata[item];
}

/* What git would keep of a symbolic link: the name that it holds. */
static GBytes *link_read(int folder, const char *path)
{
	char name[PATH_MAX];
	gssize len = readlinkat(folder, path, name, sizeof(name));

	return len >= 0 && (gsize)len < sizeof(name) ? g_bytes_new(name, (gsize)len) : NULL;
}

static GBytes *disk_get(
	gpointer data, guint32 item, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	const struct disk *disk = data;
	const char *path = disk->walk->files->pdata[item];
	struct stat st;
	int fd = openat(disk->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ELOOP) {
		GBytes *bytes = link_read(disk->fd, path);
		*gap = bytes != NULL ? SCAN_GAP_UNSET : SCAN_GAP_UNREADABLE;
		return bytes;
	}
	if (fd < 0 && errno == ENOENT) {
		/* Deleted since it was seen: there is nothing to scan. */
		*gap = SCAN_GAP_UNSET;
		return NULL;
	}
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		*gap = SCAN_GAP_UNREADABLE;
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if ((guint64)st.st_size > disk->job->flags->blob_max_bytes) {
		*gap = SCAN_GAP_TOO_BIG;
		close(fd);
		return NULL;
	}
	return fd_read(fd, disk->job->flags->blob_max_bytes, (guint64)st.st_size, lease, gap);
}

static GPtrArray *paths_make(const struct scan_walk *walk, const char *folder)
{
	GPtrArray *paths = g_ptr_array_new_full(walk->files->len, g_free);

	for (guint i = 0; i < walk->files->len; i++)
		g_ptr_array_add(paths,
			*folder != '\0' ? g_strconcat(folder, "/", walk->files->pdata[i], NULL)
					: g_strdup(walk->files->pdata[i]));
	return paths;
}

static gboolean is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

gboolean scan_files(struct scan_job *job, const char *path, const char *name, GError **error)
{
	g_autoptr(ScanWalk) walk = NULL;
	gboolean is_one = is_file(path);
	/* Links are not followed, but for the one that was named. */
	g_autofree char *real = is_one ? realpath(path, NULL) : NULL;
	g_autofree char *folder = real != NULL ? g_path_get_dirname(real) : g_strdup(path);

	if (is_one && real == NULL) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path, g_strerror(errno));
		return FALSE;
	}
	if (is_one) {
		walk = g_new0(struct scan_walk, 1);
		walk->folder = g_canonicalize_filename(folder, NULL);
		walk->files = g_ptr_array_new_with_free_func(g_free);
		walk->problems = g_ptr_array_new_with_free_func(g_free);
		g_ptr_array_add(walk->files, g_path_get_basename(real));
	} else {
		walk = scan_walk_run(folder, job->user);
	}
	/* Inside of a working tree paths begin at its top, as in its history: so do ids. */
	g_autofree char *refused = NULL;
	g_autofree char *top = scan_walk_enclosing(walk->folder, job->user, &refused);
	/* Nothing is left out because of it: of history it was said before. */
	if (refused != NULL && job->flags->source == SCAN_SOURCE_WORKTREE) {
		g_autofree char *line = g_strdup_printf("%s: %s", name, refused);
		scan_job_say(job, line);
	}
	const char *shown = top != NULL ? top : name;
	g_autofree char *below =
		g_strdup(top == NULL || !strcmp(top, "/") ? "" : walk->folder + strlen(top));
	struct disk disk = {job, walk, paths_make(walk, *below != '\0' ? below + 1 : ""),
		open(walk->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (disk.fd < 0) {
		g_set_error(error, MUSTER_ERROR,
			errno == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO, "%s: %s", path,
			g_strerror(errno));
		g_ptr_array_unref(disk.paths);
		return FALSE;
	}
	for (guint i = 0; i < walk->problems->len; i++)
		scan_job_problem(job, name, walk->problems->pdata[i]);
	scan_job_ignores_load(job, top != NULL ? top : walk->folder, shown);
	struct scan_items_source source = {
		.n = walk->files->len, .path = disk_path, .get = disk_get, .data = &disk};
	gboolean is_done = scan_items_run(job, &source, shown,
		is_one        ? "file"
		: top != NULL ? "worktree"
			      : "folder",
		shown, error);
	close(disk.fd);
	g_ptr_array_unref(disk.paths);
	return is_done;
}

struct staged {
	const struct scan_job *job;
	struct object_store *store;
	GMutex lock; /* a store is used by one thread at a time */
	GPtrArray *paths;
	GArray *oids;
};

static const char *staged_path(gpointer data, guint32 item)
{
	const struct staged *staged = data;

	return staged->paths->pdata[item];
}

static const struct oid *staged_oid(gpointer data, guint32 item)
{
	const struct staged *staged = data;

	return &g_array_index(staged->oids, struct oid, item);
}

static enum object_result staged_read(
	struct staged *staged, guint32 item, gsize max_bytes, struct object *object)
{
	g_mutex_lock(&staged->lock);
	enum object_result result = object_read(
		staged->store, staged_oid(staged, item)->bytes, OBJECT_BLOB, max_bytes, object);
	g_mutex_unlock(&staged->lock);
	return result;
}

static GBytes *staged_get(
	gpointer data, guint32 item, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	struct staged *staged = data;
	gsize max_bytes = (gsize)staged->job->flags->blob_max_bytes;
	struct object object;

	/* How large it is shows when it is there: most are small, and nobody waits for those. */
	enum object_result result =
		staged_read(staged, item, MIN(max_bytes, BUDGET_SMALL), &object);
	if (result == OBJECT_TOO_BIG && max_bytes > BUDGET_SMALL) {
		budget_take(lease, max_bytes);
		result = staged_read(staged, item, max_bytes, &object);
		budget_give(lease, result == OBJECT_OK ? object.len : 0);
	}
	*gap = result == OBJECT_OK        ? SCAN_GAP_UNSET
	       : result == OBJECT_MISSING ? SCAN_GAP_MISSING
	       : result == OBJECT_TOO_BIG ? SCAN_GAP_TOO_BIG
					  : SCAN_GAP_UNREADABLE;
	return result == OBJECT_OK ? g_bytes_new_take(object.data, object.len) : NULL;
}

static gboolean staged_list(struct staged *staged, const struct repo *r, GError **error)
{
	const char *file = g_getenv("GIT_INDEX_FILE");
	g_autofree char *path =
		file != NULL && *file != '\0' ? g_canonicalize_filename(file, NULL) : NULL;
	struct status_options options = {.entries_max = G_MAXSIZE / 2,
		.index_file = path != NULL ? path : "index",
		.is_staged_only = true};
	g_autoptr(Status) status = status_read(r, &options, error);
	g_autoptr(Index) ix = status != NULL ? index_load_from(r, options.index_file, error) : NULL;

	if (ix == NULL)
		return FALSE;
	for (gsize i = 0; i < status->entries_count; i++) {
		const struct status_entry *entry = &status->entries[i];
		gsize at = index_lower_bound(ix, entry->path, strlen(entry->path));
		/* An unmerged path has up to three versions; all are looked at. */
		for (; at < ix->count && !strcmp(ix->entries[at].path, entry->path); at++) {
			const struct index_entry *e = &ix->entries[at];
			struct oid oid;
			guint32 type = index_mode(e) & INDEX_MODE_TYPE;
			if ((type != INDEX_MODE_FILE && type != INDEX_MODE_LINK) ||
				(e->flags & INDEX_FLAG_INTENT_TO_ADD))
				continue;
			memcpy(oid.bytes, index_oid(e), OID_BYTES);
			g_ptr_array_add(staged->paths, g_strdup(entry->path));
			g_array_append_val(staged->oids, oid);
		}
	}
	return TRUE;
}

static gboolean is_same_folder(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* The repository of a path, or of GIT_DIR, as GIT_INDEX_FILE is of it. *top: what it is called. */
static struct repo *staged_repo(struct scan_job *job, const char *path, char **top, GError **error)
{
	const char *folder = g_getenv("GIT_DIR");
	g_autofree char *refused = NULL;
	g_autoptr(GError) why = NULL;

	*top = scan_walk_enclosing(path, job->user, &refused);
	g_autoptr(Repo) r = *top != NULL ? repo_open(*top, job->user, &why) : NULL;
	if (folder != NULL && *folder != '\0' &&
		(r == NULL || !is_same_folder(r->gitdir_fd, folder))) {
		/* A hook of a repository whose folder is not in its working tree: dotfiles, say. */
		g_free(*top);
		*top = g_canonicalize_filename(folder, NULL);
		return repo_open(*top, job->user, error);
	}
	if (r == NULL && why != NULL)
		g_propagate_error(error, g_steal_pointer(&why));
	else if (r == NULL)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"%s is in no git repository: %s", path,
			refused != NULL ? refused : "nothing can be staged there");
	return g_steal_pointer(&r);
}

gboolean scan_staged(struct scan_job *job, const char *path, const char *name, GError **error)
{
	g_autofree char *top = NULL;
	g_autoptr(Repo) r = staged_repo(job, path, &top, error);

	if (r == NULL)
		return FALSE;
	struct staged staged = {.job = job,
		.store = object_store_new(r),
		.paths = g_ptr_array_new_with_free_func(g_free),
		.oids = g_array_new(FALSE, FALSE, sizeof(struct oid))};
	g_mutex_init(&staged.lock);
	gboolean is_done = staged_list(&staged, r, error);
	if (is_done) {
		struct scan_items_source source = {.n = staged.paths->len,
			.path = staged_path,
			.get = staged_get,
			.oid = staged_oid,
			.data = &staged};
		if (r->worktree != NULL)
			scan_job_ignores_load(job, r->worktree, top);
		is_done = scan_items_run(job, &source, top, "staged", top, error);
	}
	object_store_free(staged.store);
	g_ptr_array_unref(staged.paths);
	g_array_unref(staged.oids);
	g_mutex_clear(&staged.lock);
	return is_done;
}

struct stream {
	GBytes *bytes;
	enum scan_gap_reason gap;
};

static const char *stream_path(gpointer data, guint32 item)
{
	return "stdin";
}

static GBytes *stream_get(
	gpointer data, guint32 item, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	const struct stream *stream = data;

	*gap = stream->gap;
	return stream->bytes != NULL ? g_bytes_ref(stream->bytes) : NULL;
}

/* A part of standard input that is held at once. */
#define PART_BYTES (16 << 20)
#define WAIT_MS 200

struct input {
	struct scan_job *job;
	gboolean has_failed;
	int error;
};

/* Standard input until there are so many bytes; FALSE: that was all of it. */
static gboolean input_read_until(struct input *input, GByteArray *buffer, gsize until)
{
	guint8 block[65536];

	struct pollfd ready = {STDIN_FILENO, POLLIN, 0};

	while (buffer->len < until && !scan_job_is_stopped(input->job)) {
		/* A signal just before read() would not wake it. */
		if (poll(&ready, 1, WAIT_MS) <= 0)
			continue;
		gssize got = read(STDIN_FILENO, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			input->has_failed = TRUE;
			input->error = errno;
		}
		if (got <= 0)
			return FALSE;
		g_byte_array_append(buffer, block, (guint)got);
	}
	return TRUE;
}

static gboolean input_read(gpointer data, GByteArray *buffer)
{
	return input_read_until(data, buffer, PART_BYTES);
}

/* What has to be read as a whole: an archive, UTF-16. */
static gboolean input_is_whole(const struct scan_job *job, const GByteArray *start)
{
	enum content_class class = content_class_find(start->data, start->len);

	return (job->flags->archive_depth > 0 && archive_head_is(start->data, start->len)) ||
	       class == CONTENT_UTF16_LE || class == CONTENT_UTF16_BE;
}

struct rest {
	struct input *input;
	const GByteArray *start; /* what was read to find out what it is; NULL: given out */
};

static gboolean rest_read(gpointer data, GByteArray *buffer)
{
	struct rest *rest = data;

	if (rest->start == NULL)
		return input_read(rest->input, buffer);
	g_byte_array_append(buffer, rest->start->data, rest->start->len);
	rest->start = NULL;
	return TRUE;
}

gboolean scan_stdin(struct scan_job *job, GError **error)
{
	struct input input = {.job = job};
	g_autoptr(GByteArray) start = g_byte_array_new();
	gboolean has_more = input_read(&input, start), is_done;

	scan_job_ignores_load(job, ".", "");
	if (has_more && !input_is_whole(job, start)) {
		struct rest rest = {&input, start};
		is_done = scan_items_stream(
			job, "standard input", "stdin", "stdin", rest_read, &rest, error);
	} else {
		struct stream stream = {NULL, SCAN_GAP_UNSET};
		struct scan_items_source source = {
			.n = 1, .path = stream_path, .get = stream_get, .data = &stream};
		if (has_more)
			input_read_until(&input, start, (gsize)job->flags->blob_max_bytes + 1);
		/* Of a stream nothing else remains: what is too big was asked for. */
		if (start->len > job->flags->blob_max_bytes)
			scan_job_problem(job, "standard input", "more than --max-target-megabytes");
		stream.bytes = g_byte_array_free_to_bytes(g_steal_pointer(&start));
		is_done = scan_items_run(job, &source, "standard input", "stdin", "", error);
		g_bytes_unref(stream.bytes);
	}
	if (input.has_failed)
		scan_job_problem(job, "standard input", g_strerror(input.error));
	return is_done;
}
