/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/content_place.h"

#include <string.h>

#include "jobs/scan/hit.h"

#define ORDER(x, y) ((x) < (y) ? -1 : 1)

static gint hit_compare(gconstpointer a, gconstpointer b)
{
	const struct hit *x = a, *y = b;
	if (x->at != y->at)
		return ORDER(x->at, y->at);
	if (x->rule != y->rule)
		return ORDER(x->rule, y->rule);
	if (x->len != y->len)
		return ORDER(x->len, y->len);
	if (x->secret != y->secret)
		return ORDER(x->secret, y->secret);
	if (x->match_at != y->match_at)
		return ORDER(x->match_at, y->match_at);
	/* Of matches around one secret the widest is shown. */
	return x->match_len == y->match_len ? 0 : ORDER(y->match_len, x->match_len);
}

static gboolean hit_is_same(const struct hit *x, const struct hit *y)
{
	return x->at == y->at && x->rule == y->rule && x->len == y->len && x->secret == y->secret;
}

/* Sixteen bytes at a time, without a table or a branch; compilers make of it what the CPU has. */
typedef guint8 lane __attribute__((vector_size(16)));

gsize content_count_lines(const guint8 *data, gsize len)
{
	const lane feed = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
	gsize n = 0, i = 0;
	while (len - i >= sizeof(lane)) {
		lane sum = {0};
		/* A lane holds 255 at most. */
		gsize rounds = MIN((len - i) / sizeof(lane), 255);
		for (gsize r = 0; r < rounds; r++, i += sizeof(lane)) {
			lane bytes;
			memcpy(&bytes, data + i, sizeof(lane));
			sum -= (lane)(bytes == feed);
		}
		for (guint k = 0; k < sizeof(lane); k++)
			n += sum[k];
	}
	for (; i < len; i++)
		n += data[i] == '\n';
	return n;
}

struct cursor {
	const guint8 *data;
	gsize at, line_at; /* where its line begins */
	guint32 line;
};

static void cursor_move(struct cursor *cursor, gsize to, guint32 *line, guint32 *column)
{
	if (to > cursor->at) {
		const guint8 *from = cursor->data + cursor->at;
		gsize lines = content_count_lines(from, to - cursor->at);
		if (lines > 0) {
			const guint8 *feed = memrchr(from, '\n', to - cursor->at);
			cursor->line_at = (gsize)(feed - cursor->data) + 1;
		}
		cursor->line += (guint32)lines;
		cursor->at = to;
	}
	*line = cursor->line;
	*column = (guint32)(to - cursor->line_at + 1);
}

void content_place(GArray *hits, guint first, const guint8 *data, gsize len)
{
	guint n = hits->len - first;
	if (n == 0)
		return;
	struct hit *list = &g_array_index(hits, struct hit, first);
	if (n > 1)
		qsort(list, n, sizeof(struct hit), hit_compare);
	guint kept = 0;
	struct cursor begin = {.data = data, .line = 1};
	for (guint i = 0; i < n; i++) {
		if (kept > 0 && hit_is_same(&list[kept - 1], &list[i])) {
			list[kept - 1].flags |= list[i].flags;
			continue;
		}
		struct hit *hit = &list[kept++];
		*hit = list[i];
		cursor_move(&begin, MIN(hit->at, len), &hit->line, &hit->column);
		struct cursor end = begin;
		gsize last = (gsize)hit->at + MAX(hit->len, 1) - 1;
		cursor_move(&end, MIN(last, len), &hit->end_line, &hit->end_column);
	}
	g_array_set_size(hits, first + kept);
}
