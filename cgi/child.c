/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"

#define CPU_LIMIT_S 10
#define MEMORY_LIMIT_BYTES (1024UL * 1024 * 1024)
#define COMPLAINT_MAX_BYTES 4096

static gboolean refuse(GError **error, enum muster_error code, const char *message)
{
	g_set_error_literal(error, MUSTER_ERROR, code, message);
	return FALSE;
}

static void limits_set(pid_t pid)
{
	const struct rlimit cpu = {CPU_LIMIT_S, CPU_LIMIT_S}, none = {0, 0};

	prlimit(pid, RLIMIT_CPU, &cpu, NULL);
	prlimit(pid, RLIMIT_CORE, &none, NULL);
	prlimit(pid, RLIMIT_FSIZE, &none, NULL);
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes of address space */
	const struct rlimit memory = {MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES};
	prlimit(pid, RLIMIT_AS, &memory, NULL);
#endif
}

static char **environment_new(const struct child *child)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	g_strv_builder_add_many(
		builder, "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/nonexistent", NULL);
	for (gsize i = 0; child->environment != NULL && child->environment[i] != NULL; i++)
		g_strv_builder_add(builder, child->environment[i]);
	return g_strv_builder_end(builder);
}

static gboolean child_start(struct child *child, GError **error)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	g_auto(GStrv) environment = environment_new(child);

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
		int cause = errno;
		if (out[0] >= 0) {
			close(out[0]);
			close(out[1]);
		}
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "pipe: %s", g_strerror(cause));
		return FALSE;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
	posix_spawn_file_actions_addchdir_np(&actions, "/");
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGHUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int failure = posix_spawn(&child->pid, child->argv[0], &actions, &attributes,
		(char **)child->argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(out[1]);
	close(err[1]);
	child->out = out[0];
	child->err = err[0];
	if (failure != 0) {
		close(out[0]);
		close(err[0]);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", child->argv[0],
			g_strerror(failure));
		return FALSE;
	}
	limits_set(child->pid);
	return TRUE;
}

/* Takes what there is, up to max_bytes; closes *fd at its end. FALSE when there is more. */
static gboolean pipe_take(int *fd, GByteArray *bytes, gsize max_bytes)
{
	guint8 chunk[65536];
	gssize n = read(*fd, chunk, sizeof(chunk));

	if (n > 0) {
		gsize room = max_bytes - bytes->len;
		g_byte_array_append(bytes, chunk, (guint)MIN((gsize)n, room));
		return (gsize)n <= room;
	}
	if (n == 0 || errno != EINTR) {
		close(*fd);
		*fd = -1;
	}
	return TRUE;
}

static gboolean child_read(struct child *child, GError **error)
{
	gint64 limit_us = g_get_monotonic_time() + (gint64)child->time_limit_s * G_USEC_PER_SEC;

	while (child->out >= 0 || child->err >= 0) {
		/* poll passes over negative descriptors. */
		struct pollfd wait[] = {
			{.fd = child->out, .events = POLLIN}, {.fd = child->err, .events = POLLIN}};
		gint64 left_ms = (limit_us - g_get_monotonic_time()) / 1000;
		if (left_ms <= 0)
			return refuse(error, MUSTER_ERROR_BUSY, child->slow);
		if (poll(wait, 2, (int)left_ms) <= 0)
			continue;
		if (wait[0].revents != 0 &&
			!pipe_take(&child->out, child->output, CHILD_OUTPUT_MAX_BYTES))
			return refuse(error, MUSTER_ERROR_CONFLICT, child->large);
		/* What it complains beyond this is read, so that it can go on, and dropped. */
		if (wait[1].revents != 0)
			pipe_take(&child->err, child->complaint, COMPLAINT_MAX_BYTES);
	}
	return TRUE;
}

/* Ends it and all that it started, whatever happened. Returns the exit code; -1: killed. */
static int child_end(struct child *child, gboolean is_done)
{
	int status = 0;

	if (!is_done)
		kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-child->pid, SIGKILL);
	if (child->out >= 0)
		close(child->out);
	if (child->err >= 0)
		close(child->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

gboolean child_run(struct child *child, GError **error)
{
	child->output = g_byte_array_new();
	child->complaint = g_byte_array_new();
	if (!child_start(child, error))
		return FALSE;
	gboolean ok = child_read(child, error);
	child->code = child_end(child, ok);
	return ok;
}

char *child_complaint(const struct child *child)
{
	char *said = g_utf8_make_valid(
		(const char *)child->complaint->data, (gssize)child->complaint->len);

	return g_strchomp(g_strdelimit(said, "\r\n\t", ' '));
}

void child_clear(struct child *child)
{
	g_clear_pointer(&child->output, g_byte_array_unref);
	g_clear_pointer(&child->complaint, g_byte_array_unref);
}
