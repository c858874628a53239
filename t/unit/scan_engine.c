/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/scan.h"

#include <glib/gstdio.h>
#include <string.h>

#include "jobs/scan/depot.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "t/unit/check.h"

static const char rule_text[] = "[[rules]]\nid = \"word\"\ndescription = \"A word\"\n"
				"regex = 'KEY-([0-9a-z]{8})'\nsieve = 'KEY-[0-9a-z]{8}'\n"
				"severity = \"low\"\nplaceholder = false\n";

struct stand {
	struct rule_set *rules;
	struct matcher *matcher;
	struct secret_table *secrets;
	struct scan *scan;
};

static void stand_init(struct stand *stand, const struct scan_options *options)
{
	g_autoptr(GError) error = NULL;
	stand->rules = rule_set_parse("rules.toml", rule_text, strlen(rule_text), &error);
	g_assert_no_error(error);
	stand->matcher = matcher_new(stand->rules, NULL, &error);
	g_assert_no_error(error);
	stand->secrets = secret_table_new();
	stand->scan = scan_new(stand->matcher, stand->secrets, options);
}

static void stand_clear(struct stand *stand)
{
	scan_free(stand->scan);
	secret_table_free(stand->secrets);
	matcher_free(stand->matcher);
	rule_set_free(stand->rules);
}

/* Each third item holds a secret on its second line, each seventh is binary, each tenth missing. */
static GBytes *item_get(
	gpointer data, guint32 number, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	struct scan_progress *progress = data;
	if (progress != NULL && number == 500)
		scan_progress_cancel(progress);
	if (number % 10 == 9) {
		*gap = SCAN_GAP_UNREADABLE;
		return NULL;
	}
	if (number % 10 == 8)
		return NULL;
	if (number % 7 == 3)
		return g_bytes_new_static("KEY-abcd1234\0", 14);
	g_autofree char *text = g_strdup_printf(
		number % 3 == 0 ? "one\n two KEY-abcd%04u\n" : "one\n two\n", number);
	return g_bytes_new(text, strlen(text));
}

static void test_items(void)
{
	struct scan_options options = {.threads = 4};
	struct scan_progress progress = {0};
	g_autoptr(GError) error = NULL;
	struct stand stand;
	gsize n, n_gaps;
	guint32 count = 5000, expected = 0, binary = 0;
	stand_init(&stand, &options);
	g_assert_true(scan_items(stand.scan, count, item_get, NULL, &progress, &error));
	g_assert_no_error(error);
	const struct hit *hits = scan_hits(stand.scan, &n);
	for (guint32 i = 0; i < count; i++) {
		if (i % 10 >= 8)
			continue;
		binary += i % 7 == 3;
		if (i % 7 == 3 || i % 3 != 0)
			continue;
		g_assert_cmpuint(expected, <, n);
		g_assert_cmpuint(hits[expected].blob, ==, i);
		g_assert_cmpuint(hits[expected].line, ==, 2);
		g_assert_cmpuint(hits[expected].column, ==, 10);
		g_assert_cmpuint(hits[expected].end_column, ==, 17);
		expected++;
	}
	g_assert_cmpuint(n, ==, expected);
	const struct scan_coverage *coverage = scan_coverage(stand.scan);
	g_assert_cmpuint(coverage->eligible, ==, count - count / 10);
	g_assert_cmpuint(coverage->gaps[SCAN_GAP_UNREADABLE], ==, count / 10);
	g_assert_cmpuint(coverage->gaps[SCAN_GAP_BINARY], ==, binary);
	g_assert_cmpuint(coverage->scanned, ==, coverage->eligible - count / 10 - binary);
	g_assert_true(scan_coverage_is_partly(coverage));
	const struct scan_gap *gaps = scan_gaps(stand.scan, &n_gaps);
	g_assert_cmpuint(n_gaps, ==, count / 10);
	g_assert_cmpuint(gaps[0].blob, ==, 9);
	g_assert_cmpstr(scan_gap_name(gaps[0].reason), ==, "unreadable");
	g_assert_cmpuint(scan_progress_get(&progress.blobs_total), ==, count);
	g_assert_cmpuint(scan_progress_get(&progress.blobs), ==, count);
	g_assert_cmpuint(scan_progress_get(&progress.hits), ==, n);

	/* More of it joins what is there. */
	scan_bytes(stand.scan, 2, "KEY-zyxw9876", 12);
	scan_bytes(stand.scan, 1, NULL, 0);
	hits = scan_hits(stand.scan, &n);
	g_assert_cmpuint(n, ==, expected + 1);
	g_assert_cmpuint(hits[1].blob, ==, 2);
	g_assert_cmpuint(hits[1].line, ==, 1);
	stand_clear(&stand);
}

/* What is in the hands of all threads just now, and was at most. */
struct alive {
	gint now, peak; /* atomic; in units of ITEM_BYTES */
};
#define ITEM_BYTES (2u << 20)
#define LARGE_ITEM 9 /* as large as so many, and than the budget */

static struct alive alive;

static void alive_drop(gpointer data)
{
	g_atomic_int_add(&alive.now, -GPOINTER_TO_INT(data));
}

/* Every seventh is larger than all that may be had. */
static GBytes *large_get(
	gpointer data, guint32 number, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	static const char line[] = "nothing to be seen on this line of text, go to the next\n";
	static char text[LARGE_ITEM * ITEM_BYTES];
	static gsize is_made;
	gint size = number % 7 == 3 ? LARGE_ITEM : 1;

	if (g_once_init_enter(&is_made)) {
		for (gsize i = 0; i < sizeof(text); i++)
			text[i] = line[i % (sizeof(line) - 1)];
		g_once_init_leave(&is_made, 1);
	}
	budget_take(lease, (guint64)size * ITEM_BYTES);
	gint now = g_atomic_int_add(&alive.now, size) + size;
	for (gint peak = g_atomic_int_get(&alive.peak);
		now > peak && !g_atomic_int_compare_and_exchange(&alive.peak, peak, now);)
		peak = g_atomic_int_get(&alive.peak);
	g_thread_yield();
	return g_bytes_new_with_free_func(
		text, (gsize)size * ITEM_BYTES, alive_drop, GINT_TO_POINTER(size));
}

static void test_memory(void)
{
	struct scan_options options = {.threads = 8, .memory_bytes = 3 * ITEM_BYTES};
	g_autoptr(GError) error = NULL;
	struct stand stand;
	stand_init(&stand, &options);
	alive = (struct alive){0};
	g_assert_true(scan_items(stand.scan, 40, large_get, NULL, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(scan_coverage(stand.scan)->scanned, ==, 40);
	g_assert_cmpint(alive.now, ==, 0);
	g_assert_cmpint(alive.peak, >=, LARGE_ITEM);
	g_assert_cmpint(alive.peak, <=, 3 + LARGE_ITEM);
	stand_clear(&stand);
}

static gpointer budget_run(gpointer data)
{
	struct budget_lease lease = {.budget = data};
	for (guint i = 0; i < 2000; i++) {
		guint64 first = (1 + i % 5) * BUDGET_SMALL, second = (1 + i % 3) * BUDGET_SMALL;
		budget_take(&lease, first);
		gint now = g_atomic_int_add(&alive.now, (gint)first) + (gint)first;
		budget_take(&lease, second);
		g_assert_cmpuint(lease.bytes, ==, first + second);
		/* Of all others no more than the budget, and one that is beyond it. */
		g_assert_cmpint(now, <=, (4 + 5 + 3) * (gint)BUDGET_SMALL);
		g_atomic_int_add(&alive.now, -(gint)first);
		budget_give(&lease, i % 2 ? first : 0);
		budget_give(&lease, 0);
		g_assert_cmpuint(lease.bytes, ==, 0);
	}
	budget_take(&lease, BUDGET_SMALL - 1);
	g_assert_cmpuint(lease.bytes, ==, 0);
	return NULL;
}

/* Who holds some and asks for more gets it in the end, whatever the others do. */
static void test_budget(void)
{
	struct budget *budget = budget_new(4 * BUDGET_SMALL);
	GThread *threads[6];
	alive = (struct alive){0};
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("budget", budget_run, budget);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	/* All was given back: it can be had at once. */
	struct budget_lease lease = {.budget = budget};
	budget_take(&lease, 4 * BUDGET_SMALL);
	g_assert_false(lease.is_beyond);
	budget_give(&lease, 0);
	budget_free(budget);
}

static void test_cancel(void)
{
	struct scan_options options = {.threads = 2};
	struct scan_progress progress = {0};
	g_autoptr(GError) error = NULL;
	struct stand stand;
	stand_init(&stand, &options);
	g_assert_false(scan_items(stand.scan, 5000, item_get, &progress, &progress, &error));
	check_refused(error, MUSTER_ERROR_BUSY, "cancelled");
	g_assert_cmpuint(scan_progress_get(&progress.blobs), <, 600);
	stand_clear(&stand);
}

static void test_caps(void)
{
	struct scan_options options = {.threads = 1, .blob_max_bytes = 20, .hits_max = 2};
	struct stand stand;
	gsize n;
	stand_init(&stand, &options);
	scan_bytes(stand.scan, 0, "KEY-abcd1234 .........", 22);
	scan_bytes(stand.scan, 1, "KEY-abcd1234", 12);
	g_assert_false(scan_coverage_is_partly(scan_coverage(stand.scan)));
	scan_bytes(stand.scan, 2, "KEY-abcd1235", 12);
	scan_bytes(stand.scan, 3, "KEY-abcd1236", 12);
	scan_hits(stand.scan, &n);
	g_assert_cmpuint(n, ==, 2);
	g_assert_cmpuint(scan_coverage(stand.scan)->hits_dropped, ==, 1);
	g_assert_cmpuint(scan_coverage(stand.scan)->gaps[SCAN_GAP_TOO_BIG], ==, 1);
	g_assert_true(scan_coverage_is_partly(scan_coverage(stand.scan)));
	stand_clear(&stand);
}

/* A loose object that is none, in a repository that has nothing else. */
static void test_damaged(void)
{
	g_autofree char *folder = check_folder_new();
	g_autofree char *inner = g_build_filename(folder, "ab", NULL);
	g_autofree char *path =
		g_build_filename(inner, "cdef0123456789abcdef0123456789abcdef01", NULL);
	const char *const folders[] = {folder, NULL};
	struct depot_options depot_options = {.threads = 2};
	struct scan_options options = {.threads = 2};
	struct scan_progress progress = {0};
	g_autoptr(GError) error = NULL;
	struct stand stand;
	gsize n;
	g_mkdir(inner, 0700);
	g_assert_true(g_file_set_contents(path, "no object", -1, NULL));
	g_autoptr(Depot) depot = depot_open(folders, &depot_options, &error);
	g_assert_no_error(error);
	stand_init(&stand, &options);
	for (guint i = 0; i < 2; i++) {
		g_assert_true(scan_blobs(stand.scan, depot, NULL, &progress, &error));
		g_assert_no_error(error);
		g_assert_cmpuint(scan_coverage(stand.scan)->gaps[SCAN_GAP_UNREADABLE], ==, 1);
	}
	g_assert_true(scan_coverage_is_partly(scan_coverage(stand.scan)));
	const struct scan_gap *gaps = scan_gaps(stand.scan, &n);
	g_assert_cmpuint(n, ==, 1);
	char hex[OID_HEX + 1];
	oid_format(&gaps[0].oid, hex);
	g_assert_cmpstr(hex, ==, "abcdef0123456789abcdef0123456789abcdef01");
	stand_clear(&stand);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func(
		"/scan/items are shared out to threads, and hits come in order", test_items);
	g_test_add_func("/scan/large items are there as far as the budget goes, and one beyond it",
		test_memory);
	g_test_add_func("/scan/whoever waits for memory gets it in the end", test_budget);
	g_test_add_func("/scan/it can be cancelled", test_cancel);
	g_test_add_func("/scan/what is over a cap is counted", test_caps);
	g_test_add_func("/scan/a damaged object is a gap, once, and no error", test_damaged);
	return check_run();
}
