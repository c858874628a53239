/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "jobs/git/index.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/quote.h"

#define FIND_DEPTH_MAX 64
#define FIND_PATH_MAX_BYTES 4000
#define FIND_PROBLEMS_MAX 1000
#define FIND_DENTS_BYTES 32768
#define FIND_PROGRESS_FOLDERS 64 /* folders between two calls of progress */

struct walk {
	struct find_result *result;
	char **skip;
	GHashTable *roots;       /* path -> the same: where another walk begins */
	GHashTable *broken;      /* paths below which something could not be read */
	GPtrArray *children;     /* struct find_repo: candidates for not_git */
	GHashTable *taken_roots; /* roots that are repositories themselves */
	GThreadPool *pool;
	GMutex lock;
	GCond idle;
	guint pending;
	gint waiting; /* tasks that no thread has taken yet */
	gint threads;
	guint reported;
	find_progress progress;
	gpointer data;
};

struct folder {
	char *path;
	const char *name; /* its last part, to be opened in the folder at */
	int at;           /* AT_FDCWD: open path */
	const char *root;
	dev_t device; /* of the root, when its folders count their links; else 0 */
	guint depth;
};

static void find_repo_free(gpointer data)
{
	struct find_repo *repo = data;

	g_free(repo->path);
	g_free(repo->name);
	g_free(repo);
}

static struct find_repo *find_repo_new(const char *path, const char *root, enum repo_kind kind)
{
	struct find_repo *repo = g_new0(struct find_repo, 1);

	repo->path = g_strdup(path);
	repo->root = root;
	repo->kind = kind;
	return repo;
}

void find_result_free(struct find_result *found)
{
	if (found == NULL)
		return;
	g_ptr_array_unref(found->roots);
	g_ptr_array_unref(found->repos);
	g_ptr_array_unref(found->plain);
	g_ptr_array_unref(found->problems);
	g_free(found);
}

gboolean find_is_below(const char *path, const char *folder)
{
	gsize len = strlen(folder);

	if (len == 1 && folder[0] == '/')
		return path[0] == '/';
	return !strncmp(path, folder, len) && (path[len] == '\0' || path[len] == '/');
}

static void problem_add(struct walk *walk, const char *path, const char *why)
{
	g_autofree char *quoted = quote_format(path);

	g_mutex_lock(&walk->lock);
	g_hash_table_add(walk->broken, g_strdup(path));
	if (walk->result->problems->len < FIND_PROBLEMS_MAX)
		g_ptr_array_add(walk->result->problems, g_strdup_printf("%s: %s", quoted, why));
	g_mutex_unlock(&walk->lock);
}

/* fnmatch() makes wide characters of both first: only for what is a pattern. */
static gboolean is_skipped(const struct walk *walk, const char *name)
{
	for (char **pattern = walk->skip; *pattern != NULL; pattern++) {
		gboolean is_plain = (*pattern)[strcspn(*pattern, "*?[\\")] == '\0';
		if (**pattern != '\0' &&
			(is_plain ? !strcmp(*pattern, name) : !fnmatch(*pattern, name, 0)))
			return TRUE;
	}
	return FALSE;
}

/* The device of a file system whose folders count their links, else 0. */
static dev_t counting_device(const char *path)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) != 0 || stat(path, &st) != 0)
		return 0;
	return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC ||
			       fs.f_type == TMPFS_MAGIC
		       ? st.st_dev
		       : 0;
}

/* A task for another thread. Takes path. */
static void folder_push(struct walk *walk, const struct folder *from)
{
	struct folder *folder = g_memdup2(from, sizeof(*from));

	folder->at = AT_FDCWD;
	g_atomic_int_inc(&walk->waiting);
	g_mutex_lock(&walk->lock);
	walk->pending++;
	g_mutex_unlock(&walk->lock);
	g_thread_pool_push(walk->pool, folder, NULL);
	/* cppcheck-suppress memleak ; folder_run() frees it */
}

/*
 * A .git that repo_probe() does not know may still be a repository that broke: it gets a row that
 * says so, where git would say nothing. An empty .git folder is none.
 */
static gboolean has_remains(int fd)
{
	static const char *const parts[] = {"HEAD", "config", "objects", "refs"};
	int git = openat(fd, ".git", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	gboolean is_repo = FALSE;
	struct stat st;
	char head[8];

	if (git < 0)
		return FALSE;
	if (fstat(git, &st) == 0 && S_ISREG(st.st_mode))
		is_repo = pread(git, head, sizeof(head), 0) == sizeof(head) &&
			  !memcmp(head, "gitdir: ", sizeof(head));
	else if (S_ISDIR(st.st_mode))
		for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
			is_repo |= fstatat(git, parts[i], &st, AT_SYMLINK_NOFOLLOW) == 0;
	close(git);
	return is_repo;
}

struct listing {
	GPtrArray *names; /* of folders */
	gboolean has_git, has_head, has_objects, has_refs;
};

static void listing_add(int fd, struct listing *listing, const char *name, unsigned char type)
{
	struct stat st;

	if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
		return;
	if (!strcmp(name, ".git")) {
		listing->has_git = TRUE;
		return;
	}
	if (type == DT_UNKNOWN && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
	listing->has_head |= !strcmp(name, "HEAD");
	if (type != DT_DIR)
		return;
	listing->has_objects |= !strcmp(name, "objects");
	listing->has_refs |= !strcmp(name, "refs");
	g_ptr_array_add(listing->names, g_strdup(name));
}

/*
 * The system call itself: readdir(3) asks for the folder's stat data and flags first. Not inlined:
 * its buffer would lie on the stack once for each level of folders.
 */
static G_NO_INLINE gboolean listing_read(int fd, struct listing *listing)
{
	char buffer[FIND_DENTS_BYTES] __attribute__((aligned(8)));
	long len;

	while ((len = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < len;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
			listing_add(fd, listing, entry->d_name, entry->d_type);
			at += entry->d_reclen;
		}
	}
	return len == 0;
}

/*
 * A folder with two links has no folder in it, on file systems that count so: then it is no
 * repository unless there is a `.git` file, and need not be opened. Half of all folders are such.
 */
static gboolean is_leaf(const struct folder *folder, int fd, const char *name)
{
	struct stat st;

	if (folder->device == 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		st.st_dev != folder->device || st.st_nlink != 2)
		return FALSE;
	g_autofree char *git = g_strconcat(name, "/.git", NULL);
	return fstatat(fd, git, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/* What the folder is; UNSET when it is no repository. */
static enum repo_kind folder_kind(int fd, const struct listing *listing)
{
	if (!listing->has_git && !(listing->has_head && listing->has_objects && listing->has_refs))
		return REPO_KIND_UNSET;
	enum repo_kind kind = repo_probe(fd, ".");
	if (kind == REPO_KIND_UNSET && listing->has_git && has_remains(fd))
		kind = REPO_KIND_NORMAL;
	return kind;
}

static void folder_found(struct walk *walk, const struct folder *folder, enum repo_kind kind)
{
	g_mutex_lock(&walk->lock);
	g_ptr_array_add(walk->result->repos, find_repo_new(folder->path, folder->root, kind));
	if (folder->depth == 0)
		g_hash_table_add(walk->taken_roots, (gpointer)folder->root);
	g_mutex_unlock(&walk->lock);
}

/* A direct child of a root: not_git, unless a repository turns up. */
static void child_add(struct walk *walk, const struct folder *folder, const char *path)
{
	g_mutex_lock(&walk->lock);
	g_ptr_array_add(walk->children, find_repo_new(path, folder->root, REPO_KIND_UNSET));
	g_mutex_unlock(&walk->lock);
}

static void folders_count(struct walk *walk, guint count)
{
	g_mutex_lock(&walk->lock);
	walk->result->folders += count;
	if (walk->progress != NULL &&
		walk->result->folders >= walk->reported + FIND_PROGRESS_FOLDERS) {
		walk->reported = walk->result->folders;
		walk->progress(walk->reported, walk->result->repos->len, walk->data);
	}
	g_mutex_unlock(&walk->lock);
}

static void folder_walk(struct walk *walk, const struct folder *folder);

/*
 * Each thread goes into the depth by itself, and leaves a folder to another one only while there
 * are threads without work: handing over costs more than reading a small folder.
 */
static void folder_descend(
	struct walk *walk, const struct folder *folder, int fd, const struct listing *listing)
{
	guint leaves = 0;

	for (guint i = 0; i < listing->names->len; i++) {
		const char *name = listing->names->pdata[i];
		if (is_skipped(walk, name) || file_is_unready(name))
			continue;
		if (folder->depth > 0 && is_leaf(folder, fd, name)) {
			leaves++;
			continue;
		}
		g_autofree char *path =
			g_strconcat(folder->path, folder->path[1] == '\0' ? "" : "/", name, NULL);
		if (g_hash_table_contains(walk->roots, path))
			continue;
		if (strlen(path) > FIND_PATH_MAX_BYTES || folder->depth + 1 > FIND_DEPTH_MAX) {
			problem_add(walk, folder->path, "too deep, its folders are not searched");
			break;
		}
		if (folder->depth == 0 && name[0] != '.')
			child_add(walk, folder, path);
		struct folder below = *folder;
		below.path = path;
		below.name = name;
		below.at = fd;
		below.depth++;
		if (g_atomic_int_get(&walk->waiting) < walk->threads) {
			below.path = g_steal_pointer(&path);
			folder_push(walk, &below);
		} else {
			folder_walk(walk, &below);
		}
	}
	folders_count(walk, leaves + 1);
}

static void folder_walk(struct walk *walk, const struct folder *folder)
{
	int fd = openat(folder->at, folder->at == AT_FDCWD ? folder->path : folder->name,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct listing listing = {NULL, FALSE, FALSE, FALSE, FALSE};

	if (fd < 0) {
		/* Gone since it was listed, or replaced by a link: nothing to report. */
		if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
			problem_add(walk, folder->path, g_strerror(errno));
		return;
	}
	listing.names = g_ptr_array_new_with_free_func(g_free);
	if (!listing_read(fd, &listing))
		problem_add(walk, folder->path, g_strerror(errno));
	enum repo_kind kind = folder_kind(fd, &listing);
	if (kind != REPO_KIND_UNSET)
		folder_found(walk, folder, kind);
	if (kind != REPO_KIND_BARE)
		folder_descend(walk, folder, fd, &listing);
	else
		folders_count(walk, 1);
	close(fd);
	g_ptr_array_unref(listing.names);
}

static void folder_run(gpointer task, gpointer data)
{
	struct folder *folder = task;
	struct walk *walk = data;

	g_atomic_int_add(&walk->waiting, -1);
	folder_walk(walk, folder);
	g_mutex_lock(&walk->lock);
	if (--walk->pending == 0)
		g_cond_signal(&walk->idle);
	g_mutex_unlock(&walk->lock);
	g_free(folder->path);
	g_free(folder);
}

static gint repo_compare(gconstpointer a, gconstpointer b)
{
	const struct find_repo *x = *(const struct find_repo *const *)a;
	const struct find_repo *y = *(const struct find_repo *const *)b;

	return strcmp(x->path, y->path);
}

/* The nearest found repository above path; NULL when there is none. */
static const struct find_repo *repo_above(GHashTable *by_path, const char *path)
{
	g_autofree char *at = g_strdup(path);
	char *slash;

	while ((slash = strrchr(at, '/')) != NULL && slash != at) {
		*slash = '\0';
		const struct find_repo *above = g_hash_table_lookup(by_path, at);
		if (above != NULL)
			return above;
	}
	return NULL;
}

/* A submodule from before git kept their git folders in .git/modules has one of its own. */
static gboolean is_listed_submodule(const struct find_repo *above, const char *path)
{
	g_autoptr(Gitconfig) modules = gitconfig_new();
	g_autofree char *file = g_build_filename(above->path, ".gitmodules", NULL);
	const char *below = path + strlen(above->path) + 1;

	if (!gitconfig_load(modules, AT_FDCWD, file, NULL))
		return FALSE;
	for (guint i = 0; i < modules->entries->len; i++) {
		const struct gitconfig_entry *entry =
			&g_array_index(modules->entries, struct gitconfig_entry, i);
		if (!strcmp(entry->section, "submodule") && !strcmp(entry->key, "path") &&
			entry->value != NULL && !strcmp(entry->value, below))
			return TRUE;
	}
	return FALSE;
}

static char *inode_key(const char *path)
{
	struct stat st;

	if (path == NULL || stat(path, &st) != 0)
		return NULL;
	return g_strdup_printf(
		"%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64)st.st_dev, (guint64)st.st_ino);
}

/* Takes away worktrees whose main repository, or an earlier worktree of it, is in the list. */
static void worktrees_join(struct find_result *result)
{
	g_autoptr(GHashTable) mains = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
	gboolean has_worktree = FALSE;

	for (guint i = 0; i < result->repos->len; i++) {
		const struct find_repo *repo = result->repos->pdata[i];
		has_worktree |= repo->kind == REPO_KIND_WORKTREE;
	}
	if (!has_worktree)
		return;
	for (int pass = 0; pass < 2; pass++) {
		for (guint i = 0; i < result->repos->len;) {
			const struct find_repo *repo = result->repos->pdata[i];
			if ((repo->kind == REPO_KIND_WORKTREE) != (pass == 1)) {
				i++;
				continue;
			}
			g_autoptr(Repo) r = repo_open(repo->path, NULL, NULL);
			char *key = r == NULL ? NULL : inode_key(r->commondir);
			if (key != NULL && !g_hash_table_add(mains, key) && pass == 1)
				g_ptr_array_remove_index(result->repos, i);
			else
				i++;
		}
	}
}

/*
 * A bare repository that another one tracks as files: a fixture of its tests, not a repository
 * somebody works with. (libgit2's own checkout has 127 of them.)
 */
static gboolean is_tracked_fixture(const struct index *index, const char *below)
{
	g_autofree char *head = g_strconcat(below, "/HEAD", NULL);

	return index_find(index, head, strlen(head)) != NULL;
}

/* The index of the repository above, read once for all that are found in it. */
static const struct index *index_above(GHashTable *indexes, const struct find_repo *above)
{
	gpointer index = NULL;

	if (!g_hash_table_lookup_extended(indexes, above, NULL, &index)) {
		g_autoptr(Repo) r = repo_open(above->path, NULL, NULL);
		if (r != NULL && r->worktree != NULL)
			index = index_load(r, NULL);
		g_hash_table_insert(indexes, (gpointer)above, index);
	}
	return index;
}

static gboolean is_member(
	GHashTable *indexes, const struct find_repo *above, const struct find_repo *repo)
{
	const struct index *index;

	if (above == NULL)
		return FALSE;
	switch (repo->kind) {
	case REPO_KIND_SUBMODULE:
		return TRUE;
	case REPO_KIND_NORMAL:
		return is_listed_submodule(above, repo->path);
	case REPO_KIND_BARE:
		index = index_above(indexes, above);
		return index != NULL &&
		       is_tracked_fixture(index, repo->path + strlen(above->path) + 1);
	default:
		return FALSE;
	}
}

static void index_clear(gpointer index)
{
	index_free(index);
}

/* Takes away what belongs to a repository above it. */
static void members_join(struct find_result *result)
{
	g_autoptr(GHashTable) by_path = g_hash_table_new(hash_text, g_str_equal);
	g_autoptr(GHashTable) indexes =
		g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, index_clear);
	g_autoptr(GHashTable) members = g_hash_table_new(g_direct_hash, g_direct_equal);

	for (guint i = 0; i < result->repos->len; i++) {
		struct find_repo *repo = result->repos->pdata[i];
		g_hash_table_insert(by_path, repo->path, repo);
	}
	for (guint i = 0; i < result->repos->len; i++) {
		struct find_repo *repo = result->repos->pdata[i];
		if (is_member(indexes, repo_above(by_path, repo->path), repo))
			g_hash_table_add(members, repo);
	}
	for (guint i = result->repos->len; i > 0; i--)
		if (g_hash_table_contains(members, result->repos->pdata[i - 1]))
			g_ptr_array_remove_index(result->repos, i - 1);
}

/* Direct children of a root in or below which no repository is, as far as could be seen. */
static void plain_add(struct walk *walk)
{
	g_autoptr(GHashTable) used = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
	struct find_result *result = walk->result;
	GHashTableIter iter;
	gpointer path;

	g_hash_table_iter_init(&iter, walk->broken);
	for (guint i = 0; i < result->repos->len || g_hash_table_iter_next(&iter, &path, NULL);
		i++) {
		const char *at = i < result->repos->len
					 ? ((struct find_repo *)result->repos->pdata[i])->path
					 : path;
		/* Every folder above it counts: one of them is the child. */
		g_autofree char *up = g_strdup(at);
		char *slash;
		do {
			if (!g_hash_table_add(used, g_strdup(up)))
				break;
			slash = strrchr(up, '/');
			if (slash != NULL)
				*slash = '\0';
		} while (slash != NULL && slash != up);
	}
	for (guint i = 0; i < walk->children->len; i++) {
		struct find_repo *child = walk->children->pdata[i];
		if (!g_hash_table_contains(used, child->path) &&
			!g_hash_table_contains(walk->taken_roots, child->root))
			g_ptr_array_add(result->plain,
				find_repo_new(child->path, child->root, REPO_KIND_UNSET));
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

static void names_count(GHashTable *seen, GPtrArray *list)
{
	for (guint i = 0; i < list->len; i++) {
		struct find_repo *repo = list->pdata[i];
		guint count = GPOINTER_TO_UINT(g_hash_table_lookup(seen, repo->name));
		g_hash_table_insert(seen, g_strdup(repo->name), GUINT_TO_POINTER(count + 1));
	}
}

/* Longer names where shorter ones are not unique: folder, path below the root, whole path. */
static void names_set(struct find_result *result)
{
	GPtrArray *lists[] = {result->repos, result->plain};

	for (int round = 0; round < 3; round++) {
		g_autoptr(GHashTable) seen =
			g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
		if (round > 0)
			for (gsize l = 0; l < G_N_ELEMENTS(lists); l++)
				names_count(seen, lists[l]);
		for (gsize l = 0; l < G_N_ELEMENTS(lists); l++) {
			for (guint i = 0; i < lists[l]->len; i++) {
				struct find_repo *repo = lists[l]->pdata[i];
				gsize root_len = strlen(repo->root);
				const char *name = base_name(repo->path);
				if (round > 0 &&
					GPOINTER_TO_UINT(g_hash_table_lookup(seen, repo->name)) < 2)
					continue;
				if (round == 1 && repo->path[root_len] == '/')
					name = repo->path + root_len + 1;
				if (round == 2)
					name = repo->path;
				g_free(repo->name);
				repo->name = quote_format(name);
			}
		}
	}
}

/* known: the paths that are there already, and gets those that are added. */
static gboolean roots_add(
	struct find_result *result, GHashTable *known, const char *const *paths, GError **error)
{
	for (; *paths != NULL; paths++) {
		g_autofree char *quoted = quote_format(*paths);
		char *path = realpath(*paths, NULL);
		struct stat st;
		if (path == NULL) {
			g_set_error(error, MUSTER_ERROR,
				errno == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO, "%s: %s",
				quoted, g_strerror(errno));
			return FALSE;
		}
		if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s is no folder; give a folder that holds repositories", quoted);
			free(path);
			return FALSE;
		}
		if (!g_hash_table_contains(known, path)) {
			g_ptr_array_add(result->roots, g_strdup(path));
			g_hash_table_add(
				known, g_ptr_array_index(result->roots, result->roots->len - 1));
		}
		free(path);
	}
	return TRUE;
}

static void walk_run(struct walk *walk, guint threads)
{
	g_mutex_init(&walk->lock);
	g_cond_init(&walk->idle);
	walk->threads = (gint)(threads > 0 ? threads : g_get_num_processors());
	walk->pool = g_thread_pool_new(folder_run, walk, walk->threads, FALSE, NULL);
	for (guint i = 0; i < walk->result->roots->len; i++) {
		const char *root = walk->result->roots->pdata[i];
		struct folder folder = {
			.path = g_strdup(root), .root = root, .device = counting_device(root)};
		folder_push(walk, &folder);
	}
	g_mutex_lock(&walk->lock);
	while (walk->pending > 0)
		g_cond_wait(&walk->idle, &walk->lock);
	g_mutex_unlock(&walk->lock);
	g_thread_pool_free(walk->pool, FALSE, TRUE);
	g_cond_clear(&walk->idle);
	g_mutex_clear(&walk->lock);
}

static struct find_result *find_result_new(void)
{
	struct find_result *result = g_new0(struct find_result, 1);

	result->roots = g_ptr_array_new_with_free_func(g_free);
	result->repos = g_ptr_array_new_with_free_func(find_repo_free);
	result->plain = g_ptr_array_new_with_free_func(find_repo_free);
	result->problems = g_ptr_array_new_with_free_func(g_free);
	return result;
}

static gint text_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct find_result *find_roots(const char *const *paths, GError **error)
{
	g_autoptr(find_result) result = find_result_new();
	g_autoptr(GHashTable) known = g_hash_table_new(hash_text, g_str_equal);

	return roots_add(result, known, paths, error) ? g_steal_pointer(&result) : NULL;
}

void find_result_only(struct find_result *found, const char *path, const char *root,
	const char *name, enum repo_kind kind)
{
	struct find_repo *repo = find_repo_new(path, root, kind);

	repo->name = g_strdup(name);
	g_ptr_array_set_size(found->repos, 0);
	g_ptr_array_add(found->repos, repo);
	found->is_partial = TRUE;
}

struct find_result *find_run(const char *const *paths, const char *skip, guint threads,
	find_progress progress, gpointer data, GError **error)
{
	g_autoptr(find_result) result = find_result_new();
	g_autoptr(GHashTable) roots = g_hash_table_new(hash_text, g_str_equal);
	g_autoptr(GHashTable) taken = g_hash_table_new(hash_text, g_str_equal);
	g_autoptr(GHashTable) broken = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
	g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func(find_repo_free);
	g_auto(GStrv) patterns = g_strsplit(skip != NULL ? skip : "", ";", 256);
	struct walk walk = {
		.result = result,
		.skip = patterns,
		.roots = roots,
		.broken = broken,
		.children = children,
		.taken_roots = taken,
		.progress = progress,
		.data = data,
	};

	if (!roots_add(result, roots, paths, error))
		return NULL;
	walk_run(&walk, threads);
	g_ptr_array_sort(result->repos, repo_compare);
	/* Members count as repositories for the folders above them: before they are taken away. */
	plain_add(&walk);
	worktrees_join(result);
	members_join(result);
	g_ptr_array_sort(result->plain, repo_compare);
	g_ptr_array_sort(result->problems, text_compare);
	names_set(result);
	return g_steal_pointer(&result);
}
