/* SPDX-License-Identifier: MIT */
#ifndef CGI_OPENAPI_H
#define CGI_OPENAPI_H

#include <glib.h>

#include "lib/json.h"

/*
 * The OpenAPI 3.1 document of the table of routes: paths, inputs with their bounds, who may, every
 * answer with its schema (schema/api-1.json, built in), and the kinds of event as webhooks. It is
 * made of the rows that check the requests, so nothing in it can be out of date but a schema, and
 * t/api/contract.t holds every answer against those.
 *
 * The extensions x-role, x-rate and x-scope say what OpenAPI has no word for. The caller owns the
 * result. Source of the format: https://spec.openapis.org/oas/v3.1.0
 */
json_object *openapi_document(void);

#endif
