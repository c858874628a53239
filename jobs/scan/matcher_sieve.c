/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/matcher.h"

#include <string.h>

#include <hs.h>

#include "jobs/scan/char_run.h"
#include "jobs/scan/matcher_inside.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/seen.h"
#include "jobs/scan/sieve.h"

/* A sieve that matches nearly everywhere is stopped there: its caller asks for less at a time. */
#define CANDIDATES_MAX (1 << 20)

/* One call of vectorscan. */
struct sieving {
	struct matcher_thread *thread;
	const guint8 *data; /* the object */
	gsize len;
	gsize base;                     /* where the scanned bytes begin in it */
	gsize from, to;                 /* where ends count, just now */
	const struct decode_text *text; /* what is scanned when it is not the object */
	gsize run_from, run_to;
	GArray *candidates;
};
/* The newline before `at` at or behind `least`, or least - 1 when there is none. */
static gint64 newline_before(const guint8 *data, gint64 least, gint64 at)
{
	const guint8 *p = at > least ? memrchr(data + least, '\n', (gsize)(at - least)) : NULL;

	return p != NULL ? p - data : least - 1;
}

/*
 * Bytes decide: a window that ends at a newline holds that newline, so that whoever has the same
 * bytes makes the same window. See matcher.h for what it promises.
 */
static void make_window(
	const struct sieve_reach *reach, const guint8 *data, gsize len, struct candidate *candidate)
{
	gint64 at = candidate->at, end = (gint64)len;
	gint64 before = MAX((gint64)reach->before, MATCHER_LINE_BYTES);
	gint64 behind = MAX((gint64)reach->behind, MATCHER_LINE_BYTES);
	gint64 least = at - (reach->one_line ? before : MATCHER_LINE_BYTES);
	gint64 most = at + (reach->one_line ? behind : MATCHER_LINE_BYTES);
	gint64 from, to;

	/* The line, and the one before it. */
	from = newline_before(data, MAX(least, 0), at);
	if (from >= MAX(least, 0))
		from = newline_before(data, MAX(least, 0), from);
	if (from < MAX(least, 0))
		from = least;
	const guint8 *newline = memchr(data + at, '\n', (gsize)(MIN(most, end) - at));
	to = newline != NULL ? newline - data + 1 : most;
	if (!reach->one_line) {
		from = MIN(from, at - (gint64)reach->before);
		to = MAX(to, at + (gint64)reach->behind);
	}
	candidate->flags &= (guint8) ~(CANDIDATE_AT_START | CANDIDATE_AT_END);
	if (from < 0)
		candidate->flags |= CANDIDATE_AT_START;
	if (to > end)
		candidate->flags |= CANDIDATE_AT_END;
	candidate->from = (guint32)MAX(from, 0);
	candidate->to = (guint32)MIN(to, end);
}

/* An encoded run and what decides where it ends. */
static void make_run_window(const struct sieving *sieving, struct candidate *candidate)
{
	if (sieving->run_from < DECODE_AROUND)
		candidate->flags |= CANDIDATE_AT_START;
	if (sieving->len - sieving->run_to < DECODE_AROUND)
		candidate->flags |= CANDIDATE_AT_END;
	candidate->from = (guint32)(sieving->run_from - MIN(sieving->run_from, DECODE_AROUND));
	candidate->to = (guint32)MIN(sieving->len, sieving->run_to + DECODE_AROUND);
}

/* Called by vectorscan, in the order of ends, often more than once for one rule and end. */
static int report(
	unsigned id, unsigned long long start, unsigned long long stop, unsigned flags, void *data)
{
	struct sieving *sieving = data;
	struct matcher_thread *thread = sieving->thread;
	const struct sieve *sieve = thread->matcher->sieve;
	gsize end = sieving->base + (gsize)stop;
	struct candidate candidate = {0};

	if (sieving->text == NULL) {
		if ((end <= sieving->from && sieving->from > 0) || end > sieving->to)
			return 0;
		candidate.at = (guint32)end;
	} else {
		candidate.at = sieving->text->ends[end - 1];
		candidate.flags = CANDIDATE_DECODED;
	}
	for (guint32 i = sieve->first[id]; i < sieve->first[id + 1]; i++) {
		guint16 rule = sieve->rules[i];
		guint64 mark = (guint64)thread->call << 32 | candidate.at;
		if (thread->last[rule] == mark)
			continue;
		if (sieving->text != NULL &&
			!(thread->matcher->rules->rules[rule].flags & RULE_DECODE))
			continue;
		thread->last[rule] = mark;
		thread->rule_matches[rule]++;
		thread->counts.sieve_matches++;
		struct candidate one = candidate;
		one.rule = rule;
		if (sieving->text == NULL)
			make_window(&sieve->reach[rule], sieving->data, sieving->len, &one);
		else
			make_run_window(sieving, &one);
		g_array_append_val(sieving->candidates, one);
	}
	return sieving->candidates->len > CANDIDATES_MAX;
}

static gboolean run(struct sieving *sieving, const hs_database_t *database, const guint8 *bytes,
	gsize from, gsize to)
{
	gsize base = sieving->base;

	if (from >= to)
		return TRUE;
	sieving->base = base + from;
	hs_error_t result = hs_scan(database, (const char *)bytes + from, (unsigned)(to - from), 0,
		sieving->thread->scratch, report, sieving);
	sieving->base = base;
	return result == HS_SUCCESS;
}

/* They come in the order of their places but for neighbours of different kinds. */
static void sort_words(GArray *words)
{
	struct char_run *list = (struct char_run *)(void *)words->data;

	for (guint i = 1; i < words->len; i++) {
		struct char_run word = list[i];
		guint k = i;
		for (; k > 0 && list[k - 1].from > word.from; k--)
			list[k] = list[k - 1];
		list[k] = word;
	}
}

static gboolean is_word_of(const struct char_run *word, enum sieve_part_kind part)
{
	if (part == SIEVE_ALNUM)
		return word->kind != CHAR_RUN_KIND_BASE64;
	return word->kind == CHAR_RUN_KIND_BASE64 &&
	       (part == SIEVE_SHORT || word->to - word->from >= SIEVE_LONG_RUN);
}

/*
 * Around the part's words in [least, most), with a byte more for a sieve that asks what is beside
 * its match.
 */
static gboolean sieve_words(struct sieving *sieving, const GArray *words, enum sieve_part_kind kind,
	const guint8 *bytes, gsize least, gsize most)
{
	const struct sieve_part *part = &sieving->thread->matcher->sieve->parts[kind];
	gsize from = least, to = least;

	if (part->database == NULL)
		return TRUE;
	for (guint i = 0; i < words->len; i++) {
		const struct char_run *word = &g_array_index(words, struct char_run, i);
		if (!is_word_of(word, kind))
			continue;
		gsize start = MAX(least, word->from - MIN(word->from, part->before + 1));
		gsize stop = MIN(most, word->to + part->after + 1);
		if (start > to) {
			if (!run(sieving, part->database, bytes, from, to))
				return FALSE;
			from = start;
			to = stop;
		}
		to = MAX(to, stop);
	}
	return run(sieving, part->database, bytes, from, to);
}

/*
 * bytes[from, to), with the words of bytes[least, most), which are noted; sieving->base is where
 * bytes begin in what they are of; level: how many encodings deep that is.
 */
static gboolean sieve_bytes(struct sieving *sieving, const guint8 *bytes, gsize least, gsize most,
	gsize from, gsize to, guint level)
{
	struct matcher_thread *thread = sieving->thread;
	const struct sieve_part *part = &thread->matcher->sieve->parts[SIEVE_EVERYWHERE];
	GArray *words = thread->words[level];

	thread->call++;
	thread->counts.sieved_bytes += to - from;
	if (part->database != NULL && !run(sieving, part->database, bytes, from, to))
		return FALSE;
	g_array_set_size(words, 0);
	char_run_find(bytes, least, most, words);
	sort_words(words);
	return sieve_words(sieving, words, SIEVE_ALNUM, bytes, from, to) &&
	       sieve_words(sieving, words, SIEVE_LONG, bytes, from, to) &&
	       sieve_words(sieving, words, SIEVE_SHORT, bytes, from, to);
}

/*
 * Looks into the runs of [from, to] of data, which is the object's or, with outer, what one of its
 * runs says; into each as hex and as base64.
 */
static gboolean sieve_runs(struct sieving *sieving, const guint8 *data, gsize len, gsize from,
	gsize to, const GArray *words, const struct decode_text *outer, guint depth)
{
	struct matcher_thread *thread = sieving->thread;
	struct decode_cursor cursor;
	struct decode_run run;

	if (depth >= thread->depth)
		return TRUE;
	decode_cursor_init(&cursor, data, len, from, to, words);
	while (decode_next(&cursor, &run)) {
		if (outer == NULL) {
			sieving->run_from = run.from;
			sieving->run_to = run.to;
		}
		for (guint as_hex = 0; as_hex < 2; as_hex++) {
			struct decode_text *text = matcher_text(thread, depth);
			if (!decode_run(text, data, outer, &run, as_hex))
				continue;
			thread->counts.runs_decoded++;
			thread->counts.run_bytes += text->len;
			sieving->text = text;
			if (!sieve_bytes(
				    sieving, text->bytes, 0, text->len, 0, text->len, depth + 1) ||
				!sieve_runs(sieving, text->bytes, text->len, 0, text->len,
					thread->words[depth + 1], text, depth + 1))
				return FALSE;
		}
	}
	return TRUE;
}

G_STATIC_ASSERT(RULE_SIEVE_WIDTH + 1 + DECODE_AROUND <= SEEN_AROUND_MAX);

/* Bytes around an end that decide about it, and about words that begin or end a run. */
static gsize chunk_least(const struct matcher_thread *thread, gsize from)
{
	return from - MIN(from, MAX(thread->matcher->sieve->margin, DECODE_AROUND));
}

/* One byte more, for a sieve that asks what is behind its match; for runs all that is near. */
static gsize chunk_most(const struct matcher_chunk *chunk, gsize len)
{
	return MIN(len, chunk->to + (chunk->is_last ? DECODE_AROUND : 1));
}

static gboolean is_long(const struct char_run *word)
{
	return word->kind == CHAR_RUN_KIND_BASE64 && word->to - word->from >= DECODE_RUN_MIN;
}

static void keep_long_words(struct matcher_thread *thread)
{
	const GArray *words = thread->words[0];

	for (guint i = 0; i < words->len; i++)
		if (is_long(&g_array_index(words, struct char_run, i)))
			g_array_append_vals(
				thread->long_words, &g_array_index(words, struct char_run, i), 1);
}

/* Cuts a range into chunks and asks for what is remembered of them, so that it is there in time. */
static void cut(struct matcher_thread *thread, const guint8 *data, gsize len, gsize from, gsize to)
{
	const struct seen *seen = matcher_seen(thread);

	do {
		struct matcher_chunk chunk = {.from = from, .to = seen_chunk_end(data, from, to)};
		chunk.is_last = chunk.to == to;
		gsize least = chunk_least(thread, from), most = chunk_most(&chunk, len);
		if (seen != NULL) {
			chunk.name = seen_hash(seen, data + least, most - least, chunk.from - least,
				chunk.to - least);
			seen_expect(seen, chunk.name);
		}
		g_array_append_val(thread->chunks, chunk);
		from = chunk.to;
	} while (from < to);
}

/* Candidates belong to the chunk in which they end. */
static void mark_found(struct matcher_chunk *chunks, guint n, const struct candidate *candidates,
	guint n_candidates)
{
	for (guint i = 0; i < n_candidates; i++) {
		guint low = 0, high = n - 1;
		while (low < high) {
			guint middle = low + (high - low) / 2;
			if (candidates[i].at <= chunks[middle].to)
				high = middle;
			else
				low = middle + 1;
		}
		chunks[low].is_found = TRUE;
	}
}

/* Remembers the chunks that gave nothing, and whether they touch a long word; notes those. */
static void remember(
	struct matcher_thread *thread, const struct matcher_chunk *chunks, guint n, gsize len)
{
	const GArray *words = thread->long_words;
	struct seen *seen = matcher_seen(thread);
	guint first = words->len;

	keep_long_words(thread);
	if (seen == NULL)
		return;
	for (guint i = 0; i < n; i++) {
		gsize least = chunk_least(thread, chunks[i].from);
		gsize most = chunk_most(&chunks[i], len);
		gboolean has_word = FALSE;
		if (chunks[i].is_found)
			continue;
		for (guint k = first; k < words->len && !has_word; k++) {
			const struct char_run *word = &g_array_index(words, struct char_run, k);
			if (word->from >= most)
				break;
			has_word = word->to > least;
			/* They are of one kind, and apart. */
			first += word->to <= least;
		}
		seen_add(seen, chunks[i].name, has_word);
	}
}

/* Neighbours, in one go. */
static gboolean sieve_chunks(struct sieving *sieving, struct matcher_chunk *chunks, guint n)
{
	struct matcher_thread *thread = sieving->thread;
	const GArray *candidates = sieving->candidates;
	guint first = candidates->len;

	if (n == 0)
		return TRUE;
	sieving->from = chunks[0].from;
	sieving->to = chunks[n - 1].to;
	gsize start = sieving->from - MIN(sieving->from, thread->matcher->sieve->margin);
	gsize stop = MIN(sieving->len, sieving->to + 1);
	if (!sieve_bytes(sieving, sieving->data, chunk_least(thread, sieving->from),
		    chunk_most(&chunks[n - 1], sieving->len), start, stop, 0))
		return FALSE;
	if (candidates->len > first)
		mark_found(chunks, n, &g_array_index(candidates, struct candidate, first),
			candidates->len - first);
	remember(thread, chunks, n, sieving->len);
	return TRUE;
}

/* The words that may be encoded text, of a chunk in which the sieve finds nothing. */
static void find_long_words(const struct sieving *sieving, const struct matcher_chunk *chunk)
{
	struct matcher_thread *thread = sieving->thread;

	g_array_set_size(thread->words[0], 0);
	char_run_find(sieving->data, chunk_least(thread, chunk->from),
		chunk_most(chunk, sieving->len), thread->words[0]);
	keep_long_words(thread);
}

/*
 * The chunks of one range, from `at` on: those that were not seen before. Notes all words that may
 * be encoded. Returns the number behind the last one, 0 on failure.
 */
static guint sieve_news(struct sieving *sieving, guint at)
{
	struct matcher_thread *thread = sieving->thread;
	struct matcher_chunk *chunks = (struct matcher_chunk *)(void *)thread->chunks->data;
	const struct seen *seen = matcher_seen(thread);
	guint first = at; /* that waits for the sieve */

	for (;; at++) {
		gboolean has_word = FALSE;
		if (seen != NULL && seen_has(seen, chunks[at].name, &has_word)) {
			if (!sieve_chunks(sieving, chunks + first, at - first))
				return 0;
			if (has_word)
				find_long_words(sieving, &chunks[at]);
			first = at + 1;
		}
		if (chunks[at].is_last)
			break;
	}
	return sieve_chunks(sieving, chunks + first, at + 1 - first) ? at + 1 : 0;
}

gboolean matcher_sieve_ranges(struct matcher_thread *thread, const guint8 *data, gsize len,
	const struct matcher_range *ranges, guint n, GArray *candidates)
{
	struct sieving sieving = {
		.thread = thread, .data = data, .len = len, .candidates = candidates};
	guint at = 0;

	if (thread->matcher->sieve->n_patterns == 0 || len == 0)
		return TRUE;
	thread->counts.sieved_ranges += n;
	g_array_set_size(thread->chunks, 0);
	for (guint i = 0; i < n; i++)
		cut(thread, data, len, ranges[i].from, MIN(ranges[i].to, len));
	for (guint i = 0; i < n; i++) {
		/* A run beside it may be a run, or end where it ends, because of what is in it. */
		gsize runs_from = ranges[i].from - MIN(ranges[i].from, DECODE_AROUND);
		gsize runs_to = MIN(len, (gsize)ranges[i].to + DECODE_AROUND);
		g_array_set_size(thread->long_words, 0);
		sieving.text = NULL;
		sieving.base = 0;
		at = sieve_news(&sieving, at);
		if (at == 0)
			return FALSE;
		sort_words(thread->long_words);
		if (!sieve_runs(
			    &sieving, data, len, runs_from, runs_to, thread->long_words, NULL, 0))
			return FALSE;
	}
	return TRUE;
}

gboolean matcher_sieve(struct matcher_thread *thread, const guint8 *data, gsize len, gsize from,
	gsize to, GArray *candidates)
{
	const struct matcher_range range = {(guint32)from, (guint32)MIN(to, len)};

	return matcher_sieve_ranges(thread, data, len, &range, 1, candidates);
}

void matcher_window(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate)
{
	make_window(&thread->matcher->sieve->reach[candidate->rule], data, len, candidate);
	candidate->verdict = CANDIDATE_UNSET;
}
