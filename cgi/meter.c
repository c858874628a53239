/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/meter.h"

#include <string.h>

#include "cgi/mapped.h"

#define FILE_NAME "meter"

const gint64 meter_bounds_us[METER_BUCKETS] = {1000, 2500, 5000, 10000, 20000, 50000, 100000,
	250000, 500000, 1000000, 2500000, 5000000, 10000000};

const guint meter_statuses[METER_STATUSES] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 409,
	412, 413, 415, 422, 429, 500, 502, 503, 0};

static gsize meter_bytes(void)
{
	return sizeof(struct meter) + (routes_len + 1) * sizeof(struct meter_route);
}

/* FNV-1a of methods and paths: another order of routes is another layout. */
static guint64 layout_now(void)
{
	guint64 hash = 14695981039346656037u ^ meter_bytes();

	for (gsize i = 0; i < routes_len; i++) {
		const char *parts[] = {routes[i].method, routes[i].path};
		for (gsize k = 0; k < G_N_ELEMENTS(parts); k++)
			for (const char *at = parts[k];; at++) {
				hash = (hash ^ (guchar)*at) * 1099511628211u;
				if (*at == '\0')
					break;
			}
	}
	return hash;
}

struct meter *meter_open(const struct conf *conf, GError **error)
{
	const guint64 layout = layout_now();
	const struct mapped wanted = {
		FILE_NAME, meter_bytes(), &layout, sizeof(layout), .is_known = TRUE};
	struct meter *meter = mapped_open(conf, &wanted, error);

	if (meter == NULL)
		meter = mapped_anonymous(meter_bytes());
	if (meter == NULL)
		g_error("no memory for a page of counters");
	return meter;
}

void meter_begin(struct meter *meter)
{
	memset(meter->workers, 0, sizeof(meter->workers));
	meter->started_us = g_get_real_time();
}

void meter_add(guint64 *counter, guint64 n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

guint64 meter_get(const guint64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void meter_request(struct meter *meter, const struct route *route, guint status, gint64 took_us,
	gsize sent_bytes)
{
	struct meter_route *place =
		&meter->routes[route != NULL ? (gsize)(route - routes) : routes_len];
	guint s = 0, b = 0;

	while (s < METER_STATUSES - 1 && meter_statuses[s] != status)
		s++;
	while (b < METER_BUCKETS && took_us > meter_bounds_us[b])
		b++;
	meter_add(&place->statuses[s], 1);
	meter_add(&place->buckets[b], 1);
	meter_add(&place->sum_us, (guint64)took_us);
	meter_add(&meter->sent_bytes, sent_bytes);
}
