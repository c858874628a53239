/* SPDX-License-Identifier: MIT */
/*
 * A pack under an index of our making: one byte, how many entries; two bytes for the offset of
 * each; the bytes behind the pack's header. Entry n has a name of bytes n, so that deltas can name
 * one another. It is walked and read; what pieces say must be so.
 */
#include "config.h"
#include "t/fuzz/target.h"

#include "jobs/scan/depot.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_MAX 16u
#define TRAILER_BYTES 20u

static gpointer object_visit(gpointer data, const struct depot_object *object)
{
	guint8 *seen = data;

	fuzz_require(!seen[object->number]);
	seen[object->number] = TRUE;
	for (guint i = 0; i < object->n_pieces; i++) {
		const struct depot_piece *piece = &object->pieces[i];
		fuzz_require(piece->at <= object->len && piece->len <= object->len - piece->at);
		if (piece->from != DEPOT_INSERT && object->base != NULL)
			fuzz_require(memcmp(object->data + piece->at, object->base + piece->from,
					     piece->len) == 0);
	}
	return data;
}

static void be32_add(GByteArray *bytes, guint32 value)
{
	guint32 raw = GUINT32_TO_BE(value);

	g_byte_array_append(bytes, (const guint8 *)&raw, sizeof(raw));
}

static void idx_make(GByteArray *idx, const guint8 *offsets, guint32 count, const guint8 *trailer)
{
	guint8 zero[TRAILER_BYTES] = {0};

	be32_add(idx, 0xff744f63);
	be32_add(idx, 2);
	for (guint32 i = 0; i < 256; i++)
		be32_add(idx, MIN(i + 1, count));
	for (guint32 i = 0; i < count; i++) {
		guint8 name[OID_BYTES];
		memset(name, (gint)i, sizeof(name));
		g_byte_array_append(idx, name, sizeof(name));
	}
	for (guint32 i = 0; i < count; i++)
		be32_add(idx, 0);
	for (guint32 i = 0; i < count; i++)
		be32_add(idx, (guint32)offsets[2 * i] << 8 | offsets[2 * i + 1]);
	g_byte_array_append(idx, trailer, TRAILER_BYTES);
	g_byte_array_append(idx, zero, TRAILER_BYTES);
}

/* Not g_file_set_contents(): that one waits for the disk. */
static void file_put(const char *folder, const char *name, const GByteArray *bytes)
{
	g_autofree char *path = g_build_filename(folder, "pack", name, NULL);
	FILE *file = fopen(path, "wb");

	fuzz_require(file != NULL);
	fuzz_require(fwrite(bytes->data, 1, bytes->len, file) == bytes->len);
	fuzz_require(fclose(file) == 0);
}

static void depot_try(const char *folder)
{
	const char *const folders[] = {folder, NULL};
	struct depot_options options = {
		.threads = 1, .memory_bytes = 65536, .object_max_bytes = 1 << 20};
	struct depot_visitor visitor = {.visit = object_visit, .keeps_base = TRUE};
	g_autoptr(Depot) depot = depot_open(folders, &options, NULL);
	guint64 few = 0x5555;

	fuzz_require(depot != NULL && depot_count(depot) <= ENTRIES_MAX);
	for (guint way = 0; way < 4; way++) {
		guint8 seen[ENTRIES_MAX] = {0};
		visitor.keeps_base = way % 2 == 0;
		fuzz_require(depot_walk(
			depot, DEPOT_MASK_ALL, way < 2 ? NULL : &few, &visitor, seen, NULL, NULL));
	}
	g_autoptr(DepotReader) reader = depot_reader_new(depot);
	for (guint32 i = 0; i < depot_count(depot); i++) {
		const guint8 *bytes;
		gsize len;
		depot_type(depot, i);
		depot_read(reader, i, 1 << 20, NULL, &bytes, &len, NULL);
	}
}

/* Where the program runs; it stays there, for libFuzzer has no end of its own. */
static const char *folder_get(void)
{
	static char *folder;

	if (folder == NULL) {
		folder = g_mkdtemp(g_strdup("scan-pack-XXXXXX"));
		fuzz_require(folder != NULL);
		g_autofree char *packs = g_build_filename(folder, "pack", NULL);
		fuzz_require(g_mkdir(packs, 0700) == 0);
	}
	return folder;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	guint32 count = len > 0 ? data[0] % (ENTRIES_MAX + 1) : 0;
	g_autoptr(GByteArray) pack = g_byte_array_new();
	g_autoptr(GByteArray) idx = g_byte_array_new();
	guint8 trailer[TRAILER_BYTES] = {0};

	if (len < 1 + 2 * (size_t)count)
		return 0;
	g_byte_array_append(pack, (const guint8 *)"PACK", 4);
	be32_add(pack, 2);
	be32_add(pack, count);
	g_byte_array_append(pack, data + 1 + 2 * count, (guint)(len - 1 - 2 * count));
	g_byte_array_append(pack, trailer, sizeof(trailer));
	idx_make(idx, data + 1, count, trailer);
	file_put(folder_get(), "pack-x.pack", pack);
	file_put(folder_get(), "pack-x.idx", idx);
	depot_try(folder_get());
	return 0;
}
