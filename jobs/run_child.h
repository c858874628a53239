/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_CHILD_H
#define JOBS_RUN_CHILD_H

#include "jobs/job_kinds.h"

/*
 * A job's own process, between its fork and its end: limits first, then the parameters, then the
 * kind's function, and its result as the last frame. It returns the exit code; what happened is
 * told by frames, so that any other end is a crash.
 *
 * Limits that hold before the first byte of a repository is read: memory, processor time,
 * descriptors, no core file, the size of a file, death with the helper, and the sandbox.
 */
int run_child(const struct job_kind *kind, int params_fd, int result_fd, int slot_fd);

#endif
