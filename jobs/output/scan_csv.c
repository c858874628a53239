/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/quote.h"

/*
 * RFC 4180. The first sixteen columns are gitleaks', in its order; ours stand behind them. A field
 * that a spreadsheet would take for a formula gets an apostrophe in front.
 */

static void field_append(GString *out, const char *bytes)
{
	g_autofree char *text = quote_format(bytes != NULL ? bytes : "");

	if (out->len > 0 && out->str[out->len - 1] != '\n')
		g_string_append_c(out, ',');
	g_string_append_c(out, '"');
	if (*text != '\0' && strchr("=+-@", *text) != NULL)
		g_string_append_c(out, '\'');
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '"')
			g_string_append_c(out, '"');
		g_string_append_c(out, *at);
	}
	g_string_append_c(out, '"');
}

static void number_append(GString *out, guint64 number)
{
	g_string_append_printf(out, ",%" G_GUINT64_FORMAT, number);
}

static void finding_append(const struct finding *f, GString *out)
{
	g_autofree char *name = finding_gitleaks_name(f);
	g_autofree char *date = *f->first.oid != '\0' ? scan_output_time(f->first.time) : NULL;
	g_autofree char *tags = g_strjoinv(" ", (char **)f->rule->tags);
	gboolean is_file = finding_is_file(f);

	field_append(out, f->rule->id);
	field_append(out, f->first.oid);
	field_append(out, f->path);
	field_append(out, "");
	field_append(out, f->secret);
	field_append(out, f->sample);
	number_append(out, is_file ? 0 : f->place.line);
	number_append(out, is_file ? 0 : f->place.end_line);
	number_append(out, is_file ? 0 : f->place.column);
	number_append(out, is_file ? 0 : f->place.end_column);
	field_append(out, f->first.author);
	field_append(out, f->first.message);
	field_append(out, date);
	field_append(out, f->first.email);
	field_append(out, name);
	field_append(out, tags);
	field_append(out, severity_name(f->severity));
	/* Behind a name that a path may end in, ids would look like what is called so. */
	field_append(out, f->location_id);
	field_append(out, f->secret_id);
	field_append(out, f->repository);
	field_append(out, f->in_head == FINDING_YES ? "yes" : f->in_head == FINDING_NO ? "no" : "");
	number_append(out, f->places_total);
	g_string_append(out, "\r\n");
}

void scan_output_csv(const struct finding_report *report, GString *out)
{
	static const char *const titles[] = {"RuleID", "Commit", "File", "SymlinkFile", "Secret",
		"Match", "StartLine", "EndLine", "StartColumn", "EndColumn", "Author", "Message",
		"Date", "Email", "Fingerprint", "Tags", "Severity", "LocationID", "SecretID",
		"Repository", "InHead", "Occurrences"};

	for (gsize i = 0; i < G_N_ELEMENTS(titles); i++)
		g_string_append_printf(out, "%s%s", i > 0 ? "," : "", titles[i]);
	g_string_append(out, "\r\n");
	for (guint i = 0; i < report->findings->len; i++)
		if (finding_is_counted(report->findings->pdata[i]))
			finding_append(report->findings->pdata[i], out);
}
