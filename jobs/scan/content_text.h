/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_CONTENT_TEXT_H
#define MUSTER_JOBS_SCAN_CONTENT_TEXT_H

#include <glib.h>

/*
 * What kind of text a blob is, and UTF-16 as UTF-8.
 *
 * UTF-16 is told by its byte order mark, or by a clear pattern: among the first 8 KiB most of the
 * units are ASCII, so that one byte of a pair is NUL time and again and the other never is. Both
 * byte orders. UTF-32 has its own marks, which are not taken for UTF-16's: it is binary.
 */
enum content_class {
	CONTENT_UNSET,
	CONTENT_TEXT,
	CONTENT_UTF16_LE,
	CONTENT_UTF16_BE,
	CONTENT_BINARY,
};

#define CONTENT_CLASS_BYTES 8192 /* what is looked at, as git does it */

enum content_class content_class_find(const guint8 *data, gsize len);

/*
 * UTF-8 made from UTF-16, and the way back. The byte order mark is left out; a surrogate without
 * its other half becomes U+FFFD, and so does the odd byte at the end.
 */
struct content_text {
	guint8 *data;
	gsize len;
	gsize size;    /* what data has room for */
	GArray *marks; /* pairs of guint32: a place in the source, one in data; each 2 KiB */
	const guint8 *source;
	gsize source_len, source_at; /* behind the byte order mark */
	gboolean is_big;
};
#define CONTENT_TEXT_MARK 2048

struct content_text *content_text_new(void);
void content_text_free(struct content_text *text);

/* How much memory that takes. */
gsize content_text_size(const guint8 *source, gsize len, enum content_class class);
/* Gives the memory back. */
void content_text_clear(struct content_text *text);

/* Keeps source as borrowed until the next. FALSE when there is no memory for it. */
gboolean content_text_convert(
	struct content_text *text, const guint8 *source, gsize len, enum content_class class);

/* The place in the UTF-16 of the character that place at of the UTF-8 belongs to. */
gsize content_text_source(const struct content_text *text, gsize at);

#endif
