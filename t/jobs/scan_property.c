/* SPDX-License-Identifier: MIT */
/*
 * Scans all blobs of a repository twice with the real depot and matcher, once by what deltas leave
 * and once in full, and compares every (blob, rule, secret, place).
 *
 * usage: scan_property [--threads N] [--rules FILE] OBJECTS_FOLDER
 *
 * Prints one line: "same HITS hits, SIEVED of BYTES bytes sieved" and ends with 0, or with 1 and
 * the first differences. No secret is printed.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "jobs/scan/depot.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/scan.h"

#define SHOWN_MAX 10

static gint threads = 2;
static gchar *rules_path;
static gchar **folders;

/* clang-format off */
static const GOptionEntry options[] = {
	{ "threads", 0, 0, G_OPTION_ARG_INT, &threads, "how many", "N" },
	{ "rules", 0, 0, G_OPTION_ARG_FILENAME, &rules_path, "beside the built-in ones", "FILE" },
	{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &folders, NULL, "OBJECTS_FOLDER" },
	{ NULL },
};
/* clang-format on */

static struct scan *scan_run(struct depot *depot, struct matcher *matcher,
	struct secret_table *secrets, gboolean is_whole, GError **error)
{
	struct scan_options scan_options = {.threads = (guint)threads, .is_whole = is_whole};
	struct scan *scan = scan_new(matcher, secrets, &scan_options);
	if (!scan_blobs(scan, depot, NULL, NULL, error)) {
		scan_free(scan);
		return NULL;
	}
	return scan;
}

static void hit_print(const char *what, const struct depot *depot, const struct rule_set *rules,
	const struct hit *hit)
{
	char hex[OID_HEX + 1];
	oid_format(depot_oid(depot, hit->blob), hex);
	printf("%s: %s %s secret %u at %u+%u match %u+%u %u:%u-%u:%u flags %u\n", what, hex,
		rules->rules[hit->rule].id, hit->secret, hit->at, hit->len, hit->match_at,
		hit->match_len, hit->line, hit->column, hit->end_line, hit->end_column, hit->flags);
}

static guint hits_compare(const struct depot *depot, const struct rule_set *rules,
	struct scan *by_delta, struct scan *in_full)
{
	gsize n, n_full, i = 0, k = 0;
	const struct hit *hits = scan_hits(by_delta, &n), *full = scan_hits(in_full, &n_full);
	guint differ = 0;
	while (i < n || k < n_full) {
		if (i < n && k < n_full && memcmp(&hits[i], &full[k], sizeof(struct hit)) == 0) {
			i++;
			k++;
			continue;
		}
		gint order = 0;
		if (i == n || k == n_full)
			order = i == n ? 1 : -1;
		else if (hits[i].blob != full[k].blob)
			order = hits[i].blob < full[k].blob ? -1 : 1;
		else if (hits[i].at != full[k].at)
			order = hits[i].at < full[k].at ? -1 : 1;
		else if (hits[i].rule != full[k].rule)
			order = hits[i].rule < full[k].rule ? -1 : 1;
		if (++differ <= SHOWN_MAX && order <= 0)
			hit_print("only by delta", depot, rules, &hits[i]);
		if (differ <= SHOWN_MAX && order >= 0)
			hit_print("only in full", depot, rules, &full[k]);
		i += order <= 0;
		k += order >= 0;
	}
	return differ;
}

static gboolean run(GError **error)
{
	const char *const paths[] = {rules_path, NULL};
	struct rule_options rule_options = {.paths = paths};
	g_autoptr(RuleSet) rules = rule_set_load(&rule_options, error);
	if (rules == NULL)
		return FALSE;
	g_autofree char *cache = g_strdup(g_getenv("MUSTER_TEST_CACHE"));
	struct matcher *matcher = matcher_new(rules, cache, error);
	if (matcher == NULL)
		return FALSE;
	struct depot_options depot_options = {.threads = (guint)threads};
	g_autoptr(Depot) depot = depot_open((const char *const *)folders, &depot_options, error);
	struct secret_table *secrets = secret_table_new();
	g_autoptr(Scan) by_delta = NULL;
	g_autoptr(Scan) in_full = NULL;
	guint differ = 0;
	if (depot != NULL)
		by_delta = scan_run(depot, matcher, secrets, FALSE, error);
	if (by_delta != NULL)
		in_full = scan_run(depot, matcher, secrets, TRUE, error);
	if (in_full != NULL) {
		const struct scan_coverage *a = scan_coverage(by_delta),
					   *b = scan_coverage(in_full);
		gsize n;
		scan_hits(in_full, &n);
		differ = hits_compare(depot, rules, by_delta, in_full);
		if (a->eligible != b->eligible || a->scanned != b->scanned ||
			a->bytes != b->bytes || memcmp(a->gaps, b->gaps, sizeof(a->gaps)) != 0)
			differ++;
		printf("%s %zu hits, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
		       " bytes sieved, %" G_GUINT64_FORMAT " blobs, %" G_GUINT64_FORMAT
		       " undecided\n",
			differ == 0 ? "same" : "other", n, a->sieved, b->sieved, a->scanned,
			a->undecided);
	}
	secret_table_free(secrets);
	matcher_free(matcher);
	return in_full != NULL && differ == 0;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || folders == NULL) {
		fprintf(stderr, "scan_property: %s\n",
			error != NULL ? error->message : "which folder?");
		return 2;
	}
	gboolean is_good = run(&error);
	if (error != NULL)
		fprintf(stderr, "scan_property: %s\n", error->message);
	return is_good ? 0 : 1;
}
