/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/dialect.h"

#include <string.h>

#include "pusher/hub.h"

static void audit_open(struct client *client, gint64 after)
{
	client->types = EVENT_BITS_ALL;
	if (after >= 0) {
		client_follow(client, after);
		return;
	}
	client_drain(client); /* that we are degraded, if we are */
	client->hub->calls.snapshot(client->hub->calls.data, client, FALSE);
}

static void status_answer(struct client *client)
{
	g_autoptr(json_object) message = dialect_message("status");
	json_object *data = json_object_new_object();

	json_object_object_add(data, "clients", json_object_new_int64(client->hub->clients->len));
	json_object_object_add(
		data, "uptime", json_object_new_int64((gint64)hub_uptime_s(client->hub)));
	json_object_object_add(message, "data", data);
	dialect_add_id(message, "last_event_id", client->hub->head);
	dialect_send(client, message);
}

static void pong_answer(struct client *client)
{
	g_autoptr(json_object) message = dialect_message("pong");

	dialect_add_id(
		message, "last_event_id", client->is_current ? client->hub->head : client->cursor);
	dialect_send(client, message);
}

static void audit_receive(struct client *client, const char *text, gsize len)
{
	g_autoptr(json_object) message = dialect_parse(client, text, len);

	if (message == NULL)
		return;
	const char *type = json_get_text(message, "type", NULL);
	if (!strcmp(type, "ping")) {
		pong_answer(client);
	} else if (!strcmp(type, "request-update")) {
		client->hub->calls.snapshot(client->hub->calls.data, client, TRUE);
	} else if (!strcmp(type, "get-status")) {
		status_answer(client);
	} else {
		g_autofree char *trouble = g_strdup_printf("Unknown message type: %.64s", type);
		g_autofree char *valid = g_utf8_make_valid(trouble, -1);
		dialect_error(client, valid);
	}
}

static void audit_reset(struct client *client, const char *reason, gint64 head)
{
	dialect_reset_tell(client, reason, head);
	client->stage = CLIENT_STAGE_HELD;
	client->is_current = FALSE;
	client->cursor = head;
	client->hub->calls.snapshot(client->hub->calls.data, client, FALSE);
}

const struct dialect dialect_audit = {
	.name = "audit",
	.open = audit_open,
	.receive = audit_receive,
	.heartbeat = dialect_heartbeat,
	.reset = audit_reset,
	.wants_status = TRUE,
};
