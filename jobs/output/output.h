/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_OUTPUT_OUTPUT_H
#define MUSTER_JOBS_OUTPUT_OUTPUT_H

#include <glib.h>

#include "lib/json.h"

/*
 * A report as text, in one of five forms. Writers take a report that the audit made (or one read
 * from a file and checked against the schema) and append to a string; they open nothing and print
 * nothing. Text of a repository is already in the quoted form: no writer can be made to emit a
 * control character, and each escapes what its own form gives a meaning to.
 *
 *	g_autoptr(GString) out = g_string_new(NULL);
 *	output_write(OUTPUT_FORMAT_HTML, report, NULL, out);
 */

enum output_format {
	OUTPUT_FORMAT_UNSET,
	OUTPUT_FORMAT_TABLE,
	OUTPUT_FORMAT_JSON,
	OUTPUT_FORMAT_CSV,
	OUTPUT_FORMAT_HTML,
	OUTPUT_FORMAT_MARKDOWN,
};

/* For the table; NULL means plain, without a limit on the width, in ASCII. */
struct output_style {
	gboolean has_colour;
	gboolean is_utf8;
	guint columns;       /* of the terminal; 0: lines as long as they are */
	gboolean has_scores; /* --explain-score: what moved each score */
};

/* UNSET for a name that is none. */
enum output_format output_format_parse(const char *name);

void output_write(enum output_format format, json_object *report, const struct output_style *style,
	GString *out);

/* One writer each. */
void output_table(json_object *report, const struct output_style *style, GString *out);
void output_json(json_object *report, GString *out);
void output_csv(json_object *report, GString *out);
void output_html(json_object *report, GString *out);
void output_markdown(json_object *report, GString *out);

/* What the writers have in common; all borrowed from the row. */

/* "" when there is none or it is null. */
const char *output_text(json_object *object, const char *key);
/* The number, or otherwise when it is null or not there. */
gint64 output_number(json_object *object, const char *key, gint64 otherwise);
gboolean output_flag(json_object *object, const char *key);
json_object *output_rows(json_object *report);

/* "3 days", "today", "2 years"; "" when days is negative (unknown). Freed by the caller. */
char *output_age(gint64 days);
/* "2 staged, 1 changed, 3 untracked"; "" when there is nothing or nothing is known. */
char *output_changes(json_object *row);
/* The worst check that is not passed, severity low and up; "" when there is none. */
const char *output_attention(json_object *row);
/* "3 dirty, 1 mismatched, 33 clean"; statuses with none are left out. Freed by the caller. */
char *output_counts(json_object *report);

#endif
