/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/call.h"

static void add(json_object *items, const char *kind, const char *name, gboolean is_on)
{
	json_object *item = json_object_new_object();

	json_object_object_add(item, "kind", json_object_new_string(kind));
	json_object_object_add(item, "name", json_object_new_string(name));
	json_object_object_add(item, "state", json_object_new_string(is_on ? "on" : "off"));
	json_object_object_add(item, "used_at", NULL);
	json_object_array_add(items, item);
}

gboolean admin_integrations(struct route_call *call, GError **error)
{
	const struct conf *conf = call->api->conf;
	const char *mail = conf_get(conf, "server.sendmail");
	const char *remote = conf_get(conf, "auth.remote_user");
	g_auto(GStrv) origins = g_strsplit(conf_get(conf, "server.cors_origins"), " ", -1);
	g_autoptr(json_object) items = json_object_new_array();
	g_autoptr(db_result) result = NULL;

	add(items, "mail", mail, g_file_test(mail, G_FILE_TEST_IS_EXECUTABLE));
	add(items, "remote_user", remote, strcmp(remote, "off") != 0);
	for (guint i = 0; origins[i] != NULL; i++)
		if (*origins[i] != '\0')
			add(items, "origin", origins[i], TRUE);
	const char *params[] = {json_object_to_json_string(items)};
	if (!call_run(
		    call, "select muster.admin_integrations($1::jsonb)", 1, params, &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}
