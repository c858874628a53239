/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/call.h"

#include "cgi/auth.h"
#include "lib/error.h"

#define ENTER_SQL                                                                                  \
	"select stream_position from muster.enter(p_kind => $1, p_credential => $2::bytea, "       \
	"p_organization => $3, p_role => $4, p_csrf => $5::bytea)"

static gboolean is_lost(const struct route_call *call, const GError *error)
{
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY) &&
	       db_error_sqlstate(call->api->db) == NULL;
}

gboolean call_run(struct route_call *call, const char *sql, guint n_params,
	const char *const *params, struct db_result **result, GError **error)
{
	const struct credential *who = call->credential;
	const char *enter[] = {who->kind, who->bytes, who->organization,
		route_role_name(call->route->role), who->csrf};
	const struct db_statement statements[] = {
		{ENTER_SQL, G_N_ELEMENTS(enter), enter}, {sql, (int)n_params, params}};
	struct db_result *results[2] = {NULL, NULL};
	g_autoptr(GError) first = NULL;
	gboolean is_read = auth_is_read(call->request);

	if (!db_pipeline(call->api->db, statements, 2, results, &first)) {
		if (!is_read || !is_lost(call, first)) {
			g_propagate_error(error, g_steal_pointer(&first));
			return FALSE;
		}
		if (!db_pipeline(call->api->db, statements, 2, results, error))
			return FALSE;
	}
	call->is_entered = TRUE;
	if (is_read)
		response_header(call->response, "Stream-Position", db_result_get(results[0], 0, 0));
	db_result_free(results[0]);
	*result = results[1];
	return TRUE;
}
