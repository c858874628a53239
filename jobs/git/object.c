/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/object.h"
#include "jobs/git/pack.h"
#include "jobs/git/readfile.h"

#include "lib/error.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define ALTERNATES_MAX 64
#define ALTERNATES_MAX_BYTES (64 * 1024)
#define ALTERNATES_DEPTH_MAX 5
/* Incompressible data grows a little; a loose file of more than this cannot fit its object. */
#define LOOSE_OVERHEAD 65536

struct folder {
	int fd;             /* objects/ */
	struct pack *packs; /* chain, newest opened first; NULL until asked for */
	bool has_packs_read;
};

struct object_store {
	const struct repo *r;
	struct folder folders[ALTERNATES_MAX];
	int folder_count;
	z_stream inflater;
	bool has_inflater;
	bool has_folders;
};

struct object_store *object_store_new(const struct repo *r)
{
	struct object_store *store = g_new0(struct object_store, 1);

	store->r = r;
	return store;
}

void object_store_free(struct object_store *store)
{
	if (store == NULL)
		return;
	for (int i = 0; i < store->folder_count; i++) {
		pack_free(store->folders[i].packs);
		close(store->folders[i].fd);
	}
	if (store->has_inflater)
		inflateEnd(&store->inflater);
	g_free(store);
}

/* objects/info/alternates: a folder a line, relative ones to objects/. */
static void folder_add(struct object_store *store, int base_fd, const char *path, int depth)
{
	g_autofree char *data = NULL;
	gsize len;

	if (store->folder_count == ALTERNATES_MAX || depth > ALTERNATES_DEPTH_MAX)
		return;
	int fd = openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	store->folders[store->folder_count++] = (struct folder){.fd = fd};
	if (readfile_load(fd, "info/alternates", 0, ALTERNATES_MAX_BYTES, &data, &len) !=
		READFILE_OK)
		return;
	g_auto(GStrv) lines = g_strsplit(data, "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if ((*line)[0] != '\0' && (*line)[0] != '#')
			folder_add(store, fd, *line, depth + 1);
}

static void folders_open(struct object_store *store)
{
	if (store->has_folders)
		return;
	store->has_folders = true;
	folder_add(store, store->r->commondir_fd, "objects", 0);
}

static z_stream *inflater(struct object_store *store)
{
	if (!store->has_inflater) {
		if (inflateInit(&store->inflater) != Z_OK)
			return NULL;
		store->has_inflater = true;
	} else {
		inflateReset(&store->inflater);
	}
	return &store->inflater;
}

/* "blob 12\0" in front of a loose object's bytes. Returns the header's length, 0 when broken. */
static gsize header_parse(const char *head, gsize len, enum object_type *type, gsize *size)
{
	static const char *const names[] = {NULL, "commit ", "tree ", "blob ", "tag "};
	gsize at = 0;

	for (int i = OBJECT_COMMIT; i <= OBJECT_TAG; i++) {
		gsize name_len = strlen(names[i]);
		if (len > name_len && memcmp(head, names[i], name_len) == 0) {
			*type = (enum object_type)i;
			at = name_len;
		}
	}
	gsize digits = at, value = 0;
	while (at > 0 && at < len && g_ascii_isdigit(head[at]) && value < G_MAXSIZE / 16)
		value = value * 10 + (gsize)(head[at++] - '0');
	if (at == digits || at == len || head[at] != '\0')
		return 0;
	*size = value;
	return at + 1;
}

static enum object_result loose_inflate(struct object_store *store, char *file, gsize file_len,
	gsize max_bytes, struct object *object)
{
	char head[64];
	gsize size;
	z_stream *z = inflater(store);

	if (z == NULL)
		return OBJECT_TOO_BIG;
	z->next_in = (Bytef *)file;
	z->avail_in = (uInt)file_len;
	z->next_out = (Bytef *)head;
	z->avail_out = sizeof(head);
	int state = inflate(z, Z_SYNC_FLUSH);
	if (state != Z_OK && state != Z_STREAM_END)
		return OBJECT_BROKEN;
	gsize got = sizeof(head) - z->avail_out;
	gsize head_len = header_parse(head, got, &object->type, &size);
	if (head_len == 0 || got - head_len > size)
		return OBJECT_BROKEN;
	if (size > max_bytes || size > G_MAXUINT / 2)
		return OBJECT_TOO_BIG;

	g_autofree char *data = g_try_malloc(size + 1);
	if (data == NULL)
		return OBJECT_TOO_BIG;
	memcpy(data, head + head_len, got - head_len);
	z->next_out = (Bytef *)data + (got - head_len);
	z->avail_out = (uInt)(size - (got - head_len)) + 1;
	if (state == Z_OK)
		state = inflate(z, Z_FINISH);
	if (state != Z_STREAM_END || z->avail_out != 1)
		return OBJECT_BROKEN;
	data[size] = '\0';
	object->data = g_steal_pointer(&data);
	object->len = size;
	return OBJECT_OK;
}

static enum object_result loose_read(struct object_store *store, int dir_fd, const char *prefix,
	const uint8_t *oid, gsize max_bytes, struct object *object)
{
	char name[OID_HEX + 32], hex[OID_HEX + 1];
	g_autofree char *file = NULL;
	gsize len;

	oid_format((const struct oid *)(const void *)oid, hex);
	g_snprintf(name, sizeof(name), "%s%.2s/%s", prefix, hex, hex + 2);
	switch (readfile_load(dir_fd, name, 0, max_bytes + LOOSE_OVERHEAD, &file, &len)) {
	case READFILE_OK:
		break;
	case READFILE_TOO_BIG:
		return OBJECT_TOO_BIG;
	default:
		return OBJECT_MISSING;
	}
	return loose_inflate(store, file, len, max_bytes, object);
}

/* Two objects exist for git in every repository, whether somebody wrote them or not. */
static bool builtin_read(const uint8_t *oid, struct object *object)
{
	static const uint8_t tree[OID_BYTES] = {0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9,
		0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49, 0x04};
	static const uint8_t blob[OID_BYTES] = {0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43,
		0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91};

	if (memcmp(oid, tree, OID_BYTES) == 0)
		object->type = OBJECT_TREE;
	else if (memcmp(oid, blob, OID_BYTES) == 0)
		object->type = OBJECT_BLOB;
	else
		return false;
	object->data = g_strdup("");
	object->len = 0;
	return true;
}

enum object_result object_read(struct object_store *store, const uint8_t *oid,
	enum object_type type, gsize max_bytes, struct object *object)
{
	/* Most repositories answer with one loose file: the folder need not be opened for it. */
	enum object_result result =
		loose_read(store, store->r->commondir_fd, "objects/", oid, max_bytes, object);

	if (result == OBJECT_MISSING)
		folders_open(store);
	for (int i = 0; i < store->folder_count && result == OBJECT_MISSING; i++) {
		struct folder *folder = &store->folders[i];
		if (!folder->has_packs_read) {
			folder->packs = pack_list(folder->fd);
			folder->has_packs_read = true;
		}
		z_stream *z = inflater(store);
		if (z != NULL)
			result = pack_read(&folder->packs, z, oid, max_bytes, object);
		if (result == OBJECT_MISSING && i > 0)
			result = loose_read(store, folder->fd, "", oid, max_bytes, object);
	}
	if (result == OBJECT_MISSING && builtin_read(oid, object))
		result = OBJECT_OK;
	if (result == OBJECT_OK && type != OBJECT_UNSET && object->type != type) {
		g_clear_pointer(&object->data, g_free);
		return OBJECT_BROKEN;
	}
	return result;
}

gboolean object_get(struct object_store *store, const uint8_t *oid, enum object_type type,
	const char *what, struct object *object, GError **error)
{
	char hex[OID_HEX + 1];
	gsize max = type == OBJECT_TREE ? OBJECT_TREE_MAX_BYTES : OBJECT_COMMIT_MAX_BYTES;

	oid_format((const struct oid *)(const void *)oid, hex);
	switch (object_read(store, oid, type, max, object)) {
	case OBJECT_OK:
		return TRUE;
	case OBJECT_MISSING:
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the repository is broken: %s %s is missing", what, hex);
		return FALSE;
	case OBJECT_TOO_BIG:
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "%s %s is too big", what, hex);
		return FALSE;
	default:
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the repository is broken: %s %s cannot be read", what, hex);
		return FALSE;
	}
}

gboolean object_commit_tree(
	struct object_store *store, const uint8_t *commit, struct oid *tree, GError **error)
{
	struct object object;

	if (!object_get(store, commit, OBJECT_COMMIT, "the commit", &object, error))
		return FALSE;
	gboolean is_fine = object.len > 5 + OID_HEX && memcmp(object.data, "tree ", 5) == 0 &&
			   oid_parse(tree, object.data + 5);
	g_free(object.data);
	if (!is_fine)
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the repository is broken: a commit names no tree");
	return is_fine;
}

/* Old trees have modes such as 100664; git and its index know 644 and 755. */
static uint32_t mode_normal(uint32_t mode)
{
	switch (mode & 0170000) {
	case 0100000:
		return 0100000 | (mode & 0100 ? 0755 : 0644);
	case 0120000:
		return 0120000;
	case 0040000:
		return 0040000;
	default:
		return 0160000;
	}
}

gboolean tree_next(const char **at, const char *end, struct tree_entry *entry)
{
	const char *p = *at;
	uint32_t mode = 0;
	int digits = 0;

	for (; p < end && *p >= '0' && *p <= '7' && digits < 7; p++, digits++)
		mode = mode << 3 | (uint32_t)(*p - '0');
	if (digits == 0 || p == end || *p != ' ')
		return FALSE;
	p++;
	const char *stop = memchr(p, '\0', (gsize)(end - p));
	if (stop == NULL || stop == p || end - stop - 1 < OID_BYTES)
		return FALSE;
	*entry = (struct tree_entry){.name = p,
		.name_len = (gsize)(stop - p),
		.mode = mode_normal(mode),
		.oid = (const uint8_t *)stop + 1};
	*at = stop + 1 + OID_BYTES;
	return TRUE;
}
