/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/output.h"

/*
 * One page that needs nothing else: no script, no picture, no font from anywhere; light and dark by
 * the reader's setting; a policy in its head that would refuse anything loaded. What comes from a
 * repository passes g_markup_escape_text() and stands only in text, never in an attribute.
 */

/* clang-format off */
static const char head[] =
"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
"<meta name=\"viewport\" content=\"width=device-width\">\n"
"<meta name=\"color-scheme\" content=\"light dark\">\n"
"<title>Muster: repositories</title>\n<style>\n"
":root{--bg:#fff;--fg:#1b1f24;--dim:#5a6472;--line:#dde2e8;--head:#f6f8fa;"
"--red:#b3261e;--yellow:#8a5a00;--green:#1a6e3a;--violet:#6b3fa0;--cyan:#0b6472;--grey:#5a6472}\n"
"@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e8ec;--dim:#98a3b0;--line:#2c323a;"
"--head:#1b1f25;--red:#ff8a80;--yellow:#f0b849;--green:#6fd08c;--violet:#c5a3ff;--cyan:#67d4e4;--grey:#98a3b0}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}\n"
"main{max-width:1240px;margin:0 auto;padding:32px 24px 64px}\n"
"h1{font-size:22px;margin:0 0 2px;font-weight:600}\n"
".sub{color:var(--dim);margin:0 0 24px}\n"
".light{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.45em;background:currentColor}\n"
".counts{display:grid;grid-template-columns:repeat(auto-fit,minmax(110px,1fr));border:1px solid var(--line);"
"border-radius:6px;overflow:hidden;margin:0 0 24px;padding:0;list-style:none}\n"
".counts li{padding:12px 16px;box-shadow:1px 0 0 var(--line),0 1px 0 var(--line)}\n"
".counts b{display:block;font-size:24px;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}\n"
".counts span{color:var(--dim)}\n"
".wrap{overflow-x:auto}\n"
"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
"th{position:sticky;top:0;background:var(--head);text-align:left;font-weight:600;font-size:13px;color:var(--dim)}\n"
"th,td{padding:7px 16px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}th{white-space:nowrap}\n"
"td:nth-child(2){min-width:180px;overflow-wrap:anywhere}td:nth-child(3){min-width:100px;overflow-wrap:anywhere}"
"td:last-child{min-width:220px;overflow-wrap:anywhere;padding-right:12px}\n"
"th:first-child,td:first-child{padding-left:12px;white-space:nowrap}\n"
"td.n{text-align:right;white-space:nowrap}th.n{text-align:right}\n"
"td.w{white-space:nowrap}\n"
"td small{display:block;color:var(--dim);font-size:12.5px}\n"
".missing,.error,.red{color:var(--red)}.dirty,.yellow{color:var(--yellow)}.clean,.green{color:var(--green)}\n"
".mismatched{color:var(--violet)}.extra{color:var(--cyan)}.not_git{color:var(--grey)}\n"
"details{margin:0}summary{cursor:pointer;color:var(--dim)}ul.c{margin:6px 0 2px;padding-left:18px}\n"
"footer{color:var(--dim);margin-top:24px;font-size:13px}\n"
"@media(max-width:760px){main{padding:20px 12px}.hide{display:none}}\n"
"@media print{th{position:static}details:not([open])>*:not(summary){display:none}}\n"
"</style>\n<main>\n";

static const struct {
	const char *status, *mark, *word;
} looks[] = {
	{ "missing", "✗", "missing" },
	{ "extra", "+", "extra" },
	{ "dirty", "●", "dirty" },
	{ "mismatched", "≠", "mismatched" },
	{ "clean", "✓", "clean" },
	{ "not_git", "·", "not git" },
	{ "error", "!", "unreadable" },
};
/* clang-format on */

static void text_append(GString *out, const char *text)
{
	g_autofree char *escaped = g_markup_escape_text(text, -1);

	g_string_append(out, escaped);
}

/* Index into looks; the last one for a word that is none of ours. */
static gsize look_of(const char *status)
{
	gsize i = 0;

	while (i + 1 < G_N_ELEMENTS(looks) && strcmp(status, looks[i].status) != 0)
		i++;
	return i;
}

static void count_append(GString *out, const char *class, gint64 count, const char *word)
{
	g_string_append_printf(out,
		"<li><b class=\"%s\">%" G_GINT64_FORMAT "</b><span>%s</span></li>\n",
		count > 0 ? class : "", count, word);
}

static gboolean is_in(json_object *list, const char *word)
{
	for (gsize i = 0; list != NULL && i < json_object_array_length(list); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(list, i)), word))
			return TRUE;
	return FALSE;
}

static void counts_append(json_object *report, GString *out)
{
	static const struct {
		const char *key, *class, *word;
	} parts[] = {{"missing", "missing", "missing"}, {"extra", "extra", "extra"},
		{"dirty", "dirty", "dirty"}, {"mismatched", "mismatched", "mismatched"},
		{"clean", "clean", "clean"}, {"stale", "yellow", "stale"},
		{"not_git", "not_git", "not git"}, {"errors", "error", "unreadable"}};
	json_object *summary = json_object_object_get(report, "summary");
	json_object *unknown = json_object_object_get(summary, "unknown");

	g_string_append(out, "<ul class=\"counts\">\n");
	count_append(out, "", output_number(summary, "total", 0), "repositories");
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
		gint64 count = output_number(summary, parts[i].key, 0);
		if (is_in(unknown, parts[i].key))
			g_string_append_printf(out,
				"<li><b title=\"unknown\">?</b><span>%s</span></li>\n",
				parts[i].word);
		else
			count_append(out, parts[i].class, count, parts[i].word);
	}
	g_string_append(out, "</ul>\n");
}

/* What is not passed, behind a line that says how much that is. */
static void checks_append(json_object *row, GString *out)
{
	json_object *checks;
	g_autoptr(GString) items = g_string_new(NULL);
	guint count = 0;

	if (!json_object_object_get_ex(row, "checks", &checks))
		return;
	for (gsize i = 0; i < json_object_array_length(checks); i++) {
		json_object *check = json_object_array_get_idx(checks, i);
		const char *status = output_text(check, "status");
		if (strcmp(status, "fail") != 0 && strcmp(status, "warn") != 0)
			continue;
		count++;
		g_string_append(items, "<li>");
		text_append(items, output_text(check, "severity"));
		g_string_append(items, ": ");
		text_append(items, output_text(check, "message"));
		g_string_append(items, "</li>");
	}
	if (count == 0)
		return;
	g_string_append(out, "<details><summary>");
	const char *first = output_attention(row);
	if (*first != '\0')
		text_append(out, first);
	else
		g_string_append_printf(out, "%u note%s", count, count == 1 ? "" : "s");
	g_string_append_printf(out, "</summary><ul class=\"c\">%s</ul></details>", items->str);
}

static void cell_append(GString *out, const char *class, const char *text)
{
	g_string_append_printf(out, "<td class=\"%s\">", class);
	text_append(out, text);
	g_string_append(out, "</td>");
}

static char *branch_format(json_object *row)
{
	GString *text = g_string_new(output_text(row, "branch"));
	gint64 ahead = output_number(row, "ahead", 0), behind = output_number(row, "behind", 0);

	if (!strcmp(output_text(row, "head"), "detached"))
		g_string_append_printf(text, "(detached %.8s)", output_text(row, "lastCommitSha"));
	if (ahead > 0)
		g_string_append_printf(text, " ↑%" G_GINT64_FORMAT, ahead);
	if (behind > 0)
		g_string_append_printf(text, " ↓%" G_GINT64_FORMAT, behind);
	return g_string_free(text, FALSE);
}

static void row_append(json_object *row, GString *out)
{
	gsize look = look_of(output_text(row, "status"));
	g_autofree char *changes = output_changes(row);
	g_autofree char *age = output_age(output_number(row, "lastCommitAgeDays", -1));
	g_autofree char *branch = branch_format(row);
	gint64 score = output_number(row, "healthScore", -1);
	g_autofree char *score_text =
		score >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, score) : g_strdup("");

	g_string_append_printf(out, "<tr><td class=\"%s\">%s %s</td><td><strong>",
		looks[look].status, looks[look].mark, looks[look].word);
	text_append(out, output_text(row, "name"));
	g_string_append(out, "</strong><small>");
	text_append(out, output_text(row, "path"));
	g_string_append(out, "</small></td>");
	cell_append(out, "", branch);
	cell_append(out, "hide", changes);
	cell_append(out, "w hide", age);
	cell_append(out, "n", score_text);
	g_string_append(out, "<td>");
	checks_append(row, out);
	g_string_append(out, "</td></tr>\n");
}

void output_html(json_object *report, GString *out)
{
	json_object *rows = output_rows(report);
	json_object *roots = json_object_object_get(report, "roots");
	const char *health = output_text(report, "health_status");

	g_string_append(out, head);
	g_string_append_printf(out, "<h1><span class=\"light %s\"></span>",
		!strcmp(health, "green")    ? "green"
		: !strcmp(health, "yellow") ? "yellow"
					    : "red");
	g_autofree char *counts = output_counts(report);
	text_append(out, counts);
	g_string_append(out, "</h1>\n<p class=\"sub\">");
	for (gsize i = 0; roots != NULL && i < json_object_array_length(roots); i++) {
		if (i > 0)
			g_string_append(out, ", ");
		text_append(out, output_text(json_object_array_get_idx(roots, i), "path"));
	}
	g_string_append(out, " on ");
	text_append(out, output_text(report, "host"));
	g_string_append(out, ", ");
	text_append(out, output_text(report, "timestamp"));
	g_string_append(out, "</p>\n");
	counts_append(report, out);
	g_string_append(out,
		"<div class=\"wrap\"><table>\n<thead><tr><th>Status</th><th>Repository</th>"
		"<th>Branch</th><th class=\"hide\">Changes</th><th class=\"hide\">Last commit</th>"
		"<th class=\"n\">Score</th><th>Attention</th></tr></thead>\n<tbody>\n");
	for (gsize i = 0; i < json_object_array_length(rows); i++)
		row_append(json_object_array_get_idx(rows, i), out);
	g_string_append(out, "</tbody></table></div>\n<footer>Made by ");
	text_append(out, output_text(report, "generator"));
	g_string_append_printf(out,
		" in %.2f s. The score: 100 at most; "
		"'muster audit --explain-score' tells what moved it.</footer>\n",
		(double)output_number(report, "duration_ms", 0) / 1000.0);
	g_string_append(out, "</main>\n</html>\n");
}
