/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_QUEUE_H
#define JOBS_RUN_QUEUE_H

#include <glib.h>

#include "jobs/job_kinds.h"
#include "lib/conf.h"
#include "lib/db.h"

/*
 * The runner's side of the queue (sql/api/job.sql): every statement that the runner sends.
 *
 * While the database is away each call fails at once with MUSTER_ERROR_BUSY, but for one attempt
 * after a growing wait (a quarter of a second, at most five), so that nobody who calls in a loop
 * spins or hammers. Going away and coming back is one log line each.
 */

#define QUEUE_LEASE_S 30
#define QUEUE_RENEW_S 10

struct queue;
typedef struct queue queue;

/* A job that was claimed: running, and ours while we renew it. */
struct queue_job {
	gint64 id;
	char *lease;
	const struct job_kind *kind;
	char *payload; /* JSON */
	gint64 attempt;
};
void queue_job_clear(struct queue_job *job);

/*
 * set: the names of queues that are claimed from, joined by '+'; NULL: all. Errors:
 * MUSTER_ERROR_INPUT when no database is configured, or there is no such queue.
 */
struct queue *queue_open(const struct conf *conf, const char *set, GError **error);
void queue_free(struct queue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(queue, queue_free)

gboolean queue_is_away(const struct queue *queue);

/* Says what kinds there are. */
gboolean queue_tell_kinds(struct queue *queue, GError **error);

/*
 * The runner of that name (a uuid) lives. set: as for queue_open(); jobs: those it minds, as an
 * array literal.
 */
gboolean queue_tell_worker(struct queue *queue, const char *worker, const char *state, guint slots,
	const char *set, const char *jobs, GError **error);
gboolean queue_remove_worker(struct queue *queue, const char *worker, GError **error);

/* Adds the jobs that schedules say are due; *has_more: not all of them yet, call again. */
gboolean queue_schedule(struct queue *queue, gboolean *has_more, GError **error);

/*
 * One round, all in one commit. Completes the jobs whose result is the row's alone (jobs is what
 * job_complete_all() in sql/api/job.sql takes), claims at most limit of the kinds in our queues,
 * numbers events and wakes whom they are for.
 */
struct queue_round {
	GHashTable *done; /* pointers to the gint64 ids of those that were ours and are done */
	GArray *claimed;  /* struct queue_job */
};
void queue_round_clear(struct queue_round *round);
typedef struct queue_round queue_round;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(queue_round, queue_round_clear)
gboolean queue_ask_round(struct queue *queue, const char *jobs, guint limit,
	struct queue_round *round, GError **error);

/*
 * What the host of the job's address asks for, sealed: as of job_login() in
 * sql/api/credential.sql, or NULL: nothing is known. *login is freed with json_object_put().
 */
gboolean queue_login(
	struct queue *queue, gint64 id, const char *lease, json_object **login, GError **error);

/* *is_ours FALSE: the lease is lost, or the job was cancelled. */
gboolean queue_renew(struct queue *queue, gint64 id, const char *lease, guint lease_s,
	gboolean *is_ours, GError **error);
gboolean queue_log(struct queue *queue, gint64 id, const char *lease, const char *text,
	gboolean *is_ours, GError **error);
gboolean queue_progress(struct queue *queue, gint64 id, const char *lease, int percent,
	const char *message, gboolean *is_ours, GError **error);

/* How long the next statements may take; 0: as long as the configuration says, again. */
gboolean queue_set_timeout(struct queue *queue, guint timeout_s, GError **error);

/*
 * Stores what record says and completes the job, in one transaction that needs the lease. usage:
 * JSON of what the attempt took, as of job_usage() in sql/api/job.sql.
 */
gboolean queue_complete(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const struct job_record *record, gboolean *is_ours, GError **error);

/* *state, freed by the caller: "queued" (again), "dead", "cancelled" (for a newer one) or "lost". */
gboolean queue_fail(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const char *message, gboolean retry, gboolean crash, char **state, GError **error);

/* Likewise for one that cannot begin while another works there: job_busy() in sql/api/job.sql. */
gboolean queue_busy(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const char *message, char **state, GError **error);

/* Queues the job again, due at once, as if it had not been begun. */
gboolean queue_put_back(struct queue *queue, gint64 id, const char *lease, const char *reason,
	gboolean *is_ours, GError **error);

/* A report file's bytes; *is_new FALSE when the database had it. */
gboolean queue_ingest(struct queue *queue, const char *organization, const char *root,
	const char *report, gboolean *is_new, GError **error);

/* Forgets what is too old, unless somebody did in the last hour. */
gboolean queue_prune(struct queue *queue, GError **error);

/*
 * A piece each of the next jobs that the database does itself (a kind without run): some
 * milliseconds, one commit. *is_done FALSE: there was none to do, or none is in our queues.
 */
gboolean queue_step(struct queue *queue, gboolean *is_done, GError **error);

/* Queues the job again as if nobody had claimed it: nothing of it was begun. */
gboolean queue_give_back(
	struct queue *queue, gint64 id, const char *lease, gboolean *is_ours, GError **error);

/*
 * The next letter that is due: its id, address, subject, text and HTML. *letter NULL: none is, or
 * another runner sends them.
 */
gboolean queue_letter_take(
	struct queue *queue, gint64 *id, struct db_result **letter, GError **error);
/* failure NULL: it was sent. */
gboolean queue_letter_done(struct queue *queue, gint64 id, const char *failure, GError **error);

/* Numbers the events of what was committed, and wakes this host's pusher. */
gboolean queue_sequence(struct queue *queue, GError **error);

/* The table of `muster run --status` as JSON text. Freed by the caller. */
char *queue_status(struct queue *queue, GError **error);

#endif
