/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_HELPER_H
#define JOBS_RUN_HELPER_H

#include <glib.h>
#include <sys/types.h>

#include "jobs/job_kinds.h"

/*
 * The lean process from which every job's child is forked. It is muster-server executed anew with
 * an environment of a few harmless names, so it holds no connection, no key and no setting; a fork
 * of it costs well under a millisecond, and its children inherit nothing that they must not see.
 *
 * It does five things: load what the children of a kind share, fork a child for a request, pass a
 * signal on to a child's group, tell when a child ended, and leave nothing behind. Before a child
 * is reaped its whole group is killed; what left the group falls to the helper (it is the
 * subreaper) and is killed too; when the runner goes away, however it died, the helper kills
 * everything and ends. A child that outlives its hard limit by some seconds, because the runner was
 * stopped or waits for somebody, is ended here too.
 *
 *	struct helper *helper = helper_open(&conf, error);
 *	helper_start(helper, token, kind, params_fd, result_fd, slot_fd, error)
 *	...  when helper_fd() is readable: while (helper_receive(helper, &event, &error)) ...
 *
 * Both ends are one program, so messages are structures of it on a SOCK_SEQPACKET socket.
 */

struct helper;
typedef struct helper helper;

enum helper_event_kind {
	HELPER_EVENT_UNSET,
	HELPER_EVENT_STARTED, /* pid */
	HELPER_EVENT_ENDED,   /* status, rss_kib, cpu_ms */
	HELPER_EVENT_REFUSED, /* status is errno: no process could be made */
	HELPER_EVENT_GONE,    /* the helper itself ended; so has every child */
};

struct helper_event {
	enum helper_event_kind kind;
	guint32 token;
	pid_t pid;
	int status; /* as waitpid(2) gives it */
	gint64 rss_kib, cpu_ms;
};

/* Errors: MUSTER_ERROR_IO. */
struct helper *helper_open(const struct job_helper_conf *conf, GError **error);
/*
 * Closes the socket, on which the helper kills what is left, and waits for its end; also for what
 * is being made for all, which the next one finds, unless it was signalled.
 */
void helper_free(struct helper *helper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(helper, helper_free)

int helper_fd(const struct helper *helper);

/*
 * Asks for a child that runs kind with params_fd as its input, result_fd as its output, and slot_fd
 * (may be -1) kept open in it and all that it starts. The caller keeps its descriptors and closes
 * them. Errors: MUSTER_ERROR_IO.
 */
gboolean helper_start(struct helper *helper, guint32 token, const struct job_kind *kind,
	int params_fd, int result_fd, int slot_fd, GError **error);

/* Of whatever is being made for all children of a kind (job_kind.make); no child's. */
#define HELPER_TOKEN_MAKER 0

/* To the child's group; nothing when it has ended. */
void helper_signal(struct helper *helper, guint32 token, int signal);

/* FALSE when there is none just now. */
gboolean helper_receive(struct helper *helper, struct helper_event *event);

/* The command muster-server job-helper. */
int helper_main(int argc, char **argv);

#endif
