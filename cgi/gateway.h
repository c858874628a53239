/* SPDX-License-Identifier: MIT */
#ifndef CGI_GATEWAY_H
#define CGI_GATEWAY_H

#include <glib.h>

/*
 * What lies between us and the web server: the variables of CGI (RFC 3875), a body to read, an
 * answer to write. Two things make one: cgi/fastcgi.c from a FastCGI connection, cgi/plain.c from
 * the environment and standard input and output. Everything above is the same for both.
 */
struct gateway {
	/* A variable, or NULL. Borrowed until the request ends. */
	const char *(*get)(void *data, const char *name);
	/* Up to len bytes of the body; 0 at its end, -1 when the connection broke. */
	gssize (*read)(void *data, char *bytes, gsize len);
	/* FALSE when the client has gone. */
	gboolean (*write)(void *data, const char *bytes, gsize len);
	void *data;
};

#endif
