/* SPDX-License-Identifier: MIT */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <glib.h>
#include <sys/types.h>

/*
 * Whole files: read with a cap, or written beside their target and renamed onto it, so that nobody
 * ever reads half of one.
 *
 *	file_write(path, bytes, len, 0640, error)
 */

/*
 * The temporary file is ".<name>.<process>.<random>.tmp" in the same folder; it is gone on every
 * return. A full disk leaves the old file as it was. Nothing is synced: after a power failure the
 * file may be the old or the new one; file_sync() is for what cannot be made again. Errors:
 * MUSTER_ERROR_MISSING when the folder is not there, _IO.
 */
gboolean file_write(const char *path, const char *bytes, gsize len, mode_t mode, GError **error);
/* The same of bytes that lie in n places, one behind the other. */
struct file_part {
	const void *bytes;
	gsize len;
};
gboolean file_write_parts(
	const char *path, const struct file_part *parts, guint n, mode_t mode, GError **error);

/* All bytes to an open descriptor, however often that takes; FALSE and errno when it cannot. */
gboolean file_write_all(int fd, const void *bytes, gsize len);

/*
 * What a person asked to be written somewhere: standard output (path NULL, "-", /dev/stdout and its
 * like), a device or a pipe are written to as they are; anything else as file_write() does it, a
 * symbolic link to a file being replaced rather than followed. A reader of a pipe that has gone has
 * seen enough: no error, SIGPIPE being ignored. Errors: MUSTER_ERROR_MISSING, _IO.
 */
gboolean file_write_out(
	const char *path, const char *bytes, gsize len, mode_t mode, GError **error);

/* Waits until the file and its name are on the disk. Errors: MUSTER_ERROR_IO, _MISSING. */
gboolean file_sync(const char *path, GError **error);

/*
 * A hard link of from at to, replacing what is there in one step. Errors: MUSTER_ERROR_MISSING when
 * from or the folder is not there, _IO.
 */
gboolean file_link(const char *from, const char *to, GError **error);

/*
 * Follows no symbolic link in the last component, opens nothing but regular files. *bytes has a
 * terminating NUL that *len does not count. Errors: MUSTER_ERROR_MISSING, _LIMIT when longer than
 * max_bytes, _IO.
 */
gboolean file_read(const char *path, gsize max_bytes, char **bytes, gsize *len, GError **error);

/* The folder with all that is in it, as far as that can be; no link in it is followed. */
void file_remove_folder(const char *folder);
/* Likewise what is in it, and it stays. */
void file_empty_folder(const char *folder);

/*
 * Where a folder is made that comes to lie at path: ".<name>.muster.part" beside it. Whether a name is
 * one of those, or of what is moved (".<name>.muster-<run>"): nothing that anybody counts.
 */
char *file_unready_format(const char *path);
gboolean file_is_unready(const char *name);

/* The folder and its parents, mode 0750 less the umask. Errors: MUSTER_ERROR_IO. */
gboolean file_make_folder(const char *path, GError **error);

/*
 * Takes an exclusive lock on path (made when it is not there) without waiting. The descriptor
 * returned holds it until closed or the process ends; -1 and MUSTER_ERROR_BUSY when another has
 * it, _IO.
 */
int file_lock(const char *path, GError **error);

#endif
