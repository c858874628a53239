/* SPDX-License-Identifier: MIT */
#ifndef CGI_METER_H
#define CGI_METER_H

#include <glib.h>

#include "cgi/route.h"

/*
 * What this host's api.fcgi did and does: requests by route and status, how long they took, what
 * each worker is at. A mapped file, paths.run/meter, that all workers and plain CGI processes share
 * and add to without locks; no row is written and nobody waits for anybody. cgi/prometheus.c prints
 * it.
 *
 * Counters go on when the program starts again, and begin anew with another table of routes. A
 * worker has a place of its own, given to it by its parent; a plain CGI process has none.
 */

/* Upper bounds in microseconds; one more bucket holds all above. */
#define METER_BUCKETS 13
extern const gint64 meter_bounds_us[METER_BUCKETS];

#define METER_STATUSES 20
/* The last stands for all that are not named. */
extern const guint meter_statuses[METER_STATUSES];

#define METER_WORKERS 256

struct meter_route {
	guint64 statuses[METER_STATUSES];
	guint64 buckets[METER_BUCKETS + 1];
	guint64 sum_us;
};

struct meter_worker {
	gint32 pid;     /* 0: nobody */
	gint32 is_busy; /* at a request */
	gint32 use;     /* enum db_use of its connection */
	gint32 unused;
};

struct meter {
	guint64 layout; /* first: of the table of routes, which the places below go by */
	gint64 started_us;
	guint64 worker_starts, worker_crashes, reloads, sent_bytes;
	struct meter_worker workers[METER_WORKERS];
	struct meter_route routes[]; /* as the table has them; the last: no route */
};

/*
 * Maps the file, or makes it when it is missing or of another table. When that fails, error is set
 * and the memory is this process' and its children's alone. Never NULL, never closed.
 */
struct meter *meter_open(const struct conf *conf, GError **error);

/* The parent has just started: no worker is left of any before. */
void meter_begin(struct meter *meter);

/* route may be NULL: there was none. */
void meter_request(struct meter *meter, const struct route *route, guint status, gint64 took_us,
	gsize sent_bytes);

void meter_add(guint64 *counter, guint64 n);
guint64 meter_get(const guint64 *counter);

#endif
