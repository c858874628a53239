/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_AUDIT_H
#define MUSTER_JOBS_AUDIT_AUDIT_H

#include <glib.h>

#include "jobs/audit/checks.h"
#include "jobs/audit/remote.h"
#include "lib/conf.h"
#include "lib/json.h"

/*
 * The audit as a call: find the repositories below some folders, look at each of them, judge, and
 * give the report (schema/report-1.json) as a JSON object. `muster audit` and the runner's audit
 * job both use this and nothing below it.
 *
 * It reads. It runs nothing that a repository configures (no hook, filter, fsmonitor, diff
 * driver), writes nothing but its own cache, follows no symbolic link, and needs no network and no
 * database. Repositories are hostile input: one that is broken becomes a row with status `error`
 * and the rest carries on.
 *
 *	struct audit_options options;
 *	audit_options_init(&options, conf);
 *	const char *paths[] = { "/home/me/src", NULL };
 *	options.paths = paths;
 *	g_autoptr(json_object) report = NULL;
 *	if (!audit_run(&options, NULL, &report, &result, error))
 *		return FALSE;
 *
 * The report is sorted: missing, extra, dirty, mismatched, clean, not_git, error; inside each by
 * name.
 */

struct audit_options {
	const char *const *paths;          /* NULL-terminated; folders, at least one */
	const struct audit_remote *remote; /* what should exist; NULL: missing, extra are unknown */
	const char *owner;                 /* github_user of the report; "" */
	const char *space;                 /* id space: "" or the organisation's id */
	const char *host;                  /* NULL: this machine's name */
	const char *project_id;            /* "default" */
	const char *skip;                  /* names not searched, separated by ';' */
	const char *cache;                 /* folder for history results; NULL: none is kept */
	audit_checks checks;               /* which checks; audit_checks_all() */
	gint64 stale_days;
	gint64 large_blob_bytes;
	guint threads; /* 0: as many as processors */

	/*
	 * One repository only: the row with this id is looked at again, every other row is taken
	 * from previous (a report of the same paths). Without previous, or when it has no such row,
	 * everything is looked at.
	 */
	const char *repo_id;
	json_object *previous;

	/*
	 * Taken while a repository is looked at, so that nobody writes in it meanwhile: a
	 * descriptor that is closed afterwards, -1 when there is none. Called from the audit's
	 * threads. NULL: what changes meanwhile is seen as it happens to be.
	 */
	int (*lock)(const char *path, gpointer data);
	gpointer lock_data;
};

/* Fills in what the configuration says; strings are borrowed from conf. */
void audit_options_init(struct audit_options *options, const struct conf *conf);

/* Called from the audit's threads, one at a time. Any of them may be NULL. */
struct audit_progress {
	void (*found)(guint folders, guint repos, gpointer data);
	void (*done)(guint done, guint total, const char *name, gpointer data);
	gboolean (*is_cancelled)(gpointer data);
	gpointer data;
};

/* What a program needs for its exit code and its messages. */
struct audit_result {
	GPtrArray *problems; /* sentences: folders that could not be read; owned */
	guint errors;        /* rows with status error */
	guint partly;        /* rows of which something could not be read, errors too */
	gboolean is_green;
	enum severity worst; /* of the checks that are not passed; UNSET when all are */
};
void audit_result_clear(struct audit_result *result);

/*
 * result may be NULL, else is initialised by the call whatever it returns. Errors:
 * MUSTER_ERROR_MISSING (a path given is not there), _INPUT (it is no folder), _IO, _BUSY
 * (cancelled).
 */
gboolean audit_run(const struct audit_options *options, const struct audit_progress *progress,
	json_object **report, struct audit_result *result, GError **error);

#endif
