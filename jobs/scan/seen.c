/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/seen.h"

#include <string.h>
#include <sys/random.h>

#include "lib/memory.h"

/* Names are kept in rows that are a line of the cache each. */
#define ROW 8u
/*
 * A small table for who scans little, 256 KiB; when it begins to fill, one of 16 MiB in its place,
 * in large pages, for what is looked up lies anywhere in it.
 */
#define SMALL_BITS 12
#define LARGE_BITS 18
#define SMALL_MAX ((ROW << SMALL_BITS) / 4)

#define CHUNK_MIN 512
#define WORDS ((SEEN_CHUNK_MAX + SEEN_AROUND_MAX) / 8 + 4)

__extension__ typedef unsigned __int128 wide;

struct table {
	guint64 *rows; /* 0 free; the lowest bit is the mark; atomic */
	guint bits;
};

struct seen {
	struct table tables[2];
	const struct table *table; /* atomic */
	guint added;               /* to the small one; atomic */
	wide fold[3];
	guint64 key[WORDS];
};

static gboolean table_init(struct table *table, guint bits)
{
	gsize len = (gsize)ROW * sizeof(guint64) << bits;

	table->bits = bits;
	/* Of the small one only what is used is touched. */
	table->rows = bits == SMALL_BITS ? g_try_malloc0(len) : memory_try_table0(len);
	return table->rows != NULL;
}

struct seen *seen_new(void)
{
	struct seen *seen = g_new0(struct seen, 1);

	if (!table_init(&seen->tables[0], SMALL_BITS) ||
		getrandom(seen->key, sizeof(seen->key), 0) != sizeof(seen->key) ||
		getrandom(seen->fold, sizeof(seen->fold), 0) != sizeof(seen->fold)) {
		seen_free(seen);
		return NULL;
	}
	seen->table = &seen->tables[0];
	return seen;
}

void seen_free(struct seen *seen)
{
	if (seen == NULL)
		return;
	g_free(seen->tables[0].rows);
	g_free(seen->tables[1].rows);
	g_free(seen);
}

/*
 * Done once, by whoever added the last. What is in the small table is forgotten: it was little.
 * Without memory all goes on with it.
 */
static void grow(struct seen *seen)
{
	if (table_init(&seen->tables[1], LARGE_BITS))
		__atomic_store_n(&seen->table, &seen->tables[1], __ATOMIC_RELEASE);
}

typedef guint8 lane __attribute__((vector_size(16)));

/*
 * A line ends before `at` that is empty, or whose last two characters add up to what those of one
 * in sixteen do. Empty lines are best, for they stand between what is changed together, but not all
 * texts have them.
 */
static inline gboolean is_cut(const guint8 *data, gsize at)
{
	guint sum = 3u * data[at - 2] + data[at - 3];

	return data[at - 1] == '\n' && (data[at - 2] == '\n' || (sum & 15) == 1);
}

static inline lane lane_at(const guint8 *data)
{
	lane bytes;

	memcpy(&bytes, data, sizeof(bytes));
	return bytes;
}

/* The same for 16 places at a time. */
static inline gboolean has_cut(const guint8 *data, gsize at)
{
	const lane feed = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
	lane last = lane_at(data + at - 2), sum = lane_at(data + at - 3) + last + last + last;
	lane is_here = (lane)(lane_at(data + at - 1) == feed) &
		       ((lane)(last == feed) | (lane)((sum & 15) == 1));
	guint64 halves[2];

	memcpy(halves, &is_here, sizeof(halves));
	return (halves[0] | halves[1]) != 0;
}

gsize seen_chunk_end(const guint8 *data, gsize at, gsize to)
{
	gsize most = to - at > SEEN_CHUNK_MAX ? at + SEEN_CHUNK_MAX : to;

	if (to - at <= CHUNK_MIN)
		return to;
	at += CHUNK_MIN;
	while (most - at >= sizeof(lane) && !has_cut(data, at))
		at += sizeof(lane);
	while (at < most && !is_cut(data, at))
		at++;
	return at;
}

G_STATIC_ASSERT(CHUNK_MIN >= 3);

static inline guint64 word_at(const guint8 *data)
{
	guint64 word;

	memcpy(&word, data, sizeof(word));
	return word;
}

guint64 seen_hash(const struct seen *seen, const guint8 *data, gsize len, gsize from, gsize to)
{
	const guint64 *key = seen->key;
	guint8 rest[16] = {0};
	wide sum, other = 0;
	gsize i = 0;

	/* What was padded has another length. */
	sum = (wide)(((guint64)len << 32 | from) + key[0]) * (to + key[1]);
	/* Two sums at a time, for one would wait for itself. */
	for (key += 2; len - i >= 2 * sizeof(rest); i += 2 * sizeof(rest), key += 4) {
		sum += (wide)(word_at(data + i) + key[0]) * (word_at(data + i + 8) + key[1]);
		other +=
			(wide)(word_at(data + i + 16) + key[2]) * (word_at(data + i + 24) + key[3]);
	}
	sum += other;
	if (len - i >= sizeof(rest)) {
		sum += (wide)(word_at(data + i) + key[0]) * (word_at(data + i + 8) + key[1]);
		i += sizeof(rest);
		key += 2;
	}
	memcpy(rest, data + i, len - i);
	sum += (wide)(word_at(rest) + key[0]) * (word_at(rest + 8) + key[1]);
	guint64 high = (guint64)(sum >> 64), low = (guint64)sum;
	return (guint64)((seen->fold[0] * high + seen->fold[1] * low + seen->fold[2]) >> 64);
}

/* 0 is no name, and the lowest bit not the name's. */
static guint64 chunk_name(guint64 chunk)
{
	return chunk | 3;
}

static inline guint64 *row_of(const struct table *table, guint64 chunk)
{
	return table->rows + (chunk >> (64 - table->bits)) * ROW;
}

static inline const struct table *table_of(const struct seen *seen)
{
	return __atomic_load_n(&seen->table, __ATOMIC_ACQUIRE);
}

void seen_expect(const struct seen *seen, guint64 chunk)
{
	__builtin_prefetch(row_of(table_of(seen), chunk));
}

gboolean seen_has(const struct seen *seen, guint64 chunk, gboolean *is_marked)
{
	const guint64 *row = row_of(table_of(seen), chunk);
	guint64 name = chunk_name(chunk);

	for (guint i = 0; i < ROW; i++) {
		guint64 other = __atomic_load_n(&row[i], __ATOMIC_RELAXED);
		if ((other | 1) != name)
			continue;
		*is_marked = other & 1;
		return TRUE;
	}
	return FALSE;
}

void seen_add(struct seen *seen, guint64 chunk, gboolean is_marked)
{
	const struct table *table = table_of(seen);
	guint64 *row = row_of(table, chunk);
	guint64 name = chunk_name(chunk) - !is_marked;
	guint at = 0;

	while (at < ROW && __atomic_load_n(&row[at], __ATOMIC_RELAXED) != 0)
		at++;
	/* A full row forgets one of its own, whichever. */
	__atomic_store_n(&row[at < ROW ? at : chunk >> 2 & (ROW - 1)], name, __ATOMIC_RELAXED);
	if (table == &seen->tables[0] &&
		__atomic_fetch_add(&seen->added, 1, __ATOMIC_RELAXED) == SMALL_MAX)
		grow(seen);
}
