/* SPDX-License-Identifier: MIT */
/*
 * Reading one file of a foreign repository into memory, with a cap.
 *
 * Only regular files are read: a FIFO or a device put in a file's place would block or never end.
 * The bytes are copied, not mapped, because a mapping of a file that its owner shortens is a
 * SIGBUS. One zero byte follows the data, so that text can be used as a string.
 */
#ifndef MUSTER_JOBS_GIT_READFILE_H
#define MUSTER_JOBS_GIT_READFILE_H

#include <glib.h>
#include <sys/stat.h>

enum readfile_result {
	READFILE_OK,
	READFILE_MISSING,
	READFILE_TOO_BIG,
	READFILE_UNREADABLE, /* permission, not a regular file, I/O error, no memory */
};

/*
 * `flags` is 0 or O_NOFOLLOW. `*data` is the caller's (g_free) and set on READFILE_OK only.
 * `st`, when not NULL, takes the file's stat data as it was opened.
 */
enum readfile_result readfile_load_stat(int dir_fd, const char *name, int flags, gsize max_bytes,
	char **data, gsize *len, struct stat *st);
enum readfile_result readfile_load(
	int dir_fd, const char *name, int flags, gsize max_bytes, char **data, gsize *len);

/*
 * Small files (HEAD, a loose ref) into the caller's buffer, without allocation; at most size - 1
 * bytes, a longer file is cut. Returns the length, or -1.
 */
gssize readfile_small(int dir_fd, const char *name, char *buffer, gsize size);

#endif
