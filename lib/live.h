/* SPDX-License-Identifier: MIT */
#ifndef LIB_LIVE_H
#define LIB_LIVE_H

#include <glib.h>

#include "lib/conf.h"

/*
 * What muster-pusher tells the other programs of its host about itself: a few numbers in the file
 * paths.run/live, written by it alone once a second.
 */
struct live {
	guint64 layout; /* LIVE_LAYOUT */
	gint64 told_us; /* wall clock */
	gint64 started_us;
	guint64 websocket, stream, poll; /* connections that are open */
	guint64 admitted, refused;       /* that ever came; that were too many */
	guint64 delivered;               /* messages about events */
	gint64 head;                     /* the newest event it knows */
	guint64 is_degraded;             /* the database is away from it */
};

/* Changes with the fields. */
#define LIVE_LAYOUT 1

/* The file for writing; -1 with an error. Closed by the caller. */
int live_open(const struct conf *conf, GError **error);
/* live->layout and told_us are set here. What cannot be written is not: it is a gauge. */
void live_write(int fd, struct live *live);
/* Nobody is there any more. */
void live_close(int fd);

/* FALSE: no pusher has said anything for some seconds. */
gboolean live_read(const struct conf *conf, struct live *live);

#endif
