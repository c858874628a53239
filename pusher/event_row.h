/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_EVENT_ROW_H
#define PUSHER_EVENT_ROW_H

#include "lib/db.h"
#include "pusher/hub.h"

/*
 * A row of the event log as a frame. The envelope that clients see is made by PostgreSQL:
 * {"type", "event_id", "timestamp", "project_id", "channel", "data"}, timestamps RFC 3339 UTC.
 *
 * EVENT_ROW_SQL has two parameters: the cursor and the number of rows. The first two columns are
 * floor and head of the log in the same snapshot; without any event there is one row with nulls
 * from the third column on. What report_feed() answers begins with the same columns.
 */
#define EVENT_ROW_SQL "select * from muster.event_feed($1::bigint, $2::integer)"

enum event_row_column {
	EVENT_ROW_FLOOR,
	EVENT_ROW_HEAD,
	EVENT_ROW_ID,
	EVENT_ROW_ORGANIZATION,
	EVENT_ROW_TYPE,
	EVENT_ROW_PROJECT,
	EVENT_ROW_INTERNAL,
	EVENT_ROW_JSON,
	EVENT_ROW_SUBJECT,
	/* report_feed() only: there are events that have no number yet. */
	EVENT_ROW_IS_LEFT,
};

/* The number of events in a result of EVENT_ROW_SQL. */
guint event_row_count(const struct db_result *result);

/* For programs only, never for a client. */
gboolean event_row_is_internal(const struct db_result *result, guint row);

struct frame *event_row_frame(struct hub *hub, const struct db_result *result, guint row);

/* The two parameters, for lane_send(). */
char **event_row_params(gint64 after, guint limit);

#endif
