/* SPDX-License-Identifier: MIT */
/* From names to numbers and from numbers to places. */
#include "config.h"
#include "jobs/scan/depot_inside.h"
#include "lib/error.h"

#include <string.h>

#define HASH_BITS_MIN 4u

/* Both halves of a product: cheap, and with keys nobody knows, nobody can choose what collides. */
static guint64 product_fold(guint64 a, guint64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (guint64)product ^ (guint64)(product >> 64);
}

guint64 depot_hash_mix(const struct depot *depot, guint64 a, guint64 b)
{
	return product_fold(
		product_fold(a ^ depot->key[0], b ^ depot->key[1]) ^ depot->key[2], depot->key[0]);
}

static guint64 name_hash(const struct depot *depot, const struct oid *oid)
{
	guint64 a, b;
	guint32 c;

	memcpy(&a, oid->bytes, 8);
	memcpy(&b, oid->bytes + 8, 8);
	memcpy(&c, oid->bytes + 16, 4);
	return depot_hash_mix(depot, product_fold(a ^ depot->key[0], b ^ depot->key[1]), c);
}

static const struct oid *place_oid(const struct depot *depot, struct depot_place place)
{
	return place.source == depot_loose_source(depot)
		       ? &depot->loose[place.position].oid
		       : depot_idx_oid(&depot->packs[place.source].idx, place.position);
}

struct depot_place depot_place_of(const struct depot *depot, guint32 number)
{
	if (number < depot->main_count)
		return (struct depot_place){.position = number, .source = 0};
	return depot->places[number - depot->main_count];
}

guint32 depot_count(const struct depot *depot)
{
	return depot->main_count + depot->n_places;
}

const struct oid *depot_oid(const struct depot *depot, guint32 number)
{
	return place_oid(depot, depot_place_of(depot, number));
}

/* The slot with that name, or the empty one where it belongs. */
static guint32 slot_find(const struct depot *depot, const struct oid *oid)
{
	guint32 slot = (guint32)name_hash(depot, oid) & depot->hash_mask;

	for (; depot->hash[slot] != 0; slot = (slot + 1) & depot->hash_mask) {
		const struct oid *found = depot_oid(depot, depot->hash[slot] - 1);
		if (memcmp(found, oid, sizeof(*oid)) == 0)
			break;
	}
	return slot;
}

gboolean depot_find(const struct depot *depot, const struct oid *oid, guint32 *number)
{
	guint32 position;

	if (depot->main_count > 0 && depot_idx_find(&depot->packs[0].idx, oid, &position)) {
		*number = position;
		return TRUE;
	}
	if (depot->hash == NULL)
		return FALSE;
	guint32 slot = slot_find(depot, oid);
	if (depot->hash[slot] == 0)
		return FALSE;
	*number = depot->hash[slot] - 1;
	return TRUE;
}

void depot_expect(const struct depot *depot, const struct oid *oid)
{
	if (depot->main_count > 0)
		depot_idx_expect(&depot->packs[0].idx, oid);
}

/* The number of what lies at the place, with DEPOT_COPY when it had one already. */
static guint32 place_add(struct depot *depot, struct depot_place place, GArray *copies)
{
	const struct oid *oid = place_oid(depot, place);
	guint32 number;

	if (depot->main_count == 0 || !depot_idx_find(&depot->packs[0].idx, oid, &number)) {
		guint32 slot = slot_find(depot, oid);
		if (depot->hash[slot] == 0) {
			number = depot->main_count + depot->n_places;
			depot->places[depot->n_places++] = place;
			depot->hash[slot] = number + 1;
			return number;
		}
		number = depot->hash[slot] - 1;
	}
	struct depot_copy copy = {number, place};
	g_array_append_val(copies, copy);
	return number | DEPOT_COPY;
}

static gint copy_order(gconstpointer a, gconstpointer b)
{
	const struct depot_copy *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (int)x->place.source - (int)y->place.source;
}

static gboolean tables_make(struct depot *depot, guint64 others)
{
	guint bits = HASH_BITS_MIN;

	while (others * 2 >> bits > 0)
		bits++;
	depot->places = g_try_new(struct depot_place, others);
	depot->hash = g_try_new0(guint32, (gsize)1 << bits);
	depot->hash_mask = (guint32)(((guint64)1 << bits) - 1);
	return depot->places != NULL && depot->hash != NULL;
}

static gboolean others_add(struct depot *depot, guint first, GArray *copies)
{
	for (guint s = first; s < depot->n_packs; s++) {
		struct depot_pack *pack = &depot->packs[s];
		pack->numbers = g_try_new(guint32, pack->idx.count);
		if (pack->numbers == NULL && pack->idx.count > 0)
			return FALSE;
		for (guint32 i = 0; i < pack->idx.count; i++)
			pack->numbers[i] =
				place_add(depot, (struct depot_place){i, (guint16)s}, copies);
	}
	for (guint32 i = 0; i < depot->n_loose; i++)
		depot->loose[i].number = place_add(
			depot, (struct depot_place){i, (guint16)depot_loose_source(depot)}, copies);
	g_array_sort(copies, copy_order);
	return TRUE;
}

gboolean depot_numbers_make(struct depot *depot, GError **error)
{
	gboolean has_main = depot->n_packs > 0 && depot->packs[0].idx.is_sorted, is_fine = TRUE;
	guint64 others = depot->n_loose;

	for (guint i = 0; i < G_N_ELEMENTS(depot->key); i++)
		depot->key[i] = (guint64)g_random_int() << 32 | g_random_int() | 1;
	depot->main_count = has_main ? depot->packs[0].idx.count : 0;
	for (guint s = has_main; s < depot->n_packs; s++)
		others += depot->packs[s].idx.count;
	if (others + depot->main_count > DEPOT_OBJECTS_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"too many objects: %" G_GUINT64_FORMAT, others + depot->main_count);
		return FALSE;
	}
	if (others > 0) {
		GArray *copies = g_array_new(FALSE, FALSE, sizeof(struct depot_copy));
		is_fine = tables_make(depot, others) && others_add(depot, has_main, copies);
		depot->n_copies = copies->len;
		depot->copies = (struct depot_copy *)g_array_free(copies, FALSE);
	}
	depot->types = g_try_malloc0(MAX(1, depot_count(depot)));
	depot->has_problem = g_try_new0(guint64, depot_count(depot) / 64 + 1);
	if (is_fine && depot->types != NULL && depot->has_problem != NULL)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
		"no memory for the names of %u objects", depot_count(depot));
	return FALSE;
}

void depot_numbers_clear(struct depot *depot)
{
	g_free(depot->places);
	g_free(depot->hash);
	g_free(depot->copies);
	g_free(depot->types);
	g_free(depot->has_problem);
}

gboolean depot_copy_find(
	const struct depot *depot, guint32 number, guint k, struct depot_place *place)
{
	guint32 low = 0, high = depot->n_copies;

	while (low < high) {
		guint32 middle = low + (high - low) / 2;
		if (depot->copies[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (k >= depot->n_copies - low || depot->copies[low + k].number != number)
		return FALSE;
	*place = depot->copies[low + k].place;
	return TRUE;
}
