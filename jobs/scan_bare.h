/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_BARE_H
#define JOBS_SCAN_BARE_H

#include "jobs/git/repo.h"

/*
 * A HEAD, objects and refs make a bare repository of any folder, for git as well. One that has no
 * commit, no ref and something that git does not put there is a folder to us: its history is
 * nothing, and its files would be seen by nobody.
 *
 * What cannot be understood is a repository, so that it is told what is wrong with it.
 */
gboolean scan_bare_is_folder(const char *path, const struct gitconfig *user);

#endif
