/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/ignore.h"

#include <string.h>

#include "jobs/scan/pattern_path.h"
#include "jobs/scan/rule.h"
#include "lib/error.h"
#include "lib/hash.h"

#define SECONDS_OF_DAY 86400

/* What a line asks for. Unset members ask for nothing. */
struct ignore_rule {
	guint line;             /* number in report->ignores */
	const char *repository; /* NULL: any */
	const char *location_id, *secret_id;
	const char *rule;    /* id or family */
	const char *pattern; /* of paths */
	const char *path;    /* exactly this one */
	const char *commit;
	guint32 at_line;
	gboolean is_rule_unknown;
};

struct ignore_set {
	struct finding_report *report;
	gint64 today;
	GArray *rules;       /* struct ignore_rule; those without an id or a path */
	GHashTable *by_text; /* location id, secret id or path -> GArray of struct ignore_rule */
};

struct ignore_set *ignore_set_new(struct finding_report *report, gint64 today)
{
	struct ignore_set *set = g_new0(struct ignore_set, 1);

	set->report = report;
	set->today = today != 0 ? today : g_get_real_time() / G_USEC_PER_SEC / SECONDS_OF_DAY;
	set->rules = g_array_new(FALSE, TRUE, sizeof(struct ignore_rule));
	set->by_text =
		g_hash_table_new_full(hash_text, g_str_equal, NULL, (GDestroyNotify)g_array_unref);
	return set;
}

void ignore_set_free(struct ignore_set *set)
{
	if (set == NULL)
		return;
	g_array_unref(set->rules);
	g_hash_table_unref(set->by_text);
	g_free(set);
}

static gboolean is_hex(const char *text, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_isxdigit(text[i]))
			return FALSE;
	return TRUE;
}

static gboolean is_id(const char *text)
{
	return strlen(text) == FINDING_ID_HEX && is_hex(text, FINDING_ID_HEX);
}

static gboolean has_rule(const struct ignore_set *set, const char *name)
{
	const struct rule_set *rules = set->report->rules;

	for (guint i = 0; rules != NULL && i < rules->n; i++)
		if (rule_has_name(&rules->rules[i], name))
			return TRUE;
	return FALSE;
}

/* [commit:]path:rule:line; a path may hold colons, the others may not. */
static gboolean name_parse(struct ignore_set *set, const char *text, struct ignore_rule *rule)
{
	const char *line = strrchr(text, ':');
	const char *id = line != NULL ? g_strrstr_len(text, line - text, ":") : NULL;
	char *end = NULL;

	if (id == NULL || line[1] == '\0' || id + 1 == line)
		return FALSE;
	guint64 number = g_ascii_strtoull(line + 1, &end, 10);
	if (!g_ascii_isdigit(line[1]) || *end != '\0' || number > G_MAXUINT32)
		return FALSE;
	const char *path = text, *colon = memchr(text, ':', (gsize)(id - text));
	if (colon != NULL && colon - text >= 7 && colon - text <= OID_HEX &&
		is_hex(text, (gsize)(colon - text))) {
		rule->commit = finding_report_text(set->report, text, colon - text);
		path = colon + 1;
	}
	if (path >= id)
		return FALSE;
	rule->path = finding_report_text(set->report, path, id - path);
	rule->rule = finding_report_text(set->report, id + 1, line - id - 1);
	rule->at_line = (guint32)number;
	rule->is_rule_unknown = !has_rule(set, rule->rule);
	return TRUE;
}

/* "until:2027-01-31" at the end of the text, which loses it. TRUE when there is none, too. */
static gboolean until_parse(char *text, gint64 *until)
{
	char *at = g_strrstr(text, "until:");
	int year, month, day, used = 0;

	*until = 0;
	if (at == NULL || (at > text && !g_ascii_isspace(at[-1])))
		return TRUE;
	const char *date = at + strlen("until:");
	for (int i = 0; i < 10; i++, used++)
		if (i == 4 || i == 7 ? date[i] != '-' : !g_ascii_isdigit(date[i]))
			return FALSE;
	if (date[used] != '\0')
		return FALSE;
	year = (int)g_ascii_strtoll(date, NULL, 10);
	month = (int)g_ascii_strtoll(date + 5, NULL, 10);
	day = (int)g_ascii_strtoll(date + 8, NULL, 10);
	g_autoptr(GDateTime) time = g_date_time_new_utc(year, month, day, 0, 0, 0);
	if (time == NULL)
		return FALSE;
	*until = g_date_time_to_unix(time) / SECONDS_OF_DAY;
	*at = '\0';
	g_strchomp(text);
	return TRUE;
}

static gboolean line_parse(struct ignore_set *set, char *text, struct ignore_rule *rule)
{
	struct finding_report *report = set->report;

	if (is_id(text)) {
		g_autofree char *id = g_ascii_strdown(text, -1);
		rule->location_id = finding_report_text(report, id, -1);
		return TRUE;
	}
	if (g_str_has_prefix(text, "secret:")) {
		g_autofree char *id = g_ascii_strdown(g_strchug(text + strlen("secret:")), -1);
		rule->secret_id = finding_report_text(report, id, -1);
		return is_id(id);
	}
	if (g_str_has_prefix(text, "path:")) {
		rule->pattern = finding_report_text(report, g_strchug(text + strlen("path:")), -1);
		return *rule->pattern != '\0';
	}
	if (g_str_has_prefix(text, "rule:")) {
		const char *at = g_strchug(text + strlen("rule:"));
		gsize len = strcspn(at, " \t");
		rule->rule = finding_report_text(report, at, (gssize)len);
		at += len + strspn(at + len, " \t");
		if (g_str_has_prefix(at, "path:"))
			at += strlen("path:");
		rule->pattern = *at != '\0' ? finding_report_text(report, at, -1) : NULL;
		return *rule->rule != '\0';
	}
	return name_parse(set, text, rule);
}

static void rule_keep(struct ignore_set *set, const struct ignore_rule *rule)
{
	const char *key = rule->location_id != NULL ? rule->location_id
			  : rule->secret_id != NULL ? rule->secret_id
						    : rule->path;
	GArray *list = set->rules;

	if (key != NULL) {
		list = g_hash_table_lookup(set->by_text, key);
		if (list == NULL) {
			list = g_array_new(FALSE, TRUE, sizeof(struct ignore_rule));
			g_hash_table_insert(set->by_text, (gpointer)key, list);
		}
	}
	g_array_append_val(list, *rule);
}

gboolean ignore_set_add(struct ignore_set *set, enum finding_ignore kind, const char *source,
	const char *text, gsize len, const char *repository, GError **error)
{
	struct finding_report *report = set->report;
	const char *at = text, *end = text + len;

	if (len > IGNORE_BYTES_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "%s is too large", source);
		return FALSE;
	}
	/* Applied when the caller's is long gone. */
	repository = finding_report_text(report, repository, -1);
	for (guint32 number = 1; at < end; number++) {
		const char *newline = memchr(at, '\n', (gsize)(end - at));
		gsize size = (gsize)((newline != NULL ? newline : end) - at);
		g_autofree char *line = g_strndup(at, size);
		at += size + (newline != NULL);
		/* A '#' begins a comment at the start, or behind a space: paths may hold it. */
		char *comment = line[0] == '#' ? line : NULL;
		for (char *c = line; comment == NULL && *c != '\0'; c++)
			if (*c == '#' && c > line && g_ascii_isspace(c[-1]))
				comment = c;
		g_autofree char *reason =
			comment != NULL ? g_strdup(g_strstrip(comment + 1)) : NULL;
		if (comment != NULL)
			*comment = '\0';
		g_strstrip(line);
		if (*line == '\0')
			continue;
		if (report->ignores->len >= IGNORE_LINES_MAX) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"%s: more than %d lines to ignore", source, IGNORE_LINES_MAX);
			return FALSE;
		}
		struct ignore_rule rule = {.line = report->ignores->len, .repository = repository};
		struct finding_ignore_line kept = {.kind = kind,
			.source = finding_report_text(report, source, -1),
			.line = number,
			.text = finding_report_text(report, line, -1),
			.reason = reason != NULL && *reason != '\0'
					  ? finding_report_text(report, reason, -1)
					  : NULL};
		gint64 until = 0;
		gboolean is_understood =
			kind == FINDING_IGNORE_GITLEAKS
				? (name_parse(set, line, &rule), TRUE)
				: until_parse(line, &until) && line_parse(set, line, &rule);
		if (!is_understood) {
			/* It ignores nothing, and somebody should know. */
			g_ptr_array_add(report->problems,
				g_strdup_printf("%s:%u: this is neither an id, a name of a "
						"finding, rule: nor path:, and ignores nothing",
					source, number));
			continue;
		}
		kept.is_expired = until != 0 && until < set->today;
		g_array_append_val(report->ignores, kept);
		if (!kept.is_expired)
			rule_keep(set, &rule);
	}
	return TRUE;
}

static gboolean line_is(const struct finding *f, guint32 line)
{
	for (guint32 i = 0; i < f->n_places; i++)
		if (f->places[i].line == line)
			return TRUE;
	return f->place.line == line;
}

static gboolean commit_is(const struct finding *f, const char *commit)
{
	return g_ascii_strncasecmp(f->first.oid, commit, strlen(commit)) == 0 ||
	       g_ascii_strncasecmp(f->last.oid, commit, strlen(commit)) == 0;
}

static gboolean rule_holds(const struct ignore_rule *rule, const struct finding *f)
{
	if (rule->repository != NULL && strcmp(rule->repository, f->repository) != 0)
		return FALSE;
	if (rule->location_id != NULL)
		return !strcmp(rule->location_id, f->location_id);
	if (rule->secret_id != NULL)
		return !strcmp(rule->secret_id, f->secret_id);
	if (rule->rule != NULL && !rule->is_rule_unknown && !rule_has_name(f->rule, rule->rule))
		return FALSE;
	if (rule->path != NULL && g_strcmp0(rule->path, f->path) != 0)
		return FALSE;
	if (rule->at_line != 0 && !line_is(f, rule->at_line))
		return FALSE;
	if (rule->commit != NULL && !commit_is(f, rule->commit))
		return FALSE;
	if (rule->pattern != NULL &&
		(f->path == NULL || !pattern_path_match(rule->pattern, f->path)))
		return FALSE;
	return rule->rule != NULL || rule->pattern != NULL || rule->path != NULL;
}

static void list_apply(struct ignore_set *set, const GArray *list, struct finding *f)
{
	for (guint i = 0; list != NULL && i < list->len; i++) {
		const struct ignore_rule *rule = &g_array_index(list, struct ignore_rule, i);
		if (!rule_holds(rule, f))
			continue;
		struct finding_ignore_line *line = &g_array_index(
			set->report->ignores, struct finding_ignore_line, rule->line);
		line->used++;
		if (f->ignore == FINDING_IGNORE_UNSET) {
			f->ignore = line->kind;
			f->ignored_by = rule->line;
		}
	}
}

void ignore_set_apply(struct ignore_set *set)
{
	struct finding_report *report = set->report;

	for (guint i = 0; i < report->findings->len; i++) {
		struct finding *f = report->findings->pdata[i];
		report->marks += f->is_marked;
		if (f->is_marked)
			f->ignore = FINDING_IGNORE_MARK;
		/* All that hold are counted as used, though the first is told. */
		list_apply(set, g_hash_table_lookup(set->by_text, f->location_id), f);
		if (*f->secret_id != '\0')
			list_apply(set, g_hash_table_lookup(set->by_text, f->secret_id), f);
		if (f->path != NULL)
			list_apply(set, g_hash_table_lookup(set->by_text, f->path), f);
		list_apply(set, set->rules, f);
	}
}
