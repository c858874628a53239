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
#define BLOCK 64

struct block {
	guint64 of[CHAR_RUN_KINDS];
};

typedef struct block (*classify)(const guint8 *data);

#if defined(__SSE2__)
static inline struct block classify_any(const guint8 *data)
{
	struct block block = {{0}};

	for (guint i = 0; i < BLOCK; i += 16) {
		__m128i c = _mm_loadu_si128((const __m128i *)(const void *)(data + i));
		__m128i letter =
			_mm_sub_epi8(_mm_or_si128(c, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
		__m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
		__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
		__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
		__m128i is_hex = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
		__m128i is_dash = _mm_cmpeq_epi8(c, _mm_set1_epi8('-'));
		__m128i is_alnum = _mm_or_si128(is_digit, is_letter);
		__m128i is_sign = _mm_or_si128(
			_mm_cmpeq_epi8(_mm_or_si128(c, _mm_set1_epi8(4)), _mm_set1_epi8('/')),
			_mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('=')),
				_mm_cmpeq_epi8(c, _mm_set1_epi8('_'))));
		__m128i is_base64 = _mm_or_si128(is_alnum, _mm_or_si128(is_sign, is_dash));
		__m128i is_uuid = _mm_or_si128(_mm_or_si128(is_digit, is_hex), is_dash);
		block.of[CHAR_RUN_KIND_ALNUM] |= (guint64)_mm_movemask_epi8(is_alnum) << i;
		block.of[CHAR_RUN_KIND_BASE64] |= (guint64)_mm_movemask_epi8(is_base64) << i;
		block.of[CHAR_RUN_KIND_UUID] |= (guint64)_mm_movemask_epi8(is_uuid) << i;
	}
	return block;
}

__attribute__((target("avx2"))) static inline struct block classify_avx2(const guint8 *data)
{
	struct block block = {{0}};

	for (guint i = 0; i < BLOCK; i += 32) {
		__m256i c = _mm256_loadu_si256((const __m256i *)(const void *)(data + i));
		__m256i letter = _mm256_sub_epi8(
			_mm256_or_si256(c, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
		__m256i digit = _mm256_sub_epi8(c, _mm256_set1_epi8('0'));
		__m256i is_digit =
			_mm256_cmpeq_epi8(_mm256_min_epu8(digit, _mm256_set1_epi8(9)), digit);
		__m256i is_letter =
			_mm256_cmpeq_epi8(_mm256_min_epu8(letter, _mm256_set1_epi8(25)), letter);
		__m256i is_hex =
			_mm256_cmpeq_epi8(_mm256_min_epu8(letter, _mm256_set1_epi8(5)), letter);
		__m256i is_dash = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('-'));
		__m256i is_alnum = _mm256_or_si256(is_digit, is_letter);
		__m256i is_sign =
			_mm256_or_si256(_mm256_cmpeq_epi8(_mm256_or_si256(c, _mm256_set1_epi8(4)),
						_mm256_set1_epi8('/')),
				_mm256_or_si256(_mm256_cmpeq_epi8(c, _mm256_set1_epi8('=')),
					_mm256_cmpeq_epi8(c, _mm256_set1_epi8('_'))));
		__m256i is_base64 = _mm256_or_si256(is_alnum, _mm256_or_si256(is_sign, is_dash));
		__m256i is_uuid = _mm256_or_si256(_mm256_or_si256(is_digit, is_hex), is_dash);
		block.of[CHAR_RUN_KIND_ALNUM] |= (guint64)(guint32)_mm256_movemask_epi8(is_alnum)
						 << i;
		block.of[CHAR_RUN_KIND_BASE64] |= (guint64)(guint32)_mm256_movemask_epi8(is_base64)
						  << i;
		block.of[CHAR_RUN_KIND_UUID] |= (guint64)(guint32)_mm256_movemask_epi8(is_uuid)
						<< i;
	}
	return block;
}

__attribute__((target("avx512bw"))) static inline struct block classify_avx512(const guint8 *data)
{
	__m512i c = _mm512_loadu_si512(data);
	__m512i letter =
		_mm512_sub_epi8(_mm512_or_si512(c, _mm512_set1_epi8(0x20)), _mm512_set1_epi8('a'));
	guint64 digit = _mm512_cmple_epu8_mask(
		_mm512_sub_epi8(c, _mm512_set1_epi8('0')), _mm512_set1_epi8(9));
	guint64 dash = _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('-'));
	guint64 sign = _mm512_cmpeq_epi8_mask(
			       _mm512_or_si512(c, _mm512_set1_epi8(4)), _mm512_set1_epi8('/')) |
		       _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('=')) |
		       _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('_'));
	guint64 alnum = digit | _mm512_cmple_epu8_mask(letter, _mm512_set1_epi8(25));

	return (struct block){{alnum, alnum | dash | sign,
		digit | dash | _mm512_cmple_epu8_mask(letter, _mm512_set1_epi8(5))}};
}
#else
static inline struct block classify_any(const guint8 *data)
{
	struct block block = {{0}};

	for (guint i = 0; i < BLOCK; i++)
		for (guint kind = 0; kind < CHAR_RUN_KINDS; kind++)
			block.of[kind] |= (guint64)char_run_has(kind, data[i]) << i;
	return block;
}
#endif

/* Bit i: from there on, all that a run needs is set. */
static inline guint64 run_starts(guint64 bits, enum char_run_kind kind)
{
	guint64 two = bits & bits >> 1, four = two & two >> 2, eight = four & four >> 4;

	if (kind == CHAR_RUN_KIND_UUID)
		return eight & eight >> (CHAR_RUN_UUID - 8);
	guint64 sixteen = eight & eight >> 8;
	return kind == CHAR_RUN_KIND_ALNUM ? sixteen : sixteen & four >> (CHAR_RUN_BASE64 - 4);
}

G_STATIC_ASSERT(CHAR_RUN_ALNUM == 16);
G_STATIC_ASSERT(CHAR_RUN_BASE64 >= 16 && CHAR_RUN_BASE64 <= 20);
G_STATIC_ASSERT(CHAR_RUN_UUID >= 8 && CHAR_RUN_UUID <= 16);
/* Starts that a block shows. */
#define STEP (BLOCK + 1 - CHAR_RUN_BASE64)

static inline __attribute__((always_inline)) gsize run_end(
	const guint8 *data, gsize at, gsize to, enum char_run_kind kind, classify classify)
{
	for (; at + BLOCK <= to; at += BLOCK) {
		struct block block = classify(data + at);
		if (~block.of[kind] != 0)
			return at + (gsize)__builtin_ctzll(~block.of[kind]);
	}
	while (at < to && char_run_has(kind, data[at]))
		at++;
	return at;
}

/* The runs that begin in the block at `base` and behind those that are known, to *done. */
static inline __attribute__((always_inline)) void add_runs(const guint8 *data, gsize base, gsize to,
	guint64 bits, enum char_run_kind kind, gsize *done, GArray *runs, classify classify)
{
	guint64 starts = run_starts(bits, kind);

	while (starts != 0) {
		guint bit = (guint)__builtin_ctzll(starts);
		if (base + bit < *done) {
			gsize known = *done - base;
			starts = known < BLOCK ? starts & ~G_GUINT64_CONSTANT(0) << known : 0;
			continue;
		}
		guint64 behind = ~(bits >> bit);
		guint len = (guint)__builtin_ctzll(behind | G_GUINT64_CONSTANT(1) << 63);
		struct char_run run = {base + bit, base + bit + len, kind};
		if (bit + len >= BLOCK - 1)
			run.to = run_end(data, run.to, to, kind, classify);
		*done = run.to;
		g_array_append_val(runs, run);
	}
}

static inline __attribute__((always_inline)) void find(
	const guint8 *data, gsize from, gsize to, GArray *runs, classify classify)
{
	gsize done[CHAR_RUN_KINDS] = {from, from, from};
	guint8 rest[BLOCK] = {0};
	gsize base = from;

	for (; base + BLOCK <= to; base += STEP) {
		struct block block = classify(data + base);
		if (G_LIKELY((run_starts(block.of[0], 0) | run_starts(block.of[1], 1) |
				     run_starts(block.of[2], 2)) == 0))
			continue;
		for (guint kind = 0; kind < CHAR_RUN_KINDS; kind++)
			add_runs(data, base, to, block.of[kind], kind, &done[kind], runs, classify);
	}
	/* Less than a block is left: nothing is behind it. */
	memcpy(rest, data + base, to - base);
	struct block block = classify(rest);
	for (guint kind = 0; kind < CHAR_RUN_KINDS; kind++)
		add_runs(data, base, to, block.of[kind], kind, &done[kind], runs, classify);
}

#if defined(__SSE2__)
__attribute__((target("avx2"))) static void find_avx2(
	const guint8 *data, gsize from, gsize to, GArray *runs)
{
	find(data, from, to, runs, classify_avx2);
}

__attribute__((target("avx512bw"))) static void find_avx512(
	const guint8 *data, gsize from, gsize to, GArray *runs)
{
	find(data, from, to, runs, classify_avx512);
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
	if (__builtin_cpu_supports("avx512bw")) {
		find_avx512(data, from, to, runs);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		find_avx2(data, from, to, runs);
		return;
	}
#endif
	find_any(data, from, to, runs);
}
