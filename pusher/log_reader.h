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
 * log after the cursor (event_feed()), at the same time on two lanes, again as long as there is
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

/*
 * Who writes events on another lane may read them in the same transaction: it asks for what is
 * after the cursor and hands over what it got, so the events go out as soon as they are committed.
 * Events that came here meanwhile are skipped, and an answer that has no place behind the cursor is
 * only a reason to look.
 */
gint64 log_reader_cursor(const struct log_reader *reader);
void log_reader_take(
	struct log_reader *reader, gint64 asked, guint limit, const struct db_result *result);

#endif
