/* SPDX-License-Identifier: MIT */
#ifndef JOBS_REPO_FINDING_H
#define JOBS_REPO_FINDING_H

#include <glib.h>

#include "lib/db.h"

/*
 * Findings from a file into the database: what `muster scan --format json` printed, on this host or
 * on another one. Which repository a finding belongs to follows from its path on the host, or is
 * told for a report of one repository.
 */
struct repo_finding_import {
	const char *organization; /* slug */
	const char *host;
	const char *repo; /* id or name; NULL: by path */
};

/*
 * file: "-" is standard input. Tells on standard output what became of it, and on standard error
 * which repositories nobody watches. Errors: MUSTER_ERROR_INPUT (not such a report), _MISSING (no
 * such file, organisation or repository; none of them is watched), _LIMIT, _IO, _BUSY, _DB.
 */
gboolean repo_finding_import(
	struct db *db, const struct repo_finding_import *import, const char *file, GError **error);

#endif
