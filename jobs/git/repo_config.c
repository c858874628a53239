/* SPDX-License-Identifier: MIT */
/* What a repository's configuration says about remotes, branches, filters and worktrees. */
#include "config.h"
#include "jobs/git/repo.h"
#include "jobs/git/readfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define WORKTREES_MAX 10000

const char *repo_config_find(
	const struct repo *r, const char *section, const char *subsection, const char *key)
{
	const char *value = gitconfig_find(r->config, section, subsection, key);

	if (value == NULL && r->user != NULL)
		value = gitconfig_find(r->user, section, subsection, key);
	return value;
}

static const struct gitconfig_entry *entry_at(const struct gitconfig *c, guint i)
{
	return &g_array_index(c->entries, struct gitconfig_entry, i);
}

GPtrArray *repo_remote_list(const struct repo *r)
{
	GPtrArray *names = g_ptr_array_new();

	for (guint i = 0; i < r->config->entries->len; i++) {
		const struct gitconfig_entry *e = entry_at(r->config, i);
		if (strcmp(e->section, "remote") != 0 || e->subsection == NULL ||
			(strcmp(e->key, "url") != 0 && strcmp(e->key, "fetch") != 0))
			continue;
		if (!g_ptr_array_find_with_equal_func(names, e->subsection, g_str_equal, NULL))
			g_ptr_array_add(names, (gpointer)e->subsection);
	}
	return names;
}

/* The first url is the one that is fetched from. */
const char *repo_remote_url(const struct repo *r, const char *remote)
{
	for (guint i = 0; i < r->config->entries->len; i++) {
		const struct gitconfig_entry *e = entry_at(r->config, i);
		if (strcmp(e->section, "remote") == 0 && strcmp(e->key, "url") == 0 &&
			g_strcmp0(e->subsection, remote) == 0 && e->value != NULL &&
			e->value[0] != '\0')
			return e->value;
	}
	return NULL;
}

gboolean repo_branch_upstream(
	const struct repo *r, const char *branch, const char **remote, const char **merge)
{
	const char *from = gitconfig_find(r->config, "branch", branch, "remote");
	const char *what = gitconfig_find(r->config, "branch", branch, "merge");

	if (from == NULL || what == NULL)
		return FALSE;
	*remote = from;
	*merge = what;
	return TRUE;
}

/* One refspec `[+]source:target`, each with at most one `*`. */
static char *refspec_map(const char *refspec, const char *name)
{
	if (*refspec == '+')
		refspec++;
	const char *colon = strchr(refspec, ':');
	if (colon == NULL || refspec[0] == '^' || colon[1] == '\0')
		return NULL;

	gsize source_len = (gsize)(colon - refspec), name_len = strlen(name);
	const char *target = colon + 1;
	const char *star = memchr(refspec, '*', source_len);
	if (star == NULL)
		return source_len == name_len && memcmp(refspec, name, name_len) == 0
			       ? g_strdup(target)
			       : NULL;

	gsize before = (gsize)(star - refspec), after = source_len - before - 1;
	const char *target_star = strchr(target, '*');
	if (target_star == NULL || name_len < before + after ||
		memcmp(refspec, name, before) != 0 ||
		memcmp(star + 1, name + name_len - after, after) != 0)
		return NULL;
	return g_strdup_printf("%.*s%.*s%s", (int)(target_star - target), target,
		(int)(name_len - before - after), name + before, target_star + 1);
}

char *repo_branch_tracking_ref(const struct repo *r, const char *branch)
{
	const char *remote, *merge;

	if (!repo_branch_upstream(r, branch, &remote, &merge))
		return NULL;
	if (strcmp(remote, ".") == 0)
		return g_strdup(merge);
	for (guint i = 0; i < r->config->entries->len; i++) {
		const struct gitconfig_entry *e = entry_at(r->config, i);
		if (strcmp(e->section, "remote") != 0 || strcmp(e->key, "fetch") != 0 ||
			g_strcmp0(e->subsection, remote) != 0 || e->value == NULL)
			continue;
		char *ref = refspec_map(e->value, merge);
		if (ref != NULL)
			return ref;
	}
	return NULL;
}

static bool has_filter(const struct gitconfig *c, const char *name)
{
	const char *clean = gitconfig_find(c, "filter", name, "clean");
	const char *process = gitconfig_find(c, "filter", name, "process");

	return (clean != NULL && clean[0] != '\0') || (process != NULL && process[0] != '\0');
}

gboolean repo_has_filter(const struct repo *r, const char *name)
{
	return has_filter(r->config, name) || (r->user != NULL && has_filter(r->user, name));
}

static void worktree_free(gpointer data)
{
	struct repo_worktree *w = data;

	g_free(w->name);
	g_free(w->path);
	g_free(w);
}

static void worktree_add(GPtrArray *list, int dir_fd, const char *name)
{
	char line[PATH_MAX + 8];
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	struct repo_worktree *w = g_new0(struct repo_worktree, 1);
	w->name = g_strdup(name);
	w->is_locked = faccessat(fd, "locked", F_OK, 0) == 0;
	gssize len = readfile_small(fd, "gitdir", line, sizeof(line));
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	if (len > 0 && strlen(line) == (gsize)len) {
		w->is_missing = faccessat(fd, line, F_OK, 0) != 0;
		if (g_str_has_suffix(line, "/.git"))
			line[len - 5] = '\0';
		w->path = g_strdup(line);
		/* extensions.relativeWorktrees: relative to worktrees/<name> itself. */
		if (line[0] != '/') {
			g_autofree char *proc = g_strdup_printf("/proc/self/fd/%d/%s", fd, line);
			char *real = realpath(proc, NULL);
			if (real != NULL) {
				g_free(w->path);
				w->path = g_strdup(real);
				free(real);
			}
		}
	} else {
		w->is_missing = true;
	}
	close(fd);
	g_ptr_array_add(list, w);
}

GPtrArray *repo_worktree_list(const struct repo *r)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(worktree_free);
	int fd = openat(r->commondir_fd, "worktrees", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return list;
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return list;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL && list->len < WORKTREES_MAX;)
		if (e->d_name[0] != '.')
			worktree_add(list, fd, e->d_name);
	closedir(dir);
	return list;
}
