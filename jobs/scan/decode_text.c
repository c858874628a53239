/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/decode.h"

#include <string.h>

/* The first bytes of a text are ASCII; of random ones, one in three hundred begins so. */
#define PROBE 6

void decode_text_init(struct decode_text *text)
{
	text->bytes = g_malloc(DECODE_RUN_MAX);
	text->ends = g_new(guint32, DECODE_RUN_MAX);
	text->len = 0;
}

void decode_text_clear(struct decode_text *text)
{
	if (text->bytes != NULL)
		explicit_bzero(text->bytes, DECODE_RUN_MAX);
	g_clear_pointer(&text->bytes, g_free);
	g_clear_pointer(&text->ends, g_free);
}

static inline int sixbits(guint8 c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static inline gboolean is_ascii_text(guint8 c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c == '\r';
}

/* Appends a byte; FALSE when it is one of the first and no text begins so. */
static inline gboolean put(struct decode_text *text, guint8 byte, gsize end)
{
	if (text->len < PROBE && !is_ascii_text(byte))
		return FALSE;
	text->bytes[text->len] = byte;
	text->ends[text->len++] = (guint32)end;
	return TRUE;
}

static gboolean undo_base64(
	struct decode_text *text, const guint8 *data, const struct decode_run *run)
{
	guint32 bits = 0;
	guint n = 0;

	for (gsize i = run->from; i < run->to; i++) {
		int six = sixbits(data[i]);
		if (six < 0)
			continue; /* a line's end, indentation, padding */
		bits = bits << 6 | (guint32)six;
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		if (!put(text, (guint8)(bits >> n), i + 1))
			return FALSE;
	}
	return TRUE;
}

static gboolean undo_hex(struct decode_text *text, const guint8 *data, const struct decode_run *run)
{
	int high = -1;

	for (gsize i = run->from; i < run->to; i++) {
		int digit = g_ascii_xdigit_value((char)data[i]);
		if (digit < 0 &&
			(data[i] == '\n' || data[i] == '\r' || data[i] == ' ' || data[i] == '\t'))
			continue;
		if (digit < 0)
			return FALSE;
		if (high < 0) {
			high = digit;
			continue;
		}
		if (!put(text, (guint8)(high << 4 | digit), i + 1))
			return FALSE;
		high = -1;
	}
	return high < 0;
}

static gboolean undo_percent(
	struct decode_text *text, const guint8 *data, const struct decode_run *run)
{
	for (gsize i = run->from; i < run->to; i++) {
		int high = -1, low = -1;
		if (data[i] == '%' && run->to - i > 2) {
			high = g_ascii_xdigit_value((char)data[i + 1]);
			low = g_ascii_xdigit_value((char)data[i + 2]);
		}
		if (high >= 0 && low >= 0)
			i += 2;
		if (!put(text, high >= 0 && low >= 0 ? (guint8)(high << 4 | low) : data[i], i + 1))
			return FALSE;
	}
	return TRUE;
}

/* Mostly letters, with room for other languages' and some odd byte at the end of a cut run. */
static gboolean is_text(const struct decode_text *text)
{
	gsize odd = 0, high = 0;

	for (gsize i = 0; i < text->len; i++) {
		odd += text->bytes[i] < 0x80 && !is_ascii_text(text->bytes[i]);
		high += text->bytes[i] >= 0x80;
	}
	return text->len >= 8 && odd * 20 <= text->len && high * 3 <= text->len;
}

gboolean decode_run(struct decode_text *text, const guint8 *data, const struct decode_text *outer,
	const struct decode_run *run, gboolean as_hex)
{
	gboolean is_right;

	text->len = 0;
	if (run->to - run->from > DECODE_RUN_MAX)
		return FALSE;
	if (run->kind == DECODE_PERCENT)
		is_right = !as_hex && undo_percent(text, data, run);
	else
		is_right = as_hex ? undo_hex(text, data, run) : undo_base64(text, data, run);
	if (!is_right || !is_text(text))
		return FALSE;
	for (gsize i = 0; outer != NULL && i < text->len; i++)
		text->ends[i] = outer->ends[text->ends[i] - 1];
	return TRUE;
}
