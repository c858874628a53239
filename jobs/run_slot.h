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
 *	job-ID		held by the runner that minds job ID; holds its lease
 */

/* Makes STATE/slot. Errors: MUSTER_ERROR_IO, _MISSING. */
gboolean slot_init(const struct conf *conf, GError **error);

/* A descriptor, or -1 with MUSTER_ERROR_BUSY while another runner claims. */
int slot_claim(const struct conf *conf, GError **error);

/* job.concurrency, with 0 replaced by the number of processors. */
guint slot_count(const struct conf *conf);

/* The lock of a free slot, or -1 when there is none. */
int slot_take(const struct conf *conf);

/* The lock of a job that this runner minds; slot_job_close() also removes the file. */
int slot_job_open(const struct conf *conf, gint64 id, const char *lease, GError **error);
void slot_job_close(const struct conf *conf, gint64 id, int fd);

/*
 * Calls f for each job whose runner is gone without having finished it. The file is removed when f
 * returns TRUE.
 */
void slot_job_list_lost(const struct conf *conf,
	gboolean (*f)(gint64 id, const char *lease, gpointer data), gpointer data);

#endif
