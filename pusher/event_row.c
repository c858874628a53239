/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/event_row.h"

#include "lib/event.h"

guint event_row_count(const struct db_result *result)
{
	guint rows = db_result_rows(result);
	return rows == 1 && db_result_get(result, 0, EVENT_ROW_ID) == NULL ? 0 : rows;
}

gboolean event_row_is_internal(const struct db_result *result, guint row)
{
	const struct event_kind *kind = event_kind_find(db_result_get(result, row, EVENT_ROW_TYPE));
	return (kind != NULL && kind->is_hidden) ||
	       db_result_get_bool(result, row, EVENT_ROW_INTERNAL);
}

struct frame *event_row_frame(struct hub *hub, const struct db_result *result, guint row)
{
	const char *type = db_result_get(result, row, EVENT_ROW_TYPE);
	struct frame *frame = frame_new(db_result_get(result, row, EVENT_ROW_JSON),
		db_result_get_len(result, row, EVENT_ROW_JSON));

	frame->id = db_result_get_int(result, row, EVENT_ROW_ID);
	frame->audience = hub_audience(hub, db_result_get(result, row, EVENT_ROW_ORGANIZATION));
	frame->type = g_intern_string(type);
	frame->type_bit = hub_type_bit(type);
	const char *subject = db_result_get(result, row, EVENT_ROW_SUBJECT);
	if (subject == NULL ||
		!g_ascii_string_to_signed(subject, 10, 1, G_MAXINT64, &frame->run, NULL))
		frame->run = 0;
	frame->project = g_strdup(db_result_get(result, row, EVENT_ROW_PROJECT));
	return frame;
}

char **event_row_params(gint64 after, guint limit)
{
	char **params = g_new0(char *, 3);

	params[0] = g_strdup_printf("%" G_GINT64_FORMAT, after);
	params[1] = g_strdup_printf("%u", limit);
	return params;
}
