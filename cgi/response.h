/* SPDX-License-Identifier: MIT */
#ifndef CGI_RESPONSE_H
#define CGI_RESPONSE_H

#include <glib.h>

#include "cgi/request.h"
#include "lib/db.h"

/*
 * An answer, put together and then sent in one go: headers, then the body from where it lies (a
 * result of the database is not copied).
 *
 *	struct response response;
 *	response_init(&response);
 *	response_take_text(&response, RESPONSE_JSON, g_strdup("{}"));
 *	response_send(&response, request);
 *	response_clear(&response);
 *
 * Every answer has the request's id and the security headers. A 200 to GET has a strong ETag, the
 * hash of its body, and becomes 304 when the client has it (a weak mark and the "-gzip" that Apache
 * appends are taken off before comparing; RFC 9110, section 13.1.2). Answers are private: they
 * belong to whoever is signed in.
 */
#define RESPONSE_JSON "application/json; charset=utf-8"
#define RESPONSE_CSV "text/csv; charset=utf-8; header=present"
#define RESPONSE_SARIF "application/sarif+json; charset=utf-8"
#define RESPONSE_MARKDOWN "text/markdown; charset=utf-8"
#define RESPONSE_TEXT "text/plain; charset=utf-8"
#define RESPONSE_HTML "text/html; charset=utf-8"
#define RESPONSE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define RESPONSE_PROBLEM "application/problem+json; charset=utf-8"

struct response {
	guint status;
	GString *head;
	const char *type; /* a constant */
	const char *body;
	gsize body_len;
	char *text;               /* what body lies in, when it is a text of ours */
	struct db_result *result; /* or when it is the database's */
	gsize sent_bytes;
	gboolean is_begun, is_broken; /* by response_begin(); a write failed */
};

void response_init(struct response *response);
void response_clear(struct response *response);

/* Control characters in value become spaces: a header is one line. */
void response_header(struct response *response, const char *name, const char *value);

void response_take_text(struct response *response, const char *type, char *text);
/* The body is the first column of the first row; it is not null. */
void response_take_result(struct response *response, const char *type, struct db_result *result);

/*
 * For what is too long to be held: sends the head, without length and ETag; then each piece with
 * response_write(). response_send() has nothing left to do then. Both are FALSE when the client has
 * gone; to a HEAD no piece is sent.
 */
gboolean response_begin(struct response *response, const struct request *request, const char *type);
gboolean response_write(
	struct response *response, const struct request *request, const char *bytes, gsize len);

/* FALSE when the client has gone. */
gboolean response_send(struct response *response, const struct request *request);

const char *response_reason(guint status);

#endif
