/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/rate.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define PLACES 16384
#define KEY_BYTES 32
#define ADDRESS_SHARE 10

/* clang-format off */
static const struct {
	guint per_second, burst;
} limits[] = {
	[RATE_UNSET] = { 0, 0 },
	[RATE_NONE]  = { 0, 0 },
	[RATE_READ]  = { 200, 1000 },
	[RATE_WRITE] = { 20, 200 },
	[RATE_LOGIN] = { 5, 50 },
	[RATE_RUN]   = { 5, 50 },
};
/* clang-format on */

struct rate_table {
	guchar key[KEY_BYTES];
	gint64 full_us[PLACES];
};

struct rate_table *rate_table_new(void)
{
	struct rate_table *table = mmap(
		NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	if (getrandom(table->key, sizeof(table->key), 0) != sizeof(table->key)) {
		munmap(table, sizeof(*table));
		return NULL;
	}
	return table;
}

/* TRUE when the place still had an allowance, of which one is taken. */
static gboolean place_take(gint64 *place, gint64 now_us, gint64 cost_us, gint64 burst_us)
{
	gint64 full_us = __atomic_load_n(place, __ATOMIC_RELAXED);
	gint64 next_us;

	do {
		next_us = MAX(full_us, now_us) + cost_us;
		if (next_us - now_us > burst_us)
			return FALSE;
	} while (!__atomic_compare_exchange_n(
		place, &full_us, next_us, FALSE, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return TRUE;
}

static gboolean client_take(
	struct rate_table *table, enum rate rate, char kind, const char *client, guint share)
{
	g_autofree char *text = g_strdup_printf("%d%c%s", (int)rate, kind, client);
	g_autofree char *hash = g_compute_hmac_for_string(
		G_CHECKSUM_SHA256, table->key, sizeof(table->key), text, -1);
	gint64 now_us = g_get_monotonic_time();
	gint64 cost_us = G_USEC_PER_SEC / (limits[rate].per_second * share);
	gint64 burst_us = cost_us * limits[rate].burst * share;
	gboolean ok = FALSE;

	for (int i = 0; i < 2; i++) {
		char digits[9] = "";
		memcpy(digits, hash + 8 * i, 8);
		gint64 *place = &table->full_us[g_ascii_strtoull(digits, NULL, 16) % PLACES];
		ok = place_take(place, now_us, cost_us, burst_us) || ok;
	}
	return ok;
}

guint rate_take(
	struct rate_table *table, enum rate rate, const char *credential, const char *address)
{
	if (table == NULL || limits[rate].per_second == 0)
		return 0;
	/* Nobody in person is counted by address alone, at the person's allowance. */
	gboolean ok = credential == NULL || client_take(table, rate, 'c', credential, 1);
	ok = client_take(table, rate, 'a', address, credential == NULL ? 1 : ADDRESS_SHARE) && ok;
	return ok ? 0 : 1;
}
