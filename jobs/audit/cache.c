/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "jobs/audit/member.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/quote.h"

#define CACHE_VERSION 1
#define CACHE_FILE_MAX_BYTES (32 * 1024 * 1024)
#define CACHE_SUM_BYTES 64
#define WEEK_SECONDS ((gint64)7 * 86400)
#define UNUSED_SECONDS ((gint64)90 * 86400)

static const struct json_limits cache_limits = {CACHE_FILE_MAX_BYTES, 8, 1000};

struct cache *cache_new(void)
{
	struct cache *cache = g_new0(struct cache, 1);

	cache->times = g_array_new(FALSE, FALSE, sizeof(struct cache_time));
	cache->distances = g_array_new(FALSE, FALSE, sizeof(struct cache_distance));
	cache->disk_key = g_strdup("");
	return cache;
}

void cache_free(struct cache *cache)
{
	if (cache == NULL)
		return;
	history_log_free(cache->log);
	head_tree_free(cache->tree);
	g_array_unref(cache->times);
	g_array_unref(cache->distances);
	g_free(cache->disk_key);
	g_free(cache);
}

static char *cache_path(const char *folder, const char *gitdir)
{
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, gitdir, -1);
	g_autofree char *name = g_strconcat(sum, ".json", NULL);

	return g_build_filename(folder, name, NULL);
}

static void bytes_write(json_object *object, const char *key, const GArray *array)
{
	gsize len = array->len * g_array_get_element_size((GArray *)array);
	g_autofree char *text =
		len > 0 ? g_base64_encode((const guchar *)array->data, len) : g_strdup("");

	member_text(object, key, text);
}

static gboolean bytes_read(json_object *object, const char *key, GArray *array)
{
	const char *text = json_get_text(object, key, NULL);
	gsize size = g_array_get_element_size(array), len;

	if (text == NULL)
		return FALSE;
	g_autofree guchar *bytes = g_base64_decode(text, &len);
	if (len % size != 0)
		return FALSE;
	g_array_append_vals(array, bytes, (guint)(len / size));
	return TRUE;
}

static void oid_write(json_object *object, const char *key, const struct oid *oid)
{
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	member_text(object, key, hex);
}

static gboolean oid_read(json_object *object, const char *key, struct oid *oid)
{
	const char *hex = json_get_text(object, key, NULL);

	return hex != NULL && strlen(hex) == OID_HEX && oid_parse(oid, hex);
}

static gint64 number_read(json_object *object, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

static void log_write(json_object *root, const struct cache *cache)
{
	const struct history_log *log = cache->log;

	if (log == NULL)
		return;
	json_object *object = member_object(root, "log");
	oid_write(object, "head", &cache->log_head);
	member_number(object, "computed_at", cache->computed_at, TRUE);
	member_text(object, "subject", log->subject);
	member_text(object, "author", log->author);
	member_number(object, "time", log->time, TRUE);
	member_number(object, "commits", (gint64)log->commits, TRUE);
	member_number(object, "signed_commits", (gint64)log->signed_commits, TRUE);
	member_flag(object, "is_truncated", log->is_truncated, TRUE);
	member_flag(object, "is_shallow", log->is_shallow, TRUE);
	bytes_write(object, "recent", log->recent);
	bytes_write(object, "people", log->people);
}

static void log_read(json_object *root, struct cache *cache)
{
	json_object *object = json_get(root, "log", json_type_object, NULL);

	if (object == NULL || !oid_read(object, "head", &cache->log_head))
		return;
	struct history_log *log = g_new0(struct history_log, 1);
	log->recent = g_array_new(FALSE, FALSE, sizeof(gint64));
	log->people = g_array_new(FALSE, FALSE, sizeof(guint64));
	cache->computed_at = number_read(object, "computed_at");
	log->subject = g_strdup(json_get_text(object, "subject", NULL));
	log->author = g_strdup(json_get_text(object, "author", NULL));
	log->time = number_read(object, "time");
	log->commits = (guint64)number_read(object, "commits");
	log->signed_commits = (guint64)number_read(object, "signed_commits");
	log->is_truncated = number_read(object, "is_truncated") != 0;
	log->is_shallow = number_read(object, "is_shallow") != 0;
	if (!bytes_read(object, "recent", log->recent) ||
		!bytes_read(object, "people", log->people)) {
		history_log_free(log);
		return;
	}
	log->contributors = log->people->len;
	cache->log = log;
}

static void files_write(json_object *object, const char *key, const GPtrArray *files)
{
	json_object *list = member_array(object, key);

	for (guint i = 0; i < files->len; i++) {
		const struct head_file *file = files->pdata[i];
		json_object *item = json_object_new_object();
		member_name(item, "path", file->path);
		oid_write(item, "oid", &file->oid);
		member_number(item, "size_bytes", (gint64)file->size_bytes, TRUE);
		member_text(item, "commit", file->commit);
		member_text(item, "author", file->author);
		member_number(item, "time", file->time, TRUE);
		json_object_array_add(list, item);
	}
}

static gboolean files_read(json_object *object, const char *key, GPtrArray *files)
{
	json_object *list = json_get(object, key, json_type_array, NULL);

	if (list == NULL)
		return FALSE;
	for (gsize i = 0; i < json_object_array_length(list); i++) {
		json_object *item = json_object_array_get_idx(list, i);
		const char *quoted = json_get_text(item, "path", NULL);
		const char *commit = json_get_text(item, "commit", NULL);
		struct oid oid;
		if (quoted == NULL || commit == NULL || strlen(commit) > OID_HEX ||
			!oid_read(item, "oid", &oid))
			return FALSE;
		g_autofree char *path = quote_parse(quoted);
		struct head_file *file =
			head_file_new(path, &oid, (guint64)number_read(item, "size_bytes"));
		g_strlcpy(file->commit, commit, sizeof(file->commit));
		file->author = g_strdup(json_get_text(item, "author", NULL));
		file->time = number_read(item, "time");
		g_ptr_array_add(files, file);
	}
	return TRUE;
}

static void tree_write(json_object *root, const struct cache *cache)
{
	const struct head_tree *tree = cache->tree;

	if (tree == NULL)
		return;
	json_object *object = member_object(root, "tree");
	oid_write(object, "head", &cache->tree_head);
	member_number(object, "large_bytes", (gint64)cache->large_bytes, TRUE);
	member_number(object, "present", tree->present, TRUE);
	member_number(object, "files", (gint64)tree->files, TRUE);
	member_number(object, "bytes", (gint64)tree->bytes, TRUE);
	member_number(object, "large_count", (gint64)tree->large_count, TRUE);
	member_number(object, "sensitive_count", (gint64)tree->sensitive_count, TRUE);
	files_write(object, "large", tree->large);
	files_write(object, "sensitive", tree->sensitive);
}

static void tree_read(json_object *root, struct cache *cache)
{
	json_object *object = json_get(root, "tree", json_type_object, NULL);

	if (object == NULL || !oid_read(object, "head", &cache->tree_head))
		return;
	g_autoptr(HeadTree) tree = head_tree_new_empty();
	cache->large_bytes = (guint64)number_read(object, "large_bytes");
	tree->present = (unsigned)number_read(object, "present");
	tree->files = (guint64)number_read(object, "files");
	tree->bytes = (guint64)number_read(object, "bytes");
	tree->large_count = (guint64)number_read(object, "large_count");
	tree->sensitive_count = (guint64)number_read(object, "sensitive_count");
	if (files_read(object, "large", tree->large) &&
		files_read(object, "sensitive", tree->sensitive))
		cache->tree = g_steal_pointer(&tree);
}

/* Says that a file is in use, once a week: its age is what cache_prune() goes by. */
static void file_touch(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mtime + WEEK_SECONDS < time(NULL))
		utimensat(AT_FDCWD, path, NULL, 0);
}

void cache_prune(const char *folder, gint64 now)
{
	g_autofree char *marker = g_build_filename(folder, "pruned", NULL);
	struct stat st;
	const char *name;

	if (stat(marker, &st) == 0 && st.st_mtime + WEEK_SECONDS > now)
		return;
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	if (dir == NULL || !file_write(marker, "", 0, 0600, NULL))
		return;
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		gboolean is_left = *name == '.' && g_str_has_suffix(name, ".tmp");
		if ((!is_left && !g_str_has_suffix(name, ".json")) || lstat(path, &st) != 0)
			continue;
		if (st.st_mtime + (is_left ? WEEK_SECONDS : UNUSED_SECONDS) < now)
			unlink(path);
	}
}

/* The document in a file that begins with its sum; NULL when it is not whole. */
static json_object *document_load(const char *path)
{
	g_autofree char *text = NULL;
	gsize len;

	if (!file_read(path, CACHE_FILE_MAX_BYTES, &text, &len, NULL) || len <= CACHE_SUM_BYTES + 1)
		return NULL;
	const char *body = text + CACHE_SUM_BYTES + 1;
	gsize body_len = len - CACHE_SUM_BYTES - 1;
	g_autofree char *sum =
		g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)body, body_len);
	if (memcmp(sum, text, CACHE_SUM_BYTES) != 0)
		return NULL;
	return json_parse(body, body_len, &cache_limits, NULL);
}

struct cache *cache_load(const char *folder, const char *gitdir, const char *shallow)
{
	g_autofree char *path = cache_path(folder, gitdir);
	g_autofree char *quoted = quote_format(gitdir);
	g_autoptr(json_object) root = document_load(path);
	struct cache *cache = cache_new();

	if (root == NULL || number_read(root, "version") != CACHE_VERSION ||
		g_strcmp0(json_get_text(root, "gitdir", NULL), quoted) != 0 ||
		g_strcmp0(json_get_text(root, "shallow", NULL), shallow) != 0)
		return cache;
	file_touch(path);
	log_read(root, cache);
	tree_read(root, cache);
	if (!bytes_read(root, "times", cache->times) ||
		!bytes_read(root, "distances", cache->distances)) {
		cache_free(cache);
		return cache_new();
	}
	const char *disk_key = json_get_text(root, "disk_key", NULL);
	if (disk_key != NULL) {
		g_free(cache->disk_key);
		cache->disk_key = g_strdup(disk_key);
		cache->disk_bytes = number_read(root, "disk_bytes");
	}
	return cache;
}

static int time_compare(const void *a, const void *b)
{
	return memcmp(&((const struct cache_time *)a)->oid, &((const struct cache_time *)b)->oid,
		sizeof(struct oid));
}

static int distance_compare(const void *a, const void *b)
{
	return memcmp(a, b, 2 * sizeof(struct oid));
}

gboolean cache_save(struct cache *cache, const char *folder, const char *gitdir,
	const char *shallow, GError **error)
{
	g_autofree char *path = cache_path(folder, gitdir);
	g_autoptr(json_object) root = json_object_new_object();

	g_array_sort(cache->times, time_compare);
	g_array_sort(cache->distances, distance_compare);
	member_number(root, "version", CACHE_VERSION, TRUE);
	member_name(root, "gitdir", gitdir);
	member_text(root, "shallow", shallow);
	log_write(root, cache);
	tree_write(root, cache);
	bytes_write(root, "times", cache->times);
	bytes_write(root, "distances", cache->distances);
	member_text(root, "disk_key", cache->disk_key);
	member_number(root, "disk_bytes", cache->disk_bytes, TRUE);
	const char *body = json_object_to_json_string_ext(
		root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, body, -1);
	g_autofree char *text = g_strconcat(sum, "\n", body, NULL);
	return file_make_folder(folder, error) && file_write(path, text, strlen(text), 0600, error);
}

const struct cache_time *cache_find_time(const struct cache *cache, const struct oid *oid)
{
	struct cache_time key = {.oid = *oid};

	if (cache->times->len == 0)
		return NULL;
	return bsearch(&key, cache->times->data, cache->times->len, sizeof(key), time_compare);
}

const struct cache_distance *cache_find_distance(
	const struct cache *cache, const struct oid *a, const struct oid *b)
{
	struct cache_distance key = {.a = *a, .b = *b};

	if (cache->distances->len == 0)
		return NULL;
	return bsearch(
		&key, cache->distances->data, cache->distances->len, sizeof(key), distance_compare);
}
