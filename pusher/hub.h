/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_HUB_H
#define PUSHER_HUB_H

#include <ev.h>
#include <glib.h>

#include "lib/conf.h"
#include "pusher/client.h"

/*
 * The middle of the pusher: one ring of the newest events, and who gets them. log_reader.c puts
 * events in with hub_publish(), clients take them out with client_drain().
 *
 * The ring holds every event after `floor`, oldest first; it is bounded in number and in bytes. A
 * client that is behind the ring is handed to `replay`, which reads the log for it. An audience is
 * an organisation: only its own clients are looked at when it has an event. Audiences are found by
 * the organisation's id and live as long as the hub.
 */

#define EVENT_BIT_OTHER (G_GUINT64_CONSTANT(1) << 63)
#define EVENT_BITS_ALL G_MAXUINT64

struct audience {
	char *organization;
	GPtrArray *clients;
	struct frame *snapshot; /* kept by snapshot.c */
	gint64 snapshot_at;
	gboolean is_snapshot_stale, is_snapshot_asked, is_full_asked;
	GQueue snapshot_waiting, full_waiting; /* of client */
	gboolean is_touched;                   /* by the batch that is being published */
};

struct hub_calls {
	void (*replay)(gpointer data, struct client *client);     /* it is behind the ring */
	void (*replay_end)(gpointer data, struct client *client); /* it is not any more */
	void (*snapshot)(gpointer data, struct client *client, gboolean is_full);
	void (*run_status)(gpointer data, struct client *client); /* asks how its run stands */
	void (*run_log)(gpointer data, struct client *client);    /* and what that printed */
	void (*forget)(gpointer data, struct client *client);     /* it ends */
	gpointer data;
};

struct hub {
	struct ev_loop *loop;
	const struct conf *conf;
	struct hub_calls calls;
	struct frame **ring;
	guint ring_size;
	guint64 first, next; /* places; first <= next, next - first <= ring_size */
	gsize ring_bytes, ring_bytes_max;
	gint64 floor, head; /* event ids */
	GHashTable *audiences;
	GPtrArray *clients;
	GHashTable *per_account, *per_address; /* name -> GUINT_TO_POINTER(clients) */
	GQueue beats;                          /* of client, the next to beat first */
	GQueue gone;                           /* of client, to be freed */
	double heartbeat_s, started_at;
	guint64 numbers;
	guint count[CLIENT_KIND_POLL + 1];
	guint64 delivered, refused;
	gboolean is_ready;     /* the ring is filled */
	gboolean has_sessions; /* identity.c has loaded its mirror */
	guint lanes_up;        /* of enum hub_lane */
	gboolean is_degraded, is_stopping;
	guint status_version;
	struct frame *status;
	ev_prepare prepare;
	ev_timer tick;
};

enum hub_lane {
	HUB_LANE_LOG = 1,
	HUB_LANE_WORK = 2,
	HUB_LANE_INGEST = 4,
	HUB_LANES_ALL = 7
};

struct hub *hub_new(struct ev_loop *loop, const struct conf *conf);
/* Frees all clients at once, before the identity they refer to. */
void hub_clear(struct hub *hub);
void hub_free(struct hub *hub);

struct audience *hub_audience(struct hub *hub, const char *organization);

/* The bit of a type; EVENT_BIT_OTHER when it is in no table. */
guint64 hub_type_bit(const char *type);

/*
 * Adds frames (taken over) in the order of their ids and gives them to who is current. Ids up to
 * head are known from now on, also where no frame has them.
 */
void hub_publish(struct hub *hub, GPtrArray *frames, gint64 head);

/* The log is another one, or has lost what was between: everybody starts again after head. */
void hub_restart(struct hub *hub, gint64 head);

/* The place of the first event after id; id must not be before the floor. */
guint64 hub_place(const struct hub *hub, gint64 id);
gboolean hub_holds(const struct hub *hub, gint64 id);

/*
 * Whether one more connection may come: MUSTER_ERROR_LIMIT with a sentence for people. address
 * may be NULL.
 */
gboolean hub_admit(struct hub *hub, const char *account, const char *address, GError **error);

/*
 * A connection to the database came or went. While one of them is away the pusher is degraded, and
 * the clients whose dialect wants to know are told; they are told again when it is over.
 */
void hub_set_lane(struct hub *hub, enum hub_lane lane, gboolean is_up);

/* Everybody gets 1001 and is gone within a second; hub->clients becomes empty. */
void hub_stop(struct hub *hub);

double hub_uptime_s(const struct hub *hub);
/* RFC 3339 now; freed by the caller. */
char *hub_time(void);

#endif
