/* SPDX-License-Identifier: MIT */
/*
 * The load of t/bench/live: opens N WebSockets on a Unix socket, rewrites a report ROUNDS times,
 * renames it into place, and takes the time until each client has the message about it. Writer and
 * readers are one process, so there is one clock. The same for every server.
 *
 * usage: live_load SOCKET TARGET COOKIE CLIENTS FOLDER ROUNDS PACE_MS
 *
 * Prints one line: lost, and in microseconds the median and the 99th percentile of rename → message
 * over all clients, the medians of rename → last client and of first client → last client.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#define REPOS 20
#define ROUND_LIMIT_MS 500
#define START_LIMIT_MS 20000

struct reader {
	int fd;
	guint round; /* the last one it has seen */
	char tail[16];
	gsize tail_len;
};

struct load {
	int epoll;
	struct reader *readers;
	guint clients, round, seen;
	gint64 renamed_at, first_at, last_at;
	GArray *delays;
};

static gint64 now_us(void)
{
	return g_get_monotonic_time();
}

static int client_open(const char *path, const char *target, const char *cookie)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[4096];
	gsize len = 0;

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		g_error("%s: %s", path, g_strerror(errno));
	g_autofree char *head =
		g_strdup_printf("GET %s HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
				"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				"Sec-WebSocket-Key: "
				"dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: %s\r\n\r\n",
			target, cookie);
	if (write(fd, head, strlen(head)) < 0)
		g_error("write: %s", g_strerror(errno));
	while (g_strstr_len(answer, (gssize)len, "\r\n\r\n") == NULL) {
		gssize got = read(fd, answer + len, sizeof(answer) - len);
		if (got <= 0)
			g_error("no handshake: %.*s", (int)len, answer);
		len += (gsize)got;
	}
	if (g_strstr_len(answer, (gssize)len, " 101 ") == NULL)
		g_error("no WebSocket: %.*s", (int)len, answer);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Every repository but one stays as it is; that one tells the round. */
static void report_write(const char *folder, guint round)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *temporary = g_build_filename(folder, ".report.tmp", NULL);
	g_autofree char *target = g_build_filename(folder, "GitRepoReport.json", NULL);

	g_string_append_printf(text,
		"{\"timestamp\":\"%s.%03dZ\",\"health_status\":\"green\",\"summary\":{\"total\":%d},"
		"\"repos\":[",
		time, g_date_time_get_microsecond(now) / 1000, REPOS);
	for (guint i = 0; i < REPOS; i++)
		g_string_append_printf(text,
			"%s{\"name\":\"repo-%u\",\"id\":\"00000000-0000-5000-8000-%012u\","
			"\"status\":\"%s\",\"path\":\"/srv/src/repo-%u\","
			"\"branch\":\"main\",\"remote\":\"https://forge.test/someone/repo-%u.git\","
			"\"lastCommitSubject\":\"round-%06u. Explain what the change is for\","
			"\"ahead\":0,\"behind\":0,\"isStale\":false,\"healthScore\":87}",
			i > 0 ? "," : "", i, i, i == 0 && round % 2 ? "dirty" : "clean", i, i,
			i == 0 ? round : 0);
	g_string_append(text, "]}");
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, text->str, text->len) != (gssize)text->len || close(fd) < 0 ||
		rename(temporary, target) < 0)
		g_error("%s: %s", target, g_strerror(errno));
}

/* Whether the round's mark is in what came; a mark may be cut in two. */
static gboolean round_find(struct load *load, struct reader *reader, const char *bytes, gsize len)
{
	char mark[16], joint[sizeof(reader->tail) + 16];
	gsize mark_len = (gsize)g_snprintf(mark, sizeof(mark), "round-%06u.", load->round);
	gsize first = MIN(len, 16);

	memcpy(joint, reader->tail, reader->tail_len);
	memcpy(joint + reader->tail_len, bytes, first);
	gboolean is_there = memmem(bytes, len, mark, mark_len) != NULL ||
			    memmem(joint, reader->tail_len + first, mark, mark_len) != NULL;
	reader->tail_len = MIN(len, sizeof(reader->tail) - 1);
	memcpy(reader->tail, bytes + len - reader->tail_len, reader->tail_len);
	return is_there;
}

static void reader_read(struct load *load, struct reader *reader)
{
	static char bytes[65536];
	gssize got;

	while ((got = recv(reader->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		if (reader->round != load->round && round_find(load, reader, bytes, (gsize)got)) {
			gint64 now = now_us(), delay = now - load->renamed_at;
			reader->round = load->round;
			if (load->seen++ == 0)
				load->first_at = now;
			load->last_at = now;
			g_array_append_val(load->delays, delay);
		}
		if (got < (gssize)sizeof(bytes))
			return;
	}
	if (got == 0 || errno != EAGAIN)
		g_error("a connection was lost");
}

/* Until all have it, or the time is over; with nobody to wait for: for the whole time. */
static void readers_wait(struct load *load, gint64 limit_us)
{
	struct epoll_event events[256];
	gint64 end = now_us() + limit_us;

	while (load->seen < load->clients) {
		gint64 left = end - now_us();
		if (left <= 0)
			return;
		int n = epoll_wait(load->epoll, events, 256, (int)(left / 1000) + 1);
		for (int i = 0; i < n; i++)
			reader_read(load, events[i].data.ptr);
	}
}

static gint compare(gconstpointer a, gconstpointer b)
{
	gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;
	return x < y ? -1 : x > y;
}

static gint64 percentile(GArray *values, double part)
{
	if (values->len == 0)
		return -1;
	g_array_sort(values, compare);
	return g_array_index(values, gint64, MIN((guint)(part * values->len), values->len - 1));
}

int main(int argc, char **argv)
{
	if (argc != 8)
		g_error("usage: live_load SOCKET TARGET COOKIE CLIENTS FOLDER ROUNDS PACE_MS");
	struct load load = {.clients = (guint)atoi(argv[4]), .epoll = epoll_create1(EPOLL_CLOEXEC)};
	guint rounds = (guint)atoi(argv[6]);
	gint64 pace_us = (gint64)atoi(argv[7]) * 1000;
	g_autoptr(GArray) delays = g_array_new(FALSE, FALSE, sizeof(gint64));
	g_autoptr(GArray) lasts = g_array_new(FALSE, FALSE, sizeof(gint64));
	g_autoptr(GArray) spreads = g_array_new(FALSE, FALSE, sizeof(gint64));
	struct rlimit limit;
	guint lost = 0, incomplete = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	load.delays = delays;
	load.readers = g_new0(struct reader, load.clients);
	for (guint i = 0; i < load.clients; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load.readers[i]};
		load.readers[i].fd = client_open(argv[1], argv[2], argv[3]);
		epoll_ctl(load.epoll, EPOLL_CTL_ADD, load.readers[i].fd, &event);
	}
	/* Round 1 waits for everybody to be served, and is not counted. */
	for (guint round = 1; round <= rounds + 1; round++) {
		gint64 start = now_us();
		load.round = round;
		load.seen = 0;
		load.renamed_at = now_us();
		report_write(argv[5], round);
		readers_wait(&load, (round == 1 ? START_LIMIT_MS : ROUND_LIMIT_MS) * 1000);
		if (round == 1) {
			g_array_set_size(delays, 0);
		} else if (load.seen == load.clients) {
			gint64 last = load.last_at - load.renamed_at,
			       spread = load.last_at - load.first_at;
			g_array_append_val(lasts, last);
			g_array_append_val(spreads, spread);
		} else {
			lost += load.clients - load.seen;
			incomplete++;
		}
		gint64 rest = start + pace_us - now_us();
		if (rest > 0)
			g_usleep((gulong)rest);
	}
	printf("lost=%u incomplete=%u p50=%" G_GINT64_FORMAT " p99=%" G_GINT64_FORMAT
	       " last=%" G_GINT64_FORMAT " spread=%" G_GINT64_FORMAT "\n",
		lost, incomplete, percentile(delays, 0.5), percentile(delays, 0.99),
		percentile(lasts, 0.5), percentile(spreads, 0.5));
	return 0;
}
