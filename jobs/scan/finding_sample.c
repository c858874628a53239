/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding_sample.h"

#include <math.h>
#include <string.h>

#include "jobs/scan/secret_table.h"

#define MASK "********"
/* No secret and no encoded run is longer. */
#define REACH_MAX SECRET_MAX_BYTES
#define NAME_REACH 64 /* how far before a match its name may begin */
#define NAME_BYTES_MAX 40
#define NAME_DIGITS_MAX 4 /* more are in keys, not in their names */

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
	gsize from = hit->match_at - MIN(hit->match_at, NAME_REACH);
	gsize to = (gsize)hit->match_at + hit->match_len;
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

static gboolean is_one(const char *set, guint8 byte)
{
	return byte != '\0' && strchr(set, byte) != NULL;
}

/*
 * Where the name begins to which the match is given: `TOKEN=`, `"token": "`, `--token `. What does
 * not look like a name could be another secret: then it is where the match begins.
 */
static gsize name_find(const guint8 *data, gsize from, gsize at)
{
	gsize i = from, end, least = from - MIN(from, NAME_REACH), digits = 0;
	guint8 quote = 0;

	while (i < at && is_one(" \t\"'`=:>", data[i]))
		i++;
	while (i > least && is_one(" \t\"'`([{", data[i - 1]))
		i--;
	if (i >= least + 2 && data[i - 1] == '>' && is_one("=-", data[i - 2]))
		i--; /* => and -> */
	else if (i == least || !is_one("=:", data[i - 1]))
		return from;
	i--;
	if (i > least && data[i] == '=' && data[i - 1] == ':')
		i--;
	while (i > least && is_one(" \t", data[i - 1]))
		i--;
	if (i > least && is_one("\"'`", data[i - 1]))
		quote = data[--i];
	for (end = i; i > least; i--) {
		if (!g_ascii_isalnum(data[i - 1]) && !is_one("_.-", data[i - 1]))
			break;
		digits += g_ascii_isdigit(data[i - 1]) != 0;
	}
	if (i == end || end - i > NAME_BYTES_MAX || digits > NAME_DIGITS_MAX)
		return from;
	/* The end of an address or of base64. */
	if (i > 0 && (i == least || is_one("/+=@:", data[i - 1])))
		return from;
	return i - (quote != 0 && i > least && data[i - 1] == quote);
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
	if (at - from <= FINDING_SAMPLE_BYTES)
		from = name_find(data, from, at);
	for (int i = 0; i < 4 && to < len && is_one("\"'`;,)]}", data[to]); i++)
		to++;
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
