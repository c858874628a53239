/* SPDX-License-Identifier: MIT */
#ifndef CGI_CHILD_H
#define CGI_CHILD_H

#include <glib.h>

/*
 * Runs a program for a request and takes what it prints: without a shell, with an environment
 * that we wrote, in a process group of its own, with limits on time, processor, memory and output.
 * It is not for work that may wait: that is a job's.
 *
 *	g_auto(child) child = {.argv = argv, .environment = environment, .slow = "...", .large = "..."};
 *	if (!child_run(&child, error))
 *		return FALSE;
 *	if (child.code == EXIT_FINE) ... child.output
 *
 * Whatever happens it has ended afterwards, with all that it started.
 */
struct child {
	const char *const *argv;        /* the program's path first */
	const char *const *environment; /* beside PATH, LC_ALL and a HOME that is not there */
	guint time_limit_s;
	const char *slow, *large; /* what to say when it takes too long, and prints too much */

	GByteArray *output, *complaint; /* standard output and error */
	int code;                       /* of its end; -1: killed */
	/* within child.c */
	int pid, out, err;
};
typedef struct child child;

#define CHILD_OUTPUT_MAX_BYTES (16 * 1024 * 1024)

/* Errors: MUSTER_ERROR_IO (not started), _BUSY (too slow), _CONFLICT (too long). */
gboolean child_run(struct child *child, GError **error);
/* What it printed as an error, one line of it, freed by the caller. */
char *child_complaint(const struct child *child);
void child_clear(struct child *child);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(child, child_clear)

#endif
