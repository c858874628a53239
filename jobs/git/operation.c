/* SPDX-License-Identifier: MIT */
/* The files of a git folder that tell what goes on in it: stash, operation in progress, last fetch.
 */
#include "config.h"
#include "jobs/git/refs.h"
#include "jobs/git/readfile.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define REFLOG_MAX_BYTES (64 * 1024 * 1024)

guint64 refs_stash_count(const struct repo *r)
{
	g_autofree char *data = NULL;
	gsize len;
	guint64 lines = 0;

	if (readfile_load(r->commondir_fd, "logs/refs/stash", 0, REFLOG_MAX_BYTES, &data, &len) !=
		READFILE_OK)
		return 0;
	for (const char *at = data; (at = memchr(at, '\n', len - (gsize)(at - data))) != NULL; at++)
		lines++;
	return lines;
}

static gboolean has(const struct repo *r, const char *name)
{
	return faccessat(r->gitdir_fd, name, F_OK, 0) == 0;
}

/* In git's order (wt-status.c decides the same way); `sequencer` is a pick of several commits. */
enum refs_operation refs_operation_get(const struct repo *r)
{
	char todo[16];

	if (has(r, "MERGE_HEAD"))
		return REFS_OPERATION_MERGE;
	if (has(r, "rebase-apply"))
		return has(r, "rebase-apply/applying") ? REFS_OPERATION_AM : REFS_OPERATION_REBASE;
	if (has(r, "rebase-merge"))
		return REFS_OPERATION_REBASE;
	if (has(r, "CHERRY_PICK_HEAD"))
		return REFS_OPERATION_CHERRY_PICK;
	if (has(r, "REVERT_HEAD"))
		return REFS_OPERATION_REVERT;
	if (readfile_small(r->gitdir_fd, "sequencer/todo", todo, sizeof(todo)) > 0) {
		if (g_str_has_prefix(todo, "pick ") || g_str_has_prefix(todo, "p "))
			return REFS_OPERATION_CHERRY_PICK;
		if (g_str_has_prefix(todo, "revert "))
			return REFS_OPERATION_REVERT;
	}
	if (has(r, "BISECT_LOG"))
		return REFS_OPERATION_BISECT;
	return REFS_OPERATION_NONE;
}

const char *refs_operation_name(enum refs_operation operation)
{
	static const char *const names[] = {
		NULL, "merge", "rebase", "am", "cherry-pick", "revert", "bisect"};

	return (gsize)operation < G_N_ELEMENTS(names) ? names[operation] : NULL;
}

gint64 refs_fetch_time(const struct repo *r)
{
	struct stat st;

	/* Each worktree has its own FETCH_HEAD; the newer one tells. */
	gint64 newest = -1;
	if (fstatat(r->gitdir_fd, "FETCH_HEAD", &st, 0) == 0)
		newest = st.st_mtime;
	if (r->commondir_fd != r->gitdir_fd &&
		fstatat(r->commondir_fd, "FETCH_HEAD", &st, 0) == 0 && st.st_mtime > newest)
		newest = st.st_mtime;
	return newest;
}
