/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_DECODE_H
#define MUSTER_JOBS_SCAN_DECODE_H

#include <glib.h>

/*
 * Text hidden in text: base64 (either alphabet, also wrapped over lines), hex, percent-encoding.
 * Finds runs that look like one of them, and undoes them when that gives text. What decodes to
 * anything else (keys, certificates, images, hashes, long names) is dropped after some bytes.
 *
 * Whether bytes are a run, and from where to where, depends on them and DECODE_AROUND bytes on each
 * side only, wherever looking begins: a run is a chain of lines each of which holds on to the next.
 *
 *	decode_cursor_init(&cursor, data, len, from, to, words);
 *	while (decode_next(&cursor, &run))
 *		if (decode_run(&text, data, NULL, &run, FALSE))
 *			look_into(text.bytes, text.len);
 */
enum decode_kind {
	DECODE_BASE64 = 1, /* or hex, whose digits are base64's too */
	DECODE_PERCENT,
};

struct decode_run {
	gsize from, to;
	enum decode_kind kind;
};

#define DECODE_RUN_MIN 26    /* characters of base64 or hex on one line */
#define DECODE_RUN_MAX 65536 /* of a longer run, what comes first */
#define DECODE_AROUND 256    /* the bytes beside a run that decide where it ends */

/*
 * Goes over the runs that touch [from, to], in no order, some twice. words: what char_run_find()
 * found in data, of base64 at least and as far as `to`, by their beginnings. The fields are the
 * cursor's own.
 */
struct decode_cursor {
	const guint8 *data;
	gsize len, from, to, base64, percent;
	const GArray *runs;
	guint next, n_edges;
	gsize edges[2][4];         /* where runs begin that were found from the edges */
	struct decode_run last[2]; /* the last that was looked at there, by kind */
};

void decode_cursor_init(struct decode_cursor *cursor, const guint8 *data, gsize len, gsize from,
	gsize to, const GArray *words);
gboolean decode_next(struct decode_cursor *cursor, struct decode_run *run);

/* The run that byte `at` is in, its first DECODE_RUN_MAX bytes. FALSE: none, or too far in. */
gboolean decode_run_at(
	const guint8 *data, gsize len, gsize at, enum decode_kind kind, struct decode_run *run);

/* What a run says. ends[i] is the place behind the last character that byte i was made of. */
struct decode_text {
	guint8 *bytes; /* [DECODE_RUN_MAX] */
	guint32 *ends;
	gsize len;
};

void decode_text_init(struct decode_text *text);
void decode_text_clear(struct decode_text *text);

/*
 * Undoes a run of data; one of base64 characters may be read as hex too. ends are offsets into
 * data, or, with `outer`, into what outer->ends are into (data is outer->bytes then). FALSE when
 * what comes out is not text.
 */
gboolean decode_run(struct decode_text *text, const guint8 *data, const struct decode_text *outer,
	const struct decode_run *run, gboolean as_hex);

#endif
