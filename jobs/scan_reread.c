/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_reread.h"

/* The versions of files that are read again. */
struct sources {
	struct scan_job *job;
	struct depot_reader *reader;
	GMutex lock;     /* a reader is used by one thread at a time */
	GArray *numbers; /* guint32: in the depot */
	GArray *blobs;   /* guint32: the same in the state */
};

static GBytes *source_copy(struct sources *sources, guint32 number, gsize max)
{
	const guint8 *bytes = NULL;
	GBytes *copy = NULL;
	gsize len = 0;

	g_mutex_lock(&sources->lock);
	if (depot_read(sources->reader, number, max, NULL, &bytes, &len, NULL))
		copy = g_bytes_new(bytes, len);
	g_mutex_unlock(&sources->lock);
	return copy;
}

static GBytes *source_get(
	gpointer data, guint32 item, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	struct sources *sources = data;
	guint32 number = g_array_index(sources->numbers, guint32, item);
	gsize max = (gsize)sources->job->flags->blob_max_bytes;
	GBytes *copy = source_copy(sources, number, MIN(max, BUDGET_SMALL));

	if (copy == NULL && max > BUDGET_SMALL) {
		budget_take(lease, max);
		copy = source_copy(sources, number, max);
		budget_give(lease, copy != NULL ? g_bytes_get_size(copy) : 0);
	}
	*gap = SCAN_GAP_UNREADABLE;
	return copy;
}

/* One version for each secret. */
static void sources_collect(
	struct sources *sources, struct state *state, struct depot *depot, GHashTable *wanted)
{
	g_autoptr(GHashTable) has = g_hash_table_new(NULL, NULL);
	guint32 last = STATE_NONE, number = 0;
	gsize n = 0;
	const struct state_hit *hits = state_hits(state, &n);

	for (gsize i = 0; i < n; i++) {
		gpointer key = GUINT_TO_POINTER(hits[i].hit.secret);
		if (hits[i].inner != 0 || !g_hash_table_contains(wanted, key) ||
			g_hash_table_contains(has, key) ||
			!depot_find(depot, state_blob(state, hits[i].hit.blob), &number))
			continue;
		g_hash_table_add(has, key);
		/* They are sorted by blob. */
		if (hits[i].hit.blob == last)
			continue;
		last = hits[i].hit.blob;
		g_array_append_val(sources->numbers, number);
		g_array_append_val(sources->blobs, last);
	}
}

/* A pending secret is known by its bytes; another by the place where the state has it. */
static void secret_meet(struct state *state, guint32 blob, const struct hit *hit,
	struct secret_table *secrets, GHashTable *wanted)
{
	const char *family = "";
	gsize len = 0, n = 0;
	const guint8 *bytes = secret_table_get(secrets, hit->secret, &family, &len);
	gpointer value = GUINT_TO_POINTER(hit->secret);
	guint32 pending = state_find_pending(state, family, bytes, len);
	const struct state_hit *known = state_blob_hits(state, blob, &n);

	if (g_hash_table_contains(wanted, GUINT_TO_POINTER(pending)))
		g_hash_table_insert(wanted, GUINT_TO_POINTER(pending), value);
	for (gsize i = 0; i < n && pending == 0; i++) {
		gpointer key = GUINT_TO_POINTER(known[i].hit.secret);
		if (known[i].inner == 0 && known[i].hit.at == hit->at &&
			known[i].hit.len == hit->len && known[i].hit.rule == hit->rule &&
			!state_secret(state, known[i].hit.secret)->is_pending &&
			g_hash_table_contains(wanted, key))
			g_hash_table_insert(wanted, key, value);
	}
}

static gboolean sources_read(struct sources *sources, struct state *state,
	struct secret_table *secrets, GHashTable *wanted, GError **error)
{
	gsize n = 0;
	g_autoptr(Scan) scan = scan_job_scan(sources->job, NULL, secrets, SCAN_JOB_PLAIN, error);

	if (scan == NULL)
		return FALSE;
	/* One that is cut short leaves secrets missing. */
	scan_items(scan, sources->numbers->len, source_get, sources, &sources->job->progress, NULL);
	const struct hit *hits = scan_hits(scan, &n);
	for (gsize i = 0; i < n; i++)
		secret_meet(state, g_array_index(sources->blobs, guint32, hits[i].blob), &hits[i],
			secrets, wanted);
	return TRUE;
}

gboolean scan_reread(struct scan_job *job, struct state *state, struct depot *depot,
	struct secret_table *secrets, GHashTable *wanted, gsize *n_missing, GError **error)
{
	struct sources sources = {.job = job,
		.numbers = g_array_new(FALSE, FALSE, sizeof(guint32)),
		.blobs = g_array_new(FALSE, FALSE, sizeof(guint32))};
	GHashTableIter iter;
	gpointer value;

	g_mutex_init(&sources.lock);
	sources.reader = depot_reader_new(depot);
	sources_collect(&sources, state, depot, wanted);
	gboolean is_done =
		sources.numbers->len == 0 || sources_read(&sources, state, secrets, wanted, error);
	depot_reader_free(sources.reader);
	g_mutex_clear(&sources.lock);
	g_array_unref(sources.numbers);
	g_array_unref(sources.blobs);
	*n_missing = 0;
	g_hash_table_iter_init(&iter, wanted);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		*n_missing += value == NULL;
	return is_done;
}
