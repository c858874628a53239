/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgi/call.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/log.h"
#include "lib/quote.h"

/*
 * The diff of a repository's working tree. This process never opens a repository, which may be
 * hostile: the program muster does, without a shell, with a clean environment, in a process group
 * of its own, with limits on time, processor, memory and output. Where the repository lies comes
 * from the database under the rights of whoever asks, and must be below the folder that is watched
 * there even after symbolic links, for anybody who may write a report could name any path. The
 * program fences itself into that folder, for a repository could name any path too.
 */
#define TIME_LIMIT_MS 15000
#define OUTPUT_MAX_BYTES (16 * 1024 * 1024)
#define CPU_LIMIT_S 10
#define MEMORY_LIMIT_BYTES (1024UL * 1024 * 1024)
#define COMPLAINT_MAX_BYTES 4096

static const struct json_limits output_limits = {OUTPUT_MAX_BYTES, 32, 100000};

struct child {
	pid_t pid;
	int out, err;
	GByteArray *output, *complaint;
};

static gboolean refuse(GError **error, enum muster_error code, const char *message)
{
	g_set_error_literal(error, MUSTER_ERROR, code, message);
	return FALSE;
}

/* quoted: a path as reports write it. The real path, or NULL with a sentence for a person. */
static char *path_resolve(const char *quoted, GError **error)
{
	g_autofree char *path = quote_parse(quoted);
	char *real = realpath(path, NULL);

	if (real == NULL && errno == EACCES)
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The service's user may not read this repository's folder, so it has no "
			"diff here: let that user read it, or run Muster as its owner.");
	else if (real == NULL)
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The repository's folder is not there any more.");
	return real;
}

static gboolean path_is_below(const char *path, const char *folder)
{
	gsize len = strlen(folder);

	while (len > 0 && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) && (path[len] == '/' || path[len] == '\0');
}

/* Where the repository lies, real and confined, below *top; both freed by the caller. */
static char *place_find(struct route_call *call, char **name, char **top, GError **error)
{
	const char *params[] = {route_value(call, "repo")};
	g_autoptr(db_result) place = NULL;

	if (!call_run(call,
		    "select name, path, root_path, host from muster.repo_place(p_repo => $1)", 1,
		    params, &place, error))
		return NULL;
	if (db_result_rows(place) == 0) {
		refuse(error, MUSTER_ERROR_MISSING, "There is no such repository.");
		return NULL;
	}
	if (db_result_get(place, 0, 1) == NULL || db_result_get(place, 0, 2) == NULL) {
		refuse(error, MUSTER_ERROR_CONFLICT, "This repository has no folder on this host.");
		return NULL;
	}
	if (strcmp(db_result_get(place, 0, 3), conf_get(call->api->conf, "server.host"))) {
		refuse(error, MUSTER_ERROR_CONFLICT, "This repository lies on another host.");
		return NULL;
	}
	g_autofree char *path = path_resolve(db_result_get(place, 0, 1), error);
	g_autofree char *root =
		path != NULL ? path_resolve(db_result_get(place, 0, 2), error) : NULL;
	if (root == NULL)
		return NULL;
	if (!path_is_below(path, root)) {
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The repository's folder lies outside of the folder that is watched.");
		return NULL;
	}
	if (access(path, R_OK | X_OK) < 0) {
		refuse(error, MUSTER_ERROR_CONFLICT,
			"The service's user may not read this repository's folder, so it has no "
			"diff here: let that user read it, or run Muster as its owner.");
		return NULL;
	}
	*name = g_strdup(db_result_get(place, 0, 0));
	*top = g_steal_pointer(&root);
	return g_steal_pointer(&path);
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

static gboolean child_start(struct child *child, const char *program, const char *path,
	const char *root, GError **error)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	const char *argv[] = {
		program, "diff", "--format", "json", "--within", root, "--", path, NULL};
	const char *envp[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", NULL};

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
	int failure = posix_spawn(
		&child->pid, program, &actions, &attributes, (char **)argv, (char **)envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(out[1]);
	close(err[1]);
	child->out = out[0];
	child->err = err[0];
	if (failure != 0) {
		close(out[0]);
		close(err[0]);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", program,
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
	gint64 limit_us = g_get_monotonic_time() + TIME_LIMIT_MS * 1000;

	while (child->out >= 0 || child->err >= 0) {
		/* poll passes over negative descriptors. */
		struct pollfd wait[] = {
			{.fd = child->out, .events = POLLIN}, {.fd = child->err, .events = POLLIN}};
		gint64 left_ms = (limit_us - g_get_monotonic_time()) / 1000;
		if (left_ms <= 0)
			return refuse(error, MUSTER_ERROR_BUSY, "The diff takes too long to make.");
		if (poll(wait, 2, (int)left_ms) <= 0)
			continue;
		if (wait[0].revents != 0 &&
			!pipe_take(&child->out, child->output, OUTPUT_MAX_BYTES))
			return refuse(
				error, MUSTER_ERROR_CONFLICT, "The diff is too long to show.");
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

/* The program's answer, with the name that the person asked by. */
static gboolean diff_answer(struct route_call *call, const struct child *child, int code,
	const char *name, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(json_object) diff = NULL;

	if (code == EXIT_FINE || code == EXIT_ATTENTION || code == EXIT_PARTLY)
		diff = json_parse((const char *)child->output->data, child->output->len,
			&output_limits, &failure);
	if (diff == NULL || !json_object_is_type(diff, json_type_object)) {
		g_autofree char *said =
			g_strndup((const char *)child->complaint->data, child->complaint->len);
		g_autofree char *code_text = g_strdup_printf("%d", code);
		log_warning("muster diff failed", "repo", name, "exit", code_text, "said", said,
			"error", failure != NULL ? failure->message : NULL, NULL);
		return refuse(error, MUSTER_ERROR_CONFLICT,
			"The repository cannot be read, so it has no diff.");
	}
	json_object_object_add(diff, "repo", json_object_new_string(name));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(
			diff, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	return TRUE;
}

gboolean diff_get(struct route_call *call, GError **error)
{
	const char *program = conf_get(call->api->conf, "paths.muster");
	g_autofree char *name = NULL, *root = NULL;
	g_autofree char *path = place_find(call, &name, &root, error);
	g_autoptr(GByteArray) output = g_byte_array_new(), complaint = g_byte_array_new();
	struct child child = {.output = output, .complaint = complaint};

	if (path == NULL || !child_start(&child, program, path, root, error))
		return FALSE;
	gboolean ok = child_read(&child, error);
	int code = child_end(&child, ok);
	return ok && diff_answer(call, &child, code, name, error);
}
