/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/repo.h"
#include "jobs/git/readfile.h"

#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)

static bool has_entry(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, 0) == 0;
}

/* HEAD may be a symbolic link that leads nowhere (an old unborn branch). */
static bool has_head(int dir_fd)
{
	struct stat st;

	return fstatat(dir_fd, "HEAD", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode);
}

static bool is_gitdir(int dir_fd)
{
	return has_head(dir_fd) && has_entry(dir_fd, "objects") && has_entry(dir_fd, "refs");
}

/* The path in a `.git` file, a commondir file or a worktree's gitdir file; NULL when broken. */
static char *path_load(int dir_fd, const char *name, const char *prefix)
{
	char line[PATH_MAX + 16];
	gssize len = readfile_small(dir_fd, name, line, sizeof(line));

	if (len <= 0 || len == sizeof(line) - 1 || !g_str_has_prefix(line, prefix))
		return NULL;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	const char *path = line + strlen(prefix);
	while (*path == ' ')
		path++;
	if (*path == '\0' || strlen(line) != (gsize)len)
		return NULL;
	return g_strdup(path);
}

static char *path_resolve(const char *base, const char *path)
{
	g_autofree char *joined =
		g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(base, path, NULL);
	char *real = realpath(joined, NULL);

	if (real == NULL)
		return g_steal_pointer(&joined);
	char *copy = g_strdup(real);
	free(real);
	return copy;
}

static gboolean refuse(GError **error, const char *sentence)
{
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, sentence);
	return FALSE;
}

/* Source: gitrepository-layout(5) and git's Documentation/technical/repository-version.txt. */
static gboolean format_check(const struct repo *r, GError **error)
{
	const char *text = gitconfig_find(r->config, "core", NULL, "repositoryformatversion");
	gint64 version = text != NULL ? g_ascii_strtoll(text, NULL, 10) : 0;

	if (version < 0 || version > 1) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the repository has format version %" G_GINT64_FORMAT
			", which Muster does not know",
			version);
		return FALSE;
	}
	for (guint i = 0; i < r->config->entries->len; i++) {
		const struct gitconfig_entry *e =
			&g_array_index(r->config->entries, struct gitconfig_entry, i);
		if (strcmp(e->section, "extensions") != 0 || e->subsection != NULL)
			continue;
		if (strcmp(e->key, "objectformat") == 0) {
			if (g_strcmp0(e->value, "sha1") != 0)
				return refuse(error, "the repository uses SHA-256 object names, "
						     "which Muster cannot read yet");
		} else if (strcmp(e->key, "refstorage") == 0) {
			if (g_strcmp0(e->value, "files") != 0)
				return refuse(error, "the repository keeps its references in "
						     "reftable, which Muster cannot read yet");
		} else if (version == 1 && strcmp(e->key, "worktreeconfig") != 0 &&
			   strcmp(e->key, "relativeworktrees") != 0 &&
			   strcmp(e->key, "preciousobjects") != 0 &&
			   strcmp(e->key, "partialclone") != 0 && strcmp(e->key, "noop") != 0 &&
			   strcmp(e->key, "noop-v1") != 0) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"the repository uses the extension %s, which Muster does not know",
				e->key);
			return FALSE;
		}
	}
	return TRUE;
}

static bool config_bool(const struct repo *r, const char *section, const char *key, bool otherwise)
{
	return gitconfig_bool(repo_config_find(r, section, NULL, key), otherwise);
}

static void values_read(struct repo *r)
{
	const char *autocrlf = repo_config_find(r, "core", NULL, "autocrlf");
	const char *check_stat = repo_config_find(r, "core", NULL, "checkstat");

	r->has_filemode = config_bool(r, "core", "filemode", true);
	r->has_symlinks = config_bool(r, "core", "symlinks", true);
	r->has_trust_ctime = config_bool(r, "core", "trustctime", true);
	r->has_check_stat = check_stat == NULL || g_ascii_strcasecmp(check_stat, "minimal") != 0;
	r->is_ignorecase = config_bool(r, "core", "ignorecase", false);
	r->is_sparse_checkout = config_bool(r, "core", "sparsecheckout", false);
	r->is_sparse_outside_expected =
		config_bool(r, "sparse", "expectfilesoutsideofpatterns", false);
	r->has_partial_clone =
		gitconfig_find(r->config, "extensions", NULL, "partialclone") != NULL;
	if (autocrlf != NULL && g_ascii_strcasecmp(autocrlf, "input") == 0)
		r->autocrlf = REPO_AUTOCRLF_INPUT;
	else
		r->autocrlf =
			gitconfig_bool(autocrlf, FALSE) ? REPO_AUTOCRLF_TRUE : REPO_AUTOCRLF_FALSE;
}

/* A working tree is the folder that was opened, or none: never one that the configuration names. */
static gboolean worktree_check(struct repo *r, gboolean is_linked, GError **error)
{
	const char *bare = gitconfig_find(r->config, "core", NULL, "bare");
	const char *path = gitconfig_find(r->config, "core", NULL, "worktree");
	struct stat named, opened;

	if (r->worktree_fd < 0 || (!is_linked && gitconfig_bool(bare, FALSE))) {
		r->is_bare = true;
		r->kind = REPO_KIND_BARE;
		g_clear_pointer(&r->worktree, g_free);
		if (r->worktree_fd >= 0)
			close(r->worktree_fd);
		r->worktree_fd = -1;
		return TRUE;
	}
	if (path == NULL || is_linked)
		return TRUE;
	if (fstatat(r->gitdir_fd, path, &named, 0) != 0 || fstat(r->worktree_fd, &opened) != 0 ||
		named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
		return refuse(error, "core.worktree names another folder than the one that holds "
				     "the repository");
	return TRUE;
}

/* Finds gitdir and its folder; MISSING when the folder is no repository. */
static gboolean gitdir_open(struct repo *r, int top_fd, GError **error)
{
	r->gitdir_fd = openat(top_fd, ".git", FOLDER_FLAGS);
	if (r->gitdir_fd >= 0) {
		r->gitdir = g_build_filename(r->path, ".git", NULL);
		r->kind = REPO_KIND_NORMAL;
	} else if (errno == ENOTDIR) {
		g_autofree char *named = path_load(top_fd, ".git", "gitdir:");
		if (named == NULL)
			return refuse(error, "the .git file names no folder");
		r->gitdir = path_resolve(r->path, named);
		r->gitdir_fd = open(r->gitdir, FOLDER_FLAGS);
		r->kind = strstr(r->gitdir, "/modules/") != NULL ? REPO_KIND_SUBMODULE
								 : REPO_KIND_NORMAL;
		if (r->gitdir_fd < 0)
			return refuse(
				error, errno == EACCES
					       ? "unreadable: the .git file names a folder outside "
						 "of the watched one, or one without permission"
					       : "the .git file names a folder that is not there");
	} else if (errno == ENOENT) {
		if (!is_gitdir(top_fd))
			goto missing;
		r->gitdir_fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 3);
		r->gitdir = g_strdup(r->path);
		r->kind = REPO_KIND_BARE;
	}
	if (r->gitdir_fd < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the repository cannot be opened: %s", g_strerror(errno));
		return FALSE;
	}
	if (has_head(r->gitdir_fd))
		return TRUE;
missing:
	g_set_error_literal(
		error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "the folder is no git repository");
	return FALSE;
}

static gboolean commondir_open(struct repo *r, gboolean *is_linked, GError **error)
{
	g_autofree char *named = path_load(r->gitdir_fd, "commondir", "");

	*is_linked = named != NULL;
	if (named == NULL) {
		r->commondir = g_strdup(r->gitdir);
		r->commondir_fd = r->gitdir_fd;
	} else {
		r->commondir = path_resolve(r->gitdir, named);
		r->commondir_fd = open(r->commondir, FOLDER_FLAGS);
		if (r->commondir_fd < 0)
			return refuse(error,
				errno == EACCES
					? "unreadable: the worktree's main repository lies "
					  "outside of the watched folder, or gives no permission"
					: "the worktree's main repository is not there");
		if (r->kind != REPO_KIND_BARE)
			r->kind = REPO_KIND_WORKTREE;
	}
	if (has_entry(r->commondir_fd, "objects") && has_entry(r->commondir_fd, "refs"))
		return TRUE;
	if (errno == EACCES) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the repository may not be read: permission denied");
		return FALSE;
	}
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
		"the folder is no git repository: objects or refs are missing");
	return FALSE;
}

/* A configuration that may not be read is no empty one: what it says about SHA-256 matters. */
static gboolean config_load(struct repo *r, GError **error)
{
	r->config = gitconfig_new();
	if (faccessat(r->commondir_fd, "config", R_OK, AT_EACCESS) != 0 && errno == EACCES) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the repository's configuration may not be read: permission denied");
		return FALSE;
	}
	if (!gitconfig_load(r->config, r->commondir_fd, "config", error))
		return FALSE;
	if (!gitconfig_bool(gitconfig_find(r->config, "extensions", NULL, "worktreeconfig"), FALSE))
		return TRUE;
	return gitconfig_load(r->config, r->gitdir_fd, "config.worktree", error);
}

struct repo *repo_open(const char *path, const struct gitconfig *user, GError **error)
{
	g_autoptr(Repo) r = g_new0(struct repo, 1);
	gboolean is_linked;

	r->gitdir_fd = r->commondir_fd = r->worktree_fd = -1;
	r->user = user;
	r->path = g_strdup(path);
	for (gsize len = strlen(path); len > 1 && r->path[len - 1] == '/'; len--)
		r->path[len - 1] = '\0';

	int top_fd = open(path, FOLDER_FLAGS);
	if (top_fd < 0) {
		g_set_error(error, MUSTER_ERROR,
			errno == ENOENT || errno == ENOTDIR ? MUSTER_ERROR_MISSING
							    : MUSTER_ERROR_IO,
			"the folder cannot be opened: %s", g_strerror(errno));
		return NULL;
	}
	if (!gitdir_open(r, top_fd, error)) {
		close(top_fd);
		return NULL;
	}
	if (r->kind == REPO_KIND_BARE) {
		close(top_fd);
	} else {
		r->worktree_fd = top_fd;
		r->worktree = g_strdup(r->path);
	}
	if (!commondir_open(r, &is_linked, error) || !config_load(r, error) ||
		!format_check(r, error) || !worktree_check(r, is_linked, error))
		return NULL;
	values_read(r);
	return g_steal_pointer(&r);
}

void repo_free(struct repo *r)
{
	if (r == NULL)
		return;
	if (r->commondir_fd >= 0 && r->commondir_fd != r->gitdir_fd)
		close(r->commondir_fd);
	if (r->gitdir_fd >= 0)
		close(r->gitdir_fd);
	if (r->worktree_fd >= 0)
		close(r->worktree_fd);
	gitconfig_free(r->config);
	g_free(r->path);
	g_free(r->gitdir);
	g_free(r->commondir);
	g_free(r->worktree);
	g_free(r);
}

enum repo_kind repo_probe(int dir_fd, const char *name)
{
	enum repo_kind kind = REPO_KIND_UNSET;
	int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return kind;
	int git_fd = openat(fd, ".git", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (git_fd >= 0) {
		if (has_head(git_fd))
			kind = REPO_KIND_NORMAL;
		close(git_fd);
	} else if (errno == ENOTDIR) {
		g_autofree char *named = path_load(fd, ".git", "gitdir:");
		if (named != NULL && strstr(named, "/worktrees/") != NULL)
			kind = REPO_KIND_WORKTREE;
		else if (named != NULL && strstr(named, "/modules/") != NULL)
			kind = REPO_KIND_SUBMODULE;
		else if (named != NULL)
			kind = REPO_KIND_NORMAL;
	} else if (is_gitdir(fd)) {
		kind = REPO_KIND_BARE;
	}
	close(fd);
	return kind;
}
