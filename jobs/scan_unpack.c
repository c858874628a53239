/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/program.h"
#include "jobs/unpack.h"
#include "lib/error.h"
#include "lib/file.h"

#define PROGRAM "muster-unpack"
/* Of one archive, to the last byte; a gigabyte takes some seconds. */
#define ARCHIVE_US (120 * G_USEC_PER_SEC)
#define WAIT_MS 200

struct unpacker {
	char *path;
	guint depth;
	guint64 entry_max;
	const gint *stop;
	pid_t pid; /* 0: none runs */
	int in, out;
	gint64 until_us;
};

struct unpacker *unpacker_new(guint depth, guint64 entry_max, const gint *stop, GError **error)
{
	g_autofree char *path = program_find(PROGRAM, error);

	if (path == NULL)
		return NULL;
	struct unpacker *u = g_new0(struct unpacker, 1);
	u->path = g_steal_pointer(&path);
	u->depth = depth;
	u->entry_max = entry_max;
	u->stop = stop;
	return u;
}

static void child_end(struct unpacker *u, gboolean is_killed)
{
	if (u->pid == 0)
		return;
	if (is_killed)
		kill(u->pid, SIGKILL);
	close(u->in);
	close(u->out);
	while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
		;
	u->pid = 0;
}

void unpacker_free(struct unpacker *u)
{
	if (u == NULL)
		return;
	child_end(u, FALSE);
	g_free(u->path);
	g_free(u);
}

static gboolean child_start(struct unpacker *u)
{
	g_autofree char *depth = g_strdup_printf("%u", u->depth);
	g_autofree char *entry_max = g_strdup_printf("%" G_GUINT64_FORMAT, u->entry_max);
	char *const argv[] = {(char *)PROGRAM, depth, entry_max, NULL};
	char *const none[] = {NULL};
	posix_spawn_file_actions_t actions;
	int in[2], out[2];

	if (u->pid != 0)
		return TRUE;
	if (pipe2(in, O_CLOEXEC) != 0)
		return FALSE;
	if (pipe2(out, O_CLOEXEC) != 0) {
		close(in[0]);
		close(in[1]);
		return FALSE;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	int code = posix_spawn(&u->pid, u->path, &actions, NULL, argv, none);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	if (code != 0) {
		close(in[1]);
		close(out[0]);
		u->pid = 0;
		return FALSE;
	}
	u->in = in[1];
	u->out = out[0];
	return TRUE;
}

static gboolean is_ready(struct unpacker *u)
{
	struct pollfd ready = {u->out, POLLIN, 0};

	while (g_get_monotonic_time() < u->until_us &&
		(u->stop == NULL || g_atomic_int_get(u->stop) == 0)) {
		int n = poll(&ready, 1, WAIT_MS);
		if (n > 0)
			return TRUE;
		if (n < 0 && errno != EINTR)
			return FALSE;
	}
	return FALSE;
}

static gboolean receive(struct unpacker *u, void *bytes, gsize len)
{
	guint8 *at = bytes;

	while (len > 0) {
		gssize got = is_ready(u) ? read(u->out, at, len) : -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return FALSE;
		at += got;
		len -= (gsize)got;
	}
	return TRUE;
}

/* The child may have been taken over by what it read: its numbers are checked as anybody's. */
static gboolean frames_receive(
	struct unpacker *u, unpack_entry_func entry, gpointer user, struct unpack_outcome *outcome)
{
	struct unpack_frame frame;
	guint64 left = UNPACK_BYTES_MAX;
	char name[UNPACK_NAME_MAX + 1];

	for (guint n = 0; n <= 2 * UNPACK_ENTRIES_MAX; n++) {
		if (!receive(u, &frame, sizeof(frame)) || frame.name_len > UNPACK_NAME_MAX ||
			frame.len > MIN(left, u->entry_max) || !receive(u, name, frame.name_len))
			return FALSE;
		name[frame.name_len] = '\0';
		left -= frame.len;
		guint8 *data = frame.len > 0 ? g_try_malloc(frame.len) : NULL;
		if (frame.len > 0 && (data == NULL || !receive(u, data, frame.len))) {
			g_free(data);
			return FALSE;
		}
		g_autoptr(GBytes) bytes = g_bytes_new_take(data, frame.len);
		switch (frame.kind) {
		case UNPACK_ENTRY:
			outcome->entries++;
			entry(user, name, bytes);
			break;
		case UNPACK_BROKEN:
			outcome->broken++;
			break;
		case UNPACK_LIMITED:
			outcome->limited++;
			break;
		case UNPACK_OTHER:
			outcome->others++;
			break;
		case UNPACK_DONE:
			return TRUE;
		default:
			return FALSE;
		}
	}
	return FALSE;
}

void unpacker_run(struct unpacker *u, const guint8 *data, gsize len, unpack_entry_func entry,
	gpointer user, struct unpack_outcome *outcome)
{
	guint64 size = len;

	if (len > u->entry_max) {
		outcome->limited++;
		return;
	}
	u->until_us = g_get_monotonic_time() + ARCHIVE_US;
	if (child_start(u) && file_write_all(u->in, &size, sizeof(size)) &&
		file_write_all(u->in, data, len) && frames_receive(u, entry, user, outcome))
		return;
	outcome->broken++;
	child_end(u, TRUE);
}
