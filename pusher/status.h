/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_STATUS_H
#define PUSHER_STATUS_H

#include "lib/json.h"
#include "pusher/hub.h"
#include "pusher/identity.h"

/*
 * The short answers about the pusher itself (requirements 2.1, 2.3, 2.7). Numbers are the caller's
 * organisation's, but for status_health(), which anybody may ask and which only counts. The caller
 * of each owns the object.
 */
typedef json_object *status_function(struct hub *hub, struct session *session);

status_function status_health;    /* GET /api/ws/status */
status_function status_websocket; /* GET /api/v1/dashboard/ws/stats */
status_function status_stream;    /* GET /api/v1/sse/stats */
status_function status_clients;   /* GET /api/ws/clients */

/* Whether the session's role reaches the one named. */
gboolean status_may(const struct session *session, const char *role);

#endif
