/* SPDX-License-Identifier: MIT */
/*
 * Rows of words that several threads write and nobody moves: a row is named by a number of 31 bits,
 * never 0. Each thread fills chunks of its own and takes a lock only for a new one.
 *
 *	struct word_arena *arena = word_arena_new();
 *	struct word_cursor cursor = {0};
 *	guint32 row = word_arena_add(arena, &cursor, words, n);	0 when full
 *	const guint32 *words = word_arena_get(arena, row);
 */
#ifndef MUSTER_JOBS_SCAN_WORD_ARENA_H
#define MUSTER_JOBS_SCAN_WORD_ARENA_H

#include <glib.h>

struct word_arena;
typedef struct word_arena WordArena; /* for g_autoptr */

struct word_cursor { /* one a thread */
	guint32 chunk, used, room;
};

struct word_arena *word_arena_new(void);
void word_arena_free(struct word_arena *arena);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WordArena, word_arena_free)

/* The words are copied. 0 when there is no more room (2^31 words) or no memory. */
guint32 word_arena_add(
	struct word_arena *arena, struct word_cursor *cursor, const guint32 *words, guint32 n);
const guint32 *word_arena_get(const struct word_arena *arena, guint32 row);

#endif
