/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/wake.h"

#define TICK_MS 1000
#define GATHER_MS 2
#define SCHEDULE_US G_USEC_PER_SEC
#define RENEW_US (QUEUE_RENEW_S * (gint64)G_USEC_PER_SEC)
/* Woken or not, the database is not asked more often whether it has jobs of its own. */
#define STEP_MS 10
#define REST_US (5 * (gint64)G_USEC_PER_SEC)
#define REPORTS_US (60 * (gint64)G_USEC_PER_SEC)
#define LISTEN_RETRY_US (5 * (gint64)G_USEC_PER_SEC)
/* A helper that dies more often than this a minute is started again after a rest only. */
#define HELPER_DEATHS_MAX 5
/* Once children were told to stop: their grace, and the moment a kill takes. */
#define STOP_US (10 * (gint64)G_USEC_PER_SEC)

static void claim_end(struct runner *runner);

static gboolean is_ending(const struct runner *runner)
{
	return runner->state >= RUNNER_MINDING;
}

static void runner_fail(struct runner *runner, const char *msg, const GError *error)
{
	log_failure(LOG_LEVEL_ERROR, msg, error);
	runner->exit_code = EXIT_OTHER;
	claim_end(runner);
	runner->state = RUNNER_MINDING;
}

/* ---- the helper ---- */

static gboolean helper_readable(int fd, GIOCondition condition, gpointer data);

static gboolean helper_begin(struct runner *runner, GError **error)
{
	const struct job_helper_conf conf = {.state = conf_get(runner->conf, "paths.state"),
		.rules = conf_get(runner->conf, "scan.rules")};

	runner->helper = helper_open(&conf, error);
	if (runner->helper == NULL)
		return FALSE;
	runner->helper_source = g_unix_fd_add(
		helper_fd(runner->helper), G_IO_IN | G_IO_HUP | G_IO_ERR, helper_readable, runner);
	return TRUE;
}

/* With the helper all its children died: the kernel saw to that. */
static void helper_gone(struct runner *runner)
{
	const struct helper_event event = {.kind = HELPER_EVENT_GONE};
	g_autoptr(GError) error = NULL;
	GHashTableIter iter;
	gpointer job;
	gint64 now = g_get_monotonic_time();

	log_warning("the process for jobs ended; it is started again", NULL);
	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &job))
		if (!((struct run_job *)job)->is_ended) {
			((struct run_job *)job)->is_crash = TRUE;
			run_job_event(job, &event);
		}
	g_clear_pointer(&runner->helper, helper_free);
	runner->helper_source = 0;
	if (now - runner->helper_death_us > 60 * (gint64)G_USEC_PER_SEC) {
		runner->helper_death_us = now;
		runner->helper_deaths = 0;
	}
	if (++runner->helper_deaths > HELPER_DEATHS_MAX)
		runner_rest(runner, "the process for jobs dies again and again");
	if (!helper_begin(runner, &error))
		runner_fail(runner, "no more jobs can be run", error);
}

static gboolean helper_readable(int fd, GIOCondition condition, gpointer data)
{
	struct runner *runner = data;
	struct helper_event event;

	while (helper_receive(runner->helper, &event)) {
		if (event.kind == HELPER_EVENT_GONE) {
			helper_gone(runner);
			return G_SOURCE_REMOVE;
		}
		struct run_job *job =
			g_hash_table_lookup(runner->jobs, GUINT_TO_POINTER(event.token));
		if (job != NULL)
			run_job_event(job, &event);
	}
	return G_SOURCE_CONTINUE;
}

/* ---- what wakes the runner ---- */

/* Somebody committed something, which may be that a job was cancelled. */
static void told(struct runner *runner)
{
	runner->renew_at_us = MIN(runner->renew_at_us, runner->renewed_us + (gint64)G_USEC_PER_SEC);
	runner->step_at_us = MIN(runner->step_at_us, runner->stepped_us + STEP_MS * (gint64)1000);
	runner_wake(runner);
}

static gboolean wake_readable(int fd, GIOCondition condition, gpointer data)
{
	wake_drain(fd);
	told(data);
	return G_SOURCE_CONTINUE;
}

static gboolean listen_readable(int fd, GIOCondition condition, gpointer data)
{
	struct runner *runner = data;
	guint notifications;

	told(runner);
	if (db_consume(runner->listen, &notifications, NULL))
		return G_SOURCE_CONTINUE;
	runner->listen_source = 0;
	return G_SOURCE_REMOVE;
}

static void listen_begin(struct runner *runner, gint64 now)
{
	if (runner->listen == NULL || runner->listen_source != 0 || now < runner->listen_retry_us ||
		queue_is_away(runner->queue))
		return;
	runner->listen_retry_us = now + LISTEN_RETRY_US;
	if (!db_listen(runner->listen, "muster_wake", NULL))
		return;
	runner->listen_source = g_unix_fd_add(
		db_fd(runner->listen), G_IO_IN | G_IO_HUP | G_IO_ERR, listen_readable, runner);
}

static char *wake_path(const struct runner *runner)
{
	g_autofree char *own =
		runner->set != NULL ? g_strdup_printf("runner.%s.sock", runner->set) : NULL;
	return conf_get_run_path(runner->conf, own != NULL ? own : WAKE_RUNNER);
}

static gboolean wake_begin(struct runner *runner, GError **error)
{
	g_autofree char *path = wake_path(runner);

	if (!file_make_folder(conf_get(runner->conf, "paths.run"), error) ||
		(runner->wake_fd = wake_open(path, error)) < 0)
		return FALSE;
	runner->wake_source = g_unix_fd_add(runner->wake_fd, G_IO_IN, wake_readable, runner);
	return TRUE;
}

/* ---- claiming ---- */

/*
 * The job's runner died. One second from now its lease is over, and whoever claims gets it. What
 * was not begun is not lost.
 */
static gboolean lost_release(gint64 id, const char *lease, gboolean is_begun, gpointer data)
{
	struct runner *runner = data;
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	gboolean is_ours = FALSE;

	if (!is_begun)
		return queue_give_back(runner->queue, id, lease, &is_ours, NULL);
	if (!queue_renew(runner->queue, id, lease, 1, &is_ours, NULL))
		return FALSE;
	if (is_ours)
		log_warning("a job whose runner was lost runs again", "job", text, NULL);
	return TRUE;
}

static void claim_begin(struct runner *runner)
{
	g_autoptr(GError) error = NULL;

	runner->claim_fd = slot_claim(runner->conf, runner->set, &error);
	if (runner->claim_fd < 0) {
		if (!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY)) {
			runner_fail(runner, "jobs cannot be claimed", error);
		} else if (runner->mode == RUNNER_MODE_ONCE) {
			log_info("another runner of this host does the work", NULL);
			runner->state = RUNNER_MINDING;
		}
		return;
	}
	if (!wake_begin(runner, &error)) {
		runner_fail(runner, "the runner cannot be woken", error);
		return;
	}
	runner->state = RUNNER_CLAIMING;
	log_debug("claiming", NULL);
}

static void claim_end(struct runner *runner)
{
	if (runner->wake_source != 0) {
		g_autofree char *path = wake_path(runner);
		g_source_remove(runner->wake_source);
		runner->wake_source = 0;
		/* Before the lock is given up: later the name is the next runner's. */
		unlink(path);
		close(runner->wake_fd);
	}
	if (runner->listen_source != 0) {
		g_source_remove(runner->listen_source);
		runner->listen_source = 0;
		db_disconnect(runner->listen);
	}
	if (runner->claim_fd >= 0)
		close(runner->claim_fd);
	runner->claim_fd = -1;
}

static void schedule(struct runner *runner, gint64 now)
{
	runner->is_told = runner->is_told || queue_tell_kinds(runner->queue, NULL);
	if (now < runner->schedule_at_us ||
		(runner->mode == RUNNER_MODE_ONCE && runner->is_scheduled))
		return;
	slot_job_list_lost(runner->conf, lost_release, runner);
	gboolean has_more = FALSE;
	gboolean ok = queue_schedule(runner->queue, &has_more, NULL);
	/* Between two pieces of what is long the jobs have their turn. */
	runner->schedule_at_us = g_get_monotonic_time() + SCHEDULE_US;
	if (!ok)
		return;
	/* Events that others committed and nobody numbered yet: a host without a pusher. */
	queue_sequence(runner->queue, NULL);
	runner->is_scheduled = !has_more;
}

void runner_rest(struct runner *runner, const char *why)
{
	gint64 now = g_get_monotonic_time();

	if (now < runner->rest_us)
		return;
	log_warning("no job can be begun on this host just now", "why", why, NULL);
	runner->rest_us = now + REST_US;
	runner->failures++;
}

static gboolean step_due(gpointer data)
{
	struct runner *runner = data;

	runner->step_source = 0;
	runner_wake(runner);
	return G_SOURCE_REMOVE;
}

/* Some milliseconds of what the database does itself; then children come first again. */
static void step(struct runner *runner, gint64 now)
{
	if (now < runner->step_at_us) {
		gint64 wait_ms = (runner->step_at_us - now) / 1000 + 1;
		if (wait_ms <= STEP_MS && runner->step_source == 0)
			runner->step_source = g_timeout_add((guint)wait_ms, step_due, runner);
		return;
	}
	runner->stepped_us = now;
	runner->step_at_us = now + SCHEDULE_US;
	if (!queue_step(runner->queue, &runner->has_steps, NULL))
		runner->has_steps = FALSE;
	if (runner->has_steps) {
		runner->is_committed = TRUE;
		runner->step_at_us = now;
		runner->letter_at_us = now;
		runner_wake(runner);
	}
}

/* ---- children ---- */

static void renew(struct runner *runner, gint64 now)
{
	GHashTableIter iter;
	gpointer value;

	if (now < runner->renew_at_us)
		return;
	runner->renewed_us = now;
	runner->renew_at_us = now + RENEW_US;
	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct run_job *job = value;
		gboolean is_ours = TRUE;
		/* Also of one whose result waits to be stored. */
		if (queue_renew(runner->queue, job->job.id, job->job.lease, QUEUE_LEASE_S, &is_ours,
			    NULL) &&
			!is_ours && !job->is_ended)
			run_job_stop(job, RUN_JOB_STOP_LOST);
	}
}

/* Of the jobs whose child ended those that are completed with the next round, all at once. */
static GPtrArray *ended_list(struct runner *runner)
{
	GPtrArray *plain = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct run_job *job = value;
		if (!job->is_ended)
			continue;
		if (run_job_is_plain(job))
			g_ptr_array_add(plain, job);
		else
			run_job_settle(job);
	}
	return plain;
}

static void settled_clear(struct runner *runner)
{
	GHashTableIter iter;
	gpointer value;
	gboolean is_large = FALSE;

	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct run_job *job = value;
		if (!job->is_settled)
			continue;
		is_large |= job->result != NULL && g_bytes_get_size(job->result) > 1024 * 1024;
		g_hash_table_iter_remove(&iter);
		run_job_free(job);
	}
	/* What a report took to be parsed goes back to the system. */
	if (is_large)
		malloc_trim(0);
}

static void children_stop(struct runner *runner)
{
	GHashTableIter iter;
	gpointer job;

	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &job))
		run_job_stop(job, RUN_JOB_STOP_RELEASED);
	runner->state = RUNNER_STOPPING;
	runner->stop_at_us = g_get_monotonic_time() + STOP_US;
}

static void children_check_time(struct runner *runner, gint64 now)
{
	GHashTableIter iter;
	gpointer job;

	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &job))
		run_job_check_time(job, now);
}

/* ---- the one function that all wake-ups lead to ---- */

static void end_check(struct runner *runner, gint64 now)
{
	gboolean is_idle = g_hash_table_size(runner->jobs) == 0 &&
			   g_queue_is_empty(&runner->ahead) && runner->letter.pid == 0;

	if (runner->state == RUNNER_CLAIMING || runner->state == RUNNER_WAITING) {
		gboolean is_over = runner->mode == RUNNER_MODE_FOR &&
				   now - runner->since_us >= runner->for_s * G_USEC_PER_SEC;
		gboolean is_done = runner->mode == RUNNER_MODE_ONCE && runner->is_scheduled &&
				   is_idle && !runner->has_steps && !runner->has_letters;
		if (runner->mode == RUNNER_MODE_ONCE && queue_is_away(runner->queue) && is_idle) {
			runner->exit_code = EXIT_OTHER;
			is_done = TRUE;
		}
		if (is_over || is_done) {
			claim_end(runner);
			runner->state = RUNNER_MINDING;
		}
	}
	if (runner->state == RUNNER_DRAINING && now >= runner->stop_at_us)
		children_stop(runner);
	if (is_ending(runner) &&
		(is_idle || (runner->state == RUNNER_STOPPING && now >= runner->stop_at_us)))
		g_main_loop_quit(runner->loop);
}

static void work(struct runner *runner)
{
	gint64 now = g_get_monotonic_time();

	if (runner->state == RUNNER_WAITING)
		claim_begin(runner);
	run_claim_begin(runner);
	children_check_time(runner, now);
	g_autoptr(GPtrArray) done = ended_list(runner);
	renew(runner, now);
	run_worker_tell(runner, now);
	if (runner->state == RUNNER_CLAIMING) {
		listen_begin(runner, now);
		if (now >= runner->reports_at_us && !queue_is_away(runner->queue)) {
			runner->reports_at_us = now + REPORTS_US;
			run_reports_ingest(runner);
			queue_prune(runner->queue, NULL);
		}
		schedule(runner, now);
	}
	run_claim_round(runner, done);
	settled_clear(runner);
	if (runner->state == RUNNER_CLAIMING)
		step(runner, now);
	run_letter(runner, now);
	if (runner->is_committed && queue_sequence(runner->queue, NULL))
		runner->is_committed = FALSE;
	end_check(runner, now);
	run_notify(runner, now);
}

static gboolean work_woken(gpointer data)
{
	struct runner *runner = data;
	runner->work_source = 0;
	runner->woken_us = g_get_monotonic_time();
	work(runner);
	return G_SOURCE_REMOVE;
}

/* The first wake-up is followed at once; those of a storm are gathered. */
void runner_wake(struct runner *runner)
{
	gint64 since_ms = (g_get_monotonic_time() - runner->woken_us) / 1000;

	if (runner->work_source != 0)
		return;
	runner->work_source =
		since_ms >= GATHER_MS
			? g_idle_add_full(G_PRIORITY_DEFAULT, work_woken, runner, NULL)
			: g_timeout_add((guint)(GATHER_MS - since_ms), work_woken, runner);
}

static gboolean tick(gpointer data)
{
	work(data);
	return G_SOURCE_CONTINUE;
}

static gboolean signal_received(gpointer data)
{
	struct runner *runner = data;

	if (runner->state == RUNNER_DRAINING) {
		log_info("told to stop again: jobs are ended now", NULL);
		children_stop(runner);
	} else if (runner->state != RUNNER_STOPPING) {
		log_info("stopping: no more jobs are claimed", NULL);
		claim_end(runner);
		runner->state = RUNNER_DRAINING;
		runner->stop_at_us =
			g_get_monotonic_time() +
			conf_get_int(runner->conf, "job.drain_s") * (gint64)G_USEC_PER_SEC;
	}
	runner_wake(runner);
	return G_SOURCE_CONTINUE;
}

static void jobs_clear(struct runner *runner)
{
	GHashTableIter iter;
	gpointer job;

	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &job)) {
		run_job_free(job);
		g_hash_table_iter_remove(&iter);
	}
	for (gpointer job; (job = g_queue_pop_head(&runner->ahead)) != NULL;)
		run_job_free(job);
}

int runner_run(struct runner *runner, GError **error)
{
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	guint sources[4] = {0};

	runner->loop = loop;
	runner->claim_fd = runner->wake_fd = -1;
	runner->state = RUNNER_WAITING;
	runner->since_us = g_get_monotonic_time();
	/* A pipe or socket whose reader died is an error of that call, not the end of this program.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (!slot_init(runner->conf, error) || !helper_begin(runner, error))
		return EXIT_OTHER;
	runner->queue = queue_open(runner->conf, runner->set, error);
	if (runner->queue == NULL) {
		helper_free(runner->helper);
		return EXIT_USAGE;
	}
	if (!strcmp(conf_get(runner->conf, "event.bus"), "notify"))
		runner->listen = db_open_direct(runner->conf, "muster_jobs", NULL);
	if (sandbox_missing() != NULL)
		log_warning("jobs are fenced in less than they could be", "why", sandbox_missing(),
			NULL);
	runner->progress = runner->mode == RUNNER_MODE_ONCE ? progress_new() : NULL;
	runner->spares = slot_spares_new(runner->conf);
	runner->jobs = g_hash_table_new(NULL, NULL);
	runner->reports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	sources[0] = g_unix_signal_add(SIGTERM, signal_received, runner);
	sources[1] = g_unix_signal_add(SIGINT, signal_received, runner);
	sources[2] = g_unix_signal_add(SIGHUP, signal_received, runner);
	sources[3] = g_timeout_add(TICK_MS, tick, runner);
	runner_wake(runner);
	g_main_loop_run(loop);

	for (gsize i = 0; i < G_N_ELEMENTS(sources); i++)
		g_source_remove(sources[i]);
	if (runner->work_source != 0)
		g_source_remove(runner->work_source);
	if (runner->step_source != 0)
		g_source_remove(runner->step_source);
	if (runner->helper_source != 0)
		g_source_remove(runner->helper_source);
	/* Who tells us to stop does not wait for what is made for others. */
	if (runner->helper != NULL && runner->state >= RUNNER_DRAINING)
		helper_signal(runner->helper, HELPER_TOKEN_MAKER, SIGKILL);
	/* Kills what is left of the children. */
	helper_free(runner->helper);
	run_claim_end(runner);
	jobs_clear(runner);
	slot_spares_free(runner->spares);
	run_worker_end(runner);
	progress_free(runner->progress);
	g_hash_table_destroy(runner->jobs);
	g_hash_table_destroy(runner->reports);
	g_free(runner->told_status);
	db_free(runner->listen);
	queue_free(runner->queue);
	return runner->exit_code != EXIT_FINE ? runner->exit_code
	       : runner->failures > 0         ? EXIT_ATTENTION
					      : EXIT_FINE;
}
