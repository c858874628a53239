/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "jobs/audit/member.h"
#include "jobs/git/diff.h"
#include "jobs/landlock.h"
#include "jobs/output/output.h"
#include "jobs/output/terminal.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/quote.h"

/*
 * muster diff: what changed in one working tree. For a person as text, for the page as JSON:
 *
 *	{"repo", "diff", "truncated", "files": [{"path", "old_path", "status", "additions",
 *	 "deletions", "binary", "truncated", "hunks": [{"header", "old_start", "old_lines",
 *	 "new_start", "new_lines", "lines": [{"kind", "old", "new", "text"}]}]}]}
 *
 * "diff" is the text: the lines of `git status --short`, "---", the changed lines.
 */

#define TEXT_MAX_BYTES (2 * 1024 * 1024)

static const char *kind_name(char kind)
{
	return kind == '+' ? "add" : kind == '-' ? "delete" : "context";
}

/* Bytes of a file as text: what is no UTF-8 is replaced, and so is what moves a cursor. */
static char *text_format(const char *bytes)
{
	g_autofree char *valid = g_utf8_make_valid(bytes, -1);
	GString *out = g_string_sized_new(strlen(valid));

	for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
		gunichar code = g_utf8_get_char(at);
		if (code != '\t' &&
			(g_unichar_iscntrl(code) || (code >= 0x202a && code <= 0x202e) ||
				(code >= 0x2066 && code <= 0x2069)))
			code = 0xfffd;
		g_string_append_unichar(out, code);
	}
	return g_string_free(out, FALSE);
}

static json_object *hunk_new(const struct diff_hunk *hunk)
{
	json_object *object = json_object_new_object();
	g_autofree char *header = text_format(hunk->header);

	member_text(object, "header", header);
	member_number(object, "old_start", hunk->old_start, TRUE);
	member_number(object, "old_lines", hunk->old_lines, TRUE);
	member_number(object, "new_start", hunk->new_start, TRUE);
	member_number(object, "new_lines", hunk->new_lines, TRUE);
	json_object *lines = member_array(object, "lines");
	for (guint i = 0; i < hunk->lines->len; i++) {
		const struct diff_line *line = &g_array_index(hunk->lines, struct diff_line, i);
		json_object *item = json_object_new_object();
		g_autofree char *text = text_format(line->text);
		member_text(item, "kind", kind_name(line->kind));
		member_number(item, "old", line->old_line, line->old_line > 0);
		member_number(item, "new", line->new_line, line->new_line > 0);
		member_text(item, "text", text);
		json_object_array_add(lines, item);
	}
	return object;
}

static json_object *file_new(const struct diff_file *file)
{
	json_object *object = json_object_new_object();

	member_name(object, "path", file->path);
	member_text(object, "old_path", NULL);
	member_text(object, "status", diff_kind_name(file->kind));
	member_number(object, "additions", (gint64)file->additions, TRUE);
	member_number(object, "deletions", (gint64)file->deletions, TRUE);
	member_flag(object, "binary", file->is_binary, TRUE);
	member_flag(object, "truncated", file->is_truncated, TRUE);
	json_object *hunks = member_array(object, "hunks");
	for (guint i = 0; i < file->hunks->len; i++)
		json_object_array_add(hunks, hunk_new(file->hunks->pdata[i]));
	return object;
}

static void colour_append(GString *out, gboolean has_colour, const char *code, const char *text)
{
	if (has_colour)
		g_string_append_printf(out, "\033[%sm%s\033[0m", code, text);
	else
		g_string_append(out, text);
}

static void file_append(const struct diff_file *file, gboolean has_colour, GString *out)
{
	g_autofree char *path = quote_format(file->path);
	g_autofree char *old = g_strdup_printf("--- a/%s\n", path);
	g_autofree char *new = g_strdup_printf("+++ b/%s\n", path);

	colour_append(out, has_colour, "1",
		file->kind == DIFF_KIND_ADDED || file->kind == DIFF_KIND_UNTRACKED
			? "--- /dev/null\n"
			: old);
	colour_append(
		out, has_colour, "1", file->kind == DIFF_KIND_DELETED ? "+++ /dev/null\n" : new);
	if (file->is_binary)
		g_string_append(out, "Binary files differ\n");
	for (guint i = 0; i < file->hunks->len; i++) {
		const struct diff_hunk *hunk = file->hunks->pdata[i];
		g_autofree char *header = text_format(hunk->header);
		colour_append(out, has_colour, "36", header);
		g_string_append_c(out, '\n');
		for (guint j = 0; j < hunk->lines->len; j++) {
			const struct diff_line *line =
				&g_array_index(hunk->lines, struct diff_line, j);
			g_autofree char *text = text_format(line->text);
			g_autofree char *whole = g_strdup_printf("%c%s", line->kind, text);
			if (line->kind == ' ')
				g_string_append(out, whole);
			else
				colour_append(
					out, has_colour, line->kind == '+' ? "32" : "31", whole);
			g_string_append_c(out, '\n');
		}
	}
	if (file->is_truncated)
		g_string_append(out, "(not all of it is shown)\n");
}

static void diff_append(const struct diff *diff, gboolean has_colour, GString *out)
{
	for (guint i = 0; i < diff->files->len; i++) {
		const struct diff_file *file = diff->files->pdata[i];
		g_autofree char *path = quote_format(file->path);
		g_string_append_printf(out, "%c%c %s\n", file->x == '.' ? ' ' : file->x,
			file->y == '.' ? ' ' : file->y, path);
	}
	g_string_append(out, "---\n");
	for (guint i = 0; i < diff->files->len && out->len < TEXT_MAX_BYTES; i++) {
		const struct diff_file *file = diff->files->pdata[i];
		if (file->hunks->len > 0 || file->is_binary || file->is_truncated)
			file_append(file, has_colour, out);
	}
}

static json_object *diff_new(const struct diff *diff, const char *path)
{
	json_object *object = json_object_new_object();
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *name = g_path_get_basename(path);

	diff_append(diff, FALSE, text);
	member_name(object, "repo", name);
	member_text(object, "diff", text->str);
	json_object *files = member_array(object, "files");
	for (guint i = 0; i < diff->files->len; i++)
		json_object_array_add(files, file_new(diff->files->pdata[i]));
	member_flag(object, "truncated", diff->is_truncated || text->len >= TEXT_MAX_BYTES, TRUE);
	return object;
}

static int usage_error(const char *message)
{
	fprintf(stderr, "muster diff: %s. See 'muster diff --help'.\n", message);
	return EXIT_USAGE;
}

static gboolean arguments_parse(
	int *argc, char ***argv, char **format, char **within, char ***paths, GError **error)
{
	const GOptionEntry entries[] = {
		{"format", 'f', 0, G_OPTION_ARG_STRING, format, "text or json", "FORMAT"},
		{"within", 0, 0, G_OPTION_ARG_FILENAME, within, "Read nothing outside of DIR",
			"DIR"},
		{G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, paths, NULL, "PATH"},
		G_OPTION_ENTRY_NULL,
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);

	g_set_prgname("muster diff");
	g_option_context_set_summary(context,
		"Shows what changed in the working tree at PATH since its last commit, staged or\n"
		"not. Runs no diff driver, filter or pager; changes nothing. Long changes are cut\n"
		"and say so.");
	g_option_context_set_description(context,
		"Exit codes: 0 nothing changed, 1 something did, 2 wrong usage, 3 the repository\n"
		"cannot be read, 4 anything else.\n");
	g_option_context_add_main_entries(context, entries, NULL);
	return g_option_context_parse(context, argc, argv, error);
}

static int fail(const char *path, const GError *error)
{
	g_autofree char *quoted = quote_format(path);

	fprintf(stderr, "muster diff: %s: %s\n", quoted, error->message);
	return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING) ? EXIT_USAGE
									  : EXIT_PARTLY;
}

static gboolean confine(const char *folder, GError **error)
{
	g_autoptr(GPtrArray) reads = g_ptr_array_new();

	g_ptr_array_add(reads, (gpointer)folder);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		landlock_confine(reads, NULL, NULL, FALSE, FALSE))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "the files cannot be fenced off: %s",
		g_strerror(errno));
	return FALSE;
}

static gboolean path_is_within(const char *path, const char *folder)
{
	g_autofree char *real = realpath(path, NULL);
	g_autofree char *top = realpath(folder, NULL);
	gsize len = top != NULL ? strlen(top) : 0;

	if (real == NULL || top == NULL)
		return FALSE;
	return len == 1 ||
	       (strncmp(real, top, len) == 0 && (real[len] == '/' || real[len] == '\0'));
}

/* Also where the kernel has no fence: what a `.git` file may lead to. */
static gboolean repo_is_within(const struct repo *r, const char *folder, GError **error)
{
	g_autofree char *objects = g_build_filename(r->commondir, "objects", NULL);

	if (path_is_within(r->path, folder) && path_is_within(r->gitdir, folder) &&
		path_is_within(r->commondir, folder) && path_is_within(objects, folder))
		return TRUE;
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"unreadable: the repository's files lie outside of the folder that is allowed");
	return FALSE;
}

int diff_main(int argc, char **argv)
{
	g_autofree char *format = NULL, *within = NULL;
	g_auto(GStrv) paths = NULL;
	g_autoptr(GError) error = NULL;

	if (!arguments_parse(&argc, &argv, &format, &within, &paths, &error))
		return usage_error(error->message);
	if (paths == NULL || g_strv_length(paths) != 1)
		return usage_error("give one PATH");
	gboolean is_json = format != NULL && !strcmp(format, "json");
	if (format != NULL && !is_json && strcmp(format, "text") != 0)
		return usage_error("--format is text or json");
	g_autoptr(Gitconfig) user = gitconfig_new_user();
	if (within != NULL && !confine(within, &error))
		return fail(paths[0], error);
	g_autoptr(Repo) r = repo_open(paths[0], user, &error);
	if (r == NULL || (within != NULL && !repo_is_within(r, within, &error)))
		return fail(paths[0], error);
	g_autoptr(Diff) diff = diff_read(r, &diff_limits_default, &error);
	if (diff == NULL)
		return fail(paths[0], error);
	g_autoptr(GString) out = g_string_new(NULL);
	if (is_json) {
		g_autofree char *real = g_canonicalize_filename(paths[0], NULL);
		g_autoptr(json_object) object = diff_new(diff, real);
		g_string_assign(
			out, json_object_to_json_string_ext(object,
				     JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		g_string_append_c(out, '\n');
	} else if (diff->files->len > 0) {
		struct output_style style;
		terminal_style_init(&style, STDOUT_FILENO);
		diff_append(diff, style.has_colour, out);
	}
	if (fwrite(out->str, 1, out->len, stdout) != out->len || fflush(stdout) != 0)
		return EXIT_OTHER;
	return diff->files->len > 0 ? EXIT_ATTENTION : EXIT_FINE;
}
