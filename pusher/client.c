/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/client.h"

#include <string.h>

#include "lib/log.h"
#include "pusher/hub.h"
#include "pusher/identity.h"

/* Answers that wait for a client that does not read: it asked for each of them. */
#define ANSWERS_MAX 16
/* Messages of a client whose session is not known yet. */
#define HELD_MAX 8

static void count_change(GHashTable *table, const char *name, int by)
{
	if (name == NULL)
		return;
	guint count = GPOINTER_TO_UINT(g_hash_table_lookup(table, name)) + (guint)by;
	if (count == 0)
		g_hash_table_remove(table, name);
	else
		g_hash_table_insert(table, g_strdup(name), GUINT_TO_POINTER(count));
}

/* Takes the last one's place in an array that knows everybody's index. */
static void array_remove(GPtrArray *array, guint at, gsize index_offset)
{
	g_ptr_array_remove_index_fast(array, at);
	if (at < array->len)
		G_STRUCT_MEMBER(guint, array->pdata[at], index_offset) = at;
}

void client_start(struct client *client, gint64 after)
{
	struct hub *hub = client->hub;

	client->number = ++hub->numbers;
	client->connected_at = client->seen_at = client->message_at = ev_now(hub->loop);
	client->message_credit = (double)conf_get_int(hub->conf, "pusher.messages_per_minute");
	client->form = client->transport->kind == CLIENT_KIND_STREAM ? client->form : FORM_TEXT;
	client->stage = CLIENT_STAGE_HELD;
	client->cursor = client->open_after = after;
	client->all_at = hub->clients->len;
	g_ptr_array_add(hub->clients, client);
	client->audience = hub_audience(hub, session_organization(client->session));
	client->audience_at = client->audience->clients->len;
	g_ptr_array_add(client->audience->clients, client);
	session_add_client(client->session, client);
	count_change(hub->per_account, session_account(client->session), 1);
	count_change(hub->per_address, client->address, 1);
	hub->count[client->transport->kind]++;
	client->status_seen = hub->is_degraded ? hub->status_version - 1 : hub->status_version;
	client->replay_link.data = client->snapshot_link.data = client->beat_link.data = client;
	client->beat_at = client->connected_at + hub->heartbeat_s;
	g_queue_push_tail_link(&hub->beats, &client->beat_link);
	if (session_is_confirmed(client->session))
		client->dialect->open(client, after);
}

void client_clear(struct client *client)
{
	struct hub *hub = client->hub;

	hub->calls.forget(hub->calls.data, client);
	count_change(hub->per_account, session_account(client->session), -1);
	count_change(hub->per_address, client->address, -1);
	hub->count[client->transport->kind]--;
	session_remove_client(client->session, client);
	array_remove(client->audience->clients, client->audience_at,
		G_STRUCT_OFFSET(struct client, audience_at));
	array_remove(hub->clients, client->all_at, G_STRUCT_OFFSET(struct client, all_at));
	g_queue_unlink(&hub->beats, &client->beat_link);
	if (client->is_told_gone)
		g_queue_remove(&hub->gone, client);
	g_queue_clear_full(&client->answers, (GDestroyNotify)frame_unref);
	g_queue_clear_full(&client->held, (GDestroyNotify)g_bytes_unref);
	g_free(client->project);
	g_free(client->confirmation);
	g_free(client->address);
}

void client_gone(struct client *client)
{
	client->is_ended = TRUE;
	client->is_current = FALSE;
	if (client->is_told_gone)
		return;
	client->is_told_gone = TRUE;
	g_queue_push_tail(&client->hub->gone, client);
}

void client_end(struct client *client, enum client_close code, const char *reason)
{
	if (client->is_ended)
		return;
	client->is_ended = TRUE;
	client->is_current = FALSE;
	client->transport->close(client, code, reason);
}

static void frame_write(struct client *client, struct frame *frame, enum form form)
{
	client->transport->write(client, frame, form);
	client->hub->delivered++;
}

gboolean client_wants(const struct client *client, const struct frame *frame)
{
	return frame->audience == client->audience && frame->id > client->cursor &&
	       (frame->type_bit & client->types) != 0 &&
	       (client->project == NULL ||
		       (frame->project != NULL && !strcmp(client->project, frame->project))) &&
	       (client->run == 0 || client->run == frame->run);
}

void client_give(struct client *client, struct frame *frame)
{
	gboolean is_replay = frame->id <= client->replay_until;

	client->cursor = frame->id;
	if (client->dialect->take != NULL)
		client->dialect->take(client, frame, is_replay);
	else
		frame_write(client, frame, client->form + (is_replay ? FORM_REPLAY : 0));
}

/* The next of what there is besides events; FALSE when there is nothing. */
static gboolean answer_write(struct client *client)
{
	g_autoptr(frame) answer = g_queue_pop_head(&client->answers);

	if (answer != NULL) {
		frame_write(client, answer, client->form);
		return TRUE;
	}
	if (client->status_seen == client->hub->status_version)
		return FALSE;
	client->status_seen = client->hub->status_version;
	if (client->dialect->wants_status)
		frame_write(client, client->hub->status, client->form);
	return TRUE;
}

/* The next event of the ring; FALSE when it has them all. */
static gboolean event_write(struct client *client)
{
	struct hub *hub = client->hub;

	if (client->at == hub->next)
		return FALSE;
	struct frame *frame = hub->ring[client->at++ % hub->ring_size];
	if (client_wants(client, frame))
		client_give(client, frame);
	return TRUE;
}

void client_drain(struct client *client)
{
	struct hub *hub = client->hub;

	while (!client->is_ended) {
		if (client->transport->is_choked(client)) {
			client->is_current = FALSE;
			client->transport->want_write(client);
			return;
		}
		if (answer_write(client))
			continue;
		if (client->is_waiting) {
			client->is_current = FALSE;
			client->dialect->resume(client);
			break;
		}
		if (client->stage == CLIENT_STAGE_REPLAY)
			hub->calls.replay(hub->calls.data, client);
		if (client->stage != CLIENT_STAGE_LIVE)
			break;
		if (client->at < hub->first) {
			client->is_current = FALSE;
			client_follow(client, client->cursor);
			return;
		}
		if (event_write(client))
			continue;
		client->is_current = TRUE;
		/* Of other organisations' events it knows nothing, but it has passed them. */
		client->cursor = MAX(client->cursor, hub->head);
		if (client->is_starting) {
			client->is_starting = FALSE;
			if (client->dialect->current != NULL)
				client->dialect->current(client);
			continue;
		}
		break;
	}
	if (!client->is_ended && client->transport->flush != NULL)
		client->transport->flush(client);
}

void client_answer_frame(struct client *client, struct frame *frame)
{
	if (client->is_ended)
		return;
	if (client->answers.length >= ANSWERS_MAX) {
		client_end(client, CLIENT_CLOSE_POLICY, "answers are not read");
		return;
	}
	if (client->answers.length == 0 && !client->transport->is_choked(client)) {
		frame_write(client, frame, client->form);
		return;
	}
	g_queue_push_tail(&client->answers, frame_ref(frame));
	client->transport->want_write(client);
}

void client_answer(struct client *client, const char *json)
{
	g_autoptr(frame) frame = frame_new(json, strlen(json));
	client_answer_frame(client, frame);
}

void client_follow(struct client *client, gint64 after)
{
	struct hub *hub = client->hub;

	client->is_current = FALSE;
	client->cursor = after;
	client->is_starting = TRUE;
	if (!hub_holds(hub, after)) {
		client->stage = CLIENT_STAGE_REPLAY;
		hub->calls.replay(hub->calls.data, client);
		return;
	}
	hub->calls.replay_end(hub->calls.data, client);
	client->stage = CLIENT_STAGE_LIVE;
	client->at = hub_place(hub, after);
	client_drain(client);
}

void client_receive(struct client *client, const char *text, gsize len)
{
	double per_minute = (double)conf_get_int(client->hub->conf, "pusher.messages_per_minute");
	double now = ev_now(client->hub->loop);

	if (client->is_ended)
		return;
	client->message_credit += (now - client->message_at) * per_minute / 60;
	client->message_credit = MIN(client->message_credit, per_minute) - 1;
	client->message_at = now;
	if (client->message_credit < 0) {
		client_end(client, CLIENT_CLOSE_POLICY, "too many messages");
		return;
	}
	if (client->dialect->receive == NULL)
		return;
	/* An answer may hold what only a live session may see. */
	if (session_is_confirmed(client->session))
		client->dialect->receive(client, text, len);
	else if (client->held.length < HELD_MAX)
		g_queue_push_tail(&client->held, g_bytes_new(text, len + 1));
	else
		client_end(client, CLIENT_CLOSE_POLICY, "too many messages");
}

void client_confirm(struct client *client)
{
	GBytes *message;

	if (client->is_ended)
		return;
	client->dialect->open(client, client->open_after);
	while ((message = g_queue_pop_head(&client->held)) != NULL) {
		gsize len;
		const char *text = g_bytes_get_data(message, &len);
		if (!client->is_ended)
			client->dialect->receive(client, text, len - 1);
		g_bytes_unref(message);
	}
}
