/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/run_frame.h"
#include "jobs/run_sandbox.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/secret.h"

#define PROGRESS_INTERVAL_US (100 * 1000)
#define LOG_LINES_MAX 100
#define TEXT_MAX_BYTES 500
/* Of addresses beside a job's memory: packs and indexes that are mapped to be read. */
#define MAPPED_MAX_BYTES ((gint64)256 * 1024 * 1024 * 1024)

/* Where a child's descriptors lie; all behind them are closed. */
enum {
	PARAMS_FD = 3,
	RESULT_FD,
	SLOT_FD,
	BEHIND_FD
};

struct job_child {
	gint64 progress_at_us;
	guint log_lines;
};

static void limit_set(int resource, gint64 value)
{
	struct rlimit old, limit = {(rlim_t)value, (rlim_t)value};

	/* A limit that holds already and is lower stays. */
	if (getrlimit(resource, &old) == 0 && old.rlim_max != RLIM_INFINITY)
		limit.rlim_cur = limit.rlim_max = MIN(limit.rlim_max, old.rlim_max);
	setrlimit(resource, &limit);
}

static void limits_set(const struct job_kind *kind)
{
	limit_set(RLIMIT_CORE, 0);
	limit_set(RLIMIT_CPU, kind->cpu_s);
	limit_set(RLIMIT_NOFILE, kind->files);
	limit_set(RLIMIT_FSIZE, job_kind_disk_bytes(kind));
#if !defined(__SANITIZE_ADDRESS__)
	/*
	 * RLIMIT_DATA is of memory written to, since Linux 4.7 mapped memory too; RLIMIT_AS counts
	 * every pack that is mapped to be read. The address sanitizer reserves terabytes that it
	 * never uses: there the runner alone watches (jobs/run_watch.h).
	 */
	limit_set(RLIMIT_DATA, kind->memory_bytes);
	limit_set(RLIMIT_AS, kind->memory_bytes + MAPPED_MAX_BYTES);
#endif
	umask(077);
}

/*
 * To the fixed places, by way of numbers above all of them. The slot's lock alone is inherited by
 * programs that the job starts.
 */
static gboolean descriptors_place(int params_fd, int result_fd, int slot_fd)
{
	int from[] = {params_fd, result_fd, slot_fd};

	for (gsize i = 0; i < G_N_ELEMENTS(from); i++)
		if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, BEHIND_FD)) < 0)
			return FALSE;
	close(SLOT_FD);
	if (dup3(from[0], PARAMS_FD, O_CLOEXEC) < 0 || dup3(from[1], RESULT_FD, O_CLOEXEC) < 0 ||
		(from[2] >= 0 && dup2(from[2], SLOT_FD) < 0))
		return FALSE;
	closefrom(BEHIND_FD);
	return TRUE;
}

/* text as UTF-8, cut where a character begins. */
static json_object *text_new(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, TEXT_MAX_BYTES));
	return json_object_new_string(valid);
}

/* Takes body. When the runner does not read any more this process is about to be killed. */
static void body_send(enum frame_kind kind, json_object *body)
{
	const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
	frame_write(RESULT_FD, kind, text, strlen(text), NULL);
	json_object_put(body);
}

/* Whether enough time has passed since the last one; the end is always told. */
static gboolean progress_is_due(struct job_child *child, int percent)
{
	gint64 now = g_get_monotonic_time();

	if (percent < 100 && now - child->progress_at_us < PROGRESS_INTERVAL_US)
		return FALSE;
	child->progress_at_us = now;
	return TRUE;
}

static json_object *progress_new(int percent, const char *message)
{
	json_object *body = json_object_new_object();

	json_object_object_add(body, "percent", json_object_new_int(CLAMP(percent, 0, 100)));
	if (message != NULL)
		json_object_object_add(body, "message", text_new(message));
	return body;
}

void job_child_progress(struct job_child *child, int percent, const char *message)
{
	if (progress_is_due(child, percent))
		body_send(FRAME_PROGRESS, progress_new(percent, message));
}

void job_child_step(struct job_child *child, int percent, const char *message)
{
	json_object *body = progress_new(percent, message);

	json_object_object_add(body, "step", json_object_new_boolean(TRUE));
	child->progress_at_us = g_get_monotonic_time();
	body_send(FRAME_PROGRESS, body);
}

void job_child_count(struct job_child *child, guint done, guint total, const char *name)
{
	int percent = total > 0 ? (int)(MIN(done, total) * 100ULL / total) : 0;

	if (!progress_is_due(child, percent))
		return;
	g_autofree char *message = g_strdup_printf("%u of %u: %s", done, total, name);
	json_object *body = progress_new(percent, message);
	json_object_object_add(body, "done", json_object_new_int64(done));
	json_object_object_add(body, "total", json_object_new_int64(total));
	json_object_object_add(body, "name", text_new(name));
	body_send(FRAME_PROGRESS, body);
}

void job_child_log(struct job_child *child, const char *text)
{
	if (child->log_lines++ >= LOG_LINES_MAX)
		return;
	json_object *body = json_object_new_object();
	json_object_object_add(body, "message", text_new(text));
	body_send(FRAME_LOG, body);
}

static void error_send(const GError *error)
{
	gboolean is_final = g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ||
			    g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING) ||
			    g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT);
	json_object *body = json_object_new_object();

	json_object_object_add(body, "message", text_new(error->message));
	json_object_object_add(body, "retry", json_object_new_boolean(!is_final));
	json_object_object_add(body, "busy",
		json_object_new_boolean(g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY)));
	body_send(FRAME_ERROR, body);
}

/* GLib ends the process when there is no memory, and nothing that needs any can be said then. */
static void failure_tell(
	const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
	static const char body[] =
		"{\"message\":\"The job's process was out of memory.\",\"retry\":true}";

	if ((level & G_LOG_LEVEL_ERROR) != 0 && strstr(message, "failed to allocate") != NULL)
		frame_write(RESULT_FD, FRAME_ERROR, body, sizeof(body) - 1, NULL);
	g_log_default_handler(domain, level, message, data);
}

static json_object *params_read(GError **error)
{
	g_autoptr(frame_reader) reader = frame_reader_new(0);
	g_autoptr(GBytes) body = NULL;
	enum frame_kind kind = FRAME_UNSET;
	enum frame_state state;
	gsize len;

	do
		state = frame_read(reader, PARAMS_FD, &kind, &body, error);
	while (state == FRAME_STATE_MORE);
	if (state == FRAME_STATE_BAD)
		return NULL;
	if (state != FRAME_STATE_WHOLE || kind != FRAME_PARAMS) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "the job came without parameters");
		return NULL;
	}
	char *bytes = g_bytes_unref_to_data(g_steal_pointer(&body), &len);
	json_object *params = json_parse(bytes, len, &json_limits_request, error);
	/* There may be a password in it, or a key. */
	secret_wipe(bytes, len);
	g_free(bytes);
	return params;
}

static gboolean kind_confine(const struct job_kind *kind, json_object *params, GError **error)
{
	g_autoptr(sandbox) sandbox = sandbox_new();

	if (kind->confine != NULL)
		kind->confine(params, sandbox);
	return sandbox_enter(sandbox, kind->may_connect, kind->may_execute, error);
}

int run_child(const struct job_kind *kind, int params_fd, int result_fd, int slot_fd)
{
	struct job_child child = {0};
	g_autoptr(GError) error = NULL;

	prctl(PR_SET_NAME, "muster-job");
	if (!descriptors_place(params_fd, result_fd, slot_fd))
		return EXIT_OTHER;
	limits_set(kind);
	g_log_set_default_handler(failure_tell, NULL);
	g_autoptr(json_object) params = params_read(&error);
	g_autofree char *result = NULL;
	if (params != NULL && kind_confine(kind, params, &error))
		result = kind->run(&child, params, &error);
	if (result == NULL) {
		error_send(error);
		return EXIT_FINE;
	}
	return frame_write(RESULT_FD, FRAME_RESULT, result, strlen(result), NULL) ? EXIT_FINE
										  : EXIT_OTHER;
}
