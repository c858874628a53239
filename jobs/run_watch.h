/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_WATCH_H
#define JOBS_RUN_WATCH_H

#include <glib.h>
#include <sys/types.h>

/*
 * What a job's processes take together, seen from outside by /proc. The limits that the kernel
 * keeps are of one process each; what many share is looked at once a second, and so is memory where
 * its own limit cannot be set (under the address sanitizer).
 *
 *	struct watch watch;
 *	if (watch_take(pid, TRUE, &watch) && watch.memory_bytes > limit) ...
 */

struct watch {
	gint64 memory_bytes;  /* of its own: no mapped files */
	gint64 written_bytes; /* to files and pipes, by those that ended as well */
	guint tasks; /* processes and their threads; counting ends at WATCH_TASKS_MAX + 1 */
};

/* More than any job needs: a git of 64 processors included. */
#define WATCH_TASKS_MAX 512

/* with_children: and all processes below it. FALSE when there is no such process, or no /proc. */
gboolean watch_take(pid_t pid, gboolean with_children, struct watch *watch);

#endif
