/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/dialect.h"

#include <string.h>

#include "pusher/hub.h"

/* An event of a run: small, as events are. */
static const struct json_limits limits = {.size_bytes = 65536, .depth = 8, .keys = 256};

static void run_open(struct client *client, gint64 after)
{
	client->types = hub_type_bit("status_change") | hub_type_bit("progress_update") |
			hub_type_bit("run_log") | hub_type_bit("scan_complete");
	client->open_after = after;
	client_drain(client);
	client->hub->calls.run_status(client->hub->calls.data, client);
}

/* The members of data beside the type, as requirements 2.4 and 2.5 have them. */
static json_object *flat_new(json_object *event)
{
	json_object *flat = json_object_new_object();
	json_object *data = NULL;

	json_object_object_foreach(event, name, value)
	{
		if (strcmp(name, "data") != 0 && strcmp(name, "channel") != 0)
			json_object_object_add(flat, name, json_object_get(value));
	}
	json_object_object_get_ex(event, "data", &data);
	if (json_object_is_type(data, json_type_object)) {
		json_object_object_foreach(data, name, value)
		{
			json_object_object_add(flat, name, json_object_get(value));
		}
	}
	return flat;
}

static void run_status(struct client *client, gint64 position, const char *json)
{
	if (json == NULL) {
		dialect_error(client, "There is no such run.");
		client_end(client, CLIENT_CLOSE_POLICY, "no such run");
		return;
	}
	/* Who says what it knows is given what followed; anybody else how it stands. */
	gint64 after = client->open_after;
	if (after < 0)
		client_answer(client, json);
	else
		client->replay_until = MAX(client->hub->head, after);
	client->open_after = -1;
	if (client->is_ended)
		return;
	client_follow(client, after >= 0 ? after : position);
	/* Behind the ring or not: what it printed comes first. */
	client_drain(client);
}

static void run_take(struct client *client, struct frame *frame, gboolean is_replay)
{
	gsize len;
	const char *text = frame_get(frame, FORM_TEXT, &len);
	g_autoptr(json_object) event = json_parse(text, len, &limits, NULL);
	json_object *data = NULL, *number = NULL;

	if (!json_object_is_type(event, json_type_object))
		return;
	json_object_object_get_ex(event, "data", &data);
	if (frame->type_bit == hub_type_bit("run_log")) {
		/* The lines come first: what follows may be the end of the run. */
		number = json_get(data, "number", json_type_int, NULL);
		client->log_until = MAX(client->log_until, json_object_get_int64(number));
		client->is_waiting = client->log_at < client->log_until;
		return;
	}
	g_autoptr(json_object) flat = flat_new(event);
	if (is_replay)
		json_object_object_add(flat, "is_replay", json_object_new_boolean(TRUE));
	const char *json = json_object_to_json_string_ext(
		flat, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	g_autoptr(frame) own = frame_new(json, strlen(json));
	client->transport->write(client, own, client->form);
	client->hub->delivered++;
}

static void run_resume(struct client *client)
{
	client->hub->calls.run_log(client->hub->calls.data, client);
}

/* Whatever it says (requirements 2.4). */
static void run_receive(struct client *client, const char *text, gsize len)
{
	g_autofree char *json =
		g_strdup_printf("{\"type\":\"pong\",\"run_id\":%" G_GINT64_FORMAT "}", client->run);
	client_answer(client, json);
}

/* How the run stands, and the lines behind those it has. */
static void run_reset(struct client *client, const char *reason, gint64 head)
{
	client->stage = CLIENT_STAGE_HELD;
	client->is_current = FALSE;
	client->cursor = head;
	client->hub->calls.run_status(client->hub->calls.data, client);
}

const struct dialect dialect_run = {
	.name = "run",
	.open = run_open,
	.receive = run_receive,
	.reset = run_reset,
	.run_status = run_status,
	.take = run_take,
	.resume = run_resume,
};
