/* SPDX-License-Identifier: MIT */
/* The memory of a walk, and how its threads share what is left to do. */
#include "config.h"
#include "jobs/scan/depot_walk.h"

#include <string.h>

/* What all threads may have beyond the budget, each of them: not worth to wait for. */
#define HEAVY_BYTES_MIN (1u << 20)

static void room_make(gpointer data, const struct depot_buffer *keep, gsize more);

gboolean depot_worker_init(struct depot_worker *w, struct depot_walk *walk, guint thread)
{
	memset(w, 0, sizeof(*w));
	w->walk = walk;
	w->thread = thread;
	if (!depot_maker_init(&w->maker, walk->depot, &walk->held))
		return FALSE;
	w->maker.make_room = room_make;
	w->maker.room_data = w;
	return TRUE;
}

void depot_worker_clear(struct depot_worker *w)
{
	depot_worker_trim(w, 0);
	depot_reader_free(w->reader);
	depot_maker_clear(&w->maker);
}

void depot_worker_trim(struct depot_worker *w, gsize max_room)
{
	for (guint i = 0; i <= w->deepest; i++)
		if (w->buffers[i].room > max_room)
			depot_buffer_free(&w->maker, &w->buffers[i]);
	if (w->spare.room > max_room)
		depot_buffer_free(&w->maker, &w->spare);
	if (w->maker.inflated.room > max_room)
		depot_buffer_free(&w->maker, &w->maker.inflated);
	if (w->is_heavy) {
		g_mutex_lock(&w->walk->lock);
		w->is_heavy = w->walk->has_heavy = FALSE;
		g_cond_broadcast(&w->walk->lightened);
		g_mutex_unlock(&w->walk->lock);
	}
}

static gboolean is_over(const struct depot_worker *w, gsize more)
{
	gint64 held = __atomic_load_n(&w->walk->held, __ATOMIC_RELAXED);

	return (guint64)MAX(held, 0) + more > w->walk->depot->options.memory_bytes;
}

/* Idle buffers first, then the objects that will be needed last. */
static void budget_make(struct depot_worker *w, const struct depot_buffer *keep, gsize more)
{
	if (!is_over(w, more))
		return;
	for (guint i = w->top + 1; i < DEPOT_LEVELS; i++)
		if (&w->buffers[i] != keep)
			depot_buffer_free(&w->maker, &w->buffers[i]);
	if (&w->spare != keep)
		depot_buffer_free(&w->maker, &w->spare);
	/* The level below the top is what the object at hand is made from. */
	for (guint i = 0; i + 1 < w->top && is_over(w, more); i++) {
		struct depot_frame *frame = w->frames[i];
		if (frame == NULL || frame->share != NULL || frame->bytes == NULL)
			continue;
		frame->bytes = NULL;
		frame->is_dropped = TRUE;
		depot_buffer_free(&w->maker, &w->buffers[i]);
	}
}

/*
 * Beyond the budget one thread goes on alone, until its family is done; the others wait with what
 * little they hold, or large objects would be there as often as there are threads. Who goes on
 * never waits: it takes no gift before it is light again.
 */
static void room_make(gpointer data, const struct depot_buffer *keep, gsize more)
{
	struct depot_worker *w = data;
	struct depot_walk *walk = w->walk;

	budget_make(w, keep, more);
	if (w->is_heavy || more < HEAVY_BYTES_MIN) {
		__atomic_fetch_add(&walk->held, (gint64)more, __ATOMIC_RELAXED);
		return;
	}
	/* Looked at and counted under one lock: two that fit, each alone, need not fit together. */
	g_mutex_lock(&walk->lock);
	while (walk->has_heavy && is_over(w, more))
		g_cond_wait(&walk->lightened, &walk->lock);
	if (is_over(w, more))
		w->is_heavy = walk->has_heavy = TRUE;
	__atomic_fetch_add(&walk->held, (gint64)more, __ATOMIC_RELAXED);
	g_mutex_unlock(&walk->lock);
}

/* One link of the chain, from what lies in `buffer`. */
static gboolean step_make(
	struct depot_worker *w, guint32 at, struct depot_buffer *buffer, guint32 *len)
{
	const struct depot_node *node = &w->walk->plan.forest->nodes[at];
	struct depot_maker *maker = &w->maker;

	if (depot_maker_delta(maker, &w->walk->depot->packs[node->source], node->at, node->size,
		    *len) != DEPOT_FINE)
		return FALSE;
	if (maker->delta.is_in_order && maker->delta.len + DEPOT_SLACK <= buffer->room) {
		depot_delta_apply_in_place(&maker->delta, buffer->bytes);
	} else {
		if (!depot_buffer_reserve(maker, &w->spare, maker->delta.len))
			return FALSE;
		depot_delta_apply(&maker->delta, buffer->bytes, w->spare.bytes);
		struct depot_buffer made = w->spare;
		w->spare = *buffer;
		*buffer = made;
	}
	*len = maker->delta.len;
	return TRUE;
}

static gboolean chain_make(
	struct depot_worker *w, const GArray *chain, struct depot_buffer *buffer, guint32 *len)
{
	guint32 root = g_array_index(chain, guint32, chain->len - 1);
	const struct depot_node *node = &w->walk->plan.forest->nodes[root];
	guint8 type;

	if (node->reason != DEPOT_FINE)
		return FALSE;
	if (node->source == depot_loose_source(w->walk->depot)) {
		if (depot_maker_loose(&w->maker, (guint32)node->at, buffer, &type, len) !=
			DEPOT_FINE)
			return FALSE;
	} else {
		*len = node->size;
		if (!depot_buffer_reserve(&w->maker, buffer, node->size) ||
			depot_maker_inflate(&w->maker, &w->walk->depot->packs[node->source],
				node->at, node->size, buffer->bytes) != DEPOT_FINE)
			return FALSE;
	}
	for (guint i = chain->len - 1; i-- > 0;)
		if (!step_make(w, g_array_index(chain, guint32, i), buffer, len))
			return FALSE;
	return TRUE;
}

gboolean depot_frame_ensure(struct depot_worker *w, struct depot_frame *frame, guint level)
{
	const struct depot_node *nodes = w->walk->plan.forest->nodes;
	const guint8 *bytes;
	guint8 type;
	guint32 len = 0;

	if (!frame->is_dropped)
		return TRUE;
	frame->is_dropped = FALSE;
	GArray *chain = g_array_new(FALSE, FALSE, sizeof(guint32));
	for (guint32 at = frame->node; at != DEPOT_NONE; at = nodes[at].parent)
		g_array_append_val(chain, at);
	w->top = level;
	gboolean is_fine = chain_make(w, chain, &w->buffers[level], &len);
	g_array_unref(chain);
	guint32 number = nodes[frame->node].number;
	if (!is_fine && number != DEPOT_NONE) {
		/* It was made by way of another copy the first time. */
		if (w->reader == NULL)
			w->reader = depot_reader_new(w->walk->depot);
		is_fine = depot_reader_rescue(w->reader, number & ~DEPOT_COPY,
				  depot_count(w->walk->depot), &type, &bytes, &len) == DEPOT_FINE &&
			  depot_buffer_reserve(&w->maker, &w->buffers[level], len);
		if (is_fine)
			memcpy(w->buffers[level].bytes, bytes, len);
	}
	/* A file that somebody changes meanwhile may give other bytes the second time. */
	is_fine = is_fine && len == frame->len;
	frame->bytes = is_fine ? w->buffers[level].bytes : NULL;
	return is_fine;
}

void depot_gift_init(struct depot_walk *walk)
{
	g_mutex_init(&walk->lock);
	g_cond_init(&walk->changed);
	g_cond_init(&walk->lightened);
	walk->gifts = g_array_new(FALSE, FALSE, sizeof(struct depot_gift));
}

void depot_gift_clear(struct depot_walk *walk)
{
	g_array_unref(walk->gifts);
	g_cond_clear(&walk->changed);
	g_cond_clear(&walk->lightened);
	g_mutex_clear(&walk->lock);
}

void depot_gift_put(struct depot_walk *walk, struct depot_gift gift)
{
	g_mutex_lock(&walk->lock);
	g_array_append_val(walk->gifts, gift);
	__atomic_store_n(&walk->n_gifts, walk->gifts->len, __ATOMIC_RELAXED);
	g_cond_signal(&walk->changed);
	g_mutex_unlock(&walk->lock);
}

gboolean depot_gift_take(struct depot_walk *walk, struct depot_gift *gift)
{
	gboolean is_given = FALSE;

	g_mutex_lock(&walk->lock);
	__atomic_store_n(&walk->idle, walk->idle + 1, __ATOMIC_RELAXED);
	while (walk->gifts->len == 0 && walk->idle < walk->threads)
		g_cond_wait(&walk->changed, &walk->lock);
	if (walk->gifts->len > 0) {
		*gift = g_array_index(walk->gifts, struct depot_gift, walk->gifts->len - 1);
		g_array_set_size(walk->gifts, walk->gifts->len - 1);
		__atomic_store_n(&walk->n_gifts, walk->gifts->len, __ATOMIC_RELAXED);
		__atomic_store_n(&walk->idle, walk->idle - 1, __ATOMIC_RELAXED);
		is_given = TRUE;
	} else {
		/* The last one to become idle tells the others that it is over. */
		g_cond_broadcast(&walk->changed);
	}
	g_mutex_unlock(&walk->lock);
	return is_given;
}

void depot_gift_leave(struct depot_walk *walk)
{
	g_mutex_lock(&walk->lock);
	walk->threads--;
	g_cond_broadcast(&walk->changed);
	g_mutex_unlock(&walk->lock);
}
