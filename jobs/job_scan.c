/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/output/scan.h"
#include "jobs/place.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "jobs/scan_job.h"
#include "jobs/scan_shortened.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/quote.h"
#include "lib/secret.h"

/*
 * Job kind scan: the whole history of one repository, of which only what is new is read. Payload:
 * {"repo_id": uuid, "path", "root_path": absolute, in quoted form, "branch", "commit": null, or
 * what must be there for the scan to be one of it}.
 *
 * What is known of a repository lies in STATE/scan/<its id>, where its jobs alone may write: what a
 * repository makes of its scan is no other's trouble. The compiled rules, which all processes load,
 * lie in STATE/sieve, where no job may write.
 */

/* The steps are the contract's: percent and text. */
#define STEP_CLONE 25
#define TEXT_CLONE "Cloning repository..."
#define STEP_SCAN 50
#define TEXT_SCAN "Running SAST analysis..."
#define STEP_DEPS 75
#define TEXT_DEPS "Analyzing dependencies..."

/* Held by who compiles: a scan that has not what comes of it waits instead of doing the same. */
#define SIEVE_LOCK "lock"

/* So long a scan waits for who writes in the repository; then it is tried again later. */
#define LOCK_WAIT_MS 60000

static char *sieve_folder(const char *state)
{
	return g_build_filename(state, "sieve", NULL);
}

/* Freed with g_strfreev(). */
static char **rules_split(const char *setting)
{
	g_auto(GStrv) parts = g_strsplit(setting, ";", -1);
	g_autoptr(GStrvBuilder) paths = g_strv_builder_new();

	for (guint i = 0; parts[i] != NULL; i++)
		if (*g_strstrip(parts[i]) != '\0')
			g_strv_builder_add(paths, parts[i]);
	return g_strv_builder_end(paths);
}

static void text_add(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

/* ---- the runner ---- */

/* The names of secrets are made by the child, with the one key that does nothing else. */
static gboolean key_add(const struct conf *conf, json_object *payload, GError **error)
{
	g_autoptr(secret_key) key =
		secret_key_load(conf_get(conf, "secret.key_file"), FALSE, error);

	if (key == NULL)
		return FALSE;
	char *text = secret_subkey_format(key, SECRET_PURPOSE_FINDING);
	text_add(payload, "key", text);
	secret_wipe(text, strlen(text));
	g_free(text);
	return TRUE;
}

static gboolean rules_add(const struct conf *conf, json_object *payload, GError **error)
{
	const char *setting = conf_get(conf, "scan.rules");
	g_auto(GStrv) paths = rules_split(setting);

	for (guint i = 0; paths[i] != NULL; i++)
		if (!g_path_is_absolute(paths[i])) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"scan.rules: '%s' has to begin with '/'", paths[i]);
			return FALSE;
		}
	text_add(payload, "rules", setting);
	return TRUE;
}

/* Of one that is fetched: where its mirror lies. */
static gboolean mirror_add(const struct conf *conf, json_object *payload, GError **error)
{
	json_object *flag = json_get(payload, "mirror", json_type_boolean, NULL);

	if (flag == NULL || !json_object_get_boolean(flag))
		return TRUE;
	g_autofree char *folder = job_mirror_folder(conf, payload, error);
	if (folder == NULL)
		return FALSE;
	g_autofree char *path = g_build_filename(folder, JOB_MIRROR_NAME, NULL);
	g_autofree char *root_quoted = quote_format(folder), *path_quoted = quote_format(path);
	text_add(payload, "root_path", root_quoted);
	text_add(payload, "path", path_quoted);
	return TRUE;
}

gboolean job_scan_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	const char *state = conf_get(conf, "paths.state");
	const char *repo = json_get_text(payload, "repo_id", error);

	if (repo == NULL)
		return FALSE;
	if (!g_uuid_string_is_valid(repo)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "this names no repository");
		return FALSE;
	}
	g_autofree char *folder = g_build_filename(state, "scan", repo, NULL);
	g_autofree char *sieve = sieve_folder(state);
	if (!file_make_folder(sieve, error))
		return FALSE;
	text_add(payload, "state", folder);
	text_add(payload, "sieve", sieve);
	/* Half of the processors: other jobs run beside it, and what is large takes minutes. */
	json_object_object_add(
		payload, "threads", json_object_new_int64(CLAMP(g_get_num_processors() / 2, 1, 8)));
	return mirror_add(conf, payload, error) && rules_add(conf, payload, error) &&
	       key_add(conf, payload, error);
}

/* The lease is asked for first and in the same statement: CASE evaluates in order. */
static const char record_sql[] =
	"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
	" then muster.scan_record($1::bigint, $2::uuid, $4::jsonb) else false end";

gboolean job_scan_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	gsize len;
	const char *text = g_bytes_get_data(result, &len);

	record->sql = record_sql;
	record->params[0] = g_strndup(text, len);
	record->n_params = 1;
	return TRUE;
}

/* ---- the helper ---- */

/* Read once for all children, which share the memory; again when a file of rules is another. */
static struct {
	char *stamps;
	struct rule_set *rules;
	struct matcher *matcher;
} shared;

/* What tells a file of rules from itself before it was changed. */
static char *stamps_make(char *const *paths)
{
	GString *stamps = g_string_new(NULL);

	for (; *paths != NULL; paths++) {
		struct stat st = {0};
		if (stat(*paths, &st) == 0)
			g_string_append_printf(stamps,
				"%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
				".%09ld",
				(guint64)st.st_ino, (gint64)st.st_size, (gint64)st.st_mtim.tv_sec,
				st.st_mtim.tv_nsec);
		g_string_append_c(stamps, ';');
	}
	return g_string_free(stamps, FALSE);
}

/* No child reads what is freed here: each has memory of its own. */
static void rules_update(const char *setting)
{
	g_auto(GStrv) paths = rules_split(setting);
	g_autofree char *stamps = stamps_make(paths);
	const struct rule_options options = {.paths = (const char *const *)paths};

	if (g_strcmp0(stamps, shared.stamps) == 0)
		return;
	g_clear_pointer(&shared.matcher, matcher_free);
	g_clear_pointer(&shared.rules, rule_set_free);
	g_free(shared.stamps);
	shared.stamps = g_steal_pointer(&stamps);
	/* A mistake in a file is the child's to tell, which reads it too. */
	shared.rules = rule_set_load(&options, NULL);
}

gboolean job_scan_warm(const struct job_helper_conf *conf)
{
	g_autofree char *folder = sieve_folder(conf->state);

	rules_update(conf->rules);
	if (shared.matcher == NULL && shared.rules != NULL && shared.rules->n > 0 &&
		matcher_is_quick(shared.rules, folder))
		shared.matcher = matcher_new(shared.rules, folder, NULL);
	return shared.matcher != NULL;
}

/* Its end gives the lock back. */
void job_scan_make(const struct job_helper_conf *conf)
{
	g_autofree char *folder = sieve_folder(conf->state);
	g_autofree char *lock = g_build_filename(folder, SIEVE_LOCK, NULL);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && shared.rules != NULL)
		matcher_free(matcher_new(shared.rules, folder, NULL));
}

/* ---- the child ---- */

static char *path_get(json_object *params, const char *name, GError **error)
{
	const char *quoted = json_get_text(params, name, error);
	return quoted != NULL ? quote_parse(quoted) : NULL;
}

void job_scan_confine(json_object *params, struct sandbox *sandbox)
{
	g_autofree char *root = path_get(params, "root_path", NULL);
	const char *setting = json_get_text(params, "rules", NULL);
	g_auto(GStrv) rules = rules_split(setting != NULL ? setting : "");

	for (guint i = 0; rules[i] != NULL; i++)
		sandbox_add_read(sandbox, rules[i]);
	if (root != NULL && g_path_is_absolute(root))
		sandbox_add_read(sandbox, root);
	sandbox_add_read(sandbox, json_get_text(params, "sieve", NULL));
	sandbox_add_write(sandbox, json_get_text(params, "state", NULL));
}

/* Says how far it is once a second, while the scan's own thread works and may have something to
 * say, too. */
struct teller {
	struct job_child *child;
	struct scan_progress *progress;
	GThread *thread;
	GMutex lock; /* frames are written whole */
	GCond wake;
	gboolean is_over;
};

static void say(const char *text, gpointer data)
{
	struct teller *teller = data;

	g_mutex_lock(&teller->lock);
	job_child_log(teller->child, text);
	g_mutex_unlock(&teller->lock);
}

static gpointer tell(gpointer data)
{
	struct teller *teller = data;

	g_mutex_lock(&teller->lock);
	while (!teller->is_over) {
		g_cond_wait_until(
			&teller->wake, &teller->lock, g_get_monotonic_time() + G_USEC_PER_SEC);
		guint64 total = scan_progress_get(&teller->progress->blobs_total);
		guint64 done = MIN(scan_progress_get(&teller->progress->blobs), total);
		if (!teller->is_over && total > 0)
			job_child_progress(teller->child,
				STEP_SCAN + (int)((STEP_DEPS - STEP_SCAN - 1) * done / total),
				TEXT_SCAN);
	}
	g_mutex_unlock(&teller->lock);
	return NULL;
}

static void tell_begin(struct teller *teller, struct scan_progress *progress)
{
	teller->progress = progress;
	teller->thread = g_thread_try_new("teller", tell, teller, NULL);
}

static void tell_end(struct teller *teller)
{
	g_mutex_lock(&teller->lock);
	teller->is_over = TRUE;
	g_cond_signal(&teller->wake);
	g_mutex_unlock(&teller->lock);
	if (teller->thread != NULL)
		g_thread_join(teller->thread);
}

/* As the command line would be: the defaults are the command's. */
static gboolean flags_init(
	struct scan_flags *flags, json_object *params, const char *path, GError **error)
{
	json_object *threads = json_get(params, "threads", json_type_int, error);
	const char *setting = threads != NULL ? json_get_text(params, "rules", error) : NULL;
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	if (setting == NULL)
		return FALSE;
	g_autofree char *number = g_strdup_printf("%d", json_object_get_int(threads));
	g_auto(GStrv) rules = rules_split(setting);
	g_strv_builder_add_many(builder, "scan", "--threads", number, NULL);
	for (guint i = 0; rules[i] != NULL; i++)
		g_strv_builder_add_many(builder, "--rules", rules[i], NULL);
	g_strv_builder_add(builder, path);
	g_auto(GStrv) list = g_strv_builder_end(builder);
	/* The parser takes out what it has understood: of a copy, which holds no text itself. */
	g_autofree char **argv = g_memdup2(list, (g_strv_length(list) + 1) * sizeof(*list));
	int argc = (int)g_strv_length(list);

	return scan_flags_parse(flags, &argc, &argv, error);
}

static void sieve_wait(json_object *params)
{
	const char *folder = json_get_text(params, "sieve", NULL);
	g_autofree char *lock = folder != NULL ? g_build_filename(folder, SIEVE_LOCK, NULL) : NULL;
	int fd = lock != NULL ? open(lock, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && flock(fd, LOCK_SH) == 0)
		close(fd);
}

/*
 * Whoever writes in it (a clone that is fetched, work that is discarded) and this one wait for each
 * other; the lock lasts as long as the process. -1 with an error.
 */
static int repo_lock(const char *root, const char *path, GError **error)
{
	g_auto(place) place = {0};

	if (!place_open(&place, root, path, error))
		return -1;
	if (place.fd >= 0)
		return place_lock(path, FALSE, LOCK_WAIT_MS, error);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "it is not there any more");
	return -1;
}

/* A history of which nothing could be read was not scanned. */
static gboolean something_check(const struct finding_report *report, GError **error)
{
	const struct finding_target *target =
		&g_array_index(report->targets, struct finding_target, 0);

	if (!report->is_partly || target->eligible + target->known > 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "nothing of it could be read: %s",
		report->problems->len > 0 ? (const char *)report->problems->pdata[0]
					  : "it is damaged");
	return FALSE;
}

static gboolean scan_run(struct teller *teller, struct scan_job *job, json_object *params,
	const char *path, GError **error)
{
	struct job_child *child = teller->child;

	job_child_step(child, STEP_CLONE, TEXT_CLONE);
	if (!scan_check(job, path, json_get_text(params, "branch", NULL),
		    json_get_text(params, "commit", NULL), error))
		return FALSE;
	job_child_step(child, STEP_SCAN, TEXT_SCAN);
	tell_begin(teller, &job->progress);
	gboolean is_done = scan_history(job, path, path, error);
	tell_end(teller);
	if (!is_done)
		return FALSE;
	if (scan_shortened_was_met())
		scan_job_problem(job, NULL, SCAN_SHORTENED_TEXT);
	if (!something_check(job->report, error))
		return FALSE;
	job_child_step(child, STEP_DEPS, TEXT_DEPS);
	job_child_log(child, "its history was searched for secrets; code and dependencies are "
			     "analyzed by nothing here yet");
	return scan_job_finish(job, error);
}

char *job_scan_run(struct job_child *child, json_object *params, GError **error)
{
	g_autofree char *path = path_get(params, "path", error);
	g_autofree char *root = path != NULL ? path_get(params, "root_path", error) : NULL;
	const char *key_text = root != NULL ? json_get_text(params, "key", error) : NULL;
	gint64 start_us = g_get_monotonic_time();
	g_auto(ScanFlags) flags = {0};
	g_auto(ScanJob) job = {0};
	struct teller teller = {.child = child};

	if (key_text == NULL || !flags_init(&flags, params, path, error))
		return NULL;
	if (repo_lock(root, path, error) < 0)
		return NULL;
	g_autoptr(secret_key) key = secret_subkey_parse(SECRET_PURPOSE_FINDING, key_text, error);
	json_wipe(params, "key");
	const struct scan_job_setup setup = {
		.state_folder = json_get_text(params, "state", NULL),
		.sieve_folder = json_get_text(params, "sieve", NULL),
		.rules = shared.matcher != NULL ? shared.rules : NULL,
		.matcher = shared.matcher,
		.key = key,
		.say = say,
		.data = &teller,
	};
	/* A file that may not grow is an error of writing, which is told. */
	signal(SIGXFSZ, SIG_IGN);
	scan_shortened_watch();
	if (shared.matcher == NULL)
		sieve_wait(params);
	if (key == NULL || !scan_job_init(&job, &flags, &setup, error) ||
		!scan_run(&teller, &job, params, path, error))
		return NULL;
	job.report->elapsed_us = g_get_monotonic_time() - start_us;
	g_autoptr(GString) text = g_string_new(NULL);
	scan_output_write(SCAN_FORMAT_JSON, job.report, NULL, text);
	return g_string_free(g_steal_pointer(&text), FALSE);
}
