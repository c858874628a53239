/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_LOG_READER_H
#define PUSHER_LOG_READER_H

#include "lib/conf.h"
#include "pusher/hub.h"
#include "pusher/identity.h"
#include "pusher/lane.h"

/*
 * Moves the event log into the hub. It is woken by a notification (muster_wake), by a datagram of
 * a program of this host (wake.sock), by what the pusher itself did, and by a poll; none of these
 * says anything but "look". Looking is: number what writers left (sequence_events()) and read the
 * log after the cursor (event_read()), at the same time on two lanes, again as long as there is
 * more. The cursor moves only when rows were read, so nothing is lost with a connection.
 *
 * At its start it reads the newest events into the ring, for clients that come back with a cursor.
 * When the log is not the one it was (restored, or gone past us) all clients start again.
 */

struct log_reader;

/* log: for reading and, with event.bus = notify, listening; work: for sequencing. */
struct log_reader *log_reader_new(
	struct hub *hub, struct identity *identity, struct lane *work, const struct conf *conf);
void log_reader_free(struct log_reader *reader);

/* The lane must be made with these calls and this reader. */
extern const struct lane_calls log_reader_calls;
void log_reader_start(struct log_reader *reader, struct lane *log);

void log_reader_wake(struct log_reader *reader);

#endif
