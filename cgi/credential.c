/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/call.h"
#include "lib/secret.h"

/* Most forges want any name beside a token. */
#define USER_DEFAULT "git"

/* RFC 7617 has none in a name or a password, and git's configuration is made of lines. */
static gboolean has_control(const char *text)
{
	for (; *text != '\0'; text = g_utf8_next_char(text))
		if (g_unichar_iscntrl(g_utf8_get_char(text)))
			return TRUE;
	return FALSE;
}

gboolean credential_add(struct route_call *call, GError **error)
{
	const char *password = route_value(call, "password");
	const char *user = route_value(call, "username");
	g_autofree char *id = g_uuid_string_random();
	g_autofree char *context = g_strconcat(SECRET_SEAL_CREDENTIAL, id, NULL);
	g_autofree char *sealed = has_control(password)
					  ? NULL
					  : secret_seal(call->api->key, context,
						    (const guchar *)password, strlen(password));
	const char *params[] = {
		id, route_value(call, "host"), user != NULL ? user : USER_DEFAULT, sealed};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select muster.credential_add(p_id => $1::uuid, p_host => $2, "
		    "p_username => $3, p_sealed => $4)",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	call->response->status = 201;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}
