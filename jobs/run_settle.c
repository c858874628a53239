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

/* And so often, a second apart, to one that answers that it cannot just now. */
#define REFUSALS_MAX 5

static gboolean is_away(const struct run_job *job, const GError *error)
{
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY) &&
	       queue_is_away(job->runner->queue);
}

/* FALSE: ask again. */
static gboolean offer_again(const struct run_job *job)
{
	if (g_get_monotonic_time() - job->ended_us < OFFER_US)
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
		if (is_away(job, error))
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

/* We were told to end: another runner does it from the beginning, and it is nobody's failure. */
static gboolean settle_released(struct run_job *job)
{
	g_autoptr(GError) error = NULL;
	gboolean is_ours = TRUE;

	if (!queue_put_back(job->runner->queue, job->job.id, job->job.lease, &is_ours, &error)) {
		if (is_away(job, error))
			return offer_again(job);
		log_failure(LOG_LEVEL_ERROR, "a job cannot be put back", error);
		return TRUE;
	}
	if (!is_ours)
		return settle_lost(job);
	log_info("put back: the runner ends", NULL);
	job->runner->is_committed = TRUE;
	return TRUE;
}

static gboolean settle_error(struct run_job *job, const GError *error)
{
	run_job_set_error(
		job, !g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT), error->message);
	return settle_failure(job);
}

static gboolean settle_result(struct run_job *job)
{
	struct runner *runner = job->runner;
	g_auto(job_record) record = {0};
	g_autoptr(GError) error = NULL;
	gboolean is_ours = TRUE;

	if (!job->is_stored) {
		/* With the database away nobody can have taken the job from us: its files are kept.
		 */
		if (queue_renew(runner->queue, job->job.id, job->job.lease, QUEUE_LEASE_S, &is_ours,
			    NULL) &&
			!is_ours)
			return settle_lost(job);
		if (job->job.kind->store != NULL &&
			!job->job.kind->store(runner->conf, job->payload, job->result, &error))
			return settle_error(job, error);
		job->is_stored = TRUE;
	}
	if (!record_make(job, &record, &error))
		return settle_error(job, error);
	g_autofree char *usage = usage_format(job);
	if (!queue_complete(
		    runner->queue, job->job.id, job->job.lease, usage, &record, &is_ours, &error)) {
		/* A moment's trouble (a deadlock, another that stores the same) is tried again too.
		 */
		if (g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY))
			return offer_again(job);
		return settle_error(job, error);
	}
	if (!is_ours)
		return settle_lost(job);
	runner->is_committed = TRUE;
	g_autofree char *ms = g_strdup_printf(
		"%" G_GINT64_FORMAT, (g_get_monotonic_time() - job->claimed_us) / 1000);
	log_info("done", "kind", job->job.kind->name, "ms", ms, NULL);
	return TRUE;
}

gboolean run_job_settle(struct run_job *job)
{
	g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, job->job.id);
	gboolean is_settled;

	log_set_prefix("job", id);
	if (job->stop == RUN_JOB_STOP_LOST) {
		is_settled = settle_lost(job);
	} else if (job->error == NULL && job->result != NULL) {
		/* Also one that was told to stop and was done before it heard. */
		is_settled = settle_result(job);
	} else if (job->stop == RUN_JOB_STOP_RELEASED) {
		is_settled = settle_released(job);
	} else {
		run_job_set_error(job, TRUE, "The job gave no result.");
		is_settled = settle_failure(job);
	}
	log_set_prefix(NULL, NULL);
	return is_settled;
}
