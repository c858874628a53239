/* SPDX-License-Identifier: MIT */
#ifndef CGI_REQUEST_H
#define CGI_REQUEST_H

#include <glib.h>

#include "cgi/gateway.h"
#include "lib/conf.h"

/*
 * A request as the web server hands it over, with nothing believed yet: method, path in decoded
 * segments, query in decoded pairs, headers, and the body when a route asks for it.
 *
 * Refused here: a path or query that is no valid percent-encoding of UTF-8 without NUL, dot
 * segments, more than REQUEST_QUERY_MAX pairs, a body over its cap, a body that ended early (Apache
 * passes truncated uploads on). The path is REQUEST_URI's, not PATH_INFO, because only the first
 * still tells "a%2Fb" from "a/b". Where a front does not set it, SCRIPT_NAME and PATH_INFO are put
 * together.
 *
 *	g_autoptr(request) request = request_new(conf, gateway, error);
 *	request->segments->pdata[0]		"api"
 *	request_header(request, "If-None-Match")
 *
 * X-Forwarded-For and X-Forwarded-Proto are believed only from addresses listed in
 * server.trusted_proxies.
 */

#define REQUEST_PATH_MAX_BYTES 8192
#define REQUEST_QUERY_MAX 64
#define REQUEST_BODY_UNKNOWN ((gsize)-1)

struct request_pair {
	char *name, *value;
};

struct request {
	const struct gateway *gateway;
	char *id; /* goes into the answer and every log line */
	char *method;
	char *path;          /* as it came, without the query */
	GPtrArray *segments; /* decoded, without empty ones at the end */
	GArray *query;       /* struct request_pair */
	char *raw_query;     /* as it came; "" for none */
	char *address;       /* of the client */
	char *scheme;        /* http or https */
	char *base;          /* scheme://host, from server.public_url or what the front says */
	char *body;          /* after request_read_body(); NUL-terminated */
	gsize body_len;
};
typedef struct request request;

/*
 * Never NULL: *error is set when the request cannot be understood, and what was understood till
 * then (id, method) is there for the answer. Errors: MUSTER_ERROR_INPUT.
 */
struct request *request_new(const struct conf *conf, const struct gateway *gateway, GError **error);
void request_free(struct request *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(request, request_free)

/* A header by its HTTP name, or NULL. Content-Type and Content-Length included. */
const char *request_header(const struct request *request, const char *name);

/* The value of the cookie of that name; freed by the caller, NULL for none. */
char *request_cookie(const struct request *request, const char *name);

/*
 * Reads the body to its announced length or, without one, to its end. Errors: MUSTER_ERROR_LIMIT
 * over max_bytes (nothing is read when the length says so), _INPUT when it is truncated or longer
 * than announced.
 */
gboolean request_read_body(struct request *request, gsize max_bytes, GError **error);

/* Whether the client's address is in list: addresses and networks between spaces. */
gboolean request_is_from(const struct request *request, const char *list);

/*
 * Percent-decoding, with '+' for a space when is_form. NULL when the encoding is broken, the result
 * is no UTF-8 or holds U+0000. Freed by the caller.
 */
char *request_decode(const char *text, gsize len, gboolean is_form);

/* Percent-encodes all but RFC 3986's unreserved characters. Freed by the caller. */
char *request_encode(const char *text);

#endif
