/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

static int file_make(const char *path, const struct mapped *wanted)
{
	g_autofree char *draft = g_strdup_printf("%s.%d", path, (int)getpid());
	int fd = open(draft, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -1;
	if (pwrite(fd, wanted->head, wanted->head_bytes, 0) != (gssize)wanted->head_bytes ||
		ftruncate(fd, (off_t)wanted->bytes) < 0 || rename(draft, path) < 0) {
		unlink(draft);
		close(fd);
		return -1;
	}
	return fd;
}

static gboolean file_is(int fd, const struct mapped *wanted)
{
	g_autofree void *head = g_malloc(wanted->head_bytes);
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)wanted->bytes &&
	       (!wanted->is_known ||
		       (pread(fd, head, wanted->head_bytes, 0) == (gssize)wanted->head_bytes &&
			       !memcmp(head, wanted->head, wanted->head_bytes)));
}

static int file_open(const char *path, const struct mapped *wanted)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && file_is(fd, wanted))
		return fd;
	/* Another user's counts for somebody. */
	if (fd < 0 && errno != ENOENT)
		return -1;
	if (fd >= 0)
		close(fd);
	return file_make(path, wanted);
}

static void *map(int fd, gsize bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return NULL;
	return memory;
}

void *mapped_open(const struct conf *conf, const struct mapped *wanted, GError **error)
{
	g_autofree char *path = conf_get_run_path(conf, wanted->name);
	int fd = file_open(path, wanted);
	void *memory = fd >= 0 ? map(fd, wanted->bytes) : NULL;

	if (memory == NULL)
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path, g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return memory;
}

void *mapped_anonymous(gsize bytes)
{
	return map(-1, bytes);
}
