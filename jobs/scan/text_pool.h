/* SPDX-License-Identifier: MIT */
/*
 * Texts, each kept once, named by where it begins in one row of bytes: equal text, equal number. So
 * a table of them is written to a file as it is, and names of files are compared as numbers.
 *
 *	guint32 name = text_pool_add(&pool, "src", 3);
 *	puts(text_pool_get(&pool, name));
 *
 * A text holds no NUL. One thread.
 */
#ifndef MUSTER_JOBS_SCAN_TEXT_POOL_H
#define MUSTER_JOBS_SCAN_TEXT_POOL_H

#include <glib.h>

#define TEXT_POOL_NONE G_MAXUINT32

struct text_pool {
	char *bytes; /* each text with a NUL behind it */
	guint32 len, room;
	guint32 *slots; /* number + 1, 0 free */
	guint32 n_slots, n;
};

void text_pool_clear(struct text_pool *pool);
/* TEXT_POOL_NONE for NULL, and when 4 GiB are full. Cut at a NUL. */
guint32 text_pool_add(struct text_pool *pool, const char *text, gsize len);
/* TEXT_POOL_NONE when it is not there. */
guint32 text_pool_find(const struct text_pool *pool, const char *text, gsize len);
/* NULL for TEXT_POOL_NONE. Borrowed until the next add. */
const char *text_pool_get(const struct text_pool *pool, guint32 number);
/* Writes stars over it, which nobody may ask for any more. */
void text_pool_wipe(struct text_pool *pool, guint32 number);
/* Takes over bytes that were kept; FALSE when they do not end with a NUL. */
gboolean text_pool_load(struct text_pool *pool, const char *bytes, gsize len);

#endif
