/* SPDX-License-Identifier: MIT */
/*
 * What the rules find in labelled texts, and how fast in files: for those who write rules.
 *
 *	match_cases [--rules FILE]... [--only ID]... [--summary] [FILE]
 *		lines of JSON with "kind" (positive or negative), "label" and "text", from FILE or
 *		standard input. Prints for each line its number, kind, label and the rules that
 *		accept something in it; with --summary recall and precision, by kind and label,
 *		misses and false alarms at the end instead.
 *	match_cases [--rules FILE]... --tree FOLDER
 *		reads all files of a folder: bytes a second of the sieve, what it reports, what the
 *		judge makes of it and how long that takes, by rule.
 *
 * Files given with --rules are added to the built-in rules; --no-builtin leaves those out.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "lib/json.h"

struct tally {
	char *label;
	guint positives, found, negatives, alarms;
};

static char **rule_files, **only, **without, **places;
static gboolean no_builtin, summary, verbose;
static char *tree, *cache;

/* clang-format off */
static const GOptionEntry entries[] = {
	{ "rules", 'r', 0, G_OPTION_ARG_FILENAME_ARRAY, &rule_files, "Add the rules of FILE", "FILE" },
	{ "only", 'o', 0, G_OPTION_ARG_STRING_ARRAY, &only, "Use this rule or family alone", "ID" },
	{ "without", 'w', 0, G_OPTION_ARG_STRING_ARRAY, &without, "Do without this one", "ID" },
	{ "no-builtin", 0, 0, G_OPTION_ARG_NONE, &no_builtin, "Leave the built-in rules out", NULL },
	{ "summary", 's', 0, G_OPTION_ARG_NONE, &summary, "Recall and precision", NULL },
	{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Show the texts and places", NULL },
	{ "tree", 't', 0, G_OPTION_ARG_FILENAME, &tree, "Measure on the files of FOLDER", "FOLDER" },
	{ "cache", 'c', 0, G_OPTION_ARG_FILENAME, &cache, "Keep the compiled sieve here", "FOLDER" },
	{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &places, NULL, NULL },
	{ NULL }
};
/* clang-format on */

static void give_up(GError *error)
{
	fprintf(stderr, "match_cases: %s\n", error->message);
	exit(2);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The ids of the rules that accept something in text, each once, joined by a comma. */
static char *rules_of(struct matcher_thread *thread, const struct rule_set *set, const char *text)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	g_autoptr(GPtrArray) ids = g_ptr_array_new();
	gsize len = strlen(text);

	matcher_sieve(thread, (const guint8 *)text, len, 0, len, found);
	matcher_whole(thread, (const guint8 *)text, len, found);
	for (guint i = 0; i < found->len; i++) {
		struct candidate *candidate = &g_array_index(found, struct candidate, i);
		const char *id = set->rules[candidate->rule].id;
		matcher_judge(thread, (const guint8 *)text, len, candidate);
		if (verbose && candidate->verdict == CANDIDATE_ACCEPTED)
			printf("\t%s: %.*s\n", id, (int)candidate->secret_len,
				text + candidate->secret_at);
		if (verbose && candidate->verdict == CANDIDATE_REFUSED)
			printf("\t(%s refused at %u)\n", id, candidate->at);
		if (candidate->verdict == CANDIDATE_UNDECIDED)
			id = "UNDECIDED";
		else if (candidate->verdict != CANDIDATE_ACCEPTED ||
			 set->rules[candidate->rule].flags & RULE_HIDDEN)
			continue;
		if (!g_ptr_array_find_with_equal_func(ids, id, g_str_equal, NULL))
			g_ptr_array_add(ids, (gpointer)id);
	}
	g_ptr_array_add(ids, NULL);
	return g_strjoinv(",", (char **)ids->pdata);
}

static int compare_tallies(gconstpointer a, gconstpointer b)
{
	const struct tally *left = *(struct tally *const *)a, *right = *(struct tally *const *)b;
	int by_faults = (int)(right->positives - right->found + right->alarms) -
			(int)(left->positives - left->found + left->alarms);

	return by_faults != 0 ? by_faults : strcmp(left->label, right->label);
}

static struct tally *tally_of(GPtrArray *tallies, const char *label)
{
	for (guint i = 0; i < tallies->len; i++) {
		struct tally *tally = g_ptr_array_index(tallies, i);
		if (strcmp(tally->label, label) == 0)
			return tally;
	}
	struct tally *tally = g_new0(struct tally, 1);
	tally->label = g_strdup(label);
	g_ptr_array_add(tallies, tally);
	return tally;
}

static void print_share(const char *what, guint part, guint all)
{
	printf("%s %u of %u, %.1f %%\n", what, part, all, all != 0 ? 100.0 * part / all : 0.0);
}

static void print_summary(GPtrArray *tallies, GString *faults)
{
	struct tally all = {0};

	g_ptr_array_sort(tallies, compare_tallies);
	printf("%s", faults->str);
	printf("\n%-44s %9s %9s\n", "label", "found", "refused");
	for (guint i = 0; i < tallies->len; i++) {
		const struct tally *tally = g_ptr_array_index(tallies, i);
		if (tally->positives != tally->found || tally->alarms != 0)
			printf("%-44s %4u/%4u %4u/%4u\n", tally->label, tally->found,
				tally->positives, tally->negatives - tally->alarms,
				tally->negatives);
		all.positives += tally->positives;
		all.found += tally->found;
		all.negatives += tally->negatives;
		all.alarms += tally->alarms;
	}
	printf("\n");
	print_share("positives found:  ", all.found, all.positives);
	print_share("negatives refused:", all.negatives - all.alarms, all.negatives);
	print_share("precision:        ", all.found, all.found + all.alarms);
}

static void read_cases(struct matcher_thread *thread, const struct rule_set *set)
{
	FILE *file = places != NULL && strcmp(places[0], "-") != 0 ? fopen(places[0], "r") : stdin;
	g_autoptr(GPtrArray) tallies = g_ptr_array_new();
	g_autoptr(GString) faults = g_string_new(NULL);
	char *line = NULL;
	size_t room = 0;
	guint number = 0;

	if (file == NULL) {
		perror(places[0]);
		exit(2);
	}
	for (ssize_t len; (len = getline(&line, &room, file)) > 0;) {
		GError *error = NULL;
		number++;
		g_autoptr(json_object) one =
			json_parse(line, (gsize)len, &json_limits_report, &error);
		const char *kind = one != NULL ? json_get_text(one, "kind", &error) : NULL;
		const char *label = kind != NULL ? json_get_text(one, "label", &error) : NULL;
		const char *text = label != NULL ? json_get_text(one, "text", &error) : NULL;
		if (text == NULL) {
			fprintf(stderr, "match_cases: line %u: %s\n", number, error->message);
			exit(2);
		}
		g_autofree char *ids = rules_of(thread, set, text);
		struct tally *tally = tally_of(tallies, label);
		gboolean is_positive = strcmp(kind, "positive") == 0, is_hit = ids[0] != '\0';
		tally->positives += is_positive;
		tally->found += is_positive && is_hit;
		tally->negatives += !is_positive;
		tally->alarms += !is_positive && is_hit;
		if (!summary)
			printf("%u\t%s\t%s\t%s\n", number, kind, label, ids);
		else if (is_positive != is_hit)
			g_string_append_printf(faults, "%s\t%u\t%s\t%s%s%.160s\n",
				is_positive ? "missed" : "alarm", number, label, ids,
				is_hit ? "\t" : "",
				json_object_to_json_string(json_object_object_get(one, "text")));
	}
	free(line);
	if (summary)
		print_summary(tallies, faults);
}

struct measure {
	gint64 bytes, files;
	double sieve_s, judge_s;
	double *rule_s;
	guint *accepted, *judged;
	GArray *found;
};

static void measure_file(struct matcher_thread *thread, struct measure *measure, const char *path)
{
	g_autofree char *text = NULL;
	gsize len = 0;

	if (!g_file_get_contents(path, &text, &len, NULL) || len > 64 * 1024 * 1024 ||
		memchr(text, '\0', MIN(len, 8192)) != NULL)
		return;
	double start = seconds();
	g_array_set_size(measure->found, 0);
	matcher_sieve(thread, (const guint8 *)text, len, 0, len, measure->found);
	measure->sieve_s += seconds() - start;
	for (guint i = 0; i < measure->found->len; i++) {
		struct candidate *candidate = &g_array_index(measure->found, struct candidate, i);
		start = seconds();
		matcher_judge(thread, (const guint8 *)text, len, candidate);
		double spent = seconds() - start;
		measure->judge_s += spent;
		measure->rule_s[candidate->rule] += spent;
		measure->judged[candidate->rule]++;
		measure->accepted[candidate->rule] += candidate->verdict == CANDIDATE_ACCEPTED;
		if (verbose && candidate->verdict == CANDIDATE_ACCEPTED)
			printf("%s:%u rule %u: %.*s\n", path, candidate->secret_at, candidate->rule,
				(int)MIN(candidate->secret_len, 120), text + candidate->secret_at);
	}
	measure->bytes += (gint64)len;
	measure->files++;
}

static void measure_folder(struct matcher_thread *thread, struct measure *measure, const char *path)
{
	g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
	const char *name;

	if (folder == NULL) {
		measure_file(thread, measure, path);
		return;
	}
	while ((name = g_dir_read_name(folder)) != NULL) {
		g_autofree char *below = g_build_filename(path, name, NULL);
		if (g_file_test(below, G_FILE_TEST_IS_SYMLINK) || strcmp(name, ".git") == 0)
			continue;
		measure_folder(thread, measure, below);
	}
}

static int compare_counts(gconstpointer a, gconstpointer b, gpointer data)
{
	const struct measure *measure = data;
	guint left = measure->judged[*(const guint *)a], right = measure->judged[*(const guint *)b];

	return left < right ? 1 : left > right ? -1 : 0;
}

static void print_measure(
	struct matcher_thread *thread, const struct rule_set *set, struct measure *measure)
{
	struct matcher_counts counts = matcher_thread_counts(thread);
	double mib = (double)measure->bytes / 1048576;
	g_autofree guint *order = g_new(guint, set->n);

	printf("%" G_GINT64_FORMAT " files, %.1f MiB; sieve %.3f s, %.0f MiB/s; judge %.3f s\n",
		measure->files, mib, measure->sieve_s, mib / measure->sieve_s, measure->judge_s);
	printf("candidates %" G_GUINT64_FORMAT ", accepted %" G_GUINT64_FORMAT
	       ", undecided %" G_GUINT64_FORMAT ", encoded runs looked into %" G_GUINT64_FORMAT
	       " (%" G_GUINT64_FORMAT " bytes)\n",
		counts.sieve_matches, counts.accepted, counts.undecided, counts.runs_decoded,
		counts.run_bytes);
	printf("%-40s %10s %10s %10s\n", "rule", "a MiB", "accepted", "judge us");
	for (guint i = 0; i < set->n; i++)
		order[i] = i;
	g_qsort_with_data(order, (gint)set->n, sizeof(guint), compare_counts, measure);
	for (guint i = 0; i < MIN(set->n, 40) && measure->judged[order[i]] > 0; i++) {
		guint rule = order[i];
		printf("%-40s %10.2f %10u %10.1f\n", set->rules[rule].id,
			measure->judged[rule] / mib, measure->accepted[rule],
			1e6 * measure->rule_s[rule] / measure->judged[rule]);
	}
}

int main(int argc, char **argv)
{
	GError *error = NULL;
	g_autoptr(GOptionContext) context = g_option_context_new("[FILE]");

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		give_up(error);
	const char *const none[] = {NULL};
	struct rule_options options = {.no_builtin = no_builtin};
	options.paths = rule_files != NULL ? (const char *const *)rule_files : none;
	options.only = (const char *const *)only;
	options.without = (const char *const *)without;
	g_autoptr(RuleSet) set = rule_set_load(&options, &error);
	if (set == NULL)
		give_up(error);
	for (guint i = 0; i < set->n_problems; i++)
		fprintf(stderr, "%s:%u: %s\n", set->problems[i].source, set->problems[i].line,
			set->problems[i].text);
	gint64 start = g_get_monotonic_time();
	g_autoptr(matcher) matcher = matcher_new(set, cache, &error);
	if (matcher == NULL)
		give_up(error);
	fprintf(stderr, "%u rules, ready after %.1f ms%s\n", set->n,
		(double)(g_get_monotonic_time() - start) / 1000,
		matcher_was_cached(matcher) ? " from the cache" : "");
	if (!matcher_check(matcher, &error))
		give_up(error);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(matcher_thread) thread = matcher_thread_new(matcher, secrets);
	matcher_thread_set_anew(thread, TRUE);
	if (tree == NULL) {
		read_cases(thread, set);
		return 0;
	}
	struct measure measure = {0};
	measure.rule_s = g_new0(double, set->n + 1);
	measure.accepted = g_new0(guint, set->n + 1);
	measure.judged = g_new0(guint, set->n + 1);
	measure.found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	measure_folder(thread, &measure, tree);
	print_measure(thread, set, &measure);
	return 0;
}
