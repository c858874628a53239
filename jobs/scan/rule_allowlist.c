/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_file.h"

#include <string.h>

/* Tables of allowlists: the same in our files and in gitleaks'. */

/* The list's strings are the document's own, so they can be changed in place. */
static void make_small(const char *const *list)
{
	for (; *list != NULL; list++)
		for (char *at = (char *)*list; *at; at++)
			*at = g_ascii_tolower(*at);
}

static gboolean read_patterns(struct rule_file *file, const char *key,
	const struct toml_value *value, const char *rule, const char *const **list, GError **error)
{
	if (!rule_list_read(file, key, value, list, error))
		return FALSE;
	for (guint i = 0; (*list)[i] != NULL; i++) {
		const char **pattern = (const char **)&(*list)[i];
		const char *note = NULL;
		if (!strncmp(*pattern, "(*", 2) || strlen(*pattern) > RULE_PATTERN_MAX)
			return rule_file_fail(file, value->line, error,
				"%s: a pattern begins with '(*' or is too long", key);
		if (file->is_foreign)
			*pattern = rule_regex_translate(file->doc, *pattern, &note);
		if (note != NULL)
			rule_problem_add(file, RULE_PROBLEM_UNSUPPORTED, value->line, rule,
				"%s: %s", key, note);
	}
	return TRUE;
}

static gboolean read_choice(struct rule_file *file, const char *key, const struct toml_value *value,
	struct rule_allowlist *list, GError **error)
{
	const char *said = value->kind == TOML_STRING ? value->string : "?";

	if (!g_ascii_strcasecmp(key, "condition")) {
		list->is_and = !g_ascii_strcasecmp(said, "AND") || !strcmp(said, "&&");
		if (list->is_and || !g_ascii_strcasecmp(said, "OR") || !strcmp(said, "||") ||
			*said == '\0')
			return TRUE;
		return rule_file_fail(file, value->line, error, "condition: is AND or OR");
	}
	list->target = !strcmp(said, "match")                     ? RULE_TARGET_MATCH
		       : !strcmp(said, "line")                    ? RULE_TARGET_LINE
		       : !strcmp(said, "secret") || *said == '\0' ? RULE_TARGET_SECRET
								  : 0;
	return list->target != 0 ||
	       rule_file_fail(file, value->line, error, "regexTarget: is secret, match or line");
}

static gboolean read_entry(struct rule_file *file, const struct toml_entry *entry, const char *rule,
	gboolean is_global, struct rule_allowlist *list, GError **error)
{
	const char *key = entry->key;
	const struct toml_value *value = &entry->value;

	if (!g_ascii_strcasecmp(key, "description")) {
		list->description = value->kind == TOML_STRING ? value->string : NULL;
		return TRUE;
	}
	if (!g_ascii_strcasecmp(key, "condition") || !g_ascii_strcasecmp(key, "regexTarget"))
		return read_choice(file, key, value, list, error);
	if (!g_ascii_strcasecmp(key, "regexes"))
		return read_patterns(file, key, value, rule, &list->regexes, error);
	if (!g_ascii_strcasecmp(key, "paths"))
		return read_patterns(file, key, value, rule, &list->paths, error);
	if (!g_ascii_strcasecmp(key, "stopwords")) {
		if (!rule_list_read(file, key, value, &list->stopwords, error))
			return FALSE;
		make_small(list->stopwords);
		return TRUE;
	}
	if (!g_ascii_strcasecmp(key, "commits")) {
		if (!rule_list_read(file, key, value, &list->commits, error))
			return FALSE;
		make_small(list->commits);
		return TRUE;
	}
	if (is_global && !g_ascii_strcasecmp(key, "targetRules"))
		return rule_list_read(file, key, value, &list->rules, error);
	if (!file->is_foreign)
		return rule_file_fail(
			file, value->line, error, "unknown key '%s' in an allowlist", key);
	rule_problem_add(file, RULE_PROBLEM_UNKNOWN, value->line, rule,
		"unknown key '%s' in an allowlist", key);
	return TRUE;
}

gboolean rule_allowlist_read(struct rule_file *file, const struct toml_table *table, guint line,
	const char *rule, gboolean is_global, struct rule_allowlist *list, GError **error)
{
	struct rule_allowlist read = {.target = RULE_TARGET_SECRET,
		.regexes = rule_no_list,
		.stopwords = rule_no_list,
		.paths = rule_no_list,
		.commits = rule_no_list,
		.rules = rule_no_list};

	for (guint i = 0; i < table->n; i++)
		if (!read_entry(file, &table->entries[i], rule, is_global, &read, error))
			return FALSE;
	if (*read.regexes == NULL && *read.stopwords == NULL && *read.paths == NULL &&
		*read.commits == NULL) {
		if (!file->is_foreign)
			return rule_file_fail(file, line, error,
				"an allowlist needs one of regexes, stopwords, paths, commits");
		rule_problem_add(file, RULE_PROBLEM_UNSUPPORTED, line, rule,
			"an allowlist without regexes, stopwords, paths and commits does nothing");
		read.is_and = FALSE;
	}
	read.source = file->name;
	read.line = line;
	*list = read;
	return TRUE;
}

void rule_draft_add_allowlist(
	struct toml *doc, struct rule_draft *draft, const struct rule_allowlist *list)
{
	struct rule *rule = &draft->rule;
	struct rule_allowlist *lists = toml_take(doc, (rule->n_allowlists + 1) * sizeof *lists);

	if (rule->n_allowlists > 0)
		memcpy(lists, rule->allowlists, rule->n_allowlists * sizeof *lists);
	lists[rule->n_allowlists++] = *list;
	rule->allowlists = lists;
}
