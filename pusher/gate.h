/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_GATE_H
#define PUSHER_GATE_H

#include "lib/conf.h"
#include "pusher/hub.h"
#include "pusher/identity.h"
#include "pusher/ws.h"

/*
 * The way in: the two listening sockets, pusher.sock and stream.sock (both take every path; a front
 * may send all to one). A connection brings one request head. It is read here, with a limit and a
 * deadline, and sent where it belongs:
 *
 *	/ws, /api/v1/dashboard/ws				a WebSocket (ws.h)
 *	/api/v1/sse/events, /api/v1/events/stream, …/wait	stream.h
 *	/api/ws/status, …/ws/stats, /api/v1/sse/stats, /api/ws/clients	answered at once (status.h)
 *
 * Everything that is wrong is refused here with an HTTP status and a sentence, before
 * libwebsockets sees a byte: the packaged version uses freed memory on an unknown Upgrade header
 * and would take h2c. Order: head, path, Origin, upgrade, identity, caps.
 *
 * Whoever asks for live updates with a cookie or an API token that nobody has is a stranger for a
 * second and looked for again, for somebody may have signed in a moment ago. Then it is a refusal.
 */
struct gate;

struct gate *gate_new(struct hub *hub, struct identity *identity, struct ws *ws,
	const struct conf *conf, GError **error);
/* Closes the listening sockets and what has not been read yet. */
void gate_free(struct gate *gate);

/*
 * One answer to fd, which the caller closes. Problems are application/problem+json (RFC 7807).
 * more: further headers, each with its line's end.
 */
void gate_answer(int fd, guint status, const char *detail);
void gate_answer_json(int fd, guint status, const char *more, const char *json);

#endif
