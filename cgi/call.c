/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/call.h"

#include <string.h>

#include "cgi/auth.h"
#include "cgi/rate.h"
#include "lib/error.h"

#define ENTER_SQL                                                                                  \
	"select stream_position from muster.enter(p_kind => $1, p_credential => $2::bytea, "       \
	"p_organization => $3, p_role => $4, p_csrf => $5::bytea, p_scope => $6, p_address => $7)"
#define RATE_SQL "select muster.rate_take(p_kind => $1, p_per_second => $2, p_burst => $3)"
#define KEY_SQL "select muster.idempotency_take(p_key => $1, p_hash => $2::bytea)"
#define STATEMENTS_MAX 4

/* What a request brings beside its inputs, as parameters; values are freed by parts_clear(). */
struct parts {
	const char *enter[7], *rate[3], *key[2];
	char *per_second, *burst, *hash;
	struct db_statement statements[STATEMENTS_MAX];
	guint n;
};

static void parts_clear(struct parts *parts)
{
	g_free(parts->per_second);
	g_free(parts->burst);
	g_free(parts->hash);
}

static void statement_add(
	struct parts *parts, const char *sql, guint n_params, const char *const *params)
{
	g_assert(parts->n < STATEMENTS_MAX);
	parts->statements[parts->n++] = (struct db_statement){sql, (int)n_params, params};
}

static void enter_add(struct parts *parts, const struct route_call *call)
{
	const struct credential *who = call->credential;
	const char *enter[] = {who->kind, who->bytes, who->organization,
		route_role_name(call->route->role), who->csrf, route_scope(call->route),
		call->request->address};

	memcpy(parts->enter, enter, sizeof(enter));
	statement_add(parts, ENTER_SQL, G_N_ELEMENTS(enter), parts->enter);
}

/* Over all hosts, so in the database; the table in memory has already turned floods away. */
static void rate_add(struct parts *parts, const struct route_call *call)
{
	guint per_second, burst;

	if (!rate_is_kept(call->api->rates, call->route->rate, &per_second, &burst))
		return;
	parts->per_second = g_strdup_printf("%u", per_second);
	parts->burst = g_strdup_printf("%u", burst);
	parts->rate[0] = route_rate_name(call->route->rate);
	parts->rate[1] = parts->per_second;
	parts->rate[2] = parts->burst;
	statement_add(parts, RATE_SQL, G_N_ELEMENTS(parts->rate), parts->rate);
}

/* Of route and inputs: the same key for anything else is a mistake. */
static char *request_hash(const struct route_call *call)
{
	g_autoptr(GString) text = g_string_new(call->route->method);

	g_string_append(text, call->route->path);
	for (guint i = 0; i < route_inputs_len(call->route); i++)
		g_string_append_printf(text, "\n%" G_GSIZE_FORMAT ":%s",
			call->values[i] != NULL ? strlen(call->values[i]) : 0,
			call->values[i] != NULL ? call->values[i] : "-");
	return auth_token_bytea(text->str);
}

static void key_add(struct parts *parts, const struct route_call *call)
{
	if (call->key == NULL)
		return;
	parts->hash = request_hash(call);
	parts->key[0] = call->key;
	parts->key[1] = parts->hash;
	statement_add(parts, KEY_SQL, G_N_ELEMENTS(parts->key), parts->key);
}

static gboolean is_lost(const struct route_call *call, const GError *error)
{
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY) &&
	       db_error_sqlstate(call->api->db) == NULL;
}

/* A read whose connection was lost may be asked once more. */
static gboolean parts_run(const struct route_call *call, const struct parts *parts,
	struct db_result **results, GError **error)
{
	g_autoptr(GError) first = NULL;

	if (db_pipeline(call->api->db, parts->statements, parts->n, results, &first))
		return TRUE;
	if (auth_is_read(call->request) && is_lost(call, first))
		return db_pipeline(call->api->db, parts->statements, parts->n, results, error);
	g_propagate_error(error, g_steal_pointer(&first));
	return FALSE;
}

gboolean call_run(struct route_call *call, const char *sql, guint n_params,
	const char *const *params, struct db_result **result, GError **error)
{
	struct parts parts = {0};
	struct db_result *results[STATEMENTS_MAX] = {NULL};
	gboolean is_read = auth_is_read(call->request);

	enter_add(&parts, call);
	if (!is_read) {
		rate_add(&parts, call);
		key_add(&parts, call);
	}
	statement_add(&parts, sql, n_params, params);
	gboolean ok = parts_run(call, &parts, results, error);
	if (ok) {
		call->is_entered = TRUE;
		if (is_read)
			response_header(
				call->response, "Stream-Position", db_result_get(results[0], 0, 0));
		*result = g_steal_pointer(&results[parts.n - 1]);
		for (guint i = 0; i + 1 < parts.n; i++)
			db_result_free(results[i]);
	}
	parts_clear(&parts);
	return ok;
}
