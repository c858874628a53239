/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_RUN_H
#define PUSHER_RUN_H

#include "pusher/hub.h"
#include "pusher/lane.h"

/*
 * What a client that watches one run needs beside events: how the run stands, with the position of
 * the log of events from which it goes on, and the lines that it printed. Both are read from the
 * database, once for all clients that ask the same at a time; nothing is kept.
 *
 *	run_ask_status(runs, client)	client->dialect->run_status(client, position, json), NULL: no
 *					such run in the client's organisation
 *	run_ask_log(runs, client)	what comes behind client->log_at, at most RUN_LOG_ROWS pieces,
 *					as answers; log_at moves, and reaches log_until when there is
 *					no more
 */
#define RUN_LOG_ROWS 8

struct runs;

struct runs *runs_new(struct hub *hub, struct lane *lane);
void runs_free(struct runs *runs);

/* Asks again what could not be answered: when the lane is up again, and now and then. */
void runs_run(struct runs *runs);

void run_ask_status(struct runs *runs, struct client *client);
void run_ask_log(struct runs *runs, struct client *client);
/* It ends, and waits for nothing. */
void run_forget(struct client *client);

#endif
