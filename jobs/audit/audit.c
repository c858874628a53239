/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/audit.h"

#include <string.h>
#include <unistd.h>

#include "jobs/audit/cache.h"
#include "jobs/audit/facts.h"
#include "jobs/audit/find.h"
#include "jobs/audit/inspect.h"
#include "jobs/audit/member.h"
#include "jobs/audit/report.h"
#include "jobs/audit/row.h"
#include "lib/error.h"
#include "lib/hash.h"
#include "lib/quote.h"
#include "lib/report.h"

struct run {
	const struct audit_options *options;
	const struct audit_progress *progress;
	struct inspect_options inspect;
	const char *host;
	GMutex lock; /* rows, done, progress */
	json_object *rows;
	const GPtrArray *repos; /* struct find_repo */
	gint next;              /* of them */
	guint done;
	gint is_cancelled;
};

void audit_options_init(struct audit_options *options, const struct conf *conf)
{
	*options = (struct audit_options){
		.owner = "",
		.space = "",
		.project_id = "default",
		.skip = conf_get(conf, "audit.skip"),
		.cache = conf_get(conf, "paths.cache"),
		.checks = audit_checks_all(),
		.stale_days = conf_get_int(conf, "audit.stale_days"),
		.large_blob_bytes = conf_get_int(conf, "audit.large_blob_bytes"),
	};
}

void audit_result_clear(struct audit_result *result)
{
	if (result->problems != NULL)
		g_ptr_array_unref(result->problems);
	*result = (struct audit_result){0};
}

static void inspect_one(struct run *run, const struct find_repo *found)
{
	const struct audit_progress *progress = run->progress;
	const struct audit_options *options = run->options;
	int lock = options->lock != NULL ? options->lock(found->path, options->lock_data) : -1;
	struct audit_facts *facts = inspect_repo(found, &run->inspect);

	if (lock >= 0)
		close(lock);
	row_judge(facts, options->remote);
	json_object *row = row_new(facts, options->checks);
	audit_facts_free(facts);

	g_mutex_lock(&run->lock);
	json_object_array_add(run->rows, row);
	run->done++;
	if (progress != NULL && progress->done != NULL)
		progress->done(run->done, run->repos->len, found->name, progress->data);
	if (progress != NULL && progress->is_cancelled != NULL &&
		progress->is_cancelled(progress->data))
		g_atomic_int_set(&run->is_cancelled, 1);
	g_mutex_unlock(&run->lock);
}

static gpointer inspect_thread(gpointer data)
{
	struct run *run = data;
	guint at;

	while (!g_atomic_int_get(&run->is_cancelled) &&
		(at = (guint)g_atomic_int_add(&run->next, 1)) < run->repos->len)
		inspect_one(run, run->repos->pdata[at]);
	return NULL;
}

/*
 * Threads of our own and not a pool: they are joined, so that what libraries keep for a thread is
 * gone when this returns.
 */
static void inspect_all(struct run *run, const GPtrArray *repos)
{
	guint count = run->options->threads > 0 ? run->options->threads : g_get_num_processors();
	g_autoptr(GPtrArray) threads = g_ptr_array_new();

	run->repos = repos;
	count = MIN(count, repos->len);
	for (guint i = 1; i < count; i++) {
		GThread *thread = g_thread_try_new("audit", inspect_thread, run, NULL);
		if (thread != NULL)
			g_ptr_array_add(threads, thread);
	}
	inspect_thread(run);
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(threads->pdata[i]);
}

/* Expected and not found; a folder that is no repository and has the name is in its place. */
static void add_missing(struct run *run, const struct find_result *found, GHashTable *in_way)
{
	const struct audit_remote *remote = run->options->remote;
	g_autoptr(GHashTable) plain = g_hash_table_new(hash_text, g_str_equal);

	if (remote == NULL)
		return;
	for (guint i = 0; i < found->plain->len; i++) {
		struct find_repo *folder = found->plain->pdata[i];
		g_hash_table_insert(plain, folder->name, folder);
	}
	for (guint i = 0; i < audit_remote_count(remote); i++) {
		const struct audit_expected *expected = audit_remote_get(remote, i);
		if (expected->is_present)
			continue;
		struct find_repo *folder = g_hash_table_lookup(plain, expected->name);
		g_autofree char *name = quote_parse(expected->name);
		g_autofree char *path =
			folder != NULL ? g_strdup(folder->path)
				       : g_build_filename(found->roots->pdata[0], name, NULL);
		g_autofree char *id = report_repo_id(run->options->space, run->host, path);
		if (folder != NULL)
			g_hash_table_add(in_way, folder);
		json_object_array_add(run->rows,
			row_new_missing(expected, expected->name, id, path, folder != NULL));
	}
}

static void add_plain(struct run *run, const struct find_result *found, GHashTable *in_way)
{
	for (guint i = 0; i < found->plain->len; i++) {
		struct find_repo *folder = found->plain->pdata[i];
		if (g_hash_table_contains(in_way, folder))
			continue;
		g_autofree char *id = report_repo_id(run->options->space, run->host, folder->path);
		json_object_array_add(run->rows, row_new_not_git(folder, id));
	}
}

/*
 * The rows of previous but the one asked for, whose path replaces what a walk would have found.
 * FALSE when previous does not have it.
 */
static gboolean take_previous(struct run *run, struct find_result *found)
{
	const struct audit_options *options = run->options;
	json_object *rows;

	if (options->repo_id == NULL || options->previous == NULL ||
		(rows = json_get(options->previous, "repos", json_type_array, NULL)) == NULL)
		return FALSE;
	json_object *wanted = NULL;
	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *id = json_get_text(row, "id", NULL);
		if (id != NULL && !strcmp(id, options->repo_id))
			wanted = row;
	}
	const char *quoted = wanted != NULL ? json_get_text(wanted, "local_path", NULL) : NULL;
	const char *name = wanted != NULL ? json_get_text(wanted, "name", NULL) : NULL;
	if (quoted == NULL || name == NULL)
		return FALSE;
	g_autofree char *path = quote_parse(quoted);
	/* The path comes from a file: it must lie where this audit may look. */
	for (guint i = 0; i < found->roots->len; i++) {
		if (!find_is_below(path, found->roots->pdata[i]) || strstr(path, "/../") != NULL)
			continue;
		g_autoptr(Repo) r = repo_open(path, NULL, NULL);
		if (r == NULL)
			return FALSE;
		find_result_only(found, path, found->roots->pdata[i], name, r->kind);
		for (gsize j = 0; j < json_object_array_length(rows); j++) {
			json_object *row = json_object_array_get_idx(rows, j);
			if (row != wanted)
				json_object_array_add(run->rows, json_object_get(row));
		}
		return TRUE;
	}
	return FALSE;
}

/* What the rows come to, for an exit code. */
static void result_set(struct audit_result *result, json_object *report)
{
	json_object *rows = json_get(report, "repos", json_type_array, NULL);
	const char *health = json_get_text(report, "health_status", NULL);

	result->is_green = health != NULL && !strcmp(health, "green");
	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		json_object *checks = json_get(row, "checks", json_type_array, NULL);
		const char *status = json_get_text(row, "status", NULL);
		gboolean is_partly = status != NULL && !strcmp(status, "error");
		result->errors += is_partly;
		for (gsize j = 0; checks != NULL && j < json_object_array_length(checks); j++) {
			json_object *check = json_object_array_get_idx(checks, j);
			const char *outcome = json_get_text(check, "status", NULL);
			const char *severity = json_get_text(check, "severity", NULL);
			if (outcome == NULL || severity == NULL ||
				(strcmp(outcome, "fail") != 0 && strcmp(outcome, "warn") != 0))
				continue;
			result->worst = MAX(result->worst, severity_parse(severity));
			const char *id = json_get_text(check, "id", NULL);
			is_partly |= id != NULL && !strcmp(id, "readable");
		}
		result->partly += is_partly;
	}
}

static gboolean run_all(
	struct run *run, json_object **report, struct audit_result *result, GError **error)
{
	const struct audit_options *options = run->options;
	const struct audit_progress *progress = run->progress;
	gint64 start = g_get_monotonic_time();
	g_autoptr(GHashTable) in_way = g_hash_table_new(g_direct_hash, g_direct_equal);
	g_autoptr(find_result) found = find_roots(options->paths, error);

	if (found == NULL)
		return FALSE;
	if (!take_previous(run, found)) {
		find_result_free(found);
		found = find_run(options->paths, options->skip, options->threads,
			progress != NULL ? progress->found : NULL,
			progress != NULL ? progress->data : NULL, error);
		if (found == NULL)
			return FALSE;
	}
	run->inspect.roots = found->roots;
	inspect_all(run, found->repos);
	if (run->is_cancelled) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "the audit was cancelled");
		return FALSE;
	}
	if (!found->is_partial) {
		add_missing(run, found, in_way);
		add_plain(run, found, in_way);
	}
	struct report_parts parts = {
		.rows = run->rows,
		.roots = found->roots,
		.problems = found->problems,
		.owner = options->owner,
		.project_id = options->project_id,
		.host = run->host,
		.has_list = options->remote != NULL,
		.duration_ms = (g_get_monotonic_time() - start) / 1000,
	};
	*report = report_new(&parts);
	result_set(result, *report);
	for (guint i = 0; i < found->problems->len; i++)
		g_ptr_array_add(result->problems, g_strdup(found->problems->pdata[i]));
	return TRUE;
}

gboolean audit_run(const struct audit_options *options, const struct audit_progress *progress,
	json_object **report, struct audit_result *result, GError **error)
{
	struct audit_result own = {0};
	g_autoptr(Gitconfig) user = gitconfig_new_user();
	g_autofree char *cache =
		options->cache != NULL ? g_build_filename(options->cache, "audit", NULL) : NULL;
	struct run run = {
		.options = options,
		.progress = progress,
		.host = options->host != NULL ? options->host : g_get_host_name(),
		.rows = json_object_new_array(),
	};

	if (result == NULL)
		result = &own;
	*result = (struct audit_result){.problems = g_ptr_array_new_with_free_func(g_free)};
	run.inspect = (struct inspect_options){
		.user = user,
		.space = options->space,
		.host = run.host,
		.cache = cache,
		.needs = audit_checks_needs(options->checks),
		.now = g_get_real_time() / G_USEC_PER_SEC,
		.stale_days = options->stale_days,
		.large_blob_bytes = options->large_blob_bytes,
	};
	g_mutex_init(&run.lock);
	gboolean is_done = run_all(&run, report, result, error);
	g_mutex_clear(&run.lock);
	if (cache != NULL)
		cache_prune(cache, run.inspect.now);
	json_object_put(run.rows);
	audit_result_clear(&own);
	return is_done;
}
