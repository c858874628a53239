/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/jobs/scan_content_double.h"

#include <string.h>

#include "jobs/scan/matcher.h"

enum {
	TOKEN,
	BLOCK,
	PAIR,
	HEXED,
	WHOLE,
};

static gboolean is_small(guint8 c)
{
	return g_ascii_islower(c) || g_ascii_isdigit(c);
}

static gboolean is_word(guint8 c)
{
	return g_ascii_isalnum(c) || c == '_';
}

static gboolean is_hex(guint8 c)
{
	return g_ascii_isdigit(c) || (c >= 'a' && c <= 'f');
}

static gboolean ends_with(const guint8 *data, gsize at, const char *word)
{
	gsize n = strlen(word);
	return at >= n && memcmp(data + at - n, word, n) == 0;
}

/* Whether a token ends at at, and where it begins. */
static gboolean token_ends(const guint8 *data, gsize len, gsize at, gsize *begin)
{
	if (at < len && is_word(data[at]))
		return FALSE;
	gsize k = 0;
	while (k < at && k < 11 && is_small(data[at - 1 - k]))
		k++;
	if (k < 4 || k > 10 || !ends_with(data, at - k, "KEY-"))
		return FALSE;
	*begin = at - k - 4;
	return *begin == 0 || !is_word(data[*begin - 1]);
}

void matcher_window(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate)
{
	gsize from = candidate->at, to = candidate->at;
	guint lines = 0;
	while (from > 0 && candidate->at - from < DOUBLE_LINE) {
		if (data[from - 1] == '\n' && ++lines == 2)
			break;
		from--;
	}
	gboolean is_at_start = from == 0;
	while (to < len && to - candidate->at < DOUBLE_LINE && data[to] != '\n')
		to++;
	gboolean is_at_end = to == len;
	if (candidate->rule == BLOCK) {
		to = MIN(len, (gsize)candidate->at + DOUBLE_BEHIND);
		is_at_end = to == len;
	}
	candidate->from = (guint32)from;
	candidate->to = (guint32)to;
	candidate->verdict = CANDIDATE_UNSET;
	candidate->flags &= (guint8) ~(CANDIDATE_AT_START | CANDIDATE_AT_END);
	candidate->flags |=
		(is_at_start ? CANDIDATE_AT_START : 0) | (is_at_end ? CANDIDATE_AT_END : 0);
}

static void run_sieve(const guint8 *data, gsize len, gsize begin, gsize end, GArray *candidates)
{
	gsize n = MIN(end - begin, DOUBLE_RUN) / 2;
	gsize from = begin - MIN(begin, DOUBLE_AROUND), to = MIN(end + DOUBLE_AROUND, len);
	if (memchr(data + from, '.', begin - from) || memchr(data + end, '.', to - end))
		return;
	for (gsize i = 3; i <= n; i++) {
		if (!ends_with(data, begin + 2 * i, "534543"))
			continue;
		struct candidate candidate = {
			.at = (guint32)(begin + 2 * i),
			.from = (guint32)from,
			.to = (guint32)to,
			.rule = HEXED,
			.flags = CANDIDATE_DECODED |
				 (begin < DOUBLE_AROUND ? CANDIDATE_AT_START : 0) |
				 (len - end < DOUBLE_AROUND ? CANDIDATE_AT_END : 0),
		};
		g_array_append_val(candidates, candidate);
	}
}

gboolean matcher_sieve(struct matcher_thread *thread, const guint8 *data, gsize len, gsize from,
	gsize to, GArray *candidates)
{
	g_assert_cmpuint(from, <=, to);
	g_assert_cmpuint(to, <=, len);
	for (gsize at = from == 0 ? 0 : from + 1; at <= to; at++) {
		struct candidate candidate = {.at = (guint32)at};
		gsize begin;
		guint rule = DOUBLE_RULES;
		if (token_ends(data, len, at, &begin))
			rule = TOKEN;
		else if (ends_with(data, at, "BEGIN"))
			rule = BLOCK;
		else if (ends_with(data, at, "pw="))
			rule = PAIR;
		if (rule == DOUBLE_RULES)
			continue;
		candidate.rule = (guint16)rule;
		matcher_window(thread, data, len, &candidate);
		g_array_append_val(candidates, candidate);
	}
	/* Runs that touch [from, to], or that it may have changed. */
	gsize begin = from - MIN(from, DOUBLE_AROUND);
	to = MIN(to + DOUBLE_AROUND, len);
	while (begin > 0 && is_hex(data[begin - 1]))
		begin--;
	while (begin <= to && begin < len) {
		gsize end = begin;
		while (end < len && is_hex(data[end]))
			end++;
		if (end - begin >= 8)
			run_sieve(data, len, begin, end, candidates);
		begin = end + 1;
	}
	return TRUE;
}

gboolean matcher_sieve_ranges(struct matcher_thread *thread, const guint8 *data, gsize len,
	const struct matcher_range *ranges, guint n, GArray *candidates)
{
	for (guint i = 0; i < n; i++)
		if (!matcher_sieve(thread, data, len, ranges[i].from, ranges[i].to, candidates))
			return FALSE;
	return TRUE;
}

void matcher_whole(struct matcher_thread *thread, const guint8 *data, gsize len, GArray *candidates)
{
	const guint8 *wh = memmem(data, len, "WH", 2);
	if (wh == NULL || memmem(wh, len - (gsize)(wh - data), "EL", 2) == NULL)
		return;
	struct candidate candidate = {
		.at = (guint32)(wh - data) + 2,
		.to = (guint32)len,
		.rule = WHOLE,
		.flags = CANDIDATE_WHOLE | CANDIDATE_AT_START | CANDIDATE_AT_END,
	};
	g_array_append_val(candidates, candidate);
}

static void accept(struct candidate *candidate, const guint8 *window, gsize at, gsize len)
{
	guint32 hash = 2166136261u;
	for (gsize i = 0; i < len; i++)
		hash = (hash ^ window[at + i]) * 16777619u;
	candidate->secret = hash | 1;
	candidate->secret_at = candidate->from + (guint32)at;
	candidate->secret_len = (guint32)len;
	candidate->match_at = candidate->secret_at;
	candidate->match_len = candidate->secret_len;
	candidate->verdict = CANDIDATE_ACCEPTED;
}

static gboolean has_word(const guint8 *window, gsize from, gsize to, const char *word)
{
	return memmem(window + from, to - from, word, strlen(word)) != NULL;
}

/* Sees the window alone. */
static void window_judge(struct candidate *candidate, const guint8 *window, gsize len)
{
	gsize at = candidate->at - candidate->from, line = at, behind = at, begin, before;
	while (line > 0 && window[line - 1] != '\n')
		line--;
	while (behind < len && window[behind] != '\n')
		behind++;
	before = line > 0 ? line - 1 : 0;
	while (before > 0 && window[before - 1] != '\n')
		before--;
	candidate->verdict = CANDIDATE_REFUSED;
	switch (candidate->rule) {
	case TOKEN:
		if (!token_ends(window, len, at, &begin) || has_word(window, line, behind, "test"))
			return;
		accept(candidate, window, begin, at - begin);
		if (has_word(window, line, behind, "allow"))
			candidate->flags |= CANDIDATE_MARKED;
		return;
	case BLOCK: {
		const guint8 *end = memmem(window + at, len - at, "END", 3);
		if (end != NULL && end > window + at)
			accept(candidate, window, at, (gsize)(end - window) - at);
		return;
	}
	case PAIR:
		for (behind = at; behind < len && is_small(window[behind]);)
			behind++;
		if (behind > at && has_word(window, before, MIN(len, line + DOUBLE_LINE), "ctx"))
			accept(candidate, window, at, behind - at);
		return;
	case HEXED: {
		gsize run = at, run_end = at;
		while (run > 0 && is_hex(window[run - 1]))
			run--;
		while (run_end < len && is_hex(window[run_end]))
			run_end++;
		run_end = MIN(run_end, run + DOUBLE_RUN);
		if (at + 2 <= run_end) {
			accept(candidate, window, at - 6, 8);
			candidate->secret_at = candidate->from + (guint32)run;
			candidate->secret_len = (guint32)(run_end - run);
		}
		return;
	}
	case WHOLE:
		accept(candidate, window, at - 2, 2);
		return;
	}
}

void matcher_judge(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate)
{
	if (candidate->verdict != CANDIDATE_UNSET)
		return;
	g_assert_cmpuint(candidate->from, <=, candidate->at);
	g_assert_cmpuint(candidate->at, <=, candidate->to);
	g_assert_cmpuint(candidate->to, <=, len);
	/* A copy, so that looking beyond is found by the sanitizer. */
	gsize window_len = candidate->to - candidate->from;
	g_autofree guint8 *window = g_memdup2(data + candidate->from, MAX(window_len, 1));
	window_judge(candidate, window, window_len);
}

guint matcher_margin(const struct matcher *matcher)
{
	return DOUBLE_MARGIN;
}
