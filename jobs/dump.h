/* SPDX-License-Identifier: MIT */
#ifndef JOBS_DUMP_H
#define JOBS_DUMP_H

#include <glib.h>

#include "lib/conf.h"

/*
 * The schema muster as a file of pg_dump's, and back, by PostgreSQL's own programs. They sign in at
 * database.direct. A password would be seen in the process list, so it has to come from ~/.pgpass:
 * an address with one is refused, with MUSTER_ERROR_INPUT. Other errors: MUSTER_ERROR_MISSING (the
 * program is not installed), _IO with what it said.
 */

/* owner: the schema's, as whom it is read; NULL: as who signs in. The file has mode 0600. */
gboolean dump_write(const struct conf *conf, const char *owner, const char *path, GError **error);

/* Reads all of it, as a restore would, and does nothing with it. */
gboolean dump_check(const char *path, GError **error);

/*
 * Into a schema muster that is there and empty, everything owned by owner, without grants: in one
 * transaction, all or nothing. folder: for a file of ours.
 */
gboolean dump_restore(const struct conf *conf, const char *owner, const char *path,
	const char *folder, GError **error);

#endif
