/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_H
#define JOBS_RUN_H

#include <glib.h>

#include "jobs/output/terminal.h"
#include "jobs/run_frame.h"
#include "jobs/run_helper.h"
#include "jobs/run_queue.h"
#include "jobs/run_slot.h"
#include "lib/conf.h"
#include "lib/db.h"

/*
 * The runner: one process, one GLib main loop, no threads.
 *
 *	jobs/run.c		the command: options, --status
 *	jobs/run_loop.c		when to look at the queue, when to claim, when to end
 *	jobs/run_claim.c	a round of the queue: what is done, what is next; jobs claimed ahead
 *	jobs/run_job.c		a job while its child lives
 *	jobs/run_say.c		what it says meanwhile: progress, lines of its log
 *	jobs/run_settle.c	a job whose child ended: result, failure, crash
 *	jobs/run_reports.c	report files that others wrote
 *	jobs/run_letter.c	letters to people, by the mail program
 *	jobs/run_worker.c	says that this runner lives, and what it does
 *	jobs/run_notify.c	tells the service manager the same
 *	jobs/run_queue.c	every statement
 *	jobs/run_slot.c		locks of this host
 *	jobs/run_watch.c	what a job's processes take together
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

/* The letter that the mail program has just now. */
struct runner_letter {
	gint64 id;
	pid_t pid; /* 0: none */
	gint64 until_us;
	guint source; /* looks whether it is done */
};

struct runner {
	const struct conf *conf;
	const char *set; /* the queues that it serves, joined by '+'; NULL: all */
	enum runner_mode mode;
	gint64 for_s;

	GMainLoop *loop;
	enum runner_state state;
	gint64 since_us, stop_at_us;
	int claim_fd;
	struct slot_spares *spares;

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
	gboolean is_told;             /* the database knows our kinds */
	gboolean is_scheduled;        /* what was due when --once began is in the queue */
	gboolean has_steps;           /* the database has a job of its own to go on with */
	gboolean is_committed;        /* something was written whose events need numbers */
	char *worker;                 /* our name among the runners */
	enum runner_state told_state; /* what the others know of us; UNSET: nothing */
	gint64 tell_at_us;
	char *told_status; /* what the service manager knows of us */
	gint64 alive_at_us;
	gint64 schedule_at_us, step_at_us, stepped_us, renewed_us, renew_at_us, reports_at_us;
	guint step_source; /* looks when it is time for that */
	struct runner_letter letter;
	gboolean has_letters; /* there was one when we last looked */
	gint64 letter_at_us;
	gint64 rest_us;      /* until then no job is claimed */
	GHashTable *reports; /* path of a report file -> its stamp when it was handed over */

	GHashTable
		*jobs; /* token -> struct run_job; those that were begun and are not settled yet */
	GQueue ahead;  /* struct run_job; those that are claimed and have no slot yet */
	gint64 quick_us; /* when a job last ended soon after it was begun */
	guint32 token;
	struct progress *progress; /* of --once at a terminal, else NULL */
	guint failures;
	int exit_code;
};

/* Runs until its mode or a signal ends it. An exit code. Errors: as of its parts, at the start. */
int runner_run(struct runner *runner, GError **error);

/* Asks for a look at the state of things as soon as the main loop is free. */
void runner_wake(struct runner *runner);

/* A job could not be begun, which would be so with any: none is claimed for some seconds. */
void runner_rest(struct runner *runner, const char *why);

enum run_job_stop {
	RUN_JOB_STOP_NONE,
	RUN_JOB_STOP_TIME,     /* the soft limit passed */
	RUN_JOB_STOP_LOST,     /* the lease is another's, or the job was cancelled */
	RUN_JOB_STOP_RELEASED, /* the runner ends */
	RUN_JOB_STOP_BUSY,     /* it says that another works there */
	RUN_JOB_STOP_BAD,      /* the child broke the rules */
};

/* A job that is over so soon keeps no other one waiting. */
#define RUN_QUICK_US (100 * (gint64)1000)

struct run_job {
	struct runner *runner;
	guint32 token;
	struct queue_job job;
	json_object *payload;
	int lock_fd, result_fd;
	GError *trouble; /* why it cannot be begun, or NULL */
	guint result_source;
	struct frame_reader *reader;
	pid_t pid; /* of its child; 0 until it has one */
	gint64 claimed_us, begun_us, soft_at_us, hard_at_us, watch_at_us, progress_us, ended_us,
		offer_at_us;
	guint steps; /* that it told */
	enum run_job_stop stop;
	gboolean is_ended; /* the child is gone */
	gboolean has_run;  /* how it ended and what it took are known */
	gboolean is_crash;
	gboolean is_stored; /* its files are written */
	gboolean is_settled;
	guint frames; /* small ones that came */
	gboolean can_retry;
	char *error; /* why it failed; NULL while nothing went wrong */
	int exit_status;
	gint64 rss_kib, cpu_ms;
	GString *log;      /* what it said */
	GString *said;     /* of that, what the database does not have yet */
	json_object *late; /* progress that waits for its turn, or NULL */
	double credit;     /* events it may cause now, at credit_us */
	gint64 credit_us;
	GBytes *result;
};

/* Takes over what was claimed. Until it is begun it has no child and is nowhere in the runner. */
struct run_job *run_job_new(struct runner *runner, struct queue_job *claimed);

/* Whatever happens, it is settled in the end. slot_fd stays the caller's. */
void run_job_begin(struct run_job *job, int slot_fd);

/* For the helper's news. */
void run_job_event(struct run_job *job, const struct helper_event *event);

/* Soft and hard limit of time, and those of all its processes together. */
void run_job_check_time(struct run_job *job, gint64 now_us);

/* Asks the child to end (SIGTERM, later SIGKILL) for that reason. */
void run_job_stop(struct run_job *job, enum run_job_stop reason);

/* Why it failed, the first reason stays. message is cut to a sensible length. */
void run_job_set_error(struct run_job *job, gboolean can_retry, const char *message);

/* For the lines of the log that follow. */
void run_job_prefix(const struct run_job *job);

void run_job_free(struct run_job *job);

/* A frame of progress, a line of the log (NULL is none): told at once or when it is its turn. */
void run_say_progress(struct run_job *job, json_object *body);
void run_say_log(struct run_job *job, const char *text);
/* What waits for its turn, if that has come. */
void run_say_late(struct run_job *job);
/* What is left of the log; nothing more will come. */
void run_say_end(struct run_job *job);

/*
 * For a job whose child ended: is_settled is TRUE when there is nothing more to do; FALSE while the
 * database is away: ask again.
 */
void run_job_settle(struct run_job *job);
/* Whether its result goes into its row alone: such jobs are completed all at once, in a round. */
gboolean run_job_is_plain(const struct run_job *job);
/* Those (elements struct run_job *) as job_complete_all() in sql/api/job.sql takes them. */
char *run_job_results_format(const GPtrArray *jobs);
/* A round completed it. */
void run_job_set_done(struct run_job *job);

/*
 * Completes what is done (elements struct run_job *, all of them plain) and claims what there is
 * room for, in one commit; is_settled as above. While the children of short jobs run, as many more
 * are claimed as there are slots for such, so that a slot need not wait for a commit: each is begun
 * within half a second or given back.
 */
void run_claim_round(struct runner *runner, GPtrArray *done);
/* Puts what was claimed ahead into free slots: before anything that may take its time. */
void run_claim_begin(struct runner *runner);
/* Gives back all that was not begun. */
void run_claim_end(struct runner *runner);

/*
 * For a statement that hands over so many bytes. Of more than a megabyte it may take minutes, while
 * the runner does nothing else: all leases are made to last. TRUE: run_patience_end() afterwards.
 */
gboolean run_patience_begin(struct runner *runner, gsize bytes);
void run_patience_end(struct runner *runner);

/* Says that we live, when that is due or something else is to be said. */
void run_worker_tell(struct runner *runner, gint64 now_us);
/* Says that we end. */
void run_worker_end(struct runner *runner);

const char *runner_state_format(enum runner_state state);

/* The same to the service manager, if there is one, and in time for its watchdog. */
void run_notify(struct runner *runner, gint64 now_us);

/* Hands every report file that changed to the database, for hosts without a pusher. */
void run_reports_ingest(struct runner *runner);

/* Sends what waits, one letter after the other, without waiting for any. */
void run_letter(struct runner *runner, gint64 now_us);

#endif
