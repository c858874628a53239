/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/hub.h"

#include <string.h>

#include "lib/error.h"
#include "lib/event.h"
#include "lib/report.h"

/* What the ring may take, whatever the number of events. */
#define RING_BYTES_MAX (4 * 1024 * 1024)
#define TICK_S 1.0

static void audience_free(gpointer data)
{
	struct audience *audience = data;

	g_ptr_array_free(audience->clients, TRUE);
	frame_unref(audience->snapshot);
	g_free(audience->organization);
	g_free(audience);
}

struct audience *hub_audience(struct hub *hub, const char *organization)
{
	struct audience *audience = g_hash_table_lookup(hub->audiences, organization);

	if (audience == NULL) {
		audience = g_new0(struct audience, 1);
		audience->organization = g_strdup(organization);
		audience->clients = g_ptr_array_new();
		audience->snapshot_at = -1;
		g_hash_table_insert(hub->audiences, audience->organization, audience);
	}
	return audience;
}

guint64 hub_type_bit(const char *type)
{
	const struct event_kind *kind = event_kind_find(type);
	return kind != NULL ? G_GUINT64_CONSTANT(1) << (kind - event_kinds) : EVENT_BIT_OTHER;
}

gboolean hub_holds(const struct hub *hub, gint64 id)
{
	return id >= hub->floor && id <= hub->head;
}

guint64 hub_place(const struct hub *hub, gint64 id)
{
	guint64 low = hub->first, high = hub->next;

	while (low < high) {
		guint64 middle = low + (high - low) / 2;
		if (hub->ring[middle % hub->ring_size]->id > id)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void ring_drop(struct hub *hub)
{
	struct frame **place = &hub->ring[hub->first++ % hub->ring_size];

	hub->floor = (*place)->id;
	hub->ring_bytes -= frame_cost(*place);
	g_clear_pointer(place, frame_unref);
}

static void ring_add(struct hub *hub, struct frame *frame)
{
	if (hub->next - hub->first == hub->ring_size)
		ring_drop(hub);
	hub->ring_bytes += frame_cost(frame);
	while (hub->ring_bytes > hub->ring_bytes_max && hub->next > hub->first)
		ring_drop(hub);
	hub->ring[hub->next++ % hub->ring_size] = frame;
}

static void batch_give(struct hub *hub, GPtrArray *touched, guint64 before)
{
	for (guint i = 0; i < touched->len; i++) {
		struct audience *audience = touched->pdata[i];
		audience->is_touched = FALSE;
		for (guint k = 0; k < audience->clients->len; k++) {
			struct client *client = audience->clients->pdata[k];
			/* Between two of its own events it was current, whatever others came. */
			if (client->is_current) {
				client->at = before;
				client_drain(client);
			}
		}
	}
}

void hub_publish(struct hub *hub, GPtrArray *frames, gint64 head)
{
	g_autoptr(GPtrArray) touched = g_ptr_array_new();
	guint i = 0;

	/* Never more at once than the ring holds, or nobody would see the first of them there. */
	while (i < frames->len) {
		guint64 before = hub->next;
		gsize bytes = 0;
		while (i < frames->len && hub->next - before < hub->ring_size &&
			bytes + frame_cost(frames->pdata[i]) <= hub->ring_bytes_max) {
			struct frame *frame = frames->pdata[i++];
			struct audience *audience = (struct audience *)frame->audience;
			if (!audience->is_touched)
				g_ptr_array_add(touched, audience);
			audience->is_touched = TRUE;
			bytes += frame_cost(frame);
			hub->head = frame->id;
			ring_add(hub, frame);
		}
		/* One that is longer than the ring may be is alone in it. */
		if (hub->next == before && i < frames->len) {
			struct frame *frame = frames->pdata[i++];
			hub->head = frame->id;
			g_ptr_array_add(touched, (struct audience *)frame->audience);
			ring_add(hub, frame);
		}
		batch_give(hub, touched, before);
		g_ptr_array_set_size(touched, 0);
	}
	g_ptr_array_set_size(frames, 0);
	hub->head = MAX(hub->head, head);
}

void hub_restart(struct hub *hub, gint64 head)
{
	while (hub->next > hub->first)
		ring_drop(hub);
	hub->floor = hub->head = head;
	for (guint i = 0; i < hub->clients->len; i++) {
		struct client *client = hub->clients->pdata[i];
		if (client->stage == CLIENT_STAGE_LIVE && !client->is_ended)
			client->dialect->reset(client, "the log was reset", head);
	}
}

static guint limit_count(GHashTable *table, const char *name)
{
	return name != NULL ? GPOINTER_TO_UINT(g_hash_table_lookup(table, name)) : 0;
}

gboolean hub_admit(struct hub *hub, const char *account, const char *address, GError **error)
{
	const char *what = NULL;

	if (hub->clients->len >= (guint)conf_get_int(hub->conf, "pusher.clients_max"))
		what = "There are too many live connections just now.";
	else if (limit_count(hub->per_account, account) >=
		 (guint)conf_get_int(hub->conf, "pusher.clients_per_account"))
		what = "This account has too many live connections.";
	else if (limit_count(hub->per_address, address) >=
		 (guint)conf_get_int(hub->conf, "pusher.clients_per_address"))
		what = "Too many live connections come from this address.";
	if (what != NULL) {
		hub->refused++;
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, what);
	}
	return what == NULL;
}

double hub_uptime_s(const struct hub *hub)
{
	return ev_time() - hub->started_at;
}

char *hub_time(void)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	return report_time_format(now);
}

static void status_make(struct hub *hub)
{
	g_autofree char *time = hub_time();
	g_autofree char *json = g_strdup_printf(
		"{\"type\":\"connection-status\",\"data\":{\"status\":\"%s\",\"clients\":%u,"
		"\"uptime\":%.0f},\"timestamp\":\"%s\"}",
		hub->is_degraded ? "degraded" : "connected", hub->clients->len, hub_uptime_s(hub),
		time);

	frame_unref(hub->status);
	hub->status = frame_new(json, strlen(json));
	hub->status->type = "connection-status";
	hub->status_version++;
}

void hub_set_lane(struct hub *hub, enum hub_lane lane, gboolean is_up)
{
	hub->lanes_up = is_up ? hub->lanes_up | lane : hub->lanes_up & ~(guint)lane;
	gboolean is_degraded = hub->lanes_up != HUB_LANES_ALL;
	if (hub->is_degraded == is_degraded)
		return;
	hub->is_degraded = is_degraded;
	status_make(hub);
	for (guint i = 0; i < hub->clients->len; i++)
		client_drain(hub->clients->pdata[i]);
}

/* Freed before the loop waits, so that nobody who iterates meets a freed client. */
static void gone_free(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct hub *hub = prepare->data;
	struct client *client;

	while ((client = g_queue_pop_head(&hub->gone)) != NULL)
		client->transport->free(client);
}

/* Heartbeats: all have the same pace, so the queue stays in the order of time by itself. */
static void tick_ready(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct hub *hub = timer->data;
	double now = ev_now(loop);

	for (GList *link; (link = hub->beats.head) != NULL;) {
		struct client *client = link->data;
		if (client->beat_at > now)
			break;
		g_queue_unlink(&hub->beats, link);
		client->beat_at = now + hub->heartbeat_s;
		g_queue_push_tail_link(&hub->beats, link);
		if (client->is_ended || !client->transport->beat(client))
			client_gone(client);
		else if (client->is_current && client->dialect->heartbeat != NULL &&
			 !client->transport->is_choked(client))
			client->dialect->heartbeat(client);
	}
}

void hub_stop(struct hub *hub)
{
	hub->is_stopping = TRUE;
	for (guint i = 0; i < hub->clients->len; i++)
		client_end(hub->clients->pdata[i], CLIENT_CLOSE_RESTART, "restart");
}

struct hub *hub_new(struct ev_loop *loop, const struct conf *conf)
{
	struct hub *hub = g_new0(struct hub, 1);

	hub->loop = loop;
	hub->conf = conf;
	hub->ring_size = (guint)conf_get_int(conf, "pusher.ring_events");
	hub->ring = g_new0(struct frame *, hub->ring_size);
	hub->ring_bytes_max = RING_BYTES_MAX;
	hub->heartbeat_s = (double)conf_get_int(conf, "pusher.heartbeat_s");
	hub->audiences = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, audience_free);
	hub->clients = g_ptr_array_new();
	hub->per_account = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	hub->per_address = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	hub->started_at = ev_time();
	hub->is_degraded = TRUE;
	status_make(hub);
	ev_prepare_init(&hub->prepare, gone_free);
	ev_timer_init(&hub->tick, tick_ready, TICK_S, TICK_S);
	hub->prepare.data = hub->tick.data = hub;
	ev_prepare_start(loop, &hub->prepare);
	ev_timer_start(loop, &hub->tick);
	return hub;
}

void hub_clear(struct hub *hub)
{
	while (hub->clients->len > 0) {
		struct client *client = hub->clients->pdata[hub->clients->len - 1];
		client->transport->free(client);
	}
}

void hub_free(struct hub *hub)
{
	if (hub == NULL)
		return;
	ev_prepare_stop(hub->loop, &hub->prepare);
	ev_timer_stop(hub->loop, &hub->tick);
	while (hub->next > hub->first)
		ring_drop(hub);
	g_free(hub->ring);
	g_hash_table_destroy(hub->audiences);
	g_hash_table_destroy(hub->per_account);
	g_hash_table_destroy(hub->per_address);
	g_ptr_array_free(hub->clients, TRUE);
	frame_unref(hub->status);
	g_free(hub);
}
