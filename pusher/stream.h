/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_STREAM_H
#define PUSHER_STREAM_H

#include "pusher/hub.h"
#include "pusher/head.h"

/*
 * Clients of plain HTTP: server-sent events and long-poll, on a socket of our own in the loop.
 * libwebsockets' http role is not used for them: in the packaged version it does not notice a
 * client that went away and then spins (five of them: one core at 100 %). Here the end of the
 * connection is read as such and everything is freed at once.
 *
 * What the socket does not take is kept as a reference to the shared frame and an offset.
 */

/* Takes fd over, which answers with a stream (or one long-poll answer) and is closed in the end. */
void stream_open_client(struct hub *hub, int fd, const struct head *head, const struct conf *conf,
	struct session *session, gint64 after);

/* Ends a long-poll: events so far, and where the client stands. */
void stream_poll_answer(struct client *client, gboolean is_reset, gint64 head);

#endif
