/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/audit/audit.h"
#include "jobs/audit/score.h"
#include "jobs/output/output.h"
#include "jobs/output/terminal.h"
#include "jobs/program.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/report.h"

/* muster audit: the command line around jobs/audit/. */

#define FORGE_OUTPUT_MAX_BYTES (64 * 1024 * 1024)

struct flags {
	char *remote_list, *forge, *forge_url, *token_file;
	char *format, *output, *report_dir, *checks, *fail_on, *conf;
	gboolean with_archived, with_forks, list_checks, explain_score, no_cache;
	char **paths;
};

typedef struct flags flags;

static void flags_clear(struct flags *flags)
{
	g_free(flags->remote_list);
	g_free(flags->forge);
	g_free(flags->forge_url);
	g_free(flags->token_file);
	g_free(flags->format);
	g_free(flags->output);
	g_free(flags->report_dir);
	g_free(flags->checks);
	g_free(flags->fail_on);
	g_free(flags->conf);
	g_strfreev(flags->paths);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(flags, flags_clear)

static int usage_error(const char *message)
{
	fprintf(stderr, "muster audit: %s. See 'muster audit --help'.\n", message);
	return EXIT_USAGE;
}

static int fail(const GError *error)
{
	fprintf(stderr, "muster audit: %s\n", error->message);
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ||
			       g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING)
		       ? EXIT_USAGE
		       : EXIT_OTHER;
}

static gboolean flags_parse(struct flags *flags, int *argc, char ***argv, GError **error)
{
	/* clang-format off */
	const GOptionEntry entries[] = {
		{ "remote-list", 0, 0, G_OPTION_ARG_FILENAME, &flags->remote_list,
		  "what should exist: a name and a URL, or a URL, a line; or JSON", "FILE" },
		{ "forge", 0, 0, G_OPTION_ARG_STRING, &flags->forge,
		  "what should exist: ask github:OWNER, gitlab:GROUP or gitea:OWNER", "FORGE" },
		{ "forge-url", 0, 0, G_OPTION_ARG_STRING, &flags->forge_url,
		  "the forge's own address, where it is not the public one", "BASE" },
		{ "token-file", 0, 0, G_OPTION_ARG_FILENAME, &flags->token_file,
		  "file with the forge's token; else MUSTER_FORGE_TOKEN", "FILE" },
		{ "archived", 0, 0, G_OPTION_ARG_NONE, &flags->with_archived,
		  "archived repositories should exist here too", NULL },
		{ "forks", 0, 0, G_OPTION_ARG_NONE, &flags->with_forks,
		  "forks should exist here too", NULL },
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &flags->format,
		  "table, json, csv, html or markdown", "FORMAT" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &flags->output,
		  "write to this file, whole or not at all", "FILE" },
		{ "report-dir", 0, 0, G_OPTION_ARG_FILENAME, &flags->report_dir,
		  "also keep the report and its history in this folder", "FOLDER" },
		{ "checks", 0, 0, G_OPTION_ARG_STRING, &flags->checks,
		  "ids or groups of checks, '-' in front leaves out", "LIST" },
		{ "list-checks", 0, 0, G_OPTION_ARG_NONE, &flags->list_checks,
		  "print the table of checks", NULL },
		{ "fail-on", 0, 0, G_OPTION_ARG_STRING, &flags->fail_on,
		  "exit 1 only for findings from this severity on: info, low, medium, high, critical, never",
		  "SEVERITY" },
		{ "explain-score", 0, 0, G_OPTION_ARG_NONE, &flags->explain_score,
		  "say what moved each health score, and the formula", NULL },
		{ "no-cache", 0, 0, G_OPTION_ARG_NONE, &flags->no_cache,
		  "read all history again", NULL },
		{ "conf", 0, 0, G_OPTION_ARG_FILENAME, &flags->conf,
		  "read this configuration file alone", "FILE" },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &flags->paths,
		  NULL, "[PATH ...]" },
		G_OPTION_ENTRY_NULL,
	};
	/* clang-format on */
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);

	g_set_prgname("muster audit");
	g_option_context_set_summary(context,
		"Finds the git repositories below each PATH (this folder by default) and says which\n"
		"need attention. Needs no database, no configuration and no network; runs nothing\n"
		"that a repository configures; changes nothing.");
	g_option_context_set_description(context,
		"Exit codes: 0 all is fine, 1 something needs attention, 2 wrong usage, 3 something\n"
		"could not be read (wins over 1), 4 anything else.\n\n"
		"Examples:\n"
		"  muster audit ~/src\n"
		"  muster audit --remote-list repos.txt --format html --output report.html ~/src\n"
		"  MUSTER_FORGE_TOKEN=… muster audit --forge github:me --fail-on high ~/src\n");
	g_option_context_add_main_entries(context, entries, NULL);
	return g_option_context_parse(context, argc, argv, error);
}

/* Runs the other half, which has the HTTP client, and reads its list. */
static gboolean forge_load(struct audit_remote *remote, const struct flags *flags, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autoptr(GString) out = g_string_new(NULL);
	int code = 0;

	g_ptr_array_add(argv, (gpointer) "muster-server");
	g_ptr_array_add(argv, (gpointer) "forge");
	if (flags->forge_url != NULL) {
		g_ptr_array_add(argv, (gpointer) "--forge-url");
		g_ptr_array_add(argv, flags->forge_url);
	}
	if (flags->token_file != NULL) {
		g_ptr_array_add(argv, (gpointer) "--token-file");
		g_ptr_array_add(argv, flags->token_file);
	}
	if (flags->conf != NULL) {
		g_ptr_array_add(argv, (gpointer) "--conf");
		g_ptr_array_add(argv, flags->conf);
	}
	if (flags->with_archived)
		g_ptr_array_add(argv, (gpointer) "--archived");
	if (flags->with_forks)
		g_ptr_array_add(argv, (gpointer) "--forks");
	g_ptr_array_add(argv, flags->forge);
	g_ptr_array_add(argv, NULL);
	if (!program_run("muster-server", (const char *const *)argv->pdata, FORGE_OUTPUT_MAX_BYTES,
		    out, &code, error))
		return FALSE;
	if (code != EXIT_FINE) {
		g_set_error(error, MUSTER_ERROR,
			code == EXIT_USAGE ? MUSTER_ERROR_INPUT : MUSTER_ERROR_REMOTE,
			"the list of what should exist could not be had from %s", flags->forge);
		return FALSE;
	}
	return audit_remote_parse(remote, out->str, out->len, flags->forge, error);
}

/* NULL without an error: nothing was asked for. */
static struct audit_remote *remote_load(const struct flags *flags, GError **error)
{
	g_autoptr(audit_remote) remote = audit_remote_new();

	if (flags->remote_list == NULL && flags->forge == NULL)
		return NULL;
	if (flags->remote_list != NULL && !audit_remote_load(remote, flags->remote_list, error))
		return NULL;
	if (flags->forge != NULL && !forge_load(remote, flags, error))
		return NULL;
	audit_remote_filter(remote, flags->with_archived, flags->with_forks);
	return g_steal_pointer(&remote);
}

static void on_found(guint folders, guint repos, gpointer data)
{
	progress_looking(data, folders, repos);
}

static void on_done(guint done, guint total, const char *name, gpointer data)
{
	progress_done(data, done, total, name);
}

static gboolean report_print(
	json_object *report, enum output_format format, const struct flags *flags, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct output_style style;

	terminal_style_init(&style, flags->output == NULL ? STDOUT_FILENO : -1);
	style.has_scores = flags->explain_score;
	output_write(format, report, &style, out);
	return file_write_out(flags->output, out->str, out->len, 0644, error);
}

static gboolean report_keep(
	json_object *report, const char *folder, const struct conf *conf, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	output_json(report, text);
	return report_write(
		folder, report, text->str, (guint)conf_get_int(conf, "audit.history_keep"), error);
}

static int exit_code_get(const struct audit_result *result, const char *fail_on)
{
	if (result->partly > 0 || result->problems->len > 0)
		return EXIT_PARTLY;
	if (fail_on == NULL)
		return result->is_green ? EXIT_FINE : EXIT_ATTENTION;
	enum severity least = severity_parse(fail_on);
	return least != SEVERITY_UNSET && result->worst >= least ? EXIT_ATTENTION : EXIT_FINE;
}

static int audit_and_print(const struct flags *flags, struct audit_options *options,
	enum output_format format, const struct conf *conf)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(json_object) report = NULL;
	g_autoptr(progress) bar = progress_new();
	struct audit_result result;
	struct audit_progress progress = {.found = on_found, .done = on_done, .data = bar};

	gboolean is_done = audit_run(options, &progress, &report, &result, &error);
	progress_clear(bar);
	if (!is_done) {
		audit_result_clear(&result);
		return fail(error);
	}
	for (guint i = 0; i < result.problems->len; i++)
		fprintf(stderr, "muster audit: cannot read %s\n",
			(const char *)result.problems->pdata[i]);
	int code = exit_code_get(&result, flags->fail_on);
	audit_result_clear(&result);
	if (flags->report_dir != NULL && !report_keep(report, flags->report_dir, conf, &error))
		return fail(error);
	if (!report_print(report, format, flags, &error))
		return fail(error);
	return code;
}

int audit_main(int argc, char **argv)
{
	static const char *const here[] = {".", NULL};
	g_auto(flags) flags = {0};
	g_autoptr(GError) error = NULL;

	if (!flags_parse(&flags, &argc, &argv, &error))
		return usage_error(error->message);
	if (flags.list_checks) {
		audit_checks_print(stdout);
		return EXIT_FINE;
	}
	enum output_format format =
		output_format_parse(flags.format != NULL ? flags.format : "table");
	if (format == OUTPUT_FORMAT_UNSET)
		return usage_error("--format is table, json, csv, html or markdown");
	if (flags.fail_on != NULL && strcmp(flags.fail_on, "never") != 0 &&
		severity_parse(flags.fail_on) == SEVERITY_UNSET)
		return usage_error("--fail-on is info, low, medium, high, critical or never");
	if (flags.remote_list != NULL && flags.forge != NULL)
		return usage_error("--remote-list and --forge exclude one another");
	if (flags.explain_score && format != OUTPUT_FORMAT_TABLE)
		return usage_error("--explain-score is for the table");
	g_autoptr(conf) conf = conf_load(flags.conf, &error);
	if (conf == NULL)
		return fail(error);
	struct audit_options options;
	audit_options_init(&options, conf);
	if (flags.checks != NULL && !audit_checks_parse(flags.checks, &options.checks, &error))
		return usage_error(error->message);
	g_autoptr(audit_remote) remote = remote_load(&flags, &error);
	if (error != NULL)
		return fail(error);
	options.remote = remote;
	if (remote != NULL)
		options.owner = audit_remote_owner(remote);
	if (flags.no_cache)
		options.cache = NULL;
	options.paths = flags.paths != NULL ? (const char *const *)flags.paths : here;
	return audit_and_print(&flags, &options, format, conf);
}
