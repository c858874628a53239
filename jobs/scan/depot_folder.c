/* SPDX-License-Identifier: MIT */
/* Which files a repository's objects lie in. */
#include "config.h"
#include "jobs/scan/depot_inside.h"
#include "lib/error.h"
#include "lib/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALTERNATES_MAX_BYTES (1u << 20)
#define ALTERNATES_DEPTH_MAX 5 /* git's own bound */
#define TRAILER_BYTES 20u
/* A header and an empty deflate stream: no entry of a pack is shorter. */
#define ENTRY_BYTES_MIN 9u

struct reading {
	struct depot *depot;
	GArray *packs;
	GArray *folders;
	GArray *loose;
	GHashTable *seen; /* "device:inode" of folders */
};

static gboolean folder_read(struct reading *r, const char *path, guint depth, GError **error);

/* NULL when it cannot be mapped; an empty file is. */
static const guint8 *file_map(int folder_fd, const char *name, gsize *len)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		map = mmap(NULL, (gsize)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return NULL;
	*len = (gsize)st.st_size;
	return map;
}

static void pack_unmap(struct depot_pack *pack)
{
	depot_idx_clear(&pack->idx);
	if (pack->idx_map != NULL)
		munmap((void *)pack->idx_map, pack->idx_len);
	if (pack->map != NULL)
		munmap((void *)pack->map, pack->len);
	g_free(pack->numbers);
	g_free(pack->path);
}

static enum depot_reason pack_map(struct depot_pack *pack, int folder_fd, const char *idx_name)
{
	g_autofree char *name =
		g_strdup_printf("%.*s.pack", (int)(strlen(idx_name) - strlen(".idx")), idx_name);
	guint32 count;
	gsize len = 0;

	pack->idx_map = file_map(folder_fd, idx_name, &pack->idx_len);
	if (pack->idx_map == NULL)
		return DEPOT_UNOPENED;
	if (!depot_idx_init(&pack->idx, pack->idx_map, pack->idx_len))
		return DEPOT_BAD_INDEX;
	pack->map = file_map(folder_fd, name, &len);
	pack->len = len;
	if (pack->map == NULL)
		return DEPOT_UNOPENED;
	if (!depot_pack_parse(pack->map, pack->len, &count))
		return DEPOT_BAD_PACK;
	pack->end = pack->len;
	/* Tables are made for what an idx lists: that must not be more than can be there. */
	if (pack->idx.count > pack->len / ENTRY_BYTES_MIN && pack->idx.count > count)
		return DEPOT_BAD_INDEX;
	/* Cut off, or another's: each entry is checked anyway, and what is there is read. */
	if (pack->len < TRAILER_BYTES || count != pack->idx.count ||
		memcmp(pack->map + pack->len - TRAILER_BYTES, pack->idx.pack_name, TRAILER_BYTES) !=
			0)
		return DEPOT_TRUNCATED;
	pack->end -= TRAILER_BYTES;
	return DEPOT_FINE;
}

static void pack_add(struct reading *r, const char *folder, int folder_fd, const char *idx_name)
{
	struct depot_pack pack = {0};
	g_autofree char *path = g_build_filename(folder, "pack", idx_name, NULL);

	enum depot_reason reason = pack_map(&pack, folder_fd, idx_name);
	if (reason != DEPOT_FINE)
		depot_problem_add(r->depot, reason == DEPOT_TRUNCATED ? DEPOT_BAD_PACK : reason,
			DEPOT_NONE, path);
	if (reason != DEPOT_FINE && reason != DEPOT_TRUNCATED) {
		pack_unmap(&pack);
		return;
	}
	pack.path = g_steal_pointer(&path);
	g_array_append_val(r->packs, pack);
}

static DIR *folder_open(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

/* The error of a folder that is there and cannot be read; one that is missing has no objects. */
static void folder_missed(struct reading *r, const char *folder, const char *name)
{
	if (errno == ENOENT)
		return;
	g_autofree char *path = g_build_filename(folder, name, NULL);
	depot_problem_add(r->depot, DEPOT_UNOPENED, DEPOT_NONE, path);
}

static void packs_read(struct reading *r, const struct depot_folder *folder)
{
	DIR *dir = folder_open(folder->fd, "pack");

	if (dir == NULL) {
		folder_missed(r, folder->path, "pack");
		return;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (g_str_has_suffix(e->d_name, ".promisor"))
			r->depot->is_partial = TRUE;
		if (!g_str_has_suffix(e->d_name, ".idx"))
			continue;
		if (r->packs->len >= DEPOT_PACKS_MAX) {
			depot_problem_add(r->depot, DEPOT_FENCED, DEPOT_NONE, folder->path);
			break;
		}
		pack_add(r, folder->path, dirfd(dir), e->d_name);
	}
	closedir(dir);
}

static gboolean is_hex(const char *name, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_isxdigit(name[i]) || g_ascii_isupper(name[i]))
			return FALSE;
	return name[len] == '\0';
}

static gboolean loose_read(
	struct reading *r, const struct depot_folder *folder, const char *name, GError **error)
{
	struct depot_loose loose = {.folder = (guint16)(r->folders->len - 1)};
	char hex[OID_HEX + 1];
	DIR *dir = folder_open(folder->fd, name);

	if (dir == NULL) {
		folder_missed(r, folder->path, name);
		return TRUE;
	}
	memcpy(hex, name, 2);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (strlen(e->d_name) != OID_HEX - 2)
			continue;
		memcpy(hex + 2, e->d_name, OID_HEX - 1);
		if (!is_hex(hex, OID_HEX) || !oid_parse(&loose.oid, hex))
			continue;
		if (r->loose->len >= DEPOT_OBJECTS_MAX / sizeof(loose)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"%s: too many loose objects", folder->path);
			closedir(dir);
			return FALSE;
		}
		g_array_append_val(r->loose, loose);
	}
	closedir(dir);
	return TRUE;
}

static gboolean objects_read(struct reading *r, const struct depot_folder *folder, GError **error)
{
	DIR *dir = folder_open(folder->fd, ".");

	if (dir == NULL) {
		folder_missed(r, folder->path, ".");
		return TRUE;
	}
	gboolean is_fine = TRUE;
	for (struct dirent *e; is_fine && (e = readdir(dir)) != NULL;)
		if (strlen(e->d_name) == 2 && is_hex(e->d_name, 2))
			is_fine = loose_read(r, folder, e->d_name, error);
	closedir(dir);
	return is_fine;
}

static gboolean alternate_read(
	struct reading *r, const char *folder, char *line, guint depth, GError **error)
{
	const struct depot_options *options = &r->depot->options;
	gsize len = strlen(line);
	g_autofree char *name = NULL, *path = NULL;

	if (len == 0 || line[0] == '#')
		return TRUE;
	if (line[0] == '"' && len > 1 && line[len - 1] == '"') {
		line[len - 1] = '\0';
		name = g_strcompress(line + 1);
	} else {
		name = g_strdup(line);
	}
	path = g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(folder, name, NULL);
	if (depth > ALTERNATES_DEPTH_MAX ||
		(options->fence != NULL && !options->fence(options->fence_data, path))) {
		depot_problem_add(r->depot, DEPOT_FENCED, DEPOT_NONE, path);
		return TRUE;
	}
	return folder_read(r, path, depth, error);
}

static gboolean alternates_read(struct reading *r, const char *folder, guint depth, GError **error)
{
	g_autofree char *path = g_build_filename(folder, "info", "alternates", NULL), *text = NULL;
	g_autoptr(GError) e = NULL;
	gsize len;

	if (!file_read(path, ALTERNATES_MAX_BYTES, &text, &len, &e)) {
		if (!g_error_matches(e, MUSTER_ERROR, MUSTER_ERROR_MISSING))
			depot_problem_add(r->depot, DEPOT_UNOPENED, DEPOT_NONE, path);
		return TRUE;
	}
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if (!alternate_read(r, folder, *line, depth + 1, error))
			return FALSE;
	return TRUE;
}

/* A folder that was met before is fine: alternates may name one another. */
static gboolean folder_is_new(struct reading *r, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return FALSE;
	return g_hash_table_add(r->seen, g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
						 (guint64)st.st_dev, (guint64)st.st_ino));
}

static gboolean folder_read(struct reading *r, const char *path, guint depth, GError **error)
{
	if (r->folders->len >= DEPOT_FOLDERS_MAX) {
		depot_problem_add(r->depot, DEPOT_FENCED, DEPOT_NONE, path);
		return TRUE;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (r->folders->len > 0) {
			depot_problem_add(r->depot, DEPOT_UNOPENED, DEPOT_NONE, path);
			return TRUE;
		}
		g_set_error(error, MUSTER_ERROR,
			errno == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO, "%s: %s", path,
			g_strerror(errno));
		return FALSE;
	}
	if (!folder_is_new(r, fd)) {
		close(fd);
		return TRUE;
	}
	struct depot_folder folder = {g_strdup(path), fd};
	g_array_append_val(r->folders, folder);
	packs_read(r, &folder);
	return objects_read(r, &folder, error) && alternates_read(r, path, depth, error);
}

static gint pack_order(gconstpointer a, gconstpointer b)
{
	const struct depot_pack *x = a, *y = b;

	/* The main pack is in order, and the largest of these. */
	if (x->idx.is_sorted != y->idx.is_sorted)
		return x->idx.is_sorted ? -1 : 1;
	if (x->idx.count != y->idx.count)
		return x->idx.count > y->idx.count ? -1 : 1;
	return strcmp(x->path, y->path);
}

static gint loose_order(gconstpointer a, gconstpointer b)
{
	const struct depot_loose *x = a, *y = b;
	int order = memcmp(&x->oid, &y->oid, sizeof(x->oid));

	return order != 0 ? order : (int)x->folder - (int)y->folder;
}

gboolean depot_folders_read(struct depot *depot, const char *const *paths, GError **error)
{
	struct reading r = {
		.depot = depot,
		.packs = g_array_new(FALSE, FALSE, sizeof(struct depot_pack)),
		.folders = g_array_new(FALSE, FALSE, sizeof(struct depot_folder)),
		.loose = g_array_new(FALSE, FALSE, sizeof(struct depot_loose)),
		.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
	gboolean is_fine = TRUE;

	for (guint i = 0; is_fine && paths[i] != NULL; i++)
		is_fine = folder_read(&r, paths[i], 0, error);
	g_array_sort(r.packs, pack_order);
	g_array_sort(r.loose, loose_order);
	depot->n_packs = r.packs->len;
	depot->packs = (struct depot_pack *)g_array_free(r.packs, FALSE);
	depot->n_folders = r.folders->len;
	depot->folders = (struct depot_folder *)g_array_free(r.folders, FALSE);
	depot->n_loose = r.loose->len;
	depot->loose = (struct depot_loose *)g_array_free(r.loose, FALSE);
	g_hash_table_unref(r.seen);
	return is_fine;
}

void depot_folders_clear(struct depot *depot)
{
	for (guint i = 0; i < depot->n_packs; i++)
		pack_unmap(&depot->packs[i]);
	for (guint i = 0; i < depot->n_folders; i++) {
		close(depot->folders[i].fd);
		g_free(depot->folders[i].path);
	}
	g_free(depot->packs);
	g_free(depot->folders);
	g_free(depot->loose);
}
