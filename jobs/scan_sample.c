/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_sample.h"

#include <string.h>

#include "jobs/scan/finding_sample.h"
#include "jobs/scan_job.h"

struct scan_samples {
	struct state *state;
	gboolean is_shown;
	GHashTable *made;  /* guint64 -> char *: of this pass */
	GHashTable *again; /* guint64 -> char *: by the state's secret and rule */
	GArray *before;    /* struct state_hit: what the state had, by blob */
};

static GHashTable *table_new(void)
{
	return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

static guint64 key_of(const struct hit *hit)
{
	return STATE_SAMPLE_KEY(hit->secret, hit->rule);
}

struct scan_samples *scan_samples_new(struct state *state, gboolean is_shown)
{
	struct scan_samples *samples = g_new0(struct scan_samples, 1);

	samples->state = state;
	samples->is_shown = is_shown;
	samples->made = table_new();
	samples->again = table_new();
	samples->before = g_array_new(FALSE, FALSE, sizeof(struct state_hit));
	return samples;
}

void scan_samples_free(struct scan_samples *samples)
{
	if (samples == NULL)
		return;
	g_hash_table_unref(samples->made);
	g_hash_table_unref(samples->again);
	g_array_unref(samples->before);
	g_free(samples);
}

void scan_samples_begin(struct scan_samples *samples)
{
	gsize n = 0;
	const struct state_hit *hits = state_hits(samples->state, &n);

	g_hash_table_remove_all(samples->made);
	g_array_set_size(samples->before, 0);
	if (n > 0)
		g_array_append_vals(samples->before, hits, (guint)n);
}

void scan_samples_end(struct scan_samples *samples)
{
	if (g_hash_table_size(samples->again) > 0)
		state_replace_samples(samples->state, samples->again);
	g_hash_table_remove_all(samples->again);
}

const char *scan_samples_find(const struct scan_samples *samples, const struct hit *hit)
{
	guint64 key = key_of(hit);

	return g_hash_table_lookup(samples->made, &key);
}

const char *scan_samples_take(struct scan_samples *samples, const struct hit *hit, char *sample)
{
	guint64 key = key_of(hit);

	g_hash_table_insert(samples->made, g_memdup2(&key, sizeof(key)), sample);
	return sample;
}

/* What the state had in a blob. */
static const struct state_hit *known_find(
	const struct scan_samples *samples, const struct oid *blob, gsize *n)
{
	const struct state_hit *hits = (const struct state_hit *)(gpointer)samples->before->data;
	gsize low = 0, high = samples->before->len, end;
	guint32 number = high > 0 ? state_find_blob(samples->state, blob) : STATE_NONE;

	*n = 0;
	if (number == STATE_NONE)
		return NULL;
	while (low < high) {
		gsize middle = low + (high - low) / 2;
		if (hits[middle].hit.blob < number)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < samples->before->len && hits[end].hit.blob == number; end++)
		;
	*n = end - low;
	return hits + low;
}

static gboolean is_of(
	const struct scan_samples *samples, const struct state_hit *known, const char *inner)
{
	if (inner == NULL || known->inner == 0)
		return inner == NULL && known->inner == 0;
	return g_strcmp0(state_text(samples->state, known->inner - 1), inner) == 0;
}

static int by_place(gconstpointer a, gconstpointer b)
{
	const struct hit *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

GArray *scan_samples_merge(const struct scan_samples *samples, const struct oid *blob,
	const char *inner, const struct hit *hits, gsize n)
{
	GArray *all = g_array_sized_new(FALSE, FALSE, sizeof(struct hit), (guint)n);
	gsize n_known = 0;
	const struct state_hit *known = known_find(samples, blob, &n_known);

	g_array_append_vals(all, hits, (guint)n);
	for (gsize i = 0; i < n_known; i++)
		if (is_of(samples, &known[i], inner))
			g_array_append_val(all, known[i].hit);
	if (all->len > n)
		g_array_sort(all, by_place);
	return all;
}

gboolean scan_samples_are_stale(const struct scan_samples *samples, const struct oid *blob,
	const char *inner, const struct hit *hits, gsize n)
{
	gsize n_known = 0;
	const struct state_hit *known = known_find(samples, blob, &n_known);

	for (gsize i = 0; i < n_known; i++)
		if (is_of(samples, &known[i], inner) &&
			finding_sample_holds(hits, n, &known[i].hit))
			return TRUE;
	return FALSE;
}

void scan_samples_review(struct scan_samples *samples, const struct oid *blob, const char *inner,
	const GArray *all, const guint8 *bytes, gsize len)
{
	const struct hit *hits = (const struct hit *)(gconstpointer)all->data;
	gsize n_known = 0;
	const struct state_hit *known = known_find(samples, blob, &n_known);

	for (gsize i = 0; i < n_known; i++) {
		guint64 key = key_of(&known[i].hit);
		const struct state_secret *secret =
			state_secret(samples->state, known[i].hit.secret);
		double entropy;
		if (secret == NULL || !is_of(samples, &known[i], inner) ||
			!finding_sample_holds(hits, all->len, &known[i].hit) ||
			g_hash_table_contains(samples->again, &key))
			continue;
		const char *masked =
			scan_job_unmask(state_text(samples->state, secret->masked), &entropy);
		g_hash_table_insert(samples->again, g_memdup2(&key, sizeof(key)),
			finding_sample(bytes, len, hits, all->len, &known[i].hit, masked,
				samples->is_shown));
	}
}
