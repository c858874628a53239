/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include "cgi/problem.h"
#include "lib/log.h"

gboolean health_get(struct route_call *call, GError **error)
{
	g_autoptr(GError) failure = NULL;
	/* Asks a function of ours: a database without migrations cannot serve anybody. */
	g_autoptr(db_result) result =
		db_query(call->api->db, "select muster.stream_position()", 0, NULL, &failure);

	if (result == NULL) {
		log_failure(LOG_LEVEL_WARNING, "not healthy", failure);
		problem_set(call->response, call->request, 503, failure->message, NULL);
		return TRUE;
	}
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup("{\"status\":\"pass\",\"checks\":{\"database\":\"pass\"}}"));
	return TRUE;
}
