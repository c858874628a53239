/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding_sample.h"

#include <math.h>
#include <string.h>

#include "jobs/scan/secret_table.h"

#define MASK "********"
/* No secret and no encoded run is longer. */
#define REACH_MAX SECRET_MAX_BYTES

double finding_entropy(const guint8 *bytes, gsize len)
{
	guint32 counts[256] = {0};
	double entropy = 0;

	for (gsize i = 0; i < len; i++)
		counts[bytes[i]]++;
	for (guint i = 0; i < 256; i++) {
		double share = len > 0 ? (double)counts[i] / (double)len : 0;
		if (share > 0)
			entropy -= share * log2(share);
	}
	return entropy;
}

/* A line break ends what is shown; a tab is a space. */
static void text_append(GString *out, const guint8 *bytes, gsize len)
{
	for (gsize i = 0; i < len; i++)
		g_string_append_c(out, bytes[i] == '\t' || bytes[i] == '\r' || bytes[i] == '\n'
					       ? ' '
					       : (char)bytes[i]);
}

/* The first hit that can reach `at`: they are sorted by where they begin. */
static gsize hit_find(const struct hit *hits, gsize n, gsize at)
{
	gsize low = 0, high = n, least = at - MIN(at, REACH_MAX);

	while (low < high) {
		gsize middle = low + (high - low) / 2;
		if (hits[middle].at < least)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

gboolean finding_sample_holds(const struct hit *hits, gsize n, const struct hit *hit)
{
	gsize from = hit->match_at, to = from + hit->match_len;
	gsize at = hit->at, end = at + hit->len;

	for (gsize i = hit_find(hits, n, from); i < n && hits[i].at < to; i++) {
		gsize start = hits[i].at, stop = start + hits[i].len;
		if (stop > from && (start < at || stop > end))
			return TRUE;
	}
	return FALSE;
}

/* [from, to) without what any hit covers. */
static void masked_append(GString *out, const guint8 *data, gsize from, gsize to,
	const struct hit *hits, gsize n, gboolean is_shown)
{
	for (gsize i = hit_find(hits, n, from); i < n && from < to && !is_shown; i++) {
		gsize start = hits[i].at, end = (gsize)hits[i].at + hits[i].len;
		if (start >= to)
			break;
		if (end <= from)
			continue;
		if (start > from)
			text_append(out, data + from, start - from);
		g_string_append(out, MASK);
		from = MIN(end, to);
	}
	if (from < to)
		text_append(out, data + from, to - from);
}

char *finding_sample(const guint8 *data, gsize len, const struct hit *hits, gsize n,
	const struct hit *hit, const char *masked, gboolean is_shown)
{
	gsize at = hit->at, end = at + hit->len;
	gsize from = hit->match_at, to = (gsize)hit->match_at + hit->match_len;
	GString *out = g_string_new(NULL);

	/* Offsets are of other bytes than data, or the file has changed meanwhile. */
	if ((hit->flags & (HIT_DECODED | HIT_UTF16)) || end > len || to > len || from > at ||
		to < end) {
		g_string_append(out, masked);
		return g_string_free(out, FALSE);
	}
	from = at - MIN(at - from, FINDING_SAMPLE_BYTES);
	to = end + MIN(to - end, FINDING_SAMPLE_BYTES);
	for (gsize i = from; i < at; i++)
		if (data[i] == '\n')
			from = i + 1;
	const guint8 *newline = memchr(data + end, '\n', to - end);
	if (newline != NULL)
		to = (gsize)(newline - data);
	/* Not in the middle of a character. */
	while (from < at && (data[from] & 0xc0) == 0x80)
		from++;
	masked_append(out, data, from, at, hits, n, is_shown);
	g_string_append(out, masked);
	masked_append(out, data, end, to, hits, n, is_shown);
	return g_string_free(out, FALSE);
}
