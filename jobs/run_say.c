/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <string.h>

#include "lib/log.h"

/* A run has so many events a second (and as many at once): what is counted counts once. */
#define EVENTS_A_SECOND 4
#define COUNT_INTERVAL_US G_USEC_PER_SEC
/* Steps are passed on whatever the time: no job has more. */
#define STEPS_MAX 20
/* Of all that a job says. */
#define LOG_MAX_BYTES 65536

static gboolean credit_take(struct run_job *job)
{
	gint64 now = g_get_monotonic_time();

	job->credit += (double)(now - job->credit_us) * EVENTS_A_SECOND / G_USEC_PER_SEC;
	job->credit = MIN(job->credit, EVENTS_A_SECOND);
	job->credit_us = now;
	if (job->credit < 1)
		return FALSE;
	job->credit--;
	return TRUE;
}

static void told(struct run_job *job, gboolean is_ours)
{
	if (is_ours)
		job->runner->is_committed = TRUE;
	else
		run_job_stop(job, RUN_JOB_STOP_LOST);
	runner_wake(job->runner);
}

static void progress_send(struct run_job *job, json_object *body)
{
	json_object *percent = json_get(body, "percent", json_type_int, NULL);
	gboolean is_ours = TRUE;

	if (queue_progress(job->runner->queue, job->job.id, job->job.lease,
		    json_object_get_int(percent), json_get_text(body, "message", NULL), &is_ours,
		    NULL))
		told(job, is_ours);
}

static void log_send(struct run_job *job)
{
	gboolean is_ours = TRUE;

	if (!queue_log(job->runner->queue, job->job.id, job->job.lease, job->said->str, &is_ours,
		    NULL))
		return;
	g_string_truncate(job->said, 0);
	told(job, is_ours);
}

void run_say_progress(struct run_job *job, json_object *body)
{
	gint64 now = g_get_monotonic_time();
	gboolean is_count = json_object_object_get_ex(body, "done", NULL);

	if (json_get(body, "percent", json_type_int, NULL) == NULL ||
		(is_count && now - job->progress_us < COUNT_INTERVAL_US))
		return;
	gboolean is_step =
		json_get(body, "step", json_type_boolean, NULL) != NULL && job->steps < STEPS_MAX;
	job->steps += is_step;
	g_clear_pointer(&job->late, json_object_put);
	if (credit_take(job) || is_step) {
		job->progress_us = now;
		progress_send(job, body);
	} else {
		job->late = json_object_get(body);
	}
}

void run_say_log(struct run_job *job, const char *text)
{
	if (text == NULL || job->log->len + strlen(text) >= LOG_MAX_BYTES)
		return;
	log_info("from the job", "text", text, NULL);
	g_string_append_printf(job->log, "%s\n", text);
	g_string_append_printf(job->said, "%s\n", text);
	if (credit_take(job))
		log_send(job);
}

void run_say_late(struct run_job *job)
{
	if (job->late != NULL && credit_take(job)) {
		g_autoptr(json_object) body = g_steal_pointer(&job->late);
		progress_send(job, body);
	}
	if (job->said->len > 0 && credit_take(job))
		log_send(job);
}

void run_say_end(struct run_job *job)
{
	if (job->said->len > 0 && job->stop != RUN_JOB_STOP_LOST)
		log_send(job);
}
