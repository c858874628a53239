/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"

extern char **environ;

char *program_find(const char *name, GError **error)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);

	if (self != NULL) {
		g_autofree char *folder = g_path_get_dirname(self);
		g_autofree char *beside = g_build_filename(folder, name, NULL);
		if (access(beside, X_OK) == 0)
			return g_steal_pointer(&beside);
		/* The usual layout somewhere else: below DESTDIR, or moved as a whole. */
		g_autofree char *moved =
			g_build_filename(folder, "..", "libexec", "muster", name, NULL);
		if (access(moved, X_OK) == 0)
			return g_steal_pointer(&moved);
	}
	g_autofree char *installed = g_build_filename(PKGLIBEXECDIR, name, NULL);
	if (access(installed, X_OK) == 0)
		return g_steal_pointer(&installed);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
		"%s is not installed: it should be in %s", name, PKGLIBEXECDIR);
	return NULL;
}

/* Everything the pipe gives; FALSE when it is more than max_bytes or cannot be read. */
static gboolean output_read(int fd, gsize max_bytes, GString *out, GError **error)
{
	char buffer[16384];
	gssize len;

	while ((len = read(fd, buffer, sizeof(buffer))) != 0) {
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s", g_strerror(errno));
			return FALSE;
		}
		if (out->len + (gsize)len > max_bytes) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"more than %" G_GSIZE_FORMAT " bytes of output", max_bytes);
			return FALSE;
		}
		g_string_append_len(out, buffer, len);
	}
	return TRUE;
}

gboolean program_run(const char *name, const char *const *argv, gsize max_bytes, GString *out,
	int *exit_code, GError **error)
{
	g_autofree char *path = program_find(name, error);
	posix_spawn_file_actions_t actions;
	int pipes[2], status = 0;
	pid_t pid;

	if (path == NULL)
		return FALSE;
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s", g_strerror(errno));
		return FALSE;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
	int failed = posix_spawn(&pid, path, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (failed != 0) {
		close(pipes[0]);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s cannot be started: %s", name,
			g_strerror(failed));
		return FALSE;
	}
	gboolean is_read = output_read(pipes[0], max_bytes, out, error);
	close(pipes[0]);
	if (!is_read)
		kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return is_read;
}
