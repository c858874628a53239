/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_OUTPUT_SCAN_H
#define MUSTER_JOBS_OUTPUT_SCAN_H

#include <glib.h>

#include "jobs/output/output.h"
#include "jobs/scan/finding.h"
#include "lib/json.h"

/*
 * The findings of a scan as text, in one of nine forms. Writers append to a string; they open
 * nothing and print nothing. What comes from a repository is put into the quoted form of
 * lib/quote.h first, so that no writer can be made to emit a control character, and each escapes
 * what its own form gives a meaning to.
 *
 *	g_autoptr(GString) out = g_string_new(NULL);
 *	scan_output_write(SCAN_FORMAT_SARIF, report, NULL, out);
 *
 * Ignored findings are never counted. JSON and SARIF carry them apart (`ignored`, `suppressions`),
 * the page too; the table counts them, and lists them when asked for details; the others leave
 * them out.
 */
enum scan_format {
	SCAN_FORMAT_UNSET,
	SCAN_FORMAT_TABLE,
	SCAN_FORMAT_JSON,
	SCAN_FORMAT_JSONL,
	SCAN_FORMAT_SARIF,
	SCAN_FORMAT_CSV,
	SCAN_FORMAT_JUNIT,
	SCAN_FORMAT_HTML,
	SCAN_FORMAT_MARKDOWN,
	SCAN_FORMAT_GITLEAKS,
};

/* UNSET for a name that is none. */
enum scan_format scan_format_parse(const char *name);
/* "table, json, …": for messages. */
const char *scan_format_names(void);

struct scan_output_style {
	struct output_style terminal;
	gboolean is_verbose; /* the table with remedies, commits, ignored findings and gaps */
};

/* style is the table's; NULL: plain ASCII, lines as long as they are. */
void scan_output_write(enum scan_format format, const struct finding_report *report,
	const struct scan_output_style *style, GString *out);

/* One writer each. */
void scan_output_table(
	const struct finding_report *report, const struct scan_output_style *style, GString *out);
void scan_output_json(const struct finding_report *report, GString *out);
/* A finding a line as in JSON, then {"coverage": …}. */
void scan_output_jsonl(const struct finding_report *report, GString *out);
/* Version 2.1.0. */
void scan_output_sarif(const struct finding_report *report, GString *out);
void scan_output_csv(const struct finding_report *report, GString *out);
void scan_output_junit(const struct finding_report *report, GString *out);
void scan_output_html(const struct finding_report *report, GString *out);
void scan_output_markdown(const struct finding_report *report, GString *out);
/* An array with exactly the keys of gitleaks' JSON. */
void scan_output_gitleaks(const struct finding_report *report, GString *out);

/* What the writers have in common. */

/* The path as it is, not quoted, or "(unknown path)". */
const char *scan_output_path(const struct finding *finding);
/* The line a person opens: in HEAD where it is there, else where it was introduced. */
guint32 scan_output_line(const struct finding *finding);
/*
 * Findings that rule, file and line do not tell apart, as a set of struct finding *; freed with
 * g_hash_table_unref().
 */
GHashTable *scan_output_twins(const struct finding_report *report);
/* "path:line" as it is, not quoted; of one of the twins "path:line:column". Freed by the caller. */
char *scan_output_where(GHashTable *twins, const struct finding *finding);
/* The member of JSON for one finding. */
json_object *scan_output_finding(const struct finding_report *report, const struct finding *f);
json_object *scan_output_coverage(const struct finding_report *report);
/* "2 critical, 1 high: 3 findings of 2 secrets"; "no secrets". Freed by the caller. */
char *scan_output_counts(const struct finding_report *report);
/* RFC 3339 in UTC with 'Z'. Freed by the caller. */
char *scan_output_time(gint64 seconds);
/* With the author's own offset, as git shows it in strict form. Freed by the caller. */
char *scan_output_author_time(const struct finding_commit *commit);

#endif
