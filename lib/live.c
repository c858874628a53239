/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/live.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/error.h"

#define FILE_NAME "live"
/* Of one who writes each second. */
#define SILENCE_MAX_US (10 * G_USEC_PER_SEC)

int live_open(const struct conf *conf, GError **error)
{
	g_autofree char *path = conf_get_run_path(conf, FILE_NAME);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0)
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path, g_strerror(errno));
	return fd;
}

static gboolean put(int fd, const struct live *live)
{
	return pwrite(fd, live, sizeof(*live), 0) == sizeof(*live);
}

void live_write(int fd, struct live *live)
{
	live->layout = LIVE_LAYOUT;
	live->told_us = g_get_real_time();
	if (!put(fd, live) && ftruncate(fd, 0) < 0)
		return;
}

void live_close(int fd)
{
	if (fd < 0)
		return;
	if (ftruncate(fd, 0) < 0)
		put(fd, &(struct live){0});
	close(fd);
}

gboolean live_read(const struct conf *conf, struct live *live)
{
	g_autofree char *path = conf_get_run_path(conf, FILE_NAME);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return FALSE;
	gssize n = pread(fd, live, sizeof(*live), 0);
	close(fd);
	gint64 age_us = n == sizeof(*live) ? g_get_real_time() - live->told_us : G_MAXINT64;
	return n == sizeof(*live) && live->layout == LIVE_LAYOUT && age_us < SILENCE_MAX_US &&
	       age_us > -SILENCE_MAX_US;
}
