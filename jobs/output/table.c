/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/audit/score.h"
#include "jobs/output/cell.h"
#include "jobs/output/output.h"
#include "lib/report.h"

/*
 * The table for a terminal: a line for each repository, worst first as the report is sorted, then
 * one line that counts. Colour only for state, and every state as mark + word + colour, so that it
 * reads the same without colour. Columns take the width their contents need; the last, free text,
 * gets what is left of the terminal.
 */

enum {
	COLUMN_STATUS,
	COLUMN_NAME,
	COLUMN_BRANCH,
	COLUMN_CHANGES,
	COLUMN_AGE,
	COLUMN_SCORE,
	COLUMN_ATTENTION,
	COLUMN_COUNT
};

static const char *const titles[COLUMN_COUNT] = {
	"STATUS", "REPOSITORY", "BRANCH", "CHANGES", "LAST COMMIT", "SCORE", "ATTENTION"};

/* No column but the last is wider than this on a terminal. */
static const guint widest[COLUMN_COUNT] = {12, 40, 30, 36, 11, 5, 0};

/* And these columns are not cut below this. */
static const guint narrowest[COLUMN_COUNT] = {12, 24, 14, 18, 11, 5, 0};
#define ATTENTION_MIN 20

static const struct {
	const char *status, *colour, *mark, *mark_ascii;
} looks[] = {
	{"missing", "31;1", "✗", "x"},
	{"extra", "36", "+", "+"},
	{"dirty", "33", "●", "*"},
	{"mismatched", "35", "≠", "!"},
	{"clean", "32", "✓", "-"},
	{"not_git", "90", "·", "."},
	{"error", "31;1", "!", "E"},
};

struct table_row {
	char *cells[COLUMN_COUNT];
	const char *colour; /* of the status */
	const char *score_colour;
};

/* "main ↑2 ↓1": the branch and how far it is from its upstream. */
static char *branch_format(json_object *row, const struct output_style *style)
{
	GString *text = g_string_new(output_text(row, "branch"));
	gint64 ahead = output_number(row, "ahead", 0);
	gint64 behind = output_number(row, "behind", 0);
	const char *head = output_text(row, "head");

	if (!strcmp(head, "detached")) {
		const char *sha = output_text(row, "lastCommitSha");
		g_string_append_printf(text, "(detached %.8s)", sha);
	}
	if (output_flag(row, "is_bare"))
		g_string_append(text, " (bare)");
	if (ahead > 0)
		g_string_append_printf(
			text, " %s%" G_GINT64_FORMAT, style->is_utf8 ? "↑" : "+", ahead);
	if (behind > 0)
		g_string_append_printf(
			text, " %s%" G_GINT64_FORMAT, style->is_utf8 ? "↓" : "-", behind);
	return g_string_free(text, FALSE);
}

static void row_format(json_object *row, const struct output_style *style, struct table_row *out)
{
	const char *status = output_text(row, "status");
	const char *mark = "?";
	gint64 score = output_number(row, "healthScore", -1);

	for (gsize i = 0; i < G_N_ELEMENTS(looks); i++)
		if (!strcmp(status, looks[i].status)) {
			mark = style->is_utf8 ? looks[i].mark : looks[i].mark_ascii;
			out->colour = looks[i].colour;
		}
	out->cells[COLUMN_STATUS] =
		g_strdup_printf("%s %s", mark, strcmp(status, "not_git") ? status : "not git");
	out->cells[COLUMN_NAME] = g_strdup(output_text(row, "name"));
	out->cells[COLUMN_BRANCH] = branch_format(row, style);
	out->cells[COLUMN_CHANGES] = output_changes(row);
	out->cells[COLUMN_AGE] = output_age(output_number(row, "lastCommitAgeDays", -1));
	out->cells[COLUMN_SCORE] =
		score >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, score) : g_strdup("");
	out->score_colour = score >= 80 ? "32" : score >= 50 ? "33" : "31";
	out->cells[COLUMN_ATTENTION] = g_strdup(output_attention(row));
	if (style->has_scores) {
		char *why = score_explain(row);
		if (why != NULL) {
			g_free(out->cells[COLUMN_ATTENTION]);
			out->cells[COLUMN_ATTENTION] = why;
		}
	}
}

static void widths_get(const struct table_row *rows, gsize count, const struct output_style *style,
	guint widths[COLUMN_COUNT])
{
	guint used = 0;

	for (int c = 0; c < COLUMN_COUNT; c++) {
		gboolean is_used = c == COLUMN_STATUS || c == COLUMN_NAME;
		widths[c] = 0;
		for (gsize i = 0; i < count; i++) {
			guint width = cell_width(rows[i].cells[c]);
			widths[c] = MAX(widths[c], width);
			is_used |= width > 0;
		}
		if (!is_used)
			continue; /* an empty column is left out */
		widths[c] = MAX(widths[c], (guint)strlen(titles[c]));
		if (style->columns > 0 && widest[c] > 0)
			widths[c] = MIN(widths[c], widest[c]);
		if (c != COLUMN_ATTENTION)
			used += widths[c] + 2;
	}
	if (style->columns == 0)
		return;
	/* On a narrow terminal columns shrink; then the free text goes, the branch, the changes. */
	for (int c = COLUMN_NAME; c <= COLUMN_CHANGES; c++) {
		if (style->has_scores || used + ATTENTION_MIN <= style->columns)
			break;
		guint cut = widths[c] > narrowest[c] ? widths[c] - narrowest[c] : 0;
		cut = MIN(cut, used + ATTENTION_MIN - style->columns);
		widths[c] -= cut;
		used -= cut;
	}
	if (style->has_scores)
		return;
	if (used + ATTENTION_MIN <= style->columns) {
		widths[COLUMN_ATTENTION] = MIN(widths[COLUMN_ATTENTION], style->columns - used);
		return;
	}
	widths[COLUMN_ATTENTION] = 0;
	for (int c = COLUMN_BRANCH; c <= COLUMN_CHANGES && used > style->columns + 2; c++) {
		used -= widths[c] > 0 ? widths[c] + 2 : 0;
		widths[c] = 0;
	}
}

static void line_append(GString *out, char *const cells[COLUMN_COUNT], const guint *widths,
	const struct output_style *style, const struct table_row *row)
{
	int last = COLUMN_COUNT - 1;

	while (last > 0 && widths[last] == 0)
		last--;
	for (int c = 0; c <= last; c++) {
		const char *colour = row == NULL          ? "1"
				     : c == COLUMN_STATUS ? row->colour
				     : c == COLUMN_SCORE  ? row->score_colour
				     : c == COLUMN_NAME   ? "1"
							  : NULL;
		if (widths[c] == 0)
			continue;
		if (row != NULL && (c == COLUMN_AGE || c == COLUMN_ATTENTION))
			colour = "90";
		cell_colour_on(out, style, colour);
		gboolean is_last = c == last && cell_width(cells[c]) <= widths[c];
		cell_append(out, cells[c], is_last ? 0 : widths[c],
			c == COLUMN_SCORE ? CELL_RIGHT : CELL_LEFT, style);
		cell_colour_off(out, style, colour);
		if (c != last)
			g_string_append(out, "  ");
	}
	while (out->len > 0 && out->str[out->len - 1] == ' ')
		g_string_truncate(out, out->len - 1);
	g_string_append_c(out, '\n');
}

static void summary_append(json_object *report, const struct output_style *style, GString *out)
{
	json_object *summary = json_object_object_get(report, "summary");
	const char *health = output_text(report, "health_status");
	const char *colour = !strcmp(health, "green")    ? "30;42"
			     : !strcmp(health, "yellow") ? "30;43"
							 : "37;41";
	g_autofree char *counts = output_counts(report);
	gint64 stale = output_number(summary, "stale", 0);
	json_object *unknown = json_object_object_get(summary, "unknown");

	cell_colour_on(out, style, colour);
	g_string_append_printf(out, style->has_colour ? " %s " : "%s:", health);
	cell_colour_off(out, style, colour);
	g_string_append_printf(out, " %s", counts);
	if (stale > 0)
		g_string_append_printf(out, "; %" G_GINT64_FORMAT " stale", stale);
	for (gsize i = 0; unknown != NULL && i < json_object_array_length(unknown); i++)
		g_string_append_printf(out, "%s%s", i > 0 ? ", " : "; unknown: ",
			json_object_get_string(json_object_array_get_idx(unknown, i)));
	g_string_append_printf(out, "; %" G_GINT64_FORMAT " in %.2f s\n",
		output_number(summary, "total", 0),
		(double)output_number(report, "duration_ms", 0) / 1000.0);
}

void output_table(json_object *report, const struct output_style *style, GString *out)
{
	json_object *rows = output_rows(report);
	gsize count = json_object_array_length(rows);
	g_autofree struct table_row *lines = g_new0(struct table_row, count + 1);
	guint widths[COLUMN_COUNT];

	for (gsize i = 0; i < count; i++)
		row_format(json_object_array_get_idx(rows, i), style, &lines[i]);
	widths_get(lines, count, style, widths);
	if (count > 0) {
		line_append(out, (char *const *)titles, widths, style, NULL);
		for (gsize i = 0; i < count; i++) {
			line_append(out, lines[i].cells, widths, style, &lines[i]);
			for (int c = 0; c < COLUMN_COUNT; c++)
				g_free(lines[i].cells[c]);
		}
		g_string_append_c(out, '\n');
	}
	if (style->has_scores) {
		g_string_append(out, score_formula);
		g_string_append_c(out, '\n');
	}
	summary_append(report, style, out);
}
