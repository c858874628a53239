/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run_queue.h"

#include <string.h>
#include <unistd.h>

#include "lib/db.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/wake.h"

#define AWAY_WAIT_MS 250
#define AWAY_WAIT_MAX_MS 5000
/* Of one statement for somebody's lock: the leases of all that runs here must outlast many such. */
#define LOCK_WAIT_MS 500

struct queue {
	const struct conf *conf;
	struct db *db;
	const char *host;
	/* Those that we run; those that the database does: array literals without quotes. */
	char *kinds, *steps;
	gboolean has_steps; /* there are of the latter */
	gboolean is_away;
	gint64 away_since_us, retry_at_us;
	guint wait_ms;
};

void queue_job_clear(struct queue_job *job)
{
	g_clear_pointer(&job->lease, g_free);
	g_clear_pointer(&job->payload, g_free);
}

static gboolean queue_is_known(const char *name)
{
	for (gsize i = 0; i < job_kinds_len; i++)
		if (!strcmp(job_kinds[i].queue, name))
			return TRUE;
	return FALSE;
}

/* Which kinds are ours. */
static gboolean set_parse(struct queue *queue, const char *set, GError **error)
{
	g_auto(GStrv) names = set != NULL ? g_strsplit(set, "+", -1) : NULL;
	g_autoptr(GString) kinds = g_string_new("{"), steps = g_string_new("{");

	for (gsize i = 0; names != NULL && names[i] != NULL; i++)
		if (!queue_is_known(names[i])) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"there is no queue '%s'", names[i]);
			return FALSE;
		}
	for (gsize i = 0; i < job_kinds_len; i++) {
		const struct job_kind *kind = &job_kinds[i];
		if (names != NULL && !g_strv_contains((const char *const *)names, kind->queue))
			continue;
		GString *list = kind->run != NULL ? kinds : steps;
		g_string_append_printf(list, "%s%s", list->len > 1 ? "," : "", kind->name);
	}
	queue->has_steps = steps->len > 1;
	queue->kinds = g_strconcat(kinds->str, "}", NULL);
	queue->steps = g_strconcat(steps->str, "}", NULL);
	return TRUE;
}

struct queue *queue_open(const struct conf *conf, const char *set, GError **error)
{
	g_autoptr(queue) queue = g_new0(struct queue, 1);

	if (!set_parse(queue, set, error))
		return NULL;
	queue->db = db_open(conf, "muster_jobs", error);
	if (queue->db == NULL)
		return NULL;
	db_set_lock_wait(queue->db, LOCK_WAIT_MS);
	queue->conf = conf;
	queue->host = conf_get(conf, "server.host");
	return g_steal_pointer(&queue);
}

void queue_free(struct queue *queue)
{
	if (queue == NULL)
		return;
	db_free(queue->db);
	g_free(queue->kinds);
	g_free(queue->steps);
	g_free(queue);
}

gboolean queue_is_away(const struct queue *queue)
{
	return queue->is_away;
}

static void away_begin(struct queue *queue, gint64 now)
{
	if (!queue->is_away) {
		queue->is_away = TRUE;
		queue->away_since_us = now;
		queue->wait_ms = AWAY_WAIT_MS;
		log_warning(
			db_error_remedy(queue->db) != NULL
				? "the database does not let the runner in; results are kept"
				: "the database cannot be reached; results are kept and tried again",
			"detail", db_error_detail(queue->db),
			db_error_remedy(queue->db) != NULL ? "remedy" : NULL,
			db_error_remedy(queue->db), NULL);
	} else {
		queue->wait_ms = MIN(queue->wait_ms * 2, AWAY_WAIT_MAX_MS);
	}
	queue->retry_at_us = now + (gint64)queue->wait_ms * 1000;
}

static void away_end(struct queue *queue, gint64 now)
{
	g_autofree char *seconds =
		g_strdup_printf("%.1f", (double)(now - queue->away_since_us) / G_USEC_PER_SEC);
	queue->is_away = FALSE;
	log_info("the database is back", "away_s", seconds, NULL);
}

/*
 * Trouble with the connection or the server as a whole, against a statement that was refused:
 * no SQLSTATE, connection exceptions (08), too many connections (53), shutdown and start (57P).
 */
static gboolean is_away_error(const struct queue *queue, const GError *error)
{
	const char *sqlstate = db_error_sqlstate(queue->db);
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY) &&
	       (sqlstate == NULL || g_str_has_prefix(sqlstate, "08") ||
		       g_str_has_prefix(sqlstate, "53") || g_str_has_prefix(sqlstate, "57P"));
}

static struct db_result *queue_query(
	struct queue *queue, const char *sql, int n, const char *const *params, GError **error)
{
	gint64 now = g_get_monotonic_time();
	GError *failure = NULL;

	if (queue->is_away && now < queue->retry_at_us) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY,
			"the database cannot be reached just now");
		return NULL;
	}
	struct db_result *result = db_query(queue->db, sql, n, params, &failure);
	now = g_get_monotonic_time();
	if (result != NULL) {
		if (queue->is_away)
			away_end(queue, now);
		return result;
	}
	if (is_away_error(queue, failure))
		away_begin(queue, now);
	else
		log_warning("a statement was refused", "detail", db_error_detail(queue->db), NULL);
	g_propagate_error(error, failure);
	return NULL;
}

/* The first column of the first row, which is a boolean. */
static gboolean queue_ask(struct queue *queue, const char *sql, int n, const char *const *params,
	gboolean *answer, GError **error)
{
	g_autoptr(db_result) result = queue_query(queue, sql, n, params, error);
	if (result == NULL)
		return FALSE;
	*answer = db_result_rows(result) == 1 && db_result_get_bool(result, 0, 0);
	return TRUE;
}

gboolean queue_tell_kinds(struct queue *queue, GError **error)
{
	g_autoptr(json_object) kinds = json_object_new_array_ext((int)job_kinds_len);

	for (gsize i = 0; i < job_kinds_len; i++) {
		const struct job_kind *kind = &job_kinds[i];
		json_object *told = json_object_new_object();
		json_object_object_add(told, "name", json_object_new_string(kind->name));
		json_object_object_add(told, "queue", json_object_new_string(kind->queue));
		if (kind->concurrency > 0)
			json_object_object_add(
				told, "concurrency", json_object_new_int64(kind->concurrency));
		if (kind->attempts > 0)
			json_object_object_add(
				told, "attempts", json_object_new_int64(kind->attempts));
		if (kind->backoff_s > 0)
			json_object_object_add(
				told, "backoff_s", json_object_new_int64(kind->backoff_s));
		json_object_object_add(told, "help", json_object_new_string(kind->help));
		json_object_array_add(kinds, told);
	}
	const char *params[] = {json_object_to_json_string_ext(kinds, JSON_C_TO_STRING_PLAIN)};
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.job_kind_set($1)", 1, params, error);
	return result != NULL;
}

gboolean queue_tell_worker(struct queue *queue, const char *worker, const char *state, guint slots,
	const char *set, const char *jobs, GError **error)
{
	g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
	g_autofree char *slots_text = g_strdup_printf("%u", slots);
	const char *params[] = {
		worker, queue->host, pid, PACKAGE_VERSION, state, slots_text, set, jobs};
	g_autoptr(db_result) result = queue_query(queue,
		"select muster.worker_renew($1::uuid, $2, $3::integer, $4, $5, $6::integer,"
		"	string_to_array($7, '+'), $8::bigint[])",
		G_N_ELEMENTS(params), params, error);
	return result != NULL;
}

gboolean queue_remove_worker(struct queue *queue, const char *worker, GError **error)
{
	const char *params[] = {worker};
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.worker_remove($1::uuid)", 1, params, error);
	return result != NULL;
}

/* What became of a schedule whose time came. */
static void tick_log(const struct db_result *ticks, guint row)
{
	const char *organization = db_result_get(ticks, row, 0),
		   *kind = db_result_get(ticks, row, 1), *outcome = db_result_get(ticks, row, 2),
		   *jobs = db_result_get(ticks, row, 3), *missed = db_result_get(ticks, row, 4),
		   *reason = db_result_get(ticks, row, 5);

	if (strcmp(missed, "0") != 0)
		log_warning("times of a schedule were missed", "organization", organization, "kind",
			kind, "times", missed, NULL);
	if (!strcmp(outcome, "failed"))
		log_warning("a schedule cannot be followed", "organization", organization, "kind",
			kind, "error", reason, NULL);
	else if (!strcmp(outcome, "queued"))
		log_info("scheduled", "organization", organization, "kind", kind, "jobs", jobs,
			NULL);
	else if (!strcmp(outcome, "skipped"))
		log_info("skipped what was scheduled", "organization", organization, "kind", kind,
			"reason", reason, NULL);
}

gboolean queue_schedule(struct queue *queue, gboolean *has_more, GError **error)
{
	g_autoptr(db_result) ticks = queue_query(queue,
		"select organization, kind, outcome, jobs, missed, reason"
		" from muster.schedule_tick()",
		0, NULL, error);

	if (ticks == NULL)
		return FALSE;
	*has_more = FALSE;
	for (guint row = 0; row < db_result_rows(ticks); row++) {
		tick_log(ticks, row);
		*has_more |= !strcmp(db_result_get(ticks, row, 2), "going");
	}
	return TRUE;
}

void queue_round_clear(struct queue_round *round)
{
	g_clear_pointer(&round->done, g_hash_table_unref);
	g_clear_pointer(&round->claimed, g_array_unref);
}

gboolean queue_ask_round(struct queue *queue, const char *jobs, guint limit,
	struct queue_round *round, GError **error)
{
	g_autofree char *limit_text = g_strdup_printf("%u", limit);
	const char *params[] = {
		jobs, queue->host, queue->kinds, limit_text, G_STRINGIFY(QUEUE_LEASE_S)};
	g_autoptr(db_result) result = queue_query(queue,
		"select id, lease_id, kind, payload, attempt, events"
		" from muster.job_cycle($1::jsonb, $2, $3::text[], $4::integer, $5::integer)",
		G_N_ELEMENTS(params), params, error);
	if (result == NULL)
		return FALSE;
	round->done = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	round->claimed = g_array_new(FALSE, FALSE, sizeof(struct queue_job));
	g_array_set_clear_func(round->claimed, (GDestroyNotify)queue_job_clear);
	for (guint row = 0; row < db_result_rows(result); row++) {
		gint64 id = db_result_get_int(result, row, 0);
		const char *lease = db_result_get(result, row, 1);
		if (db_result_get(result, row, 0) == NULL) {
			wake_send(queue->conf);
		} else if (lease == NULL) {
			g_hash_table_add(round->done, g_memdup2(&id, sizeof(id)));
		} else {
			struct queue_job job = {
				.id = id,
				.lease = g_strdup(lease),
				.kind = job_kind_find(db_result_get(result, row, 2)),
				.payload = g_strdup(db_result_get(result, row, 3)),
				.attempt = db_result_get_int(result, row, 4),
			};
			g_array_append_val(round->claimed, job);
		}
	}
	return TRUE;
}

gboolean queue_login(
	struct queue *queue, gint64 id, const char *lease, json_object **login, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {id_text, lease};
	g_autoptr(db_result) result = queue_query(
		queue, "select muster.job_login($1::bigint, $2::uuid)", 2, params, error);
	const char *text =
		result != NULL && db_result_rows(result) == 1 ? db_result_get(result, 0, 0) : NULL;

	if (result == NULL)
		return FALSE;
	*login = text != NULL ? json_parse(text, strlen(text), &json_limits_request, error) : NULL;
	return text == NULL || *login != NULL;
}

gboolean queue_renew(struct queue *queue, gint64 id, const char *lease, guint lease_s,
	gboolean *is_ours, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	g_autofree char *seconds = g_strdup_printf("%u", lease_s);
	const char *params[] = {id_text, lease, seconds};
	return queue_ask(queue, "select muster.job_renew($1::bigint, $2::uuid, $3::integer)", 3,
		params, is_ours, error);
}

gboolean queue_log(struct queue *queue, gint64 id, const char *lease, const char *text,
	gboolean *is_ours, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {id_text, lease, text};
	return queue_ask(queue, "select muster.job_log($1::bigint, $2::uuid, $3)", 3, params,
		is_ours, error);
}

gboolean queue_progress(struct queue *queue, gint64 id, const char *lease, int percent,
	const char *message, gboolean *is_ours, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	g_autofree char *percent_text = g_strdup_printf("%d", percent);
	const char *params[] = {id_text, lease, percent_text, message};
	return queue_ask(queue, "select muster.job_progress($1::bigint, $2::uuid, $3::integer, $4)",
		4, params, is_ours, error);
}

gboolean queue_set_timeout(struct queue *queue, guint timeout_s, GError **error)
{
	gint64 usual_ms = conf_get_int(queue->conf, "database.timeout_ms");
	return db_set_timeout(queue->db, MAX(usual_ms, (gint64)timeout_s * 1000), error);
}

gboolean queue_complete(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const struct job_record *record, gboolean *is_ours, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[3 + JOB_RECORD_PARAMS_MAX] = {id_text, lease, usage};

	for (guint i = 0; i < record->n_params; i++)
		params[3 + i] = record->params[i];
	return queue_ask(queue, record->sql, (int)(3 + record->n_params), params, is_ours, error);
}

gboolean queue_fail(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const char *message, gboolean retry, gboolean crash, char **state, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {
		id_text, lease, message, retry ? "true" : "false", crash ? "true" : "false", usage};
	g_autoptr(db_result) result = queue_query(queue,
		"select muster.job_fail($1::bigint, $2::uuid, $3, $4::boolean, $5::boolean, $6::jsonb)",
		G_N_ELEMENTS(params), params, error);
	if (result == NULL)
		return FALSE;
	*state = g_strdup(db_result_get(result, 0, 0));
	return TRUE;
}

gboolean queue_busy(struct queue *queue, gint64 id, const char *lease, const char *usage,
	const char *message, char **state, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {id_text, lease, message, usage};
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.job_busy($1::bigint, $2::uuid, $3, $4::jsonb)",
			G_N_ELEMENTS(params), params, error);
	if (result == NULL)
		return FALSE;
	*state = g_strdup(db_result_get(result, 0, 0));
	return TRUE;
}

gboolean queue_put_back(struct queue *queue, gint64 id, const char *lease, const char *reason,
	gboolean *is_ours, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {id_text, lease, reason};
	return queue_ask(queue, "select muster.job_snooze($1::bigint, $2::uuid, 0, $3)", 3, params,
		is_ours, error);
}

gboolean queue_give_back(
	struct queue *queue, gint64 id, const char *lease, gboolean *is_ours, GError **error)
{
	g_autofree char *id_text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {id_text, lease};
	return queue_ask(queue, "select muster.job_snooze($1::bigint, $2::uuid, null)", 2, params,
		is_ours, error);
}

gboolean queue_ingest(struct queue *queue, const char *organization, const char *root,
	const char *report, gboolean *is_new, GError **error)
{
	const char *params[] = {organization, queue->host, root, report};
	return queue_ask(queue, "select (muster.report_ingest($1, $2, $3, $4) ->> 'new')::boolean",
		4, params, is_new, error);
}

gboolean queue_prune(struct queue *queue, GError **error)
{
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.prune_hourly()", 0, NULL, error);
	return result != NULL;
}

gboolean queue_step(struct queue *queue, gboolean *is_done, GError **error)
{
	const char *params[] = {queue->host, queue->steps};

	*is_done = FALSE;
	return !queue->has_steps || queue_ask(queue, "select muster.job_step($1, $2::text[])", 2,
					    params, is_done, error);
}

gboolean queue_letter_take(
	struct queue *queue, gint64 *id, struct db_result **letter, GError **error)
{
	if (!queue->has_steps)
		return TRUE;
	g_autoptr(db_result) result = queue_query(
		queue, "select * from muster.letter_take() where id is not null", 0, NULL, error);
	if (result == NULL)
		return FALSE;
	if (db_result_rows(result) > 0) {
		*id = db_result_get_int(result, 0, 0);
		*letter = g_steal_pointer(&result);
	}
	return TRUE;
}

gboolean queue_letter_done(struct queue *queue, gint64 id, const char *failure, GError **error)
{
	g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, id);
	const char *params[] = {text, failure};
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.letter_done($1::bigint, $2)", 2, params, error);
	return result != NULL;
}

gboolean queue_sequence(struct queue *queue, GError **error)
{
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.sequence_events()", 0, NULL, error);
	if (result == NULL)
		return FALSE;
	if (db_result_get_int(result, 0, 0) > 0)
		wake_send(queue->conf);
	return TRUE;
}

char *queue_status(struct queue *queue, GError **error)
{
	g_autoptr(db_result) result =
		queue_query(queue, "select muster.job_status()", 0, NULL, error);
	return result != NULL ? g_strdup(db_result_get(result, 0, 0)) : NULL;
}
