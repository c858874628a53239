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

void wake_send(const struct conf *conf)
{
	static const char *const names[] = {WAKE_PUSHER, WAKE_RUNNER};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	for (gsize i = 0; fd >= 0 && i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = conf_get_run_path(conf, names[i]);
		struct sockaddr_un address;
		if (address_fill(&address, path))
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
