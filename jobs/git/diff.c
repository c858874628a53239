/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <git2.h>

#include "jobs/git/convert.h"
#include "jobs/git/history.h"
#include "jobs/git/odb.h"
#include "jobs/git/readfile.h"
#include "lib/error.h"

#define LINK_MAX_BYTES 4096
#define MODE_TYPE 0170000
#define MODE_SUBMODULE 0160000

const struct diff_limits diff_limits_default = {
	.files = 300,
	.file_bytes = 1024 * 1024,
	.file_lines = 2000,
	.lines = 20000,
	.line_bytes = 2000,
};

/* One side of a file. */
struct side {
	char *data;
	gsize len;
	bool is_there;
	bool is_too_big;
};

struct reading {
	const struct repo *r;
	const struct diff_limits *limits;
	struct diff *diff;
	struct odb *odb;
	struct oid tree; /* HEAD's */
	bool has_tree;
	gsize lines;
};

const char *diff_kind_name(enum diff_kind kind)
{
	static const char *const names[] = {
		NULL, "added", "deleted", "modified", "untracked", "unmerged", "submodule"};

	return names[kind];
}

static void line_clear(gpointer data)
{
	g_free(((struct diff_line *)data)->text);
}

static void hunk_free(gpointer data)
{
	struct diff_hunk *hunk = data;

	g_free(hunk->header);
	g_array_unref(hunk->lines);
	g_free(hunk);
}

static void file_free(gpointer data)
{
	struct diff_file *file = data;

	g_free(file->path);
	g_ptr_array_unref(file->hunks);
	g_free(file);
}

void diff_free(struct diff *diff)
{
	if (diff == NULL)
		return;
	g_ptr_array_unref(diff->files);
	g_free(diff);
}

/* The folder that holds the last part of path, no link on the way; -1 when that cannot be. */
static int parent_open(int top, const char *path, const char **name)
{
	int fd = fcntl(top, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	while (fd >= 0 && (slash = strchr(path, '/')) != NULL) {
		g_autofree char *part = g_strndup(path, (gsize)(slash - path));
		int next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
		path = slash + 1;
	}
	*name = path;
	return fd;
}

static void side_load_worktree(const struct reading *reading, const char *path, struct side *side)
{
	const char *name;
	int fd = parent_open(reading->r->worktree_fd, path, &name);
	struct stat st;

	if (fd < 0)
		return;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
		side->data = g_malloc0(LINK_MAX_BYTES + 1);
		ssize_t len = readlinkat(fd, name, side->data, LINK_MAX_BYTES);
		side->len = len > 0 ? (gsize)len : 0;
		side->is_there = len >= 0;
	} else {
		enum readfile_result result = readfile_load(
			fd, name, O_NOFOLLOW, reading->limits->file_bytes, &side->data, &side->len);
		side->is_too_big = result == READFILE_TOO_BIG;
		side->is_there = result == READFILE_OK || side->is_too_big;
	}
	close(fd);
}

/* FALSE: the object store is broken. */
static gboolean side_load_head(const struct reading *reading, const char *path, struct side *side,
	uint32_t *mode, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_auto(OdbObject) blob = {0};
	enum object_type type = OBJECT_UNSET;
	guint64 size_bytes = 0;
	struct oid oid;

	*mode = 0;
	if (!reading->has_tree)
		return TRUE;
	if (!odb_tree_find(reading->odb, &reading->tree, path, &oid, mode, &failed)) {
		if (failed == NULL)
			return TRUE;
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	side->is_there = true;
	if ((*mode & MODE_TYPE) == MODE_SUBMODULE)
		return TRUE;
	if (!odb_look(reading->odb, &oid, &type, &size_bytes, error))
		return FALSE;
	side->is_too_big = size_bytes > reading->limits->file_bytes;
	if (side->is_too_big || type != OBJECT_BLOB)
		return TRUE;
	if (!odb_read(reading->odb, &oid, OBJECT_BLOB, reading->limits->file_bytes, &blob, error))
		return FALSE;
	side->data = g_malloc(blob.len + 1);
	memcpy(side->data, blob.data, blob.len);
	side->data[blob.len] = '\0';
	side->len = blob.len;
	return TRUE;
}

static bool is_lfs_pointer(const struct side *side)
{
	static const char start[] = "version https://git-lfs.github.com/spec/";

	return side->data != NULL && side->len < 1024 && g_str_has_prefix(side->data, start);
}

/* Line endings that git would take away are no change to show. */
static void side_convert(const struct reading *reading, const struct side *old, struct side *new)
{
	if (reading->r->autocrlf != REPO_AUTOCRLF_TRUE &&
		reading->r->autocrlf != REPO_AUTOCRLF_INPUT)
		return;
	if (old->data == NULL || new->data == NULL)
		return;
	struct convert_facts was = convert_look(old->data, old->len);
	struct convert_facts is = convert_look(new->data, new->len);
	if (!was.has_crlf && is.has_crlf && !is.is_binary)
		new->len = convert_to_lf(new->data, new->len, true);
}

static char *text_cut(const char *text, gsize len, gsize max_bytes, bool *is_cut)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	*is_cut |= len > max_bytes;
	return g_strndup(text, MIN(len, max_bytes));
}

static gboolean hunk_add(
	struct reading *reading, struct diff_file *file, git_patch *patch, size_t at)
{
	const git_diff_hunk *from;
	const git_diff_line *line;
	size_t count;
	bool is_cut = false;

	if (git_patch_get_hunk(&from, &count, patch, at) != 0)
		return FALSE;
	struct diff_hunk *hunk = g_new0(struct diff_hunk, 1);
	hunk->header =
		text_cut(from->header, from->header_len, reading->limits->line_bytes, &is_cut);
	hunk->old_start = from->old_start;
	hunk->old_lines = from->old_lines;
	hunk->new_start = from->new_start;
	hunk->new_lines = from->new_lines;
	hunk->lines = g_array_new(FALSE, FALSE, sizeof(struct diff_line));
	g_array_set_clear_func(hunk->lines, line_clear);
	g_ptr_array_add(file->hunks, hunk);
	for (size_t i = 0; i < count; i++) {
		if (git_patch_get_line_in_hunk(&line, patch, at, i) != 0)
			return FALSE;
		/* The others say that a newline is missing at the end. */
		if (line->origin != GIT_DIFF_LINE_CONTEXT &&
			line->origin != GIT_DIFF_LINE_ADDITION &&
			line->origin != GIT_DIFF_LINE_DELETION)
			continue;
		if (file->additions + file->deletions + i > reading->limits->file_lines ||
			reading->lines >= reading->limits->lines) {
			file->is_truncated = true;
			return TRUE;
		}
		struct diff_line to = {
			.kind = line->origin,
			.old_line = MAX(line->old_lineno, 0),
			.new_line = MAX(line->new_lineno, 0),
			.text = text_cut(line->content, line->content_len,
				reading->limits->line_bytes, &is_cut),
		};
		g_array_append_val(hunk->lines, to);
		/* cppcheck-suppress memleak ; the array has it */
		reading->lines++;
	}
	file->is_truncated |= is_cut;
	return TRUE;
}

static gboolean file_compare(struct reading *reading, struct diff_file *file,
	const struct side *old, const struct side *new, GError **error)
{
	git_diff_options options;
	git_patch *patch = NULL;
	size_t additions = 0, deletions = 0;
	gboolean is_done = TRUE;

	git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
	if (git_patch_from_buffers(
		    &patch, old->data, old->len, NULL, new->data, new->len, NULL, &options) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the difference of a file: %s",
			git_error_last() != NULL ? git_error_last()->message : "unknown error");
		return FALSE;
	}
	file->is_binary = git_patch_get_delta(patch)->flags & GIT_DIFF_FLAG_BINARY;
	for (size_t i = 0; is_done && !file->is_binary && !file->is_truncated &&
			   i < git_patch_num_hunks(patch);
		i++)
		is_done = hunk_add(reading, file, patch, i);
	git_patch_line_stats(NULL, &additions, &deletions, patch);
	file->additions = additions;
	file->deletions = deletions;
	git_patch_free(patch);
	return is_done;
}

static enum diff_kind kind_of(const struct status_entry *entry, bool was_there, bool is_there)
{
	if (entry->kind == STATUS_KIND_UNTRACKED)
		return DIFF_KIND_UNTRACKED;
	if (entry->kind == STATUS_KIND_UNMERGED)
		return DIFF_KIND_UNMERGED;
	if (entry->submodule[0] == 'S')
		return DIFF_KIND_SUBMODULE;
	if (!was_there)
		return DIFF_KIND_ADDED;
	return is_there ? DIFF_KIND_MODIFIED : DIFF_KIND_DELETED;
}

static gboolean file_read_both(
	struct reading *reading, const struct status_entry *entry, GError **error)
{
	struct diff_file *file = g_new0(struct diff_file, 1);
	struct side old = {NULL, 0, false, false}, new = {NULL, 0, false, false};
	gsize len = strlen(entry->path);
	uint32_t mode = 0;
	gboolean is_done = TRUE;

	file->path = g_strdup(entry->path);
	file->x = entry->kind == STATUS_KIND_UNTRACKED ? '?' : entry->x;
	file->y = entry->kind == STATUS_KIND_UNTRACKED ? '?' : entry->y;
	file->hunks = g_ptr_array_new_with_free_func(hunk_free);
	g_ptr_array_add(reading->diff->files, file);
	if (entry->submodule[0] != 'S' && len > 0 && entry->path[len - 1] != '/') {
		side_load_worktree(reading, entry->path, &new);
		is_done = side_load_head(reading, entry->path, &old, &mode, error);
	}
	file->kind = kind_of(entry, old.is_there, new.is_there);
	file->is_truncated = old.is_too_big || new.is_too_big;
	file->is_binary = is_lfs_pointer(&old) && !is_lfs_pointer(&new);
	if (is_done && !file->is_truncated && !file->is_binary && (old.is_there || new.is_there) &&
		(mode & MODE_TYPE) != MODE_SUBMODULE) {
		side_convert(reading, &old, &new);
		is_done = file_compare(reading, file, &old, &new, error);
	}
	reading->diff->is_truncated |= file->is_truncated;
	g_free(old.data);
	g_free(new.data);
	return is_done;
}

struct diff *diff_read(const struct repo *r, const struct diff_limits *limits, GError **error)
{
	struct status_options options = {.threads = 1, .entries_max = limits->files};
	g_autoptr(Status) status = status_read(r, &options, error);
	g_autoptr(History) history = status != NULL ? history_open(r, error) : NULL;
	g_autoptr(Diff) diff = g_new0(struct diff, 1);
	struct reading reading = {.r = r, .limits = limits, .diff = diff};

	diff->files = g_ptr_array_new_with_free_func(file_free);
	if (history == NULL)
		return NULL;
	reading.odb = history_odb(history);
	if (status->head.state != HEAD_STATE_UNBORN) {
		if (!history_tree(history, &status->head.oid, &reading.tree, error))
			return NULL;
		reading.has_tree = true;
	}
	diff->is_truncated = status->is_truncated;
	for (gsize i = 0; i < status->entries_count; i++)
		if (status->entries[i].kind != STATUS_KIND_UNVERIFIED &&
			!file_read_both(&reading, &status->entries[i], error))
			return NULL;
	return g_steal_pointer(&diff);
}
