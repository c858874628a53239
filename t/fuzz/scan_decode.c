/* SPDX-License-Identifier: MIT */
/*
 * Encoded runs of any text (the first byte says how often the rest is repeated, so that runs get
 * longer than the longest): they lie inside of it, what they say points back into them, from each
 * of these places alone the same run is found, with no more around it than a judge is given, and
 * two ranges find what one over all finds.
 */
#include "config.h"
#include "t/fuzz/target.h"

#include <string.h>

#include "jobs/scan/char_run.h"
#include "jobs/scan/decode.h"

#define TEXT_MAX (200u * 1024)
#define RUNS_MAX 4096u
#define LOOKS 8u /* places of a run that are tried */

static int word_order(const void *a, const void *b)
{
	const struct char_run *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static int run_order(const void *a, const void *b)
{
	const struct decode_run *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

/* As the matcher asks for what touches [from, to]. */
static void runs_find(const guint8 *data, gsize len, gsize from, gsize to, GArray *runs)
{
	g_autoptr(GArray) words = g_array_new(FALSE, FALSE, sizeof(struct char_run));
	gsize first = from > DECODE_AROUND ? from - DECODE_AROUND : 0;
	gsize last = MIN(len, to + DECODE_AROUND);
	struct decode_cursor cursor;
	struct decode_run run;

	char_run_find(data, first, last, words);
	if (words->len > 1)
		qsort(words->data, words->len, sizeof(struct char_run), word_order);
	decode_cursor_init(&cursor, data, len, first, last, words);
	while (decode_next(&cursor, &run)) {
		fuzz_require(run.from < run.to && run.to <= len);
		fuzz_require(run.to - run.from <= DECODE_RUN_MAX);
		g_array_append_val(runs, run);
		fuzz_require(runs->len <= TEXT_MAX);
	}
	if (runs->len > 1)
		qsort(runs->data, runs->len, sizeof(run), run_order);
}

/* The same run, from one of its bytes and what a candidate's window holds. */
static void look_back(const guint8 *data, gsize len, const struct decode_run *run, gsize at)
{
	gsize from = run->from - MIN(run->from, DECODE_AROUND);
	gsize to = MIN(len, run->to + DECODE_AROUND);
	struct decode_run again;

	fuzz_require(at > run->from && at <= run->to);
	fuzz_require(decode_run_at(data + from, to - from, at - 1 - from, run->kind, &again));
	fuzz_require(again.from + from == run->from && again.to + from == run->to);
}

static void run_check(const guint8 *data, gsize len, const struct decode_run *run,
	struct decode_text *text, gboolean as_hex)
{
	if (!decode_run(text, data, NULL, run, as_hex))
		return;
	fuzz_require(text->len > 0 && text->len <= DECODE_RUN_MAX);
	for (gsize i = 1; i < text->len; i++)
		fuzz_require(text->ends[i] > text->ends[i - 1]);
	for (gsize i = 0; i < text->len; i += 1 + text->len / LOOKS)
		look_back(data, len, run, text->ends[i]);
	look_back(data, len, run, text->ends[text->len - 1]);
}

static gboolean has_run(const GArray *runs, const struct decode_run *run)
{
	return runs->len > 0 &&
	       bsearch(run, runs->data, runs->len, sizeof(*run), run_order) != NULL;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct decode_run));
	g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(struct decode_run));
	g_autoptr(GArray) right = g_array_new(FALSE, FALSE, sizeof(struct decode_run));
	struct decode_text text;

	if (size < 2)
		return 0;
	gsize times = MIN((gsize)data[0] + 1, TEXT_MAX / (size - 1)), len = 0;
	g_autofree guint8 *bytes = g_malloc(times * (size - 1) + 1);
	for (gsize i = 0; i < times; i++, len += size - 1)
		memcpy(bytes + len, data + 1, size - 1);
	if (len == 0)
		return 0;
	gsize middle = (gsize)data[size - 1] * len / 256;
	runs_find(bytes, len, 0, len, all);
	runs_find(bytes, len, 0, middle, left);
	runs_find(bytes, len, middle, len, right);
	decode_text_init(&text);
	for (guint i = 0; i < MIN(all->len, RUNS_MAX); i++) {
		const struct decode_run *run = &g_array_index(all, struct decode_run, i);
		run_check(bytes, len, run, &text, FALSE);
		run_check(bytes, len, run, &text, TRUE);
		fuzz_require(has_run(left, run) || has_run(right, run));
	}
	decode_text_clear(&text);
	return 0;
}
