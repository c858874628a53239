/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lib/error.h"
#include "lib/quote.h"

#define UNREADY_END ".muster.part"

static gboolean io_error(GError **error, const char *doing, const char *path)
{
	int saved = errno;
	g_autofree char *shown = quote_format(path);
	g_set_error(error, MUSTER_ERROR, saved == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO,
		"cannot %s %s: %s", doing, shown, g_strerror(saved));
	return FALSE;
}

static char *temporary_name(const char *path)
{
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *name = g_path_get_basename(path);
	/* The process is named because children of one parent draw the same random numbers. */
	return g_strdup_printf("%s/.%s.%x.%08x%08x.tmp", folder, name, (unsigned)getpid(),
		g_random_int(), g_random_int());
}

gboolean file_write_all(int fd, const void *bytes, gsize len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return FALSE;
		at += n;
		len -= (gsize)n;
	}
	return TRUE;
}

gboolean file_write(const char *path, const char *bytes, gsize len, mode_t mode, GError **error)
{
	struct file_part part = {bytes, len};

	return file_write_parts(path, &part, 1, mode, error);
}

gboolean file_write_parts(
	const char *path, const struct file_part *parts, guint n, mode_t mode, GError **error)
{
	g_autofree char *temporary = temporary_name(path);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return io_error(error, "write", path);
	gboolean ok = TRUE;
	for (guint i = 0; i < n && ok; i++)
		ok = file_write_all(fd, parts[i].bytes, parts[i].len);
	int saved = errno;
	if (close(fd) < 0 && ok) {
		saved = errno;
		ok = FALSE;
	}
	if (ok && rename(temporary, path) == 0)
		return TRUE;
	if (ok)
		saved = errno;
	unlink(temporary);
	errno = saved;
	return io_error(error, "write", path);
}

/* The descriptor of ours that a path is only another name of; -1 none. */
static int descriptor_find(const char *path)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
	guint64 number;

	if (path == NULL || !strcmp(path, "-") || !strcmp(path, "/dev/stdout"))
		return STDOUT_FILENO;
	if (!strcmp(path, "/dev/stderr"))
		return STDERR_FILENO;
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
		if (g_str_has_prefix(path, folders[i]) &&
			g_ascii_string_to_unsigned(
				path + strlen(folders[i]), 10, 0, G_MAXINT, &number, NULL))
			return (int)number;
	return -1;
}

gboolean file_write_out(const char *path, const char *bytes, gsize len, mode_t mode, GError **error)
{
	struct stat st;
	int fd = descriptor_find(path);
	gboolean is_ours = fd >= 0;

	/* Renaming onto a device would put a file in its place. */
	if (!is_ours && (stat(path, &st) < 0 || S_ISREG(st.st_mode)))
		return file_write(path, bytes, len, mode, error);
	if (!is_ours)
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	gboolean ok = fd >= 0 && (file_write_all(fd, bytes, len) || errno == EPIPE);
	int saved = errno;
	if (!is_ours && fd >= 0)
		close(fd);
	errno = saved;
	return ok || io_error(error, "write", path != NULL ? path : "standard output");
}

static gboolean path_sync(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return FALSE;
	gboolean ok = fsync(fd) == 0;
	int saved = errno;
	close(fd);
	errno = saved;
	return ok;
}

gboolean file_sync(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	if (path_sync(path, O_NOFOLLOW) && path_sync(folder, O_DIRECTORY))
		return TRUE;
	return io_error(error, "sync", path);
}

gboolean file_link(const char *from, const char *to, GError **error)
{
	g_autofree char *temporary = temporary_name(to);
	if (link(from, temporary) < 0)
		return io_error(error, "link", to);
	gboolean ok = rename(temporary, to) == 0;
	int saved = errno;
	/* rename() does nothing when both names are the same file already: the temporary one stays.
	 */
	unlink(temporary);
	errno = saved;
	return ok || io_error(error, "link", to);
}

gboolean file_read(const char *path, gsize max_bytes, char **bytes, gsize *len, GError **error)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return io_error(error, "read", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return io_error(error, "read", path);
	}
	/* The file may grow while it is read: the cap is on what was read, not on what stat said.
	 */
	max_bytes = MIN(max_bytes, G_MAXSSIZE - 2);
	gsize room = MIN((gsize)MAX(st.st_size, 0), max_bytes) + 1, used = 0;
	char *buffer = g_try_malloc(room + 1);
	gboolean ok = buffer != NULL;
	while (ok) {
		if (used == room) {
			if (used > max_bytes)
				break;
			room = MIN(room * 2, max_bytes + 1);
			char *larger = g_try_realloc(buffer, room + 1);
			ok = larger != NULL;
			buffer = ok ? larger : buffer;
			continue;
		}
		ssize_t n = read(fd, buffer + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			ok = FALSE;
		if (n <= 0)
			break;
		used += (gsize)n;
	}
	int saved = errno;
	close(fd);
	if (!ok || used > max_bytes) {
		g_free(buffer);
		if (ok) {
			g_autofree char *shown = quote_format(path);
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"%s is longer than %" G_GSIZE_FORMAT " bytes", shown, max_bytes);
			return FALSE;
		}
		errno = saved;
		return io_error(error, "read", path);
	}
	buffer[used] = '\0';
	*bytes = buffer;
	*len = used;
	return TRUE;
}

char *file_unready_format(const char *path)
{
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *name = g_path_get_basename(path);
	g_autofree char *part = g_strdup_printf(".%.200s" UNREADY_END, name);

	return g_build_filename(folder, part, NULL);
}

gboolean file_is_unready(const char *name)
{
	return name[0] == '.' &&
	       (g_str_has_suffix(name, UNREADY_END) || strstr(name, ".muster-") != NULL);
}

void file_empty_folder(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (unlink(path) < 0)
			file_remove_folder(path);
	}
}

void file_remove_folder(const char *folder)
{
	file_empty_folder(folder);
	rmdir(folder);
}

gboolean file_make_folder(const char *path, GError **error)
{
	if (g_mkdir_with_parents(path, 0750) == 0)
		return TRUE;
	return io_error(error, "make the folder", path);
}

int file_lock(const char *path, GError **error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		io_error(error, "open", path);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int saved = errno;
	close(fd);
	if (saved == EWOULDBLOCK) {
		g_autofree char *shown = quote_format(path);
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "another process holds %s", shown);
	} else {
		errno = saved;
		io_error(error, "lock", path);
	}
	return -1;
}
