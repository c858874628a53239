/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/scan.h"

#include <string.h>

#include "jobs/scan/content.h"
#include "jobs/scan/depot.h"
#include "lib/error.h"

/* Blobs between two looks at the progress; small items may take long, so each counts there. */
#define PROGRESS_BLOBS 256

struct scan {
	struct content_shared shared;
	struct secret_table *secrets;
	guint threads;
	guint64 hits_max;
	struct content **contents; /* a thread's each, made when it first runs */
	GArray *hits;
	GArray *gaps;
	GArray *archives; /* guint32 */
	struct scan_coverage coverage;
	guint decode_depth;
	gboolean has_decode_depth;
	GHashTable *reported; /* numbers of depot problems that are gaps already */
};

struct scan *scan_new(
	struct matcher *matcher, struct secret_table *secrets, const struct scan_options *options)
{
	struct scan *scan = g_new0(struct scan, 1);
	scan->hits_max = options->hits_max > 0 ? options->hits_max : SCAN_HITS_MAX;
	scan->threads =
		CLAMP(options->threads > 0 ? options->threads : g_get_num_processors(), 1, 256);
	scan->shared = (struct content_shared){
		.matcher = matcher,
		.budget = budget_new(options->memory_bytes),
		.blob_max_bytes =
			options->blob_max_bytes > 0 ? options->blob_max_bytes : SCAN_BLOB_MAX,
		.hits_max = scan->hits_max / scan->threads,
		.states_max = CONTENT_STATES_BYTES,
		.is_binary = options->is_binary,
		.is_whole = options->is_whole,
		.has_archives = options->has_archives,
	};
	scan->secrets = secrets;
	scan->decode_depth = options->decode_depth;
	scan->has_decode_depth = options->has_decode_depth;
	scan->contents = g_new0(struct content *, scan->threads);
	scan->hits = g_array_new(FALSE, FALSE, sizeof(struct hit));
	scan->gaps = g_array_new(FALSE, TRUE, sizeof(struct scan_gap));
	scan->archives = g_array_new(FALSE, FALSE, sizeof(guint32));
	scan->reported = g_hash_table_new(g_direct_hash, g_direct_equal);
	return scan;
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	for (guint i = 0; i < scan->threads; i++) {
		if (scan->contents[i] == NULL)
			continue;
		matcher_thread_free(scan->contents[i]->thread);
		content_free(scan->contents[i]);
	}
	g_free(scan->contents);
	budget_free(scan->shared.budget);
	g_array_unref(scan->hits);
	g_array_unref(scan->gaps);
	g_array_unref(scan->archives);
	g_hash_table_unref(scan->reported);
	g_free(scan);
}

/* Only ever called by the thread of that number, or by the caller while no other runs. */
static struct content *content_of(struct scan *scan, guint thread)
{
	if (scan->contents[thread] == NULL) {
		struct matcher_thread *own =
			matcher_thread_new(scan->shared.matcher, scan->secrets);
		if (scan->has_decode_depth)
			matcher_thread_set_depth(own, scan->decode_depth);
		matcher_thread_set_anew(own, scan->shared.is_whole);
		scan->contents[thread] = content_new(&scan->shared, own);
	}
	return scan->contents[thread];
}

static gint hit_compare_blob(gconstpointer a, gconstpointer b)
{
	const struct hit *x = a, *y = b;
	if (x->blob != y->blob)
		return x->blob < y->blob ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->secret < y->secret ? -1 : x->secret > y->secret;
}

static gint number_compare(gconstpointer a, gconstpointer b)
{
	guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
	return x < y ? -1 : x > y;
}

static gint gap_compare(gconstpointer a, gconstpointer b)
{
	const struct scan_gap *x = a, *y = b;
	if (x->blob != y->blob)
		return x->blob < y->blob ? -1 : 1;
	if (x->reason != y->reason)
		return x->reason < y->reason ? -1 : 1;
	return memcmp(&x->oid, &y->oid, sizeof(x->oid));
}

/* Takes over what the threads found; all are through. */
static void contents_collect(struct scan *scan)
{
	for (guint i = 0; i < scan->threads; i++) {
		struct content *content = scan->contents[i];
		if (content == NULL)
			continue;
		struct scan_coverage *sum = &scan->coverage, *part = &content->coverage;
		g_array_append_vals(scan->hits, content->hits->data, content->hits->len);
		g_array_append_vals(scan->gaps, content->gaps->data, content->gaps->len);
		g_array_unref(content->hits);
		content->hits = g_array_new(FALSE, FALSE, sizeof(struct hit));
		g_array_set_size(content->gaps, 0);
		g_array_append_vals(
			scan->archives, content->archives->data, content->archives->len);
		g_array_set_size(content->archives, 0);
		sum->eligible += part->eligible;
		sum->scanned += part->scanned;
		sum->bytes += part->bytes;
		sum->sieved += part->sieved;
		for (guint k = 0; k < SCAN_GAP_COUNT; k++)
			sum->gaps[k] += part->gaps[k];
		sum->undecided += part->undecided;
		sum->hits_dropped += part->hits_dropped;
		*part = (struct scan_coverage){0};
	}
	scan->shared.hits_max =
		(scan->hits_max - MIN(scan->hits_max, scan->hits->len)) / scan->threads;
	if (scan->hits->len > 1)
		qsort(scan->hits->data, scan->hits->len, sizeof(struct hit), hit_compare_blob);
	g_array_sort(scan->archives, number_compare);
	if (scan->gaps->len > 1)
		qsort(scan->gaps->data, scan->gaps->len, sizeof(struct scan_gap), gap_compare);
	if (scan->gaps->len > SCAN_GAPS_MAX)
		g_array_set_size(scan->gaps, SCAN_GAPS_MAX);
}

/* The threads know numbers only; what outlives the depot needs names. */
static void gaps_name(struct scan *scan, const struct depot *depot)
{
	for (guint i = 0; i < scan->threads; i++) {
		GArray *gaps = scan->contents[i] != NULL ? scan->contents[i]->gaps : NULL;
		for (guint k = 0; gaps != NULL && k < gaps->len; k++) {
			struct scan_gap *gap = &g_array_index(gaps, struct scan_gap, k);
			gap->oid = *depot_oid(depot, gap->blob);
		}
	}
}

static void counter_add(guint64 *counter, guint64 n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* What a thread has not yet added to the counters that others look at. */
struct pending {
	guint blobs;
	guint64 bytes, hits;
};

static void pending_add(struct pending *pending, struct scan_progress *progress)
{
	if (progress == NULL)
		return;
	counter_add(&progress->blobs, pending->blobs);
	counter_add(&progress->bytes, pending->bytes);
	counter_add(&progress->hits, pending->hits);
	*pending = (struct pending){0};
}

struct walk {
	struct scan *scan;
	struct scan_progress *progress;
	struct depot_progress depot_progress;
};

/* A line of the cache to itself: each thread writes its own at every blob. */
struct walker {
	struct walk *walk;
	struct content *content;
	struct pending pending;
} __attribute__((aligned(128)));

static void walker_report(struct walker *walker)
{
	struct walk *walk = walker->walk;
	pending_add(&walker->pending, walk->progress);
	if (walk->progress == NULL)
		return;
	guint64 total = __atomic_load_n(&walk->depot_progress.objects_expected, __ATOMIC_RELAXED);
	__atomic_store_n(&walk->progress->blobs_total, total, __ATOMIC_RELAXED);
	if (g_atomic_int_get(&walk->progress->is_cancelled))
		g_atomic_int_set(&walk->depot_progress.cancel, TRUE);
}

static gpointer walker_visit(gpointer thread_data, const struct depot_object *object)
{
	struct walker *walker = thread_data;
	guint hits = walker->content->hits->len;
	gpointer state = content_visit(walker->content, object);
	walker->pending.hits += walker->content->hits->len - hits;
	walker->pending.bytes += object->len;
	if (++walker->pending.blobs >= PROGRESS_BLOBS)
		walker_report(walker);
	return state;
}

static void walker_forget(gpointer thread_data, gpointer state)
{
	struct walker *walker = thread_data;
	content_forget(&walker->walk->scan->shared, state);
}

static gpointer walker_begin(gpointer data, guint thread)
{
	struct walk *walk = data;
	struct walker *walker = g_aligned_alloc0(1, sizeof(struct walker), 128);
	walker->walk = walk;
	walker->content = content_of(walk->scan, thread);
	return walker;
}

static void walker_end(gpointer data, gpointer thread_data)
{
	struct walker *walker = thread_data;
	walker_report(walker);
	g_aligned_free(walker);
}

static enum scan_gap_reason gap_of_problem(enum depot_reason reason)
{
	return reason == DEPOT_TOO_LARGE ? SCAN_GAP_TOO_BIG : SCAN_GAP_UNREADABLE;
}

static gboolean is_wanted(const guint64 *wanted, guint32 number)
{
	return wanted == NULL || (wanted[number / 64] >> (number % 64) & 1);
}

/* What the depot could not read of what was wanted. Files of it count once, whatever was wanted. */
static void problems_collect(struct scan *scan, struct depot *depot, const guint64 *wanted)
{
	if (depot_problem_total(depot) == 0)
		return;
	g_autoptr(GArray) problems = depot_problem_list(depot);
	for (guint i = 0; i < problems->len; i++) {
		const struct depot_problem *problem =
			&g_array_index(problems, struct depot_problem, i);
		struct scan_gap gap = {
			.blob = problem->number, .reason = gap_of_problem(problem->reason)};
		if (problem->number != DEPOT_NONE) {
			enum depot_type type = depot_type(depot, problem->number);
			if ((type != DEPOT_BLOB && type != DEPOT_UNREADABLE) ||
				!is_wanted(wanted, problem->number) ||
				!g_hash_table_add(
					scan->reported, GUINT_TO_POINTER(problem->number + 1)))
				continue;
			gap.oid = *depot_oid(depot, problem->number);
		} else if (!g_hash_table_add(scan->reported,
				   problem->path != NULL ? (gpointer)problem->path
							 : GUINT_TO_POINTER(G_MAXUINT32))) {
			continue;
		}
		scan_add_gap(scan, &gap);
	}
	/* Those beyond what is kept by name, of whatever type they are. */
	guint total = depot_problem_total(depot);
	if (total > problems->len) {
		scan->coverage.eligible += total - problems->len;
		scan->coverage.gaps[SCAN_GAP_UNREADABLE] += total - problems->len;
	}
}

gboolean scan_blobs(struct scan *scan, struct depot *depot, const guint64 *wanted,
	struct scan_progress *progress, GError **error)
{
	struct walk walk = {.scan = scan, .progress = progress};
	const struct depot_visitor visitor = {
		.visit = walker_visit,
		.forget = walker_forget,
		.thread_begin = walker_begin,
		.thread_end = walker_end,
	};
	gint64 begin = g_get_monotonic_time();
	gboolean is_good = depot_walk(depot, DEPOT_MASK(DEPOT_BLOB), wanted, &visitor, &walk,
		&walk.depot_progress, error);
	gaps_name(scan, depot);
	contents_collect(scan);
	problems_collect(scan, depot, wanted);
	scan->coverage.elapsed_us += g_get_monotonic_time() - begin;
	return is_good;
}

void scan_bytes(struct scan *scan, guint32 number, const void *data, gsize len)
{
	gint64 begin = g_get_monotonic_time();
	content_bytes(content_of(scan, 0), number, data, len);
	contents_collect(scan);
	scan->coverage.elapsed_us += g_get_monotonic_time() - begin;
}

struct items {
	struct scan *scan;
	struct scan_progress *progress;
	scan_item_func get;
	gpointer data;
	guint32 n;
	guint32 next; /* atomic */
};

struct items_thread {
	struct items *items;
	guint number;
};

static void item_scan(struct items *items, struct content *content, guint32 number)
{
	enum scan_gap_reason reason = SCAN_GAP_UNSET;
	struct pending pending = {.blobs = 1};
	guint hits = content->hits->len;
	GBytes *bytes = items->get(items->data, number, &content->lease, &reason);
	if (bytes != NULL) {
		gsize len = 0;
		const guint8 *data = g_bytes_get_data(bytes, &len);
		content_bytes(content, number, len > 0 ? data : (const guint8 *)"", len);
		pending.bytes = len;
	} else if (reason != SCAN_GAP_UNSET) {
		content->coverage.eligible++;
		content_add_gap(content, number, reason);
	}
	if (bytes != NULL)
		g_bytes_unref(bytes);
	budget_give(&content->lease, 0);
	pending.hits = content->hits->len - hits;
	pending_add(&pending, items->progress);
}

static gboolean items_is_cancelled(const struct items *items)
{
	return items->progress != NULL && g_atomic_int_get(&items->progress->is_cancelled);
}

static gpointer items_run(gpointer data)
{
	struct items_thread *thread = data;
	struct items *items = thread->items;
	struct content *content = content_of(items->scan, thread->number);
	guint32 number;
	while (!items_is_cancelled(items) &&
		(number = __atomic_fetch_add(&items->next, 1, __ATOMIC_RELAXED)) < items->n)
		item_scan(items, content, number);
	return NULL;
}

gboolean scan_items(struct scan *scan, guint32 n, scan_item_func get, gpointer data,
	struct scan_progress *progress, GError **error)
{
	gint64 begin = g_get_monotonic_time();
	struct items items = {scan, progress, get, data, n, 0};
	guint count = MAX(MIN(scan->threads, n), 1);
	g_autofree struct items_thread *threads = g_new0(struct items_thread, count);
	g_autofree GThread **running = g_new0(GThread *, count);
	if (progress != NULL)
		__atomic_store_n(&progress->blobs_total, n, __ATOMIC_RELAXED);
	for (guint i = 0; i < count; i++) {
		threads[i] = (struct items_thread){&items, i};
		/* A thread that cannot be had is not needed: items go to whoever is free. */
		if (i > 0)
			running[i] = g_thread_try_new("scan", items_run, &threads[i], NULL);
	}
	items_run(&threads[0]);
	for (guint i = 1; i < count; i++)
		if (running[i] != NULL)
			g_thread_join(running[i]);
	contents_collect(scan);
	scan->coverage.elapsed_us += g_get_monotonic_time() - begin;
	if (items_is_cancelled(&items)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "the scan was cancelled");
		return FALSE;
	}
	return TRUE;
}

void scan_add_gap(struct scan *scan, const struct scan_gap *gap)
{
	scan->coverage.eligible++;
	scan->coverage.gaps[gap->reason]++;
	if (gap->reason != SCAN_GAP_BINARY && scan->gaps->len < SCAN_GAPS_MAX)
		g_array_append_vals(scan->gaps, gap, 1);
}

const struct hit *scan_hits(struct scan *scan, gsize *n)
{
	*n = scan->hits->len;
	return (const struct hit *)(gpointer)scan->hits->data;
}

const guint32 *scan_archives(const struct scan *scan, gsize *n)
{
	*n = scan->archives->len;
	return (const guint32 *)(gpointer)scan->archives->data;
}

void scan_add_archive(struct scan *scan, guint32 number, enum scan_gap_reason reason)
{
	struct scan_gap gap = {.blob = number, .reason = reason};
	if (reason == SCAN_GAP_UNSET) {
		scan->coverage.scanned++;
		return;
	}
	scan_add_gap(scan, &gap);
	scan->coverage.eligible--; /* it was counted when it was met */
}

const struct scan_coverage *scan_coverage(const struct scan *scan)
{
	return &scan->coverage;
}

const struct scan_gap *scan_gaps(const struct scan *scan, gsize *n)
{
	*n = scan->gaps->len;
	return (const struct scan_gap *)(gpointer)scan->gaps->data;
}

gboolean scan_gaps_are_all(const struct scan *scan)
{
	guint64 total = 0;

	for (guint k = SCAN_GAP_UNSET + 1; k < SCAN_GAP_COUNT; k++)
		total += k != SCAN_GAP_BINARY ? scan->coverage.gaps[k] : 0;
	return total == scan->gaps->len;
}
