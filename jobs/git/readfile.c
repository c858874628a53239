/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static gssize read_all(int fd, char *buffer, gsize len)
{
	gsize got = 0;

	while (got < len) {
		ssize_t n = read(fd, buffer + got, len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (gsize)n;
	}
	return (gssize)got;
}

enum readfile_result readfile_load_stat(int dir_fd, const char *name, int flags, gsize max_bytes,
	char **data, gsize *len, struct stat *st)
{
	struct stat own;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? READFILE_MISSING : READFILE_UNREADABLE;
	if (st == NULL)
		st = &own;
	if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) {
		close(fd);
		return READFILE_UNREADABLE;
	}
	if (st->st_size < 0 || (guint64)st->st_size > max_bytes) {
		close(fd);
		return READFILE_TOO_BIG;
	}

	g_autofree char *buffer = g_try_malloc((gsize)st->st_size + 1);
	gssize got = buffer != NULL ? read_all(fd, buffer, (gsize)st->st_size) : -1;
	close(fd);
	if (got < 0)
		return READFILE_UNREADABLE;
	buffer[got] = '\0';
	*data = g_steal_pointer(&buffer);
	*len = (gsize)got;
	return READFILE_OK;
}

enum readfile_result readfile_load(
	int dir_fd, const char *name, int flags, gsize max_bytes, char **data, gsize *len)
{
	return readfile_load_stat(dir_fd, name, flags, max_bytes, data, len, NULL);
}

gssize readfile_small(int dir_fd, const char *name, char *buffer, gsize size)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -1;
	gssize got = read_all(fd, buffer, size - 1);
	close(fd);
	if (got >= 0)
		buffer[got] = '\0';
	return got;
}
