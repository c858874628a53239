/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/rules.h"

#include "lib/quote.h"

/* Rules as text for a person and as JSON for a program. Colour is only for state, as elsewhere. */

#define BOLD "1"
#define DIM "90"
#define RED "31;1"
#define YELLOW "33"
#define GREEN "32"

static const char *colour_of(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return RED;
	case SEVERITY_HIGH:
		return "31";
	case SEVERITY_MEDIUM:
		return YELLOW;
	default:
		return DIM;
	}
}

static void put(
	GString *out, const struct output_style *style, const char *colour, const char *text)
{
	g_autofree char *safe = quote_format(text);

	if (style->has_colour)
		g_string_append_printf(out, "\033[%sm%s\033[0m", colour, safe);
	else
		g_string_append(out, safe);
}

static void put_padded(GString *out, const struct output_style *style, const char *colour,
	const char *text, guint width)
{
	g_autofree char *safe = quote_format(text);
	glong columns = g_utf8_strlen(safe, -1);

	if (colour != NULL)
		put(out, style, colour, text);
	else
		g_string_append(out, safe);
	for (glong i = MIN(columns, (glong)width); i < (glong)width + 2; i++)
		g_string_append_c(out, ' ');
}

void rules_print_table(const struct rule_set *set, const struct output_style *style, GString *out)
{
	guint id = 2, family = 6;

	for (guint i = 0; i < set->n; i++) {
		id = MAX(id, (guint)g_utf8_strlen(set->rules[i].id, -1));
		family = MAX(family, (guint)g_utf8_strlen(set->rules[i].family, -1));
	}
	id = MIN(id, 48);
	family = MIN(family, 24);
	put_padded(out, style, BOLD, "ID", id);
	put_padded(out, style, BOLD, "FAMILY", family);
	put_padded(out, style, BOLD, "SEVERITY", 8);
	put(out, style, BOLD, "DESCRIPTION");
	g_string_append_c(out, '\n');
	for (guint i = 0; i < set->n; i++) {
		const struct rule *rule = &set->rules[i];
		put_padded(out, style, NULL, rule->id, id);
		put_padded(out, style, NULL, rule->family, family);
		put_padded(out, style, colour_of(rule->severity), severity_name(rule->severity), 8);
		g_autofree char *description = quote_format(rule->description);
		g_string_append_printf(out, "%s%s\n", description,
			rule->flags & RULE_SLOW ? " (slow: run over whole objects)" : "");
	}
	g_string_append_printf(out, "%u rules\n", set->n);
}

static void line(GString *out, const struct output_style *style, const char *name, const char *text)
{
	g_autofree char *safe = text ? quote_format(text) : NULL;

	if (safe == NULL || *safe == '\0')
		return;
	g_string_append(out, "  ");
	put_padded(out, style, DIM, name, 12);
	g_string_append_printf(out, "%s\n", safe);
}

static void lines(
	GString *out, const struct output_style *style, const char *name, const char *const *list)
{
	for (guint i = 0; list[i] != NULL; i++)
		line(out, style, i == 0 ? name : "", list[i]);
}

static void number(GString *out, const struct output_style *style, const char *name, double value)
{
	g_autofree char *text = g_strdup_printf("%g", value);

	if (value > 0)
		line(out, style, name, text);
}

static void print_allowlist(
	GString *out, const struct output_style *style, const struct rule_allowlist *list)
{
	static const char *const targets[] = {"", "secret", "match", "line"};
	g_autofree char *text =
		g_strdup_printf("%s%s%s, of the %s:", list->description ? list->description : "",
			list->description ? "; " : "", list->is_and ? "all of" : "one of",
			targets[list->target]);

	line(out, style, "allowed", text);
	lines(out, style, "  regex", list->regexes);
	lines(out, style, "  stopword", list->stopwords);
	lines(out, style, "  path", list->paths);
	lines(out, style, "  commit", list->commits);
}

void rules_print_one(const struct rule *rule, const struct output_style *style, GString *out)
{
	put(out, style, BOLD, rule->id);
	g_string_append(out, "  ");
	put(out, style, colour_of(rule->severity), severity_name(rule->severity));
	g_string_append_c(out, '\n');
	line(out, style, "", rule->description);
	line(out, style, "family", rule->family);
	lines(out, style, "also called", rule->aliases);
	lines(out, style, "tags", rule->tags);
	line(out, style, "regex", rule->regex);
	number(out, style, "secret group", rule->secret_group);
	lines(out, style, "sieve", rule->sieve);
	if (rule->flags & RULE_SLOW)
		line(out, style, "sieve", "none: it is run over whole objects");
	lines(out, style, "keywords", rule->keywords);
	line(out, style, "path", rule->path);
	number(out, style, "entropy", rule->entropy);
	line(out, style, "checksum", rule->checksum);
	lines(out, style, "context", rule->context);
	if (rule->context[0] != NULL)
		number(out, style, "within", rule->within);
	for (guint i = 0; i < rule->n_required; i++)
		line(out, style, "requires", rule->required[i].id);
	for (guint i = 0; i < rule->n_allowlists; i++)
		print_allowlist(out, style, &rule->allowlists[i]);
	number(out, style, "specificity", rule->specificity);
	lines(out, style, "found in", rule->examples);
	lines(out, style, "not found in", rule->negatives);
	line(out, style, "rotate at", rule->rotate);
	line(out, style, "when leaked", rule->remedy);
	g_autofree char *where = g_strdup_printf(
		"%s%s:%u", rule->is_builtin ? "built-in, " : "", rule->source, rule->line);
	line(out, style, "from", where);
}

static const char *kind_name(enum rule_problem_kind kind)
{
	return kind == RULE_PROBLEM_UNKNOWN       ? "unknown"
	       : kind == RULE_PROBLEM_UNSUPPORTED ? "not supported"
						  : "error: left out";
}

void rules_print_problems(
	const struct rule_set *set, const struct output_style *style, GString *out)
{
	guint counts[RULE_PROBLEM_DROPPED + 1] = {0};

	for (guint i = 0; i < set->n_problems; i++) {
		const struct rule_problem *problem = &set->problems[i];
		g_autofree char *source = quote_format(problem->source);
		g_string_append_printf(out, "%s:%u: ", source, problem->line);
		put(out, style, problem->kind == RULE_PROBLEM_DROPPED ? RED : YELLOW,
			kind_name(problem->kind));
		g_string_append(out, ": ");
		if (problem->rule != NULL) {
			g_autofree char *rule = quote_format(problem->rule);
			g_string_append_printf(out, "rule '%s': ", rule);
		}
		g_string_append_printf(out, "%s\n", problem->text);
		counts[problem->kind]++;
	}
	if (set->n_problems > 0)
		g_string_append_printf(out,
			"%u keys unknown, %u things not supported, %u rules left out\n",
			counts[RULE_PROBLEM_UNKNOWN], counts[RULE_PROBLEM_UNSUPPORTED],
			counts[RULE_PROBLEM_DROPPED]);
}

static void print_cost(GString *out, const struct output_style *style, const struct rule *rule,
	const struct rule_cost *cost)
{
	g_autofree char *text = g_strdup_printf(
		"sieve %3u bytes wide, compiled in %5.1f ms, %5.2f ms and %4.0f matches in a MiB",
		cost->width, cost->compile_ms, cost->scan_ms, cost->matches);

	put_padded(out, style, NULL, rule->id, 40);
	g_string_append_printf(out, "%s\n", text);
}

void rules_print_check(const struct rule_set *set, const struct rule_check *check,
	gboolean is_verbose, const struct output_style *style, GString *out)
{
	rules_print_problems(set, style, out);
	for (guint i = 0; is_verbose && i < set->n; i++)
		print_cost(out, style, &set->rules[i], &check->costs[i]);
	for (guint i = 0; i < check->faults->len; i++) {
		const struct rule_fault *fault = check->faults->pdata[i];
		g_autofree char *source = quote_format(fault->rule->source);
		g_autofree char *id = quote_format(fault->rule->id);
		g_autofree char *text = quote_format(fault->text);
		g_string_append_printf(out, "%s:%u: ", source, fault->rule->line);
		put(out, style, fault->is_error ? RED : YELLOW,
			fault->is_error ? "error" : "warning");
		g_string_append_printf(out, ": rule '%s': %s\n", id, text);
	}
	g_autofree char *sum = g_strdup_printf(
		"%u rules, %u examples, %u negatives: %u errors, %u warnings", set->n,
		check->n_examples, check->n_negatives, check->n_errors, check->n_warnings);
	put(out, style, check->n_errors ? RED : check->n_warnings ? YELLOW : GREEN, sum);
	g_string_append_c(out, '\n');
}
