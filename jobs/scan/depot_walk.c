/* SPDX-License-Identifier: MIT */
/*
 * Depth first over the forest, the heaviest child of each node last: that one may take its parent's
 * memory, so that a chain of any length needs one buffer, and the number of objects kept at a time
 * is bounded by the logarithm of the family's size. What exceeds the budget nevertheless is dropped
 * from the root's side and made again when its next child comes.
 */
#include "config.h"
#include "jobs/scan/depot_walk.h"
#include "lib/error.h"
#include "lib/memory.h"

#include <string.h>

/*
 * A thread takes this many families at a time, so that it rarely meets another at the counter;
 * fewer when they are large, or a few large files would all be one thread's.
 */
#define ROOTS_AT_ONCE 32u
#define ROOTS_WEIGHT_MAX 1024u
#define PROGRESS_EVERY 64u
/* Work that is worth giving away, in the unit of weights. */
#define GIFT_WEIGHT_MIN 64u
#define WEIGHT_BYTES 4096u
#define KEPT_BUFFER_BYTES (1u << 20) /* larger ones are not kept from family to family */
#define FEW_SHARE 16u /* fewer than 1 of that many objects are looked for one by one */
#define FEW_NODES_MIN 4096u
#define FEW_NODES_EACH 64u

/* Which nodes to go to, and in which order. */
static gboolean plan_make(
	struct depot_plan *plan, struct depot *depot, const guint64 *wanted, guint mask)
{
	const struct depot_forest *forest = plan->forest;
	const struct depot_node *nodes = forest->nodes;
	guint32 count = forest->count;

	plan->links = memory_try_table(count * sizeof(struct depot_link));
	plan->is_wanted = memory_try_table(count);
	plan->roots = memory_try_table(count * sizeof(guint32));
	if (plan->links == NULL || plan->is_wanted == NULL || plan->roots == NULL)
		return FALSE;
	for (guint32 i = 0; i < count; i++) {
		const struct depot_node *node = &nodes[i];
		gboolean is_wanted =
			depot_node_counts(node) &&
			(node->type == 0 || (mask & DEPOT_MASK(node->type)) != 0) &&
			(wanted == NULL ||
				(wanted[node->number / 64] >> node->number % 64 & 1) != 0);
		plan->is_wanted[i] = is_wanted;
		plan->expected += is_wanted;
		plan->links[i] = (struct depot_link){
			is_wanted ? 1 + node->size / WEIGHT_BYTES : 0, DEPOT_NONE, DEPOT_NONE};
	}
	for (guint32 k = count; k-- > 0;) {
		guint32 i = forest->order != NULL ? forest->order[k] : k;
		struct depot_link *link = &plan->links[i];
		if (link->weight == 0)
			continue;
		if (nodes[i].parent == DEPOT_NONE) {
			plan->roots[plan->n_roots++] = i;
			continue;
		}
		/* The heaviest is the first of the list, and visited last. */
		struct depot_link *parent = &plan->links[nodes[i].parent];
		parent->weight += link->weight + (parent->weight == 0);
		if (parent->first == DEPOT_NONE ||
			plan->links[parent->first].weight < link->weight) {
			link->next = parent->first;
			parent->first = i;
		} else {
			link->next = plan->links[parent->first].next;
			plan->links[parent->first].next = i;
		}
	}
	return TRUE;
}

static void plan_clear(struct depot_plan *plan)
{
	g_free(plan->links);
	g_free(plan->is_wanted);
	g_free(plan->roots);
}

static void progress_tell(struct depot_worker *w)
{
	struct depot_progress *progress = w->walk->progress;

	if (progress != NULL) {
		__atomic_fetch_add(&progress->objects, w->objects, __ATOMIC_RELAXED);
		__atomic_fetch_add(&progress->bytes, w->bytes, __ATOMIC_RELAXED);
	}
	w->objects = w->bytes = 0;
}

static gboolean is_cancelled(const struct depot_walk *walk)
{
	return walk->progress != NULL &&
	       __atomic_load_n(&walk->progress->cancel, __ATOMIC_RELAXED) != 0;
}

static void state_forget(struct depot_worker *w, gpointer state)
{
	if (state != NULL && w->walk->visitor->forget != NULL)
		w->walk->visitor->forget(w->data, state);
}

void depot_share_unref(struct depot_worker *w, struct depot_share *share)
{
	if (__atomic_sub_fetch(&share->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	state_forget(w, share->state);
	depot_buffer_free(&w->maker, &share->buffer);
	g_free(share);
}

/* What a child is made from. */
struct origin {
	const guint8 *bytes; /* NULL: it could not be made */
	guint32 len;
	gboolean is_visited;
	guint8 type;
	guint32 number;
	gpointer state;
};

static void frame_visit(struct depot_worker *w, struct depot_frame *frame,
	const struct depot_delta *delta, const struct origin *origin)
{
	const struct depot_walk *walk = w->walk;
	const struct depot_node *node = &walk->plan.forest->nodes[frame->node];
	struct depot_object object = {.number = node->number,
		.type = (enum depot_type)frame->type,
		.data = frame->bytes,
		.len = frame->len,
		.base_number = DEPOT_NONE};

	if (delta != NULL && origin->is_visited && delta->n_pieces > 0) {
		object.pieces = delta->pieces;
		object.n_pieces = delta->n_pieces;
		object.base_number = origin->number;
		object.base_len = origin->len;
		object.base = walk->visitor->keeps_base ? origin->bytes : NULL;
		object.base_state = origin->state;
	}
	frame->state = walk->visitor->visit(w->data, &object);
	frame->is_visited = TRUE;
	w->bytes += frame->len;
	if (++w->objects >= PROGRESS_EVERY)
		progress_tell(w);
}

/* Visits what was made, when it is wanted; or says why it could not be. */
static void frame_settle(struct depot_worker *w, struct depot_frame *frame,
	enum depot_reason reason, const struct depot_delta *delta, const struct origin *origin)
{
	const struct depot_walk *walk = w->walk;
	struct depot *depot = walk->depot;
	const struct depot_node *node = &walk->plan.forest->nodes[frame->node];

	if (!walk->plan.is_wanted[frame->node])
		return;
	if (reason != DEPOT_FINE) {
		depot_problem_add(depot, reason, node->number, NULL);
		return;
	}
	if ((walk->mask & DEPOT_MASK(frame->type)) == 0)
		return;
	if (frame->len > depot->options.object_max_bytes)
		depot_problem_add(depot, DEPOT_TOO_LARGE, node->number, NULL);
	else if (depot->options.verify && !depot_name_fits(depot_oid(depot, node->number),
						  frame->type, frame->bytes, frame->len))
		depot_problem_add(depot, DEPOT_WRONG_NAME, node->number, NULL);
	else
		frame_visit(w, frame, delta, origin);
}

/*
 * Whether it is worth asking for the object elsewhere: its base was asked for already, unless that
 * is one nobody wanted, whose number is not known.
 */
static gboolean has_rescue(const struct depot_walk *walk, const struct depot_node *node)
{
	struct depot_place place;

	if (walk->depot->n_copies == 0 || node->number == DEPOT_NONE)
		return FALSE;
	return walk->is_few || depot_copy_find(walk->depot, node->number & ~DEPOT_COPY, 0, &place);
}

static enum depot_reason frame_rescue(struct depot_worker *w, struct depot_frame *frame,
	struct depot_buffer *buffer, enum depot_reason reason)
{
	const struct depot_node *node = &w->walk->plan.forest->nodes[frame->node];
	const guint8 *bytes;

	if (!has_rescue(w->walk, node))
		return reason;
	if (w->reader == NULL)
		w->reader = depot_reader_new(w->walk->depot);
	if (depot_reader_rescue(w->reader, node->number & ~DEPOT_COPY, depot_count(w->walk->depot),
		    &frame->type, &bytes, &frame->len) != DEPOT_FINE)
		return reason;
	if (!depot_buffer_reserve(&w->maker, buffer, frame->len))
		return DEPOT_NO_MEMORY;
	memcpy(buffer->bytes, bytes, frame->len);
	frame->bytes = buffer->bytes;
	return DEPOT_FINE;
}

/* An object without a base, in buffer. */
static enum depot_reason whole_make(
	struct depot_worker *w, struct depot_frame *frame, struct depot_buffer *buffer)
{
	struct depot *depot = w->walk->depot;
	const struct depot_node *node = &w->walk->plan.forest->nodes[frame->node];
	enum depot_reason reason = (enum depot_reason)node->reason;

	frame->type = node->type;
	frame->len = node->size;
	if (reason != DEPOT_FINE)
		return reason;
	if (node->source == depot_loose_source(depot)) {
		reason = depot_maker_loose(
			&w->maker, (guint32)node->at, buffer, &frame->type, &frame->len);
		if (reason == DEPOT_FINE && depot_node_counts(node))
			depot_type_learn(depot, node->number, frame->type);
	} else if (frame->len > depot->options.object_max_bytes &&
		   w->walk->plan.links[frame->node].first == DEPOT_NONE) {
		return DEPOT_TOO_LARGE;
	} else if (!depot_buffer_reserve(&w->maker, buffer, frame->len)) {
		return DEPOT_NO_MEMORY;
	} else {
		reason = depot_maker_inflate(&w->maker, &depot->packs[node->source], node->at,
			frame->len, buffer->bytes);
	}
	frame->bytes = reason == DEPOT_FINE ? buffer->bytes : NULL;
	return reason;
}

/* A root, into the first buffer. */
static void root_make(struct depot_worker *w, struct depot_frame *frame)
{
	struct depot_buffer *buffer = &w->buffers[0];

	enum depot_reason reason = whole_make(w, frame, buffer);
	if (reason != DEPOT_FINE)
		reason = frame_rescue(w, frame, buffer, reason);
	frame_settle(w, frame, reason, NULL, NULL);
}

/* The delta of a node, ready to be applied: in maker->delta. */
static enum depot_reason delta_make(
	struct depot_worker *w, const struct origin *origin, const struct depot_node *node)
{
	if (node->reason != DEPOT_FINE)
		return (enum depot_reason)node->reason;
	if (origin->bytes == NULL)
		return DEPOT_NO_BASE;
	return depot_maker_delta(
		&w->maker, &w->walk->depot->packs[node->source], node->at, node->size, origin->len);
}

/*
 * A child into `buffer`, which is not the one where the origin lies, or in place into `own`, which
 * is, when that is not NULL and possible. TRUE: it was in place.
 */
static gboolean child_make(struct depot_worker *w, const struct origin *origin,
	struct depot_frame *frame, struct depot_buffer *buffer, struct depot_buffer *own)
{
	const struct depot_delta *delta = &w->maker.delta;

	frame->type = origin->type;
	enum depot_reason reason = delta_make(w, origin, &w->walk->plan.forest->nodes[frame->node]);
	if (reason == DEPOT_FINE && own != NULL && delta->is_in_order &&
		delta->len + DEPOT_SLACK <= own->room) {
		depot_delta_apply_in_place(delta, own->bytes);
		frame->bytes = own->bytes;
		frame->len = delta->len;
		frame_settle(w, frame, reason, delta, origin);
		return TRUE;
	}
	if (reason == DEPOT_FINE && !depot_buffer_reserve(&w->maker, buffer, delta->len))
		reason = DEPOT_NO_MEMORY;
	if (reason != DEPOT_FINE) {
		reason = frame_rescue(w, frame, buffer, reason);
		frame_settle(w, frame, reason, NULL, origin);
		return FALSE;
	}
	depot_delta_apply(delta, origin->bytes, buffer->bytes);
	frame->bytes = buffer->bytes;
	frame->len = delta->len;
	frame_settle(w, frame, reason, delta, origin);
	return FALSE;
}

static struct origin frame_origin(const struct depot_worker *w, const struct depot_frame *frame)
{
	guint32 number = w->walk->plan.forest->nodes[frame->node].number;

	return (struct origin){
		frame->bytes, frame->len, frame->is_visited, frame->type, number, frame->state};
}

/* The heaviest child takes its parent's place: frame becomes the child's. */
static void frame_advance(struct depot_worker *w, struct depot_frame *frame, guint level)
{
	struct depot_buffer *buffer = &w->buffers[level];
	struct depot_frame child = {.node = w->walk->plan.links[frame->node].first};
	struct origin origin = frame_origin(w, frame);
	gboolean may_move = frame->share == NULL && !w->walk->visitor->keeps_base;

	if (!child_make(w, &origin, &child, &w->spare, may_move ? buffer : NULL)) {
		struct depot_buffer made = w->spare;
		w->spare = *buffer;
		*buffer = made;
	}
	if (frame->share != NULL)
		depot_share_unref(w, frame->share);
	else
		state_forget(w, frame->state);
	*frame = child;
}

static gboolean gift_offer(
	struct depot_worker *w, struct depot_frame *frame, guint level, guint32 node)
{
	struct depot_walk *walk = w->walk;

	if (__atomic_load_n(&walk->idle, __ATOMIC_RELAXED) <=
			__atomic_load_n(&walk->n_gifts, __ATOMIC_RELAXED) ||
		walk->plan.links[node].weight < GIFT_WEIGHT_MIN || frame->bytes == NULL)
		return FALSE;
	if (frame->share == NULL) {
		struct depot_share *share = g_new0(struct depot_share, 1);
		share->refs = 1;
		share->buffer = w->buffers[level];
		share->len = frame->len;
		share->node = frame->node;
		share->type = frame->type;
		share->is_visited = frame->is_visited;
		share->state = frame->state;
		w->buffers[level] = (struct depot_buffer){0};
		frame->share = share;
	}
	__atomic_fetch_add(&frame->share->refs, 1, __ATOMIC_RELAXED);
	depot_gift_put(walk, (struct depot_gift){.share = frame->share, .node = node});
	return TRUE;
}

static void family_walk(struct depot_worker *w, struct depot_frame *frame, guint level);

static void light_child_walk(
	struct depot_worker *w, struct depot_frame *frame, guint level, guint32 node)
{
	struct depot_frame child = {.node = node};

	if (!depot_frame_ensure(w, frame, level))
		frame->bytes = NULL;
	struct origin origin = frame_origin(w, frame);
	w->top = level + 1;
	w->deepest = MAX(w->deepest, w->top);
	child_make(w, &origin, &child, &w->buffers[level + 1], NULL);
	family_walk(w, &child, level + 1);
	w->top = level;
}

/* Everything below the frame, which is made and visited; the frame is through afterwards. */
static void family_walk(struct depot_worker *w, struct depot_frame *frame, guint level)
{
	const struct depot_link *links = w->walk->plan.links;

	w->frames[level] = frame;
	while (links[frame->node].first != DEPOT_NONE && !is_cancelled(w->walk)) {
		guint32 child = links[links[frame->node].first].next;
		for (; child != DEPOT_NONE && !is_cancelled(w->walk); child = links[child].next)
			if (!gift_offer(w, frame, level, child))
				light_child_walk(w, frame, level, child);
		if (!depot_frame_ensure(w, frame, level))
			frame->bytes = NULL;
		frame_advance(w, frame, level);
	}
	if (frame->share != NULL)
		depot_share_unref(w, frame->share);
	else
		state_forget(w, frame->state);
	w->frames[level] = NULL;
}

static void gift_walk(struct depot_worker *w, const struct depot_gift *gift)
{
	const struct depot_share *share = gift->share;
	struct origin origin = {share->buffer.bytes, share->len, share->is_visited, share->type,
		w->walk->plan.forest->nodes[share->node].number, share->state};
	struct depot_frame frame = {.node = gift->node};

	w->top = 0;
	child_make(w, &origin, &frame, &w->buffers[0], NULL);
	depot_share_unref(w, gift->share);
	family_walk(w, &frame, 0);
}

/* The list was made from the end. */
static guint32 root_get(const struct depot_plan *plan, guint32 at)
{
	return plan->roots[plan->n_roots - 1 - at];
}

/* How large a loose object is shows when it is read. */
static guint64 root_weight(const struct depot_walk *walk, guint32 at)
{
	guint32 node = root_get(&walk->plan, at);
	gboolean is_loose =
		walk->plan.forest->nodes[node].source == depot_loose_source(walk->depot);

	return is_loose ? ROOTS_WEIGHT_MAX : walk->plan.links[node].weight;
}

/* The next families for this thread, [*from, *to); FALSE: there is none left. */
static gboolean roots_take(struct depot_walk *walk, guint32 *from, guint32 *to)
{
	const struct depot_plan *plan = &walk->plan;
	guint32 at = __atomic_load_n(&walk->next_root, __ATOMIC_RELAXED), end;

	do {
		guint64 weight = 0;
		if (at >= plan->n_roots)
			return FALSE;
		for (end = at; end < plan->n_roots && end < at + ROOTS_AT_ONCE &&
			       weight < ROOTS_WEIGHT_MAX;
			end++)
			weight += root_weight(walk, end);
	} while (!__atomic_compare_exchange_n(
		&walk->next_root, &at, end, FALSE, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	*from = at;
	*to = end;
	return TRUE;
}

static void roots_walk(struct depot_worker *w)
{
	struct depot_walk *walk = w->walk;
	guint32 at, end;

	while (!is_cancelled(walk) && roots_take(walk, &at, &end)) {
		for (; at < end; at++) {
			struct depot_frame frame = {.node = root_get(&walk->plan, at)};
			w->top = 0;
			root_make(w, &frame);
			family_walk(w, &frame, 0);
			depot_worker_trim(w, KEPT_BUFFER_BYTES);
			if (is_cancelled(walk))
				break;
		}
	}
}

static gpointer worker_run(gpointer data)
{
	struct depot_worker *w = data;
	struct depot_walk *walk = w->walk;
	const struct depot_visitor *visitor = walk->visitor;
	struct depot_gift gift;

	w->data = visitor->thread_begin != NULL ? visitor->thread_begin(walk->data, w->thread)
						: walk->data;
	roots_walk(w);
	while (depot_gift_take(walk, &gift)) {
		gift_walk(w, &gift);
		depot_worker_trim(w, KEPT_BUFFER_BYTES);
	}
	progress_tell(w);
	if (visitor->thread_end != NULL)
		visitor->thread_end(walk->data, w->data);
	return NULL;
}

static gboolean workers_run(struct depot_walk *walk, guint threads)
{
	g_autofree struct depot_worker *workers = g_new0(struct depot_worker, threads);
	g_autofree GThread **handles = g_new0(GThread *, threads);
	guint ready = 0;

	while (ready < threads && depot_worker_init(&workers[ready], walk, ready))
		ready++;
	walk->threads = ready;
	/* A thread that cannot be started would be waited for: its place is given up. */
	for (guint i = 1; i < ready; i++) {
		handles[i] = g_thread_try_new("walk", worker_run, &workers[i], NULL);
		if (handles[i] == NULL)
			depot_gift_leave(walk);
	}
	if (ready > 0)
		worker_run(&workers[0]);
	for (guint i = 1; i < ready; i++)
		if (handles[i] != NULL)
			g_thread_join(handles[i]);
	for (guint i = 0; i < ready; i++)
		depot_worker_clear(&workers[i]);
	return ready > 0;
}

static struct depot_forest *forest_get(struct depot *depot, const guint64 *wanted, gboolean *is_few)
{
	guint32 count = depot_count(depot);
	guint64 n = count;

	if (wanted != NULL) {
		n = 0;
		for (guint32 i = 0; i < (count + 63) / 64; i++)
			n += (guint64)__builtin_popcountll(wanted[i]);
	}
	*is_few = n < count / FEW_SHARE && depot->forest == NULL;
	if (*is_few) {
		guint64 max = MIN(MAX(n * FEW_NODES_EACH, FEW_NODES_MIN), (guint64)count / 4);
		struct depot_forest *few = depot_forest_new_few(depot, wanted, (guint32)max);
		if (few != NULL)
			return few;
		*is_few = FALSE;
	}
	if (depot->forest == NULL)
		depot->forest = depot_forest_new(depot);
	return depot->forest;
}

void depot_rest(struct depot *depot)
{
	depot_forest_free(depot->forest);
	depot->forest = NULL;
}

gboolean depot_walk(struct depot *depot, guint type_mask, const guint64 *wanted,
	const struct depot_visitor *visitor, gpointer data, struct depot_progress *progress,
	GError **error)
{
	struct depot_walk walk = {.depot = depot,
		.visitor = visitor,
		.data = data,
		.mask = type_mask,
		.progress = progress};
	gboolean is_fine;

	depot_gift_init(&walk);
	struct depot_forest *forest = forest_get(depot, wanted, &walk.is_few);
	walk.plan.forest = forest;
	is_fine = forest != NULL && plan_make(&walk.plan, depot, wanted, type_mask);
	if (is_fine && progress != NULL)
		__atomic_store_n(&progress->objects_expected, walk.plan.expected, __ATOMIC_RELAXED);
	is_fine = is_fine && workers_run(&walk, MAX(1, depot->options.threads));
	if (!is_fine)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "no memory to read %u objects",
			depot_count(depot));
	plan_clear(&walk.plan);
	depot_gift_clear(&walk);
	if (forest != depot->forest)
		depot_forest_free(forest);
	if (is_fine && is_cancelled(&walk)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "reading was stopped");
		return FALSE;
	}
	return is_fine;
}
