/* SPDX-License-Identifier: MIT */
/*
 * A peer of t/bench/live, and the limit of what is possible: epoll, inotify, one frame built once,
 * one send() a client; no identity, no filter, no log, no database, no back-pressure.
 *
 * usage: live_bare SOCKET FOLDER
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

struct bare {
	int epoll, listener, inotify;
	char *report;
	GArray *clients; /* of int */
	guint64 id;
};

static void watch(struct bare *bare, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void client_take(struct bare *bare)
{
	int fd = accept4(bare->listener, NULL, NULL, SOCK_CLOEXEC);
	char head[8192];
	gssize got = recv(fd, head, sizeof(head) - 1, 0);

	if (got <= 0)
		g_error("no request");
	head[got] = '\0';
	char *key = strstr(head, "Sec-WebSocket-Key: ");
	if (key == NULL)
		g_error("no key");
	key += strlen("Sec-WebSocket-Key: ");
	*strchr(key, '\r') = '\0';
	g_autofree char *both = g_strconcat(key,
		"258EAFA5-E914-"
		"47DA-95CA-C5AB0DC85B11",
		NULL);
	guint8 digest[20];
	gsize len = sizeof(digest);
	g_autoptr(GChecksum) sha1 = g_checksum_new(G_CHECKSUM_SHA1);
	g_checksum_update(sha1, (const guchar *)both, -1);
	g_checksum_get_digest(sha1, digest, &len);
	g_autofree char *accept = g_base64_encode(digest, len);
	g_autofree char *answer = g_strdup_printf(
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n\r\n",
		accept);
	if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
		g_error("send: %s", g_strerror(errno));
	g_array_append_val(bare->clients, fd);
	watch(bare, fd);
}

static void client_drop(struct bare *bare, int fd)
{
	char bytes[4096];

	if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		return;
	for (guint i = 0; i < bare->clients->len; i++)
		if (g_array_index(bare->clients, int, i) == fd)
			g_array_remove_index_fast(bare->clients, i);
	close(fd);
}

/* The first repository is the one that changes; it goes out as the others send it. */
static void report_send(struct bare *bare)
{
	g_autofree char *text = NULL;

	if (!g_file_get_contents(bare->report, &text, NULL, NULL))
		return;
	char *repo = strstr(text, "{\"name\"");
	char *end = repo != NULL ? strchr(repo, '}') : NULL;
	if (end == NULL)
		return;
	end[1] = '\0';
	g_autofree char *json = g_strdup_printf(
		"{\"type\" : \"repo-status-change\", \"event_id\" : \"%" G_GUINT64_FORMAT
		"\", \"timestamp\" : \"2026-01-01T00:00:00.000Z\", \"project_id\" : \"default\", "
		"\"channel\" : \"audit\", \"data\" : {\"repo\": %s, \"summary\": {\"clean\": 20, \"dirty\": 0, "
		"\"extra\": 0, \"stale\": 0, \"total\": 20, \"errors\": 0, \"missing\": 0, \"not_git\": 0, "
		"\"unknown\": [], \"mismatched\": 0, \"missing_files\": 0}, \"health_status\": \"green\", "
		"\"previous_status\": \"clean\"}}",
		++bare->id, repo);
	gsize len = strlen(json);
	g_autofree guint8 *frame = g_malloc(len + 4);
	frame[0] = 0x81;
	frame[1] = 126;
	frame[2] = (guint8)(len >> 8);
	frame[3] = (guint8)len;
	memcpy(frame + 4, json, len);
	for (guint i = 0; i < bare->clients->len; i++)
		if (send(g_array_index(bare->clients, int, i), frame, len + 4,
			    MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			continue;
}

/* Whether one of them is about the report. */
static gboolean notices_take(int fd)
{
	char room[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	gssize got = read(fd, room, sizeof(room));
	gboolean is_report = FALSE;

	for (char *at = room; at < room + got;) {
		const struct inotify_event *event = (const struct inotify_event *)at;
		is_report |= event->len > 0 && !strcmp(event->name, "GitRepoReport.json");
		at += sizeof(*event) + event->len;
	}
	return is_report;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct epoll_event events[256];
	struct rlimit limit;

	if (argc != 3)
		g_error("usage: live_bare SOCKET FOLDER");
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	struct bare bare = {
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
		.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
		.report = g_build_filename(argv[2], "GitRepoReport.json", NULL),
		.clients = g_array_new(FALSE, FALSE, sizeof(int)),
	};
	g_strlcpy(address.sun_path, argv[1], sizeof(address.sun_path));
	if (bind(bare.listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(bare.listener, 4096) < 0 ||
		inotify_add_watch(bare.inotify, argv[2], IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
		g_error("%s: %s", argv[1], g_strerror(errno));
	watch(&bare, bare.listener);
	watch(&bare, bare.inotify);
	for (;;) {
		int n = epoll_wait(bare.epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == bare.listener)
				client_take(&bare);
			else if (fd != bare.inotify)
				client_drop(&bare, fd);
			else if (notices_take(fd))
				report_send(&bare);
		}
	}
}
