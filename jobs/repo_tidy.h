/* SPDX-License-Identifier: MIT */
#ifndef JOBS_REPO_TIDY_H
#define JOBS_REPO_TIDY_H

#include <glib.h>

/*
 * What a git that was killed leaves in a repository: locks, for which each later one gives up, and
 * halves of packs, as large as what was sent by then. Who calls holds the folder's lock
 * (place_lock()), so no job of ours works in it; in a clone a person may, and there only what is a
 * minute old goes, and an index's lock or half of a pack when it is an hour old.
 *
 *	repo_tidy(git_folder, TRUE)
 */
void repo_tidy(const char *git_folder, gboolean is_mirror);

#endif
