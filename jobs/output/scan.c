/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/output/scan.h"

#include <string.h>

#include "jobs/scan/rule.h"
#include "lib/hash.h"
#include "lib/quote.h"

static const char *const names[] = {
	NULL, "table", "json", "jsonl", "sarif", "csv", "junit", "html", "markdown", "gitleaks"};

enum scan_format scan_format_parse(const char *name)
{
	for (gsize i = 1; i < G_N_ELEMENTS(names); i++)
		if (!strcmp(name, names[i]))
			return (enum scan_format)i;
	return SCAN_FORMAT_UNSET;
}

const char *scan_format_names(void)
{
	return "table, json, jsonl, sarif, csv, junit, html, markdown, gitleaks";
}

void scan_output_write(enum scan_format format, const struct finding_report *report,
	const struct scan_output_style *style, GString *out)
{
	static const struct scan_output_style plain;

	switch (format) {
	case SCAN_FORMAT_JSON:
		scan_output_json(report, out);
		break;
	case SCAN_FORMAT_JSONL:
		scan_output_jsonl(report, out);
		break;
	case SCAN_FORMAT_SARIF:
		scan_output_sarif(report, out);
		break;
	case SCAN_FORMAT_CSV:
		scan_output_csv(report, out);
		break;
	case SCAN_FORMAT_JUNIT:
		scan_output_junit(report, out);
		break;
	case SCAN_FORMAT_HTML:
		scan_output_html(report, out);
		break;
	case SCAN_FORMAT_MARKDOWN:
		scan_output_markdown(report, out);
		break;
	case SCAN_FORMAT_GITLEAKS:
		scan_output_gitleaks(report, out);
		break;
	default:
		scan_output_table(report, style != NULL ? style : &plain, out);
	}
}

const char *scan_output_path(const struct finding *finding)
{
	return finding->path != NULL ? finding->path : "(unknown path)";
}

guint32 scan_output_line(const struct finding *finding)
{
	return finding->head_line > 0 ? finding->head_line : finding->place.line;
}

GHashTable *scan_output_twins(const struct finding_report *report)
{
	GHashTable *twins = g_hash_table_new(NULL, NULL);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);

	for (guint i = 0; i < report->findings->len; i++) {
		struct finding *f = report->findings->pdata[i];
		char *name = g_strdup_printf("%s\n%u\n%d\n%s\n%s", f->rule->id, scan_output_line(f),
			finding_is_counted(f), f->repository, scan_output_path(f));
		struct finding *other = g_hash_table_lookup(seen, name);
		if (other == NULL) {
			g_hash_table_insert(seen, name, f);
			continue;
		}
		g_free(name);
		g_hash_table_add(twins, other);
		g_hash_table_add(twins, f);
	}
	return twins;
}

/* Of the line that is shown. */
static guint32 column_get(const struct finding *f)
{
	guint32 line = scan_output_line(f);

	for (guint32 i = 0; f->place.line != line && i < f->n_places; i++)
		if (f->places[i].line == line)
			return f->places[i].column;
	return f->place.column;
}

char *scan_output_where(GHashTable *twins, const struct finding *finding)
{
	const char *path = scan_output_path(finding);
	guint32 line = scan_output_line(finding);

	/* All of the file. */
	if (finding_is_file(finding))
		return g_strdup(path);
	if (!g_hash_table_contains(twins, finding))
		return g_strdup_printf("%s:%u", path, line);
	return g_strdup_printf("%s:%u:%u", path, line, column_get(finding));
}

char *scan_output_counts(const struct finding_report *report)
{
	GString *text = g_string_new(NULL);
	guint total = 0, secrets = finding_report_secrets(report);

	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--) {
		guint count = finding_report_count(report, (enum severity)severity);
		if (count > 0)
			g_string_append_printf(text, "%s%u %s", text->len > 0 ? ", " : "", count,
				severity_name((enum severity)severity));
		total += count;
	}
	/* One that was copied about is to be revoked once. */
	if (secrets < total)
		g_string_append_printf(text, ": %u findings of %u secret%s", total, secrets,
			secrets == 1 ? "" : "s");
	if (text->len == 0)
		g_string_append(text, "no secrets");
	return g_string_free(text, FALSE);
}

char *scan_output_time(gint64 seconds)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

	return time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("");
}

char *scan_output_author_time(const struct finding_commit *commit)
{
	g_autoptr(GTimeZone) zone =
		g_time_zone_new_offset(CLAMP(commit->offset_min, -1439, 1439) * 60);
	g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(commit->time);
	g_autoptr(GDateTime) local = utc != NULL ? g_date_time_to_timezone(utc, zone) : NULL;

	return local != NULL ? g_date_time_format(local, "%Y-%m-%dT%H:%M:%S%:z") : g_strdup("");
}
