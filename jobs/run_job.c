/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "jobs/run_watch.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/quote.h"
#include "lib/secret.h"

#define ERROR_MAX_BYTES 1000
#define STOP_GRACE_US (5 * G_USEC_PER_SEC)
#define WATCH_US G_USEC_PER_SEC
/* An hour of ten a second is a third of it. */
#define FRAMES_MAX 100000
/* Then it is others' turn: who sends without end must not keep the runner for itself. */
#define FRAMES_AT_ONCE 64
#define PIPE_FRAMES_MAX 16384 /* as many headers fit into a pipe */
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_FACTOR 3 /* shadow, margins, and what is not freed yet */
#else
#define MEMORY_FACTOR 1
#endif

void run_job_set_error(struct run_job *job, gboolean can_retry, const char *message)
{
	if (job->error != NULL)
		return;
	job->error = g_utf8_make_valid(message, (gssize)strnlen(message, ERROR_MAX_BYTES));
	job->can_retry = can_retry;
}

void run_job_free(struct run_job *job)
{
	if (job->result_source != 0)
		g_source_remove(job->result_source);
	if (job->result_fd >= 0)
		close(job->result_fd);
	if (job->lock_fd >= 0)
		slot_job_close(job->runner->spares, job->job.id, job->lock_fd);
	frame_reader_free(job->reader);
	queue_job_clear(&job->job);
	json_object_put(job->payload);
	g_clear_pointer(&job->result, g_bytes_unref);
	g_free(job->error);
	g_string_free(job->log, TRUE);
	g_string_free(job->said, TRUE);
	json_object_put(job->late);
	g_clear_error(&job->trouble);
	g_free(job);
}

void run_job_prefix(const struct run_job *job)
{
	g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, job->job.id);
	log_set_prefix("job", id);
}

void run_job_stop(struct run_job *job, enum run_job_stop reason)
{
	if (job->stop == RUN_JOB_STOP_NONE)
		job->stop = reason;
	if (job->is_ended)
		return;
	helper_signal(job->runner->helper, job->token, SIGTERM);
	job->hard_at_us = MIN(job->hard_at_us, g_get_monotonic_time() + STOP_GRACE_US);
}

/* No grace: until then it would take more. */
static void limit_passed(struct run_job *job, const char *what)
{
	g_autofree char *text =
		g_strdup_printf("The processes of a job of kind %s %s.", job->job.kind->name, what);
	run_job_set_error(job, TRUE, text);
	run_job_stop(job, RUN_JOB_STOP_BAD);
	helper_signal(job->runner->helper, job->token, SIGKILL);
}

static void job_watch(struct run_job *job, gint64 now_us)
{
	const struct job_kind *kind = job->job.kind;
	struct watch watch;

	if (job->pid == 0 || now_us < job->watch_at_us || job->stop != RUN_JOB_STOP_NONE)
		return;
	job->watch_at_us = now_us + WATCH_US;
	if (!watch_take(job->pid, kind->may_execute, &watch))
		return;
	/* The many first: what processes of one image share is counted for each. */
	if (watch.tasks > WATCH_TASKS_MAX)
		limit_passed(job, "became too many");
	else if (watch.memory_bytes > kind->memory_bytes * MEMORY_FACTOR)
		limit_passed(job, "took more memory than they may");
	else if (watch.written_bytes > job_kind_disk_bytes(kind))
		limit_passed(job, "wrote more than they may");
}

static void time_passed(struct run_job *job)
{
	g_autofree char *text = g_strdup_printf("The time for a job of kind %s was over (%u s).",
		job->job.kind->name, job->job.kind->soft_s);
	run_job_set_error(job, TRUE, text);
}

void run_job_check_time(struct run_job *job, gint64 now_us)
{
	if (job->is_ended)
		return;
	job_watch(job, now_us);
	run_say_late(job);
	if (now_us >= job->hard_at_us) {
		helper_signal(job->runner->helper, job->token, SIGKILL);
		return;
	}
	if (now_us < job->soft_at_us || job->stop != RUN_JOB_STOP_NONE)
		return;
	time_passed(job);
	gint64 hard_at_us = job->hard_at_us;
	run_job_stop(job, RUN_JOB_STOP_TIME);
	job->hard_at_us = hard_at_us; /* this one has its own */
}

/* For the person who waits. The numbers are the child's word, and only shown. */
static void progress_draw(struct run_job *job, json_object *body)
{
	json_object *done = json_get(body, "done", json_type_int, NULL);
	json_object *total = json_get(body, "total", json_type_int, NULL);
	const char *name = json_get_text(body, "name", NULL);

	if (job->runner->progress == NULL || done == NULL || total == NULL || name == NULL)
		return;
	g_autofree char *shown = quote_format(name);
	gint64 most = CLAMP(json_object_get_int64(total), 1, G_MAXINT);
	progress_done(job->runner->progress, (guint)CLAMP(json_object_get_int64(done), 0, most),
		(guint)most, shown);
}

static void error_take(struct run_job *job, json_object *body)
{
	const char *message = json_get_text(body, "message", NULL);
	json_object *retry = json_get(body, "retry", json_type_boolean, NULL);
	json_object *busy = json_get(body, "busy", json_type_boolean, NULL);

	if (job->error == NULL && job->stop == RUN_JOB_STOP_NONE && busy != NULL &&
		json_object_get_boolean(busy))
		job->stop = RUN_JOB_STOP_BUSY;
	run_job_set_error(job, retry == NULL || json_object_get_boolean(retry),
		message != NULL ? message : "The job failed without saying why.");
}

static void frame_take(struct run_job *job, enum frame_kind kind, GBytes *body)
{
	gsize len;
	const char *bytes = g_bytes_get_data(body, &len);

	if (kind == FRAME_RESULT && job->result == NULL && job->error == NULL) {
		job->result = g_bytes_ref(body);
		return;
	}
	/* Small ones only: a result stays as it came. */
	g_autoptr(json_object) object =
		kind == FRAME_PROGRESS || kind == FRAME_LOG || kind == FRAME_ERROR
			? json_parse(bytes, len, &json_limits_request, NULL)
			: NULL;
	if (++job->frames > FRAMES_MAX) {
		run_job_set_error(job, TRUE, "The job's process said too much.");
		run_job_stop(job, RUN_JOB_STOP_BAD);
	} else if (!json_object_is_type(object, json_type_object)) {
		run_job_set_error(job, TRUE, "The job's process broke the rules of its frames.");
		run_job_stop(job, RUN_JOB_STOP_BAD);
	} else if (kind == FRAME_PROGRESS) {
		progress_draw(job, object);
		run_say_progress(job, object);
	} else if (kind == FRAME_LOG) {
		run_say_log(job, json_get_text(object, "message", NULL));
	} else {
		error_take(job, object);
	}
}

/* FALSE when nothing more can be read just now; *is_over when never. */
static gboolean frame_next(struct run_job *job, gboolean *is_over)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = NULL;
	enum frame_kind kind;

	*is_over = FALSE;
	switch (frame_read(job->reader, job->result_fd, &kind, &body, &error)) {
	case FRAME_STATE_WHOLE:
		frame_take(job, kind, body);
		return TRUE;
	case FRAME_STATE_BAD:
		*is_over = TRUE;
		/*
		 * A child that was killed often ends in the middle: that is not what went wrong.
		 * How it ended is heard in a moment.
		 */
		if (!job->is_ended && job->stop == RUN_JOB_STOP_NONE &&
			!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING)) {
			run_job_set_error(job, TRUE, error->message);
			run_job_stop(job, RUN_JOB_STOP_BAD);
		}
		return FALSE;
	case FRAME_STATE_END:
		*is_over = TRUE;
		return FALSE;
	case FRAME_STATE_MORE:
	case FRAME_STATE_UNSET:
		break;
	}
	return FALSE;
}

static gboolean result_readable(int fd, GIOCondition condition, gpointer data)
{
	struct run_job *job = data;
	gboolean is_over = FALSE;

	run_job_prefix(job);
	for (guint i = 0; i < FRAMES_AT_ONCE && frame_next(job, &is_over); i++)
		;
	log_set_prefix(NULL, NULL);
	if (!is_over)
		return G_SOURCE_CONTINUE;
	job->result_source = 0;
	return G_SOURCE_REMOVE;
}

/*
 * What the child wrote before its end: at most a pipe's 64 KiB are left, which is less than one
 * frame_read() takes.
 */
static void result_finish(struct run_job *job)
{
	gboolean is_over = FALSE;

	if (job->result_source == 0)
		return;
	/* Not without end: a process that left the group may still write. */
	for (guint i = 0; i < PIPE_FRAMES_MAX && frame_next(job, &is_over); i++)
		;
	g_source_remove(job->result_source);
	job->result_source = 0;
}

static void crash_describe(struct run_job *job, int status)
{
	g_autofree char *text =
		WIFSIGNALED(status)
			? g_strdup_printf("The job's process was ended by signal %d (%s).",
				  WTERMSIG(status), g_strsignal(WTERMSIG(status)))
			: g_strdup_printf("The job's process ended with code %d and no result.",
				  WEXITSTATUS(status));
	job->is_crash = TRUE;
	run_job_set_error(job, TRUE, text);
}

static void job_ended(struct run_job *job, const struct helper_event *event)
{
	gboolean is_clean = WIFEXITED(event->status) && WEXITSTATUS(event->status) == 0;
	g_autofree char *rss = g_strdup_printf("%" G_GINT64_FORMAT, event->rss_kib);
	g_autofree char *cpu = g_strdup_printf("%" G_GINT64_FORMAT, event->cpu_ms);
	g_autofree char *took = g_strdup_printf(
		"%" G_GINT64_FORMAT, (g_get_monotonic_time() - job->begun_us) / 1000);

	result_finish(job);
	run_say_end(job);
	progress_clear(job->runner->progress);
	job->is_ended = TRUE;
	job->ended_us = g_get_monotonic_time();
	if (job->ended_us - job->begun_us < RUN_QUICK_US)
		job->runner->quick_us = job->ended_us;
	job->has_run = TRUE;
	job->exit_status = event->status;
	job->rss_kib = event->rss_kib;
	job->cpu_ms = event->cpu_ms;
	/* The helper ends it when the runner could not. */
	if (!is_clean && g_get_monotonic_time() >= job->soft_at_us)
		time_passed(job);
	/* A limit that the kernel keeps is a limit, not a crash. */
	if (WIFSIGNALED(event->status) && WTERMSIG(event->status) == SIGXCPU)
		run_job_set_error(job, TRUE, "The job's processor time was over.");
	if (WIFSIGNALED(event->status) && WTERMSIG(event->status) == SIGXFSZ)
		run_job_set_error(job, TRUE, "A file that the job wrote became too large.");
	if (job->error == NULL && job->stop == RUN_JOB_STOP_NONE &&
		(!is_clean || job->result == NULL))
		crash_describe(job, event->status);
	log_debug("child ended", "ms", took, "cpu_ms", cpu, "rss_kib", rss, NULL);
}

/* The host has no room on its disk or for a process: no job pays for that. */
static void not_begun(struct run_job *job, const char *why)
{
	run_job_set_error(job, TRUE, why);
	job->stop = RUN_JOB_STOP_RELEASED;
	runner_rest(job->runner, why);
}

void run_job_event(struct run_job *job, const struct helper_event *event)
{
	run_job_prefix(job);
	if (event->kind == HELPER_EVENT_STARTED) {
		g_autofree char *pid = g_strdup_printf("%d", (int)event->pid);
		g_autofree char *us = g_strdup_printf(
			"%" G_GINT64_FORMAT, g_get_monotonic_time() - job->begun_us);
		job->pid = event->pid;
		log_debug("child started", "pid", pid, "us", us, NULL);
		log_set_prefix(NULL, NULL);
		/* There is nothing to be done about it. */
		return;
	} else if (event->kind == HELPER_EVENT_ENDED) {
		job_ended(job, event);
	} else {
		g_autofree char *text = g_strdup_printf("No process could be started: %s",
			event->kind == HELPER_EVENT_REFUSED ? g_strerror(event->status)
							    : "the process for jobs ended.");
		result_finish(job);
		job->is_ended = TRUE;
		job->ended_us = g_get_monotonic_time();
		if (event->kind == HELPER_EVENT_REFUSED)
			not_begun(job, text);
		else
			run_job_set_error(job, TRUE, text);
	}
	log_set_prefix(NULL, NULL);
	runner_wake(job->runner);
}

/* Parameters are written before there is a reader: the pipe must hold them. */
static gboolean params_send(struct run_job *job, int fd, GError **error)
{
	const char *text = json_object_to_json_string_ext(job->payload, JSON_C_TO_STRING_PLAIN);
	gsize len = strlen(text);

	gboolean ok = len <= FRAME_PARAMS_MAX_BYTES;

	if (!ok)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"the job's parameters are too long");
	fcntl(fd, F_SETPIPE_SZ, 2 * FRAME_PARAMS_MAX_BYTES);
	ok = ok && frame_write(fd, FRAME_PARAMS, text, len, error);
	/* json-c keeps it until payload is written again, or freed. */
	secret_wipe((char *)text, len);
	return ok;
}

/* What prepare gave the child to know, and only it. */
static void secrets_forget(struct run_job *job)
{
	static const char *const names[] = {"login", "key"};

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		json_wipe(job->payload, names[i]);
}

static gboolean login_add(struct run_job *job, GError **error)
{
	json_object *login = NULL;

	if (!job->job.kind->has_login)
		return TRUE;
	if (!queue_login(job->runner->queue, job->job.id, job->job.lease, &login, error))
		return FALSE;
	if (login != NULL)
		json_object_object_add(job->payload, "login", login);
	return TRUE;
}

static gboolean child_open(struct run_job *job, int slot_fd, GError **error)
{
	struct runner *runner = job->runner;
	int params[2] = {-1, -1}, result[2] = {-1, -1};
	gboolean ok = FALSE;

	if (!login_add(job, error))
		return FALSE;
	if (job->job.kind->prepare != NULL &&
		!job->job.kind->prepare(runner->conf, job->payload, error))
		return FALSE;
	if (pipe2(params, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(result, O_CLOEXEC) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "cannot make a pipe: %s",
			g_strerror(errno));
	} else {
		ok = params_send(job, params[1], error);
		/* Flags are of the open file, which the child will share: its end shall wait. */
		fcntl(params[0], F_SETFL, 0);
		ok = ok && helper_start(runner->helper, job->token, job->job.kind, params[0],
				   result[1], slot_fd, error);
	}
	if (ok) {
		job->result_fd = g_steal_fd(&result[0]);
		g_unix_set_fd_nonblocking(job->result_fd, TRUE, NULL);
		job->result_source = g_unix_fd_add(
			job->result_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, result_readable, job);
	}
	int fds[] = {params[0], params[1], result[0], result[1]};
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return ok;
}

static gboolean child_start(struct run_job *job, int slot_fd, GError **error)
{
	gboolean ok = child_open(job, slot_fd, error);
	secrets_forget(job);
	return ok;
}

struct run_job *run_job_new(struct runner *runner, struct queue_job *claimed)
{
	struct run_job *job = g_new0(struct run_job, 1);

	job->runner = runner;
	job->token = ++runner->token;
	job->job = *claimed;
	*claimed = (struct queue_job){0};
	job->lock_fd = job->result_fd = -1;
	job->claimed_us = g_get_monotonic_time();
	job->log = g_string_new(NULL);
	job->said = g_string_new(NULL);
	job->reader = frame_reader_new(job->job.kind->result_max_bytes);
	job->payload = json_parse(
		job->job.payload, strlen(job->job.payload), &json_limits_request, &job->trouble);
	if (job->trouble == NULL)
		job->lock_fd =
			slot_job_open(runner->spares, job->job.id, job->job.lease, &job->trouble);
	return job;
}

void run_job_begin(struct run_job *job, int slot_fd)
{
	struct runner *runner = job->runner;
	g_autoptr(GError) error = g_steal_pointer(&job->trouble);

	job->begun_us = g_get_monotonic_time();
	job->soft_at_us = job->begun_us + (gint64)job->job.kind->soft_s * G_USEC_PER_SEC;
	job->hard_at_us = job->begun_us + (gint64)job->job.kind->hard_s * G_USEC_PER_SEC;
	run_job_prefix(job);
	g_hash_table_insert(runner->jobs, GUINT_TO_POINTER(job->token), job);
	log_debug("claimed", "kind", job->job.kind->name, NULL);

	gboolean is_open = job->lock_fd >= 0 && slot_job_begin(job->lock_fd, &error);
	if (!is_open || !child_start(job, slot_fd, &error)) {
		job->is_ended = TRUE;
		job->ended_us = job->begun_us;
		if (!is_open && g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_IO))
			not_begun(job, error->message);
		else
			run_job_set_error(job,
				!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT),
				error->message);
		/* The database is away for a moment, or somebody has a row. */
		if (job->stop == RUN_JOB_STOP_NONE &&
			g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY))
			job->stop = RUN_JOB_STOP_BUSY;
		runner_wake(runner);
	}
	log_set_prefix(NULL, NULL);
}
