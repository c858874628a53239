/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_ROW_H
#define MUSTER_JOBS_AUDIT_ROW_H

#include <glib.h>

#include "jobs/audit/checks.h"
#include "jobs/audit/facts.h"
#include "lib/json.h"

/*
 * A repository's judgement and its object in the report.
 *
 * row_judge() decides the status by these rules. With a list of what should exist:
 *
 *	the folder's name is in it	changes: dirty; origin's address is another: mismatched;
 *					else clean
 *	only origin's address is in it	mismatched (another folder's name than expected)
 *	neither				extra
 *
 * and without one: changes: dirty; origin's repository has another name than the folder:
 * mismatched; else clean. Addresses are compared by remote_url_key(), so https and ssh of one
 * repository are equal. A bare repository is never dirty; its folder's ".git" is no part of its
 * name.
 */
void row_judge(struct audit_facts *facts, const struct audit_remote *remote);

/*
 * The object: the keys of the older generations of the report first and in their order, then ours.
 * What is not known is null. The caller owns it.
 */
json_object *row_new(const struct audit_facts *facts, audit_checks checks);

/* Rows without a repository behind them. in_way: a folder that has the name and is not git. */
json_object *row_new_missing(const struct audit_expected *expected, const char *name,
	const char *id, const char *path, gboolean in_way);
json_object *row_new_not_git(const struct find_repo *plain, const char *id);

/* "/audit/<name or id>?action=<action>"; freed by the caller. */
char *row_link(const char *name, const char *id, const char *action);

#endif
