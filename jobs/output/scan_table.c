/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/cell.h"
#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/hash.h"
#include "lib/quote.h"

/*
 * The table for a terminal: a line for each secret, worst first, then one that counts and says
 * what was looked at. Severity is mark + word + colour, so that it reads the same without colour.
 * On a narrow terminal the columns to the right go first; a path keeps its end. With -v each secret
 * has lines of its own below it, and what was ignored and not read is listed.
 */

enum {
	COLUMN_SEVERITY,
	COLUMN_RULE,
	COLUMN_WHERE,
	COLUMN_SECRET,
	COLUMN_NOW,
	COLUMN_SINCE,
	COLUMN_AUTHOR,
	COLUMN_COUNT
};

static const char *const titles[COLUMN_COUNT] = {
	"SEVERITY", "RULE", "WHERE", "SECRET", "NOW", "SINCE", "AUTHOR"};
static const guint widest[COLUMN_COUNT] = {10, 32, 0, 28, 7, 19, 24};
#define WHERE_MIN 24

static const struct {
	const char *colour, *mark, *mark_ascii;
} looks[] = {
	{NULL, "?", "?"},
	{"36", "·", "."},
	{"90", "○", "o"},
	{"33", "●", "*"},
	{"31", "▲", "!"},
	{"31;1", "✗", "X"},
};

struct table_row {
	char *cells[COLUMN_COUNT];
	const struct finding *finding;
};

static const char *now_word(const struct finding *f)
{
	return f->status == FINDING_STATUS_REMOVED ? "removed"
	       : f->in_head == FINDING_YES         ? "in HEAD"
	       : f->in_head == FINDING_NO          ? "history"
						   : "";
}

static void row_format(const struct finding *f, GHashTable *twins, const struct output_style *style,
	struct table_row *row)
{
	g_autofree char *where = scan_output_where(twins, f);
	g_autofree char *date = *f->first.oid != '\0' ? scan_output_author_time(&f->first) : NULL;
	const char *author = f->first.author != NULL ? f->first.author : "";

	row->finding = f;
	row->cells[COLUMN_SEVERITY] = g_strdup_printf("%s %s",
		style->is_utf8 ? looks[f->severity].mark : looks[f->severity].mark_ascii,
		severity_name(f->severity));
	row->cells[COLUMN_RULE] = g_strdup(f->rule->id);
	row->cells[COLUMN_WHERE] = quote_format(where);
	row->cells[COLUMN_SECRET] = quote_format(f->secret != NULL ? f->secret : "");
	row->cells[COLUMN_NOW] = g_strdup(now_word(f));
	row->cells[COLUMN_SINCE] =
		date != NULL ? g_strdup_printf("%.10s %.8s", date, f->first.oid) : g_strdup("");
	row->cells[COLUMN_AUTHOR] = quote_format(author);
}

static void row_clear(struct table_row *row)
{
	for (int c = 0; c < COLUMN_COUNT; c++)
		g_free(row->cells[c]);
}

static void widths_get(const GArray *rows, const struct output_style *style, guint *widths)
{
	guint used = 0;

	for (int c = 0; c < COLUMN_COUNT; c++) {
		widths[c] = 0;
		for (guint i = 0; i < rows->len; i++) {
			char *const *cells = g_array_index(rows, struct table_row, i).cells;
			widths[c] = MAX(widths[c], cell_width(cells[c]));
		}
		if (widths[c] == 0)
			continue; /* an empty column is left out */
		widths[c] = MAX(widths[c], (guint)strlen(titles[c]));
		if (style->columns > 0 && widest[c] > 0)
			widths[c] = MIN(widths[c], widest[c]);
		used += widths[c] + 2;
	}
	if (style->columns == 0 || used <= style->columns + 2)
		return;
	guint others = used - widths[COLUMN_WHERE];
	for (int c = COLUMN_AUTHOR; c >= COLUMN_SECRET && others + WHERE_MIN > style->columns + 2;
		c--) {
		/* What it is and whether it is still there matters more than since when. */
		others -= widths[c] > 0 ? widths[c] + 2 : 0;
		widths[c] = 0;
	}
	guint left = style->columns + 2 > others ? style->columns + 2 - others : 0;
	widths[COLUMN_WHERE] = MIN(widths[COLUMN_WHERE], MAX(left, WHERE_MIN));
}

static const char *cell_colour(const struct finding *f, int c)
{
	if (f == NULL)
		return "1";
	switch (c) {
	case COLUMN_SEVERITY:
		return looks[f->severity].colour;
	case COLUMN_WHERE:
		return "1";
	case COLUMN_NOW:
		return f->in_head == FINDING_YES ? "33" : "90";
	case COLUMN_SINCE:
	case COLUMN_AUTHOR:
		return "90";
	default:
		return NULL;
	}
}

static void line_append(GString *out, char *const *cells, const guint *widths,
	const struct output_style *style, const struct finding *f)
{
	int last = COLUMN_COUNT - 1;

	while (last > 0 && widths[last] == 0)
		last--;
	for (int c = 0; c <= last; c++) {
		const char *colour = cell_colour(f, c);
		if (widths[c] == 0)
			continue;
		gboolean is_whole = c == last && cell_width(cells[c]) <= widths[c];
		cell_colour_on(out, style, colour);
		cell_append(out, cells[c], is_whole ? 0 : widths[c],
			c == COLUMN_WHERE ? CELL_LEFT_CUT_FRONT : CELL_LEFT, style);
		cell_colour_off(out, style, colour);
		if (c != last)
			g_string_append(out, "  ");
	}
	while (out->len > 0 && out->str[out->len - 1] == ' ')
		g_string_truncate(out, out->len - 1);
	g_string_append_c(out, '\n');
}

static void detail_append(
	GString *out, const struct output_style *style, const char *name, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	g_autofree char *quoted = quote_format(text);
	g_string_append(out, "    ");
	cell_colour_on(out, style, "90");
	cell_append(out, name, 10, CELL_LEFT, style);
	cell_colour_off(out, style, "90");
	g_string_append_printf(out, " %s\n", quoted);
}

static void refs_append(GString *out, const struct output_style *style, const struct finding *f)
{
	g_autoptr(GString) text = g_string_new(NULL);
	guint shown = 0;

	for (; f->refs != NULL && f->refs[shown] != NULL && shown < 5; shown++)
		g_string_append_printf(text, "%s%s", shown > 0 ? ", " : "", f->refs[shown]);
	if (f->refs_total > shown && shown > 0)
		g_string_append_printf(text, " and %u more", f->refs_total - shown);
	detail_append(out, style, "refs", text->str);
}

static void details_append(GString *out, const struct output_style *style, const struct finding *f)
{
	detail_append(out, style, "what", f->rule->description);
	detail_append(out, style, "line",
		f->sample != NULL ? f->sample + strspn(f->sample, " \t") : NULL);
	if (*f->first.oid != '\0') {
		g_autofree char *date = scan_output_author_time(&f->first);
		g_autofree char *text = g_strdup_printf("%s %s %s <%s>", f->first.oid, date,
			f->first.author != NULL ? f->first.author : "",
			f->first.email != NULL ? f->first.email : "");
		detail_append(out, style, "first", text);
	}
	if (*f->last.oid != '\0' && strcmp(f->first.oid, f->last.oid) != 0) {
		g_autofree char *date = scan_output_author_time(&f->last);
		g_autofree char *text = g_strdup_printf("%s %s", f->last.oid, date);
		detail_append(out, style, "last", text);
	}
	refs_append(out, style, f);
	if (f->places_total > 1) {
		g_autofree char *text = g_strdup_printf("%u, in %s", f->places_total,
			f->n_places < f->places_total ? "more versions than are listed"
						      : "versions of this file");
		detail_append(out, style, "places", text);
	}
	if (f->paths_total > 0) {
		g_autofree char *list = g_strjoinv(", ", (char **)f->paths);
		g_autofree char *text = f->paths_total > FINDING_PATHS_MAX
						? g_strdup_printf("%s and %u more", list,
							  f->paths_total - FINDING_PATHS_MAX)
						: g_strdup(list);
		detail_append(out, style, "also in", text);
	}
	if (f->lowered_for != NULL) {
		g_autofree char *text = g_strdup_printf("%s, lowered: %s",
			severity_name(f->rule->severity), finding_lowered_text(f));
		detail_append(out, style, "severity", text);
	}
	detail_append(out, style, "id", f->location_id);
	detail_append(out, style, "to do", f->rule->remedy);
	detail_append(out, style, "rotate", f->rule->rotate);
}

/* Several files of one repository are one place. */
static guint places_count(const struct finding_report *report)
{
	g_autoptr(GHashTable) names = g_hash_table_new(hash_text, g_str_equal);

	for (guint i = 0; i < report->targets->len; i++)
		g_hash_table_add(names,
			(gpointer)g_array_index(report->targets, struct finding_target, i).name);
	return g_hash_table_size(names);
}

static void rows_append(const struct finding_report *report, gboolean is_counted,
	const struct scan_output_style *style, GString *out)
{
	const struct output_style *terminal = &style->terminal;
	g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(struct table_row));
	g_autoptr(GHashTable) twins = scan_output_twins(report);
	gboolean has_repository = places_count(report) > 1;
	guint widths[COLUMN_COUNT];

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		struct table_row row;
		if (finding_is_counted(f) != is_counted)
			continue;
		row_format(f, twins, terminal, &row);
		if (has_repository && *f->repository != '\0') {
			/* Several repositories: the path says which. */
			g_autofree char *quoted = quote_format(f->repository);
			g_autofree char *where =
				g_build_filename(quoted, row.cells[COLUMN_WHERE], NULL);
			g_free(row.cells[COLUMN_WHERE]);
			row.cells[COLUMN_WHERE] = g_steal_pointer(&where);
		}
		g_array_append_val(rows, row);
	}
	if (rows->len == 0)
		return;
	widths_get(rows, terminal, widths);
	line_append(out, (char *const *)titles, widths, terminal, NULL);
	for (guint i = 0; i < rows->len; i++) {
		struct table_row *row = &g_array_index(rows, struct table_row, i);
		line_append(out, row->cells, widths, terminal, row->finding);
		if (style->is_verbose)
			details_append(out, terminal, row->finding);
		row_clear(row);
	}
	g_string_append_c(out, '\n');
}

static void ignores_append(const struct finding_report *report, GString *out)
{
	for (guint i = 0; i < report->ignores->len; i++) {
		const struct finding_ignore_line *line =
			&g_array_index(report->ignores, struct finding_ignore_line, i);
		g_autofree char *source = quote_format(line->source);
		g_autofree char *text = quote_format(line->text);
		g_string_append_printf(out, "%s:%u: %s: %s\n", source, line->line, text,
			line->is_expired ? "expired"
			: line->used > 0 ? "used"
					 : "unused");
	}
	if (report->ignores->len > 0)
		g_string_append_c(out, '\n');
}

/* "; 2 lines to ignore expired; 1 line to ignore unused" */
static void ignores_count(const struct finding_report *report, GString *out)
{
	guint expired = 0, unused = 0;

	for (guint i = 0; i < report->ignores->len; i++) {
		const struct finding_ignore_line *line =
			&g_array_index(report->ignores, struct finding_ignore_line, i);
		expired += line->is_expired;
		unused += !line->is_expired && line->used == 0;
	}
	if (expired > 0)
		g_string_append_printf(
			out, "; %u line%s to ignore expired", expired, expired == 1 ? "" : "s");
	if (unused > 0)
		g_string_append_printf(
			out, "; %u line%s to ignore unused", unused, unused == 1 ? "" : "s");
}

static char *bytes_format(guint64 bytes)
{
	static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
	double value = (double)bytes;
	gsize unit = 0;

	for (; value >= 999.5 && unit + 1 < G_N_ELEMENTS(units); unit++)
		value /= 1000;
	return g_strdup_printf(
		value >= 9.95 || unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

/* "; 1346 binary, 2 too big": what was not looked at, all targets together. */
static void skipped_append(const struct finding_report *report, GString *out)
{
	g_autoptr(GArray) sums = g_array_new(FALSE, FALSE, sizeof(struct finding_gap));

	for (guint i = 0; i < report->targets->len; i++) {
		const struct finding_target *t =
			&g_array_index(report->targets, struct finding_target, i);
		for (guint j = 0; j < t->n_gaps; j++) {
			guint k = 0;
			while (k < sums->len &&
				strcmp(g_array_index(sums, struct finding_gap, k).reason,
					t->gaps[j].reason) != 0)
				k++;
			if (k < sums->len)
				g_array_index(sums, struct finding_gap, k).count +=
					t->gaps[j].count;
			else
				g_array_append_val(sums, t->gaps[j]);
		}
	}
	for (guint i = 0, shown = 0; i < sums->len; i++) {
		const struct finding_gap *gap = &g_array_index(sums, struct finding_gap, i);
		if (gap->count > 0)
			g_string_append_printf(out, "%s%" G_GUINT64_FORMAT " %s",
				shown++ == 0 ? "; not read: " : ", ", gap->count, gap->reason);
	}
}

static void summary_append(
	const struct finding_report *report, const struct output_style *style, GString *out)
{
	g_autofree char *counts = scan_output_counts(report);
	guint64 scanned = 0, known = 0, bytes = 0, commits = 0;
	guint places = places_count(report), total = 0;
	gboolean has_failed = finding_report_has_failed(report), has_commits = FALSE;

	for (guint i = 0; i < report->targets->len; i++) {
		const struct finding_target *t =
			&g_array_index(report->targets, struct finding_target, i);
		scanned += t->scanned;
		known += t->known;
		bytes += t->bytes;
		commits += t->commits;
		/* That a range has none is worth a word: it may have been meant otherwise. */
		has_commits |= t->commits > 0 || !strcmp(t->kind, "range");
	}
	for (guint i = 0; i < report->findings->len; i++)
		total += finding_is_counted(report->findings->pdata[i]);
	const char *colour = has_failed                       ? "37;41"
			     : report->is_partly || total > 0 ? "30;43"
							      : "30;42";
	cell_colour_on(out, style, colour);
	g_string_append_printf(out, style->has_colour ? " %s " : "%s", counts);
	cell_colour_off(out, style, colour);
	if (report->findings->len > total)
		g_string_append_printf(out, "; %u ignored", report->findings->len - total);
	ignores_count(report, out);
	g_autofree char *size = bytes_format(bytes);
	if (known > 0 && scanned == 0)
		g_string_append_printf(out, "; nothing new in %" G_GUINT64_FORMAT " file version%s",
			known, known == 1 ? "" : "s");
	else
		g_string_append_printf(out, "; %" G_GUINT64_FORMAT "%s file%s%s, %s", scanned,
			known > 0 ? " new" : "", has_commits ? " version" : "",
			scanned == 1 ? "" : "s", size);
	if (has_commits)
		g_string_append_printf(
			out, ", %" G_GUINT64_FORMAT " commit%s", commits, commits == 1 ? "" : "s");
	if (known > 0 && scanned > 0)
		g_string_append_printf(out, ", %" G_GUINT64_FORMAT " known before", known);
	if (places > 1)
		g_string_append_printf(out, " in %u repositories or folders", places);
	skipped_append(report, out);
	if (report->is_partly)
		g_string_append(out, "; something could not be read");
	g_string_append_printf(out, "; %.2f s\n", (double)report->elapsed_us / G_USEC_PER_SEC);
}

static void gaps_append(const struct finding_report *report, GString *out)
{
	for (guint i = 0; i < report->targets->len; i++) {
		const struct finding_target *t =
			&g_array_index(report->targets, struct finding_target, i);
		g_autofree char *name = quote_format(t->name);
		for (guint j = 0; j < t->n_gaps; j++)
			if (t->gaps[j].count > 0)
				g_string_append_printf(out,
					"%s: not read: %" G_GUINT64_FORMAT " %s\n", name,
					t->gaps[j].count, t->gaps[j].reason);
	}
}

static void digests_append(const struct finding_report *report, GString *out)
{
	if (report->digests > 0)
		g_string_append_printf(out, "%" G_GUINT64_FORMAT " secret%s hashed for the ids\n",
			report->digests, report->digests == 1 ? "" : "s");
}

void scan_output_table(
	const struct finding_report *report, const struct scan_output_style *style, GString *out)
{
	rows_append(report, TRUE, style, out);
	if (style->is_verbose) {
		gsize before = out->len;
		g_string_append(out, "Ignored:\n");
		gsize title = out->len;
		rows_append(report, FALSE, style, out);
		if (out->len == title)
			g_string_truncate(out, before);
		ignores_append(report, out);
		gaps_append(report, out);
		digests_append(report, out);
	}
	summary_append(report, &style->terminal, out);
	if (style->terminal.columns > 0 && !style->is_verbose && report->findings->len > 0)
		g_string_append(out,
			"-v says what to do about each, and the ids that .musterignore takes.\n");
}
