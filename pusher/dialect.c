/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/dialect.h"

#include <string.h>

#include "lib/event.h"
#include "pusher/hub.h"

/* A client's message has no use for more. */
static const struct json_limits limits = {.size_bytes = 65536, .depth = 4, .keys = 32};

#define NAMES_MAX 64

void dialect_add_text(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, text != NULL ? json_object_new_string(text) : NULL);
}

void dialect_add_id(json_object *object, const char *name, gint64 id)
{
	char text[24];
	g_snprintf(text, sizeof(text), "%" G_GINT64_FORMAT, id);
	dialect_add_text(object, name, text);
}

json_object *dialect_message(const char *type)
{
	json_object *message = json_object_new_object();
	g_autofree char *time = hub_time();

	dialect_add_text(message, "type", type);
	dialect_add_text(message, "timestamp", time);
	return message;
}

void dialect_send(struct client *client, json_object *message)
{
	client_answer(client, json_object_to_json_string_ext(message,
				      JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

char *dialect_connection_id(const struct client *client)
{
	return g_strdup_printf("conn_%" G_GUINT64_FORMAT, client->number);
}

void dialect_heartbeat(struct client *client)
{
	g_autoptr(json_object) message = dialect_message("heartbeat");
	g_autofree char *id = dialect_connection_id(client);

	dialect_add_text(message, "connection_id", id);
	dialect_add_id(message, "last_event_id", client->cursor);
	dialect_send(client, message);
}

void dialect_reset_tell(struct client *client, const char *reason, gint64 head)
{
	g_autoptr(json_object) message = dialect_message("reset");

	dialect_add_text(message, "reason", reason);
	dialect_add_id(message, "event_id", head);
	dialect_add_id(message, "last_event_id", head);
	json_object_object_add(message, "gap", json_object_new_boolean(TRUE));
	dialect_send(client, message);
}

void dialect_reset(struct client *client, const char *reason, gint64 head)
{
	dialect_reset_tell(client, reason, head);
	client_follow(client, head);
}

void dialect_error(struct client *client, const char *text)
{
	g_autoptr(json_object) message = dialect_message("error");

	dialect_add_text(message, "message", text);
	dialect_send(client, message);
}

json_object *dialect_parse(struct client *client, const char *text, gsize len)
{
	g_autoptr(json_object) message = json_parse(text, len, &limits, NULL);

	if (message == NULL || !json_object_is_type(message, json_type_object) ||
		json_get_text(message, "type", NULL) == NULL) {
		dialect_error(client, "Invalid message format");
		return NULL;
	}
	return g_steal_pointer(&message);
}

/* Names that src 003 splits one of ours into (requirements C-6). */
static const char *alias_of(const char *name)
{
	static const char *const split[] = {
		"auto_commit_start", "auto_commit_result", "auto_commit_error"};

	for (gsize i = 0; i < G_N_ELEMENTS(split); i++)
		if (!strcmp(name, split[i]))
			return "auto_commit";
	return name;
}

static guint64 name_bit(const char *name)
{
	const struct event_kind *kind = event_kind_find(alias_of(name));
	return kind != NULL && !kind->is_hidden ? hub_type_bit(kind->type) : 0;
}

void dialect_filter_text(struct client *client, const char *names)
{
	client->types = EVENT_BITS_ALL;
	if (names == NULL)
		return;
	client->types = 0;
	g_auto(GStrv) list = g_strsplit(names, ",", NAMES_MAX);
	for (guint i = 0; list[i] != NULL; i++)
		client->types |= name_bit(g_strstrip(list[i]));
}

gboolean dialect_filter_array(
	struct client *client, json_object *names, json_object *accepted, json_object *rejected)
{
	guint64 types = 0;

	if (names == NULL) {
		client->types = EVENT_BITS_ALL;
		return TRUE;
	}
	if (!json_object_is_type(names, json_type_array) ||
		json_object_array_length(names) > NAMES_MAX)
		return FALSE;
	for (gsize i = 0; i < json_object_array_length(names); i++) {
		json_object *name = json_object_array_get_idx(names, i);
		if (!json_object_is_type(name, json_type_string))
			return FALSE;
		guint64 bit = name_bit(json_object_get_string(name));
		types |= bit;
		json_object_array_add(bit != 0 ? accepted : rejected, json_object_get(name));
	}
	client->types = types;
	return TRUE;
}

static json_object *names_of(guint64 types)
{
	json_object *names = json_object_new_array();

	for (gsize i = 0; i < event_kinds_len; i++)
		if (!event_kinds[i].is_hidden && (hub_type_bit(event_kinds[i].type) & types))
			json_object_array_add(names, json_object_new_string(event_kinds[i].type));
	return names;
}

json_object *dialect_types(void)
{
	return names_of(EVENT_BITS_ALL);
}

json_object *dialect_filter_names(const struct client *client)
{
	return names_of(client->types);
}
