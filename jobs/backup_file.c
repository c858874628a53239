/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "lib/error.h"
#include "lib/file.h"

#define MANIFEST "manifest.json"
#define MANIFEST_MAX_BYTES (1024 * 1024)
#define BLOCK_BYTES 65536

/* The dump is the last, for it is large. */
static const char *const members[] = {BACKUP_CONF, BACKUP_KEY, BACKUP_ISSUERS, BACKUP_DUMP};

/* Older backups have no issuers, and others that know of none. */
static gboolean is_left_out(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	return !strcmp(name, BACKUP_ISSUERS) && access(path, F_OK) < 0 && errno == ENOENT;
}

static gboolean fail_errno(const char *path, GError **error)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path, g_strerror(errno));
	return FALSE;
}

static gboolean fail_archive(const char *path, struct archive *archive, GError **error)
{
	const char *said = archive_error_string(archive);

	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path,
		said != NULL ? said : "cannot be read or written");
	return FALSE;
}

/* Reads fd to its end into a checksum and, when it is given, an archive. */
static gboolean file_copy(int fd, const char *path, GChecksum *sum, struct archive *out,
	gint64 *size_bytes, GError **error)
{
	g_autofree char *block = g_malloc(BLOCK_BYTES);
	gssize n;

	*size_bytes = 0;
	while ((n = read(fd, block, BLOCK_BYTES)) > 0) {
		*size_bytes += n;
		g_checksum_update(sum, (const guchar *)block, n);
		if (out != NULL && archive_write_data(out, block, (size_t)n) != n)
			return fail_archive(path, out, error);
	}
	return n == 0 || fail_errno(path, error);
}

/* {"name", "size_bytes", "sha256"} of a file; NULL on failure. */
static json_object *file_describe(const char *folder, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	gint64 size_bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		fail_errno(path, error);
		return NULL;
	}
	gboolean ok = file_copy(fd, path, sum, NULL, &size_bytes, error);
	close(fd);
	if (!ok)
		return NULL;
	json_object *file = json_object_new_object();
	json_object_object_add(file, "name", json_object_new_string(name));
	json_object_object_add(file, "size_bytes", json_object_new_int64(size_bytes));
	json_object_object_add(file, "sha256", json_object_new_string(g_checksum_get_string(sum)));
	return file;
}

static gboolean member_begin(
	struct archive *archive, const char *path, const char *name, gint64 size, GError **error)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, size);
	archive_entry_set_mtime(entry, g_get_real_time() / G_USEC_PER_SEC, 0);
	int status = archive_write_header(archive, entry);
	archive_entry_free(entry);
	return status == ARCHIVE_OK || fail_archive(path, archive, error);
}

static gboolean member_write(struct archive *archive, const char *path, const char *folder,
	const char *name, GError **error)
{
	g_autofree char *from = g_build_filename(folder, name, NULL);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	gint64 size_bytes;

	if (fd < 0)
		return fail_errno(from, error);
	gboolean ok = fstat(fd, &st) == 0 || fail_errno(from, error);
	ok = ok && member_begin(archive, path, name, st.st_size, error) &&
	     file_copy(fd, path, sum, archive, &size_bytes, error);
	close(fd);
	return ok;
}

static gboolean members_write(struct archive *archive, const char *path, const char *folder,
	json_object *manifest, GError **error)
{
	const char *text = json_object_to_json_string_ext(
		manifest, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	gsize len = strlen(text);

	if (!member_begin(archive, path, MANIFEST, (gint64)len, error))
		return FALSE;
	if (archive_write_data(archive, text, len) != (la_ssize_t)len)
		return fail_archive(path, archive, error);
	for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
		if (!is_left_out(folder, members[i]) &&
			!member_write(archive, path, folder, members[i], error))
			return FALSE;
	return archive_write_close(archive) == ARCHIVE_OK || fail_archive(path, archive, error);
}

gboolean backup_pack(const char *path, const char *folder, json_object *manifest, GError **error)
{
	json_object *files = json_object_new_array();

	json_object_object_add(manifest, "files", files);
	for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
		if (is_left_out(folder, members[i]))
			continue;
		json_object *file = file_describe(folder, members[i], error);
		if (file == NULL)
			return FALSE;
		json_object_array_add(files, file);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(path, error);
	struct archive *archive = archive_write_new();
	archive_write_set_format_pax_restricted(archive);
	gboolean ok = archive_write_open_fd(archive, fd) == ARCHIVE_OK
			      ? members_write(archive, path, folder, manifest, error)
			      : fail_archive(path, archive, error);
	archive_write_free(archive);
	if (ok && fsync(fd) < 0)
		ok = fail_errno(path, error);
	close(fd);
	return ok;
}

static gboolean is_member(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
		if (!strcmp(name, members[i]))
			return TRUE;
	return !strcmp(name, MANIFEST);
}

/* One member into a new file of folder. */
static gboolean member_read(struct archive *archive, const char *path, const char *folder,
	const char *name, GError **error)
{
	g_autofree char *to = g_build_filename(folder, name, NULL);
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return fail_errno(to, error);
	gboolean ok = archive_read_data_into_fd(archive, fd) == ARCHIVE_OK ||
		      fail_archive(path, archive, error);
	close(fd);
	return ok;
}

static gboolean fail_damaged(const char *path, const char *what, GError **error)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s is no backup, or is damaged: %s",
		path, what);
	return FALSE;
}

static gboolean members_read(
	struct archive *archive, const char *path, const char *folder, GError **error)
{
	struct archive_entry *entry;
	int status;

	if (archive_read_open_filename(archive, path, BLOCK_BYTES) != ARCHIVE_OK)
		return fail_archive(path, archive, error);
	while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);
		if (name == NULL || !is_member(name) || archive_entry_filetype(entry) != AE_IFREG)
			return fail_damaged(path, "it has something else in it", error);
		if (!member_read(archive, path, folder, name, error))
			return FALSE;
	}
	return status == ARCHIVE_EOF || fail_damaged(path, archive_error_string(archive), error);
}

/* What the manifest says of a member is what lies in folder, or neither of them has it. */
static gboolean member_check(json_object *manifest, const char *path, const char *folder,
	const char *name, GError **error)
{
	json_object *files = json_get(manifest, "files", json_type_array, NULL);

	for (gsize i = 0; files != NULL && i < json_object_array_length(files); i++) {
		json_object *told = json_object_array_get_idx(files, i);
		const char *told_name = json_get_text(told, "name", NULL);
		if (g_strcmp0(told_name, name) != 0)
			continue;
		g_autoptr(json_object) is = file_describe(folder, name, NULL);
		return (is != NULL && !g_strcmp0(json_get_text(told, "sha256", NULL),
					      json_get_text(is, "sha256", NULL))) ||
		       fail_damaged(path, name, error);
	}
	return is_left_out(folder, name) || fail_damaged(path, name, error);
}

json_object *backup_unpack(const char *path, const char *folder, GError **error)
{
	g_autofree char *text = NULL, *at = g_build_filename(folder, MANIFEST, NULL);
	struct archive *archive = archive_read_new();
	gsize len;

	archive_read_support_format_tar(archive);
	gboolean ok = members_read(archive, path, folder, error);
	archive_read_free(archive);
	if (!ok)
		return NULL;
	if (!file_read(at, MANIFEST_MAX_BYTES, &text, &len, NULL)) {
		fail_damaged(path, "it has no manifest", error);
		return NULL;
	}
	g_autoptr(json_object) manifest = json_parse(text, len, &json_limits_request, error);
	if (manifest == NULL)
		return NULL;
	json_object *format = json_get(manifest, "format", json_type_int, NULL);
	if (format == NULL || json_object_get_int(format) != BACKUP_FORMAT) {
		fail_damaged(path, "another version of Muster wrote it", error);
		return NULL;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
		if (!member_check(manifest, path, folder, members[i], error))
			return NULL;
	return g_steal_pointer(&manifest);
}

char *backup_folder_make(const char *path, GError **error)
{
	g_autofree char *above =
		path != NULL ? g_path_get_dirname(path) : g_strdup(g_get_tmp_dir());
	g_autofree char *folder = g_build_filename(above, ".muster-backup-XXXXXX", NULL);

	if (g_mkdtemp(folder) == NULL) {
		fail_errno(above, error);
		return NULL;
	}
	return g_steal_pointer(&folder);
}
