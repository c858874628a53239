/* SPDX-License-Identifier: MIT */
/* Samples of a state that have to be others, because a new rule knows something in them. */
#include "config.h"

#include "jobs/scan/state_store.h"

static void keep(GHashTable *texts, guint32 text)
{
	g_hash_table_remove(texts, GUINT_TO_POINTER(text));
}

/* Texts are shared: a file may be named like a sample. Leaves those that nothing names. */
static void named_keep(const struct state *state, GHashTable *texts)
{
	const struct state_result *result = &state->result;

	for (guint i = 0; i < state->hits->len; i++) {
		const struct state_hit *h = &g_array_index(state->hits, struct state_hit, i);
		keep(texts, h->sample);
		keep(texts, h->inner - 1);
	}
	for (guint i = 0; i < state->secrets->len; i++) {
		const struct state_secret *s =
			&g_array_index(state->secrets, struct state_secret, i);
		keep(texts, s->family);
		keep(texts, s->masked);
	}
	for (guint i = 0; i < state->holdings.entries->len; i++)
		keep(texts, g_array_index(state->holdings.entries, struct holding_entry, i).name);
	for (guint i = 0; i < result->sightings->len; i++)
		keep(texts, g_array_index(result->sightings, struct sighting, i).path);
	for (guint i = 0; i < result->refs->len; i++)
		keep(texts, g_array_index(result->refs, guint32, i));
	for (guint i = 0; i < result->commits->len; i++) {
		const struct state_commit *c =
			&g_array_index(result->commits, struct state_commit, i);
		keep(texts, c->author);
		keep(texts, c->email);
	}
}

void state_replace_samples(struct state *state, GHashTable *samples)
{
	g_autoptr(GHashTable) old = g_hash_table_new(NULL, NULL);
	GHashTableIter iter;
	gpointer text;

	for (guint i = 0; i < state->hits->len; i++) {
		struct state_hit *h = &g_array_index(state->hits, struct state_hit, i);
		guint64 key = STATE_SAMPLE_KEY(h->hit.secret, h->hit.rule);
		const char *sample = g_hash_table_lookup(samples, &key);
		if (sample == NULL)
			continue;
		if (h->sample != STATE_NONE)
			g_hash_table_add(old, GUINT_TO_POINTER(h->sample));
		h->sample = text_pool_add(&state->texts, sample, G_MAXSIZE);
	}
	named_keep(state, old);
	g_hash_table_iter_init(&iter, old);
	while (g_hash_table_iter_next(&iter, &text, NULL))
		text_pool_wipe(&state->texts, GPOINTER_TO_UINT(text));
	state->is_dirty = TRUE;
}
