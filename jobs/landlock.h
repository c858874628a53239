/* SPDX-License-Identifier: MIT */
#ifndef JOBS_LANDLOCK_H
#define JOBS_LANDLOCK_H

#include <glib.h>

/*
 * The kernel's fence around files: afterwards this thread, and what it starts, opens and lists
 * nothing but what was named and what any program needs to run. Symbolic links, `.git` files and
 * alternates that lead elsewhere end at it. To be put up before a thread is made; for good.
 *
 *	if (!landlock_confine(reads, NULL, NULL, FALSE, FALSE))
 *		the system's error is in errno
 */

/* What the kernel has of it; below 1: nothing. */
int landlock_abi(void);

/*
 * reads, writes, trees: paths (writes and trees may be NULL); one that does not exist is left out.
 * In trees symbolic links may be made as well. is_wide: also what programs and connections need.
 * The caller has set PR_SET_NO_NEW_PRIVS. TRUE as well where the kernel has no Landlock: ask
 * landlock_abi().
 */
gboolean landlock_confine(const GPtrArray *reads, const GPtrArray *writes, const GPtrArray *trees,
	gboolean is_wide, gboolean may_execute);

#endif
