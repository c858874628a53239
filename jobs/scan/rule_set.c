/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_set.h"

#include <string.h>

#include "jobs/scan/rule_hash.h"
#include "lib/error.h"
#include "lib/hash.h"

#define SPECIFICITY_DEFAULT 50
#define SPECIFICITY_GENERIC 10
#define WITHIN_DEFAULT 128

/* gitleaks, too, lets every other rule go before one of that name. */
static gboolean is_generic(const struct rule *rule)
{
	return rule->flags & RULE_FOREIGN && strcasestr(rule->id, "generic") != NULL;
}

static void fill_in(struct rule_draft *draft)
{
	struct rule *rule = &draft->rule;
	const char *const **lists[] = {&rule->sieve, &rule->keywords, &rule->context, &rule->tags,
		&rule->aliases, &rule->examples, &rule->negatives};

	for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
		if (*lists[i] == NULL)
			*lists[i] = rule_no_list;
	if (rule->severity == SEVERITY_UNSET)
		rule->severity = SEVERITY_HIGH;
	if (rule->family == NULL)
		rule->family = rule->id;
	if (rule->description == NULL)
		rule->description = rule->id;
	if (rule->specificity == 0)
		rule->specificity = is_generic(rule) ? SPECIFICITY_GENERIC : SPECIFICITY_DEFAULT;
	if (rule->within == 0)
		rule->within = WITHIN_DEFAULT;
	/* Other scanners decode too, and none of them has our placeholder filter. */
	unsigned defaults =
		rule->flags & RULE_FOREIGN ? RULE_DECODE : RULE_DECODE | RULE_PLACEHOLDER;
	rule->flags |= defaults & ~draft->flags_given;
}

/* Our own files in the program have been through `muster rules check`: no time is spent on them. */
static gboolean check_patterns(const struct rule *rule, GError **error)
{
	guint groups = 0;

	if (rule->regex != NULL && !rule_regex_check(rule->regex, &groups, error)) {
		g_prefix_error(error, "regex: ");
		return FALSE;
	}
	if (rule->secret_group > groups) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"secretGroup is %u, and regex has %u", rule->secret_group, groups);
		return FALSE;
	}
	if (rule->path != NULL && !rule_regex_check(rule->path, NULL, error)) {
		g_prefix_error(error, "path: ");
		return FALSE;
	}
	for (guint i = 0; i < rule->n_allowlists; i++) {
		const struct rule_allowlist *list = &rule->allowlists[i];
		const char *const *lists[] = {list->regexes, list->paths};
		for (guint k = 0; k < G_N_ELEMENTS(lists); k++)
			for (const char *const *at = lists[k]; *at != NULL; at++)
				if (!rule_regex_check(*at, NULL, error)) {
					g_prefix_error(error, "allowlist: '%s': ", *at);
					return FALSE;
				}
	}
	return TRUE;
}

static void add_problem(struct toml *memory, GArray *problems, const struct rule *rule,
	enum rule_problem_kind kind, const char *text)
{
	struct rule_problem problem = {.kind = kind,
		.source = rule->source,
		.line = rule->line,
		.rule = rule->id,
		.text = toml_copy(memory, text, strlen(text))};

	g_array_append_val(problems, problem);
}

/* A foreign rule is dropped, ours an error. */
static gboolean refuse(struct rule_private *set, GArray *problems, struct rule *rule,
	GError *problem, GError **error)
{
	if (rule->flags & RULE_FOREIGN) {
		add_problem(set->memory, problems, rule, RULE_PROBLEM_DROPPED, problem->message);
		rule->id = NULL;
		g_error_free(problem);
		return TRUE;
	}
	g_propagate_prefixed_error(
		error, problem, "%s:%u: rule '%s': ", rule->source, rule->line, rule->id);
	return FALSE;
}

static gboolean check_global(const struct rule_allowlist *list, GError **error)
{
	const struct rule fake = {.allowlists = list, .n_allowlists = 1};

	if (check_patterns(&fake, error))
		return TRUE;
	g_prefix_error(error, "%s:%u: ", list->source, list->line);
	return FALSE;
}

static gboolean is_target(const struct rule_allowlist *list, const struct rule *rule)
{
	for (const char *const *id = list->rules; *id != NULL; id++)
		if (rule_is_called(rule, *id))
			return TRUE;
	return FALSE;
}

/* An allowlist for some rules becomes theirs; one for all stays the set's. */
static gboolean spread_allowlists(
	struct rule_private *set, GArray *drafts, GArray *allowlists, GError **error)
{
	struct rule_allowlist *all = toml_take(set->memory, (allowlists->len + 1) * sizeof *all);

	set->set.allowlists = all;
	for (guint i = 0; i < allowlists->len; i++) {
		const struct rule_allowlist *list =
			&g_array_index(allowlists, struct rule_allowlist, i);
		if (!check_global(list, error))
			return FALSE;
		if (*list->rules == NULL) {
			all[set->set.n_allowlists++] = *list;
			continue;
		}
		for (guint k = 0; k < drafts->len; k++) {
			struct rule_draft *draft = &g_array_index(drafts, struct rule_draft, k);
			if (is_target(list, &draft->rule))
				rule_draft_add_allowlist(set->memory, draft, list);
		}
	}
	return TRUE;
}

static void find_required(struct rule_private *set, GArray *problems)
{
	struct rule_set *s = &set->set;
	g_autoptr(GHashTable) by_id = NULL;

	for (guint i = 0; i < s->n; i++) {
		struct rule *rule = &s->rules[i];
		if (rule->n_required == 0)
			continue;
		if (by_id == NULL) {
			by_id = g_hash_table_new(hash_text, g_str_equal);
			for (guint j = 0; j < s->n; j++)
				g_hash_table_insert(
					by_id, (gpointer)s->rules[j].id, GUINT_TO_POINTER(j + 1));
		}
		struct rule_required *list =
			toml_take(set->memory, rule->n_required * sizeof *list);
		for (guint k = 0; k < rule->n_required; k++) {
			list[k] = rule->required[k];
			list[k].rule =
				GPOINTER_TO_UINT(g_hash_table_lookup(by_id, list[k].id)) - 1u;
			if (list[k].rule == G_MAXUINT)
				add_problem(set->memory, problems, rule, RULE_PROBLEM_UNSUPPORTED,
					"a rule that it requires is not there: it finds nothing");
		}
		rule->required = list;
	}
}

gboolean rule_set_finish(struct rule_private *set, GArray *drafts, GArray *allowlists,
	GArray *problems, GError **error)
{
	struct rule_set *s = &set->set;

	if (!spread_allowlists(set, drafts, allowlists, error))
		return FALSE;
	s->rules = toml_take(set->memory, (drafts->len + 1) * sizeof *s->rules);
	for (guint i = 0; i < drafts->len; i++) {
		struct rule_draft *draft = &g_array_index(drafts, struct rule_draft, i);
		struct rule *rule = &draft->rule;
		GError *problem = NULL;
		if (rule->id == NULL)
			continue;
		fill_in(draft);
		if (!rule->is_builtin && !check_patterns(rule, &problem) &&
			!refuse(set, problems, rule, problem, error))
			return FALSE;
		if (rule->id == NULL)
			continue;
		if (rule->regex == NULL) {
			rule->flags |= RULE_PATH_ONLY;
			rule->sieve = rule_no_list;
		} else if (*rule->sieve == NULL) {
			rule_sieve_derive(set->memory, rule);
		}
		s->rules[s->n++] = *rule;
	}
	find_required(set, problems);
	rule_hash_set(s);
	s->n_problems = problems->len;
	struct rule_problem *list = toml_take(set->memory, (problems->len + 1) * sizeof *list);
	if (problems->len > 0)
		memcpy(list, problems->data, problems->len * sizeof *list);
	s->problems = list;
	return TRUE;
}
