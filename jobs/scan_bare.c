/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_bare.h"

#include "jobs/git/refs.h"
#include "lib/oid.h"

/* gitrepository-layout(5), and what programs that serve repositories put beside it. */
static const char *const known[] = {"HEAD", "objects", "refs", "config", "config.worktree",
	"description", "hooks", "info", "branches", "logs", "packed-refs", "index", "shallow",
	"worktrees", "modules", "common", "commondir", "gitdir", "remotes", "reftable",
	"FETCH_HEAD", "ORIG_HEAD", "COMMIT_EDITMSG", "gc.log", "gc.pid", "lfs", "rr-cache", "svn",
	"git-daemon-export-ok", "cloneurl", "gitweb.owner", "category", NULL};

static gboolean has_other(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
		if (!g_strv_contains(known, name) && !g_str_has_suffix(name, ".lock"))
			return TRUE;
	return FALSE;
}

gboolean scan_bare_is_folder(const char *path, const struct gitconfig *user)
{
	if (!has_other(path))
		return FALSE;
	g_autoptr(Repo) r = repo_open(path, user, NULL);
	if (r == NULL || r->kind != REPO_KIND_BARE)
		return FALSE;
	g_autoptr(Refs) refs = refs_read(r, NULL);
	return refs != NULL && refs->count == 0 && refs->broken == 0 &&
	       refs->head.state == HEAD_STATE_UNBORN;
}
