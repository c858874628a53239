/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_file.h"

#include <string.h>

/*
 * Betterleaks' filters are expressions of a language of their own; a finding for which one is true
 * is dropped. Nearly all that occur are terms joined by `||`:
 *
 *	entropy(finding["secret"]) <= 3.5
 *	matchesAny(finding["secret"], [`…`, "…"])	also of "match" and "line"; with `!` before
 *	containsAny(finding["secret"], ["…"])
 *	matchesAny(get(attributes, "path", ""), […])	also attributes["path"] ?? ""
 *
 * with or without `filter.` before a function and brackets around. These are read; a term that is
 * anything else is named as unsupported, and without it the rule finds more.
 */
struct reading {
	struct rule_file *file;
	const char *rule; /* id; NULL for a file's own filter */
	guint line;
	const char *at;
	/* What was read. */
	double entropy;
	GArray *lists; /* struct rule_allowlist */
};

enum subject {
	SUBJECT_NONE,
	SUBJECT_SECRET,
	SUBJECT_MATCH,
	SUBJECT_LINE,
	SUBJECT_PATH
};

static void skip_space(struct reading *r)
{
	for (;;) {
		while (g_ascii_isspace(*r->at))
			r->at++;
		if (r->at[0] != '/' || r->at[1] != '/')
			return;
		r->at += strcspn(r->at, "\n");
	}
}

static gboolean take(struct reading *r, const char *text)
{
	skip_space(r);
	if (!g_str_has_prefix(r->at, text))
		return FALSE;
	r->at += strlen(text);
	return TRUE;
}

/* A string of any of the three quotes; escapes only where they do not matter to a pattern. */
static const char *take_string(struct reading *r)
{
	skip_space(r);
	char quote = *r->at;
	const char *start = r->at + 1;

	if (quote != '"' && quote != '\'' && quote != '`')
		return NULL;
	g_autoptr(GString) out = g_string_new(NULL);
	for (r->at = start; *r->at && *r->at != quote; r->at++) {
		if (quote != '`' && *r->at == '\\') {
			r->at++;
			const char *found = *r->at ? strchr("n\nt\tr\r\\\\\"\"''", *r->at) : NULL;
			if (found == NULL)
				return NULL;
			g_string_append_c(out, found[1]);
		} else {
			g_string_append_c(out, *r->at);
		}
	}
	if (*r->at++ != quote)
		return NULL;
	return toml_copy(r->file->doc, out->str, out->len);
}

static const char *const *take_list(struct reading *r)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new();

	if (!take(r, "["))
		return NULL;
	while (!take(r, "]")) {
		const char *text = take_string(r);
		if (text == NULL || list->len == RULE_LIST_MAX)
			return NULL;
		g_ptr_array_add(list, (gpointer)text);
		if (!take(r, ",") && (skip_space(r), *r->at != ']'))
			return NULL;
	}
	const char **copy = toml_take(r->file->doc, (list->len + 1) * sizeof *copy);
	if (list->len > 0)
		memcpy(copy, list->pdata, list->len * sizeof *copy);
	return copy;
}

static enum subject take_subject(struct reading *r)
{
	if (take(r, "finding[")) {
		const char *name = take_string(r);
		if (name == NULL || !take(r, "]"))
			return SUBJECT_NONE;
		return !strcmp(name, "secret")  ? SUBJECT_SECRET
		       : !strcmp(name, "match") ? SUBJECT_MATCH
		       : !strcmp(name, "line")  ? SUBJECT_LINE
						: SUBJECT_NONE;
	}
	if (take(r, "get(")) {
		const char *name;
		gboolean is_path = take(r, "attributes") && take(r, ",") &&
				   (name = take_string(r)) != NULL && !strcmp(name, "path") &&
				   take(r, ",") && take_string(r) != NULL && take(r, ")");
		return is_path ? SUBJECT_PATH : SUBJECT_NONE;
	}
	gboolean is_open = take(r, "(");
	if (take(r, "attributes[")) {
		const char *name = take_string(r);
		if (name == NULL || strcmp(name, "path") != 0 || !take(r, "]"))
			return SUBJECT_NONE;
		if (take(r, "??") && take_string(r) == NULL)
			return SUBJECT_NONE;
		return !is_open || take(r, ")") ? SUBJECT_PATH : SUBJECT_NONE;
	}
	return SUBJECT_NONE;
}

/* Not one of them: a pattern that matches where none of the list's does. */
static const char *const *negate(struct reading *r, const char *const *patterns)
{
	g_autofree char *joined = g_strjoinv("|", (char **)patterns);
	g_autofree char *text = g_strdup_printf("\\A(?![\\s\\S]*?(?:%s))", joined);
	const char **list = toml_take(r->file->doc, 2 * sizeof *list);

	list[0] = toml_copy(r->file->doc, text, strlen(text));
	return list;
}

static void add_list(struct reading *r, enum subject subject, const char *const *patterns)
{
	struct rule_allowlist list = {.description = "filter",
		.target = subject == SUBJECT_LINE    ? RULE_TARGET_LINE
			  : subject == SUBJECT_MATCH ? RULE_TARGET_MATCH
						     : RULE_TARGET_SECRET,
		.regexes = subject == SUBJECT_PATH ? rule_no_list : patterns,
		.paths = subject == SUBJECT_PATH ? patterns : rule_no_list,
		.stopwords = rule_no_list,
		.commits = rule_no_list,
		.rules = rule_no_list};

	g_array_append_val(r->lists, list);
}

static gboolean take_entropy(struct reading *r)
{
	char *end;

	if (take_subject(r) != SUBJECT_SECRET || !take(r, ")"))
		return FALSE;
	if (!take(r, "<=") && !take(r, "<"))
		return FALSE;
	skip_space(r);
	double bits = g_ascii_strtod(r->at, &end);
	if (end == r->at || !(bits >= 0 && bits <= 8))
		return FALSE;
	r->at = end;
	r->entropy = MAX(r->entropy, bits);
	return TRUE;
}

static gboolean take_term(struct reading *r)
{
	gboolean is_not = take(r, "!");

	take(r, "filter.");
	if (!is_not && take(r, "entropy("))
		return r->rule != NULL && take_entropy(r);
	gboolean is_regex = take(r, "matchesAny(");
	if (!is_regex && !take(r, "containsAny("))
		return FALSE;
	enum subject subject = take_subject(r);
	const char *const *list = subject != SUBJECT_NONE && take(r, ",") ? take_list(r) : NULL;
	if (list == NULL || *list == NULL || !take(r, ")"))
		return FALSE;
	const char **patterns = (const char **)list;
	for (guint i = 0; patterns[i] != NULL; i++) {
		const char *note = NULL;
		if (is_regex) {
			patterns[i] = rule_regex_translate(r->file->doc, patterns[i], &note);
			continue;
		}
		g_autofree char *escaped = g_regex_escape_string(patterns[i], -1);
		patterns[i] = toml_copy(r->file->doc, escaped, strlen(escaped));
	}
	add_list(r, subject, is_not ? negate(r, list) : list);
	return TRUE;
}

/* To the next `||` outside of brackets and strings, or the end. */
static void skip_term(struct reading *r)
{
	int depth = 0;

	for (; *r->at; r->at++) {
		if (*r->at == '"' || *r->at == '`' || *r->at == '\'') {
			char quote = *r->at++;
			for (; *r->at && *r->at != quote; r->at++)
				if (*r->at == '\\' && quote != '`' && r->at[1])
					r->at++;
			if (!*r->at)
				return;
		} else if (strchr("([{", *r->at)) {
			depth++;
		} else if (strchr(")]}", *r->at)) {
			if (--depth < 0)
				return;
		} else if (depth == 0 && r->at[0] == '|' && r->at[1] == '|') {
			return;
		}
	}
}

static gboolean at_end_of_term(struct reading *r)
{
	skip_space(r);
	return *r->at == '\0' || *r->at == ')' || (r->at[0] == '|' && r->at[1] == '|');
}

static void read_terms(struct reading *r, const char *key)
{
	int brackets = 0;

	for (;;) {
		/* Brackets around all of it, or around terms joined by `||`, change nothing. */
		const char *start = (skip_space(r), r->at);
		guint n_lists = r->lists->len;
		double entropy = r->entropy;
		int opened = 0;
		while (take(r, "("))
			opened++;
		if (take_term(r) && at_end_of_term(r)) {
			brackets += opened;
		} else {
			g_array_set_size(r->lists, n_lists);
			r->entropy = entropy;
			r->at = start;
			skip_term(r);
			gsize len = MIN((gsize)(r->at - start), 60);
			g_autofree char *shown = g_strndup(start, len);
			g_strdelimit(shown, "\n\t\r", ' ');
			g_autofree char *valid = g_utf8_make_valid(shown, -1);
			rule_problem_add(r->file, RULE_PROBLEM_UNSUPPORTED, r->line, r->rule,
				"%s: '%s%s' is not understood: more is found than there", key,
				g_strchomp(valid), r->at - start > 60 ? "…" : "");
		}
		while (brackets > 0 && take(r, ")"))
			brackets--;
		if (!take(r, "||"))
			break;
	}
	skip_space(r);
	if (*r->at == '\0' && brackets == 0)
		return;
	/* `&&` behind a bracket and the like: what was read may have been half of something. */
	g_array_set_size(r->lists, 0);
	r->entropy = 0;
	rule_problem_add(r->file, RULE_PROBLEM_UNSUPPORTED, r->line, r->rule,
		"%s is not understood: more is found than there", key);
}

gboolean rule_filter_read(struct rule_file *file, struct rule_draft *draft, const char *text,
	guint line, GError **error)
{
	g_autoptr(GArray) lists = g_array_new(FALSE, FALSE, sizeof(struct rule_allowlist));
	struct reading r = {
		.file = file, .rule = draft->rule.id, .line = line, .at = text, .lists = lists};

	read_terms(&r, "filter");
	if (r.entropy > 0)
		draft->rule.entropy = MAX(draft->rule.entropy, r.entropy);
	for (guint i = 0; i < lists->len; i++)
		rule_draft_add_allowlist(
			file->doc, draft, &g_array_index(lists, struct rule_allowlist, i));
	return TRUE;
}

gboolean rule_filter_read_global(
	struct rule_file *file, const char *key, const char *text, guint line, GError **error)
{
	g_autoptr(GArray) lists = g_array_new(FALSE, FALSE, sizeof(struct rule_allowlist));
	struct reading r = {.file = file, .line = line, .at = text, .lists = lists};

	read_terms(&r, key);
	if (lists->len == 0)
		return TRUE;
	gsize n = file->n_allowlists;
	struct rule_allowlist *all = toml_take(file->doc, (n + lists->len) * sizeof *all);
	if (n > 0)
		memcpy(all, file->allowlists, n * sizeof *all);
	memcpy(all + n, lists->data, lists->len * sizeof *all);
	file->allowlists = all;
	file->n_allowlists += lists->len;
	return TRUE;
}
