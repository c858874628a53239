/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/problem.h"

#include <string.h>

#include "lib/error.h"

/* When to come back if nobody said so. A database restart takes about this long. */
#define RETRY_AFTER_S "2"
#define RATE_AFTER_S "1" /* every limit gives something back within a second */

void problem_field(json_object **errors, const char *field, const char *message)
{
	json_object *entry = json_object_new_object();

	if (*errors == NULL)
		*errors = json_object_new_array();
	json_object_object_add(entry, "field", json_object_new_string(field));
	json_object_object_add(entry, "message", json_object_new_string(message));
	json_object_array_add(*errors, entry);
}

static gboolean head_has(const struct response *response, const char *name)
{
	return strstr(response->head->str, name) != NULL;
}

void problem_set(struct response *response, const struct request *request, guint status,
	const char *detail, json_object *fields)
{
	g_autoptr(json_object) problem = json_object_new_object();

	json_object_object_add(problem, "type", json_object_new_string("about:blank"));
	json_object_object_add(problem, "title", json_object_new_string(response_reason(status)));
	json_object_object_add(problem, "status", json_object_new_int((int)status));
	json_object_object_add(problem, "detail", json_object_new_string(detail));
	json_object_object_add(problem, "request_id", json_object_new_string(request->id));
	if (fields != NULL)
		json_object_object_add(problem, "errors", fields);
	if (request->segments->len > 0 && !strcmp(request->segments->pdata[0], "audit"))
		json_object_object_add(problem, "error", json_object_new_string(detail));
	response->status = status;
	response_take_text(response, RESPONSE_PROBLEM,
		g_strdup(json_object_to_json_string_ext(problem, JSON_C_TO_STRING_PLAIN)));
	if (status == 401 && !head_has(response, "WWW-Authenticate:"))
		response_header(response, "WWW-Authenticate", "Bearer realm=\"muster\"");
	if ((status == 429 || status == 503) && !head_has(response, "Retry-After:"))
		response_header(
			response, "Retry-After", status == 429 ? RATE_AFTER_S : RETRY_AFTER_S);
}

void problem_from_error(struct response *response, const struct request *request,
	const GError *error, guint status, const char *fields_json)
{
	json_object *fields = NULL;

	if (fields_json != NULL)
		fields = json_parse(fields_json, strlen(fields_json), &json_limits_request, NULL);
	if (fields != NULL && !json_object_is_type(fields, json_type_array))
		g_clear_pointer(&fields, json_object_put);
	problem_set(response, request, status,
		status == 500 ? "Something is wrong on the server. The log has more under this "
				"request's id."
			      : error->message,
		fields);
}
