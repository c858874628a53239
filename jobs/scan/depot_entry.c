/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/depot_entry.h"

#include <endian.h>
#include <string.h>

#define PACK_HEADER_BYTES 12u
#define COPY_ARGUMENTS_MAX 7
#define COPY_LEN_ZERO 0x10000u /* a copy of length 0 means this many */
#define SIZE_BITS_MAX 58u      /* a size with more is as good as endless */
#define SHORT_BYTES 32u        /* copied whole, whatever the length, when there is room */

static guint32 u32_get(const guint8 *at)
{
	guint32 raw;

	memcpy(&raw, at, sizeof(raw));
	return be32toh(raw);
}

gboolean depot_pack_parse(const guint8 *pack, guint64 len, guint32 *count)
{
	if (len < PACK_HEADER_BYTES || memcmp(pack, "PACK", 4) != 0)
		return FALSE;
	guint32 version = u32_get(pack + 4);
	*count = u32_get(pack + 8);
	return version == 2 || version == 3;
}

/* How far before its own offset the base lies. */
static const guint8 *distance_parse(const guint8 *p, const guint8 *stop, guint64 *distance)
{
	guint64 value;

	if (p == stop)
		return NULL;
	value = *p & 127;
	while ((*p++ & 128) != 0) {
		if (p == stop || value >= G_GUINT64_CONSTANT(1) << 55)
			return NULL;
		value = ((value + 1) << 7) | (*p & 127);
	}
	*distance = value;
	return p;
}

enum depot_reason depot_entry_parse(
	struct depot_entry *entry, const guint8 *pack, guint64 end, guint64 offset)
{
	if (offset < PACK_HEADER_BYTES || offset >= end)
		return DEPOT_TRUNCATED;
	const guint8 *p = pack + offset, *stop = pack + end;
	guint8 byte = *p++;
	guint shift = 4;
	entry->kind = byte >> 4 & 7;
	entry->size = byte & 15;
	for (; (byte & 128) != 0; shift += 7) {
		if (p == stop)
			return DEPOT_TRUNCATED;
		byte = *p++;
		if (shift < SIZE_BITS_MAX)
			entry->size |= (guint64)(byte & 127) << shift;
		else
			entry->size = G_MAXUINT64;
	}
	entry->base_offset = 0;
	entry->base = NULL;
	if (entry->kind == DEPOT_ENTRY_OFFSET_DELTA) {
		guint64 distance;
		p = distance_parse(p, stop, &distance);
		if (p == NULL || distance == 0 || distance > offset - PACK_HEADER_BYTES)
			return DEPOT_BROKEN;
		entry->base_offset = offset - distance;
	} else if (entry->kind == DEPOT_ENTRY_NAME_DELTA) {
		if (stop - p < OID_BYTES)
			return DEPOT_TRUNCATED;
		entry->base = (const struct oid *)p;
		p += OID_BYTES;
	} else if (entry->kind < DEPOT_COMMIT || entry->kind > DEPOT_TAG) {
		return DEPOT_BROKEN;
	}
	entry->at = (guint64)(p - pack);
	if (entry->size / DEPOT_RATIO_MAX > end - entry->at)
		return DEPOT_TOO_LARGE;
	return DEPOT_FINE;
}

static const guint8 *length_parse(const guint8 *p, const guint8 *end, guint64 *length)
{
	guint64 value = 0;
	guint8 byte;
	guint shift = 0;

	do {
		if (p == end || shift > 56)
			return NULL;
		byte = *p++;
		value |= (guint64)(byte & 127) << shift;
		shift += 7;
	} while ((byte & 128) != 0);
	*length = value;
	return p;
}

static gboolean piece_add(struct depot_delta *delta, guint32 at, guint32 from, guint32 len)
{
	if (delta->n_pieces > 0) {
		struct depot_piece *last = &delta->pieces[delta->n_pieces - 1];
		if (from == DEPOT_INSERT
				? last->from == DEPOT_INSERT
				: last->from != DEPOT_INSERT && last->from + last->len == from) {
			last->len += len;
			return TRUE;
		}
	}
	if (delta->n_pieces == delta->pieces_room) {
		guint room = MAX(256, delta->pieces_room * 2);
		if (room > DEPOT_PIECES_MAX)
			return FALSE;
		struct depot_piece *more = g_try_renew(struct depot_piece, delta->pieces, room);
		if (more == NULL)
			return FALSE;
		delta->pieces = more;
		delta->pieces_room = room;
	}
	delta->pieces[delta->n_pieces++] = (struct depot_piece){at, from, len};
	return TRUE;
}

/* The arguments of a copy; NULL when they are cut off. */
static const guint8 *copy_parse(
	const guint8 *p, const guint8 *end, guint8 op, guint32 *from, guint32 *len)
{
	guint32 offset = 0, length = 0;

	if (end - p < COPY_ARGUMENTS_MAX && end - p < __builtin_popcount(op & 127))
		return NULL;
	for (guint i = 0; i < 4; i++)
		if ((op & 1u << i) != 0)
			offset |= (guint32)*p++ << 8 * i;
	for (guint i = 0; i < 3; i++)
		if ((op & 16u << i) != 0)
			length |= (guint32)*p++ << 8 * i;
	*from = offset;
	*len = length != 0 ? length : COPY_LEN_ZERO;
	return p;
}

enum depot_reason depot_delta_parse(
	struct depot_delta *delta, guint8 *bytes, gsize len, guint32 base_len, guint32 max_len)
{
	const guint8 *end = bytes + len, *p;
	guint64 source_len, object_len;
	guint8 *inserts;
	guint32 at = 0, taken = 0;

	delta->n_pieces = 0;
	delta->is_in_order = TRUE;
	p = length_parse(bytes, end, &source_len);
	p = p != NULL ? length_parse(p, end, &object_len) : NULL;
	if (p == NULL || source_len != base_len)
		return DEPOT_BROKEN;
	if (object_len > max_len)
		return DEPOT_TOO_LARGE;
	delta->len = (guint32)object_len;
	inserts = bytes;
	delta->inserts = bytes;
	while (p < end) {
		guint8 op = *p++;
		guint32 from = DEPOT_INSERT, n = op;
		if ((op & 128) != 0) {
			p = copy_parse(p, end, op, &from, &n);
			if (p == NULL || from > base_len || n > base_len - from)
				return DEPOT_BROKEN;
			if (from < taken)
				delta->is_in_order = FALSE;
			taken = from + n;
		} else if (op == 0 || end - p < op) {
			return DEPOT_BROKEN;
		}
		if (n > delta->len - at)
			return DEPOT_BROKEN;
		if (from == DEPOT_INSERT) {
			memmove(inserts, p, n);
			inserts += n;
			p += n;
		}
		if (!piece_add(delta, at, from, n))
			return DEPOT_TOO_LARGE;
		at += n;
	}
	return at == delta->len ? DEPOT_FINE : DEPOT_BROKEN;
}

void depot_delta_clear(struct depot_delta *delta)
{
	g_clear_pointer(&delta->pieces, g_free);
	delta->n_pieces = delta->pieces_room = 0;
}

void depot_delta_apply(const struct depot_delta *delta, const guint8 *base, guint8 *out)
{
	const guint8 *inserts = delta->inserts;

	/* From left to right: what a short copy writes too much is written again, or is slack. */
	for (guint i = 0; i < delta->n_pieces; i++) {
		const struct depot_piece *piece = &delta->pieces[i];
		const guint8 *from;
		if (piece->from == DEPOT_INSERT) {
			from = inserts;
			inserts += piece->len;
		} else {
			from = base + piece->from;
		}
		if (piece->len <= SHORT_BYTES)
			memcpy(out + piece->at, from, SHORT_BYTES);
		else
			memcpy(out + piece->at, from, piece->len);
	}
}

/*
 * Copies that go down are moved first, from left to right, then those that go up, from right to
 * left: with sources in order no move writes over what another has still to read. Inserts fill the
 * gaps at last.
 */
void depot_delta_apply_in_place(const struct depot_delta *delta, guint8 *bytes)
{
	const struct depot_piece *pieces = delta->pieces;
	const guint8 *inserts = delta->inserts;
	gboolean has_up = FALSE;

	for (guint i = 0; i < delta->n_pieces; i++) {
		if (pieces[i].from == DEPOT_INSERT)
			continue;
		if (pieces[i].from > pieces[i].at)
			memmove(bytes + pieces[i].at, bytes + pieces[i].from, pieces[i].len);
		else if (pieces[i].from < pieces[i].at)
			has_up = TRUE;
	}
	for (guint i = has_up ? delta->n_pieces : 0; i-- > 0;)
		if (pieces[i].from < pieces[i].at)
			memmove(bytes + pieces[i].at, bytes + pieces[i].from, pieces[i].len);
	for (guint i = 0; i < delta->n_pieces; i++) {
		if (pieces[i].from != DEPOT_INSERT)
			continue;
		memcpy(bytes + pieces[i].at, inserts, pieces[i].len);
		inserts += pieces[i].len;
	}
}
