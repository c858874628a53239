/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_HEAD_H
#define PUSHER_HEAD_H

#include <glib.h>

#include "lib/conf.h"

/*
 * The head of one HTTP/1.1 request, read strictly: it comes from the web server in front of us
 * only, and what that would not send is refused. A body, a line folded as in the old days, a
 * doubled header that matters, a control character: MUSTER_ERROR_INPUT. Nothing of it reaches
 * libwebsockets, which is given a head of our own making instead.
 *
 *	struct head head;
 *	if (head_parse(&head, bytes, len, &error)) ...
 *	head_clear(&head);
 *
 * Strings are the request's. Query arguments are percent-decoded; the cookie is muster_session (or
 * with the prefix __Host-).
 */
#define HEAD_MAX_BYTES 8192

struct head {
	char *method, *path;
	GHashTable *arguments; /* name -> value; the first of a name counts */
	char *host, *origin, *upgrade, *connection, *key, *version;
	char *cookie, *bearer, *token, *api_key, *last_event_id;
	char *forwarded_host, *forwarded_proto, *address; /* address: an IP address or NULL */
};

/* The length of a complete head including its empty line; 0 while it is not complete. */
gsize head_len(const char *bytes, gsize len);

gboolean head_parse(struct head *head, const char *bytes, gsize len, GError **error);
void head_clear(struct head *head);

/* Borrowed, NULL when absent or empty. */
const char *head_argument(const struct head *head, const char *name);

/*
 * The cursor: Last-Event-ID, ?last_event_id= or ?after=; -1 without one. Errors: MUSTER_ERROR_INPUT
 * when it is no decimal number.
 */
gboolean head_cursor(const struct head *head, gint64 *after, GError **error);

/*
 * Whether a page of ours may have sent it: Origin is absent (no browser, or the same origin), or it
 * is server.public_url's, or without that setting the host that was asked, or server.cors_origins
 * names it. MUSTER_ERROR_DENIED.
 */
gboolean head_check_origin(const struct head *head, const struct conf *conf, GError **error);

/*
 * Headers of the answer, a line each, that let a page of a named origin read it (Fetch standard,
 * "CORS protocol"); "" for all others. Freed by the caller.
 */
char *head_cors(const struct head *head, const struct conf *conf);

/* MUSTER_ERROR_INPUT unless it is a WebSocket handshake (RFC 6455, 4.2.1). */
gboolean head_check_upgrade(const struct head *head, GError **error);
/* "websocket" and nothing else. */
gboolean head_is_upgrade(const struct head *head);

#endif
