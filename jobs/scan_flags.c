/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_flags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/exit.h"

#define ARCHIVE_DEPTH 3
#define FURTHER "\n                               " /* on the next line of the help */

/* What GOption fills in before it is understood. */
struct raw {
	char *format, *output, *report_format, *report_path, *fail_on, *redact, *only, *without;
	char **rules, **configs, **enabled, **disabled;
	int exit_code, threads, memory, megabytes, decode_depth, archive_depth, timeout_s;
	gboolean is_worktree, is_staged, has_archives, is_push, is_redacted, has_secrets,
		has_exit_zero, is_no_banner, has_help;
};

typedef struct raw raw;

static void raw_clear(struct raw *raw)
{
	g_free(raw->format);
	g_free(raw->output);
	g_free(raw->report_format);
	g_free(raw->report_path);
	g_free(raw->fail_on);
	g_free(raw->redact);
	g_strfreev(raw->rules);
	g_strfreev(raw->configs);
	g_strfreev(raw->enabled);
	g_strfreev(raw->disabled);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(raw, raw_clear)

void scan_flags_clear(struct scan_flags *flags)
{
	g_strfreev(flags->paths);
	g_free(flags->range);
	g_free(flags->since_commit);
	g_free(flags->branch);
	g_strfreev(flags->rule_files);
	g_strfreev(flags->enabled);
	g_strfreev(flags->disabled);
	g_free(flags->baseline);
	g_free(flags->ignore_file);
	g_free(flags->output);
	g_free(flags->state_folder);
	g_free(flags->key_file);
	memset(flags, 0, sizeof(*flags));
}

static gboolean on_redact(const char *name, const char *value, gpointer data, GError **error)
{
	struct raw *raw = data;

	raw->is_redacted = TRUE;
	g_free(raw->redact);
	raw->redact = g_strdup(value);
	return TRUE;
}

/* Whatever else is on the line, right or wrong: nothing more of it is looked at. */
static gboolean on_help(const char *name, const char *value, gpointer data, GError **error)
{
	struct raw *raw = data;

	raw->has_help = TRUE;
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "help");
	return FALSE;
}

static gboolean entries_parse(
	struct scan_flags *flags, struct raw *raw, int *argc, char ***argv, GError **error)
{
	/* clang-format off */
	const GOptionEntry sources[] = {
		{ "worktree", 'w', 0, G_OPTION_ARG_NONE, &raw->is_worktree,
		  "files as they lie, without history", NULL },
		{ "staged", 0, 0, G_OPTION_ARG_NONE, &raw->is_staged,
		  "what the next commit would add", NULL },
		{ "range", 0, 0, G_OPTION_ARG_STRING, &flags->range,
		  "what these commits added", "A..B" },
		{ "since-commit", 0, 0, G_OPTION_ARG_STRING, &flags->since_commit,
		  "what was added after this commit", "COMMIT" },
		{ "branch", 0, 0, G_OPTION_ARG_STRING, &flags->branch,
		  "history of this branch or ref alone", "NAME" },
		{ "unreachable", 0, 0, G_OPTION_ARG_NONE, &flags->has_unreachable,
		  "also what no ref leads to", NULL },
		{ "pre-receive", 0, 0, G_OPTION_ARG_NONE, &raw->is_push,
		  "what a push adds: reads a hook's lines", NULL },
		{ "archives", 0, 0, G_OPTION_ARG_NONE, &raw->has_archives,
		  "also in zip, jar, tar, gz, 7z, … (three deep)", NULL },
		G_OPTION_ENTRY_NULL,
	};
	const GOptionEntry rules[] = {
		{ "config", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->configs,
		  "rules, ours or gitleaks'; may be given again", "FILE" },
		{ "rules", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->rules,
		  "the same", "FILE" },
		{ "enable-rule", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw->enabled,
		  "this rule or family alone; may be given again", "ID" },
		{ "disable-rule", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw->disabled,
		  "without it; may be given again", "ID" },
		{ "no-builtin-rules", 0, 0, G_OPTION_ARG_NONE, &flags->has_no_builtin,
		  "only the rules of files", NULL },
		G_OPTION_ENTRY_NULL,
	};
	const GOptionEntry outputs[] = {
		{ "format", 0, 0, G_OPTION_ARG_STRING, &raw->format,
		  "table, json, jsonl, sarif, csv, junit, html," FURTHER "markdown or gitleaks",
		  "FORMAT" },
		{ "report-format", 'f', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING,
		  &raw->report_format, NULL, "FORMAT" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &raw->output,
		  "write to this file, whole or not at all", "FILE" },
		{ "report-path", 'r', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME,
		  &raw->report_path, NULL, "FILE" },
		{ "redact", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK, on_redact,
		  "hide N percent of each secret (100)", "N" },
		{ "show-secrets", 0, 0, G_OPTION_ARG_NONE, &raw->has_secrets,
		  "do not mask secrets", NULL },
		{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &flags->is_verbose,
		  "what to do, what was ignored and not read", NULL },
		{ "quiet", 'q', 0, G_OPTION_ARG_NONE, &flags->is_quiet,
		  "print nothing when nothing was found", NULL },
		{ "no-color", 0, 0, G_OPTION_ARG_NONE, &flags->has_no_colour,
		  "no colours", NULL },
		{ "no-colour", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &flags->has_no_colour,
		  NULL, NULL },
		{ "no-banner", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &raw->is_no_banner,
		  NULL, NULL },
		G_OPTION_ENTRY_NULL,
	};
	const GOptionEntry counted[] = {
		{ "baseline-path", 'b', 0, G_OPTION_ARG_FILENAME, &flags->baseline,
		  "not what this report has, ours or gitleaks'", "FILE" },
		{ "ignore-file", 0, 0, G_OPTION_ARG_FILENAME, &flags->ignore_file,
		  "one more in the form of .musterignore", "FILE" },
		{ "gitleaks-ignore-path", 'i', G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME,
		  &flags->ignore_file, NULL, "FILE" },
		{ "strict", 0, 0, G_OPTION_ARG_NONE, &flags->is_strict,
		  "ignore nothing", NULL },
		{ "fail-on", 0, 0, G_OPTION_ARG_STRING, &raw->fail_on,
		  "exit 1 from this severity on: info (all), low," FURTHER
		  "medium, high, critical or never", "SEVERITY" },
		{ "exit-code", 0, 0, G_OPTION_ARG_INT, &raw->exit_code,
		  "exit with this instead of 1", "N" },
		{ "exit-zero", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &raw->has_exit_zero,
		  NULL, NULL },
		G_OPTION_ENTRY_NULL,
	};
	const GOptionEntry states[] = {
		{ "state", 0, 0, G_OPTION_ARG_FILENAME, &flags->state_folder,
		  "keep what is known for the next scan here", "DIR" },
		{ "no-state", 0, 0, G_OPTION_ARG_NONE, &flags->has_no_state,
		  "neither read nor keep it", NULL },
		{ "key-file", 0, 0, G_OPTION_ARG_FILENAME, &flags->key_file,
		  "32 bytes: gives findings a secret_id", "FILE" },
		{ "verify", 0, 0, G_OPTION_ARG_NONE, &flags->is_verify,
		  "check that objects are what their names say", NULL },
		{ "threads", 0, 0, G_OPTION_ARG_INT, &raw->threads,
		  "one for each processor if not given", "N" },
		{ "memory-megabytes", 0, 0, G_OPTION_ARG_INT, &raw->memory,
		  "held of what is read, by all threads (256)", "N" },
		{ "max-target-megabytes", 0, 0, G_OPTION_ARG_INT, &raw->megabytes,
		  "larger files are not read (256)", "N" },
		{ "max-decode-depth", 0, 0, G_OPTION_ARG_INT, &raw->decode_depth,
		  "encodings within one another, 0 to 5 (2)", "N" },
		{ "max-archive-depth", 0, 0, G_OPTION_ARG_INT, &raw->archive_depth,
		  "archives within one another, 0 to 8 (0)", "N" },
		{ "timeout", 0, 0, G_OPTION_ARG_INT, &raw->timeout_s,
		  "stop then, and exit 3", "SECONDS" },
		{ "help", 'h', G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, on_help,
		  "show this", NULL },
		{ "help-all", '?', G_OPTION_FLAG_NO_ARG | G_OPTION_FLAG_HIDDEN,
		  G_OPTION_ARG_CALLBACK, on_help, NULL, NULL },
		G_OPTION_ENTRY_NULL,
	};
	const GOptionEntry paths[] = {
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &flags->paths,
		  NULL, "[PATH|URL|- ...]" },
		G_OPTION_ENTRY_NULL,
	};
	const struct {
		const char *name, *title;
		const GOptionEntry *entries;
	} groups[] = {
		{ "source", "What is scanned (all of history without these):", sources },
		{ "rules", "Rules:", rules },
		{ "output", "Output:", outputs },
		{ "counted", "What counts:", counted },
		{ "state", "State and limits:", states },
	};
	/* clang-format on */
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);

	g_set_prgname("muster scan");
	g_option_context_set_summary(context,
		"Looks for leaked credentials in everything that the refs of a repository lead\n"
		"to, or in files, in what is staged, in some commits. Folders are searched for\n"
		"repositories. Needs no database, no configuration and no network but for a URL.");
	g_option_context_set_description(context,
		"Exit codes: 0 nothing found, 1 findings, 2 wrong usage, 3 something could not\n"
		"be read (wins over 1), 4 anything else.\n\n"
		"Examples:\n"
		"  muster scan ~/src/thing\n"
		"  muster scan --worktree --format sarif --output scan.sarif .\n"
		"  muster scan --range origin/main..HEAD\n"
		"  git log -p | muster scan -\n");
	/* With help of its own it would show one group, and a line for each of the others. */
	g_option_context_set_help_enabled(context, FALSE);
	GOptionGroup *rest = g_option_group_new("scan", "", "", raw, NULL);
	g_option_group_add_entries(rest, paths);
	g_option_context_set_main_group(context, rest);
	for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
		GOptionGroup *group = g_option_group_new(
			groups[i].name, groups[i].title, groups[i].title, raw, NULL);
		g_option_group_add_entries(group, groups[i].entries);
		g_option_context_add_group(context, group);
	}
	if (g_option_context_parse(context, argc, argv, error))
		return TRUE;
	if (raw->has_help) {
		g_autofree char *text = g_option_context_get_help(context, FALSE, NULL);
		g_clear_error(error);
		flags->has_help = TRUE;
		fputs(text, stdout);
	}
	return FALSE;
}

static gboolean refuse(GError **error, const char *why)
{
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, why);
	return FALSE;
}

static gboolean source_choose(struct scan_flags *flags, const struct raw *raw, GError **error)
{
	guint count = 0;
	gboolean has_stdin = FALSE;

	flags->source = SCAN_SOURCE_HISTORY;
	for (guint i = 0; flags->paths != NULL && flags->paths[i] != NULL; i++)
		has_stdin |= !strcmp(flags->paths[i], "-");
	if (raw->is_worktree && ++count > 0)
		flags->source = SCAN_SOURCE_WORKTREE;
	if (raw->is_staged && ++count > 0)
		flags->source = SCAN_SOURCE_STAGED;
	if (raw->is_push && ++count > 0)
		flags->source = SCAN_SOURCE_PUSH;
	if ((flags->range != NULL || flags->since_commit != NULL) && ++count > 0)
		flags->source = SCAN_SOURCE_RANGE;
	if (has_stdin && ++count > 0)
		flags->source = SCAN_SOURCE_STDIN;
	if (count > 1)
		return refuse(error, "only one of --worktree, --staged, --pre-receive, --range or "
				     "--since-commit, and '-' can be asked for");
	if (flags->range != NULL && flags->since_commit != NULL)
		return refuse(error, "--range and --since-commit exclude one another");
	if (flags->range != NULL && flags->branch != NULL)
		return refuse(error, "--range and --branch exclude one another");
	if (flags->branch != NULL && flags->source != SCAN_SOURCE_HISTORY &&
		flags->source != SCAN_SOURCE_RANGE)
		return refuse(error, "--branch is for history");
	if (flags->has_unreachable &&
		(flags->source != SCAN_SOURCE_HISTORY || flags->branch != NULL))
		return refuse(error, "--unreachable is for all of history");
	if (has_stdin && flags->paths[1] != NULL)
		return refuse(error, "'-' stands alone");
	return TRUE;
}

static gboolean number_check(
	int value, int least, int most, const char *name, guint *out, GError **error)
{
	if (value < least || value > most) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"--%s is a number from %d to %d", name, least, most);
		return FALSE;
	}
	*out = (guint)value;
	return TRUE;
}

static gboolean redact_parse(struct scan_flags *flags, const struct raw *raw, GError **error)
{
	char *end = NULL;
	gint64 percent = raw->redact != NULL ? g_ascii_strtoll(raw->redact, &end, 10) : 100;

	flags->mask.is_shown = raw->has_secrets;
	if (!raw->is_redacted)
		return TRUE;
	if (raw->has_secrets)
		return refuse(error, "--redact and --show-secrets exclude one another");
	if ((end != NULL && (*end != '\0' || end == raw->redact)) || percent < 1 || percent > 100)
		return refuse(error,
			"--redact is a number from 1 to 100; to see secrets, --show-secrets");
	flags->mask.percent = (guint)percent;
	return TRUE;
}

/* ids as people write them: one an option, or several with commas. */
static char **ids_split(char *const *given)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	for (guint i = 0; given != NULL && given[i] != NULL; i++) {
		g_auto(GStrv) parts = g_strsplit(given[i], ",", -1);
		for (guint j = 0; parts[j] != NULL; j++)
			if (*g_strstrip(parts[j]) != '\0')
				g_strv_builder_add(builder, parts[j]);
	}
	return given != NULL ? g_strv_builder_end(builder) : NULL;
}

static gboolean output_choose(struct scan_flags *flags, struct raw *raw, GError **error)
{
	const char *format = raw->format != NULL ? raw->format : raw->report_format;
	const char *output = raw->output != NULL ? raw->output : raw->report_path;

	if ((raw->format != NULL && raw->report_format != NULL) ||
		(raw->output != NULL && raw->report_path != NULL))
		return refuse(error, "format and output can be given once each");
	/* gitleaks: the name of the file says the form. */
	if (format == NULL && raw->report_path != NULL) {
		const char *dot = strrchr(raw->report_path, '.');
		format = dot == NULL              ? "gitleaks"
			 : !strcmp(dot, ".sarif") ? "sarif"
			 : !strcmp(dot, ".csv")   ? "csv"
			 : !strcmp(dot, ".xml")   ? "junit"
						  : "gitleaks";
	}
	flags->format = scan_format_parse(format != NULL ? format : "table");
	if (flags->format == SCAN_FORMAT_UNSET) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "--format is one of %s",
			scan_format_names());
		return FALSE;
	}
	if (output != NULL && strcmp(output, "-") != 0)
		flags->output = g_strdup(output);
	return TRUE;
}

static gboolean fail_on_parse(struct scan_flags *flags, const struct raw *raw, GError **error)
{
	flags->fail_on = SEVERITY_INFO;
	if (raw->has_exit_zero || !g_strcmp0(raw->fail_on, "never"))
		flags->fail_on = SEVERITY_UNSET;
	else if (raw->fail_on != NULL) {
		flags->fail_on = severity_parse(raw->fail_on);
		if (flags->fail_on == SEVERITY_UNSET)
			return refuse(
				error, "--fail-on is info, low, medium, high, critical or never");
	}
	return TRUE;
}

gboolean scan_flags_parse(struct scan_flags *flags, int *argc, char ***argv, GError **error)
{
	g_auto(raw) raw = {
		.exit_code = EXIT_ATTENTION, .memory = 256, .megabytes = 256, .decode_depth = 2};
	guint memory = 0, megabytes = 0, exit_code = 0;

	memset(flags, 0, sizeof(*flags));
	if (!entries_parse(flags, &raw, argc, argv, error) || !source_choose(flags, &raw, error) ||
		!output_choose(flags, &raw, error) || !fail_on_parse(flags, &raw, error) ||
		!redact_parse(flags, &raw, error) ||
		!number_check(raw.exit_code, 0, 255, "exit-code", &exit_code, error) ||
		!number_check(raw.threads, 0, 1024, "threads", &flags->threads, error) ||
		!number_check(raw.memory, 1, 1 << 20, "memory-megabytes", &memory, error) ||
		!number_check(raw.megabytes, 1, 3500, "max-target-megabytes", &megabytes, error) ||
		!number_check(
			raw.decode_depth, 0, 5, "max-decode-depth", &flags->decode_depth, error) ||
		!number_check(raw.archive_depth, 0, 8, "max-archive-depth", &flags->archive_depth,
			error) ||
		!number_check(
			raw.timeout_s, 0, G_MAXINT32 / 1000, "timeout", &flags->timeout_s, error))
		return FALSE;
	if (raw.has_archives && flags->archive_depth == 0)
		flags->archive_depth = ARCHIVE_DEPTH;
	flags->exit_code = (int)exit_code;
	flags->memory_bytes = (guint64)memory << 20;
	flags->blob_max_bytes = (guint64)megabytes << 20;
	if (flags->has_no_state && flags->state_folder != NULL)
		return refuse(error, "--state and --no-state exclude one another");
	if (flags->is_strict && (flags->baseline != NULL || flags->ignore_file != NULL))
		return refuse(error, "--strict takes neither a baseline nor an ignore file");
	g_autoptr(GStrvBuilder) files = g_strv_builder_new();
	if (raw.configs != NULL)
		g_strv_builder_addv(files, (const char **)raw.configs);
	if (raw.rules != NULL)
		g_strv_builder_addv(files, (const char **)raw.rules);
	flags->rule_files = g_strv_builder_end(files);
	flags->enabled = ids_split(raw.enabled);
	flags->disabled = ids_split(raw.disabled);
	if (flags->paths == NULL) {
		flags->paths = g_new0(char *, 2);
		flags->paths[0] = g_strdup(".");
	}
	return TRUE;
}
