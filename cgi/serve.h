/* SPDX-License-Identifier: MIT */
#ifndef CGI_SERVE_H
#define CGI_SERVE_H

#include <glib.h>

#include "cgi/api.h"

/*
 * The parent of the workers. It owns the listening socket, so a worker that ends (after
 * api.requests_max requests, or by a crash) takes no waiting connection with it: the next worker
 * accepts what queued up. It starts api.workers of them and starts each again that ends; one that
 * keeps crashing after a growing pause.
 *
 *	SIGTERM, SIGINT	stop: workers finish the request they are at, then the socket is removed
 *	SIGHUP		reload: the configuration is read again; workers are replaced one by one
 *
 * The socket is paths.run/api.sock, mode 0660 (a FastCGI socket asks for no password), or standard
 * input when that is a listening socket already, as spawn-fcgi and socket activation hand it over.
 *
 * load: reads the configuration and key anew; returns NULL with an error. Its result is freed with
 * unload. Returns the exit code.
 */
typedef struct api *(*serve_load)(void *data, GError **error);
typedef void (*serve_unload)(struct api *api);

int serve_run(serve_load load, serve_unload unload, void *data);

/* Whether fd is a listening socket. */
gboolean serve_is_listening(int fd);

#endif
