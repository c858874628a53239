/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/output.h"

/*
 * RFC 4180: fields in double quotes, lines ended by CR LF. A field that a spreadsheet would take
 * for a formula gets an apostrophe in front: names come from strangers.
 */

static void field_append(GString *out, const char *text, gboolean is_last)
{
	g_string_append_c(out, '"');
	if (*text != '\0' && strchr("=+-@\t\r", *text) != NULL)
		g_string_append_c(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			g_string_append_c(out, '"');
		g_string_append_c(out, *text);
	}
	g_string_append(out, is_last ? "\"\r\n" : "\",");
}

static const char *first_of(json_object *row, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		if (*output_text(row, *keys) != '\0')
			return output_text(row, *keys);
	return "";
}

void output_csv(json_object *report, GString *out)
{
	static const char *const titles[] = {"Repository", "Status", "Clone URL", "Local Path",
		"Last Modified", "Health Status", "Uncommitted Changes"};
	static const char *const urls[] = {"clone_url", "remote", "remote_url", NULL};
	static const char *const paths[] = {"local_path", "path", NULL};
	json_object *rows = output_rows(report);
	json_object *flag;

	for (gsize i = 0; i < G_N_ELEMENTS(titles); i++)
		field_append(out, titles[i], i + 1 == G_N_ELEMENTS(titles));
	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		gboolean is_known =
			json_object_object_get_ex(row, "uncommittedChanges", &flag) && flag != NULL;
		field_append(out, output_text(row, "name"), FALSE);
		field_append(out, output_text(row, "status"), FALSE);
		field_append(out, first_of(row, urls), FALSE);
		field_append(out, first_of(row, paths), FALSE);
		field_append(out, output_text(row, "lastCommit"), FALSE);
		field_append(out, output_text(report, "health_status"), FALSE);
		field_append(out,
			!is_known                       ? ""
			: json_object_get_boolean(flag) ? "Yes"
							: "No",
			TRUE);
	}
}
