/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/ignore.h"

#include <string.h>

#include "jobs/scan/pattern_path.h"
#include "jobs/scan/rule.h"
#include "lib/error.h"
#include "lib/hash.h"

#define SECONDS_OF_DAY 86400
#define PROBLEMS_MAX 20 /* told of one file */

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
	enum rule_name rule_kind;
	gboolean is_rule_any; /* gitleaks' name of a rule that we do not have */
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

/* Of a rule as people name ours, or as another scanner names its own. */
static enum rule_name rule_kind(const struct ignore_set *set, const char *name)
{
	return set->report->rules != NULL ? rule_set_name(set->report->rules, name)
					  : RULE_NAME_UNKNOWN;
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
	/* Theirs: of ours, all that stand for it. */
	rule->rule_kind = RULE_NAME_ALIAS;
	rule->is_rule_any = rule_kind(set, rule->rule) == RULE_NAME_UNKNOWN;
	return TRUE;
}

/* "until:2027-01-31" at the end of the text, which loses it. NULL, or why it is none. */
static char *until_parse(char *text, gint64 *until)
{
	char *at = g_strrstr(text, "until:");
	int year, month, day, used = 0;

	*until = 0;
	if (at == NULL || (at > text && !g_ascii_isspace(at[-1])))
		return NULL;
	const char *date = at + strlen("until:");
	while (used < 10 &&
		(used == 4 || used == 7 ? date[used] == '-' : g_ascii_isdigit(date[used])))
		used++;
	if (used < 10 || date[used] != '\0')
		return g_strdup_printf("'%s' is no date like 2027-01-31", date);
	year = (int)g_ascii_strtoll(date, NULL, 10);
	month = (int)g_ascii_strtoll(date + 5, NULL, 10);
	day = (int)g_ascii_strtoll(date + 8, NULL, 10);
	g_autoptr(GDateTime) time = g_date_time_new_utc(year, month, day, 0, 0, 0);
	if (time == NULL)
		return g_strdup_printf("there is no day '%s'", date);
	*until = g_date_time_to_unix(time) / SECONDS_OF_DAY;
	*at = '\0';
	g_strchomp(text);
	return NULL;
}

/* Why a line is nothing, as a person would like to be told who meant something. */
static char *guess(const char *text)
{
	gsize len = strlen(text), word = 0;

	while (g_ascii_isalpha(text[word]))
		word++;
	if (text[word] == ':' && word > 1 && strchr(text + word + 1, ':') == NULL)
		return g_strdup_printf(
			"'%.*s:' is none of secret:, rule: and path:", (int)word, text);
	if (*text == '!')
		return g_strdup("'!' has no meaning here: nothing is taken out of what is ignored");
	if (len >= 7 && is_hex(text, len))
		return g_strdup_printf("an id has %d hexadecimal digits, this has %" G_GSIZE_FORMAT,
			FINDING_ID_HEX, len);
	if (strchr(text, ':') == NULL && (strpbrk(text, " \t") == NULL || strpbrk(text, "./*")))
		return g_strdup_printf("neither an id nor path:, rule: or secret:; for a file or "
				       "folder write 'path:%s'",
			text);
	return g_strdup("neither an id, secret:ID, rule:NAME, path:PATTERN nor PATH:RULE:LINE");
}

/* The same of a file of gitleaks', which has only its own names. */
static char *foreign_guess(const char *text)
{
	if (is_id(text) || g_str_has_prefix(text, "secret:") || g_str_has_prefix(text, "rule:") ||
		g_str_has_prefix(text, "path:"))
		return g_strdup(
			"this is for .musterignore; here a line is [COMMIT:]PATH:RULE:LINE");
	return g_strdup("not [COMMIT:]PATH:RULE:LINE");
}

/* Why the line is not understood, or NULL. */
static char *line_parse(struct ignore_set *set, char *text, struct ignore_rule *rule)
{
	struct finding_report *report = set->report;

	if (is_id(text)) {
		g_autofree char *id = g_ascii_strdown(text, -1);
		rule->location_id = finding_report_text(report, id, -1);
		return NULL;
	}
	if (g_str_has_prefix(text, "secret:")) {
		g_autofree char *id = g_ascii_strdown(g_strchug(text + strlen("secret:")), -1);
		rule->secret_id = finding_report_text(report, id, -1);
		return is_id(id) ? NULL
				 : g_strdup_printf(
					   "a secret_id has %d hexadecimal digits, '%s' is none",
					   FINDING_ID_HEX, id);
	}
	if (g_str_has_prefix(text, "path:")) {
		rule->pattern = finding_report_text(report, g_strchug(text + strlen("path:")), -1);
	} else if (g_str_has_prefix(text, "rule:")) {
		const char *at = g_strchug(text + strlen("rule:"));
		gsize len = strcspn(at, " \t");
		if (len == 0)
			return g_strdup("rule: without a rule or family");
		rule->rule = finding_report_text(report, at, (gssize)len);
		rule->rule_kind = rule_kind(set, rule->rule);
		at += len + strspn(at + len, " \t");
		if (*at == '\0')
			return NULL;
		if (g_str_has_prefix(at, "path:"))
			at += strlen("path:");
		rule->pattern = finding_report_text(report, at, -1);
	} else {
		return name_parse(set, text, rule) ? NULL : guess(text);
	}
	if (*rule->pattern == '\0')
		return g_strdup("path: without a pattern");
	return *rule->pattern == '!' ? guess(rule->pattern) : NULL;
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

/* Somebody should know of a line that does not do what it was written for. */
static void problem_add(struct ignore_set *set, const char *source, guint32 line, guint *count,
	const char *why, gboolean is_dead)
{
	if (++*count <= PROBLEMS_MAX)
		g_ptr_array_add(set->report->problems,
			g_strdup_printf("%s:%u: %s%s", source, line,
				is_dead ? "this line ignores nothing: " : "", why));
}

gboolean ignore_set_add(struct ignore_set *set, enum finding_ignore kind, const char *source,
	const char *text, gsize len, const char *repository, GError **error)
{
	struct finding_report *report = set->report;
	const char *at = text, *end = text + len;
	guint problems = 0;

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
		g_autofree char *why = NULL;
		if (kind == FINDING_IGNORE_GITLEAKS)
			why = name_parse(set, line, &rule) ? NULL : foreign_guess(line);
		else if ((why = until_parse(line, &until)) == NULL)
			why = line_parse(set, line, &rule);
		if (why != NULL) {
			problem_add(set, source, number, &problems, why, TRUE);
			continue;
		}
		if (rule.rule != NULL && !rule.is_rule_any && rule.rule_kind == RULE_NAME_UNKNOWN) {
			g_autofree char *none =
				g_strdup_printf("there is no rule or family '%s'", rule.rule);
			problem_add(set, source, number, &problems, none, FALSE);
		}
		kept.is_expired = until != 0 && until < set->today;
		g_array_append_val(report->ignores, kept);
		if (!kept.is_expired)
			rule_keep(set, &rule);
	}
	if (problems > PROBLEMS_MAX)
		g_ptr_array_add(report->problems, g_strdup_printf("%s: %u more lines like these",
							  source, problems - PROBLEMS_MAX));
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
	if (rule->rule != NULL && !rule->is_rule_any &&
		!rule_is_named(f->rule, rule->rule, rule->rule_kind))
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
