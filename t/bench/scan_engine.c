/* SPDX-License-Identifier: MIT */
/*
 * Where the time of a scan goes, part by part, in one process: what t/bench/scan shows in its
 * second table, and what to run below perf.
 *
 * usage: scan_engine [--threads N] [--cache FOLDER] [--part NAME] OBJECTS_FOLDER
 *
 * Parts: "walk" visits all objects and does nothing, "blobs" only blobs, "scan" scans them, "full"
 * scans them without inheritance. All but "full" unless one is named. Prints for each: seconds on
 * the clock, seconds of CPU, peak memory so far, and what was done.
 */
#include "config.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "jobs/scan/depot.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/scan.h"

static gint threads = 2;
static gchar *cache, *part;
static gchar **folders;

/* clang-format off */
static const GOptionEntry options[] = {
	{ "threads", 0, 0, G_OPTION_ARG_INT, &threads, "how many", "N" },
	{ "cache", 0, 0, G_OPTION_ARG_FILENAME, &cache, "for the compiled rules", "FOLDER" },
	{ "part", 0, 0, G_OPTION_ARG_STRING, &part, "walk, blobs, scan or full", "NAME" },
	{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &folders, NULL, "OBJECTS_FOLDER" },
	{ NULL },
};
/* clang-format on */

struct clocks {
	gint64 wall;
	double cpu;
};

static struct clocks clocks_now(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (struct clocks){g_get_monotonic_time(),
		(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6};
}

static void part_print(const char *name, const struct clocks *begin, const char *note)
{
	struct clocks now = clocks_now();
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("%-8s %8.3f s %8.3f s CPU %7.1f MB  %s\n", name,
		(double)(now.wall - begin->wall) / 1e6, now.cpu - begin->cpu,
		(double)usage.ru_maxrss / 1024, note);
	fflush(stdout);
}

static gboolean is_asked(const char *name)
{
	return part == NULL || g_strcmp0(part, name) == 0;
}

static gpointer visit_nothing(gpointer data, const struct depot_object *object)
{
	return NULL;
}

static gboolean walk_run(struct depot *depot, const char *name, guint mask, GError **error)
{
	const struct depot_visitor visitor = {.visit = visit_nothing};
	struct depot_progress progress = {0};
	struct clocks begin = clocks_now();
	if (!depot_walk(depot, mask, NULL, &visitor, NULL, &progress, error))
		return FALSE;
	g_autofree char *note =
		g_strdup_printf("%" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " bytes",
			progress.objects, progress.bytes);
	part_print(name, &begin, note);
	return TRUE;
}

static gboolean scan_run(struct depot *depot, struct matcher *matcher, const char *name,
	gboolean is_whole, GError **error)
{
	struct secret_table *secrets = secret_table_new();
	struct scan_options scan_options = {.threads = (guint)threads, .is_whole = is_whole};
	struct clocks begin = clocks_now();
	g_autoptr(Scan) scan = scan_new(matcher, secrets, &scan_options);
	gboolean is_good = scan_blobs(scan, depot, NULL, NULL, error);
	const struct scan_coverage *c = scan_coverage(scan);
	gsize n;
	scan_hits(scan, &n);
	g_autofree char *note =
		g_strdup_printf("%" G_GUINT64_FORMAT " blobs, %" G_GUINT64_FORMAT
				" bytes, %" G_GUINT64_FORMAT " sieved, %zu hits of %u secrets",
			c->scanned, c->bytes, c->sieved, n, secret_table_count(secrets));
	part_print(name, &begin, note);
	g_clear_pointer(&scan, scan_free);
	secret_table_free(secrets);
	return is_good;
}

static gboolean parts_run(struct depot *depot, struct matcher *matcher, GError **error)
{
	if (is_asked("walk") && !walk_run(depot, "walk", DEPOT_MASK_ALL, error))
		return FALSE;
	if (is_asked("blobs") && !walk_run(depot, "blobs", DEPOT_MASK(DEPOT_BLOB), error))
		return FALSE;
	if (is_asked("scan") && !scan_run(depot, matcher, "scan", FALSE, error))
		return FALSE;
	return g_strcmp0(part, "full") != 0 || scan_run(depot, matcher, "full", TRUE, error);
}

static gboolean run(GError **error)
{
	struct rule_options rule_options = {0};
	struct clocks begin = clocks_now();
	g_autoptr(RuleSet) rules = rule_set_load(&rule_options, error);
	if (rules == NULL)
		return FALSE;
	struct matcher *matcher = matcher_new(rules, cache, error);
	if (matcher == NULL)
		return FALSE;
	g_autofree char *note = g_strdup_printf("%u rules, %s, margin %u", rules->n,
		matcher_was_cached(matcher) ? "cached" : "compiled", matcher_margin(matcher));
	part_print("rules", &begin, note);
	begin = clocks_now();
	struct depot_options depot_options = {.threads = (guint)threads};
	g_autoptr(Depot) depot = depot_open((const char *const *)folders, &depot_options, error);
	gboolean is_good = depot != NULL;
	if (is_good) {
		part_print("open", &begin, "");
		is_good = parts_run(depot, matcher, error);
	}
	matcher_free(matcher);
	return is_good;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || folders == NULL) {
		fprintf(stderr, "scan_engine: %s\n",
			error != NULL ? error->message : "which folder?");
		return 2;
	}
	if (!run(&error)) {
		fprintf(stderr, "scan_engine: %s\n", error != NULL ? error->message : "failed");
		return 1;
	}
	return 0;
}
