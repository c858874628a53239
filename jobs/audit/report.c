/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/report.h"

#include <string.h>

#include "jobs/audit/facts.h"
#include "jobs/audit/member.h"
#include "lib/report.h"

static enum audit_status row_status(json_object *row)
{
	const char *status = json_get_text(row, "status", NULL);

	return status != NULL ? audit_status_parse(status) : AUDIT_STATUS_UNSET;
}

static int row_compare(const void *a, const void *b)
{
	json_object *x = *(json_object *const *)a;
	json_object *y = *(json_object *const *)b;
	enum audit_status status_x = row_status(x), status_y = row_status(y);

	if (status_x != status_y)
		return status_x < status_y ? -1 : 1;
	int order = strcmp(json_get_text(x, "name", NULL), json_get_text(y, "name", NULL));
	return order != 0 ? order
			  : strcmp(json_get_text(x, "id", NULL), json_get_text(y, "id", NULL));
}

static gboolean row_flag(json_object *row, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(row, key, &value) && json_object_get_boolean(value);
}

static gboolean row_has_missing_files(json_object *row)
{
	json_object *value;

	return json_object_object_get_ex(row, "missingFiles", &value) &&
	       json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0;
}

/* Was this looked at nowhere, though there are repositories? One that is broken or empty does not
 * make the counter unknown: it is counted where it belongs. */
static gboolean is_unknown_everywhere(json_object *rows, const char *key)
{
	json_object *value;
	gboolean is_unknown = FALSE;

	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		/* A bare one is known to be not dirty without a look. */
		if (row_status(row) == AUDIT_STATUS_ERROR || row_flag(row, "is_bare") ||
			!json_object_object_get_ex(row, key, &value))
			continue;
		if (value != NULL)
			return FALSE;
		is_unknown = TRUE;
	}
	return is_unknown;
}

static json_object *summary_new(json_object *rows, gboolean has_list)
{
	json_object *summary = json_object_new_object();
	gsize counts[AUDIT_STATUS_COUNT] = {0};
	gsize stale = 0, missing_files = 0;

	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		counts[row_status(row)]++;
		stale += row_flag(row, "isStale");
		missing_files += row_has_missing_files(row);
	}
	member_number(summary, "total", (gint64)json_object_array_length(rows), TRUE);
	member_number(summary, "missing", (gint64)counts[AUDIT_STATUS_MISSING], TRUE);
	member_number(summary, "extra", (gint64)counts[AUDIT_STATUS_EXTRA], TRUE);
	member_number(summary, "dirty", (gint64)counts[AUDIT_STATUS_DIRTY], TRUE);
	member_number(summary, "mismatched", (gint64)counts[AUDIT_STATUS_MISMATCHED], TRUE);
	member_number(summary, "clean", (gint64)counts[AUDIT_STATUS_CLEAN], TRUE);
	member_number(summary, "stale", (gint64)stale, TRUE);
	member_number(summary, "missing_files", (gint64)missing_files, TRUE);
	member_number(summary, "not_git", (gint64)counts[AUDIT_STATUS_NOT_GIT], TRUE);
	member_number(summary, "errors", (gint64)counts[AUDIT_STATUS_ERROR], TRUE);
	json_object *unknown = member_array(summary, "unknown");
	if (!has_list) {
		json_object_array_add(unknown, json_object_new_string("missing"));
		json_object_array_add(unknown, json_object_new_string("extra"));
	}
	if (is_unknown_everywhere(rows, "uncommittedChanges"))
		json_object_array_add(unknown, json_object_new_string("dirty"));
	if (is_unknown_everywhere(rows, "isStale"))
		json_object_array_add(unknown, json_object_new_string("stale"));
	if (is_unknown_everywhere(rows, "missingFiles"))
		json_object_array_add(unknown, json_object_new_string("missing_files"));
	return summary;
}

/* A format we say we do not read is no fault of the repository: it is counted and not red. */
static const char *health_get(json_object *rows)
{
	gboolean is_yellow = FALSE;

	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		switch (row_status(row)) {
		case AUDIT_STATUS_MISSING:
			return "red";
		case AUDIT_STATUS_ERROR:
			if (!row_flag(row, "is_unsupported"))
				return "red";
			break;
		case AUDIT_STATUS_EXTRA:
		case AUDIT_STATUS_DIRTY:
		case AUDIT_STATUS_MISMATCHED:
			is_yellow = TRUE;
			break;
		default:
			break;
		}
	}
	return is_yellow ? "yellow" : "green";
}

json_object *report_new(const struct report_parts *parts)
{
	json_object *report = json_object_new_object();
	g_autoptr(GDateTime) time = g_date_time_new_now_utc();
	g_autofree char *timestamp = report_time_format(time);
	g_autofree char *id = g_uuid_string_random();

	json_object_array_sort(parts->rows, row_compare);
	member_text(report, "timestamp", timestamp);
	member_text(report, "health_status", health_get(parts->rows));
	member_name(report, "local_git_root", parts->roots->len > 0 ? parts->roots->pdata[0] : "");
	member_text(report, "github_user", parts->owner);
	member_add(report, "summary", summary_new(parts->rows, parts->has_list));
	member_add(report, "repos", json_object_get(parts->rows));
	json_object *actions = member_object(report, "mitigation_actions");
	member_text(actions, "clone_missing", "Clone missing repositories from GitHub");
	member_text(actions, "review_or_delete",
		"Review extra local repositories and decide to keep or delete");
	member_text(actions, "commit_or_discard", "Commit uncommitted changes or discard them");
	member_text(actions, "fix_remote_or_rename",
		"Fix remote URL or rename repository to match GitHub");
	member_number(report, "schema_version", 1, TRUE);
	member_text(report, "generator", "muster " PACKAGE_VERSION);
	member_number(report, "duration_ms", parts->duration_ms, TRUE);
	member_text(report, "report_id", id);
	member_text(report, "project_id", parts->project_id);
	member_text(report, "host", parts->host);
	json_object *roots = member_array(report, "roots");
	for (guint i = 0; i < parts->roots->len; i++) {
		json_object *root = json_object_new_object();
		member_name(root, "path", parts->roots->pdata[i]);
		json_object_array_add(roots, root);
	}
	json_object *problems = member_array(report, "problems");
	for (guint i = 0; i < parts->problems->len; i++)
		json_object_array_add(problems, json_object_new_string(parts->problems->pdata[i]));
	return report;
}
