/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_STATE_ORDER_H
#define MUSTER_JOBS_SCAN_STATE_ORDER_H

#include "jobs/scan/state.h"

/*
 * The hits of a blob by secret, and those of one secret, without a look at the others. In an order
 * of pointers those of one secret are a run, as they lie in the array: by entry of an archive, then
 * by place. All of it is borrowed until hits are added.
 *
 *	gsize n;
 *	const struct state_hit *const *own = state_secret_hits(state, blob, secret, &n);
 */
const struct state_hit *const *state_secret_hits(
	struct state *state, guint32 blob, guint32 secret, gsize *n);
/* All of the blob, *n of them. */
const struct state_hit *const *state_hits_by_secret(struct state *state, guint32 blob, gsize *n);

/* The same for hits that are in no state; order has room for n. */
void hit_order_make(const struct state_hit *hits, gsize n, const struct state_hit **order);
const struct state_hit *const *hit_order_find(
	const struct state_hit *const *order, gsize n, guint32 secret, gsize *found);

#endif
