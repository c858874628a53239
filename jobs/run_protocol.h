/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_PROTOCOL_H
#define JOBS_RUN_PROTOCOL_H

#include <glib.h>

#include "jobs/run_helper.h"

/*
 * What lies on the socket between jobs/run_helper.c (the runner's end) and jobs/run_helper_main.c
 * (the helper's): structures of one program, a packet each. Descriptors of a start come along as
 * SCM_RIGHTS: parameters, result, and the slot's lock if there is one.
 */

#define HELPER_SOCKET_FD 3 /* in the helper */

struct helper_request {
	guint32 token;
	int signal;   /* 0: start */
	guint32 kind; /* a start: row of job_kinds */
};

#endif
