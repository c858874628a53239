/* SPDX-License-Identifier: MIT */
/*
 * A delta on a base as long as its first byte says: the pieces fill the object, and both ways to
 * apply them make what the instructions say one by one.
 */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/scan/depot_entry.h"

#include <string.h>

#define OBJECT_MAX 65536u

static void pieces_check(const struct depot_delta *delta, guint32 base_len)
{
	guint32 at = 0;

	for (guint i = 0; i < delta->n_pieces; i++) {
		const struct depot_piece *piece = &delta->pieces[i];
		fuzz_require(piece->at == at && piece->len > 0);
		fuzz_require(piece->from == DEPOT_INSERT ||
			     (piece->from <= base_len && piece->len <= base_len - piece->from));
		at += piece->len;
	}
	fuzz_require(at == delta->len);
}

static guint8 *simple_apply(const struct depot_delta *delta, const guint8 *base)
{
	guint8 *out = g_malloc(delta->len + 1);
	const guint8 *inserts = delta->inserts;

	for (guint i = 0; i < delta->n_pieces; i++) {
		const struct depot_piece *piece = &delta->pieces[i];
		if (piece->from != DEPOT_INSERT) {
			memcpy(out + piece->at, base + piece->from, piece->len);
		} else {
			memcpy(out + piece->at, inserts, piece->len);
			inserts += piece->len;
		}
	}
	return out;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	struct depot_delta delta = {0};

	if (len == 0)
		return 0;
	guint32 base_len = data[0];
	g_autofree guint8 *bytes = g_malloc0(len - 1 + DEPOT_SLACK);
	g_autofree guint8 *base = g_malloc0(OBJECT_MAX + DEPOT_SLACK);
	g_autofree guint8 *out = g_malloc0(OBJECT_MAX + DEPOT_SLACK);
	memcpy(bytes, data + 1, len - 1);
	for (guint i = 0; i < base_len; i++)
		base[i] = (guint8)i;
	if (depot_delta_parse(&delta, bytes, len - 1, base_len, OBJECT_MAX) == DEPOT_FINE) {
		pieces_check(&delta, base_len);
		g_autofree guint8 *simple = simple_apply(&delta, base);
		depot_delta_apply(&delta, base, out);
		fuzz_require(memcmp(out, simple, delta.len) == 0);
		if (delta.is_in_order) {
			depot_delta_apply_in_place(&delta, base);
			fuzz_require(memcmp(base, simple, delta.len) == 0);
		}
	}
	depot_delta_clear(&delta);
	return 0;
}
