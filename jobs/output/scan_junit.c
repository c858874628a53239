/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/quote.h"

/*
 * JUnit's XML as CI servers read it: a suite a scan, a failed case a finding; a scan that found
 * nothing is one case that passed, because servers take a suite without cases for a mistake. What
 * could not be read is a case with an error.
 */

static void text_append(GString *out, const char *bytes)
{
	g_autofree char *quoted = quote_format(bytes != NULL ? bytes : "");
	g_autofree char *text = g_markup_escape_text(quoted, -1);

	g_string_append(out, text);
}

static void finding_append(const struct finding *f, GString *out)
{
	const char *path = scan_output_path(f);
	guint32 line = scan_output_line(f);

	g_string_append(out, "  <testcase classname=\"");
	text_append(out, path);
	g_string_append(out, "\" name=\"");
	text_append(out, f->rule->id);
	if (!finding_is_file(f))
		g_string_append_printf(out, " in line %u", line);
	g_string_append(out, "\" file=\"");
	text_append(out, path);
	g_string_append_printf(out, "\" line=\"%u\">\n   <failure type=\"%s\" message=\"", line,
		severity_name(f->severity));
	text_append(out, f->rule->description);
	if (!finding_is_file(f)) {
		g_string_append(out, ": ");
		text_append(out, f->secret);
	}
	g_string_append(out, "\">");
	text_append(out, path);
	g_string_append_printf(out, ":%u: ", line);
	text_append(out, f->sample);
	if (*f->first.oid != '\0') {
		g_autofree char *date = scan_output_author_time(&f->first);
		g_string_append_printf(out, "\nsince %s (%s, ", f->first.oid, date);
		text_append(out, f->first.author);
		g_string_append(out, ")");
	}
	if (f->rule->remedy != NULL) {
		g_string_append_c(out, '\n');
		text_append(out, f->rule->remedy);
	}
	g_string_append_printf(out, "\nlocation_id %s</failure>\n  </testcase>\n", f->location_id);
}

void scan_output_junit(const struct finding_report *report, GString *out)
{
	g_autoptr(GString) cases = g_string_new(NULL);
	guint failures = 0;
	guint errors = report->is_partly ? 1 : 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (!finding_is_counted(f))
			continue;
		failures++;
		finding_append(f, cases);
	}
	if (failures == 0)
		g_string_append(cases,
			"  <testcase classname=\"muster scan\" name=\"no secrets were found\"/>\n");
	if (report->is_partly)
		g_string_append(cases,
			"  <testcase classname=\"muster scan\" name=\"everything "
			"could be read\">\n   <error message=\"part of the input could not be read\"/>\n  </testcase>\n");
	guint tests = MAX(failures, 1) + errors;
	double seconds = (double)report->elapsed_us / G_USEC_PER_SEC;
	char number[G_ASCII_DTOSTR_BUF_SIZE];
	g_ascii_formatd(number, sizeof(number), "%.3f", seconds);
	g_autofree char *time = scan_output_time(report->started_us / G_USEC_PER_SEC);
	g_string_append_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites name=\"muster scan\" tests=\"%u\" failures=\"%u\" errors=\"%u\" time=\"%s\">\n"
		" <testsuite name=\"muster scan\" tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"0\" "
		"time=\"%s\" timestamp=\"%s\">\n",
		tests, failures, errors, number, tests, failures, errors, number, time);
	g_string_append_len(out, cases->str, (gssize)cases->len);
	g_string_append(out, " </testsuite>\n</testsuites>\n");
}
