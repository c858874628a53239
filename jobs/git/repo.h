/* SPDX-License-Identifier: MIT */
/*
 * One git repository on disk: where its parts are and what its configuration says.
 *
 * Opens bare and ordinary repositories, linked worktrees (`.git` file and commondir) and
 * submodules, whoever owns them. Nothing that a repository configures is ever run: no hook, filter,
 * fsmonitor, diff driver or credential helper; only plain values are read.
 *
 * A working tree is only ever the folder that was opened: core.worktree naming another one is
 * refused, so that a foreign repository cannot point us elsewhere.
 *
 * Refuses, as MUSTER_ERROR_INPUT with a sentence that names the cause: SHA-256 repositories,
 * reftable, unknown extensions, a broken configuration. MUSTER_ERROR_MISSING: the folder is no git
 * repository. MUSTER_ERROR_IO: it cannot be read.
 *
 * Ownership: `struct repo` owns its strings and three open folders; the user's configuration is
 * borrowed and must outlive it. A repo is used by one thread at a time.
 *
 *	g_autoptr(Gitconfig) user = gitconfig_new_user();
 *	g_autoptr(Repo) r = repo_open("/home/me/src/thing", user, error);
 *	if (r == NULL)
 *		return FALSE;
 *	const char *url = repo_remote_url(r, "origin");
 */
#ifndef MUSTER_JOBS_GIT_REPO_H
#define MUSTER_JOBS_GIT_REPO_H

#include "jobs/git/gitconfig.h"

#include <stdbool.h>

/* What a folder is. */
enum repo_kind {
	REPO_KIND_UNSET,
	REPO_KIND_NORMAL,    /* a working tree with its own .git folder (or a file naming one) */
	REPO_KIND_BARE,      /* no working tree */
	REPO_KIND_WORKTREE,  /* a linked worktree: gitdir and commondir differ */
	REPO_KIND_SUBMODULE, /* gitdir is under another repository's .git/modules */
};

enum repo_autocrlf {
	REPO_AUTOCRLF_UNSET,
	REPO_AUTOCRLF_FALSE,
	REPO_AUTOCRLF_TRUE,
	REPO_AUTOCRLF_INPUT,
};

struct repo {
	enum repo_kind kind;
	char *path;      /* as given, without trailing slashes */
	char *gitdir;    /* HEAD, index, operation in progress */
	char *commondir; /* config, objects, refs; equal to gitdir but for a linked worktree */
	char *worktree;  /* NULL when there is none */
	int gitdir_fd;   /* open folders, closed by repo_free() */
	int commondir_fd;
	int worktree_fd; /* -1 without a working tree */

	bool is_bare;
	bool has_partial_clone;          /* objects may be absent on purpose */
	bool has_filemode;               /* core.fileMode */
	bool has_symlinks;               /* core.symlinks */
	bool has_trust_ctime;            /* core.trustCtime */
	bool has_check_stat;             /* core.checkStat is not `minimal` */
	bool is_ignorecase;              /* core.ignoreCase */
	bool is_sparse_checkout;         /* core.sparseCheckout */
	bool is_sparse_outside_expected; /* sparse.expectFilesOutsideOfPatterns */
	enum repo_autocrlf autocrlf;

	struct gitconfig *config;     /* config and config.worktree of the repository */
	const struct gitconfig *user; /* borrowed, may be NULL */
};
typedef struct repo Repo; /* for g_autoptr */

/* The folder is a working tree's top or a bare repository; parents are not searched. */
struct repo *repo_open(const char *path, const struct gitconfig *user, GError **error);
void repo_free(struct repo *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Repo, repo_free)

/*
 * Cheap look while walking folders: what would repo_open() find here? REPO_KIND_UNSET: no
 * repository. `dir_fd` is the open folder that holds `name` ("." for itself). No errors.
 */
enum repo_kind repo_probe(int dir_fd, const char *name);

/* Repository first, then the user's; NULL when neither has it. Only keys that are plain values. */
const char *repo_config_find(
	const struct repo *r, const char *section, const char *subsection, const char *key);

/* Names in file order, each once, borrowed; free the array with g_ptr_array_unref(). */
GPtrArray *repo_remote_list(const struct repo *r);
const char *repo_remote_url(const struct repo *r, const char *remote); /* NULL when missing */

/* branch.<name>.remote and .merge; FALSE when the branch has no upstream. `remote` may be ".". */
gboolean repo_branch_upstream(
	const struct repo *r, const char *branch, const char **remote, const char **merge);

/*
 * The ref that follows the upstream: refs/remotes/origin/main, by remote.<name>.fetch. NULL when
 * none does. Free with g_free().
 */
char *repo_branch_tracking_ref(const struct repo *r, const char *branch);

/* Is a command configured (by anyone) for this filter attribute? It is never run. */
gboolean repo_has_filter(const struct repo *r, const char *name);

/* Names of linked worktrees (folders below commondir/worktrees) and the working tree each belongs
 * to; NULL path when its file is broken. Free with g_ptr_array_unref(). */
struct repo_worktree {
	char *name;
	char *path;
	bool is_missing; /* its folder is gone: `git worktree prune` would remove it */
	bool is_locked;
};
GPtrArray *repo_worktree_list(const struct repo *r);

#endif
