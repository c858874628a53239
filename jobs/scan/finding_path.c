/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding_path.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "lib/error.h"

/* A path is short: what needs more steps than this is a pattern that runs away. */
#define STEPS_MAX 100000
#define DEPTH_MAX 1000
#define HEAP_MAX_KIB 1024

struct finding_paths {
	const struct rule_set *rules;
	GHashTable *codes; /* the pattern's own address -> pcre2_code */
	pcre2_match_data *match;
	pcre2_match_context *context;
};

static void code_free(gpointer code)
{
	pcre2_code_free(code);
}

static gboolean pattern_add(
	struct finding_paths *paths, const char *rule, const char *pattern, GError **error)
{
	int trouble;
	PCRE2_SIZE offset;

	if (pattern == NULL || g_hash_table_contains(paths->codes, pattern))
		return TRUE;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
		PCRE2_NEVER_BACKSLASH_C, &trouble, &offset, NULL);
	if (code == NULL) {
		PCRE2_UCHAR text[128];
		pcre2_get_error_message(trouble, text, sizeof(text));
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"rule %s: the pattern for paths '%s' is wrong at %zu: %s", rule, pattern,
			offset, (const char *)text);
		return FALSE;
	}
	g_hash_table_insert(paths->codes, (gpointer)pattern, code);
	return TRUE;
}

static gboolean lists_add(struct finding_paths *paths, const char *rule,
	const struct rule_allowlist *lists, guint n, GError **error)
{
	for (guint i = 0; i < n; i++)
		for (guint j = 0; lists[i].paths != NULL && lists[i].paths[j] != NULL; j++)
			if (!pattern_add(paths, rule, lists[i].paths[j], error))
				return FALSE;
	return TRUE;
}

struct finding_paths *finding_paths_new(const struct rule_set *rules, GError **error)
{
	g_autoptr(FindingPaths) paths = g_new0(struct finding_paths, 1);

	paths->rules = rules;
	paths->codes = g_hash_table_new_full(NULL, NULL, NULL, code_free);
	paths->match = pcre2_match_data_create(1, NULL);
	paths->context = pcre2_match_context_create(NULL);
	if (paths->match == NULL || paths->context == NULL)
		g_error("no memory for patterns");
	pcre2_set_match_limit(paths->context, STEPS_MAX);
	pcre2_set_depth_limit(paths->context, DEPTH_MAX);
	pcre2_set_heap_limit(paths->context, HEAP_MAX_KIB);
	for (guint i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];
		if (!pattern_add(paths, rule->id, rule->path, error) ||
			!lists_add(paths, rule->id, rule->allowlists, rule->n_allowlists, error))
			return NULL;
	}
	if (!lists_add(paths, "for all", rules->allowlists, rules->n_allowlists, error))
		return NULL;
	return g_steal_pointer(&paths);
}

void finding_paths_free(struct finding_paths *paths)
{
	if (paths == NULL)
		return;
	g_hash_table_unref(paths->codes);
	pcre2_match_data_free(paths->match);
	pcre2_match_context_free(paths->context);
	g_free(paths);
}

static gboolean pattern_holds(struct finding_paths *paths, const char *pattern, const char *path)
{
	const pcre2_code *code = g_hash_table_lookup(paths->codes, pattern);

	return code != NULL && pcre2_match(code, (PCRE2_SPTR)path, strlen(path), 0, 0, paths->match,
				       paths->context) >= 0;
}

gboolean finding_paths_concern(
	struct finding_paths *paths, const struct rule *rule, const char *path)
{
	if (path == NULL)
		return !(rule->flags & RULE_PATH_ONLY);
	return rule->path == NULL || pattern_holds(paths, rule->path, path);
}

static gboolean path_holds(
	struct finding_paths *paths, const struct rule_allowlist *list, const char *path)
{
	for (guint i = 0; path != NULL && list->paths != NULL && list->paths[i] != NULL; i++)
		if (pattern_holds(paths, list->paths[i], path))
			return TRUE;
	return FALSE;
}

/* Short names are a start of the full one. */
static gboolean commit_holds(const struct rule_allowlist *list, const char *commit)
{
	for (guint i = 0; *commit != '\0' && list->commits != NULL && list->commits[i] != NULL; i++)
		if (*list->commits[i] != '\0' && g_str_has_prefix(commit, list->commits[i]))
			return TRUE;
	return FALSE;
}

static gboolean has_any(const char *const *list)
{
	return list != NULL && *list != NULL;
}

static gboolean list_holds(struct finding_paths *paths, const struct rule_allowlist *list,
	const struct rule *rule, const char *path, const char *commit, gboolean is_conditional)
{
	gboolean has_paths = has_any(list->paths), has_commits = has_any(list->commits);

	if (!has_paths && !has_commits)
		return FALSE; /* all of it was the judge's */
	if (has_any(list->rules) && !g_strv_contains(list->rules, rule->id))
		return FALSE;
	if (!list->is_and)
		return path_holds(paths, list, path) || commit_holds(list, commit);
	if ((has_any(list->regexes) || has_any(list->stopwords)) && !is_conditional)
		return FALSE;
	return (!has_paths || path_holds(paths, list, path)) &&
	       (!has_commits || commit_holds(list, commit));
}

gboolean finding_paths_allow(struct finding_paths *paths, const struct rule *rule, const char *path,
	const char *commit, gboolean is_conditional)
{
	for (guint i = 0; i < rule->n_allowlists; i++)
		if (list_holds(paths, &rule->allowlists[i], rule, path, commit, is_conditional))
			return TRUE;
	for (guint i = 0; i < paths->rules->n_allowlists; i++)
		if (list_holds(paths, &paths->rules->allowlists[i], rule, path, commit,
			    is_conditional))
			return TRUE;
	return FALSE;
}
