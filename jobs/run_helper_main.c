/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/run_child.h"
#include "jobs/run_protocol.h"
#include "lib/exit.h"

/*
 * The helper's own process. One thread, no GLib main loop: what is here is in the image of every
 * child. Its signals are only hints to look (signalfd), its truth is what waitid() says.
 */

#define LOOK_MS 1000

/* So long after its hard limit a job is ended here: its runner was stopped, or waits. */
#define LATE_US (5 * (gint64)G_USEC_PER_SEC)

struct helper_child {
	guint32 token;
	pid_t pid;
	gint64 end_us;
};

static struct {
	GArray *children; /* struct helper_child */
	int signal_fd;
	struct job_helper_conf conf;
	gint64 made_us, looked_us;
} state;

/* When what it makes cannot be kept, it is not tried for each job. */
#define MAKE_INTERVAL_US (60 * (gint64)G_USEC_PER_SEC)

static gssize child_find_pid(pid_t pid)
{
	for (guint i = 0; i < state.children->len; i++)
		if (g_array_index(state.children, struct helper_child, i).pid == pid)
			return (gssize)i;
	return -1;
}

static void event_send(const struct helper_event *event)
{
	/* The runner reads as long as it lives; if it does not, the next poll says so. */
	while (send(HELPER_SOCKET_FD, event, sizeof(*event), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void child_add(guint32 token, pid_t pid, gint64 end_us)
{
	struct helper_child child = {token, pid, end_us};
	g_array_append_val(state.children, child);
}

/* In the new child. */
static void child_begin(pid_t helper)
{
	sigset_t none;

	sigemptyset(&none);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != helper)
		_exit(EXIT_OTHER);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Which returns from here only as its exit code. */
static void child_become(const struct job_kind *kind, const int *fds, guint n_fds, pid_t helper)
{
	child_begin(helper);
	_exit(run_child(kind, fds[0], fds[1], n_fds > 2 ? fds[2] : -1));
}

/* What it makes, of files of ours, is there for the next child. */
static void kind_warm(const struct job_kind *kind)
{
	gint64 now = g_get_monotonic_time();
	pid_t helper = getpid();

	if (kind->warm == NULL || kind->warm(&state.conf) ||
		(state.made_us != 0 && now - state.made_us < MAKE_INTERVAL_US))
		return;
	state.made_us = now;
	pid_t pid = fork();
	if (pid == 0) {
		child_begin(helper);
		closefrom(HELPER_SOCKET_FD); /* the pipes of a job that it is not */
		kind->make(&state.conf);
		_exit(EXIT_FINE);
	}
	if (pid > 0)
		child_add(HELPER_TOKEN_MAKER, pid, G_MAXINT64);
}

static void request_start(const struct helper_request *request, const int *fds, guint n_fds)
{
	struct helper_event event = {.kind = HELPER_EVENT_REFUSED, .token = request->token};
	pid_t helper = getpid();

	if (n_fds < 2 || request->kind >= job_kinds_len) {
		event.status = EPROTO;
	} else {
		kind_warm(&job_kinds[request->kind]);
		sandbox_prepare(
			job_kinds[request->kind].may_connect, job_kinds[request->kind].may_execute);
		pid_t pid = fork();
		if (pid == 0)
			child_become(&job_kinds[request->kind], fds, n_fds, helper);
		event.pid = pid;
		event.status = pid < 0 ? errno : 0;
		if (pid > 0) {
			gint64 hard_us = job_kinds[request->kind].hard_s * (gint64)G_USEC_PER_SEC;
			event.kind = HELPER_EVENT_STARTED;
			child_add(request->token, pid, g_get_monotonic_time() + hard_us + LATE_US);
		}
	}
	for (guint i = 0; i < n_fds; i++)
		close(fds[i]);
	event_send(&event);
}

/* The leader is not reaped yet, or lives: its number cannot be another's. */
static void group_kill(pid_t leader, int number)
{
	/* Before its setsid() the child has no group of its own. */
	if (kill(-leader, number) < 0)
		kill(leader, number);
}

static void request_signal(const struct helper_request *request)
{
	for (guint i = 0; i < state.children->len; i++) {
		struct helper_child *child = &g_array_index(state.children, struct helper_child, i);
		if (child->token == request->token)
			group_kill(child->pid, request->signal);
	}
}

/* FALSE when the runner is gone. */
static gboolean request_receive(void)
{
	struct helper_request request;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct iovec part = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fds[3];
	guint n_fds = 0;

	ssize_t n = recvmsg(HELPER_SOCKET_FD, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n != (ssize_t)sizeof(request))
		return FALSE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			n_fds = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
		}
	if (request.signal == 0)
		request_start(&request, fds, n_fds);
	else
		request_signal(&request);
	return TRUE;
}

/*
 * Kills what a job left behind outside of its group: living children of this process that it did
 * not fork itself. Where the kernel does not list children (no CONFIG_PROC_CHILDREN) they live on
 * until the helper ends; their slot stays taken, so they are not unlimited.
 */
static void orphans_kill(void)
{
	FILE *list = fopen("/proc/thread-self/children", "re");
	int pid;

	while (list != NULL && fscanf(list, "%d", &pid) == 1)
		if (child_find_pid(pid) < 0)
			kill(pid, SIGKILL);
	if (list != NULL)
		fclose(list);
}

static gint64 milliseconds(struct timeval time)
{
	return (gint64)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static void children_reap(void)
{
	siginfo_t info;

	/* WNOWAIT leaves the number taken until the group was killed. */
	while (memset(&info, 0, sizeof(info)),
		waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
		struct helper_event event = {.kind = HELPER_EVENT_ENDED, .pid = info.si_pid};
		struct rusage usage;
		gssize i = child_find_pid(info.si_pid);

		if (i >= 0)
			kill(-info.si_pid, SIGKILL);
		if (wait4(info.si_pid, &event.status, 0, &usage) < 0 || i < 0)
			continue;
		event.token = g_array_index(state.children, struct helper_child, i).token;
		event.rss_kib = usage.ru_maxrss;
		event.cpu_ms = milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
		g_array_remove_index_fast(state.children, (guint)i);
		event_send(&event);
	}
	orphans_kill();
}

/* What nothing tells of: a process that left its job, a time that is over. */
static void look(void)
{
	gint64 now = g_get_monotonic_time();

	if (now - state.looked_us < LOOK_MS * 1000)
		return;
	state.looked_us = now;
	for (guint i = 0; i < state.children->len; i++) {
		struct helper_child *child = &g_array_index(state.children, struct helper_child, i);
		if (now >= child->end_us)
			group_kill(child->pid, SIGKILL);
	}
	orphans_kill();
}

static void signals_drain(void)
{
	struct signalfd_siginfo info;
	while (read(state.signal_fd, &info, sizeof(info)) > 0)
		;
}

int helper_main(int argc, char **argv)
{
	sigset_t child, stop;
	int type;
	socklen_t len = sizeof(type);

	/* Not a command: typed by a person it has no socket. */
	if (getsockopt(HELPER_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
		type != SOCK_SEQPACKET)
		return EXIT_USAGE;
	fcntl(HELPER_SOCKET_FD, F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_NAME, "muster-helper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Its life ends with the runner's, by the socket, and not by a signal meant for all. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGQUIT);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &child, NULL);
	state.signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	state.conf.state = argc > 1 ? argv[1] : "";
	state.conf.rules = argc > 2 ? argv[2] : "";
	state.children = g_array_new(FALSE, FALSE, sizeof(struct helper_child));

	struct pollfd fds[] = {{HELPER_SOCKET_FD, POLLIN, 0}, {state.signal_fd, POLLIN, 0}};
	for (;;) {
		int n = poll(fds, G_N_ELEMENTS(fds), state.children->len > 0 ? LOOK_MS : -1);
		if (n < 0 && errno != EINTR)
			break;
		look();
		if (fds[1].revents != 0) {
			signals_drain();
			children_reap();
		}
		if (fds[0].revents != 0 && !request_receive())
			break;
	}
	/* What is being made for all is waited for: the next runner finds it. */
	for (guint i = 0; i < state.children->len; i++) {
		struct helper_child *child = &g_array_index(state.children, struct helper_child, i);
		if (child->token != HELPER_TOKEN_MAKER)
			group_kill(child->pid, SIGKILL);
	}
	/* Until there is no child of any kind: what a job started comes here as its parents die. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		orphans_kill();
	g_array_free(state.children, TRUE);
	return EXIT_FINE;
}
