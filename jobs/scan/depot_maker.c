/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/depot_maker.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES_MIN 65536u
/* The longest header, "commit 4294967295", and a block that deflate only stored. */
#define LOOSE_FIRST_BYTES (128u * 1024)
#define LOOSE_HEADER_MAX 32u
#define MAP_BYTES_MIN (256u * 1024) /* larger files of loose objects are mapped */

gboolean depot_maker_init(struct depot_maker *maker, struct depot *depot, gint64 *held)
{
	memset(maker, 0, sizeof(*maker));
	maker->depot = depot;
	maker->held = held;
	maker->inflater = libdeflate_alloc_decompressor();
	return maker->inflater != NULL;
}

void depot_maker_clear(struct depot_maker *maker)
{
	if (maker->inflater != NULL)
		libdeflate_free_decompressor(maker->inflater);
	depot_buffer_free(maker, &maker->inflated);
	depot_buffer_free(maker, &maker->file);
	depot_delta_clear(&maker->delta);
}

void depot_buffer_free(struct depot_maker *maker, struct depot_buffer *buffer)
{
	if (maker->held != NULL)
		__atomic_fetch_sub(maker->held, (gint64)buffer->room, __ATOMIC_RELAXED);
	g_clear_pointer(&buffer->bytes, g_free);
	buffer->room = 0;
}

gboolean depot_buffer_reserve(struct depot_maker *maker, struct depot_buffer *buffer, gsize len)
{
	gsize need = len + DEPOT_SLACK;

	if (need <= buffer->room)
		return TRUE;
	depot_buffer_free(maker, buffer);
	/* A little more, for the next version of a file is often a little longer. */
	gsize room = MAX(need + need / 8, BUFFER_BYTES_MIN);
	if (maker->make_room != NULL)
		maker->make_room(maker->room_data, buffer, room);
	else if (maker->held != NULL)
		__atomic_fetch_add(maker->held, (gint64)room, __ATOMIC_RELAXED);
	buffer->bytes = g_try_malloc(room);
	if (buffer->bytes != NULL)
		buffer->room = room;
	else if (maker->held != NULL)
		__atomic_fetch_sub(maker->held, (gint64)room, __ATOMIC_RELAXED);
	return buffer->bytes != NULL;
}

enum depot_reason depot_maker_inflate(struct depot_maker *maker, const struct depot_pack *pack,
	guint64 at, gsize size, guint8 *out)
{
	enum libdeflate_result result = libdeflate_zlib_decompress(
		maker->inflater, pack->map + at, (gsize)(pack->end - at), out, size, NULL);

	return result == LIBDEFLATE_SUCCESS ? DEPOT_FINE : DEPOT_BROKEN;
}

enum depot_reason depot_maker_delta(struct depot_maker *maker, const struct depot_pack *pack,
	guint64 at, gsize size, guint32 base_len)
{
	if (size > maker->depot->material_max)
		return DEPOT_TOO_LARGE;
	if (!depot_buffer_reserve(maker, &maker->inflated, size))
		return DEPOT_NO_MEMORY;
	enum depot_reason reason =
		depot_maker_inflate(maker, pack, at, size, maker->inflated.bytes);
	if (reason != DEPOT_FINE)
		return reason;
	return depot_delta_parse(&maker->delta, maker->inflated.bytes, size, base_len,
		(guint32)maker->depot->material_max);
}

static gboolean file_read_all(int fd, guint8 *bytes, gsize len)
{
	while (len > 0) {
		ssize_t n = read(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return FALSE;
		bytes += n;
		len -= (gsize)n;
	}
	return TRUE;
}

struct loose_file {
	const guint8 *bytes;
	gsize len;
	void *map; /* or NULL */
};

static enum depot_reason loose_open(
	struct depot_maker *maker, guint32 position, struct loose_file *file)
{
	const struct depot_loose *loose = &maker->depot->loose[position];
	enum depot_reason reason = DEPOT_UNOPENED;
	char hex[OID_HEX + 1], name[OID_HEX + 2];
	struct stat st;

	oid_format(&loose->oid, hex);
	memcpy(name, hex, 2);
	name[2] = '/';
	memcpy(name + 3, hex + 2, OID_HEX - 1);
	int fd = openat(
		maker->depot->folders[loose->folder].fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return reason;
	*file = (struct loose_file){0};
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		reason = DEPOT_UNOPENED;
	} else if (st.st_size < (off_t)MAP_BYTES_MIN) {
		file->len = (gsize)st.st_size;
		if (!depot_buffer_reserve(maker, &maker->file, file->len))
			reason = DEPOT_NO_MEMORY;
		else if (file_read_all(fd, maker->file.bytes, file->len))
			reason = DEPOT_FINE;
		file->bytes = maker->file.bytes;
	} else {
		file->len = (gsize)st.st_size;
		file->map = mmap(NULL, file->len, PROT_READ, MAP_SHARED, fd, 0);
		file->bytes = file->map;
		reason = file->map != MAP_FAILED ? DEPOT_FINE : DEPOT_UNOPENED;
	}
	close(fd);
	return reason;
}

/* "blob 12\0": its length with the NUL, or 0. */
static gsize loose_header_parse(const guint8 *bytes, gsize len, guint8 *type, guint64 *size)
{
	static const struct {
		const char *word;
		guint8 type;
	} words[] = {{"commit ", DEPOT_COMMIT}, {"tree ", DEPOT_TREE}, {"blob ", DEPOT_BLOB},
		{"tag ", DEPOT_TAG}};
	guint64 number = 0;

	for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
		gsize at = strlen(words[i].word), first = at;
		if (len <= at || memcmp(bytes, words[i].word, at) != 0)
			continue;
		for (; at < len && at < LOOSE_HEADER_MAX && g_ascii_isdigit(bytes[at]); at++) {
			if (number > G_MAXUINT64 / 100)
				return 0;
			number = number * 10 + (bytes[at] - '0');
		}
		if (at == first || at == len || bytes[at] != 0)
			return 0;
		*type = words[i].type;
		*size = number;
		return at + 1;
	}
	return 0;
}

static enum depot_reason loose_inflate(struct depot_maker *maker, const struct loose_file *file,
	struct depot_buffer *buffer, guint8 *type, guint32 *len)
{
	guint64 size = 0;
	gsize made = 0;

	/*
	 * Its first bytes say how long it is: it is inflated as far as a small buffer reaches, and
	 * most objects are done with that.
	 */
	if (!depot_buffer_reserve(maker, buffer, LOOSE_FIRST_BYTES))
		return DEPOT_NO_MEMORY;
	memset(buffer->bytes, 0xff, LOOSE_HEADER_MAX);
	enum libdeflate_result result = libdeflate_zlib_decompress(
		maker->inflater, file->bytes, file->len, buffer->bytes, LOOSE_FIRST_BYTES, &made);
	if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
		made = LOOSE_FIRST_BYTES;
	else if (result != LIBDEFLATE_SUCCESS)
		return DEPOT_BROKEN;
	gsize head = loose_header_parse(buffer->bytes, made, type, &size);
	if (head == 0)
		return DEPOT_BROKEN;
	if (size > maker->depot->material_max || size / DEPOT_RATIO_MAX > file->len)
		return DEPOT_TOO_LARGE;
	if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
		if (head + size <= LOOSE_FIRST_BYTES)
			return DEPOT_BROKEN;
		if (!depot_buffer_reserve(maker, buffer, head + size))
			return DEPOT_NO_MEMORY;
		result = libdeflate_zlib_decompress(
			maker->inflater, file->bytes, file->len, buffer->bytes, head + size, NULL);
		if (result != LIBDEFLATE_SUCCESS)
			return DEPOT_BROKEN;
	} else if (made != head + size) {
		return DEPOT_BROKEN;
	}
	memmove(buffer->bytes, buffer->bytes + head, size);
	*len = (guint32)size;
	return DEPOT_FINE;
}

enum depot_reason depot_maker_loose(struct depot_maker *maker, guint32 position,
	struct depot_buffer *buffer, guint8 *type, guint32 *len)
{
	struct loose_file file;

	enum depot_reason reason = loose_open(maker, position, &file);
	if (reason != DEPOT_FINE)
		return reason;
	reason = loose_inflate(maker, &file, buffer, type, len);
	if (file.map != NULL)
		munmap(file.map, file.len);
	return reason;
}

gboolean depot_name_fits(const struct oid *oid, guint8 type, const guint8 *bytes, gsize len)
{
	static const char *const words[] = {"", "commit", "tree", "blob", "tag"};
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	char head[LOOSE_HEADER_MAX];
	guint8 name[OID_BYTES];
	gsize name_len = sizeof(name);

	gint n = g_snprintf(head, sizeof(head), "%s %" G_GSIZE_FORMAT, words[type], len);
	g_checksum_update(sum, (const guchar *)head, n + 1);
	g_checksum_update(sum, bytes, (gssize)len);
	g_checksum_get_digest(sum, name, &name_len);
	return memcmp(name, oid->bytes, sizeof(name)) == 0;
}
