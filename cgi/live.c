/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include "cgi/call.h"
#include "lib/live.h"

/* The answer of requirements 2.7; clients is null where no pusher tells. */
gboolean live_trigger(struct route_call *call, GError **error)
{
	struct live live;
	gboolean is_told = live_read(call->api->conf, &live);
	g_autofree char *clients = is_told ? g_strdup_printf("%" G_GUINT64_FORMAT,
						     live.websocket + live.stream + live.poll)
					   : NULL;
	const char *params[] = {clients};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select jsonb_build_object('message', 'Update triggered', 'clients', "
		    "$1::bigint, 'timestamp', muster.overview_announce())",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}
