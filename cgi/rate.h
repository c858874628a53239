/* SPDX-License-Identifier: MIT */
#ifndef CGI_RATE_H
#define CGI_RATE_H

#include <glib.h>

#include "cgi/route.h"

/*
 * How often one client may ask, over all workers of this host and plain CGI processes: the generic
 * cell rate algorithm (ITU-T I.371, annex A) on a table in a mapped file. A place in it is one
 * number, the time at which the client's allowance would be full again; it is picked by a keyed
 * hash, two places a client, and only when both are spent the client has to wait, so two clients
 * that share one place do not hinder each other. Writes are counted in the database too, which
 * holds over all hosts (muster.rate_take()); so are wrong passwords (muster.login_try()). This is
 * against floods, and must cost less than what it holds off.
 *
 * A client is its credential, and with ten times the allowance its address.
 */

/*
 * The table of this host, paths.run/rates, made when it is missing or of another version. NULL
 * without an error: api.rate_limit is off. Errors: MUSTER_ERROR_IO. It is never closed.
 */
struct rate_table *rate_table_open(const struct conf *conf, GError **error);

/* What a client has left, for the headers of its answer; all zero: it is not limited. */
struct rate_left {
	guint burst, window_s; /* so many requests in so many seconds */
	guint left;
	guint full_s; /* until the allowance is whole again */
};

/*
 * Counts one request; FALSE: it has to wait a second. table may be NULL: nothing is limited.
 * credential may be NULL.
 */
gboolean rate_take(struct rate_table *table, enum rate rate, const char *credential,
	const char *address, struct rate_left *left);

/* Whether requests of this class are counted in the database too, and by which numbers. */
gboolean rate_is_kept(
	const struct rate_table *table, enum rate rate, guint *per_second, guint *burst);

#endif
