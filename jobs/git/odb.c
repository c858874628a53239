/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/odb.h"

#include <string.h>

#include <git2.h>

#include "lib/error.h"

/* Trees are looked at again and again when a path is followed; blobs hardly ever. */
#define ODB_CACHE_BYTES (8 * 1024 * 1024)
#define ODB_MAPPED_BYTES ((size_t)32 * 1024 * 1024)
#define ODB_WINDOW_BYTES ((size_t)4 * 1024 * 1024)

struct odb {
	git_odb *handle;
};

static const char *last_message(void)
{
	const git_error *last = git_error_last();

	return last != NULL && last->message != NULL ? last->message : "unknown error of libgit2";
}

gboolean odb_library_start(GError **error)
{
	static gsize is_started;

	if (g_once_init_enter(&is_started)) {
		gsize result = git_libgit2_init() >= 0 ? 1 : 2;
		for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL;
			level++)
			git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
		git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
		git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)ODB_CACHE_BYTES);
		git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, ODB_WINDOW_BYTES);
		git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, ODB_MAPPED_BYTES);
		/* What we read is not trusted more for having the right name. */
		git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
		g_once_init_leave(&is_started, result);
	}
	if (is_started == 1)
		return TRUE;
	g_set_error(
		error, MUSTER_ERROR, MUSTER_ERROR_IO, "libgit2 does not start: %s", last_message());
	return FALSE;
}

struct odb *odb_open(const char *commondir, GError **error)
{
	g_autofree char *objects = g_build_filename(commondir, "objects", NULL);
	git_odb *handle;

	if (!odb_library_start(error))
		return NULL;
	if (git_odb_open(&handle, objects) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the object store cannot be opened: %s", last_message());
		return NULL;
	}
	struct odb *odb = g_new0(struct odb, 1);
	odb->handle = handle;
	return odb;
}

void odb_free(struct odb *odb)
{
	if (odb == NULL)
		return;
	git_odb_free(odb->handle);
	g_free(odb);
}

void odb_object_clear(struct odb_object *object)
{
	if (object->handle != NULL)
		git_odb_object_free(object->handle);
	*object = (struct odb_object){0};
}

/* The numbers of object_type are libgit2's as well: both are those of a pack. */
static gboolean fail_read(const struct oid *oid, int code, GError **error)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	if (code == GIT_ENOTFOUND)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "object %s is missing", hex);
	else
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "object %s cannot be read: %s",
			hex, last_message());
	return FALSE;
}

gboolean odb_look(struct odb *odb, const struct oid *oid, enum object_type *type,
	guint64 *size_bytes, GError **error)
{
	git_oid id;
	git_object_t found;
	size_t size;

	memcpy(id.id, oid->bytes, OID_BYTES);
	int code = git_odb_read_header(&size, &found, odb->handle, &id);
	if (code != 0)
		return fail_read(oid, code, error);
	*type = (enum object_type)found;
	*size_bytes = size;
	return TRUE;
}

gboolean odb_read(struct odb *odb, const struct oid *oid, enum object_type type, gsize max_bytes,
	struct odb_object *object, GError **error)
{
	enum object_type found = OBJECT_UNSET;
	guint64 size_bytes = 0;
	git_odb_object *handle;
	git_oid id;

	if (!odb_look(odb, oid, &found, &size_bytes, error))
		return FALSE;
	if (size_bytes > max_bytes) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"an object is larger than %" G_GSIZE_FORMAT " bytes", max_bytes);
		return FALSE;
	}
	memcpy(id.id, oid->bytes, OID_BYTES);
	int code = git_odb_read(&handle, odb->handle, &id);
	if (code != 0)
		return fail_read(oid, code, error);
	if (type != OBJECT_UNSET && (enum object_type)git_odb_object_type(handle) != type) {
		char hex[OID_HEX + 1];
		oid_format(oid, hex);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"object %s has another type than is expected there", hex);
		git_odb_object_free(handle);
		return FALSE;
	}
	*object = (struct odb_object){
		.type = (enum object_type)git_odb_object_type(handle),
		.data = git_odb_object_data(handle),
		.len = git_odb_object_size(handle),
		.handle = handle,
	};
	return TRUE;
}

/* FALSE without an error: the tree has no such entry. */
static gboolean entry_find(struct odb *odb, const struct oid *tree, const char *name, gsize len,
	struct oid *oid, uint32_t *mode, GError **error)
{
	g_auto(OdbObject) object = {0};
	struct tree_entry entry;

	if (!odb_read(odb, tree, OBJECT_TREE, OBJECT_TREE_MAX_BYTES, &object, error))
		return FALSE;
	for (const char *at = object.data; tree_next(&at, object.data + object.len, &entry);) {
		if (entry.name_len != len || memcmp(entry.name, name, len) != 0)
			continue;
		memcpy(oid->bytes, entry.oid, OID_BYTES);
		*mode = entry.mode;
		return TRUE;
	}
	return FALSE;
}

gboolean odb_tree_find(struct odb *odb, const struct oid *tree, const char *path, struct oid *oid,
	uint32_t *mode, GError **error)
{
	struct oid at = *tree;
	uint32_t found = 0040000;

	while (*path != '\0') {
		gsize len = strcspn(path, "/");
		if ((found & 0170000) != 0040000 ||
			!entry_find(odb, &at, path, len, &at, &found, error))
			return FALSE;
		path += len;
		while (*path == '/')
			path++;
	}
	*oid = at;
	*mode = found;
	return TRUE;
}
