/* SPDX-License-Identifier: MIT */
/*
 * Hits by secret. A file may hold thousands of secrets, and each is asked for its own places: who
 * went through all hits for each of them would never end.
 */
#include "config.h"
#include "jobs/scan/state_order.h"

#include "jobs/scan/state_store.h"

static int pointer_compare(gconstpointer a, gconstpointer b)
{
	const struct state_hit *x = *(const struct state_hit *const *)a;
	const struct state_hit *y = *(const struct state_hit *const *)b;

	if (x->hit.secret != y->hit.secret)
		return x->hit.secret < y->hit.secret ? -1 : 1;
	return (x > y) - (x < y);
}

void hit_order_make(const struct state_hit *hits, gsize n, const struct state_hit **order)
{
	for (gsize i = 0; i < n; i++)
		order[i] = &hits[i];
	if (n > 1)
		qsort(order, n, sizeof(*order), pointer_compare);
}

static gsize lower_bound(const struct state_hit *const *order, gsize n, guint64 secret)
{
	gsize low = 0, high = n;

	while (low < high) {
		gsize middle = low + (high - low) / 2;
		if (order[middle]->hit.secret < secret)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct state_hit *const *hit_order_find(
	const struct state_hit *const *order, gsize n, guint32 secret, gsize *found)
{
	gsize from = lower_bound(order, n, secret);

	*found = lower_bound(order + from, n - from, (guint64)secret + 1);
	return order + from;
}

const struct state_hit *const *state_hits_by_secret(struct state *state, guint32 blob, gsize *n)
{
	gsize all;
	const struct state_hit *hits = state_hits(state, &all);

	if (state->hit_order == NULL) {
		state->hit_order = g_new(const struct state_hit *, all + 1);
		for (gsize from = 0, to; from < all; from = to) {
			for (to = from + 1; to < all && hits[to].hit.blob == hits[from].hit.blob;)
				to++;
			hit_order_make(hits + from, to - from, state->hit_order + from);
		}
	}
	const struct state_hit *first = state_blob_hits(state, blob, n);
	return state->hit_order + (*n > 0 ? first - hits : 0);
}

const struct state_hit *const *state_secret_hits(
	struct state *state, guint32 blob, guint32 secret, gsize *n)
{
	gsize all;
	const struct state_hit *const *order = state_hits_by_secret(state, blob, &all);

	return hit_order_find(order, all, secret, n);
}
