/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_FIND_H
#define MUSTER_JOBS_AUDIT_FIND_H

#include <glib.h>

#include "jobs/git/repo.h"

/*
 * Finding repositories below some folders: ordinary ones, bare ones, linked worktrees, ones with a
 * `.git` file, and submodules, each once.
 *
 * Folders are walked in parallel, by their entries alone: no file is opened, no symbolic link
 * followed (so there are no loops), nothing inside a git folder is looked at. Folders whose name
 * fits a skip pattern are left out; folders that cannot be read become sentences in problems and
 * the rest carries on. Caps: 64 folders deep, paths of 4 000 bytes; beyond is a problem too.
 *
 * A linked worktree or a submodule whose main repository was found as well is a member of it and
 * gets no place of its own; without it (somebody named just the worktree) it stands for itself. A
 * bare repository whose files another one tracks is a fixture of that one's and is left out.
 *
 *	g_autoptr(find_result) found = find_run(paths, "node_modules;vendor", 0, NULL, NULL, error);
 */

struct find_repo {
	char *path;       /* absolute, bytes as they are */
	const char *root; /* the given path below which it lies, resolved; in find_result.roots */
	char *name; /* C-24: the folder's name if only one has it, else the path below the root */
	enum repo_kind kind;
};

struct find_result {
	GPtrArray *roots;    /* char *: the paths given, resolved, each once */
	GPtrArray *repos;    /* struct find_repo, sorted by path */
	GPtrArray *plain;    /* struct find_repo: direct children of a root without a repository */
	GPtrArray *problems; /* char *: sentences */
	guint folders;       /* looked into */
	gboolean is_partial; /* repos holds one asked for by path, not all there are */
};
typedef struct find_result find_result;

/* found is called now and then from the walking threads, one at a time. */
typedef void (*find_progress)(guint folders, guint repos, gpointer data);

/* Errors: MUSTER_ERROR_MISSING, _INPUT, _IO: about the given paths alone. */
struct find_result *find_run(const char *const *paths, const char *skip, guint threads,
	find_progress progress, gpointer data, GError **error);
void find_result_free(struct find_result *found);

/* The given paths resolved and nothing looked for. Errors: as find_run(). */
struct find_result *find_roots(const char *const *paths, GError **error);

/* Makes this repository the only one of the result; root is one of its roots. */
void find_result_only(struct find_result *found, const char *path, const char *root,
	const char *name, enum repo_kind kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(find_result, find_result_free)

/* Is path folder itself, or below it? */
gboolean find_is_below(const char *path, const char *folder);

#endif
