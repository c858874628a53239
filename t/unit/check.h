/* SPDX-License-Identifier: MIT */
#ifndef T_UNIT_CHECK_H
#define T_UNIT_CHECK_H

#include <glib.h>

#include "lib/error.h"

/*
 * What several unit tests need beside GLib's own asserts. Each test is a program that prints TAP;
 * its test paths are sentences, one behaviour each:
 *
 *	g_test_add_func("/json/a key given twice is refused", test_duplicate);
 *
 * Folders made here are removed when the program ends well, and kept (and named) when it fails.
 */

/*
 * g_test_init(): the first line of main. An assertion that does not hold fails its test and the
 * program goes on: GLib's "Bail out!" would end every other program's tests as well.
 */
void check_init(int *argc, char ***argv);

/* error has this code of our domain and its message holds text; clears it. */
#define check_refused(error, code, text) check_error(G_STRLOC, &(error), (code), (text))
void check_error(const char *where, GError **error, enum muster_error code, const char *text);

/* A new empty folder below the temporary one; freed by the caller. */
char *check_folder_new(void);

/* The folder's entries, sorted, joined by a space; "" when empty. Freed by the caller. */
char *check_folder_list(const char *folder);

/* g_test_run() and the removal of the folders: the last line of main. */
int check_run(void);

#endif
