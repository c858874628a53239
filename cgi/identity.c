/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/auth.h"
#include "cgi/call.h"
#include "cgi/session.h"
#include "lib/error.h"

/*
 * Whom the web server has signed in. REMOTE_USER is a parameter of the web server's own; what a
 * client sends as a header of that name is HTTP_REMOTE_USER, and nobody reads that. NULL: nobody,
 * or it is not believed here.
 */
static const char *remote_user(const struct route_call *call)
{
	const struct gateway *gateway = call->request->gateway;
	const char *user = gateway->get(gateway->data, "REMOTE_USER");

	if (!strcmp(conf_get(call->api->conf, "auth.remote_user"), "off") || user == NULL ||
		*user == '\0' || !g_utf8_validate(user, -1, NULL))
		return NULL;
	return user;
}

gboolean identity_methods(struct route_call *call, GError **error)
{
	const char *user = remote_user(call);
	const char *params[] = {user};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select muster.sign_in_methods() || jsonb_build_object('remote_user', $1::text)",
		    1, params, &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

/* ann, ann@EXAMPLE.ORG (Kerberos), EXAMPLE\ann: the name as an address. Freed by the caller. */
static char *remote_email(const struct conf *conf, const char *user)
{
	const char *domain = conf_get(conf, "auth.remote_user_domain");
	const char *name = strrchr(user, '\\');

	name = name != NULL ? name + 1 : user;
	return strchr(name, '@') != NULL || *domain == '\0' ? g_strdup(name)
							    : g_strconcat(name, "@", domain, NULL);
}

gboolean identity_remote(struct route_call *call, GError **error)
{
	const struct conf *conf = call->api->conf;
	const char *user = remote_user(call);
	gboolean is_made = !strcmp(conf_get(conf, "auth.remote_user"), "create");
	g_autoptr(db_result) result = NULL;

	if (user == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH,
			"The web server has signed nobody in.");
		return FALSE;
	}
	g_autofree char *email = remote_email(conf, user);
	const char *params[] = {email, conf_get(conf, "auth.new_organization"),
		is_made ? conf_get(conf, "auth.new_role") : NULL};
	return auth_check_origin(call->api, call->request, error) &&
	       call_run(call,
		       "select muster.account_enter(p_email => $1, p_name => '', "
		       "p_organization => $2, p_role => $3)",
		       3, params, &result, error) &&
	       session_open(call, db_result_get(result, 0, 0), NULL, "remote_user", error);
}
