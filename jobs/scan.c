/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/audit/find.h"
#include "jobs/output/scan.h"
#include "jobs/output/terminal.h"
#include "jobs/repo_clone.h"
#include "jobs/scan_bare.h"
#include "jobs/scan_flags.h"
#include "jobs/scan_job.h"
#include "jobs/scan_shortened.h"
#include "jobs/scan_walk.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/memory.h"
#include "lib/quote.h"
#include "lib/secret.h"

/* muster scan: the command line around jobs/scan/. */

static int fail(const GError *error)
{
	g_autofree char *text = quote_format(error->message);

	fprintf(stderr, "muster scan: %s\n", text);
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ||
			       g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING)
		       ? EXIT_USAGE
		       : EXIT_OTHER;
}

/*
 * An interrupt ends the reading, so that what was made for a while (a clone, a line on the
 * terminal) goes away; a second one ends the program.
 */
static gint stop_signal;
static struct scan_progress *stop_progress;

static void on_stop(int number)
{
	g_atomic_int_set(&stop_signal, number);
	scan_progress_cancel(stop_progress);
}

static void signals_set(struct scan_progress *progress)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESETHAND};

	stop_progress = progress;
	sigemptyset(&stop.sa_mask);
	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
		if (signal(numbers[i], SIG_IGN) !=
			SIG_IGN) /* nohup, and what a shell puts behind */
			sigaction(numbers[i], &stop, NULL);

	scan_shortened_watch();
	/* Both come back as an error of writing, which is told. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static gboolean is_over(const struct scan_job *job)
{
	return scan_job_is_stopped(job) || scan_meter_is_over(job->meter);
}

/* One thing could not be read at all: the others still are. */
static void source_problem(struct scan_job *job, const char *name, const GError *error)
{
	/* A message that names the place already is not given it twice. */
	gboolean is_named = strstr(error->message, name) != NULL;

	scan_job_problem(job, is_named ? NULL : name, error->message);
}

static void history_add(struct scan_job *job, const char *path, const char *name)
{
	g_autoptr(GError) error = NULL;

	g_free(scan_meter_title(job->meter, name));
	if (!scan_history(job, path, name, &error))
		source_problem(job, name, error);
}

/* The one repository that was named: a branch or commit that it does not have is a wrong word. */
static gboolean history_get(
	struct scan_job *job, const char *path, const char *name, GError **error)
{
	const struct scan_flags *flags = job->flags;
	g_autoptr(GError) why = NULL;

	g_free(scan_meter_title(job->meter, name));
	if (scan_history(job, path, name, &why))
		return TRUE;
	if (flags->branch != NULL || flags->source == SCAN_SOURCE_RANGE) {
		g_propagate_error(error, g_steal_pointer(&why));
		g_prefix_error(error, "%s: ", name);
		return FALSE;
	}
	source_problem(job, name, why);
	return TRUE;
}

static void files_add(struct scan_job *job, const char *path, const char *name)
{
	g_autoptr(GError) error = NULL;

	g_free(scan_meter_title(job->meter, name));
	if (!scan_files(job, path, name, &error))
		source_problem(job, name, error);
}

static gboolean look_alike_add(
	struct scan_job *job, const char *path, GPtrArray *repos, GError **error);

/* What is found below a folder: of what only looks bare, what is below that. */
static gboolean repos_find(struct scan_job *job, const char *path, GPtrArray *repos, GError **error)
{
	const char *const paths[] = {path, NULL};
	g_autoptr(find_result) found =
		find_run(paths, conf_get(job->conf, "audit.skip"), 0, NULL, NULL, error);

	if (found == NULL)
		return FALSE;
	for (guint i = 0; i < found->problems->len; i++)
		scan_job_problem(job, NULL, found->problems->pdata[i]);
	for (guint i = 0; i < found->repos->len; i++) {
		const struct find_repo *repo = found->repos->pdata[i];
		if (repo->kind != REPO_KIND_BARE || !scan_bare_is_folder(repo->path, job->user))
			g_ptr_array_add(repos, g_strdup(repo->path));
		else if (!look_alike_add(job, repo->path, repos, error))
			return FALSE;
	}
	return TRUE;
}

/* Repositories in its folders; without any, its files. */
static gboolean look_alike_add(
	struct scan_job *job, const char *path, GPtrArray *repos, GError **error)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, error);
	guint before = repos->len;
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *below = g_build_filename(path, name, NULL);
		if (g_file_test(below, G_FILE_TEST_IS_DIR) &&
			!g_file_test(below, G_FILE_TEST_IS_SYMLINK) &&
			!repos_find(job, below, repos, error))
			return FALSE;
	}
	if (dir != NULL && repos->len == before)
		files_add(job, path, path);
	return dir != NULL;
}

/* Every repository below a folder that is none itself; without any, its files. */
static gboolean folder_add(struct scan_job *job, const char *path, GError **error)
{
	g_autoptr(GPtrArray) repos = g_ptr_array_new_with_free_func(g_free);
	guint before = job->report->targets->len;

	if (!repos_find(job, path, repos, error))
		return FALSE;
	for (guint i = 0; i < repos->len && !is_over(job); i++)
		history_add(job, repos->pdata[i], repos->pdata[i]);
	if (repos->len == 0 && job->report->targets->len == before) {
		g_autofree char *full = g_canonicalize_filename(path, NULL);
		files_add(job, full, full);
	}
	return TRUE;
}

static gboolean path_add(struct scan_job *job, const char *path, GError **error)
{
	const struct scan_flags *flags = job->flags;
	g_autofree char *full = NULL;
	struct stat st;

	if (repo_url_is(path)) {
		if (flags->source == SCAN_SOURCE_HISTORY || flags->source == SCAN_SOURCE_RANGE)
			return scan_url(job, path, error);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s: of an address only history can be scanned", path);
		return FALSE;
	}
	if (stat(path, &st) != 0) {
		g_set_error(error, MUSTER_ERROR,
			errno == ENOENT ? MUSTER_ERROR_MISSING : MUSTER_ERROR_IO, "%s: %s", path,
			g_strerror(errno));
		return FALSE;
	}
	full = g_canonicalize_filename(path, NULL);
	if (flags->source == SCAN_SOURCE_STAGED) {
		g_free(scan_meter_title(job->meter, full));
		return scan_staged(job, full, full, error);
	}
	if (flags->source == SCAN_SOURCE_WORKTREE || !S_ISDIR(st.st_mode)) {
		if (flags->source == SCAN_SOURCE_RANGE) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"%s is a file: it has no commits of its own", path);
			return FALSE;
		}
		files_add(job, full, full);
		return TRUE;
	}
	/* A repository, or a folder inside of one's working tree: the repository. */
	g_autofree char *refused = NULL;
	g_autofree char *top = scan_walk_enclosing(full, job->user, &refused);
	if (top != NULL)
		return history_get(job, top, top, error);
	if (refused != NULL)
		scan_job_problem(job, full, refused);
	if (flags->source == SCAN_SOURCE_RANGE) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"%s is in no git repository: it has no commits", path);
		return FALSE;
	}
	return folder_add(job, full, error);
}

static gboolean sources_run(struct scan_job *job, GError **error)
{
	const struct scan_flags *flags = job->flags;

	if (flags->source == SCAN_SOURCE_STDIN)
		return scan_stdin(job, error);
	if (flags->source == SCAN_SOURCE_PUSH)
		return scan_push(job, error);
	for (guint i = 0; flags->paths[i] != NULL && !is_over(job); i++)
		if (!path_add(job, flags->paths[i], error))
			return FALSE;
	if (scan_shortened_was_met())
		scan_job_problem(job, NULL, SCAN_SHORTENED_TEXT);
	if (scan_meter_is_over(job->meter))
		scan_job_problem(job, NULL, "the time given by --timeout was over");
	return TRUE;
}

/* The files named on the command line, whatever repository a finding is from. */
static gboolean ignore_file_load(struct scan_job *job, GError **error)
{
	const char *path = job->flags->ignore_file;
	g_autofree char *text = NULL;
	gsize len;

	if (path == NULL)
		return TRUE;
	if (!file_read(path, IGNORE_BYTES_MAX, &text, &len, error)) {
		g_prefix_error(error, "%s: ", path);
		return FALSE;
	}
	/* gitleaks' option of that name takes a file of its own form. */
	enum finding_ignore kind = g_str_has_suffix(path, "leaksignore") ? FINDING_IGNORE_GITLEAKS
									 : FINDING_IGNORE_FILE;
	return scan_job_ignores_add(job, kind, path, text, len, NULL, error);
}

static gboolean report_print(struct scan_job *job, GError **error)
{
	const struct scan_flags *flags = job->flags;
	g_autoptr(GString) out = g_string_new(NULL);
	struct scan_output_style style = {.is_verbose = flags->is_verbose};

	terminal_style_init(&style.terminal, flags->output == NULL ? STDOUT_FILENO : -1);
	if (flags->has_no_colour)
		style.terminal.has_colour = FALSE;
	if (flags->is_quiet && finding_report_is_clean(job->report) && !job->report->is_partly &&
		flags->output == NULL && flags->format == SCAN_FORMAT_TABLE)
		return TRUE;
	scan_output_write(flags->format, job->report, &style, out);
	/* With --show-secrets it holds them. */
	return file_write_out(
		flags->output, out->str, out->len, flags->mask.is_shown ? 0600 : 0644, error);
}

static int exit_code_get(const struct scan_job *job)
{
	if (job->report->is_partly)
		return EXIT_PARTLY;
	return finding_report_has_failed(job->report) ? job->flags->exit_code : EXIT_FINE;
}

/* Better said now than after an hour. */
static gboolean output_check(const struct scan_flags *flags, GError **error)
{
	struct stat st;

	if (flags->output == NULL)
		return TRUE;
	if (stat(flags->output, &st) == 0 && S_ISDIR(st.st_mode)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"--output %s: a folder; the name of a file is wanted", flags->output);
		return FALSE;
	}
	g_autofree char *folder = g_path_get_dirname(flags->output);
	if (stat(folder, &st) == 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "--output %s: %s: %s", flags->output,
		folder, g_strerror(errno));
	return FALSE;
}

static int scan_and_print(struct scan_job *job)
{
	g_autoptr(GError) error = NULL;
	gint64 start = g_get_monotonic_time();

	job->meter = scan_meter_new(&job->progress, job->flags->timeout_s);
	gboolean is_done = sources_run(job, &error);
	scan_meter_free(job->meter);
	job->meter = NULL;
	if (scan_job_is_stopped(job))
		return EXIT_OTHER;
	if (!is_done)
		return fail(error);
	if (!scan_job_finish(job, &error))
		return fail(error);
	job->report->elapsed_us = g_get_monotonic_time() - start;
	if (!report_print(job, &error))
		return fail(error);
	return exit_code_get(job);
}

static void say(const char *text, gpointer data)
{
	fprintf(stderr, "muster scan: %s\n", text);
}

static struct secret_key *key_load(const struct scan_flags *flags, GError **error)
{
	struct secret_key *key = secret_key_load(flags->key_file, FALSE, error);

	if (key == NULL)
		g_prefix_error(error, "--key-file %s: ", flags->key_file);
	return key;
}

static gboolean job_init(struct scan_job *job, const struct scan_flags *flags,
	const struct conf *conf, const struct secret_key *key, GError **error)
{
	const char *cache =
		flags->state_folder != NULL ? flags->state_folder : conf_get(conf, "paths.cache");
	struct scan_job_setup setup = {
		.state_folder = cache, .sieve_folder = cache, .key = key, .say = say};

	if (!scan_job_init(job, flags, &setup, error))
		return FALSE;
	job->conf = conf;
	job->stop = &stop_signal;
	return TRUE;
}

static int scan_run(int argc, char **argv)
{
	g_auto(ScanFlags) flags = {0};
	g_autoptr(conf) conf = NULL;
	g_autoptr(secret_key) key = NULL;
	g_auto(ScanJob) job = {0};
	g_autoptr(GError) error = NULL;

	if (!scan_flags_parse(&flags, &argc, &argv, &error)) {
		if (flags.has_help)
			return fflush(stdout) == 0 ? EXIT_FINE : EXIT_OTHER;
		fprintf(stderr, "muster scan: %s. See 'muster scan --help'.\n", error->message);
		return EXIT_USAGE;
	}
	signals_set(&job.progress);
	if (!output_check(&flags, &error) || (conf = conf_load(NULL, &error)) == NULL ||
		(flags.key_file != NULL && (key = key_load(&flags, &error)) == NULL) ||
		!job_init(&job, &flags, conf, key, &error) || !ignore_file_load(&job, &error))
		return fail(error);
	return scan_and_print(&job);
}

#define HEAP_PAGES 4u /* of 2 MiB: what the rules and a report take */

/*
 * What is large is given back when it is freed. Else the C library learns from the first large
 * block that such are common, and each thread keeps one of up to 32 MiB for the next one: that is
 * in no budget.
 */
static void memory_set(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	memory_heap(HEAP_PAGES);
#endif
}

int scan_main(int argc, char **argv)
{
	memory_set();
	int code = scan_run(argc, argv), number = g_atomic_int_get(&stop_signal);

	if (number != 0) {
		/* Whoever started it sees that it was interrupted. */
		signal(number, SIG_DFL);
		raise(number);
	}
	return code;
}
