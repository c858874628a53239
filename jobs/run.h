/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_H
#define JOBS_RUN_H

#include <glib.h>

#include "jobs/output/terminal.h"
#include "jobs/run_frame.h"
#include "jobs/run_helper.h"
#include "jobs/run_queue.h"
#include "lib/conf.h"
#include "lib/db.h"

/*
 * The runner: one process, one GLib main loop, no threads.
 *
 *	jobs/run.c		the command: options, --status
 *	jobs/run_loop.c		when to look at the queue, when to claim, when to end
 *	jobs/run_job.c		a job while its child lives
 *	jobs/run_settle.c	a job whose child ended: result, failure, crash
 *	jobs/run_reports.c	report files that others wrote
 *	jobs/run_queue.c	every statement
 *	jobs/run_slot.c		locks of this host
 *	jobs/run_helper.c	the process from which children are forked
 *	jobs/run_child.c	the child
 *
 * Whatever wakes it (a datagram, a notification, a child, the clock once a second) it looks at the
 * state of things and does what is due; no wake-up carries meaning. Statements are sent one after
 * the other and waited for: what the runner does with its time is minding children, and a child
 * that waits a few milliseconds for its reader loses nothing.
 */

enum runner_state {
	RUNNER_UNSET,
	RUNNER_WAITING, /* another runner of this host claims */
	RUNNER_CLAIMING,
	RUNNER_MINDING,  /* claims no more; waits for its children */
	RUNNER_DRAINING, /* was told to stop; waits job.drain_s for them */
	RUNNER_STOPPING, /* its children were told to stop */
};

enum runner_mode {
	RUNNER_MODE_UNSET,
	RUNNER_MODE_ONCE, /* until nothing is due */
	RUNNER_MODE_FOREVER,
	RUNNER_MODE_FOR, /* claims for so many seconds */
};

struct runner {
	const struct conf *conf;
	enum runner_mode mode;
	gint64 for_s;

	GMainLoop *loop;
	enum runner_state state;
	gint64 since_us, stop_at_us;
	int claim_fd;

	struct queue *queue;
	struct helper *helper;
	guint helper_source, helper_deaths;
	gint64 helper_death_us;

	struct db *listen; /* NULL with event.bus poll */
	guint listen_source;
	gint64 listen_retry_us;
	int wake_fd;
	guint wake_source;
	guint work_source;
	gint64 woken_us;
	gboolean is_told;      /* the database knows our kinds */
	gboolean is_scheduled; /* the audits that were due when --once began are in the queue */
	gboolean has_steps;    /* the database has a job of its own to go on with */
	gboolean is_committed; /* something was written whose events need numbers */
	gint64 schedule_at_us, step_at_us, renewed_us, renew_at_us, reports_at_us;
	GHashTable *reports; /* path of a report file -> its stamp when it was handed over */

	GHashTable *jobs; /* token -> struct run_job; those that are not settled yet */
	guint32 token;
	struct progress *progress; /* of --once at a terminal, else NULL */
	guint failures;
	int exit_code;
};

/* Runs until its mode or a signal ends it. An exit code. Errors: as of its parts, at the start. */
int runner_run(struct runner *runner, GError **error);

/* Asks for a look at the state of things as soon as the main loop is free. */
void runner_wake(struct runner *runner);

enum run_job_stop {
	RUN_JOB_STOP_NONE,
	RUN_JOB_STOP_TIME,     /* the soft limit passed */
	RUN_JOB_STOP_LOST,     /* the lease is another's, or the job was cancelled */
	RUN_JOB_STOP_RELEASED, /* the runner ends */
	RUN_JOB_STOP_BAD,      /* the child broke the rules */
};

struct run_job {
	struct runner *runner;
	guint32 token;
	struct queue_job job;
	json_object *payload;
	int lock_fd, result_fd;
	guint result_source;
	struct frame_reader *reader;
	gint64 claimed_us, soft_at_us, hard_at_us, progress_us, ended_us;
	enum run_job_stop stop;
	gboolean is_ended; /* the child is gone */
	gboolean has_run;  /* how it ended and what it took are known */
	gboolean is_crash;
	gboolean is_stored; /* its files are written */
	guint refusals;
	gboolean can_retry;
	char *error; /* why it failed; NULL while nothing went wrong */
	int exit_status;
	gint64 rss_kib, cpu_ms;
	GString *log; /* what it said */
	GBytes *result;
};

/* Takes over job's fields and slot_fd; whatever happens, the job is settled in the end. */
void run_job_begin(struct runner *runner, struct queue_job *job, int slot_fd);

/* For the helper's news. */
void run_job_event(struct run_job *job, const struct helper_event *event);

/* Soft and hard limit. */
void run_job_check_time(struct run_job *job, gint64 now_us);

/* Asks the child to end (SIGTERM, later SIGKILL) for that reason. */
void run_job_stop(struct run_job *job, enum run_job_stop reason);

/* Why it failed, the first reason stays. message is cut to a sensible length. */
void run_job_set_error(struct run_job *job, gboolean can_retry, const char *message);

void run_job_free(struct run_job *job);

/*
 * TRUE when there is nothing more to do for a job whose child ended; FALSE while the database is
 * away: ask again.
 */
gboolean run_job_settle(struct run_job *job);

/* Hands every report file that changed to the database, for hosts without a pusher. */
void run_reports_ingest(struct runner *runner);

#endif
