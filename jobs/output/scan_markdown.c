/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/quote.h"

/* A summary for a comment on a merge request: what was found, what to do, what was not read. */

static void text_append(GString *out, const char *bytes)
{
	g_autofree char *text = quote_format(bytes != NULL ? bytes : "");

	for (const char *at = text; *at != '\0'; at++) {
		if (strchr("\\`*_[]<>#|~&@", *at) != NULL)
			g_string_append_c(out, '\\');
		g_string_append_c(out, *at);
	}
}

static void cell_append(GString *out, const char *text)
{
	g_string_append(out, "| ");
	text_append(out, text);
	g_string_append_c(out, ' ');
}

static void row_append(
	const struct finding *f, GHashTable *twins, gboolean has_repository, GString *out)
{
	g_autofree char *where = scan_output_where(twins, f);
	g_autofree char *date = *f->first.oid != '\0' ? scan_output_author_time(&f->first) : NULL;

	cell_append(out, severity_name(f->severity));
	cell_append(out, f->rule->id);
	if (has_repository)
		cell_append(out, f->repository);
	cell_append(out, where);
	cell_append(out, f->secret);
	cell_append(out, f->status == FINDING_STATUS_REMOVED ? "removed"
			 : f->in_head == FINDING_YES         ? "yes"
			 : f->in_head == FINDING_NO          ? "no"
							     : "");
	g_autofree char *since =
		date != NULL ? g_strdup_printf("%.10s %.8s", date, f->first.oid) : g_strdup("");
	cell_append(out, since);
	cell_append(out, f->first.author);
	g_string_append(out, "|\n");
}

static void remedies_append(const struct finding_report *report, GString *out)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (!finding_is_counted(f) || f->rule->remedy == NULL ||
			!g_hash_table_add(seen, (gpointer)f->rule))
			continue;
		if (g_hash_table_size(seen) == 1)
			g_string_append(out, "\n## What to do\n\n");
		g_string_append(out, "- **");
		text_append(out, f->rule->id);
		g_string_append(out, "**: ");
		text_append(out, f->rule->remedy);
		if (f->rule->rotate != NULL) {
			g_string_append_c(out, ' ');
			text_append(out, f->rule->rotate);
		}
		g_string_append_c(out, '\n');
	}
}

void scan_output_markdown(const struct finding_report *report, GString *out)
{
	g_autofree char *counts = scan_output_counts(report);
	g_autoptr(GHashTable) twins = scan_output_twins(report);
	gboolean has_repository = report->targets->len > 1;
	guint total = 0;

	for (guint i = 0; i < report->findings->len; i++)
		total += finding_is_counted(report->findings->pdata[i]);
	g_string_append_printf(out, "# Secrets\n\n**%s**", counts);
	if (report->findings->len > total)
		g_string_append_printf(out, "; %u ignored", report->findings->len - total);
	if (report->is_partly)
		g_string_append(out, "; **part of the input could not be read**");
	g_string_append(out, "\n");
	if (total > 0) {
		g_string_append_printf(out,
			"\n| Severity | Rule |%s Where | Secret | In HEAD | Since | Author |\n"
			"| --- | --- |%s --- | --- | --- | --- | --- |\n",
			has_repository ? " Repository |" : "", has_repository ? " --- |" : "");
		for (guint i = 0; i < report->findings->len; i++)
			if (finding_is_counted(report->findings->pdata[i]))
				row_append(report->findings->pdata[i], twins, has_repository, out);
		remedies_append(report, out);
	}
	for (guint i = 0; i < report->problems->len; i++) {
		g_string_append(out, i == 0 ? "\n## Not read\n\n- " : "- ");
		text_append(out, report->problems->pdata[i]);
		g_string_append_c(out, '\n');
	}
}
