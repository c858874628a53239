/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_SLOT_H
#define JOBS_RUN_SLOT_H

#include <glib.h>

#include "lib/conf.h"

/*
 * What is a host's and not a runner's: who claims, how many jobs run, and which jobs belong to a
 * living runner. All three are locks on files in STATE/slot, so the kernel undoes them at the very
 * moment that their holder is gone, and no process number is ever trusted.
 *
 *	claim		held by the one runner that claims
 *	0 … N-1		held by a job's child and everything it started: the host's concurrency
 *	SET.claim	the same for the one runner that claims from these queues alone,
 *	SET.0 …		and its slots
 *	job-ID		held by the runner that minds job ID; holds its lease, and whether it is begun
 *	was-ID		no job's any more, and held by the runner that will use it again
 *
 * set, here and below, is the names of queues joined by '+'; NULL: all queues.
 */

/* Makes STATE/slot. Errors: MUSTER_ERROR_IO, _MISSING. */
gboolean slot_init(const struct conf *conf, GError **error);

/* A descriptor, or -1 with MUSTER_ERROR_BUSY while another runner claims for the same set. */
int slot_claim(const struct conf *conf, const char *set, GError **error);

/*
 * Whether any runner of this host claims. Errors: MUSTER_ERROR_MISSING when none has ever done so,
 * _IO.
 */
gboolean slot_is_claimed(const struct conf *conf, gboolean *is_claimed, GError **error);

/* job.concurrency, with 0 replaced by the number of processors. */
guint slot_count(const struct conf *conf);

/* The lock of that one of slot_count(), or -1 when it is taken. */
int slot_take(const struct conf *conf, const char *set, guint slot);

/*
 * Files of jobs that ended, for those that follow: to make a new one takes a file system longer
 * than the runner takes for all else of a job, and a disk that is full has none.
 */
struct slot_spares;
typedef struct slot_spares slot_spares;
struct slot_spares *slot_spares_new(const struct conf *conf);
void slot_spares_free(struct slot_spares *spares);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(slot_spares, slot_spares_free)

/*
 * The lock of a job that this runner has; slot_job_begin() says that it is more than claimed.
 * Errors: MUSTER_ERROR_BUSY when another runner of this host has the job; _IO.
 */
int slot_job_open(struct slot_spares *spares, gint64 id, const char *lease, GError **error);
gboolean slot_job_begin(int fd, GError **error);
void slot_job_close(struct slot_spares *spares, gint64 id, int fd);

/*
 * Calls f for each job whose runner is gone without having finished it. The file is removed when f
 * returns TRUE.
 */
void slot_job_list_lost(const struct conf *conf,
	gboolean (*f)(gint64 id, const char *lease, gboolean is_begun, gpointer data),
	gpointer data);

#endif
