/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/hash.h"
#include "lib/quote.h"

/*
 * One page that needs nothing else: its policy lets exactly one script run, the one below, named
 * by its hash, so that nothing from a repository could ever run even if it got past the escaping.
 * What comes from a repository stands only in text, never in an attribute; without script the
 * filters do nothing and everything is shown.
 */

/* clang-format off */
static const char style_text[] =
":root{--bg:#fff;--fg:#1b1f24;--dim:#5a6472;--line:#dde2e8;--head:#f6f8fa;"
"--red:#b3261e;--yellow:#8a5a00;--green:#1a6e3a;--cyan:#0b6472}\n"
"@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e8ec;--dim:#98a3b0;--line:#2c323a;"
"--head:#1b1f25;--red:#ff8a80;--yellow:#f0b849;--green:#6fd08c;--cyan:#67d4e4}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}\n"
"main{max-width:1320px;margin:0 auto;padding:32px 24px 64px}\n"
"h1{font-size:22px;margin:0 0 2px;font-weight:600}h2{font-size:16px;margin:32px 0 8px}\n"
".sum{font-size:17px;margin:8px 0 2px}.partly{font-weight:600}\n"
".sub{color:var(--dim);margin:0 0 20px}\n"
"form{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin:0 0 16px}\n"
"input[type=search]{font:inherit;padding:5px 10px;min-width:260px;border:1px solid var(--line);"
"border-radius:6px;background:var(--bg);color:var(--fg)}\n"
"label{white-space:nowrap}output{color:var(--dim)}\n"
".wrap{overflow-x:auto}\n"
"code{white-space:nowrap}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
"th{position:sticky;top:0;background:var(--head);text-align:left;font-weight:600;font-size:13px;color:var(--dim);white-space:nowrap}\n"
"th,td{padding:7px 16px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}\n"
"th:first-child,td:first-child{padding-left:12px;white-space:nowrap}\n"
"td{overflow-wrap:anywhere}td:nth-child(3){width:36%}td:nth-child(2),td:last-child{overflow-wrap:break-word}td.w{white-space:nowrap}code{font:13px/1.5 ui-monospace,monospace}\n"
"td small{display:block;color:var(--dim);font-size:12.5px}\n"
".critical,.high{color:var(--red)}.critical{font-weight:600}.medium{color:var(--yellow)}.info{color:var(--cyan)}.low{color:var(--dim)}\n"
".good{color:var(--green)}.bad{color:var(--red)}\n"
"details{margin:0}summary{cursor:pointer;list-style-position:outside;margin-left:18px}summary strong{font-weight:500}dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:8px 0}\n"
"dt{color:var(--dim)}dd{margin:0}\n"
"footer{color:var(--dim);margin-top:24px;font-size:13px}\n"
"tr[hidden]{display:none}\n"
"@media(max-width:760px){main{padding:20px 12px}"
".f,.i,.f tr,.i tr,.f td,.i td{display:block}.f tr[hidden]{display:none}"
"table:has(.f)>thead,table:has(.i)>thead{display:none}"
".f tr,.i tr{border-top:1px solid var(--line);padding:8px 0}"
".f td,.i td{border:0;padding:0 0 2px}.f td.w,.i td.w{color:var(--dim)}"
".f td.by,.i td.by{display:inline-block;color:var(--dim);margin-right:14px}.by small{display:inline}}\n"
"@media print{form{display:none}th{position:static}}\n";

static const char script_text[] =
"'use strict';\n"
"const form = document.querySelector('form');\n"
"const rows = [...document.querySelectorAll('tbody.f tr')].map(row => [row, row.textContent.toLowerCase()]);\n"
"function filter() {\n"
"	const words = form.elements.text.value.toLowerCase().split(/\\s+/).filter(Boolean);\n"
"	const severities = [...form.querySelectorAll('[name=severity]:checked')].map(box => 's-' + box.value);\n"
"	const head = form.elements.head.checked;\n"
"	let shown = 0;\n"
"	for (const [row, text] of rows) {\n"
"		row.hidden = !severities.some(name => row.classList.contains(name))\n"
"			|| head && !row.classList.contains('head') || !words.every(word => text.includes(word));\n"
"		shown += !row.hidden;\n"
"	}\n"
"	form.elements.count.value = shown + ' of ' + rows.length;\n"
"}\n"
"if (form) {\n"
"	form.hidden = false;\n"
"	form.addEventListener('input', filter);\n"
"	form.addEventListener('submit', event => event.preventDefault());\n"
"	filter();\n"
"}\n";
/* clang-format on */

/* Colour alone says nothing to some. */
static const char *const marks[] = {
	[SEVERITY_CRITICAL] = "✗",
	[SEVERITY_HIGH] = "▲",
	[SEVERITY_MEDIUM] = "●",
	[SEVERITY_LOW] = "○",
	[SEVERITY_INFO] = "·",
};

static void text_append(GString *out, const char *bytes)
{
	g_autofree char *quoted = quote_format(bytes != NULL ? bytes : "");
	g_autofree char *text = g_markup_escape_text(quoted, -1);

	g_string_append(out, text);
}

/* Of what: the last part of the one name, or how many there are. Freed by the caller. */
static char *what_get(const struct finding_report *report)
{
	g_autoptr(GHashTable) names = g_hash_table_new(hash_text, g_str_equal);
	const char *name = NULL;

	for (guint i = 0; i < report->targets->len; i++) {
		name = g_array_index(report->targets, struct finding_target, i).name;
		g_hash_table_add(names, (gpointer)name);
	}
	if (g_hash_table_size(names) == 1)
		return g_path_get_basename(name);
	return g_strdup_printf("%u repositories or folders", g_hash_table_size(names));
}

static const char *kind_text(const char *kind)
{
	static const struct {
		const char *kind, *text;
	} texts[] = {
		{"history", "all of its history"},
		{"range", "what some commits added"},
		{"push", "what a push adds"},
		{"staged", "what is staged"},
		{"worktree", "files as they lie"},
		{"folder", "files as they lie"},
		{"file", "a file"},
		{"stdin", "a stream"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
		if (!strcmp(texts[i].kind, kind))
			return texts[i].text;
	return kind;
}

/* "2026-11-21 18:20", the rest of the time as it is. */
static char *readable(char *time)
{
	if (strlen(time) > 10)
		time[10] = ' ';
	return time;
}

static void head_append(const char *what, GString *out)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	guint8 digest[32];
	gsize len = sizeof(digest);

	g_checksum_update(sum, (const guchar *)script_text, (gssize)strlen(script_text));
	g_checksum_get_digest(sum, digest, &len);
	g_autofree char *hash = g_base64_encode(digest, len);
	g_string_append_printf(out,
		"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'; script-src 'sha256-%s'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<title>Secret scan of ",
		hash);
	text_append(out, what);
	g_string_append(out, "</title>\n<style>\n");
	g_string_append(out, style_text);
	g_string_append(out, "</style>\n<main>\n");
}

static void form_append(const struct finding_report *report, GString *out)
{
	g_string_append(out,
		"<form hidden>\n<input type=\"search\" name=\"text\" "
		"placeholder=\"Filter by rule, path, author\" aria-label=\"Filter\">\n");
	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--) {
		const char *name = severity_name((enum severity)severity);
		guint count = finding_report_count(report, (enum severity)severity);
		if (count > 0)
			g_string_append_printf(out,
				"<label><input type=\"checkbox\" name=\"severity\" value=\"%s\" "
				"checked> <span class=\"%s\">%s %s</span> %u</label>\n",
				name, name, marks[severity], name, count);
	}
	g_string_append(out, "<label><input type=\"checkbox\" name=\"head\"> only in HEAD</label>\n"
			     "<output name=\"count\"></output>\n</form>\n");
}

static void pair_append(GString *out, const char *name, const char *bytes)
{
	if (bytes == NULL || *bytes == '\0')
		return;
	g_string_append_printf(out, "<dt>%s</dt><dd>", name);
	text_append(out, bytes);
	g_string_append(out, "</dd>");
}

static void list_append(
	GString *out, const char *name, const char *const *list, guint total, guint shown)
{
	if (list == NULL || *list == NULL)
		return;
	g_autofree char *joined = g_strjoinv(", ", (char **)list);
	g_autofree char *text = total > shown
					? g_strdup_printf("%s and %u more", joined, total - shown)
					: g_strdup(joined);
	pair_append(out, name, text);
}

static void details_append(const struct finding_report *report, const struct finding *f,
	GHashTable *twins, GString *out)
{
	g_autofree char *name = finding_gitleaks_name(f);
	g_autofree char *where = scan_output_where(twins, f);

	g_string_append(out, "<details><summary><strong>");
	text_append(out, where);
	g_string_append(out, "</strong></summary><dl>");
	pair_append(out, "what", f->rule->description);
	pair_append(out, "line", f->sample);
	if (*f->first.oid != '\0') {
		g_autofree char *date = scan_output_author_time(&f->first);
		g_autofree char *text = g_strdup_printf("%s, %s", f->first.oid, readable(date));
		pair_append(out, "first commit", text);
	}
	if (*f->last.oid != '\0') {
		g_autofree char *date = scan_output_author_time(&f->last);
		g_autofree char *text = g_strdup_printf("%s, %s", f->last.oid, readable(date));
		pair_append(out, "last commit", text);
	}
	list_append(out, "refs", f->refs, f->refs_total, FINDING_REFS_MAX);
	list_append(out, "also in", f->paths, f->paths_total, FINDING_PATHS_MAX);
	if (f->places_total > 1) {
		g_autofree char *text = g_strdup_printf("%u", f->places_total);
		pair_append(out, "occurrences", text);
	}
	if (f->lowered_for != NULL) {
		g_autofree char *text = g_strdup_printf("%s, lowered: %s",
			severity_name(f->rule->severity), finding_lowered_text(f));
		pair_append(out, "severity", text);
	}
	if (!finding_is_counted(f)) {
		pair_append(out, "ignored by", finding_ignore_name(f->ignore));
		if (f->ignore != FINDING_IGNORE_MARK && f->ignored_by < report->ignores->len)
			pair_append(out, "because",
				g_array_index(
					report->ignores, struct finding_ignore_line, f->ignored_by)
					.reason);
	}
	pair_append(out, "what to do", f->rule->remedy);
	pair_append(out, "rotate at", f->rule->rotate);
	pair_append(out, "location id", f->location_id);
	pair_append(out, "secret id", f->secret_id);
	pair_append(out, "fingerprint", name);
	g_string_append(out, "</dl></details>");
}

static void row_append(const struct finding_report *report, const struct finding *f,
	GHashTable *twins, GString *out)
{
	const char *severity = severity_name(f->severity);
	g_autofree char *date = *f->first.oid != '\0' ? scan_output_author_time(&f->first) : NULL;
	gboolean is_head = f->in_head == FINDING_YES;

	g_string_append_printf(out, "<tr class=\"s-%s%s\"><td class=\"%s\">%s %s</td><td>",
		severity, is_head ? " head" : "", severity, marks[f->severity], severity);
	text_append(out, f->rule->id);
	g_string_append(out, "</td><td>");
	details_append(report, f, twins, out);
	if (report->targets->len > 1) {
		g_string_append(out, "<small>");
		text_append(out, f->repository);
		g_string_append(out, "</small>");
	}
	g_string_append(out, "</td><td><code>");
	text_append(out, f->secret);
	g_string_append_printf(out, "</code></td><td class=\"w\">%s</td><td class=\"w by\">",
		f->status == FINDING_STATUS_REMOVED ? "removed"
		: is_head                           ? "in HEAD"
		: f->in_head == FINDING_NO          ? "history"
						    : "");
	if (date != NULL)
		g_string_append_printf(out, "%.10s <small>%.8s</small>", date, f->first.oid);
	g_string_append(out, "</td><td class=\"by\">");
	text_append(out, f->first.author);
	g_string_append(out, "</td></tr>\n");
}

static void table_append(
	const struct finding_report *report, gboolean is_counted, const char *class, GString *out)
{
	g_autoptr(GHashTable) twins = scan_output_twins(report);

	g_string_append_printf(out,
		"<div class=\"wrap\"><table>\n<thead><tr><th>Severity</th><th>Rule</th>"
		"<th>Where</th><th>Secret</th><th>Now</th><th>Since</th>"
		"<th>Author</th></tr></thead>\n<tbody class=\"%s\">\n",
		class);
	for (guint i = 0; i < report->findings->len; i++)
		if (finding_is_counted(report->findings->pdata[i]) == is_counted)
			row_append(report, report->findings->pdata[i], twins, out);
	g_string_append(out, "</tbody></table></div>\n");
}

static void coverage_append(const struct finding_report *report, GString *out)
{
	g_string_append(out, "<h2>What was looked at</h2>\n<div class=\"wrap\"><table>\n<thead><tr>"
			     "<th>What</th><th>Kind</th><th>HEAD</th><th>Files or versions</th>"
			     "<th>Bytes</th><th>Not read</th></tr></thead>\n<tbody>\n");
	for (guint i = 0; i < report->targets->len; i++) {
		const struct finding_target *t =
			&g_array_index(report->targets, struct finding_target, i);
		g_string_append(out, "<tr><td>");
		text_append(out, t->name);
		g_string_append_printf(out,
			"</td><td>%s</td><td><code>%.8s</code></td><td>%" G_GUINT64_FORMAT
			"</td><td>%" G_GUINT64_FORMAT "</td><td>",
			t->kind, t->head != NULL ? t->head : "", t->scanned + t->known, t->bytes);
		for (guint j = 0; j < t->n_gaps; j++)
			if (t->gaps[j].count > 0)
				g_string_append_printf(out,
					"<span class=\"%s\">%" G_GUINT64_FORMAT " %s</span> ",
					t->gaps[j].is_failure ? "bad" : "low", t->gaps[j].count,
					t->gaps[j].reason);
		g_string_append(out, "</td></tr>\n");
	}
	g_string_append(out, "</tbody></table></div>\n");
	for (guint i = 0; i < report->problems->len; i++) {
		g_string_append(out, "<p class=\"bad\">");
		text_append(out, report->problems->pdata[i]);
		g_string_append(out, "</p>\n");
	}
}

/* What was scanned, what was found, whether all was read, and when: the first screen. */
static void title_append(const struct finding_report *report, gboolean is_clean, GString *out)
{
	g_autofree char *counts = scan_output_counts(report);
	g_autofree char *what = what_get(report);
	g_autoptr(GDateTime) time =
		g_date_time_new_from_unix_utc(report->started_us / G_USEC_PER_SEC);
	g_autofree char *date =
		time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M UTC") : g_strdup("");

	head_append(what, out);
	g_string_append(out, "<h1>Secret scan of ");
	text_append(out, what);
	g_string_append_printf(out, "</h1>\n<p class=\"sum\"><strong class=\"%s\">%s</strong>",
		is_clean && !report->is_partly ? "good" : "", counts);
	if (report->is_partly)
		g_string_append(
			out, "; <span class=\"bad partly\">not everything could be read</span>");
	g_string_append(out, "</p>\n<p class=\"sub\">");
	for (guint i = 0; i < MIN(report->targets->len, 5); i++) {
		const struct finding_target *t =
			&g_array_index(report->targets, struct finding_target, i);
		g_string_append(out, i > 0 ? ", " : "");
		text_append(out, t->name);
		g_string_append_printf(out, ": %s", kind_text(t->kind));
	}
	if (report->targets->len > 5)
		g_string_append_printf(out, " and %u more", report->targets->len - 5);
	g_string_append_printf(out, "; %s</p>\n", date);
}

void scan_output_html(const struct finding_report *report, GString *out)
{
	guint total = 0;

	for (guint i = 0; i < report->findings->len; i++)
		total += finding_is_counted(report->findings->pdata[i]);
	title_append(report, total == 0, out);
	if (total > 0) {
		form_append(report, out);
		table_append(report, TRUE, "f", out);
	}
	if (report->findings->len > total) {
		g_string_append_printf(
			out, "<h2>Ignored: %u</h2>\n", report->findings->len - total);
		table_append(report, FALSE, "i", out);
	}
	coverage_append(report, out);
	g_string_append_printf(out,
		"<footer>Made by muster " PACKAGE_VERSION " in %.2f s with %u rules.</footer>\n"
		"</main>\n<script>",
		(double)report->elapsed_us / G_USEC_PER_SEC,
		report->rules != NULL ? report->rules->n : 0);
	g_string_append(out, script_text);
	g_string_append(out, "</script>\n</html>\n");
}
