/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/route.h"

#include <string.h>

#include "cgi/problem.h"

/* clang-format off */
static const char *const role_names[] = {
	[ROLE_UNSET] = NULL,
	[ROLE_NOBODY] = "nobody",
	[ROLE_VIEWER] = "viewer",
	[ROLE_DEVELOPER] = "developer",
	[ROLE_TEAM_LEAD] = "team_lead",
	[ROLE_ORG_ADMIN] = "org_admin",
	[ROLE_PLATFORM_ADMIN] = "platform_admin",
};
static const char *const rate_names[] = {
	[RATE_UNSET] = NULL,
	[RATE_NONE] = "none",
	[RATE_READ] = "read",
	[RATE_WRITE] = "write",
	[RATE_LOGIN] = "login",
	[RATE_RUN] = "run",
};
/* clang-format on */

const char *route_role_name(enum role role)
{
	return role_names[role];
}

const char *route_rate_name(enum rate rate)
{
	return rate_names[rate];
}

/*
 * Who may come in, as whom and for how long: a program that could change this for itself would be
 * held by no scope.
 */
static gboolean is_about_access(const struct route *route)
{
	/* clang-format off */
	static const char *const prefixes[] = {
		"/api/v1/admin/", "/api/v1/auth/", "/api/v1/invitations", "/api/v1/members",
		"/api/v1/organizations", "/api/v1/sessions", "/api/v1/tokens",
	};
	/* clang-format on */

	if (!strcmp(route->method, "GET") && !strcmp(route->path, "/api/v1/auth/me"))
		return FALSE; /* whose token it is */
	for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(route->path, prefixes[i]))
			return TRUE;
	return FALSE;
}

const char *route_scope(const struct route *route)
{
	if (route->role >= ROLE_ORG_ADMIN || is_about_access(route))
		return "admin";
	if (route->rate == RATE_RUN)
		return "run";
	return !strcmp(route->method, "GET") ? "read" : "write";
}

gboolean route_is_repeatable(const struct route *route)
{
	return !strcmp(route->method, "POST") && route->role != ROLE_NOBODY &&
	       route->function != NULL;
}

guint route_inputs_len(const struct route *route)
{
	guint n = 0;
	while (route->inputs != NULL && route->inputs[n].name != NULL)
		n++;
	return n;
}

/* "{repo}" or "{file}.json" never: a part of a path is a word or a whole input. */
static gboolean part_is_input(const char *part, gsize len)
{
	return len > 2 && part[0] == '{' && part[len - 1] == '}';
}

static const char *route_fault(const struct route *route)
{
	guint n = route_inputs_len(route);

	if (role_names[route->role] == NULL)
		return "has no role";
	if (rate_names[route->rate] == NULL)
		return "has no rate class";
	if ((route->function == NULL) == (route->handler == NULL))
		return "needs a function or a handler, and not both";
	if (route->help == NULL)
		return "has no help";
	if (route->schema == NULL && route->status != 204 && route->answer != ANSWER_CSV &&
		route->answer != ANSWER_HTML && route->answer != ANSWER_TEXT)
		return "does not say what it answers";
	if (n > ROUTE_INPUTS_MAX)
		return "has too many inputs";
	for (guint i = 0; i < n; i++) {
		const char *fault = input_table_fault(&route->inputs[i]);
		if (fault != NULL)
			return fault;
		if (route->inputs[i].place == INPUT_BODY && route->body_max_bytes == 0)
			return "has an input in a body that it does not take";
	}
	return NULL;
}

/* route -> SQL text, made once by route_check_table() */
static GHashTable *statements, *statements_kept;

static char *statement_make(const struct route *route, gboolean is_kept)
{
	GString *sql = g_string_new("select ");
	guint n = route_inputs_len(route);

	if (is_kept)
		g_string_append_printf(
			sql, "muster.idempotency_keep(p_key => $%u, p_answer => f::text)", n + 1);
	else
		g_string_append(sql, "f::text");
	g_string_append_printf(sql, "%s from muster.%s(",
		route->answer == ANSWER_LIST ? ", f ->> 'next'" : "", route->function);
	for (guint i = 0; i < n; i++)
		g_string_append_printf(sql, "%sp_%s => $%u", i > 0 ? ", " : "",
			input_argument(&route->inputs[i]), i + 1);
	g_string_append(sql, ") f");
	return g_string_free(sql, FALSE);
}

void route_check_table(void)
{
	if (statements != NULL)
		return;
	statements = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	statements_kept = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	for (gsize i = 0; i < routes_len; i++) {
		const char *fault = route_fault(&routes[i]);
		if (fault != NULL)
			g_error("route %s %s %s", routes[i].method, routes[i].path, fault);
		if (routes[i].function == NULL)
			continue;
		g_hash_table_insert(
			statements, (gpointer)&routes[i], statement_make(&routes[i], FALSE));
		g_hash_table_insert(
			statements_kept, (gpointer)&routes[i], statement_make(&routes[i], TRUE));
	}
}

const char *route_statement(const struct route *route)
{
	return g_hash_table_lookup(statements, route);
}

const char *route_statement_kept(const struct route *route)
{
	return g_hash_table_lookup(statements_kept, route);
}

static gboolean path_matches(const char *pattern, const GPtrArray *segments)
{
	guint i = 0;

	for (const char *at = pattern; *at == '/'; i++) {
		at++;
		gsize len = strcspn(at, "/");
		if (i >= segments->len)
			return FALSE;
		const char *segment = segments->pdata[i];
		gboolean is_match = part_is_input(at, len)
					    ? *segment != '\0'
					    : strlen(segment) == len && !strncmp(segment, at, len);
		if (!is_match)
			return FALSE;
		at += len;
	}
	return i == segments->len;
}

const struct route *route_find(const struct request *request, char **allowed)
{
	const char *method = !strcmp(request->method, "HEAD") ? "GET" : request->method;
	g_autoptr(GString) methods = g_string_new(NULL);

	*allowed = NULL;
	for (gsize i = 0; i < routes_len; i++) {
		if (!path_matches(routes[i].path, request->segments))
			continue;
		if (!strcmp(routes[i].method, method))
			return &routes[i];
		g_string_append_printf(methods, "%s%s%s", methods->len > 0 ? ", " : "",
			routes[i].method, !strcmp(routes[i].method, "GET") ? ", HEAD" : "");
	}
	if (methods->len > 0)
		*allowed = g_strdup(methods->str);
	return NULL;
}

static gint input_find(
	const struct route *route, enum input_place place, const char *name, gsize len)
{
	for (guint i = 0; i < route_inputs_len(route); i++)
		if (route->inputs[i].place == place && strlen(route->inputs[i].name) == len &&
			!strncmp(route->inputs[i].name, name, len))
			return (gint)i;
	return -1;
}

static void value_take(struct route_call *call, gint i, char *value, json_object **faults)
{
	const struct input *input = &call->route->inputs[i];
	g_autofree char *fault = input_text_fault(input, value);

	if (fault != NULL) {
		problem_field(faults, input->name, fault);
		g_free(value);
		return;
	}
	call->values[i] = value;
}

static void path_take(struct route_call *call, json_object **faults)
{
	guint segment = 0;

	for (const char *at = call->route->path; *at == '/'; segment++) {
		at++;
		gsize len = strcspn(at, "/");
		if (part_is_input(at, len)) {
			gint i = input_find(call->route, INPUT_PATH, at + 1, len - 2);
			g_assert(i >= 0);
			value_take(
				call, i, g_strdup(call->request->segments->pdata[segment]), faults);
		}
		at += len;
	}
}

static void query_take(struct route_call *call, json_object **faults)
{
	for (guint n = 0; n < call->request->query->len; n++) {
		const struct request_pair *pair =
			&g_array_index(call->request->query, struct request_pair, n);
		gint i = input_find(call->route, INPUT_QUERY, pair->name, strlen(pair->name));
		if (i < 0)
			problem_field(faults, pair->name, "is not known here");
		else if (call->values[i] != NULL)
			problem_field(faults, pair->name, "is given twice");
		/* A form sends its empty fields too. */
		else if (*pair->value != '\0')
			value_take(call, i, g_strdup(pair->value), faults);
	}
}

static void member_take(
	struct route_call *call, const char *name, json_object *member, json_object **faults)
{
	gint i = input_find(call->route, INPUT_BODY, name, strlen(name));
	g_autofree char *fault = NULL;

	if (i < 0)
		fault = g_strdup("is not known here");
	else
		call->values[i] = input_take_member(&call->route->inputs[i], member, &fault);
	if (fault != NULL)
		problem_field(faults, name, fault);
}

static void body_take(struct route_call *call, json_object **faults)
{
	const struct request *request = call->request;
	const char *type = request_header(request, "Content-Type");

	if (request->body_len == 0)
		return;
	/* Also what keeps a form on another site from writing here: it cannot send this type. */
	gsize type_len = type != NULL ? strcspn(type, "; ") : 0;
	if (type_len != strlen("application/json") ||
		g_ascii_strncasecmp(type, "application/json", type_len)) {
		problem_field(faults, "Content-Type", "must be application/json");
		return;
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(json_object) body =
		json_parse(request->body, request->body_len, &json_limits_request, &error);
	if (body == NULL || !json_object_is_type(body, json_type_object)) {
		problem_field(
			faults, "body", error != NULL ? error->message : "must be a JSON object");
		return;
	}
	json_object_object_foreach(body, name, member)
	{
		member_take(call, name, member, faults);
	}
}

static void headers_take(struct route_call *call, json_object **faults)
{
	for (guint i = 0; i < route_inputs_len(call->route); i++) {
		const struct input *input = &call->route->inputs[i];
		const char *value = input->place == INPUT_HEADER
					    ? request_header(call->request, input->name)
					    : NULL;
		if (value != NULL && !g_utf8_validate(value, -1, NULL))
			problem_field(faults, input->name, "must be UTF-8");
		else if (value != NULL && *value != '\0')
			value_take(call, (gint)i, g_strdup(value), faults);
	}
}

static gboolean faults_name(json_object *faults, const char *field)
{
	for (gsize i = 0; faults != NULL && i < json_object_array_length(faults); i++)
		if (!strcmp(json_get_text(json_object_array_get_idx(faults, i), "field", NULL),
			    field))
			return TRUE;
	return FALSE;
}

json_object *route_take_inputs(struct route_call *call)
{
	json_object *faults = NULL;

	path_take(call, &faults);
	query_take(call, &faults);
	body_take(call, &faults);
	headers_take(call, &faults);
	for (guint i = 0; i < route_inputs_len(call->route); i++) {
		const struct input *input = &call->route->inputs[i];
		if (input->is_needed && call->values[i] == NULL &&
			!faults_name(faults, input->name))
			problem_field(&faults, input->name, "is missing");
	}
	return faults;
}

void route_call_clear(struct route_call *call)
{
	for (guint i = 0; i < ROUTE_INPUTS_MAX; i++)
		g_clear_pointer(&call->values[i], g_free);
}

const char *route_value(const struct route_call *call, const char *name)
{
	for (guint i = 0; i < route_inputs_len(call->route); i++)
		if (!strcmp(call->route->inputs[i].name, name))
			return call->values[i];
	g_assert_not_reached();
}

void route_print(FILE *out)
{
	for (gsize i = 0; i < routes_len; i++) {
		const struct route *route = &routes[i];
		fprintf(out, "%s\t%s\t%s\t%s\t%s\t", route->method, route->path,
			role_names[route->role], rate_names[route->rate],
			route->function != NULL ? route->function : "(C)");
		for (guint n = 0; n < route_inputs_len(route); n++)
			fprintf(out, "%s%s:%s%s", n > 0 ? "," : "",
				input_place_name(route->inputs[n].place), route->inputs[n].name,
				route->inputs[n].is_needed ? "!" : "");
		fprintf(out, "%s\t%" G_GSIZE_FORMAT "\t%s\n",
			route_inputs_len(route) == 0 ? "-" : "", route->body_max_bytes,
			route->help);
	}
}
