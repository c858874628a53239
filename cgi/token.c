/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include "cgi/auth.h"
#include "cgi/call.h"

/* "mst_" and so much more tells tokens apart in a list, and is no help in guessing. */
#define HINT_LEN 10

gboolean token_add(struct route_call *call, GError **error)
{
	g_autofree char *token = secret_token_new(AUTH_TOKEN_PREFIX);
	g_autofree char *hash = auth_token_bytea(token);
	g_autofree char *hint = g_strndup(token, HINT_LEN);
	const char *params[] = {route_value(call, "name"), route_value(call, "scopes"), hash, hint,
		route_value(call, "days"), token};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select jsonb_build_object('token', $6::text) || muster.token_add(p_name => "
		    "$1, p_scopes => $2, p_token_hash => $3::bytea, p_hint => $4, p_days => $5)",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	call->response->status = 201;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}
