/* SPDX-License-Identifier: MIT */
/*
 * One walk over the working tree: each folder is opened and read once, what the index has in it is
 * compared, what it has not is untracked or ignored. System calls of a clean folder: openat,
 * getdents64 twice, fstatat a file, close. Nothing is allocated an entry.
 */
#include "config.h"
#include "jobs/git/status_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

/* So many files of one folder are worth another thread's while. */
#define SLICE_CHILDREN 1024

/* What the index has directly in a folder: a path (perhaps in stages), or a folder of paths. */
struct child {
	uint64_t key; /* the first eight bytes of the name, and of the slash of a folder */
	const char *name;
	uint32_t len; /* without the slash */
	uint32_t low;
	uint32_t high;
	bool is_folder;
	bool is_seen;
};

G_STATIC_ASSERT(sizeof(struct child) == STATUS_CHILD_BYTES);

/* The kernel's record; glibc's struct dirent has the same shape, but no promise of it. */
struct record {
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

static uint64_t key_of(const char *name, gsize len, bool is_folder)
{
	uint64_t key = 0;

	memcpy(&key, name, len < 8 ? len : 8);
	key = be64toh(key);
	if (is_folder && len < 8)
		key |= (uint64_t)'/' << (56 - 8 * len);
	return key;
}

static int child_compare(
	const struct child *c, uint64_t key, const char *name, gsize len, bool is_folder)
{
	if (c->key != key)
		return c->key < key ? -1 : 1;
	gsize shorter = c->len < len ? c->len : len;
	int order = shorter > 8 ? memcmp(c->name + 8, name + 8, shorter - 8) : 0;
	if (order != 0)
		return order;
	/* Where the shorter one ends, a folder has its slash. */
	unsigned char a = c->len > shorter ? (unsigned char)c->name[shorter]
			  : c->is_folder   ? '/'
					   : 0;
	unsigned char b = len > shorter ? (unsigned char)name[shorter] : is_folder ? '/' : 0;
	if (a != b)
		return a < b ? -1 : 1;
	return c->len == len ? 0 : c->len < len ? -1 : 1;
}

static struct child *child_at(const struct status_worker *w, guint i)
{
	return &g_array_index(w->children, struct child, i);
}

static struct child *child_find(
	const struct status_worker *w, guint first, const char *name, gsize len, bool is_folder)
{
	uint64_t key = key_of(name, len, is_folder);
	guint low = first, high = w->children->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		struct child *c = child_at(w, middle);
		int order = child_compare(c, key, name, len, is_folder);
		if (order == 0)
			return c;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!w->run->r->is_ignorecase)
		return NULL;
	for (guint i = first; i < w->children->len; i++) {
		struct child *c = child_at(w, i);
		if (c->len == len && c->is_folder == is_folder &&
			g_ascii_strncasecmp(c->name, name, len) == 0)
			return c;
	}
	return NULL;
}

static void children_collect(struct status_worker *w, gsize prefix, gsize low, gsize high)
{
	const struct index *ix = w->run->ix;

	for (gsize i = low; i < high;) {
		const struct index_entry *e = &ix->entries[i];
		const char *name = e->path + prefix;
		gsize len = e->path_len - prefix, end = i + 1;
		const char *slash = memchr(name, '/', len);
		if (slash != NULL) {
			len = (gsize)(slash - name);
			end = index_prefix_end(ix, i, high, prefix + len + 1);
		} else if (e->stage != 0) {
			while (end < high && ix->entries[end].path_len == e->path_len &&
				memcmp(ix->entries[end].path, e->path, e->path_len) == 0)
				end++;
		}
		struct child c = {.key = key_of(name, len, slash != NULL),
			.name = name,
			.len = (uint32_t)len,
			.low = (uint32_t)i,
			.high = (uint32_t)end,
			.is_folder = slash != NULL};
		g_array_append_val(w->children, c);
		i = end;
	}
}

/* Names of what the index does not have go on the stack: type, length in two bytes, name, zero. */
static void name_push(struct status_worker *w, unsigned char type, const char *name, gsize len)
{
	uint8_t head[3] = {type, (uint8_t)(len >> 8), (uint8_t)len};

	g_byte_array_append(w->names, head, sizeof(head));
	g_byte_array_append(w->names, (const guint8 *)name, (guint)len + 1);
}

static void changed(struct status_worker *w, const struct index_entry *e, char y)
{
	w->counts.unstaged++;
	status_change_add(w, STATUS_KIND_CHANGED, '.', y, index_is_gitlink(e) ? "S..." : "N...",
		e->path, e->path_len);
}

static void unverified(struct status_worker *w, const struct index_entry *e)
{
	w->counts.unverified++;
	status_change_add(w, STATUS_KIND_UNVERIFIED, '.', '.',
		index_is_gitlink(e) ? "S..." : "N...", e->path, e->path_len);
}

/* Bit s-1 of the mask: stage s is there. Source: git-status(1), "Short Format". */
static void unmerged(struct status_worker *w, const struct child *c)
{
	static const char codes[8][3] = {"..", "DD", "AU", "UD", "UA", "DU", "AA", "UU"};
	const struct index_entry *e = &w->run->ix->entries[c->low];
	unsigned mask = 0;
	bool is_gitlink = false;

	for (gsize i = c->low; i < c->high; i++) {
		mask |= w->run->ix->entries[i].stage > 0 ? 1u << (w->run->ix->entries[i].stage - 1)
							 : 0;
		is_gitlink |= index_is_gitlink(&w->run->ix->entries[i]);
	}
	w->counts.unmerged++;
	status_change_add(w, STATUS_KIND_UNMERGED, codes[mask][0], codes[mask][1],
		is_gitlink ? "S..." : "N...", e->path, e->path_len);
}

/* git does not look at these. A skipped file that is there after all is looked at, if sparse. */
static bool is_not_looked_at(const struct status_worker *w, const struct index_entry *e)
{
	const struct repo *r = w->run->r;

	if (e->flags & INDEX_FLAG_SKIP_WORKTREE)
		return !r->is_sparse_checkout || r->is_sparse_outside_expected;
	return e->flags & INDEX_FLAG_ASSUME_UNCHANGED;
}

static void missing(struct status_worker *w, const struct index_entry *e)
{
	if (!(e->flags & INDEX_FLAG_SKIP_WORKTREE))
		changed(w, e, 'D');
}

/* Is there a repository with a commit at the path of the entry? */
static bool has_commit(const struct status_worker *w, const struct index_entry *e)
{
	const struct repo *r = w->run->r;
	g_autofree char *path = g_build_filename(r->worktree, e->path, NULL);
	g_autoptr(Repo) inner = repo_open(path, r->user, NULL);
	g_auto(RefsHead) head = {0};

	return inner != NULL && !inner->is_bare && refs_head_read(inner, &head, NULL) &&
	       head.state != HEAD_STATE_UNBORN;
}

/* A folder in the place of a file: a repository makes it another type, else the file is gone. */
static void folder_in_place(struct status_worker *w, const struct index_entry *e)
{
	if (!has_commit(w, e)) {
		changed(w, e, 'D');
		return;
	}
	w->counts.unstaged++;
	status_change_add(w, STATUS_KIND_CHANGED, '.', 'T', "SC..", e->path, e->path_len);
}

/* Of an entry that is only meant to be added, git tells what is there now. */
static void intended(struct status_worker *w, const struct index_entry *e, bool is_folder)
{
	bool is_gitlink = is_folder && (index_is_gitlink(e) || has_commit(w, e));

	w->counts.unstaged++;
	status_change_add(w, STATUS_KIND_CHANGED, '.', is_folder && !is_gitlink ? 'D' : 'A',
		is_gitlink ? "S..." : "N...", e->path, e->path_len);
}

static void file_check(struct status_worker *w, struct status_folder *f, int fd,
	const struct child *c, bool is_listed)
{
	const struct index_entry *e = &w->run->ix->entries[c->low];
	const struct repo *r = w->run->r;
	uint32_t mode = index_mode(e), type = mode & INDEX_MODE_TYPE;
	bool is_size_changed;
	struct stat st;

	if (e->stage != 0) {
		unmerged(w, c);
		return;
	}
	if (type == INDEX_MODE_GITLINK)
		w->submodules++;
	if (is_not_looked_at(w, e))
		return;
	if (is_listed && !c->is_seen) {
		missing(w, e);
		return;
	}
	/* The name of a path's last part ends where the path does: at its zero byte. */
	if (fstatat(fd, c->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			missing(w, e);
		else
			unverified(w, e);
		return;
	}
	if (e->flags & INDEX_FLAG_INTENT_TO_ADD) {
		intended(w, e, S_ISDIR(st.st_mode));
		return;
	}
	if (type == INDEX_MODE_GITLINK) {
		if (S_ISDIR(st.st_mode))
			status_submodule_check(w, e);
		else
			changed(w, e, 'T');
	} else if (S_ISDIR(st.st_mode)) {
		folder_in_place(w, e);
	} else if (S_ISLNK(st.st_mode) ? type != INDEX_MODE_LINK
				       : type == INDEX_MODE_LINK && r->has_symlinks) {
		changed(w, e, 'T');
	} else if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
		changed(w, e, 'M');
	} else if (r->has_filemode && type == INDEX_MODE_FILE && ((mode ^ st.st_mode) & 0100)) {
		changed(w, e, 'M');
	} else if (!status_stat_match(w->run, e, &st, &is_size_changed)) {
		enum status_answer answer = STATUS_DIFFERENT;
		if (!is_size_changed)
			answer = status_file_compare(w, f, fd, c->name, e, &st);
		if (answer == STATUS_DIFFERENT)
			changed(w, e, 'M');
		else if (answer == STATUS_UNVERIFIED)
			unverified(w, e);
	}
}

/* Every path of a folder that is not there, or may not be entered. */
static void folder_missing(struct status_worker *w, gsize low, gsize high, bool is_unreadable)
{
	struct child c = {0};

	for (gsize i = low; i < high; i = c.high) {
		const struct index_entry *e = &w->run->ix->entries[i];
		c.low = (uint32_t)i;
		c.high = c.low + 1;
		while (e->stage != 0 && c.high < high &&
			strcmp(w->run->ix->entries[c.high].path, e->path) == 0)
			c.high++;
		if (e->stage != 0) {
			unmerged(w, &c);
			continue;
		}
		w->submodules += index_is_gitlink(e);
		if (e->flags & (INDEX_FLAG_SKIP_WORKTREE | INDEX_FLAG_ASSUME_UNCHANGED))
			continue;
		if (is_unreadable)
			unverified(w, e);
		else
			missing(w, e);
	}
}

static bool is_dot_git(const char *name, bool is_ignorecase)
{
	return is_ignorecase ? g_ascii_strcasecmp(name, ".git") == 0 : strcmp(name, ".git") == 0;
}

static unsigned char type_at(int fd, const char *name, unsigned char type)
{
	struct stat st;

	if (type != DT_UNKNOWN)
		return type;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode)   ? DT_DIR
	       : S_ISREG(st.st_mode) ? DT_REG
	       : S_ISLNK(st.st_mode) ? DT_LNK
				     : DT_FIFO;
}

static void record_take(struct status_worker *w, struct status_folder *f, int fd, guint first,
	const struct record *d)
{
	const char *name = d->name;
	gsize len = strlen(name);

	if (name[0] == '.') {
		if (len == 1 || (len == 2 && name[1] == '.') ||
			is_dot_git(name, w->run->r->is_ignorecase))
			return;
		if (strcmp(name, ".gitignore") == 0)
			f->has_ignore_file = STATUS_YES;
		else if (strcmp(name, ".gitattributes") == 0)
			f->has_attr_file = STATUS_YES;
	}
	unsigned char type = type_at(fd, name, d->type);
	struct child *file = child_find(w, first, name, len, false);
	if (file != NULL)
		file->is_seen = true;
	struct child *folder = type == DT_DIR ? child_find(w, first, name, len, true) : NULL;
	if (folder != NULL)
		folder->is_seen = true;
	/* A folder in a tracked file's place is that file's change, not untracked as well. */
	if (file != NULL || folder != NULL || (type != DT_DIR && type != DT_REG && type != DT_LNK))
		return;
	name_push(w, type, name, len);
}

static gboolean folder_list(struct status_worker *w, struct status_folder *f, int fd, guint first)
{
	f->has_ignore_file = f->has_attr_file = STATUS_NO;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, w->dents, STATUS_DENTS_BYTES);
		if (n <= 0)
			return n == 0;
		for (long at = 0; at < n;) {
			const struct record *d =
				(const struct record *)(const void *)(w->dents + at);
			at += d->size;
			record_take(w, f, fd, first, d);
		}
	}
}

static void untracked_add(struct status_worker *w, const char *path, gsize len)
{
	w->counts.untracked++;
	if (w->changes->len >= w->run->options->entries_max)
		return;
	const char *copy = g_string_chunk_insert_len(w->paths, path, (gssize)len);
	status_change_add(w, STATUS_KIND_UNTRACKED, '?', '?', "N...", copy, len);
}

/*
 * Is there a file in this folder, at any depth, that is not ignored? w->path ends with it. Takes
 * fd. A repository in it counts as one.
 */
static bool has_untracked(
	struct status_worker *w, struct status_folder *parent, int fd, unsigned depth)
{
	struct status_folder f = {
		.parent = parent, .path_len = w->path->len, .is_excluded = STATUS_NO};
	guint first = w->names->len;
	bool is_found = false;
	long n = -1;

	while (!is_found && depth < STATUS_DEPTH_MAX &&
		(n = syscall(SYS_getdents64, fd, w->dents, STATUS_DENTS_BYTES)) > 0) {
		for (long at = 0; at < n && !is_found;) {
			const struct record *d =
				(const struct record *)(const void *)(w->dents + at);
			unsigned char type = type_at(fd, d->name, d->type);
			gsize len = strlen(d->name);
			at += d->size;
			if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0 ||
				is_dot_git(d->name, w->run->r->is_ignorecase))
				continue;
			if (type == DT_DIR) {
				name_push(w, type, d->name, len);
			} else if (type == DT_REG || type == DT_LNK) {
				g_string_append_len(w->path, d->name, (gssize)len);
				is_found = !status_is_ignored(
					w, &f, w->path->str, w->path->len, f.path_len, false);
				g_string_truncate(w->path, f.path_len);
			}
		}
	}
	if (n < 0)
		w->unreadable++;
	for (guint at = first; at < w->names->len && !is_found;) {
		gsize len = (gsize)w->names->data[at + 1] << 8 | w->names->data[at + 2];
		g_string_append_len(w->path, (const char *)w->names->data + at + 3, (gssize)len);
		if (!status_is_ignored(w, &f, w->path->str, w->path->len, f.path_len, true)) {
			int inner = openat(fd, (const char *)w->names->data + at + 3, FOLDER_FLAGS);
			g_string_append_c(w->path, '/');
			if (inner < 0)
				w->unreadable++;
			else if (status_is_nested(inner)) {
				is_found = true;
				close(inner);
			} else {
				is_found = has_untracked(w, &f, inner, depth + 1);
			}
		}
		g_string_truncate(w->path, f.path_len);
		at += 3 + (guint)len + 1;
	}
	g_byte_array_set_size(w->names, first);
	status_folder_clear(&f);
	close(fd);
	return is_found;
}

/* `name` lies in folder f, open as fd, and the index has nothing of it. */
void status_untracked_check(struct status_worker *w, struct status_folder *f, int fd,
	const char *name, gsize len, unsigned char type, unsigned depth)
{
	gsize path_len = w->path->len;
	bool is_folder = type == DT_DIR;

	if (status_folder_is_excluded(w, f))
		return;
	g_string_append_len(w->path, name, (gssize)len);
	if (!status_is_ignored(w, f, w->path->str, w->path->len, path_len, is_folder)) {
		bool is_shown = true;
		if (is_folder) {
			/* The name may move with its array, the copy in the path may not. */
			int inner = openat(fd, w->path->str + path_len, FOLDER_FLAGS);
			g_string_append_c(w->path, '/');
			if (inner < 0) {
				w->unreadable++;
				is_shown = false;
			} else if (status_is_nested(inner)) {
				close(inner);
			} else {
				is_shown = has_untracked(w, f, inner, depth + 1);
			}
		}
		if (is_shown)
			untracked_add(w, w->path->str, w->path->len);
	}
	g_string_truncate(w->path, path_len);
}

static void names_check(
	struct status_worker *w, struct status_folder *f, int fd, guint first, unsigned depth)
{
	for (guint at = first; at < w->names->len;) {
		gsize len = (gsize)w->names->data[at + 1] << 8 | w->names->data[at + 2];
		status_untracked_check(w, f, fd, (const char *)w->names->data + at + 3, len,
			w->names->data[at], depth);
		at += 3 + (guint)len + 1;
	}
	g_byte_array_set_size(w->names, first);
}

/* The folder of child c. `*fd` is closed before the last one, so that depth costs no descriptors.
 */
static void subfolder_walk(struct status_worker *w, struct status_folder *f, int *fd,
	const struct child *c, bool is_listed, bool is_last, unsigned depth)
{
	gsize path_len = w->path->len, low = c->low, high = c->high;
	int inner = -1;

	if (index_is_folder(&w->run->ix->entries[low]))
		return; /* sparse, and nothing is in its place */
	g_string_append_len(w->path, c->name, (gssize)c->len);
	if (!is_listed || c->is_seen) {
		inner = openat(*fd, w->path->str + path_len, FOLDER_FLAGS);
	} else {
		errno = ENOENT;
	}
	if (inner < 0 || depth >= STATUS_DEPTH_MAX) {
		bool is_gone = inner < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
		if (inner >= 0)
			close(inner);
		w->unreadable += !is_gone;
		folder_missing(w, low, high, !is_gone);
	} else {
		g_string_append_c(w->path, '/');
		if (is_last) {
			close(*fd);
			*fd = -1;
		}
		if (!status_queue_offer(w, inner, low, high, depth + 1)) {
			struct status_folder below = {.parent = f, .path_len = w->path->len};
			status_walk(w, &below, inner, low, high, depth + 1);
			status_folder_clear(&below);
		}
	}
	g_string_truncate(w->path, path_len);
}

void status_walk_files(
	struct status_worker *w, struct status_folder *f, int fd, gsize low, gsize high)
{
	guint first = w->children->len;

	children_collect(w, f->path_len, low, high);
	for (guint i = first; i < w->children->len; i++)
		if (!child_at(w, i)->is_folder)
			file_check(w, f, fd, child_at(w, i), false);
	g_array_set_size(w->children, first);
	close(fd);
}

/* Children [first, end), in slices, as many of them as others take. */
static void files_check(struct status_worker *w, struct status_folder *f, int fd, guint first,
	guint end, bool is_listed)
{
	for (guint low = first; low < end; low += SLICE_CHILDREN) {
		guint high = MIN(low + SLICE_CHILDREN, end);
		if (high - low == SLICE_CHILDREN &&
			status_queue_offer_files(
				w, fd, child_at(w, low)->low, child_at(w, high - 1)->high))
			continue;
		for (guint i = low; i < high; i++)
			if (!child_at(w, i)->is_folder)
				file_check(w, f, fd, child_at(w, i), is_listed);
	}
}

/* Takes fd. w->path is the folder's, entries [low, high) all lie in it. */
void status_walk(struct status_worker *w, struct status_folder *f, int fd, gsize low, gsize high,
	unsigned depth)
{
	guint first = w->children->len, first_name = w->names->len;
	bool is_listed = !w->run->options->is_untracked_left_out;
	guint last = first;

	children_collect(w, f->path_len, low, high);
	guint end = w->children->len;
	if (is_listed) {
		is_listed = folder_list(w, f, fd, first);
		if (!is_listed)
			w->unreadable++;
		names_check(w, f, fd, first_name, depth);
	}
	files_check(w, f, fd, first, end, is_listed);
	for (guint i = first; i < end; i++)
		if (child_at(w, i)->is_folder)
			last = i;
	for (guint i = first; i < end; i++) {
		/* A copy: deeper folders make the array grow. */
		struct child c = *child_at(w, i);
		if (c.is_folder)
			subfolder_walk(w, f, &fd, &c, is_listed, i == last, depth);
	}
	g_array_set_size(w->children, first);
	if (fd >= 0)
		close(fd);
}
