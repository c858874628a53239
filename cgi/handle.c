/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/api.h"

#include <string.h>

#include "cgi/auth.h"
#include "cgi/call.h"
#include "cgi/cors.h"
#include "cgi/meter.h"
#include "cgi/problem.h"
#include "cgi/rate.h"
#include "cgi/route.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/wake.h"

/* The Link header of a list that goes on (RFC 8288): this request with another cursor. */
static void link_add(struct route_call *call, const char *next)
{
	g_autoptr(GString) url = g_string_new("<");
	const GArray *query = call->request->query;

	g_string_append_printf(url, "%s?", call->request->path);
	for (guint i = 0; i < query->len; i++) {
		const struct request_pair *pair = &g_array_index(query, struct request_pair, i);
		g_autofree char *name = request_encode(pair->name);
		g_autofree char *value = request_encode(pair->value);
		if (strcmp(pair->name, "cursor"))
			g_string_append_printf(url, "%s=%s&", name, value);
	}
	g_autofree char *cursor = request_encode(next);
	g_string_append_printf(url, "cursor=%s>; rel=\"next\"", cursor);
	response_header(call->response, "Link", url->str);
}

static void csv_headers_add(struct route_call *call)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *value =
		g_date_time_format(now, "attachment; filename=\"gitops-audit-%Y-%m-%d.csv\"");
	response_header(call->response, "Content-Disposition", value);
}

/* The answer that this key got before. */
static gboolean replay(struct route_call *call)
{
	const char *answer = db_error_fields(call->api->db);

	if (g_strcmp0(db_error_sqlstate(call->api->db), "MU208") || answer == NULL)
		return FALSE;
	call->is_entered = TRUE;
	response_header(call->response, "Idempotency-Replayed", "true");
	response_take_text(call->response, RESPONSE_JSON, g_strdup(answer));
	return TRUE;
}

static gboolean function_ask(struct route_call *call, struct db_result **result, GError **error)
{
	const char *params[ROUTE_INPUTS_MAX + 1];
	guint n = route_inputs_len(call->route);

	memcpy(params, call->values, n * sizeof(*params));
	params[n] = call->key;
	return call->key == NULL
		       ? call_run(call, route_statement(call->route), n, params, result, error)
		       : call_run(call, route_statement_kept(call->route), n + 1, params, result,
				 error);
}

/* The row's SQL function, whose answer is the body as it comes. */
static gboolean function_run(struct route_call *call, GError **error)
{
	const struct route *route = call->route;
	g_autoptr(db_result) result = NULL;
	g_autoptr(GError) failure = NULL;

	if (route->status != 0)
		call->response->status = route->status;
	if (!function_ask(call, &result, &failure)) {
		if (replay(call))
			return TRUE;
		call->response->status = 200;
		g_propagate_error(error, g_steal_pointer(&failure));
		return FALSE;
	}
	if (route->status == 204)
		return TRUE;
	if (db_result_rows(result) == 0 || db_result_get(result, 0, 0) == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "There is nothing here.");
		return FALSE;
	}
	if (route->answer == ANSWER_LIST && db_result_get(result, 0, 1) != NULL)
		link_add(call, db_result_get(result, 0, 1));
	if (route->answer == ANSWER_CSV)
		csv_headers_add(call);
	response_take_result(call->response,
		route->answer == ANSWER_CSV ? RESPONSE_CSV : RESPONSE_JSON,
		g_steal_pointer(&result));
	return TRUE;
}

/* draft-ietf-httpapi-ratelimit-headers-10, and the names that clients knew before it. */
static void rate_headers_add(struct route_call *call, const struct rate_left *left)
{
	const char *name = route_rate_name(call->route->rate);
	gint64 full_at = g_get_real_time() / G_USEC_PER_SEC + left->full_s;

	if (left->burst == 0)
		return;
	g_string_append_printf(call->response->head,
		"RateLimit-Policy: \"%s\";q=%u;w=%u\r\n"
		"RateLimit: \"%s\";r=%u;t=%u\r\n"
		"X-RateLimit-Limit: %u\r\n"
		"X-RateLimit-Remaining: %u\r\n"
		"X-RateLimit-Reset: %" G_GINT64_FORMAT "\r\n",
		name, left->burst, left->window_s, name, left->left, left->full_s, left->burst,
		left->left, full_at);
}

static gboolean rate_allows(struct route_call *call)
{
	struct rate_left left;
	gboolean ok = rate_take(call->api->rates, call->route->rate, call->credential->bytes,
		call->request->address, &left);

	rate_headers_add(call, &left);
	if (!ok)
		problem_set(call->response, call->request, 429, "You are asking too often.", NULL);
	return ok;
}

#define KEY_MAX 200

/* Printable ASCII, as the draft's quoted string; the quotes may be left out. */
static void key_take(struct route_call *call, json_object **faults)
{
	const char *key = request_header(call->request, "Idempotency-Key");
	gsize len = key != NULL ? strlen(key) : 0;

	if (len == 0 || !route_is_repeatable(call->route))
		return;
	gboolean ok = len <= KEY_MAX;
	for (gsize i = 0; i < len; i++)
		ok = ok && g_ascii_isgraph(key[i]);
	if (ok)
		call->key = key;
	else
		problem_field(faults, "Idempotency-Key", "must have 1 to 200 printable characters");
}

/* Who may not ask at all is told that, and not what is wrong with the question. */
static gboolean may_ask(struct route_call *call, GError **error)
{
	g_autoptr(db_result) result = NULL;

	call->key = NULL; /* for nothing is done */
	return call->route->role == ROLE_NOBODY || call->is_open ||
	       call_run(call, "select 1", 0, NULL, &result, error);
}

/* FALSE with an error, or TRUE with an answer, which may be a refusal. */
static gboolean call_answer(struct route_call *call, GError **error)
{
	const struct route *route = call->route;
	gsize body_max = MIN(
		route->body_max_bytes, (gsize)conf_get_int(call->api->conf, "api.body_max_bytes"));

	if (!rate_allows(call))
		return TRUE;
	if (!request_read_body(call->request, body_max, error))
		return FALSE;
	json_object *faults = route_take_inputs(call);
	key_take(call, &faults);
	if (faults != NULL && !may_ask(call, error)) {
		json_object_put(faults);
		return FALSE;
	}
	if (faults != NULL) {
		problem_set(call->response, call->request, 400, "Some inputs are not acceptable.",
			faults);
		return TRUE;
	}
	if (route->handler == NULL)
		return function_run(call, error);
	if (!route->handler(call, error))
		return FALSE;
	g_assert(route->role == ROLE_NOBODY || call->is_open || call->is_entered);
	return TRUE;
}

static void failure_answer(struct api *api, struct response *response,
	const struct request *request, const GError *error)
{
	const char *sqlstate = db_error_sqlstate(api->db);
	guint status = error_http_status(error);

	if (status >= 500)
		log_failure(status == 503 ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "request failed",
			error);
	/* What our functions raise is meant for the person; anything else is worth knowing. */
	if (db_error_detail(api->db) != NULL &&
		(status >= 500 || (sqlstate != NULL && !g_str_has_prefix(sqlstate, "MU"))))
		log_warning("the database said", "detail", db_error_detail(api->db),
			db_error_remedy(api->db) != NULL ? "remedy" : NULL,
			db_error_remedy(api->db), NULL);
	/* What our functions raise has the status in its name. */
	if (sqlstate != NULL && g_str_has_prefix(sqlstate, "MU4"))
		status = (guint)g_ascii_strtoull(sqlstate + 2, NULL, 10);
	problem_from_error(response, request, error, status, db_error_fields(api->db));
}

/* *found: the route, when there is one. */
static gboolean request_answer(struct api *api, struct request *request, struct response *response,
	const struct route **found, GError **error)
{
	g_autofree char *allowed = NULL;
	const struct route *route = *found = route_find(request, &allowed);

	if (route == NULL && allowed == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "There is nothing here.");
		return FALSE;
	}
	if (route == NULL) {
		response_header(response, "Allow", allowed);
		if (!strcmp(request->method, "OPTIONS"))
			response->status = 204;
		else
			problem_set(response, request, 405,
				"This address does not take that method.", NULL);
		return TRUE;
	}
	struct credential nobody = {.kind = "none"};
	g_autoptr(credential) who = NULL;
	gboolean is_open = route->open_to != NULL &&
			   request_is_from(request, conf_get(api->conf, route->open_to));
	if (route->role != ROLE_NOBODY && !is_open &&
		(who = credential_new(api, request, error)) == NULL)
		return FALSE;
	struct route_call call = {.api = api,
		.route = route,
		.request = request,
		.response = response,
		.credential = who != NULL ? who : &nobody,
		.is_open = is_open};
	gboolean ok = call_answer(&call, error);
	if (ok && route->is_write && response->status < 400)
		wake_send(api->conf);
	route_call_clear(&call);
	return ok;
}

static void request_log(const struct request *request, const struct response *response,
	gint64 started_us, gboolean is_sent)
{
	g_autofree char *status = g_strdup_printf("%u", response->status);
	g_autofree char *bytes = g_strdup_printf("%" G_GSIZE_FORMAT, response->sent_bytes);
	g_autofree char *ms =
		g_strdup_printf("%.1f", (double)(g_get_monotonic_time() - started_us) / 1000.0);

	log_info(is_sent ? "request" : "request whose client has gone", "method", request->method,
		"path", request->path, "status", status, "bytes", bytes, "ms", ms, "address",
		request->address, NULL);
}

void api_handle(struct api *api, const struct gateway *gateway)
{
	gint64 started_us = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	g_autoptr(request) request = request_new(api->conf, gateway, &error);
	const struct route *route = NULL;
	struct response response;

	if (api->place != NULL)
		__atomic_store_n(&api->place->is_busy, 1, __ATOMIC_RELAXED);
	log_set_prefix("request", request->id);
	db_error_clear(api->db);
	response_init(&response);
	if (error != NULL)
		problem_from_error(&response, request, error, error_http_status(error), NULL);
	else if (!cors_apply(api->conf, request, &response) &&
		 !request_answer(api, request, &response, &route, &error))
		failure_answer(api, &response, request, error);
	gboolean is_sent = response_send(&response, request);
	request_log(request, &response, started_us, is_sent);
	meter_request(api->meter, route, response.status, g_get_monotonic_time() - started_us,
		response.sent_bytes);
	if (api->place != NULL)
		__atomic_store_n(&api->place->is_busy, 0, __ATOMIC_RELAXED);
	response_clear(&response);
	log_set_prefix(NULL, NULL);
}

void api_finish(struct api *api)
{
	struct api_task *task = g_steal_pointer(&api->later);

	if (task == NULL)
		return;
	db_error_clear(api->db);
	task->run(api, task);
	task->free(task);
}
