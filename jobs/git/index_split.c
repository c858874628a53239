/* SPDX-License-Identifier: MIT */
/*
 * A split index: `index` holds what differs from `sharedindex.<oid>`, with two compressed bitmaps
 * over the shared entries: which are gone, and which are replaced, in order, by the entries here
 * that have no path. Entries with a path are new.
 */
#include "config.h"
#include "jobs/git/index.h"

#include "lib/error.h"

#include <string.h>

static gboolean broken(GError **error, const char *what)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "the index is broken: %s", what);
	return FALSE;
}

static uint32_t be32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t be64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

/*
 * One EWAH bitmap into one byte a bit. A word says: a run of so many words all 0 or all 1, then so
 * many words as they are. Bits behind `count` must be 0. Source: git's
 * Documentation/technical/bitmap-format.txt, appendix A.
 */
static gboolean bitmap_read(const uint8_t **at, const uint8_t *end, uint8_t *bits, gsize count,
	uint8_t mark, GError **error)
{
	if (end - *at < 8)
		return broken(error, "a bitmap is too short");
	gsize words = be32(*at + 4);
	const uint8_t *word = *at + 8;
	if (words > (gsize)(end - word) / 8 || (gsize)(end - word) - words * 8 < 4)
		return broken(error, "a bitmap is too short");
	const uint8_t *words_end = word + words * 8;
	gsize bit = 0;

	while (word < words_end) {
		uint64_t header = be64(word);
		word += 8;
		gsize run = (gsize)(header >> 1 & 0xffffffff) * 64;
		gsize literal = (gsize)(header >> 33);
		if (literal > (gsize)(words_end - word) / 8)
			return broken(error, "a bitmap's words are missing");
		if (header & 1) {
			if (bit > count || run > count - bit)
				return broken(error, "a bitmap is longer than the shared index");
			for (gsize i = 0; i < run; i++)
				bits[bit + i] |= mark;
		}
		bit += run;
		for (; literal > 0; literal--, word += 8, bit += 64) {
			uint64_t value = be64(word);
			for (; value != 0; value &= value - 1) {
				gsize set = bit + (gsize)__builtin_ctzll(value);
				if (set >= count)
					return broken(
						error, "a bitmap is longer than the shared index");
				bits[set] |= mark;
			}
		}
	}
	*at = words_end + 4;
	return TRUE;
}

#define IS_DELETED 1
#define IS_REPLACED 2

static int entry_compare(const struct index_entry *a, const struct index_entry *b)
{
	uint32_t shorter = a->path_len < b->path_len ? a->path_len : b->path_len;
	int order = memcmp(a->path, b->path, shorter);

	if (order != 0)
		return order;
	if (a->path_len != b->path_len)
		return a->path_len < b->path_len ? -1 : 1;
	return (int)a->stage - (int)b->stage;
}

gboolean index_merge(struct index *ix, struct index *base, GError **error)
{
	gsize replaced = 0, kept = 0, own = 0;
	const uint8_t *at = ix->link + OID_BYTES, *end = ix->link + ix->link_len;

	ix->base = base;
	g_autofree uint8_t *bits = g_try_malloc0(base->count + 1);
	g_autofree struct index_entry *merged =
		g_try_new(struct index_entry, base->count + ix->count + 1);
	if (bits == NULL || merged == NULL) {
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "the index is too big");
		return FALSE;
	}
	if (at < end && (!bitmap_read(&at, end, bits, base->count, IS_DELETED, error) ||
				!bitmap_read(&at, end, bits, base->count, IS_REPLACED, error)))
		return FALSE;

	/* The entries without a path come first, as many as the second bitmap has bits. */
	while (replaced < ix->count && ix->entries[replaced].path_len == 0)
		replaced++;
	for (gsize i = replaced; i < ix->count; i++)
		if (ix->entries[i].path_len == 0)
			return broken(error, "a path is empty");

	gsize next = replaced;
	for (gsize i = 0; i < base->count; i++) {
		struct index_entry e = base->entries[i];
		if (e.path_len == 0)
			return broken(error, "a path of the shared part is empty");
		if (bits[i] & IS_REPLACED) {
			if (own == replaced)
				return broken(error, "a replaced entry is missing");
			const struct index_entry *by = &ix->entries[own++];
			e.raw = by->raw;
			e.flags = by->flags;
			if (e.stage != by->stage ||
				index_is_folder(&e) != (e.path[e.path_len - 1] == '/'))
				return broken(error, "a replaced entry is of another kind");
		}
		if (bits[i] & IS_DELETED)
			continue;
		int order = 0;
		while (next < ix->count && (order = entry_compare(&ix->entries[next], &e)) < 0)
			merged[kept++] = ix->entries[next++];
		if (next < ix->count && order == 0)
			merged[kept++] = ix->entries[next++];
		else
			merged[kept++] = e;
	}
	while (next < ix->count)
		merged[kept++] = ix->entries[next++];
	if (own != replaced)
		return broken(error, "a replacement has nothing to replace");

	for (gsize i = 1; i < kept; i++)
		if (entry_compare(&merged[i - 1], &merged[i]) >= 0)
			return broken(error, "the paths are not in order");
	g_free(ix->entries);
	ix->entries = g_steal_pointer(&merged);
	ix->count = kept;
	ix->has_folders |= base->has_folders;
	return TRUE;
}
