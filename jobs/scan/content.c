/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/content.h"

#include <string.h>

#include "jobs/scan/archive_head.h"
#include "jobs/scan/content_inherit.h"
#include "jobs/scan/content_place.h"
#include "jobs/scan/content_text.h"

/* A large blob goes through sieve and judge in parts: its candidates need no more memory. */
#define PART_BYTES (1 << 20)
/* Where even this much has more candidates than the matcher takes, nobody can be served. */
#define PART_BYTES_MIN (1 << 12)
/* More candidates than this in a child: it is read in full, in parts. */
#define CARRY_MAX (1 << 18)

struct state {
	guint n;
	gboolean is_kept;
	struct candidate candidates[];
};

/* What most blobs leave behind costs nothing. */
static struct state state_none = {.is_kept = TRUE}; /* text without any candidate */
static struct state state_unkept;                   /* whoever inherits this is read in full */

struct content *content_new(struct content_shared *shared, struct matcher_thread *thread)
{
	struct content *content = g_new0(struct content, 1);
	content->shared = shared;
	content->thread = thread;
	content->hits = g_array_new(FALSE, FALSE, sizeof(struct hit));
	content->gaps = g_array_new(FALSE, TRUE, sizeof(struct scan_gap));
	content->archives = g_array_new(FALSE, FALSE, sizeof(guint32));
	content->found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	content->carried = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	content->list = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	content->ranges = g_array_new(FALSE, FALSE, sizeof(struct matcher_range));
	content->text = content_text_new();
	content->lease.budget = shared->budget;
	return content;
}

void content_free(struct content *content)
{
	if (content == NULL)
		return;
	g_array_unref(content->hits);
	g_array_unref(content->gaps);
	g_array_unref(content->archives);
	g_array_unref(content->found);
	g_array_unref(content->carried);
	g_array_unref(content->list);
	g_array_unref(content->ranges);
	content_text_free(content->text);
	g_free(content);
}

void content_add_gap(struct content *content, guint32 blob, enum scan_gap_reason reason)
{
	content->coverage.gaps[reason]++;
	struct scan_gap gap = {.blob = blob, .reason = reason};
	if (reason != SCAN_GAP_BINARY && content->gaps->len < SCAN_GAPS_MAX)
		g_array_append_val(content->gaps, gap);
}

static gsize state_bytes(guint n)
{
	return sizeof(struct state) + n * sizeof(struct candidate);
}

static struct state *state_keep(struct content_shared *shared, const GArray *list)
{
	if (list->len == 0)
		return &state_none;
	gint64 bytes = (gint64)state_bytes(list->len);
	if (list->len > CONTENT_KEEP_MAX)
		return &state_unkept;
	if (__atomic_add_fetch(&shared->states_bytes, bytes, __ATOMIC_RELAXED) >
		shared->states_max) {
		__atomic_sub_fetch(&shared->states_bytes, bytes, __ATOMIC_RELAXED);
		return &state_unkept;
	}
	struct state *state = g_malloc((gsize)bytes);
	state->n = list->len;
	state->is_kept = TRUE;
	memcpy(state->candidates, list->data, list->len * sizeof(struct candidate));
	return state;
}

void content_forget(struct content_shared *shared, gpointer pointer)
{
	struct state *state = pointer;
	if (state == NULL || state == &state_none || state == &state_unkept)
		return;
	__atomic_sub_fetch(&shared->states_bytes, (gint64)state_bytes(state->n), __ATOMIC_RELAXED);
	g_free(state);
}

const struct candidate *content_state_candidates(gconstpointer pointer, guint *n)
{
	const struct state *state = pointer;
	*n = 0;
	if (state == NULL || !state->is_kept)
		return NULL;
	*n = state->n;
	return state->candidates;
}

/* Sorts the found and judges each of them once. What was carried as well needs no judge. */
static void found_judge(struct content *content, const guint8 *data, gsize len)
{
	GArray *found = content->found;
	const GArray *carried = content->carried;
	struct candidate *list = (struct candidate *)(gpointer)found->data;
	if (found->len > 1)
		g_array_sort(found, content_compare);
	guint kept = 0, c = 0;
	for (guint i = 0; i < found->len; i++) {
		const struct candidate *candidate = &list[i];
		if (kept > 0 && content_compare(&list[kept - 1], candidate) == 0)
			continue;
		gint order = 1;
		while (c < carried->len &&
			(order = content_compare(
				 candidate, &g_array_index(carried, struct candidate, c))) > 0)
			c++;
		if (c < carried->len && order == 0)
			continue;
		list[kept] = *candidate;
		matcher_judge(content->thread, data, len, &list[kept]);
		kept++;
	}
	g_array_set_size(found, kept);
}

/* Both sorted; into list. */
static void list_merge(struct content *content)
{
	const GArray *found = content->found, *carried = content->carried;
	GArray *list = content->list;
	guint f = 0, c = 0;
	g_array_set_size(list, 0);
	while (f < found->len || c < carried->len) {
		const struct candidate *next;
		if (c == carried->len)
			next = &g_array_index(found, struct candidate, f++);
		else if (f == found->len)
			next = &g_array_index(carried, struct candidate, c++);
		else if (content_compare(&g_array_index(found, struct candidate, f),
				 &g_array_index(carried, struct candidate, c)) < 0)
			next = &g_array_index(found, struct candidate, f++);
		else
			next = &g_array_index(carried, struct candidate, c++);
		g_array_append_vals(list, next, 1);
	}
}

static guint8 hit_flags(guint8 flags)
{
	return (flags & CANDIDATE_MARKED ? HIT_MARKED : 0) |
	       (flags & CANDIDATE_DECODED ? HIT_DECODED : 0) |
	       (flags & CANDIDATE_CONDITIONAL ? HIT_CONDITIONAL : 0) |
	       (flags & CANDIDATE_WEAK ? HIT_WEAK : 0);
}

/* What was accepted becomes hits; places in lines come last, when all of the blob's are known. */
static void list_take(struct content *content, guint32 blob, const GArray *list)
{
	const struct candidate *candidates = (const struct candidate *)(gpointer)list->data;
	for (guint i = 0; i < list->len; i++) {
		const struct candidate *candidate = &candidates[i];
		if (candidate->verdict == CANDIDATE_UNDECIDED)
			content->coverage.undecided++;
		if (candidate->verdict != CANDIDATE_ACCEPTED)
			continue;
		if (candidate->secret == 0 || content->hits->len >= content->shared->hits_max) {
			content->coverage.hits_dropped++;
			continue;
		}
		struct hit hit = {
			.blob = blob,
			.secret = candidate->secret,
			.at = candidate->secret_at,
			.len = candidate->secret_len,
			.match_at = candidate->match_at,
			.match_len = candidate->match_len,
			.rule = candidate->rule,
			.flags = hit_flags(candidate->flags),
		};
		g_array_append_val(content->hits, hit);
	}
}

/* An encoded run that two parts touch was looked into twice. */
static void list_sort(GArray *list)
{
	struct candidate *candidates = (struct candidate *)(gpointer)list->data;
	guint kept = 0;
	g_array_sort(list, content_compare);
	for (guint i = 0; i < list->len; i++)
		if (kept == 0 || content_compare(&candidates[kept - 1], &candidates[i]) != 0)
			candidates[kept++] = candidates[i];
	g_array_set_size(list, kept);
}

/* The candidates that end in (from, *to]; *to comes nearer when they are too many. */
static gboolean part_sieve(
	struct content *content, const guint8 *data, gsize len, gsize from, gsize *to)
{
	for (;;) {
		g_array_set_size(content->found, 0);
		if (matcher_sieve(content->thread, data, len, from, *to, content->found))
			return TRUE;
		if (*to - from <= PART_BYTES_MIN)
			return FALSE;
		*to = from + (*to - from) / 2;
	}
}

/* Every byte. Leaves the candidates in list, unless they are too many to be kept. */
static gboolean scan_whole(struct content *content, guint32 blob, const guint8 *data, gsize len)
{
	guint parts = 0;
	g_array_set_size(content->carried, 0);
	g_array_set_size(content->list, 0);
	for (gsize from = 0; from < len; parts++) {
		gsize to = len - from > 2 * PART_BYTES ? from + PART_BYTES : len;
		if (!part_sieve(content, data, len, from, &to))
			return FALSE;
		content->coverage.sieved += to - from;
		if (from == 0)
			matcher_whole(content->thread, data, len, content->found);
		found_judge(content, data, len);
		if (content->list->len <= CONTENT_KEEP_MAX)
			g_array_append_vals(
				content->list, content->found->data, content->found->len);
		list_take(content, blob, content->found);
		from = to;
	}
	if (parts > 1 && content->list->len <= CONTENT_KEEP_MAX)
		list_sort(content->list);
	return TRUE;
}

static gboolean ranges_sieve(
	struct content *content, const struct depot_object *object, const GArray *ranges)
{
	const struct matcher_range *list = (const struct matcher_range *)(gpointer)ranges->data;

	for (guint i = 0; i < ranges->len; i++)
		content->coverage.sieved += list[i].to - list[i].from;
	return matcher_sieve_ranges(content->thread, object->data, object->len, list, ranges->len,
		       content->found) &&
	       content->found->len <= CARRY_MAX;
}

/* What the delta changed. FALSE: not inherited after all. */
static gboolean scan_inherited(
	struct content *content, const struct depot_object *object, const struct state *base)
{
	guint margin = matcher_margin(content->shared->matcher);
	g_array_set_size(content->ranges, 0);
	g_array_set_size(content->carried, 0);
	g_array_set_size(content->found, 0);
	content_changes(object->pieces, object->n_pieces, object->len, object->base_len, margin,
		content->ranges);
	if (base->n > 0 && !content_carry(object->pieces, object->n_pieces, object->len,
				   object->base_len, base->candidates, base->n, content->ranges,
				   content->carried, content->found, CARRY_MAX))
		return FALSE;
	for (guint i = 0; i < content->found->len; i++)
		matcher_window(content->thread, object->data, object->len,
			&g_array_index(content->found, struct candidate, i));
	if (!ranges_sieve(content, object, content->ranges))
		return FALSE;
	matcher_whole(content->thread, object->data, object->len, content->found);
	found_judge(content, object->data, object->len);
	if (content->found->len == 0) {
		GArray *swap = content->list;
		content->list = content->carried;
		content->carried = swap;
	} else {
		list_merge(content);
	}
	list_take(content, object->number, content->list);
	return TRUE;
}

static struct state *scan_text(
	struct content *content, const struct depot_object *object, gboolean *is_scanned)
{
	const struct state *base = object->base_state;
	guint hits = content->hits->len;
	guint64 undecided = content->coverage.undecided;
	*is_scanned = TRUE;
	gboolean can_inherit =
		base != NULL && base->is_kept && object->n_pieces > 0 && !content->shared->is_whole;
	if (!can_inherit || !scan_inherited(content, object, base))
		*is_scanned = scan_whole(content, object->number, object->data, object->len);
	if (content->coverage.undecided > undecided || !*is_scanned)
		content_add_gap(content, object->number, SCAN_GAP_UNDECIDED);
	content_place(content->hits, hits, object->data, object->len);
	if (!*is_scanned)
		return &state_unkept;
	return state_keep(content->shared, content->list);
}

static gboolean scan_utf16(
	struct content *content, const struct depot_object *object, enum content_class class)
{
	struct content_text *text = content->text;
	guint64 held = content->lease.bytes;
	budget_take(&content->lease, content_text_size(object->data, object->len, class));
	if (!content_text_convert(text, object->data, object->len, class) ||
		text->len > G_MAXUINT32) {
		content_add_gap(content, object->number, SCAN_GAP_TOO_BIG);
		budget_give(&content->lease, held);
		return FALSE;
	}
	struct depot_object as_text = {
		.number = object->number, .data = text->data, .len = (guint32)text->len};
	guint first = content->hits->len;
	gboolean is_scanned;
	content_forget(content->shared, scan_text(content, &as_text, &is_scanned));
	for (guint i = first; i < content->hits->len; i++) {
		struct hit *hit = &g_array_index(content->hits, struct hit, i);
		guint32 end = (guint32)content_text_source(text, (gsize)hit->at + hit->len);
		guint32 match_end =
			(guint32)content_text_source(text, (gsize)hit->match_at + hit->match_len);
		hit->at = (guint32)content_text_source(text, hit->at);
		hit->len = end - hit->at;
		hit->match_at = (guint32)content_text_source(text, hit->match_at);
		hit->match_len = match_end - hit->match_at;
		hit->flags |= HIT_UTF16;
	}
	if (text->size >= BUDGET_SMALL)
		content_text_clear(text);
	budget_give(&content->lease, held);
	return is_scanned;
}

gpointer content_visit(struct content *content, const struct depot_object *object)
{
	struct scan_coverage *coverage = &content->coverage;
	coverage->eligible++;
	if (object->len > content->shared->blob_max_bytes) {
		content_add_gap(content, object->number, SCAN_GAP_TOO_BIG);
		return &state_unkept;
	}
	enum content_class class = content_class_find(object->data, object->len);
	/* Whether it looks binary: a short one may hold no NUL. */
	if (content->shared->has_archives && archive_head_is(object->data, object->len)) {
		g_array_append_val(content->archives, object->number);
		return &state_unkept;
	}
	if (class == CONTENT_BINARY && content->shared->is_binary)
		class = CONTENT_TEXT;
	if (class == CONTENT_BINARY) {
		content_add_gap(content, object->number, SCAN_GAP_BINARY);
		return &state_unkept;
	}
	struct state *state = &state_unkept;
	gboolean is_scanned;
	if (class == CONTENT_TEXT)
		state = scan_text(content, object, &is_scanned);
	else
		is_scanned = scan_utf16(content, object, class);
	if (is_scanned) {
		coverage->scanned++;
		coverage->bytes += object->len;
	}
	return state;
}

void content_bytes(struct content *content, guint32 number, const guint8 *data, gsize len)
{
	if (len > content->shared->blob_max_bytes || len > G_MAXUINT32) {
		content->coverage.eligible++;
		content_add_gap(content, number, SCAN_GAP_TOO_BIG);
		return;
	}
	struct depot_object object = {.number = number, .data = data, .len = (guint32)len};
	content_forget(content->shared, content_visit(content, &object));
}
