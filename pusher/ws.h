/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_WS_H
#define PUSHER_WS_H

#include "pusher/hub.h"
#include "pusher/head.h"

/*
 * WebSocket clients: libwebsockets on our loop does the framing (RFC 6455), and only that. It gets
 * a socket when the gate has checked everything, with a handshake that we wrote, so nothing of a
 * request from outside reaches its HTTP parser. No extensions: permessage-deflate would cost 250
 * KiB a client.
 *
 * A frame is written at once when nothing is on its way and the socket takes it; only else a
 * WRITEABLE is asked for. What libwebsockets keeps of a frame that did not fit is at most that one
 * frame; longer ones than WS_PIECE_BYTES go in pieces. Pings are our own, from the hub's heartbeat:
 * libwebsockets keeps its timers in one sorted list, which 10 000 clients make slow.
 */
#define WS_PIECE_BYTES (64 * 1024)

struct ws;

struct ws *ws_new(struct hub *hub, GError **error);
void ws_free(struct ws *ws);

/* Takes fd over. run: the one that it watches, 0 for none. */
void ws_open_client(struct ws *ws, int fd, const struct head *head, const struct dialect *dialect,
	struct session *session, gint64 after, gint64 run);

#endif
