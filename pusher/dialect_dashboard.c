/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/dialect.h"

#include <string.h>

#include "pusher/hub.h"
#include "pusher/status.h"

static void dashboard_open(struct client *client, gint64 after)
{
	g_autoptr(json_object) message = dialect_message("connection_established");
	g_autofree char *id = dialect_connection_id(client);

	client->types = 0;
	dialect_add_text(message, "connection_id", id);
	dialect_add_text(message, "message", "WebSocket connection established");
	json_object_object_add(message, "available_event_types", dialect_types());
	json_object_object_add(message, "supports_reconnection", json_object_new_boolean(TRUE));
	/* 0: as often as it likes (requirements C-18). */
	json_object_object_add(message, "max_reconnect_attempts", json_object_new_int(0));
	json_object_object_add(
		message, "heartbeat_interval", json_object_new_int((int)client->hub->heartbeat_s));
	dialect_add_id(message, "last_event_id", client->hub->head);
	dialect_send(client, message);
	client_follow(client, client->hub->head);
}

/* The confirmation of a subscription; it comes when what was missed has been replayed. */
static void confirm_send(struct client *client)
{
	g_autofree char *text = g_steal_pointer(&client->confirmation);
	if (text != NULL)
		client_answer(client, text);
}

static gboolean cursor_of(json_object *message, gint64 *after)
{
	json_object *value = NULL;

	*after = -1;
	if (!json_object_object_get_ex(message, "last_event_id", &value) || value == NULL)
		return TRUE;
	const char *text = json_object_get_string(value);
	if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
		return FALSE;
	*after = (gint64)MIN(g_ascii_strtoull(text, NULL, 10), (guint64)G_MAXINT64);
	return TRUE;
}

static void follow(struct client *client, gint64 after)
{
	if (after >= 0)
		client->replay_until = MAX(client->hub->head, after);
	client_follow(client, after >= 0 ? after : client->hub->head);
}

static void subscribe(struct client *client, json_object *message)
{
	json_object *names = NULL, *project = NULL;
	gint64 after;
	g_autoptr(json_object) answer = dialect_message("subscription_confirmed");
	json_object *accepted = json_object_new_array(), *rejected = json_object_new_array();

	json_object_object_add(answer, "event_types", accepted);
	json_object_object_add(answer, "rejected_event_types", rejected);
	json_object_object_get_ex(message, "event_types", &names);
	json_object_object_get_ex(message, "project_id", &project);
	if (!cursor_of(message, &after) ||
		(project != NULL && !json_object_is_type(project, json_type_string)) ||
		!dialect_filter_array(client, names, accepted, rejected)) {
		dialect_error(client, "Invalid message format");
		return;
	}
	if (names == NULL)
		json_object_object_add(answer, "event_types", dialect_types());
	g_free(client->project);
	client->project = project != NULL && *json_object_get_string(project) != '\0'
				  ? g_strdup(json_object_get_string(project))
				  : NULL;
	dialect_add_text(answer, "project_id", client->project);
	if (after >= 0)
		dialect_add_id(answer, "last_event_id", after);
	else
		json_object_object_add(answer, "last_event_id", NULL);
	g_free(client->confirmation);
	client->confirmation =
		g_strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
	follow(client, after);
}

static void reconnect(struct client *client, json_object *message)
{
	gint64 after;
	g_autoptr(json_object) answer = dialect_message("reconnect_confirmed");

	if (!cursor_of(message, &after)) {
		dialect_error(client, "Invalid message format");
		return;
	}
	if (client->types == 0)
		client->types = EVENT_BITS_ALL;
	json_object_object_add(answer, "event_types", dialect_filter_names(client));
	if (after >= 0)
		dialect_add_id(answer, "last_event_id", after);
	g_free(client->confirmation);
	client->confirmation =
		g_strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
	follow(client, after);
}

static void dashboard_receive(struct client *client, const char *text, gsize len)
{
	g_autoptr(json_object) message = dialect_parse(client, text, len);

	if (message == NULL)
		return;
	const char *type = json_get_text(message, "type", NULL);
	if (!strcmp(type, "subscribe")) {
		subscribe(client, message);
	} else if (!strcmp(type, "reconnect")) {
		reconnect(client, message);
	} else if (!strcmp(type, "ping")) {
		g_autoptr(json_object) pong = dialect_message("pong");
		g_autofree char *id = dialect_connection_id(client);
		dialect_add_text(pong, "connection_id", id);
		dialect_send(client, pong);
	} else if (!strcmp(type, "get_stats")) {
		g_autoptr(json_object) stats = dialect_message("stats_response");
		json_object_object_add(
			stats, "stats", status_websocket(client->hub, client->session));
		dialect_send(client, stats);
	} else {
		g_autofree char *trouble = g_strdup_printf("Unknown message type: %.64s", type);
		g_autofree char *valid = g_utf8_make_valid(trouble, -1);
		dialect_error(client, valid);
	}
}

const struct dialect dialect_dashboard = {
	.name = "dashboard",
	.open = dashboard_open,
	.receive = dashboard_receive,
	.heartbeat = dialect_heartbeat,
	.reset = dialect_reset,
	.current = confirm_send,
	.wants_status = TRUE,
};
