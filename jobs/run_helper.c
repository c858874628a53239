/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/run_protocol.h"
#include "lib/error.h"

struct helper {
	pid_t pid;
	int fd;
	gboolean is_gone;
};

/* What a child may know of the environment it was started from. */
static const char *const environment_names[] = {"ASAN_OPTIONS", "HOME", "LANG", "LC_ALL",
	"LC_CTYPE", "LD_LIBRARY_PATH", "LSAN_OPTIONS", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE",
	"TMPDIR", "TZ", "UBSAN_OPTIONS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"};

static char **environment_new(void)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	for (gsize i = 0; i < G_N_ELEMENTS(environment_names); i++) {
		const char *value = g_getenv(environment_names[i]);
		g_autofree char *pair =
			value != NULL ? g_strconcat(environment_names[i], "=", value, NULL) : NULL;
		if (pair != NULL)
			g_strv_builder_add(builder, pair);
	}
	return g_strv_builder_end(builder);
}

/* Executes this very program, even when its file was replaced by an update meanwhile. */
static int helper_spawn(int fd, const struct job_helper_conf *conf, pid_t *pid)
{
	char *argv[] = {(char *)"muster-server", (char *)"job-helper", (char *)conf->state,
		(char *)conf->rules, NULL};
	g_auto(GStrv) environment = environment_new();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;

	sigemptyset(&none);
	sigfillset(&defaults);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fd, HELPER_SOCKET_FD);
	posix_spawn_file_actions_addclosefrom_np(&actions, HELPER_SOCKET_FD + 1);
	posix_spawnattr_init(&attributes);
	/* A group of its own: Ctrl-C in a terminal is for the runner, which decides. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int code = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return code;
}

struct helper *helper_open(const struct job_helper_conf *conf, GError **error)
{
	int fds[2], code;
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot make a socket: %s",
			g_strerror(errno));
		return NULL;
	}
	/* dup2 of a descriptor onto itself would keep its close-on-exec flag. */
	if (fds[1] == HELPER_SOCKET_FD)
		fcntl(fds[1], F_SETFD, 0);
	code = helper_spawn(fds[1], conf, &pid);
	close(fds[1]);
	if (code != 0) {
		close(fds[0]);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"cannot start the process for jobs: %s", g_strerror(code));
		return NULL;
	}
	struct helper *helper = g_new0(struct helper, 1);
	helper->pid = pid;
	helper->fd = fds[0];
	return helper;
}

void helper_free(struct helper *helper)
{
	if (helper == NULL)
		return;
	close(helper->fd);
	while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g_free(helper);
}

int helper_fd(const struct helper *helper)
{
	return helper->fd;
}

gboolean helper_start(struct helper *helper, guint32 token, const struct job_kind *kind,
	int params_fd, int result_fd, int slot_fd, GError **error)
{
	struct helper_request request = {.token = token, .kind = (guint32)(kind - job_kinds)};
	int fds[3] = {params_fd, result_fd, slot_fd};
	gsize fds_bytes = (slot_fd >= 0 ? 3 : 2) * sizeof(int);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec part = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(fds_bytes)};

	memset(&control, 0, sizeof(control));
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(fds_bytes);
	memcpy(CMSG_DATA(rights), fds, fds_bytes);
	if (sendmsg(helper->fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(request))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
		"the process for jobs does not answer: %s", g_strerror(errno));
	return FALSE;
}

void helper_signal(struct helper *helper, guint32 token, int signal)
{
	struct helper_request request = {.token = token, .signal = signal};
	/* When this fails the helper is gone, and with it the child. */
	if (send(helper->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		return;
}

gboolean helper_receive(struct helper *helper, struct helper_event *event)
{
	ssize_t n;

	if (helper->is_gone)
		return FALSE;
	do
		n = recv(helper->fd, event, sizeof(*event), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(*event))
		return TRUE;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return FALSE;
	helper->is_gone = TRUE;
	*event = (struct helper_event){.kind = HELPER_EVENT_GONE};
	return TRUE;
}
