/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/pack.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OFFSET_DELTA 6
#define REF_DELTA 7
#define FANOUT_BYTES 1024
#define V2_HEADER_BYTES 8
#define V1_ENTRY_BYTES 24
#define TRAILER_BYTES 20

struct pack {
	struct pack *next;
	int idx_fd;
	int pack_fd; /* -1 until an object is found */
	int dir_fd;  /* borrowed: objects/ */
	guint64 idx_size;
	guint64 pack_size;
	uint32_t count;
	bool is_v1;
	char *name; /* "pack/pack-….pack" */
};

static gboolean read_at(int fd, void *buffer, gsize len, guint64 offset)
{
	char *at = buffer;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return FALSE;
		at += n;
		offset += (guint64)n;
		len -= (gsize)n;
	}
	return TRUE;
}

static gboolean u32_at(int fd, guint64 offset, uint32_t *value)
{
	uint32_t raw;

	if (!read_at(fd, &raw, sizeof(raw), offset))
		return FALSE;
	*value = be32toh(raw);
	return TRUE;
}

/* FALSE: this is no index that we can use. */
static gboolean index_open(struct pack *p, const char *name)
{
	uint32_t magic, version = 1;
	struct stat st;
	guint64 need;

	p->idx_fd = openat(p->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->idx_fd < 0 || fstat(p->idx_fd, &st) != 0 || !S_ISREG(st.st_mode) ||
		!u32_at(p->idx_fd, 0, &magic))
		return FALSE;
	p->idx_size = (guint64)st.st_size;
	p->is_v1 = magic != 0xff744f63;
	if (!p->is_v1 && (!u32_at(p->idx_fd, 4, &version) || version != 2))
		return FALSE;
	guint64 fanout = p->is_v1 ? 0 : V2_HEADER_BYTES;
	if (!u32_at(p->idx_fd, fanout + FANOUT_BYTES - 4, &p->count))
		return FALSE;
	need = fanout + FANOUT_BYTES + (guint64)p->count * (p->is_v1 ? V1_ENTRY_BYTES : 28) +
	       2 * TRAILER_BYTES;
	return p->idx_size >= need;
}

static void pack_close(struct pack *p)
{
	if (p->idx_fd >= 0)
		close(p->idx_fd);
	if (p->pack_fd >= 0)
		close(p->pack_fd);
	g_free(p->name);
	g_free(p);
}

void pack_free(struct pack *packs)
{
	while (packs != NULL) {
		struct pack *next = packs->next;
		pack_close(packs);
		packs = next;
	}
}

struct pack *pack_list(int objects_fd)
{
	struct pack *packs = NULL;
	int fd = openat(objects_fd, "pack", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	for (struct dirent *e; count < PACKS_MAX && (e = readdir(dir)) != NULL;) {
		if (!g_str_has_suffix(e->d_name, ".idx"))
			continue;
		struct pack *p = g_new0(struct pack, 1);
		g_autofree char *name = g_strconcat("pack/", e->d_name, NULL);
		p->pack_fd = -1;
		p->dir_fd = objects_fd;
		p->name = g_strdup_printf("%.*s.pack", (int)(strlen(name) - 4), name);
		if (!index_open(p, name)) {
			pack_close(p);
			continue;
		}
		p->next = packs;
		packs = p;
		count++;
	}
	closedir(dir);
	return packs;
}

/* Where the object lies in the pack. */
static gboolean offset_find(const struct pack *p, const uint8_t *oid, guint64 *offset)
{
	guint64 fanout = p->is_v1 ? 0 : V2_HEADER_BYTES, table = fanout + FANOUT_BYTES;
	gsize stride = p->is_v1 ? V1_ENTRY_BYTES : OID_BYTES;
	uint32_t low = 0, high;

	if ((oid[0] > 0 && !u32_at(p->idx_fd, fanout + 4 * (guint64)(oid[0] - 1), &low)) ||
		!u32_at(p->idx_fd, fanout + 4 * (guint64)oid[0], &high) || high > p->count)
		return FALSE;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint8_t found[V1_ENTRY_BYTES];
		if (!read_at(p->idx_fd, found, stride, table + (guint64)middle * stride))
			return FALSE;
		int order = memcmp(found + (p->is_v1 ? 4 : 0), oid, OID_BYTES);
		if (order < 0) {
			low = middle + 1;
		} else if (order > 0) {
			high = middle;
		} else if (p->is_v1) {
			uint32_t raw;
			memcpy(&raw, found, 4);
			*offset = be32toh(raw);
			return TRUE;
		} else {
			uint32_t small;
			guint64 large = table + (guint64)p->count * 28, raw;
			if (!u32_at(p->idx_fd, table + (guint64)p->count * 24 + (guint64)middle * 4,
				    &small))
				return FALSE;
			*offset = small;
			if (!(small & 0x80000000))
				return TRUE;
			if (!read_at(p->idx_fd, &raw, 8, large + (guint64)(small & 0x7fffffff) * 8))
				return FALSE;
			*offset = be64toh(raw);
			return TRUE;
		}
	}
	return FALSE;
}

static gboolean pack_open(struct pack *p)
{
	struct stat st;

	if (p->pack_fd >= 0)
		return TRUE;
	p->pack_fd = openat(p->dir_fd, p->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->pack_fd < 0)
		return FALSE;
	if (fstat(p->pack_fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(p->pack_fd);
		p->pack_fd = -1;
		return FALSE;
	}
	p->pack_size = (guint64)st.st_size;
	return TRUE;
}

struct header {
	int type;
	gsize size;
	guint64 data; /* offset of the compressed bytes */
	guint64 base; /* of a delta */
};

static enum object_result header_read(struct pack *p, guint64 offset, struct header *h)
{
	uint8_t bytes[64];
	gsize at = 0, have;

	if (offset < 12 || p->pack_size < TRAILER_BYTES || offset >= p->pack_size - TRAILER_BYTES)
		return OBJECT_BROKEN;
	have = p->pack_size - offset < sizeof(bytes) ? (gsize)(p->pack_size - offset)
						     : sizeof(bytes);
	if (!read_at(p->pack_fd, bytes, have, offset))
		return OBJECT_BROKEN;
	uint8_t byte = bytes[at++];
	h->type = byte >> 4 & 7;
	h->size = byte & 15;
	for (unsigned shift = 4; byte & 128; shift += 7) {
		if (at == have || shift > 57)
			return OBJECT_BROKEN;
		byte = bytes[at++];
		h->size |= (gsize)(byte & 127) << shift;
	}
	if (h->type == OFFSET_DELTA) {
		guint64 back = 0;
		do {
			if (at == have || back > p->pack_size)
				return OBJECT_BROKEN;
			byte = bytes[at++];
			back = (back << 7) + (byte & 127) + (byte & 128 ? 1 : 0);
		} while (byte & 128);
		if (back == 0 || back >= offset)
			return OBJECT_BROKEN;
		h->base = offset - back;
	} else if (h->type == REF_DELTA) {
		if (have - at < OID_BYTES || !offset_find(p, bytes + at, &h->base))
			return OBJECT_BROKEN;
		at += OID_BYTES;
	} else if (h->type < OBJECT_COMMIT || h->type > OBJECT_TAG) {
		return OBJECT_BROKEN;
	}
	h->data = offset + at;
	return OBJECT_OK;
}

static enum object_result data_inflate(
	struct pack *p, z_stream *z, guint64 offset, gsize size, gsize max_bytes, char **data)
{
	uint8_t input[16384];
	int state = Z_OK;

	if (size > max_bytes || size > G_MAXUINT / 2)
		return OBJECT_TOO_BIG;
	g_autofree char *output = g_try_malloc(size + 1);
	if (output == NULL)
		return OBJECT_TOO_BIG;
	inflateReset(z);
	z->next_out = (Bytef *)output;
	z->avail_out = (uInt)size + 1;
	z->avail_in = 0;
	while (state == Z_OK && z->avail_out > 0) {
		gsize left = offset < p->pack_size ? (gsize)(p->pack_size - offset) : 0;
		/* A small object does not need a whole block. */
		gsize want = MIN(MIN(left, sizeof(input)), size + 64);
		if (want == 0 || !read_at(p->pack_fd, input, want, offset))
			return OBJECT_BROKEN;
		offset += want;
		z->next_in = input;
		z->avail_in = (uInt)want;
		state = inflate(z, Z_NO_FLUSH);
		if (state == Z_BUF_ERROR)
			state = Z_OK;
	}
	if (state != Z_STREAM_END || z->avail_out != 1)
		return OBJECT_BROKEN;
	output[size] = '\0';
	*data = g_steal_pointer(&output);
	return OBJECT_OK;
}

static gboolean delta_size(const uint8_t **at, const uint8_t *end, gsize *size)
{
	gsize value = 0;

	for (unsigned shift = 0; *at < end && shift < 63; shift += 7) {
		uint8_t byte = *(*at)++;
		value |= (gsize)(byte & 127) << shift;
		if (!(byte & 128)) {
			*size = value;
			return TRUE;
		}
	}
	return FALSE;
}

/* Source: git's Documentation/gitformat-pack.txt, "Deltified representation". */
gboolean pack_delta_apply(const char *base, gsize base_len, const uint8_t *delta, gsize delta_len,
	gsize max_bytes, char **data, gsize *len)
{
	const uint8_t *at = delta, *end = delta + delta_len;
	gsize from_len, to_len, done = 0;

	if (!delta_size(&at, end, &from_len) || from_len != base_len ||
		!delta_size(&at, end, &to_len) || to_len > max_bytes)
		return FALSE;
	g_autofree char *output = g_try_malloc(to_len + 1);
	if (output == NULL)
		return FALSE;
	while (at < end) {
		uint8_t code = *at++;
		if (code & 128) {
			gsize offset = 0, size = 0;
			for (unsigned i = 0; i < 7; i++) {
				if (!(code & 1 << i))
					continue;
				if (at == end)
					return FALSE;
				if (i < 4)
					offset |= (gsize)*at++ << (8 * i);
				else
					size |= (gsize)*at++ << (8 * (i - 4));
			}
			if (size == 0)
				size = 0x10000;
			if (offset > base_len || size > base_len - offset || size > to_len - done)
				return FALSE;
			memcpy(output + done, base + offset, size);
			done += size;
		} else {
			if (code == 0 || code > end - at || code > to_len - done)
				return FALSE;
			memcpy(output + done, at, code);
			at += code;
			done += code;
		}
	}
	if (done != to_len)
		return FALSE;
	output[to_len] = '\0';
	*data = g_steal_pointer(&output);
	*len = to_len;
	return TRUE;
}

/* Down the chain to the object that is whole, then up again with each delta. */
static enum object_result object_unpack(
	struct pack *p, z_stream *z, guint64 offset, gsize max_bytes, struct object *object)
{
	g_autoptr(GArray) chain = g_array_new(FALSE, FALSE, sizeof(struct header));
	g_autofree char *data = NULL;
	struct header h;
	gsize len;

	for (;;) {
		enum object_result result = header_read(p, offset, &h);
		if (result != OBJECT_OK)
			return result;
		if (h.type < OFFSET_DELTA)
			break;
		if (chain->len == PACK_DEPTH_MAX)
			return OBJECT_BROKEN;
		g_array_append_val(chain, h);
		offset = h.base;
	}
	enum object_result result = data_inflate(p, z, h.data, h.size, max_bytes, &data);
	len = h.size;
	object->type = (enum object_type)h.type;
	for (guint i = chain->len; i-- > 0 && result == OBJECT_OK;) {
		const struct header *d = &g_array_index(chain, struct header, i);
		g_autofree char *delta = NULL;
		char *next = NULL;
		result = data_inflate(p, z, d->data, d->size, max_bytes, &delta);
		if (result != OBJECT_OK)
			return result;
		if (!pack_delta_apply(
			    data, len, (const uint8_t *)delta, d->size, max_bytes, &next, &len))
			return OBJECT_BROKEN;
		g_free(data);
		data = next;
	}
	if (result != OBJECT_OK)
		return result;
	object->data = g_steal_pointer(&data);
	object->len = len;
	return OBJECT_OK;
}

enum object_result pack_read(struct pack **packs, z_stream *z, const uint8_t *oid, gsize max_bytes,
	struct object *object)
{
	struct pack *before = NULL;
	guint64 offset;

	for (struct pack *p = *packs; p != NULL; before = p, p = p->next) {
		if (!offset_find(p, oid, &offset) || !pack_open(p))
			continue;
		if (before != NULL) {
			before->next = p->next;
			p->next = *packs;
			*packs = p;
		}
		return object_unpack(p, z, offset, max_bytes, object);
	}
	return OBJECT_MISSING;
}
