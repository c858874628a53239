/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/embedded.h"
#include "cgi/handler.h"

gboolean docs_get(struct route_call *call, GError **error)
{
	(void)error;
	response_take_text(call->response, RESPONSE_HTML, g_strdup(embedded_docs()));
	return TRUE;
}
