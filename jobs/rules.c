/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/rules.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/muster.h"
#include "jobs/output/terminal.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/quote.h"

struct arguments {
	char **files; /* --config */
	char **words; /* what stands behind the verb */
	char **only;  /* --rule */
	char *format;
	gboolean no_builtin, is_verbose, no_costs;
	gboolean is_json;
};

static int usage_error(const char *message)
{
	fprintf(stderr, "muster rules: %s. See 'muster rules --help'.\n", message);
	return EXIT_USAGE;
}

static int fail(const GError *error)
{
	g_autofree char *quoted = quote_format(error->message);

	fprintf(stderr, "muster rules: %s\n", quoted);
	if (g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ||
		g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT))
		return EXIT_ATTENTION;
	return EXIT_PARTLY;
}

static gboolean arguments_parse(int *argc, char ***argv, struct arguments *a, GError **error)
{
	/* clang-format off */
	const GOptionEntry entries[] = {
		{ "config", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &a->files,
		  "Use the rules of FILE too; may be given again", "FILE" },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &a->format, "table (the default) or json", "FORMAT" },
		{ "rule", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &a->only,
		  "Only this rule or family; may be given again", "ID" },
		{ "no-builtin", 0, 0, G_OPTION_ARG_NONE, &a->no_builtin, "Leave muster's own rules out", NULL },
		{ "no-costs", 0, 0, G_OPTION_ARG_NONE, &a->no_costs, "check: do not measure speed", NULL },
		{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &a->is_verbose, "check: show what every rule costs", NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &a->words, NULL, NULL },
		G_OPTION_ENTRY_NULL,
	};
	/* clang-format on */
	g_autoptr(GOptionContext) context =
		g_option_context_new("list | show ID... | check [FILE...]");

	g_set_prgname("muster rules");
	g_option_context_set_summary(context,
		"What muster scan looks for: lists the rules, shows one, or checks that each finds\n"
		"its examples and not its negatives and costs no more than it should. 'check FILE'\n"
		"looks at that file's rules alone, in muster's format or gitleaks'.");
	g_option_context_set_description(context,
		"Exit codes: 0 all is fine, 1 a rule is wrong, 2 wrong usage, 3 a file cannot be\n"
		"read, 4 anything else.\n");
	g_option_context_add_main_entries(context, entries, NULL);
	return g_option_context_parse(context, argc, argv, error);
}

static struct rule_set *load(
	const struct arguments *a, char **paths, gboolean is_no_builtin, GError **error)
{
	const struct rule_options options = {.paths = (const char *const *)paths,
		.only = (const char *const *)a->only,
		.no_builtin = a->no_builtin || is_no_builtin};
	struct rule_set *set = rule_set_load(&options, error);
	g_autofree char *alone = set != NULL && !a->no_builtin ? rule_set_alone_text(set) : NULL;

	/* Of a check as well, which is of the file alone: a scan with it will be the same. */
	if (alone != NULL) {
		g_autofree char *quoted = quote_format(alone);
		fprintf(stderr, "muster rules: %s\n", quoted);
	}
	return set;
}

static void print(GString *out)
{
	fputs(out->str, stdout);
	g_string_free(out, TRUE);
}

static int run_list(const struct arguments *a, char **words)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(RuleSet) set = load(a, a->files, FALSE, &error);
	struct output_style style, errors;

	if (*words != NULL)
		return usage_error("list takes no arguments");
	if (set == NULL)
		return fail(error);
	terminal_style_init(&style, STDOUT_FILENO);
	terminal_style_init(&errors, STDERR_FILENO);
	GString *out = g_string_new(NULL);
	if (a->is_json) {
		rules_print_json(set, out);
	} else {
		rules_print_table(set, &style, out);
		GString *problems = g_string_new(NULL);
		rules_print_problems(set, &errors, problems);
		fputs(problems->str, stderr);
		g_string_free(problems, TRUE);
	}
	print(out);
	return EXIT_FINE;
}

/* The rule of that id, else all that go by that name elsewhere or in their family. */
static gboolean show(const struct rule_set *set, const char *name, gboolean is_json,
	const struct output_style *style, GString *out)
{
	const struct rule *one = rule_find(set, name);
	gboolean is_there = FALSE;

	for (guint i = 0; i < set->n; i++) {
		const struct rule *rule = &set->rules[i];
		if (one != NULL ? rule != one : !rule_has_name(rule, name))
			continue;
		if (is_json)
			rules_print_one_json(rule, out);
		else
			rules_print_one(rule, style, out);
		is_there = TRUE;
	}
	return is_there;
}

static int run_show(const struct arguments *a, char **words)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(RuleSet) set = load(a, a->files, FALSE, &error);
	struct output_style style;

	if (*words == NULL)
		return usage_error("show takes the id of a rule");
	if (set == NULL)
		return fail(error);
	terminal_style_init(&style, STDOUT_FILENO);
	GString *out = g_string_new(NULL);
	for (; *words != NULL; words++) {
		if (!show(set, *words, a->is_json, &style, out)) {
			g_autofree char *quoted = quote_format(*words);
			fprintf(stderr, "muster rules: there is no rule '%s'\n", quoted);
			g_string_free(out, TRUE);
			return EXIT_USAGE;
		}
	}
	print(out);
	return EXIT_FINE;
}

/* Files named behind the verb stand alone: without ours, which have been checked. */
static int run_check(const struct arguments *a, char **words)
{
	g_autoptr(GError) error = NULL;
	struct output_style style;

	gboolean is_alone = *words != NULL;

	if (is_alone && a->files != NULL)
		return usage_error("check takes FILE or --config, not both");
	g_autoptr(RuleSet) set = load(a, is_alone ? words : a->files, is_alone, &error);
	if (set == NULL)
		return fail(error);
	g_autofree char *cache = g_build_filename(g_get_user_cache_dir(), "muster", NULL);
	const struct rule_check_options options = {
		.cache_folder = g_file_test(cache, G_FILE_TEST_IS_DIR) ? cache : NULL,
		.no_costs = a->no_costs,
		.each_alone = a->is_verbose};
	g_autoptr(rule_check) check = rule_check_new(set, &options, &error);
	if (check == NULL)
		return fail(error);
	terminal_style_init(&style, STDOUT_FILENO);
	GString *out = g_string_new(NULL);
	if (a->is_json)
		rules_print_check_json(set, check, out);
	else
		rules_print_check(set, check, a->is_verbose, &style, out);
	print(out);
	return check->n_errors > 0 ? EXIT_ATTENTION : EXIT_FINE;
}

int rules_main(int argc, char **argv)
{
	struct arguments a = {0};
	g_autoptr(GError) error = NULL;
	int code;

	if (!arguments_parse(&argc, &argv, &a, &error))
		return usage_error(error->message);
	a.is_json = !g_strcmp0(a.format, "json");
	if (a.format != NULL && !a.is_json && strcmp(a.format, "table") != 0)
		code = usage_error("the format is table or json");
	else if (a.words == NULL)
		code = usage_error("say list, show or check");
	else if (!strcmp(a.words[0], "list"))
		code = run_list(&a, a.words + 1);
	else if (!strcmp(a.words[0], "show"))
		code = run_show(&a, a.words + 1);
	else if (!strcmp(a.words[0], "check"))
		code = run_check(&a, a.words + 1);
	else
		code = usage_error("say list, show or check");
	g_strfreev(a.files);
	g_strfreev(a.words);
	g_strfreev(a.only);
	g_free(a.format);
	return code;
}
