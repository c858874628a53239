/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include "lib/error.h"
#include "lib/log.h"

/*
 * A job whose child ended. Each statement is fenced by the lease, so saying a thing twice, or
 * saying it when somebody else has the job by now, does no harm.
 */

/* So long is a result offered to a database that does not answer. */
#define OFFER_US (10 * 60 * (gint64)G_USEC_PER_SEC)
/*
 * To one that answers that it cannot just now: not at once, for that may have taken its time, and
 * more and more seldom.
 */
#define OFFER_WAIT_US (2 * (gint64)G_USEC_PER_SEC)
#define OFFER_WAIT_MAX_US (30 * (gint64)G_USEC_PER_SEC)

/* It is away, or there is a moment's trouble: a lock, a deadlock, another that stores the same. */
static gboolean is_busy(const GError *error)
{
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY);
}

/* FALSE: ask again. */
static gboolean offer_again(struct run_job *job)
{
	gint64 now = g_get_monotonic_time();

	job->offer_at_us =
		queue_is_away(job->runner->queue)
			? now
			: now + CLAMP((now - job->ended_us) / 2, OFFER_WAIT_US, OFFER_WAIT_MAX_US);
	if (now - job->ended_us < OFFER_US)
		return FALSE;
	log_error("given up: the database was away for too long; the job will run again", NULL);
	return TRUE;
}

static gboolean settle_lost(struct run_job *job)
{
	log_warning("refused: the lease is lost, or the job was cancelled", NULL);
	return TRUE;
}

/* As job_usage() in sql/api/job.sql takes it. */
static char *usage_format(const struct run_job *job)
{
	g_autoptr(json_object) usage = json_object_new_object();

	if (job->has_run) {
		json_object_object_add(usage, "exit_status", json_object_new_int(job->exit_status));
		json_object_object_add(usage, "cpu_ms", json_object_new_int64(job->cpu_ms));
		json_object_object_add(usage, "rss_kib", json_object_new_int64(job->rss_kib));
	}
	if (job->log->len > 0)
		json_object_object_add(usage, "log", json_object_new_string(job->log->str));
	return g_strdup(json_object_to_json_string_ext(usage, JSON_C_TO_STRING_PLAIN));
}

static gboolean settle_failure(struct run_job *job)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *state = NULL, *usage = usage_format(job);

	if (!queue_fail(job->runner->queue, job->job.id, job->job.lease, usage, job->error,
		    job->can_retry, job->is_crash, &state, &error)) {
		if (is_busy(error))
			return offer_again(job);
		log_failure(LOG_LEVEL_ERROR, "the failure of a job cannot be stored", error);
		job->runner->failures++;
		return TRUE;
	}
	log_warning(
		job->is_crash ? "crashed" : "failed", "error", job->error, "state", state, NULL);
	job->runner->failures++;
	job->runner->is_committed = TRUE;
	return TRUE;
}

/* The result itself is the row's. */
static const char record_sql[] =
	"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
	" then muster.job_complete($1::bigint, $2::uuid, $4::jsonb) else false end";

static gboolean record_make(struct run_job *job, struct job_record *record, GError **error)
{
	if (job->job.kind->record != NULL)
		return job->job.kind->record(job->payload, job->result, record, error);
	record->sql = record_sql;
	record->params[0] = g_strdup(g_bytes_get_data(job->result, NULL));
	record->n_params = 1;
	return TRUE;
}

/*
 * We were told to end, or cannot begin it: another runner does it from the beginning, and it is
 * nobody's failure.
 */
static gboolean settle_released(struct run_job *job)
{
	g_autoptr(GError) error = NULL;
	gboolean is_ours = TRUE;

	const char *reason = job->error != NULL ? job->error : "The runner was stopped.";
	if (!queue_put_back(
		    job->runner->queue, job->job.id, job->job.lease, reason, &is_ours, &error)) {
		if (is_busy(error))
			return offer_again(job);
		log_failure(LOG_LEVEL_ERROR, "a job cannot be put back", error);
		return TRUE;
	}
	if (!is_ours)
		return settle_lost(job);
	log_info("put back", "why", reason, NULL);
	job->runner->is_committed = TRUE;
	return TRUE;
}

/* Another works where it is to work, which is no failure, unless that lasts. */
static gboolean settle_busy(struct run_job *job)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *state = NULL, *usage = usage_format(job);

	if (!queue_busy(job->runner->queue, job->job.id, job->job.lease, usage, job->error, &state,
		    &error)) {
		if (is_busy(error))
			return offer_again(job);
		log_failure(LOG_LEVEL_ERROR, "a job cannot be put back", error);
		return TRUE;
	}
	log_info("put back", "why", job->error, "state", state, NULL);
	job->runner->is_committed = TRUE;
	return TRUE;
}

static gboolean settle_error(struct run_job *job, const GError *error)
{
	run_job_set_error(
		job, !g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT), error->message);
	return settle_failure(job);
}

static void tell_done(struct run_job *job)
{
	g_autofree char *ms = g_strdup_printf(
		"%" G_GINT64_FORMAT, (g_get_monotonic_time() - job->begun_us) / 1000);

	log_info("done", "kind", job->job.kind->name, "ms", ms, NULL);
}

/*
 * 10 000 findings have 5 MB and take 8 s on a machine that has other things to do; the report of
 * 10 000 repositories is 46 MB. What is large may take longer than a statement else may; the runner
 * does nothing else meanwhile, so all of its leases must last.
 */
#define LARGE_BYTES ((gsize)1 << 20)
#define SECONDS_PER_LARGE 5
/* Less than the service manager waits for a sign of life: contrib/systemd. */
#define PATIENCE_MAX_S 240

gboolean run_patience_begin(struct runner *runner, gsize bytes)
{
	guint patience_s = 10 + SECONDS_PER_LARGE * (guint)(bytes / LARGE_BYTES);
	GHashTableIter iter;
	gpointer value;
	gboolean is_ours;

	patience_s = MIN(patience_s, PATIENCE_MAX_S);
	if (bytes <= LARGE_BYTES || !queue_set_timeout(runner->queue, patience_s, NULL))
		return FALSE;
	g_hash_table_iter_init(&iter, runner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct run_job *other = value;
		queue_renew(runner->queue, other->job.id, other->job.lease,
			patience_s + QUEUE_LEASE_S, &is_ours, NULL);
	}
	return TRUE;
}

void run_patience_end(struct runner *runner)
{
	queue_set_timeout(runner->queue, 0, NULL);
}

static gboolean result_complete(struct run_job *job, const struct job_record *record,
	const char *usage, gboolean *is_ours, GError **error)
{
	struct runner *runner = job->runner;
	gboolean is_patient = run_patience_begin(runner, g_bytes_get_size(job->result));
	gboolean is_done = queue_complete(
		runner->queue, job->job.id, job->job.lease, usage, record, is_ours, error);

	if (is_patient)
		run_patience_end(runner);
	return is_done;
}

static gboolean settle_result(struct run_job *job)
{
	struct runner *runner = job->runner;
	g_auto(job_record) record = {0};
	g_autoptr(GError) error = NULL;
	gboolean is_ours = TRUE;

	if (job->job.kind->store != NULL && !job->is_stored) {
		/* With the database away nobody can have taken the job from us: its files are kept.
		 */
		if (queue_renew(runner->queue, job->job.id, job->job.lease, QUEUE_LEASE_S, &is_ours,
			    NULL) &&
			!is_ours)
			return settle_lost(job);
		if (!job->job.kind->store(runner->conf, job->payload, job->result, &error))
			return settle_error(job, error);
		job->is_stored = TRUE;
	}
	if (!record_make(job, &record, &error))
		return settle_error(job, error);
	g_autofree char *usage = usage_format(job);
	if (!result_complete(job, &record, usage, &is_ours, &error)) {
		if (is_busy(error))
			return offer_again(job);
		return settle_error(job, error);
	}
	if (!is_ours)
		return settle_lost(job);
	runner->is_committed = TRUE;
	tell_done(job);
	return TRUE;
}

static gboolean settle_one(struct run_job *job)
{
	gboolean is_settled;

	if (g_get_monotonic_time() < job->offer_at_us)
		return FALSE;
	run_job_prefix(job);
	if (job->stop == RUN_JOB_STOP_LOST) {
		is_settled = settle_lost(job);
	} else if (job->error == NULL && job->result != NULL) {
		/* Also one that was told to stop and was done before it heard. */
		is_settled = settle_result(job);
	} else if (job->stop == RUN_JOB_STOP_RELEASED) {
		is_settled = settle_released(job);
	} else if (job->stop == RUN_JOB_STOP_BUSY) {
		is_settled = settle_busy(job);
	} else {
		run_job_set_error(job, TRUE, "The job gave no result.");
		is_settled = settle_failure(job);
	}
	log_set_prefix(NULL, NULL);
	return is_settled;
}

void run_job_settle(struct run_job *job)
{
	job->is_settled = job->is_settled || settle_one(job);
}

/* And there is a result, which nobody has refused. */
gboolean run_job_is_plain(const struct run_job *job)
{
	return job->offer_at_us == 0 && job->stop != RUN_JOB_STOP_LOST && job->error == NULL &&
	       job->result != NULL && job->job.kind->record == NULL && job->job.kind->store == NULL;
}

/* A result was checked as JSON when it came. */
char *run_job_results_format(const GPtrArray *jobs)
{
	g_autoptr(GString) all = g_string_new("[");

	for (guint i = 0; i < jobs->len; i++) {
		const struct run_job *job = jobs->pdata[i];
		g_autofree char *usage = usage_format(job);
		g_string_append_printf(all,
			"%s{\"id\":%" G_GINT64_FORMAT ",\"lease\":\"%s\",\"usage\":%s,\"result\":",
			i > 0 ? "," : "", job->job.id, job->job.lease, usage);
		g_string_append(all, g_bytes_get_data(job->result, NULL));
		g_string_append_c(all, '}');
	}
	g_string_append_c(all, ']');
	return g_strdup(all->str);
}

void run_job_set_done(struct run_job *job)
{
	job->is_settled = TRUE;
	run_job_prefix(job);
	tell_done(job);
	log_set_prefix(NULL, NULL);
}
