/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_PROGRAM_H
#define MUSTER_JOBS_PROGRAM_H

#include <glib.h>

/*
 * Our other programs, found by name: beside the running one (a build tree, or a copy of both), in
 * ../libexec/muster as seen from there, then in the folder they are installed to. PATH is not
 * searched: what is started by name must be ours.
 */

/* NULL and MUSTER_ERROR_MISSING when it is in none of these places. */
char *program_find(const char *name, GError **error);

/*
 * Runs a program with these arguments (argv[0] is replaced by its path), standard error shared,
 * and takes its standard output, at most max_bytes of it. *exit_code is the program's, or -1 when a
 * signal ended it. No shell is involved. Errors: MUSTER_ERROR_MISSING, _LIMIT, _IO.
 */
gboolean program_run(const char *name, const char *const *argv, gsize max_bytes, GString *out,
	int *exit_code, GError **error);

#endif
