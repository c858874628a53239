/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/quote.h"

#define LOCK_POLL_US 20000

void place_clear(struct place *place)
{
	if (place->fd > 0)
		close(place->fd);
	if (place->parent_fd > 0)
		close(place->parent_fd);
	g_free(place->name);
	*place = (struct place){0};
}

static int folder_open(int dir, const char *name, gboolean may_link)
{
	return openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC | (may_link ? 0 : O_NOFOLLOW));
}

static gboolean part_fail(const char *path, GError **error)
{
	g_autofree char *shown = quote_format(path);
	gboolean is_link = errno == ENOTDIR || errno == ELOOP;

	g_set_error(error, MUSTER_ERROR,
		is_link           ? MUSTER_ERROR_INPUT
		: errno == ENOENT ? MUSTER_ERROR_MISSING
				  : MUSTER_ERROR_IO,
		"%s: %s", shown, is_link ? "a link or a file is in the way" : g_strerror(errno));
	return FALSE;
}

/* The parts of path below root; NULL when it does not lie there. */
static char **parts_split(const char *root, const char *path)
{
	gsize len = strlen(root);

	while (len > 0 && root[len - 1] == '/')
		len--;
	if (*root != '/' || strncmp(path, root, len) != 0 ||
		(path[len] != '/' && path[len] != '\0'))
		return NULL;
	g_auto(GStrv) parts = g_strsplit(path[len] == '/' ? path + len + 1 : "", "/", -1);
	for (guint i = 0; parts[i] != NULL; i++)
		if (*parts[i] == '\0' || !strcmp(parts[i], ".") || !strcmp(parts[i], ".."))
			return NULL;
	return g_steal_pointer(&parts);
}

gboolean place_open(struct place *place, const char *root, const char *path, GError **error)
{
	g_auto(GStrv) parts = parts_split(root, path);

	*place = (struct place){.fd = -1, .parent_fd = -1};
	if (parts == NULL) {
		g_autofree char *shown = quote_format(path);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s does not lie below the watched folder", shown);
		return FALSE;
	}
	/* The root is what its administrator named, links and all. */
	place->fd = folder_open(AT_FDCWD, root, TRUE);
	if (place->fd < 0)
		return part_fail(root, error);
	for (guint i = 0; parts[i] != NULL; i++) {
		if (place->parent_fd >= 0)
			close(place->parent_fd);
		place->parent_fd = place->fd;
		place->fd = folder_open(place->parent_fd, parts[i], FALSE);
		if (place->fd < 0 && (errno != ENOENT || parts[i + 1] != NULL))
			return part_fail(path, error);
		g_free(place->name);
		place->name = g_strdup(parts[i]);
	}
	return TRUE;
}

int place_lock(const char *folder, gboolean is_exclusive, guint wait_ms, GError **error)
{
	int operation = (is_exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
	gint64 until = g_get_monotonic_time() + (gint64)wait_ms * 1000;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = fd >= 0 ? flock(fd, operation) : -1;

	while (fd >= 0 && code != 0 && errno == EWOULDBLOCK && g_get_monotonic_time() < until) {
		g_usleep(LOCK_POLL_US);
		code = flock(fd, operation);
	}
	if (fd >= 0 && code == 0)
		return fd;
	g_autofree char *shown = quote_format(folder);
	gboolean is_busy = fd >= 0 && errno == EWOULDBLOCK;
	g_set_error(error, MUSTER_ERROR, is_busy ? MUSTER_ERROR_BUSY : MUSTER_ERROR_IO, "%s: %s",
		shown, is_busy ? "another job works in it" : g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}
