/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/plain.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/file.h"

static const char *variable_get(void *data, const char *name)
{
	return getenv(name);
}

static gssize body_read(void *data, char *bytes, gsize len)
{
	gssize n;

	/* Without a length there is no body (RFC 3875, 4.2), unless the front passes chunks on. */
	if (getenv("CONTENT_LENGTH") == NULL && getenv("HTTP_TRANSFER_ENCODING") == NULL)
		return 0;
	do {
		n = read(STDIN_FILENO, bytes, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

static gboolean answer_write(void *data, const char *bytes, gsize len)
{
	return file_write_all(STDOUT_FILENO, bytes, len);
}

void plain_serve(struct api *api)
{
	const struct gateway gateway = {variable_get, body_read, answer_write, NULL};

	signal(SIGPIPE, SIG_IGN);
	api_handle(api, &gateway);
	/* The front waits for the end of what we say, and not for ours. */
	close(STDOUT_FILENO);
	api_finish(api);
}
