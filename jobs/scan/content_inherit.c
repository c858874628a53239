/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/content_inherit.h"

/* Bytes before a change whose ends are looked at again; one is needed, more cost nothing. */
#define BEFORE 4

/* All of them "end" where the object does: only what they found tells them apart. */
static gint whole_compare(const struct candidate *x, const struct candidate *y)
{
	if (x->secret_at != y->secret_at)
		return x->secret_at < y->secret_at ? -1 : 1;
	if (x->secret_len != y->secret_len)
		return x->secret_len < y->secret_len ? -1 : 1;
	return (gint)x->verdict - (gint)y->verdict;
}

gint content_compare(gconstpointer a, gconstpointer b)
{
	const struct candidate *x = a, *y = b;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	const guint8 kinds = CANDIDATE_DECODED | CANDIDATE_WHOLE;
	gint order = (x->flags & kinds) - (y->flags & kinds);
	if (order != 0)
		return order;
	if (x->flags & CANDIDATE_WHOLE)
		return whole_compare(x, y);
	if (!(x->flags & CANDIDATE_DECODED))
		return 0;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* Bytes [a, b) are new, or a == b is a seam. Changes come in order. */
static void change_add(GArray *ranges, guint32 a, guint32 b, guint32 len, guint margin)
{
	guint32 from = a > BEFORE ? a - BEFORE : 0;
	guint32 to = b + MIN(margin, len - b);
	if (ranges->len > 0) {
		struct matcher_range *last =
			&g_array_index(ranges, struct matcher_range, ranges->len - 1);
		/* The sieve reads a margin before its range anyway: one longer range is cheaper. */
		if (from <= last->to || from - last->to <= margin) {
			last->to = MAX(last->to, to);
			return;
		}
	}
	struct matcher_range range = {from, to};
	g_array_append_val(ranges, range);
}

void content_changes(const struct depot_piece *pieces, guint n_pieces, guint32 len,
	guint32 base_len, guint margin, GArray *ranges)
{
	gboolean is_after_copy = FALSE;
	for (guint i = 0; i < n_pieces; i++) {
		const struct depot_piece *piece = &pieces[i];
		if (piece->from == DEPOT_INSERT) {
			change_add(ranges, piece->at, piece->at + piece->len, len, margin);
			is_after_copy = FALSE;
			continue;
		}
		if (is_after_copy || (i == 0 && piece->from != 0))
			change_add(ranges, piece->at, piece->at, len, margin);
		is_after_copy = TRUE;
	}
	if (n_pieces == 0)
		return;
	const struct depot_piece *last = &pieces[n_pieces - 1];
	if (last->from != DEPOT_INSERT && last->from + last->len != base_len)
		change_add(ranges, len, len, len, margin);
}

/* The first candidate that ends behind position. */
static guint candidate_find(const struct candidate *candidates, guint n, guint32 position)
{
	guint low = 0, high = n;
	while (low < high) {
		guint middle = low + (high - low) / 2;
		if (candidates[middle].at <= position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static gboolean window_is_copied(const struct depot_piece *piece, guint32 len, guint32 base_len,
	const struct candidate *candidate)
{
	guint32 piece_end = piece->from + piece->len;
	if (candidate->from == 0) {
		if (piece->from != 0 || piece->at != 0)
			return FALSE;
	} else if (candidate->from <= piece->from) {
		return FALSE;
	}
	if (candidate->to == base_len)
		return piece_end == base_len && piece->at + piece->len == len;
	return candidate->to < piece_end;
}

gboolean content_carry(const struct depot_piece *pieces, guint n_pieces, guint32 len,
	guint32 base_len, const struct candidate *candidates, guint n_candidates,
	const GArray *ranges, GArray *carried, GArray *touched, guint max)
{
	guint r = 0;
	if (n_candidates == 0)
		return TRUE;
	guint32 least = candidates[0].at, most = candidates[n_candidates - 1].at;
	for (guint i = 0; i < n_pieces; i++) {
		const struct depot_piece *piece = &pieces[i];
		/* Most pieces have none, and most objects few of them. */
		if (piece->from == DEPOT_INSERT || piece->from > most ||
			piece->from + piece->len < least)
			continue;
		/* Where a match ends belongs to the byte before; the very start has none. */
		guint c = piece->from == 0 && piece->at == 0
				  ? 0
				  : candidate_find(candidates, n_candidates, piece->from);
		for (; c < n_candidates && candidates[c].at <= piece->from + piece->len; c++) {
			if (candidates[c].flags & CANDIDATE_WHOLE)
				continue;
			struct candidate moved = candidates[c];
			guint32 shift = piece->at - piece->from;
			moved.at += shift;
			while (r < ranges->len &&
				g_array_index(ranges, struct matcher_range, r).to < moved.at)
				r++;
			if (r < ranges->len) {
				guint32 from = g_array_index(ranges, struct matcher_range, r).from;
				if (moved.at > from || from == 0)
					continue;
			}
			if (window_is_copied(piece, len, base_len, &candidates[c])) {
				moved.from += shift;
				moved.to += shift;
				if (moved.verdict == CANDIDATE_ACCEPTED) {
					moved.secret_at += shift;
					moved.match_at += shift;
				}
				g_array_append_val(carried, moved);
			} else if (!(moved.flags & CANDIDATE_DECODED)) {
				moved = (struct candidate){.at = moved.at, .rule = moved.rule};
				g_array_append_val(touched, moved);
			}
			if (carried->len + touched->len > max)
				return FALSE;
		}
	}
	return TRUE;
}
