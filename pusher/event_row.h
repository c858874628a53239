/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_EVENT_ROW_H
#define PUSHER_EVENT_ROW_H

#include "lib/db.h"
#include "pusher/hub.h"

/*
 * A row of the event log as a frame. The envelope that clients see is made by PostgreSQL:
 * {"type", "event_id", "timestamp", "project_id", "channel", "data"}, timestamps RFC 3339 UTC.
 *
 * EVENT_ROW_SQL has two parameters: the cursor and the number of rows. Its first two columns are
 * floor and head of the log in the same snapshot; without any event there is one row with nulls
 * from the third column on.
 */
#define EVENT_ROW_SQL                                                                              \
	"select b.floor, b.head, e.id, e.organization_id, e.type, e.project_id,"                   \
	" coalesce(e.labels @> '{\"internal\": true}', false),"                                    \
	" case when e.labels @> '{\"internal\": true}' then e.data::text else"                     \
	" json_build_object('type', e.type, 'event_id', e.id::text, 'timestamp',"                  \
	" to_char(e.at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"                  \
	" 'project_id', e.project_id, 'channel', e.channel, 'data', e.data)::text end"             \
	" from muster.event_bounds() b"                                                            \
	" left join muster.event_read($1::bigint, $2::integer) e on true order by e.id"

enum event_row_column {
	EVENT_ROW_FLOOR,
	EVENT_ROW_HEAD,
	EVENT_ROW_ID,
	EVENT_ROW_ORGANIZATION,
	EVENT_ROW_TYPE,
	EVENT_ROW_PROJECT,
	EVENT_ROW_INTERNAL,
	EVENT_ROW_JSON,
};

/* The number of events in a result of EVENT_ROW_SQL. */
guint event_row_count(const struct db_result *result);

/* For programs only, never for a client. */
gboolean event_row_is_internal(const struct db_result *result, guint row);

struct frame *event_row_frame(struct hub *hub, const struct db_result *result, guint row);

/* The two parameters, for lane_send(). */
char **event_row_params(gint64 after, guint limit);

#endif
