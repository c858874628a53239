/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/output/cell.h"
#include "jobs/output/terminal.h"
#include "lib/json.h"
#include "lib/quote.h"

#define COLUMN_MAX_WIDTH 60
#define TITLE_COLOUR "1"

static char *value_format(const struct db_result *rows, guint row, guint column)
{
	const char *value = db_result_get(rows, row, column);

	return value != NULL && *value != '\0' ? quote_show(value) : g_strdup("-");
}

static void plain_print(const struct db_result *rows)
{
	for (guint row = 0; row < db_result_rows(rows); row++)
		for (guint c = 0; c < db_result_columns(rows); c++) {
			g_autofree char *value = value_format(rows, row, c);
			printf("%s%c", value, c + 1 < db_result_columns(rows) ? '\t' : '\n');
		}
}

/* One line; the last column is as long as it is. */
static void line_append(GString *out, const char *const *values, const guint *widths, guint n,
	const struct output_style *style)
{
	for (guint c = 0; c < n; c++) {
		cell_append(out, values[c], c + 1 < n ? widths[c] : 0, CELL_LEFT, style);
		g_string_append(out, c + 1 < n ? "  " : "");
	}
}

static void table_print(
	const struct db_result *rows, const char *const *titles, const struct output_style *style)
{
	guint n = db_result_columns(rows), n_rows = db_result_rows(rows);
	g_autofree guint *widths = g_new0(guint, n);
	g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GString) out = g_string_new(NULL);

	for (guint c = 0; c < n; c++)
		widths[c] = cell_width(titles[c]);
	for (guint row = 0; row < n_rows; row++)
		for (guint c = 0; c < n; c++) {
			char *value = value_format(rows, row, c);
			widths[c] = MIN(MAX(widths[c], cell_width(value)), COLUMN_MAX_WIDTH);
			g_ptr_array_add(values, value);
		}
	cell_colour_on(out, style, TITLE_COLOUR);
	line_append(out, titles, widths, n, style);
	cell_colour_off(out, style, TITLE_COLOUR);
	g_string_append_c(out, '\n');
	for (guint row = 0; row < n_rows; row++) {
		line_append(
			out, (const char *const *)values->pdata + (gsize)row * n, widths, n, style);
		g_string_append_c(out, '\n');
	}
	fputs(out->str, stdout);
}

void rows_print(const struct db_result *rows, const char *const *titles)
{
	struct output_style style;

	terminal_style_init(&style, STDOUT_FILENO);
	if (style.columns == 0)
		plain_print(rows);
	else if (db_result_rows(rows) > 0)
		table_print(rows, titles, &style);
}

static json_object *value_json(const struct db_result *rows, guint row, guint column)
{
	const char *value = db_result_get(rows, row, column);

	if (value == NULL)
		return NULL;
	double number = db_result_is_number(rows, column) ? g_ascii_strtod(value, NULL) : NAN;
	/* With the digits that it came with: a double would not have them all. */
	return isfinite(number) ? json_object_new_double_s(number, value)
				: json_object_new_string(value);
}

void rows_print_json(const struct db_result *rows, const char *const *titles)
{
	g_autoptr(json_object) list = json_object_new_array();

	for (guint row = 0; row < db_result_rows(rows); row++) {
		json_object *object = json_object_new_object();
		for (guint c = 0; c < db_result_columns(rows); c++) {
			g_autofree char *name = g_ascii_strdown(titles[c], -1);
			json_object_object_add(
				object, g_strdelimit(name, " ", '_'), value_json(rows, row, c));
		}
		json_object_array_add(list, object);
	}
	printf("%s\n", json_object_to_json_string_ext(
			       list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_PRETTY_TAB |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
}
