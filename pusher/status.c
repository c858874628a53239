/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/status.h"

#include <string.h>

#include "lib/event.h"
#include "lib/report.h"
#include "pusher/dialect.h"

#define CLIENTS_LISTED_MAX 500

static void count_add(json_object *object, const char *name, gint64 count)
{
	json_object_object_add(object, name, json_object_new_int64(count));
}

static void time_add(json_object *object, const char *name, double at)
{
	g_autoptr(GDateTime) seconds = g_date_time_new_from_unix_utc((gint64)at);
	g_autofree char *text = report_time_format(seconds);
	dialect_add_text(object, name, text);
}

gboolean status_may(const struct session *session, const char *role)
{
	static const char *const roles[] = {
		"viewer", "developer", "team_lead", "org_admin", "platform_admin"};
	gboolean is_reached = FALSE;

	for (gsize i = 0; i < G_N_ELEMENTS(roles); i++) {
		is_reached |= !strcmp(roles[i], role);
		if (!strcmp(roles[i], session_role(session)))
			return is_reached;
	}
	return FALSE;
}

json_object *status_health(struct hub *hub, struct session *session)
{
	json_object *answer = json_object_new_object();
	g_autofree char *now = hub_time();

	gboolean is_starting = !hub->is_ready || !hub->has_sessions;

	dialect_add_text(answer, "status",
		hub->is_degraded ? "degraded"
		: is_starting    ? "starting"
				 : "healthy");
	count_add(answer, "clients", hub->clients->len);
	count_add(answer, "maxConnections", conf_get_int(hub->conf, "pusher.clients_max"));
	json_object_object_add(answer, "uptime", json_object_new_double(hub_uptime_s(hub)));
	dialect_add_text(answer, "timestamp", now);
	return answer;
}

struct tally {
	guint websocket, stream;
	json_object *subscriptions;
};

static struct tally tally_take(struct hub *hub, const struct session *session)
{
	struct audience *audience = hub_audience(hub, session_organization(session));
	struct tally tally = {.subscriptions = json_object_new_object()};

	for (guint i = 0; i < audience->clients->len; i++) {
		const struct client *client = audience->clients->pdata[i];
		tally.websocket += client->transport->kind == CLIENT_KIND_WEBSOCKET;
		tally.stream += client->transport->kind != CLIENT_KIND_WEBSOCKET;
	}
	for (gsize k = 0; k < event_kinds_len; k++) {
		gint64 count = 0;
		if (event_kinds[k].is_hidden)
			continue;
		for (guint i = 0; i < audience->clients->len; i++) {
			const struct client *client = audience->clients->pdata[i];
			count += (client->types & hub_type_bit(event_kinds[k].type)) != 0;
		}
		count_add(tally.subscriptions, event_kinds[k].type, count);
	}
	return tally;
}

json_object *status_websocket(struct hub *hub, struct session *session)
{
	json_object *answer = json_object_new_object();
	struct tally tally = tally_take(hub, session);

	count_add(answer, "websocket_connections", tally.websocket);
	count_add(answer, "total_connections", tally.websocket + tally.stream);
	json_object_object_add(answer, "subscription_counts", tally.subscriptions);
	/* There is no queue: clients are cursors into the log. */
	count_add(answer, "message_queue_size", 0);
	return answer;
}

static json_object *client_describe(const struct client *client, gboolean is_full)
{
	json_object *answer = json_object_new_object();
	g_autofree char *id = dialect_connection_id(client);

	dialect_add_text(answer, is_full ? "id" : "connection_id", id);
	time_add(answer, "connected_at", client->connected_at);
	json_object_object_add(answer, "subscriptions", dialect_filter_names(client));
	if (!is_full) {
		time_add(answer, "last_activity", client->seen_at);
		dialect_add_text(answer, "project_filter", client->project);
		return answer;
	}
	dialect_add_text(answer, "transport", client->transport->name);
	dialect_add_text(answer, "user", session_account(client->session));
	dialect_add_text(answer, "project_id", client->project);
	dialect_add_text(answer, "ip", client->address);
	return answer;
}

json_object *status_stream(struct hub *hub, struct session *session)
{
	json_object *answer = json_object_new_object();
	struct tally tally = tally_take(hub, session);
	struct audience *audience = hub_audience(hub, session_organization(session));
	json_object *connections = json_object_new_array();
	g_autofree char *now = hub_time();

	count_add(answer, "sse_connections", tally.stream);
	count_add(answer, "total_connections", tally.websocket + tally.stream);
	json_object_object_add(answer, "subscription_counts", tally.subscriptions);
	count_add(answer, "message_queue_size", 0);
	json_object_object_add(answer, "uptime_seconds", json_object_new_double(hub_uptime_s(hub)));
	dialect_add_text(answer, "timestamp", now);
	for (guint i = 0; i < audience->clients->len; i++) {
		const struct client *client = audience->clients->pdata[i];
		if (client->transport->kind != CLIENT_KIND_WEBSOCKET &&
			json_object_array_length(connections) < CLIENTS_LISTED_MAX)
			json_object_array_add(connections, client_describe(client, FALSE));
	}
	json_object_object_add(answer, "connections", connections);
	return answer;
}

json_object *status_clients(struct hub *hub, struct session *session)
{
	json_object *answer = json_object_new_object();
	json_object *connections = json_object_new_array();
	gboolean is_all = status_may(session, "platform_admin");
	GPtrArray *clients =
		is_all ? hub->clients : hub_audience(hub, session_organization(session))->clients;

	count_add(answer, "clients", clients->len);
	count_add(answer, "maxConnections", conf_get_int(hub->conf, "pusher.clients_max"));
	for (guint i = 0; i < MIN(clients->len, CLIENTS_LISTED_MAX); i++)
		json_object_array_add(connections, client_describe(clients->pdata[i], TRUE));
	json_object_object_add(answer, "connections", connections);
	return answer;
}
