/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/plain.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/file.h"

#define DROP_MAX_BYTES (4 * 1024 * 1024)
#define DROP_WAIT_MS 2000

static const char *variable_get(void *data, const char *name)
{
	return getenv(name);
}

/* data: gsize, how much was read. */
static gssize body_read(void *data, char *bytes, gsize len)
{
	gsize *seen = data;
	gssize n;

	/* Without a length there is no body (RFC 3875, 4.2), unless the front passes chunks on. */
	if (getenv("CONTENT_LENGTH") == NULL && getenv("HTTP_TRANSFER_ENCODING") == NULL)
		return 0;
	do {
		n = read(STDIN_FILENO, bytes, len);
	} while (n < 0 && errno == EINTR);
	*seen += (gsize)MAX(n, 0);
	return n;
}

static gboolean answer_write(void *data, const char *bytes, gsize len)
{
	return file_write_all(STDOUT_FILENO, bytes, len);
}

/*
 * What is left of a body that nobody wanted: Apache drops the answer when a program ends before it
 * has read all. So much and so long, then the front may think what it likes.
 */
static void body_drop(gsize *seen)
{
	const char *text = getenv("CONTENT_LENGTH");
	guint64 len = text != NULL ? MIN(g_ascii_strtoull(text, NULL, 10), DROP_MAX_BYTES) : 0;
	struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
	char chunk[16384];

	/* Not to an end that the front need not give. */
	while (*seen < len && poll(&wait, 1, DROP_WAIT_MS) > 0)
		if (body_read(seen, chunk, MIN(sizeof(chunk), len - *seen)) <= 0)
			return;
}

void plain_serve(struct api *api)
{
	gsize seen = 0;
	const struct gateway gateway = {variable_get, body_read, answer_write, &seen};

	signal(SIGPIPE, SIG_IGN);
	api_handle(api, &gateway);
	body_drop(&seen);
	/* The front waits for the end of what we say, and not for ours. */
	close(STDOUT_FILENO);
	api_finish(api);
}
