/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/rate.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "cgi/mapped.h"
#include "lib/error.h"

#define FILE_NAME "rates"
#define PLACES 16384
#define KEY_BYTES 32
#define ADDRESS_SHARE 10

/* clang-format off */
static const struct {
	guint per_second, burst;
	gboolean is_kept; /* counted in the database, too */
} limits[] = {
	[RATE_UNSET] = { 0, 0, FALSE },
	[RATE_NONE]  = { 0, 0, FALSE },
	[RATE_READ]  = { 200, 1000, FALSE },
	[RATE_WRITE] = { 20, 200, TRUE },
	[RATE_LOGIN] = { 5, 50, FALSE }, /* wrong passwords have a table of their own */
	[RATE_RUN]   = { 5, 50, TRUE },
};
/* clang-format on */

struct rate_table {
	guchar key[KEY_BYTES];
	gint64 full_us[PLACES];
};

struct rate_table *rate_table_open(const struct conf *conf, GError **error)
{
	guchar key[KEY_BYTES];
	const struct mapped wanted = {
		FILE_NAME, sizeof(struct rate_table), key, sizeof(key), .is_known = FALSE};

	if (!conf_get_bool(conf, "api.rate_limit"))
		return NULL;
	if (getrandom(key, sizeof(key), 0) != sizeof(key)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "random bytes: %s",
			g_strerror(errno));
		return NULL;
	}
	return mapped_open(conf, &wanted, error);
}

struct place_limit {
	gint64 now_us, cost_us, burst_us;
};

/* What is left of the allowance in requests, of which one was taken; -1: none was. */
static gint64 place_take(gint64 *place, const struct place_limit *limit)
{
	gint64 full_us = __atomic_load_n(place, __ATOMIC_RELAXED);
	gint64 next_us;

	do {
		/* The clock starts anew with the machine, and the file may be older. */
		if (full_us > limit->now_us + limit->burst_us)
			next_us = limit->now_us + limit->cost_us;
		else
			next_us = MAX(full_us, limit->now_us) + limit->cost_us;
		if (next_us - limit->now_us > limit->burst_us)
			return -1;
	} while (!__atomic_compare_exchange_n(
		place, &full_us, next_us, FALSE, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return (limit->burst_us - (next_us - limit->now_us)) / limit->cost_us;
}

static gint64 client_take(
	struct rate_table *table, enum rate rate, char kind, const char *client, guint share)
{
	g_autofree char *text = g_strdup_printf("%d%c%s", (int)rate, kind, client);
	g_autofree char *hash = g_compute_hmac_for_string(
		G_CHECKSUM_SHA256, table->key, sizeof(table->key), text, -1);
	gint64 cost_us = G_USEC_PER_SEC / (limits[rate].per_second * share);
	const struct place_limit limit = {
		g_get_monotonic_time(), cost_us, cost_us * limits[rate].burst * share};
	gint64 left = -1;

	for (int i = 0; i < 2; i++) {
		char digits[9] = "";
		memcpy(digits, hash + 8 * i, 8);
		gint64 *place = &table->full_us[g_ascii_strtoull(digits, NULL, 16) % PLACES];
		gint64 rest = place_take(place, &limit);
		left = MAX(left, rest);
	}
	return left;
}

gboolean rate_take(struct rate_table *table, enum rate rate, const char *credential,
	const char *address, struct rate_left *left)
{
	gint64 own = G_MAXINT64;

	if (table == NULL || limits[rate].per_second == 0) {
		*left = (struct rate_left){0};
		return TRUE;
	}
	/* Nobody in person is counted by address alone, at the person's allowance. */
	if (credential != NULL)
		own = client_take(table, rate, 'c', credential, 1);
	gint64 shared =
		client_take(table, rate, 'a', address, credential == NULL ? 1 : ADDRESS_SHARE);
	gint64 rest = MIN(own, shared);
	left->burst = limits[rate].burst;
	left->window_s = limits[rate].burst / limits[rate].per_second;
	left->left = (guint)CLAMP(rest, 0, left->burst);
	left->full_s =
		(left->burst - left->left + limits[rate].per_second - 1) / limits[rate].per_second;
	return rest >= 0;
}

gboolean rate_is_kept(
	const struct rate_table *table, enum rate rate, guint *per_second, guint *burst)
{
	*per_second = limits[rate].per_second;
	*burst = limits[rate].burst;
	return table != NULL && limits[rate].is_kept;
}
