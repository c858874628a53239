/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/word_arena.h"

#include <string.h>

#define CHUNK_BITS 15
#define CHUNK_WORDS (1u << CHUNK_BITS)
#define CHUNKS_MAX (1u << (31 - CHUNK_BITS))

struct word_arena {
	GMutex lock;
	guint32 n_chunks;
	guint32 *chunks[CHUNKS_MAX];
};

struct word_arena *word_arena_new(void)
{
	struct word_arena *arena = g_new0(struct word_arena, 1);

	g_mutex_init(&arena->lock);
	return arena;
}

void word_arena_free(struct word_arena *arena)
{
	if (arena == NULL)
		return;
	for (guint32 i = 0; i < arena->n_chunks; i++)
		g_free(arena->chunks[i]);
	g_mutex_clear(&arena->lock);
	g_free(arena);
}

/* A row longer than a chunk gets one of its own: only its first word need be named. */
static gboolean chunk_add(struct word_arena *arena, struct word_cursor *cursor, guint32 n)
{
	guint32 room = MAX(n + 1, CHUNK_WORDS);
	guint32 *words = g_try_new(guint32, room);
	gboolean is_fine = FALSE;

	if (words == NULL)
		return FALSE;
	g_mutex_lock(&arena->lock);
	if (arena->n_chunks < CHUNKS_MAX) {
		arena->chunks[arena->n_chunks] = words;
		cursor->chunk = arena->n_chunks++;
		cursor->used = 1; /* so that no row is number 0 */
		cursor->room = room;
		is_fine = TRUE;
	}
	g_mutex_unlock(&arena->lock);
	if (!is_fine)
		g_free(words);
	return is_fine;
}

guint32 word_arena_add(
	struct word_arena *arena, struct word_cursor *cursor, const guint32 *words, guint32 n)
{
	if (n > G_MAXINT32 / 4)
		return 0;
	if ((cursor->room == 0 || cursor->room - cursor->used < n || cursor->used >= CHUNK_WORDS) &&
		!chunk_add(arena, cursor, n))
		return 0;
	guint32 row = cursor->chunk << CHUNK_BITS | cursor->used;
	memcpy(arena->chunks[cursor->chunk] + cursor->used, words, n * sizeof(*words));
	cursor->used += n;
	return row;
}

const guint32 *word_arena_get(const struct word_arena *arena, guint32 row)
{
	return arena->chunks[row >> CHUNK_BITS] + (row & (CHUNK_WORDS - 1));
}
