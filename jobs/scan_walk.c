/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/git/ignore.h"
#include "jobs/git/index.h"
#include "jobs/scan_bare.h"
#include "jobs/scan_owner.h"

#define DEPTH_MAX 256
#define FILES_MAX 10000000
#define PROBLEMS_MAX 1000

/* A repository that the walk stands in. */
struct place {
	struct repo *repo;
	struct index *index;
	struct ignore_list *shared[2]; /* info/exclude, core.excludesFile */
};

/* A folder of a working tree, on the stack of the walk. */
struct folder {
	const struct folder *parent; /* NULL for the top of the repository */
	const struct place *place;   /* NULL outside of any */
	struct ignore_list *ignore;
	gsize path_len; /* of walker->path, with its slash */
};

struct walker {
	struct scan_walk *walk;
	const struct gitconfig *user;
	GString *
		path; /* relative to the repository's top, or to the walk's folder outside of any */
	GString *shown; /* relative to the walk's folder */
	gboolean is_full;
};

static void problem_add(struct walker *w, const char *name, int code)
{
	if (w->walk->problems->len < PROBLEMS_MAX)
		g_ptr_array_add(w->walk->problems,
			g_strdup_printf("%s%s: %s", w->shown->str, name, g_strerror(code)));
}

static char *user_ignores(const struct repo *r)
{
	const char *path = repo_config_find(r, "core", NULL, "excludesfile");
	const char *home = g_getenv("HOME"), *xdg = g_getenv("XDG_CONFIG_HOME");

	if (path != NULL && g_str_has_prefix(path, "~/"))
		return home != NULL ? g_build_filename(home, path + 2, NULL) : NULL;
	if (path != NULL)
		return g_path_is_absolute(path) ? g_strdup(path)
						: g_build_filename(r->path, path, NULL);
	if (xdg != NULL && *xdg != '\0')
		return g_build_filename(xdg, "git", "ignore", NULL);
	return home != NULL ? g_build_filename(home, ".config", "git", "ignore", NULL) : NULL;
}

/* FALSE: there is one, and it cannot be read; then its files are walked as any folder's. */
static gboolean place_open(struct walker *w, const char *path, struct place *place)
{
	g_autoptr(GError) error = NULL;

	*place = (struct place){0};
	place->repo = repo_open(path, w->user, &error);
	if (place->repo != NULL && place->repo->worktree_fd >= 0)
		place->index = index_load(place->repo, &error);
	if (place->index == NULL) {
		if (w->walk->problems->len < PROBLEMS_MAX && error != NULL)
			g_ptr_array_add(w->walk->problems,
				g_strdup_printf("%s%s", w->shown->str, error->message));
		repo_free(place->repo);
		place->repo = NULL;
		return FALSE;
	}
	g_autofree char *ignores = user_ignores(place->repo);
	place->shared[0] = ignore_list_load(place->repo->commondir_fd, "info/exclude", 0, "");
	if (ignores != NULL)
		place->shared[1] = ignore_list_load(AT_FDCWD, ignores, 0, "");
	return TRUE;
}

static void place_clear(struct place *place)
{
	ignore_list_free(place->shared[0]);
	ignore_list_free(place->shared[1]);
	index_free(place->index);
	repo_free(place->repo);
}

static gboolean is_ignored(
	const struct folder *f, const char *path, gsize len, gsize name_at, gboolean is_folder)
{
	const struct place *place = f->place;

	for (const struct folder *at = f; at != NULL; at = at->parent) {
		enum ignore_answer answer =
			at->ignore == NULL ? IGNORE_UNDECIDED
					   : ignore_list_match(at->ignore, path, len, name_at,
						     is_folder, place->repo->is_ignorecase);
		if (answer != IGNORE_UNDECIDED)
			return answer == IGNORE_YES;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(place->shared); i++) {
		enum ignore_answer answer =
			place->shared[i] == NULL
				? IGNORE_UNDECIDED
				: ignore_list_match(place->shared[i], path, len, name_at, is_folder,
					  place->repo->is_ignorecase);
		if (answer != IGNORE_UNDECIDED)
			return answer == IGNORE_YES;
	}
	return FALSE;
}

/* Is anything below this folder in the index? path ends in a slash. */
static gboolean has_tracked(const struct place *place, const char *path, gsize len)
{
	gsize at = index_lower_bound(place->index, path, len);

	return at < place->index->count && place->index->entries[at].path_len > len &&
	       !memcmp(place->index->entries[at].path, path, len);
}

static gint name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Takes the descriptor. errno is 0, or why they are not all. */
static GPtrArray *names_read(int fd)
{
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	const struct dirent *entry;
	int code = dir == NULL ? errno : 0;

	while (dir != NULL && (errno = 0, entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(entry->d_name));
	if (dir != NULL) {
		code = errno;
		closedir(dir);
	} else if (fd >= 0) {
		close(fd);
	}
	g_ptr_array_sort(names, name_compare);
	errno = code;
	return names;
}

static void folder_walk(struct walker *w, int at, const char *name, const struct folder *parent,
	gboolean is_excluded, guint depth);

static void file_add(struct walker *w, const char *name)
{
	if (w->walk->files->len < FILES_MAX) {
		g_ptr_array_add(w->walk->files, g_strconcat(w->shown->str, name, NULL));
	} else if (!w->is_full) {
		w->is_full = TRUE;
		g_ptr_array_add(w->walk->problems,
			g_strdup_printf("%s%s: one file too many: what follows is not read",
				w->shown->str, name));
	}
}

static void child_walk(struct walker *w, int fd, const char *name, const struct folder *f,
	gboolean is_excluded, guint depth)
{
	gsize name_at = w->path->len;
	struct stat st;
	gboolean is_child_excluded = is_excluded, is_tracked = FALSE;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT)
			problem_add(w, name, errno);
		return;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		return;
	if (f->place != NULL) {
		g_string_append(w->path, name);
		gsize len = w->path->len;
		if (S_ISDIR(st.st_mode)) {
			g_string_append_c(w->path, '/');
			is_tracked = has_tracked(f->place, w->path->str, len + 1);
		} else {
			is_tracked = index_find(f->place->index, w->path->str, len) != NULL;
		}
		if (!is_excluded)
			is_child_excluded =
				is_ignored(f, w->path->str, len, name_at, S_ISDIR(st.st_mode));
		g_string_truncate(w->path, name_at);
	}
	if (is_child_excluded && !is_tracked)
		return;
	if (!S_ISDIR(st.st_mode))
		file_add(w, name);
	else
		folder_walk(w, fd, name, f, is_child_excluded, depth + 1);
}

static void folder_walk(struct walker *w, int at, const char *name, const struct folder *parent,
	gboolean is_excluded, guint depth)
{
	struct place own;
	struct folder folder = {.parent = parent, .place = parent->place};
	gsize path_len = w->path->len, shown_len = w->shown->len;
	gboolean is_place = FALSE;

	if (depth > DEPTH_MAX) {
		problem_add(w, name, ELOOP);
		return;
	}
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		problem_add(w, name, errno);
		return;
	}
	w->walk->folders++;
	if (depth > 0) {
		g_string_append_printf(w->shown, "%s/", name);
		g_string_append_printf(w->path, "%s/", name);
	}
	enum repo_kind kind = repo_probe(fd, ".");
	/*
	 * A bare repository's objects are read as its history. All else in it is walked, for a
	 * HEAD, objects and refs are soon put beside a file; objects as well where the repository
	 * around it tracks anything of it.
	 */
	gboolean is_bare =
		kind == REPO_KIND_BARE && depth > 0 &&
		(folder.place == NULL || !has_tracked(folder.place, w->path->str, w->path->len));
	g_autofree char *full = g_build_filename(w->walk->folder, w->shown->str, NULL);
	is_bare = is_bare && !scan_bare_is_folder(full, w->user);
	if (kind != REPO_KIND_UNSET && kind != REPO_KIND_BARE) {
		is_place = place_open(w, full, &own);
	}
	/* Inside of a nested repository paths begin at its top. */
	g_autofree char *outer = g_strndup(w->path->str, path_len);
	if (is_place) {
		g_string_truncate(w->path, 0);
		folder.place = &own;
		folder.parent = NULL;
		is_excluded = FALSE;
	}
	folder.path_len = w->path->len;
	if (folder.place != NULL)
		folder.ignore = ignore_list_load(fd, ".gitignore", O_NOFOLLOW, w->path->str);
	g_autoptr(GPtrArray) names = names_read(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (errno != 0)
		problem_add(w, name, errno);
	for (guint i = 0; i < names->len; i++)
		if (strcmp(names->pdata[i], ".git") != 0 &&
			!(is_bare && !strcmp(names->pdata[i], "objects")))
			child_walk(w, fd, names->pdata[i], &folder, is_excluded, depth);
	ignore_list_free(folder.ignore);
	close(fd);
	if (is_place)
		place_clear(&own);
	g_string_assign(w->path, outer);
	g_string_truncate(w->shown, shown_len);
}

char *scan_walk_enclosing(const char *folder, const struct gitconfig *user, char **refused)
{
	g_autofree char *at = g_canonicalize_filename(folder, NULL);
	gboolean is_named = TRUE;

	if (refused != NULL)
		*refused = NULL;
	for (;; is_named = FALSE) {
		enum repo_kind kind = repo_probe(AT_FDCWD, at);
		if (kind == REPO_KIND_BARE && scan_bare_is_folder(at, user))
			kind = REPO_KIND_UNSET;
		if (kind != REPO_KIND_UNSET && (is_named || scan_owner_is_trusted(at, user)))
			return g_steal_pointer(&at);
		if (kind != REPO_KIND_UNSET) {
			if (refused != NULL)
				*refused = g_strdup_printf(
					"it lies in %s, the repository of somebody else, which "
					"does not count unless safe.directory names it",
					at);
			return NULL;
		}
		char *up = g_path_get_dirname(at);
		gboolean is_top = !strcmp(up, at);
		g_free(at);
		at = up;
		if (is_top)
			return NULL;
	}
}

struct scan_walk *scan_walk_run(const char *folder, const struct gitconfig *user)
{
	struct scan_walk *walk = g_new0(struct scan_walk, 1);
	struct walker w = {.walk = walk,
		.user = user,
		.path = g_string_new(NULL),
		.shown = g_string_new(NULL)};
	struct folder outside = {0};
	struct place around = {0};
	struct folder *chain = NULL;
	guint n = 0;

	walk->folder = g_canonicalize_filename(folder, NULL);
	walk->files = g_ptr_array_new_with_free_func(g_free);
	walk->problems = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *top = scan_walk_enclosing(walk->folder, user, NULL);
	const struct folder *parent = &outside;
	gboolean is_excluded = FALSE;
	/* A folder inside of a working tree: the ignore files above it hold, too. */
	if (top != NULL && strcmp(top, walk->folder) != 0 && place_open(&w, top, &around)) {
		const char *below = walk->folder + strlen(top) + (strcmp(top, "/") != 0);
		g_auto(GStrv) parts = g_strsplit(below, "/", -1);
		chain = g_new0(struct folder, g_strv_length(parts) + 1);
		for (; parts[n] != NULL; n++) {
			gsize name_at = w.path->len;
			chain[n] = (struct folder){.parent = n > 0 ? &chain[n - 1] : NULL,
				.place = &around,
				.path_len = name_at};
			g_autofree char *file = g_strconcat(w.path->str, ".gitignore", NULL);
			chain[n].ignore = ignore_list_load(
				around.repo->worktree_fd, file, O_NOFOLLOW, w.path->str);
			g_string_append(w.path, parts[n]);
			is_excluded = is_excluded || is_ignored(&chain[n], w.path->str, w.path->len,
							     name_at, TRUE);
			g_string_append_c(w.path, '/');
		}
		parent = &chain[n - 1];
		/* Who names an ignored folder means it. */
		if (is_excluded && !has_tracked(&around, w.path->str, w.path->len)) {
			parent = &outside;
			g_string_truncate(w.path, 0);
			is_excluded = FALSE;
		}
	}
	folder_walk(&w, AT_FDCWD, walk->folder, parent, is_excluded, 0);
	for (guint i = 0; i < n; i++)
		ignore_list_free(chain[i].ignore);
	g_free(chain);
	if (around.repo != NULL)
		place_clear(&around);
	g_string_free(w.path, TRUE);
	g_string_free(w.shown, TRUE);
	return walk;
}

void scan_walk_free(struct scan_walk *walk)
{
	if (walk == NULL)
		return;
	g_free(walk->folder);
	g_ptr_array_unref(walk->files);
	g_ptr_array_unref(walk->problems);
	g_free(walk);
}
