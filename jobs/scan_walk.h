/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_WALK_H
#define MUSTER_JOBS_SCAN_WALK_H

#include <glib.h>

#include "jobs/git/repo.h"

/*
 * The files below a folder that a person would say are theirs: in a working tree the tracked and
 * the untracked that are not ignored, elsewhere all. A repository inside (a submodule, a clone in a
 * folder) is walked by its own index and ignore files; nothing inside a .git folder is looked at,
 * nor at the objects of what looks like a bare repository.
 *
 * Symbolic links are not followed: they are among the files, and what git would keep of one is the
 * name that it holds. Folders that cannot be read become sentences in problems. Caps: 256 folders
 * deep, 10 million files.
 *
 *	g_autoptr(ScanWalk) walk = scan_walk_run("/home/me/src", user);
 *	for (guint i = 0; i < walk->files->len; i++)
 *		puts(walk->files->pdata[i]);
 */
struct scan_walk {
	char *folder;        /* as given, resolved */
	GPtrArray *files;    /* char *: relative to it, sorted by bytes within each folder */
	GPtrArray *problems; /* char * */
	guint folders;
};
typedef struct scan_walk ScanWalk; /* for g_autoptr */

/* user: the person's git configuration. Never fails: see problems. */
struct scan_walk *scan_walk_run(const char *folder, const struct gitconfig *user);
void scan_walk_free(struct scan_walk *walk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScanWalk, scan_walk_free)

/*
 * The repository in whose working tree a folder lies, or NULL; freed by the caller. What is a
 * folder although it looks bare (scan_bare.h) is none. One above it
 * that belongs to somebody else (scan_owner.h) is none, and *refused, when asked for, is a sentence
 * that says so, or NULL; freed by the caller as well.
 */
char *scan_walk_enclosing(const char *folder, const struct gitconfig *user, char **refused);

#endif
