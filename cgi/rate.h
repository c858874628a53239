/* SPDX-License-Identifier: MIT */
#ifndef CGI_RATE_H
#define CGI_RATE_H

#include <glib.h>

#include "cgi/route.h"

/*
 * How often one client may ask, over all workers of this host: the generic cell rate algorithm
 * (ITU-T I.371, annex A) on a table in shared memory. A place in it is one number, the time at
 * which the client's allowance would be full again; it is picked by a keyed hash, two places a
 * client, and only when both are spent the client has to wait, so two clients that share one place
 * do not hinder each other. Guessing passwords has limits of its own in the database, which hold
 * over all hosts; this is against floods.
 *
 * A client is its credential, and with ten times the allowance its address.
 */
struct rate_table *rate_table_new(void);

/*
 * Counts one request. 0: go on; else the seconds to wait. table may be NULL: nothing is limited.
 * credential may be NULL.
 */
guint rate_take(
	struct rate_table *table, enum rate rate, const char *credential, const char *address);

#endif
