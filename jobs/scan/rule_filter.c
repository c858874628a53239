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
 * with or without `filter.` before a function and brackets around. These are read. A term that is
 * anything else is left out, and what it is made of is named, once for each filter: without it
 * fewer are dropped, and more is found. Where that would not be so, because what is joined is a
 * part of something else (`let`, `? :`), nothing of it is read.
 */
struct reading {
	struct rule_file *file;
	const char *rule; /* id; NULL for a file's own filter */
	guint line;
	const char *at;
	/* What was read. */
	double entropy;
	GArray *lists; /* struct rule_allowlist */
	/* What was not. */
	GPtrArray *words; /* char *, quoted: what is not supported */
	guint n_left_out;
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

/* Behind the string that begins at `at`. */
static const char *string_end(const char *at)
{
	char quote = *at++;

	for (; *at && *at != quote; at++)
		if (*at == '\\' && quote != '`' && at[1])
			at++;
	return *at ? at + 1 : at;
}

/* To the next `||` outside of brackets and strings, or the end. */
static void skip_term(struct reading *r)
{
	int depth = 0;

	while (*r->at) {
		if (strchr("\"`'", *r->at)) {
			r->at = string_end(r->at);
			continue;
		}
		if (strchr("([{", *r->at))
			depth++;
		else if (strchr(")]}", *r->at) && --depth < 0)
			return;
		else if (depth == 0 && r->at[0] == '|' && r->at[1] == '|')
			return;
		r->at++;
	}
}

static void word_add(struct reading *r, const char *text, gsize len)
{
	char *word = g_strdup_printf("'%.*s'", (int)MIN(len, 40), text);

	if (g_ptr_array_find_with_equal_func(r->words, word, g_str_equal, NULL))
		g_free(word);
	else
		g_ptr_array_add(r->words, word);
}

/* Operators and functions in it that are not read. */
static void words_find(struct reading *r, const char *at, const char *end)
{
	static const char *const known[] = {
		"matchesAny", "containsAny", "entropy", "get", "filter", NULL};

	while (at < end) {
		if (strchr("\"`'", *at)) {
			at = string_end(at);
		} else if (at[0] == '&' && at[1] == '&') {
			word_add(r, at, 2);
			at += 2;
		} else if (g_ascii_isalpha(*at) || *at == '_') {
			const char *start = at;
			while (g_ascii_isalnum(*at) || *at == '_')
				at++;
			g_autofree char *word = g_strndup(start, (gsize)(at - start));
			if ((*at == '(' && !g_strv_contains(known, word)) || !strcmp(word, "let"))
				word_add(r, start, (gsize)(at - start));
		} else {
			at++;
		}
	}
}

/*
 * Where the expression itself begins, behind its definitions. FALSE: what looks like joined terms
 * is a part of a choice.
 */
static gboolean body_find(struct reading *r)
{
	const char *start = r->at;
	int depth = 0;

	for (const char *at = r->at; *at;) {
		if (strchr("\"`'", *at)) {
			at = string_end(at);
			continue;
		}
		depth += strchr("([{", *at) != NULL;
		depth -= strchr(")]}", *at) != NULL;
		if (at[0] == '?' && (at[1] == '?' || at[1] == '.')) {
			at++;
		} else if (*at == '?') {
			word_add(r, "? :", 3);
			return FALSE;
		} else if (*at == ';' && depth == 0) {
			r->at = at + 1;
		}
		at++;
	}
	words_find(r, start, r->at);
	r->n_left_out += r->at > start;
	return TRUE;
}

static gboolean at_end_of_term(struct reading *r)
{
	skip_space(r);
	return *r->at == '\0' || *r->at == ')' || (r->at[0] == '|' && r->at[1] == '|');
}

/* Reads what can be read. FALSE: of all of it nothing. */
static gboolean read_joined(struct reading *r)
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
			words_find(r, start, r->at);
			r->n_left_out++;
		}
		while (brackets > 0 && take(r, ")"))
			brackets--;
		if (!take(r, "||"))
			break;
	}
	skip_space(r);
	/* `&&` behind a bracket and the like: what was read may have been half of something. */
	words_find(r, r->at, r->at + strlen(r->at));
	return *r->at == '\0' && brackets == 0;
}

static void read_terms(struct reading *r, const char *key)
{
	r->words = g_ptr_array_new_with_free_func(g_free);
	gboolean is_read = body_find(r) && read_joined(r);
	if (!is_read) {
		g_array_set_size(r->lists, 0);
		r->entropy = 0;
	}
	if (!is_read || r->n_left_out > 0) {
		g_autoptr(GString) words = g_string_new(NULL);
		for (guint i = 0; i < r->words->len; i++)
			g_string_append_printf(
				words, "%s%s", i > 0 ? ", " : "", (const char *)r->words->pdata[i]);
		g_string_append(words, r->words->len == 0   ? "some of it is"
				       : r->words->len == 1 ? " is"
							    : " are");
		g_autofree char *valid = g_utf8_make_valid(words->str, -1);
		rule_problem_add(r->file, RULE_PROBLEM_UNSUPPORTED, r->line, r->rule,
			"%s: %s not supported: %s left out, and more is found than there", key,
			valid, is_read ? "terms with that are" : "all of it is");
	}
	g_ptr_array_unref(r->words);
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
