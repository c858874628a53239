/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/fastcgi.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "lib/log.h"

/* A front that stops in the middle of a request must not hold a worker for ever. */
#define STALL_LIMIT_S 30
/* libpq keeps a buffer as large as the largest answer; a connection that grew so is opened anew. */
#define LARGE_BYTES (1024 * 1024)

static volatile sig_atomic_t is_stopping;

static void on_term(int number)
{
	is_stopping = 1;
}

static const char *variable_get(void *data, const char *name)
{
	FCGX_Request *fcgi = data;
	return FCGX_GetParam(name, fcgi->envp);
}

static gssize body_read(void *data, char *bytes, gsize len)
{
	FCGX_Request *fcgi = data;
	int n = FCGX_GetStr(bytes, (int)MIN(len, G_MAXINT / 2), fcgi->in);
	/* The end of the stream and a connection that broke both read as nothing. */
	return n > 0 ? n : FCGX_GetError(fcgi->in) != 0 ? -1 : 0;
}

static gboolean answer_write(void *data, const char *bytes, gsize len)
{
	FCGX_Request *fcgi = data;
	return FCGX_PutStr(bytes, (int)len, fcgi->out) == (int)len;
}

static int connection_accept(int listen_fd, const sigset_t *open_mask)
{
	struct pollfd wait = {.fd = listen_fd, .events = POLLIN};

	if (ppoll(&wait, 1, NULL, open_mask) <= 0)
		return -1;
	/* Several workers wake for one connection; all but one find nothing. */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval limit = {.tv_sec = STALL_LIMIT_S};
	if (fd >= 0 &&
		(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* FALSE when nothing came that could be answered. */
static gboolean connection_serve(struct api *api, FCGX_Request *fcgi, int fd)
{
	/*
	 * libfcgi takes a connection that is there already instead of accepting one itself, unless
	 * its start of a request first ends the one before, which closes what is not kept. Its own
	 * accept could neither be given a time limit nor wait for a signal without a race. The
	 * listening socket it knows is none, so that it cannot go back to accepting when this one
	 * is rubbish.
	 */
	FCGX_InitRequest(fcgi, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	fcgi->ipcFd = fd;
	fcgi->keepConnection = 1;
	if (FCGX_Accept_r(fcgi) != 0) {
		if (fcgi->ipcFd >= 0)
			FCGX_Free(fcgi, 1);
		return FALSE;
	}
	const struct gateway gateway = {variable_get, body_read, answer_write, fcgi};
	api_handle(api, &gateway);
	fcgi->keepConnection = 0;
	FCGX_Finish_r(fcgi);
	api_finish(api);
	return TRUE;
}

/* Memory of a large answer goes back to the system, so that idle workers stay small. */
static void memory_trim(struct api *api)
{
	struct mallinfo2 memory = mallinfo2();

	if (memory.hblkhd > LARGE_BYTES || memory.arena > 4 * LARGE_BYTES) {
		db_disconnect(api->db);
		malloc_trim(0);
	}
}

void fastcgi_serve(struct api *api, int listen_fd, const sigset_t *open_mask)
{
	struct sigaction action = {.sa_handler = on_term};
	gint64 requests_max = conf_get_int(api->conf, "api.requests_max");
	g_autoptr(GError) error = NULL;

	sigaction(SIGTERM, &action, NULL);
	/* A terminal sends it to all of us; the parent's SIGTERM is what counts. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Large blocks are always the system's own, so that freeing gives them back. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	FCGX_Init();
	if (!db_connect(api->db, &error))
		log_failure(
			LOG_LEVEL_WARNING, "the database is away; requests will be told so", error);
	/* Not all at once. */
	requests_max -= getpid() % (requests_max / 8 + 1);
	for (gint64 n = 0; n < requests_max && !is_stopping;) {
		FCGX_Request fcgi;
		int fd = connection_accept(listen_fd, open_mask);
		if (fd < 0)
			continue;
		if (connection_serve(api, &fcgi, fd))
			n++;
		memory_trim(api);
	}
}
