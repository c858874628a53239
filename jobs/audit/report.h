/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_REPORT_H
#define MUSTER_JOBS_AUDIT_REPORT_H

#include <glib.h>

#include "lib/json.h"

/*
 * The report around the rows: sorts them, counts them, gives the traffic light.
 *
 *	red	a repository is missing, or could not be read
 *	yellow	one is dirty, extra or mismatched
 *	green	none of that
 *
 * SHA-256 and reftable repositories have status error and are counted as such, and are not red.
 * The counters are always numbers; summary.unknown names those that could not be judged.
 */

struct report_parts {
	json_object *rows;         /* an array; shared with the report afterwards */
	const GPtrArray *roots;    /* char * */
	const GPtrArray *problems; /* char *, sentences */
	const char *owner, *project_id, *host;
	gboolean has_list;
	gint64 duration_ms;
};

/* The caller owns it. */
json_object *report_new(const struct report_parts *parts);

#endif
