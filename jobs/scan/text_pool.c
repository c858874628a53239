/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/text_pool.h"

#include <string.h>

#include "lib/hash.h"

#define FIRST_SLOTS 256u

void text_pool_clear(struct text_pool *pool)
{
	g_free(pool->bytes);
	g_free(pool->slots);
	memset(pool, 0, sizeof(*pool));
}

static guint32 slot_find(const struct text_pool *pool, const char *text, gsize len)
{
	guint32 at = hash_bytes(text, len) & (pool->n_slots - 1);

	while (pool->slots[at] != 0) {
		const char *there = pool->bytes + pool->slots[at] - 1;
		if (strncmp(there, text, len) == 0 && there[len] == '\0')
			break;
		at = (at + 1) & (pool->n_slots - 1);
	}
	return at;
}

static void slots_fill(struct text_pool *pool)
{
	pool->slots = g_new0(guint32, pool->n_slots);
	for (guint32 at = 0; at < pool->len;) {
		gsize len = strlen(pool->bytes + at);
		pool->slots[slot_find(pool, pool->bytes + at, len)] = at + 1;
		at += (guint32)len + 1;
	}
}

guint32 text_pool_add(struct text_pool *pool, const char *text, gsize len)
{
	if (text == NULL)
		return TEXT_POOL_NONE;
	len = strnlen(text, len);
	if (pool->n >= pool->n_slots / 2) {
		g_free(pool->slots);
		pool->n_slots = MAX(FIRST_SLOTS, pool->n_slots * 2);
		slots_fill(pool);
	}
	guint32 at = slot_find(pool, text, len);
	if (pool->slots[at] != 0)
		return pool->slots[at] - 1;
	if (len >= G_MAXUINT32 - 2 - pool->len)
		return TEXT_POOL_NONE;
	if (pool->len + len + 1 > pool->room) {
		pool->room = (guint32)MIN((guint64)G_MAXUINT32,
			MAX((guint64)pool->room * 2, (guint64)pool->len + len + 1024));
		pool->bytes = g_realloc(pool->bytes, pool->room);
	}
	guint32 number = pool->len;
	memcpy(pool->bytes + number, text, len);
	pool->bytes[number + len] = '\0';
	pool->len += (guint32)len + 1;
	pool->slots[at] = number + 1;
	pool->n++;
	return number;
}

guint32 text_pool_find(const struct text_pool *pool, const char *text, gsize len)
{
	if (pool->n == 0)
		return TEXT_POOL_NONE;
	guint32 slot = pool->slots[slot_find(pool, text, len)];
	return slot != 0 ? slot - 1 : TEXT_POOL_NONE;
}

const char *text_pool_get(const struct text_pool *pool, guint32 number)
{
	return number < pool->len ? pool->bytes + number : NULL;
}

/* Its slot stays, so that those behind it are found: nothing is equal to what it leads to. */
void text_pool_wipe(struct text_pool *pool, guint32 number)
{
	if (number < pool->len)
		memset(pool->bytes + number, '*', strlen(pool->bytes + number));
}

gboolean text_pool_load(struct text_pool *pool, const char *bytes, gsize len)
{
	if (len >= G_MAXUINT32 || (len > 0 && bytes[len - 1] != '\0'))
		return FALSE;
	text_pool_clear(pool);
	pool->bytes = g_memdup2(bytes, len);
	pool->len = pool->room = (guint32)len;
	for (gsize at = 0; at < len; at += strlen(pool->bytes + at) + 1)
		pool->n++;
	pool->n_slots = FIRST_SLOTS;
	while (pool->n_slots / 2 <= pool->n)
		pool->n_slots *= 2;
	slots_fill(pool);
	return TRUE;
}
