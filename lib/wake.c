/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/wake.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"

static gboolean address_fill(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	return g_strlcpy(address->sun_path, path, sizeof(address->sun_path)) <
	       sizeof(address->sun_path);
}

static gboolean is_listener(const char *name)
{
	return !strcmp(name, WAKE_PUSHER) ||
	       (g_str_has_prefix(name, "runner.") && g_str_has_suffix(name, ".sock"));
}

void wake_send(const struct conf *conf)
{
	g_autoptr(GDir) dir = g_dir_open(conf_get(conf, "paths.run"), 0, NULL);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *name;

	while (dir != NULL && fd >= 0 && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = conf_get_run_path(conf, name);
		struct sockaddr_un address;
		if (is_listener(name) && address_fill(&address, path))
			sendto(fd, "", 0, 0, (struct sockaddr *)&address, sizeof(address));
	}
	if (fd >= 0)
		close(fd);
}

int wake_open(const char *path, GError **error)
{
	struct sockaddr_un address;

	if (!address_fill(&address, path)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s is too long for a socket (107 bytes): set paths.run to a shorter folder",
			path);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(path, 0660) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot listen on %s: %s", path,
			g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

void wake_drain(int fd)
{
	char byte;
	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0)
		;
}
