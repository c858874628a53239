/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobs/run_slot.h"

/*
 * What the service manager is told, by the protocol that sd_notify(3) describes: a datagram of
 * lines to the socket that NOTIFY_SOCKET names. A name that begins with '@' is an abstract one.
 */

static void text_send(const char *text)
{
	const char *path = g_getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	gsize len = path != NULL ? strlen(path) : 0;

	if (len == 0 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody there to hear it is nobody's loss. */
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* How long the manager waits for a sign of life; 0: it does not. */
static gint64 watchdog_us(void)
{
	const char *usec = g_getenv("WATCHDOG_USEC"), *pid = g_getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && g_ascii_strtoll(pid, NULL, 10) != getpid()))
		return 0;
	return g_ascii_strtoll(usec, NULL, 10);
}

void run_notify(struct runner *runner, gint64 now_us)
{
	gint64 watched_us = watchdog_us();
	g_autofree char *status =
		g_strdup_printf("STATUS=%s, %u of %u jobs%s\n", runner_state_format(runner->state),
			g_hash_table_size(runner->jobs), slot_count(runner->conf),
			queue_is_away(runner->queue) ? ", the database is away" : "");
	gboolean is_alive = watched_us > 0 && now_us >= runner->alive_at_us;

	if (!is_alive && g_strcmp0(status, runner->told_status) == 0)
		return;
	g_autofree char *text =
		g_strconcat(runner->state >= RUNNER_MINDING ? "STOPPING=1\n" : "READY=1\n",
			is_alive ? "WATCHDOG=1\n" : "", status, NULL);
	text_send(text);
	/* As sd_watchdog_enabled(3) says: after half of the time. */
	if (is_alive)
		runner->alive_at_us = now_us + watched_us / 2;
	g_free(runner->told_status);
	runner->told_status = g_steal_pointer(&status);
}
