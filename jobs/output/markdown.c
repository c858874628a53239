/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/output.h"

/* Everything that Markdown, or HTML inside of it, could take for markup gets a backslash. */
static void text_append(GString *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("\\`*_{}[]()<>#+-!|~&@", *text) != NULL)
			g_string_append_c(out, '\\');
		g_string_append_c(out, *text);
	}
}

static void cell_append(GString *out, const char *text)
{
	g_string_append(out, "| ");
	text_append(out, text);
	g_string_append_c(out, ' ');
}

void output_markdown(json_object *report, GString *out)
{
	json_object *rows = output_rows(report);
	json_object *summary = json_object_object_get(report, "summary");
	json_object *unknown = json_object_object_get(summary, "unknown");
	g_autofree char *counts = output_counts(report);
	gint64 stale = output_number(summary, "stale", 0);

	g_string_append(out, "# Repositories\n\n");
	g_string_append_printf(out, "**%s**: %s", output_text(report, "health_status"), counts);
	if (stale > 0)
		g_string_append_printf(out, "; %" G_GINT64_FORMAT " stale", stale);
	g_string_append_printf(
		out, " (%" G_GINT64_FORMAT " in ", output_number(summary, "total", 0));
	text_append(out, output_text(report, "local_git_root"));
	g_string_append_printf(out, ", %s).", output_text(report, "timestamp"));
	for (gsize i = 0; unknown != NULL && i < json_object_array_length(unknown); i++)
		g_string_append_printf(out, "%s%s", i > 0 ? ", " : " Unknown: ",
			json_object_get_string(json_object_array_get_idx(unknown, i)));
	g_string_append(out, "\n\n| Status | Repository | Branch | Changes | Last commit | Score | "
			     "Attention |\n| --- | --- | --- | --- | --- | ---: | --- |\n");
	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		g_autofree char *changes = output_changes(row);
		g_autofree char *age = output_age(output_number(row, "lastCommitAgeDays", -1));
		gint64 score = output_number(row, "healthScore", -1);
		g_autofree char *score_text =
			score >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, score) : g_strdup("");
		cell_append(out, output_text(row, "status"));
		cell_append(out, output_text(row, "name"));
		cell_append(out, output_text(row, "branch"));
		cell_append(out, changes);
		cell_append(out, age);
		cell_append(out, score_text);
		cell_append(out, output_attention(row));
		g_string_append(out, "|\n");
	}
}
