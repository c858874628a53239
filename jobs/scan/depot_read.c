/* SPDX-License-Identifier: MIT */
/* One object by random access: along its chain of bases, over copies where a link is broken. */
#include "config.h"
#include "jobs/scan/depot_read.h"
#include "lib/error.h"

#include <string.h>

#define CACHE_SLOTS 256u
#define CACHED_BYTES_MAX (64u * 1024)
#define RESCUE_DEPTH_MAX 4u
#define RESCUE_LINKS_MAX 64u /* links of one chain whose copies are looked for */
/* Entries looked at for one object whose copies lead to copies: a chain of all, and this. */
#define READ_STEPS 4096u

struct cached {
	guint64 offset;
	guint8 *bytes; /* NULL: nothing */
	gsize room;
	guint32 len;
	guint16 source;
	guint8 type;
};

struct link {
	guint64 offset; /* of the entry; of a loose object its position */
	guint64 at;
	guint32 size;
	guint16 source;
};

struct depot_reader {
	struct depot *depot;
	struct depot_maker maker;
	struct depot_buffer made, spare;
	guint32 len; /* of what is in made */
	guint8 type;
	guint64 steps;
	GArray *links;
	struct cached cache[CACHE_SLOTS];
};

struct depot_reader *depot_reader_new(struct depot *depot)
{
	struct depot_reader *reader = g_new0(struct depot_reader, 1);

	reader->depot = depot;
	reader->links = g_array_new(FALSE, FALSE, sizeof(struct link));
	if (!depot_maker_init(&reader->maker, depot, NULL))
		g_error("no memory to inflate with");
	return reader;
}

void depot_reader_free(struct depot_reader *reader)
{
	if (reader == NULL)
		return;
	for (guint i = 0; i < CACHE_SLOTS; i++)
		g_free(reader->cache[i].bytes);
	depot_buffer_free(&reader->maker, &reader->made);
	depot_buffer_free(&reader->maker, &reader->spare);
	depot_maker_clear(&reader->maker);
	g_array_unref(reader->links);
	g_free(reader);
}

static struct cached *cache_slot(struct depot_reader *reader, guint16 source, guint64 offset)
{
	return &reader->cache[depot_hash_mix(reader->depot, offset, source) % CACHE_SLOTS];
}

static void cache_put(struct depot_reader *reader, const struct link *link)
{
	struct cached *slot = cache_slot(reader, link->source, link->offset);

	if (reader->len > CACHED_BYTES_MAX)
		return;
	if (slot->room < reader->len || slot->bytes == NULL) {
		g_free(slot->bytes);
		slot->room = MAX(reader->len, 1024);
		slot->bytes = g_malloc(slot->room);
	}
	memcpy(slot->bytes, reader->made.bytes, reader->len);
	slot->len = reader->len;
	slot->type = reader->type;
	slot->source = link->source;
	slot->offset = link->offset;
}

static gboolean cache_take(struct depot_reader *reader, const struct link *link)
{
	const struct cached *slot = cache_slot(reader, link->source, link->offset);

	if (slot->bytes == NULL || slot->source != link->source || slot->offset != link->offset ||
		!depot_buffer_reserve(&reader->maker, &reader->made, slot->len))
		return FALSE;
	memcpy(reader->made.bytes, slot->bytes, slot->len);
	reader->len = slot->len;
	reader->type = slot->type;
	return TRUE;
}

static gboolean link_of_place(
	const struct depot *depot, struct depot_place place, struct link *link)
{
	*link = (struct link){.source = place.source, .offset = place.position};
	return place.source == depot_loose_source(depot) ||
	       depot_idx_offset(&depot->packs[place.source].idx, place.position, &link->offset);
}

static gboolean link_of_base(const struct depot *depot, const struct link *link,
	const struct depot_entry *entry, struct link *base)
{
	struct depot_place place = {.source = link->source};
	guint32 number;

	if (entry->kind == DEPOT_ENTRY_OFFSET_DELTA) {
		*base = (struct link){.source = link->source, .offset = entry->base_offset};
		return TRUE;
	}
	if (depot_idx_find(&depot->packs[link->source].idx, entry->base, &place.position))
		return link_of_place(depot, place, base);
	return depot_find(depot, entry->base, &number) &&
	       link_of_place(depot, depot_place_of(depot, number), base);
}

static enum depot_reason whole_make(
	struct depot_reader *reader, const struct link *link, guint64 size)
{
	const struct depot_pack *pack = &reader->depot->packs[link->source];

	if (size > reader->depot->material_max)
		return DEPOT_TOO_LARGE;
	if (!depot_buffer_reserve(&reader->maker, &reader->made, size))
		return DEPOT_NO_MEMORY;
	reader->len = (guint32)size;
	return depot_maker_inflate(&reader->maker, pack, link->at, size, reader->made.bytes);
}

/* From the base in `made` to the object. */
static enum depot_reason delta_make(struct depot_reader *reader, const struct link *link)
{
	struct depot_maker *maker = &reader->maker;
	const struct depot_pack *pack = &reader->depot->packs[link->source];

	enum depot_reason reason =
		depot_maker_delta(maker, pack, link->at, link->size, reader->len);
	if (reason != DEPOT_FINE)
		return reason;
	if (maker->delta.is_in_order && maker->delta.len + DEPOT_SLACK <= reader->made.room) {
		depot_delta_apply_in_place(&maker->delta, reader->made.bytes);
	} else {
		if (!depot_buffer_reserve(maker, &reader->spare, maker->delta.len))
			return DEPOT_NO_MEMORY;
		depot_delta_apply(&maker->delta, reader->made.bytes, reader->spare.bytes);
		struct depot_buffer made = reader->spare;
		reader->spare = reader->made;
		reader->made = made;
	}
	reader->len = maker->delta.len;
	return DEPOT_FINE;
}

/*
 * Down to something that can be made without a base. Links that are deltas are appended; FINE: what
 * is in `made` is the base of the last of them (or the object itself, when there is none).
 */
static enum depot_reason base_make(struct depot_reader *reader, struct link link, guint first)
{
	const struct depot *depot = reader->depot;
	enum depot_reason reason;
	struct depot_entry entry;

	for (;;) {
		/* Appended first: when it fails, it is the last one. */
		g_array_append_val(reader->links, link);
		reader->steps++;
		if (reader->links->len - first > depot_count(depot) + 1)
			return DEPOT_CYCLE;
		if (cache_take(reader, &link))
			break;
		if (link.source == depot_loose_source(depot)) {
			reason = depot_maker_loose(&reader->maker, (guint32)link.offset,
				&reader->made, &reader->type, &reader->len);
			if (reason != DEPOT_FINE)
				return reason;
			break;
		}
		const struct depot_pack *pack = &depot->packs[link.source];
		reason = depot_entry_parse(&entry, pack->map, pack->end, link.offset);
		if (reason != DEPOT_FINE)
			return reason;
		if (entry.size > depot->material_max)
			return DEPOT_TOO_LARGE;
		struct link *last =
			&g_array_index(reader->links, struct link, reader->links->len - 1);
		last->at = link.at = entry.at;
		last->size = (guint32)entry.size;
		if (entry.kind <= DEPOT_TAG) {
			reader->type = entry.kind;
			reason = whole_make(reader, &link, entry.size);
			if (reason != DEPOT_FINE)
				return reason;
			cache_put(reader, &link);
			break;
		}
		struct link base;
		if (!link_of_base(depot, &link, &entry, &base))
			return DEPOT_NO_BASE;
		link = base;
	}
	g_array_set_size(reader->links, reader->links->len - 1);
	return DEPOT_FINE;
}

/* Whose entry lies at that offset: looked for from end to end, for damage only. */
static guint32 number_at(struct depot_reader *reader, const struct link *link)
{
	const struct depot *depot = reader->depot;
	guint64 offset;

	if (link->source == depot_loose_source(depot))
		return depot->loose[link->offset].number & ~DEPOT_COPY;
	const struct depot_pack *pack = &depot->packs[link->source];
	for (guint32 i = 0; i < pack->idx.count; i++)
		if (depot_idx_offset(&pack->idx, i, &offset) && offset == link->offset)
			return pack->numbers != NULL ? pack->numbers[i] & ~DEPOT_COPY : i;
	return DEPOT_NONE;
}

static enum depot_reason object_make(
	struct depot_reader *reader, struct link link, guint depth, guint64 max_steps);

/* The object of a broken link from another place. */
static gboolean copy_make(
	struct depot_reader *reader, const struct link *broken, guint depth, guint64 max_steps)
{
	const struct depot *depot = reader->depot;
	struct depot_place place;
	struct link link;

	if (depth >= RESCUE_DEPTH_MAX || depot->n_copies == 0 || reader->steps >= max_steps)
		return FALSE;
	guint32 number = number_at(reader, broken);
	reader->steps += depot->main_count / 64; /* what looking cost */
	if (number == DEPOT_NONE || !depot_copy_find(depot, number, 0, &place))
		return FALSE;
	place = depot_place_of(depot, number);
	for (guint k = 0;; k++) {
		if (link_of_place(depot, place, &link) &&
			(link.source != broken->source || link.offset != broken->offset) &&
			object_make(reader, link, depth + 1, max_steps) == DEPOT_FINE)
			return TRUE;
		if (!depot_copy_find(depot, number, k, &place))
			return FALSE;
	}
}

static enum depot_reason object_make(
	struct depot_reader *reader, struct link link, guint depth, guint64 max_steps)
{
	guint first = reader->links->len, rescues = 0;

	enum depot_reason reason = base_make(reader, link, first), first_reason = reason;
	if (reason != DEPOT_FINE && reason != DEPOT_CYCLE && reader->links->len > first + 1)
		first_reason = DEPOT_NO_BASE;
	while (reason != DEPOT_FINE || reader->links->len > first) {
		struct link last =
			g_array_index(reader->links, struct link, reader->links->len - 1);
		if (reason == DEPOT_FINE) {
			reason = delta_make(reader, &last);
			if (reason == DEPOT_FINE)
				cache_put(reader, &last);
			else
				first_reason =
					reader->links->len > first + 1 ? DEPOT_NO_BASE : reason;
		}
		if (reason != DEPOT_FINE) {
			if (rescues++ < RESCUE_LINKS_MAX &&
				copy_make(reader, &last, depth, max_steps))
				reason = DEPOT_FINE;
			else if (reader->links->len == first + 1)
				break;
		}
		g_array_set_size(reader->links, reader->links->len - 1);
	}
	g_array_set_size(reader->links, first);
	return reason == DEPOT_FINE ? DEPOT_FINE : first_reason;
}

enum depot_reason depot_reader_rescue(struct depot_reader *reader, guint32 number,
	guint64 max_steps, guint8 *type, const guint8 **bytes, guint32 *len)
{
	struct link link;

	if (reader->steps >= max_steps)
		return DEPOT_BROKEN;
	g_array_set_size(reader->links, 0);
	if (!link_of_place(reader->depot, depot_place_of(reader->depot, number), &link))
		link.offset = G_MAXUINT64;
	enum depot_reason reason = object_make(reader, link, 0, max_steps);
	if (reason != DEPOT_FINE)
		return reason;
	if (reader->depot->options.verify && !depot_name_fits(depot_oid(reader->depot, number),
						     reader->type, reader->made.bytes, reader->len))
		return DEPOT_WRONG_NAME;
	depot_type_learn(reader->depot, number, reader->type);
	*type = reader->type;
	*bytes = reader->made.bytes;
	*len = reader->len;
	return DEPOT_FINE;
}

gboolean depot_read(struct depot_reader *reader, guint32 number, gsize max_bytes,
	enum depot_type *type, const guint8 **bytes, gsize *len, GError **error)
{
	char hex[OID_HEX + 1];
	const guint8 *found;
	guint32 found_len;
	guint8 found_type;

	oid_format(depot_oid(reader->depot, number), hex);
	reader->steps = 0;
	enum depot_reason reason = depot_reader_rescue(reader, number,
		(guint64)depot_count(reader->depot) + READ_STEPS, &found_type, &found, &found_len);
	if (reason == DEPOT_FINE &&
		(found_len > max_bytes || found_len > reader->depot->options.object_max_bytes)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"object %s is too large: %u bytes", hex, found_len);
		return FALSE;
	}
	if (reason != DEPOT_FINE) {
		depot_problem_add(reader->depot, reason, number, NULL);
		g_set_error(error, MUSTER_ERROR,
			reason == DEPOT_TOO_LARGE ? MUSTER_ERROR_LIMIT : MUSTER_ERROR_INPUT,
			"object %s cannot be read: %s", hex, depot_reason_text(reason));
		return FALSE;
	}
	if (type != NULL)
		*type = (enum depot_type)found_type;
	*bytes = found;
	*len = found_len;
	return TRUE;
}

/* Along the headers alone; 0 when they lead nowhere. */
static guint8 packed_type(const struct depot *depot, struct link link)
{
	struct depot_entry entry;

	for (guint32 steps = 0; steps <= depot_count(depot); steps++) {
		if (link.source == depot_loose_source(depot)) {
			guint32 number = depot->loose[link.offset].number & ~DEPOT_COPY;
			return depot_type_known(depot, number);
		}
		const struct depot_pack *pack = &depot->packs[link.source];
		enum depot_reason reason =
			depot_entry_parse(&entry, pack->map, pack->end, link.offset);
		if (reason != DEPOT_FINE && reason != DEPOT_TOO_LARGE)
			return 0;
		if (entry.kind <= DEPOT_TAG)
			return entry.kind;
		struct link base;
		if (!link_of_base(depot, &link, &entry, &base))
			return 0;
		link = base;
	}
	return 0;
}

enum depot_type depot_type(struct depot *depot, guint32 number)
{
	guint8 type = depot_type_known(depot, number);
	struct link link;

	if (type != 0)
		return (enum depot_type)type;
	if (link_of_place(depot, depot_place_of(depot, number), &link))
		type = packed_type(depot, link);
	if (type == 0) {
		/* A loose object, a delta on one, or damage: what reading it says. */
		g_autoptr(DepotReader) reader = depot_reader_new(depot);
		const guint8 *bytes;
		guint32 len;
		if (depot_reader_rescue(reader, number, depot_count(depot), &type, &bytes, &len) !=
			DEPOT_FINE)
			return DEPOT_UNREADABLE;
	}
	depot_type_learn(depot, number, type);
	return (enum depot_type)type;
}
