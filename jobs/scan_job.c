/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_job.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "jobs/git/object.h"
#include "jobs/scan/baseline.h"
#include "jobs/scan/finding_sample.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/quote.h"

/* Raised when the engine finds other things in the same bytes: then all is scanned again. */
#define ENGINE_VERSION 1
#define TARGET_PROBLEMS_MAX 100

static const struct {
	const char *name;
	enum finding_ignore kind;
} ignore_files[] = {
	{".musterignore", FINDING_IGNORE_FILE},
	{".gitleaksignore", FINDING_IGNORE_GITLEAKS},
	{".betterleaksignore", FINDING_IGNORE_GITLEAKS},
};

void scan_job_say(struct scan_job *job, const char *text)
{
	g_autofree char *quoted = quote_format(text);

	job->setup.say(quoted, job->setup.data);
}

static gboolean rules_load(struct scan_job *job, GError **error)
{
	const struct scan_flags *flags = job->flags;
	struct rule_options options = {
		.paths = (const char *const *)flags->rule_files,
		.only = (const char *const *)flags->enabled,
		.without = (const char *const *)flags->disabled,
		.no_builtin = flags->has_no_builtin,
	};

	job->rules = rule_set_load(&options, error);
	if (job->rules == NULL)
		return FALSE;
	g_autofree char *alone = flags->has_no_builtin ? NULL : rule_set_alone_text(job->rules);
	if (alone != NULL)
		scan_job_say(job, alone);
	for (guint i = 0; i < job->rules->n_problems; i++) {
		const struct rule_problem *problem = &job->rules->problems[i];
		if (problem->kind == RULE_PROBLEM_UNKNOWN && !flags->is_verbose)
			continue;
		g_autofree char *text = g_strdup_printf("%s:%u: %s%s%s", problem->source,
			problem->line, problem->rule != NULL ? problem->rule : "",
			problem->rule != NULL ? ": " : "", problem->text);
		scan_job_say(job, text);
	}
	if (job->rules->n > 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "no rule is left to look for");
	return FALSE;
}

static char *engine_text(const struct scan_job *job)
{
	GString *text = g_string_new(NULL);

	g_string_printf(text,
		"%d decode=%u size=%" G_GUINT64_FORMAT " archives=%u common=", ENGINE_VERSION,
		job->flags->decode_depth, job->flags->blob_max_bytes, job->flags->archive_depth);
	for (guint i = 0; i < RULE_HASH_BYTES; i++)
		g_string_append_printf(text, "%02x", job->rules->common[i]);
	if (job->flags->is_verify)
		g_string_append(text, " verified");
	return g_string_free(text, FALSE);
}

gboolean scan_job_init(struct scan_job *job, const struct scan_flags *flags,
	const struct scan_job_setup *setup, GError **error)
{
	*job = (struct scan_job){.flags = flags, .setup = *setup};
	job->rules = setup->rules;
	job->matcher = setup->matcher;
	if (job->rules == NULL && !rules_load(job, error))
		return FALSE;
	job->engine = engine_text(job);
	job->report = finding_report_new(job->rules);
	job->report->started_us = g_get_real_time();
	job->report->fail_on = flags->fail_on;
	job->report->has_secrets = flags->mask.is_shown;
	job->maker = finding_maker_new(job->report, setup->key, error);
	if (job->maker == NULL)
		return FALSE;
	job->ignores = ignore_set_new(job->report, 0);
	job->ignore_files = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
	job->user = gitconfig_new_user();
	return TRUE;
}

void scan_job_clear(struct scan_job *job)
{
	scan_meter_free(job->meter);
	if (job->loading != NULL)
		job->matcher = g_thread_join(g_steal_pointer(&job->loading));
	if (job->setup.matcher == NULL)
		matcher_free(job->matcher);
	finding_maker_free(job->maker);
	ignore_set_free(job->ignores);
	g_clear_pointer(&job->ignore_files, g_hash_table_unref);
	finding_report_free(job->report);
	if (job->setup.rules == NULL)
		rule_set_free(job->rules);
	gitconfig_free(job->user);
	g_free(job->engine);
	g_free(job->said);
	*job = (struct scan_job){0};
}

gboolean scan_job_is_stopped(const struct scan_job *job)
{
	return job->stop != NULL && g_atomic_int_get(job->stop) != 0;
}

struct matcher *scan_job_compile(struct scan_job *job, const struct rule_set *rules, GError **error)
{
	const struct scan_flags *flags = job->flags;
	g_autofree char *text = NULL;

	/* Milliseconds with a cache; without, seconds in which nothing else shows. */
	if (matcher_is_quick(rules, job->setup.sieve_folder))
		return matcher_new(rules, job->setup.sieve_folder, error);
	text = g_strdup_printf("compiling %u rule%s (once)", rules->n, rules->n == 1 ? "" : "s");
	if (flags->is_verbose && !flags->is_quiet && !isatty(STDERR_FILENO))
		scan_job_say(job, text);
	scan_meter_say(job->meter, text);
	struct matcher *matcher = matcher_new(rules, job->setup.sieve_folder, error);
	scan_meter_say(job->meter, NULL);
	return matcher;
}

static gpointer matcher_load(gpointer data)
{
	const struct scan_job *job = data;

	return matcher_is_quick(job->rules, job->setup.sieve_folder)
		       ? matcher_new(job->rules, job->setup.sieve_folder, NULL)
		       : NULL;
}

void scan_job_matcher_begin(struct scan_job *job)
{
	if (job->matcher == NULL && job->loading == NULL && job->flags->threads != 1)
		job->loading = g_thread_try_new("matcher", matcher_load, job, NULL);
}

struct matcher *scan_job_matcher(struct scan_job *job, GError **error)
{
	if (job->loading != NULL)
		job->matcher = g_thread_join(g_steal_pointer(&job->loading));
	if (job->matcher == NULL)
		job->matcher = scan_job_compile(job, job->rules, error);
	return job->matcher;
}

struct scan *scan_job_scan(struct scan_job *job, struct matcher *matcher,
	struct secret_table *secrets, enum scan_job_kind kind, GError **error)
{
	struct scan_options options = {
		.threads = job->flags->threads,
		.blob_max_bytes = job->flags->blob_max_bytes,
		.memory_bytes = job->flags->memory_bytes,
		.decode_depth = job->flags->decode_depth,
		.has_decode_depth = TRUE,
		.has_archives = kind == SCAN_JOB_ARCHIVES && job->flags->archive_depth > 0,
		.is_binary = kind == SCAN_JOB_BINARY,
	};

	if (matcher == NULL)
		matcher = scan_job_matcher(job, error);
	return matcher != NULL ? scan_new(matcher, secrets, &options) : NULL;
}

char *scan_job_inner_path(const char *path, const char *inner)
{
	return *inner != '\0' ? g_strconcat(path, "!", inner, NULL) : g_strdup(path);
}

struct finding_target *scan_job_target(struct scan_job *job, const char *name, const char *kind)
{
	struct finding_target target = {
		.name = finding_report_text(job->report, name, -1), .kind = kind};

	g_array_append_val(job->report->targets, target);
	return &g_array_index(
		job->report->targets, struct finding_target, job->report->targets->len - 1);
}

void scan_job_problem(struct scan_job *job, const char *name, const char *text)
{
	g_autofree char *line = name != NULL && *name != '\0'
					? g_strdup_printf("%s: %s", name, text)
					: g_strdup(text);

	job->report->is_partly = TRUE;
	if (scan_job_is_stopped(job))
		return;
	if (++job->n_problems > TARGET_PROBLEMS_MAX)
		return;
	scan_job_say(job, line);
	g_ptr_array_add(job->report->problems, g_steal_pointer(&line));
}

void scan_job_gave_up(
	struct scan_job *job, const struct matcher *matcher, const struct rule_set *rules)
{
	for (guint i = 0; matcher != NULL && i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];
		guint n = matcher_gave_up(matcher, i);
		if (n == 0)
			continue;
		g_autofree char *text =
			g_strdup_printf("%s:%u: rule '%s' gave up at %u place%s: %s", rule->source,
				rule->line, rule->id, n, n == 1 ? "" : "s",
				rule->flags & RULE_SLOW
					? "without a sieve, it is too slow for what is there"
					: "its pattern tries too much");
		scan_job_problem(job, NULL, text);
	}
}

gboolean scan_job_digests(struct scan_job *job, struct secret_table *secrets, const GArray *numbers,
	struct finding_digest *digests, GError **error)
{
	if (!finding_digest_all(secrets, (const guint32 *)(gconstpointer)numbers->data,
		    numbers->len, job->flags->threads, &job->progress.is_cancelled, digests, error))
		return FALSE;
	job->report->digests += numbers->len - finding_digests_untold(digests, numbers->len);
	return TRUE;
}

void scan_job_untold(struct scan_job *job, struct finding_target *target, gsize n)
{
	g_autofree char *text = g_strdup_printf(
		"%" G_GSIZE_FORMAT " more secrets were found when the time was over", n);

	target->is_partly = TRUE;
	scan_job_problem(job, target->name, text);
}

void scan_job_gap(struct finding_target *target, enum scan_gap_reason reason, guint64 n)
{
	const char *name = scan_gap_name(reason);
	guint i = 0;

	if (n == 0)
		return;
	while (i < target->n_gaps && strcmp(target->gaps[i].reason, name) != 0)
		i++;
	if (i < target->n_gaps)
		target->gaps[i].count += n;
	else if (i < G_N_ELEMENTS(target->gaps))
		target->gaps[target->n_gaps++] = (struct finding_gap){
			name, n, reason != SCAN_GAP_BINARY && reason != SCAN_GAP_TOO_BIG};
}

void scan_job_gap_forgive(struct finding_target *target, enum scan_gap_reason reason)
{
	const char *name = scan_gap_name(reason);

	for (guint i = 0; i < target->n_gaps; i++)
		if (strcmp(target->gaps[i].reason, name) == 0 && target->gaps[i].count > 0)
			target->gaps[i].count--;
}

void scan_job_coverage(
	struct scan_job *job, struct finding_target *target, const struct scan_coverage *coverage)
{
	target->eligible += coverage->eligible;
	target->scanned += coverage->scanned;
	target->bytes += coverage->bytes;
	for (int reason = SCAN_GAP_UNSET + 1; reason < SCAN_GAP_COUNT; reason++)
		scan_job_gap(target, reason, coverage->gaps[reason]);
	if (scan_coverage_is_partly(coverage)) {
		target->is_partly = TRUE;
		job->report->is_partly = TRUE;
	}
}

char *scan_job_mask(const struct scan_job *job, const guint8 *secret, gsize len)
{
	g_autofree char *text = finding_mask_secret(secret, len, &job->flags->mask);
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	g_ascii_formatd(number, sizeof(number), "%.3f", finding_entropy(secret, len));
	return g_strdup_printf("%s %s", number, text);
}

const char *scan_job_unmask(const char *masked, double *entropy)
{
	char *end = NULL;

	*entropy = 0;
	if (masked == NULL)
		return "";
	*entropy = g_ascii_strtod(masked, &end);
	return *end == ' ' ? end + 1 : masked;
}

gboolean scan_job_ignores_add(struct scan_job *job, enum finding_ignore kind, const char *source,
	const char *text, gsize len, const char *repository, GError **error)
{
	const GPtrArray *problems = job->report->problems;
	guint before = problems->len;
	gboolean is_done = ignore_set_add(job->ignores, kind, source, text, len, repository, error);

	for (guint i = before; i < problems->len; i++)
		scan_job_say(job, problems->pdata[i]);
	return is_done;
}

static void ignores_add(struct scan_job *job, gsize file, const char *source, const char *text,
	gsize len, const char *repository)
{
	g_autoptr(GError) error = NULL;

	if (!scan_job_ignores_add(
		    job, ignore_files[file].kind, source, text, len, repository, &error))
		scan_job_say(job, error->message);
}

void scan_job_ignores_load(struct scan_job *job, const char *folder, const char *repository)
{
	for (gsize i = 0; i < G_N_ELEMENTS(ignore_files) && !job->flags->is_strict; i++) {
		g_autofree char *path = g_build_filename(folder, ignore_files[i].name, NULL);
		g_autoptr(GError) error = NULL;
		g_autofree char *text = NULL;
		gsize len;
		g_autofree char *key = g_strdup_printf("%s\n%s", repository, path);
		if (!g_hash_table_add(job->ignore_files, g_steal_pointer(&key)))
			continue;
		if (file_read(path, IGNORE_BYTES_MAX, &text, &len, &error))
			ignores_add(job, i, path, text, len, repository);
		else if (!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING))
			scan_job_say(job, error->message);
	}
}

void scan_job_ignores_read(struct scan_job *job, const struct repo *repo, const struct oid *commit,
	const char *repository)
{
	g_autoptr(ObjectStore) store = object_store_new(repo);
	struct object tree, blob;
	struct oid root;
	struct tree_entry entry;

	if (job->flags->is_strict || !object_commit_tree(store, commit->bytes, &root, NULL) ||
		object_read(store, root.bytes, OBJECT_TREE, OBJECT_TREE_MAX_BYTES, &tree) !=
			OBJECT_OK)
		return;
	const char *at = tree.data;
	while (tree_next(&at, tree.data + tree.len, &entry))
		for (gsize i = 0; i < G_N_ELEMENTS(ignore_files); i++) {
			if (strlen(ignore_files[i].name) != entry.name_len ||
				memcmp(ignore_files[i].name, entry.name, entry.name_len) != 0 ||
				object_read(store, entry.oid, OBJECT_BLOB, IGNORE_BYTES_MAX,
					&blob) != OBJECT_OK)
				continue;
			g_autofree char *source = g_strdup_printf("HEAD:%s", ignore_files[i].name);
			ignores_add(job, i, source, blob.data, blob.len, repository);
			g_free(blob.data);
		}
	g_free(tree.data);
}

static gboolean ignores_apply(struct scan_job *job, GError **error)
{
	const struct scan_flags *flags = job->flags;
	struct finding_report *report = job->report;

	if (flags->is_strict) {
		for (guint i = 0; i < report->findings->len; i++)
			report->marks += ((struct finding *)report->findings->pdata[i])->is_marked;
		return TRUE;
	}
	ignore_set_apply(job->ignores);
	if (flags->baseline == NULL)
		return TRUE;
	g_autoptr(Baseline) baseline = baseline_load(report, flags->baseline, error);
	return baseline != NULL && baseline_apply(baseline, flags->threads, error);
}

gboolean scan_job_finish(struct scan_job *job, GError **error)
{
	scan_job_gave_up(job, job->matcher, job->rules);
	finding_maker_finish(job->maker);
	if (!ignores_apply(job, error))
		return FALSE;
	finding_report_sort(job->report);
	return TRUE;
}
