/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_check.h"

#include <string.h>

#include "jobs/scan/checksum.h"
#include "jobs/scan/example.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule_file.h"
#include "jobs/scan/sieve.h"
#include "lib/error.h"

#define EXAMPLES_MIN 2

static void fault_free(gpointer data)
{
	struct rule_fault *fault = data;

	g_free(fault->text);
	g_free(fault);
}

void rule_check_add(struct rule_check *check, gboolean is_error, const struct rule *rule,
	const char *format, ...)
{
	struct rule_fault *fault = g_new0(struct rule_fault, 1);
	va_list args;

	va_start(args, format);
	fault->text = g_strdup_vprintf(format, args);
	va_end(args);
	fault->is_error = is_error;
	fault->rule = rule;
	g_ptr_array_add(check->faults, fault);
	*(is_error ? &check->n_errors : &check->n_warnings) += 1;
}

void rule_check_free(struct rule_check *check)
{
	if (check == NULL)
		return;
	g_ptr_array_unref(check->faults);
	g_free(check->costs);
	g_free(check);
}

#define ERROR(...) rule_check_add(check, TRUE, rule, __VA_ARGS__)
#define WARNING(...) rule_check_add(check, FALSE, rule, __VA_ARGS__)

/* What a person has to be told about a rule; strict for ours in the program. */
static void check_texts(struct rule_check *check, const struct rule *rule)
{
	gboolean is_strict = rule->is_builtin;
	guint n = g_strv_length((char **)rule->examples);
	guint m = g_strv_length((char **)rule->negatives);

	/* Theirs are written as they like. */
	if (rule->flags & RULE_FOREIGN)
		return;
	if (rule->description == rule->id)
		rule_check_add(check, is_strict, rule, "no description");
	else if (g_str_has_suffix(rule->description, "."))
		WARNING("description: ends with a full stop");
	if (rule->flags & RULE_PATH_ONLY)
		return;
	if (n < EXAMPLES_MIN)
		rule_check_add(check, is_strict, rule, "examples: %u, and at least %d are needed",
			n, EXAMPLES_MIN);
	if (m < EXAMPLES_MIN)
		rule_check_add(check, is_strict, rule, "negatives: %u, and at least %d are needed",
			m, EXAMPLES_MIN);
	if (rule->remedy == NULL)
		rule_check_add(check, is_strict, rule, "no remedy: what to do when it has leaked");
	if (rule->rotate != NULL && !g_str_has_prefix(rule->rotate, "https://"))
		ERROR("rotate: is no https:// address");
	if (rule->keywords[0] == NULL)
		rule_check_add(check, is_strict, rule, "no keywords");
	if (rule->checksum != NULL && checksum_find(rule->checksum) == NULL) {
		g_autoptr(GString) names = g_string_new(NULL);
		for (guint i = 0; checksum_name(i) != NULL; i++)
			g_string_append_printf(names, "%s%s", i ? ", " : "", checksum_name(i));
		ERROR("checksum: '%s' is none of %s", rule->checksum, names->str);
	}
}

/* FALSE when the matcher would refuse all rules because of this one. */
static gboolean check_patterns(
	struct rule_check *check, const struct rule *rule, struct rule_cost *cost)
{
	guint before = check->n_errors, groups = 0;
	const char *patterns[] = {rule->regex, rule->path};

	for (guint i = 0; i < G_N_ELEMENTS(patterns); i++) {
		g_autoptr(GError) error = NULL;
		if (patterns[i] != NULL &&
			!rule_regex_check(patterns[i], i == 0 ? &groups : NULL, &error))
			ERROR("%s: %s", i == 0 ? "regex" : "path", error->message);
	}
	if (rule->secret_group > groups)
		ERROR("secretGroup is %u, and regex has %u", rule->secret_group, groups);
	for (guint i = 0; i < rule->n_allowlists; i++)
		for (const char *const *at = rule->allowlists[i].regexes; *at != NULL; at++) {
			g_autoptr(GError) error = NULL;
			if (!rule_regex_check(*at, NULL, &error))
				ERROR("allowlist: '%s': %s", *at, error->message);
		}
	for (const char *const *at = rule->sieve; *at != NULL; at++) {
		g_autoptr(GError) error = NULL;
		guint width = 0;
		if (!sieve_check(*at, &width, &error))
			ERROR("%s", error->message);
		cost->width = MAX(cost->width, width);
	}
	if (rule->flags & RULE_SLOW)
		WARNING("slow: it has no sieve and none can be made of it, so that it is run over "
			"every object; add keywords or a sieve");
	else if (rule->flags & RULE_DERIVED && !(rule->flags & RULE_FOREIGN))
		rule_check_add(check, rule->is_builtin, rule,
			"no sieve: one was made of its keywords, which a good one is faster than");
	return check->n_errors == before &&
	       (rule->checksum == NULL || checksum_find(rule->checksum));
}

/* Whether rule `index` accepts something in the text: the marked secret, if one is. */
static gboolean is_found(struct matcher_thread *thread, guint index, const struct example *example,
	gboolean *is_other, gboolean *is_undecided)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	const guint8 *text = (const guint8 *)example->text->str;
	gsize len = example->text->len;
	gboolean is_there = FALSE;

	matcher_sieve(thread, text, len, 0, len, found);
	matcher_whole(thread, text, len, found);
	for (guint i = 0; i < found->len; i++) {
		struct candidate *candidate = &g_array_index(found, struct candidate, i);
		if (candidate->rule != index)
			continue;
		matcher_judge(thread, text, len, candidate);
		*is_undecided |= candidate->verdict == CANDIDATE_UNDECIDED;
		if (candidate->verdict != CANDIDATE_ACCEPTED)
			continue;
		if (example->secret_len == 0 || candidate->flags & CANDIDATE_DECODED ||
			(candidate->secret_at == example->secret_at &&
				candidate->secret_len == example->secret_len))
			is_there = TRUE;
		else
			*is_other = TRUE;
	}
	return is_there;
}

static void check_example(struct rule_check *check, const struct rule *rule, guint index,
	const char *template, gboolean is_negative, struct matcher_thread *thread)
{
	struct example example = {0};
	g_autoptr(GError) error = NULL;
	gboolean is_other = FALSE, is_undecided = FALSE;

	*(is_negative ? &check->n_negatives : &check->n_examples) += 1;
	if (!example_expand(template, EXAMPLE_SEED, &example, &error)) {
		ERROR("template '%s': %s", template, error->message);
		return;
	}
	gboolean is_there = is_found(thread, index, &example, &is_other, &is_undecided);
	if (is_undecided)
		ERROR("the regex gave up in '%s': it tries too much; bound its repetitions",
			template);
	else if (is_negative && (is_there || is_other))
		ERROR("negative is found: '%s'", template);
	else if (!is_negative && is_other && !is_there)
		ERROR("example is found, but the secret is not what {<} and {>} say: '%s'",
			template);
	else if (!is_negative && !is_there)
		ERROR("example is not found: '%s'", template);
	example_clear(&example);
}

static gboolean check_examples(struct rule_check *check, const struct rule_set *set,
	const gboolean *is_fit, const char *cache_folder, GError **error)
{
	/* Those that can be compiled, by themselves; what they require is not the matcher's. */
	struct rule_set part = {.allowlists = set->allowlists, .n_allowlists = set->n_allowlists};
	g_autofree const struct rule **whose = g_new(const struct rule *, set->n + 1);

	part.rules = g_new(struct rule, set->n + 1);
	for (guint i = 0; i < set->n; i++)
		if (is_fit[i]) {
			whose[part.n] = &set->rules[i];
			part.rules[part.n++] = set->rules[i];
		}
	g_autoptr(matcher) matcher = matcher_new(&part, cache_folder, error);
	if (matcher == NULL) {
		g_free(part.rules);
		return FALSE;
	}
	g_autoptr(secret_table) secrets = secret_table_new();
	struct matcher_thread *thread = matcher_thread_new(matcher, secrets);
	for (guint i = 0; i < part.n; i++) {
		for (const char *const *at = part.rules[i].examples; *at != NULL; at++)
			check_example(check, whose[i], i, *at, FALSE, thread);
		for (const char *const *at = part.rules[i].negatives; *at != NULL; at++)
			check_example(check, whose[i], i, *at, TRUE, thread);
	}
	matcher_thread_free(thread);
	g_free(part.rules);
	return TRUE;
}

static void check_costs(struct rule_check *check, const struct rule_set *set,
	const gboolean *is_fit, gboolean is_each)
{
	g_autofree const struct rule **rules = g_new(const struct rule *, set->n + 1);
	g_autofree struct rule_cost **costs = g_new(struct rule_cost *, set->n + 1);
	guint n = 0;

	for (guint i = 0; i < set->n; i++)
		if (is_fit[i] && *set->rules[i].sieve != NULL) {
			rules[n] = &set->rules[i];
			costs[n++] = &check->costs[i];
		}
	rule_check_costs(check, rules, costs, n, is_each);
}

static int compare_fault(gconstpointer a, gconstpointer b)
{
	const struct rule_fault *x = *(struct rule_fault *const *)a,
				*y = *(struct rule_fault *const *)b;

	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	return y->is_error - x->is_error;
}

struct rule_check *rule_check_new(
	const struct rule_set *set, const struct rule_check_options *options, GError **error)
{
	struct rule_check *check = g_new0(struct rule_check, 1);
	g_autofree gboolean *is_fit = g_new0(gboolean, set->n + 1);

	check->faults = g_ptr_array_new_with_free_func(fault_free);
	check->costs = g_new0(struct rule_cost, set->n + 1);
	for (guint i = 0; i < set->n_problems; i++)
		check->n_errors += set->problems[i].kind == RULE_PROBLEM_DROPPED;
	for (guint i = 0; i < set->n; i++) {
		check_texts(check, &set->rules[i]);
		is_fit[i] = check_patterns(check, &set->rules[i], &check->costs[i]);
	}
	if (!options->no_costs)
		check_costs(check, set, is_fit, options->each_alone);
	if (!check_examples(check, set, is_fit, options->cache_folder, error)) {
		rule_check_free(check);
		return NULL;
	}
	g_ptr_array_sort(check->faults, compare_fault);
	return check;
}
