/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_QUEUE_H
#define JOBS_RUN_QUEUE_H

#include <glib.h>

#include "jobs/job_kinds.h"
#include "lib/conf.h"

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

/* Errors: MUSTER_ERROR_INPUT when no database is configured. */
struct queue *queue_open(const struct conf *conf, GError **error);
void queue_free(struct queue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(queue, queue_free)

gboolean queue_is_away(const struct queue *queue);

/* Says what kinds there are. */
gboolean queue_tell_kinds(struct queue *queue, GError **error);

/* Adds the audit jobs of this host that are due. */
gboolean queue_schedule(struct queue *queue, GError **error);

/* Claims at most limit jobs of the kinds we run; elements struct queue_job. */
GArray *queue_claim(struct queue *queue, guint limit, GError **error);

/* *is_ours FALSE: the lease is lost, or the job was cancelled. */
gboolean queue_renew(struct queue *queue, gint64 id, const char *lease, guint lease_s,
	gboolean *is_ours, GError **error);
gboolean queue_progress(struct queue *queue, gint64 id, const char *lease, int percent,
	const char *message, gboolean *is_ours, GError **error);

/*
 * Stores what record says and completes the job, in one transaction that needs the lease. usage:
 * JSON of what the attempt took, as of job_usage() in sql/api/job.sql.
 */
gboolean queue_complete(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const struct job_record *record, gboolean *is_ours, GError **error);

/* *state, freed by the caller: "queued" (again), "dead", "cancelled" (for a newer one) or "lost". */
gboolean queue_fail(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const char *message, gboolean retry, gboolean crash, char **state, GError **error);

/* Queues the job again, due at once, as if it had not been begun. */
gboolean queue_put_back(
	struct queue *queue, gint64 id, const char *lease, gboolean *is_ours, GError **error);

/* A report file's bytes; *is_new FALSE when the database had it. */
gboolean queue_ingest(struct queue *queue, const char *organization, const char *root,
	const char *report, gboolean *is_new, GError **error);

/* Forgets what is too old, unless somebody did in the last hour. */
gboolean queue_prune(struct queue *queue, GError **error);

/*
 * One piece of a job that the database does itself (a kind without run). *is_done FALSE: there was
 * none to do.
 */
gboolean queue_step(struct queue *queue, gboolean *is_done, GError **error);

/* Numbers the events of what was committed, and wakes this host's pusher. */
gboolean queue_sequence(struct queue *queue, GError **error);

/* The table of `muster run --status` as JSON text. Freed by the caller. */
char *queue_status(struct queue *queue, GError **error);

#endif
