/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/output/output.h"

#include <string.h>

enum output_format output_format_parse(const char *name)
{
	static const char *const names[] = {NULL, "table", "json", "csv", "html", "markdown"};

	for (gsize i = 1; i < G_N_ELEMENTS(names); i++)
		if (!strcmp(name, names[i]))
			return (enum output_format)i;
	return OUTPUT_FORMAT_UNSET;
}

void output_write(enum output_format format, json_object *report, const struct output_style *style,
	GString *out)
{
	static const struct output_style plain = {FALSE, FALSE, 0, FALSE};

	switch (format) {
	case OUTPUT_FORMAT_JSON:
		output_json(report, out);
		break;
	case OUTPUT_FORMAT_CSV:
		output_csv(report, out);
		break;
	case OUTPUT_FORMAT_HTML:
		output_html(report, out);
		break;
	case OUTPUT_FORMAT_MARKDOWN:
		output_markdown(report, out);
		break;
	default:
		output_table(report, style != NULL ? style : &plain, out);
	}
}

const char *output_text(json_object *object, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
			       json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

gint64 output_number(json_object *object, const char *key, gint64 otherwise)
{
	json_object *value;

	return json_object_object_get_ex(object, key, &value) && value != NULL
		       ? json_object_get_int64(value)
		       : otherwise;
}

gboolean output_flag(json_object *object, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(object, key, &value) && json_object_get_boolean(value);
}

json_object *output_rows(json_object *report)
{
	return json_object_object_get(report, "repos");
}

static char *age_format(gint64 count, const char *unit)
{
	return g_strdup_printf("%" G_GINT64_FORMAT " %s%s", count, unit, count == 1 ? "" : "s");
}

char *output_age(gint64 days)
{
	if (days < 0)
		return g_strdup("");
	if (days == 0)
		return g_strdup("today");
	if (days < 60)
		return age_format(days, "day");
	if (days < 730)
		return age_format(days / 30, "month");
	return age_format(days / 365, "year");
}

char *output_changes(json_object *row)
{
	static const struct {
		const char *key, *word;
	} parts[] = {{"unmerged", "unmerged"}, {"staged", "staged"}, {"unstaged", "changed"},
		{"untracked", "untracked"}, {"stashes", "stashed"}};
	GString *text = g_string_new(NULL);
	json_object *counts;

	if (json_object_object_get_ex(row, "counts", &counts))
		for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
			gint64 count = output_number(counts, parts[i].key, 0);
			if (count > 0)
				g_string_append_printf(text, "%s%" G_GINT64_FORMAT " %s",
					text->len > 0 ? ", " : "", count, parts[i].word);
		}
	return g_string_free(text, FALSE);
}

const char *output_attention(json_object *row)
{
	static const char *const severities[] = {"low", "medium", "high", "critical"};
	json_object *checks;
	const char *message = "";
	int worst = -1;

	if (!json_object_object_get_ex(row, "checks", &checks))
		return message;
	for (gsize i = 0; i < json_object_array_length(checks); i++) {
		json_object *check = json_object_array_get_idx(checks, i);
		const char *status = output_text(check, "status");
		const char *severity = output_text(check, "severity");
		if (strcmp(status, "fail") != 0 && strcmp(status, "warn") != 0)
			continue;
		/* The column beside it says so already. */
		if (!strcmp(output_text(check, "id"), "uncommitted") ||
			!strcmp(output_text(check, "id"), "untracked"))
			continue;
		for (int rank = 0; rank < (int)G_N_ELEMENTS(severities); rank++)
			if (!strcmp(severity, severities[rank]) && rank > worst) {
				worst = rank;
				message = output_text(check, "message");
			}
	}
	return message;
}

char *output_counts(json_object *report)
{
	static const struct {
		const char *key, *word;
	} parts[] = {{"missing", "missing"}, {"extra", "extra"}, {"dirty", "dirty"},
		{"mismatched", "mismatched"}, {"clean", "clean"}, {"not_git", "not git"},
		{"errors", "unreadable"}};
	json_object *summary = json_object_object_get(report, "summary");
	GString *text = g_string_new(NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
		gint64 count = output_number(summary, parts[i].key, 0);
		if (count > 0)
			g_string_append_printf(text, "%s%" G_GINT64_FORMAT " %s",
				text->len > 0 ? ", " : "", count, parts[i].word);
	}
	if (text->len == 0)
		g_string_append(text, "no repositories");
	return g_string_free(text, FALSE);
}
