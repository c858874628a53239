/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/seen.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* Names are kept in rows that are a line of the cache each. */
#define ROW 8u
/*
 * A small table for who scans little, 256 KiB; when it begins to fill, a large one in its place, 16
 * MiB in pages as large as there are: what is looked up lies anywhere in it.
 */
#define SMALL_BITS 12
#define LARGE_BITS 18
#define LARGE_PAGE ((gsize)2 << 20)
#define SMALL_MAX ((ROW << SMALL_BITS) / 4)

#define CHUNK_MIN 512
#define WORDS ((SEEN_CHUNK_MAX + SEEN_AROUND_MAX) / 8 + 4)

__extension__ typedef unsigned __int128 wide;

struct table {
	guint64 *rows; /* 0 free; the lowest bit is the mark; atomic */
	guint bits;
	void *map; /* what rows lie in */
	gsize map_len;
};

struct seen {
	struct table tables[2];
	const struct table *table; /* atomic */
	guint added;               /* to the small one; atomic */
	GMutex lock;               /* to make the large one */
	wide fold[3];
	guint64 key[WORDS];
};

static gboolean table_init(struct table *table, guint bits)
{
	gsize len = (gsize)ROW * sizeof(guint64) << bits;
	gsize more = len > LARGE_PAGE ? LARGE_PAGE : 0;

	table->bits = bits;
	table->map_len = len + more;
	table->map = mmap(
		NULL, table->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table->map == MAP_FAILED) {
		table->map = NULL;
		return FALSE;
	}
	gsize shift = more != 0 ? -(guintptr)table->map & (more - 1) : 0;
	table->rows = (guint64 *)(gpointer)((guint8 *)table->map + shift);
#ifdef MADV_HUGEPAGE
	if (more != 0)
		madvise(table->rows, len, MADV_HUGEPAGE);
#endif
	return TRUE;
}

struct seen *seen_new(void)
{
	struct seen *seen = g_new0(struct seen, 1);

	g_mutex_init(&seen->lock);
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
	for (guint i = 0; i < G_N_ELEMENTS(seen->tables); i++)
		if (seen->tables[i].map != NULL)
			munmap(seen->tables[i].map, seen->tables[i].map_len);
	g_mutex_clear(&seen->lock);
	g_free(seen);
}

/* What is in the small table is forgotten: it was little. Without memory it stays as it is. */
static void grow(struct seen *seen)
{
	g_mutex_lock(&seen->lock);
	if (seen->table == &seen->tables[0] && seen->tables[1].map == NULL &&
		table_init(&seen->tables[1], LARGE_BITS))
		__atomic_store_n(&seen->table, &seen->tables[1], __ATOMIC_RELEASE);
	g_mutex_unlock(&seen->lock);
}

typedef guint8 lane __attribute__((vector_size(16)));

/* A line ends before `at`, and the next is empty: nothing else comes as often, and as evenly. */
static inline gboolean is_cut(const guint8 *data, gsize at)
{
	return data[at - 1] == '\n' && (data[at] == '\n' || data[at] == '\r');
}

gsize seen_chunk_end(const guint8 *data, gsize at, gsize to)
{
	const lane feed = {10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
	const lane back = {13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13};
	gsize most = to - at > SEEN_CHUNK_MAX ? at + SEEN_CHUNK_MAX : to;

	if (to - at <= CHUNK_MIN)
		return to;
	for (at += CHUNK_MIN; at < most;) {
		lane before, here;
		guint64 halves[2];
		if (most - at < sizeof(lane)) {
			if (is_cut(data, at))
				return at;
			at++;
			continue;
		}
		memcpy(&before, data + at - 1, sizeof(lane));
		memcpy(&here, data + at, sizeof(lane));
		before = (lane)(before == feed) & ((lane)(here == feed) | (lane)(here == back));
		memcpy(halves, &before, sizeof(halves));
		if ((halves[0] | halves[1]) != 0) {
			while (!is_cut(data, at))
				at++;
			return at;
		}
		at += sizeof(lane);
	}
	return most;
}

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
	wide sum;
	gsize i = 0;

	/* What was padded has another length. */
	sum = (wide)(((guint64)len << 32 | from) + key[0]) * (to + key[1]);
	for (key += 2; len - i >= sizeof(rest); i += sizeof(rest), key += 2)
		sum += (wide)(word_at(data + i) + key[0]) * (word_at(data + i + 8) + key[1]);
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
