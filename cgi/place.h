/* SPDX-License-Identifier: MIT */
#ifndef CGI_PLACE_H
#define CGI_PLACE_H

#include <glib.h>

#include "cgi/api.h"

/*
 * Work of which a host does few pieces at once, over all workers and plain CGI processes: lock
 * files in the run folder, which the kernel frees with the process.
 *
 *	int place = place_take(api, "login", 2, "many people are signing in just now", error);
 *	...
 *	close(place);
 *
 * Waits up to three seconds for one of n. -1 with MUSTER_ERROR_BUSY and that message when none gets
 * free, or _IO.
 */
int place_take(const struct api *api, const char *name, guint n, const char *busy, GError **error);

#endif
