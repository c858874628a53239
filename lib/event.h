/* SPDX-License-Identifier: MIT */
#ifndef LIB_EVENT_H
#define LIB_EVENT_H

#include <glib.h>

/*
 * The kinds of event there are: one table (lib/event_kinds.c), the same names as in the column
 * event.type and on the wire. A type that is not in it is refused when somebody subscribes.
 */

enum event_channel {
	EVENT_CHANNEL_UNSET,
	EVENT_CHANNEL_AUDIT,
	EVENT_CHANNEL_RUNS,
	EVENT_CHANNEL_ACTIVITY,
	EVENT_CHANNEL_PRESENCE,
	EVENT_CHANNEL_DEPLOYMENTS,
	EVENT_CHANNEL_SCANS,
	EVENT_CHANNEL_ALERTS,
	EVENT_CHANNEL_METRICS,
};

struct event_kind {
	const char *type;
	enum event_channel channel;
	gboolean is_state;  /* only the latest of a subject matters */
	gboolean is_feed;   /* shown in the activity feed */
	gboolean is_hidden; /* for programs; never sent to a client */
	const char *help;
};

extern const struct event_kind event_kinds[];
extern const gsize event_kinds_len;

const struct event_kind *event_kind_find(const char *type);
const char *event_channel_name(enum event_channel channel);

#endif
