/* SPDX-License-Identifier: MIT */
/* Submodules: is the commit that is checked out the one of the index, and is its tree clean? */
#include "config.h"
#include "jobs/git/status_run.h"
#include "jobs/git/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum ignore_level {
	SHOW_ALL,
	HIDE_UNTRACKED,
	HIDE_DIRTY,
	HIDE_ALL
};

static enum ignore_level level_of(const char *value)
{
	if (g_strcmp0(value, "all") == 0)
		return HIDE_ALL;
	if (g_strcmp0(value, "dirty") == 0)
		return HIDE_DIRTY;
	if (g_strcmp0(value, "untracked") == 0)
		return HIDE_UNTRACKED;
	return SHOW_ALL;
}

/* The name under which .gitmodules knows the path; NULL when it does not. */
static const char *name_of(const struct gitconfig *modules, const char *path)
{
	for (guint i = modules->entries->len; i-- > 0;) {
		const struct gitconfig_entry *e =
			&g_array_index(modules->entries, struct gitconfig_entry, i);
		if (strcmp(e->section, "submodule") == 0 && strcmp(e->key, "path") == 0 &&
			g_strcmp0(e->value, path) == 0)
			return e->subsection;
	}
	return NULL;
}

/* submodule.<name>.ignore of the configuration, then of .gitmodules, then diff.ignoreSubmodules. */
static enum ignore_level ignore_level_get(struct status_run *run, const char *path)
{
	const char *value = NULL;

	g_mutex_lock(&run->lock);
	if (!run->has_modules) {
		run->modules = gitconfig_new();
		gitconfig_load(run->modules, run->r->worktree_fd, ".gitmodules", NULL);
		run->has_modules = true;
	}
	g_mutex_unlock(&run->lock);
	const char *name = name_of(run->modules, path);
	if (name != NULL) {
		value = repo_config_find(run->r, "submodule", name, "ignore");
		if (value == NULL)
			value = gitconfig_find(run->modules, "submodule", name, "ignore");
	}
	if (value == NULL)
		value = repo_config_find(run->r, "diff", NULL, "ignoresubmodules");
	return level_of(value);
}

/* HEAD, or a symbolic link in its place, and, unless a worktree's, objects and refs. */
static bool is_repository(int fd)
{
	struct stat st;

	if (fstatat(fd, "HEAD", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	return faccessat(fd, "commondir", F_OK, 0) == 0 ||
	       (faccessat(fd, "objects", F_OK, 0) == 0 && faccessat(fd, "refs", F_OK, 0) == 0);
}

bool status_is_nested(int folder_fd)
{
	char line[4200];
	int fd = openat(folder_fd, ".git", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOTDIR) {
		gssize len = readfile_small(folder_fd, ".git", line, sizeof(line));
		if (len <= 8 || strncmp(line, "gitdir: ", 8) != 0)
			return false;
		g_strchomp(line);
		fd = openat(folder_fd, line + 8, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return false;
	bool is_nested = is_repository(fd);
	close(fd);
	return is_nested;
}

void status_submodule_check(struct status_worker *w, const struct index_entry *e)
{
	const struct repo *r = w->run->r;
	enum ignore_level level = ignore_level_get(w->run, e->path);
	char sub[5] = "S...";

	if (level == HIDE_ALL)
		return;
	g_autofree char *path = g_build_filename(r->worktree, e->path, NULL);
	int fd = openat(r->worktree_fd, e->path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool is_populated = fd >= 0 && faccessat(fd, ".git", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (fd >= 0)
		close(fd);
	/* A submodule that was never checked out is an empty folder, and that is fine. */
	if (!is_populated)
		return;

	g_autoptr(Repo) inner = repo_open(path, r->user, NULL);
	g_auto(RefsHead) head = {0};
	struct status_options options = {
		.threads = 1,
		.is_untracked_left_out = level >= HIDE_UNTRACKED,
		.submodule_depth = w->run->options->submodule_depth + 1,
	};
	if (inner == NULL || inner->is_bare ||
		options.submodule_depth > STATUS_SUBMODULE_DEPTH_MAX ||
		!refs_head_read(inner, &head, NULL))
		goto unverified;
	if (head.state != HEAD_STATE_UNBORN && memcmp(head.oid.bytes, index_oid(e), OID_BYTES) != 0)
		sub[1] = 'C';
	if (level < HIDE_DIRTY) {
		g_autoptr(Status) s = status_read(inner, &options, NULL);
		if (s == NULL)
			goto unverified;
		if (s->counts.staged > 0 || s->counts.unmerged > 0 ||
			s->counts.unstaged > s->submodules_untracked_only)
			sub[2] = 'M';
		if (s->counts.untracked > 0 || s->submodules_untracked > 0)
			sub[3] = 'U';
		if (s->counts.unverified > 0 && strcmp(sub, "S...") == 0)
			goto unverified;
	}
	if (strcmp(sub, "S...") == 0)
		return;
	w->counts.unstaged++;
	w->submodules_untracked += sub[3] == 'U';
	w->submodules_untracked_only += strcmp(sub, "S..U") == 0;
	status_change_add(w, STATUS_KIND_CHANGED, '.', 'M', sub, e->path, e->path_len);
	return;

unverified:
	w->counts.unverified++;
	status_change_add(w, STATUS_KIND_UNVERIFIED, '.', '.', "S...", e->path, e->path_len);
}
