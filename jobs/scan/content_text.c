/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "jobs/scan/content_text.h"

#include <string.h>

#define REPLACEMENT 0xfffd

/*
 * Whether NULs are where UTF-16 has them: for one byte of each pair in at least a third of the
 * pairs, and almost never for the other. Binary formats with 16-bit fields have both, or few pairs.
 */
static enum content_class class_by_pattern(const guint8 *data, gsize len)
{
	gsize pairs = len / 2, even = 0, odd = 0, plain = 0;
	if (pairs < 4)
		return CONTENT_BINARY;
	for (gsize i = 0; i < pairs; i++) {
		guint8 a = data[2 * i], b = data[2 * i + 1];
		even += a == 0;
		odd += b == 0;
		guint8 c = a | b;
		plain += (a == 0 || b == 0) && ((c >= 0x20 && c < 0x7f) || c >= 0xa0 || c == '\n' ||
						       c == '\r' || c == '\t');
	}
	/* Of the pairs with a NUL, nearly all must be printable ASCII or Latin-1. */
	if (plain * 3 < pairs || plain * 10 < (even + odd) * 9)
		return CONTENT_BINARY;
	if (even * 10 <= odd)
		return CONTENT_UTF16_LE;
	if (odd * 10 <= even)
		return CONTENT_UTF16_BE;
	return CONTENT_BINARY;
}

enum content_class content_class_find(const guint8 *data, gsize len)
{
	gsize head = MIN(len, CONTENT_CLASS_BYTES);
	if (len >= 2 && data[0] + data[1] == 0xff + 0xfe && (data[0] | data[1]) == 0xff) {
		if (data[0] == 0xfe)
			return CONTENT_UTF16_BE;
		return len >= 4 && data[2] == 0 && data[3] == 0 ? CONTENT_BINARY : CONTENT_UTF16_LE;
	}
	if (head == 0 || memchr(data, 0, head) == NULL)
		return CONTENT_TEXT;
	if (len >= 4 && memcmp(data, "\0\0\xfe\xff", 4) == 0)
		return CONTENT_BINARY;
	return class_by_pattern(data, head);
}

struct content_text *content_text_new(void)
{
	struct content_text *text = g_new0(struct content_text, 1);
	text->marks = g_array_new(FALSE, FALSE, sizeof(guint32));
	return text;
}

void content_text_free(struct content_text *text)
{
	if (text == NULL)
		return;
	g_array_unref(text->marks);
	g_free(text->data);
	g_free(text);
}

/* One character; *at moves behind it. */
static guint32 unit_next(const struct content_text *text, gsize *at)
{
	const guint8 *p = text->source + *at;
	gsize left = text->source_len - *at;
	if (left < 2) {
		*at += left;
		return REPLACEMENT;
	}
	guint32 unit = text->is_big ? (guint32)p[0] << 8 | p[1] : (guint32)p[1] << 8 | p[0];
	*at += 2;
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	if (unit > 0xdbff || left < 4)
		return REPLACEMENT;
	guint32 low = text->is_big ? (guint32)p[2] << 8 | p[3] : (guint32)p[3] << 8 | p[2];
	if (low < 0xdc00 || low > 0xdfff)
		return REPLACEMENT;
	*at += 2;
	return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static guint unit_len(guint32 c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* For whoever reads the bytes with wide loads. */
#define SLACK 64

static void source_set(
	struct content_text *text, const guint8 *source, gsize len, enum content_class class)
{
	gboolean has_mark =
		len >= 2 && (source[0] | source[1]) == 0xff && (source[0] & source[1]) == 0xfe;
	text->is_big = class == CONTENT_UTF16_BE;
	text->source = source;
	text->source_len = len;
	text->source_at = has_mark ? 2 : 0;
}

gsize content_text_size(const guint8 *source, gsize len, enum content_class class)
{
	struct content_text text;
	gsize size = SLACK;
	source_set(&text, source, len, class);
	for (gsize at = text.source_at; at < len;)
		size += unit_len(unit_next(&text, &at));
	return size;
}

void content_text_clear(struct content_text *text)
{
	g_clear_pointer(&text->data, g_free);
	text->size = text->len = 0;
}

gboolean content_text_convert(
	struct content_text *text, const guint8 *source, gsize len, enum content_class class)
{
	/* Two bytes become three at most, but most of them one. */
	gsize need = content_text_size(source, len, class);
	if (need > text->size) {
		content_text_clear(text);
		text->data = g_try_malloc(need);
		if (text->data == NULL)
			return FALSE;
		text->size = need;
	}
	source_set(text, source, len, class);
	g_array_set_size(text->marks, 0);
	gsize at = text->source_at, next_mark = at;
	guint8 *out = text->data;
	while (at < len) {
		if (at >= next_mark) {
			guint32 mark[2] = {(guint32)at, (guint32)(out - text->data)};
			g_array_append_vals(text->marks, mark, 2);
			next_mark = at + CONTENT_TEXT_MARK;
		}
		guint32 c = unit_next(text, &at);
		if (c < 0x80)
			*out++ = (guint8)c;
		else
			out += g_unichar_to_utf8(c, (char *)out);
	}
	text->len = (gsize)(out - text->data);
	memset(out, 0, SLACK);
	return TRUE;
}

gsize content_text_source(const struct content_text *text, gsize at)
{
	if (text->marks->len == 0)
		return text->source_at;
	gsize low = 0, high = text->marks->len / 2;
	while (high - low > 1) {
		gsize middle = low + (high - low) / 2;
		if (g_array_index(text->marks, guint32, 2 * middle + 1) <= at)
			low = middle;
		else
			high = middle;
	}
	gsize source = g_array_index(text->marks, guint32, 2 * low);
	gsize place = g_array_index(text->marks, guint32, 2 * low + 1);
	while (source < text->source_len) {
		gsize next = source;
		place += unit_len(unit_next(text, &next));
		if (place > at)
			break;
		source = next;
	}
	return source;
}
