/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_LANE_H
#define PUSHER_LANE_H

#include <ev.h>
#include <glib.h>

#include "lib/db.h"

/*
 * One database connection on the event loop: statements wait in line and are sent one after the
 * other, each with a function that is called when its result is there. The lane connects by
 * itself, without ever making the loop wait, and comes back after a loss: at once, then after
 * growing pauses of up to two seconds.
 *
 *	struct lane *lane = lane_new(loop, db, "log", &(struct lane_calls){ .state = log_state },
 *log); lane_send(lane, "select * from muster.event_bounds()", NULL, bounds_done, log);
 *
 * A statement that was on its way when the connection broke fails with MUSTER_ERROR_BUSY: nobody
 * knows what became of it, the sender decides. Those that still wait in line are sent later. A
 * server that says nothing for the statement's time limit and some more counts as lost: a
 * connection can be half open for hours.
 */

struct lane;

/* result and error are the lane's; exactly one is not NULL. */
typedef void (*lane_done)(gpointer data, const struct db_result *result, const GError *error);

struct lane_calls {
	/* The connection is there (statements may be sent) or was lost. */
	void (*state)(gpointer data, gboolean is_up);
	/* A notification came. */
	void (*notify)(gpointer data);
};

/* Takes db over. timeout_ms: how long a statement may take at the server. */
struct lane *lane_new(struct ev_loop *loop, struct db *db, const char *name, gint64 timeout_ms,
	const struct lane_calls *calls, gpointer data);
void lane_free(struct lane *lane);

gboolean lane_is_up(const struct lane *lane);

/* sql is a constant; params (a NULL-terminated array, or NULL) is taken over. done may be NULL. */
void lane_send(struct lane *lane, const char *sql, char **params, lane_done done, gpointer data);

/* What other's statements notify is no news here: their answers tell it. */
void lane_ignore(struct lane *lane, const struct lane *other);

/* Once connected: sent before anything that waits in line, without a report of its result. */
void lane_set_greeting(struct lane *lane, const char *sql);

/* Closes the connection when nothing is on its way and opens another: libpq keeps buffers. */
void lane_renew(struct lane *lane);

#endif
