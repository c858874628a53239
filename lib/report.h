/* SPDX-License-Identifier: MIT */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H

#include <glib.h>

#include "lib/json.h"

/*
 * Where reports lie and how they get there. A report folder holds
 *
 *	GitRepoReport.json			the newest report
 *	latest.json				the same file (a hard link)
 *	history/YYYY-MM-DDTHH:MM:SS.mmmZ.json	every report, the oldest removed
 *	repo/<repository id>.json		the newest object of each repository that changed
 *
 * Every name appears by rename, GitRepoReport.json last, so that whoever is told of it finds the
 * rest in place. The format of a report is schema/report-1.json; what is in it is the audit's.
 */

#define REPORT_FILE "GitRepoReport.json"

/*
 * text is report's JSON, as it is to lie on the disk. keep: files kept in history/. The report
 * must have a timestamp of report_time_format()'s form. Errors: MUSTER_ERROR_INPUT, _IO, _MISSING
 * when the folder disappears meanwhile.
 */
gboolean report_write(
	const char *folder, json_object *report, const char *text, guint keep, GError **error);

/* STATE/reports/<organization>/<root>; both are slugs, or NULL and MUSTER_ERROR_INPUT. */
char *report_folder(const char *state, const char *organization, const char *root, GError **error);

/* 1 to 63 of a-z, 0-9 and inner '-': names that become folders. */
gboolean report_slug_is_valid(const char *slug);

/*
 * A repository's id: a name-based UUID, version 5 (RFC 4122, section 4.3), of space, host and
 * path separated by NUL, below a namespace of ours. space is "" for a person's own report and the
 * organisation's id for a job's, so that two organisations that watch one folder do not share ids.
 */
char *report_repo_id(const char *space, const char *host, const char *path);

/* RFC 3339 UTC with milliseconds, as in timestamps and history file names. */
char *report_time_format(GDateTime *time);

#endif
