/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_REPLAY_H
#define PUSHER_REPLAY_H

#include "pusher/hub.h"
#include "pusher/lane.h"

/*
 * Clients whose cursor is behind the ring are given what they missed from the log: a page of
 * events is read after the lowest cursor of all that wait and given to each of them that it fits,
 * so that a thousand clients that come back cost a few reads. When a client has come to where the
 * ring starts it goes on from there. Nothing is ever left out silently: a cursor below the floor or
 * above the head of the log, or further behind than pusher.replay_max events, gets a reset.
 */
struct replay;

struct replay *replay_new(struct hub *hub, struct lane *lane);
void replay_free(struct replay *replay);

void replay_add(struct replay *replay, struct client *client);
void replay_remove(struct replay *replay, struct client *client);
/* The lane is there again, or a socket takes more. */
void replay_run(struct replay *replay);

#endif
