/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/call.h"
#include "lib/error.h"
#include "lib/secret.h"
#include "lib/ssh_key.h"

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

/* Freed by the caller; NULL with what is wrong with it. */
static char *secret_take(struct route_call *call, const char *kind, GError **fault)
{
	gboolean is_key = !g_strcmp0(kind, "ssh-key");
	const char *text = route_value(call, is_key ? "private_key" : "password");

	if (text != NULL && is_key)
		return ssh_key_take(text, fault);
	if (text != NULL && !has_control(text))
		return g_strdup(text);
	g_set_error_literal(fault, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		text == NULL ? "is needed" : "has a control character");
	return NULL;
}

gboolean credential_add(struct route_call *call, GError **error)
{
	const char *kind = route_value(call, "kind"), *user = route_value(call, "username");
	g_autofree char *id = g_uuid_string_random();
	g_autoptr(GError) fault = NULL;
	char *secret = secret_take(call, kind, &fault);
	g_autofree char *context = g_strconcat(SECRET_SEAL_CREDENTIAL, id, NULL);
	g_autofree char *sealed = secret != NULL ? secret_seal(call->api->key, context,
							   (const guchar *)secret, strlen(secret))
						 : NULL;
	const char *params[] = {id, route_value(call, "host"), user != NULL ? user : USER_DEFAULT,
		sealed, kind != NULL ? kind : "password", route_value(call, "host_keys"),
		fault != NULL ? fault->message : NULL};
	g_autoptr(db_result) result = NULL;

	if (secret != NULL)
		secret_wipe(secret, strlen(secret));
	g_free(secret);
	if (!call_run(call,
		    "select muster.credential_add(p_id => $1::uuid, p_host => $2, "
		    "p_username => $3, p_sealed => $4, p_kind => $5, p_host_keys => $6, "
		    "p_fault => $7)",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	call->response->status = 201;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}
