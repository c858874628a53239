/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/char_run.h"

#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* A bit for each kind. */
static const guint8 class_of[256] = {
	['0' ... '9'] = 7,
	['A' ... 'F'] = 7,
	['a' ... 'f'] = 7,
	['G' ... 'Z'] = 3,
	['g' ... 'z'] = 3,
	['-'] = 6,
	['+'] = 2,
	['/'] = 2,
	['_'] = 2,
	['='] = 2,
};

guint char_run_least(enum char_run_kind kind)
{
	static const guint least[CHAR_RUN_KINDS] = {CHAR_RUN_ALNUM, CHAR_RUN_BASE64, CHAR_RUN_UUID};

	return least[kind];
}

gboolean char_run_has(enum char_run_kind kind, guint8 c)
{
	return class_of[c] >> kind & 1;
}

/*
 * A block of bytes as a bit each, of those that are of a kind. x - low <= high - low, unsigned, is
 * min(x - low, high - low) == x - low; '+' and '/' differ in one bit. Written once for each width
 * of vectors, and for none.
 */
#define BLOCK 32

typedef guint32 (*classify)(const guint8 *data, enum char_run_kind kind);

#if defined(__SSE2__)
static inline guint32 half_sse2(const guint8 *data, enum char_run_kind kind)
{
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)data);
	__m128i letter = _mm_sub_epi8(_mm_or_si128(c, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
	__m128i most = _mm_set1_epi8(kind == CHAR_RUN_KIND_UUID ? 5 : 25);
	__m128i is = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(letter, most), letter),
		_mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit));

	if (kind != CHAR_RUN_KIND_ALNUM)
		is = _mm_or_si128(is, _mm_cmpeq_epi8(c, _mm_set1_epi8('-')));
	if (kind == CHAR_RUN_KIND_BASE64) {
		__m128i slash =
			_mm_cmpeq_epi8(_mm_or_si128(c, _mm_set1_epi8(4)), _mm_set1_epi8('/'));
		is = _mm_or_si128(
			_mm_or_si128(is, slash), _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('=')),
							 _mm_cmpeq_epi8(c, _mm_set1_epi8('_'))));
	}
	return (guint32)_mm_movemask_epi8(is);
}

static inline guint32 classify_any(const guint8 *data, enum char_run_kind kind)
{
	return half_sse2(data, kind) | half_sse2(data + 16, kind) << 16;
}

__attribute__((target("avx2"))) static inline guint32 classify_avx2(
	const guint8 *data, enum char_run_kind kind)
{
	__m256i c = _mm256_loadu_si256((const __m256i *)(const void *)data);
	__m256i letter =
		_mm256_sub_epi8(_mm256_or_si256(c, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
	__m256i digit = _mm256_sub_epi8(c, _mm256_set1_epi8('0'));
	__m256i most = _mm256_set1_epi8(kind == CHAR_RUN_KIND_UUID ? 5 : 25);
	__m256i is = _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_min_epu8(letter, most), letter),
		_mm256_cmpeq_epi8(_mm256_min_epu8(digit, _mm256_set1_epi8(9)), digit));

	if (kind != CHAR_RUN_KIND_ALNUM)
		is = _mm256_or_si256(is, _mm256_cmpeq_epi8(c, _mm256_set1_epi8('-')));
	if (kind == CHAR_RUN_KIND_BASE64) {
		__m256i slash = _mm256_cmpeq_epi8(
			_mm256_or_si256(c, _mm256_set1_epi8(4)), _mm256_set1_epi8('/'));
		is = _mm256_or_si256(_mm256_or_si256(is, slash),
			_mm256_or_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8('=')),
				_mm256_cmpeq_epi8(c, _mm256_set1_epi8('_'))));
	}
	return (guint32)_mm256_movemask_epi8(is);
}
#else
static inline guint32 classify_any(const guint8 *data, enum char_run_kind kind)
{
	guint32 bits = 0;

	for (guint i = 0; i < BLOCK; i++)
		bits |= (guint32)char_run_has(kind, data[i]) << i;
	return bits;
}
#endif

/* Bit i of the lower half: from there on, all that a run needs is set. */
static inline guint32 run_starts(guint64 bits, enum char_run_kind kind)
{
	bits &= bits >> 1;
	bits &= bits >> 2;
	bits &= bits >> 4;
	if (kind == CHAR_RUN_KIND_UUID)
		return (guint32)(bits & bits >> (CHAR_RUN_UUID - 8));
	bits &= bits >> 8;
	if (kind == CHAR_RUN_KIND_BASE64)
		bits &= bits >> (CHAR_RUN_BASE64 - 16);
	return (guint32)bits;
}

G_STATIC_ASSERT(CHAR_RUN_ALNUM == 16);
G_STATIC_ASSERT(CHAR_RUN_BASE64 > 16 && CHAR_RUN_BASE64 <= BLOCK);
G_STATIC_ASSERT(CHAR_RUN_UUID > 8 && CHAR_RUN_UUID <= 16);

static void add_runs(const guint8 *data, gsize base, gsize to, guint32 starts,
	enum char_run_kind kind, gsize *done, GArray *runs)
{
	while (starts != 0) {
		guint bit = (guint)__builtin_ctz(starts);
		struct char_run run = {base + bit, base + bit, kind};
		starts &= starts - 1;
		if (run.from < *done)
			continue;
		run.to += char_run_least(kind);
		while (run.to < to && char_run_has(kind, data[run.to]))
			run.to++;
		*done = run.to;
		g_array_append_val(runs, run);
	}
}

static inline __attribute__((always_inline)) void find(
	const guint8 *data, gsize from, gsize to, GArray *runs, classify classify)
{
	gsize done[CHAR_RUN_KINDS] = {from, from, from};
	guint8 rest[3 * BLOCK] = {0};
	gsize base = from;
	guint64 bits = to - from >= BLOCK ? classify(data + from, CHAR_RUN_KIND_BASE64) : 0;

	/* The others' characters are base64's too: where those are not so many, nothing is. */
	for (; base + 2 * BLOCK <= to; base += BLOCK) {
		bits |= (guint64)classify(data + base + BLOCK, CHAR_RUN_KIND_BASE64) << BLOCK;
		if (G_UNLIKELY(run_starts(bits, CHAR_RUN_KIND_UUID) != 0)) {
			add_runs(data, base, to, run_starts(bits, CHAR_RUN_KIND_BASE64),
				CHAR_RUN_KIND_BASE64, &done[CHAR_RUN_KIND_BASE64], runs);
			for (guint kind = 0; kind < CHAR_RUN_KINDS; kind += 2) {
				guint64 other = classify(data + base, kind) |
						(guint64)classify(data + base + BLOCK, kind)
							<< BLOCK;
				add_runs(data, base, to, run_starts(other, kind), kind, &done[kind],
					runs);
			}
		}
		bits >>= BLOCK;
	}
	/* Less than two blocks are left: with a block of nothing behind them. */
	memcpy(rest, data + base, to - base);
	for (gsize at = 0; base + at < to; at += BLOCK) {
		for (guint kind = 0; kind < CHAR_RUN_KINDS; kind++) {
			bits = classify(rest + at, kind) |
			       (guint64)classify(rest + at + BLOCK, kind) << BLOCK;
			add_runs(data, base + at, to, run_starts(bits, kind), kind, &done[kind],
				runs);
		}
	}
}

#if defined(__SSE2__)
__attribute__((target("avx2"))) static void find_avx2(
	const guint8 *data, gsize from, gsize to, GArray *runs)
{
	find(data, from, to, runs, classify_avx2);
}
#endif

static void find_any(const guint8 *data, gsize from, gsize to, GArray *runs)
{
	find(data, from, to, runs, classify_any);
}

void char_run_find(const guint8 *data, gsize from, gsize to, GArray *runs)
{
	if (to < from + CHAR_RUN_UUID)
		return;
#if defined(__SSE2__)
	if (__builtin_cpu_supports("avx2")) {
		find_avx2(data, from, to, runs);
		return;
	}
#endif
	find_any(data, from, to, runs);
}
