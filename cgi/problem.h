/* SPDX-License-Identifier: MIT */
#ifndef CGI_PROBLEM_H
#define CGI_PROBLEM_H

#include <glib.h>

#include "cgi/request.h"
#include "cgi/response.h"
#include "lib/json.h"

/*
 * What went wrong, for the client: application/problem+json (RFC 9457) with the request's id and,
 * for bad inputs, one entry of errors for each:
 *
 *	{"type":"about:blank","title":"Bad Request","status":400,"detail":"…","request_id":"…",
 *	 "errors":[{"field":"limit","message":"must be from 1 to 200"}]}
 *
 * Below /audit there is also "error", the key that clients of those paths read. Server errors (500)
 * tell the person nothing but the id to look for in the log.
 */

/* Collects field errors. */
void problem_field(json_object **errors, const char *field, const char *message);

/*
 * fields: taken; NULL for none. detail: what a person reads. Sets status, body and, for 401, 429
 * and 503, the header that belongs to it unless it is there already.
 */
void problem_set(struct response *response, const struct request *request, guint status,
	const char *detail, json_object *fields);

/* The same from an error; fields_json is db_error_fields(), or NULL. */
void problem_from_error(struct response *response, const struct request *request,
	const GError *error, guint status, const char *fields_json);

#endif
