/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/dialect.h"

#include <string.h>

#include "pusher/hub.h"
#include "pusher/stream.h"

static void stream_open(struct client *client, gint64 after)
{
	g_autoptr(json_object) message = dialect_message("connection_established");
	g_autofree char *id = dialect_connection_id(client);
	gint64 position = after >= 0 ? after : client->hub->head;

	dialect_add_text(message, "connection_id", id);
	json_object_object_add(message, "subscribed_event_types", dialect_filter_names(client));
	dialect_add_text(message, "project_id", client->project);
	dialect_add_id(message, "last_event_id", position);
	json_object_object_add(
		message, "heartbeat_interval", json_object_new_int((int)client->hub->heartbeat_s));
	dialect_send(client, message);
	if (after >= 0)
		client->replay_until = client->hub->head;
	client_follow(client, position);
}

/* With an "id:" of its own, so that a client that is cut off comes back with the newest cursor. */
static void stream_heartbeat(struct client *client)
{
	g_autoptr(json_object) message = dialect_message("heartbeat");

	dialect_add_id(message, "last_event_id", client->cursor);
	const char *json = json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN);
	g_autoptr(frame) frame = frame_new(json, strlen(json));
	frame->id = client->cursor;
	frame->type = "heartbeat";
	client_answer_frame(client, frame);
}

static void stream_reset(struct client *client, const char *reason, gint64 head)
{
	dialect_reset(client, reason, head);
}

const struct dialect dialect_stream = {
	.name = "stream",
	.open = stream_open,
	.heartbeat = stream_heartbeat,
	.reset = stream_reset,
	.wants_status = TRUE,
};

/* Long-poll: events that are there are the answer; else it waits for the first. */
static void poll_open(struct client *client, gint64 after)
{
	client_follow(client, after >= 0 ? after : client->hub->head);
}

static void poll_reset(struct client *client, const char *reason, gint64 head)
{
	stream_poll_answer(client, TRUE, head);
}

const struct dialect dialect_poll = {
	.name = "poll",
	.open = poll_open,
	.reset = poll_reset,
};
