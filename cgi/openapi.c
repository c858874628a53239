/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/openapi.h"

#include <string.h>

#include "cgi/embedded.h"
#include "cgi/handler.h"
#include "cgi/route.h"
#include "lib/event.h"

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

/* clang-format off */
/* Refusals, and whether a route can answer so. */
static const struct {
	guint status;
	enum { FOR_ALL, FOR_SIGNED_IN, FOR_BODIES, FOR_PROGRAMS, FOR_MATCHES, FOR_POSTS } which;
	const char *help;
} refusals[] = {
	{ 400, FOR_ALL, "The request is malformed, or inputs are not acceptable: errors names them." },
	{ 401, FOR_SIGNED_IN, "Nobody is signed in, or what was brought is not valid any more." },
	{ 403, FOR_SIGNED_IN, "The role, the token's scope, the CSRF token or the Origin does not allow it." },
	{ 404, FOR_ALL, "It does not exist, for this account." },
	{ 409, FOR_ALL, "It exists already, was changed meanwhile, or is in a state that does not allow it." },
	{ 412, FOR_MATCHES, "If-Match names another version than the one there is." },
	{ 413, FOR_BODIES, "The body is too long." },
	{ 422, FOR_POSTS, "The Idempotency-Key was used for another request, or nothing here can do this." },
	{ 429, FOR_ALL, "Asked too often: Retry-After says when to come back." },
	{ 500, FOR_ALL, "Something is wrong on the server; its log has more under the request's id." },
	{ 502, FOR_PROGRAMS, "A program or another server that was asked failed." },
	{ 503, FOR_ALL, "The database is away or busy: Retry-After says when to come back." },
};

/* Headers of answers that clients act on. */
static const struct {
	const char *name, *help;
} headers[] = {
	{ "X-Request-Id", "The request's id, which is in the server's log." },
	{ "RateLimit-Policy", "How often this may be asked." },
	{ "RateLimit", "What is left of it." },
};
/* clang-format on */

static json_object *text(const char *value)
{
	return json_object_new_string(value);
}

static void add(json_object *object, const char *name, json_object *value)
{
	json_object_object_add(object, name, value);
}

/* An object with one member. */
static json_object *one(const char *name, json_object *value)
{
	json_object *object = json_object_new_object();
	add(object, name, value);
	return object;
}

static json_object *schema_ref(const char *name)
{
	g_autofree char *path = g_strdup_printf("#/components/schemas/%s", name);
	return one("$ref", text(path));
}

/* {"items": [...], "next": cursor or null}, as all lists are. */
static json_object *list_schema(const char *name)
{
	json_object *items = json_object_new_object();
	json_object *next = json_object_new_object();
	json_object *types = json_object_new_array();
	json_object *properties = json_object_new_object();
	json_object *needed = json_object_new_array();
	json_object *schema = json_object_new_object();

	add(items, "type", text("array"));
	add(items, "items", schema_ref(name));
	json_object_array_add(types, text("string"));
	json_object_array_add(types, text("null"));
	add(next, "type", types);
	add(next, "description", text("The cursor of the next page; null on the last one"));
	add(properties, "items", items);
	add(properties, "next", next);
	json_object_array_add(needed, text("items"));
	json_object_array_add(needed, text("next"));
	add(schema, "type", text("object"));
	add(schema, "required", needed);
	add(schema, "properties", properties);
	return schema;
}

static json_object *forms_content(const struct route *route)
{
	json_object *object = one("application/json", one("schema", schema_ref(route->schema)));

	add(object, "text/markdown", one("schema", one("type", text("string"))));
	add(object, "text/plain", one("schema", one("type", text("string"))));
	return object;
}

static json_object *answer_content(const struct route *route)
{
	if (route->answer == ANSWER_FORMS)
		return forms_content(route);
	if (route->answer == ANSWER_CSV)
		return one("text/csv", one("schema", one("type", text("string"))));
	if (route->answer == ANSWER_TEXT)
		return one("text/plain", one("schema", one("type", text("string"))));
	if (route->answer == ANSWER_HTML)
		return one("text/html", one("schema", one("type", text("string"))));
	return one(route->answer == ANSWER_SARIF ? "application/sarif+json" : "application/json",
		one("schema", route->answer == ANSWER_LIST ? list_schema(route->schema)
							   : schema_ref(route->schema)));
}

static json_object *headers_object(const struct route *route)
{
	json_object *object = json_object_new_object();
	gboolean is_get = !strcmp(route->method, "GET");

	for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
		add(object, headers[i].name,
			one("$ref", json_object_new_string(
					    i == 0   ? "#/components/headers/X-Request-Id"
					    : i == 1 ? "#/components/headers/RateLimit-Policy"
						     : "#/components/headers/RateLimit")));
	if (is_get)
		add(object, "ETag", one("$ref", text("#/components/headers/ETag")));
	if (is_get && route->role != ROLE_NOBODY)
		add(object, "Stream-Position",
			one("$ref", text("#/components/headers/Stream-Position")));
	return object;
}

static gboolean route_has(const struct route *route, enum input_place place, const char *name)
{
	for (guint i = 0; i < route_inputs_len(route); i++)
		if (route->inputs[i].place == place &&
			(name == NULL || !strcmp(route->inputs[i].name, name)))
			return TRUE;
	return FALSE;
}

static gboolean refusal_fits(gsize i, const struct route *route)
{
	switch (refusals[i].which) {
	case FOR_ALL:
		return TRUE;
	case FOR_SIGNED_IN:
		return route->role != ROLE_NOBODY || strcmp(route->method, "GET");
	case FOR_BODIES:
		return route->body_max_bytes > 0;
	case FOR_PROGRAMS:
		return route->handler != NULL;
	case FOR_MATCHES:
		return route_has(route, INPUT_HEADER, "If-Match");
	case FOR_POSTS:
		return route_is_repeatable(route);
	}
	return FALSE;
}

static json_object *responses_object(const struct route *route)
{
	json_object *responses = json_object_new_object();
	json_object *good = json_object_new_object();
	guint status = route->status != 0 ? route->status : 200;
	char key[8];

	add(good, "description", text(status == 204 ? "Done" : route->help));
	add(good, "headers", headers_object(route));
	if (status != 204)
		add(good, "content", answer_content(route));
	g_snprintf(key, sizeof(key), "%u", status);
	add(responses, key, good);
	if (status == 200 && !strcmp(route->method, "GET"))
		add(responses, "304", one("$ref", text("#/components/responses/304")));
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		if (!refusal_fits(i, route))
			continue;
		g_snprintf(key, sizeof(key), "%u", refusals[i].status);
		g_autofree char *path = g_strdup_printf("#/components/responses/%s", key);
		add(responses, key, one("$ref", text(path)));
	}
	return responses;
}

static json_object *parameters_array(const struct route *route)
{
	json_object *list = json_object_new_array();

	for (guint i = 0; i < route_inputs_len(route); i++) {
		const struct input *input = &route->inputs[i];
		if (input->place == INPUT_BODY)
			continue;
		json_object *parameter = json_object_new_object();
		add(parameter, "name", text(input->name));
		add(parameter, "in", text(input_place_name(input->place)));
		if (input->is_needed || input->place == INPUT_PATH)
			add(parameter, "required", json_object_new_boolean(TRUE));
		add(parameter, "schema", input_schema(input));
		json_object_array_add(list, parameter);
	}
	if (route_is_repeatable(route))
		json_object_array_add(
			list, one("$ref", text("#/components/parameters/Idempotency-Key")));
	if (route->role != ROLE_NOBODY)
		json_object_array_add(
			list, one("$ref", text("#/components/parameters/Muster-Organization")));
	return list;
}

static json_object *body_object(const struct route *route)
{
	json_object *schema = json_object_new_object();
	json_object *properties = json_object_new_object();
	json_object *needed = json_object_new_array();
	json_object *body = json_object_new_object();

	for (guint i = 0; i < route_inputs_len(route); i++) {
		const struct input *input = &route->inputs[i];
		if (input->place != INPUT_BODY)
			continue;
		add(properties, input->name, input_schema(input));
		if (input->is_needed)
			json_object_array_add(needed, text(input->name));
	}
	add(schema, "type", text("object"));
	add(schema, "properties", properties);
	add(schema, "additionalProperties", json_object_new_boolean(FALSE));
	if (json_object_array_length(needed) > 0) {
		add(schema, "required", needed);
		add(body, "required", json_object_new_boolean(TRUE));
	} else {
		json_object_put(needed);
	}
	add(body, "content", one("application/json", one("schema", schema)));
	return body;
}

/* The word of the path that says what it is about; "server" for what is about none. */
static const char *route_tag(const struct route *route, char **word)
{
	static const char *const prefixes[] = {"/api/v1/", "/api/", "/"};
	const char *at = NULL;

	for (gsize i = 0; at == NULL && i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(route->path, prefixes[i]))
			at = route->path + strlen(prefixes[i]);
	*word = g_strndup(at, strcspn(at, "/"));
	return !strcmp(*word, "healthz") || !strcmp(*word, "docs") || strchr(*word, '.') != NULL
		       ? "server"
		       : *word;
}

/* get_api_v1_repos_repo: method and path in letters, which no two routes share. */
static char *route_operation(const struct route *route)
{
	GString *name = g_string_new(NULL);

	for (const char *at = route->method; *at != '\0'; at++)
		g_string_append_c(name, g_ascii_tolower(*at));
	for (const char *at = route->path; *at != '\0'; at++)
		if (g_ascii_isalnum(*at))
			g_string_append_c(name, *at);
		else if (name->str[name->len - 1] != '_' && *at != '}')
			g_string_append_c(name, '_');
	return g_string_free(name, FALSE);
}

static json_object *security_array(const struct route *route)
{
	static const char *const schemes[] = {"session", "bearer", "key"};
	json_object *list = json_object_new_array();

	for (gsize i = 0; route->role != ROLE_NOBODY && i < G_N_ELEMENTS(schemes); i++)
		json_object_array_add(list, one(schemes[i], json_object_new_array()));
	return list;
}

static json_object *operation_object(const struct route *route)
{
	json_object *operation = json_object_new_object();
	json_object *tags = json_object_new_array();
	g_autofree char *word = NULL;
	g_autofree char *name = route_operation(route);
	json_object *parameters = parameters_array(route);

	add(operation, "operationId", text(name));
	add(operation, "summary", text(route->help));
	json_object_array_add(tags, text(route_tag(route, &word)));
	add(operation, "tags", tags);
	add(operation, "x-role", text(route_role_name(route->role)));
	add(operation, "x-rate", text(route_rate_name(route->rate)));
	if (route->role != ROLE_NOBODY)
		add(operation, "x-scope", text(route_scope(route)));
	if (route->role == ROLE_PLATFORM_ADMIN)
		add(operation, "x-platform", json_object_new_boolean(TRUE));
	add(operation, "security", security_array(route));
	if (json_object_array_length(parameters) > 0)
		add(operation, "parameters", parameters);
	else
		json_object_put(parameters);
	if (route_has(route, INPUT_BODY, NULL))
		add(operation, "requestBody", body_object(route));
	add(operation, "responses", responses_object(route));
	return operation;
}

static json_object *paths_object(void)
{
	json_object *paths = json_object_new_object();

	for (gsize i = 0; i < routes_len; i++) {
		g_autofree char *method = g_ascii_strdown(routes[i].method, -1);
		json_object *item = NULL;
		if (!json_object_object_get_ex(paths, routes[i].path, &item)) {
			item = json_object_new_object();
			add(paths, routes[i].path, item);
		}
		add(item, method, operation_object(&routes[i]));
	}
	return paths;
}

/* An event is told over WebSocket, SSE and GET /api/v1/events; a webhook has the same shape. */
static json_object *webhooks_object(void)
{
	json_object *webhooks = json_object_new_object();

	for (gsize i = 0; i < event_kinds_len; i++) {
		const struct event_kind *kind = &event_kinds[i];
		if (kind->is_hidden)
			continue;
		json_object *post = json_object_new_object();
		json_object *body = json_object_new_object();
		json_object *tags = json_object_new_array();
		g_autofree char *channel =
			g_strdup_printf("events: %s", event_channel_name(kind->channel));
		json_object_array_add(tags, text(channel));
		add(post, "summary", text(kind->help));
		add(post, "tags", tags);
		add(body, "content", one("application/json", one("schema", schema_ref("Event"))));
		add(post, "requestBody", body);
		add(post, "responses", one("200", one("description", text("Taken"))));
		add(webhooks, kind->type, one("post", post));
	}
	return webhooks;
}

static json_object *header_object(const char *help, const char *type)
{
	json_object *header = json_object_new_object();
	add(header, "description", text(help));
	add(header, "schema", one("type", text(type)));
	return header;
}

static json_object *parameter_object(const char *name, const char *help, const char *pattern)
{
	json_object *parameter = json_object_new_object();
	json_object *schema = one("type", text("string"));

	add(schema, "pattern", text(pattern));
	add(parameter, "name", text(name));
	add(parameter, "in", text("header"));
	add(parameter, "description", text(help));
	add(parameter, "schema", schema);
	return parameter;
}

static json_object *refusals_object(void)
{
	json_object *responses = json_object_new_object();
	char key[8];

	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
		json_object *response = json_object_new_object();
		g_snprintf(key, sizeof(key), "%u", refusals[i].status);
		add(response, "description", text(refusals[i].help));
		add(response, "content",
			one("application/problem+json", one("schema", schema_ref("Problem"))));
		add(responses, key, response);
	}
	add(responses, "304", one("description", text("What If-None-Match names is still true.")));
	return responses;
}

static json_object *schemes_object(void)
{
	json_object *schemes = json_object_new_object();
	json_object *session = one("type", text("apiKey"));
	json_object *bearer = one("type", text("http"));
	json_object *key = one("type", text("apiKey"));

	add(session, "in", text("cookie"));
	add(session, "name", text("muster_session"));
	add(session, "description",
		text("Set by signing in (__Host-muster_session over https). Writes need the header "
		     "X-CSRF-Token too."));
	add(bearer, "scheme", text("bearer"));
	add(bearer, "description",
		text("An API token (mst_...) or the access_token of signing in."));
	add(key, "in", text("header"));
	add(key, "name", text("X-API-Key"));
	add(key, "description", text("An API token (mst_...)."));
	add(schemes, "session", session);
	add(schemes, "bearer", bearer);
	add(schemes, "key", key);
	return schemes;
}

static json_object *components_object(void)
{
	json_object *components = json_object_new_object();
	json_object *shared = json_object_new_object();
	json_object *parameters = json_object_new_object();

	for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
		add(shared, headers[i].name, header_object(headers[i].help, "string"));
	add(shared, "ETag",
		header_object(
			"The version of this answer, for If-None-Match and If-Match.", "string"));
	add(shared, "Stream-Position",
		header_object("The event log's position that this answer is at least as new as: "
			      "follow the events from here.",
			"string"));
	add(parameters, "Idempotency-Key",
		parameter_object("Idempotency-Key",
			"Asked again with the same key, the first answer is given again and nothing "
			"is done twice. Kept for a day.",
			"^[!-~]{1,200}$"));
	add(parameters, "Muster-Organization",
		parameter_object("Muster-Organization",
			"The slug or id of the organization to act in; without it the token's or the "
			"session's own.",
			"^[a-z0-9-]{1,63}$"));
	add(components, "schemas", json_tokener_parse(embedded_schema()));
	add(components, "headers", shared);
	add(components, "parameters", parameters);
	add(components, "responses", refusals_object());
	add(components, "securitySchemes", schemes_object());
	return components;
}

json_object *openapi_document(void)
{
	json_object *document = json_object_new_object();
	json_object *info = json_object_new_object();
	json_object *servers = json_object_new_array();

	add(info, "title", text("Muster"));
	add(info, "version", text(PACKAGE_VERSION));
	add(info, "description",
		text("Everything the page shows and does. Errors are application/problem+json; "
		     "times are RFC 3339 in UTC; what is unknown is null."));
	add(info, "license", one("name", text("MIT")));
	json_object_array_add(servers, one("url", text("/")));
	add(document, "openapi", text("3.1.0"));
	add(document, "jsonSchemaDialect", text(DIALECT));
	add(document, "info", info);
	add(document, "servers", servers);
	add(document, "paths", paths_object());
	add(document, "webhooks", webhooks_object());
	add(document, "components", components_object());
	return document;
}

gboolean openapi_get(struct route_call *call, GError **error)
{
	static char *document; /* the same for as long as the program runs */

	(void)error;
	if (document == NULL) {
		g_autoptr(json_object) made = openapi_document();
		document = g_strdup(json_object_to_json_string_ext(made, JSON_C_TO_STRING_PLAIN));
	}
	response_take_text(call->response, RESPONSE_JSON, g_strdup(document));
	return TRUE;
}
