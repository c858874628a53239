/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_job.h"

#include "jobs/output/terminal.h"

/* A thread that wakes ten times a second, draws, and knows when the time is over. */

#define TICK_US 100000

struct scan_meter {
	struct scan_progress *progress;
	struct progress *bar; /* NULL: standard error is no terminal */
	GThread *thread;
	GMutex lock;
	GCond wake;
	gboolean is_ended;
	gint is_over;
	gint64 until_us; /* 0: no end */
	char *title;
	char *said; /* in place of all figures; NULL: nothing */
};

static void draw(struct scan_meter *meter)
{
	guint64 total = scan_progress_get(&meter->progress->blobs_total);
	guint64 done = scan_progress_get(&meter->progress->blobs);
	guint64 bytes = scan_progress_get(&meter->progress->bytes);

	if (meter->said != NULL)
		progress_said(meter->bar, meter->said);
	else
		progress_scanned(meter->bar, done, total, bytes, meter->title);
}

static gpointer run(gpointer data)
{
	struct scan_meter *meter = data;

	g_mutex_lock(&meter->lock);
	while (!meter->is_ended) {
		gint64 now = g_get_monotonic_time();
		g_cond_wait_until(&meter->wake, &meter->lock, now + TICK_US);
		if (meter->until_us != 0 && now >= meter->until_us) {
			g_atomic_int_set(&meter->is_over, 1);
			scan_progress_cancel(meter->progress);
		}
		if (!meter->is_ended && meter->bar != NULL)
			draw(meter);
	}
	g_mutex_unlock(&meter->lock);
	return NULL;
}

struct scan_meter *scan_meter_new(struct scan_progress *progress, guint timeout_s)
{
	struct progress *bar = progress_new();

	if (bar == NULL && timeout_s == 0)
		return NULL;
	struct scan_meter *meter = g_new0(struct scan_meter, 1);
	meter->progress = progress;
	meter->bar = bar;
	if (timeout_s > 0)
		meter->until_us = g_get_monotonic_time() + (gint64)timeout_s * G_USEC_PER_SEC;
	g_mutex_init(&meter->lock);
	g_cond_init(&meter->wake);
	meter->thread = g_thread_new("meter", run, meter);
	return meter;
}

char *scan_meter_title(struct scan_meter *meter, const char *title)
{
	if (meter == NULL)
		return NULL;
	g_mutex_lock(&meter->lock);
	char *before = meter->title;
	meter->title = g_strdup(title);
	g_mutex_unlock(&meter->lock);
	return before;
}

void scan_meter_say(struct scan_meter *meter, const char *text)
{
	if (meter == NULL)
		return;
	g_mutex_lock(&meter->lock);
	g_free(meter->said);
	meter->said = g_strdup(text);
	g_mutex_unlock(&meter->lock);
}

gboolean scan_meter_is_over(const struct scan_meter *meter)
{
	return meter != NULL && g_atomic_int_get(&meter->is_over);
}

void scan_meter_free(struct scan_meter *meter)
{
	if (meter == NULL)
		return;
	g_mutex_lock(&meter->lock);
	meter->is_ended = TRUE;
	g_cond_signal(&meter->wake);
	g_mutex_unlock(&meter->lock);
	g_thread_join(meter->thread);
	progress_free(meter->bar);
	g_mutex_clear(&meter->lock);
	g_cond_clear(&meter->wake);
	g_free(meter->title);
	g_free(meter->said);
	g_free(meter);
}
