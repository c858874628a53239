/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/call.h"

gboolean project_status(struct route_call *call, GError **error)
{
	const char *format = route_value(call, "format");
	const char *params[] = {route_value(call, "project"), format};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call, "select muster.project_status($1, $2)", G_N_ELEMENTS(params), params,
		    &result, error))
		return FALSE;
	response_take_result(call->response,
		format == NULL || !strcmp(format, "json") ? RESPONSE_JSON
		: !strcmp(format, "markdown")             ? RESPONSE_MARKDOWN
							  : RESPONSE_TEXT,
		g_steal_pointer(&result));
	return TRUE;
}
