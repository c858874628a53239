/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_OWNER_H
#define MUSTER_JOBS_SCAN_OWNER_H

#include <glib.h>

#include "jobs/git/gitconfig.h"

/*
 * Whose a repository is that nobody named: one found by going up from a folder. Its ignore files
 * and its index decide what is looked at, so anybody who may write to a folder above ours (/tmp, a
 * shared disk) could hide all of it. As in git, such a repository counts only when it belongs to
 * who runs this (or to who called sudo), or when safe.directory of the person's or the machine's
 * configuration names it.
 *
 *	if (!scan_owner_is_trusted(top, job->user))
 *		scan_job_problem(job, path, "…");
 */

/* folder: the top of a working tree, or a bare repository. */
gboolean scan_owner_is_trusted(const char *folder, const struct gitconfig *user);

#endif
