/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <string.h>

#include "jobs/audit/audit.h"
#include "jobs/git/gitconfig.h"
#include "jobs/place.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/quote.h"
#include "lib/report.h"

/*
 * Job kind audit. Payload: {"organization": slug, "organization_id": uuid, "root": slug, "path":
 * absolute, "host": name, "repo": null or the id of the one repository to look at again}.
 */

#define PREVIOUS_MAX_BYTES ((gsize)256 * 1024 * 1024)

/* So long the audit waits for who writes in a repository: all others wait behind it. */
#define LOCK_WAIT_MS 5000

static void text_add(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static void number_add(json_object *object, const char *name, gint64 number)
{
	json_object_object_add(object, name, json_object_new_int64(number));
}

/* The report folder that the payload names. */
static char *folder_get(const struct conf *conf, json_object *payload, GError **error)
{
	const char *organization = json_get_text(payload, "organization", error);
	const char *root = organization != NULL ? json_get_text(payload, "root", error) : NULL;

	return root != NULL
		       ? report_folder(conf_get(conf, "paths.state"), organization, root, error)
		       : NULL;
}

gboolean job_audit_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	g_autofree char *folder = folder_get(conf, payload, error);

	if (folder == NULL)
		return FALSE;
	g_autofree char *previous = g_build_filename(folder, REPORT_FILE, NULL);
	text_add(payload, "previous", previous);
	text_add(payload, "skip", conf_get(conf, "audit.skip"));
	text_add(payload, "cache", conf_get(conf, "paths.cache"));
	number_add(payload, "stale_days", conf_get_int(conf, "audit.stale_days"));
	number_add(payload, "large_blob_bytes", conf_get_int(conf, "audit.large_blob_bytes"));
	return TRUE;
}

/* A path of the person's git configuration: "~/" is the home folder. */
static void git_path_add(struct sandbox *sandbox, const struct gitconfig *config, const char *key)
{
	const char *path = gitconfig_find(config, "core", NULL, key);
	g_autofree char *full = path != NULL && g_str_has_prefix(path, "~/")
					? g_build_filename(g_get_home_dir(), path + 2, NULL)
					: g_strdup(path);

	if (full != NULL && g_path_is_absolute(full))
		sandbox_add_read(sandbox, full);
}

void job_git_config_allow(struct sandbox *sandbox)
{
	g_autofree char *home = g_build_filename(g_get_home_dir(), ".gitconfig", NULL);
	g_autofree char *xdg = g_build_filename(g_get_user_config_dir(), "git", NULL);
	g_autoptr(Gitconfig) config = gitconfig_new_user();

	sandbox_add_read(sandbox, home);
	sandbox_add_read(sandbox, xdg);
	git_path_add(sandbox, config, "excludesfile");
	git_path_add(sandbox, config, "attributesfile");
}

/*
 * The watched folder, the last report, and what the person told git about files to leave out. A
 * repository whose git folder lies elsewhere cannot be read, and its row says so.
 */
void job_audit_confine(json_object *params, struct sandbox *sandbox)
{
	const char *quoted = json_get_text(params, "path", NULL);
	g_autofree char *path = quoted != NULL ? quote_parse(quoted) : NULL;

	if (path != NULL && g_path_is_absolute(path))
		sandbox_add_read(sandbox, path);
	sandbox_add_read(sandbox, json_get_text(params, "previous", NULL));
	job_git_config_allow(sandbox);
	sandbox_add_write(sandbox, json_get_text(params, "cache", NULL));
}

struct progress {
	struct job_child *child;
	char message[200];
};

static void progress_found(guint folders, guint repos, gpointer data)
{
	struct progress *progress = data;
	g_snprintf(progress->message, sizeof(progress->message), "%u repositories found", repos);
	job_child_progress(progress->child, 0, progress->message);
}

static void progress_done(guint done, guint total, const char *name, gpointer data)
{
	struct progress *progress = data;
	job_child_count(progress->child, done, total, name);
}

/* Repositories in which somebody wrote all the time. */
struct busy {
	GMutex lock;
	GPtrArray *said;
};

static int repo_lock(const char *path, gpointer data)
{
	struct busy *busy = data;
	g_autoptr(GError) error = NULL;
	int fd = place_lock(path, FALSE, LOCK_WAIT_MS, &error);

	/* What else is wrong with it the audit finds out. */
	if (fd >= 0 || !g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY))
		return fd;
	g_mutex_lock(&busy->lock);
	g_ptr_array_add(busy->said,
		g_strdup_printf("%s; what is told of it may be half done", error->message));
	g_mutex_unlock(&busy->lock);
	return -1;
}

/* What the last report said, for an audit of one repository; NULL when there is none to go by. */
static json_object *previous_read(const char *path)
{
	g_autofree char *bytes = NULL;
	gsize len;

	return path != NULL && file_read(path, PREVIOUS_MAX_BYTES, &bytes, &len, NULL)
		       ? json_parse(bytes, len, &json_limits_report, NULL)
		       : NULL;
}

static gint64 number_get(json_object *params, const char *name)
{
	json_object *number = json_get(params, name, json_type_int, NULL);
	return number != NULL ? json_object_get_int64(number) : 0;
}

/* text, or a default of its own where the payload gives none. */
static const char *text_get(json_object *params, const char *name, const char *otherwise)
{
	const char *text = json_get_text(params, name, NULL);
	return text != NULL ? text : otherwise;
}

char *job_audit_run(struct job_child *child, json_object *params, GError **error)
{
	struct progress progress = {.child = child};
	g_autoptr(GPtrArray) said = g_ptr_array_new_with_free_func(g_free);
	struct busy busy = {.said = said};
	const struct audit_progress calls = {
		.found = progress_found, .done = progress_done, .data = &progress};
	const char *quoted = json_get_text(params, "path", error);
	struct audit_result result;

	if (quoted == NULL)
		return NULL;
	g_autofree char *path = quote_parse(quoted);
	const char *paths[] = {path, NULL};
	struct audit_options options = {
		.paths = paths,
		.owner = "",
		.space = text_get(params, "organization_id", ""),
		.host = text_get(params, "host", NULL),
		.project_id = text_get(params, "project", "default"),
		.skip = text_get(params, "skip", ""),
		.cache = text_get(params, "cache", NULL),
		.checks = audit_checks_all(),
		.stale_days = number_get(params, "stale_days"),
		.large_blob_bytes = number_get(params, "large_blob_bytes"),
		.repo_id = text_get(params, "repo", NULL),
		.lock = repo_lock,
		.lock_data = &busy,
	};
	g_autoptr(json_object) previous = NULL;
	g_autoptr(json_object) report = NULL;

	if (!g_path_is_absolute(path)) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "an audit needs an absolute path");
		return NULL;
	}
	if (options.repo_id != NULL)
		options.previous = previous =
			previous_read(json_get_text(params, "previous", NULL));
	g_mutex_init(&busy.lock);
	gboolean ok = audit_run(&options, &calls, &report, &result, error);
	g_mutex_clear(&busy.lock);
	for (guint i = 0; i < said->len; i++)
		job_child_log(child, said->pdata[i]);
	for (guint i = 0; ok && i < result.problems->len; i++)
		job_child_log(child, result.problems->pdata[i]);
	audit_result_clear(&result);
	return ok ? g_strdup(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN)) : NULL;
}

gboolean job_audit_store(
	const struct conf *conf, json_object *payload, GBytes *result, GError **error)
{
	gsize len;
	const char *text = g_bytes_get_data(result, &len);
	g_autofree char *folder = folder_get(conf, payload, error);
	g_autoptr(json_object) report =
		folder != NULL ? json_parse(text, len, &json_limits_report, error) : NULL;

	if (report == NULL)
		return FALSE;
	json_object *repos = json_get(report, "repos", json_type_array, error);
	if (repos == NULL)
		return FALSE;
	number_add(payload, "total", (gint64)json_object_array_length(repos));
	return report_write(
		folder, report, text, (guint)conf_get_int(conf, "audit.history_keep"), error);
}

/* The lease is asked for first and in the same statement: CASE evaluates in order. */
static const char record_sql[] =
	"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
	" then muster.job_complete($1::bigint, $2::uuid, muster.report_ingest($4, $5, $6, $7)"
	" || jsonb_build_object('total_results', $8::bigint))"
	" else false end";

gboolean job_audit_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	const char *organization = json_get_text(payload, "organization", error);
	const char *host = organization != NULL ? json_get_text(payload, "host", error) : NULL;
	const char *root = host != NULL ? json_get_text(payload, "root", error) : NULL;

	if (root == NULL)
		return FALSE;
	record->sql = record_sql;
	record->params[0] = g_strdup(organization);
	record->params[1] = g_strdup(host);
	record->params[2] = g_strdup(root);
	record->params[3] = g_strdup(g_bytes_get_data(result, NULL));
	record->params[4] = g_strdup_printf("%" G_GINT64_FORMAT, number_get(payload, "total"));
	record->n_params = 5;
	return TRUE;
}
